"""What a user name and an e-mail address may look like."""

from __future__ import annotations

import re

__all__ = ["USERNAME_PATTERN", "normal_login", "username_fault"]

#: Lower-case letters, digits, dot, hyphen, underscore; never "@", so that a name cannot pass for an address.
USERNAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{1,63}$"


def normal_login(text: str) -> str:
    """What was typed at sign-in, as user names and addresses are compared: trimmed and folded."""
    return text.strip().casefold()


def username_fault(username: str) -> str | None:
    """What is wrong with a new user name, in words; None where it is right."""
    if re.fullmatch(USERNAME_PATTERN, username):
        return None
    return (
        f"{username!r} cannot be a user name: take 2 to 64 lower-case letters, digits, dots, hyphens or "
        "underscores, beginning with a letter or digit."
    )
