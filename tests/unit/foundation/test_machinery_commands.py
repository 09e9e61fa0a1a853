"""The machinery's commands say what is the matter, and mend it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest
from django.db import connection, transaction
from typer.testing import CliRunner, Result

from charthouse.cli import app
from charthouse.foundation.events import api as events
from charthouse.foundation.files import api as files
from charthouse.foundation.files import store
from charthouse.foundation.outbox import api as outbox
from charthouse.foundation.work import api as work

pytestmark = pytest.mark.usefixtures("committed_db")
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, result.output
        return result

    return run


def test_work(run: Run) -> None:
    id = work.open_item(
        work.MACHINERY_QUEUE, subject=work.Subject("event", "7"), reason="It stands still.", dedupe="x"
    )
    assert "Stopped machinery" in run("work", "list").output
    assert "It stands still." in run("work", "list", work.MACHINERY_QUEUE).output
    shown = run("work", "show", str(id)).output
    assert "It stands still." in shown and "opened" in shown
    assert "There is no queue" in run("work", "list", "nowhere", code=2).output
    assert "no work item 404" in run("work", "show", "404", code=2).output


def test_events(run: Run) -> None:
    done: list[int] = []
    broken = True

    def handle(batch: Sequence[events.Event]) -> None:
        if broken:
            raise ValueError
        done.extend(event.id for event in batch)

    consumer = events.Consumer("broken", ("test.command",), handle, attempts=1)
    for key in ("p1", "p2"):
        with transaction.atomic():
            events.append("test.command", key=key, payload={})
    events.drain(consumer)
    assert "broken" in run("events", "lag").output
    assert "ValueError" in run("events", "parked").output
    first, second = events.parked()
    broken = False
    run("events", "retry", str(first.id))
    events.drain(consumer)
    assert done == [first.event.id]
    run("events", "discard", str(second.id), "--reason", "not wanted")
    assert events.parked() == []
    assert "No event stands aside" in run("events", "retry", "404", code=2).output
    run("events", "forget", "broken")
    assert events.lag() == []
    assert "There is no consumer" in run("events", "forget", "broken", code=2).output


def test_outbox(run: Run) -> None:
    with transaction.atomic():
        id = outbox.enqueue("pigeon:lab", "test", "x", "p1")
    assert "pigeon:lab" in run("outbox", "list").output
    outbox.send_due()
    assert "No transport sends to pigeon:" in run("outbox", "dead").output
    run("outbox", "retry", str(id))
    outbox.send_due()
    run("outbox", "discard", str(id), "--reason", "no pigeons")
    assert outbox.depth() == []
    assert "is not dead" in run("outbox", "retry", str(uuid4()), code=2).output


def test_files(run: Run) -> None:
    file = files.put(b"x", "text/plain")
    assert "1 files, 1 bytes: nothing is wrong" in run("files", "verify").output
    assert "nothing is wrong" in run("files", "rotate").output
    store.path_of(store.row_of(file.id).name).unlink()
    result = run("files", "verify", code=1)
    assert str(file.id) in result.output and "missing" in result.output
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM files_file")
