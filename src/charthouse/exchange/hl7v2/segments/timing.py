"""TQ1: when and how often (Timing)."""

from __future__ import annotations

from charthouse.exchange.hl7v2.datatypes import Json
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment
from charthouse.exchange.numbers import decimal
from charthouse.exchange.times import clock_time

_DAY_PARTS = {"AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV", "HS", "C", "CM", "CD", "CV"}
_UNITS = {
    "s": "s", "sec": "s", "min": "min", "m": "min", "hr": "h", "h": "h", "hour": "h", "d": "d", "day": "d",
    "wk": "wk", "w": "wk", "week": "wk", "mo": "mo", "l": "mo", "month": "mo", "a": "a", "yr": "a",
}  # fmt: skip
# Repeat patterns (table 0335) by their FHIR repeat.
_PATTERNS: dict[str, Json] = {
    "BID": {"frequency": 2, "period": 1, "periodUnit": "d"},
    "TID": {"frequency": 3, "period": 1, "periodUnit": "d"},
    "QID": {"frequency": 4, "period": 1, "periodUnit": "d"},
    "QD": {"frequency": 1, "period": 1, "periodUnit": "d"},
    "QOD": {"frequency": 1, "period": 2, "periodUnit": "d"},
    "QAM": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["MORN"]},
    "QPM": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["EVE"]},
    "QHS": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]},
    "ONCE": {"count": 1},
}
_EVERY = {"S": "s", "M": "min", "H": "h", "D": "d", "W": "wk", "L": "mo"}


def unit_code(text: str) -> str | None:
    """A time unit as UCUM code."""
    return _UNITS.get(text.lower())


def pattern(code: str) -> Json | None:
    """A repeat pattern of table 0335 as Timing.repeat, e.g. BID, Q6H, HS; None where it is none of these."""
    code = code.upper()
    if code in _PATTERNS:
        return dict(_PATTERNS[code])
    if code in _DAY_PARTS:
        return {"frequency": 1, "period": 1, "periodUnit": "d", "when": [code]}
    if len(code) >= 3 and code[0] == "Q" and code[-1] in _EVERY and code[1:-1].isascii() and code[1:-1].isdigit():
        every = int(code[1:-1][:4])
        if every:
            return {"frequency": 1, "period": every, "periodUnit": _EVERY[code[-1]]}
    return None


def timing(mapping: Mapping, tq1: Segment) -> Json | None:
    """TQ1 as Timing."""
    repeat: Json = {}
    start, end = mapping.time(tq1, 7), mapping.time(tq1, 8)
    bounds: Json = {}
    if start:
        bounds["start"] = start
    if end:
        bounds["end"] = end
    if bounds:
        repeat["boundsPeriod"] = bounds
    code = tq1.first(3).get(1)
    found = pattern(code) if code else None
    if found:
        repeat.update(found)
    hours = [clock for value in tq1.values(4) if (clock := clock_time(value.get(1).replace(":", "")))]
    if hours and "when" not in repeat:
        repeat["timeOfDay"] = hours
        if "period" not in repeat:
            repeat |= {"frequency": len(hours), "period": 1, "periodUnit": "d"}
    length = tq1.first(13)
    duration, unit = decimal(length.get(1)), unit_code(length.get(2))
    if duration is not None and unit:
        repeat["duration"] = duration
        repeat["durationUnit"] = unit
    count = tq1.get(14)
    if count.isascii() and count.isdigit() and int(count[:6]):
        repeat["count"] = int(count[:6])
    result: Json = {}
    if repeat:
        result["repeat"] = repeat
    if code and found is None:
        result["code"] = {"text": tq1.first(3).get(1, 2) or code}
    return result or None
