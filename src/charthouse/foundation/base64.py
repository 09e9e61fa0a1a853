"""Base64 (RFC 4648) of documents and images: an attachment of megabytes costs no more than copying it."""

from __future__ import annotations

import base64

import pybase64


def as_base64(data: bytes) -> str:
    """The base64 of ``data``, in one line."""
    return pybase64.b64encode_as_string(data)


def from_base64(text: str) -> bytes:
    """The bytes ``text`` stands for. Blanks, ends of lines, and more padding at the end than is due are taken as
    senders write them. Raises ValueError where it is no base64."""
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        bare = "".join(text.split())
        # The standard library, many times slower, for what else it takes: too much padding.
        return from_base64(bare) if len(bare) < len(text) else base64.b64decode(bare, validate=True)
