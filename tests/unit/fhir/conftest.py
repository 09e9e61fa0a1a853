"""What the FHIR tests share: the samples, and random resources of every type made from R4's schema."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charthouse.exchange.fhir.definitions import schema_definitions

_TYPES = (
    "Patient",
    "Practitioner",
    "Encounter",
    "Group",
    "Location",
    "Organization",
    "RelatedPerson",
    "Observation",
)
_DATES = ("2012", "2012-02", "2012-02-28", "2012-02-30", "2013-05-06T07:08:09Z", "2013-05-06T07:08:09.25-05:00")


def _random_resource(kind: str, seed: int) -> dict[str, Any]:
    """A resource of type ``kind`` with about half of its elements, nested a few levels deep."""
    return _Maker(random.Random(seed)).of(kind, 0)


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def of(self, name: str, depth: int) -> Any:
        """A value of the definition ``name``."""
        definition = schema_definitions()[name]
        if name == "ResourceList":
            return {"resourceType": self._chance.choice(("Patient", "Medication"))}
        if "properties" not in definition:
            return self._primitive(name)
        required = set(definition.get("required", ()))
        value: dict[str, Any] = {}
        for key, schema in definition["properties"].items():
            wanted = 0.55 if depth < 2 else 0.35 if depth < 4 else 0.0
            if key in required or self._chance.random() < wanted:
                if key in ("contained", "extension", "modifierExtension") and self._chance.random() < 0.9:
                    continue
                if key.startswith("_") and key not in required:
                    continue
                value[key] = self._value(schema, depth + 1)
        if name == "Reference":
            self._reference(value)
        return value

    def _value(self, schema: dict[str, Any], depth: int) -> Any:
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        if schema.get("type") == "array":
            return [self._value(schema["items"], depth) for _ in range(self._chance.choice((1, 1, 2, 3)))]
        return self.of(schema["$ref"].rpartition("/")[2], depth)

    def _reference(self, value: dict[str, Any]) -> None:
        kind = self._chance.choice(_TYPES)
        value["reference"] = self._chance.choice(
            (
                f"{kind}/{self._chance.randrange(4)}",
                f"{kind}/{self._chance.randrange(4)}",
                "urn:uuid:7",
                "#c",
                f"https://else.example/{kind}/9",
            )
        )
        if "type" in value:
            value["type"] = kind

    def _primitive(self, name: str) -> Any:
        if name.endswith("OrNull"):
            return None if self._chance.random() < 0.2 else self.of(name.removesuffix("OrNull"), 9)
        chance = self._chance
        match name:
            case "boolean":
                return chance.random() < 0.5
            case "decimal":
                return chance.choice((0, 1.5, -72.5, 10**25, 1e-9))
            case "integer" | "unsignedInt" | "positiveInt":
                return chance.randrange(1, 9)
            case "date":
                return chance.choice(_DATES[:4])
            case "dateTime":
                return chance.choice(_DATES)
            case "instant":
                return chance.choice(_DATES[4:])
            case "time":
                return "10:11:12"
            case "id":
                return f"i{chance.randrange(9)}"
            case "uri" | "url" | "canonical":
                return chance.choice(("http://a.example/x", "http://a.example/x|2", "urn:oid:1.2"))
            case "oid":
                return "urn:oid:1.2"
            case "uuid":
                return "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
            case _:
                return chance.choice(("phone", "email", "O'Neil", "É b", "x"))


@pytest.fixture(scope="session")
def synthea() -> list[Path]:
    """The sample bundles; tests are skipped by name where there are none."""
    root = os.environ.get("CHARTHOUSE_SAMPLES")
    found = sorted((Path(root) / "fhir/synthea").glob("*.json.bz2")) if root else []
    if not found:
        pytest.skip("CHARTHOUSE_SAMPLES does not name a directory with fhir/synthea")
    return found


@pytest.fixture(scope="session")
def random_resource() -> Callable[[str, int], dict[str, Any]]:
    """Makes a valid resource of a type from a seed; the same seed makes the same."""
    return _random_resource
