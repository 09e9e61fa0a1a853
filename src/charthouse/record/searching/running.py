"""Run a search: page after page, what is uncertain compared again, the number of matches where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.record.queries import Stored, stored_from

from .compiling import Compiler, order_of
from .errors import SearchError
from .ordering import Place, cursor_of, place_of
from .parsing import parse
from .rechecking import holds, is_uncertain
from .sql import Sql
from .terms import Chain, Has, OneOf, Search, SortBy, SortKey, Term, Total

#: Resources of a page where the search does not say how many, and at most.
PAGE, LARGEST_PAGE = 50, 1_000
#: Resources that one page looks into before it ends early, with a cursor.
MOST_EXAMINED = 10_000
#: Resources that a chain's condition may leave where it has to be looked up beforehand.
MOST_CHAINED = 1_000
#: Up to here an estimate counts.
COUNTED = 1_000
_CHUNK = 200
_STORED_COLUMNS = 15


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Part of the answer to a search. ``next`` continues it, None at the end; a page may hold fewer than asked for
    and still go on. ``total`` is None unless asked for. ``ignored`` names the parameters not understood."""

    rows: list[Stored]
    next: str | None
    total: int | None
    ignored: tuple[str, ...]


def search(
    ctx: AccessContext,
    resource_type: str,
    query: Sequence[tuple[str, str]],
    *,
    patients: Sequence[int] | None = None,
    cursor: str | None = None,
    count: int | None = None,
    strict: bool = False,
    errors: bool = True,
) -> SearchPage:
    """The current resources of a type that match ``query`` (decoded names and values) and may be seen.

    ``patients`` keeps to the compartments of these rows. ``count`` is a page's size where the query has no
    ``_count``. ``errors`` says whether resources entered in error are among them, as FHIR has it. Raises
    SearchError for what cannot be read or done and for a cursor of another search; what is not known is named in
    ``ignored`` unless ``strict``.
    """
    asked = parse(resource_type, query, strict)
    run = _Run(ctx, asked, patients, errors)
    total = run.total()
    if asked.only_total:
        return SearchPage([], None, total, asked.ignored)
    size = min(max(asked.count if asked.count is not None else count or PAGE, 1), LARGEST_PAGE)
    rows, following = run.page(size, cursor)
    return SearchPage(rows, following, total, asked.ignored)


class _Run:
    """One search being answered."""

    def __init__(self, ctx: AccessContext, asked: Search, patients: Sequence[int] | None, errors: bool) -> None:
        self._ctx = ctx
        self._errors = errors
        self._patients = patients
        self._search = replace(asked, terms=tuple(self._settled(term, asked.type) for term in asked.terms))
        self._checks = [term for term in self._search.terms if is_uncertain(term)]
        self._order = order_of(self._search, patients)

    def page(self, size: int, cursor: str | None) -> tuple[list[Stored], str | None]:
        """At most ``size`` matches after the cursor, and the cursor behind them."""
        last = place_of(self._order, cursor) if cursor else None
        found: list[Stored] = []
        for number, (stored, place, fits) in enumerate(self._examined(last, size + 1)):
            if last and (number >= MOST_EXAMINED or (fits and len(found) == size)):
                return found, cursor_of(self._order, last)
            if fits:
                found.append(stored)
            last = place
        return found, None

    def total(self) -> int | None:
        """How many match, as exactly as was asked."""
        if self._search.total is Total.NONE:
            return None
        if self._search.total is Total.ACCURATE:
            if self._checks:
                return sum(fits for _, _, fits in self._examined(None, LARGEST_PAGE))
            return int(_rows(self._compiler().total(self._search, patients=self._patients))[0][0])
        counted = self._compiler().total(self._search, patients=self._patients, most=COUNTED + 1)
        found = int(_rows(counted)[0][0])
        if found <= COUNTED:
            return found
        whole = self._compiler().page(self._search, (), 1_000_000_000, patients=self._patients)
        plan = _rows(Sql(f"EXPLAIN (FORMAT JSON) {whole.text}", whole.values))[0][0]
        told = orjson.loads(plan) if isinstance(plan, str) else plan
        return max(int(told[0]["Plan"]["Plan Rows"]), found)

    def _examined(self, after: Place | None, limit: int) -> Iterator[tuple[Stored, Place, bool]]:
        """What the index finds, in order from behind ``after``, each with whether it really matches."""
        limit = max(limit, _CHUNK) if self._checks else limit
        while True:
            records = _rows(
                self._compiler().page(self._search, self._order, limit, patients=self._patients, after=after)
            )
            for record in records:
                stored = stored_from(record[:_STORED_COLUMNS])
                after = Place(
                    tuple(
                        _told(key, each) for key, each in zip(self._order, record[_STORED_COLUMNS:], strict=True)
                    ),
                    stored.row,
                    stored.version,
                )
                yield stored, after, not self._checks or self._fits(stored)
            if len(records) < limit:
                return

    def _fits(self, stored: Stored) -> bool:
        resource = stored.resource
        return all(holds(term, resource) for term in self._checks)

    def _settled(self, term: Term, kind: str) -> Term:
        """``term``, where a chain leads to what the index cannot tell for sure, with the rows found for it."""
        match term:
            case Chain():
                return replace(
                    term, targets=tuple((target, self._found(target, inner)) for target, inner in term.targets)
                )
            case Has():
                return replace(term, term=self._found(term.type, term.term))
            case _:
                return term

    def _found(self, kind: str, term: Term) -> Term:
        term = self._settled(term, kind)
        if not is_uncertain(term):
            return term
        inner = _Run(self._ctx, Search(kind, (term,), (SortKey(SortBy.UPDATED, False),)), None, self._errors)
        rows: list[int] = []
        for number, (stored, _, fits) in enumerate(inner._examined(None, LARGEST_PAGE)):
            if fits:
                rows.append(stored.row)
            if number >= MOST_EXAMINED or len(rows) > MOST_CHAINED:
                raise SearchError(
                    term.name, "value", "its condition leaves too many resources to go on from", "Ask more exactly"
                )
        return OneOf(term.name, tuple(rows))

    def _compiler(self) -> Compiler:
        return Compiler(self._ctx, errors=self._errors)


def _told(key: SortKey, text: str | None) -> int | str | None:
    return int(text) if text is not None and text != "x" else text


def _rows(statement: Sql) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        return list(cursor.fetchall())
