"""One resource from its bytes to a dict, guarded against hostile input."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from charthouse.exchange.fhir.errors import FhirError

Json = dict[str, Any]

_POSITION = re.compile(r"\(char (\d+)\)")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_SYNTAX = {
    "unexpected end of data": "the text ends too early",
    "number is infinity when parsed as double": "a number is too large",
    "depth limit exceeded": "it is nested too deeply",
    "str is not valid UTF-8: surrogates not allowed": "it is not valid UTF-8",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted from a sender. Sizes are bytes after decompression, depth levels of objects and arrays."""

    document_bytes: int = 256 << 20
    resource_bytes: int = 64 << 20
    depth: int = 64
    entries: int = 1_000_000


DEFAULT_LIMITS = Limits()


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Json:
    """The resource in ``data`` as a dict, for checking and indexing; the bytes are what is kept.

    Numbers lose their trailing zeros (72.50 becomes 72.5) and, beyond 64 bits, their exactness. Of a key given
    twice the last counts. Raises :class:`FhirError` for anything but one JSON object naming its ``resourceType``,
    for nesting or size beyond ``limits``, and for the character NUL, which no text column can hold.
    """
    if len(data) > limits.resource_bytes:
        raise FhirError(f"The resource is larger than the limit of {limits.resource_bytes:,} bytes.")
    try:
        resource = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise syntax_error(data, error) from None
    if type(resource) is not dict:
        raise FhirError("A resource must be a JSON object.")
    if data.count(b"{") + data.count(b"[") > limits.depth:
        _check_depth(resource, limits.depth)
    if b"\\u0000" in data and (found := _NUL.search(data)):
        line, column = line_and_column(data, found.end() - 6)
        raise FhirError(
            "The text holds the character NUL (\\u0000), which cannot be stored. Remove it and send it again.",
            offset=found.end() - 6,
            line=line,
            column=column,
        )
    if type(resource.get("resourceType")) is not str:
        raise FhirError("The resource does not name its type: 'resourceType' is missing or not a string.")
    return resource


def _check_depth(value: Json, limit: int) -> None:
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return
    raise FhirError(f"The content is nested more than {limit} levels deep.")


def line_and_column(data: bytes, offset: int) -> tuple[int, int]:
    """Line and column, both from 1 and in bytes, of ``offset`` in ``data``."""
    return data.count(b"\n", 0, offset) + 1, offset - data.rfind(b"\n", 0, offset)


def syntax_error(data: bytes, error: orjson.JSONDecodeError) -> FhirError:
    """``error`` in plain words, with its place in bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as wrong:
        line, column = line_and_column(data, wrong.start)
        return FhirError(
            "The text is not valid UTF-8, which FHIR requires. Save it as UTF-8 and send it again.",
            offset=wrong.start,
            line=line,
            column=column,
        )
    offset = len(text[: error.pos].encode("utf-8"))
    line, column = line_and_column(data, offset)
    what = _SYNTAX.get(error.msg, error.msg)
    return FhirError(f"This is not valid JSON: {what}.", offset=offset, line=line, column=column)
