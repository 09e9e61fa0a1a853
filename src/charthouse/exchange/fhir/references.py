"""References and ids, changed in the bytes themselves, so that all else stays as it came.

Everything here takes the bytes of a resource that :func:`charthouse.exchange.fhir.api.parse` accepts; of other
bytes nothing is promised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from charthouse.exchange.fhir.definitions import Json, resource_types

# A key with its value, as split wants them: the part up to the value's first quote, then the value.
_REFERENCE = re.compile(rb'("reference"[ \t\r\n]*:[ \t\r\n]*")([^"\\]*(?:\\.[^"\\]*)*)(?=")', re.DOTALL)
_URN_URL = re.compile(rb'("url"[ \t\r\n]*:[ \t\r\n]*")(urn:(?:uuid|oid):[^"\\]*(?:\\.[^"\\]*)*)(?=")', re.DOTALL)
_VALUE = re.compile(rb'[ \t\r\n]*:[ \t\r\n]*"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_TOKEN = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"|[{}\[\]]', re.DOTALL)
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_SIMPLE_VALUE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[^,}\] \t\r\n]+', re.DOTALL)
# An escape that could spell an ASCII letter or a colon, and so hide what we look for.
_LETTER_ESCAPE = re.compile(rb"\\u00(?:3[aA]|[4-7])")
# The usual beginning of a resource; the group is the id, where it comes next.
_TYPE_FIRST = re.compile(
    rb'[ \t\r\n]*\{[ \t\r\n]*"resourceType"[ \t\r\n]*:[ \t\r\n]*"\w+"'
    rb'(?:[ \t\r\n]*,[ \t\r\n]*"id"[ \t\r\n]*:[ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*"))?',
    re.DOTALL,
)
_PLAIN = re.compile(r"[ !#-\[\]-~]*")
_LITERAL = re.compile(
    r"(?:(https?://\S*)/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?"
)

Resolve = Callable[[str], str | None]


class _Root(msgspec.Struct):
    id: Any = None


_root = msgspec.json.Decoder(_Root)


def rewrite(resource: bytes, resolve: Resolve, id: str | None = None) -> tuple[bytes, list[str]]:
    """Replace references, and with ``id`` the resource's own id; the new bytes and what stayed unresolved.

    ``resolve`` is asked for the value of every ``reference`` (``urn:uuid:…``, ``Type/id``, absolute URL,
    conditional ``Type?identifier=…``) except those into the resource itself (``#…``), and for every ``url`` that
    is a ``urn:uuid:`` or ``urn:oid:`` (an Attachment pointing into its Bundle); it answers the new value, or
    ``None`` to leave it. Left references are returned, each once, without absolute URLs (those point to another
    system) and without ``url``s. Narrative is attested text and is not changed.
    """
    left: dict[str, None] = {}
    if _hides_keys(resource):
        result = _rewrite_every_string(resource, resolve, left)
    else:
        result = _replace(_REFERENCE, resource, lambda old: _new_value(old, resolve, left))
        if b'"urn:' in result:
            result = _replace(_URN_URL, result, lambda old: _new_url(old, resolve))
    if id is not None:
        result = set_id(result, id)
    return result, list(left)


def _new_value(old: str, resolve: Resolve, left: dict[str, None]) -> bytes | None:
    """What a reference becomes, as the inside of a string; ``None`` where it stays."""
    if not old or old[0] == "#":
        return None
    new = resolve(old)
    if new is None:
        if not old.startswith(("http://", "https://")):
            left[old] = None
        return None
    return _escape(new) if new != old else None


def _new_url(old: str, resolve: Resolve) -> bytes | None:
    """As :func:`_new_value`, for the ``url`` of something in the same Bundle; not found is not missed."""
    new = resolve(old) if old.startswith(("urn:uuid:", "urn:oid:")) else None
    return _escape(new) if new is not None and new != old else None


def _replace(pattern: re.Pattern[bytes], resource: bytes, new_value: Callable[[str], bytes | None]) -> bytes:
    """Pass the values that ``pattern`` finds through ``new_value``.

    In valid JSON ``"reference"`` with its quotes is a key or a whole string, unless a backslash stands before its
    first quote; and a string that is no key has no colon after it.
    """
    pieces = pattern.split(resource)
    for number in range(2, len(pieces), 3):
        raw = pieces[number]
        if pieces[number - 2][-1:] != b"\\":
            new = new_value(_unescape(raw) if b"\\" in raw else raw.decode())
            if new is not None:
                pieces[number] = new
    return b"".join(pieces)


def _rewrite_every_string(resource: bytes, resolve: Resolve, left: dict[str, None]) -> bytes:
    """Rewrite looking at every string, since keys and values may be spelt with escapes."""
    pieces = []
    done = at = 0
    while (match := _STRING.search(resource, at)) is not None:
        at = match.end()
        if (value := _VALUE.match(resource, at)) is None:
            continue
        key, old = _unescape(match[1]), _unescape(value[1])
        if key == "reference":
            new = _new_value(old, resolve, left)
        else:
            new = _new_url(old, resolve) if key == "url" else None
        if new is not None:
            start, end = value.span(1)
            pieces += [resource[done:start], new]
            done = end
        at = value.end()
    pieces.append(resource[done:])
    return b"".join(pieces)


@lru_cache(maxsize=4096)
def _escape(text: str) -> bytes:
    """``text`` as the inside of a JSON string."""
    return text.encode("ascii") if _PLAIN.fullmatch(text) else orjson.dumps(text)[1:-1]


def _unescape(raw: bytes) -> str:
    text: str = orjson.loads(b'"%b"' % raw)
    return text


def set_id(resource: bytes, id: str) -> bytes:
    """``resource`` with ``id`` as its own id: replaced, or put in after ``resourceType``."""
    new = b'"%b"' % _escape(id)
    found = _TYPE_FIRST.match(resource)
    if found is not None and not _hides_keys(resource):
        end = found.end()
        if found[1] is not None:
            result = resource[: found.start(1)] + new + resource[found.end(1) :]
            # Of several, others are inner elements' ids, or the root's again, which then would count instead.
            if resource.find(b'"id"', end) < 0 or _root.decode(result).id == id:
                return result
        elif resource.find(b'"id"') < 0:
            return resource[:end] + b',"id":' + new + resource[end:]
    places = list(_root_values(resource, "id"))
    if places:
        for start, end in reversed(places):
            resource = resource[:start] + new + resource[end:]
        return resource
    if found is not None:
        return resource[: found.end()] + b',"id":' + new + resource[found.end() :]
    at = resource.index(b"{") + 1
    comma = b"" if resource[at:].lstrip().startswith(b"}") else b","
    return resource[:at] + b'"id":' + new + comma + resource[at:]


def _hides_keys(resource: bytes) -> bool:
    """Whether keys may be spelt with escapes, so that they must not be searched for by their bytes."""
    return b"\\" in resource and _LETTER_ESCAPE.search(resource) is not None


def _root_values(resource: bytes, key: str) -> Iterator[tuple[int, int]]:
    """Where the values of ``key`` lie in the root object; more than once where the key is repeated."""
    depth = at = 0
    begun: int | None = None
    while (match := _TOKEN.search(resource, at)) is not None:
        at = match.end()
        mark = resource[match.start()]
        if mark in b"{[":
            depth += 1
        elif mark in b"}]":
            depth -= 1
            if depth == 1 and begun is not None:
                yield begun, at
                begun = None
        elif depth == 1 and (colon := _COLON.match(resource, at)) is not None:
            at = colon.end()
            value = _SIMPLE_VALUE.match(resource, at) if resource[at] not in b"{[" else None
            if value is not None:
                at = value.end()
            if _unescape(match[1]) == key:
                if value is not None:
                    yield value.span()
                else:
                    begun = at


def references_of(resource: Json) -> list[str]:
    """The value of every ``Reference.reference`` in ``resource``, contained resources included; each once."""
    found: dict[str, None] = {}
    waiting: list[Any] = [resource]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            if type(text := value.get("reference")) is str:
                found[text] = None
            waiting.extend(inner for inner in value.values() if type(inner) is dict or type(inner) is list)
        elif type(value) is list:
            waiting.extend(value)
    return list(found)


@lru_cache(maxsize=16384)
def read_reference(text: str) -> tuple[str | None, str | None, str | None]:
    """What a reference points to: type, id and URL.

    ``Patient/7`` (with or without ``/_history/2``) gives type and id; an absolute URL of a resource gives all
    three, the URL without its version; ``Patient?…`` gives the type, and the whole as URL; anything else, ``urn:``
    or ``#…``, is its own URL.
    """
    match = _LITERAL.fullmatch(text)
    if match and match[2] in resource_types():
        base, kind, id = match.groups()
        return kind, id, f"{base}/{kind}/{id}" if base else None
    kind, mark, _ = text.partition("?")
    if mark and kind in resource_types():
        return kind, None, text
    return None, None, text
