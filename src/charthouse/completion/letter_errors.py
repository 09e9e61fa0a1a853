"""What letters and the suspension list refuse, in words for a person."""

from __future__ import annotations

from .errors import CompletionError


class LetterError(CompletionError):
    """It cannot be done as asked; the message says why and what to do. Nothing was changed."""
