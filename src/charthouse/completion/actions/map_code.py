"""Say what a code means at this site: for one sender's documents, or for all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from django.db import connection, transaction

from charthouse.completion.assembly_models import PieceMapping
from charthouse.completion.classification import SiteMaps, pieces_of, said, site_maps
from charthouse.completion.domain.pieces import DOCUMENT_TYPES, Coding, codings_of, pieces
from charthouse.completion.errors import CompletionError
from charthouse.completion.permissions import MAP_CODES
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.ledger.api import append
from charthouse.record import api as record

from ._classifying import Unknown, ask, known, tell
from .classify_filed import stands
from .keep_facts import set_behind

_LONGEST = 250
_RESOURCES = 1_000
#: Where an index of codes keeps what a document says of its kind.
_PARAMETERS = {
    "DocumentReference": ("type", "category"),
    "Composition": ("type", "category"),
    "DiagnosticReport": ("code", "category"),
    "Media": ("type", "modality", "view"),
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a mapping did: how many documents carry the code, and how many of them are another piece now."""

    documents: int
    changed: int


def map_code(ctx: AccessContext, system: str, code: str, piece: str, *, sender: str = "") -> Mapped:
    """Map a code to a piece, for a sender's documents or for all; what was mapped before ends.

    Documents with the code are classified anew, and those that change are told of. A document of which a person
    said what it is stays that. Raises PermissionRefused; CompletionError for an unknown piece or sender.
    """
    require(ctx, MAP_CODES)
    system, code = system.strip(), " ".join(code.split())
    if not code or len(code) > _LONGEST or len(system) > _LONGEST or "\0" in system + code:
        raise CompletionError(f"Give the code, of at most {_LONGEST} characters.")
    if piece not in pieces():
        raise CompletionError("Choose one of the pieces of a chart.")
    with transaction.atomic():
        source = _source(sender)
        _alone()
        before = site_maps()
        if before.by_source.get(source, {}).get((system, code)) == piece:
            return Mapped(sum(len(each) for each in _carrying((system, code), source)), 0)
        _end(ctx, source, system, code)
        row = PieceMapping.objects.create(
            source=source, system=system, code=code, piece=piece, made_at=now(), made_by=ctx.actor,
            name=ctx.name or ctx.actor,
        )  # fmt: skip
        done = _anew(ctx, (system, code), source, before, f"Its code is mapped to {pieces()[piece].title}.")
        PieceMapping.objects.filter(pk=row.pk).update(changed=done.changed)
        append(
            ctx,
            "completion.code-mapped",
            detail={"code": code, "system": system, "piece": piece, "source": source, "changed": done.changed},
        )
    return done


def end_mapping(ctx: AccessContext, mapping: int) -> Mapped:
    """End a mapping; its documents are classified anew. Raises PermissionRefused; CompletionError where there
    is none in force."""
    require(ctx, MAP_CODES)
    with transaction.atomic():
        _alone()
        row = PieceMapping.objects.filter(pk=mapping, ended_at=None).first()
        if row is None:
            raise CompletionError("This mapping has ended already; nothing was changed.")
        before = site_maps()
        _end(ctx, row.source, row.system, row.code)
        done = _anew(ctx, (row.system, row.code), row.source, before, "Its code is known without the mapping.")
        append(ctx, "completion.mapping-ended", detail={"mapping": row.pk, "changed": done.changed})
    return done


def _alone() -> None:
    """One at a time, so that each sees what the other mapped."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('completion_piece_mapping'))")


def _source(sender: str) -> int:
    name = sender.strip()
    if not name:
        return 0
    with connection.cursor() as cursor:
        number = record.source_named(cursor, name)
    if number is None:
        raise CompletionError(
            f"Nobody called {name!r} ever sent anything here. Write the sender's name as it is shown."
        )
    return number


def _end(ctx: AccessContext, source: int, system: str, code: str) -> None:
    PieceMapping.objects.filter(source=source, system=system, code=code, ended_at=None).update(
        ended_at=now(), ended_by=ctx.actor
    )


def _carrying(coding: Coding, source: int) -> Iterator[list[record.Checkable]]:
    """The documents that carry a code, of one sender or of all, some hundred at a time."""
    system, code = coding
    for kind, parameters in _PARAMETERS.items():
        for parameter in parameters:
            # What is told in words alone has no code in the index.
            for indexed in dict.fromkeys((code, "")) if not system else (code,):
                yield from _pages(kind, parameter, indexed, coding, source)


def _pages(
    kind: str, parameter: str, indexed: str, coding: Coding, source: int
) -> Iterator[list[record.Checkable]]:
    row = 0
    while True:
        with connection.cursor() as cursor:
            try:
                found = record.standing_coded(cursor, kind, parameter, indexed, row, _RESOURCES)
            except LookupError:
                return
        mine = [each for each in found if source in (0, each.source) and _carries(each, coding)]
        if mine:
            yield mine
        if len(found) < _RESOURCES:
            return
        row = found[-1].row


def _carries(document: record.Checkable, coding: Coding) -> bool:
    system, code = coding
    codings = codings_of(orjson.loads(document.content))
    return any(each == coding or (not system and each[1] == code) for each in codings)


def _anew(ctx: AccessContext, coding: Coding, source: int, before: SiteMaps, outcome: str) -> Mapped:
    after = site_maps()
    seen: set[tuple[str, int]] = set()
    changed: list[str] = []
    for page in _carrying(coding, source):
        documents = [each for each in page if (each.type, each.row) not in seen and not each.is_deleted]
        seen |= {(each.type, each.row) for each in documents}
        resources = {(each.type, each.row): orjson.loads(each.content) for each in documents}
        listed = [((each.type, each.row), each.source, resources[each.type, each.row]) for each in documents]
        was, now_is, by_person = (
            pieces_of(listed, before),
            pieces_of(listed, after),
            said(place for place, _, _ in listed),
        )
        moved, unknown, settled = [], [], []
        for each in documents:
            place, key = (each.type, each.row), f"{each.type}/{each.public_id}"
            if place in by_person or was[place] == now_is[place]:
                continue
            moved.append(key)
            if now_is[place] is not None:
                settled.append(key)
            elif stands(resources[place]):
                unknown.append(Unknown(key, each.source, resources[place]))
        known(settled, outcome, ctx.actor)
        ask(unknown, ctx.actor)
        tell(moved)
        changed += moved
    # At once at the end, so that rows are taken in their order.
    set_behind(changed)
    return Mapped(len(seen), len(changed))


assert _PARAMETERS.keys() == set(DOCUMENT_TYPES)
