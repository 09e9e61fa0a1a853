"""What arrives from anywhere, made fit to be set: no controls, nothing that reorders, no endless words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_LINES = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
#: Controls, and the marks by which a text could reorder what stands beside it.
_DROPPED = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u202a-\u202e\u2066-\u2069\ufeff]")
#: Code points no typeface can have a sign for: surrogates, private use, noncharacters.
_NO_SIGN = re.compile(
    "[\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff"
    + "".join(chr(plane * 0x10000 + low) for plane in range(1, 15) for low in (0xFFFE, 0xFFFF))
    + "]"
)
_ENDLESS = re.compile(r"[^\s\u200b/-]{28,}")
_STEP = 14
_BREAK = "\u200b"


def plain(text: str) -> str:
    """The text as it can be set: line ends are ``\\n``, a tab is four spaces, what has no sign is named by number.

    A word of 28 letters and more without a hyphen gets places where it may be broken, lest it run over the edge.
    """
    text = _DROPPED.sub("", _LINES.sub("\n", text).replace("\t", "    "))
    text = _NO_SIGN.sub(lambda found: named(found[0]), text)
    return _ENDLESS.sub(lambda found: _breakable(found[0]), text)


def named(text: str) -> str:
    """Signs that cannot be set, by number: ``[U+4E2D]``."""
    return "".join(f"[U+{ord(sign):04X}]" for sign in text)


def _breakable(word: str) -> str:
    return _BREAK.join(word[at : at + _STEP] for at in range(0, len(word), _STEP))


def everywhere(value: Any, change: Callable[[str], str]) -> Any:
    """A value of lists, mappings and scalars with each text in it changed."""
    match value:
        case str():
            return change(value)
        case Mapping():
            return {key: everywhere(each, change) for key, each in value.items()}
        case list() | tuple():
            return [everywhere(each, change) for each in value]
        case _:
            return value
