"""Identifiers: time-ordered for rows people link to, name-derived for what another system named."""

from __future__ import annotations

import hashlib
import os
import time
from uuid import UUID


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def named_id(*parts: str) -> UUID:
    """The UUID version 8 (RFC 9562) that stands for ``parts`` in every process and at every time.

    BLAKE2b-128 over the parts, each with its length before it, so that ("ab", "c") and ("a", "bc") differ.
    """
    return UUID(named_text(*parts))


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def named_text(*parts: str) -> str:
    """:func:`named_id` in its usual spelling."""
    content = b""
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        content += len(data).to_bytes(4, "big") + data
    digits = hashlib.blake2b(content, digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"


def hash64(text: str) -> int:
    """A signed 64-bit hash (BLAKE2b) of ``text``, for index columns of type bigint."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
