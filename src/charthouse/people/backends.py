"""Who the given user name (or e-mail address) and password belong to."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from .logins import user_by_login
from .models import User

__all__ = ["StaffBackend"]


class StaffBackend(BaseBackend):
    """Checks one password with one hash, whether or not there is such an account, so that time tells nothing."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_others: Any,
    ) -> User | None:
        if not username or password is None:
            return None
        user = user_by_login(username)
        if user is None or not user.has_usable_password():
            make_password(password)
            return None
        return user if user.check_password(password) and user.is_active else None

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()
