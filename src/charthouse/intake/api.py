"""Intake: messages from connectors, filed into the record; what could not be filed, and where items came from."""

from __future__ import annotations

from . import queues as queues
from .actions.retry_messages import retry_messages
from .actions.take_in import IntakeError, Taken, take_in
from .domain.arrival import Connector

__all__ = ["Connector", "IntakeError", "Taken", "retry_messages", "take_in"]
