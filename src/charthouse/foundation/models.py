"""The tables of all parts of the foundation, gathered where Django looks for them."""

from .disclosure.models import Disclosure, DisclosureItem
from .ledger.models import LedgerEntry, LedgerSeal, LedgerSubject

__all__ = ["Disclosure", "DisclosureItem", "LedgerEntry", "LedgerSeal", "LedgerSubject"]
