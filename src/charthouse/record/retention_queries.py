"""How long charts are kept, what holds them, and what is left of those that were destroyed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import today
from charthouse.foundation.rulepacks.api import FacilityType, choices, parameter
from charthouse.people.api import facilities

from .domain.filing import STATE_NUMBER, State
from .domain.retention import (
    ADULTS,
    CONDITIONS,
    MINORS,
    Due,
    OwnPeriod,
    Periods,
    document_due,
    due,
    own_period,
    years_after,
)
from .domain.types import TYPE_ID, TYPE_NAME
from .models import Destruction, Hold
from .permissions import READ_RETENTION

Patients = Sequence[int]
PATIENT, DESTROYED = TYPE_ID["Patient"], STATE_NUMBER[State.DESTROYED]

#: When an item ended or happened; null for one without a date, which decides nothing where another has one.
_ENDED = "CASE WHEN isfinite(r.main_high) THEN r.main_high WHEN isfinite(r.main_low) THEN r.main_low END"


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A legal hold; ``item`` is ``Type/id`` of what is held, empty for the whole chart."""

    id: int
    item: str
    matter: str
    name: str
    at: datetime
    lifted_by: str = ""
    lifted_at: datetime | None = None
    lift_reason: str = ""

    @property
    def holds(self) -> bool:
        return self.lifted_at is None

    @property
    def type(self) -> str:
        return self.item.partition("/")[0]

    @property
    def public_id(self) -> str:
        return self.item.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Asked:
    """That a chart, or some ``documents`` of it alone, are to be destroyed, or were: see
    :class:`charthouse.record.models.Destruction`."""

    id: int
    patient: int
    patients: tuple[int, ...]
    items: int
    versions: int
    rule: str
    due: date
    reason: str
    by: str
    name: str
    at: datetime
    outcome: str = ""
    note: str = ""
    decider: str = ""
    decided_at: datetime | None = None
    documents: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        return not self.outcome

    @property
    def done(self) -> bool:
        return self.outcome == "done"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a chart is kept: items and versions it has, its last entry, from when and by which rule it may be
    destroyed (None where it has nothing), its holds, and what was asked for and done."""

    items: int
    versions: int
    last: date | None
    due: Due | None
    over: bool
    holds: tuple[HoldRow, ...]
    asked: tuple[Asked, ...]

    @property
    def held(self) -> bool:
        return any(each.holds for each in self.holds)

    @property
    def waiting(self) -> Asked | None:
        return next((each for each in self.asked if each.waits), None)


@dataclass(frozen=True, slots=True)
class Gone:
    """An item that was destroyed: what it was, and with which destruction."""

    type: str
    id: str
    versions: int
    destruction: Asked


def retention(ctx: AccessContext, patients: Patients) -> Retention:
    """How long the chart of these source patients, all of one person's, is kept. Raises PermissionRefused."""
    require(ctx, READ_RETENTION)
    with connection.cursor() as cursor:
        return retention_of(cursor, patients)


def retention_of(cursor: Any, patients: Patients) -> Retention:
    """See :func:`retention`; for actions, which have checked what may be done."""
    cursor.execute(
        f"SELECT count(*), coalesce(max({_ENDED}), max(r.filed_at)), coalesce(sum(r.version), 0) "  # noqa: S608
        "FROM record_resource r "
        "WHERE r.patient = ANY(%s) AND r.type <> %s AND r.state <> %s AND NOT (r.public_id = ANY(%s))",
        [list(patients), PATIENT, DESTROYED, certificates(cursor, patients)],
    )
    items, ended, versions = cursor.fetchone()
    last = ended.date() if ended is not None else None
    numbers = periods()
    found = due(last, _births(cursor, patients), numbers) if last else None
    if found is not None:
        found = max([found, *_longer(cursor, patients, found)], key=lambda each: each.day)
    now = today(configuration().time_zone)
    return Retention(
        items=items,
        versions=versions,
        last=last,
        due=found,
        over=found is not None and found.day <= now,
        holds=holds_of(patients),
        asked=asked_of(patients),
    )


def periods() -> Periods:
    """The numbers of the rules in force, for the kinds of facility this site has."""
    kinds: list[FacilityType | None] = [None]
    kinds += [each.rules_as for each in facilities()]
    return Periods(
        conditions=[int(parameter(CONDITIONS, "years", facility_type=kind)) for kind in dict.fromkeys(kinds)],
        adults=int(parameter(ADULTS, "years")),
        majority=int(parameter(MINORS, "majority")),
        minors=int(parameter(MINORS, "years")),
    )


DOCUMENT_TYPES = ("DiagnosticReport", "DocumentReference")
_OWN = (
    "record.retention-laboratory",
    "record.retention-immunohematology",
    "record.retention-pathology",
    "record.retention-mammography",
)


def own_periods() -> list[OwnPeriod]:
    """The rules in force of single kinds of documents."""
    return [OwnPeriod(each, int(parameter(each, "years")), frozenset(choices(each, "kinds"))) for each in _OWN]


@dataclass(frozen=True, slots=True)
class DocumentTime:
    """A document of a kind that has a rule of its own: when it may be destroyed alone, and whether that day is
    over."""

    type: str
    id: str
    title: str
    at: date
    due: Due
    over: bool

    @property
    def key(self) -> str:
        return f"{self.type}/{self.id}"


def document_times(ctx: AccessContext, patients: Patients) -> list[DocumentTime]:
    """The documents of a chart that may be destroyed alone one day, as far as the asker may see them, the oldest
    first. Raises PermissionRefused."""
    require(ctx, READ_RETENTION)
    with connection.cursor() as cursor:
        return times_of(cursor, ctx, patients)


def times_of(cursor: Any, ctx: AccessContext, patients: Patients, since: date | None = None) -> list[DocumentTime]:
    """See :func:`document_times`; for actions, which have checked what may be done. ``since`` leaves out what is
    older."""
    from .charting.elements import concept
    from .queries import of_patients

    own, numbers, now = own_periods(), periods(), today(configuration().time_zone)
    births, found = None, []
    for stored in of_patients(cursor, ctx, patients, DOCUMENT_TYPES):
        at = (stored.main if stored.main.year > 1 else stored.filed_at).date()
        resource = stored.resource if since is None or at >= since else {}
        if (period := own_period(resource, own)) is None:
            continue
        births = _births(cursor, patients) if births is None else births
        day = document_due(at, births, period, numbers)
        title = concept(resource.get("code" if stored.type == "DiagnosticReport" else "type"))
        found.append(DocumentTime(stored.type, stored.public_id, title or stored.type, at, day, day.day <= now))
    return sorted(found, key=lambda each: (each.at, each.key))


def _longer(cursor: Any, patients: Patients, found: Due) -> list[Due]:
    """The times of documents whose own rule keeps them longer than their chart."""
    from charthouse.foundation.access.api import system_context

    longest = max(each.years for each in own_periods())
    times = times_of(cursor, system_context("record"), patients, years_after(found.day, -longest))
    return [each.due for each in times]


def certificates(cursor: Any, patients: Patients) -> list[str]:
    """The Provenances that say what was destroyed; they are kept for good."""
    return [certificate_id(each.id) for each in asked_of(patients) if each.done]


def certificate_id(destruction: int) -> str:
    """The public id of the Provenance of a destruction."""
    from charthouse.foundation.ids import named_text

    return named_text("destruction", str(destruction))


@dataclass(frozen=True, slots=True)
class LastEntry:
    """The latest day (UTC) that any item of a source patient tells of; where none has a date, the day the last was
    filed."""

    day: date
    dated: bool


def last_entries(cursor: Any, patients: Collection[int]) -> dict[int, LastEntry]:
    """The last entry of each of these source patients that has one."""
    cursor.execute(
        f"SELECT r.patient, max({_ENDED}), max(r.filed_at) FROM record_resource r "  # noqa: S608
        "WHERE r.patient = ANY(%s) AND r.type <> %s AND r.state <> %s AND NOT (r.public_id = ANY(%s)) "
        "GROUP BY r.patient",
        [list(patients), PATIENT, DESTROYED, certificates(cursor, list(patients))],
    )
    return {
        patient: LastEntry((ended or filed).date(), ended is not None)
        for patient, ended, filed in cursor.fetchall()
    }


def _births(cursor: Any, patients: Patients) -> list[str]:
    return list(births_of(cursor, patients).values())


def births_of(cursor: Any, patients: Collection[int]) -> dict[int, str]:
    """The birth dates of source patients, by whoever reads them; empty where none is recorded."""
    from charthouse.foundation.access.api import system_context

    from .queries import of_patients

    found = of_patients(cursor, system_context("record"), list(patients), ["Patient"])
    return {each.row: str(each.resource.get("birthDate") or "") for each in found}


def holds_of(patients: Patients) -> tuple[HoldRow, ...]:
    """The holds of a chart, in force and lifted, the newest first."""
    rows = Hold.objects.filter(patient__in=list(patients)).select_related("lift").order_by("-id")
    return tuple(map(_hold, rows))


def _hold(row: Hold) -> HoldRow:
    lift = getattr(row, "lift", None)
    return HoldRow(
        row.pk,
        f"{TYPE_NAME[row.type]}/{row.public_id}" if row.type is not None else "",
        row.matter,
        row.name,
        row.at,
        lift.name if lift else "",
        lift.at if lift else None,
        lift.reason if lift else "",
    )


def asked_of(patients: Patients) -> tuple[Asked, ...]:
    """What was asked for and done about destroying a chart, the newest first."""
    rows = Destruction.objects.filter(patients__overlap=list(patients)).select_related("decision").order_by("-id")
    return tuple(map(asked_from, rows))


def asked_from(row: Destruction) -> Asked:
    made = getattr(row, "decision", None)
    return Asked(
        row.pk, row.patient, tuple(row.patients), row.items, row.versions, row.rule, row.due, row.reason, row.by,
        row.name, row.at, made.outcome if made else "", made.note if made else "", made.name if made else "",
        made.at if made else None, tuple(row.documents),
    )  # fmt: skip


def destruction(ctx: AccessContext, number: int) -> Asked | None:
    """One destruction, asked for or done. Raises PermissionRefused."""
    require(ctx, READ_RETENTION)
    row = Destruction.objects.filter(pk=number).select_related("decision").first()
    return asked_from(row) if row else None


def contents(ctx: AccessContext, patients: Patients) -> list[tuple[str, int]]:
    """How many items of each type a chart has, that would go with it. Raises PermissionRefused."""
    require(ctx, READ_RETENTION)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT type, count(*) FROM record_resource WHERE patient = ANY(%s) AND type <> %s AND state <> %s "
            "AND NOT (public_id = ANY(%s)) GROUP BY type ORDER BY count(*) DESC, type",
            [list(patients), PATIENT, DESTROYED, certificates(cursor, patients)],
        )
        return [(TYPE_NAME[kind], count) for kind, count in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Stone:
    """What a tombstone says, for a certificate: ``what`` in words, the SHA-256 in hex, the size in bytes."""

    what: str
    sha256: str
    size: int


def stones(ctx: AccessContext, number: int, most: int) -> tuple[list[Stone], int]:
    """The tombstones of a destruction, the first ``most``, and how many there are. Raises PermissionRefused."""
    require(ctx, READ_RETENTION)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record_tombstone WHERE destruction_id = %s", [number])
        count = int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT t.kind, t.type, t.version, r.public_id, t.item, t.sha256, t.size FROM record_tombstone t "
            "LEFT JOIN record_resource r ON t.kind = 'version' AND r.type = t.type AND r.id = t.item "
            "WHERE t.destruction_id = %s ORDER BY t.id LIMIT %s",
            [number, most],
        )
        found = [
            Stone(
                f"{TYPE_NAME[kind]}/{public_id}, version {version}"
                if what == "version"
                else f"{'Original of a message' if what == 'original' else 'Account segment'} {item}",
                bytes(sha256).hex(),
                size,
            )
            for what, kind, version, public_id, item, sha256, size in cursor.fetchall()
        ]
    return found, count


def destroyed(ctx: AccessContext, patients: Patients, types: Sequence[str] = ()) -> list[Gone]:
    """The items of a chart that were destroyed, of these types or of all, as far as labels let the asker see."""
    done = {each.id: each for each in asked_of(patients) if each.done}
    if not done:
        return []
    numbers = [TYPE_ID[kind] for kind in types] or list(TYPE_NAME)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.type, r.public_id, r.version, t.destruction_id FROM record_resource r "
            "JOIN record_tombstone t ON t.kind = 'version' AND t.type = r.type AND t.item = r.id "
            "AND t.version = r.version "
            "WHERE r.patient = ANY(%s) AND r.type = ANY(%s) AND r.state = %s AND r.labels & %s = 0 "
            "ORDER BY r.type, r.id LIMIT 10000",
            [list(patients), numbers, DESTROYED, ~int(ctx.clearance)],
        )
        return [Gone(TYPE_NAME[kind], id, version, done[made]) for kind, id, version, made in cursor.fetchall()]


def destroyed_on(ctx: AccessContext, kind: str, public_id: str) -> datetime | None:
    """When an item was lawfully destroyed; None for one that was not, or that labels hide from the asker."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.at FROM record_resource r JOIN record_tombstone t ON t.kind = 'version' AND t.type = r.type "
            "AND t.item = r.id AND t.version = r.version "
            "JOIN record_destruction_decision d ON d.destruction_id = t.destruction_id "
            "WHERE r.type = %s AND r.public_id = %s AND r.state = %s AND r.labels & %s = 0",
            [TYPE_ID[kind], public_id, DESTROYED, ~int(ctx.clearance)],
        )
        found = cursor.fetchone()
    return found[0] if found else None
