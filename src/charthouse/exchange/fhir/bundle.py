"""An entry of the input, and the frame that a Bundle puts around its entries."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from msgspec import UNSET, Raw, UnsetType

from charthouse.exchange.fhir.errors import FhirError
from charthouse.exchange.fhir.parsing import DEFAULT_LIMITS, Json, Limits, line_and_column, parse

_GAP = re.compile(rb"[ \t\r\n,]*")
_BYTE = re.compile(r"\(byte (\d+)\)")
_WRONG_TYPE = re.compile(r"Expected `(.+?)`, got `(.+?)`(?: - at `\$(.*)`)?")
_TYPES = {
    "object": "an object",
    "array": "an array",
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
}


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


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One resource as it came, with what its Bundle says of it.

    ``resource`` and ``original`` (the whole entry; the line in NDJSON; the document of a single resource) are
    exact slices. ``resource`` is empty for a request without one (DELETE, GET) and where ``error`` says why;
    ``original`` is empty only for a line beyond the limit, which is passed over.
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
    if_modified_since: str | None = None

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
    if_modified_since: str | None = msgspec.field(default=None, name="ifModifiedSince")


class _BundleEntry(msgspec.Struct):
    full_url: str | None = msgspec.field(default=None, name="fullUrl")
    resource: Raw | UnsetType = UNSET
    request: _Request | None = None


class _Identifier(msgspec.Struct):
    system: str | None = None
    value: str | None = None


class Document(msgspec.Struct):
    """The root object, as far as a Bundle's frame goes; values are looked into one by one."""

    resource_type: Raw | UnsetType = msgspec.field(default=UNSET, name="resourceType")
    type: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET
    identifier: Raw | UnsetType = UNSET
    timestamp: Raw | UnsetType = UNSET
    entry: Raw | UnsetType = UNSET


_document = msgspec.json.Decoder(Document)
_entries = msgspec.json.Decoder(list[Raw])
_entry = msgspec.json.Decoder(_BundleEntry)
_identifier = msgspec.json.Decoder(_Identifier)
_string = msgspec.json.Decoder(str)
_NO_REQUEST = _Request()


def read_document(text: bytes) -> Document:
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


def is_bundle(document: Document) -> bool:
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


class OpenBundle:
    """A Bundle whose frame is read; its entries are read as they are asked for."""

    def __init__(self, envelope: Envelope, pieces: list[Raw], text: bytes, start: int) -> None:
        self.envelope = envelope
        self._pieces = pieces
        self._text = text
        self._start = start

    def entries(self, *, offset: int = 0, index: int = 0, line: int | None = None) -> Iterator[Entry]:
        """Its entries; ``offset`` is where the Bundle begins in the input, ``index`` the first entry's."""
        position = self._start + 1
        for number, piece in enumerate(self._pieces, index):
            original = bytes(piece)
            if (gap := _GAP.match(self._text, position)) is not None:
                position = gap.end()
            yield _read_entry(original, number, offset + position, line, self.envelope)
            position += len(original)


def open_bundle(document: Document, text: bytes, limits: Limits) -> OpenBundle:
    """The Bundle that ``document`` is, of which ``text`` are the bytes. Raises :class:`FhirError` for its frame."""
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
    return OpenBundle(envelope, pieces, text, start)


def _locate(text: bytes, piece: memoryview) -> int:
    """Where ``piece``, a slice of ``text``, begins. Searching for its first bytes only keeps this linear."""
    head = bytes(piece[:64])
    at = text.find(head)
    while not text.startswith(piece, at):
        at = text.find(head, at + 1)
    return at


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
    return Entry(
        index, offset, original, resource, *frame, request.if_none_match, line, envelope,
        if_modified_since=request.if_modified_since,
    )  # fmt: skip


def _frame_error(error: Exception, index: int, offset: int, line: int | None) -> FhirError:
    """What is wrong with an entry's frame, told without its values."""
    reason, path = "The entry's frame is not valid UTF-8.", ""
    if isinstance(error, msgspec.ValidationError) and (found := _WRONG_TYPE.match(str(error))):
        expected, got = (_TYPES.get(name.partition(" ")[0], name) for name in found.group(1, 2))
        reason, path = f"Expected {expected}, found {got}.", found[3] or ""
    return FhirError(reason, path=f"Bundle.entry[{index}]{path}", entry=index, offset=offset, line=line)
