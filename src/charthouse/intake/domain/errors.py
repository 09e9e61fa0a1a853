"""What goes wrong with an input as a whole."""

from __future__ import annotations


class IntakeError(Exception):
    """Something asked of intake cannot be done; nothing of it was kept. The message says why and what to do."""
