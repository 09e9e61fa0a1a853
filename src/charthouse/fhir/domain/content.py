"""A resource's kept bytes as they are answered: with the version and time of the record in ``meta``.

Put in by bytes, so that every number stays as it was written.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, Raw, UnsetType

from charthouse.record.preparing import editable

from .negotiation import instant


class _Root(msgspec.Struct):
    meta: Raw | UnsetType = UNSET


_root = msgspec.json.Decoder(_Root)
_members = msgspec.json.Decoder(dict[str, Raw])
_HEAD = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"\w+"\s*,\s*"id"\s*:\s*"[A-Za-z0-9\-.]{1,64}"')


def with_meta(content: bytes, version: int, at: datetime) -> bytes:
    """``content`` with ``meta.versionId`` and ``meta.lastUpdated``; all else as it was written."""
    if b'"meta"' not in content or (found := _root.decode(content).meta) is UNSET:
        return _after_head(content, b',"meta":{' + stamp(version, at))
    old = bytes(found)
    meta: dict[str, Any] = dict(_members.decode(old)) if old.startswith(b"{") else {}
    new = msgspec.json.encode({**meta, "versionId": str(version), "lastUpdated": instant(at)})
    start, end = _span(content, found)
    return content[:start] + new + content[end:]


@lru_cache(maxsize=4096)
def stamp(version: int, at: datetime) -> bytes:
    """Version and time as members of ``meta``, and its end."""
    return b'"versionId":"%d","lastUpdated":"%b"}' % (version, instant(at).encode())


def meta_of(content: bytes) -> bytes | None:
    """The root's ``meta`` as it is written; None where there is none."""
    found = _root.decode(content).meta
    return None if found is UNSET else bytes(found)


def without_version(content: bytes) -> bytes:
    """``content`` without the version and time that its sender read in ``meta``: those are the record's to say."""
    if b'"versionId"' not in content and b'"lastUpdated"' not in content:
        return content
    found = _root.decode(content).meta
    if found is UNSET or not bytes(found).startswith(b"{"):
        return content
    meta = editable(bytes(found))
    if "versionId" not in meta and "lastUpdated" not in meta:
        return content
    left = {name: value for name, value in meta.items() if name not in {"versionId", "lastUpdated"}}
    start, end = _span(content, found)
    if left:
        return content[:start] + orjson.dumps(left) + content[end:]
    before = content[:start]
    cut = re.search(rb',?\s*"meta"\s*:\s*$', before)
    if cut is None:  # spelt with escapes: an empty object stays
        return before + b"{}" + content[end:]
    after = content[end:]
    if not before[cut.start() :].startswith(b","):
        after = re.sub(rb"^\s*,", b"", after)
    return before[: cut.start()] + after


def _after_head(content: bytes, made: bytes) -> bytes:
    if head := _HEAD.match(content):
        return content[: head.end()] + made + content[head.end() :]
    at = content.index(b"{") + 1
    comma = b"" if content[at:].lstrip().startswith(b"}") else b","
    return content[:at] + made[1:] + comma + content[at:]


def _span(content: bytes, piece: Raw) -> tuple[int, int]:
    """Where a slice of ``content`` stands in it: behind the ``meta`` of the root, which is the last that counts."""
    view = memoryview(piece)
    text = bytes(view)
    at = content.find(text)
    # The same text may stand elsewhere, too, as the meta of a contained resource: find the one of the root.
    while (other := content.find(text, at + 1)) >= 0 and not _is_at_root(content, at):
        at = other
    return at, at + len(text)


def _is_at_root(content: bytes, at: int) -> bool:
    """Whether the value that begins at ``at`` stands in the root object."""
    depth = 0
    inside = False
    skip = False
    for byte in content[:at]:
        if skip:
            skip = False
        elif inside:
            if byte == 0x5C:
                skip = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in b"{[":
            depth += 1
        elif byte in b"}]":
            depth -= 1
    return depth == 1
