"""A set of vital signs: read from a form with its units, checked against what can be, made into Observations.

Codes are LOINC's, units UCUM's, as HL7's vital signs profiles have them. A value stands in the unit in which it was
written and with the digits that were written: 37.0 stays 37.0. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from .forms import Reading

_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"
_CATEGORY = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs",
            "display": "Vital signs",
        }
    ]
}
_NUMBER = re.compile(r"\d{1,4}(?:[.,]\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: its UCUM code, how it is printed, and how a value in it becomes one in the unit of the limits."""

    code: str
    printed: str
    to_limits: Callable[[Decimal], Decimal] = lambda value: value


@dataclass(frozen=True, slots=True)
class Sign:
    """A vital sign. ``units`` are those it may be written in, the first by default."""

    name: str
    title: str
    loinc: str
    units: tuple[Unit, ...]


_MMHG = (Unit("mm[Hg]", "mmHg"),)
_A_MINUTE = (Unit("/min", "/min"),)
SIGNS: Mapping[str, Sign] = MappingProxyType(
    {
        each.name: each
        for each in (
            Sign("systolic", "Systolic blood pressure", "8480-6", _MMHG),
            Sign("diastolic", "Diastolic blood pressure", "8462-4", _MMHG),
            Sign("pulse", "Heart rate", "8867-4", _A_MINUTE),
            Sign("respiration", "Respiratory rate", "9279-1", _A_MINUTE),
            Sign(
                "temperature",
                "Body temperature",
                "8310-5",
                (
                    Unit("[degF]", "°F", lambda value: (value - 32) * 5 / 9),
                    Unit("Cel", "°C"),
                ),
            ),
            Sign("saturation", "Oxygen saturation", "59408-5", (Unit("%", "%"),)),
            Sign(
                "weight",
                "Body weight",
                "29463-7",
                (Unit("[lb_av]", "lb", lambda value: value * Decimal("0.45359237")), Unit("kg", "kg")),
            ),
            Sign(
                "height",
                "Body height",
                "8302-2",
                (Unit("[in_i]", "in", lambda value: value * Decimal("2.54")), Unit("cm", "cm")),
            ),
            Sign("pain", "Pain, 0 to 10", "72514-3", (Unit("{score}", "of 10"),)),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A sign as it was measured, in the unit it was written in."""

    sign: Sign
    value: Decimal
    unit: Unit


def read_vital_signs(reading: Reading, limit: Callable[[str], Decimal]) -> list[Measured]:
    """The signs of a form, in order; ``limit`` gives "pulse_lowest" and the like in the unit of the rule.

    A sign's unit is in ``<name>_unit``. Both blood pressures come together. Faults go to ``reading``.
    """
    found = [measured for sign in SIGNS.values() if (measured := _read(reading, sign, limit)) is not None]
    if not found and not reading.faults:
        reading.fault("", "Nothing was measured. Write at least one vital sign.")
    by_name = {each.sign.name: each.value for each in found}
    for one, other in (("systolic", "diastolic"), ("diastolic", "systolic")):
        if one in by_name and other not in by_name:
            reading.fault(other, "A blood pressure has two numbers. Write this one, too.")
    if by_name.get("systolic", Decimal(1)) <= by_name.get("diastolic", Decimal(0)):
        reading.fault("diastolic", "This is not below the systolic pressure. Are the two exchanged?")
    return found


def _read(reading: Reading, sign: Sign, limit: Callable[[str], Decimal]) -> Measured | None:
    typed = reading.text(sign.name, longest=12)
    if not typed:
        return None
    if not _NUMBER.fullmatch(typed):
        reading.fault(sign.name, "Write a number, like 72 or 98.6, and nothing beside it.")
        return None
    value = Decimal(typed.replace(",", "."))
    wanted = reading.choice(f"{sign.name}_unit", {unit.code: unit for unit in sign.units})
    unit = next((each for each in sign.units if each.code == wanted), sign.units[0])
    compared = unit.to_limits(value)
    low, high = limit(f"{sign.name}_lowest"), limit(f"{sign.name}_highest")
    if not low <= compared <= high:
        others = [each for each in sign.units if each is not unit and low <= each.to_limits(value) <= high]
        hint = f" Is it {typed} {others[0].printed}?" if others else ""
        size = "low" if compared < low else "high"
        reading.fault(
            sign.name,
            f"{typed} {unit.printed} is too {size} to be of a living person. Check number and unit.{hint}",
        )
        return None
    return Measured(sign, value, unit)


def observations_of(
    measured: list[Measured], *, ids: Callable[[str], str], common: Mapping[str, Any], note: str = ""
) -> list[dict[str, Any]]:
    """An Observation for each sign, the two blood pressures as one. ``common`` has subject, time, performer."""
    by_name = {each.sign.name: each for each in measured}
    made: list[dict[str, Any]] = []
    if "systolic" in by_name and "diastolic" in by_name:
        made.append(
            {
                **_observation(ids("pressure"), "85354-9", "Blood pressure", common),
                "component": [
                    {"code": _code(each.sign.loinc, each.sign.title), "valueQuantity": _quantity(each)}
                    for each in (by_name["systolic"], by_name["diastolic"])
                ],
            }
        )
    made.extend(
        {
            **_observation(ids(each.sign.name), each.sign.loinc, each.sign.title, common),
            "valueQuantity": _quantity(each),
        }
        for each in measured
        if each.sign.name not in {"systolic", "diastolic"}
    )
    if note:
        for each in made:
            each["note"] = [{"text": note}]
    return made


def _observation(id: str, loinc: str, title: str, common: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "category": [_CATEGORY],
        "code": _code(loinc, title),
        **common,
    }


def _code(loinc: str, title: str) -> dict[str, Any]:
    return {"coding": [{"system": _LOINC, "code": loinc, "display": title}], "text": title}


def _quantity(measured: Measured) -> dict[str, Any]:
    unit = measured.unit
    return {"value": measured.value, "unit": unit.printed, "system": _UCUM, "code": unit.code}
