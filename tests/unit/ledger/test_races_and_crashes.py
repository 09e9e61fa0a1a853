"""Many writers with rollbacks while the sealer runs, and a sealer killed at every step."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, Role
from charthouse.foundation.ledger import sealing
from charthouse.foundation.ledger.api import (
    Entry,
    Subject,
    append,
    append_many,
    append_read,
    seal_all,
    seal_once,
    verify,
)
from charthouse.foundation.ledger.heads import Heads

WRITERS = 8


class GaveUp(Exception):
    """A writer's change of mind."""


def write_with_a_changing_mind(number: int, until: float, committed: list[int]) -> None:
    """Append singly, in batches, in savepoints and as reads; give up about every third time."""
    chance = random.Random(number)
    ctx = AccessContext(f"user:{number}", "", frozenset({Role.HIT}))
    subject = [Subject("patient", str(number))]
    try:
        with connection.cursor() as cursor:  # all writers want the same lane
            cursor.execute("SET charthouse.ledger_lane = '3'")
        while time.monotonic() < until:
            written = 0
            try:
                with transaction.atomic():
                    for _ in range(chance.randint(1, 4)):
                        try:
                            with transaction.atomic():
                                size = chance.randint(1, 5)
                                append_many(Entry(ctx, "race.batch", subjects=subject) for _ in range(size))
                                if chance.random() < 0.3:
                                    raise GaveUp
                        except GaveUp:
                            continue
                        written += size
                    append(ctx, "race.single", subjects=subject)
                    written += 1
                    if chance.random() < 0.3:
                        time.sleep(chance.random() * 0.02)
                    if chance.random() < 0.3:
                        raise GaveUp
            except GaveUp:
                written = 0
            committed[number] += written
            if chance.random() < 0.5:
                append_read(ctx, "race.read")
                committed[number] += 1
    finally:
        connection.close()


def test_racing_writers_leave_no_entry_behind_a_seal(committed_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "LANE_SHARE", 7)
    committed = [0] * WRITERS
    until = time.monotonic() + 4
    threads = [
        threading.Thread(target=write_with_a_changing_mind, args=(number, until, committed))
        for number in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    sealed = looked = 0
    while any(thread.is_alive() for thread in threads):
        sealed += seal_once()
        if looked % 5 == 0:
            report = verify()
            assert report.is_whole, report.damage[:3]
        looked += 1
    for thread in threads:
        thread.join()
    assert sealed > 0, "the sealer must have run among the writers"
    seal_all()
    report = verify()
    assert report.is_whole, report.damage[:3]
    assert (report.checked, report.unsealed) == (sum(committed), 0)
    with psycopg.connect(committed_db) as app:
        counted = dict(app.execute("SELECT actor, count(*) FROM ledger_entry GROUP BY actor").fetchall())
    assert counted == {f"user:{number}": count for number, count in enumerate(committed)}


def test_two_sealers_at_once_seal_everything_once(committed_db: str, write: Callable[[int], None]) -> None:
    write(500)
    sealed: list[int] = []

    def seal() -> None:
        try:
            sealed.append(seal_all())
        finally:
            connection.close()

    threads = [threading.Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sealed) == 500
    report = verify()
    assert report.is_whole
    assert report.checked == 500


def killed_while_sealing(patch: Callable[[], None]) -> None:
    """Seal in a child process that is killed, with SIGKILL, where ``patch`` says."""
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            patch()
            seal_once()
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child was to be killed"


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(10)


def before_the_commit() -> None:
    transaction.Atomic.__exit__ = lambda *_: kill()  # type: ignore[method-assign, assignment]


def after_the_commit() -> None:
    Heads.append = lambda *_: kill()  # type: ignore[method-assign]


def amid_the_line() -> None:
    real_write = os.write

    def write(descriptor: int, data: bytes) -> int:
        written = real_write(descriptor, data[: len(data) // 2])
        kill()
        return written

    os.write = write


def after_the_line() -> None:
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        kill()

    os.fsync = fsync


@pytest.mark.parametrize("rounds_before", [0, 2])
def test_a_killed_sealer_leaves_neither_damage_nor_a_hole(
    committed_db: str, write: Callable[[int], None], rounds_before: int
) -> None:
    total = 0
    for _ in range(rounds_before):
        write(5)
        total += seal_once()
    for step, unsigned in (
        (before_the_commit, False),
        (after_the_commit, True),
        (amid_the_line, True),
        (after_the_line, False),
    ):
        write(5)
        killed_while_sealing(step)
        report = verify()
        assert report.is_whole, (step.__name__, report.damage)
        assert report.unsigned is unsigned, step.__name__
        write(3)
        total += 8
        seal_all()
        report = verify()
        assert report.is_whole, (step.__name__, report.damage)
        assert (report.checked, report.unsealed, report.unsigned) == (total, 0, False), step.__name__


def test_a_crash_after_a_crash_is_mended_too(committed_db: str, write: Callable[[int], None]) -> None:
    """The head of the first round is missing, and mending it is itself cut short."""
    write(5)
    killed_while_sealing(after_the_commit)
    for step in (after_the_commit, amid_the_line, after_the_line):
        killed_while_sealing(step)
        assert verify().is_whole
    write(5)
    assert seal_all() == 5
    report = verify()
    assert report.is_whole
    assert (report.checked, report.unsigned) == (10, False)


def test_the_sealer_refuses_to_sign_what_may_yet_be_rolled_back(committed_db: str) -> None:
    with pytest.raises(RuntimeError, match="outside any transaction"), transaction.atomic():
        seal_once()
