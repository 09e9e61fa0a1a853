"""``$everything`` of a patient or an encounter, and ``$lastn``: reads that are more than one search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from charthouse.exchange.fhir.api import (
    compartments,
    default_extractor,
    instant_range,
    is_resource_type,
    main_date_parameter,
    read_reference,
    references_of,
)
from charthouse.record.api import SearchError, Stored, Term, in_a_compartment, types_present

from .answer import Answered, Links, assembled, read_form, without_cursor
from .asker import Asker, Pairs
from .including import Inclusion
from .several import LARGEST_PAGE, PAGE, in_turn

#: Observations that ``$lastn`` looks through.
MOST_LOOKED_THROUGH = 10_000
_KNOWN = frozenset({"start", "end", "_since", "_type", "_count"})


def everything(asker: Asker, kind: str, number: str | None, pairs: Pairs) -> Answered:
    """All that is in the compartment of a Patient or an Encounter, or of all of them where no ``number`` is given,
    and what it refers to outside of it.

    ``start`` and ``end`` are dates of care, ``_since`` an instant of filing. Raises SearchError.
    """
    asked, cursor = without_cursor(pairs)
    for name, _ in asked:
        if name not in _KNOWN:
            raise SearchError(
                name, "name", "the operation has no such parameter", f"Give {', '.join(sorted(_KNOWN))}"
            )
    given = dict(asked)
    members = {*compartments()[kind], kind}
    named = _named(given.get("_type", ""))
    types = [each for each in types_present() if each in members and (not named or each in named)]
    types.sort(key=lambda each: (each != kind, each))
    sources = [(each, _query(each, given)) for each in types if asker.readable(each)]
    size = _size(given.get("_count"))
    if number is None:
        rows, following = in_turn(asker, sources, cursor, size, None, lambda each: _of_any(each, kind))
    else:
        rows, following = in_turn(asker, sources, cursor, size, (kind, number))
    beside = _referred(asker, rows, members, named)
    links = Links(asker.base, f"{kind}/{number}/$everything" if number else f"{kind}/$everything", asked)
    total = len(rows) if cursor is None and following is None else None
    return assembled(
        asker, rows, read_form((), strict=True), total=total, links=links.all(cursor, following), more=beside
    )


def _of_any(kind: str, owner: str) -> list[Term]:
    term = in_a_compartment(kind, owner)
    return [term] if term is not None else []


def _named(value: str) -> set[str]:
    named = {each.strip() for each in value.split(",") if each.strip()}
    for each in named:
        if not is_resource_type(each):
            raise SearchError(
                "_type", "value", "it names what is no resource type of FHIR R4", "Check its spelling"
            )
    return named


def _size(value: str | None) -> int:
    if value is None:
        return PAGE
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value)):
        raise SearchError("_count", "value", "it is no whole number above zero", "Give a number such as 50")
    return min(int(value), LARGEST_PAGE)


def _query(kind: str, given: dict[str, str]) -> list[tuple[str, str]]:
    query = []
    if since := given.get("_since"):
        query.append(("_lastUpdated", f"ge{since}"))
    dated = main_date_parameter(kind)
    for name, prefix in (("start", "ge"), ("end", "le")):
        if value := given.get(name):
            if instant_range(value) is None:
                raise SearchError(name, "value", "it is no date of the calendar", "Give YYYY-MM-DD")
            if dated is not None and kind != "Patient":
                query.append((dated, f"{prefix}{value}"))
    return query


def _referred(asker: Asker, rows: Sequence[Stored], members: set[str], named: set[str]) -> list[Stored]:
    """What these refer to that is in no compartment of this kind, and what that refers to: practitioners,
    places."""
    found = Inclusion(asker, {(each.type, each.public_id) for each in rows})
    found.add(_outside(rows, members, named))
    found.add(_outside(found.found, members, named))
    return found.found


def _outside(rows: Iterable[Stored], members: set[str], named: set[str]) -> list[tuple[str, str]]:
    keys: dict[tuple[str, str], None] = {}
    for stored in rows:
        for text in references_of(stored.resource):
            kind, number, url = read_reference(text)
            is_outside = kind not in members or kind == "Patient"
            if kind and number and url is None and is_outside and (not named or kind in named):
                keys[(kind, number)] = None
    return list(keys)


def lastn(asker: Asker, pairs: Pairs) -> Answered:
    """The newest observations of each code, ``max`` of each (one unless said), newest first.

    Of a patient or subject, as R4 wants. Raises SearchError.
    """
    given, rest = {}, []
    for name, value in pairs:
        if name == "max":
            given[name] = value
        elif name not in ("_sort", "_count"):
            rest.append((name, value))
    most = given.get("max", "1")
    if not (most.isascii() and most.isdigit() and len(most) < 6 and int(most)):
        raise SearchError("max", "value", "it is no whole number above zero", "Give a number such as 3")
    if not any(name.partition(":")[0] in ("patient", "subject") for name, _ in rest):
        raise SearchError("patient", "name", "it is missing", "Say whose observations: patient=… or subject=…")
    if not any(name.partition(":")[0] in ("category", "code") for name, _ in rest):
        raise SearchError("category", "name", "it is missing", "Say which observations: category=… or code=…")
    taken: dict[frozenset[Any], list[Stored]] = {}
    cursor: str | None = None
    looked = 0
    page = None
    while page is None or (cursor is not None and looked < MOST_LOOKED_THROUGH):
        page = asker.find("Observation", [*rest, ("_sort", "-date")], cursor=cursor, count=LARGEST_PAGE)
        for stored in page.rows:
            group = _group(stored, taken)
            if len(taken.setdefault(group, [])) < int(most):
                taken[group].append(stored)
        looked += len(page.rows)
        cursor = page.next
    rows = [stored for group in taken.values() for stored in group]
    form = read_form(page.shaping, strict=asker.strict)
    links = Links(asker.base, "Observation/$lastn", list(pairs))
    return assembled(
        asker, rows, form, total=len(rows), links=links.all(None, None), ignored=[*page.ignored, *form.ignored]
    )


def _group(stored: Stored, known: Iterable[frozenset[Any]]) -> frozenset[Any]:
    """The group of an observation: those that share a code with it, or its text."""
    codes = frozenset(
        (row[1], row[2]) if row[2] else (None, row[3])
        for row in default_extractor().extract(stored.resource, None, None).tokens
        if row[0] == _CODE
    )
    return next((each for each in known if each & codes), codes)


_CODE = next(answer.id for answer in default_extractor().parameters("Observation")["code"].answers)
