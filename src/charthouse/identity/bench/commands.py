"""``charthouse bench identity``: how right and how fast the index is, Splink beside it."""

from __future__ import annotations

import typer

from .labelled import bench_febrl, bench_pseudopeople
from .online import bench_online
from .whole import bench_population

app = typer.Typer(no_args_is_help=True, help="How right and how fast persons are told apart.")
app.command("febrl")(bench_febrl)
app.command("pseudopeople")(bench_pseudopeople)
app.command("population")(bench_population)
app.command("online")(bench_online)
