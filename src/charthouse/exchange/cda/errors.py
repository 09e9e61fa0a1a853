"""The one error of this codec."""

from __future__ import annotations


class CdaError(ValueError):
    """A document that cannot be read as a whole. The message names what is wrong and what to do, and never holds a
    value of the document, so that it is fit for a log."""
