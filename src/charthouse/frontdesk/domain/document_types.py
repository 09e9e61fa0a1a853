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


@lru_cache(maxsize=2)
def document_types(kind: str) -> Mapping[str, str]:
    """LOINC codes with their titles, of those that may be filed as "paper" or written as "note"."""
    listed = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return MappingProxyType({str(each["code"]): str(each["title"]) for each in listed if kind in each["kind"]})


def type_of(code: str, title: str) -> dict[str, Any]:
    """The DocumentReference's type."""
    return {"coding": [{"system": _LOINC, "code": code, "display": title}], "text": title}
