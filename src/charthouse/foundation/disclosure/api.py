"""Disclosures: every export, print, outbound read and programme's read, so that an accounting can be computed.

Everything is written, whatever its ground; which disclosures a patient's accounting lists is computed later from
``basis`` (45 CFR 164.528(a)(1)), never asked of staff when they print. Rows are written once.
"""

from __future__ import annotations

from .own_permission import needs_own_permission
from .permissions import DISCLOSURES_READ
from .reads import disclose_read
from .records import (
    Basis,
    DisclosureLine,
    How,
    Recipient,
    disclosures_naming,
    disclosures_of,
    disclosures_with,
    record_disclosure,
    record_disclosures,
)

__all__ = [
    "DISCLOSURES_READ",
    "Basis",
    "DisclosureLine",
    "How",
    "Recipient",
    "disclose_read",
    "disclosures_naming",
    "disclosures_of",
    "disclosures_with",
    "needs_own_permission",
    "record_disclosure",
    "record_disclosures",
]
