"""The queue: each message once, the order of each patient kept, several workers at once, nothing stuck."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction

from charthouse.intake.actions import file_messages as filing
from charthouse.intake.actions.file_waiting import file_one, file_waiting
from charthouse.intake.api import take_in

NAMES = ["Marsh", "Okafor", "Lindqvist", "Tanaka", "Silva", "Novak", "Haddad", "Kowalski", "Moreau", "Rossi"]


def workers(count: int, work: Any) -> None:
    """Run ``work`` in as many threads, and raise what any of them raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    if raised:
        raise raised[0]


def drain(limit: int = 8) -> None:
    """File until nothing waits; what another worker has in hand is waited for."""
    while True:
        if file_waiting(limit):
            continue
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM intake_queue)")
            if not cursor.fetchone()[0]:
                return


def test_four_workers_keep_each_patients_order(committed_db: str, make: Any) -> None:
    """Fifteen patients, ten stays' worth of changes each, shuffled among each other and filed by four workers."""
    import io

    from charthouse.intake.api import Connector

    steps = 10
    sequence = [patient for patient in range(15) for _ in range(steps)]
    random.Random(7).shuffle(sequence)
    sent: dict[int, int] = defaultdict(int)
    for patient in sequence:
        step = sent[patient]
        sent[patient] += 1
        event = "ADT^A01" if step == 0 else "ADT^A03" if step == steps - 1 else "ADT^A02"
        data = make.hl7(
            event, at=f"202601{5 + step:02}080000", control=f"{patient}-{step}", mrn=f"{100 + patient}",
            visit=f"V{patient}", name=f"{NAMES[patient % 10]}^Step{step}",
            pv1=f"I|W{step}^1^A^GENERAL||||{step}^Doctor{step}^A",
        )  # fmt: skip
        list(take_in(io.BytesIO(data), connector=Connector.MLLP, file=False))
    with connection.cursor() as cursor:
        inbox = make.inbox(cursor)
        assert inbox.one("SELECT count(DISTINCT message) FROM intake_queue") == len(sequence)
        workers(4, drain)
        assert inbox.rows("SELECT state, count(*) FROM intake_message GROUP BY state") == [("filed", len(sequence))]
        assert inbox.one("SELECT count(*) FROM intake_queue") == 0
        patients = {each["identifier"][0]["value"]: each for each in inbox.all_of("Patient")}
        assert len(patients) == 15
        for number, patient in patients.items():
            assert patient["name"][0]["given"] == [f"Step{steps - 1}"], number
            versions = inbox.versions("Patient", patient["id"])
            given = [each.resource["name"][0]["given"][0] for each in reversed(versions)]
            assert given == [f"Step{step}" for step in range(steps)]
            messages = [each.message for each in reversed(versions)]
            assert messages == sorted(messages)
        for visit in inbox.all_of("Encounter"):
            assert visit["status"] == "finished"
            starts = [each["period"]["start"][:10] for each in visit["location"]]
            assert starts == [f"2026-01-{5 + step:02}" for step in range(len(starts))]
            assert len(starts) >= steps - 1


def test_the_same_messages_to_several_workers_at_once_are_filed_once(committed_db: str, make: Any) -> None:
    import io

    from charthouse.intake.api import Connector

    messages = [make.hl7("ADT^A08", control=f"C{n}", mrn=f"{n % 3}", visit="") for n in range(30)]

    def send() -> None:
        for data in messages:
            list(take_in(io.BytesIO(data), connector=Connector.HTTP))

    workers(4, send)
    with connection.cursor() as cursor:
        inbox = make.inbox(cursor)
        assert inbox.rows("SELECT state, count(*) FROM intake_message GROUP BY state ORDER BY state") == [
            ("duplicate", 90), ("filed", 30),
        ]  # fmt: skip
        assert len(inbox.all_of("Patient")) == 3


def test_a_person_retrying_and_a_worker_filing_do_it_once(committed_db: str, make: Any) -> None:
    with connection.cursor() as cursor:
        inbox = make.inbox(cursor)
        numbers = [
            inbox.take_one(make.hl7("ADT^A01", control=f"C{n}"), file=False).receipt.message for n in range(12)
        ]

    def both() -> None:
        for number in numbers:
            file_one(number)
            file_waiting(3)

    workers(4, both)
    with connection.cursor() as cursor:
        inbox = make.inbox(cursor)
        assert inbox.rows("SELECT DISTINCT state FROM intake_message") == [("filed",)]
        versions = inbox.rows("SELECT message, count(*) FROM record_version GROUP BY message, type, resource")
        assert all(count == 1 for _, count in versions)


def test_a_message_at_fault_is_set_aside_and_the_others_of_its_batch_are_filed(
    inbox: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [inbox.take_one(make.hl7("ADT^A01", control=f"C{n}", mrn=f"{n}"), file=False) for n in range(3)]
    poisoned = inbox.take_one(make.hl7("ADT^A01", control="poison", mrn="66", name="Poison^Ida"), file=False)
    place = filing.place

    def failing(arrivals: Any) -> Any:
        if any("Poison" in str(each.patient) for each in arrivals):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT 'x'::bigint")
        return place(arrivals)

    monkeypatch.setattr(filing, "place", failing)
    results = {each.message: each.state.value for each in inbox.file_waiting()}
    assert results[poisoned.receipt.message] == "unfiled"
    assert [results[each.receipt.message] for each in good] == ["filed"] * 3
    assert inbox.problems(poisoned.receipt.message) == [("internal", "")]
    assert inbox.one("SELECT count(*) FROM intake_queue") == 0


@pytest.mark.parametrize("error", [DatabaseError, ValueError, RecursionError, KeyError])
def test_any_fault_of_one_message_leaves_the_others(
    inbox: Any, make: Any, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    from charthouse.intake.domain import hl7_plan

    read = hl7_plan.to_fhir

    def failing(message: Any, **given: Any) -> Any:
        if "Poison" in str(message.segments[2].text):
            raise error("Poison^Ida")
        return read(message, **given)

    monkeypatch.setattr(hl7_plan, "to_fhir", failing)
    names = ("Marsh", "Poison", "Marsh")
    data = b"".join(
        make.hl7("ADT^A01", control=f"{n}", mrn=f"{n}", name=f"{name}^Ida") for n, name in enumerate(names)
    )
    assert [each.result.state.value for each in inbox.take(data)] == ["filed", "unfiled", "filed"]
    ((_, reason),) = inbox.items()
    assert "Poison" not in reason


WRONG = {"name": "Wrong^Name", "pv1": "I|9X^999^Z^GENERAL", "at": "20260106080000", "control": "2"}


def taken_by_another(make: Any) -> bytes:
    """Refused once it is looked up: its account belongs to somebody else."""
    data: bytes = make.hl7("ADT^A08", **WRONG)
    return data.replace(b"^01060", b"^01060|||||||ACC1^^^GENERAL^AN")


def merging_nobody(make: Any) -> bytes:
    """Refused while it is worked out: the account it merges was never sent."""
    data: bytes = make.hl7("ADT^A41", "MRG|||NEVERSENT^^^GENERAL^AN", **WRONG)
    return data.replace(b"^01060", b"^01060|||||||ACC7^^^GENERAL^AN")


@pytest.mark.parametrize("refused", [taken_by_another, merging_nobody])
@pytest.mark.parametrize("queued", [False, True], ids=["at once", "queue"])
def test_what_an_unfiled_message_said_is_not_in_the_next_ones(
    inbox: Any, make: Any, refused: Any, queued: bool
) -> None:
    """Messages of one batch build on each other; one that is refused must leave no trace in those after it."""
    other = make.hl7("ADT^A01", control="0", mrn="999", visit="V999", name="Zeller^Ottilie")
    inbox.take(other.replace(b"^01060", b"^01060|||||||ACC1^^^GENERAL^AN"))
    first = make.hl7("ADT^A01", control="1", pv1="I|4W^401^A^GENERAL")
    after = make.hl7("ADT^A02", control="3", pv1="I|ICU^1^A^GENERAL", at="20260107080000", name="")
    taken = inbox.take(first + refused(make) + after, file=not queued)
    inbox.file_waiting()
    assert [inbox.state(each.receipt.message) for each in taken] == ["filed", "unfiled", "filed"]
    patient = next(each for each in inbox.all_of("Patient") if each["identifier"][0]["value"] == "100")
    assert patient["name"][0]["family"] == "Marsh"
    visit = next(each for each in inbox.all_of("Encounter") if each["identifier"][0]["value"] == "V100")
    assert not any("9X" in str(each) for each in visit["location"])
    assert len(inbox.versions("Encounter", visit["id"])) == 2


def test_filing_one_message_waits_for_who_has_its_patient(committed_db: str, make: Any) -> None:
    import psycopg

    with connection.cursor() as cursor:
        inbox = make.inbox(cursor)
        number = inbox.take_one(make.hl7("ADT^A01"), file=False).receipt.message
        ((key,),) = inbox.rows("SELECT key FROM intake_queue")
        done = threading.Event()

        def file() -> None:
            file_one(number)
            done.set()
            connections.close_all()

        thread = threading.Thread(target=file)
        with psycopg.connect(committed_db) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [key])
            thread.start()
            assert not done.wait(0.7)
            other.rollback()
            assert done.wait(20)
        thread.join()
        assert inbox.state(number) == "filed"


def test_a_deadlock_says_nothing_about_the_messages(
    committed_db: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg
    from django.db import OperationalError

    with connection.cursor() as cursor:
        number = make.inbox(cursor).take_one(make.hl7("ADT^A01"), file=False).receipt.message
    place, failures = filing.place, 2

    def failing(arrivals: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            error = OperationalError("deadlock detected")
            error.__cause__ = psycopg.errors.DeadlockDetected()
            raise error
        return place(arrivals)

    monkeypatch.setattr(filing, "place", failing)
    assert [each.message for each in file_waiting()] == [number]


def test_what_rolled_back_is_remembered_nowhere(
    committed_db: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender and a doctor first met in a transaction that fails are made known by the next."""
    place = filing.place
    data = make.hl7("ADT^A01", pv1="I|4W^401^A^GENERAL||||7^Lindqvist^Astrid", sender="NEW|SENDER")

    def failing(arrivals: Any) -> Any:
        raise KeyError("x")

    with connection.cursor() as cursor:
        inbox = make.inbox(cursor)
        with pytest.raises(RuntimeError), transaction.atomic():
            inbox.take(data)
            raise RuntimeError
        monkeypatch.setattr(filing, "place", failing)
        assert inbox.take_one(data).result.state.value == "unfiled"
        monkeypatch.setattr(filing, "place", place)
        assert inbox.take_one(data.replace(b"|C1|", b"|C2|")).result.state.value == "filed"
        doctors = inbox.all_of("Practitioner")
        assert [each["name"][0]["family"] for each in doctors] == ["Lindqvist"]
        assert (
            inbox.one(
                "SELECT count(*) FROM intake_message m "
                "WHERE NOT EXISTS (SELECT FROM record_source s WHERE s.id = m.source)"
            )
            == 0
        )


def test_the_loop_files_what_is_kept_and_stops_when_told(committed_db: str, make: Any) -> None:
    import time

    from charthouse.intake.jobs import run_filing

    stop = threading.Event()
    counted: list[int] = []
    thread = threading.Thread(target=run_filing, args=(stop, counted.append))
    thread.start()
    try:
        with connection.cursor() as cursor:
            inbox = make.inbox(cursor)
            inbox.take(make.hl7("ADT^A01"), file=False)
            until = time.monotonic() + 20
            while inbox.one("SELECT count(*) FROM intake_queue") and time.monotonic() < until:
                time.sleep(0.05)
            assert inbox.rows("SELECT state FROM intake_message") == [("filed",)]
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    assert counted == [1]
