"""HL7's v2 tables mapped to FHIR codes, from ``data/tables.json`` (see its ``source``)."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final, NamedTuple


class Target(NamedTuple):
    """The FHIR side of one row of a concept map."""

    code: str
    display: str
    system: str


def _load() -> dict[str, dict[str, Target]]:
    document = json.loads(files(__package__).joinpath("data/tables.json").read_text(encoding="utf-8"))
    systems: list[str] = document["systems"]
    return {
        name: {key: Target(code, display, systems[number]) for key, (code, display, number) in rows.items()}
        for name, rows in document["maps"].items()
    }


MAPS: Final[dict[str, dict[str, Target]]] = _load()


def target(table: str, code: str) -> Target | None:
    """The row of ``table`` for a v2 code (case does not matter), or None."""
    return MAPS[table].get(code.upper())


def fhir_code(table: str, code: str) -> str | None:
    """The FHIR code of ``table`` for a v2 code, or None."""
    row = MAPS[table].get(code.upper()) if code else None
    return row.code if row else None


def coding(table: str, code: str) -> dict[str, Any] | None:
    """The FHIR Coding of ``table`` for a v2 code, or None."""
    row = MAPS[table].get(code.upper()) if code else None
    if row is None:
        return None
    result = {"system": row.system, "code": row.code}
    if row.display:
        result["display"] = row.display
    return result
