"""``charthouse fhir``: the systems that use the FHIR API."""

from __future__ import annotations

import getpass
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table

from charthouse.exchange.fhir.conformance.api import ProfileError
from charthouse.foundation.access.api import AccessContext, Purpose, Role, system_context
from charthouse.foundation.events.api import lag

from .actions.check_resources import check_all, settle_findings
from .actions.load_profiles import load_profiles, remove_profiles
from .actions.manage_clients import (
    ClientRow,
    NewClient,
    add_client,
    add_token,
    change_keys,
    clients,
    revoke_client,
)
from .consumers import CHECKING
from .domain.errors import ClientError
from .finding_queries import finding_kinds
from .profiles import loaded_rows

app = typer.Typer(help="Systems that use the FHIR API.", no_args_is_help=True)
token = typer.Typer(help="Bearer tokens for scripts.", no_args_is_help=True)
client = typer.Typer(help="Backend services, which ask for tokens themselves.", no_args_is_help=True)
profile = typer.Typer(help="Profiles that resources are checked against.", no_args_is_help=True)
app.add_typer(token, name="token")
app.add_typer(client, name="client")
app.add_typer(profile, name="profile")

Name = Annotated[str, typer.Argument(help="What the client is called; records are disclosed to this name.")]
Scopes = Annotated[str, typer.Option(help="What it may do at most, e.g. 'system/*.read system/Observation.cruds'.")]
RoleOption = Annotated[Role, typer.Option(help="The role it stands for: whose rights and labels it has.")]
PurposeOption = Annotated[Purpose, typer.Option(help="What it uses records for.")]
Address = Annotated[str, typer.Option(help="Where the recipient is, for the accounting of disclosures.")]
Keys = Annotated[Path | None, typer.Option(help="Its public keys: a JSON Web Key Set.")]
KeysAddress = Annotated[str, typer.Option(help="The address its public keys are fetched from.")]


def _context() -> AccessContext:
    """The command line acts as the system; the entry names who ran it."""
    return replace(system_context("command-line"), name=f"{getpass.getuser()} (command line)")


def _stop(message: object) -> NoReturn:
    print(f"charthouse fhir: {message}", file=sys.stderr)
    raise typer.Exit(2)


@token.command("add")
def add_token_command(
    name: Name,
    scopes: Scopes = "system/*.cruds",
    role: RoleOption = Role.HIT,
    purpose: PurposeOption = Purpose.TREATMENT,
    address: Address = "",
    days: Annotated[int | None, typer.Option(help="How long it holds; default until it is revoked.")] = None,
) -> None:
    """Make a token and print its secret, this once."""
    try:
        typer.echo(add_token(_context(), NewClient(name, scopes, role, purpose, address), days=days))
    except ClientError as error:
        _stop(error)


@token.command("list")
def list_tokens() -> None:
    """List tokens, never their secrets."""
    _print([row for row in clients(_context()) if not row.has_keys])


@token.command("revoke")
def revoke_token(name: Name) -> None:
    """Take a token back, at once; what was done with it stays."""
    _revoke(name)


@client.command("add")
def add_client_command(
    name: Name,
    scopes: Scopes,
    jwks: Keys = None,
    jwks_url: KeysAddress = "",
    role: RoleOption = Role.HIT,
    purpose: PurposeOption = Purpose.TREATMENT,
    address: Address = "",
) -> None:
    """Register a backend service by its public keys, and print its client id."""
    try:
        draft = NewClient(name, scopes, role, purpose, address)
        typer.echo(add_client(_context(), draft, jwks=_read(jwks), jwks_url=jwks_url))
    except ClientError as error:
        _stop(error)


@client.command("keys")
def change_keys_command(name: Name, jwks: Keys = None, jwks_url: KeysAddress = "") -> None:
    """Put other public keys in the place of a client's; its tokens end at once."""
    try:
        change_keys(_context(), name, jwks=_read(jwks), jwks_url=jwks_url)
    except ClientError as error:
        _stop(error)


@client.command("list")
def list_clients() -> None:
    """List the clients that use the API."""
    _print(clients(_context()))


@client.command("revoke")
def revoke_client_command(name: Name) -> None:
    """Revoke a client and its tokens, at once; what it did stays."""
    _revoke(name)


@app.command("check")
def check_command(
    everything: Annotated[bool, typer.Option("--all", help="Check everything in the record anew.")] = False,
) -> None:
    """Say what was found wrong in what senders sent; with --all, check everything anew first."""
    with Console(stderr=True).status("Checking…") as shown:
        if everything:
            checked = check_all(_context(), lambda done: shown.update(f"Checked {done:,} resources…"))
            typer.echo(f"Checked {checked:,} resources.")
        else:
            settle_findings()
    behind = next((each.waiting for each in lag() if each.consumer == CHECKING.name), None)
    if behind is None and not everything:
        _stop("nothing was checked yet. The worker does it (charthouse start), and so does --all.")
    if behind:
        typer.echo(f"What {behind:,} messages brought is not checked yet; the worker does it.")
    kinds = finding_kinds(_context())
    table = Table(box=None, pad_edge=False)
    for heading in ("Sender", "Resources", "Severity", "Finding"):
        table.add_column(heading, overflow="fold")
    for kind in kinds:
        table.add_row(kind.sender, f"{kind.resources:,}", kind.severity, f"{kind.place}: {kind.message}")
    if kinds:
        Console().print(table)
    else:
        typer.echo("Nothing was found.")


@profile.command("load")
def load_command(
    path: Annotated[Path, typer.Argument(help="A JSON file, or a package (.tgz).")],
    for_all: Annotated[
        bool, typer.Option("--for-all", help="Hold every resource of these types to them, claimed or not.")
    ] = False,
) -> None:
    """Load profiles with their snapshots, and value sets."""
    try:
        counts = load_profiles(_context(), path, for_all=for_all)
    except ProfileError as error:
        _stop(error)
    typer.echo(", ".join(f"{many} {kind}" for kind, many in counts.items() if many) + " loaded.")
    typer.echo("What comes from now on is checked against them; charthouse fhir check --all checks the rest.")


@profile.command("list")
def list_profiles() -> None:
    """List what is loaded."""
    table = Table(box=None, pad_edge=False)
    for heading in ("URL", "Version", "Of", "Checked", "From"):
        table.add_column(heading, overflow="fold")
    for row in loaded_rows(_context()):
        checked = "" if row.kind != "StructureDefinition" else "all" if row.for_all else "where claimed"
        table.add_row(row.url, row.version, row.type or row.kind, checked, row.package)
    Console().print(table)


@profile.command("remove")
def remove_command(
    named: Annotated[str, typer.Argument(help="The URL of one, or the file it was loaded from for all of it.")],
) -> None:
    """Remove profiles and value sets."""
    try:
        typer.echo(f"{remove_profiles(_context(), named)} removed.")
    except ProfileError as error:
        _stop(error)


def _revoke(name: str) -> None:
    try:
        revoke_client(_context(), name)
    except ClientError as error:
        _stop(error)


def _read(path: Path | None) -> dict[str, object] | None:
    if path is None:
        return None
    try:
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}.") from None
    except orjson.JSONDecodeError:
        raise ClientError(f"{path} is no JSON.") from None
    if not isinstance(found, dict):
        raise ClientError(f'{path} is no JSON Web Key Set, which looks like {{"keys": [...]}}.')
    return found


def _print(rows: list[ClientRow]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("Name", "Client id", "Role", "Purpose", "Scopes", "Proves itself by", "State"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        state = "in force"
        if row.revoked_at:
            state = f"revoked {row.revoked_at:%Y-%m-%d}"
        elif row.expires_at:
            state = f"until {row.expires_at:%Y-%m-%d}"
        table.add_row(row.name, row.client_id, row.role.value, row.purpose.value, row.scopes, row.keys, state)
    Console().print(table)
