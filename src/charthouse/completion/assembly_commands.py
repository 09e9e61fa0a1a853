"""Assembly's part of ``charthouse completion``: what documents are, and the codes a site maps."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import orjson
import typer
from django.db import connection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from charthouse.foundation.access.api import system_context
from charthouse.record.api import source_rows

from .actions.classify_filed import all_documents, classify_all, stands
from .actions.map_code import end_mapping, map_code
from .classification import mappings, pieces_of, site_maps
from .domain.pieces import codings_of, pieces, title_of
from .errors import CompletionError

_CTX = system_context("command-line")
_console = Console()
_Format = Annotated[str, typer.Option("--format", help="words or json")]


def show_pieces(
    unclassified: Annotated[
        bool, typer.Option("--unclassified", help="Only what no map names, by sender and code.")
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Look at every document again, and bring the queue up to date.")
    ] = False,
    format: _Format = "words",
) -> None:
    """Say how many documents each part of a chart has; with --unclassified, the codes that nobody knows."""
    with Progress(
        TextColumn("Reading documents"), BarColumn(), MofNCompleteColumn(), console=_console, transient=True
    ) as bar:
        task = bar.add_task("", total=None)
        if anew:
            classify_all(_CTX, lambda done: bar.update(task, completed=done))
        found, unknown = _counted(lambda done: bar.update(task, completed=done))
    if format == "json":
        codes = [
            {"sender": sender, "system": system, "code": code, "documents": count}
            for (sender, system, code), count in unknown.most_common()
        ]
        print(orjson.dumps({"pieces": dict(found), "unclassified": codes}).decode())
        return
    if unclassified:
        table = Table("Sender", "Code", "System", "Documents")
        for (sender, system, code), count in unknown.most_common():
            table.add_row(sender, code or "none, or in words", system or "–", f"{count:,}")
    else:
        table = Table("Part of the chart", "Name", "Documents")
        for slug in (*pieces(), ""):
            if found[slug]:
                table.add_row(title_of(slug), slug or "–", f"{found[slug]:,}")
    if table.row_count:
        _console.print(table)
    print(f"{sum(found.values()):,} documents, of which nobody knows what {found['']:,} are.")


def _counted(told: object) -> tuple[Counter[str], Counter[tuple[str, str, str]]]:
    """Documents by piece; those nobody knows by sender, system and code, without what is told in words."""
    maps = site_maps()
    found: Counter[str] = Counter()
    unknown: Counter[tuple[int, str, str]] = Counter()
    done = 0
    for items in all_documents():
        listed = [(each, orjson.loads(each.content)) for each in items if not each.is_deleted]
        known = pieces_of([((each.type, each.row), each.source, resource) for each, resource in listed], maps)
        for each, resource in listed:
            if not stands(resource):
                continue
            piece = known[each.type, each.row] or ""
            found[piece] += 1
            if not piece:
                # A type that is told in words may hold anything, so it is not printed.
                coded = next(((system, code) for system, code in codings_of(resource) if system), ("", ""))
                unknown[each.source, *coded] += 1
        done += len(items)
        if callable(told):
            told(done)
    with connection.cursor() as cursor:
        names = source_rows(cursor, {source for source, _, _ in unknown})
    return found, Counter(
        {
            (names[source].name if source in names else "", system, code): count
            for (source, system, code), count in unknown.items()
        }
    )


def map_one(
    code: Annotated[str, typer.Argument(help="The code, as senders write it.")],
    piece: Annotated[
        str, typer.Argument(help="The part of the chart, by its name (charthouse completion pieces).")
    ],
    system: Annotated[str, typer.Option(help="The code's system; empty for any.")] = "",
    sender: Annotated[str, typer.Option(help="The sender whose code it is; empty for every sender.")] = "",
) -> None:
    """Map a code to a part of the chart; documents with it are classified anew."""
    try:
        done = map_code(_CTX, system, code, piece, sender=sender)
    except CompletionError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    print(f"Mapped. {done.documents:,} documents carry the code; {done.changed:,} changed.")


def show_mapped(
    end: Annotated[int | None, typer.Option("--end", help="End the mapping with this number.")] = None,
) -> None:
    """List the codes this site maps; with --end, end one."""
    if end is not None:
        try:
            done = end_mapping(_CTX, end)
        except CompletionError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        print(f"Ended. {done.changed:,} documents changed.")
        return
    table = Table("Number", "Code", "System", "Sender", "Means", "By")
    for each in mappings(_CTX):
        table.add_row(
            str(each.id), each.code, each.system or "any", each.sender or "every sender", each.title, each.name
        )
    if table.row_count:
        _console.print(table)
    print(f"{table.row_count} codes are mapped here.")
