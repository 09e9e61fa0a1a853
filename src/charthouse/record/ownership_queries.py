"""What belongs to one source patient, and since when: for whoever has to find out whether it is all one
person's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from charthouse.foundation.access.api import AccessContext

from .chart import When
from .charting.elements import concept, first_when
from .charting.item import item_of
from .domain.types import TYPE_ID
from .queries import STORED, Stored, stored_from


@dataclass(frozen=True, slots=True)
class Owned:
    """A resource of one source patient (the row ``patient``) in short. ``since`` is when its first version was
    filed, ``first_message`` by which message, ``encounter`` the row of the encounter it is part of (its own, for an
    encounter), ``sender`` the source that filed it last."""

    type: str
    id: str
    row: int
    patient: int
    title: str
    when: When
    encounter: int | None
    since: datetime
    first_message: int
    sender: int


_NAMED = ("code", "type", "vaccineCode", "medicationCodeableConcept", "class")
_DATED = (
    "effectiveDateTime", "effectivePeriod", "period", "performedDateTime", "performedPeriod", "occurrenceDateTime",
    "onsetDateTime", "authoredOn", "recordedDate", "date", "issued", "start", "created", "servicePeriod",
)  # fmt: skip


def owned(cursor: Any, ctx: AccessContext, patient: int) -> list[Owned]:
    """The resources of a source patient that the asker may see, whatever their state, the earliest filed first.

    The Patient itself is not among them.
    """
    cursor.execute(
        "SELECT " + STORED + ", r.source, f.filed_at, f.message FROM record_resource r "  # noqa: S608
        "JOIN record_version v ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
        "JOIN record_version f ON f.type = r.type AND f.resource = r.id AND f.version = 1 "
        "WHERE r.patient = %s AND r.type <> %s AND r.labels & %s = 0 ORDER BY f.filed_at, r.id",
        [patient, TYPE_ID["Patient"], ~int(ctx.clearance)],
    )
    return [_owned(record) for record in cursor.fetchall()]


def count_owned(cursor: Any, patients: Sequence[int]) -> dict[int, int]:
    """How many resources each source patient has, the Patient itself not counted."""
    cursor.execute(
        "SELECT patient, count(*) FROM record_resource WHERE patient = ANY(%s) AND type <> %s GROUP BY patient",
        [list(patients), TYPE_ID["Patient"]],
    )
    return dict(cursor.fetchall())


def entered_by_others(cursor: Any, ctx: AccessContext, patients: Sequence[int], since: datetime) -> list[Owned]:
    """What another sender than the patient's own filed under these patients since then: entries by hand on a chart
    that is several patients', mostly."""
    cursor.execute(
        "SELECT " + STORED + ", r.source, f.filed_at, f.message FROM record_resource r "  # noqa: S608
        "JOIN record_version v ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
        "JOIN record_version f ON f.type = r.type AND f.resource = r.id AND f.version = 1 "
        "JOIN record_resource p ON p.type = %s AND p.id = r.patient "
        "WHERE r.patient = ANY(%s) AND r.type <> %s AND r.labels & %s = 0 AND f.filed_at >= %s "
        "AND r.source <> p.source ORDER BY f.filed_at, r.id",
        [TYPE_ID["Patient"], list(patients), TYPE_ID["Patient"], ~int(ctx.clearance), since],
    )
    return [_owned(record) for record in cursor.fetchall()]


def _owned(record: Sequence[Any]) -> Owned:
    stored: Stored = stored_from(record[:-3])
    sender, since, message = record[-3:]
    resource = item_of(stored).resource
    named = next((words for name in _NAMED if (words := concept(resource.get(name)))), "")
    return Owned(
        type=stored.type,
        id=stored.public_id,
        row=stored.row,
        patient=stored.patient or 0,
        title=named or str(resource.get("description") or "") or stored.type,
        when=first_when(resource, *_DATED),
        encounter=stored.row if stored.type == "Encounter" else stored.encounter,
        since=since,
        first_message=message,
        sender=sender,
    )
