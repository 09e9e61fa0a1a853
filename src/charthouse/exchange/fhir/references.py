"""References and ids, changed in the bytes themselves, so that all else stays as it came.

Everything here takes the bytes of a resource that :func:`charthouse.exchange.fhir.api.parse` accepts; of other
bytes nothing is promised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from charthouse.exchange.fhir.definitions import Json, resource_types
from charthouse.exchange.fhir.parsing import parse

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
    result, left = Rewriter(resolve).rewrite(Opened(resource))
    return (result if id is None else set_id(result, id)), left


class Opened:
    """A resource's bytes taken apart at its references, so that they can be read before they are rewritten."""

    __slots__ = ("escapes", "pieces", "resource")

    def __init__(self, resource: bytes) -> None:
        self.resource = resource
        #: whether anything is escaped in it
        self.escapes = b"\\" in resource
        #: as ``re.split`` gives them: a reference is every third, from the third; None where keys may be hidden
        self.pieces = None if self.escapes and _hides_keys(resource) else _REFERENCE.split(resource)

    def references(self) -> Sequence[bytes]:
        """What stands between the quotes of each ``reference``, see :func:`unescaped`; maybe other strings, too."""
        if self.pieces is not None:
            return self.pieces[2::3]
        return [match[1] for match in _STRING.finditer(self.resource)]


def unescaped(raw: bytes) -> str:
    """The inside of a JSON string as text."""
    return _unescape(raw) if b"\\" in raw else raw.decode()


class _Values(dict[bytes, bytes]):
    """By the bytes of a value: what takes their place, which may be the same; each is worked out once."""

    def __init__(self, new_value: Callable[[str], tuple[bytes | None, str | None]]) -> None:
        super().__init__()
        self._new_value = new_value
        #: those that stay because nobody knows what they lead to, as text
        self.left: dict[bytes, str] = {}

    def __missing__(self, raw: bytes) -> bytes:
        new, missing = self._new_value(unescaped(raw))
        if missing is not None:
            self.left[raw] = missing
        found = self[raw] = raw if new is None else new
        return found


class Rewriter:
    """:func:`rewrite` for many resources whose references mean the same, each asked for once."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._references = _Values(self._new_value)
        self._urls = _Values(self._new_url)

    def rewrite(self, opened: Opened) -> tuple[bytes, list[str]]:
        """The resource with its references replaced, and those that stayed unresolved."""
        left: dict[str, None] = {}
        if opened.pieces is None:
            return self._rewrite_every_string(opened.resource, left), list(left)
        result = self._replace(opened.pieces, opened.escapes, self._references, left)
        if b'"urn:' in result:
            result = self._replace(_URN_URL.split(result), opened.escapes, self._urls, left)
        return result, list(left)

    def rewrite_and_parse(self, opened: Opened, id: str) -> tuple[bytes, Json, list[str]]:
        """The resource with its references replaced and ``id`` its own, as bytes and parsed.

        Raises :class:`FhirError` for what ``parse`` refuses, and ValueError for what is no JSON object.
        """
        # Usually the id stands before the first reference, and what follows need not be copied once more.
        head = _set_usual_id(opened.pieces[0], id, opened.resource) if opened.pieces else None
        if head is not None and opened.pieces:
            opened.pieces[0] = head
        content, left = self.rewrite(opened)
        parsed = parse(content) if head is not None else {}
        if parsed.get("id") != id:
            content = set_id(content, id)
            parsed = parse(content)
        return content, parsed, left

    def _new_value(self, old: str) -> tuple[bytes | None, str | None]:
        """What a reference becomes, as the inside of a string."""
        if not old or old[0] == "#":
            return None, None
        new = self._resolve(old)
        if new is None:
            return None, None if old.startswith(("http://", "https://")) else old
        return (_escape(new) if new != old else None), None

    def _new_url(self, old: str) -> tuple[bytes | None, str | None]:
        """As :meth:`_new_value`, for the ``url`` of something in the same Bundle; not found is not missed."""
        new = self._resolve(old) if old.startswith(("urn:uuid:", "urn:oid:")) else None
        return (_escape(new) if new is not None and new != old else None), None

    def _replace(self, pieces: Sequence[bytes], escapes: bool, values: _Values, left: dict[str, None]) -> bytes:
        """Pass every third of ``pieces`` through ``values``, and put them together.

        In valid JSON ``"reference"`` with its quotes is a key or a whole string, unless a backslash stands before
        its first quote; and a string that is no key has no colon after it.
        """
        result = list(pieces)
        places: Sequence[int] = range(2, len(pieces), 3)
        if escapes:
            places = [place for place in places if pieces[place - 2][-1:] != b"\\"]
            for place in places:
                result[place] = values[pieces[place]]
        else:
            result[2::3] = [values[raw] for raw in pieces[2::3]]
        if values.left:
            left.update((values.left[raw], None) for place in places if (raw := pieces[place]) in values.left)
        return b"".join(result)

    def _rewrite_every_string(self, resource: bytes, left: dict[str, None]) -> bytes:
        """Rewrite looking at every string, since keys and values may be spelt with escapes."""
        pieces = []
        done = at = 0
        while (match := _STRING.search(resource, at)) is not None:
            at = match.end()
            if (value := _VALUE.match(resource, at)) is None:
                continue
            key, old = _unescape(match[1]), _unescape(value[1])
            new, missing = None, None
            if key == "reference":
                new, missing = self._new_value(old)
            elif key == "url":
                new, missing = self._new_url(old)
            if missing is not None:
                left[missing] = None
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
    result = None if _hides_keys(resource) else _set_usual_id(resource, id, resource)
    # Of several, others are inner elements' ids, or the root's again, which then would count instead.
    if result is not None and (result.count(b'"id"') == 1 or _root.decode(result).id == id):
        return result
    new = b'"%b"' % _escape(id)
    found = _TYPE_FIRST.match(resource)
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


def _set_usual_id(resource: bytes, id: str, whole: bytes) -> bytes | None:
    """``resource``, or its beginning, with ``id`` where its id usually stands, or put there when the ``whole`` has
    none; ``None`` where it is written otherwise. That no key is spelt with escapes, and that no other id of the
    root follows, is the caller's to check."""
    found = _TYPE_FIRST.match(resource)
    if found is None or (found[1] is None and b'"id"' in whole):
        return None
    if found[1] is not None:
        return b'%b"%b"%b' % (resource[: found.start(1)], _escape(id), resource[found.end(1) :])
    return b'%b,"id":"%b"%b' % (resource[: found.end()], _escape(id), resource[found.end() :])


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
