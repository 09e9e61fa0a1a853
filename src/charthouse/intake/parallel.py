"""Taking many files in with several processes.

HL7 files go one after another through one process, so that a patient's messages keep their order; FHIR files each
stand alone and go to whichever process is free, those that describe practitioners and places first.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

from charthouse.exchange.cda.api import SectionReport
from charthouse.foundation.bootstrap import configure_django
from charthouse.intake.domain.arrival import Connector

_HEAD = 65_536
#: How the kind of a C-CDA document begins.
_DOCUMENT = "C-CDA "


@dataclass(frozen=True, slots=True)
class DocumentReport:
    """A C-CDA document: its kind, what became of it, and of each of its sections."""

    kind: str
    state: str
    sections: tuple[SectionReport, ...] = ()


@dataclass(slots=True)
class FileReport:
    """What became of one file; ``fault`` says why it as a whole could not be read."""

    path: str
    messages: int = 0
    duplicates: int = 0
    states: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    """(kind of message, reason, place) of what could not be filed."""
    fault: str = ""
    peak_bytes: int = 0
    documents: list[DocumentReport] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Task:
    paths: tuple[str, ...]
    sender: str | None
    connector: Connector


def take_in_files(
    paths: Sequence[Path], *, sender: str | None = None, processes: int | None = None
) -> Iterator[FileReport]:
    """Take ``paths`` in; a report a file, as each is done. The processes are started before this returns."""
    tasks = _tasks(paths, sender)
    count = min(processes or os.cpu_count() or 1, len(tasks))
    if count <= 1:
        return (report for task in tasks for report in _work(task))
    return _gather(_pool(count), tasks)


def _pool(count: int) -> Pool:
    """Processes with all they need imported: on Linux copies of this one, elsewhere new ones."""
    if sys.platform == "linux" and threading.active_count() == 1:
        from django.db import connections

        _get_ready()
        connections.close_all()
        gc.freeze()  # so that the copies' collectors leave alone, and shared, what is there already
        try:
            return multiprocessing.get_context("fork").Pool(count)
        finally:
            gc.unfreeze()
    return multiprocessing.get_context("spawn").Pool(count, initializer=_begin)


def _begin() -> None:
    configure_django()
    _get_ready()


def _get_ready() -> None:
    import charthouse.intake.actions.take_in  # noqa: F401
    from charthouse.record.preparing import get_ready

    get_ready()


def _gather(pool: Pool, tasks: Sequence[_Task]) -> Iterator[FileReport]:
    with pool:
        for reports in pool.imap_unordered(_work_listed, tasks):
            yield from reports


def _tasks(paths: Sequence[Path], sender: str | None) -> list[_Task]:
    hl7: list[str] = []
    shared: list[_Task] = []
    others: list[_Task] = []
    for path in paths:
        head = _head(path)
        if head.lstrip(b"\xef\xbb\xbf \t\r\n\x0b").startswith((b"MSH", b"FHS", b"BHS")):
            hl7.append(str(path))
        else:
            task = _Task((str(path),), sender, Connector.FILES)
            (others if b'"Patient"' in head else shared).append(task)
    # The largest first, so that no process is left with one while the others have nothing to do.
    others.sort(key=lambda task: -_size(task.paths[0]))
    return [*shared, *([_Task(tuple(hl7), sender, Connector.FILES)] if hl7 else []), *others]


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _head(path: Path) -> bytes:
    from charthouse.exchange.fhir.api import FhirError, open_stream

    try:
        with open_stream(path) as stream:
            return stream.read(_HEAD)
    except (OSError, FhirError):
        return b""


def _work_listed(task: _Task) -> list[FileReport]:
    return list(_work(task))


def _work(task: _Task) -> Iterator[FileReport]:
    from django.db import DatabaseError

    from charthouse.foundation.logging import where

    from .actions.take_in import take_in
    from .domain.errors import IntakeError

    for path in task.paths:
        report = FileReport(path)
        try:
            with Path(path).open("rb") as stream:
                for taken in take_in(stream, connector=task.connector, sender=task.sender, batch=Path(path).name):
                    _add(report, taken)
        except IntakeError as error:
            report.fault = str(error)
        except OSError as error:
            report.fault = f"The file cannot be read: {error.strerror or type(error).__name__}."
        except DatabaseError as error:
            report.fault = f"The database is away ({where(error)}). Send the file again; nothing is filed twice."
        report.peak_bytes = _peak()
        yield report


def _add(report: FileReport, taken: Any) -> None:
    report.messages += 1
    if taken.receipt.duplicate_of is not None:
        report.duplicates += 1
        report.states["duplicate"] += 1
        if taken.kind.startswith(_DOCUMENT):
            report.documents.append(DocumentReport(taken.kind.removeprefix(_DOCUMENT), "duplicate"))
        return
    result = taken.result
    if taken.kind.startswith(_DOCUMENT):
        report.documents.append(
            DocumentReport(taken.kind.removeprefix(_DOCUMENT), result.state.value, tuple(result.sections))
        )
    report.states[result.state.value] += 1
    report.outcomes.update({outcome.value: count for outcome, count in result.counts.items()})
    report.types.update(result.types)
    report.problems.extend((taken.kind, problem.reason, problem.place) for problem in result.problems)


def _peak() -> int:
    """The most memory this process has held, in bytes."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
