"""A message as its sender wrote it: segments, fields, repetitions, components, read lazily.

Parsing splits lines only. A field is split when somebody asks for it, so that a message of which a few fields
matter costs what those fields cost. Numbers are HL7's own: fields, components and repetitions count from 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .charsets import UTF8_BOM, decode, wide_codec
from .encoding import Encoding, read_encoding
from .errors import Hl7Error
from .limits import DEFAULT_LIMITS, Limits

NULL: Final = '""'
"""HL7's explicit null: delete what you have. An empty field says: keep what you have."""


class Value:
    """One repetition of a field. ``raw`` is the sender's text with delimiters and escapes."""

    __slots__ = ("_encoding", "_parts", "_plain", "raw")

    def __init__(self, raw: str, encoding: Encoding) -> None:
        self.raw = raw
        self._encoding = encoding
        self._parts: list[str] | None = None

    def _split(self) -> list[str]:
        raw, encoding = self.raw, self._encoding
        parts = self._parts = raw.split(encoding.component)
        # Most values have neither subcomponents nor escapes nor nulls, nor blanks to strip.
        self._plain = not (
            encoding.subcomponent in raw
            or encoding.escape in raw
            or '"' in raw
            or " " in raw
            or "\n" in raw
            or "\t" in raw
        )
        return parts

    def get(self, component: int = 1, sub: int = 1) -> str:
        """The text of a component's subcomponent, unescaped and stripped; "" where absent or explicitly null."""
        parts = self._parts or self._split()
        if component > len(parts):
            return ""
        part = parts[component - 1]
        if not part:
            return ""
        if self._plain:
            return part if sub == 1 else ""
        encoding = self._encoding
        if encoding.subcomponent in part:
            pieces = part.split(encoding.subcomponent)
            if sub > len(pieces):
                return ""
            part = pieces[sub - 1]
        elif sub > 1:
            return ""
        if part == NULL:
            return ""
        if encoding.escape in part:
            part = encoding.unescape(part)
        return part.strip()

    def part(self, component: int) -> Value:
        """A component as a value of its own, its subcomponents read as components (an HD within a CX)."""
        parts = self._parts or self._split()
        if component > len(parts) or not parts[component - 1]:
            return EMPTY
        return Value(parts[component - 1], _inner(self._encoding))

    def rest(self, component: int) -> str:
        """Everything from a component to the end as prose: for data in which a sender left delimiters unescaped."""
        pieces = self.raw.split(self._encoding.component, component - 1)
        if len(pieces) < component or pieces[-1] == NULL:
            return ""
        return self._encoding.unescape(pieces[-1]).strip()

    def components(self) -> int:
        """How many components were sent."""
        return len(self._parts or self._split())

    @property
    def text(self) -> str:
        """All of it as prose: escapes resolved, delimiters within left as the characters they are (ST, TX, FT)."""
        return "" if self.raw == NULL else self._encoding.unescape(self.raw).rstrip()

    @property
    def is_null(self) -> bool:
        """Whether the sender wrote the explicit null."""
        return self.raw == NULL

    def __bool__(self) -> bool:
        return bool(self.raw)

    def __repr__(self) -> str:
        return "Value(…)"  # never the text: values are patient data and reprs reach logs


def _inner(encoding: Encoding) -> Encoding:
    inner = _INNER.get(encoding)
    if inner is None:
        if len(_INNER) > 256:
            _INNER.clear()
        inner = _INNER[encoding] = Encoding(
            encoding.field,
            encoding.subcomponent,
            encoding.repetition,
            encoding.escape,
            "\x00",
            encoding.truncation,
            encoding.codec,
        )
    return inner


_INNER: dict[Encoding, Encoding] = {}
EMPTY: Final = Value("", Encoding())


class Segment:
    """One segment. ``index`` is its line in the message, ``ordinal`` its number among its namesakes, from 1."""

    __slots__ = ("_fields", "_limits", "encoding", "index", "name", "ordinal", "text")

    def __init__(
        self, name: str, text: str, index: int, ordinal: int, encoding: Encoding, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self.name = name
        self.text = text
        self.index = index
        self.ordinal = ordinal
        self.encoding = encoding
        self._limits = limits
        self._fields: list[str] | None = None

    @property
    def label(self) -> str:
        """The segment as provenance names it, e.g. ``OBX[3]``: the third OBX of the message."""
        return f"{self.name}[{self.ordinal}]"

    def _split(self) -> list[str]:
        separator = self.encoding.field
        if self.text.count(separator) > self._limits.fields:
            raise Hl7Error(f"The segment has more than {self._limits.fields} fields.", self.name, self.index)
        fields = self.text.split(separator)
        if self.name in ("MSH", "FHS", "BHS"):
            fields.insert(1, separator)
        self._fields = fields
        return fields

    def raw(self, field: int) -> str:
        """A field as sent, with repetitions and escapes; "" where absent."""
        fields = self._fields or self._split()
        return fields[field] if field < len(fields) else ""

    def has(self, field: int) -> bool:
        """Whether the field holds something other than the explicit null."""
        raw = self.raw(field)
        return bool(raw) and raw != NULL

    def is_null(self, field: int) -> bool:
        """Whether the field is the explicit null: delete what you have."""
        return self.raw(field) == NULL

    def get(self, field: int, component: int = 1, sub: int = 1) -> str:
        """The text of the first repetition's component; "" where absent."""
        fields = self._fields or self._split()
        raw = fields[field] if field < len(fields) else ""
        if not raw:
            return ""
        return self.first(field).get(component, sub)

    def first(self, field: int) -> Value:
        """The first repetition; an empty value where absent or null."""
        fields = self._fields or self._split()
        raw = fields[field] if field < len(fields) else ""
        if not raw or raw == NULL:
            return EMPTY
        repetition = self.encoding.repetition
        if repetition in raw:
            raw = raw.split(repetition, 1)[0]
        return Value(raw, self.encoding)

    def values(self, field: int) -> list[Value]:
        """All repetitions that hold something; [] where the field is absent or null."""
        fields = self._fields or self._split()
        raw = fields[field] if field < len(fields) else ""
        if not raw or raw == NULL:
            return []
        encoding = self.encoding
        if encoding.repetition not in raw:
            return [Value(raw, encoding)]
        if raw.count(encoding.repetition) >= self._limits.repetitions:
            raise Hl7Error(
                f"The field repeats more than {self._limits.repetitions} times.", self.name, self.index, field
            )
        return [Value(piece, encoding) for piece in raw.split(encoding.repetition) if piece and piece != NULL]

    def __len__(self) -> int:
        """The number of the last field sent."""
        return len(self._fields or self._split()) - 1

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Segment {self.label} line {self.index}>"


class Message:
    """A parsed message. ``warnings`` tells what was strange and how it was read."""

    __slots__ = ("_named", "encoding", "msh", "segments", "warnings")

    def __init__(self, segments: list[Segment], encoding: Encoding, warnings: list[str]) -> None:
        self.segments = segments
        self.encoding = encoding
        self.warnings = warnings
        self.msh = segments[0]
        self._named: dict[str, list[Segment]] | None = None

    def all(self, name: str) -> list[Segment]:
        """Every segment of this name, in order."""
        named = self._named
        if named is None:
            named = self._named = {}
            for segment in self.segments:
                named.setdefault(segment.name, []).append(segment)
        return named.get(name, [])

    def first(self, name: str) -> Segment | None:
        """The first segment of this name, or None."""
        found = self.all(name)
        return found[0] if found else None

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    def __len__(self) -> int:
        return len(self.segments)

    @property
    def type(self) -> str:
        """MSH-9.1, e.g. ADT."""
        return self.msh.get(9, 1).upper()

    @property
    def trigger(self) -> str:
        """MSH-9.2, e.g. A01; for senders that leave it out, EVN-1 or the end of MSH-9.3."""
        trigger = self.msh.get(9, 2).upper()
        if not trigger:
            event = self.first("EVN")
            trigger = event.get(1).upper() if event else ""
        if not trigger:
            trigger = self.msh.get(9, 3).upper().rpartition("_")[2]
        return trigger

    @property
    def event(self) -> str:
        """Type and trigger, e.g. ``ADT^A01``."""
        return f"{self.type}^{self.trigger}"


def header_of(data: bytes) -> str:
    """The MSH line as Latin-1 text, enough to read delimiters and MSH-18 before the charset is known."""
    start = 3 if data.startswith(UTF8_BOM) else 0
    end = len(data)
    for mark in (b"\r", b"\n"):
        found = data.find(mark, start + 3, end)
        if found >= 0:
            end = found
    return data[start:end].decode("latin-1").lstrip()


def declared_charset(data: bytes) -> str:
    """The first repetition of MSH-18 of a message in a byte-wise charset; "" where none is declared."""
    header = header_of(data)
    if len(header) < 9 or header[:3] != "MSH":
        return ""
    fields = header.split(header[3], 18)
    if len(fields) < 18:
        return ""
    value = fields[17].partition(header[3])[0]
    repetition = header[5:6] or "~"
    return value.partition(repetition)[0]


def read_text(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[str, str, list[str]]:
    """A message's text with line ends made ``\\r``, the codec, and warnings; strips framing, BOM and blank lines.

    Raises Hl7Error where the message is empty, too long, or does not begin with MSH.
    """
    if len(data) > limits.message:
        raise Hl7Error(f"The message is longer than {limits.message:,} bytes.")
    if data[:1] in b"\x0b\r\n\t \x1c" or data[-1:] == b"\x1c" or data[-2:] == b"\x1c\r":
        data = data.strip(b"\x0b\x1c\r\n\t ")
    if not data:
        raise Hl7Error("The message is empty.")
    text, codec, warnings = decode(data, "" if wide_codec(data) else declared_charset(data))
    if "\n" in text:
        text = text.replace("\r\n", "\r").replace("\n", "\r")
    text = text.lstrip("\r\t \ufeff")
    if text[:3] != "MSH":
        raise Hl7Error("The message does not begin with an MSH segment.", "MSH", 1)
    return text, codec, warnings


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Message:
    """The message in ``data``. Raises Hl7Error where it cannot be read or exceeds ``limits``.

    A line that is no segment (no field separator after three characters) continues the field before it: some
    senders leave line feeds in text.
    """
    text, codec, warnings = read_text(data, limits)
    lines = text.split("\r")
    if len(lines) > limits.segments:
        raise Hl7Error(f"The message has more than {limits.segments:,} segments.")
    encoding = read_encoding(lines[0], codec)
    separator = encoding.field
    segments: list[Segment] = []
    counts: dict[str, int] = {}
    continued = 0
    for number, line in enumerate(lines, 1):
        if not line or line.isspace():
            continue
        if line[3:4] != separator and line[0].isspace():
            line = line.lstrip() if line.lstrip()[3:4] == separator else line
        name = line[:3]
        if line[3:4] == separator or (len(line) == 3 and name.isalnum() and name.isupper()):
            if name == "MSH" and segments:
                raise Hl7Error("A second MSH stands within the message; split batches first.", "MSH", number)
            ordinal = counts[name] = counts.get(name, 0) + 1
            segments.append(Segment(name, line, number, ordinal, encoding, limits))
        else:
            last = segments[-1]
            last.text = f"{last.text}\n{line}"
            continued += 1
    if continued:
        warnings.append(f"{continued} lines that are no segments were read as text of the segment before them.")
    return Message(segments, encoding, warnings)
