"""What goes wrong with an HL7 v2 message, and where."""

from __future__ import annotations

import re


class Hl7Error(Exception):
    """A message that cannot be read or filed as it stands.

    ``reason`` is a plain sentence without patient data. ``segment`` is the segment's name ("PID"), ``index`` its
    line in the message (1 for MSH), ``field`` the field's number; each is None where it is not known.
    """

    def __init__(
        self, reason: str, segment: str | None = None, index: int | None = None, field: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.segment = segment
        self.index = index
        self.field = field

    @property
    def place(self) -> str:
        """The place as people write it: "PID-3 (line 2)", or "" where it is not known."""
        name = self.segment or ""
        if name and self.field is not None:
            name = f"{name}-{self.field}"
        if self.index is not None:
            name = f"{name} (line {self.index})".strip()
        return name

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason


class Unsupported(Hl7Error):
    """A readable message of a kind that Charthouse does not file; the reason names type^trigger."""


_TYPE = re.compile("[A-Z][A-Z0-9]{2}")
_TRIGGER = re.compile("[A-Z0-9]{1,3}")


def unsupported(kind: str, trigger: str, why: str = "") -> Unsupported:
    """The refusal of a kind of message. Names it only where it looks like one: MSH-9 of a damaged message may
    hold anything."""
    if not _TYPE.fullmatch(kind):
        return Unsupported("The message type is not one that HL7 knows.", "MSH", 1, 9)
    name = f"{kind}^{trigger}" if _TRIGGER.fullmatch(trigger) else f"{kind} with an unreadable event"
    return Unsupported(f"{name} {why or 'is not filed'}.", "MSH", 1, 9)


class FramingError(Hl7Error):
    """Bytes on an MLLP connection that are no MLLP frame.

    ``messages`` holds the whole messages that arrived before the fault, so that none is lost.
    """

    def __init__(self, reason: str, messages: list[bytes]) -> None:
        super().__init__(reason)
        self.messages = messages
