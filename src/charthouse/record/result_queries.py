"""What a chart reads of results and vital signs, for all source patients of one person.

A page of results is a run of *heads*: reports, and results that stand in no report, by main date and row. So a
page ends exactly where the next begins, however many share a moment, and no result is shown both in its report and
alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

from charthouse.foundation.access.api import AccessContext

from . import chart
from .charting import results as rows
from .charting.elements import references
from .charting.item import item_of
from .domain.filing import State
from .domain.index_rows import target_hash
from .domain.types import TYPE_ID
from .queries import Coded, Stored, current, cursor_of, of_patients, param_of, place_of

Patients = Sequence[int]

#: Panels of a page, resources looked at in one go for it, and vital signs shown.
_PANELS = 40
_WINDOW = 500
_VITALS = 1_000
_VITAL_SIGN = Coded("Observation", "category", "vital-signs")
_REPORT = TYPE_ID["DiagnosticReport"]


def results(ctx: AccessContext, patients: Patients, cursor: str | None = None) -> chart.Page[chart.ResultPanel]:
    """Results by panel, newest first; vital signs outside a report have their own section."""
    after = place_of(cursor)
    heads: list[Stored] = []
    with connection.cursor() as db:
        while len(heads) <= _PANELS:
            window = of_patients(
                db, ctx, patients, ("DiagnosticReport", "Observation"),
                limit=_WINDOW, after=after, not_coded=_VITAL_SIGN,
            )  # fmt: skip
            heads += _heads(db, ctx, patients, window)
            if len(window) < _WINDOW:
                break
            after = window[-1].main, window[-1].row
        shown = heads[:_PANELS]
        reports = [each for each in shown if each.type == "DiagnosticReport"]
        members = pointed(db, ctx, patients, reports, "result", "Observation")
        specimens = pointed(db, ctx, patients, reports, "specimen", "Specimen")
    alone = [each for each in shown if each.type == "Observation"]
    panels = rows.panels(
        [item_of(each) for each in reports],
        [item_of(each) for each in (*alone, *members)],
        {f"Specimen/{each.public_id}": item_of(each) for each in specimens},
    )
    return chart.Page(tuple(panels), cursor_of(shown[-1]) if len(heads) > _PANELS else None)


def report_results(ctx: AccessContext, patients: Patients, id: str) -> chart.ResultPanel | None:
    """One report of this chart with the results it gathers as they stand; None where it gathers none that may be
    seen."""
    key = ("DiagnosticReport", id)
    with connection.cursor() as db:
        stored = current(db, ctx, [key]).get(key)
        if stored is None or stored.patient not in patients:
            return None
        members = pointed(db, ctx, patients, [stored], "result", "Observation")
        specimens = pointed(db, ctx, patients, [stored], "specimen", "Specimen")
    named = {f"Specimen/{each.public_id}": item_of(each) for each in specimens}
    panels = rows.panels([item_of(stored)], [item_of(each) for each in members], named) if members else []
    return next((panel for panel in panels if panel.id == id), None)


def vitals(ctx: AccessContext, patients: Patients) -> tuple[chart.VitalSeries, ...]:
    """Vital signs over time, the newest of them."""
    with connection.cursor() as db:
        found = of_patients(db, ctx, patients, ["Observation"], limit=_VITALS, coded=_VITAL_SIGN)
    return tuple(rows.vital_series(item_of(each) for each in found))


def _heads(db: Any, ctx: AccessContext, patients: Patients, window: Sequence[Stored]) -> list[Stored]:
    """Of a run of reports and observations: reports with results, and observations that stand in no report."""
    hashes = {
        each.row: target_hash(f"Observation/{each.public_id}") for each in window if each.type == "Observation"
    }
    db.execute(
        "SELECT DISTINCT i.target FROM record_index_reference i JOIN record_resource r "
        "ON r.type = i.type AND r.id = i.resource AND r.version = i.version "
        "WHERE i.type = %s AND r.type = %s AND i.param = %s AND i.target = ANY(%s) "
        "AND r.patient = ANY(%s) AND r.state = 0 AND r.labels & %s = 0",
        [
            _REPORT,
            _REPORT,
            param_of("DiagnosticReport", "result"),
            list(hashes.values()),
            list(patients),
            ~int(ctx.clearance),
        ],
    )
    reported = {target for (target,) in db.fetchall()}
    return [
        each
        for each in window
        if (hashes[each.row] not in reported if each.type == "Observation" else each.resource.get("result"))
    ]


def pointed(
    db: Any, ctx: AccessContext, patients: Patients, reports: Iterable[Stored], element: str, kind: str
) -> list[Stored]:
    """What the reports point to in an element: these patients' own, or nobody's."""
    prefix = f"{kind}/"
    pointed = {
        target.removeprefix(prefix)
        for each in reports
        for target in references(each.resource.get(element))
        if target.startswith(prefix)
    }
    found = current(db, ctx, ((kind, each) for each in sorted(pointed))).values()
    return [
        each for each in found if each.state is State.ACTIVE and (each.patient is None or each.patient in patients)
    ]
