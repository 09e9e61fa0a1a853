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

import msgspec
from msgspec import UNSET, Raw, UnsetType

from charthouse.exchange.fhir.errors import FhirError
from charthouse.exchange.fhir.parsing import DEFAULT_LIMITS, Json, Limits, line_and_column, parse
from charthouse.exchange.fhir.streams import Readable, open_stream

_SPACE = b" \t\r\n"
_INK = re.compile(rb"[^ \t\r\n]")
_GAP = re.compile(rb"[ \t\r\n,]*")
_UTF8_MARK = b"\xef\xbb\xbf"
_BLANK = _SPACE + _UTF8_MARK
_BYTE = re.compile(r"\(byte (\d+)\)")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")


class Form(Enum):
    """What a document is."""

    BUNDLE = "bundle"
    RESOURCE = "resource"
    NDJSON = "ndjson"


class Envelope(msgspec.Struct, frozen=True):
    """A Bundle without its entries. ``data`` is its exact bytes with the entry array emptied."""

    type: str | None
    id: str | None
    identifier: tuple[str | None, str | None] | None
    """System and value."""
    timestamp: str | None
    count: int
    data: bytes

    @property
    def all_or_nothing(self) -> bool:
        """Whether one bad entry refuses them all, as FHIR asks of a transaction."""
        return self.type == "transaction"


class Entry(msgspec.Struct, frozen=True):
    """One resource as it came, with what its Bundle says of it.

    ``resource`` and ``original`` (the whole entry; the line in NDJSON; the document of a single resource) are
    exact slices. ``resource`` is empty for a request without one (DELETE, GET) and where ``error`` says why.
    ``offset`` is the original's first byte in the decompressed input, ``line`` its line there (NDJSON only),
    ``index`` its place among all entries of the input.
    """

    index: int
    offset: int
    original: bytes
    resource: bytes = b""
    full_url: str | None = None
    method: str | None = None
    url: str | None = None
    if_none_exist: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    line: int | None = None
    envelope: Envelope | None = None
    error: FhirError | None = None

    def parse(self, limits: Limits = DEFAULT_LIMITS) -> Json:
        """The resource as a dict; see :func:`charthouse.exchange.fhir.api.parse`.

        Raises :class:`FhirError` for an entry that cannot be used, with its place in the input.
        """
        if self.error is not None:
            raise self.error
        if not self.resource:
            raise FhirError(
                "The entry brings no resource; it is a request only."
                if self.method
                else "The entry brings neither a resource nor a request.",
                entry=self.index,
                offset=self.offset,
                line=self.line,
            )
        try:
            return parse(self.resource, limits)
        except FhirError as error:
            raise self._placed(error) from None

    def _placed(self, error: FhirError) -> FhirError:
        """``error``, found within the resource, with its place in the input."""
        within = self.original.find(self.resource)
        offset = self.offset + max(within, 0) + (error.offset or 0)
        line = self.line
        column = error.column if line is not None and within == 0 else None
        return FhirError(error.reason, path=error.path, entry=self.index, offset=offset, line=line, column=column)


class _Request(msgspec.Struct):
    method: str | None = None
    url: str | None = None
    if_none_exist: str | None = msgspec.field(default=None, name="ifNoneExist")
    if_match: str | None = msgspec.field(default=None, name="ifMatch")
    if_none_match: str | None = msgspec.field(default=None, name="ifNoneMatch")


class _BundleEntry(msgspec.Struct):
    full_url: str | None = msgspec.field(default=None, name="fullUrl")
    resource: Raw | UnsetType = UNSET
    request: _Request | None = None


class _Identifier(msgspec.Struct):
    system: str | None = None
    value: str | None = None


class _Document(msgspec.Struct):
    """The root object, as far as a Bundle's frame goes; values are looked into one by one."""

    resource_type: Raw | UnsetType = msgspec.field(default=UNSET, name="resourceType")
    type: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET
    identifier: Raw | UnsetType = UNSET
    timestamp: Raw | UnsetType = UNSET
    entry: Raw | UnsetType = UNSET


_document = msgspec.json.Decoder(_Document)
_entries = msgspec.json.Decoder(list[Raw])
_entry = msgspec.json.Decoder(_BundleEntry)
_identifier = msgspec.json.Decoder(_Identifier)
_string = msgspec.json.Decoder(str)


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
        if not data.startswith(_COMPRESSED) and len(data) <= limits.document_bytes:
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
    document = _decode_document(text)
    if not _is_bundle(document):
        entry = _whole(data, text, base, limits)
        return Split(Form.RESOURCE, None, iter((entry,)))
    envelope, pieces, start = _open_bundle(document, text, limits)
    return Split(Form.BUNDLE, envelope, _bundle_entries(envelope, pieces, text, start, base, 0, None))


def _is_line(head: bytes, following: bytes) -> bool:
    """Whether ``head``, the first line, is a line of NDJSON, ``following`` being the first character after it.

    A first line that is no JSON of its own can still be a broken one: then another object follows where the inside
    of a document could not have one.
    """
    if not head.startswith(b"{") or not following:
        return False
    if head.endswith(b"}"):
        try:
            _document.decode(head)
        except (msgspec.DecodeError, RecursionError):
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


def _decode_document(text: bytes) -> _Document:
    try:
        return _document.decode(text)
    except RecursionError:
        raise FhirError("The content is nested too deeply.") from None
    except msgspec.ValidationError:
        raise FhirError(
            "The document must be a JSON object: a Bundle, a single resource, or NDJSON with one of them a line."
        ) from None
    except msgspec.DecodeError as error:
        raise _malformed(text, error) from None
    except UnicodeDecodeError:
        raise FhirError("The text is not valid UTF-8, which FHIR requires.") from None


def _malformed(text: bytes, error: msgspec.DecodeError) -> FhirError:
    """``error`` in plain words, with its place."""
    found = _BYTE.search(str(error))
    if found is None:
        line, column = line_and_column(text, len(text))
        return FhirError(
            "This is not valid JSON: the text ends too early.", offset=len(text), line=line, column=column
        )
    offset = int(found[1])
    line, column = line_and_column(text, offset)
    what = str(error).removeprefix("JSON is malformed: ").partition(" (byte")[0]
    return FhirError(f"This is not valid JSON: {what}.", offset=offset, line=line, column=column)


def _is_bundle(document: _Document) -> bool:
    return document.resource_type is not UNSET and bytes(document.resource_type) == b'"Bundle"'


def _text(value: Raw | UnsetType, path: str) -> str | None:
    """The string in ``value``; ``None`` where there is none."""
    if value is UNSET:
        return None
    try:
        return _storable(_string.decode(value), path)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise FhirError("This must be a string.", path=path) from None


def _storable(text: str, path: str) -> str:
    if "\0" in text:
        raise FhirError("The text holds the character NUL (\\u0000), which cannot be stored.", path=path)
    return text


def _open_bundle(document: _Document, text: bytes, limits: Limits) -> tuple[Envelope, list[Raw], int]:
    """The envelope, the entries as slices of ``text``, and the first byte of the array that holds them."""
    pieces: list[Raw] = []
    start, end = 0, 0
    if document.entry is not UNSET:
        try:
            pieces = _entries.decode(document.entry)
        except msgspec.DecodeError:
            raise FhirError("This must be an array.", path="Bundle.entry") from None
        if len(pieces) > limits.entries:
            raise FhirError(
                f"The Bundle has more entries than the limit of {limits.entries:,}.", path="Bundle.entry"
            )
        start = _locate(text, memoryview(document.entry))
        end = start + len(memoryview(document.entry))
    identifier = None
    if document.identifier is not UNSET:
        try:
            found = _identifier.decode(document.identifier)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise FhirError("This must be an Identifier.", path="Bundle.identifier") from None
        identifier = (
            found.system and _storable(found.system, "Bundle.identifier.system"),
            found.value and _storable(found.value, "Bundle.identifier.value"),
        )
    envelope = Envelope(
        type=_text(document.type, "Bundle.type"),
        id=_text(document.id, "Bundle.id"),
        identifier=identifier,
        timestamp=_text(document.timestamp, "Bundle.timestamp"),
        count=len(pieces),
        data=text[:start] + b"[]" + text[end:] if end else text,
    )
    return envelope, pieces, start


def _locate(text: bytes, piece: memoryview) -> int:
    """Where ``piece``, a slice of ``text``, begins. Searching for its first bytes only keeps this linear."""
    head = bytes(piece[:64])
    at = text.find(head)
    while not text.startswith(piece, at):
        at = text.find(head, at + 1)
    return at


def _bundle_entries(
    envelope: Envelope, pieces: list[Raw], text: bytes, start: int, base: int, first: int, line: int | None
) -> Iterator[Entry]:
    """The entries of a Bundle that lies in ``text``; ``base`` is added to offsets, ``first`` to indexes."""
    position = start + 1
    gap = _GAP.search
    for index, piece in enumerate(pieces, first):
        original = bytes(piece)
        position = gap(text, position).end()  # type: ignore[union-attr]  # it matches nothing, too
        yield _read_entry(original, index, base + position, line, envelope)
        position += len(original)


def _read_entry(original: bytes, index: int, offset: int, line: int | None, envelope: Envelope) -> Entry:
    """One entry of a Bundle, with its error where its frame is wrong."""
    try:
        found = _entry.decode(original)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        wrong = _frame_error(error, index, offset, line)
        return Entry(index, offset, original, line=line, envelope=envelope, error=wrong)
    request = found.request or _NO_REQUEST
    frame = (found.full_url, request.method, request.url, request.if_none_exist, request.if_match)
    resource = b"" if found.resource is UNSET else bytes(found.resource)
    reason = None
    if resource and not resource.startswith(b"{"):
        reason = "The entry's resource must be a JSON object."
    elif b"\\u0000" in original and any("\0" in text for text in (*frame, request.if_none_match) if text):
        reason = "The entry's frame holds the character NUL (\\u0000), which cannot be stored."
    if reason is not None:
        wrong = FhirError(reason, path=f"Bundle.entry[{index}]", entry=index, offset=offset, line=line)
        return Entry(index, offset, original, line=line, envelope=envelope, error=wrong)
    return Entry(index, offset, original, resource, *frame, request.if_none_match, line, envelope)


def _frame_error(error: Exception, index: int, offset: int, line: int | None) -> FhirError:
    """What is wrong with an entry's frame, told without its values."""
    reason, path = "The entry's frame is not valid UTF-8.", ""
    if isinstance(error, msgspec.ValidationError) and (found := _WRONG_TYPE.match(str(error))):
        expected, got = (_TYPES.get(name.partition(" ")[0], name) for name in found.group(1, 2))
        reason, path = f"Expected {expected}, found {got}.", found[3] or ""
    return FhirError(reason, path=f"Bundle.entry[{index}]{path}", entry=index, offset=offset, line=line)


_NO_REQUEST = _Request()
_WRONG_TYPE = re.compile(r"Expected `(.+?)`, got `(.+?)`(?: - at `\$(.*)`)?")
_TYPES = {
    "object": "an object",
    "array": "an array",
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
}


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
        document = _decode_document(text)
        if not _is_bundle(document):
            yield Entry(index, offset, text, text, line=line)
            return
        envelope, pieces, start = _open_bundle(document, text, limits)
    except FhirError as error:
        error.entry, error.line = index, line
        error.offset = offset + (error.offset or 0)
        yield Entry(index, offset, text, line=line, error=error)
        return
    yield from _bundle_entries(envelope, pieces, text, start, offset, index, line)
