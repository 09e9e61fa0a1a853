"""``charthouse export``: a patient's chart as a C-CDA document for somebody outside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from charthouse.exchange.cda.api import DocumentKind
from charthouse.foundation.access.api import AccessContext, system_context
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.web.actions.export_document import NothingToSend, export_document
from charthouse.web.actions.printed import PURPOSES, Outside, PrintError, given_outside

app = typer.Typer(no_args_is_help=True, help="Documents of a chart for somebody outside.")

Who = Annotated[str, typer.Argument(help="The patient: a record number, or the person's id.")]
To = Annotated[str, typer.Option("--to", help="Who receives it; kept for the accounting of disclosures.")]
For = Annotated[
    str,
    typer.Option("--for", help="Why: " + ", ".join(f"{code.value} ({words})" for code, words in PURPOSES.items())),
]
Address = Annotated[str, typer.Option(help="The recipient's address, where known.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write; it must not be there yet.")]


@app.command("ccd")
def ccd(patient: Who, output: Output, to: To, for_: For = "TREAT", address: Address = "") -> None:
    """A continuity of care document: the whole chart in brief."""
    ctx = _context()
    _export(ctx, person_named(ctx, patient), DocumentKind.CCD, _outside(to, address, for_), output)


@app.command("discharge-summary")
def discharge_summary(
    patient: Who,
    output: Output,
    to: To,
    encounter: Annotated[str, typer.Option(help="The encounter: its visit number, or its id in the record.")] = "",
    for_: For = "TREAT",
    address: Address = "",
) -> None:
    """The discharge summary of an encounter; without one, the encounters to choose from are listed."""
    ctx = _context()
    person = person_named(ctx, patient)
    rows = _encounters(ctx, person)
    chosen = [each for each in rows if encounter and encounter in (each.number, each.id)]
    if len(chosen) != 1:
        said = "Choose one of the encounters" if rows else "The chart has no encounter"
        typer.echo(f"{said}.", err=True)
        for each in rows:
            typer.echo(f"  {each.id}  {each.when.text[:10]:10}  {each.title}  {each.number}".rstrip(), err=True)
        raise typer.Exit(2)
    _export(ctx, person, DocumentKind.DISCHARGE_SUMMARY, _outside(to, address, for_), output, chosen[0].id)


def _context() -> AccessContext:
    return system_context("command-line")


def _outside(to: str, address: str, purpose: str) -> Outside:
    try:
        return given_outside(to, address, purpose, "document")
    except PrintError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def person_named(ctx: AccessContext, patient: str) -> UUID:
    """The person meant by a number. Exits where that is nobody, or several."""
    try:
        person = identity.surviving(ctx, UUID(patient))
    except ValueError:
        hits = [each for each in identity.find(ctx, patient, 20) if patient in each.mrns]
        if len(hits) == 1:
            return hits[0].person
        typer.echo(
            "Several persons have this number; give the person's id." if hits else "Nobody has this number.",
            err=True,
        )
        raise typer.Exit(1) from None
    if person is None:
        typer.echo("There is no such person.", err=True)
        raise typer.Exit(1)
    return person


def _encounters(ctx: AccessContext, person: UUID) -> list[Any]:
    patients = identity.patients_of(ctx, person)
    rows: list[Any] = []
    cursor: str | None = None
    while True:
        page = record.encounters(ctx, patients, cursor)
        rows += page.rows
        cursor = page.next
        if cursor is None:
            return rows


def _export(
    ctx: AccessContext, person: UUID, kind: DocumentKind, outside: Outside, output: Path, encounter: str = ""
) -> None:
    if output.exists():
        typer.echo(f"{output} is there already; nothing was written.", err=True)
        raise typer.Exit(2)
    try:
        sent = export_document(ctx, person, kind, outside, encounter)
    except NothingToSend as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    output.touch(mode=0o600)
    output.write_bytes(sent.content)
    typer.echo(f"Written: {output}, with {sent.items} items of the record. The disclosure is noted.")
