"""What an installation is, a demonstration or a real site, and its first set-up.

A demonstration never becomes real, nor a real site a demonstration: its accounts and records would stay.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import available_timezones

import typer

from charthouse.configuration import Configuration, ConfigurationError, configuration

DEMO, REAL, NEW = "demo", "real", "new"
_ACCOUNTS = "demo-accounts.json"
_KINDS = "hospital, cah, clinic, asc, laboratory, nursing or assisted-living"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was given on the command line for a real site; what is None is asked for."""

    organization: str | None = None
    facilities: tuple[str, ...] = ()
    time_zone: str | None = None
    mrn_system: str | None = None
    mrn_prefix: str = ""
    mrn_width: int = 6
    mrn_check_digit: str = "none"
    admin_username: str | None = None
    admin_name: str | None = None
    admin_email: str | None = None
    admin_password_file: Path | None = None

    @property
    def anything(self) -> bool:
        """Whether any of it was given."""
        return self != Asked()


@dataclass(frozen=True, slots=True)
class SignIn:
    """An account to print: what it is for, its user name, its password."""

    role: str
    username: str
    password: str


def decide_kind(site: Configuration, *, empty: bool, demo: bool, asked: Asked) -> str:
    """The kind this start is to have. Raises ConfigurationError when it would change a site's kind."""
    if empty and demo:
        raise ConfigurationError("--empty makes a real site and --demo a demonstration: give one of them.")
    if site.kind not in {DEMO, REAL, NEW}:
        raise ConfigurationError(f"kind in {site.site_file} is {site.kind!r}: it is demo or real.")
    if site.kind == DEMO and (empty or asked.anything):
        raise ConfigurationError(
            f"{site.data} holds a demonstration, which never becomes a real site: its accounts and records would "
            "stay in it. Make the real site in a place of its own: CHARTHOUSE_SITE=name charthouse start --empty"
        )
    if site.kind == REAL and demo:
        raise ConfigurationError(
            f"{site.data} holds a real site, which never becomes a demonstration. Make the demonstration in a "
            "place of its own: CHARTHOUSE_SITE=demo charthouse start"
        )
    if site.kind != NEW:
        return site.kind
    return REAL if empty else DEMO


def write_kind(site: Configuration, kind: str, time_zone: str = "UTC") -> None:
    """Write ``site.toml`` of a new site. It is there before the first account is."""
    if site.site_file.exists():
        text = site.site_file.read_text("utf-8")
        lines = [line for line in text.splitlines() if not re.match(r"\s*kind\s*=", line)]
        text = "\n".join([f'kind = "{kind}"', *lines]) + "\n"
    else:
        text = (
            "# How this site is set up. docs/operations.md says what else may stand here.\n"
            f'kind = "{kind}"\ntime_zone = "{time_zone}"\n'
        )
    fresh = site.site_file.with_name(f".site.toml.{os.getpid()}")
    fresh.write_text(text, "utf-8")
    fresh.chmod(0o600)
    fresh.replace(site.site_file)
    configuration.cache_clear()


def is_set_up() -> bool:
    """Whether there is an account yet. Needs Django."""
    from charthouse.people.api import User

    return bool(User.objects.exists())


def set_up_demo(site: Configuration) -> list[SignIn]:
    """Make the demonstration's accounts and note them, since they are printed at each start."""
    from charthouse.people.api import create_demo_accounts

    accounts = [
        SignIn(account.role.title, account.username, account.password) for account in create_demo_accounts()
    ]
    noted = site.data / _ACCOUNTS
    noted.touch(mode=0o600)
    noted.write_text(json.dumps([[each.role, each.username, each.password] for each in accounts]), "utf-8")
    return accounts


def demo_accounts(site: Configuration) -> list[SignIn]:
    """The demonstration's accounts as noted; empty where they were not."""
    try:
        return [SignIn(*each) for each in json.loads((site.data / _ACCOUNTS).read_text("utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def complete(asked: Asked, *, interactive: bool) -> tuple[Asked, str | None]:
    """What was asked for with the gaps filled by questions, and the administrator's password (None: make one).

    Raises ConfigurationError naming the missing options where nobody can be asked.
    """
    gaps = [
        option
        for option, value in (
            ("--organization", asked.organization),
            ("--facility", asked.facilities),
            ("--time-zone", asked.time_zone),
            ("--mrn-system", asked.mrn_system),
            ("--admin-username", asked.admin_username),
            ("--admin-name", asked.admin_name),
        )
        if not value
    ]
    if gaps and not interactive:
        raise ConfigurationError(
            f"A real site needs {', '.join(gaps)} as well; `charthouse start --help` explains them. On a terminal "
            "they are asked for."
        )
    if gaps:
        typer.echo("A real site is being set up. Enter takes what stands in brackets.\n")
    organization = asked.organization or typer.prompt("Name of the organization")
    time_zone = asked.time_zone or _ask_time_zone()
    facilities = asked.facilities or _ask_facilities(organization)
    mrn_system = asked.mrn_system or typer.prompt(
        "System (URI) of the medical record numbers you assign, e.g. https://hospital.example/mrn"
    )
    username = asked.admin_username or typer.prompt("User name of the first administrator")
    name = asked.admin_name or typer.prompt("The administrator's name as others read it")
    email = asked.admin_email
    if email is None:
        email = typer.prompt("The administrator's e-mail address", default="", show_default=False) if gaps else ""
    password = _password(asked.admin_password_file, interactive=bool(gaps))
    whole = Asked(
        organization=organization,
        facilities=tuple(facilities),
        time_zone=time_zone,
        mrn_system=mrn_system,
        mrn_prefix=asked.mrn_prefix,
        mrn_width=asked.mrn_width,
        mrn_check_digit=asked.mrn_check_digit,
        admin_username=username,
        admin_name=name,
        admin_email=email,
    )
    return whole, password


def set_up_real(whole: Asked, password: str | None) -> SignIn:
    """Set the real site up, all or nothing. Raises ConfigurationError in words."""
    from charthouse.people.api import (
        AccountError,
        Administrator,
        CheckDigit,
        FacilityDraft,
        MrnAssignerDraft,
        PlaceError,
        SetUpError,
        set_up_site,
    )

    assert whole.organization and whole.time_zone and whole.mrn_system and whole.admin_username and whole.admin_name
    facilities = [FacilityDraft(*_facility_parts(each), time_zone=whole.time_zone) for each in whole.facilities]
    known = {str(method): method for method in CheckDigit}
    if whole.mrn_check_digit not in known:
        raise ConfigurationError(f"--mrn-check-digit is {whole.mrn_check_digit!r}; there are: {', '.join(known)}.")
    try:
        account = set_up_site(
            organization=whole.organization,
            time_zone=whole.time_zone,
            facilities=facilities,
            mrn_assigner=MrnAssignerDraft(
                system=whole.mrn_system,
                prefix=whole.mrn_prefix,
                width=whole.mrn_width,
                check_digit=known[whole.mrn_check_digit],
            ),
            administrator=Administrator(whole.admin_username, whole.admin_name, whole.admin_email or "", password),
        )
    except (AccountError, PlaceError, SetUpError) as error:
        raise ConfigurationError(f"The site was not set up, and nothing was kept of it: {error}") from None
    return SignIn("Administrator", whole.admin_username, account.password if password is None else "")


def _facility_parts(given: str) -> tuple[str, str, str]:
    """A facility as ``CODE:Name:kind``; the kind may be left out and is then a hospital."""
    parts = [part.strip() for part in given.split(":")]
    if len(parts) not in {2, 3} or not all(parts):
        raise ConfigurationError(
            f"--facility is {given!r}: give CODE:Name or CODE:Name:kind, such as MAIN:General Hospital:hospital."
        )
    code, name = parts[:2]
    return code, name, parts[2] if len(parts) == 3 else "hospital"


def _ask_time_zone() -> str:
    while True:
        zone: str = typer.prompt("Time zone", default=_local_zone())
        if zone in available_timezones():
            return zone
        typer.echo(f"{zone!r} is not a time zone: give an IANA name such as America/Chicago.")


def _local_zone() -> str:
    target = os.path.realpath("/etc/localtime")
    zone = target.split("zoneinfo/")[-1]
    return zone if zone in available_timezones() else "UTC"


def _ask_facilities(organization: str) -> list[str]:
    facilities: list[str] = []
    while True:
        number = len(facilities) + 1
        name = typer.prompt(
            f"Facility {number}: its name" if number == 1 else f"Facility {number}: its name (Enter: no more)",
            default=organization if number == 1 else "",
            show_default=number == 1,
        )
        if not name:
            return facilities
        code = typer.prompt(f"Facility {number}: a short code", default="MAIN" if number == 1 else None)
        kind = typer.prompt(f"Facility {number}: its kind ({_KINDS})", default="hospital")
        facilities.append(f"{code}:{name.replace(':', ' ')}:{kind}")


def _password(file: Path | None, *, interactive: bool) -> str | None:
    if file is not None:
        try:
            return file.read_text("utf-8").strip() or None
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from None
    if not interactive:
        return None
    given = typer.prompt(
        "The administrator's password (Enter: one is made)",
        default="",
        show_default=False,
        hide_input=True,
        confirmation_prompt=True,
    )
    return given or None
