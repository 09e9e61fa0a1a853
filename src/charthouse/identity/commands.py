"""``charthouse identity``: find a patient, and see why two are taken for one person or two."""

from __future__ import annotations

from typing import Annotated

import typer
from django.db import connection
from rich.console import Console
from rich.table import Table

from charthouse.foundation.access.api import AccessContext, system_context
from charthouse.foundation.ledger.api import Subject, append_read, search_fingerprint

from . import finding, notify_commands, queries

app = typer.Typer(no_args_is_help=True, help="The master patient index.")
app.add_typer(notify_commands.app, name="notify")
_console = Console()


def _context() -> AccessContext:
    return system_context("command-line")


@app.command("find")
def find(
    text: Annotated[list[str], typer.Argument(help="Parts of names, a birth date, a number, in any order.")],
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many persons at most.")] = 20,
) -> None:
    """Find a patient from anywhere."""
    ctx, words = _context(), " ".join(text)
    hits = finding.find(ctx, words, limit)
    append_read(
        ctx,
        "identity.find",
        subjects=[Subject("person", str(hit.person)) for hit in hits],
        detail={**search_fingerprint(words), "found": len(hits)},
    )
    if not hits:
        _console.print("Nobody was found.")
        raise typer.Exit(1)
    table = Table("Number", "Name", "Born", "Sex", "Record numbers", "Sources", "Found by")
    for hit in hits:
        died = " †" if hit.deceased else ""
        table.add_row(
            str(hit.number),
            f"{hit.name}{died}",
            hit.birth_date,
            hit.sex,
            "\n".join(hit.mrns),
            str(hit.sources),
            hit.matched_on,
        )
    _console.print(table)


@app.command("explain")
def explain(
    one: Annotated[str, typer.Argument(help="A Patient's id in the record.")],
    other: Annotated[str, typer.Argument(help="The other Patient's id.")],
) -> None:
    """Show how probable it is that two patients are one person, and why."""
    ctx = _context()
    pair = queries.pair(ctx, _row_of(one), _row_of(other))
    if pair is None:
        raise typer.BadParameter("Two different patients are needed.")
    append_read(
        ctx,
        "identity.explain",
        subjects=[Subject("patient", pair.left.public_id), Subject("patient", pair.right.public_id)],
    )
    table = Table(
        "Bits", "Sum", "Why", title=f"{pair.score.weight:+.1f} bits, probability {pair.score.probability:.6f}"
    )
    total = 0.0
    for step in pair.score.waterfall:
        total += step.weight
        table.add_row(f"{step.weight:+.2f}", f"{total:+.2f}", step.words)
    _console.print(table)
    for words in pair.conflicts:
        _console.print(f"Conflict: {words}")
    same = "one person" if pair.left.person == pair.right.person else "two persons"
    _console.print(f"They are filed as {same}.")


def _row_of(public_id: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient FROM identity_source_patient WHERE public_id = %s", [public_id])
        row = cursor.fetchone()
    if row is None:
        raise typer.BadParameter(
            "No patient in the index has this id. `charthouse identity find` shows who is there."
        )
    return int(row[0])
