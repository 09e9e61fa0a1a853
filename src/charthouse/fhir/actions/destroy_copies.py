"""Copies of a chart that is destroyed lie in bulk exports that nobody has fetched yet: these end with it. What was
found in its items goes, too."""

from __future__ import annotations

from typing import Any

from charthouse.fhir.models import Export
from charthouse.record.api import TYPE_ID, Going, Keeper, Leave, declare_keeper

from .end_exports import destroy_files


def register() -> None:
    """Tell the record what lies here of charts."""
    declare_keeper(Keeper("exports", _objects, _destroy))


def _objects(cursor: Any, going: Going) -> str:
    under_way = _with(going).filter(state__in=(Export.State.WAITING, Export.State.RUNNING)).count()
    return (
        f"{under_way} bulk exports that may hold this chart are under way. Try again when they have ended."
        if under_way
        else ""
    )


def _destroy(cursor: Any, going: Going, leave: Leave) -> int:
    if going.items is not None:
        cursor.execute(
            "DELETE FROM fhir_finding WHERE (type, resource) IN "
            "(SELECT * FROM unnest(%s::smallint[], %s::bigint[]))",
            [[kind for kind, _ in going.items], [row for _, row in going.items]],
        )
    else:
        cursor.execute(
            "DELETE FROM fhir_finding f USING record_resource r WHERE r.type = f.type AND r.id = f.resource "
            "AND r.type <> %s AND r.patient = ANY(%s)",
            [TYPE_ID["Patient"], list(going.patients)],
        )
    ended = _with(going).filter(state=Export.State.DONE)
    numbers = list(ended.values_list("pk", flat=True))
    ended.update(state=Export.State.EXPIRED)
    return sum(destroy_files(each, "A chart in it was destroyed.") for each in numbers)


def _with(going: Going) -> Any:
    """The exports that may hold the chart: of everything, or of its patients among others."""
    return Export.objects.filter(patients=None) | Export.objects.filter(patients__overlap=list(going.patients))
