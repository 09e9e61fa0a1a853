"""Searches of several types at once: the whole server, everything in a compartment."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import orjson

from charthouse.exchange.fhir.api import compartments, is_resource_type
from charthouse.record.api import Ignored, SearchError, SearchPage, Stored, Term, read_search, types_present

from .answer import Answered, Links, assembled, bundle_of, read_form, without_cursor
from .asker import Asker, Pairs

PAGE, LARGEST_PAGE = 50, 1_000


def answer_several(
    asker: Asker, pairs: Pairs, *, path: str = "", within: tuple[str, str] | None = None
) -> Answered:
    """Search all types that ``_type`` names, or all there are; within a compartment where given.

    A parameter must be one that all of these types have. Raises SearchError.
    """
    asked, cursor = without_cursor(pairs)
    types, query = _types(asker, asked, within)
    ignored = _shared(types, query, asker)
    sources = [(kind, query) for kind in types]
    first = read_search(types[0] if types else "Patient", query, asker.strict, base=asker.base)
    form = read_form(first.shaping, strict=asker.strict)
    named = [pair for pair in asked if pair[0] == "_type"]
    understood = named + [pair for pair in first.understood if pair not in first.shaping] + form.understood
    links = Links(asker.base, path, understood)
    if first.only_total:
        return Answered(bundle_of([], _total(asker, sources, within), links.all(None, None)))
    size = min(first.count or PAGE, LARGEST_PAGE)
    if first.sort:
        rows, following = _merged(asker, sources, cursor, size, within, query)
    else:
        rows, following = in_turn(asker, sources, cursor, size, within)
    total = None
    if ("_total", "accurate") in query or ("_total", "estimate") in query:
        total = _total(asker, sources, within)
    elif cursor is None and following is None:
        total = len(rows)
    return assembled(
        asker, rows, form, total=total, links=links.all(cursor, following), ignored=[*ignored, *form.ignored]
    )


Source = tuple[str, Pairs]


def _types(asker: Asker, pairs: Pairs, within: tuple[str, str] | None) -> tuple[list[str], list[tuple[str, str]]]:
    """The types to search, and the search without what names them."""
    named = [kind.strip() for name, value in pairs if name == "_type" for kind in value.split(",") if kind.strip()]
    for kind in named:
        if not is_resource_type(kind):
            raise SearchError(
                "_type", "value", "it names what is no resource type of FHIR R4", "Check its spelling"
            )
    there = [kind for kind in types_present() if not named or kind in named]
    if within is not None:
        members = {*compartments()[within[0]], within[0]}
        there = [kind for kind in there if kind in members]
    return [kind for kind in there if asker.readable(kind)], [pair for pair in pairs if pair[0] != "_type"]


def _shared(types: Sequence[str], query: Pairs, asker: Asker) -> list[Ignored]:
    """What none of the types understands. Raises SearchError for what only some do."""
    missed = [
        {each.name: each for each in read_search(kind, query, asker.strict, base=asker.base).ignored}
        for kind in types
    ]
    if not missed:
        return []
    for name in {name for each in missed for name in each}:
        if not all(name in each for each in missed):
            raise SearchError(name, "name", "not all of the types have it", "Name types that do with _type")
    return list(missed[0].values())


def _page(
    asker: Asker,
    source: Source,
    cursor: str | None,
    size: int,
    within: tuple[str, str] | None,
    terms: Sequence[Term] = (),
) -> SearchPage:
    kind, query = source
    sized = [*(pair for pair in query if pair[0] not in ("_count", "_total")), ("_count", str(size))]
    return asker.find(kind, sized, cursor=cursor, within=within, terms=terms)


def _total(asker: Asker, sources: Sequence[Source], within: tuple[str, str] | None) -> int:
    """How many match, of all types."""
    return sum(_page(asker, source, None, 0, within).total or 0 for source in sources)


def in_turn(
    asker: Asker,
    sources: Sequence[Source],
    cursor: str | None,
    size: int,
    within: tuple[str, str] | None,
    terms: Callable[[str], Sequence[Term]] = lambda kind: (),
) -> tuple[list[Stored], str | None]:
    """A page of one type after the other, and where it goes on. ``terms`` hold for each of a type besides."""
    at, inner = _read(cursor, len(sources))
    rows: list[Stored] = []
    while at < len(sources):
        page = _page(asker, sources[at], inner, size - len(rows), within, terms(sources[at][0]))
        rows += page.rows
        inner = page.next
        if inner is None:
            at += 1
        if len(rows) >= size:
            break
    return rows, _written([at, inner]) if at < len(sources) else None


def _merged(
    asker: Asker,
    sources: Sequence[Source],
    cursor: str | None,
    size: int,
    within: tuple[str, str] | None,
    query: Pairs,
) -> tuple[list[Stored], str | None]:
    """A page of all types in one order, that of when they were filed or of their ids."""
    order = next(value for name, value in query if name == "_sort").strip()
    descending, code = order.startswith("-"), order.removeprefix("-")
    if code not in ("_lastUpdated", "_id"):
        raise SearchError(
            "_sort", "value", "several types have only these in common", "Sort by _lastUpdated or _id"
        )
    places: dict[str, str | None] = _opened(cursor) if cursor else {kind: None for kind, _ in sources}
    if not isinstance(places, dict) or not all(isinstance(each, str | None) for each in places.values()):
        raise _no_page()
    pages = {kind: _page(asker, (kind, own), places[kind], size, within) for kind, own in sources if kind in places}
    found = [row for page in pages.values() for row in page.rows]

    def key(row: Stored) -> tuple[datetime | str, str]:
        return (row.public_id if code == "_id" else row.filed_at), row.type

    chosen = sorted(found, key=key, reverse=descending)[:size]
    onward: dict[str, str | None] = {}
    for kind, own in sources:
        if kind not in places:
            continue
        taken = sum(row.type == kind for row in chosen)
        if taken == len(pages[kind].rows):
            if pages[kind].next:
                onward[kind] = pages[kind].next
        elif taken:
            onward[kind] = _page(asker, (kind, own), places[kind], taken, within).next
        else:
            onward[kind] = places[kind]
    return chosen, _written(onward) if onward else None


def _written(place: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def _opened(cursor: str) -> Any:
    try:
        return orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        raise _no_page() from None


def _no_page() -> SearchError:
    return SearchError("(page)", "cursor", "it belongs to no page of this search", "Begin again at the first page")


def _read(cursor: str | None, sources: int) -> tuple[int, str | None]:
    if not cursor:
        return 0, None
    match _opened(cursor):
        case [int() as at, str() | None as inner] if 0 <= at < sources:
            return at, inner
    raise _no_page()
