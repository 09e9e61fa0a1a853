"""Intake: messages from connectors, filed into the record; what could not be filed, and where items came from."""

from __future__ import annotations

from charthouse.intake.actions.manage_senders import (
    TokenRow,
    add_sender_token,
    revoke_sender_token,
    sender_of_token,
    sender_tokens,
)
from charthouse.intake.actions.mend_unfiled import correct_message, correct_sender, refuse_message, retry_message

from .actions.decide_overlay import decide_overlay
from .actions.retry_messages import retry_messages
from .actions.take_in import Taken, take_in
from .actions.write_resources import Write, WriteRefused, Written, write_resources
from .domain.arrival import Connector
from .domain.errors import IntakeError
from .domain.naming import IN_RECORD, OWN_DESK, RECORD_ID, resource_id
from .faults import passes, renew_connection
from .permissions import MEND_UNFILED, READ_ORIGINAL, READ_UNFILED, SEND
from .provenance import Provenance
from .queries import ENTERED_BY, control_ids, entered_by
from .queues import UNFILED
from .screen_queries import (
    connectors,
    filing_runs,
    message_state,
    provenance,
    unfiled,
    unfiled_count,
    unfiled_message,
)
from .unfiled import ConnectorHealth, UnfiledFilter, UnfiledMessage, UnfiledPage, UnfiledState

__all__ = [
    "ENTERED_BY",
    "IN_RECORD",
    "MEND_UNFILED",
    "OWN_DESK",
    "READ_ORIGINAL",
    "READ_UNFILED",
    "RECORD_ID",
    "SEND",
    "UNFILED",
    "Connector",
    "ConnectorHealth",
    "IntakeError",
    "Provenance",
    "Taken",
    "TokenRow",
    "UnfiledFilter",
    "UnfiledMessage",
    "UnfiledPage",
    "UnfiledState",
    "Write",
    "WriteRefused",
    "Written",
    "add_sender_token",
    "connectors",
    "control_ids",
    "correct_message",
    "correct_sender",
    "decide_overlay",
    "entered_by",
    "filing_runs",
    "message_state",
    "passes",
    "provenance",
    "refuse_message",
    "renew_connection",
    "resource_id",
    "retry_message",
    "retry_messages",
    "revoke_sender_token",
    "sender_of_token",
    "sender_tokens",
    "take_in",
    "unfiled",
    "unfiled_count",
    "unfiled_message",
    "write_resources",
]
