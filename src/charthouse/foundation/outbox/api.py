"""Messages to other systems: enqueued in the transaction they tell of, sent in order per key until they arrive.

Delivery is at least once; a receiver knows a repeat by its message id.
"""

from __future__ import annotations

from .mail import MailServer, MailTransport, mail_server
from .mending import DeadLetter, Delivery, Depth, MessageNotDead, dead_letters, deliveries, depth, discard, retry
from .sending import LEASE, PATIENCE, Patience, enqueue, pump, send_due, trim
from .telling import Outcome, tell_of
from .transport import (
    UNCERTAIN,
    FolderTransport,
    Outgoing,
    Transport,
    TransportError,
    Uncertain,
    register_transport,
)

__all__ = [
    "LEASE",
    "PATIENCE",
    "UNCERTAIN",
    "DeadLetter",
    "Delivery",
    "Depth",
    "FolderTransport",
    "MailServer",
    "MailTransport",
    "MessageNotDead",
    "Outcome",
    "Outgoing",
    "Patience",
    "Transport",
    "TransportError",
    "Uncertain",
    "dead_letters",
    "deliveries",
    "depth",
    "discard",
    "enqueue",
    "mail_server",
    "pump",
    "register_transport",
    "retry",
    "send_due",
    "tell_of",
    "trim",
]
