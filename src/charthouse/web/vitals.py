"""Vital signs turned on their side: one row a sign, one column a moment."""

from __future__ import annotations

from collections.abc import Sequence

from charthouse.record.chart import MatrixRow, Result, ResultMatrix, VitalSeries, When

COLUMNS = 12


def over_time(series: Sequence[VitalSeries], columns: int = COLUMNS) -> ResultMatrix:
    """The newest ``columns`` moments at which anything was measured; a sign not measured in them has no row."""
    moments = {point.when.text: point.when for one in series for point in one.points if point.when}
    newest = sorted(moments.values(), key=_order, reverse=True)[:columns]
    rows = []
    for one in series:
        measured = {point.when.text: point for point in one.points}
        cells: tuple[Result | None, ...] = tuple(measured.get(moment.text) for moment in newest)
        latest = next((cell for cell in cells if cell), None)
        if latest is not None:
            rows.append(MatrixRow(one.title, one.unit, latest.range, cells))
    return ResultMatrix(tuple(newest), tuple(rows))


def _order(moment: When) -> tuple[float, str]:
    return (moment.instant.timestamp() if moment.instant else float("-inf"), moment.text)
