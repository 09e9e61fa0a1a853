"""HL7's R4 definitions that the project carries, loaded on first use. See ``data/README.md``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

import orjson

_DATA = Path(__file__).parent / "data"

Json = dict[str, Any]


@cache
def _load(name: str) -> Any:
    import zstandard

    packed = (_DATA / name).read_bytes()
    return orjson.loads(zstandard.decompress(packed))


def schema_definitions() -> dict[str, Json]:
    """Definitions of HL7's R4 JSON schema by name (``Patient``, ``Patient_Contact``, ``HumanName`` …)."""
    return cast("dict[str, Json]", _load("schema.json.zst")["definitions"])


@cache
def resource_types() -> frozenset[str]:
    """The names of all concrete R4 resource types."""
    return frozenset(_load("schema.json.zst")["types"])


def search_parameters() -> list[Json]:
    """R4's search parameters: ``url``, ``code``, ``type``, ``base``, ``expression``, ``target``, ``component``."""
    return cast("list[Json]", _load("search-parameters.json.zst"))


@cache
def parameters_by_code() -> dict[str, list[Json]]:
    """R4's search parameters by their code."""
    found: dict[str, list[Json]] = {}
    for definition in search_parameters():
        found.setdefault(definition["code"], []).append(definition)
    return found


def patient_compartment() -> dict[str, list[str]]:
    """Resource type to the codes of the search parameters that lead to the patient whose compartment it is in."""
    return compartments()["Patient"]


def compartments() -> dict[str, dict[str, list[str]]]:
    """By the type of compartment (Patient, Encounter, Practitioner, RelatedPerson, Device): resource type to the
    codes of the search parameters that lead to whose it is."""
    return cast("dict[str, dict[str, list[str]]]", _load("compartments.json.zst"))


def element_facts(kind: str) -> dict[str, Any]:
    """Of a resource type: ``summary`` and ``mandatory`` (paths of elements), ``systems`` (path of a code to the
    systems of its binding)."""
    return cast("dict[str, Any]", _load("elements.json.zst").get(kind, {}))


def conformance_definitions() -> dict[str, Any]:
    """What the second tier checks: ``types`` (by path), ``invariants``, ``valuesets``; see ``data/README.md``."""
    return cast("dict[str, Any]", _load("conformance.json.zst"))


@cache
def parameter_ids() -> dict[str, int]:
    """Code of a search parameter to its lasting id (1 to 32,767); rows of the search index carry it."""
    lines = (_DATA / "search-parameter-ids.tsv").read_text("utf-8").splitlines()
    return {code: int(number) for number, code in (line.split("\t") for line in lines[1:])}
