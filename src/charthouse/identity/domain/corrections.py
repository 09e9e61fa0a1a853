"""Numbers of a patient that somebody here corrected, applied to what its sender says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Correction:
    """A number that is not valid any more since ``day``; ``replaced_by`` is the right one, empty where it only
    ended."""

    system: str
    value: str
    replaced_by: str
    day: date


def corrected(patient: Mapping[str, Any], corrections: Iterable[Correction]) -> dict[str, Any]:
    """A FHIR Patient with its numbers as corrected: an ended one is *old* and ends on its day, the right one stands
    before it. Applied again it changes nothing more."""
    made = dict(patient)
    listed = [each for each in made.get("identifier") or () if isinstance(each, dict)]
    if not listed:
        return made
    for correction in corrections:
        listed = list(_corrected(listed, correction))
    made["identifier"] = listed
    return made


def _corrected(listed: list[dict[str, Any]], correction: Correction) -> Iterable[dict[str, Any]]:
    known = {(each.get("system", ""), each.get("value")) for each in listed}
    for each in listed:
        if (each.get("system", ""), each.get("value")) != (correction.system, correction.value):
            yield each
            continue
        right = correction.replaced_by
        if right and (correction.system, right) not in known:
            known.add((correction.system, right))
            yield {name: value for name, value in each.items() if name not in {"use", "period"}} | {"value": right}
        period = each.get("period")
        started = period if isinstance(period, dict) else {}
        yield {**each, "use": "old", "period": {**started, "end": started.get("end") or correction.day.isoformat()}}


def restored(patient: Mapping[str, Any], correction: Correction, original: Mapping[str, Any]) -> dict[str, Any]:
    """A FHIR Patient with the number as it was before the correction, and without the one that replaced it."""
    made = dict(patient)
    listed = []
    for each in made.get("identifier") or ():
        key = (each.get("system", ""), each.get("value")) if isinstance(each, dict) else None
        if key == (correction.system, correction.value):
            listed.append(dict(original))
        elif not (correction.replaced_by and key == (correction.system, correction.replaced_by)):
            listed.append(each)
    made["identifier"] = listed
    return made
