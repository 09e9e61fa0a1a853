"""``charthouse bench``: one group for every measurement; each ends with one JSON line of its figures."""

from __future__ import annotations

import typer

from charthouse.completion.bench import bench_completion
from charthouse.completion.bench_news import bench_completion_news
from charthouse.fhir.bench.commands import app as fhir
from charthouse.foundation.files.bench import bench_rotate
from charthouse.foundation.ledger.commands import bench as bench_ledger
from charthouse.identity.bench.commands import app as identity
from charthouse.intake.bench.cda import bench_cda
from charthouse.intake.bench.crash import bench_crash
from charthouse.intake.bench.files import bench_intake
from charthouse.intake.bench.mllp import bench_mllp
from charthouse.record.bench.search import bench_search
from charthouse.record.bench.verify import bench_verify
from charthouse.web.commands.bench_completion import bench_completion_desk
from charthouse.web.commands.bench_desk import bench_desk
from charthouse.web.commands.bench_screens import bench_screens

app = typer.Typer(no_args_is_help=True, help="Measure, beside what it is compared with.")
app.command("intake")(bench_intake)
app.command("cda")(bench_cda)
app.command("mllp")(bench_mllp)
app.command("crash")(bench_crash)
app.command("ledger")(bench_ledger)
app.command("verify")(bench_verify)
app.command("rotate")(bench_rotate)
app.command("search")(bench_search)
app.command("screens")(bench_screens)
app.command("desk")(bench_desk)
app.command("completion-desk")(bench_completion_desk)
app.command("completion")(bench_completion)
app.command("completion-news")(bench_completion_news)
app.add_typer(identity, name="identity")
app.add_typer(fhir, name="fhir")
