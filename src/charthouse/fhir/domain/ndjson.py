"""Resources as NDJSON: one a line, with the version and time of the record in ``meta``, all else as written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from .content import meta_of, stamp, with_meta
from .export_asks import only_elements

Filed = Iterable[tuple[int, datetime]]
_META = b'"meta"'
_OPENED = b',"meta":{'


def lines(kind: str, contents: Sequence[bytes], filed: Filed, elements: Sequence[str] = ()) -> bytes:
    """The lines of resources of a type; ``filed`` are the number of each version and when it was filed.

    ``elements`` keeps to some elements of each, as :func:`only_elements`.
    """
    together = b"".join(contents)  # where one sign is looked for fastest
    if not elements and b"\n" not in together and b"\r" not in together:
        return b"".join(_stamped(kind, contents, filed))
    each = [with_meta(content, version, at) for content, (version, at) in zip(contents, filed, strict=True)]
    if elements:
        each = [only_elements(content, kind, elements) for content in each]
    # Written over several lines: between its tokens there may be ends of lines, within its texts there cannot.
    return b"".join(content.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n" for content in each)


def _stamped(kind: str, contents: Sequence[bytes], filed: Filed) -> list[bytes]:
    """Pieces of the lines: most resources begin with their type, their id and, where they have one, their ``meta``,
    and are cut there; the others are parsed."""
    head = b'{"resourceType":"%b","id":"' % kind.encode()
    begin, opened = len(head), len(_OPENED) - 1
    #: What stands in a ``meta`` as it came, up to where the stamp goes; empty where it cannot be told by its end.
    known: dict[bytes, bytes] = {}
    made: list[bytes] = []
    last: tuple[int, datetime] | None = None
    put_in, alone = b"", b""
    for content, version in zip(contents, filed, strict=True):
        if version is not last and version != last:  # what was filed together lies together
            last, put_in = version, stamp(*version)
            alone = _OPENED + put_in
        if content.startswith(head):
            end = content.index(b'"', begin) + 1
            if content.startswith(_OPENED, end):
                start = end + opened
                rest = content.index(b"}", start) + 1
                meta = content[start:rest]
                before = known.get(meta)
                if before is None:
                    before = known[meta] = _before_stamp(content, meta)
                if before and content.find(_META, rest) < 0:
                    made += (content[:start], before, put_in, content[rest:], b"\n")
                    continue
            elif content.find(_META, end) < 0:
                made += (content[:end], alone, content[end:], b"\n")
                continue
        made += (with_meta(content, *version), b"\n")
    return made


def _before_stamp(content: bytes, meta: bytes) -> bytes:
    """``meta`` up to where the stamp goes, where it is all of the resource's, and neither stamped nor empty."""
    if meta_of(content) != meta or meta[1:-1].isspace() or len(meta) == 2:
        return b""
    return b"" if b'"versionId"' in meta or b'"lastUpdated"' in meta else meta[:-1] + b","
