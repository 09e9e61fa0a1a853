"""What a bulk export is asked to give (HL7 Bulk Data Access 2.0): its parameters read, from a query or a body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
import orjson

from charthouse.exchange.fhir.api import instant_range, to_datetime

from .asks import ID, resource_types
from .outcomes import problem

Pairs = Sequence[tuple[str, str]]

NDJSON = "application/fhir+ndjson"
_FORMATS = frozenset({NDJSON, "application/ndjson", "ndjson"})
_KNOWN = frozenset({"_outputFormat", "_since", "_type", "_typeFilter", "_elements", "patient"})
_NOT_HERE = {
    "includeAssociatedData": "Ask for Provenance by _type.",
    "organizeOutputBy": "Files are by resource type.",
    "_until": "The export gives what stands now; _since begins it.",
}
#: Where one filter ends and the next begins: commas stand within them, too.
_FILTERS = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
#: By how much the clocks of others may be ahead of ours.
_AHEAD = timedelta(minutes=5)
#: Never left out by _elements: what a resource cannot be read rightly without.
_ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension", "status"})
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


class Level(StrEnum):
    """Of what an export is asked for."""

    SYSTEM = "system"
    PATIENT = "patient"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class ExportAsk:
    """The parameters. ``types`` are None where none were named; ``elements`` are ``name`` or ``Type.name``.
    ``filters`` are searches, one of which a resource of its type has to meet; ``passed_over`` are sentences of what
    is not served; ``lenient`` passes over what else is not understood."""

    types: tuple[str, ...] | None = None
    since: datetime | None = None
    elements: tuple[str, ...] = ()
    patients: tuple[str, ...] | None = None
    filters: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    lenient: bool = False


def read_export(pairs: Pairs, level: Level, now: datetime, *, lenient: bool) -> ExportAsk:
    """Read the parameters. Raises FhirProblem 400 for a wrong one, unless ``lenient`` for an unserved one."""
    passed_over: dict[str, str] = {}
    types: list[str] = []
    elements: list[str] = []
    filters: list[str] = []
    patients: list[str] = []
    since = None
    for name, value in pairs:
        match name:
            case "_outputFormat":
                if value.partition(";")[0].strip().replace(" ", "+") not in _FORMATS:
                    raise problem(400, f"_outputFormat {value[:60]!r} is not written here. Ask for {NDJSON}.")
            case "_since":
                since = _instant(value)
                if since > now + _AHEAD:
                    raise problem(400, "_since is still to come. Give an instant that has passed.", code="value")
            case "_type":
                types += [each.strip() for each in value.split(",") if each.strip()]
            case "_elements":
                elements += [each.strip() for each in value.split(",") if each.strip()]
            case "_typeFilter":
                filters += [each.strip() for each in _FILTERS.split(value) if each.strip()]
            case "patient":
                if level is Level.SYSTEM:
                    raise problem(400, "patient belongs to exports of patients: /fhir/Patient/$export.")
                patients += [_patient(each) for each in value.split(",")]
            case _:
                passed_over[name] = _unserved(name, lenient)
    known = set(resource_types())
    for kind in types:
        if kind not in known:
            raise problem(400, f"_type names {kind[:60]!r}, which is not a resource type of FHIR R4.")
    return ExportAsk(
        tuple(dict.fromkeys(types)) if types else None,
        since,
        tuple(dict.fromkeys(elements)),
        tuple(dict.fromkeys(patients)) if patients else None,
        tuple(dict.fromkeys(filters)),
        tuple(passed_over.values()),
        lenient,
    )


def _unserved(name: str, lenient: bool) -> str:
    if lenient:
        return f"The parameter {name[:60]!r} was passed over: this export does not serve it."
    hint = _NOT_HERE.get(name, f"Known are {', '.join(sorted(_KNOWN))}.")
    raise problem(
        400,
        f"The parameter {name[:60]!r} is not served by this export. {hint} "
        "With Prefer: handling=lenient it is passed over.",
        code="not-supported",
    )


def _instant(text: str) -> datetime:
    found = instant_range(text.replace(" ", "+"))
    if found is None:
        raise problem(400, f"_since {text[:40]!r} is no instant such as 2024-02-28T12:00:00Z.", code="value")
    return to_datetime(found[0])


def _patient(text: str) -> str:
    id = text.strip().rpartition("Patient/")[2]
    if not ID.fullmatch(id):
        raise problem(400, "patient must be a reference such as Patient/123.", code="value")
    return id


def read_parameters(body: bytes) -> list[tuple[str, str]]:
    """The names and values of a Parameters resource. Raises FhirProblem 400 for anything else."""
    try:
        resource = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise problem(400, "The body is not JSON.", code="structure") from None
    if not isinstance(resource, dict) or resource.get("resourceType") != "Parameters":
        raise problem(400, "The body must be a Parameters resource.", code="structure")
    given = resource.get("parameter", [])
    if not isinstance(given, list):
        raise problem(400, "parameter must be a list.", code="structure", expression="Parameters.parameter")
    return [_pair(each, number) for number, each in enumerate(given)]


def _pair(given: Any, number: int) -> tuple[str, str]:
    place = f"Parameters.parameter[{number}]"
    name = given.get("name") if isinstance(given, dict) else None
    if not isinstance(name, str):
        raise problem(400, "A parameter has no name.", code="required", expression=place)
    value = next((each for key, each in given.items() if key.startswith("value")), None)
    if isinstance(value, dict):
        value = value.get("reference")
    if not isinstance(value, str):
        raise problem(400, f"The parameter {name[:60]!r} has no value that is a text.", expression=place)
    return name, value


def only_elements(content: bytes, kind: str, elements: Sequence[str]) -> bytes:
    """A resource with these elements alone, those it cannot do without, and the tag that says so; all by bytes."""
    wanted = {each.removeprefix(f"{kind}.") for each in elements if "." not in each or each.startswith(f"{kind}.")}
    if not wanted:
        return content
    members = _members.decode(content)
    kept = {name: value for name, value in members.items() if name in _ALWAYS or name.removeprefix("_") in wanted}
    meta = orjson.loads(bytes(kept["meta"])) if "meta" in kept else {}
    meta["tag"] = [*meta.get("tag", ()), _SUBSETTED]
    kept["meta"] = msgspec.Raw(orjson.dumps(meta))
    return msgspec.json.encode(kept)


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
