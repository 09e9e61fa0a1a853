"""Jobs exist with the change that asks for them, show their progress, and stop when asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django.migrations_utils import list_migration_files
from psycopg.conninfo import conninfo_to_dict

from charthouse.foundation.jobs import api as jobs
from charthouse.foundation.jobs import engine, tasks, upkeep
from charthouse.foundation.jobs import progress as progress_module

Ran = list[tuple[str, Any]]
RAN: Ran = []
GATE = threading.Event()


@jobs.task("test.add", "Add numbers")
def add(progress: jobs.Progress, *, numbers: list[int]) -> dict[str, int]:
    for place, _number in enumerate(numbers):
        progress.update(place + 1, len(numbers), "adding")
    RAN.append(("add", numbers))
    return {"sum": sum(numbers)}


@jobs.task("test.fail", "Fail")
def fail(progress: jobs.Progress) -> None:
    progress.update(1, 3)
    raise ValueError("Jane Roe has no record")


@jobs.task("test.write", "Write in a transaction")
def write(progress: jobs.Progress) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO events_cluster VALUES (1, 0)")
        progress.update(1, 2, "half way")
        GATE.wait(20)


@jobs.task("test.chain", "Defer another")
def chain(progress: jobs.Progress) -> None:
    jobs.defer(add, numbers=[1, 2])
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.defer(add, numbers=[9, 9])
        raise ZeroDivisionError


@jobs.task("test.endless", "Go on until stopped")
def endless(progress: jobs.Progress) -> None:
    for n in range(1, 100_000):
        progress.update(n)
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    RAN.clear()
    GATE.clear()
    yield
    GATE.set()


@pytest.fixture(autouse=True)
def only_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what runs by the clock, whichever apps' jobs this process has met before."""
    monkeypatch.setattr(engine.app.periodic_registry, "periodic_tasks", {})


def work_off() -> None:
    jobs.run_worker(wait=False)


def eventually(true: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_a_job_runs_and_tells_its_result(committed_db: str) -> None:
    id = jobs.defer(add, numbers=[1, 2, 3])
    waiting = jobs.status(id)
    assert waiting is not None and waiting.state is jobs.JobState.WAITING and not waiting.finished
    work_off()
    done = jobs.status(id)
    assert done is not None and done.state is jobs.JobState.DONE and done.finished
    assert (done.done, done.total, done.message, done.result) == (3, 3, "adding", {"sum": 6})
    assert jobs.title(done.task) == "Add numbers"
    assert [status.id for status in jobs.recent()] == [id]
    assert jobs.status(404) is None


def test_a_job_of_a_rolled_back_change_never_runs(committed_db: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.defer(add, numbers=[1])
        raise ZeroDivisionError
    work_off()
    assert RAN == []


def test_a_failure_is_told_without_data(committed_db: str, capfd: pytest.CaptureFixture[str]) -> None:
    id = jobs.defer(fail)
    work_off()
    failed = jobs.status(id)
    assert failed is not None and failed.state is jobs.JobState.FAILED
    assert failed.error.startswith("ValueError") and "Jane" not in failed.error
    assert (failed.done, failed.total) == (1, 3)


def test_progress_is_seen_while_the_jobs_transaction_is_open(committed_db: str) -> None:
    id = jobs.defer(write)
    worker = threading.Thread(target=work_off)
    worker.start()
    try:
        eventually(lambda: (jobs.status(id) or pytest.fail()).message == "half way")
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM events_cluster")
            assert cursor.fetchone() == (0,), "the job's own writes are not committed yet"
    finally:
        GATE.set()
        worker.join()
    assert (jobs.status(id) or pytest.fail()).state is jobs.JobState.DONE


def test_a_job_defers_others_in_its_own_transaction(committed_db: str) -> None:
    jobs.defer(chain)
    work_off()
    work_off()
    assert RAN == [("add", [1, 2])]


def test_only_one_waits_for_the_same_thing(committed_db: str) -> None:
    first = jobs.defer(add, once="patient-1", numbers=[1])
    with pytest.raises(jobs.AlreadyWaiting, match="Add numbers"), transaction.atomic():
        jobs.defer(add, once="patient-1", numbers=[1])
    work_off()
    assert jobs.defer(add, once="patient-1", numbers=[2]) > first


def test_a_running_job_stops_when_asked(committed_db: str) -> None:
    id = jobs.defer(endless)
    worker = threading.Thread(target=work_off)
    worker.start()
    eventually(lambda: (jobs.status(id) or pytest.fail()).done > 0)
    assert jobs.cancel(id)
    worker.join(timeout=20)
    assert not worker.is_alive()
    stopped = jobs.status(id)
    assert stopped is not None and stopped.state is jobs.JobState.CANCELLED
    assert not jobs.cancel(id)


def test_a_waiting_job_is_taken_back(committed_db: str) -> None:
    id = jobs.defer(add, numbers=[1])
    assert jobs.cancel(id)
    work_off()
    assert RAN == [] and (jobs.status(id) or pytest.fail()).state is jobs.JobState.CANCELLED


def test_the_worker_wakes_for_a_job_and_stops_when_asked(committed_db: str) -> None:
    stop = threading.Event()
    worker = threading.Thread(target=jobs.run_worker, args=(stop,))
    worker.start()
    try:
        id = jobs.defer(add, numbers=[4])
        eventually(lambda: (jobs.status(id) or pytest.fail()).finished)
    finally:
        stop.set()
        worker.join(timeout=20)
    assert not worker.is_alive()


_WORK = """
import time
import django
django.setup()
from charthouse.foundation.jobs import api as jobs

@jobs.task("test.endless", "Go on")
def endless(progress):
    progress.update(1)
    print("running", flush=True)
    time.sleep(60)

jobs.run_worker(wait=False)
"""


def test_a_job_whose_worker_was_killed_runs_again(committed_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    id = jobs.defer(endless)
    info = conninfo_to_dict(committed_db)
    place = f"host={info['host']}" + (f"&port={info['port']}" if info.get("port") else "")
    environment = os.environ | {
        "DATABASE_URL": f"postgresql://{info['user']}:{info.get('password') or ''}@/{info['dbname']}?{place}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    process = subprocess.Popen([sys.executable, "-c", _WORK], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert upkeep.retry_abandoned() == 0, "its heart may still beat"
    monkeypatch.setattr(upkeep, "DEAD_AFTER", 0)
    # Where a minute began meanwhile, one that the worker defers by itself was under way, too.
    assert upkeep.retry_abandoned() >= 1
    assert (jobs.status(id) or pytest.fail()).state is jobs.JobState.WAITING


def test_old_jobs_are_cleared_with_their_progress(committed_db: str) -> None:
    old = jobs.defer(add, numbers=[1])
    work_off()
    waiting = jobs.defer(add, numbers=[2])
    assert upkeep.clear_finished() == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '40 days'")
    assert upkeep.clear_finished() == 1
    assert jobs.status(old) is None and jobs.status(waiting) is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM jobs_progress")
        assert cursor.fetchone() == (0,)


def test_the_foundations_own_jobs_run(committed_db: str) -> None:
    import_module("charthouse.foundation.jobs.housekeeping")
    names = {task.name for task in jobs.tasks()}
    own = {name for name in names if name.startswith("foundation.")}
    assert {"foundation.trim", "foundation.end_holds", "foundation.verify_files"} <= own
    # What the worker defers by itself at its times.
    ids = [jobs.defer(task, timestamp=0) for task in jobs.tasks() if task.name in own]
    work_off()
    assert [(jobs.status(id) or pytest.fail()).error for id in ids] == [""] * len(ids)
    assert {(jobs.status(id) or pytest.fail()).state for id in ids} == {jobs.JobState.DONE}


def test_a_job_is_declared_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        jobs.task("test.add", "Add again")(lambda progress: None)
    assert tasks._tasks["test.add"].title == "Add numbers"


def test_every_step_of_procrastinates_schema_is_in_a_migration() -> None:
    """Fails when a new version brings steps that no migration runs yet."""
    folder = import_module("charthouse.foundation.migrations").__path__[0]
    text = "".join(path.read_text("utf-8") for path in Path(folder).glob("*.py"))
    assert [name for name in list_migration_files() if f'"{name}"' not in text] == []


def test_progress_is_written_seldom(committed_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = jobs.Progress(1)
    progress.begin()
    writes: list[object] = []
    write_really = progress_module.Progress._write

    def write(self: jobs.Progress) -> None:
        writes.append(1)
        write_really(self)

    monkeypatch.setattr(progress_module.Progress, "_write", write)
    for n in range(1000):
        progress.update(n, 1000)
    progress.close()
    assert 1 <= len(writes) <= 5
