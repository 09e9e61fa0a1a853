"""The rows of a chart as parts of a print: the same columns and the same words as on screen, for paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from charthouse.record import chart
from charthouse.record.chart import Interpretation, Mark, Row, When
from charthouse.web.printing import fhir_date, interpretation_sign, mark, words

Part = dict[str, Any]
Cell = str | dict[str, Any] | None
Column = tuple[str, int]

_STATES = {"not-done": "Not given", "noshow": "No show", "": "Unknown"}


def day(value: When | str) -> str | None:
    """A moment without its time of day; None where the record does not say."""
    text = value.text if isinstance(value, When) else value
    return fhir_date(text, time=False) if text else None


def moment(value: When) -> str | None:
    """A moment with its time as sent; None where the record does not say."""
    return fhir_date(value.text) if value else None


def state(code: str) -> str:
    """A status code in words."""
    return _STATES.get(code) or words(code).capitalize()


def _title(row: Row, soft: str = "") -> Cell:
    return {"text": row.title, "mark": mark(row.mark), "soft": soft}


def _flagged(meaning: Interpretation) -> Cell:
    if not meaning.words:
        return {"text": "–"}
    sign = interpretation_sign(meaning)
    return {"text": f"{sign} {meaning.words.capitalize()}".strip(), "danger": meaning.critical}


def _said(*values: str) -> Cell:
    """What there is of several, a dash where there is nothing and nothing is missed."""
    return {"text": ", ".join(filter(None, values)) or "–"}


def _verified(status: str, verification: str) -> str:
    shown = state(status)
    return f"{shown}, {words(verification)}" if verification not in ("", "confirmed") else shown


def listing(columns: Sequence[Column], rows: Iterable[tuple[Row, Sequence[Cell]]]) -> Part:
    """A table of rows; what was retracted is struck."""
    return {
        "kind": "listing",
        "columns": columns,
        "rows": [{"cells": cells, "struck": row.mark is Mark.RETRACTED} for row, cells in rows],
    }


def encounters(rows: Sequence[chart.Encounter]) -> Part:
    columns = (
        ("Encounter", 4),
        ("Begins", 2),
        ("Ends", 2),
        ("State", 2),
        ("Where and why", 4),
        ("Discharged to", 2),
    )
    return listing(
        columns,
        (
            (
                row,
                (
                    _title(row, ", ".join(filter(None, (row.class_title, row.number and f"visit {row.number}")))),
                    moment(row.when),
                    moment(row.end) or {"text": "–"},
                    state(row.status),
                    _said(row.facility, row.reason),
                    _said(row.disposition),
                ),
            )
            for row in rows
        ),
    )


def _entry(row: chart.DocumentEntry) -> Cell:
    """A document by its title; what was added to another says so, for it is none of that kind itself."""
    return _title(replace(row, title=f"{row.added_as.words}: {row.title}") if row.added_as else row)


def documents(rows: Sequence[chart.DocumentEntry]) -> Part:
    columns = (("Document", 5), ("About", 3), ("Written", 3), ("Author", 3), ("Service", 2))
    return listing(
        columns,
        (
            (row, (_entry(row), moment(row.when), moment(row.authored), row.author or None, _said(row.service)))
            for row in rows
        ),
    )


def results(rows: Sequence[chart.ResultPanel]) -> Part:
    """Reports with their results beneath."""
    lines: list[dict[str, Any]] = []
    for panel in rows:
        about = [
            f"collected {moment(panel.collected)}" if panel.collected else moment(panel.when) or "undated",
            panel.specimen,
            f"received {moment(panel.received)}" if panel.received else "",
            panel.performer,
        ]
        heading = {"text": panel.title, "mark": mark(panel.mark), "soft": ", ".join(filter(None, about))}
        lines.append({"heading": heading})
        for row in panel.results:
            if row.value:
                value: Cell = {"text": f"{row.value} {row.unit}".strip(), "danger": row.interpretation.critical}
            else:
                value = {"text": row.absent_reason or "no value"}
            title = {"text": row.title, "mark": mark(row.mark), "soft": row.note}
            cells = (
                title, value, _flagged(row.interpretation), _said(row.range), state(row.status), moment(row.when)
            )  # fmt: skip
            lines.append({"cells": cells, "struck": row.mark is Mark.RETRACTED or panel.mark is Mark.RETRACTED})
        if panel.conclusion:
            lines.append({"heading": {"text": panel.conclusion}})
    columns = (("Test", 4), ("Value", 3), ("Flag", 2), ("Range", 2), ("Status", 2), ("Time", 3))
    return {"kind": "listing", "columns": columns, "rows": lines}


def vitals(series: Sequence[chart.VitalSeries]) -> Part:
    """Each sign with its measurements, newest first."""
    lines: list[dict[str, Any]] = []
    for one in series:
        lines.append({"heading": {"text": one.title, "soft": one.unit}})
        lines += [
            {
                "cells": (
                    {"text": moment(row.when) or "undated", "mark": mark(row.mark)},
                    {
                        "text": f"{row.value} {row.unit or one.unit}".strip() if row.value else "no value",
                        "danger": row.interpretation.critical,
                    },
                    _flagged(row.interpretation),
                    _said(row.range),
                ),
                "struck": row.mark is Mark.RETRACTED,
            }
            for row in reversed(one.points)
        ]
    return {"kind": "listing", "columns": (("Measured", 3), ("Value", 2), ("Flag", 2), ("Range", 2)), "rows": lines}


def problems(rows: Sequence[chart.Problem]) -> Part:
    columns = (("Problem", 5), ("State", 3), ("Onset", 2), ("Abated", 2), ("Code", 3))
    return listing(
        columns,
        (
            (
                row,
                (
                    _title(row, row.recorder and f"recorded by {row.recorder}"),
                    _verified(row.status, row.verification),
                    day(row.onset),
                    day(row.abated) or {"text": "–"},
                    {"text": row.code.value, "soft": row.code.system} if row.code else _said(),
                ),
            )
            for row in rows
        ),
    )


def medications(rows: Sequence[chart.Medication]) -> Part:
    columns = (("Medication", 4), ("State", 2), ("How to take it", 4), ("From", 2), ("To", 2), ("Ordered by", 3))
    return listing(
        columns,
        (
            (
                row,
                (
                    _title(row, row.kind),
                    state(row.status),
                    {"text": row.dosage, "soft": row.reason and f"for {row.reason}"},
                    day(row.when),
                    day(row.end) or {"text": "–"},
                    _said(row.prescriber),
                ),
            )
            for row in rows
        ),
    )


def allergies(rows: Sequence[chart.Allergy]) -> Part:
    dangers = {"high": "! High risk", "low": "Low risk"}
    columns = (("Allergy", 4), ("Danger", 2), ("Reactions", 4), ("State", 3), ("Recorded", 2))
    return listing(
        columns,
        (
            (
                row,
                (
                    _title(row, words(row.kind)),
                    {"text": dangers.get(row.criticality, "not assessed"), "danger": row.criticality == "high"},
                    ", ".join(row.reactions) or None,
                    _verified(row.status, row.verification),
                    day(row.when),
                ),
            )
            for row in rows
        ),
    )


def immunizations(rows: Sequence[chart.Immunization]) -> Part:
    columns = (("Vaccine", 4), ("Given", 2), ("State", 3), ("Dose", 2), ("Site", 2), ("Lot", 2), ("Given by", 3))
    return listing(
        columns,
        (
            (
                row,
                (
                    _title(row),
                    day(row.when),
                    {"text": state(row.status), "soft": row.reason_not_done},
                    _said(row.dose),
                    _said(row.site),
                    _said(row.lot),
                    _said(row.performer),
                ),
            )
            for row in rows
        ),
    )


def procedures(rows: Sequence[chart.Procedure]) -> Part:
    columns = (("Procedure", 4), ("When", 2), ("State", 2), ("Site", 2), ("Done by", 3), ("For", 3))
    return listing(
        columns,
        (
            (
                row,
                (
                    _title(row),
                    moment(row.when),
                    state(row.status),
                    _said(row.body_site),
                    {"text": row.performer or "–", "soft": row.location},
                    _said(row.reason),
                ),
            )
            for row in rows
        ),
    )


def appointments(rows: Sequence[chart.Appointment]) -> Part:
    columns = (("Appointment", 4), ("Begins", 2), ("State", 2), ("With", 3), ("Where", 3), ("Reason", 3))
    return listing(
        columns,
        (
            (
                row,
                (
                    _title(row),
                    moment(row.when),
                    state(row.status),
                    _said(row.practitioner),
                    _said(row.location),
                    _said(row.reason),
                ),
            )
            for row in rows
        ),
    )


def coverage(rows: Sequence[chart.Coverage]) -> Part:
    orders = {1: "Primary", 2: "Secondary"}
    columns = (
        ("Payer", 4),
        ("Order", 2),
        ("Member", 3),
        ("Plan and group", 3),
        ("Subscriber", 3),
        ("From", 2),
        ("To", 2),
    )
    return listing(
        columns,
        (
            (
                row,
                (
                    _title(row),
                    {"text": orders.get(row.order or 0, str(row.order) if row.order else "unknown")},
                    row.member or None,
                    _said(row.plan, row.group),
                    {"text": row.subscriber or "–", "soft": words(row.relationship)},
                    day(row.when),
                    day(row.end) or {"text": "open"},
                ),
            )
            for row in rows
        ),
    )


#: The columns of each section that is read page by page.
PARTS: dict[str, Callable[[Any], Part]] = {
    "encounters": encounters,
    "documents": documents,
    "results": results,
    "problems": problems,
    "medications": medications,
    "allergies": allergies,
    "immunizations": immunizations,
    "procedures": procedures,
    "appointments": appointments,
    "coverage": coverage,
}


def items(rows: Sequence[Row]) -> Part:
    """Orders, and items of any other kind: what, when, in which state, by whom."""
    columns = (("Item", 6), ("Kind", 3), ("When", 3), ("State", 2), ("By", 3))
    return listing(
        columns,
        (
            (
                row,
                (
                    _title(row),
                    _said(row.detail.get("kind", "")),
                    moment(row.when),
                    state(row.status) if row.status else _said(),
                    _said(row.detail.get("by", "")),
                ),
            )
            for row in rows
        ),
    )
