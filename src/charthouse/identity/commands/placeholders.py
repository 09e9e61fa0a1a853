"""``charthouse identity placeholders``: values that stand for no value, learnt from how often they are met."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from .looking import context

app = typer.Typer(no_args_is_help=True, help="Values that stand for no value, learnt from how often they are met.")
_Ids = Annotated[list[int], typer.Argument(help="Their numbers, as `list` shows them.")]
_Why = Annotated[str, typer.Option(help="Why; it is kept with the decision.")]


@app.command()
def find() -> None:
    """Look through the index for values far more persons have than chance would have it. Nothing changes by it."""
    ctx = context()
    from charthouse.identity.actions.learn_placeholders import find_placeholders

    found = find_placeholders(ctx)
    _show(ctx)
    print(
        f"{found:,} values are met too often. `accept` or `reject` decides; `effect` says what accepting changes."
    )


@app.command("list")
def show() -> None:
    """Show what was found and decided."""
    _show(context())


@app.command()
def accept(ids: _Ids, why: _Why) -> None:
    """They stand for no value: from now on they are neither looked up nor compared."""
    _decide(ids, why, accepted=True)


@app.command()
def reject(ids: _Ids, why: _Why) -> None:
    """They are real values; also takes an acceptance back."""
    _decide(ids, why, accepted=False)


@app.command()
def effect() -> None:
    """Show which pairs would be decided otherwise if all undecided ones were accepted. Nothing is changed."""
    ctx = context()
    from charthouse.identity.index_reads import read_index
    from charthouse.identity.placeholder_queries import placeholder_lines
    from charthouse.identity.policy import learnt_of, policy

    from .training import changes, show_changes

    lines = [each for each in placeholder_lines(ctx) if each.state != "rejected"]
    wanted = learnt_of((each.field, each.value) for each in lines)
    model = policy().model
    show_changes(changes(read_index(ctx), model, model, read_index(ctx, learnt=wanted)), "If they were accepted")


def _decide(ids: list[int], why: str, *, accepted: bool) -> None:
    ctx = context()
    from charthouse.identity.actions.learn_placeholders import decide_placeholders
    from charthouse.identity.actions.moving import CannotDecide

    try:
        decide_placeholders(ctx, ids, accepted=accepted, why=why)
    except CannotDecide as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    _show(ctx)


def _show(ctx: Any) -> None:
    from charthouse.identity.placeholder_queries import placeholder_lines

    table = Table("No.", "What", "Value", "Persons", "Why it is too many", "Decided", "By", "Why")
    for each in placeholder_lines(ctx):
        decided = "" if each.state == "found" else each.state
        table.add_row(
            str(each.id),
            each.title,
            each.value,
            f"{each.persons:,}",
            each.reason,
            decided,
            each.decided_by,
            each.why,
        )
    Console().print(table)
