"""How well persons are told apart in somebody's own labelled file."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from charthouse.foundation.rulepacks.api import parameter

LEARNT = "identity.learnt-decision"


class Format(StrEnum):
    """How the figures are printed."""

    TABLE = "table"
    JSON = "json"


def mapped(options: list[str] | None) -> dict[str, list[str]]:
    """FIELD=COLUMN, several times; FIELD= alone says that no column holds the field."""
    said: dict[str, list[str]] = {}
    for option in options or []:
        name, equals, column = option.partition("=")
        if not equals:
            raise typer.BadParameter(f"--map {option}: FIELD=COLUMN is needed, as in --map given=FIRST_NM.")
        columns = said.setdefault(name.strip(), [])
        if column.strip():
            columns.append(column.strip())
    return said


def evaluate(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet, a row a record, with usual column names.")],
    truth: Annotated[str, typer.Option(help="The column that says which rows are one person. Never looked at.")],
    source: Annotated[str | None, typer.Option(help="The column that says where a row came from.")] = None,
    one_to_one: Annotated[
        bool, typer.Option("--one-to-one", help="Every person has at most one row in each source.")
    ] = False,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="FIELD=COLUMN, several times, where a column's name does not tell what it holds."
        ),
    ] = None,
    same: Annotated[float | None, typer.Option(help="Link from so many bits on. Default: the rule's.")] = None,
    perhaps: Annotated[float | None, typer.Option(help="Review from so many bits on. Default: the rule's.")] = None,
    format_: Annotated[
        Format, typer.Option("--format", help="A table for people, or one line of JSON.")
    ] = Format.TABLE,
) -> None:
    """Learn from a labelled file without its labels, decide who is who, and count how often that was right.

    Nothing is kept, and no database is needed.
    """
    begun = time.perf_counter()
    if one_to_one and source is None:
        raise typer.BadParameter("--one-to-one needs --source: the column that says where a row came from.")
    from charthouse.identity.batch.columns import ColumnError
    from charthouse.identity.batch.evaluation import evaluate as work_out
    from charthouse.identity.batch.evaluation import load, peak_mb
    from charthouse.identity.batch.files import FileError

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    tell = _teller(console)
    try:
        loaded = load(file, truth, source, mapped(map_), tell)
        figures = work_out(
            loaded, learnt_thresholds(same, perhaps, one_to_one=one_to_one), one_to_one=one_to_one, tell=tell
        )
    except (FileError, ColumnError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    figures = {**figures, "seconds": round(time.perf_counter() - begun, 2), "peak_mb": peak_mb()}
    if format_ is Format.JSON:
        print(orjson.dumps(figures).decode())
    else:
        _show(figures)


def learnt_thresholds(same: float | None = None, perhaps: float | None = None, *, one_to_one: bool = False) -> Any:
    """The limits of a decision by weights that were learnt from the same data."""
    from charthouse.identity.domain.decision import Thresholds

    least = "one_to_one" if one_to_one else "same"
    return Thresholds(
        same=same if same is not None else float(parameter(LEARNT, least)),
        perhaps=perhaps if perhaps is not None else float(parameter(LEARNT, "perhaps")),
        margin=float(parameter(LEARNT, "margin")),
        evidence=0,
        conflict=float(parameter(LEARNT, "conflict")),
        twice=float(parameter(LEARNT, "twice")),
    )


def _teller(console: Console) -> Any:
    if not sys.stderr.isatty():
        return lambda step, done, total: None
    words = {
        "read": "Reading rows",
        "pairs": "Choosing pairs",
        "learn": "Learning what pairs have in common",
        "compare": "Comparing pairs",
    }

    def tell(step: str, done: int, total: int) -> None:
        count = f" {done:,}" if done else ""
        console.print(f"  {words.get(step, step)}{count}{f' of {total:,}' if total else ''}")

    return tell


def _show(figures: dict[str, Any]) -> None:
    console = Console()
    table = Table("", "Precision", "Recall", "F1")
    for title, key in (
        ("Links, by pairs", ""),
        ("Links, by whole persons", "cluster_"),
        ("Links, by records (B³)", "b_cubed_"),
    ):
        table.add_row(title, *(f"{figures[f'{key}{name}']:.4f}" for name in ("precision", "recall", "f1")))
    table.add_row(
        "Links and reviews, by pairs",
        *(f"{figures[f'review_{name}']:.4f}" for name in ("precision", "recall", "f1")),
    )
    console.print(table)
    console.print(
        f"{figures['rows']:,} rows of {figures['persons']:,} persons; {figures['linked_pairs']:,} pairs linked,"
        f" {figures['review_pairs']:,} to review, {figures['compared_pairs']:,} compared."
    )
    for field, names in figures["columns"].items():
        console.print(f"  {field}: {', '.join(names)}")
    if figures["compared_as_they_are"]:
        console.print(f"  compared as they are: {', '.join(figures['compared_as_they_are'])}")
    if figures["unused_columns"]:
        console.print(f"  not used: {', '.join(figures['unused_columns'])}")
    console.print(f"{figures['seconds']:.1f} s, {figures['peak_mb']:,.0f} MB at the most.")
