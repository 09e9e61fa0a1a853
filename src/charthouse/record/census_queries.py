"""The midnight census, from the periods of class and place that the record's encounters keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection

from charthouse.foundation.access.api import AccessContext, require, system_context
from charthouse.people.api import facilities

from .charting.elements import instant, items, reference, references
from .domain.census import NOWHERE, FacilityCensus, Lasting, Stay, Stayed, present, reconcile
from .domain.index_rows import token_hash
from .domain.packing import decompress
from .domain.types import TYPE_ID
from .permissions import READ_CENSUS
from .queries import current, param_of

Json = Mapping[str, Any]

#: Classes of v3 ActCode in which somebody is an inpatient.
_INPATIENT = {"IMP", "ACUTE", "NONAC"}
#: An encounter of these states was never a stay.
_NEVER = {"planned", "cancelled", "entered-in-error", "arrived", "triaged"}
#: So many places may lie within one another: bed, room, floor, ward, building, site.
_DEEP = 8
_LOCATION = "Location/"
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_COUNTS = system_context("census")


def census(ctx: AccessContext, since: datetime, until: datetime) -> list[FacilityCensus]:
    """The inpatients of every facility at the midnight ``until``, reconciled with the midnight ``since``.

    Everybody is counted; a stay that breaks the census is named only to who may see it, and is otherwise without
    encounter and patient. Raises PermissionRefused.
    """
    require(ctx, READ_CENSUS)
    with connection.cursor() as cursor:
        stays, hidden = _stays(cursor, ctx, since, until)
        names = _facilities(cursor, {place.facility for stay in stays for place in stay.places})
    return [_seen(each, hidden) for each in reconcile((_named(stay, names) for stay in stays), since, until)]


def inpatients(ctx: AccessContext, at: datetime) -> dict[str, int]:
    """How many inpatients lie in each facility at an instant, by the facility's name as senders write it. Nobody is
    named. Raises PermissionRefused."""
    require(ctx, READ_CENSUS)
    with connection.cursor() as cursor:
        stays, _ = _stays(cursor, ctx, at, at)
        facilities = _facilities(cursor, {place.facility for stay in stays for place in stay.places})
    return dict(Counter(filter(None, (present(_named(stay, facilities), at) for stay in stays))))


def facilities_of(ctx: AccessContext, keys: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The names, as senders write them, of the facilities in whose encounters these resources ``(type, id)`` are
    from: the service provider, or the widest place of the last location. An encounter whose facility is not stated
    gives :data:`NOWHERE`; what is of no encounter, or may not be seen, gives nothing."""
    keys = list(keys)
    own = {id for kind, id in keys if kind == "Encounter"}
    kinds = [(TYPE_ID[kind], id) for kind, id in keys if kind != "Encounter" and kind in TYPE_ID]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT e.public_id FROM record_resource r JOIN record_resource e"
            " ON e.type = %s AND e.id = r.encounter WHERE (r.type, r.public_id) IN"
            " (SELECT * FROM unnest(%s::smallint[], %s::text[])) AND r.labels & %s = 0",
            [TYPE_ID["Encounter"], [kind for kind, _ in kinds], [id for _, id in kinds], ~int(ctx.clearance)],
        )
        own |= {id for (id,) in cursor.fetchall()}
        encounters = [
            stored.resource for stored in current(cursor, ctx, [("Encounter", id) for id in own]).values()
        ]
        last = [_last_place(each) for each in encounters]
        widest = _facilities(cursor, {place for place in last if place})
    found = [
        reference(encounter.get("serviceProvider")) or widest.get(place, NOWHERE)
        for encounter, place in zip(encounters, last, strict=True)
    ]
    return tuple(dict.fromkeys(found))


def encounters_since(since: datetime) -> list[int]:
    """The rows of the encounters that last, or ended at ``since`` or later. Nobody is named."""
    kind = TYPE_ID["Encounter"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.id FROM record_index_date d"
            " JOIN record_resource r ON r.type = d.type AND r.id = d.resource AND r.version = d.version"
            " WHERE d.type = %s AND d.param = %s AND d.high >= %s AND r.type = %s AND r.state = 0 ORDER BY r.id",
            [kind, param_of("Encounter", "date"), since, kind],
        )
        return [row for (row,) in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Ended:
    """An encounter that ended: its row and id, its source patient's row, when, and its class (v3 ActCode)."""

    row: int
    id: str
    patient: int
    at: datetime
    code: str


def encounters_ended(ctx: AccessContext, since: datetime, until: datetime, classes: Sequence[str]) -> list[Ended]:
    """The encounters of these classes that ended from ``since`` until before ``until``, soonest first, as far as
    the asker may see them. Raises PermissionRefused."""
    require(ctx, READ_CENSUS)
    kind = TYPE_ID["Encounter"]
    by_hash = {token_hash(code): code for code in classes}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.id, r.public_id, r.patient, d.high, c.code FROM record_index_date d"
            " JOIN record_resource r ON r.type = d.type AND r.id = d.resource AND r.version = d.version"
            " JOIN record_index_token c ON c.type = %s AND c.param = %s AND c.code = ANY(%s) AND c.at = r.main_low"
            " AND c.resource = r.id AND c.version = r.version"
            " WHERE d.type = %s AND d.param = %s AND d.high >= %s AND d.high < %s AND r.type = %s AND r.state = 0"
            " AND r.patient IS NOT NULL AND r.labels & %s = 0 ORDER BY d.high, r.id",
            [
                kind,
                param_of("Encounter", "class"),
                list(by_hash),
                kind,
                param_of("Encounter", "date"),
                since,
                until,
                kind,
                ~int(ctx.clearance),
            ],
        )
        return [Ended(row, id, patient, at, by_hash[code]) for row, id, patient, at, code in cursor.fetchall()]


def _last_place(encounter: Json) -> str:
    """The reference of the place an Encounter was at last; empty where none is stated."""
    found = [next(iter(references(each.get("location"))), "") for each in items(encounter.get("location"))]
    return next(filter(None, reversed(found)), "")


def _stays(cursor: Any, ctx: AccessContext, since: datetime, until: datetime) -> tuple[list[Stay], set[str]]:
    """The inpatient stays that touch the time between two midnights, and the encounters this asker may not see."""
    kind = TYPE_ID["Encounter"]
    cursor.execute(
        "SELECT r.public_id, r.patient, r.labels, v.content FROM record_index_date d"
        " JOIN record_resource r ON r.type = d.type AND r.id = d.resource AND r.version = d.version"
        " JOIN record_version v ON v.type = r.type AND v.resource = r.id AND v.version = r.version"
        " WHERE d.type = %s AND d.param = %s AND d.low <= %s AND d.high >= %s AND r.type = %s AND v.type = %s"
        " AND r.state = 0",
        [kind, param_of("Encounter", "date"), until, since, kind, kind],
    )
    stays: list[Stay] = []
    hidden: set[str] = set()
    for id, patient, labels, content in cursor:
        # Each is read and let go: thousands of parsed resources held at once cost more to keep than to read.
        stay = stay_of(id, patient, orjson.loads(decompress(content)))
        if stay.inpatient:
            stays.append(stay)
            if not ctx.sees(labels):
                hidden.add(id)
    return stays, hidden


def _seen(found: FacilityCensus, hidden: set[str]) -> FacilityCensus:
    """The census with the breaks that tell of a hidden encounter left without encounter and patient."""
    return replace(
        found,
        breaks=tuple(
            replace(each, stay=replace(each.stay, encounter="", patient=None)) if each.tells_of & hidden else each
            for each in found.breaks
        ),
    )


def _facilities(cursor: Any, places: set[str]) -> dict[str, str]:
    """The name of the widest place each location lies in, by its reference. Places are shared and not sensitive.

    HL7 v2 names a facility by its code alone; one that is a facility's of the site is called by its name.
    """
    own = {each.code: each.name for each in facilities()}
    parents: dict[str, str] = {}
    names: dict[str, str] = {}
    asked = {place.removeprefix(_LOCATION) for place in places if place.startswith(_LOCATION)}
    for _ in range(_DEEP):
        found = current(cursor, _COUNTS, [("Location", each) for each in asked])
        if not found:
            break
        for (_kind, id), stored in found.items():
            resource = stored.resource
            name = str(resource.get("name") or "") or NOWHERE
            names[id] = own.get(name, name)
            above = str((resource.get("partOf") or {}).get("reference") or "").removeprefix(_LOCATION)
            if above:
                parents[id] = above
        asked = set(parents.values()) - set(names)
        if not asked:
            break

    def widest(id: str) -> str:
        for _ in range(_DEEP):
            if id not in parents or parents[id] not in names:
                break
            id = parents[id]
        return names.get(id, NOWHERE)

    return {_LOCATION + id: widest(id) for id in names}


def _named(stay: Stay, names: Mapping[str, str]) -> Stay:
    """A stay with the facility each of its places lies in."""
    return replace(
        stay,
        places=tuple(
            Stayed(names.get(place.facility, NOWHERE), place.time)
            if place.facility.startswith(_LOCATION)
            else place
            for place in stay.places
        ),
    )


def stay_of(id: str, patient: int | None, encounter: Json) -> Stay:
    """An Encounter as the census reads it, each place named by its reference. One without places is where its
    service provider is while it lasts."""
    period = _lasting_of(encounter.get("period"))
    inpatient = () if encounter.get("status") in _NEVER else tuple(_inpatient(encounter, period))
    if not inpatient:
        return Stay(id, patient, (), ())
    places = [
        Stayed(str(each["location"].get("reference") or NOWHERE), _lasting_of(each.get("period")))
        for each in items(encounter.get("location"))
        if isinstance(each, dict)
        and isinstance(each.get("location"), dict)
        and each.get("status") not in {"planned", "reserved"}
        and not each.get("extension")
    ] or [Stayed(reference(encounter.get("serviceProvider")) or NOWHERE, period)]
    return Stay(id, patient, inpatient, tuple(sorted(places, key=lambda place: place.time.start or _EARLIEST)))


def _inpatient(encounter: Json, period: Lasting) -> Iterable[Lasting]:
    """When the encounter was an inpatient one. Neighbouring inpatient classes are one time."""
    past = [
        (_code(each.get("class")), _lasting_of(each.get("period")))
        for each in items(encounter.get("classHistory"))
        if isinstance(each, dict)
    ]
    since = past[-1][1].end if past else period.start
    line = [*past, (_code(encounter.get("class")), Lasting(since, period.end))]
    if len(line) > 1 and line[0][1].start is None:
        line[0] = (line[0][0], Lasting(period.start, line[0][1].end))
    begun: datetime | None = None
    for at, (code, time) in enumerate(line):
        if code not in _INPATIENT:
            continue
        if at == 0 or line[at - 1][0] not in _INPATIENT:
            begun = time.start
        if at + 1 == len(line) or line[at + 1][0] not in _INPATIENT:
            yield Lasting(begun, time.end)


def _code(coding: Any) -> str:
    return str(coding.get("code") or "") if isinstance(coding, dict) else ""


def _lasting_of(period: Any) -> Lasting:
    period = period if isinstance(period, dict) else {}
    start, end = (instant(text) if isinstance(text := period.get(name), str) else None for name in ("start", "end"))
    return Lasting(start, end)
