"""A part is present while it runs and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from django.db import connection

from charthouse.foundation import presence
from charthouse.foundation.presence import is_present, present

_PATIENCE = 20.0


def _comes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_EVERY", 0.2)


def test_a_part_is_present_while_it_runs(committed_db: str) -> None:
    assert not is_present("test-part")
    with present("test-part"):
        assert _comes_true(lambda: is_present("test-part"))
        assert not is_present("another-part")
    assert not is_present("test-part")


def test_two_may_run_the_same_part(committed_db: str) -> None:
    with present("test-part"):
        assert _comes_true(lambda: is_present("test-part"))
        with present("test-part"):
            pass
        assert is_present("test-part")


def test_a_killed_part_is_gone(committed_db: str) -> None:
    script = (
        "import sys, time, psycopg\n"
        "from charthouse.foundation.presence import _SPACE, _number\n"
        "held = psycopg.connect(sys.argv[1], autocommit=True)\n"
        "held.execute('SELECT pg_advisory_lock_shared(%s, %s)', [_SPACE, _number('test-part')])\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, committed_db])
    try:
        assert _comes_true(lambda: is_present("test-part"))
        os.kill(process.pid, signal.SIGKILL)
        assert _comes_true(lambda: not is_present("test-part"))
    finally:
        process.kill()
        process.wait()


def test_a_part_whose_connection_was_cut_is_present_again(committed_db: str) -> None:
    with present("test-part"):
        assert _comes_true(lambda: is_present("test-part"))
        with connection.cursor() as cursor:
            cursor.execute(
                # Locks of other databases are other tests'.
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND classid = %s",
                [presence._SPACE],
            )
        assert _comes_true(lambda: not is_present("test-part"))
        assert _comes_true(lambda: is_present("test-part"))
