"""Why a document may be corrected: data, not code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import yaml

from .documents import Kind

_FILE = Path(__file__).parent.parent / "data" / "correction_reasons.yaml"
#: The reason that says nothing without words.
OTHER = "other"


@lru_cache(maxsize=8)
def reasons(kind: Kind) -> Mapping[str, str]:
    """The reasons for a correction of this kind: codes with their titles, in the order they are offered."""
    listed = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return MappingProxyType(
        {str(each["code"]): str(each["title"]) for each in listed if kind.value in each["kind"]}
    )


def reason_words(kind: Kind, code: str, note: str) -> str:
    """A reason as it is kept and shown: its title, and what was written besides."""
    title = "" if code == OTHER else reasons(kind).get(code, code)
    return ": ".join(part for part in (title, note) if part)
