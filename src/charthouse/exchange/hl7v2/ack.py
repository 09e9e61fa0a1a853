"""Acknowledgements (HL7 v2 chapter 2, section 2.9): MSH, MSA and, for a fault, ERR, as the sender writes."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Literal

from .encoding import Encoding
from .envelope import Envelope, peek
from .errors import Hl7Error, Unsupported
from .message import header_of

AckCode = Literal["AA", "AE", "AR", "CA", "CE", "CR"]
_PLAIN = Encoding()


def ack(
    to: Envelope | bytes,
    code: AckCode,
    text: str = "",
    error: Hl7Error | None = None,
    *,
    now: datetime | None = None,
) -> bytes:
    """The acknowledgement of a message, without framing.

    ``to`` is the message's envelope, or its bytes where it could not be read; garbage gets an acknowledgement with
    the standard delimiters and an empty MSA-2. ``text`` goes to the sender and must hold no patient data.
    ``now`` is the time of acknowledgement (aware), by default the present.
    """
    envelope = to if isinstance(to, Envelope) else _envelope(to)
    encoding = envelope.encoding if envelope else _PLAIN
    f, c = encoding.field, encoding.component
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d%H%M%S%z")

    def clean(value: str) -> str:
        return encoding.escaped(value)

    trigger = envelope.trigger if envelope else ""
    kind = f"ACK{c}{clean(trigger)}{c}ACK" if trigger else "ACK"
    header = [
        f"MSH{f}{encoding.characters.replace(chr(0), '')}",
        clean(envelope.receiving_application) if envelope else "",
        clean(envelope.receiving_facility) if envelope else "",
        clean(envelope.sending_application) if envelope else "",
        clean(envelope.sending_facility) if envelope else "",
        clean(stamp),
        "",
        kind,
        secrets.token_hex(8),
        clean(envelope.processing_id) if envelope and envelope.processing_id else "P",
        clean(envelope.version) if envelope and envelope.version else "2.5.1",
    ]
    if envelope and envelope.charset:
        header += ["", "", "", "", "", clean(envelope.charset)]
    lines = [f.join(header), f.join(["MSA", code, clean(envelope.control_id) if envelope else "", clean(text)])]
    if error is not None:
        lines.append(_err(error, envelope.version if envelope else "", encoding))
    answer = "\r".join(lines) + "\r"
    return answer.encode(_codec(encoding.codec), "replace")


def _err(error: Hl7Error, version: str, encoding: Encoding) -> str:
    """ERR as of v2.5 (location, HL7 error code, severity, text); before v2.5 its single field ELD."""
    f, c = encoding.field, encoding.component
    segment, index = error.segment or "", str(error.index or "")
    field = str(error.field) if error.field is not None else ""
    number, meaning = _error_code(error)
    if version[:3] in ("2.1", "2.2", "2.3", "2.4"):
        inner = encoding.subcomponent if encoding.subcomponent != "\x00" else " "
        detail = inner.join([number, encoding.escaped(meaning), "HL70357"])
        return f.join(["ERR", c.join([segment, index, field, detail])])
    location = c.join([segment, index, field]).rstrip(c)
    return f.join(
        [
            "ERR",
            "",
            location,
            c.join([number, encoding.escaped(meaning), "HL70357"]),
            "E",
            "",
            "",
            "",
            encoding.escaped(error.reason),
        ]
    )


def _error_code(error: Hl7Error) -> tuple[str, str]:
    """HL7 table 0357."""
    if isinstance(error, Unsupported):
        return ("201", "Unsupported event code") if error.field == 9 else ("200", "Unsupported message type")
    if error.segment and error.field is not None:
        return "101", "Required field missing"
    if error.segment:
        return "100", "Segment sequence error"
    return "207", "Application internal error"


def _envelope(data: bytes) -> Envelope | None:
    try:
        return peek(data)
    except Hl7Error:
        pass
    header = header_of(data[:65536].lstrip(b"\x0b\r\n\t "))
    if header[:3] != "MSH":
        return None
    try:
        return peek(header.encode("latin-1"))  # the rest of the message was at fault
    except Hl7Error:
        return None


def _codec(codec: str) -> str:
    return "utf-16" if codec.startswith("utf-16") else codec
