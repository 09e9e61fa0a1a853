"""Django's session engine over :class:`~charthouse.people.models.Session`.

The cookie holds a random key; the table holds its SHA-256. Signing in sets a session's end once (absolute expiry);
saving never moves it.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.db import IntegrityError, transaction

from charthouse.foundation import clock

from .models import Session

__all__ = ["SessionStore", "key_hash"]

#: How long a session nobody signed in to is kept: time enough to type a password and a code.
ANONYMOUS_LIFE = timedelta(hours=1)


def key_hash(key: str) -> bytes:
    """What the table knows a session key by."""
    return hashlib.sha256(key.encode("ascii", "replace")).digest()


class SessionStore(SessionBase):
    """A session; ``row`` is its table row as it was when loaded, None for one not yet stored."""

    row: Session | None = None

    def load(self) -> dict[str, Any]:
        key = self.session_key
        self.row = Session.objects.filter(key_hash=key_hash(key), ended_at=None).first() if key else None
        if self.row is not None and self.row.expires_at <= clock.wall():
            self._let_expire(self.row)
            self.row = None
        if self.row is None:
            self._session_key = None
            return {}
        return self.decode(self.row.data)

    @staticmethod
    def _let_expire(row: Session) -> None:
        from .actions.end_sessions import expire_session

        expire_session(row)

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(key_hash=key_hash(session_key)).exists()

    def create(self) -> None:
        while True:
            self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            self.create()
            return
        data = self.encode(self._get_session(no_load=must_create))  # type: ignore[attr-defined]
        if must_create:
            row = Session(key_hash=key_hash(self.session_key), data=data, expires_at=clock.wall() + ANONYMOUS_LIFE)
            try:
                with transaction.atomic():
                    row.save(force_insert=True)
            except IntegrityError:
                raise CreateError from None
            self.row = row
        elif not Session.objects.filter(key_hash=key_hash(self.session_key), ended_at=None).update(data=data):
            raise UpdateError

    def cycle_key(self) -> None:
        """Give the session a new key in place; whoever knew the old one has nothing."""
        data = self._session  # type: ignore[attr-defined]
        old, self._session_key = self.session_key, self._get_new_session_key()  # type: ignore[attr-defined]
        if old and Session.objects.filter(key_hash=key_hash(old), ended_at=None).update(
            key_hash=key_hash(self._session_key)
        ):
            self.modified = True
            return
        self.create()
        self._session_cache = data

    def delete(self, session_key: str | None = None) -> None:
        """Forget the session; one somebody signed in to keeps its row, without data, as ended."""
        key = session_key or self.session_key
        if key is None:
            return
        rows = Session.objects.filter(key_hash=key_hash(key), ended_at=None)
        rows.filter(user=None).delete()
        rows.update(ended_at=clock.wall(), ended_because="ended", data="")

    @classmethod
    def clear_expired(cls) -> None:
        from .actions.end_sessions import sweep_sessions

        sweep_sessions()
