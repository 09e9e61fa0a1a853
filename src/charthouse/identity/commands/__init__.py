"""``charthouse identity``: find a patient, see why two are one or two, and what whole files and indexes hold."""

from __future__ import annotations

import typer

from . import notifying, placeholders
from .deduping import dedupe, link_file
from .evaluating import evaluate
from .looking import explain, find
from .training import models, rescore, train, use

app = typer.Typer(no_args_is_help=True, help="The master patient index.")
app.add_typer(notifying.app, name="notify")
app.add_typer(placeholders.app, name="placeholders")
app.command("find")(find)
app.command("explain")(explain)
app.command("evaluate")(evaluate)
app.command("dedupe")(dedupe)
app.command("link")(link_file)
app.command("train")(train)
app.command("models")(models)
app.command("use")(use)
app.command("rescore")(rescore)
