"""What keeps an act on a document from being done, in words."""

from __future__ import annotations


class DocumentError(Exception):
    """It cannot be done; the message says why and what to do. Nothing was changed."""


class NotConfirmed(DocumentError):
    """Who signs has to prove again who they are."""


class ChangedSince(DocumentError):
    """The document was changed since it was opened: both texts, and what the act may be sent again with."""

    def __init__(self, opened: str, now: str, seen: str) -> None:
        super().__init__("This document was changed since you opened it. Look at both, and send it again.")
        self.opened, self.now, self.seen = opened, now, seen
