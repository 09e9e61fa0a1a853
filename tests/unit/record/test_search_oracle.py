"""The compiler against a slow oracle: the same searches, worked out over the resources themselves in plain Python.

The oracle shares nothing with the compiler but the rules of R4: it reads elements by hand-written paths, knows
dates from :mod:`datetime` and numbers from :mod:`decimal`, and sorts lists.
"""

from __future__ import annotations

import bz2
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.exchange.fhir.api import rewrite
from charthouse.foundation.access.api import AccessContext, Label, Purpose, Role, system_context
from charthouse.foundation.clock import wall
from charthouse.record.api import Filing, file_resources, prepare, search

Json = dict[str, Any]
ALL = system_context("test")
READER = AccessContext("user:1", "A Reader", frozenset({Role.HIT}), Purpose.OPERATIONS, Label.NONE)

# The hospital ----------------------------------------------------------------------------------------------------

LOINC, UCUM, ACT = (
    "http://loinc.org",
    "http://unitsofmeasure.org",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
)
HIV = {"security": [{"system": ACT, "code": "HIV"}]}


def _coded(code: str, system: str | None = LOINC, **more: Any) -> Json:
    return {"coding": [{"code": code} | ({"system": system} if system else {}) | more]}


def _observation(id: str, patient: str | None = "p1", **elements: Any) -> Json:
    subject = {"subject": {"reference": f"Patient/{patient}"}} if patient else {}
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": _coded("1-1"),
        **subject,
        **elements,
    }


HAND_MADE: list[Json] = [
    {
        "resourceType": "Organization",
        "id": "org1",
        "name": "Northfield, General",
        "identifier": [{"system": "urn:o", "value": "1"}],
    },
    {
        "resourceType": "Practitioner",
        "id": "dr1",
        "name": [{"family": "Lindqvist", "given": ["Åsa"]}],
        "identifier": [{"system": "urn:npi", "value": "1"}],
    },
    {"resourceType": "Practitioner", "id": "dr2", "name": [{"family": "Abara"}], "meta": HIV},
    {
        "resourceType": "Patient",
        "id": "p1",
        "active": True,
        "gender": "female",
        "birthDate": "1952-03-09",
        "name": [
            {"family": "Müller-Lüdenscheidt", "given": ["Jo", "Anna"]},
            {"family": "Muller", "use": "maiden"},
            {"text": "x" * 170 + " tail"},
        ],
        "identifier": [{"system": "urn:mrn", "value": "00418823"}, {"value": "bare"}],
        "telecom": [{"system": "phone", "value": "555-0100"}, {"system": "email", "value": "jo@example.org"}],
        "generalPractitioner": [{"reference": "Practitioner/dr1"}],
        "managingOrganization": {"reference": "Organization/org1"},
    },
    {
        "resourceType": "Patient",
        "id": "p2",
        "gender": "male",
        "birthDate": "1952",
        "name": [{"family": "O'Neil", "given": ["Jo"]}, {"text": "x" * 170 + " other"}],
        "identifier": [{"system": "urn:mrn", "value": "2"}, {"system": "urn:other", "value": "00418823"}],
        "generalPractitioner": [{"reference": "Practitioner/dr2"}],
        "deceasedDateTime": "2021-02-02T10:00:00Z",
    },
    {
        "resourceType": "Patient",
        "id": "p3",
        "gender": "female",
        "meta": HIV,
        "name": [{"family": "Muller"}],
        "birthDate": "1970-01",
    },
    {"resourceType": "Group", "id": "g1", "type": "person", "actual": True},
    {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"system": ACT, "code": "IMP"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2020-03-30", "end": "2020-04-02T12:00:00Z"},
        "identifier": [{"value": "visit,1"}],
        "participant": [{"individual": {"reference": "Practitioner/dr1"}}],
    },
    {
        "resourceType": "Encounter",
        "id": "e2",
        "status": "in-progress",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p2"},
        "period": {"start": "2020-04-01T08:00:00+02:00"},
        "participant": [{"individual": {"reference": "Practitioner/dr2"}}],
    },
    _observation(
        "o1", effectiveDateTime="2020", valueQuantity={"value": 5.4, "unit": "mg", "system": UCUM, "code": "mg"}
    ),
    _observation("o2", effectiveDateTime="2020-04", valueQuantity={"value": 5.40, "unit": "mg"}),
    _observation(
        "o3",
        effectiveDateTime="2020-04-01T10:00:00Z",
        encounter={"reference": "Encounter/e1"},
        valueQuantity={"value": 5, "comparator": "<", "unit": "milligram", "system": UCUM, "code": "mg"},
    ),
    _observation(
        "o4", effectivePeriod={"start": "2020-04-01"}, valueQuantity={"value": 100, "code": "mg", "system": "urn:x"}
    ),
    _observation("o5", effectivePeriod={"end": "2020-04-01T10:00:00Z"}, issued="2020-05-01T00:00:00Z"),
    _observation("o6", "p2", issued="2019-01-01T00:00:00Z", valueString="a very Long, text|with $ign"),
    _observation("o7", "p2", code={"text": "told in words"}, effectiveDateTime="2020-04-01T12:00:00+02:00"),
    _observation("o8", "p2", code=_coded("a,b|c$d", "urn:odd|system"), valueString="y" * 200),
    _observation("o9", "p2", code=_coded("1-1", None), valueString="y" * 159 + "z", meta=HIV),
    _observation("o10", None, subject={"reference": "Group/g1"}, effectiveDateTime="2021-01-01"),
    _observation("o11", None, subject={"reference": "https://else.example/fhir/Patient/p1"}),
    _observation(
        "o12",
        "p1",
        code={"coding": [{"system": LOINC, "code": "1-1"}, {"system": LOINC, "code": "2-2"}, {"code": "1-1"}]},
        effectiveDateTime="2020-04-01T10:00:00.5Z",
        performer=[
            {"reference": "Practitioner/dr1"},
            {"identifier": {"system": "urn:npi", "value": "9"}},
            {"reference": "urn:uuid:5f9f2d3e-0000-4000-8000-000000000001"},
        ],
    ),
    _observation(
        "o13",
        "p1",
        code=_coded("85354-9"),
        effectiveDateTime="2020-04-01T10:00:00Z",
        component=[
            {
                "code": _coded("8480-6"),
                "valueQuantity": {"value": 120, "system": UCUM, "code": "mm[Hg]", "unit": "mmHg"},
            },
            {
                "code": _coded("8462-4"),
                "valueQuantity": {"value": 80, "system": UCUM, "code": "mm[Hg]", "unit": "mmHg"},
            },
        ],
    ),
    _observation("o14", "p1", status="entered-in-error", effectiveDateTime="2020-04-01"),
    _observation("o15", "p3", effectiveDateTime="2020-04-01"),
    _observation("o16", "p1", effectiveDateTime="0001-01-01", valueQuantity={"value": -0.001}),
    _observation("o17", "p1", effectiveDateTime="9999-12-31", valueQuantity={"value": 1e12}),
    {
        "resourceType": "RiskAssessment",
        "id": "r1",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "prediction": [
            {"probabilityDecimal": 0.5},
            {"probabilityRange": {"low": {"value": 0.1}, "high": {"value": 0.2}}},
        ],
    },
    {
        "resourceType": "RiskAssessment",
        "id": "r2",
        "status": "final",
        "subject": {"reference": "Patient/p2"},
        "prediction": [{"probabilityDecimal": 0.15}],
    },
    {
        "resourceType": "ValueSet",
        "id": "v1",
        "status": "active",
        "url": "http://example.org/ValueSet/a?x=1,2",
        "name": "A",
    },
    {"resourceType": "ValueSet", "id": "v2", "status": "draft", "url": "urn:oid:1.2.3", "name": "B"},
]

# What the oracle knows -------------------------------------------------------------------------------------------


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _path(*keys: str) -> Callable[[Json], list[Any]]:
    def walk(resource: Json) -> list[Any]:
        found = [resource]
        for key in keys:
            found = [inner for value in found for inner in _many(value.get(key)) if inner is not None]
        return found

    return walk


def _union(*walks: Callable[[Json], list[Any]]) -> Callable[[Json], list[Any]]:
    return lambda resource: [value for walk in walks for value in walk(resource)]


def _where(walk: Callable[[Json], list[Any]], key: str, wanted: str) -> Callable[[Json], list[Any]]:
    return lambda resource: [value for value in walk(resource) if value.get(key) == wanted]


def _deceased(resource: Json) -> list[Any]:
    there = "deceasedDateTime" in resource or resource.get("deceasedBoolean") is True
    return [there]


def _to(kind: str, walk: Callable[[Json], list[Any]]) -> Callable[[Json], list[Any]]:
    return lambda resource: [
        value for value in walk(resource) if re.search(rf"\b{kind}[/?]", value.get("reference", ""))
    ]


_NAME = [_path("name", part) for part in ("family", "given", "prefix", "suffix", "text")]
_VALUE = _path("valueQuantity")
_PART = _path("component", "valueQuantity")

#: (type, code) -> kind, the elements' values
KNOWN: dict[tuple[str, str], tuple[str, Callable[[Json], list[Any]]]] = {
    ("Observation", "code"): ("token", _path("code")),
    ("Observation", "combo-code"): ("token", _union(_path("code"), _path("component", "code"))),
    ("Observation", "status"): ("token", _path("status")),
    ("Observation", "category"): ("token", _path("category")),
    ("Observation", "_id"): ("token", _path("id")),
    ("Observation", "_security"): ("token", _path("meta", "security")),
    ("Observation", "date"): ("date", _union(_path("effectiveDateTime"), _path("effectivePeriod"))),
    ("Observation", "value-quantity"): ("quantity", _VALUE),
    ("Observation", "combo-value-quantity"): ("quantity", _union(_VALUE, _PART)),
    ("Observation", "value-string"): (
        "string",
        _union(_path("valueString"), _path("valueCodeableConcept", "text")),
    ),
    ("Observation", "subject"): ("reference", _path("subject")),
    ("Observation", "patient"): ("reference", _to("Patient", _path("subject"))),
    ("Observation", "encounter"): ("reference", _path("encounter")),
    ("Observation", "performer"): ("reference", _path("performer")),
    ("Patient", "name"): ("string", _union(*_NAME)),
    ("Patient", "family"): ("string", _NAME[0]),
    ("Patient", "given"): ("string", _NAME[1]),
    ("Patient", "gender"): ("token", _path("gender")),
    ("Patient", "active"): ("token", _path("active")),
    ("Patient", "deceased"): ("token", _deceased),
    ("Patient", "identifier"): ("token", _path("identifier")),
    ("Patient", "telecom"): ("token", _path("telecom")),
    ("Patient", "phone"): ("token", _where(_path("telecom"), "system", "phone")),
    ("Patient", "birthdate"): ("date", _path("birthDate")),
    ("Patient", "general-practitioner"): ("reference", _path("generalPractitioner")),
    ("Patient", "organization"): ("reference", _path("managingOrganization")),
    ("Patient", "_id"): ("token", _path("id")),
    ("Encounter", "class"): ("token", _path("class")),
    ("Encounter", "status"): ("token", _path("status")),
    ("Encounter", "identifier"): ("token", _path("identifier")),
    ("Encounter", "date"): ("date", _path("period")),
    ("Encounter", "subject"): ("reference", _path("subject")),
    ("Encounter", "participant"): ("reference", _path("participant", "individual")),
    ("Encounter", "practitioner"): ("reference", _to("Practitioner", _path("participant", "individual"))),
    ("Condition", "code"): ("token", _path("code")),
    ("Condition", "onset-date"): ("date", _union(_path("onsetDateTime"), _path("onsetPeriod"))),
    ("Condition", "recorded-date"): ("date", _path("recordedDate")),
    ("Condition", "subject"): ("reference", _path("subject")),
    ("Condition", "encounter"): ("reference", _path("encounter")),
    ("RiskAssessment", "probability"): (
        "number",
        _union(_path("prediction", "probabilityDecimal"), _path("prediction", "probabilityRange")),
    ),
    ("ValueSet", "url"): ("uri", _path("url")),
    ("ValueSet", "status"): ("token", _path("status")),
    ("Practitioner", "name"): ("string", _union(*_NAME)),
    ("Practitioner", "family"): ("string", _NAME[0]),
    ("Practitioner", "identifier"): ("token", _path("identifier")),
    ("Organization", "name"): ("string", _path("name")),
    ("Organization", "identifier"): ("token", _path("identifier")),
}
TARGETS = {
    ("Observation", "subject"): ["Group", "Device", "Patient", "Location"],
    ("Observation", "patient"): ["Patient"],
    ("Observation", "encounter"): ["Encounter", "EpisodeOfCare"],
    ("Observation", "performer"): [
        "Practitioner", "PractitionerRole", "Organization", "CareTeam", "Patient", "RelatedPerson",
    ],
    ("Patient", "general-practitioner"): ["Organization", "Practitioner", "PractitionerRole"],
    ("Patient", "organization"): ["Organization"],
    ("Encounter", "subject"): ["Patient", "Group"],
    ("Encounter", "participant"): ["Practitioner", "PractitionerRole", "RelatedPerson"],
    ("Encounter", "practitioner"): ["Practitioner"],
    ("Condition", "subject"): ["Patient", "Group"],
    ("Condition", "encounter"): ["Encounter"],
}  # fmt: skip
MAIN = {
    "Observation": ["effectiveDateTime", "effectivePeriod", "issued"],
    "Condition": ["onsetDateTime", "onsetPeriod", "recordedDate"],
    "Encounter": ["period"],
}
MAIN_PARAMETER = {"Observation": "date", "Condition": "onset-date", "Encounter": "date"}
COMPOSITES = {
    ("Observation", "code-value-quantity"): [([""], _path("code"), _VALUE)],
    ("Observation", "component-code-value-quantity"): [(["component"], _path("code"), _VALUE)],
}
FIRST, LAST = datetime.min.replace(tzinfo=UTC), None
MICRO = timedelta(microseconds=1)


def _span(text: str) -> tuple[datetime, datetime | None]:
    """The first instant of a date, and the first one after it; None for the end of time."""
    numbers = [int(each) for each in re.findall(r"\d+", text[:10])]
    if len(text) <= 10:
        year, month, day = (*numbers, 1, 1)[:3]
        begin = datetime(year, month, day, tzinfo=UTC)
        if len(text) == 10:
            return begin, begin + timedelta(days=1) if begin.date() < date.max else None
        after = (year + 1, 1) if len(text) == 4 or month == 12 else (year, month + 1)
        return begin, datetime(*after, 1, tzinfo=UTC) if after[0] < 10_000 else None
    clock = re.split(r"[Z+]|-", text[11:])[0]
    zone = text[11 + len(clock) :] or "Z"
    padded = clock + ":00" if len(clock) == 5 else clock
    begin = datetime.fromisoformat(f"{text[:10]}T{padded}{'+00:00' if zone == 'Z' else zone}").astimezone(UTC)
    _, dot, digits = clock.partition(".")
    width = (
        timedelta(microseconds=10 ** (6 - len(digits))) if dot else timedelta(minutes=1 if len(clock) == 5 else 0)
    )
    return begin, begin + (width or timedelta(seconds=1))


def _range(value: Any) -> tuple[datetime, datetime | None]:
    if isinstance(value, str):
        return _span(value)
    low = _span(value["start"])[0] if "start" in value else FIRST
    return low, _span(value["end"])[1] if "end" in value else None


def _before(one: datetime | None, other: datetime | None) -> bool:
    """one < other, where None is the end of time."""
    return one is not None and (other is None or one < other)


def _fold(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^a-z0-9]+", " ", bare.replace("'", "")).split())


def _date_matches(value: Any, text: str) -> bool:
    prefix, rest = _prefix(text)
    low, high = _range(value)
    begin, end = _span(rest)
    contained = not _before(low, begin) and not _before(end, high)
    above, below = _before(end, high), _before(low, begin)
    return {
        "eq": contained, "ne": not contained, "gt": above, "lt": below, "ge": above or contained,
        "le": below or contained, "sa": not _before(low, end), "eb": not _before(begin, high),
    }[prefix] if prefix not in ("ge", "le") else _at_least(prefix, low, high, begin, end)  # fmt: skip


def _at_least(prefix: str, low: Any, high: Any, begin: Any, end: Any) -> bool:
    contained = not _before(low, begin) and not _before(end, high)
    return contained or (_before(end, high) if prefix == "ge" else _before(low, begin))


def _prefix(text: str) -> tuple[str, str]:
    return (text[:2], text[2:]) if text[:2] in ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb") else ("eq", text)


def _number_range(value: Any) -> tuple[Decimal, Decimal]:
    infinite = Decimal("Infinity")
    if isinstance(value, dict) and ("low" in value or "high" in value):
        low, high = value.get("low", {}).get("value"), value.get("high", {}).get("value")
        return Decimal(str(low)) if low is not None else -infinite, Decimal(
            str(high)
        ) if high is not None else infinite
    raw = Decimal(str(value["value"] if isinstance(value, dict) else value))
    comparator = value.get("comparator", "") if isinstance(value, dict) else ""
    return (-infinite if "<" in comparator else raw), (infinite if ">" in comparator else raw)


def _number_matches(value: Any, text: str) -> bool:
    prefix, rest = _prefix(text)
    low, high = _number_range(value)
    number = Decimal(rest)
    half = Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)
    contained = low >= number - half and high < number + half
    return {
        "eq": contained, "ne": not contained, "gt": high > number, "lt": low < number, "ge": high >= number,
        "le": low <= number, "sa": low > number, "eb": high < number,
    }[prefix]  # fmt: skip


def _unescaped(text: str, mark: str) -> list[str]:
    return [re.sub(r"\\(.)", r"\1", each) for each in re.split(rf"(?<!\\){re.escape(mark)}", text)]


def _codings(value: Any) -> list[tuple[str | None, str | None]]:
    if isinstance(value, bool):
        return [(None, "true" if value else "false")]
    if isinstance(value, str):
        return [(None, value)]
    if "value" in value:
        return [(value.get("system"), value["value"])]
    found = value.get("coding", [value] if "code" in value or "system" in value else [])
    return [(each.get("system"), each.get("code")) for each in found]


def _token_matches(value: Any, text: str) -> bool:
    parts = _unescaped(text, "|")
    for system, code in _codings(value):
        if len(parts) == 1 and code == parts[0]:
            return True
        if len(parts) == 2 and (system or "") == parts[0] and (code == parts[1] if parts[1] else code is not None):
            return True
    return False


def _quantity_matches(value: Any, text: str) -> bool:
    number, *unit = _unescaped(text, "|")
    system, code = (*unit, "", "")[:2]
    return (
        _number_matches(value, number)
        and (not system or value.get("system") == system)
        and (not code or value.get("code") == code or (value.get("unit") == code and not system))
    )


def _reference_matches(value: Any, text: str, targets: list[str]) -> bool:
    held = value.get("reference", "")
    if "/" in text or ":" in text:
        return bool(held == text)
    return held in [f"{target}/{text}" for target in targets]


def _has_parameter(kind: str, name: str) -> bool:
    key = (kind, name.partition(".")[0].partition(":")[0])
    return key in KNOWN or key in COMPOSITES or key[1] == "_has"


@dataclass(frozen=True)
class Oracle:
    """Resources in the order of their rows, as one reader may see them."""

    resources: list[tuple[int, Json]]

    def answer(self, kind: str, query: list[tuple[str, str]]) -> list[str]:
        """The ids of the matches, in order."""
        terms = [(name, value) for name, value in query if not name.startswith("_sort")]
        found = [
            (row, each)
            for row, each in self.resources
            if each["resourceType"] == kind and all(self.holds(each, name, value) for name, value in terms)
        ]
        sort = dict(query).get("_sort")
        return [each["id"] for _, each in self._sorted(kind, found, terms, sort)]

    def _sorted(self, kind: str, found: list[Any], terms: list[Any], sort: str | None) -> list[Any]:
        descending = sort is None or sort.startswith("-")
        code = (sort or "").removeprefix("-")
        if sort is None and not any(self._leads(kind, name) for name, _ in terms):
            return sorted(found, key=lambda each: -each[0])
        if sort is None or code == MAIN_PARAMETER.get(kind):
            names = {name.partition(":")[0] for name, _ in terms}
            asked = [name for name, _ in terms if KNOWN.get((kind, name.partition(":")[0]), ("", 0))[0] == "date"]
            walk = self._main(kind)
            only_dates = not any("." in name or name.startswith("_has") for name in names) and not any(
                KNOWN[kind, name][0] in ("token", "reference", "uri")
                and f"{name}:not" not in dict(terms)
                and name != "_id"
                for name in names
                if (kind, name) in KNOWN
            )
            if MAIN_PARAMETER.get(kind) in asked and only_dates and not any("missing" in name for name, _ in terms):
                walk = lambda resource: min(_range(v)[0] for v in KNOWN[kind, MAIN_PARAMETER[kind]][1](resource))  # noqa: E731
                found = sorted(found, key=lambda each: each[0])
                return (
                    sorted(found, key=lambda each: walk(each[1]), reverse=descending)
                    if not descending
                    else sorted(found, key=lambda each: -(walk(each[1]) - FIRST) / MICRO)
                )
            before = [(walk(each[1]), each) for each in found]
            if descending:
                return [
                    e
                    for _, e in sorted(
                        before, key=lambda p: (-((p[0] - FIRST) / MICRO + 1 if p[0] else 0), p[1][0])
                    )
                ]
            return [
                e for _, e in sorted(before, key=lambda p: ((p[0] - FIRST) / MICRO + 1 if p[0] else 0, -p[1][0]))
            ]
        if code == "_id":
            return sorted(found, key=lambda each: each[1]["id"].encode(), reverse=descending)
        datatype, walk_all = KNOWN[kind, code]
        there, without = [], []
        for row, each in found:
            values = walk_all(each)
            keys = (
                [_fold(v)[:160] for v in values]
                if datatype == "string"
                else [_range(v)[descending] for v in values]
            )
            keys = [key for key in keys if key != ""]
            (there if keys else without).append(
                (max(keys) if descending else min(keys), (row, each)) if keys else (row, each)
            )
        there.sort(key=lambda pair: pair[1][0])
        there.sort(key=lambda pair: pair[0], reverse=descending)
        if descending:  # reverse keeps equal ones in their order
            pass
        return [each for _, each in there] + sorted(without, key=lambda each: each[0])

    def _leads(self, kind: str, name: str) -> bool:
        """Whether what is asked stands in the index in the order of main dates."""
        code, _, modifier = name.partition(":")
        if "." in name or modifier in ("not", "missing") or (kind, code) not in KNOWN or code == "_id":
            return False
        return KNOWN[kind, code][0] in ("token", "reference", "uri") or code == MAIN_PARAMETER.get(kind)

    def _main(self, kind: str) -> Callable[[Json], datetime | None]:
        def main(resource: Json) -> datetime | None:
            for name in MAIN.get(kind, []):
                value = resource.get(name)
                text = value.get("start") if isinstance(value, dict) else value
                if text:
                    return _span(text)[0]
            return None

        return main

    def holds(self, resource: Json, name: str, value: str) -> bool:
        kind = resource["resourceType"]
        if name.startswith("_has:"):
            _, other, code, inner = name.split(":", 3)
            here = f"{kind}/{resource['id']}"
            return any(
                each["resourceType"] == other
                and any(ref.get("reference") == here for ref in KNOWN[other, code][1](each))
                and self.holds(each, inner, value)
                for _, each in self.resources
            )
        head, dot, rest = name.partition(".")
        if dot:
            code, _, only = head.partition(":")
            pointed = {ref.get("reference") for ref in KNOWN[kind, code][1](resource)}
            return any(
                f"{each['resourceType']}/{each['id']}" in pointed
                and (not only or each["resourceType"] == only)
                and _has_parameter(each["resourceType"], rest)
                and self.holds(each, rest, value)
                for _, each in self.resources
            )
        code, _, modifier = name.partition(":")
        if (kind, code) in COMPOSITES:
            return any(self._composite(resource, kind, code, text) for text in re.split(r"(?<!\\),", value))
        datatype, walk = KNOWN[kind, code]
        values = walk(resource)
        if modifier == "missing":
            return (not values) == (value == "true")
        matched = any(
            self._matches(datatype, kind, code, modifier, held, text)
            for text in re.split(r"(?<!\\),", value)
            for held in values
        )
        return not matched if modifier == "not" else matched

    def _composite(self, resource: Json, kind: str, code: str, text: str) -> bool:
        first, second = re.split(r"(?<!\\)\$", text)
        for base, one, other in COMPOSITES[kind, code]:
            places = [resource] if base == [""] else _path(*base)(resource)
            for place in places:
                if any(_token_matches(v, first) for v in one(place)) and any(
                    _quantity_matches(v, second) for v in other(place)
                ):
                    return True
        return False

    def _matches(self, datatype: str, kind: str, code: str, modifier: str, held: Any, text: str) -> bool:
        if datatype == "token":
            return _token_matches(held, text)
        if datatype == "string":
            plain = _unescaped(text, "|")[0] if "|" not in text else re.sub(r"\\(.)", r"\1", text)
            if modifier == "exact":
                return bool(held == plain)
            return _fold(plain) in _fold(held) if modifier == "contains" else _fold(held).startswith(_fold(plain))
        if datatype == "date":
            return _date_matches(held, text)
        if datatype == "quantity":
            return _quantity_matches(held, text)
        if datatype == "number":
            return _number_matches(held, text)
        if datatype == "uri":
            return bool(held == re.sub(r"\\(.)", r"\1", text))
        if modifier == "identifier":
            system, value = _unescaped(text, "|")
            found = held.get("identifier", {})
            return found.get("system", "") == system and found.get("value") == value
        targets = [modifier] if modifier else TARGETS[kind, code]
        return _reference_matches(held, text, targets)


# Filing ----------------------------------------------------------------------------------------------------------


def _filing(resource: Json, *, deleted: bool = False) -> Filing:
    return prepare(resource, json.dumps(resource).encode(), deleted=deleted)


def _file(resources: list[Json], *, deleted: bool = False) -> list[int]:
    order = {"Organization": 0, "Practitioner": 0, "Patient": 1}
    resources.sort(key=lambda each: order.get(each["resourceType"], 2))
    with connection.cursor() as cursor:
        return [
            each.row for each in file_resources(cursor, [_filing(r, deleted=deleted) for r in resources], wall())
        ]


def _synthea(folder: Path, files: int, most: int) -> Iterator[Json]:
    """Resources of some patients, a few of each type the oracle knows, with references between them resolved."""
    for path in sorted((folder / "fhir" / "synthea").glob("[1-9a-f]*.bz2"))[:files]:
        entries = json.loads(bz2.decompress(path.read_bytes()))["entry"]
        ids = {e["fullUrl"]: f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries}
        counts: dict[str, int] = {}
        for entry in entries:
            kind = entry["resource"]["resourceType"]
            counts[kind] = counts.get(kind, 0) + 1
            if kind in ("Patient", "Encounter") or (kind in ("Observation", "Condition") and counts[kind] <= most):
                content, _ = rewrite(json.dumps(entry["resource"]).encode(), ids.get)
                yield json.loads(content)


def _with_old_versions(resources: list[Json]) -> list[Json]:
    """What some of them said before, all of which would match other searches."""
    return [
        {
            **each,
            "status": "registered",
            "code": _coded("old"),
            "effectiveDateTime": "2018-01-01",
            "valueString": "old",
        }
        for each in resources
        if each["resourceType"] == "Observation"
    ][::3]


def _hospital(samples: Path | None) -> list[tuple[int, Json]]:
    resources = [json.loads(json.dumps(each)) for each in HAND_MADE]
    if samples:
        resources += list(_synthea(samples, 3, 60))
    old = _with_old_versions(resources)
    _file(
        [
            each
            for each in resources
            if each["resourceType"] in ("Patient", "Encounter", "Organization", "Practitioner")
        ]
    )
    for each in old:
        for name in ("effectivePeriod", "valueQuantity", "issued"):
            each.pop(name, None)
    _file(old)
    rows = _file(resources)
    _file([_observation("gone", effectiveDateTime="2020-04-01")], deleted=True)
    return sorted(zip(rows, resources, strict=True), key=lambda pair: pair[0])


def _visible(rows: list[tuple[int, Json]]) -> list[tuple[int, Json]]:
    return [(row, each) for row, each in rows if not each.get("meta", {}).get("security")]


# Searches --------------------------------------------------------------------------------------------------------

PREFIXES = ["", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]
#: Values that most parameters have nothing like, and that would be dear if they were taken for SQL.
NOWHERE = ["' OR 1=1 --", "x'; DROP TABLE record_resource; --", "%s", "{0}", "nobody", "old"]
DATES = ["2020", "2020-04", "2020-04-01T10:00Z", "2020-03-31", "2020-04-02", "2019", "0001-01-01", "9999-12-31"]
NUMBERS = ["5.4", "5.40", "5", "100", "1e2", "0.2", "-1", "0"]
STRINGS = ["x" * 160, "x" * 165, "y" * 159, "y" * 160, "y" * 161, "%", "_a", "Ü", "jo"]


def _escaped(text: str) -> str:
    return re.sub(r"([,|$\\])", r"\\\1", text)


def _forms(datatype: str, value: Any) -> Iterator[str]:
    """Ways to ask for a value that is there, near it, or a part of it."""
    match datatype:
        case "token":
            for system, code in _codings(value):
                where = _escaped(system or "")
                if code:
                    yield from (_escaped(code), f"{where}|{_escaped(code)}", f"|{_escaped(code)}")
                if where:
                    yield f"{where}|"
        case "string":
            yield from (_escaped(value), _escaped(value[:3]), value.upper().replace(",", ""), _escaped(value[2:9]))
        case "date":
            given = [value] if isinstance(value, str) else list(value.values())
            for text in given:
                yield from {text, text[:10], text[:7], text[:4]}
        case "quantity" | "number":
            for number in _number_range(value):
                if number.is_finite():
                    unit = value if isinstance(value, dict) else {}
                    system, code, shown = (_escaped(unit.get(k, "")) for k in ("system", "code", "unit"))
                    yield from (str(number), f"{number:.1f}", str(number + 1))
                    if datatype == "quantity":
                        yield from (f"{number}||{code}", f"{number}||{shown}", f"{number}|{system}|{code}")
        case "uri":
            yield _escaped(value)
        case _:
            if text := value.get("reference"):
                yield from (text, text.rpartition("/")[2])


class Pool:
    """What searches ask for: mostly what some resource holds."""

    def __init__(self, rows: list[tuple[int, Json]]) -> None:
        found: dict[tuple[str, str], dict[str, None]] = {}
        for _, resource in rows:
            for (kind, code), (datatype, walk) in KNOWN.items():
                if kind == resource["resourceType"]:
                    for value in walk(resource):
                        for text in _forms(datatype, value):
                            if text.strip("|") and (datatype != "string" or _fold(text)):
                                found.setdefault((kind, code), {})[text] = None
        extra = {"date": DATES, "number": NUMBERS, "quantity": NUMBERS, "string": [t for t in STRINGS if _fold(t)]}
        self.values = {key: [*found.get(key, ()), *extra.get(KNOWN[key][0], NOWHERE)] for key in KNOWN}

    def value(self, draw: st.DrawFn, kind: str, code: str) -> str:
        text: str = draw(st.sampled_from(self.values[kind, code]))
        prefixed = KNOWN[kind, code][0] in ("date", "number", "quantity")
        return draw(st.sampled_from(PREFIXES)) + text if prefixed else text

    def plain(self, draw: st.DrawFn, kind: str) -> tuple[str, str]:
        code = draw(st.sampled_from([code for known, code in KNOWN if known == kind]))
        datatype = KNOWN[kind, code][0]
        if draw(st.integers(0, 9)) == 0 and code != "_id":
            return f"{code}:missing", draw(st.sampled_from(["true", "false"]))
        if code == "performer" and draw(st.integers(0, 2)) == 0:
            return "performer:identifier", draw(st.sampled_from(["urn:npi|9", "urn:npi|8", "|9"]))
        modifier = draw(
            st.sampled_from({"token": ["", "", ":not"], "string": ["", ":exact", ":contains"]}.get(datatype, [""]))
        )
        number = draw(st.sampled_from([1, 1, 2, 3, 9]))
        return f"{code}{modifier}", ",".join(self.value(draw, kind, code) for _ in range(number))

    def composite(self, draw: st.DrawFn) -> tuple[str, str]:
        _, code = draw(st.sampled_from(sorted(COMPOSITES)))
        token = draw(st.sampled_from(["1-1", f"{LOINC}|8480-6", "8462-4", "8302-2", "29463-7"]))
        return code, f"{token}${self.value(draw, 'Observation', 'combo-value-quantity')}"

    def term(self, draw: st.DrawFn, kind: str, depth: int = 0) -> tuple[str, str]:
        choice = draw(st.integers(0, 12))
        leading = sorted(code for known, code in TARGETS if known == kind)
        if choice == 0 and kind == "Observation":
            return self.composite(draw)
        if choice <= 2 and leading and depth < 2:
            code = draw(st.sampled_from(leading))
            known = [t for t in TARGETS[kind, code] if any(each == t for each, _ in KNOWN)]
            target = draw(st.sampled_from(known))
            name, value = self.term(draw, target, depth + 1)
            only = "" if len(known) == 1 and not name.startswith("_has") and draw(st.booleans()) else f":{target}"
            return f"{code}{only}.{name}", value
        back = [(other, code) for (other, code), to in TARGETS.items() if kind in to]
        if choice == 3 and back and depth < 2:
            other, code = draw(st.sampled_from(back))
            name, value = self.term(draw, other, depth + 1)
            return f"_has:{other}:{code}:{name}", value
        return self.plain(draw, kind)

    @property
    def searches(self) -> st.SearchStrategy[tuple[str, list[tuple[str, str]]]]:
        kinds = ["Observation"] * 5 + ["Patient"] * 3 + ["Encounter", "Condition", "RiskAssessment", "ValueSet"]

        @st.composite
        def build(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
            kind = draw(st.sampled_from(kinds))
            query = [self.term(draw, kind) for _ in range(draw(st.sampled_from([0, 1, 1, 1, 1, 2, 2, 3])))]
            orders = [
                "_id",
                *(code for known, code in KNOWN if known == kind and KNOWN[known, code][0] in ("date", "string")),
            ]
            if draw(st.booleans()):
                query.append(("_sort", draw(st.sampled_from(["", "-"])) + draw(st.sampled_from(orders))))
            return kind, query

        return build()


def _pages(ctx: AccessContext, kind: str, query: list[tuple[str, str]], count: int) -> tuple[list[str], int | None]:
    found: list[str] = []
    cursor, total = None, None
    while True:
        page = search(ctx, kind, [*query, ("_total", "accurate")], cursor=cursor, count=count, strict=True)
        assert len(page.rows) <= count
        found += [each.public_id for each in page.rows]
        total = page.total
        cursor = page.next
        if cursor is None:
            return found, total
        assert page.rows


@pytest.mark.parametrize("ctx", [ALL, READER], ids=["all", "reader"])
@pytest.mark.parametrize("with_samples", [False, True], ids=["hand-made", "synthea"])
def test_the_compiler_answers_as_the_oracle_does(
    db: None, request: pytest.FixtureRequest, ctx: AccessContext, with_samples: bool
) -> None:
    rows = _hospital(request.getfixturevalue("samples") if with_samples else None)
    oracle = Oracle(rows if ctx is ALL else _visible(rows))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    answered = []

    @settings(
        max_examples=250 if not with_samples else 80,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(Pool(rows).searches, st.integers(1, 9))
    def compare(asked: tuple[str, list[tuple[str, str]]], count: int) -> None:
        kind, query = asked
        expected = oracle.answer(kind, query)
        found, total = _pages(ctx, kind, query, count if len(expected) < 60 else 50)
        assert found == expected
        assert total == len(expected)
        answered.append(bool(expected))

    compare()
    assert sum(answered) > len(answered) / 4, "most searches found nothing and proved little"
