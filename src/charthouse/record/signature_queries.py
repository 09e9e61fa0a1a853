"""Reads of signatures, corrections and what waits for a signature: one source for screen, print, export and API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.disclosure.api import DISCLOSURES_READ, DisclosureLine
from charthouse.people.api import with_account

from .carriers import copies_of
from .chart import Correction, DocumentEntry, Signature
from .charting import documents as document_rows
from .charting.item import item_of
from .domain.documents import Kind, Meaning, added_to, authors, keys_of
from .domain.index_rows import target_hash
from .domain.reasons import reason_words
from .domain.types import TYPE_ID, TYPE_NAME
from .permissions import READ_CORRECTIONS, READ_UNSIGNED
from .queries import STORED, Stored, param_of, stored_from

#: Corrections that leave what a document says as it is, so that its signatures go on speaking of it.
_LEAVES_TEXT = frozenset({Kind.WRONG_PATIENT, Kind.WRONG_ENCOUNTER, Kind.RETRACTION})
PAGE = 100


def signatures_of(cursor: Any, kind: str, row: int, version: int) -> list[Signature]:
    """The signatures of a document up to a version, oldest first; ``current`` where they speak of its text."""
    number = TYPE_ID[kind]
    cursor.execute(
        "SELECT version, as_version, meaning, signer, name, role, signed_at, recorded_at, message, statement "
        "FROM record_signature WHERE type = %s AND resource = %s AND as_version <= %s ORDER BY id",
        [number, row, version],
    )
    found = cursor.fetchall()
    if not found:
        return []
    cursor.execute(
        "SELECT d.made_version FROM record_correction c "
        "JOIN record_correction_decision d ON d.correction_id = c.id "
        "WHERE c.type = %s AND c.resource = %s AND d.outcome = 'done' AND c.kind = ANY(%s)",
        [number, row, [each.value for each in _LEAVES_TEXT]],
    )
    unchanged = {made for (made,) in cursor.fetchall()} | {each[1] for each in found if each[0] != each[1]}
    text = version
    while text in unchanged:
        text -= 1
    return [
        Signature(
            version=seen,
            as_version=said,
            meaning=Meaning(meaning),
            signer=signer,
            name=name,
            role=role,
            at=at,
            recorded=recorded,
            by_hand=not message,
            statement=statement,
            current=said >= text,
        )
        for seen, said, meaning, signer, name, role, at, recorded, message, statement in found
    ]


_CORRECTIONS = (
    "SELECT c.id, c.type, c.public_id, c.version, c.patient, c.kind, c.reason, c.note, c.to_patient, "
    "c.to_encounter, c.by, c.name, c.at, d.outcome, d.note, d.made_version, d.made_id, d.by, d.name, d.at "
    "FROM record_correction c LEFT JOIN record_correction_decision d ON d.correction_id = c.id "
)


def correction_from(record: Sequence[Any]) -> Correction:
    """A row of :data:`_CORRECTIONS`."""
    (
        number, kind_of, public_id, version, patient, kind, reason, note, to_patient, to_encounter, by, name, at,
        outcome, decided_note, made_version, made_id, decided_by, decider, decided_at,
    ) = record  # fmt: skip
    what = Kind(kind)
    return Correction(
        id=number,
        type=TYPE_NAME[kind_of],
        document=public_id,
        version=version,
        patient=patient,
        kind=what,
        reason=reason_words(what, reason, note),
        to_patient=to_patient,
        to_encounter=to_encounter,
        by=by,
        name=name,
        at=at,
        outcome=outcome or "",
        decision_note=decided_note or "",
        made_version=made_version,
        made=made_id or "",
        decided_by=decided_by or "",
        decider=decider or "",
        decided_at=decided_at,
    )


def corrections_of(cursor: Any, kind: str, row: int) -> list[Correction]:
    """The corrections of one document, asked for and done, oldest first."""
    cursor.execute(f"{_CORRECTIONS} WHERE c.type = %s AND c.resource = %s ORDER BY c.id", [TYPE_ID[kind], row])
    return [correction_from(each) for each in cursor.fetchall()]


def correction(ctx: AccessContext, number: int) -> Correction | None:
    """One correction, where the asker may see its document. Raises PermissionRefused."""
    require(ctx, READ_CORRECTIONS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_CORRECTIONS} JOIN record_resource r ON r.type = c.type AND r.id = c.resource "
            "WHERE c.id = %s AND r.labels & %s = 0",
            [number, ~int(ctx.clearance)],
        )
        found = cursor.fetchone()
    return correction_from(found) if found else None


def colleagues(resource: Mapping[str, Any]) -> frozenset[str]:
    """The references of a document's authors that name somebody with an account here."""
    return with_account([each.key for each in authors(resource)])


def recipients_of(ctx: AccessContext, number: int) -> list[DisclosureLine]:
    """Who received a document before a correction of it, newest first. Raises PermissionRefused."""
    require(ctx, DISCLOSURES_READ)
    found = correction(ctx, number)
    if found is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT public_id FROM record_resource WHERE type = %s AND id = %s", [TYPE_ID["Patient"], found.patient]
        )
        patients = [public_id for (public_id,) in cursor.fetchall()]
    return copies_of(ctx, found.type, found.document, patients, found.decided_at or wall())


def taken_out(ctx: AccessContext, patients: Sequence[int]) -> list[Correction]:
    """What was retracted from or taken out of a chart, newest first, as far as the asker may see it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_CORRECTIONS} JOIN record_resource r ON r.type = c.type AND r.id = c.resource "
            "WHERE c.patient = ANY(%s) AND d.outcome = 'done' AND c.kind = ANY(%s) AND r.labels & %s = 0 "
            "ORDER BY d.at DESC, c.id DESC LIMIT %s",
            [list(patients), [Kind.RETRACTION.value, Kind.WRONG_PATIENT.value], ~int(ctx.clearance), PAGE],
        )
        return [correction_from(each) for each in cursor.fetchall()]


def additions(
    cursor: Any, ctx: AccessContext, patients: Sequence[int], keys: Iterable[str]
) -> dict[str, list[Stored]]:
    """The standing documents that are added to each of these (``Type/id``), oldest first: addenda, late entries."""
    wanted = list(keys)
    found: dict[str, list[Stored]] = {}
    for stored in relating(cursor, ctx, patients, wanted):
        for target in added_to(stored.resource):
            if target in wanted:
                found.setdefault(target, []).append(stored)
    return found


def relating(cursor: Any, ctx: AccessContext, patients: Sequence[int], wanted: Sequence[str]) -> list[Stored]:
    """The standing documents that relate to one of these (``Type/id``) in whatever way, oldest first."""
    if not wanted:
        return []
    kind = TYPE_ID["DocumentReference"]
    cursor.execute(
        f"SELECT DISTINCT ON (r.id) {STORED} FROM record_index_reference i "  # noqa: S608 (fixed words)
        "JOIN record_resource r ON r.type = %s AND r.id = i.resource AND r.version = i.version "
        "JOIN record_version v ON v.type = %s AND v.resource = r.id AND v.version = r.version "
        "WHERE i.type = %s AND i.param = ANY(%s) AND i.target = ANY(%s) AND r.patient = ANY(%s) AND r.state = 0 "
        "AND r.labels & %s = 0 ORDER BY r.id",
        [
            kind,
            kind,
            kind,
            [param_of("DocumentReference", "relatesto"), param_of("DocumentReference", "related")],
            [target_hash(each) for each in wanted],
            list(patients),
            ~int(ctx.clearance),
        ],
    )
    return [stored_from(each) for each in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class DoneHere:
    """What somebody did here that made a version of a document, in words, and who."""

    who: str
    what: str


def done_here(cursor: Any, kind: str, public_id: str) -> dict[int, DoneHere]:
    """By version, what was done here to a document, told by the Provenance that each act files."""
    provenance, key = TYPE_ID["Provenance"], f"{kind}/{public_id}"
    cursor.execute(
        f"SELECT {STORED} FROM record_index_reference i "  # noqa: S608 (fixed words)
        "JOIN record_resource r ON r.type = %s AND r.id = i.resource AND r.version = i.version "
        "JOIN record_version v ON v.type = %s AND v.resource = r.id AND v.version = r.version "
        "WHERE i.type = %s AND i.param = %s AND i.target = %s AND v.message = 0 ORDER BY r.id",
        [provenance, provenance, provenance, param_of("Provenance", "target"), target_hash(key)],
    )
    found = {}
    for said in (stored_from(each).resource for each in cursor.fetchall()):
        before = next((each["what"]["reference"] for each in said.get("entity", ())), "")
        subject, _, number = before.partition("/_history/")
        version = int(number) + 1 if subject == key else 1
        who = ", ".join(each["who"].get("display", "") for each in said["agent"])
        found[version] = DoneHere(who, said.get("activity", {}).get("text", "changed").lower())
    return found


def came_from_another(cursor: Any, kind: str, row: int, version: int) -> bool:
    """Whether a version is from when the document stood in the chart of a patient it does not belong to."""
    cursor.execute(
        "SELECT EXISTS (SELECT FROM record_correction c "
        "JOIN record_correction_decision d ON d.correction_id = c.id WHERE c.type = %s AND c.resource = %s "
        "AND c.kind = %s AND d.outcome = 'done' AND d.made_version > %s)",
        [TYPE_ID[kind], row, Kind.WRONG_PATIENT.value, version],
    )
    return bool(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class UnsignedDocument:
    """A document that waits for a signature: whose it is (public id), since when, and whether it is the asker's."""

    entry: DocumentEntry
    patient: str
    since: datetime
    mine: bool


@dataclass(frozen=True, slots=True)
class UnsignedPage:
    """Unsigned documents, those that wait longest first; ``more`` where there are others behind these."""

    rows: tuple[UnsignedDocument, ...]
    more: bool


def unsigned_documents(ctx: AccessContext, *, everybodys: bool = False, limit: int = PAGE) -> UnsignedPage:
    """The asker's own unsigned documents, or everybody's. Raises PermissionRefused."""
    require(ctx, READ_UNSIGNED)
    own = keys_of(ctx.keys, ctx.name)
    mine = "" if everybodys else "AND u.authors && %s::text[] "
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT p.public_id, u.since, u.authors, {STORED} FROM record_unsigned u "  # noqa: S608 (fixed words)
            "JOIN record_resource r ON r.type = u.type AND r.id = u.resource "
            "JOIN record_version v ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
            "JOIN record_resource p ON p.type = %s AND p.id = r.patient "
            f"WHERE r.state = 0 AND r.labels & %s = 0 {mine}ORDER BY u.since, u.resource LIMIT %s",
            [TYPE_ID["Patient"], ~int(ctx.clearance), *([] if everybodys else [own]), limit + 1],
        )
        found = [(each[0], each[1], each[2], stored_from(each[3:])) for each in cursor.fetchall()]
    rows = tuple(
        UnsignedDocument(document_rows.entry(item_of(stored)), patient, since, not set(own).isdisjoint(authors))
        for patient, since, authors, stored in found[:limit]
    )
    return UnsignedPage(rows, len(found) > limit)


def unsigned_count(ctx: AccessContext, most: int) -> int:
    """How many documents wait for the asker's own signature, counted to ``most``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT FROM record_unsigned u JOIN record_resource r ON r.type = u.type "
            "AND r.id = u.resource WHERE u.authors && %s::text[] AND r.state = 0 AND r.labels & %s = 0 "
            "LIMIT %s) AS w",
            [keys_of(ctx.keys, ctx.name), ~int(ctx.clearance), most],
        )
        return int(cursor.fetchone()[0])
