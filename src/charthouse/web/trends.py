"""A vital sign as a small drawing: coordinates only, so that the page needs no styles of its own and no script."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from charthouse.record.chart import Result, VitalSeries

WIDTH, HEIGHT = 260, 72
LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 8, 14


@dataclass(frozen=True, slots=True)
class Dot:
    """A measurement's place in the drawing."""

    x: float
    y: float
    result: Result


@dataclass(frozen=True, slots=True)
class Band:
    """The reference range, as a rectangle behind the line."""

    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Trend:
    """A drawing of WIDTH × HEIGHT units. ``line`` is an SVG ``points`` list; ``words`` say what it shows."""

    series: VitalSeries
    latest: Result | None
    line: str
    dots: tuple[Dot, ...]
    band: Band | None
    lowest: str
    highest: str
    words: str
    width: int = WIDTH
    left: int = LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM
    height: int = HEIGHT

    @property
    def inner(self) -> int:
        """The width of what is drawn, without the labels."""
        return self.right - self.left


def draw(series: VitalSeries) -> Trend:
    """The drawing of a series; points without a number or a time are left out of it."""
    points = [point for point in series.points if point.number is not None and point.when.instant]
    latest = series.points[-1] if series.points else None
    if not points:
        return Trend(series, latest, "", (), None, "", "", f"{series.title}: nothing to draw.")
    numbers = [point.number for point in points if point.number is not None]
    bounds = [*numbers, *(bound for bound in (series.low, series.high) if bound is not None)]
    low, high = _padded(min(bounds), max(bounds))
    times = [point.when.instant.timestamp() for point in points if point.when.instant]
    begin, spread = min(times), (max(times) - min(times)) or 1.0
    alone = len(points) == 1

    def across(time: float) -> float:
        inner = WIDTH - LEFT - _RIGHT
        return round(LEFT + (inner / 2 if alone else (time - begin) / spread * inner), 1)

    def down(number: Decimal) -> float:
        return round(_TOP + float((high - number) / (high - low)) * (HEIGHT - _TOP - _BOTTOM), 1)

    dots = tuple(
        Dot(across(time), down(number), point) for time, number, point in zip(times, numbers, points, strict=True)
    )
    band = None
    if series.low is not None or series.high is not None:
        top = down(series.high) if series.high is not None else float(_TOP)
        bottom = down(series.low) if series.low is not None else float(HEIGHT - _BOTTOM)
        band = Band(top, round(bottom - top, 1))
    return Trend(
        series=series,
        latest=latest,
        line=" ".join(f"{dot.x},{dot.y}" for dot in dots),
        dots=dots,
        band=band,
        lowest=_short(min(numbers)),
        highest=_short(max(numbers)),
        words=(
            f"{series.title}, {len(points)} measured, lowest {min(numbers).normalize():f}, "
            f"highest {max(numbers).normalize():f}, latest {numbers[-1].normalize():f} {series.unit}".strip()
        ),
    )


def _short(number: Decimal) -> str:
    """A number beside the axis: four significant digits."""
    return f"{float(number):.4g}"


def _padded(low: Decimal, high: Decimal) -> tuple[Decimal, Decimal]:
    margin = (high - low) / 8 or abs(high) / 10 or Decimal(1)
    return low - margin, high + margin
