"""``charthouse intake``: take files in; the listener and the workers."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from django.db import connection
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from charthouse.configuration import configuration
from charthouse.foundation.presence import present
from charthouse.intake.domain.arrival import Part
from charthouse.intake.domain.errors import IntakeError
from charthouse.intake.parallel import FileReport, take_in_files

_SHOWN = 20
#: Columns of a report that is not printed on a terminal.
_WIDE = 200


class ReportFormat(StrEnum):
    """A report for people, or for programs."""

    TEXT = "text"
    JSON = "json"


def intake(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Files or folders with HL7 v2, FHIR R4 or C-CDA; gzip, bzip2, xz, zstd or zip."),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            help="The sender's name; HL7 messages are else named by MSH-3 and MSH-4, documents by their custodian."
        ),
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="How many processes; default one a core.")] = None,
    report: Annotated[
        bool,
        typer.Option("--report", help="List everything that could not be filed, and the sections of documents."),
    ] = False,
    format: Annotated[ReportFormat, typer.Option(help="How the report is printed.")] = ReportFormat.TEXT,
) -> None:
    """Take records in: keep the original, find whose each is, file it, and say what could not be filed."""
    files = found_files(paths)
    if not files:
        typer.echo("There is no file to take in under these paths.", err=True)
        raise typer.Exit(2)
    with connection.cursor() as cursor:
        # Where the database is not set up, that is said once and not of every file.
        cursor.execute("SELECT 1 FROM intake_message LIMIT 1")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    reports: list[FileReport] = []
    taking = take_in_files(files, sender=source, processes=processes)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Taking in", total=len(files))
        for each in taking:
            reports.append(each)
            progress.update(task, advance=1)
    if format is ReportFormat.JSON:
        typer.echo(orjson.dumps(as_json(reports), option=orjson.OPT_INDENT_2).decode())
    else:
        printed = Console()
        if not printed.is_terminal:
            # A file or a pager has no edge at which words must be broken.
            printed.width = max(printed.width, _WIDE)
        summarize(reports, printed, everything=report)
        if report:
            summarize_documents(reports, printed)
    if any(each.fault for each in reports):
        raise typer.Exit(1)


def found_files(paths: Iterable[Path]) -> list[Path]:
    """The files under ``paths`` in the order of their names; hidden files are left out. Exits for a path that is
    not there."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files.extend(
                each
                for each in sorted(path.rglob("*"))
                if each.is_file() and not any(part.startswith(".") for part in each.relative_to(path).parts)
            )
        elif path.exists():
            files.append(path)
        else:
            typer.echo(f"{path} is not there.", err=True)
            raise typer.Exit(2)
    return files


def summarize(reports: Iterable[FileReport], console: Console, *, everything: bool = False) -> None:
    """Print what became of the files: counts by outcome and type, then what could not be filed."""
    states: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    types: Counter[str] = Counter()
    problems: list[tuple[str, str, str, str]] = []
    faults: list[tuple[str, str]] = []
    for each in reports:
        states.update(each.states)
        outcomes.update(each.outcomes)
        types.update(each.types)
        problems.extend((Path(each.path).name, *problem) for problem in each.problems)
        if each.fault:
            faults.append((Path(each.path).name, each.fault))
    words = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items())) or "none"
    console.print(f"Messages: {words}.")
    words = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items())) or "none"
    console.print(f"Resources: {words}.")
    if types:
        table = Table("Type", "Filed or already there", box=None, pad_edge=False)
        for name, count in types.most_common():
            table.add_row(name, f"{count:,}")
        console.print(table)
    if problems:
        table = Table("File", "Message", "Place", "Why it is not filed", box=None, pad_edge=False)
        for problem in problems if everything else problems[:_SHOWN]:
            name, kind, reason, place = problem
            table.add_row(name, kind, place, reason)
        console.print(f"Not filed: {len(problems):,}. They wait under Unfiled messages.")
        console.print(table)
        if not everything and len(problems) > _SHOWN:
            console.print(f"… and {len(problems) - _SHOWN:,} more; --report lists them all.")
    for name, fault in faults:
        console.print(f"{name}: {fault}", markup=False)


_OUTCOMES = {
    "read": "read",
    "partly": "partly read",
    "text": "kept as text",
    "empty": "says nothing",
}


#: Kinds of sections whose name alone says too little.
_KINDS = {
    "administered": "Medications administered", "concerns": "Health concerns", "vitals": "Vital signs",
    "social": "Social history", "family": "Family history", "functional": "Functional status",
    "mental": "Mental status", "plan": "Plan of treatment", "equipment": "Medical equipment",
    "directives": "Advance directives", "text": "Nothing that is data",
}  # fmt: skip


def summarize_documents(reports: Iterable[FileReport], console: Console) -> None:
    """Print what became of every section of the documents, and how many were read, kept as text, refused."""
    table = Table("Document", "Section", "Became", "Entries", "Filed", "Why not all", box=None, pad_edge=False)
    outcomes: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    documents = refused = 0
    for each in sorted(reports, key=lambda report: report.path):
        file = Path(each.path).name
        if each.fault:
            refused += 1
            table.add_row(escape(file), "", "refused", "", "", escape(each.fault))
        for number, document in enumerate(each.documents, 1):
            name = file if len(each.documents) == 1 else f"{file}, {number}"
            documents += 1
            state = "already there" if document.state == "duplicate" else document.state
            nothing = "" if document.sections or document.state == "duplicate" else "It has no sections."
            table.add_row(escape(name), f"[bold]{escape(document.kind)}[/bold]", state, "", "", nothing)
            for section in document.sections:
                outcomes[section.outcome] += 1
                kinds.setdefault(section.kind, Counter())[section.outcome] += 1
                filed = ", ".join(f"{count} {kind}" for kind, count in section.types.most_common())
                table.add_row(
                    "", escape(section.title), _OUTCOMES[section.outcome],
                    f"{section.read} of {section.entries}" if section.entries else "",
                    filed, escape("; ".join(section.reasons)),
                )  # fmt: skip
    if not documents and not refused:
        return
    console.print(table)
    if documents > 1 and kinds:
        totals = Table(
            "Sections about", *(word.capitalize() for word in _OUTCOMES.values()), box=None, pad_edge=False
        )
        for kind, counts in sorted(kinds.items(), key=lambda each: -each[1].total()):
            name = _KINDS.get(kind) or kind.replace("-", " ").capitalize()
            totals.add_row(name, *(f"{counts[each]:,}" if counts[each] else "" for each in _OUTCOMES))
        console.print(totals)
    words = ", ".join(f"{outcomes[each]:,} {_OUTCOMES[each]}" for each in _OUTCOMES if outcomes[each]) or "none"
    console.print(f"Documents: {documents:,} taken in, {refused:,} refused. Sections: {words}.")


def as_json(reports: Iterable[FileReport]) -> dict[str, Any]:
    """The report for programs: each file with its states, outcomes, problems and documents."""
    return {
        "files": [
            {
                "file": Path(each.path).name,
                "messages": each.messages,
                "states": dict(each.states),
                "resources": dict(each.outcomes),
                "types": dict(each.types),
                "problems": [
                    {"message": kind, "place": place, "reason": reason} for kind, reason, place in each.problems
                ],
                "refused": each.fault,
                "documents": [
                    {
                        "kind": document.kind,
                        "state": document.state,
                        "sections": [
                            {
                                "number": section.number,
                                "title": section.title,
                                "code": section.code,
                                "outcome": section.outcome,
                                "entries": section.entries,
                                "read": section.read,
                                "types": dict(section.types),
                                "reasons": section.reasons,
                            }
                            for section in document.sections
                        ],
                    }
                    for document in each.documents
                ],
            }
            for each in reports
        ]
    }


def mllp() -> None:
    """Listen for HL7 v2 over MLLP until stopped."""
    from .connectors.mllp import MllpListener, tls_context

    site = configuration()
    tls = None
    if site.mllp_certificate and site.mllp_key:
        tls = tls_context(str(site.mllp_certificate), str(site.mllp_key))
    listener = MllpListener(site.mllp_host, site.mllp_port, tls=tls)

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await listener.serve(stop)

    try:
        with present(Part.MLLP):
            asyncio.run(serve())
    except OSError as error:
        typer.echo(
            f"The MLLP listener cannot use {site.mllp_host}:{site.mllp_port}: {error.strerror or error}. "
            "Choose another with CHARTHOUSE_MLLP_PORT or mllp_port in site.toml.",
            err=True,
        )
        raise typer.Exit(1) from None


def filing() -> None:
    """File what the connectors received until stopped."""
    from .jobs import run_filing

    with present(Part.FILING):
        run_filing(stopping())


def folder() -> None:
    """Watch the drop folder until stopped."""
    from .connectors.folder import watch

    with present(Part.FOLDER):
        watch(configuration().drop, stopping())


def stopping() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def ask(*_: Any) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop


senders = typer.Typer(no_args_is_help=True, help="Systems that send to /intake: their tokens.")


@senders.command("add")
def add_sender(
    name: Annotated[str, typer.Argument(help="What the token is called.")],
    sender: Annotated[str, typer.Option(help="The sender it stands for; default the same name.")] = "",
) -> None:
    """Make a token and print its secret, this once."""
    from charthouse.foundation.access.api import system_context

    from .actions.manage_senders import add_sender_token

    try:
        typer.echo(add_sender_token(system_context("command-line"), name, sender or name))
    except IntakeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@senders.command("revoke")
def revoke_sender(name: str) -> None:
    """Take a token back; what it sent stays."""
    from charthouse.foundation.access.api import system_context

    from .actions.manage_senders import revoke_sender_token

    try:
        revoke_sender_token(system_context("command-line"), name)
    except IntakeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@senders.command("list")
def list_senders() -> None:
    """List tokens, never their secrets."""
    from charthouse.foundation.access.api import system_context

    from .actions.manage_senders import sender_tokens

    table = Table("Token", "Sender", "Made", "Revoked", box=None, pad_edge=False)
    for each in sender_tokens(system_context("command-line")):
        revoked = f"{each.revoked_at:%Y-%m-%d}" if each.revoked_at else ""
        table.add_row(each.name, each.sender, f"{each.created_at:%Y-%m-%d}", revoked)
    Console().print(table)
