"""The outside of a message: what a listener must know before it acknowledges."""

from __future__ import annotations

from dataclasses import dataclass

from .encoding import Encoding
from .errors import Hl7Error
from .keys import patient_keys, prior_keys
from .limits import DEFAULT_LIMITS, Limits
from .message import Message, Segment, parse


@dataclass(frozen=True, slots=True)
class Envelope:
    """MSH, and whom the message concerns.

    ``patients`` are PID-3 and ``priors`` MRG-1 as ``assigner|id``: messages that share one must be filed in order.
    ``message_time`` is MSH-7 as sent. ``accept_ack`` and ``application_ack`` are MSH-15 and MSH-16 ("" where the
    sender uses original mode).
    """

    type: str
    trigger: str
    structure: str
    control_id: str
    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str
    processing_id: str
    version: str
    message_time: str
    charset: str
    accept_ack: str
    application_ack: str
    patients: tuple[str, ...]
    priors: tuple[str, ...]
    encoding: Encoding

    @property
    def event(self) -> str:
        """Type and trigger, e.g. ``ADT^A01``."""
        return f"{self.type}^{self.trigger}"

    @property
    def enhanced(self) -> bool:
        """Whether the sender asks for enhanced acknowledgement (MSH-15 or MSH-16 valued)."""
        return bool(self.accept_ack or self.application_ack)

    @property
    def order_keys(self) -> tuple[str, ...]:
        """All identifiers of all patients concerned, now and before."""
        return tuple(dict.fromkeys(self.patients + self.priors))


def envelope_of(message: Message) -> Envelope:
    """The envelope of a parsed message."""
    msh = message.msh
    return Envelope(
        type=message.type,
        trigger=message.trigger,
        structure=msh.get(9, 3),
        control_id=msh.get(10),
        sending_application=_hierarchic(msh, 3),
        sending_facility=_hierarchic(msh, 4),
        receiving_application=_hierarchic(msh, 5),
        receiving_facility=_hierarchic(msh, 6),
        processing_id=msh.get(11),
        version=msh.get(12),
        message_time=msh.get(7),
        charset=msh.get(18),
        accept_ack=msh.get(15).upper(),
        application_ack=msh.get(16).upper(),
        patients=patient_keys(message),
        priors=prior_keys(message),
        encoding=message.encoding,
    )


def peek(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Envelope:
    """The envelope of the message in ``data``. Raises Hl7Error where there is no readable MSH with a type."""
    envelope = envelope_of(parse(data, limits))
    if not envelope.type:
        raise Hl7Error("The message type is missing.", "MSH", 1, 9)
    return envelope


def _hierarchic(msh: Segment, field: int) -> str:
    return msh.get(field, 1) or msh.get(field, 2)
