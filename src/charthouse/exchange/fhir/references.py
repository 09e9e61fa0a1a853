"""References and ids, changed in the bytes themselves, so that all else stays as it came.

Everything here takes the bytes of a resource that :func:`charthouse.exchange.fhir.api.parse` accepts; of other
bytes nothing is promised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from charthouse.exchange.fhir.definitions import Json, resource_types

_KEY = b'"reference"'
_VALUE = re.compile(rb'[ \t\r\n]*:[ \t\r\n]*"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_URN_URL = re.compile(rb'("url"[ \t\r\n]*:[ \t\r\n]*")(urn:(?:uuid|oid):[^"\\]*(?:\\.[^"\\]*)*)(?=")', re.DOTALL)
_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_TOKEN = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"|[{}\[\]]', re.DOTALL)
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_SIMPLE_VALUE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[^,}\] \t\r\n]+', re.DOTALL)
# An escape that could spell an ASCII letter or a colon, and so hide what we look for.
_LETTER_ESCAPE = re.compile(rb"\\u00(?:3[aA]|[4-7])")
_TYPE_FIRST = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"resourceType"[ \t\r\n]*:[ \t\r\n]*"\w+"')
_ID_NEXT = re.compile(rb'[ \t\r\n]*,[ \t\r\n]*"id"[ \t\r\n]*:[ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*")', re.DOTALL)
_PLAIN = re.compile(r"[ !#-\[\]-~]*")
_LITERAL = re.compile(
    r"(?:(https?://\S*)/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?"
)

Resolve = Callable[[str], str | None]
Replace = Callable[[bytes], bytes | None]


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

    def replaced(raw: bytes) -> bytes | None:
        """The new inside of the string whose inside is ``raw``; ``None`` to leave it."""
        old: str = _unescape(raw) if b"\\" in raw else raw.decode()
        if old[:1] == "#" or not old:
            return None
        new = resolve(old)
        if new is None:
            if not old.startswith(("http://", "https://")):
                left[old] = None
            return None
        return _escape(new) if new != old else None

    def moved(raw: bytes) -> bytes | None:
        """As ``replaced``, for the ``url`` of something in the same Bundle; not found is not missed."""
        old: str = _unescape(raw) if b"\\" in raw else raw.decode()
        new = resolve(old) if old.startswith(("urn:uuid:", "urn:oid:")) else None
        return _escape(new) if new is not None and new != old else None

    if hides := _hides_keys(resource):
        result = _rewrite_any(resource, {"reference": replaced, "url": moved})
    else:
        result = _rewrite_plain(resource, replaced)
        if b'"urn:' in result:
            result = _URN_URL.sub(lambda match: _moved_url(match, moved), result)
    if id is not None:
        result = _with_id(result, id, hides)
    return result, list(left)


def set_id(resource: bytes, id: str) -> bytes:
    """``resource`` with ``id`` as its own id: replaced, or put in after ``resourceType``."""
    return _with_id(resource, id, _hides_keys(resource))


def _hides_keys(resource: bytes) -> bool:
    """Whether keys may be spelt with escapes, so that they must not be searched for by their bytes."""
    return b"\\" in resource and _LETTER_ESCAPE.search(resource) is not None


def _rewrite_plain(resource: bytes, replaced: Replace) -> bytes:
    """Pass the string of every ``reference`` through ``replaced``.

    In valid JSON ``"reference"`` with its quotes is a key or a whole string, unless a backslash stands before its
    first quote; and a string that is no key has no colon after it.
    """
    pieces = resource.split(_KEY)
    value = _VALUE.match
    for number in range(1, len(pieces)):
        piece = pieces[number]
        if (match := value(piece)) is not None and pieces[number - 1][-1:] != b"\\":
            new = replaced(match[1])
            if new is not None:
                start, end = match.span(1)
                pieces[number] = piece[:start] + new + piece[end:]
    return _KEY.join(pieces)


def _rewrite_any(resource: bytes, by_key: Mapping[str, Replace]) -> bytes:
    """As :func:`_rewrite_plain`, looking at every string, for keys and values spelt with escapes."""
    pieces = []
    done = at = 0
    while (match := _STRING.search(resource, at)) is not None:
        at = match.end()
        if (value := _VALUE.match(resource, at)) is None or (replaced := by_key.get(_unescape(match[1]))) is None:
            continue
        new = replaced(value[1])
        start, end = value.span(1)
        if new is not None:
            pieces += [resource[done:start], new]
            done = end
        at = end + 1
    pieces.append(resource[done:])
    return b"".join(pieces)


def _moved_url(match: re.Match[bytes], moved: Replace) -> bytes:
    if match.string[match.start() - 1] == 0x5C:  # a backslash: the inside of a string
        return match[0]
    new = moved(match[2])
    return match[0] if new is None else match[1] + new


@lru_cache(maxsize=4096)
def _escape(text: str) -> bytes:
    """``text`` as the inside of a JSON string."""
    return text.encode("ascii") if _PLAIN.fullmatch(text) else orjson.dumps(text)[1:-1]


def _unescape(raw: bytes) -> str:
    text: str = orjson.loads(b'"%b"' % raw)
    return text


def _with_id(resource: bytes, id: str, hides: bool) -> bytes:
    """``resource`` with the id of its root object set."""
    new = b'"%b"' % _escape(id)
    first = _TYPE_FIRST.match(resource)
    if first and not hides:
        count = resource.count(b'"id"')
        if count == 0:
            return resource[: first.end()] + b',"id":' + new + resource[first.end() :]
        if found := _ID_NEXT.match(resource, first.end()):
            start, end = found.span(1)
            result = resource[:start] + new + resource[end:]
            # Of several, others are inner elements' ids, or the root's again, which then would count instead.
            if count == 1 or _root.decode(result).id == id:
                return result
    places = list(_root_values(resource, "id"))
    if places:
        for start, end in reversed(places):
            resource = resource[:start] + new + resource[end:]
        return resource
    at = first.end() if first else resource.index(b"{") + 1
    if first:
        return resource[:at] + b',"id":' + new + resource[at:]
    comma = b"" if resource[at:].lstrip().startswith(b"}") else b","
    return resource[:at] + b'"id":' + new + comma + resource[at:]


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
