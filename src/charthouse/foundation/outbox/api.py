"""Messages to other systems: enqueued in the transaction they tell of, sent in order per key until they arrive.

Delivery is at least once; a receiver knows a repeat by its message id.
"""

from __future__ import annotations

from .mending import DeadLetter, Delivery, Depth, MessageNotDead, dead_letters, deliveries, depth, discard, retry
from .sending import LEASE, PATIENCE, Patience, enqueue, pump, send_due, trim
from .transport import FolderTransport, Outgoing, Transport, TransportError, register_transport

__all__ = [
    "LEASE",
    "PATIENCE",
    "DeadLetter",
    "Delivery",
    "Depth",
    "FolderTransport",
    "MessageNotDead",
    "Outgoing",
    "Patience",
    "Transport",
    "TransportError",
    "dead_letters",
    "deliveries",
    "depth",
    "discard",
    "enqueue",
    "pump",
    "register_transport",
    "retry",
    "send_due",
    "trim",
]
