"""The second tier of validation, as upper layers use it."""

from __future__ import annotations

from .checking import check
from .profiles import Library, Profile, ProfileError, read_profile
from .values import MOST_FINDINGS, Checked, Finding

__all__ = ["MOST_FINDINGS", "Checked", "Finding", "Library", "Profile", "ProfileError", "check", "read_profile"]
