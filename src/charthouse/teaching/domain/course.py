"""How values run: from what is found at arrival to what is found at the end."""

from __future__ import annotations

from datetime import datetime
from random import Random

from .items import Stay
from .panels import Analyte, bounds, panels

#: What a healthy person's vital signs are around.
_HEALTHY = {"HR": 74.0, "RR": 16.0, "SBP": 124.0, "DBP": 76.0, "SAT": 98.0, "T": 36.7}
#: How a child's differ from an adult's.
_CHILDREN = {"HR": 16.0, "RR": 4.0, "SBP": -18.0, "DBP": -12.0}
_HELPED = frozenset({"SAT", "SBP", "DBP"})
_SPREAD = {"HR": 5.0, "RR": 1.2, "SBP": 7.0, "DBP": 5.0, "SAT": 0.8, "T": 0.2}


def share(stay: Stay, at: datetime) -> float:
    """How far the stay has come: 0 at arrival, 1 well before its end, since people go home when they are well."""
    whole = (stay.end - stay.start).total_seconds() * 0.8
    return min(1.0, max(0.0, (at - stay.start).total_seconds() / whole)) if whole > 0 else 1.0


def vitals(rng: Random, stay: Stay, at: datetime) -> dict[str, float | str]:
    """A set of vital signs."""
    done = share(stay, at)
    if stay.died:
        done = 0.3 - 0.6 * done  # gets worse than at arrival
    values: dict[str, float | str] = {}
    # The catalog's are those of adults where a condition is not of infants alone.
    shift = _CHILDREN if 1 <= stay.age < 12 and stay.condition.ages[1] > 1 else {}
    # Oxygen and fluids do at once what the illness takes days for.
    hours = (at - stay.start).total_seconds() / 3600
    helped = done if stay.died else max(done, min(0.85, hours / 18))
    for key, (first, last) in stay.condition.vitals.items():
        value = (
            first
            + (last - first) * (helped if key in _HELPED else done)
            + rng.gauss(0, _SPREAD[key])
            + shift.get(key, 0)
        )
        if key == "SAT":
            value = min(100.0, value)
        values[key] = round(value, 1) if key == "T" else round(value)
    return values


def healthy_vitals(rng: Random, age: int) -> dict[str, float | str]:
    """A set of vital signs at a visit to the clinic."""
    values: dict[str, float | str] = {}
    for key, around in _HEALTHY.items():
        value = around + rng.gauss(0, _SPREAD[key]) + ((age - 45) * 0.25 if key == "SBP" else 0)
        values[key] = round(value, 1) if key == "T" else round(min(100.0, value) if key == "SAT" else value)
    return values


def laboratory(rng: Random, stay: Stay, at: datetime, panel: str) -> dict[str, float | str]:
    """A panel's values: those the condition says, the others ordinary."""
    done = share(stay, at)
    told = stay.condition.labs[panel]
    values: dict[str, float | str] = {}
    for key, test in panels()[panel].tests.items():
        if test.kind != "NM":
            continue
        if key in told:
            first, last = told[key]
            if panel == "troponin":
                done = min(1.0, (at - stay.start).total_seconds() / 36_000)
            value = (first + (last - first) * done) * rng.uniform(0.97, 1.03)
        else:
            value = ordinary(rng, test)
        values[key] = rounded(value, test)
    return values


def ordinary(rng: Random, test: Analyte) -> float:
    """A value within the range."""
    low, high = bounds(test.range)
    if low is None:
        return float(high or 1) * rng.uniform(0.3, 0.8)
    if high is None:
        return float(low) * rng.uniform(1.1, 1.7)
    middle, half = (float(low) + float(high)) / 2, (float(high) - float(low)) / 2
    return middle + half * rng.uniform(-0.75, 0.75)


def rounded(value: float, test: Analyte) -> float:
    """To as many decimals as the range has."""
    decimals = len(test.range.lstrip("<>").partition("-")[0].partition(".")[2])
    return round(value, decimals) if decimals else round(value)
