"""Add, disable and change accounts."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection, transaction
from django.db.models import Q

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Role, require
from charthouse.foundation.ids import hash64
from charthouse.people.authenticators import remove_factors
from charthouse.people.domain.usernames import normal_login, username_fault
from charthouse.people.lockout import forget_failures
from charthouse.people.models import Facility, RoleGrant, User
from charthouse.people.permissions import MANAGE_ACCOUNTS
from charthouse.people.policy import sign_in_policy

from . import _ledger
from ._ledger import user_subject
from .end_sessions import end_sessions_of

__all__ = [
    "AccountError",
    "Grant",
    "NewAccount",
    "add_account",
    "change_roles",
    "disable_account",
    "enable_account",
    "end_role",
    "grant_role",
    "new_password",
    "reset_password",
    "reset_totp",
    "unlock_account",
]

#: A role and the facility it holds at, None for everywhere.
Grant = tuple[Role, int | None]


class AccountError(Exception):
    """An account cannot be made or changed as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account just made, with the password to hand over; it is nowhere else."""

    id: int
    username: str
    password: str


#: Read aloud without mistakes: no 0/o, 1/l/i.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_password() -> str:
    """A first password: four groups of five letters and digits, 99 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def add_account(
    ctx: AccessContext,
    *,
    username: str,
    display_name: str,
    email: str = "",
    roles: Iterable[Role] = (),
    facility: int | None = None,
    password: str | None = None,
    temporary: bool = True,
    require_totp: bool | None = None,
    encoded: str = "",
) -> NewAccount:
    """Add an account. Without ``password`` one is made; a ``temporary`` one has to be changed at the first sign-in.

    ``require_totp`` defaults to the site's policy. ``encoded`` is the hash of ``password`` where the caller has one
    already: making it is slow by design. Raises AccountError for a name or address that is wrong or taken, or a
    password against the rules.
    """
    require(ctx, MANAGE_ACCOUNTS)
    username, email = normal_login(username), email.strip()
    if fault := username_fault(username):
        raise AccountError(fault)
    if not display_name.strip():
        raise AccountError(f"The account {username} needs the person's name as others should read it.")
    user = User(username=username, display_name=display_name.strip(), email=email, must_change_password=temporary)
    user.must_enrol_totp = sign_in_policy().require_totp if require_totp is None else require_totp
    given = password or new_password()
    try:
        if email:
            validate_email(email)
        validate_password(given, user)
    except ValidationError as error:
        raise AccountError(f"{username}: {' '.join(error.messages)}") from None
    with transaction.atomic():
        if User.objects.filter(Q(username=username) | (Q(email__iexact=email) & ~Q(email=""))).exists():
            raise AccountError(
                f"There is an account with the name {username} or that address already; choose another."
            )
        if encoded:
            user.password = encoded
        else:
            user.set_password(given)
        user.save(force_insert=True)
        _ledger.append(
            ctx,
            "people.add-account",
            subjects=[user_subject(user)],
            detail={"must_enrol_totp": user.must_enrol_totp},
        )
        for role in roles:
            grant_role(ctx, user.pk, role, facility=facility)
    return NewAccount(user.pk, username, given)


def _at(facility: int | None) -> Q:
    return Q(facility=None) if facility is None else Q(facility=facility)


def _account(user_id: int) -> User:
    found = User.objects.select_for_update().filter(pk=user_id).first()
    if found is None:
        raise AccountError(f"There is no account {user_id}.")
    return found


def disable_account(ctx: AccessContext, user_id: int, because: str) -> None:
    """Let nobody sign in with the account any more and end its sessions. Its past in the ledger stays."""
    require(ctx, MANAGE_ACCOUNTS)
    if not because.strip():
        raise AccountError("Say why the account is disabled, so that whoever enables it later knows.")
    with transaction.atomic():
        _lock_administrators()
        user = _account(user_id)
        if not user.is_active:
            return
        if ctx.actor == user.actor:
            raise AccountError("Nobody disables their own account; ask another administrator.")
        _keep_an_administrator(user)
        user.is_active, user.disabled_at, user.disabled_because = False, clock.wall(), because.strip()
        user.session_version += 1
        user.save(update_fields=["is_active", "disabled_at", "disabled_because", "session_version"])
        ended = end_sessions_of(user, "the account was disabled")
        _ledger.append(ctx, "people.disable-account", subjects=[user_subject(user)], detail={"ended": ended})


def enable_account(ctx: AccessContext, user_id: int) -> None:
    """Let a disabled account sign in again, with the roles it still has."""
    require(ctx, MANAGE_ACCOUNTS)
    with transaction.atomic():
        user = _account(user_id)
        if user.is_active:
            return
        user.is_active, user.disabled_at, user.disabled_because = True, None, ""
        user.save(update_fields=["is_active", "disabled_at", "disabled_because"])
        _ledger.append(ctx, "people.enable-account", subjects=[user_subject(user)])


def grant_role(
    ctx: AccessContext,
    user_id: int,
    role: Role,
    *,
    facility: int | None = None,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> None:
    """Give a role, at one facility or everywhere, from now or then, for good or a time. Held already: nothing."""
    require(ctx, MANAGE_ACCOUNTS)
    start = valid_from or clock.wall()
    if valid_until is not None and valid_until <= start:
        raise AccountError("A role has to end after it begins.")
    with transaction.atomic():
        user = _account(user_id)
        if facility is not None:
            # Held, so that it is not closed meanwhile.
            place = Facility.objects.select_for_update().filter(pk=facility).first()
            if place is None:
                raise AccountError(f"There is no facility {facility}.")
            if place.closed_at is not None:
                raise AccountError(f"{place.name} is closed: no role is given at it. Choose another facility.")
        held = RoleGrant.objects.filter(_at(facility), user=user, role=role)
        if held.filter(Q(valid_until=None) | Q(valid_until__gt=start), valid_from__lte=start).exists():
            return
        RoleGrant.objects.create(
            user=user,
            role=role,
            facility_id=facility,
            valid_from=start,
            valid_until=valid_until,
            granted_by=ctx.actor,
        )
        _ledger.append(
            ctx,
            "people.grant-role",
            subjects=[user_subject(user)],
            detail={
                "role": role.value,
                "facility": facility,
                "from": start.isoformat(),
                "until": valid_until.isoformat() if valid_until else None,
            },
        )


def end_role(ctx: AccessContext, user_id: int, role: Role, *, facility: int | None = None) -> bool:
    """End a role now; it stops counting with the next request. False where it was not held."""
    require(ctx, MANAGE_ACCOUNTS)
    now = clock.wall()
    with transaction.atomic():
        if role is Role.ADMINISTRATOR:
            _lock_administrators()
            _keep_an_administrator(_account(user_id))
        user = _account(user_id)
        ended = (
            RoleGrant.objects.filter(_at(facility), user=user, role=role)
            .filter(Q(valid_until=None) | Q(valid_until__gt=now))
            .update(valid_until=now, ended_by=ctx.actor)
        )
        if ended:
            _ledger.append(
                ctx,
                "people.end-role",
                subjects=[user_subject(user)],
                detail={"role": role.value, "facility": facility},
            )
    return bool(ended)


def change_roles(ctx: AccessContext, user_id: int, wanted: Iterable[Grant], reason: str) -> bool:
    """Let an account hold exactly these roles from now on; False where it holds them already.

    Grants that are wanted and in force stay as they are, with their end. What changes counts with the next request
    of every open session. Raises AccountError without a reason, for a facility there is not, without any role, and
    where nobody would be left to administer.
    """
    require(ctx, MANAGE_ACCOUNTS)
    if not reason.strip():
        raise AccountError("A change of roles needs a reason, so that others can judge it later.")
    chosen = set(wanted)
    if not chosen:
        raise AccountError("An account needs a role. Disable it where nobody is to work with it.")
    now = clock.wall()
    with transaction.atomic():
        _lock_administrators()
        user = _account(user_id)
        held = {
            (Role(role), facility)
            for role, facility in RoleGrant.objects.filter(
                Q(valid_until=None) | Q(valid_until__gt=now), user=user, valid_from__lte=now
            ).values_list("role", "facility")
        }
        if held == chosen:
            return False
        if _administers(held) and not _administers(chosen):
            _keep_an_administrator(user)
        for role, facility in sorted(chosen - held, key=str):
            grant_role(ctx, user_id, role, facility=facility, valid_from=now)
        leaving = sorted(held - chosen, key=str)
        for role, facility in leaving:
            RoleGrant.objects.filter(_at(facility), user=user, role=role, valid_from__lte=now).filter(
                Q(valid_until=None) | Q(valid_until__gt=now)
            ).update(valid_until=now, ended_by=ctx.actor)
        _ledger.append(
            ctx,
            "people.change-roles",
            subjects=[user_subject(user)],
            detail={
                "given": [_grant_name(grant) for grant in sorted(chosen - held, key=str)],
                "ended": [_grant_name(grant) for grant in leaving],
                "reason": reason.strip(),
            },
        )
    return True


def _administers(grants: Iterable[Grant]) -> bool:
    return any(role is Role.ADMINISTRATOR for role, _ in grants)


def _grant_name(grant: Grant) -> str:
    role, facility = grant
    return role.value if facility is None else f"{role.value} at facility {facility}"


def unlock_account(ctx: AccessContext, user_id: int) -> bool:
    """Forget an account's failed attempts, so that its owner may try again at once; False where there were none."""
    require(ctx, MANAGE_ACCOUNTS)
    with transaction.atomic():
        user = _account(user_id)
        forgotten = forget_failures(user.username)
        if forgotten:
            _ledger.append(
                ctx, "people.unlock-account", subjects=[user_subject(user)], detail={"addresses": forgotten}
            )
    return bool(forgotten)


def reset_totp(ctx: AccessContext, user_id: int) -> None:
    """Take a lost authenticator and its recovery codes away, end the sessions, and ask for a new one at sign-in."""
    require(ctx, MANAGE_ACCOUNTS)
    with transaction.atomic():
        user = _account(user_id)
        removed = remove_factors(user)
        user.must_enrol_totp = True
        user.session_version += 1
        user.save(update_fields=["must_enrol_totp", "session_version"])
        ended = end_sessions_of(user, "the authenticator was reset")
        _ledger.append(
            ctx, "people.reset-totp", subjects=[user_subject(user)], detail={"removed": removed, "ended": ended}
        )


def reset_password(ctx: AccessContext, user_id: int) -> str:
    """Set a first password anew, to be changed at the next sign-in; returns it. Ends the sessions."""
    require(ctx, MANAGE_ACCOUNTS)
    password = new_password()
    with transaction.atomic():
        user = _account(user_id)
        user.set_password(password)
        user.must_change_password = True
        user.session_version += 1
        user.save(update_fields=["password", "must_change_password", "session_version"])
        ended = end_sessions_of(user, "the password was reset")
        _ledger.append(ctx, "people.reset-password", subjects=[user_subject(user)], detail={"ended": ended})
    return password


def _keep_an_administrator(leaving: User) -> None:
    """Refuse to leave the site without anybody who can mend an account."""
    now = clock.wall()
    held = RoleGrant.objects.filter(
        Q(valid_until=None) | Q(valid_until__gt=now),
        role=Role.ADMINISTRATOR,
        valid_from__lte=now,
        user__is_active=True,
    )
    # Who was invited and has set no password yet cannot sign in, and so mends nothing.
    others = held.exclude(user=leaving).exclude(user__password__startswith=UNUSABLE_PASSWORD_PREFIX)
    if held.filter(user=leaving).exists() and not others.exists():
        raise AccountError(
            f"{leaving.username} is the only administrator who can sign in; make another one first, "
            "so that accounts can be mended."
        )


def _lock_administrators() -> None:
    """Let administrators leave one after another, so that two leaving at once do not both see the other stay."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [hash64("people.administrators")])
