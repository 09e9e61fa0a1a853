"""``charthouse db``: migrate, dump, restore, psql."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from charthouse.foundation.terminal import bytes_progress, migration_progress

from . import dumping
from .api import migrate as apply_migrations
from .api import running

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="The database: migrate, dump, restore, look inside.",
)


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date, as its owner."""
    with running(typer.echo), migration_progress() as report:
        applied = apply_migrations(report)
    typer.echo(f"{len(applied)} migrations applied." if applied else "The schema is up to date.")


@app.command()
def dump(
    file: Annotated[Path, typer.Argument(help="Where to write the dump.")],
    overwrite: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
) -> None:
    """Write the database and the encrypted files to one file, never the keys. Charthouse may run meanwhile."""
    with bytes_progress("Dumping") as report:
        written = dumping.dump(file, report, overwrite=overwrite)
    typer.echo(
        f"{file}: {written.size / 1e6:,.1f} MB, the database and {written.files:,} encrypted files. "
        "The keys are not in it: keep the key directory safe elsewhere."
    )


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `charthouse db dump` wrote.")],
    replace: Annotated[bool, typer.Option(help="Lose what is in the present database.")] = False,
    without_keys: Annotated[bool, typer.Option(help="Restore although its keys are not here.")] = False,
) -> None:
    """Bring back a dump, into a new data directory or, when told, in place of the present database."""
    with bytes_progress("Restoring") as report:
        brought = dumping.restore(file, report, replace=replace, without_keys=without_keys)
    typer.echo(
        f"The database and {brought.files:,} files are back. `charthouse start` brings the schema up to date."
    )


@app.command()
def psql(
    owner: Annotated[bool, typer.Option(help="As the schema's owner instead of the application.")] = False,
) -> None:
    """Open psql on the database. What you do there stands in no ledger."""
    with running():
        program, environment = dumping.psql_arguments(owner=owner)
        code = subprocess.run([program], env=environment, check=False).returncode
    raise typer.Exit(code)
