"""The MLLP listener over real sockets: acknowledged means kept, and every sender gets its own answers in order."""

from __future__ import annotations

import datetime
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from charthouse.exchange.hl7v2.api import Deframer, frame
from charthouse.intake.connectors import mllp
from charthouse.intake.connectors.mllp import tls_context
from tests.support.listeners import listening


class Sender:
    """One connection of a sending system."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.deframer = Deframer()
        self.waiting: list[bytes] = []

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def answer(self) -> dict[str, Any]:
        """The next acknowledgement: MSA-1, MSA-2, MSA-3."""
        while not self.waiting:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError("closed")
            self.waiting += self.deframer.feed(chunk)
        data = self.waiting.pop(0)
        msa = next(line for line in data.split(b"\r") if line.startswith(b"MSA")).split(b"|")
        return {
            "code": msa[1].decode(),
            "of": msa[2].decode(),
            "text": msa[3].decode() if msa[3:] else "",
            "raw": data,
        }

    def send(self, data: bytes) -> dict[str, Any]:
        self.socket.sendall(frame(data))
        return self.answer()

    def closed(self) -> bool:
        self.socket.settimeout(20)
        return self.socket.recv(1) == b""


def rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def test_accepted_means_kept_and_waiting_to_be_filed(committed_db: str, make: Any) -> None:
    with listening() as port, Sender(port) as sender:
        answer = sender.send(make.hl7("ADT^A01", control="X1"))
        assert (answer["code"], answer["of"]) == ("AA", "X1")
        # Seen by another connection at this very moment: it was committed before the answer left.
        with psycopg.connect(committed_db) as other:
            found = other.execute(
                "SELECT m.control_id, m.state, m.connector, count(o.id), count(q.id) FROM intake_message m "
                "JOIN intake_original o ON o.message = m.id JOIN intake_queue q ON q.message = m.id GROUP BY m.id"
            ).fetchall()
    assert found == [("X1", "received", "mllp", 1, 1)]


def test_no_answer_comes_before_the_commit(committed_db: str, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = mllp.keep
    go = threading.Event()

    def slow(*given: Any) -> Any:
        done = keep(*given)
        assert go.wait(20)
        return done

    monkeypatch.setattr(mllp, "keep", slow)
    with listening() as port, Sender(port) as sender:
        sender.socket.sendall(frame(make.hl7("ADT^A01")))
        sender.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sender.answer()
        sender.socket.settimeout(20)
        go.set()
        assert sender.answer()["code"] == "AA"


def test_many_messages_of_a_connection_are_answered_in_their_order(committed_db: str, make: Any) -> None:
    with listening() as port, Sender(port) as sender:
        for number in range(20):
            assert sender.send(make.hl7("ADT^A08", control=f"S{number}"))["of"] == f"S{number}"
        sender.socket.sendall(b"".join(frame(make.hl7("ADT^A08", control=f"P{n}")) for n in range(200)))
        assert [sender.answer()["of"] for _ in range(200)] == [f"P{n}" for n in range(200)]
    kept = [each for (each,) in rows("SELECT control_id FROM intake_message ORDER BY id")]
    assert kept == [*(f"S{n}" for n in range(20)), *(f"P{n}" for n in range(200))]


def test_messages_cut_at_any_byte_are_put_together(committed_db: str, make: Any) -> None:
    stream = b"".join(frame(make.hl7("ADT^A08", control=f"C{n}", name="Müller^Ida")) for n in range(12))
    chance = random.Random(3)
    with listening() as port, Sender(port) as sender:
        sender.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        position = 0
        while position < len(stream):
            size = chance.choice([1, 2, 3, 50, 200])
            sender.socket.sendall(stream[position : position + size])
            position += size
        assert [sender.answer()["code"] for _ in range(12)] == ["AA"] * 12
    assert rows("SELECT count(*) FROM intake_message") == [(12,)]


def test_many_connections_at_once_get_each_its_own_answers(committed_db: str, make: Any) -> None:
    wrong: list[Any] = []

    def client(name: str, port: int) -> None:
        with Sender(port) as sender:
            for number in range(15):
                answer = sender.send(make.hl7("ADT^A08", control=f"{name}-{number}", mrn=name))
                if (answer["code"], answer["of"]) != ("AA", f"{name}-{number}"):
                    wrong.append(answer)

    with listening() as port:
        threads = [threading.Thread(target=client, args=(f"c{n}", port)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert wrong == []
    assert rows("SELECT count(*), count(DISTINCT control_id) FROM intake_message") == [(180, 180)]


def test_connections_that_send_ahead_keep_each_its_order_whichever_committer_they_have(
    committed_db: str, make: Any
) -> None:
    names, each = [f"c{n}" for n in range(6)], 60

    def client(name: str, port: int) -> None:
        with Sender(port) as sender:
            sender.socket.sendall(
                b"".join(frame(make.hl7("ADT^A08", control=f"{name}-{n}", mrn=name)) for n in range(each))
            )
            for _ in range(each):
                sender.answer()

    with listening() as port:
        threads = [threading.Thread(target=client, args=(name, port)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    kept = [control for (control,) in rows("SELECT control_id FROM intake_message ORDER BY id")]
    for name in names:
        assert [control for control in kept if control.startswith(f"{name}-")] == [
            f"{name}-{n}" for n in range(each)
        ]


def test_what_is_acknowledged_on_one_connection_comes_before_what_is_sent_then_on_another(
    committed_db: str, make: Any
) -> None:
    with listening() as port, Sender(port) as one, Sender(port) as other:
        for number in range(40):
            sender = (one, other)[number % 2]
            assert sender.send(make.hl7("ADT^A08", control=f"S{number}"))["code"] == "AA"
    kept = [control for (control,) in rows("SELECT control_id FROM intake_message ORDER BY id")]
    assert kept == [f"S{number}" for number in range(40)]


def test_the_same_message_twice_is_accepted_twice_and_kept_once(committed_db: str, make: Any) -> None:
    data = make.hl7("ADT^A01")
    with listening() as port, Sender(port) as sender:
        sender.socket.sendall(frame(data) * 2)
        assert [sender.answer()["code"] for _ in range(2)] == ["AA", "AA"]
        assert sender.send(data)["code"] == "AA"
    assert rows("SELECT state, count(*) FROM intake_message GROUP BY state ORDER BY state") == [
        ("duplicate", 2), ("received", 1),
    ]  # fmt: skip
    assert rows("SELECT count(*) FROM intake_original") == [(1,)]


@pytest.mark.parametrize(
    "data", [b"hello", b"PID|1\r", b"", b"MSH", b"MSH|^~\\&|A|B\r", b"\x00" * 50, b"{}", bytes(range(29, 256))]
)
def test_garbage_in_a_frame_is_rejected_kept_and_the_next_is_served(
    committed_db: str, make: Any, data: bytes
) -> None:
    with listening() as port, Sender(port) as sender:
        assert sender.send(data)["code"] == "AR"
        assert sender.send(make.hl7("ADT^A01", control="after"))["code"] == "AA"
    kinds = [each for (each,) in rows("SELECT kind FROM intake_message ORDER BY id")]
    assert kinds[-1] == "ADT^A01"
    assert kinds[:-1] == ["unreadable"]


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"MSH|^~\\&|A|B\r", b"\x16\x03\x01\x02\x00", b"hello\n"]
)
def test_what_is_no_frame_is_rejected_and_the_connection_ended(committed_db: str, make: Any, data: bytes) -> None:
    with listening() as port:
        with Sender(port) as sender:
            sender.socket.sendall(data)
            assert sender.answer()["code"] == "AR"
            assert sender.closed()
        with Sender(port) as sender:
            assert sender.send(make.hl7("ADT^A01"))["code"] == "AA"


def test_whole_messages_before_garbage_are_kept_and_answered(committed_db: str, make: Any) -> None:
    with listening() as port, Sender(port) as sender:
        sender.socket.sendall(frame(make.hl7("ADT^A01", control="good")) + b"garbage")
        assert (first := sender.answer())["code"] == "AA"
        assert first["of"] == "good"
        assert sender.answer()["code"] == "AR"


def test_a_message_too_large_is_rejected_without_being_held(committed_db: str, make: Any) -> None:
    with listening(max_bytes=10_000) as port:
        with Sender(port) as sender:
            sender.socket.sendall(b"\x0bMSH|^~\\&|" + b"x" * 20_000)
            assert "longer than" in (answer := sender.answer())["text"] or answer["code"] == "AR"
            assert sender.closed()
        with Sender(port) as sender:
            assert sender.send(make.hl7("ADT^A01"))["code"] == "AA"
    assert rows("SELECT count(*) FROM intake_message") == [(1,)]


def test_a_connection_cut_in_the_middle_leaves_nothing(committed_db: str, make: Any) -> None:
    with listening() as port:
        with Sender(port) as sender:
            sender.socket.sendall(frame(make.hl7("ADT^A01"))[:-10])
        with Sender(port) as sender:
            assert sender.send(make.hl7("ADT^A08", control="whole"))["code"] == "AA"
    assert rows("SELECT control_id FROM intake_message") == [("whole",)]


def test_a_sender_that_never_reads_holds_up_nobody(committed_db: str, make: Any) -> None:
    with listening() as port, Sender(port) as deaf, Sender(port) as other:
        deaf.socket.sendall(b"".join(frame(make.hl7("ADT^A08", control=f"D{n}")) for n in range(300)))
        for number in range(5):
            assert other.send(make.hl7("ADT^A08", control=f"O{number}"))["code"] == "AA"


def test_a_silent_connection_is_closed(committed_db: str) -> None:
    with listening(idle=0.2) as port, Sender(port) as sender:
        assert sender.closed()


def test_more_connections_than_allowed_are_turned_away(committed_db: str, make: Any) -> None:
    with listening(connections=2) as port, Sender(port) as one, Sender(port) as two:
        assert one.send(make.hl7("ADT^A08", control="1"))["code"] == "AA"
        assert two.send(make.hl7("ADT^A08", control="2"))["code"] == "AA"
        with Sender(port) as three:
            assert three.closed()
        assert one.send(make.hl7("ADT^A08", control="3"))["code"] == "AA"


# Character sets


@pytest.mark.parametrize(
    ("declared", "codec", "name"),
    [
        ("8859/1", "iso8859-1", "Müller"),
        ("UNICODE UTF-8", "utf-8", "Кольцов"),
        ("8859/5", "iso8859-5", "Кольцов"),
        ("8859/2", "iso8859-2", "Kołakowski"),
        ("GB 18030-2000", "gb18030", "王"),
        ("", "utf-8", "Müller"),
    ],
)
def test_names_arrive_in_any_declared_character_set(
    committed_db: str, make: Any, declared: str, codec: str, name: str
) -> None:
    data = make.hl7("ADT^A01", name=f"{name}^Ida", charset=declared, encoding=codec)
    with listening() as port, Sender(port) as sender:
        answer = sender.send(data)
    assert answer["code"] == "AA"
    with connection.cursor() as cursor:
        inbox = make.inbox(cursor)
        inbox.file_waiting()
        assert inbox.only("Patient")["name"][0]["family"] == name


# The database away


def test_without_the_database_the_sender_is_told_to_send_again(
    committed_db: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = mllp.keep

    def cut(cursor: Any, coming: Any) -> Any:
        """The server ends this connection in the middle of the commit."""
        with psycopg.connect(committed_db, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return keep(cursor, coming)

    with listening() as port, Sender(port) as sender:
        assert sender.send(make.hl7("ADT^A01", control="1"))["code"] == "AA"
        monkeypatch.setattr(mllp, "keep", cut)
        answer = sender.send(make.hl7("ADT^A08", control="2"))
        assert (answer["code"], answer["of"]) == ("AE", "2")
        monkeypatch.setattr(mllp, "keep", keep)
        assert sender.send(make.hl7("ADT^A08", control="2"))["code"] == "AA"
    connection.close()
    assert rows("SELECT control_id FROM intake_message ORDER BY id") == [("1",), ("2",)]


def test_a_connection_lost_between_two_messages_is_not_the_senders_to_notice(committed_db: str, make: Any) -> None:
    with listening() as port, Sender(port) as sender:
        assert sender.send(make.hl7("ADT^A01", control="1"))["code"] == "AA"
        with psycopg.connect(committed_db, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert sender.send(make.hl7("ADT^A08", control="2"))["code"] == "AA"
    connection.close()
    assert rows("SELECT control_id FROM intake_message ORDER BY id") == [("1",), ("2",)]


def test_one_message_the_database_refuses_costs_the_others_nothing(
    committed_db: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = mllp.keep

    def refusing(cursor: Any, coming: Any) -> Any:
        if any(each.arrival.control_id == "bad" for each in coming):
            cursor.execute("SELECT 'x'::bigint")
        return keep(cursor, coming)

    monkeypatch.setattr(mllp, "keep", refusing)
    names = ["1", "2", "bad", "3", "4"]
    with listening() as port, Sender(port) as sender:
        sender.socket.sendall(b"".join(frame(make.hl7("ADT^A08", control=each)) for each in names))
        answers = [sender.answer() for _ in names]
    assert [(each["of"], each["code"]) for each in answers] == [
        ("1", "AA"), ("2", "AA"), ("bad", "AE"), ("3", "AA"), ("4", "AA"),
    ]  # fmt: skip
    assert rows("SELECT count(*) FROM intake_message") == [(4,)]


def test_what_was_received_whole_is_answered_when_the_listener_stops(
    committed_db: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = mllp.keep
    begun = threading.Event()

    def slow(*given: Any) -> Any:
        begun.set()
        time.sleep(0.5)
        return keep(*given)

    monkeypatch.setattr(mllp, "keep", slow)
    with listening() as port:
        sender = Sender(port)
        sender.socket.sendall(frame(make.hl7("ADT^A01", control="last")))
        assert begun.wait(20)
    # The listener was stopped while it committed.
    assert sender.answer()["of"] == "last"
    assert sender.closed()
    sender.socket.close()
    assert rows("SELECT control_id FROM intake_message") == [("last",)]


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


def test_messages_come_by_tls(committed_db: str, make: Any, certificate: tuple[Path, Path]) -> None:
    client = ssl.create_default_context(cafile=str(certificate[0]))
    with listening(tls=tls_context(*map(str, certificate))) as port:
        with Sender(port, client) as sender:
            sender.socket.sendall(b"".join(frame(make.hl7("ADT^A08", control=f"{n}")) for n in range(20)))
            assert [sender.answer()["of"] for _ in range(20)] == [str(n) for n in range(20)]
        # Plain text on the same port is no TLS, and breaks nothing.
        with Sender(port) as plain, pytest.raises((ConnectionError, TimeoutError)):
            plain.send(make.hl7("ADT^A01"))
        with Sender(port, client) as sender:
            assert sender.send(make.hl7("ADT^A01", control="after"))["code"] == "AA"


def test_old_versions_of_tls_are_refused(committed_db: str, certificate: tuple[Path, Path]) -> None:
    assert tls_context(*map(str, certificate)).minimum_version is ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError):
        tls_context("nowhere.pem", "nowhere.key")


def wait_for(what: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)
