"""Accounts, and what their people may do now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.http import HttpRequest

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Purpose, Role, require
from charthouse.foundation.access.clearance import clearance_for
from charthouse.people.domain.usernames import normal_login
from charthouse.people.models import Facility, RoleGrant, User
from charthouse.people.permissions import SEE_ACCOUNTS


def session_name(request: HttpRequest) -> str:
    """What a request's session is called in the ledger: its row's id, never its key; "" without one."""
    row = getattr(request.session, "row", None)
    return str(row.id) if row is not None else ""


def user_by_login(login: str) -> User | None:
    """The account of a user name or e-mail address as typed, disabled ones too. One query either way."""
    folded = normal_login(login)
    if not folded or "\0" in folded:
        return None
    field = "email__iexact" if "@" in folded else "username"
    return User.objects.filter(**{field: folded}).first()


def grants_in_force(user: User, at: datetime | None = None) -> list[RoleGrant]:
    """The role grants in force at an instant (default: now, wall clock), by role."""
    instant = at or clock.wall()
    return list(
        RoleGrant.objects.filter(
            Q(valid_until=None) | Q(valid_until__gt=instant), user=user, valid_from__lte=instant
        )
        .select_related("facility")
        .order_by("role", "facility__code")
    )


def context_for(
    user: User,
    *,
    session: str = "",
    remote: str = "",
    purpose: Purpose = Purpose.OPERATIONS,
    facility: int | None = None,
) -> AccessContext:
    """What a member of staff may do now.

    ``facilities`` lists every facility a role in force reaches; a grant without facility reaches all there are.
    With ``facility`` only the roles in force at that facility count. A disabled account has no roles.
    """
    grants = grants_in_force(user) if user.is_active else []
    if facility is not None:
        grants = [grant for grant in grants if grant.facility_id in (None, facility)]
    roles = frozenset(Role(grant.role) for grant in grants)
    if any(grant.facility_id is None for grant in grants):
        reached = frozenset(Facility.objects.values_list("id", flat=True))
    else:
        reached = frozenset(grant.facility_id for grant in grants if grant.facility_id is not None)
    return AccessContext(
        actor=user.actor,
        name=str(user),
        roles=roles,
        purpose=purpose,
        clearance=clearance_for(roles),
        session=session,
        remote=remote,
        facilities=reached if facility is None else reached & {facility},
    )


def context_for_request(request: HttpRequest, purpose: Purpose = Purpose.OPERATIONS) -> AccessContext:
    """The context of a request's signed-in user; the caller has found the session open."""
    if not isinstance(request.user, User):
        raise TypeError("The request has no signed-in user.")
    return context_for(
        request.user,
        session=session_name(request),
        remote=str(request.META.get("REMOTE_ADDR", "")),
        purpose=purpose,
    )


def asker(request: HttpRequest, user: User | None = None) -> AccessContext:
    """Who is at the door: the account meant (default: the one signed in) without any role, or nobody known."""
    known = user or (request.user if isinstance(request.user, User) else None)
    return AccessContext(
        actor=known.actor if known else "anonymous",
        name=str(known) if known else "",
        roles=frozenset(),
        session=session_name(request),
        remote=str(request.META.get("REMOTE_ADDR", "")),
    )


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account in a list, with its roles in words."""

    id: int
    username: str
    display_name: str
    email: str
    roles: tuple[str, ...]
    disabled_at: datetime | None
    last_login: datetime | None
    has_totp: bool


def accounts(ctx: AccessContext) -> list[AccountLine]:
    """Every account, by user name."""
    require(ctx, SEE_ACCOUNTS)
    now = clock.wall()
    held: dict[int, list[str]] = {}
    for grant in RoleGrant.objects.filter(
        Q(valid_until=None) | Q(valid_until__gt=now), valid_from__lte=now
    ).select_related("facility"):
        place = f" at {grant.facility.code}" if grant.facility else ""
        held.setdefault(grant.user_id, []).append(f"{Role(grant.role).title}{place}")
    from allauth.mfa.models import Authenticator

    enrolled = set(Authenticator.objects.filter(type=Authenticator.Type.TOTP).values_list("user_id", flat=True))
    return [
        AccountLine(
            user.pk,
            user.username,
            user.display_name,
            user.email,
            tuple(sorted(held.get(user.pk, ()))),
            user.disabled_at,
            user.last_login,
            user.pk in enrolled,
        )
        for user in User.objects.order_by("username")
    ]


@dataclass(frozen=True, slots=True)
class Colleague:
    """A member of staff as others at the same desk know them."""

    actor: str
    name: str


def colleagues(roles: Iterable[Role]) -> list[Colleague]:
    """Who holds one of the roles now, by name. Not sensitive: work is given to them by name."""
    now = clock.wall()
    found = User.objects.filter(
        Q(role_grants__valid_until=None) | Q(role_grants__valid_until__gt=now),
        role_grants__role__in=[role.value for role in roles],
        role_grants__valid_from__lte=now,
        is_active=True,
    ).distinct()
    return sorted((Colleague(user.actor, str(user)) for user in found), key=lambda each: each.name.casefold())


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """What the accounts behind actors are called; an actor that is no account is left out."""
    numbers = {int(actor[5:]) for actor in actors if actor.startswith("user:") and actor[5:].isdecimal()}
    return {user.actor: str(user) for user in User.objects.filter(pk__in=numbers)} if numbers else {}
