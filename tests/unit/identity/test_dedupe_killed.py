"""Going over the whole index in a process that is killed, and again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from typer.testing import CliRunner

from charthouse.identity import api
from charthouse.identity.actions.keep_compared import Compared
from charthouse.identity.actions.place_patients import Arrival, place
from charthouse.identity.batch import judging
from charthouse.identity.commands import app

pytestmark = pytest.mark.database


def _killed_after(parts: int) -> None:
    """Run in a child process that is killed, with SIGKILL, when so many parts are kept."""
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            keep, kept = Compared.keep, []

            def _keep(self: Compared, *rest: Any) -> None:
                keep(self, *rest)
                kept.append(1)
                if len(kept) == parts:
                    os.kill(os.getpid(), signal.SIGKILL)
                    time.sleep(10)

            Compared.keep = _keep  # type: ignore[method-assign]
            CliRunner().invoke(app, ["dedupe"])
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child was to be killed"


def _rows(query: str, *values: object) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [row[0] for row in cursor.fetchall()]


def test_a_killed_run_goes_on_and_finds_everything_once(
    committed_db: str, patient: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = patient(ssn="219-41-6788", middle="Karin")
    bare = patient("Hayes", "Unknown", born=None, phone=None, address=None, sex=None)
    stranger = patient("Okafor", "Per", "1980-01-05", "male", phone=None, address=None)
    arrivals = [Arrival(number, f"p{number}", 1, each) for number, each in enumerate([known, bare, stranger], 1)]
    for arrival in [*arrivals, Arrival(2, "p2", 1, patient(ssn="219-41-6788", middle="K"))]:
        with transaction.atomic():
            place([arrival])
    monkeypatch.setattr(judging, "_CHUNK", 1)
    parts = "SELECT part FROM identity_dedupe_part ORDER BY part"
    items = "SELECT dedupe FROM work_item WHERE queue = %s"
    _killed_after(2)
    assert (_rows(parts), _rows(items, api.POSSIBLE_DUPLICATES)) == ([0, 1], [])
    compared: list[int] = []
    keep = Compared.keep
    monkeypatch.setattr(Compared, "keep", lambda self, *rest: compared.append(rest[1]) or keep(self, *rest))
    for again in ([2], [0, 1, 2]):
        compared.clear()
        done = CliRunner().invoke(app, ["dedupe", "--format", "json"])
        assert (json.loads(done.stdout)["pairs"], compared) == (1, again)
        assert (_rows(parts), _rows(items, api.POSSIBLE_DUPLICATES)) == ([], ["1-2"])
