"""The midnight census, from the periods of class and place that the record's encounters keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from charthouse.foundation.access.api import AccessContext, require, system_context

from .charting.elements import instant, items, reference
from .domain.census import NOWHERE, FacilityCensus, Lasting, Stay, Stayed, reconcile
from .domain.types import TYPE_ID
from .permissions import READ_CENSUS
from .queries import STORED, Stored, current, param_of, stored_from

Json = Mapping[str, Any]

#: Classes of v3 ActCode in which somebody is an inpatient.
_INPATIENT = {"IMP", "ACUTE", "NONAC"}
#: An encounter of these states was never a stay.
_NEVER = {"planned", "cancelled", "entered-in-error", "arrived", "triaged"}
#: So many places may lie within one another: bed, room, floor, ward, building, site.
_DEEP = 8
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_COUNTS = system_context("census")


def census(ctx: AccessContext, since: datetime, until: datetime) -> list[FacilityCensus]:
    """The inpatients of every facility at the midnight ``until``, reconciled with the midnight ``since``.

    Everybody is counted; a stay that breaks the census is named only to who may see it, and is otherwise without
    encounter and patient. Raises PermissionRefused.
    """
    require(ctx, READ_CENSUS)
    with connection.cursor() as cursor:
        found = _lasting(cursor, since, until)
        facilities = _facilities(cursor, {name for each in found for name in _locations(each.resource)})
    hidden = {each.public_id for each in found if not ctx.sees(each.labels)}
    stays = [stay_of(each.public_id, each.patient, each.resource, facilities) for each in found]
    return [_seen(each, hidden) for each in reconcile((stay for stay in stays if stay.inpatient), since, until)]


def _lasting(cursor: Any, since: datetime, until: datetime) -> list[Stored]:
    """The encounters whose period touches the time between two midnights."""
    kind = TYPE_ID["Encounter"]
    cursor.execute(
        "SELECT " + STORED + " FROM record_index_date d"  # noqa: S608
        " JOIN record_resource r ON r.type = d.type AND r.id = d.resource AND r.version = d.version"
        " JOIN record_version v ON v.type = r.type AND v.resource = r.id AND v.version = r.version"
        " WHERE d.type = %s AND d.param = %s AND d.low <= %s AND d.high >= %s AND r.type = %s AND v.type = %s"
        " AND r.state = 0",
        [kind, param_of("Encounter", "date"), until, since, kind, kind],
    )
    return [stored_from(record) for record in cursor.fetchall()]


def _seen(found: FacilityCensus, hidden: set[str]) -> FacilityCensus:
    if not any(each.stay.encounter in hidden for each in found.breaks):
        return found
    return replace(
        found,
        breaks=tuple(
            replace(each, stay=replace(each.stay, encounter="", patient=None))
            if each.stay.encounter in hidden
            else each
            for each in found.breaks
        ),
    )


def _locations(encounter: Json) -> Iterable[str]:
    """The ids of the locations of an encounter."""
    for each in items(encounter.get("location")):
        if isinstance(each, dict) and isinstance(each.get("location"), dict):
            yield str(each["location"].get("reference") or "").removeprefix("Location/")


def _facilities(cursor: Any, ids: set[str]) -> dict[str, str]:
    """The name of the widest place each location lies in. Places are shared and not sensitive."""
    parents: dict[str, str] = {}
    names: dict[str, str] = {}
    asked = {each for each in ids if each}
    for _ in range(_DEEP):
        found = current(cursor, _COUNTS, [("Location", each) for each in asked])
        if not found:
            break
        for (_kind, id), stored in found.items():
            resource = stored.resource
            names[id] = str(resource.get("name") or "") or NOWHERE
            above = str((resource.get("partOf") or {}).get("reference") or "").removeprefix("Location/")
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

    return {id: widest(id) for id in names}


def stay_of(id: str, patient: int | None, encounter: Json, facilities: Mapping[str, str]) -> Stay:
    """An Encounter as the census reads it. One without places is where its service provider is while it lasts;
    ``facilities`` names the facility of each location by id."""
    if encounter.get("status") in _NEVER:
        return Stay(id, patient, (), ())
    period = _lasting_of(encounter.get("period"))
    places = tuple(
        Stayed(facilities.get(name, NOWHERE), _lasting_of(each.get("period")))
        for each in items(encounter.get("location"))
        if isinstance(each, dict)
        and each.get("status") not in {"planned", "reserved"}
        and not each.get("extension")
        for name in _locations({"location": [each]})
    )
    if not places:
        places = (Stayed(reference(encounter.get("serviceProvider")) or NOWHERE, period),)
    places = tuple(sorted(places, key=lambda place: place.time.start or _EARLIEST))
    return Stay(id, patient, tuple(_inpatient(encounter, period)), places)


def _inpatient(encounter: Json, period: Lasting) -> Iterable[Lasting]:
    """When the encounter was an inpatient one. Neighbouring inpatient classes are one time."""
    past = [
        (str((each.get("class") or {}).get("code") or ""), _lasting_of(each.get("period")))
        for each in items(encounter.get("classHistory"))
        if isinstance(each, dict)
    ]
    since = past[-1][1].end if past else period.start
    line = [*past, (str((encounter.get("class") or {}).get("code") or ""), Lasting(since, period.end))]
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


def _lasting_of(period: Any) -> Lasting:
    period = period if isinstance(period, dict) else {}
    start, end = (instant(text) if isinstance(text := period.get(name), str) else None for name in ("start", "end"))
    return Lasting(start, end)
