"""The standard reasons of the desk: data, not code."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import yaml

_FILE = Path(__file__).parent.parent / "data" / "deficiency_reasons.yaml"
#: The reason that says nothing without words.
OTHER = "other"


class For(StrEnum):
    """What a reason is given for."""

    QUALITATIVE = "qualitative"
    WAIVE = "waive"
    NOT_MINE = "not-mine"


@lru_cache(maxsize=8)
def reasons(use: For) -> Mapping[str, str]:
    """The reasons for one use: codes with their titles, in the order they are offered."""
    listed = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return MappingProxyType({str(each["code"]): str(each["title"]) for each in listed if use.value in each["for"]})


def reason_words(use: For, code: str, note: str) -> str:
    """A reason as it is kept and shown: its title, and what was written besides. Empty where it says nothing."""
    title = "" if code == OTHER else reasons(use).get(code, "")
    return ": ".join(part for part in (title, note) if part)
