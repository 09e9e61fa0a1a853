"""Set a site up for the first time: a real one with its first administrator, or the demonstration's accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction

from charthouse.configuration import configuration
from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.ids import hash64
from charthouse.people.domain.check_digits import CheckDigit
from charthouse.people.models import Organization, User

from . import _ledger
from .manage_accounts import NewAccount, add_account, new_password
from .manage_places import FacilityDraft, MrnAssignerDraft, add_facility, add_mrn_assigner, valid_zone

__all__ = ["Administrator", "DemoAccount", "SetUpError", "create_demo_accounts", "set_up_places", "set_up_site"]


class SetUpError(Exception):
    """The site cannot be set up as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """The first administrator. Without a password one is made, to be changed at the first sign-in."""

    username: str
    display_name: str
    email: str = ""
    password: str | None = None


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account of the demonstration, to be printed."""

    username: str
    password: str
    role: Role


def set_up_site(
    *,
    organization: str,
    time_zone: str,
    facilities: Sequence[FacilityDraft],
    mrn_assigner: MrnAssignerDraft,
    administrator: Administrator,
) -> NewAccount:
    """Set a real site up, all or nothing; returns the administrator's account with the password to hand over.

    The administrator has to enrol an authenticator at the first sign-in. Raises SetUpError when there are accounts
    already, PlaceError or AccountError for a part that is wrong.
    """
    with transaction.atomic():
        _once()
        ctx = system_context("set-up")
        set_up_places(
            organization=organization, time_zone=time_zone, facilities=facilities, mrn_assigner=mrn_assigner
        )
        account = add_account(
            ctx,
            username=administrator.username,
            display_name=administrator.display_name,
            email=administrator.email,
            roles=[Role.ADMINISTRATOR],
            password=administrator.password,
            temporary=administrator.password is None,
        )
        _ledger.append(ctx, "people.set-up-site", detail={"facilities": len(facilities)})
    return account


def set_up_places(
    *, organization: str, time_zone: str, facilities: Sequence[FacilityDraft], mrn_assigner: MrnAssignerDraft
) -> list[int]:
    """The organization, its facilities and its MRN assigner; returns the facilities' ids in the order given."""
    if not organization.strip():
        raise SetUpError("The organization needs a name.")
    if not facilities:
        raise SetUpError("At least one facility is needed: a code, a name, a kind and a time zone.")
    ctx = system_context("set-up")
    with transaction.atomic():
        Organization.objects.update_or_create(
            id=1, defaults={"name": organization.strip(), "time_zone": valid_zone(time_zone)}
        )
        ids = [add_facility(ctx, draft) for draft in facilities]
        add_mrn_assigner(ctx, mrn_assigner)
    return ids


_DEMO_NAMES = {
    Role.HIT: ("helen", "Helen Ivory"),
    Role.CODER: ("cora", "Cora Denning"),
    Role.REGISTRAR: ("rhea", "Rhea Gister"),
    Role.RELEASE: ("rolf", "Rolf Easley"),
    Role.PRIVACY: ("priya", "Priya Vacy"),
    Role.COORDINATOR: ("colin", "Colin Ordway"),
    Role.LAB_TECH: ("laura", "Laura Bench"),
    Role.MED_TECH: ("medea", "Medea Teck"),
    Role.PHYSICIAN: ("phyllis", "Phyllis Ashdown, MD"),
    Role.MANAGER: ("manuel", "Manuel Agerton"),
    Role.INSTRUCTOR: ("ines", "Ines Truxton"),
    Role.AUDITOR: ("audra", "Audra Torrance"),
    Role.ADMINISTRATOR: ("adam", "Adam Minster"),
}


def _demo_places(zone: str) -> None:
    """The demonstration's hospital and clinic, and who numbers the charts of those registered by hand."""
    set_up_places(
        organization="Larkspur Valley Health",
        time_zone=zone,
        facilities=[
            FacilityDraft(
                "LVMC",
                "Larkspur Valley Medical Center",
                "hospital",
                zone,
                "400 Meadowlark Drive\nLarkspur Valley, CO 80000",
                "555-0140",
            ),
            FacilityDraft(
                "RIVERSIDE", "Riverside Clinic", "clinic", zone, "12 Mill Street\nRiverside, CO 80001", "555-0112"
            ),
        ],
        mrn_assigner=MrnAssignerDraft("https://larkspur.example/mrn", "L", 6, CheckDigit.M10),
    )


def create_demo_accounts(password: str | None = None) -> list[DemoAccount]:
    """A demonstration's places and an account for each role, to be printed; one password for all.

    They sign in without an authenticator and need not change the password. Raises SetUpError on a real site, whose
    accounts are people's, and where there are accounts already.
    """
    kind = configuration().kind
    if kind == "real":
        raise SetUpError(
            "Demo accounts are not made on a real site: their password is printed for everybody. "
            "Add a person with `charthouse people add`, or start a demonstration as another site (CHARTHOUSE_SITE)."
        )
    password = password or new_password()
    # One printed password for all is no more secret with a salt for each.
    encoded = make_password(password)
    with transaction.atomic():
        _once()
        ctx = system_context("set-up")
        if not Organization.objects.exists():
            _demo_places(configuration().time_zone)
        for role, (username, name) in _DEMO_NAMES.items():
            add_account(
                ctx,
                username=username,
                display_name=name,
                roles=[role],
                password=password,
                temporary=False,
                require_totp=False,
                encoded=encoded,
            )
        _ledger.append(ctx, "people.create-demo-accounts", detail={"accounts": len(_DEMO_NAMES)})
    return [DemoAccount(username, password, role) for role, (username, _) in _DEMO_NAMES.items()]


def _once() -> None:
    """Refuse a second set-up, even one raced."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [hash64("people.set-up-site")])
    if User.objects.exists():
        raise SetUpError("This site has accounts already; it is set up. Add people with `charthouse people add`.")
