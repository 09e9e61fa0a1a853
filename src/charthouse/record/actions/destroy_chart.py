"""Destroy a chart, or documents of it, whose time is over: one person asks, another confirms, and a tombstone of
each thing is left.

All bytes go: every version, what is searched by, texts, machine-read texts, segments of accounts, files that
nothing else has, and what the apps above keep (originals of messages). The index entry stays, as do signatures and
corrections, which hold hashes and who did what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require, system_context
from charthouse.foundation.clock import now, wall
from charthouse.foundation.events.api import append as append_event
from charthouse.foundation.files.api import destroy as destroy_file
from charthouse.foundation.files.api import hold as hold_files
from charthouse.foundation.ids import hash64
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.foundation.rulepacks.api import parameter
from charthouse.foundation.rulepacks.api import rule as rule_of
from charthouse.foundation.work.api import finish_by_dedupe, open_item
from charthouse.record import schema
from charthouse.record.document_errors import DocumentError
from charthouse.record.domain.documents import Party
from charthouse.record.domain.filing import STATE_NUMBER, State, prepare
from charthouse.record.domain.index_rows import target_hash
from charthouse.record.domain.packing import decompress
from charthouse.record.domain.retention import Due
from charthouse.record.domain.sealing import sha256, tombstone_seal
from charthouse.record.domain.types import TYPE_ID, TYPE_NAME
from charthouse.record.keepers import Going, keepers
from charthouse.record.models import Destruction, DestructionDecision
from charthouse.record.permissions import ASK_TO_DESTROY, DECIDE_DESTRUCTION
from charthouse.record.queries import current, param_of
from charthouse.record.queues import DESTRUCTIONS
from charthouse.record.retention_queries import (
    DESTROYED,
    PATIENT,
    HoldRow,
    asked_of,
    certificate_id,
    certificates,
    holds_of,
    retention_of,
    times_of,
)

from ._documents import note_of, party, patient_id
from .file_resources import file_resources
from .hold_chart import take_chart
from .note_signing import signature_key

RULE = "record.destruction"
METHOD = "deleted from the database; files deleted with their data keys"
_BATCH = 500
#: What is made of an item's versions beside its index rows. What is due goes first: letting it go waits for an
#: indexing that has taken it, and then finds the words which that wrote.
_MADE = ("record_text_due", "record_text", "record_machine_text", "record_unsigned", "record_superseded")
DELETED = STATE_NUMBER[State.DELETED]
Patients = Sequence[int]
#: (type, row) of an item that goes.
_Item = tuple[int, int]


def ask_to_destroy(
    ctx: AccessContext, patients: Patients, reason: str, documents: Sequence[str] | None = None
) -> int:
    """Ask for the chart of these source patients, all of one person's, to be destroyed, or some ``documents`` of it
    (``Type/id``) whose own time is over; returns the number under which another confirms it. A report's results go
    with it, but for those that another report names.

    Raises PermissionRefused, DocumentError.
    """
    require(ctx, ASK_TO_DESTROY)
    words = note_of(reason)
    if not words:
        raise DocumentError("Say why it is destroyed; it is kept with what is left of it.")
    if documents is not None and not documents:
        raise DocumentError("Choose at least one document.")
    with transaction.atomic(), connection.cursor() as cursor:
        take_chart(cursor, patients)
        named = sorted(set(documents or ()))
        found = _destroyable(cursor, patients, named)
        if any(each.waits for each in asked_of(patients)):
            raise DocumentError("A destruction was asked for already and waits to be confirmed.")
        kept = Destruction.objects.create(
            patient=patients[0],
            patients=list(patients),
            documents=named,
            items=found.items,
            versions=found.versions,
            rule=found.due.rule,
            due=found.due.day,
            reason=words,
            by=ctx.actor,
            name=ctx.name or ctx.actor,
            at=wall(),
        )
        _require_no_objection(cursor, _going(cursor, kept))
        patient = patient_id(cursor, patients[0])
        open_item(
            DESTRUCTIONS,
            subject=Subject("destruction", str(kept.pk)),
            reason="Its time is over: somebody else has to confirm that it is destroyed.",
            rule=RULE,
            due=now() + timedelta(days=int(parameter(RULE, "days"))),
            dedupe=str(kept.pk),
            patient=patient,
            opened_by=ctx.actor,
        )
        _tell(ctx, cursor, "record.ask-to-destroy", kept, items=found.items, versions=found.versions)
    return int(kept.pk)


def refuse_destruction(ctx: AccessContext, number: int, note: str) -> None:
    """Keep the chart: who asked withdraws, others refuse. Raises PermissionRefused, DocumentError."""
    with transaction.atomic(), connection.cursor() as cursor:
        kept = _waiting(cursor, number)
        own = kept.by == ctx.actor
        require(ctx, ASK_TO_DESTROY if own else DECIDE_DESTRUCTION)
        words = note_of(note)
        if not words:
            raise DocumentError("Say why the chart is kept.")
        _decide(ctx, cursor, kept, "withdrawn" if own else "refused", words)


def confirm_destruction(ctx: AccessContext, number: int, patients: Patients, note: str = "") -> None:
    """Destroy what another asked for. ``patients`` are the person's source patients as they are now.

    Raises PermissionRefused, and DocumentError where the chart is not what it was when that was asked, is held, or
    its time is not over.
    """
    require(ctx, DECIDE_DESTRUCTION)
    with transaction.atomic(), connection.cursor() as cursor:
        kept = _waiting(cursor, number)
        if kept.by == ctx.actor:
            raise DocumentError("You asked for this yourself; somebody else has to confirm it.")
        if set(patients) != set(kept.patients):
            raise DocumentError(
                "The person has other records now than when this was asked for. Refuse it, look, and ask again."
            )
        _lock_against_filing(cursor, kept.patients)
        found = _destroyable(cursor, kept.patients, kept.documents)
        if (found.items, found.versions) != (kept.items, kept.versions):
            raise DocumentError(
                "Something was filed in the chart since this was asked for. Refuse it, and look again."
            )
        going = _going(cursor, kept)
        _require_no_objection(cursor, going)
        _decide(ctx, cursor, kept, "done", note_of(note))
        _destroy(ctx, cursor, kept, going)


@dataclass(frozen=True, slots=True)
class _Destroyable:
    """How much may be destroyed, and since when by which rule."""

    items: int
    versions: int
    due: Due


def _destroyable(cursor: Any, patients: Patients, documents: Sequence[str]) -> _Destroyable:
    if documents:
        return _destroyable_documents(cursor, patients, documents)
    found = retention_of(cursor, patients)
    if not found.items or found.due is None:
        raise DocumentError("There is nothing in this chart to be destroyed.")
    _require_not_held(found.holds)
    if not found.over:
        title = rule_of(found.due.rule).title
        raise DocumentError(f"This chart is kept until {found.due.day:%Y-%m-%d}: {title}.")
    return _Destroyable(found.items, found.versions, found.due)


def _require_not_held(holds: Sequence[HoldRow]) -> None:
    if matters := "; ".join(each.matter for each in holds if each.holds):
        raise DocumentError(f"A legal hold keeps this chart: {matters}. It is not destroyed before that is lifted.")


def _destroyable_documents(cursor: Any, patients: Patients, documents: Sequence[str]) -> _Destroyable:
    _require_not_held(holds_of(patients))
    times = {each.key: each for each in times_of(cursor, system_context("record"), patients)}
    found = []
    for key in documents:
        time = times.get(key)
        if time is None:
            raise DocumentError("The chart has no such document, or none of a kind that is destroyed alone.")
        if not time.over:
            title = rule_of(time.due.rule).title
            raise DocumentError(f"{time.title} of {time.at} is kept until {time.due.day:%Y-%m-%d}: {title}.")
        found.append(time.due)
    items = _of_documents(cursor, patients, documents)
    cursor.execute(
        "SELECT coalesce(sum(version), 0) FROM record_resource WHERE (type, id) IN "
        "(SELECT * FROM unnest(%s::smallint[], %s::bigint[]))",
        [[kind for kind, _ in items], [row for _, row in items]],
    )
    return _Destroyable(len(items), int(cursor.fetchone()[0]), max(found, key=lambda each: each.day))


def _of_documents(cursor: Any, patients: Patients, documents: Sequence[str]) -> list[_Item]:
    """The documents, and the results of reports among them that no other report of the chart names."""
    ctx = system_context("record")
    keys = [(kind, id) for kind, _, id in (each.partition("/") for each in documents)]
    found = [each for each in current(cursor, ctx, keys).values() if each.patient in patients]
    named = {
        str(each.get("reference"))
        for stored in found
        if stored.type == "DiagnosticReport"
        for each in stored.resource.get("result") or ()
        if isinstance(each, dict)
    }
    report = TYPE_ID["DiagnosticReport"]
    cursor.execute(
        "SELECT DISTINCT i.target FROM record_index_reference i JOIN record_resource r ON r.type = %s "
        "AND r.id = i.resource AND r.version = i.version WHERE i.type = %s AND i.param = %s AND i.target = ANY(%s) "
        "AND r.state <> ALL(%s) AND r.id <> ALL(%s)",
        [
            report, report, param_of("DiagnosticReport", "result"), [target_hash(each) for each in named],
            [DELETED, DESTROYED], [each.row for each in found if each.type == "DiagnosticReport"],
        ],
    )  # fmt: skip
    elsewhere = {target for (target,) in cursor.fetchall()}
    results = [
        ("Observation", each.partition("/")[2])
        for each in named
        if each.startswith("Observation/") and target_hash(each) not in elsewhere
    ]
    found += [each for each in current(cursor, ctx, results).values() if each.patient in patients]
    return sorted((TYPE_ID[each.type], each.row) for each in found if each.state is not State.DESTROYED)


def _waiting(cursor: Any, number: int) -> Destruction:
    kept = Destruction.objects.filter(pk=number).first()
    if kept is None:
        raise DocumentError("There is no such destruction.")
    take_chart(cursor, kept.patients)
    decided = DestructionDecision.objects.filter(pk=number).first()
    if decided is not None:
        raise DocumentError(
            f"This was decided meanwhile by {decided.name}: {decided.outcome}. Nothing was changed."
        )
    return kept


def _lock_against_filing(cursor: Any, patients: Patients) -> None:
    """Wait for messages of these patients that are being filed, and hold off others."""
    locks = sorted(hash64(f"Patient/{patient_id(cursor, each)}") for each in patients)
    cursor.execute("SELECT pg_advisory_xact_lock(lock) FROM unnest(%s::bigint[]) AS lock", [locks])


def _decide(ctx: AccessContext, cursor: Any, kept: Destruction, outcome: str, note: str) -> None:
    DestructionDecision.objects.create(
        destruction=kept, outcome=outcome, note=note, by=ctx.actor, name=ctx.name or ctx.actor, at=wall()
    )
    finish_by_dedupe(DESTRUCTIONS, str(kept.pk), outcome, finished_by=ctx.actor)
    _tell(ctx, cursor, "record.decide-destruction", kept, outcome=outcome)


def _tell(ctx: AccessContext, cursor: Any, action: str, kept: Destruction, **detail: str | int) -> None:
    patients = [patient_id(cursor, each) for each in kept.patients]
    subjects = [Subject("patient", each) for each in patients]
    append_ledger(
        ctx,
        action,
        subjects=[*subjects, Subject("destruction", str(kept.pk))],
        detail={"rule": kept.rule, **detail},
    )
    if detail.get("outcome") == "done":
        what = "record.documents-destroyed" if kept.documents else "record.chart-destroyed"
        for each in patients:
            append_event(what, key=each, payload={"patient": each, "destruction": kept.pk})


def _items(cursor: Any, kept: Destruction) -> list[_Item]:
    if kept.documents:
        items = _of_documents(cursor, kept.patients, kept.documents)
        cursor.execute(
            "SELECT type, id FROM record_resource WHERE (type, id) IN "
            "(SELECT * FROM unnest(%s::smallint[], %s::bigint[])) ORDER BY type, id FOR UPDATE",
            [[kind for kind, _ in items], [row for _, row in items]],
        )
        held: list[_Item] = cursor.fetchall()
        return held
    cursor.execute(
        "SELECT type, id FROM record_resource WHERE patient = ANY(%s) AND type <> %s AND state <> %s "
        "AND NOT (public_id = ANY(%s)) ORDER BY type, id FOR UPDATE",
        [kept.patients, PATIENT, DESTROYED, certificates(cursor, kept.patients)],
    )
    found: list[_Item] = cursor.fetchall()
    return found


def _going(cursor: Any, kept: Destruction) -> Going:
    items = tuple(_items(cursor, kept)) if kept.documents else None
    if items is None:
        chosen, values = "r.patient = ANY(%s)", [kept.patients]
    else:
        chosen = "(r.type, r.id) IN (SELECT * FROM unnest(%s::smallint[], %s::bigint[]))"
        values = [[kind for kind, _ in items], [row for _, row in items]]
    cursor.execute(
        "SELECT DISTINCT v.message, v.original FROM record_resource r JOIN record_version v ON v.type = r.type "  # noqa: S608
        f"AND v.resource = r.id WHERE {chosen} AND v.message <> 0",
        values,
    )
    origins = frozenset(cursor.fetchall())
    cursor.execute(
        "SELECT DISTINCT v.original FROM record_version v JOIN record_resource r ON r.type = v.type "
        "AND r.id = v.resource WHERE v.message = ANY(%s) AND r.patient IS NOT NULL AND r.type <> %s "
        "AND r.patient <> ALL(%s)",
        [sorted({message for message, _ in origins}), PATIENT, kept.patients],
    )
    others = frozenset(original for (original,) in cursor.fetchall())
    return Going(kept.pk, tuple(kept.patients), origins, others, items)


def _require_no_objection(cursor: Any, going: Going) -> None:
    for keeper in keepers():
        if words := keeper.objects(cursor, going):
            raise DocumentError(words)


def _destroy(ctx: AccessContext, cursor: Any, kept: Destruction, going: Going) -> None:
    items = _items(cursor, kept)
    cursor.execute(
        "SELECT type, public_id FROM record_resource WHERE (type, id) IN "
        "(SELECT * FROM unnest(%s::smallint[], %s::bigint[])) ORDER BY type, id",
        [[kind for kind, _ in items], [row for _, row in items]],
    )
    targets = [f"{TYPE_NAME[kind]}/{public_id}" for kind, public_id in cursor.fetchall()]
    stones = _Stones(cursor, kept.pk)
    for kind, rows in _by_type(items).items():
        _leave_versions(cursor, stones, kind, rows)
    if not kept.documents:
        _leave_segments(cursor, stones, kept)
    cursor.execute("SELECT record_destroy_marked(%s)", [kept.pk])
    for kind, rows in _by_type(items).items():
        _forget(cursor, kind, rows)
    files = _destroy_files(ctx, cursor, items)
    others = {keeper.name: keeper.destroy(cursor, going, stones) for keeper in keepers()}
    _file_certificate(ctx, cursor, kept, targets)
    _tell(
        ctx,
        cursor,
        "record.destroy-documents" if kept.documents else "record.destroy-chart",
        kept,
        items=len(items),
        tombstones=stones.count,
        files=files,
        **others,
    )


def _by_type(items: Sequence[_Item]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for kind, row in items:
        found.setdefault(kind, []).append(row)
    return found


class _Stones:
    """Writes tombstones of one destruction."""

    def __init__(self, cursor: Any, destruction: int) -> None:
        self._cursor = cursor
        self._destruction = destruction
        self.count = 0

    def __call__(self, kind: str, items: Sequence[tuple[int, bytes]]) -> None:
        self.leave(kind, [(0, item, 0, content) for item, content in items])

    def leave(self, kind: str, things: Sequence[tuple[int, int, int, bytes]]) -> None:
        """Of (type, item, version, bytes)."""
        for start in range(0, len(things), _BATCH):
            some = things[start : start + _BATCH]
            hashes = [sha256(content) for *_, content in some]
            self._cursor.execute(
                "SELECT record_leave_tombstones(%s, %s, %s::int[], %s::bigint[], %s::int[], %s::bytea[], "
                "%s::bigint[], %s::bytea[])",
                [
                    self._destruction,
                    kind,
                    [type for type, *_ in some],
                    [item for _, item, *_ in some],
                    [version for _, _, version, _ in some],
                    hashes,
                    [len(content) for *_, content in some],
                    [
                        tombstone_seal(
                            signature_key(), self._destruction, kind, type, item, version, digest, len(content)
                        )
                        for (type, item, version, content), digest in zip(some, hashes, strict=True)
                    ],
                ],
            )
            self.count += len(some)


def _leave_versions(cursor: Any, stones: _Stones, kind: int, rows: Sequence[int]) -> None:
    for start in range(0, len(rows), _BATCH):
        cursor.execute(
            "SELECT resource, version, content FROM record_version WHERE type = %s AND resource = ANY(%s) "
            "ORDER BY resource, version",
            [kind, rows[start : start + _BATCH]],
        )
        found = [(kind, row, version, decompress(content)) for row, version, content in cursor.fetchall()]
        stones.leave("version", found)


def _leave_segments(cursor: Any, stones: _Stones, kept: Destruction) -> None:
    cursor.execute(
        "SELECT id, text FROM record_account_segment WHERE patient = ANY(%s) ORDER BY id", [kept.patients]
    )
    stones("segment", [(number, text.encode()) for number, text in cursor.fetchall()])


def _forget(cursor: Any, kind: int, rows: list[int]) -> None:
    """Take away what was made of the versions, and let their resources say that they were destroyed."""
    for table in schema.INDEX_TABLES:
        cursor.execute(
            f"DELETE FROM {table} WHERE type = %s AND resource BETWEEN %s AND %s AND resource = ANY(%s)",  # noqa: S608
            [kind, min(rows), max(rows), rows],
        )
    for table in _MADE:
        cursor.execute(f"DELETE FROM {table} WHERE type = %s AND resource = ANY(%s)", [kind, rows])  # noqa: S608
    cursor.execute(
        "UPDATE record_resource SET state = %s WHERE type = %s AND id = ANY(%s)", [DESTROYED, kind, rows]
    )


def _destroy_files(ctx: AccessContext, cursor: Any, items: Sequence[_Item]) -> int:
    """Destroy the files that belonged to these items and to nothing else; how many that were."""
    cursor.execute(
        "DELETE FROM record_attachment WHERE (type, resource) IN "
        "(SELECT * FROM unnest(%s::smallint[], %s::bigint[])) RETURNING file",
        [[kind for kind, _ in items], [row for _, row in items]],
    )
    files: set[UUID] = {file for (file,) in cursor.fetchall()}
    # Who keeps the same content at this moment has it in another chart when this goes on.
    hold_files(files)
    cursor.execute("SELECT DISTINCT file FROM record_attachment WHERE file = ANY(%s)", [list(files)])
    alone = sorted(files - {file for (file,) in cursor.fetchall()})
    for file in alone:
        destroy_file(ctx, file, "It was lawfully destroyed.")
    return len(alone)


def _file_certificate(ctx: AccessContext, cursor: Any, kept: Destruction, targets: Sequence[str]) -> None:
    """File what FHIR says of a destruction: a Provenance that names what is gone, by whom and under which rule."""
    at = wall()
    rule = rule_of(kept.rule)
    made = {
        "resourceType": "Provenance",
        "id": certificate_id(kept.pk),
        "target": [{"reference": each} for each in targets],
        "recorded": at.isoformat(),
        **({"policy": [rule.url]} if rule.url else {}),
        "reason": [{"text": f"{rule.citation}: {rule.title}. {kept.reason}"}],
        "activity": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "code": "destroy"}],
            "text": "destroyed",
        },
        "agent": [_agent("author", Party(kept.by, kept.name)), _agent("verifier", party(ctx))],
    }
    content = orjson.dumps(made)
    filing = prepare(orjson.loads(content), content)
    cursor.execute("SELECT source FROM record_resource WHERE type = %s AND id = %s", [PATIENT, kept.patient])
    filing.source = cursor.fetchone()[0]
    filing.patient = patient_id(cursor, kept.patient)
    file_resources(cursor, [filing], at)


def _agent(role: str, who: Party) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    return {"type": {"coding": [{"system": system, "code": role}]}, "who": who.reference()}
