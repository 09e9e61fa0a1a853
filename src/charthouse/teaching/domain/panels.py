"""Laboratory panels and vital signs: codes, units, ranges, and how a value is printed and flagged."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import yaml

from .hl7 import text


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Refuses a misspelt field instead of passing it over."""


class Analyte(Strict, frozen=True, kw_only=True):
    """One line of a panel. ``range`` and ``critical`` are low-high as printed; ``kind`` is OBX-2."""

    code: str
    unit: str = ""
    range: str = ""
    critical: str = ""
    kind: str = "NM"


class Panel(Strict, frozen=True, kw_only=True):
    """A panel. ``section`` is OBR-24, ``specimen`` SPM-4."""

    code: str
    section: str
    tests: dict[str, Analyte]
    specimen: str = ""


def names_in(folder: str) -> list[str]:
    """The files of a folder of data, in order, as ``read`` takes them."""
    return sorted(
        f"{folder}/{each.name}" for each in files(__package__).joinpath("data", folder).iterdir() if each.is_file()
    )


def read(name: str) -> Any:
    """A file of data beside this module."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, where libyaml is
    return yaml.load(files(__package__).joinpath("data", name).read_text("utf-8"), Loader=loader)  # noqa: S506


@cache
def panels() -> dict[str, Panel]:
    """The panels, by key."""
    return msgspec.convert(read("panels.yaml"), dict[str, Panel])


def printed(value: Any, test: Analyte) -> str:
    """A value as the laboratory prints it: a number with as many decimals as its range."""
    if not isinstance(value, int | float) or "." not in test.range:
        return str(value)
    decimals = len(test.range.partition("-")[0].partition(".")[2])
    return max(f"{value:.{decimals}f}", str(value), key=len)


def unit(test: Analyte) -> str:
    """OBX-6: the UCUM code, and how people write it."""
    code, _, words = test.unit.partition("^")
    return f"{text(code)}^{text(words or code)}^UCUM" if code else ""


def flag(value: float, test: Analyte) -> str:
    """OBX-8 (table 0078) of a number: L, H, LL or HH; N within the range, empty without one."""
    number_ = Decimal(str(value))
    for limits, low, high in ((test.critical, "LL", "HH"), (test.range, "L", "H")):
        least, most = bounds(limits)
        if least is not None and number_ < least:
            return low
        if most is not None and number_ > most:
            return high
    return "N" if test.range else ""


def bounds(limits: str) -> tuple[Decimal | None, Decimal | None]:
    """The two numbers of "135-145", "<5" or ">60"; None where it is open."""
    if not limits:
        return None, None
    if limits[0] == "<":
        return None, Decimal(limits[1:])
    if limits[0] == ">":
        return Decimal(limits[1:]), None
    low, _, high = limits.partition("-")
    return Decimal(low), Decimal(high)
