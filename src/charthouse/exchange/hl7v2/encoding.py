"""Delimiters (MSH-1, MSH-2) and escape sequences (HL7 v2 chapter 2, section 2.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .charsets import storable
from .errors import Hl7Error

_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")
_COMMAND = re.compile(r"\.(br|sp|ce|sk|in|ti|fi|nf)\s*([+-]?\d{0,3})")
_MAX_FILL = 100


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one message is written: its five delimiters and the codec its bytes were read with."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = "#"
    codec: str = "utf-8"

    @property
    def characters(self) -> str:
        """MSH-2 as the sender would write it."""
        return self.component + self.repetition + self.escape + self.subcomponent

    def unescape(self, text: str) -> str:
        """``text`` with its escape sequences resolved; formatting commands become line breaks and blanks."""
        if self.escape not in text:
            return text
        return _pattern(self.escape).sub(lambda found: self._resolve(found[0], found[1]), text)

    def escaped(self, text: str) -> str:
        """``text`` made safe for a field of a message written in this encoding."""
        if self.escape:
            text = text.replace(self.escape, f"{self.escape}E{self.escape}")
            for character, name in (
                (self.field, "F"),
                (self.component, "S"),
                (self.subcomponent, "T"),
                (self.repetition, "R"),
            ):
                text = text.replace(character, f"{self.escape}{name}{self.escape}")
        return re.sub(r"[\x00-\x1f]+", " ", text)

    def _resolve(self, whole: str, body: str) -> str:
        match body:
            case "F":
                return self.field
            case "S":
                return self.component
            case "T":
                return self.subcomponent
            case "R":
                return self.repetition
            case "E":
                return self.escape
            case "P":
                return self.truncation
            case "H" | "N":
                return ""
        digits = _HEX.fullmatch(body)
        if digits:
            return storable(bytes.fromhex(digits[1]).decode(self.codec, "replace").replace("\r", "\n"))
        command = _COMMAND.fullmatch(body)
        if command:
            return _format(command[1], command[2])
        if body[:1] in ("C", "M") and re.fullmatch(r"[CM](?:[0-9A-Fa-f]{2}){2,3}", body):
            return ""  # a change of character set within a field; the text was read with the message's own
        if body[:1] == "Z":
            return ""  # an escape agreed between two systems, which nobody else can read
        return whole


def _format(command: str, number: str) -> str:
    count = min(abs(int(number)) if number.strip("+-") else 1, _MAX_FILL)
    if command in ("br", "ce"):
        return "\n"
    if command == "sp":
        return "\n" * count
    if command == "sk":
        return " " * count
    return ""


@lru_cache(maxsize=64)
def _pattern(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(f"{mark}([^{mark}\r]{{1,2048}}){mark}")


def read_encoding(header: str, codec: str) -> Encoding:
    """The delimiters of the header line (MSH, FHS or BHS). Raises Hl7Error where they cannot be told apart."""
    name = header[:3]
    if len(header) < 5:
        raise Hl7Error("The header ends before its delimiters.", name, 1, 1)
    field = header[3]
    if field.isalnum() or field.isspace():
        raise Hl7Error("The field separator must be a punctuation character, usually |.", name, 1, 1)
    end = header.find(field, 4)
    characters = header[4:] if end < 0 else header[4:end]
    return _encoding(name, field, characters, codec)


@lru_cache(maxsize=256)
def _encoding(name: str, field: str, characters: str, codec: str) -> Encoding:
    characters = characters.strip()
    if not characters:
        raise Hl7Error("The encoding characters are missing; usually they are ^~\\&.", name, 1, 2)
    if len(set(characters)) != len(characters) or any(c.isalnum() or c.isspace() for c in characters):
        raise Hl7Error("The encoding characters must be different punctuation characters.", name, 1, 2)
    given = dict(zip(("component", "repetition", "escape", "subcomponent", "truncation"), characters, strict=False))
    taken = {field, *characters}
    for part, usual in (("repetition", "~"), ("escape", "\\"), ("subcomponent", "&"), ("truncation", "#")):
        if part not in given:
            # A short MSH-2: the usual character stands in; one that is taken already stands for nothing.
            given[part] = usual if usual not in taken else "\x00"
    return Encoding(field=field, codec=codec, **given)
