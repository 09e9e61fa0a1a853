"""Invite somebody: an account without a password, and a code with which its owner sets one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.lockout import is_locked_out, login_hash, note_failure, one_at_a_time
from charthouse.people.logins import user_by_login
from charthouse.people.models import Invitation, User
from charthouse.people.permissions import MANAGE_ACCOUNTS
from charthouse.people.policy import sign_in_policy
from charthouse.people.queries import asker

from . import _ledger
from ._ledger import JSON, Outcome, user_subject
from .end_sessions import end_sessions_of
from .manage_accounts import AccountError, Grant, add_account, grant_role, new_password

__all__ = ["IssuedInvitation", "accept_invitation", "invite_again", "invite_person"]

_WRONG = (
    "The name or the code is not right, or the invitation has run out. "
    "Check both; your administrator can make a new one."
)


@dataclass(frozen=True, slots=True)
class IssuedInvitation:
    """An invitation just made. ``code`` is nowhere else: it is shown once, to be handed over."""

    account: int
    username: str
    display_name: str
    code: str
    expires_at: datetime


def invite_person(
    ctx: AccessContext, *, username: str, display_name: str, email: str = "", grants: Iterable[Grant]
) -> IssuedInvitation:
    """Add an account that nobody can sign in to until its owner has set a password by the invitation.

    Raises AccountError as :func:`add_account` does, and without any role.
    """
    require(ctx, MANAGE_ACCOUNTS)
    chosen = sorted(set(grants), key=str)
    if not chosen:
        raise AccountError("Choose at least one role; without one the person could open nothing.")
    with transaction.atomic():
        made = add_account(
            ctx,
            username=username,
            display_name=display_name,
            email=email,
            temporary=False,
            encoded=make_password(None),
        )
        for role, facility in chosen:
            grant_role(ctx, made.id, role, facility=facility)
        return _issue(ctx, User.objects.get(pk=made.id))


def invite_again(ctx: AccessContext, user_id: int) -> IssuedInvitation:
    """A new invitation for an account whose first one ran out or whose password is forgotten or known to others.

    The password stops at once and every session ends; an earlier invitation is void. Raises AccountError for a
    disabled account and for one's own.
    """
    require(ctx, MANAGE_ACCOUNTS)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is None:
            raise AccountError(f"There is no account {user_id}.")
        if not user.is_active:
            raise AccountError("The account is disabled; enable it first.")
        if ctx.actor == user.actor:
            raise AccountError("Change your own password on the page of your account.")
        user.set_unusable_password()
        user.must_change_password = False
        user.session_version += 1
        user.save(update_fields=["password", "must_change_password", "session_version"])
        end_sessions_of(user, "a new invitation was made")
        return _issue(ctx, user)


def _issue(ctx: AccessContext, user: User) -> IssuedInvitation:
    now, code = clock.wall(), new_password()
    Invitation.objects.filter(user=user, used_at=None, voided_at=None).update(voided_at=now)
    row = Invitation.objects.create(
        user=user,
        code_hash=_hash(code),
        made_at=now,
        made_by=ctx.actor,
        expires_at=now + sign_in_policy().invitation,
    )
    _ledger.append(
        ctx,
        "people.invite",
        subjects=[user_subject(user)],
        detail={"expires": row.expires_at.isoformat()},
    )
    return IssuedInvitation(user.pk, user.username, user.display_name, code, row.expires_at)


def _hash(code: str) -> bytes:
    """Of a code as typed: case, hyphens and blanks do not count."""
    plain = "".join(sign for sign in code.casefold() if sign.isalnum())
    return hashlib.sha256(plain.encode()).digest()


def accept_invitation(request: HttpRequest, login: str, code: str, password: str) -> list[str]:
    """Set the password of the invited account; returns what is wrong, in words, or nothing when it was set.

    A wrong name or code counts like a failed password and locks out like one. One answer for accounts there are and
    are not. A password against the rules leaves the invitation good.
    """
    now = clock.wall()
    with one_at_a_time(login):
        user = user_by_login(login)
        found = None
        locked = is_locked_out(request, user.username if user else login)
        if user is not None and user.is_active and not locked:
            found = (
                Invitation.objects.select_for_update()
                .filter(user=user, code_hash=_hash(code), used_at=None, voided_at=None, expires_at__gt=now)
                .first()
            )
        if user is None or found is None:
            _failed(request, user, login, locked=locked)
            return [_WRONG]
        try:
            validate_password(password, user)
        except ValidationError as error:
            return list(error.messages)
        user.set_password(password)
        user.must_change_password = False
        user.session_version += 1
        user.save(update_fields=["password", "must_change_password", "session_version"])
        end_sessions_of(user, "the password was set by invitation")
        Invitation.objects.filter(pk=found.pk).update(used_at=now)
        _ledger.append(asker(request, user), "people.accept-invitation", subjects=[user_subject(user)])
    return []


def _failed(request: HttpRequest, user: User | None, login: str, *, locked: bool) -> None:
    note_failure(request, user.username if user else login)
    detail: dict[str, JSON] = {"what": "invitation", "locked": locked}
    if user is None:
        detail["login"] = login_hash(login)
    subjects = [user_subject(user)] if user else []
    ctx = asker(request, user)
    _ledger.append(ctx, "people.accept-invitation", outcome=Outcome.FAILED, subjects=subjects, detail=detail)
    if not locked and getattr(request, "axes_locked_out", False):
        _ledger.append(ctx, "people.lockout", outcome=Outcome.REFUSED, subjects=subjects, detail=detail)
