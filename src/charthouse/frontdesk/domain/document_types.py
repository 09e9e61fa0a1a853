"""The kinds of documents that may be filed or written by hand: data, not code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

_FILE = Path(__file__).parent.parent / "data" / "document_types.yaml"
_LOINC = "http://loinc.org"


@lru_cache(maxsize=1)
def _listed() -> tuple[Mapping[str, Any], ...]:
    return tuple(yaml.safe_load(_FILE.read_text(encoding="utf-8")))


@lru_cache(maxsize=2)
def document_types(kind: str) -> Mapping[str, str]:
    """Codes with their titles, of those that may be filed as "paper" or written as "note"."""
    return MappingProxyType({str(each["code"]): str(each["title"]) for each in _listed() if kind in each["kind"]})


@lru_cache(maxsize=1)
def _local() -> frozenset[str]:
    return frozenset(str(each["code"]) for each in _listed() if each.get("local"))


def type_of(code: str, title: str) -> dict[str, Any]:
    """The DocumentReference's type; a code of our own has no system."""
    system = {} if code in _local() else {"system": _LOINC}
    return {"coding": [{**system, "code": code, "display": title}], "text": title}
