"""Reads of accounts, sessions, places and the practitioner directory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from axes.models import AccessFailureLog
from django.db import connection
from django.db.models import Q
from django.http import HttpRequest

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Purpose, Role, require

from .clearance import clearance_for
from .domain.devices import device_name
from .domain.names import search_words, shown_name
from .domain.sessions import Obligation, SessionState, SessionTimes, session_state
from .domain.usernames import normal_login
from .models import Facility, MrnAssigner, Organization, Practitioner, RoleGrant, Session, User
from .permissions import SEE_ACCOUNTS, SEE_DIRECTORY
from .policy import sign_in_policy

OBLIGATIONS_KEY = "obligations"


# Accounts and access


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

    ``facilities`` lists every facility a role in force reaches; a grant without facility reaches all there are. With
    ``facility`` only the roles in force at that facility count. A disabled account has no roles.
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


# Sessions


def session_name(request: HttpRequest) -> str:
    """What a request's session is called in the ledger: its row's id, never its key; "" without one."""
    row = getattr(request.session, "row", None)
    return str(row.id) if row is not None else ""


def state_of(request: HttpRequest) -> SessionState:
    """Whether the request's session is signed out, open or locked, by the wall clock."""
    if not request.user.is_authenticated:
        return SessionState.SIGNED_OUT
    row: Session | None = getattr(request.session, "row", None)
    if row is None or row.user_id != request.user.pk:
        return SessionState.SIGNED_OUT
    times = SessionTimes(row.last_seen_at, row.expires_at, row.locked_at, row.ended_at)
    return session_state(times, clock.wall(), sign_in_policy().idle)


def time_left(request: HttpRequest) -> int:
    """Whole seconds until the request's session locks or ends; 0 where it is not open."""
    row: Session | None = getattr(request.session, "row", None)
    if row is None or state_of(request) is not SessionState.OPEN:
        return 0
    now, idle = clock.wall(), sign_in_policy().idle
    left = row.expires_at - now
    return int((min(left, row.last_seen_at + idle - now) if idle else left).total_seconds())


def obligation_of(request: HttpRequest) -> Obligation | None:
    """What the signed-in person has to do first, if anything."""
    pending = request.session.get(OBLIGATIONS_KEY) or []
    return Obligation(pending[0]) if pending else None


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One session on the account page."""

    id: UUID
    device: str
    remote: str
    started_at: datetime
    last_seen_at: datetime
    second_factor: str
    locked: bool
    current: bool
    ended_at: datetime | None
    ended_because: str


def own_sessions(ctx: AccessContext, *, ended: bool = False, limit: int = 50) -> list[SessionLine]:
    """The asker's own sessions, newest first: those still on, or (``ended``) the last that are over."""
    now = clock.wall()
    rows = Session.objects.filter(user_id=_user_id(ctx))
    rows = (
        rows.filter(Q(ended_at__isnull=False) | Q(expires_at__lte=now))
        if ended
        else rows.filter(ended_at=None, expires_at__gt=now)
    )
    idle = sign_in_policy().idle
    return [
        SessionLine(
            id=row.id,
            device=row.device,
            remote=row.remote,
            started_at=row.started_at,
            last_seen_at=row.last_seen_at,
            second_factor=row.second_factor,
            locked=session_state(SessionTimes(row.last_seen_at, row.expires_at, row.locked_at), now, idle)
            is SessionState.LOCKED,
            current=str(row.id) == ctx.session,
            ended_at=row.ended_at or (row.expires_at if ended else None),
            ended_because=row.ended_because or ("expired" if ended else ""),
        )
        for row in rows.order_by("-started_at")[:limit]
    ]


@dataclass(frozen=True, slots=True)
class FailureLine:
    """One failed attempt with the asker's name."""

    at: datetime
    device: str
    remote: str
    locked_out: bool


def own_failures(ctx: AccessContext, limit: int = 20) -> list[FailureLine]:
    """The last failed passwords and codes for the asker's account, newest first."""
    username = User.objects.values_list("username", flat=True).get(pk=_user_id(ctx))
    return [
        FailureLine(row.attempt_time, device_name(row.user_agent), row.ip_address or "", row.locked_out)
        for row in AccessFailureLog.objects.filter(username=username).order_by("-attempt_time")[:limit]
    ]


def _user_id(ctx: AccessContext) -> int:
    return int(ctx.actor.removeprefix("user:"))


# Places


def organization_name() -> str:
    """The organization's name; "Charthouse" before the first set-up."""
    found = Organization.objects.values_list("name", flat=True).first()
    return found or "Charthouse"


@dataclass(frozen=True, slots=True)
class FacilityLine:
    """A facility as other apps see it."""

    id: int
    code: str
    name: str
    kind: str
    time_zone: str
    address: str
    phone: str
    npi: str
    ccn: str
    closed_at: datetime | None


def _facility_line(row: Facility) -> FacilityLine:
    return FacilityLine(
        row.pk, row.code, row.name, row.kind, row.time_zone, row.address, row.phone, row.npi, row.ccn, row.closed_at
    )


def facilities() -> list[FacilityLine]:
    """Every facility, by code. Not sensitive: intake and every clock need their time zones."""
    return [_facility_line(row) for row in Facility.objects.order_by("code")]


def facility_by_code(code: str) -> FacilityLine | None:
    row = Facility.objects.filter(code=code).first()
    return _facility_line(row) if row else None


@dataclass(frozen=True, slots=True)
class MrnAssignerLine:
    """An MRN assigner as other apps see it."""

    id: int
    system: str
    facility: int | None
    prefix: str
    width: int
    check_digit: str


def mrn_assigners() -> list[MrnAssignerLine]:
    """Every MRN assigner, by identifier system."""
    return [
        MrnAssignerLine(row.pk, row.system, row.facility_id, row.prefix, row.width, row.check_digit)
        for row in MrnAssigner.objects.order_by("system")
    ]


# Practitioners


@dataclass(frozen=True, slots=True)
class PractitionerEntry:
    """A practitioner, joined over all entries that were merged into one.

    ``id`` is the canonical entry's; ``public_ids`` are the FHIR ids of every joined entry, the canonical one first.
    """

    id: int
    public_ids: tuple[str, ...]
    family: str
    given: str
    prefix: str
    suffix: str
    credentials: str
    npi: str | None
    identifiers: tuple[tuple[str, str], ...]

    @property
    def shown(self) -> str:
        return shown_name(
            family=self.family,
            given=self.given,
            prefix=self.prefix,
            suffix=self.suffix,
            credentials=self.credentials,
        )


def practitioner(ctx: AccessContext, practitioner_id: int) -> PractitionerEntry | None:
    """The practitioner an entry's id stands for, following merges; None where there is no such entry."""
    require(ctx, SEE_DIRECTORY)
    root = Practitioner.objects.filter(pk=practitioner_id).values_list("canonical_id", flat=True).first()
    return _entries([root])[0] if root is not None else None


def practitioners_by_public_id(ctx: AccessContext, public_ids: Iterable[str]) -> dict[str, PractitionerEntry]:
    """Entries by the FHIR ids asked for; unknown ids are absent."""
    require(ctx, SEE_DIRECTORY)
    roots = dict(
        Practitioner.objects.filter(public_id__in=list(public_ids)).values_list("public_id", "canonical_id")
    )
    entries = {entry.id: entry for entry in _entries(list(set(roots.values())))}
    return {public_id: entries[root] for public_id, root in roots.items()}


def find_practitioners(ctx: AccessContext, text: str, limit: int = 20) -> list[PractitionerEntry]:
    """Practitioners whose name has a word beginning with each word of ``text``, or whose NPI or identifier it is.

    Merged entries are found by their own name and shown as the one they were joined to. At most ``limit``, by name.
    """
    require(ctx, SEE_DIRECTORY)
    words = search_words(text)
    if not words:
        return []
    named = Q()
    for word in words:
        named &= Q(search_key__contains=f" {word}")
    exact = text.strip()
    roots = (
        Practitioner.objects.filter(named | Q(npi=exact) | Q(identifiers__value=exact))
        .order_by("search_key", "id")
        .values_list("canonical_id", flat=True)
    )
    chosen = list(dict.fromkeys(roots[: limit * 4]))[:limit]
    entries = {entry.id: entry for entry in _entries(chosen)}
    return [entries[root] for root in chosen]


def _entries(roots: Sequence[int]) -> list[PractitionerEntry]:
    if not roots:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT root.id, root.family, root.given, root.prefix, root.suffix, root.credentials,
                   coalesce(root.npi, min(entry.npi)),
                   array_agg(entry.public_id ORDER BY entry.id <> root.id, entry.id),
                   (SELECT array_agg(DISTINCT ARRAY[i.system, i.value]::text[])
                      FROM people_practitioner_identifier i
                      JOIN people_practitioner e ON e.id = i.practitioner_id
                     WHERE e.canonical_id = root.id)
              FROM people_practitioner root
              JOIN people_practitioner entry ON entry.canonical_id = root.id
             WHERE root.id = ANY(%s)
             GROUP BY root.id
            """,
            [list(roots)],
        )
        return [
            PractitionerEntry(
                id=row[0],
                family=row[1],
                given=row[2],
                prefix=row[3],
                suffix=row[4],
                credentials=row[5],
                npi=row[6],
                public_ids=tuple(row[7]),
                identifiers=tuple((system, value) for system, value in row[8] or ()),
            )
            for row in cursor.fetchall()
        ]
