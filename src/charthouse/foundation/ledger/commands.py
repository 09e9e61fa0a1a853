"""``charthouse ledger``: verify, seal, show, resume, bench."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from charthouse.foundation.access.api import Role, system_context

from .entries import Outcome
from .queries import Filters, Line, entries
from .report import Report
from .sealing import LedgerDamaged, seal_all
from .sealing import resume as resume_sealing
from .verification import Progress as Told
from .verification import verify as verify_ledger
from .writing import append_read

app = typer.Typer(no_args_is_help=True, help="The ledger of who did and saw what.")
_console = Console()
_CTX = system_context("command-line")


@app.command()
def verify(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")] = False,
) -> None:
    """Check every entry against its seal, and every seal against the signed heads. Exits with 1 on damage."""
    if as_json:
        report = verify_ledger()
        typer.echo(json.dumps(report.as_json()))
    else:
        with _shown("Verifying the ledger") as told:
            report = verify_ledger(told)
        for sentence in _sentences(report):
            typer.echo(sentence)
    if not report.is_whole:
        raise typer.Exit(1)


@app.command()
def seal() -> None:
    """Seal now what is committed and not yet sealed. The worker does this by itself."""
    try:
        count = seal_all()
    except LedgerDamaged as damage:
        typer.echo(str(damage), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{count} entries sealed." if count else "Everything is sealed.")


@app.command()
def resume(
    reason: Annotated[str, typer.Option(help="Why the database and the heads part, e.g. which dump was restored.")],
) -> None:
    """Go on sealing from the database as it stands, after a restore or a lost key. It stays on record for good."""
    try:
        resume_sealing(_CTX, f"{reason.strip()} ({getpass.getuser()})" if reason.strip() else "")
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo("Sealing goes on from here. `charthouse ledger verify` will tell of it from now on.")


_Instant = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])]


@app.command()
def show(
    actor: Annotated[str, typer.Option(help="Who: an actor's id, e.g. user:17.")] = "",
    role: Annotated[Role | None, typer.Option(help="In which role.")] = None,
    action: Annotated[str, typer.Option(help="What: chart.read, or chart for all that begins so.")] = "",
    outcome: Annotated[Outcome | None, typer.Option(help="How it ended.")] = None,
    patient: Annotated[list[str] | None, typer.Option(help="About which patient; may be given again.")] = None,
    person: Annotated[list[str] | None, typer.Option(help="About which person; may be given again.")] = None,
    session: Annotated[str, typer.Option(help="In which session.")] = "",
    since: _Instant = None,
    until: _Instant = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, the newest.")] = 50,
) -> None:
    """Show entries, newest first. Times are UTC. That they were shown stands in the ledger too."""
    filters = Filters(
        actor=actor,
        role=role,
        action=action,
        outcome=outcome,
        patients=tuple(patient or ()),
        persons=tuple(person or ()),
        since=since.replace(tzinfo=UTC) if since else None,
        until=until.replace(tzinfo=UTC) if until else None,
        session=session,
    )
    page = entries(_CTX, filters, limit=limit)
    append_read(_CTX, "ledger.read", detail={"account": getpass.getuser(), "entries": len(page.lines)})
    _console.print(_table(page.lines))
    if page.next:
        typer.echo("There are more; narrow the filters or raise --limit.")


@app.command()
def bench(
    entry_count: Annotated[int, typer.Option("--entries", min=1000, help="How many entries to write.")] = 1_000_000,
    writers: Annotated[int, typer.Option(min=1, max=64, help="How many processes write at once.")] = 8,
) -> None:
    """Measure appending and verifying in a database of its own; the last line is JSON."""
    from .bench import bench_ledger

    figures = bench_ledger(entry_count, writers, say=lambda words: typer.echo(words, err=True))
    typer.echo(json.dumps(figures))


@contextmanager
def _shown(words: str) -> Iterator[Told]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(words, total=None)

        def told(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        yield told


def _sentences(report: Report) -> Iterator[str]:
    rate = report.checked / report.seconds if report.seconds else 0
    yield (
        f"{report.checked} sealed entries in {report.rounds} rounds were checked "
        f"in {report.seconds:.1f} s ({rate:,.0f} a second)."
    )
    for resumption in report.resumptions:
        yield (
            f"Note: on {resumption.at:%Y-%m-%d %H:%M} UTC sealing was resumed after round {resumption.round}: "
            f"{resumption.reason}"
        )
    if report.unsigned:
        yield "Note: the last round awaits its signed head outside the database; the next sealing writes it."
    if report.unsealed:
        yield (
            f"Not sealed yet, and so not protected yet: {report.unsealed} entries, "
            f"the oldest of {report.unsealed_since:%Y-%m-%d %H:%M:%S} UTC."
        )
    else:
        yield "Nothing awaits sealing."
    if report.is_whole:
        yield "The ledger is whole: nothing was changed, removed, added, reordered or cut off."
        return
    yield f"THE LEDGER IS DAMAGED: {report.damage_count} findings. The first:"
    for number, found in enumerate(report.damage[:10], 1):
        yield f"{number:>3}. {found.words}"
    if report.damage_count > 10:
        yield f"     and {report.damage_count - 10} more; --json lists the first {len(report.damage)}."
    yield "Keep the database and the heads as they are, and call who is responsible for privacy and security."


def _table(lines: tuple[Line, ...]) -> Table:
    table = Table("When (UTC)", "Who", "Action", "Outcome", "About", "Entry", box=None, pad_edge=False)
    for line in lines:
        table.add_row(
            f"{line.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            line.actor_name or line.actor,
            line.action,
            line.outcome.value,
            " ".join(map(str, line.subjects)),
            line.name,
        )
    return table
