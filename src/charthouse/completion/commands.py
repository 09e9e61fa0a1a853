"""``charthouse completion``: the rules of completion, and what they find in charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from charthouse.foundation import clock
from charthouse.foundation.access.api import system_context
from charthouse.foundation.rulepacks.api import FacilityType, RulePackError
from charthouse.foundation.spreading import spread

from . import assembly_commands, desk_commands, letter_commands
from .actions.keep_facts import kept_facts, rebuild_facts
from .adopted import adopted_version, sets_of, told_in_force, told_with_file
from .domain.analysis import analyse
from .domain.facts import EncounterFacts
from .domain.findings import Finding, What
from .domain.rules import RuleError, RuleSet
from .queries import Span, encounters_called, facts_of, findings_of, spans

app = typer.Typer(no_args_is_help=True, help="What a chart has to have, and what charts lack.")

_CTX = system_context("completion")


class Format(StrEnum):
    """How something is printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class _Rules:
    """The version in force, and by type of facility the rules that are tried beside it; none where none are."""

    version: int
    tried: Mapping[str, RuleSet]

    def found_in(self, facts: EncounterFacts, at: datetime) -> tuple[Finding, ...]:
        return findings_of(facts, self.version, at)

    def tried_in(self, facts: EncounterFacts, at: datetime) -> tuple[Finding, ...]:
        return analyse(facts, self.tried.get(facts.facility_type) or self.tried[FacilityType.HOSPITAL.value], at)


app.command("adopt")(desk_commands.adopt)
app.command("versions")(desk_commands.versions)
app.command("refresh")(desk_commands.refresh)
app.command("snapshot")(desk_commands.snapshot)
app.command("pieces")(assembly_commands.show_pieces)
app.command("map")(assembly_commands.map_one)
app.command("mapped")(assembly_commands.show_mapped)
app.command("letters")(letter_commands.letters)
app.command("suspensions")(letter_commands.suspensions)


@app.callback()
def completion() -> None:
    """What a chart has to have, and what charts lack."""


@app.command("rules")
def rules(
    facility_type: Annotated[
        FacilityType, typer.Option("--facility-type", help="The rules at facilities of this type.")
    ] = FacilityType.HOSPITAL,
) -> None:
    """The rules by which charts are analysed here, with their sources. `charthouse rules show` tells all of one of
    those that are shipped."""
    table = Table("Rule", "Title", "Force", "Source", box=None, pad_edge=False)
    for rule in told_in_force().get(facility_type.value, ()):
        source = rule.get("source", {})
        force = f"{source.get('force', '')}{', unverified' if source.get('unverified') else ''}"
        table.add_row(
            rule["code"], rule["title"], force, ", ".join(filter(None, map(source.get, ("authority", "citation"))))
        )
    console = Console(highlight=False)
    console.print(table)
    version = adopted_version()
    console.print(f"  Version {version} is in force." if version else "  As shipped; no version was adopted yet.")


@app.command("analyse")
def analyse_charts(
    encounter: Annotated[
        list[str] | None,
        typer.Option(help="An encounter, by its id or its visit number; several times for several."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every encounter there is.")] = False,
    tried: Annotated[
        Path | None, typer.Option("--rules", help="A pack whose rules are tried in place of those in force.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="table, or json on one line.")] = Format.TABLE,
) -> None:
    """What charts lack, now, by the rules in force here. Nothing is opened, closed or changed; with --all what is
    kept of charts for the analysis is brought up to date on the way.

    With --rules also what the rules of that file would open and close, beside the rules in force.
    """
    if bool(encounter) is everything:
        typer.echo("Name encounters with --encounter, or take them all with --all.", err=True)
        raise typer.Exit(2)
    try:
        rules = _Rules(adopted_version(), sets_of(told_with_file(tried)) if tried is not None else {})
    except (RuleError, RulePackError) as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"{tried} cannot be read: {error.strerror}.", err=True)
        raise typer.Exit(2) from None
    if everything:
        _analyse_all(rules, form)
        return
    numbers = []
    for name in encounter or []:
        meant = encounters_called(_CTX, name)
        if not meant:
            typer.echo(f"There is no encounter {name} in the record.", err=True)
            raise typer.Exit(1)
        numbers += meant
    listed = list(facts_of(_CTX, numbers).values())
    told = [_told(facts, rules) for facts in listed]
    if form is Format.JSON:
        typer.echo(orjson.dumps({"encounters": told}).decode())
        return
    for facts, one in zip(listed, told, strict=True):
        _show(facts, one)


@dataclass(slots=True)
class _Tally:
    """What a span of the house lacks, counted; what came late is noted, and nobody owes it any more."""

    encounters: int = 0
    incomplete: int = 0
    delinquent: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    opens: Counter[tuple[str, str]] = field(default_factory=Counter)
    closes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def join(self, more: _Tally) -> None:
        self.encounters += more.encounters
        self.incomplete += more.incomplete
        self.delinquent += more.delinquent
        self.counts += more.counts
        self.opens += more.opens
        self.closes += more.closes


def _tallied(rules: _Rules, now: datetime, span: Span) -> _Tally:
    tally = _Tally()
    for _, some in kept_facts(span):
        for facts in some:
            tally.encounters += 1
            found = rules.found_in(facts, now)
            tally.counts.update((each.kind, each.what.value) for each in found)
            owed = [each for each in found if each.what is not What.LATE]
            tally.incomplete += bool(owed)
            tally.delinquent += any(each.overdue(now) for each in owed)
            if rules.tried:
                opened, closed = _compared(found, rules.tried_in(facts, now))
                tally.opens.update((each.kind, each.what.value) for each in opened)
                tally.closes.update((each.kind, each.what.value) for each in closed)
    return tally


def _analyse_all(rules: _Rules, form: Format) -> None:
    tally = _Tally()
    with _progress(form) as tell:
        for each in spread(partial(_tallied, rules, clock.now()), spans(_CTX)):
            tally.join(each)
            tell(each.encounters)
    counts, opens, closes = tally.counts, tally.opens, tally.closes
    if form is Format.JSON:
        line: dict[str, Any] = {
            "encounters": tally.encounters,
            "incomplete": tally.incomplete,
            "overdue": tally.delinquent,
            "deficiencies": _counted(counts),
        }
        if rules.tried:
            line |= {"opens": _counted(opens), "closes": _counted(closes)}
        typer.echo(orjson.dumps(line).decode())
        return
    headings = ["Deficiency", "What", "Charts' deficiencies"] + (
        ["Would open", "Would close"] if rules.tried else []
    )
    table = Table(*headings, box=None, pad_edge=False)
    for key in sorted(counts.keys() | opens.keys() | closes.keys()):
        more = [f"{opens[key]:,}", f"{closes[key]:,}"] if rules.tried else []
        table.add_row(*key, f"{counts[key]:,}", *more)
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"  {tally.encounters:,} encounters; {tally.incomplete:,} lack something,"
        f" {tally.delinquent:,} something that is overdue."
    )


def _counted(counts: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"kind": kind, "what": what, "count": counts[kind, what]} for kind, what in sorted(counts)]


def _compared(before: Iterable[Finding], after: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
    """What rules that are tried would open, and close."""
    old, new = {each.key: each for each in before}, {each.key: each for each in after}
    return [new[key] for key in new.keys() - old.keys()], [old[key] for key in old.keys() - new.keys()]


def _told(facts: EncounterFacts, rules: _Rules) -> dict[str, Any]:
    now = clock.now()
    found = rules.found_in(facts, now)
    told: dict[str, Any] = {
        "encounter": facts.id,
        "kind": facts.kind.value,
        "findings": [_line(each) for each in found],
    }
    if rules.tried:
        opened, closed = _compared(found, rules.tried_in(facts, now))
        told |= {"opens": [_line(each) for each in opened], "closes": [_line(each) for each in closed]}
    return told


def _line(one: Finding) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "kind": one.kind,
        "piece": one.piece,
        "what": one.what.value,
        "about": one.about,
        "owed_by": one.owed_by.name if one.owed_by else "",
        "owed_because": one.owed_because,
        "due": one.due.isoformat() if one.due else "",
        "overdue": one.overdue(clock.now()),
        "says": one.says,
        "key": one.key,
    }


def _show(facts: EncounterFacts, told: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    zone = ZoneInfo(facts.time_zone)
    console.print(f"Encounter {facts.id}, visit {facts.number or 'unknown'} ({facts.kind.value})", style="bold")
    for title, name in (("", "findings"), ("Would open", "opens"), ("Would close", "closes")):
        listed = told.get(name, ())
        if title and listed:
            console.print(f"  {title}:")
        for each in listed:
            due = datetime.fromisoformat(each["due"]).astimezone(zone) if each["due"] else None
            until = f", due {due:%Y-%m-%d %H:%M}" if due else ""
            owed = each["owed_by"] or "nobody is named"
            console.print(f"  {each['says']} ({each['rule']}) {owed}, {each['owed_because']}{until}", markup=False)
    if not told["findings"]:
        console.print("  Nothing is lacking.")
    console.print()


@app.command("rebuild")
def rebuild(
    everything: Annotated[
        bool, typer.Option("--all", help="Read every chart from the record again, not only what is behind.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="table, or json on one line.")] = Format.TABLE,
) -> None:
    """Bring the facts up to date that are kept of charts for the analysis of the whole house. The record is not
    changed, and no deficiency; without this, too, what is behind is read from the record itself."""
    encounters = read = 0
    with _progress(form) as tell:
        for each in spread(partial(rebuild_facts, everything=everything), spans(_CTX)):
            encounters, read = encounters + each.encounters, read + each.read
            tell(each.encounters)
    if form is Format.JSON:
        typer.echo(orjson.dumps({"encounters": encounters, "read": read}).decode())
        return
    typer.echo(f"{encounters:,} encounters; the facts of {read:,} were read from the record again.")


@contextmanager
def _progress(form: Format) -> Iterator[Callable[[int], None]]:
    columns = (SpinnerColumn(), TextColumn("  {task.completed:,} encounters"), TimeElapsedColumn())
    console = Console(stderr=True)
    # Drawn when something is done and by no thread of its own: processes are forked meanwhile.
    with Progress(
        *columns, console=console, transient=True, disable=form is Format.JSON, auto_refresh=False
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda more: progress.update(task, advance=more, refresh=True)
