"""The FHIR R4 API: a server over the record for other systems, the clients that may use it, and what is found wrong
in what senders send."""

from __future__ import annotations

from .actions.manage_clients import (
    ClientRow,
    NewClient,
    add_client,
    add_token,
    change_keys,
    clients,
    revoke_client,
)
from .domain.errors import ClientError
from .finding_queries import FoundIn, KindRow, finding_kind, findings_of, found_in
from .permissions import MANAGE_CLIENTS, READ, SEE_CLIENTS, SEE_FINDINGS, WRITE
from .queues import FINDINGS

__all__ = [
    "FINDINGS",
    "MANAGE_CLIENTS",
    "READ",
    "SEE_CLIENTS",
    "SEE_FINDINGS",
    "WRITE",
    "ClientError",
    "ClientRow",
    "FoundIn",
    "KindRow",
    "NewClient",
    "add_client",
    "add_token",
    "change_keys",
    "clients",
    "finding_kind",
    "findings_of",
    "found_in",
    "revoke_client",
]
