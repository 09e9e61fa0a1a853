"""How a count went from day to day as a small drawing: coordinates only, as :mod:`charthouse.web.trends` draws.

A day that was not counted leaves a gap; nothing is drawn across it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from charthouse.completion.api import DayCount

from .printing import fhir_date
from .trends import HEIGHT, LEFT, WIDTH

_RIGHT, _TOP, _BOTTOM = 8, 8, 14
#: No more columns than this can be pointed at.
_COLUMNS = 31


@dataclass(frozen=True, slots=True)
class Column:
    """A strip of the drawing that opens the numbers of a day: the last that was counted in it."""

    x: float
    width: float
    day: date

    @property
    def words(self) -> str:
        """ "28 Nov 2026"."""
        return fhir_date(self.day.isoformat())


@dataclass(frozen=True, slots=True)
class DayTrend:
    """A drawing of WIDTH × HEIGHT units from 0 up to ``highest``. ``lines`` are SVG ``points`` of days on end,
    ``dots`` (x, y) are days that stand alone and the last, ``mark`` is the height of a benchmark; ``words`` say
    what it shows."""

    title: str
    last: str
    words: str
    highest: str
    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    columns: tuple[Column, ...]
    mark: float | None = None
    width: int = WIDTH
    left: int = LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM
    height: int = HEIGHT

    @property
    def tall(self) -> int:
        """The height of what is drawn, without the labels."""
        return self.bottom - self.top


def draw_days(days: Sequence[DayCount], benchmark: float) -> tuple[DayTrend, ...]:
    """Charts that were not complete, delinquent ones, and the rate."""
    return (
        _draw("Not complete", days, lambda each: float(each.incomplete), "{:,.0f}"),
        _draw("Delinquent", days, lambda each: float(each.delinquent), "{:,.0f}"),
        _draw("Delinquency rate", days, lambda each: each.percent, "{:,.1f} %", benchmark),
    )


def _draw(
    title: str,
    days: Sequence[DayCount],
    number: Callable[[DayCount], float | None],
    shown: str,
    benchmark: float | None = None,
) -> DayTrend:
    values = [number(each) if each.at is not None else None for each in days]
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    inner, tall = WIDTH - LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    step = inner / max(len(days) - 1, 1)
    if not known:
        return DayTrend(title, "", f"{title}: none of {len(days)} days was counted.", "", (), (), ())
    most = max(value for _, value in known)
    top = max(most, benchmark or 0.0) or 1.0

    def at(place: int, value: float) -> tuple[float, float]:
        return round(LEFT + place * step, 1), round(_TOP + (1 - value / top) * tall, 1)

    runs: list[list[tuple[float, float]]] = []
    before = None
    for place, value in known:
        if before is None or place != before + 1:
            runs.append([])
        runs[-1].append(at(place, value))
        before = place
    last_place, last = known[-1]
    least, day = min(value for _, value in known), fhir_date(days[last_place].day.isoformat())
    alone = [run[0] for run in runs if len(run) == 1]
    return DayTrend(
        title=title,
        last=shown.format(last),
        words=(
            f"{title}, {len(known)} of {len(days)} days counted: lowest {shown.format(least)}, highest "
            f"{shown.format(most)}, last {shown.format(last)} on {day}"
        ),
        highest=_short(top, shown),
        lines=tuple(" ".join(f"{x},{y}" for x, y in run) for run in runs if len(run) > 1),
        dots=(*(each for each in alone if each != at(last_place, last)), at(last_place, last)),
        columns=_columns(days, step),
        mark=at(0, benchmark)[1] if benchmark is not None else None,
    )


def _short(number: float, shown: str) -> str:
    """A number beside the axis, where there is room for five signs."""
    unit = " %" if shown.endswith("%") else ""
    return f"{number / 1000:,.0f}k{unit}" if number >= 10_000 else f"{number:,.0f}{unit}"


def _columns(days: Sequence[DayCount], step: float) -> tuple[Column, ...]:
    wide = -(-len(days) // _COLUMNS)
    found = []
    for begin in range(0, len(days), wide):
        counted = [each.day for each in days[begin : begin + wide] if each.at is not None]
        if counted:
            x = max(LEFT + (begin - 0.5) * step, LEFT)
            width = min(wide * step, WIDTH - _RIGHT - x)
            found.append(Column(round(x, 1), round(width, 1), counted[-1]))
    return tuple(found)


def as_svg(trend: DayTrend) -> str:
    """The drawing as a picture of its own, for paper."""
    parts = [
        f"<line x1='{trend.left}' y1='{trend.bottom}' x2='{trend.right}' y2='{trend.bottom}' stroke='#b9c4c8'/>",
        f"<line x1='{trend.left}' y1='{trend.top}' x2='{trend.left}' y2='{trend.bottom}' stroke='#b9c4c8'/>",
    ]
    if trend.mark is not None:
        parts.append(
            f"<line x1='{trend.left}' y1='{trend.mark}' x2='{trend.right}' y2='{trend.mark}' stroke='#a11616'"
            " stroke-dasharray='3 3' stroke-width='0.7'/>"
        )
    parts += [
        f"<polyline points='{each}' fill='none' stroke='#0b5a60' stroke-width='1.4'/>" for each in trend.lines
    ]
    parts += [f"<circle cx='{x}' cy='{y}' r='1.8' fill='#0b5a60'/>" for x, y in trend.dots]
    box = f"{trend.left - 2} 0 {trend.width - trend.left + 2} {trend.height}"
    return f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='{box}'>{''.join(parts)}</svg>"
