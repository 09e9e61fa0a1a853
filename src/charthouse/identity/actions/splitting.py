"""Parting a source patient into two, and joining the two again: the inverse of each other.

Both patients are filed as versions that were there before, and their rows in the index are made again from them;
the items that go get a version under the other patient (:func:`~charthouse.record.api.reassign_resources`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from charthouse.foundation.access.api import AccessContext, system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.ids import new_id
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.identity.actions.moving import CannotDecide, Move, Side, move, write_decision
from charthouse.identity.actions.telling_apart import remember, take_back
from charthouse.identity.actions.telling_others import tell_others
from charthouse.identity.domain.prepared import prepare
from charthouse.identity.models import Decision
from charthouse.identity.store import LinkEvent, Row, Writing, write
from charthouse.record.api import (
    Filing,
    NotOfPatient,
    State,
    Stored,
    editable,
    file_resources,
    owned,
    reassign_resources,
    share_holds,
    versions,
)
from charthouse.record.api import prepare as prepare_filing

CONTEXT = system_context("identity")
Key = tuple[str, str]


def part(
    ctx: AccessContext, giver: Side, stays: int, goes: int, items: Sequence[Key], reason: str, *, apart: bool
) -> int:
    """Part a source patient into two, in the caller's transaction; returns the decision's number.

    ``stays`` and ``goes`` are the versions of its Patient by which the two persons are known. A number that both
    name stays with the one who was there first. Raises CannotDecide for a version or an item that is not there.
    """
    found = {each.version: each for each in versions_of(giver)}
    if stays not in found or goes not in found or stays == goes:
        raise CannotDecide("Choose one version of the patient for each of the two persons.")
    now, kept, left = found[max(found)], found[stays], found[goes]
    person, public_id = new_id(), str(new_id())
    decision = write_decision(
        ctx, Decision.Kind.SPLIT, giver.person, person, reason,
        {
            "patient": giver.patient,
            "before": now.version,
            "after": now.version + (0 if kept.content == now.content else 1),
            "stays": stays,
            "goes": goes,
            "items": len(items),
            "parted": public_id,
        },
    )  # fmt: skip
    parted = _parted(left, kept, public_id)
    at = wall()
    with connection.cursor() as cursor:
        source = source_of(cursor, giver.patient)
        filings = [again(kept, kept.content, source), again(left, parted, source)]
        _, done = file_resources(cursor, filings, at)
        taker = (done.row, public_id)
        try:
            reassign_resources(cursor, items, (giver.patient, giver.public_id), taker, at)
        except NotOfPatient as error:
            raise CannotDecide(str(error)) from None
        share_holds(ctx, cursor, ([giver.patient], [done.row]))
    write(
        Writing(
            persons=[person],
            rows={
                giver.patient: row_of(
                    giver.patient, giver.public_id, source, giver.person, kept.content, filings[0]
                ),
                done.row: row_of(done.row, public_id, source, person, parted, filings[1]),
            },
            changed={giver.patient},
            events=[
                LinkEvent(
                    patient=done.row,
                    person_from=None,
                    person_to=person,
                    kind="split",
                    actor=ctx.actor,
                    reason=reason,
                    other=giver.patient,
                    decision=decision,
                )
            ],
        )
    )
    if apart:
        remember(ctx, [(giver.patient, done.row)], reason, decision)
    append_ledger(
        ctx,
        "identity.split",
        subjects=[
            Subject("patient", giver.public_id),
            Subject("patient", public_id),
            Subject("person", str(giver.person)),
            Subject("person", str(person)),
        ],
        detail={"decision": decision, "items": len(items)},
    )
    tell_others(ctx, decision)
    return decision


def rejoin(
    ctx: AccessContext,
    decision: int,
    person: UUID,
    other: UUID,
    detail: Mapping[str, Any],
    sides: Mapping[int, Side],
    reason: str,
) -> int:
    """Join again what a split parted: all that the parted patient has goes back, whatever was filed since included.

    The parted patient stays in the index, with nothing to be found by, under the person it came from.
    """
    parted = next((each for each in sides.values() if each.public_id == detail["parted"]), None)
    first = sides.get(int(detail["patient"]))
    if parted is None or first is None:
        raise CannotDecide("One of the two records is with another person now. Undo what moved it first.")
    number = write_decision(ctx, Decision.Kind.UNDO, person, other, reason, {}, undoes=decision)
    found = {each.version: each for each in versions_of(first)}
    now, before = found[max(found)], found[int(detail["before"])]
    at = wall()
    with connection.cursor() as cursor:
        items = [(each.type, each.id) for each in owned(cursor, CONTEXT, parted.patient)]
        reassign_resources(cursor, items, (parted.patient, parted.public_id), (first.patient, first.public_id), at)
        source = source_of(cursor, first.patient)
        last = versions_of(parted)[0]
        empty = orjson.dumps({"resourceType": "Patient", "id": parted.public_id, "active": False})
        filings = [again(last, empty, source, deleted=True)]
        # Where an update came since, it is the newer word.
        if now.version == int(detail["after"]) and before.content != now.content:
            filings.append(again(before, before.content, source))
        file_resources(cursor, filings, at)
    rows = {parted.patient: row_of(parted.patient, parted.public_id, source, parted.person, empty, filings[0])}
    if len(filings) > 1:
        rows[first.patient] = row_of(
            first.patient, first.public_id, source, first.person, before.content, filings[1]
        )
    write(Writing(rows=rows, changed=set(rows)))
    move(
        ctx,
        number,
        [Move(parted, first.person)],
        {"kind": "rejoined", "reason": reason, "others": {parted.patient: first.patient}},
        "identity.undo-split",
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT low, high FROM identity_not_same_event WHERE decision = %s AND verdict = 'apart'", [decision]
        )
        take_back(ctx, [(low, high) for low, high in cursor.fetchall()], reason, number)
    tell_others(ctx, number)
    return number


def versions_of(side: Side) -> list[Stored]:
    """The versions of a source patient's Patient, newest first."""
    with connection.cursor() as cursor:
        found = versions(cursor, CONTEXT, "Patient", side.public_id)
    if not found:
        raise CannotDecide("The record has no Patient of this source patient; there is nothing to be split.")
    return found


def source_of(cursor: Any, patient: int) -> int:
    cursor.execute("SELECT source FROM identity_source_patient WHERE patient = %s", [patient])
    return int(cursor.fetchone()[0])


def _parted(left: Stored, kept: Stored, public_id: str) -> bytes:
    """The Patient of the one who goes: its version, under an id of its own, without the numbers of the one who
    stays."""
    mine = {
        (each.get("system"), each.get("value"))
        for each in kept.resource.get("identifier") or ()
        if isinstance(each, dict)
    }
    resource = {**editable(left.content), "id": public_id}
    numbers = [
        each
        for each in resource.get("identifier") or ()
        if isinstance(each, dict) and (each.get("system"), each.get("value")) not in mine
    ]
    resource.pop("identifier", None)
    if numbers:
        resource["identifier"] = numbers
    return orjson.dumps(resource)


def again(origin: Stored, content: bytes, source: int, *, deleted: bool = False) -> Filing:
    """A Patient ready to be filed, which comes from where that version came from."""
    filing = prepare_filing(orjson.loads(content), content, deleted=deleted or origin.state is State.DELETED)
    filing.source, filing.message, filing.original, filing.place = (
        source, origin.message, origin.original, origin.place,
    )  # fmt: skip
    return filing


def row_of(patient: int, public_id: str, source: int, person: UUID, content: bytes, filing: Filing) -> Row:
    prepared = prepare(orjson.loads(content), source=source, labels=filing.labels)
    return Row(patient, public_id, source, person, prepared, prepared.keys())
