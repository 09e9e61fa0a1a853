"""Run a search: page after page, what is uncertain compared again, the number of matches where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.prepared import planned_anew, prepared_in_time
from charthouse.record.queries import Stored, stored_from

from .compiling import Compiler, order_of
from .concepts import related
from .errors import SearchError
from .ordering import Place, cursor_of, place_of
from .parsing import compartment, parse
from .rechecking import holds, is_own, is_uncertain
from .sql import Sql
from .terms import (
    AllOf,
    AnyOf,
    Chain,
    Criterion,
    Has,
    Ignored,
    Modifier,
    OneOf,
    Related,
    Relation,
    Search,
    SortBy,
    SortKey,
    Term,
    Total,
)
from .values import escape
from .wording import is_worded, worded

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
_ROW, _VERSION, _KEYS = 0, 3, _STORED_COLUMNS + 1
Record = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Part of the answer to a search. ``next`` continues it, None at the end; a page may hold fewer than asked for
    and still go on. ``total`` is None unless asked for. ``ignored`` are the
    parameters not understood, ``understood`` those that were used, ``shaping`` those that say how the answer is to
    look. ``size`` is how many it could have held."""

    rows: list[Stored]
    next: str | None
    total: int | None
    ignored: tuple[Ignored, ...]
    understood: tuple[tuple[str, str], ...] = ()
    shaping: tuple[tuple[str, str], ...] = ()
    size: int = 0
    only_total: bool = False


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
    base: str = "",
    within: tuple[str, str] | None = None,
    terms: Sequence[Term] = (),
    reachable: Callable[[str], bool] | None = None,
) -> SearchPage:
    """The current resources of a type that match ``query`` (decoded names and values) and may be seen.

    ``patients`` keeps to the compartments of these rows. ``count`` is a page's size where the query has no
    ``_count``. ``base`` is our own address, with a slash at its end: references below it are ours. ``within`` keeps
    to a compartment, named by type and id; ``terms`` are further ones that must hold. ``reachable`` says of a type
    whether chains and ``_has`` may lead over it; what they may not is as if it were not there. ``errors`` says
    whether resources entered in error are among them, as FHIR has it. Raises SearchError for what cannot be read or
    done and for a cursor of another search; what is not known is named in ``ignored`` unless ``strict``.
    """
    asked = parse(resource_type, query, strict, base=base)
    if within is not None:
        terms = (compartment(resource_type, *within), *terms)
    run = _Run(ctx, asked, patients, errors, reachable, terms)
    total = run.total()
    if asked.only_total:
        return SearchPage([], None, total, asked.ignored, asked.understood, asked.shaping, 0, True)
    size = min(max(asked.count if asked.count is not None else count or PAGE, 1), LARGEST_PAGE)
    rows, following = run.page(size, cursor)
    return SearchPage(rows, following, total, asked.ignored, asked.understood, asked.shaping, size)


def fitting(
    ctx: AccessContext, kind: str, term: Term, versions: Sequence[tuple[int, dict[str, Any]]]
) -> list[bool]:
    """For which of some versions of resources, each with its row, a term of :func:`narrowed` holds.

    What a version says by itself is told by its content; whose the resource is, what it leads to and what leads to
    it by what stands now. For one that does not stand any more the latter never holds.
    """
    found = [False] * len(versions)
    for way in term.terms if isinstance(term, AnyOf) else (term,):
        parts = way.terms if isinstance(way, AllOf) else (way,)
        own, others = [each for each in parts if is_own(each)], [each for each in parts if not is_own(each)]
        left = [
            number
            for number, (_, resource) in enumerate(versions)
            if not found[number] and all(holds(each, resource) for each in own)
        ]
        if others and left:
            rows = _rows_where(ctx, kind, others, {versions[number][0] for number in left})
            left = [number for number in left if versions[number][0] in rows]
        for number in left:
            found[number] = True
    return found


def _rows_where(ctx: AccessContext, kind: str, terms: Sequence[Term], rows: Collection[int]) -> set[int]:
    """Those of some rows of a type that stand, may be seen, and for which all terms hold."""
    asked = Search(kind, (), (SortKey(SortBy.UPDATED, False),))
    run = _Run(ctx, asked, None, True, None, (OneOf("(rows)", tuple(rows)), *terms))
    return {record[_ROW] for record, stored in run._examined(None, LARGEST_PAGE) if stored is not None}


def _anything(kind: str) -> bool:
    return True


class _Run:
    """One search being answered."""

    def __init__(
        self,
        ctx: AccessContext,
        asked: Search,
        patients: Sequence[int] | None,
        errors: bool,
        reachable: Callable[[str], bool] | None = None,
        granted: Sequence[Term] = (),
    ) -> None:
        self._ctx = ctx
        self._errors = errors
        self._patients = patients
        # What is granted by a chain is granted, whether or not the asker may go that way.
        terms = [self._settled(term, _anything) for term in granted]
        terms += [self._settled(term, reachable or _anything) for term in asked.terms]
        self._search = replace(asked, terms=tuple(terms))
        self._checks = [term for term in self._search.terms if is_uncertain(term)]
        self._order = tuple(self._worded(key) for key in order_of(self._search, patients))

    def _worded(self, key: SortKey) -> SortKey:
        if key.parameter is None or not is_worded(key.parameter):
            return key
        return replace(key, words=worded(self._search.type, key.parameter))

    def page(self, size: int, cursor: str | None) -> tuple[list[Stored], str | None]:
        """At most ``size`` matches after the cursor, and the cursor behind them."""
        last = place_of(self._order, cursor) if cursor else None
        found: list[Stored] = []
        before: Record | None = None
        for number, (record, stored) in enumerate(self._examined(last, size + 1)):
            if before is not None and (number >= MOST_EXAMINED or (stored is not None and len(found) == size)):
                return found, cursor_of(self._order, self._place(before))
            if stored is not None:
                found.append(stored)
            before = record
        return found, None

    def total(self) -> int | None:
        """How many match, as exactly as was asked."""
        if self._search.total is Total.NONE:
            return None
        if self._search.total is Total.ACCURATE:
            if self._checks:
                return sum(stored is not None for _, stored in self._examined(None, LARGEST_PAGE))
            return int(_rows(self._compiler().total(self._search, patients=self._patients))[0][0])
        counted = self._compiler().total(self._search, patients=self._patients, most=COUNTED + 1)
        found = int(_rows(counted)[0][0])
        if found <= COUNTED:
            return found
        whole = self._compiler().page(self._search, (), 1_000_000_000, patients=self._patients)
        plan = _rows(Sql(f"EXPLAIN (FORMAT JSON) {whole.text}", whole.values))[0][0]
        told = orjson.loads(plan) if isinstance(plan, str) else plan
        return max(int(told[0]["Plan"]["Plan Rows"]), found)

    def _examined(self, after: Place | None, limit: int) -> Iterator[tuple[Record, Stored | None]]:
        """What the index finds, in order from behind ``after``, each with the resource where it really matches."""
        limit = max(limit, _CHUNK) if self._checks else limit
        while True:
            records = _rows(
                self._compiler().page(self._search, self._order, limit, patients=self._patients, after=after)
            )
            for record in records:
                stored = stored_from(record[:_STORED_COLUMNS], record[_STORED_COLUMNS])
                yield record, stored if not self._checks or self._fits(stored) else None
            if len(records) < limit:
                return
            after = self._place(records[-1])

    def _place(self, record: Record) -> Place:
        """Where a page goes on that ends with this row."""
        keys = tuple(_told(key, each) for key, each in zip(self._order, record[_KEYS:], strict=True))
        return Place(keys, record[_ROW], record[_VERSION])

    def _fits(self, stored: Stored) -> bool:
        resource = stored.resource
        return all(
            holds(term, resource)
            if not isinstance(term, AnyOf | AllOf) or is_own(term)
            else fitting(self._ctx, stored.type, term, [(stored.row, resource)])[0]
            for term in self._checks
        )

    def _settled(self, term: Term, reachable: Callable[[str], bool]) -> Term:
        """``term``, where a chain leads to what the index cannot tell for sure, with the rows found for it."""
        match term:
            case Chain():
                return replace(
                    term,
                    targets=tuple(
                        (target, self._found(target, inner, reachable))
                        for target, inner in term.targets
                        if reachable(target)
                    ),
                )
            case Has() if not reachable(term.type):
                return OneOf(term.name, ())
            case Has():
                return replace(term, term=self._found(term.type, term.term, reachable))
            case Related():
                modifier = Modifier.NOT if term.relation is Relation.NOT_IN else None
                values = related(term.name, term.relation, term.value, self._fetch)
                return Criterion(term.name, term.parameter, modifier, values)
            case AnyOf() if len(term.terms) == 1:
                return self._settled(term.terms[0], reachable)
            case AnyOf() | AllOf():
                return replace(term, terms=tuple(self._settled(each, reachable) for each in term.terms))
            case _:
                return term

    def _found(self, kind: str, term: Term, reachable: Callable[[str], bool]) -> Term:
        term = self._settled(term, reachable)
        if not is_uncertain(term):
            return term
        asked = Search(kind, (term,), (SortKey(SortBy.UPDATED, False),))
        inner = _Run(self._ctx, asked, None, self._errors, reachable)
        rows: list[int] = []
        for number, (record, stored) in enumerate(inner._examined(None, LARGEST_PAGE)):
            if stored is not None:
                rows.append(record[_ROW])
            if number >= MOST_EXAMINED or len(rows) > MOST_CHAINED:
                raise SearchError(
                    term.name, "value", "its condition leaves too many resources to go on from", "Ask more exactly"
                )
        return OneOf(term.name, tuple(rows))

    def _fetch(self, kind: str, url: str) -> dict[str, Any] | None:
        """The resource of a type by its canonical URL or as ``Type/id``."""
        name = "_id" if url.startswith(f"{kind}/") else "url"
        address, _, version = url.partition("|")
        query = [(name, escape(address.removeprefix(f"{kind}/") if name == "_id" else address))]
        if version:
            query.append(("version", escape(version)))
        query.append(("_sort", "-_lastUpdated"))
        rows = search(self._ctx, kind, query, count=1, errors=False).rows
        return rows[0].resource if rows else None

    def _compiler(self) -> Compiler:
        return Compiler(self._ctx, errors=self._errors, counted=_counts)


def _told(key: SortKey, text: str | None) -> int | str | None:
    return int(text) if text is not None and text != "x" else text


def _counts(statement: Sql) -> tuple[int, ...]:
    return prepared_in_time(statement.text, statement.values)[0]


def _rows(statement: Sql) -> list[Any]:
    return (prepared_in_time if statement.steady else planned_anew)(statement.text, statement.values)
