"""Go over the whole index, or hold somebody's file against it."""

from __future__ import annotations

import csv
import sys
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from .evaluating import Format, mapped
from .looking import context

_console = Console(stderr=True, highlight=False, soft_wrap=True)


def _tell(step: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        words = {
            "pairs": "Choosing pairs",
            "compare": "Comparing pairs",
            "read": "Reading patients",
            "resume": "Going on where the last run stopped:",
        }
        _console.print(
            f"  {words.get(step, step)}{f' {done:,}' if done else ''}{f' of {total:,}' if total else ''}"
        )


def dedupe(
    link: Annotated[
        bool, typer.Option("--link", help="Link what the rule identity.batch says is beyond doubt.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only; nothing becomes work.")] = False,
    most: Annotated[int, typer.Option(min=1, help="How many pairs at most, the surest first.")] = 1_000_000,
    anew: Annotated[
        bool, typer.Option("--anew", help="Compare everything, also what a run that was broken off had compared.")
    ] = False,
    format_: Annotated[
        Format, typer.Option("--format", help="Words for people, or one line of JSON.")
    ] = Format.TABLE,
) -> None:
    """Compare all patients of the index; pairs that may be one person become review work.

    Nothing is linked by itself unless --link is given. Broken off, the same command goes on where it stopped, as
    long as the index and the weights are what they were; a pair has one item at the most, and what somebody decided
    is not asked again.
    """
    ctx = context()
    from django.db import connection

    from charthouse.foundation.rulepacks.api import parameter
    from charthouse.identity.actions.keep_compared import Compared
    from charthouse.identity.actions.review_findings import Done, Suspect, review_findings
    from charthouse.identity.batch.duplicates import find_duplicates
    from charthouse.identity.index_reads import read_index
    from charthouse.identity.policy import policy

    rules, link_from = policy(), float(parameter("identity.batch", "link_from"))
    index = read_index(ctx, lambda done: _tell("read", done, 0))
    rows = {patient: row for row, patient in enumerate(index.patients)}
    with connection.cursor() as cursor:
        cursor.execute("SELECT low, high FROM identity_not_same")
        apart = {(rows[low], rows[high]) for low, high in cursor.fetchall() if low in rows and high in rows}
    compared = Compared(ctx, index.held, anew=anew)
    found = find_duplicates(
        index.table, index.blocks, index.persons, rules.model, rules.thresholds, apart, _tell, compared
    )[:most]
    suspects = [
        Suspect(
            one=index.patients[each.one],
            other=index.patients[each.other],
            weight=each.weight,
            reason=each.reason,
            waterfall=tuple(step.as_json() for step in each.score.waterfall),
            certain=link and each.same and each.weight >= link_from,
        )
        for each in found
    ]
    done = Done(0, 0, 0)
    if not dry_run:
        done = review_findings(
            ctx, suspects, rules.model.version, lambda some: _tell("compare", some, len(suspects))
        )
    compared.finish()
    figures = {
        "patients": len(index.patients),
        "pairs": len(found),
        "same": sum(each.same for each in found),
        "opened": done.opened,
        "linked": done.linked,
    }
    if format_ is Format.JSON:
        print(orjson.dumps(figures).decode())
        return
    print(
        f"{figures['patients']:,} patients; {figures['pairs']:,} pairs of persons may be one, of which"
        f" {figures['same']:,} agree without conflict. {done.opened:,} items stand in the queue, {done.linked:,}"
        " pairs were linked."
    )


def link_file(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet, a row a person, with usual column names.")],
    out: Annotated[Path, typer.Option(help="Where the answers are written, as CSV: a new file.")],
    one_to_one: Annotated[
        bool, typer.Option("--one-to-one", help="No two rows of the file are one person.")
    ] = False,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="FIELD=COLUMN, several times, where a column's name does not tell what it holds."
        ),
    ] = None,
) -> None:
    """Find the persons of an outside file in the index; the file's rows are not taken in.

    The answers name, for each row, the outcome (same, perhaps, new), the enterprise number, the bits and why.
    """
    ctx = context()
    from charthouse.foundation.ledger.api import append
    from charthouse.identity.batch.columns import ColumnError, recognize
    from charthouse.identity.batch.files import FileError, read_rows
    from charthouse.identity.batch.linking import link_rows
    from charthouse.identity.batch.rows import RowReader
    from charthouse.identity.index_reads import numbers_of, read_index
    from charthouse.identity.policy import policy

    rules = policy()
    try:
        rows = read_rows(file)
        sample = list(islice(rows, 50_000))
        columns = recognize(rows.header, said=mapped(map_), sample=sample)
        reader = RowReader(columns, sample, date.today())  # noqa: DTZ011 - births later than today are none
        arrived = [reader.traits(row) for part in (sample, rows) for row in part]
        if out.exists():
            raise FileError(f"{out} is there already; name a new file.")
        index = read_index(ctx, lambda done: _tell("read", done, 0), arrived)
    except (FileError, ColumnError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    answers = link_rows(
        index.table,
        index.blocks,
        index.persons,
        rules.model,
        rules.thresholds,
        one_to_one=one_to_one,
        tell=_tell,
    )
    numbers = numbers_of({answer.person for answer in answers if answer.person})
    append(ctx, "identity.link-file", detail={"rows": len(answers), "model": rules.model.version})
    with out.open("w", newline="", encoding="utf-8") as written:
        writer = csv.writer(written)
        writer.writerow(["row", "outcome", "person", "bits", "why"])
        for place, answer in enumerate(answers, start=1):
            bits = "" if answer.weight is None else f"{answer.weight:.2f}"
            writer.writerow([place, answer.outcome, numbers.get(answer.person, ""), bits, answer.reason])
    counts = {
        outcome: sum(answer.outcome == outcome for answer in answers) for outcome in ("same", "perhaps", "new")
    }
    print(
        f"{len(answers):,} rows: {counts['same']:,} are persons known here, {counts['perhaps']:,} perhaps,"
        f" {counts['new']:,} are not known."
    )
