"""Messages leave with the change they tell of, in order per key, until they arrive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from psycopg.conninfo import conninfo_to_dict

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.outbox import api as outbox
from charthouse.foundation.outbox import transport
from charthouse.foundation.work import api as work

CTX = system_context("test")
AT_ONCE = outbox.Patience(first=timedelta(0), longest=timedelta(0), attempts=3)


class Line:
    """A receiver that may refuse."""

    def __init__(self) -> None:
        self.got: list[outbox.Outgoing] = []
        self.down: set[str] = set()
        self.refused: set[bytes] = set()
        self.before_return = lambda: None

    def send(self, message: outbox.Outgoing) -> None:
        if message.key in self.down:
            raise outbox.TransportError("The line is down.")
        if message.payload in self.refused:
            raise outbox.TransportError("The receiver refused it: AR.", permanent=True)
        self.got.append(message)
        self.before_return()

    def payloads(self, key: str | None = None) -> list[str]:
        return [message.payload.decode() for message in self.got if key in (None, message.key)]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    made = Line()
    monkeypatch.setitem(transport._transports, "line", made)
    yield made


def send(payload: str, key: str = "p1", to: str = "line:lab") -> None:
    with transaction.atomic():
        outbox.enqueue(to, "hl7v2/ADT^A01", payload, key)


@pytest.mark.django_db
class TestSending:
    def test_in_order_with_a_name_of_its_own(self, line: Line) -> None:
        with transaction.atomic():
            ids = [outbox.enqueue("line:lab", "test", str(n), "p1") for n in range(5)]
        assert outbox.send_due() == 5
        assert line.payloads() == ["0", "1", "2", "3", "4"]
        assert [message.message_id for message in line.got] == ids
        assert outbox.send_due() == 0 and outbox.depth() == []

    def test_json_and_bytes(self, line: Line) -> None:
        with transaction.atomic():
            outbox.enqueue("line:lab", "test", {"a": 1}, "p1")
            outbox.enqueue("line:lab", "test", b"\xff\x00", "p1")
        outbox.send_due()
        assert [message.payload for message in line.got] == [b'{"a":1}', b"\xff\x00"]

    def test_a_key_that_fails_waits_in_order_and_others_go_on(self, line: Line) -> None:
        line.down = {"p1"}
        for n in range(3):
            send(f"a{n}", "p1")
            send(f"b{n}", "p2")
        outbox.send_due(patience=outbox.Patience(first=timedelta(hours=1)))
        assert line.payloads() == ["b0", "b1", "b2"]
        line.down = set()
        assert outbox.send_due() == 0, "the pause is not over"
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE outbox_message SET next_try = now() - interval '1 s'"
                " WHERE attempts > 0 AND state = 'waiting'"
            )
        outbox.send_due()
        assert line.payloads("p1") == ["a0", "a1", "a2"]
        assert line.got[-3].attempt == 2

    def test_dead_after_its_attempts_with_work_for_a_person(self, line: Line) -> None:
        line.down = {"p1"}
        send("first")
        send("second")
        assert outbox.send_due(patience=AT_ONCE) == 3
        (letter,) = outbox.dead_letters()
        assert (letter.attempts, letter.error, letter.behind) == (3, "The line is down.", 1)
        assert outbox.depth()[0].dead == 1
        (item,) = work.items(CTX, work.MACHINERY_QUEUE).items
        assert item.subject.id == str(letter.message_id)
        line.down = set()
        assert outbox.send_due() == 0, "the second does not overtake the first"
        outbox.retry(CTX, letter.message_id)
        outbox.send_due()
        assert line.payloads() == ["first", "second"]
        assert work.item(CTX, item.id).outcome == "retried"

    def test_a_refused_message_is_dead_at_once_and_may_be_discarded(self, line: Line) -> None:
        line.refused = {b"bad"}
        send("bad")
        send("good")
        outbox.send_due()
        (letter,) = outbox.dead_letters()
        assert letter.attempts == 1 and line.got == []
        with pytest.raises(ValueError, match="why"):
            outbox.discard(CTX, letter.message_id, "")
        outbox.discard(CTX, letter.message_id, "the laboratory has it on paper")
        outbox.send_due()
        assert line.payloads() == ["good"]
        with pytest.raises(outbox.MessageNotDead):
            outbox.retry(CTX, letter.message_id)

    def test_a_destination_nobody_knows_is_said(self) -> None:
        send("x", to="pigeon:lab")
        outbox.send_due()
        assert "No transport sends to pigeon:" in outbox.dead_letters()[0].error

    def test_an_unforeseen_failure_tells_no_data(self, line: Line) -> None:
        def fail() -> None:
            raise RuntimeError("Jane Roe")

        line.before_return = fail
        send("x")
        outbox.send_due(patience=AT_ONCE)
        assert outbox.dead_letters()[0].error.startswith("RuntimeError")
        assert "Jane" not in outbox.dead_letters()[0].error

    def test_only_those_who_may_mend(self) -> None:
        from uuid import uuid4

        coder = AccessContext("user:1", "Coder", frozenset({Role.CODER}))
        with pytest.raises(PermissionRefused):
            outbox.retry(coder, uuid4())

    def test_sent_messages_are_forgotten_in_time_and_dead_ones_not(self, line: Line) -> None:
        line.refused = {b"bad"}
        send("good", "p1")
        send("bad", "p2")
        outbox.send_due()
        assert outbox.trim(wall() + timedelta(seconds=1)) == 1
        assert len(outbox.dead_letters()) == 1


def test_outside_a_transaction_it_is_refused(committed_db: str) -> None:
    with pytest.raises(RuntimeError, match="atomic"):
        outbox.enqueue("line:lab", "test", "x", "p1")


def test_pauses_double_with_jitter_up_to_the_longest() -> None:
    patience = outbox.Patience(first=timedelta(seconds=4), longest=timedelta(seconds=60))
    for attempts, whole in ((1, 4), (2, 8), (3, 16), (5, 60), (5000, 60)):
        pauses = {patience.pause(attempts).total_seconds() for _ in range(50)}
        assert min(pauses) >= whole / 2 and max(pauses) <= whole and len(pauses) > 10


def test_the_folder_gets_whole_files_in_order(tmp_path: Path, committed_db: str) -> None:
    folder = tmp_path / "out"
    for n in range(12):
        send(f"message {n}", to=f"file://{folder}?suffix=hl7")
    outbox.send_due()
    found = sorted(folder.iterdir())
    assert [path.read_text() for path in found] == [f"message {n}" for n in range(12)]
    assert {path.suffix for path in found} == {".hl7"}


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, committed_db: str) -> None:
    (tmp_path / "file").write_text("in the way")
    send("x", to=f"file://{tmp_path}/file/out")
    send("x", "p2", to="file://server/share")
    outbox.send_due(patience=AT_ONCE)
    errors = sorted(letter.error for letter in outbox.dead_letters())
    assert errors[0].startswith("A folder is written file:///")
    assert errors[1].startswith("The folder cannot be written")


def test_racing_senders_keep_the_order_and_send_once(committed_db: str, line: Line) -> None:
    line.before_return = lambda: time.sleep(0.002)
    for n in range(60):
        send(str(n), f"p{n % 6}")
    failures: list[BaseException] = []

    def run() -> None:
        try:
            while outbox.send_due():
                pass
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.send_due()
    assert not failures
    by_key: dict[str, list[int]] = defaultdict(list)
    for message in line.got:
        by_key[message.key].append(int(message.payload))
    assert by_key == {f"p{n}": list(range(n, 60, 6)) for n in range(6)}


def test_the_pump_wakes_and_stops(committed_db: str, line: Line) -> None:
    stop = threading.Event()
    pump = threading.Thread(target=outbox.pump, args=(stop,))
    pump.start()
    try:
        send("x")
        deadline = time.monotonic() + 10
        while not line.got:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        stop.set()
        pump.join(timeout=10)
    assert not pump.is_alive()


_SEND_AND_HANG = """
import sys, time
import django
django.setup()
from charthouse.foundation.outbox import api as outbox

class Line:
    def send(self, message):
        print(message.message_id, flush=True)
        time.sleep(60)  # arrived, but not marked yet

outbox.register_transport("line", Line())
outbox.send_due()
"""


def test_killed_between_sending_and_marking(committed_db: str, line: Line) -> None:
    """The message goes again after the lease, under the same id, and before the next of its key."""
    send("first")
    send("second")
    info = conninfo_to_dict(committed_db)
    place = f"host={info['host']}" + (f"&port={info['port']}" if info.get("port") else "")
    environment = os.environ | {
        "DATABASE_URL": f"postgresql://{info['user']}:{info.get('password') or ''}@/{info['dbname']}?{place}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", _SEND_AND_HANG], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    sent = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert outbox.send_due() == 0, "the lease holds, and the second waits behind the first"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE outbox_message SET next_try = now() - interval '1 s' WHERE state = 'sending'")
        assert cursor.rowcount == 1
    outbox.send_due()
    assert line.payloads() == ["first", "second"]
    assert (str(line.got[0].message_id), line.got[0].attempt) == (sent, 2)


def test_a_sender_whose_lease_ran_out_does_not_mark_what_another_sends(committed_db: str, line: Line) -> None:
    send("x")

    def steal() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE outbox_message SET claim = gen_random_uuid(), attempts = attempts + 1")

    line.before_return = steal
    outbox.send_due()
    assert outbox.depth()[0].waiting == 1
