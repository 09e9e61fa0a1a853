"""Lock a session left alone, unlock it, and keep what was being written meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest

from charthouse.foundation import clock
from charthouse.people.authenticators import Factor, use_code
from charthouse.people.lockout import is_locked_out, note_failure, one_at_a_time
from charthouse.people.models import Session, User
from charthouse.people.queries import asker

from . import _ledger
from ._ledger import Outcome, user_subject

__all__ = [
    "Parked",
    "holds_sent_form",
    "keep_form",
    "lock_session",
    "note_activity",
    "take_kept_form",
    "unlock_session",
]

#: How far apart activity is noted; the idle time is exact to this.
NOTE_EVERY = timedelta(seconds=20)
#: The largest unfinished form that is kept over a lock, in characters of its fields.
LARGEST_KEPT = 500_000
_KEPT_KEY = "kept-form"
_CODE = re.compile(r"^[\d\s-]{6,12}$")


@dataclass(frozen=True, slots=True)
class Parked:
    """A form that was being filled in (``sent`` false) or sent (``sent`` true) when the session locked.

    It lies in the session's row, never in the browser, and is gone with the session. Files are not kept; ``files``
    is how many were sent along and have to be chosen again.
    """

    page: str
    target: str
    sent: bool
    fields: tuple[tuple[str, str], ...]
    files: int = 0


def note_activity(request: HttpRequest) -> None:
    """Remember that the person is there. Writes at most every NOTE_EVERY."""
    row: Session | None = getattr(request.session, "row", None)
    now = clock.wall()
    if row is not None and now - row.last_seen_at >= NOTE_EVERY:
        Session.objects.filter(pk=row.pk, ended_at=None, locked_at=None).update(last_seen_at=now)
        row.last_seen_at = now


def lock_session(request: HttpRequest, because: str) -> None:
    """Lock the request's session; ``because`` is ``idle`` or ``asked``. A locked one stays as it is."""
    row: Session | None = getattr(request.session, "row", None)
    if row is None or not isinstance(request.user, User):
        return
    with transaction.atomic():
        if Session.objects.filter(pk=row.pk, ended_at=None, locked_at=None).update(locked_at=clock.wall()):
            _ledger.append(
                asker(request, request.user),
                "people.lock",
                subjects=[user_subject(request.user)],
                detail={"because": because},
            )


def unlock_session(request: HttpRequest, secret: str) -> bool:
    """Unlock by the password or a code of the authenticator; False where the secret is not right.

    Failures count with those of signing in; when they lock the account out, the session ends.
    """
    user = request.user
    row: Session | None = getattr(request.session, "row", None)
    if row is None or not isinstance(user, User):
        return False
    with one_at_a_time(user.username):
        allowed = not is_locked_out(request, user.username)
        how = proof(user, secret) if allowed else None
        ctx = asker(request, user)
        if how is None:
            locked_out = note_failure(request, user.username) or not allowed
            _ledger.append(
                ctx,
                "people.unlock",
                outcome=Outcome.FAILED,
                subjects=[user_subject(user)],
                detail={"locked_out": locked_out},
            )
            if locked_out:
                Session.objects.filter(pk=row.pk, ended_at=None).update(
                    ended_at=clock.wall(), ended_because="too many attempts to unlock", data=""
                )
            return False
        Session.objects.filter(pk=row.pk, ended_at=None).update(locked_at=None, last_seen_at=clock.wall())
        _ledger.append(ctx, "people.unlock", subjects=[user_subject(user)], detail={"by": how})
    return True


def proof(user: User, secret: str) -> str | None:
    """How a secret proves who somebody is, by a code or the password; None where it does not."""
    if _CODE.match(secret) and (factor := use_code(user, secret)) is not None:
        return factor.value if factor is Factor.TOTP else Factor.RECOVERY_CODE.value
    return "password" if user.check_password(secret) else None


def keep_form(
    request: HttpRequest,
    *,
    page: str,
    target: str,
    sent: bool,
    fields: Iterable[tuple[str, str]],
    files: int = 0,
) -> bool:
    """Keep an unfinished form in the session until it is unlocked; False where it is too large to keep."""
    kept = [(name, value) for name, value in fields if name not in _NEVER_KEPT]
    if sum(len(name) + len(value) for name, value in kept) > LARGEST_KEPT:
        return False
    request.session[_KEPT_KEY] = asdict(Parked(page, target, sent, tuple(kept), files))
    return True


_NEVER_KEPT = frozenset({"csrfmiddlewaretoken", "password", "current_password", "new_password", "secret", "code"})


def holds_sent_form(request: HttpRequest) -> bool:
    """Whether a form that was being sent is kept."""
    kept = request.session.get(_KEPT_KEY)
    return bool(kept and kept["sent"])


def take_kept_form(request: HttpRequest) -> Parked | None:
    """The kept form, which is then forgotten; None where there is none."""
    kept = request.session.pop(_KEPT_KEY, None)
    if kept is None:
        return None
    fields = tuple((name, value) for name, value in kept["fields"])
    return Parked(kept["page"], kept["target"], kept["sent"], fields, kept.get("files", 0))
