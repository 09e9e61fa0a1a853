"""Intake: messages from connectors, filed into the record; what could not be filed, and where items came from."""

from __future__ import annotations

from . import queues as queues
from .actions.mend_unfiled import correct_message, correct_sender, refuse_message, retry_message
from .actions.retry_messages import retry_messages
from .actions.take_in import Taken, take_in
from .domain.arrival import Connector
from .domain.errors import IntakeError
from .permissions import MEND_UNFILED, READ_ORIGINAL, READ_UNFILED, SEND
from .provenance import Provenance
from .screen_queries import connectors, provenance, unfiled, unfiled_count, unfiled_message
from .unfiled import ConnectorHealth, UnfiledFilter, UnfiledMessage, UnfiledPage, UnfiledState

__all__ = [
    "MEND_UNFILED",
    "READ_ORIGINAL",
    "READ_UNFILED",
    "SEND",
    "Connector",
    "ConnectorHealth",
    "IntakeError",
    "Provenance",
    "Taken",
    "UnfiledFilter",
    "UnfiledMessage",
    "UnfiledPage",
    "UnfiledState",
    "connectors",
    "correct_sender",
    "correct_message",
    "provenance",
    "refuse_message",
    "retry_messages",
    "retry_message",
    "take_in",
    "unfiled",
    "unfiled_count",
    "unfiled_message",
]
