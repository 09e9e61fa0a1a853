"""Several documents in one file: one after another, within other XML, in CDATA, or in base64 within other XML."""

from __future__ import annotations

import re

from charthouse.foundation.base64 import from_base64

from .tree import ROOT, decoded

_TOKEN = re.compile(
    rf"<!--.*?-->|<!\[CDATA\[(?P<verbatim>.*?)\]\]>|<(?P<end>/?)(?:[A-Za-z_][\w.\-]*:)?{ROOT}(?=[\s/>])[^>]*>",
    re.DOTALL,
)
#: What base64 of XML begins with: ``<?xml``, ``<Cli``, and both after a byte-order mark.
_BASE64 = re.compile(r">\s*((?:PD94|PENs|77u/PD94|77u/PENs)[A-Za-z0-9+/=\s]{200,}?)\s*<")
_NAME = ROOT.encode("ascii")


def documents_of(data: bytes) -> list[bytes]:
    """Each ClinicalDocument in ``data`` by itself, in UTF-8; ``data`` as it is where that is one, or none."""
    if data.count(_NAME) < 3 and b"\0" not in data[:64] and not _may_enclose(data):
        return [data]
    text = decoded(data)
    first = text.find(f"{ROOT}")
    if "<!DOCTYPE" in text[: first if first >= 0 else 2_000].upper():
        # Whether it may be read at all is for the reader to say.
        return [data]
    found = [piece.encode("utf-8", "replace") for piece in _cut(text)] or _enclosed(text)
    return found if len(found) > 1 else [data]


def _may_enclose(data: bytes) -> bool:
    return _NAME not in data and any(each in data for each in (b"PD94", b"PENs"))


def _cut(text: str) -> list[str]:
    """The documents written out in a text. What has no end ends where the next begins."""
    found: list[str] = []
    starts: list[int] = []
    deep = begin = 0
    for token in _TOKEN.finditer(text):
        verbatim = token["verbatim"]
        if verbatim is not None:
            if not deep and ROOT in verbatim:
                found += _cut(verbatim)
        elif token["end"] is None:
            continue
        elif token["end"]:
            deep = max(0, deep - 1)
            if not deep and starts:
                found.append(text[begin : token.end()])
                starts = []
        else:
            if not deep:
                begin = token.start()
            starts.append(token.start())
            deep += 1
    if starts:
        found += [text[at:end] for at, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return found


def _enclosed(text: str) -> list[bytes]:
    found = []
    for each in _BASE64.finditer(text):
        try:
            body = from_base64(each[1])
        except ValueError:
            continue
        if _NAME in body.replace(b"\0", b""):
            found.append(body)
    return found
