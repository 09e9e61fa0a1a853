"""Files and batches: many messages in one run of bytes, split into the bytes of each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .charsets import UTF8_BOM, wide_codec

_HEADER = re.compile(rb"(?:^|[\r\n\x0b])[ \t]*(MSH[^A-Za-z0-9\s])")
_ENVELOPE = re.compile(rb"(?:FHS|BHS|BTS|FTS)[^A-Za-z0-9\s][^\r\n]*")
_LINE_END = re.compile(rb"[\r\n]+")


def split_batch(data: bytes) -> Iterator[bytes]:
    """The messages of a file, in order, each beginning at its ``MSH``.

    Takes single messages, several in a row, HL7 batches (FHS, BHS, BTS, FTS), MLLP-framed files, a byte-order
    mark, blank lines, and UTF-16. Yields nothing where no line begins with MSH. Text before the first MSH that is
    no batch header is left out.
    """
    wide = wide_codec(data)
    if wide:
        yield from _split_wide(data, wide)
        return
    if data.startswith(UTF8_BOM):
        data = data[3:]
    starts = [found.start(1) for found in _HEADER.finditer(data)]
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(data)
        message = _without_envelope(data[start:end]).strip(b"\x0b\x1c\r\n\t \xef\xbb\xbf")
        if message:
            yield message + b"\r"


def _without_envelope(message: bytes) -> bytes:
    """Cut the batch trailers and headers that stand after a message and before the next."""
    if not any(mark in message for mark in (b"FHS", b"BHS", b"BTS", b"FTS")):
        return message
    kept = []
    position = 0
    for end in _LINE_END.finditer(message):
        line = message[position : end.start()]
        if not _ENVELOPE.fullmatch(line.strip(b"\x0b\x1c \t")):
            kept.append(message[position : end.end()])
        position = end.end()
    tail = message[position:]
    if not _ENVELOPE.fullmatch(tail.strip(b"\x0b\x1c \t")):
        kept.append(tail)
    return b"".join(kept)


def _split_wide(data: bytes, codec: str) -> Iterator[bytes]:
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        yield data
        return
    for message in split_batch(text.lstrip("\ufeff").encode("utf-8")):
        yield message.decode("utf-8").encode("utf-16")
