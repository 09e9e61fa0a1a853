"""Progress on a terminal: bars and steps that say what is being done and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn


@contextmanager
def step(console: Console, doing: str, done: str = "") -> Iterator[Callable[[str], None]]:
    """A line that says what is being done, then what was done and in how many seconds. Yields a function that
    changes what it says meanwhile."""
    began = time.monotonic()
    last = doing
    with console.status(doing) as status:

        def say(sentence: str) -> None:
            nonlocal last
            last = sentence
            status.update(sentence)

        yield say
    console.print(f"  {done or last} [dim]{time.monotonic() - began:.1f} s[/dim]")


@contextmanager
def migration_progress() -> Iterator[Callable[[int, int, str], None]]:
    """A bar of migrations; it appears with the first."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("Bringing the schema up to date", total=None, visible=False)

        def report(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, visible=True, description=f"Migration {name}")

        yield report


@contextmanager
def bytes_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes."""
    with Progress(SpinnerColumn(), TextColumn(what), BarColumn(), DownloadColumn(), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report
