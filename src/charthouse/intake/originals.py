"""Originals as a screen shows them: lines, with the place something came from or went wrong at marked. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import msgspec

from charthouse.exchange.cda.api import CdaError, decoded, line_range
from charthouse.exchange.hl7v2.api import Hl7Error, parse

from .domain.hl7_plan import in_charset
from .provenance import Format, Original, OriginalLine

_SEGMENT = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+))?(?: \(line (\d+)\))?")
_ENTRY = re.compile(r"entry \d+ ?([A-Z]\w*)?\.?(.*)")
#: Characters shown of a line that is not marked; base64 documents make very long ones.
_LONG = 2_000
_MOST_LINES = 5_000
#: Lines shown before and after what is marked of a document.
_AROUND = 40


def hl7_original(data: bytes, place: str = "", charset: str = "", *, whole: bool = False) -> Original:
    """An HL7 v2 message, a line a segment; ``place`` is e.g. ``OBX[3]``, ``PID-5`` or ``PID-3 (line 2)``.

    ``charset`` is the sender's where MSH-18 does not say. Very long lines are cut short unless ``whole``.
    """
    codec, text = _decoded(data, charset)
    texts = [line for line in re.split(r"[\r\n]+", text) if line]
    marked, field = _hl7_place(texts, place)
    lines = []
    omitted = 0
    shown = texts if whole else texts[:_MOST_LINES]
    for number, line in enumerate(shown, start=1):
        here = number == marked
        spans = _field_span(line, field) if here and field else ()
        if not here and len(line) > _LONG and not whole:
            omitted += len(line) - _LONG
            line = f"{line[:_LONG]}\u2026"
        lines.append(OriginalLine(number, line, here, spans))
    omitted += sum(len(line) for line in texts[len(shown) :])
    return Original(
        Format.HL7V2, tuple(lines), len(data), hashlib.sha256(data).hexdigest(), charset=codec, omitted=omitted
    )


def _decoded(data: bytes, charset: str) -> tuple[str, str]:
    told = in_charset(data, charset)
    try:
        message = parse(told)
    except Hl7Error:
        return "ISO 8859-1", data.decode("latin-1")
    codec = message.encoding.codec if told is data else charset
    return codec, "\r".join(segment.text for segment in message.segments)


def _hl7_place(lines: list[str], place: str) -> tuple[int, int]:
    """(line number, field number) of a place; 0 where it names none."""
    found = _SEGMENT.search(place)
    if found is None:
        return 0, 0
    name, nth, field, line = found.group(1), int(found.group(2) or 1), int(found.group(3) or 0), found.group(4)
    if line:
        return int(line), field
    seen = 0
    for number, text in enumerate(lines, start=1):
        if text.startswith(name):
            seen += 1
            if seen == nth:
                return number, field
    return 0, field


def _field_span(line: str, field: int) -> tuple[tuple[int, int], ...]:
    """Where a field lies within its segment."""
    separator = line[3:4] or "|"
    wanted = field - 1 if line.startswith("MSH") else field
    start = 0
    for _ in range(wanted):
        start = line.find(separator, start) + 1
        if start == 0:
            return ()
    end = line.find(separator, start)
    end = len(line) if end < 0 else end
    return ((start, end),) if end > start else ()


def only_marked(original: Original) -> Original:
    """An original without the lines that are not marked, for a reader who may see the item but not all it came
    with."""
    kept = tuple(line for line in original.lines if line.marked)
    hidden = sum(len(line.text) for line in original.lines) - sum(len(line.text) for line in kept)
    return replace(original, lines=kept, omitted=original.omitted + hidden)


def fhir_original(data: bytes, place: str = "") -> Original:
    """A FHIR entry as indented JSON; ``place`` names an element ("entry 4 Observation.code")."""
    try:
        text = msgspec.json.format(data, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = data.decode("utf-8", "replace")
    found = _ENTRY.match(place)
    element = re.split(r"[.\[]", found.group(2))[0] if found and found.group(2) else ""
    lines = []
    omitted = 0
    texts = text.split("\n")
    for number, line in enumerate(texts[:_MOST_LINES], start=1):
        here = bool(element) and line.lstrip().startswith(f'"{element}"')
        if not here and len(line) > _LONG:
            omitted += len(line) - _LONG
            line = f"{line[:_LONG]}\u2026"
        lines.append(OriginalLine(number, line, here))
    omitted += sum(len(line) for line in texts[_MOST_LINES:])
    return Original(Format.FHIR, tuple(lines), len(data), hashlib.sha256(data).hexdigest(), omitted=omitted)


def cda_original(data: bytes, place: str = "") -> Original:
    """A C-CDA document as lines, those of ``place`` marked: "Allergies (section 2), entry 1", "recordTarget".

    Of a document with a marked place the lines around it are shown, else its beginning.
    """
    try:
        texts, first, last = line_range(data, place)
    except CdaError:
        texts, first, last = decoded(data).splitlines(), 0, 0
    start, end = 0, _MOST_LINES
    if first:
        start = max(0, first - 1 - _AROUND)
        end = min(last + _AROUND, start + _MOST_LINES)
    shown = texts[start:end]
    omitted = sum(map(len, texts)) - sum(map(len, shown))
    lines = []
    for number, line in enumerate(shown, start=start + 1):
        here = first <= number <= last and first > 0
        if len(line) > _LONG:
            omitted += len(line) - _LONG
            line = f"{line[:_LONG]}\u2026"
        lines.append(OriginalLine(number, line, here))
    return Original(Format.CDA, tuple(lines), len(data), hashlib.sha256(data).hexdigest(), omitted=omitted)


def cda_text(data: bytes) -> str:
    """The text of a C-CDA document as a person may correct it."""
    return decoded(data)
