"""``charthouse bench fhir``: the API beside the same work done bare, in one run; each ends with one JSON line."""

from __future__ import annotations

import typer

from .checking import bench_check
from .exporting import bench_export
from .reading import bench_read
from .searching import bench_search
from .transactions import bench_transaction
from .writing import bench_write

app = typer.Typer(no_args_is_help=True, help="The FHIR API beside the same work done bare.")
app.command("export")(bench_export)
app.command("read")(bench_read)
app.command("write")(bench_write)
app.command("search")(bench_search)
app.command("transaction")(bench_transaction)
app.command("check")(bench_check)
