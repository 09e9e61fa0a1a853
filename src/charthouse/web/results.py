"""Results turned on their side: one row a test, one column a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from charthouse.record.chart import Result, ResultPanel, VitalSeries, When

COLUMNS = 12


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One test over time; ``unit`` and ``range`` are those of its newest result. A cell holds every result of
    that moment, mostly one or none."""

    title: str
    unit: str
    range: str
    cells: tuple[tuple[Result, ...], ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """``columns`` are moments, newest first; ``left_out`` counts the older moments that have no column."""

    columns: tuple[When, ...]
    rows: tuple[MatrixRow, ...]
    left_out: int = 0


def by_date(panels: Iterable[ResultPanel], columns: int = COLUMNS) -> Matrix:
    """The results of some panels by test and moment. Results stand under their panel's collection time where it
    has one, so that what was drawn together stands together."""
    return _matrix(
        [(panel.collected or result.when or panel.when, result) for panel in panels for result in panel.results],
        columns,
    )


def over_time(series: Iterable[VitalSeries], columns: int = COLUMNS) -> Matrix:
    """Vital signs by sign and moment."""
    return _matrix([(point.when, point) for one in series for point in one.points], columns)


def _matrix(placed: Sequence[tuple[When, Result]], columns: int) -> Matrix:
    moments = {moment.text: moment for moment, _ in placed if moment}
    newest = sorted(moments.values(), key=_order, reverse=True)
    kept = newest[:columns]
    position = {moment.text: at for at, moment in enumerate(kept)}
    tests: dict[tuple[str, str], list[tuple[int, Result]]] = {}
    for moment, result in placed:
        if moment.text in position:
            tests.setdefault((result.title, result.unit), []).append((position[moment.text], result))
    rows = []
    for (title, unit), found in tests.items():
        cells: list[list[Result]] = [[] for _ in kept]
        for at, result in found:
            cells[at].append(result)
        latest = min(found, key=lambda each: each[0])[1]
        rows.append(MatrixRow(title, unit, latest.range, tuple(tuple(cell) for cell in cells)))
    return Matrix(tuple(kept), tuple(rows), len(newest) - len(kept))


def _order(moment: When) -> tuple[float, str]:
    return (moment.instant.timestamp() if moment.instant else float("-inf"), moment.text)
