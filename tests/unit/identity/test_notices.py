"""Another system is told of a merge, its undoing and a split: once, in order, or it is shown as uncertain."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import transaction
from typer.testing import CliRunner

from charthouse.exchange.fhir.api import validate
from charthouse.exchange.hl7v2.api import Deframer, ack, frame, parse
from charthouse.foundation.access.api import AccessContext, Label, PermissionRefused, Role, system_context
from charthouse.foundation.disclosure.api import disclosures_of
from charthouse.foundation.outbox import api as outbox
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from charthouse.identity.actions.manage_notices import DestinationError, add_destination, remove_destination
from charthouse.identity.commands import app
from charthouse.identity.notices import destinations, recent_notices

Make = Callable[..., dict[str, Any]]
SYSTEM = system_context("tests")
CTX = AccessContext("user:1", "Technician", frozenset({Role.HIT}))


def place(row: int, resource: dict[str, Any], source: int = 1) -> UUID:
    with transaction.atomic():
        return identity.place([identity.Arrival(row, f"patient-{row}", source, resource, message=row)])[0].person


@pytest.fixture
def two(patient: Make) -> Callable[[], tuple[UUID, UUID]]:
    def make() -> tuple[UUID, UUID]:
        one = place(1, patient(mrn="A1", ssn="219-41-6788"))
        other = place(3, patient("Qu|ll^s", "Ada", born="1950-01-02", mrn="A9", phone=None, address=None))
        return one, other

    return make


def sent_to(folder: Path) -> list[bytes]:
    while outbox.send_due():
        pass
    return [each.read_bytes() for each in sorted(folder.iterdir())] if folder.exists() else []


def test_a_merge_and_its_undoing_are_told_in_order(committed_db: str, two: Any, tmp_path: Path) -> None:
    one, other = two()
    add_destination(SYSTEM, "Lab", f"file://{tmp_path}/lab?suffix=hl7", "hl7v2", "LAB", "NORTH")
    decision = identity.merge(CTX, one, other, "x")
    identity.undo(CTX, decision, "y")
    merged, undone = (parse(each) for each in sent_to(tmp_path / "lab"))
    assert (merged.event, undone.event) == ("ADT^A40", "ADT^A37") or (merged.trigger, undone.trigger) == (
        "A40",
        "A37",
    )
    pid, mrg = merged.first("PID"), merged.first("MRG")
    assert pid is not None and mrg is not None
    numbers = {identity.summary(CTX, each).number for each in (one, other)}  # type: ignore[union-attr]
    assert {pid.get(3), mrg.get(1)} == {str(each) for each in numbers}
    assert [each.get(1) for each in pid.values(3)][1:] == ["A1"]
    assert [each.get(1) for each in mrg.values(1)][1:] == ["A9"]
    head = merged.first("MSH")
    assert head is not None and (head.get(5), head.get(6)) == ("LAB", "NORTH")
    first, second = undone.all("PID")
    assert (first.values(3)[1].get(1), second.values(3)[1].get(1)) == ("A1", "A9")
    assert (second.get(5, 1), second.get(5, 2)) == ("Qu|ll^s", "Ada")
    lines = identity.notices_of(CTX, [decision])
    assert [(each.destination, each.state) for each in lines[decision]] == [("Lab", "sent")]
    privacy = AccessContext("user:8", "Privacy", frozenset({Role.PRIVACY}), clearance=Label.NONE)
    found = disclosures_of(
        privacy, ["patient-1", "patient-3"], datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    )
    assert len(found) == 4 and {each.recipient.name for each in found} == {"Lab"}


def test_fhir_says_it_by_links(committed_db: str, two: Any, tmp_path: Path) -> None:
    one, other = two()
    add_destination(SYSTEM, "Portal", f"file://{tmp_path}/portal?suffix=json", "fhir")
    decision = identity.merge(CTX, one, other, "x")
    identity.undo(CTX, decision, "y")
    merged, undone = (orjson.loads(each) for each in sent_to(tmp_path / "portal"))
    for bundle, event in ((merged, "linked"), (undone, "unlinked")):
        assert bundle["type"] == "message" and validate(bundle) == []
        assert bundle["entry"][0]["resource"]["eventUri"].endswith(f":{event}")
    patients = {each["resource"]["id"]: each["resource"] for each in merged["entry"][1:]}
    assert patients["patient-3"]["link"] == [{"other": {"reference": "Patient/patient-1"}, "type": "refer"}]
    assert patients["patient-1"]["link"] == [{"other": {"reference": "Patient/patient-3"}, "type": "seealso"}]
    assert all("link" not in each["resource"] for each in undone["entry"])


@contextmanager
def listener(answer: Callable[[bytes, socket.socket], None]) -> Iterator[tuple[int, list[bytes]]]:
    """An MLLP listener on a free port; ``answer`` does with each message what it likes."""
    got: list[bytes] = []
    ended = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            line, _ = server.accept()
            if ended.is_set():
                line.close()
                return
            with line:
                deframer = Deframer()
                while chunk := line.recv(65536):
                    if found := deframer.feed(chunk):
                        got.append(bytes(found[0]))
                        answer(got[-1], line)
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1], got
    finally:
        # An accept that waits is not ended by closing alone.
        ended.set()
        with socket.create_connection(server.getsockname()):
            thread.join()
        server.close()


def test_mllp_sends_each_message_once(committed_db: str, two: Any) -> None:
    one, other = two()
    with listener(lambda data, line: line.sendall(frame(ack(data, "AA")))) as (port, got):
        add_destination(SYSTEM, "Lab", f"mllp://127.0.0.1:{port}", "hl7v2")
        identity.merge(CTX, one, other, "x")
        while outbox.send_due():
            pass
    assert len(got) == 1 and b"ADT^A40^ADT_A39" in got[0]
    (there,) = destinations(SYSTEM)
    assert (there.sent, there.waiting, there.uncertain, there.dead) == (1, 0, 0, 0)


def test_without_an_answer_it_is_uncertain_and_not_sent_again(committed_db: str, two: Any) -> None:
    one, other = two()
    with listener(lambda data, line: None) as (port, got):
        add_destination(SYSTEM, "Lab", f"mllp://127.0.0.1:{port}", "hl7v2")
        decision = identity.merge(CTX, one, other, "x")
        for _ in range(3):
            outbox.send_due()
        assert len(got) == 1, "it may have arrived, and is not sent twice"
    (there,) = destinations(SYSTEM)
    assert (there.sent, there.uncertain) == (0, 1)
    assert [each.state for each in identity.notices_of(CTX, [decision])[decision]] == ["uncertain"]
    (item,) = work.items(SYSTEM, work.MACHINERY_QUEUE).items
    assert item.detail["error"] == outbox.UNCERTAIN


def test_a_sender_that_died_leaves_it_uncertain(committed_db: str, two: Any) -> None:
    """Between sending and writing down that it was sent."""
    from datetime import timedelta

    from django.db import connection

    one, other = two()
    with listener(lambda data, line: line.sendall(frame(ack(data, "AA")))) as (port, got):
        add_destination(SYSTEM, "Lab", f"mllp://127.0.0.1:{port}", "hl7v2")
        identity.merge(CTX, one, other, "x")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE outbox_message SET state = 'sending', next_try = now() - interval '1 minute'")
        outbox.send_due(lease=timedelta(seconds=1))
        assert got == []
    assert [each.state for each in recent_notices(SYSTEM, 5)] == ["uncertain"]


def test_refused_and_unreachable(committed_db: str, two: Any) -> None:
    one, other = two()
    with listener(lambda data, line: line.sendall(frame(ack(data, "AR")))) as (port, _):
        add_destination(SYSTEM, "Lab", f"mllp://127.0.0.1:{port}", "hl7v2")
        decision = identity.merge(CTX, one, other, "x")
        outbox.send_due()
    assert [each.state for each in recent_notices(SYSTEM, 5)] == ["dead"]
    identity.undo(CTX, decision, "y")
    outbox.send_due()
    assert [each.state for each in recent_notices(SYSTEM, 5)] == ["waiting", "dead"], "later ones wait behind it"
    (dead,) = outbox.dead_letters()
    outbox.discard(SYSTEM, dead.message_id, "They know.")
    outbox.send_due()
    (line, _) = recent_notices(SYSTEM, 5)
    assert (line.state, line.attempts) == ("waiting", 1), "nobody listens; it is tried again"


def test_http_posts_it_once_with_its_id(committed_db: str, two: Any) -> None:
    one, other = two()
    got: list[tuple[str, str, bytes]] = []
    answers = [503, 201]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["Content-Type"], self.headers["Idempotency-Key"], body))
            self.send_response(answers.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        add_destination(SYSTEM, "Portal", f"http://127.0.0.1:{server.server_port}/fhir/$process-message", "fhir")
        identity.merge(CTX, one, other, "x")
        from datetime import timedelta

        patience = outbox.Patience(first=timedelta(0), longest=timedelta(0))
        while outbox.send_due(patience=patience):
            pass
    finally:
        server.shutdown()
    assert [kind for kind, _, _ in got] == ["application/fhir+json"] * 2
    assert len({key for _, key, _ in got}) == 1, "a repeat is known by its id"
    assert [each.state for each in recent_notices(SYSTEM, 5)] == ["sent"]


@pytest.mark.django_db
def test_what_is_no_destination_is_refused_in_words() -> None:
    for address, format, words in (
        ("lab:2575", "hl7v2", "no address"), ("mllp://lab", "hl7v2", "mllp://host:port"),
        ("mllp://lab:99999", "hl7v2", "no address"), ("ftp://lab/x", "hl7v2", "no address"),
        ("http://u:secret@lab/x", "fhir", "no password"), ("mllp://lab:1", "fhir", "HL7 v2"),
        ("http://lab/x", "cda", "no format"),
    ):  # fmt: skip
        with pytest.raises(DestinationError, match=words):
            add_destination(SYSTEM, "Lab", address, format)
    with pytest.raises(PermissionRefused):
        add_destination(CTX, "Lab", "mllp://lab:1", "hl7v2")
    with pytest.raises(DestinationError, match="no destination"):
        remove_destination(SYSTEM, "Lab")
    add_destination(SYSTEM, "Lab", "mllp://lab:1", "hl7v2")
    with pytest.raises(DestinationError, match="already"):
        add_destination(SYSTEM, "Lab", "mllp://lab:2", "hl7v2")


@pytest.mark.django_db
def test_the_command_line_adds_lists_and_removes(two: Any) -> None:
    run = CliRunner()
    assert run.invoke(app, ["notify", "add", "Lab", "mllp://127.0.0.1:9"]).exit_code == 0
    one, other = two()
    identity.merge(CTX, one, other, "x")
    listed = run.invoke(app, ["notify", "list"])
    assert listed.exit_code == 0 and "Lab" in listed.output
    assert "waiting" in run.invoke(app, ["notify", "recent"]).output
    assert run.invoke(app, ["notify", "remove", "Lab"]).exit_code == 0
    refused = run.invoke(app, ["notify", "add", "Lab", "nowhere"])
    assert refused.exit_code == 2
