"""Observations as results, matrices over time, and vital signs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from charthouse.record.chart import Interpretation, MatrixRow, Result, ResultMatrix, ResultPanel, VitalSeries, When

from .clinical import detail
from .elements import (
    Json,
    amount,
    code,
    codes,
    concept,
    concepts,
    first,
    first_when,
    items,
    notes,
    quantity,
    reference,
    references,
    span_words,
    when,
)
from .item import Item

_TIMES = ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued")


def is_vital(item: Item) -> bool:
    """Whether an Observation is a vital sign (category ``vital-signs``)."""
    return "vital-signs" in codes(item.resource.get("category"))


def results_of(item: Item) -> list[Result]:
    """An Observation as rows: its own value, then one row a component."""
    r = item.resource
    parts = [each for each in items(r.get("component")) if isinstance(each, dict)]
    rows = []
    if not parts or _value(r)[0]:
        rows.append(_result(item, r, r))
    rows.extend(_result(item, part, r) for part in parts)
    return rows


def _result(item: Item, part: Json, whole: Json) -> Result:
    value, unit, number = _value(part)
    return Result(
        **item.row(),
        title=concept(part.get("code")),
        status=str(whole.get("status") or ""),
        when=first_when(whole, *_TIMES),
        code=code(part.get("code")),
        value=value,
        unit=unit,
        number=number,
        range=_range(part),
        interpretation=_interpretation(part),
        note=notes(whole.get("note")) if part is whole else "",
        absent_reason=concept(part.get("dataAbsentReason")),
        detail=detail(
            method=concept(whole.get("method")),
            body_site=concept(whole.get("bodySite")),
            performer=reference(whole.get("performer")),
            device=reference(whole.get("device")),
        ),
    )


def _value(part: Json) -> tuple[str, str, Decimal | None]:
    """(text to print, unit, the number where it is one) of an Observation's or component's value."""
    if isinstance(found := part.get("valueQuantity"), dict):
        raw = found.get("value")
        number = Decimal(raw) if isinstance(raw, int) else raw if isinstance(raw, Decimal) else None
        return quantity(found), str(found.get("unit") or found.get("code") or ""), number
    if part.get("valueCodeableConcept") is not None:
        return concept(part["valueCodeableConcept"]), "", None
    if part.get("valueString") is not None:
        return str(part["valueString"]), "", None
    if isinstance(part.get("valueBoolean"), bool):
        return ("yes" if part["valueBoolean"] else "no"), "", None
    if part.get("valueInteger") is not None:
        return str(part["valueInteger"]), "", Decimal(part["valueInteger"])
    if isinstance(found := part.get("valueRange"), dict):
        return span_words(found), "", None
    if isinstance(found := part.get("valueRatio"), dict):
        return f"{amount(found.get('numerator'))}:{amount(found.get('denominator'))}", "", None
    if isinstance(found := part.get("valuePeriod"), dict):
        return f"{found.get('start', '')}\u2013{found.get('end', '')}", "", None
    for name in ("valueDateTime", "valueTime"):
        if part.get(name):
            return str(part[name]), "", None
    return "", "", None


def _range(part: Json) -> str:
    found = [
        str(each.get("text") or span_words(each))
        for each in items(part.get("referenceRange"))
        if isinstance(each, dict)
    ]
    return "; ".join(each for each in found if each)


def _interpretation(part: Json) -> Interpretation:
    for each in codes(part.get("interpretation")):
        try:
            return Interpretation({"H>": "HH", "L<": "LL", "HU": "HH", "LU": "LL"}.get(each, each))
        except ValueError:
            continue
    return Interpretation.NONE


def panels(
    reports: Iterable[Item], observations: Sequence[Item], specimens: Mapping[str, Item]
) -> list[ResultPanel]:
    """Reports with their results, then results that stand in no report; newest first. A report of nothing but vital
    signs is left to their own section."""
    by_reference = {f"Observation/{each.id}": each for each in observations}
    used: set[str] = set()
    found: list[ResultPanel] = []
    for item in reports:
        r = item.resource
        members = [each for each in references(r.get("result")) if each in by_reference]
        used.update(members)
        if all(is_vital(by_reference[each]) for each in members):
            continue
        found.append(_panel(item, [row for each in members for row in results_of(by_reference[each])], specimens))
    for key, item in by_reference.items():
        if key not in used:
            found.append(_panel(item, results_of(item), specimens))
    return sorted(found, key=_newest, reverse=True)


def _newest(panel: ResultPanel) -> tuple[bool, Any]:
    moment = panel.when.instant
    return (moment is not None, moment)


def _panel(item: Item, rows: list[Result], specimens: Mapping[str, Item]) -> ResultPanel:
    r = item.resource
    pointed = next((each for each in references(r.get("specimen")) if each in specimens), None)
    specimen: dict[str, Any] = specimens[pointed].resource if pointed else {}
    collection = specimen.get("collection") or {}
    return ResultPanel(
        **item.row(),
        title=concept(r.get("code")),
        status=str(r.get("status") or ""),
        when=first_when(r, *_TIMES),
        code=code(r.get("code")),
        specimen=concept(specimen.get("type")) or reference(r.get("specimen")),
        collected=first_when(collection, "collectedDateTime", "collectedPeriod"),
        received=when(specimen.get("receivedTime")),
        performer=reference(r.get("performer")) or reference(r.get("resultsInterpreter")),
        conclusion=str(r.get("conclusion") or concepts(r.get("conclusionCode"))),
        results=tuple(rows),
        detail=detail(collected_by=reference(collection.get("collector")), category=concepts(r.get("category"))),
    )


_COLUMNS = 12


def matrix(rows: Iterable[Result]) -> ResultMatrix:
    """Results with numbers or short values over time: a row a test, a column a moment, newest first."""
    by_title: dict[str, list[Result]] = defaultdict(list)
    for row in rows:
        if row.when and (row.number is not None or 0 < len(row.value) <= 24):
            by_title[row.title].append(row)
    moments: dict[str, When] = {}
    for each in by_title.values():
        for row in each:
            moments.setdefault(row.when.text, row.when)
    columns = sorted(moments.values(), key=lambda each: (each.instant is not None, each.instant), reverse=True)[
        :_COLUMNS
    ]
    place = {column.text: number for number, column in enumerate(columns)}
    lines = []
    for title in sorted(by_title, key=str.casefold):
        cells: list[Result | None] = [None] * len(columns)
        newest = None
        for row in by_title[title]:
            if (at := place.get(row.when.text)) is not None and cells[at] is None:
                cells[at] = row
        newest = next((cell for cell in cells if cell), None)
        if newest:
            lines.append(MatrixRow(title, newest.unit, newest.range, tuple(cells)))
    return ResultMatrix(tuple(columns), tuple(lines))


def vital_series(found: Iterable[Item]) -> list[VitalSeries]:
    """Vital signs over time, oldest first; a blood pressure is two series."""
    by_title: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for item in found:
        for row in results_of(item):
            if row.number is not None or row.value:
                by_title[(row.title, row.unit)].append(row)
    series = []
    for (title, unit), points in by_title.items():
        points.sort(key=lambda row: (row.when.instant is not None, row.when.instant))
        low, high = _bounds(points[-1])
        series.append(VitalSeries(title, unit, tuple(points), low, high))
    return sorted(series, key=lambda each: _ORDER.get(first(_loinc(each)).get("code", ""), 99))


def _loinc(series: VitalSeries) -> list[dict[str, str]]:
    found = series.points[-1].code
    return [{"code": found.value}] if found else []


#: The order in which a set of vital signs is read: temperature, pulse, respiration, pressure, saturation, body.
_ORDER = {
    each: number
    for number, each in enumerate(
        ["8310-5", "8867-4", "9279-1", "8480-6", "8462-4", "2708-6", "59408-5", "8302-2", "29463-7", "39156-5"]
    )
}


def _bounds(row: Result) -> tuple[Decimal | None, Decimal | None]:
    """The numbers of a printed range."""
    low, dash, high = row.range.partition("\u2013")
    if not dash:
        return None, None
    try:
        return Decimal(low.split()[0]), Decimal(high.split()[0])
    except (ArithmeticError, IndexError):
        return None, None
