"""What is logged by accident does not come out."""

from __future__ import annotations

import ast
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import structlog

import charthouse
from charthouse.foundation import logging as charthouse_logging

NAME = "Jane Q. Roe"


class Lines:
    """The log as it comes out."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.read()[-1]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    made = Lines()
    charthouse_logging.configure(level="DEBUG", stream=made.stream)
    try:
        yield made
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**before)
        charthouse_logging.clear()
        assert NAME not in made.stream.getvalue(), "a patient's name came out"


@dataclass
class Patient:
    name: str

    def __str__(self) -> str:
        return self.name


class Colour(Enum):
    RED = NAME


def test_a_name_under_an_unknown_key_does_not_come_out(lines: Lines) -> None:
    structlog.get_logger("test").info("filed", patient=NAME, family=NAME, status=200)
    assert lines.last["event"] == "filed" and lines.last["status"] == 200
    assert lines.last["withheld"] == 2


def test_an_object_under_a_known_key_comes_out_as_its_type(lines: Lines) -> None:
    structlog.get_logger("test").info(
        "filed",
        item=Patient(NAME),
        kind={"name": NAME},
        count=[Patient(NAME), 3],
        state=Colour.RED,
        file=NAME.encode(),
    )
    last = lines.last
    assert (last["item"], last["kind"], last["count"]) == ("<Patient>", "<dict>", ["<Patient>", 3])
    assert (last["state"], last["file"]) == ("RED", "<bytes>")


def test_harmless_values_come_out_readable(lines: Lines) -> None:
    id = UUID("01a2034c-2cf7-78c2-9f6a-6e7f752455ed")
    structlog.get_logger("test").info(
        "sent",
        message_id=id,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=timedelta(seconds=1),
        done=True,
        total=None,
    )
    last = lines.last
    assert last["message_id"] == str(id) and last["at"].startswith("2026-01-01") and last["seconds"] == "0:00:01"
    assert last["done"] is True and last["total"] is None
    assert last["level"] == "info" and last["logger"] == "test" and last["timestamp"].endswith("Z")


def test_an_exceptions_text_does_not_come_out(lines: Lines) -> None:
    try:
        try:
            raise KeyError(NAME)
        except KeyError as error:
            raise ValueError(f"no record of {NAME}") from error
    except ValueError:
        structlog.get_logger("test").exception("failed", error=ValueError(NAME))
        logging.getLogger("library").exception("failed for %s", NAME)
    own, library = lines.read()
    for line in (own, library):
        assert "ValueError at" in line["exception"][0] and "KeyError at" in line["exception"][0]
        assert "in test_an_exceptions_text_does_not_come_out" in line["exception"][0]
    assert own["error"] == "ValueError"
    assert library["event"] == "failed for %s"


def test_text_under_error_does_not_come_out(lines: Lines) -> None:
    structlog.get_logger("test").error("failed", error=f"no record of {NAME}")
    assert "error" not in lines.last and lines.last["withheld"] == 1
    try:
        raise ValueError(NAME)
    except ValueError as error:
        structlog.get_logger("test").error("failed", error=charthouse_logging.where(error))
    assert lines.last["error"].startswith("ValueError at ")


def test_a_database_error_is_told_by_its_code(lines: Lines) -> None:
    error = psycopg.errors.UniqueViolation(f"Key (name)=({NAME}) already exists.")
    assert charthouse_logging.where(error) == "UniqueViolation [23505]"


def test_a_librarys_message_comes_out_unfilled(lines: Lines) -> None:
    logging.getLogger("library").warning("cannot handle %s of %s", Patient(NAME), NAME, extra={"patient": NAME})
    logging.getLogger("library").warning(Patient(NAME))
    first, second = lines.read()
    assert first["event"] == "cannot handle %s of %s" and second["event"] == "<Patient>"


def test_a_request_that_failed_is_told_by_its_route_and_status(lines: Lines) -> None:
    from types import SimpleNamespace

    request = SimpleNamespace(path=f"/chart/{NAME}", resolver_match=SimpleNamespace(route="chart/<uuid:person>/"))
    for extra in ({"status_code": 404, "request": request}, {"status_code": 400, "request": SimpleNamespace()}):
        logging.getLogger("django.request").warning("%s: %s", "Not Found", f"/chart/{NAME}", extra=extra)
    found, unresolved = lines.read()
    assert found["event"] == "A request was refused or failed."
    assert (found["status"], found["route"]) == (404, "chart/<uuid:person>/")
    assert unresolved["status"] == 400 and not unresolved.get("route")


def test_a_library_that_fills_its_messages_in_is_told_by_its_action(lines: Lines) -> None:
    logging.getLogger("procrastinate.worker").error(
        f"Job x[1](name='{NAME}') failed", extra={"action": "job_error"}
    )
    assert lines.last["event"] == "job_error"


def test_what_is_bound_stands_on_every_line(lines: Lines) -> None:
    charthouse_logging.bind_request(request="r1", session="s1", actor="user:7")
    structlog.get_logger("test").info("one")
    logging.getLogger("library").info("two")
    for line in lines.read():
        assert (line["request"], line["session"], line["actor"]) == ("r1", "s1", "user:7")
    charthouse_logging.clear()
    with charthouse_logging.bound(job=7):
        structlog.get_logger("test").info("three")
    structlog.get_logger("test").info("four")
    three, four = lines.read()[2:]
    assert three["job"] == 7 and "request" not in three and "job" not in four


def test_a_long_text_is_cut(lines: Lines) -> None:
    structlog.get_logger("test").info("x", outcome="y" * 1000)
    assert len(lines.last["outcome"]) < 400


def test_an_app_may_allow_its_own_counts(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charthouse_logging, "_allowed", set(charthouse_logging.ALLOWED))
    charthouse_logging.allow("segments")
    structlog.get_logger("test").info("x", segments=3, born=date(1970, 1, 1))
    assert lines.last["segments"] == 3 and lines.last["withheld"] == 1


def test_no_logged_sentence_is_put_together_from_values() -> None:
    """A sentence with values in it cannot be withheld: they belong under names."""
    levels = {"debug", "info", "warning", "error", "exception", "critical"}
    wrong = []
    root = Path(charthouse.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            of = node.func.value
            is_log = isinstance(of, ast.Name) and of.id in {"log", "logger", "_log", "_logger"}
            if is_log and node.func.attr in levels and node.args:
                first = node.args[0]
                if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
                    wrong.append(f"{path.relative_to(root)}:{node.lineno}")
    assert wrong == []
