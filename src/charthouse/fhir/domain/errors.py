"""What is told to whoever sets clients up."""

from __future__ import annotations


class ClientError(Exception):
    """A client or token cannot be made or changed as asked; the sentence says why and what to do."""
