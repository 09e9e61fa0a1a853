"""The ledger: who did or saw what, to whom, in which role, for which purpose, when, and how it ended.

Append with :func:`append` in the transaction of what was done, :func:`append_many` for a batch in one round trip,
:func:`append_read` for what was only seen. Read with :func:`entries`. The worker calls :func:`seal_once` every few
seconds; people call :func:`verify`. Many acts of one transaction write their entries :func:`together`.
"""

from __future__ import annotations

from .entries import JSON, Entry, Outcome, Subject
from .permissions import LEDGER_READ
from .queries import Filters, Line, Page, entries
from .report import Damage, DamageKind, Report, Resumption
from .sealing import LedgerDamaged, resume, seal_all, seal_once
from .verification import verify
from .writing import append, append_many, append_read, as_row, search_fingerprint, together

__all__ = [
    "JSON",
    "LEDGER_READ",
    "Damage",
    "DamageKind",
    "Entry",
    "Filters",
    "LedgerDamaged",
    "Line",
    "Outcome",
    "Page",
    "Report",
    "Resumption",
    "Subject",
    "append",
    "append_many",
    "append_read",
    "as_row",
    "entries",
    "resume",
    "seal_all",
    "seal_once",
    "search_fingerprint",
    "together",
    "verify",
]
