"""MLLP framing (HL7 v2, transport specification: MLLP release 1): 0x0B, message, 0x1C, 0x0D."""

from __future__ import annotations

from .errors import FramingError
from .limits import DEFAULT_LIMITS

START = b"\x0b"
END = b"\x1c\r"
_BETWEEN = b"\r\n\t \x00"


def frame(message: bytes) -> bytes:
    """``message`` ready to be written to an MLLP connection."""
    return START + message + END


class Deframer:
    """Bytes of one connection, in chunks of any size, to whole messages.

    0x1C ends a message; MLLP allows no 0x1C within one. Line ends and blanks between messages are passed over.
    """

    def __init__(self, max_bytes: int = DEFAULT_LIMITS.message) -> None:
        self.max_bytes = max_bytes
        self._buffer = bytearray()
        self._inside = False
        self._searched = 0

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._inside

    def feed(self, chunk: bytes) -> list[bytes]:
        """The messages that ``chunk`` completes.

        Raises FramingError, carrying the messages completed before the fault, for bytes outside a frame, for a
        message that begins before the one before it ended, and for one longer than ``max_bytes``. After that the
        connection cannot be trusted and should be closed.
        """
        messages: list[bytes] = []
        buffer = self._buffer
        buffer += chunk
        while True:
            if not self._inside and not self._skip_to_start(messages):
                return messages
            end = buffer.find(0x1C, self._searched)
            self._check(end if end >= 0 else len(buffer), messages)
            if end < 0:
                self._searched = len(buffer)
                return messages
            messages.append(bytes(buffer[:end]))
            del buffer[: end + 1]
            self._inside = False
            self._searched = 0

    def _skip_to_start(self, messages: list[bytes]) -> bool:
        buffer = self._buffer
        start = 0
        while start < len(buffer) and buffer[start] in _BETWEEN:
            start += 1
        if start == len(buffer):
            buffer.clear()
            return False
        if buffer[start] != 0x0B:
            hint = " The sender seems to send without MLLP framing." if buffer[start:].startswith(b"MSH") else ""
            buffer.clear()
            raise FramingError(
                f"Expected the start of an MLLP message (byte 0x0B) and got something else.{hint}", messages
            )
        del buffer[: start + 1]
        self._inside = True
        self._searched = 0
        return True

    def _check(self, end: int, messages: list[bytes]) -> None:
        if end > self.max_bytes:
            self._buffer.clear()
            self._inside = False
            raise FramingError(f"The message is longer than {self.max_bytes:,} bytes.", messages)
        if self._buffer.find(b"\x0bMSH", max(self._searched - 4, 0), end) >= 0:
            self._buffer.clear()
            self._inside = False
            raise FramingError("A message began before the one before it ended (byte 0x1C is missing).", messages)
