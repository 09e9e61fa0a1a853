"""What views use: the two declarations one of which every view carries, and the frame for documents."""

from __future__ import annotations

from .headers import framed
from .screens import SignedInRequest, public, screen

__all__ = ["SignedInRequest", "framed", "public", "screen"]
