"""Whose account a login means: what counting failures, signing in and inviting all ask."""

from __future__ import annotations

from .domain.usernames import normal_login
from .models import User


def user_by_login(login: str) -> User | None:
    """The account of a user name or e-mail address as typed, disabled ones too. One query either way."""
    folded = normal_login(login)
    if not folded or "\0" in folded:
        return None
    field = "email__iexact" if "@" in folded else "username"
    return User.objects.filter(**{field: folded}).first()
