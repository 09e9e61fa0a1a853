"""What is logged of messages: that something went wrong, never whose data it was."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.db import connection

from charthouse.foundation import logging as charthouse_logging
from charthouse.intake.actions import file_messages as filing

SECRET = "Wolkenstein"
NUMBER = "219-41-6788"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything logged, as a running process would write it."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    charthouse_logging.configure(level="DEBUG", stream=stream)
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


def message(make: Any) -> bytes:
    data: bytes = make.hl7("ADT^A01", name=f"{SECRET}^Ida", control="C9")
    return data.replace(b"^01060", b"^01060||||||||" + NUMBER.encode())


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database refuses a row, and quotes it."""

    def failing(arrivals: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::bigint", [f"{SECRET} {NUMBER}"])

    monkeypatch.setattr(filing, "place", failing)


@pytest.mark.parametrize("way", ["at once", "queue"])
def test_a_refused_messages_data_is_not_in_the_log(
    inbox: Any, make: Any, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO, way: str
) -> None:
    refuse(monkeypatch)
    taken = inbox.take_one(message(make), file=way == "at once")
    if way == "queue":
        inbox.file_waiting()
    assert inbox.state(taken.receipt.message) == "unfiled"
    text = logged.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    assert any("22P02" in json.dumps(line) for line in lines), "the fault itself is logged"
    assert SECRET not in text
    assert NUMBER not in text
    # Nor in what is kept as the reason.
    assert SECRET not in str(inbox.rows("SELECT reason FROM intake_unfiled"))
    assert SECRET not in str(inbox.items())


def test_faults_of_code_do_not_quote_either(
    inbox: Any, make: Any, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    def failing(arrivals: Any) -> None:
        raise ValueError(f"bad value {SECRET} {NUMBER}")

    monkeypatch.setattr(filing, "place", failing)
    inbox.take(message(make))
    assert "ValueError" in logged.getvalue()
    assert SECRET not in logged.getvalue()


def test_bad_and_refused_files_are_not_quoted(inbox: Any, make: Any, logged: io.StringIO, tmp_path: Path) -> None:
    import os

    from charthouse.intake.connectors.folder import sweep

    path = tmp_path / f"{SECRET}.hl7"
    path.write_bytes(f"not a message about {SECRET}".encode())
    os.utime(path, (1, 1))
    inbox.take(message(make).replace(b"ADT^A01", b"ZZZ^Z99"))
    inbox.take(make.observation(note=[{"text": SECRET}], status=SECRET))
    assert sweep(tmp_path) == 1
    assert "refused" in logged.getvalue()
    assert SECRET not in logged.getvalue()


def test_no_log_line_of_intake_or_record_prints_an_exceptions_text() -> None:
    """Their loggers are structlog's, whose lines hold only named, harmless values."""
    import charthouse

    for app in ("intake", "record"):
        for path in (Path(charthouse.__file__).parent / app).rglob("*.py"):
            text = path.read_text("utf-8")
            assert "logging.getLogger" not in text, path
            assert "log.exception" not in text, path
            assert "traceback" not in text, path


def test_the_ledger_holds_no_patients_text(inbox: Any, make: Any) -> None:
    inbox.take(message(make))
    assert SECRET not in str(inbox.rows("SELECT * FROM ledger_entry"))
    assert SECRET not in str(inbox.rows("SELECT * FROM ledger_subject"))
