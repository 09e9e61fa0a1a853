"""What the desk refuses, in words for a person."""

from __future__ import annotations


class CompletionError(Exception):
    """It cannot be done as asked; the message says why and what to do. Nothing was changed."""


class ChangedMeanwhile(CompletionError):
    """Somebody else changed the deficiency or the chart since it was shown."""
