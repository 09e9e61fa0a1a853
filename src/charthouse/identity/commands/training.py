"""Learn how persons are told apart here, and say what it would change before anything does."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from .evaluating import Format
from .looking import context

if TYPE_CHECKING:
    from charthouse.identity.batch.judging import Judged
    from charthouse.identity.domain.model import Model
    from charthouse.identity.index_reads import Index

_console = Console(stderr=True, highlight=False, soft_wrap=True)


def train(
    apply: Annotated[bool, typer.Option("--apply", help="Match by what was learnt from now on.")] = False,
    recall: Annotated[
        float, typer.Option(min=0.05, max=1, help="The share of duplicates that agree beyond doubt.")
    ] = 0.8,
    format_: Annotated[
        Format, typer.Option("--format", help="A table for people, or one line of JSON.")
    ] = Format.TABLE,
) -> None:
    """Learn weights from the patients here with Splink, keep them, and report what they would change.

    Nothing is matched by them before they are put in force: here with --apply, or later with `identity use`.
    """
    ctx = context()
    from charthouse.identity.actions.change_model import keep_model, put_in_force
    from charthouse.identity.batch.splink_training import TooFew
    from charthouse.identity.batch.splink_training import train as learn
    from charthouse.identity.index_reads import read_index
    from charthouse.identity.policy import model_in_force

    _console.print("  Reading the index")
    index = read_index(ctx)
    _console.print(f"  Learning from {index.table.size:,} patients")
    try:
        trained = learn(index.table, recall=recall)
    except TooFew as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    before, after = model_in_force(), trained.model()
    report = {
        "patients": trained.patients,
        "model": after.version,
        "before": before.version,
        "prior": [round(before.prior, 2), round(after.prior, 2)],
        "weights": {
            field: {
                level: [round(before.weights[field][level], 2), round(bits, 2)] for level, bits in levels.items()
            }
            for field, levels in after.weights.items()
        },
        "not_learnt": list(trained.unlearnt),
        **changes(index, before, after),
    }
    keep_model(ctx, after.version, trained.saved, trained.frequencies, report)
    if apply:
        put_in_force(ctx, after.version)
    if format_ is Format.JSON:
        print(orjson.dumps({**report, "in_force": apply}).decode())
        return
    _show(report)
    then = "in force" if apply else f"kept; `charthouse identity use {after.version}` puts it in force"
    print(f"{after.version} is {then}.")


def use(
    version: Annotated[str, typer.Argument(help="The version, as `identity models` shows it.")],
) -> None:
    """Match by another model from now on. Who was linked stays linked."""
    ctx = context()
    from charthouse.identity.actions.change_model import NoSuchModel, put_in_force

    try:
        put_in_force(ctx, version)
    except NoSuchModel as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    print(f"{version} is in force.")


def models() -> None:
    """The models kept here, and which is in force."""
    context()
    from django.db import connection

    from charthouse.identity.domain.model import default_model

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT version, in_force, learnt_at, learnt_by, report->>'patients' FROM identity_model"
            " ORDER BY learnt_at"
        )
        rows = cursor.fetchall()
    # A version is typed again: it is never cut off.
    table = Table(Column("Model", no_wrap=True, overflow="fold"), "In force", "Learnt", "By", "From patients")
    table.add_row(default_model().version, "" if any(row[1] for row in rows) else "yes", "comes along", "", "")
    for version, in_force, learnt_at, learnt_by, patients in rows:
        table.add_row(version, "yes" if in_force else "", f"{learnt_at:%Y-%m-%d %H:%M}", learnt_by, patients or "")
    Console().print(table)


def rescore(
    version: Annotated[str, typer.Argument(help="A model kept here; `identity models` shows them.")],
) -> None:
    """Show what another model would decide otherwise. Nothing is changed."""
    ctx = context()
    from charthouse.identity.domain.model import default_model
    from charthouse.identity.index_reads import read_index
    from charthouse.identity.policy import model_in_force, saved_model

    try:
        after = default_model() if version == default_model().version else saved_model(version)
    except LookupError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    found = changes(read_index(ctx), model_in_force(), after)
    show_changes(found)


def changes(index: Index, before: Model, after: Model, later: Index | None = None) -> dict[str, Any]:
    """Pairs of the index by what the two models say of them, and how many of them are filed as one person.
    ``later``: the same patients as they would be compared afterwards."""
    import numpy as np

    from charthouse.identity.batch.judging import judge_pairs
    from charthouse.identity.policy import policy

    limits = policy().thresholds
    said = []
    for each, model in ((index, before), (later or index, after)):
        left, right = each.blocks.pairs(each.table.size)
        said.append(_said(judge_pairs(each.table, model, left, right, limits)))
    persons = np.array(index.persons)
    counted: Counter[tuple[str, str, bool]] = Counter()
    for pair in said[0].keys() | said[1].keys():
        now, then = said[0].get(pair, "new"), said[1].get(pair, "new")
        counted[now, then, bool(persons[pair[0]] == persons[pair[1]])] += 1
    return {
        "pairs": [
            {"now": now, "then": then, "filed_as_one": one, "pairs": many}
            for (now, then, one), many in sorted(counted.items())
        ]
    }


def _said(judged: Judged) -> dict[tuple[int, int], str]:
    found: dict[tuple[int, int], str] = {}
    for left, right, linked, review in zip(
        judged.pairs.left.tolist(),
        judged.pairs.right.tolist(),
        judged.linked.tolist(),
        judged.review.tolist(),
        strict=True,
    ):
        if linked or review:
            found[left, right] = "same" if linked else "perhaps"
    return found


def _show(report: dict[str, Any]) -> None:
    table = Table("Respect", "Level", "Bits now", "Bits learnt")
    table.add_row("prior", "", *(f"{bits:+.1f}" for bits in report["prior"]))
    unlearnt = set(report["not_learnt"])
    for field, levels in report["weights"].items():
        for level, (now, then) in levels.items():
            told = "not seen" if f"{field}: {level}" in unlearnt else f"{then:+.1f}"
            table.add_row(field, level, f"{now:+.1f}", told)
    Console().print(table)
    show_changes(report)


def show_changes(report: dict[str, Any], then: str = "With the other model") -> None:
    """The pairs that ``changes`` counted, as a table."""
    table = Table("Now", then, "Filed as", "Pairs", title="What would be decided of pairs")
    for row in report["pairs"]:
        filed = "one person" if row["filed_as_one"] else "two persons"
        table.add_row(row["now"], row["then"], filed, f"{row['pairs']:,}")
    Console().print(table)
