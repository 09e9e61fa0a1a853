"""FHIR JSON as it arrives, split into entries whose bytes are exactly those that came.

A document is a Bundle of any type, a single resource, or NDJSON (one resource or one Bundle a line); its content
tells which. NDJSON is read line by line in bounded memory. What is wrong with one entry is that entry's error; what
is wrong with a document's frame is raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from io import BufferedReader, BytesIO
from typing import Self

from charthouse.exchange.fhir.bundle import Entry, Envelope, is_bundle, open_bundle, read_document
from charthouse.exchange.fhir.errors import FhirError
from charthouse.exchange.fhir.parsing import DEFAULT_LIMITS, Limits
from charthouse.exchange.fhir.streams import Readable, is_compressed, open_stream

_SPACE = b" \t\r\n"
_INK = re.compile(rb"[^ \t\r\n]")
_UTF8_MARK = b"\xef\xbb\xbf"
_BLANK = _SPACE + _UTF8_MARK


class Form(Enum):
    """What a document is."""

    BUNDLE = "bundle"
    RESOURCE = "resource"
    NDJSON = "ndjson"


class Split(Iterator[Entry]):
    """The entries of one input, in order.

    ``form`` says what it is; ``envelope`` is its Bundle's, ``None`` for a single resource and for NDJSON.
    """

    def __init__(self, form: Form, envelope: Envelope | None, entries: Iterator[Entry]) -> None:
        self.form = form
        self.envelope = envelope
        self._entries = entries

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Entry:
        return next(self._entries)


def split(source: bytes | Readable, limits: Limits = DEFAULT_LIMITS) -> Split:
    """Split ``source`` (bytes or a stream, compressed or not) into its entries.

    Raises :class:`FhirError` where the document cannot be read at all: another encoding than UTF-8, malformed
    JSON, a root that is not an object, sizes or nesting beyond ``limits``. An entry with something wrong in it
    comes out with its ``error`` (or raises from :meth:`Entry.parse`), and the next ones follow.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        if not is_compressed(data) and len(data) <= limits.document_bytes:
            return _split_bytes(data, limits)
        source = BytesIO(data)
    return _split_stream(open_stream(source), limits)


def _split_stream(stream: BufferedReader, limits: Limits) -> Split:
    """Split what ``stream`` holds; a document is read whole, lines one by one."""
    taken = _skip_blank(stream, limits)
    while True:
        line = stream.readline(limits.document_bytes + 1 - len(taken))
        taken += line
        if not line:
            raise FhirError("The input is empty.")
        if line.strip(_BLANK):
            break
    _check_encoding(taken)
    taken += _skip_blank(stream, limits)
    head = bytes(taken)
    if len(head) <= limits.document_bytes and _is_line(head.strip(_BLANK), stream.peek(1).lstrip(_SPACE)[:1]):
        return Split(Form.NDJSON, None, _lines(head, stream, limits))
    data = head + stream.read(limits.document_bytes + 1 - len(head))
    if len(data) > limits.document_bytes:
        raise _too_large(limits)
    return _split_bytes(data, limits)


def _skip_blank(stream: BufferedReader, limits: Limits) -> bytearray:
    """Take whole buffers of nothing but white space from ``stream``."""
    taken = bytearray()
    while (ahead := stream.peek(1)) and not ahead.strip(_BLANK):
        taken += stream.read(len(ahead))
        if len(taken) > limits.document_bytes:
            raise _too_large(limits)
    return taken


def _too_large(limits: Limits) -> FhirError:
    return FhirError(
        f"The document is larger than the limit of {limits.document_bytes:,} bytes. "
        "Send it as NDJSON, one resource a line, or in several Bundles."
    )


def _check_encoding(data: bytes | bytearray) -> None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise FhirError("The text is in UTF-16 or UTF-32; FHIR requires UTF-8. Save it as UTF-8 and send it again.")


def _split_bytes(data: bytes, limits: Limits) -> Split:
    """Split a document that is in memory."""
    _check_encoding(data)
    text = data.removeprefix(_UTF8_MARK)
    first = _INK.search(text)
    if first is None:
        raise FhirError("The input is empty.")
    end = text.find(b"\n", first.start())
    following = _INK.search(text, end) if end >= 0 else None
    if following and _is_line(text[first.start() : end].rstrip(_SPACE), following[0]):
        return Split(Form.NDJSON, None, _lines(b"", BytesIO(data), limits))
    base = len(data) - len(text)
    document = read_document(text)
    if not is_bundle(document):
        return Split(Form.RESOURCE, None, iter((_whole(data, text, base, limits),)))
    bundle = open_bundle(document, text, limits)
    return Split(Form.BUNDLE, bundle.envelope, bundle.entries(offset=base))


def _is_line(head: bytes, following: bytes) -> bool:
    """Whether ``head``, the first line, is a line of NDJSON, ``following`` being the first character after it.

    A first line that is no JSON of its own can still be a broken one: then another object follows where the inside
    of a document could not have one.
    """
    if not head.startswith(b"{") or not following:
        return False
    if head.endswith(b"}"):
        try:
            read_document(head)
        except FhirError:
            pass
        else:
            return True
    return following == b"{" and len(head) > 1 and not head.endswith((b"[", b",", b":"))


def _whole(data: bytes, text: bytes, base: int, limits: Limits) -> Entry:
    """The one entry of a document that is a single resource."""
    resource = text.strip(_SPACE)
    if len(resource) > limits.resource_bytes:
        return Entry(0, 0, data, error=_resource_too_large(limits, 0, base))
    return Entry(0, 0, data, resource)


def _resource_too_large(limits: Limits, index: int, offset: int, line: int | None = None) -> FhirError:
    return FhirError(
        f"The resource is larger than the limit of {limits.resource_bytes:,} bytes.",
        entry=index,
        offset=offset,
        line=line,
    )


def _lines(head: bytes, stream: BufferedReader | BytesIO, limits: Limits) -> Iterator[Entry]:
    """The entries of NDJSON: ``head``, the lines already read, then those of ``stream``."""
    index = offset = number = 0
    readline = stream.readline
    waiting = BytesIO(head)
    longest = limits.resource_bytes + 2
    while True:
        raw = waiting.readline() or readline(longest)
        if not raw:
            return
        number += 1
        size = len(raw)
        if size == longest and not raw.endswith(b"\n"):
            while more := readline(longest):
                size += len(more)
                if more.endswith(b"\n"):
                    break
            error = _resource_too_large(limits, index, offset, number)
            yield Entry(index, offset, b"", line=number, error=error)
            index += 1
            offset += size
            continue
        text = raw.removeprefix(_UTF8_MARK).strip(_SPACE) if number == 1 else raw.strip(_SPACE)
        if text:
            place = offset + raw.find(text)
            if b'"Bundle"' in text:
                for entry in _line_entries(text, index, place, number, limits):
                    index = entry.index + 1
                    yield entry
            else:
                yield Entry(index, place, text, text, line=number)
                index += 1
        offset += size


def _line_entries(text: bytes, index: int, offset: int, line: int, limits: Limits) -> Iterator[Entry]:
    """The entries of one line: those of a Bundle, or the resource that it is."""
    try:
        document = read_document(text)
        if not is_bundle(document):
            yield Entry(index, offset, text, text, line=line)
            return
        bundle = open_bundle(document, text, limits)
    except FhirError as error:
        error.entry, error.line = index, line
        error.offset = offset + (error.offset or 0)
        yield Entry(index, offset, text, line=line, error=error)
        return
    yield from bundle.entries(offset=offset, index=index, line=line)
