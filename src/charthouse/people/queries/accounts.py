"""Accounts, and what their people may do now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Purpose, Role, require, system_context
from charthouse.foundation.access.clearance import clearance_for
from charthouse.foundation.ledger import api as ledger
from charthouse.people.authenticators import Factors, factors_of
from charthouse.people.lockout import Lockout, lockouts
from charthouse.people.models import Facility, Invitation, Practitioner, RoleGrant, User
from charthouse.people.permissions import SEE_ACCOUNTS

from .practitioners import PractitionerEntry, practitioner


def session_name(request: HttpRequest) -> str:
    """What a request's session is called in the ledger: its row's id, never its key; "" without one."""
    row = getattr(request.session, "row", None)
    return str(row.id) if row is not None else ""


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
        practitioners=_practitioners(user),
    )


def _practitioners(user: User) -> frozenset[str]:
    """The references by which records name the practitioner an account is, whichever entry of theirs they mean."""
    if user.practitioner_id is None:
        return frozenset()
    joined = Practitioner.objects.filter(canonical__joined=user.practitioner_id)
    return frozenset(f"Practitioner/{public_id}" for public_id in joined.values_list("public_id", flat=True))


def with_account(references: Collection[str]) -> frozenset[str]:
    """Those of some references (``Practitioner/id``) that name somebody whose account here is in force."""
    ids = [each.removeprefix("Practitioner/") for each in references if each.startswith("Practitioner/")]
    if not ids:
        return frozenset()
    known = Practitioner.objects.filter(public_id__in=ids, canonical__joined__account__is_active=True)
    return frozenset(f"Practitioner/{public_id}" for public_id in known.values_list("public_id", flat=True))


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


class AccountState(StrEnum):
    """What an account's owner can do now; the first that fits counts."""

    DISABLED = "disabled"
    LOCKED_OUT = "locked-out"
    INVITED = "invited"
    NEVER_SIGNED_IN = "never-signed-in"
    ACTIVE = "active"


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
    state: AccountState = AccountState.ACTIVE


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts; all that are given must hold. ``text`` is part of a name, user name or address."""

    text: str = ""
    role: Role | None = None
    facility: int | None = None
    state: AccountState | None = None


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Accounts by user name; ``next`` is the user name to go on after, empty at the end."""

    lines: tuple[AccountLine, ...]
    total: int
    next: str


def accounts(ctx: AccessContext) -> list[AccountLine]:
    """Every account, by user name."""
    require(ctx, SEE_ACCOUNTS)
    return _account_lines(list(User.objects.order_by("username")))


def find_accounts(
    ctx: AccessContext, wanted: AccountFilter | None = None, after: str = "", limit: int = 50
) -> AccountPage:
    """A page of the accounts wanted. A role at no facility in particular is held at each."""
    require(ctx, SEE_ACCOUNTS)
    chosen = wanted or AccountFilter()
    rows = User.objects.order_by("username")
    if text := chosen.text.replace("\0", "").strip():
        rows = rows.filter(Q(username__icontains=text) | Q(display_name__icontains=text) | Q(email__icontains=text))
    if chosen.role is not None or chosen.facility is not None:
        grants = _in_force()
        if chosen.role is not None:
            grants = grants.filter(role=chosen.role)
        if chosen.facility is not None:
            grants = grants.filter(Q(facility=None) | Q(facility=chosen.facility))
        rows = rows.filter(pk__in=grants.values("user"))
    rows = _in_state(rows, chosen.state)
    found = list((rows.filter(username__gt=after) if after else rows)[: limit + 1])
    more = len(found) > limit
    shown = found[:limit]
    return AccountPage(tuple(_account_lines(shown)), rows.count(), shown[-1].username if more else "")


def _in_force() -> QuerySet[RoleGrant]:
    now = clock.wall()
    return RoleGrant.objects.filter(Q(valid_until=None) | Q(valid_until__gt=now), valid_from__lte=now)


def _locked_names() -> set[str]:
    return {each.username for each in lockouts()}


def _invited() -> QuerySet[Invitation]:
    return Invitation.objects.filter(used_at=None, voided_at=None)


def _in_state(rows: QuerySet[User], state: AccountState | None) -> QuerySet[User]:
    if state is None:
        return rows
    if state is AccountState.DISABLED:
        return rows.filter(is_active=False)
    rows = rows.filter(is_active=True)
    if state is AccountState.LOCKED_OUT:
        return rows.filter(username__in=_locked_names())
    rows = rows.exclude(username__in=_locked_names())
    if state is AccountState.INVITED:
        return rows.filter(pk__in=_invited().values("user"))
    rows = rows.exclude(pk__in=_invited().values("user"))
    return rows.filter(last_login__isnull=state is AccountState.NEVER_SIGNED_IN)


def _account_lines(users: Sequence[User]) -> list[AccountLine]:
    ids = [user.pk for user in users]
    held: dict[int, list[str]] = {}
    for grant in _in_force().filter(user__in=ids).select_related("facility"):
        place = f" at {grant.facility.code}" if grant.facility else ""
        held.setdefault(grant.user_id, []).append(f"{Role(grant.role).title}{place}")
    from allauth.mfa.models import Authenticator

    enrolled = set(
        Authenticator.objects.filter(type=Authenticator.Type.TOTP, user__in=ids).values_list("user_id", flat=True)
    )
    invited = set(_invited().filter(user__in=ids).values_list("user_id", flat=True))
    locked = _locked_names()
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
            _state(user, invited, locked),
        )
        for user in users
    ]


def _state(user: User, invited: Collection[int], locked: Collection[str]) -> AccountState:
    if not user.is_active:
        return AccountState.DISABLED
    if user.username in locked:
        return AccountState.LOCKED_OUT
    if user.pk in invited:
        return AccountState.INVITED
    return AccountState.ACTIVE if user.last_login else AccountState.NEVER_SIGNED_IN


@dataclass(frozen=True, slots=True)
class GrantLine:
    """A role somebody holds or held. ``facility`` is None where it holds everywhere."""

    role: Role
    facility: int | None
    place: str
    since: datetime
    until: datetime | None
    in_force: bool


@dataclass(frozen=True, slots=True)
class InvitationLine:
    """An invitation nobody has used yet."""

    made_at: datetime
    expires_at: datetime
    expired: bool


@dataclass(frozen=True, slots=True)
class Account:
    """One account in full, for those who look after accounts."""

    line: AccountLine
    actor: str
    since: datetime
    disabled_because: str
    grants: tuple[GrantLine, ...]
    factors: Factors
    must_enrol_totp: bool
    lockouts: tuple[Lockout, ...]
    invitation: InvitationLine | None
    practitioner: PractitionerEntry | None


def account(ctx: AccessContext, user_id: int) -> Account | None:
    """One account, or None where there is no such one. The caller logs the reading."""
    require(ctx, SEE_ACCOUNTS)
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        return None
    now = clock.wall()
    open_ = _invited().filter(user=user).first()
    return Account(
        line=_account_lines([user])[0],
        actor=user.actor,
        since=user.date_joined,
        disabled_because=user.disabled_because,
        grants=tuple(
            GrantLine(
                Role(grant.role),
                grant.facility_id,
                grant.facility.name if grant.facility else "",
                grant.valid_from,
                grant.valid_until,
                grant.valid_from <= now and (grant.valid_until is None or grant.valid_until > now),
            )
            for grant in RoleGrant.objects.filter(user=user)
            .select_related("facility")
            .order_by("-valid_from", "role", "facility__code")
        ),
        factors=factors_of(user),
        must_enrol_totp=user.must_enrol_totp,
        lockouts=tuple(lockouts(user.username)),
        invitation=InvitationLine(open_.made_at, open_.expires_at, open_.expires_at <= now) if open_ else None,
        practitioner=practitioner(ctx, user.practitioner_id) if user.practitioner_id is not None else None,
    )


class AccountHistory(StrEnum):
    """Which of the ledger's entries about one account."""

    SIGN_INS = "sign-ins"
    CHANGES = "changes"
    REFUSALS = "refusals"


def account_history(ctx: AccessContext, user_id: int, which: AccountHistory, cursor: str = "") -> ledger.Page:
    """The ledger's entries about an account, newest first: attempts to sign in with it, everything that happened to
    it, or what its owner was refused. What its owner did and saw stands in the ledger alone.

    Log-in monitoring (45 CFR 164.308(a)(5)(ii)(C)) is the work of those who look after accounts, so the right to
    see accounts is enough. Raises ValueError for a cursor that is none.
    """
    require(ctx, SEE_ACCOUNTS)
    if which is AccountHistory.REFUSALS:
        filters = ledger.Filters(actor=f"user:{user_id}", action="access.refused")
    else:
        filters = ledger.Filters(
            subject=ledger.Subject("user", str(user_id)),
            action="people.sign-in" if which is AccountHistory.SIGN_INS else "people",
        )
    return ledger.entries(system_context("people"), filters, cursor, 20)


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


def account_links(actors: Iterable[str], entries: Iterable[int]) -> dict[str, int]:
    """Which practitioner an account is, by the actor it acts as: of these accounts, and of all accounts that are
    one of these directory entries. Not sensitive."""
    numbers = [int(actor[5:]) for actor in actors if actor.startswith("user:") and actor[5:].isdecimal()]
    linked = User.objects.filter(Q(pk__in=numbers) | Q(practitioner__canonical__in=list(entries)))
    rows = linked.exclude(practitioner=None).select_related("practitioner")
    return {user.actor: user.practitioner.canonical_id for user in rows if user.practitioner is not None}


def mail_addresses(keys: Iterable[str]) -> dict[str, str]:
    """The e-mail addresses of those whom records name by ``Practitioner/id`` or ``user:7``: of an account in use
    that is this practitioner, under any entry of theirs. Those without one are absent. Not sensitive, but for
    sending only.
    """
    wanted = set(keys)
    public = {each: each.removeprefix("Practitioner/") for each in wanted if each.startswith("Practitioner/")}
    numbers = {each: int(each[5:]) for each in wanted if each.startswith("user:") and each[5:].isdecimal()}
    roots = dict(
        Practitioner.objects.filter(public_id__in=public.values()).values_list("public_id", "canonical_id")
    )
    users = User.objects.filter(
        Q(practitioner__canonical__in=roots.values()) | Q(pk__in=numbers.values()), is_active=True
    ).exclude(email="")
    by_root, by_number = {}, {}
    for root, number, email in users.values_list("practitioner__canonical_id", "pk", "email"):
        by_root[root] = by_number[number] = email
    found = {key: by_root.get(roots[id]) for key, id in public.items() if id in roots}
    found |= {key: by_number.get(number) for key, number in numbers.items()}
    return {key: email for key, email in found.items() if email}
