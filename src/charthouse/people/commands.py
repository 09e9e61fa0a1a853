"""``charthouse people``: accounts from the command line. Every change stands in the ledger."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context

app = typer.Typer(help="Accounts: who signs in, and as what.", no_args_is_help=True)
_console = Console()

Username = Annotated[str, typer.Argument(help="The account's user name or e-mail address.")]
Facility = Annotated[str | None, typer.Option(help="A facility's code; without it the role holds everywhere.")]


def _context() -> AccessContext:
    """The command line acts as the system; the entry names who ran it."""
    from dataclasses import replace

    return replace(system_context("command-line"), name=f"{getpass.getuser()} (command line)")


def _stop(message: str) -> NoReturn:
    print(f"charthouse people: {message}", file=sys.stderr)
    raise typer.Exit(2)


def _account_id(username: str) -> int:
    from .logins import user_by_login

    user = user_by_login(username)
    if user is None:
        _stop(f"there is no account {username!r}; `charthouse people list` shows those there are.")
    return user.pk


def _facility_id(code: str | None) -> int | None:
    from .queries import facilities, facility_by_code

    if code is None:
        return None
    found = facility_by_code(code)
    if found is None:
        known = ", ".join(line.code for line in facilities()) or "none yet"
        _stop(f"there is no facility {code!r}; there are: {known}.")
    return found.id


@app.command("list")
def list_accounts() -> None:
    """Show every account with its roles."""
    from .queries import accounts

    table = Table("User name", "Name", "Roles", "Authenticator", "Last sign-in", "State")
    for line in accounts(_context()):
        table.add_row(
            line.username,
            line.display_name,
            ", ".join(line.roles) or "none",
            "yes" if line.has_totp else "no",
            f"{line.last_login:%Y-%m-%d %H:%M} UTC" if line.last_login else "never",
            f"disabled {line.disabled_at:%Y-%m-%d}" if line.disabled_at else line.state.value.replace("-", " "),
        )
    _console.print(table)


@app.command()
def add(
    username: Annotated[str, typer.Argument(help="Lower-case letters, digits, dot, hyphen, underscore.")],
    name: Annotated[str, typer.Option(help="The person's name as others read it.")],
    role: Annotated[list[Role], typer.Option(help="A role; repeat for several.")],
    email: Annotated[str, typer.Option(help="To sign in with instead of the user name.")] = "",
    facility: Facility = None,
) -> None:
    """Add an account and print its first password, which has to be changed at the first sign-in."""
    from .actions.manage_accounts import AccountError, add_account

    try:
        made = add_account(
            _context(),
            username=username,
            display_name=name,
            email=email,
            roles=role,
            facility=_facility_id(facility),
        )
    except (AccountError, PermissionRefused) as error:
        _stop(str(error))
    print(f"Account {made.username} added. First password, shown only now: {made.password}")


@app.command()
def invite(
    username: Annotated[str, typer.Argument(help="Lower-case letters, digits, dot, hyphen, underscore.")],
    name: Annotated[str, typer.Option(help="The person's name as others read it.")] = "",
    role: Annotated[list[Role] | None, typer.Option(help="A role; repeat for several.")] = None,
    email: Annotated[str, typer.Option(help="To sign in with instead of the user name.")] = "",
    facility: Facility = None,
    again: Annotated[bool, typer.Option("--again", help="For an account there is: its password stops.")] = False,
) -> None:
    """Add an account whose owner sets the password with a code, and print the code."""
    from .actions.invite_people import invite_again, invite_person
    from .actions.manage_accounts import AccountError

    try:
        if again:
            issued = invite_again(_context(), _account_id(username))
        else:
            place = _facility_id(facility)
            issued = invite_person(
                _context(),
                username=username,
                display_name=name,
                email=email,
                grants=[(each, place) for each in role or ()],
            )
    except AccountError as error:
        _stop(str(error))
    until = f"{issued.expires_at:%Y-%m-%d %H:%M} UTC"
    print(f"Code of {issued.username}, shown only now, good until {until}: {issued.code}")
    print("It is entered with the user name under “Set your password” on the sign-in page.")


@app.command()
def unlock(username: Username) -> None:
    """Forget an account's failed attempts, so that its owner may try again at once."""
    from .actions.manage_accounts import unlock_account

    forgotten = unlock_account(_context(), _account_id(username))
    print(f"{username} may try again." if forgotten else f"{username} has no failed attempts to forget.")


@app.command()
def disable(
    username: Username, because: Annotated[str, typer.Option(help="Why; kept with the account.")] = ""
) -> None:
    """Let nobody sign in with the account any more, and end its sessions at once."""
    from .actions.manage_accounts import AccountError, disable_account

    try:
        disable_account(_context(), _account_id(username), because)
    except AccountError as error:
        _stop(str(error))
    print(f"Account {username} is disabled and signed out.")


@app.command()
def enable(username: Username) -> None:
    """Let a disabled account sign in again."""
    from .actions.manage_accounts import enable_account

    enable_account(_context(), _account_id(username))
    print(f"Account {username} may sign in again.")


@app.command()
def roles(
    username: Username,
    add: Annotated[list[Role] | None, typer.Option(help="A role to give; repeat for several.")] = None,
    end: Annotated[list[Role] | None, typer.Option(help="A role to end; repeat for several.")] = None,
    facility: Facility = None,
) -> None:
    """Show an account's roles, after giving and ending those named."""
    from .actions.manage_accounts import AccountError, end_role, grant_role
    from .models import User
    from .queries import grants_in_force

    user_id, place = _account_id(username), _facility_id(facility)
    try:
        for role in add or ():
            grant_role(_context(), user_id, role, facility=place)
        for role in end or ():
            if not end_role(_context(), user_id, role, facility=place):
                _stop(f"{username} does not hold the role {role.value}{' there' if facility else ''}.")
    except AccountError as error:
        _stop(str(error))
    held = grants_in_force(User.objects.get(pk=user_id))
    for grant in held:
        place_name = f" at {grant.facility.name}" if grant.facility else ""
        until = f" until {grant.valid_until:%Y-%m-%d %H:%M} UTC" if grant.valid_until else ""
        print(f"{Role(grant.role).title}{place_name}{until}")
    if not held:
        print(f"{username} holds no role.")


@app.command()
def practitioner(
    username: Username,
    named: Annotated[
        str,
        typer.Option("--is", help="The practitioner: an NPI or another number, or beginnings of the names."),
    ] = "",
    nobody: Annotated[bool, typer.Option("--nobody", help="The account is no practitioner any more.")] = False,
) -> None:
    """Show which practitioner of the directory an account is, after setting it where one is named."""
    from .actions.link_practitioner import link_practitioner
    from .actions.manage_accounts import AccountError
    from .queries import account, find_practitioners

    ctx, user_id = _context(), _account_id(username)
    if named and nobody:
        _stop("give either --is or --nobody.")
    try:
        if named:
            found = find_practitioners(ctx, named)
            if not found:
                _stop(f"the directory has no practitioner {named!r}.")
            if len(found) > 1:
                listed = "; ".join(f"{each.shown} ({each.npi or 'no NPI'})" for each in found)
                _stop(f"{named!r} may be any of {len(found)}: {listed}. Name one by the NPI or another number.")
            link_practitioner(ctx, user_id, found[0].id)
        elif nobody:
            link_practitioner(ctx, user_id, None)
    except AccountError as error:
        _stop(str(error))
    held = account(ctx, user_id)
    who = held.practitioner if held else None
    print(f"{username} is {who.shown} ({who.npi or 'no NPI'})." if who else f"{username} is no practitioner.")


@app.command("reset-totp")
def reset_totp_command(username: Username) -> None:
    """Take a lost authenticator away; a new one is asked for at the next sign-in."""
    from .actions.manage_accounts import reset_totp

    reset_totp(_context(), _account_id(username))
    print(f"{username} sets up a new authenticator at the next sign-in.")


@app.command("reset-password")
def reset_password_command(username: Username) -> None:
    """Set a first password anew and print it."""
    from .actions.manage_accounts import reset_password

    print(f"New first password of {username}, shown only now: {reset_password(_context(), _account_id(username))}")
