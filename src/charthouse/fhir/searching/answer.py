"""A search answered as a Bundle: matches, what is included, links, and what was not understood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from charthouse.fhir.domain.content import with_meta
from charthouse.fhir.domain.outcomes import Issue, outcome_json
from charthouse.fhir.domain.shape import SUMMARIES, Shape
from charthouse.foundation.ids import new_id
from charthouse.record.api import (
    Ignored,
    SearchError,
    Stored,
    public_ids,
    whole,
)

from .asker import Asker, Pairs
from .including import Inclusion, read_directives

Json = dict[str, Any]

#: The parameter of a link's address by which a page goes on.
CURSOR = "_cursor"


@dataclass(slots=True)
class Answered:
    """A Bundle whose resources are bytes (:class:`orjson.Fragment`), and the resources in it, each with the public
    id of the patient it belongs to."""

    bundle: Json
    given: list[tuple[Stored, str | None]] = field(default_factory=list)

    @property
    def content(self) -> bytes:
        """The Bundle as JSON."""
        return orjson.dumps(self.bundle)


def answer(
    asker: Asker, kind: str, pairs: Pairs, *, path: str | None = None, within: tuple[str, str] | None = None
) -> Answered:
    """Search resources of a type, within a compartment (its type and id) where given.

    ``pairs`` are the decoded names and values of the search; ``path`` is the address below the base, the type
    unless given. Raises SearchError for what cannot be read or done.
    """
    asked, cursor = without_cursor(pairs)
    page = asker.find(kind, asked, cursor=cursor, within=within)
    forming = read_form(page.shaping, strict=asker.strict)
    understood = [pair for pair in page.understood if pair not in page.shaping] + forming.understood
    links = Links(asker.base, path or kind, understood)
    total = page.total
    if total is None and cursor is None and page.next is None and ("_total", "none") not in page.understood:
        total = len(page.rows)
    if page.only_total:
        return Answered(bundle_of([], total, links.all(None, None)))
    ignored = [*page.ignored, *forming.ignored]
    return assembled(asker, page.rows, forming, total=total, links=links.all(cursor, page.next), ignored=ignored)


def assembled(
    asker: Asker,
    matches: Sequence[Stored],
    form: Form,
    *,
    total: int | None,
    links: Sequence[Json],
    ignored: Sequence[Ignored] = (),
    more: Sequence[Stored] = (),
) -> Answered:
    """The Bundle of a page; ``more`` are resources brought beside the matches."""
    given = {(each.type, each.public_id) for each in (*matches, *more)}
    inclusion = Inclusion(asker, given, list(more))
    if form.directives:
        inclusion.follow(matches, form.directives)
    entries = [_entry(asker, each, form.shape, "match") for each in matches]
    entries += [_entry(asker, each, form.shape, "include") for each in inclusion.found]
    issues = [_passed_over(each) for each in ignored]
    if not inclusion.complete:
        issues.append(
            Issue(
                "incomplete",
                "More resources belong to these than are included. Ask for fewer with _count.",
                severity="warning",
            )
        )
    if issues:
        entries.append({"resource": outcome_json(issues), "search": {"mode": "outcome"}})
    rows = [*matches, *inclusion.found]
    patients = {each.row: each.public_id for each in rows if each.type == "Patient"}
    patients |= {each.patient: each.owner for each in rows if each.patient is not None and each.owner is not None}
    patients |= public_ids("Patient", {each.patient for each in rows if each.patient} - patients.keys())
    told = [(each, patients.get(each.patient) if each.patient is not None else None) for each in rows]
    return Answered(bundle_of(entries, total, links), told)


def _passed_over(ignored: Ignored) -> Issue:
    return Issue(
        "not-supported", f"The parameter {ignored.name} was passed over: {ignored.why}.", severity="warning"
    )


def bundle_of(entries: Sequence[Json], total: int | None, links: Sequence[Json]) -> Json:
    """A searchset."""
    bundle: Json = {"resourceType": "Bundle", "id": str(new_id()), "type": "searchset"}
    if total is not None:
        bundle["total"] = total
    bundle["link"] = list(links)
    if entries:
        bundle["entry"] = list(entries)
    return bundle


def _entry(asker: Asker, stored: Stored, shape: Shape, mode: str) -> Json:
    content = shape.cut(stored.type, with_meta(whole(stored), stored.version, stored.filed_at))
    return {
        "fullUrl": f"{asker.base}{stored.type}/{stored.public_id}",
        "resource": orjson.Fragment(content),
        "search": {"mode": mode},
    }


def without_cursor(pairs: Pairs) -> tuple[list[tuple[str, str]], str | None]:
    """The pairs without the place to go on from, and the place."""
    cursor = next((value for name, value in pairs if name == CURSOR), None)
    return [pair for pair in pairs if pair[0] != CURSOR], cursor or None


@dataclass(frozen=True, slots=True)
class Links:
    """The links of a page: what was understood, no more."""

    base: str
    path: str
    understood: Pairs

    def all(self, cursor: str | None, following: str | None) -> list[Json]:
        """``self``, ``first`` and ``next`` where there are such."""
        found = [self._link("self", cursor)]
        if cursor:
            found.append(self._link("first", None))
        if following:
            found.append(self._link("next", following))
        return found

    def _link(self, relation: str, cursor: str | None) -> Json:
        query = urlencode([*self.understood, *([(CURSOR, cursor)] if cursor else [])], safe="|,:/")
        address = f"{self.base}{self.path}".rstrip("/")
        return {"relation": relation, "url": f"{address}?{query}" if query else address}


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is to look, and what it brings along."""

    shape: Shape
    directives: tuple[Any, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    understood: list[tuple[str, str]] = field(default_factory=list)


def read_form(pairs: Pairs, *, strict: bool) -> Form:
    """Read ``_summary``, ``_elements``, ``_include`` and ``_revinclude``. Raises SearchError where ``strict``."""
    directives, ignored, understood = read_directives(pairs, strict=strict)
    summary, elements = "", None
    for name, value in pairs:
        if name == "_summary":
            if value not in SUMMARIES:
                if strict:
                    raise SearchError("_summary", "value", "it is not known", f"Give one of {', '.join(SUMMARIES)}")
                ignored.append(Ignored("_summary", "its value is not known"))
                continue
            summary = value
            understood.append((name, value))
        elif name == "_elements":
            elements = _elements(value, elements or {})
            understood.append((name, value))
    return Form(Shape(summary, elements), tuple(directives), tuple(ignored), understood)


def _elements(value: str, known: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """By type the names of elements; those without a type are under the empty one."""
    found = dict(known)
    for text in value.split(","):
        kind, dot, name = text.strip().partition(".")
        if not dot or not kind[:1].isupper():
            kind, name = "", text.strip()
        if name:
            found[kind] = found.get(kind, frozenset()) | {name.partition(".")[0]}
    return found
