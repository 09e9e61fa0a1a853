"""Arrivals become persons: known, same, perhaps, new; and the history that says so."""

from __future__ import annotations

import bz2
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.identity.actions import place_patients
from charthouse.identity.api import (
    POSSIBLE_DUPLICATES,
    Arrival,
    Placed,
    Placement,
    SamePerson,
    history,
    link_by_notice,
    pair,
    pair_of_item,
    persons_of,
    place,
    sources_of,
    surviving,
    suspects,
    tell_apart,
)
from charthouse.identity.domain.history import Moved, replay
from charthouse.identity.domain.numbers import has_valid_check_digit
from charthouse.identity.store import Writing

Make = Callable[..., dict[str, Any]]
SYSTEM = system_context("tests")
TECHNICIAN = AccessContext("user:1", "Technician", frozenset({Role.HIT}))


def arrive(row: int, resource: dict[str, Any], source: int = 1, labels: int = 0) -> Arrival:
    return Arrival(row, f"patient-{row}", source, resource, labels, message=row)


def place_one(row: int, resource: dict[str, Any], source: int = 1, labels: int = 0) -> Placement:
    with transaction.atomic():
        return place([arrive(row, resource, source, labels)])[0]


def rows(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def open_work() -> list[tuple[Any, ...]]:
    return rows(
        "SELECT id, dedupe, patient, person, rule, detail::text FROM work_item WHERE queue = %s AND state = 'open'"
        " ORDER BY id",
        POSSIBLE_DUPLICATES,
    )


def everybody_belongs_to_one() -> dict[int, UUID]:
    """The laws of belonging: the history replays to what stands; an active person has somebody, an empty one has
    nobody; keys, names and traits are there for each source patient."""
    events = rows("SELECT patient, person_from, person_to FROM identity_link ORDER BY id")
    now = dict(rows("SELECT patient, person FROM identity_source_patient"))
    assert replay(Moved(*event) for event in events) == now
    states = dict(rows("SELECT id, state FROM identity_person"))
    assert set(now.values()) <= set(states)
    assert {person for person, state in states.items() if state == 1} == set(now.values())
    assert {row[0] for row in rows("SELECT patient FROM identity_traits")} == set(now)
    stored = rows("SELECT patient, key FROM identity_key")
    declared = rows("SELECT patient, unnest(keys) FROM identity_traits")
    assert Counter(stored) == Counter(declared)
    return now


@pytest.mark.django_db
def test_a_first_arrival_is_a_new_person_with_a_checked_number(patient: Make) -> None:
    placed = place_one(1, patient())
    assert placed.outcome is Placed.NEW
    ((number, state),) = rows("SELECT number, state FROM identity_person WHERE id = %s", placed.person)
    assert has_valid_check_digit(str(number))
    assert state == 1
    assert persons_of([1, 2]) == {1: placed.person}
    everybody_belongs_to_one()


def test_no_number_is_given_twice_though_a_connection_draws_them_ahead(committed_db: str) -> None:
    def come(first: int) -> None:
        try:
            for row in range(first, first + 40):
                alone = {
                    "resourceType": "Patient",
                    "identifier": [{"system": "urn:oid:1.2.3", "value": f"N{row}"}],
                    "birthDate": "1950-03-01",
                }
                with transaction.atomic():
                    place([arrive(row, alone)])
                    if row % 7 == 0:
                        transaction.set_rollback(True)
        finally:
            connections.close_all()

    at_once = [threading.Thread(target=come, args=(1_000 * each,)) for each in range(1, 5)]
    for each in at_once:
        each.start()
    for each in at_once:
        each.join()
    numbers = [number for (number,) in rows("SELECT number FROM identity_person")]
    stayed = [row for first in range(1_000, 5_000, 1_000) for row in range(first, first + 40) if row % 7]
    assert len(numbers) == len(set(numbers)) == len(stayed)
    assert all(has_valid_check_digit(str(number)) for number in numbers)
    # Drawn ahead by those who need many, not by who needs one: fewer are left out than were given.
    assert rows("SELECT last_value FROM identity_person_serial")[0][0] < 100_001 + 2 * 160


@pytest.mark.django_db
def test_a_patient_filed_for_the_first_time_is_not_looked_for(patient: Make) -> None:
    known = place_one(1, patient(given="Ada"))
    with transaction.atomic(), CaptureQueriesContext(connection) as asked:
        again = place([replace(arrive(2, patient(given="Ada")), new=True)])[0]
    assert again.person == known.person and again.outcome is Placed.SAME
    assert not any("FOR NO KEY UPDATE" in each["sql"] for each in asked.captured_queries)


@pytest.mark.django_db
def test_the_same_person_of_another_sender_is_one_person(patient: Make) -> None:
    first = place_one(1, patient(mrn="A-1"), source=1)
    second = place_one(2, patient(mrn=None), source=2)
    assert second.outcome is Placed.SAME
    assert second.person == first.person
    assert [source.patient for source in sources_of(SYSTEM, first.person)] == [2, 1]
    event = history(SYSTEM, first.person)[-1]
    assert (event.kind, event.other, event.model) == ("matched", 1, "charthouse-default-1")
    assert sum(step["weight"] for step in event.waterfall) == pytest.approx(event.weight, abs=0.02)
    assert not open_work()
    everybody_belongs_to_one()


@pytest.mark.django_db
def test_perhaps_files_under_a_new_person_and_opens_work(patient: Make) -> None:
    first = place_one(1, patient(ssn="219-41-6788"))
    second = place_one(2, patient(ssn="518-77-1204"), source=2)
    assert second.outcome is Placed.PERHAPS
    assert second.person != first.person
    ((item, dedupe, subject, person, rule, detail),) = open_work()
    assert (dedupe, subject, person, rule) == ("1-2", "patient-2", str(second.person), "identity.decision")
    assert "lindqvist" not in detail.lower()
    shown = pair_of_item(TECHNICIAN, item)
    assert shown is not None
    assert [each.field for each in shown.differing] == ["Social security number"]
    assert shown.differing[0].right == "•••-••-6788"
    assert shown.conflicts == ("The social security numbers are in conflict.",)
    everybody_belongs_to_one()


@pytest.mark.django_db
def test_the_same_arrival_again_changes_nothing(patient: Make) -> None:
    first = place_one(1, patient())
    before = rows("SELECT * FROM identity_source_patient"), rows("SELECT count(*) FROM identity_link")
    again = place_one(1, patient())
    assert (again.outcome, again.person) == (Placed.KNOWN, first.person)
    assert (rows("SELECT * FROM identity_source_patient"), rows("SELECT count(*) FROM identity_link")) == before


@pytest.mark.django_db
def test_an_update_renews_what_is_known_and_keeps_the_person(patient: Make) -> None:
    first = place_one(1, patient(phone="413-555-0142"))
    renewed = place_one(1, patient("Hayes", maiden="Lindqvist", phone="413-555-0199"), labels=4)
    assert renewed.person == first.person
    assert rows("SELECT family, labels FROM identity_source_patient") == [("Hayes", 4)]
    assert {row[0] for row in rows("SELECT folded FROM identity_name")} == {"hayes", "johanna", "lindqvist"}
    assert {row[0] for row in rows("SELECT folded FROM identity_identifier")} == {"4135550199", "5550199"}
    everybody_belongs_to_one()
    other = place_one(2, patient("Hayes", phone="413-555-0199"), source=2)
    assert other.outcome is Placed.SAME


@pytest.mark.django_db
def test_an_update_about_somebody_else_is_suspected_before_it_is_filed(patient: Make) -> None:
    place_one(1, patient(mrn="A-1"))
    strange = patient("Hayes", "Per", "1980-01-05", "male", mrn="A-1", address=None, phone=None)
    married = patient("Hayes", maiden="Lindqvist", mrn="A-1")
    before = rows("SELECT * FROM identity_source_patient")
    found = suspects([Arrival(1, "patient-1", 1, each, message=n) for n, each in enumerate((married, strange), 2)])
    assert found[0] is None and found[1] is not None and found[1].score.weight < 0
    assert rows("SELECT * FROM identity_source_patient") == before


@pytest.mark.django_db
def test_arrivals_of_one_batch_see_each_other(patient: Make) -> None:
    with transaction.atomic():
        placements = place(
            [
                arrive(1, patient()),
                arrive(2, patient(given="Johana"), source=2),
                arrive(3, patient("Okafor", "Chidi", "1990-10-10", "male", phone=None, address=None)),
                arrive(1, patient(phone="413-555-0199")),
            ]
        )
    assert [each.outcome for each in placements] == [Placed.NEW, Placed.SAME, Placed.NEW, Placed.KNOWN]
    assert placements[0].person == placements[1].person == placements[3].person
    assert rows("SELECT folded FROM identity_identifier WHERE patient = 1 AND system = 'tel' ORDER BY 1") == [
        ("4135550199",),
        ("5550199",),
    ]
    everybody_belongs_to_one()


@pytest.mark.django_db
def test_a_number_everybody_has_finds_nobody(patient: Make) -> None:
    crowd = [
        arrive(row, {"name": [{"family": f"F{row:04}", "given": ["Ann"]}], "telecom": [{"value": "413-555-0100"}]})
        for row in range(1, 151)
    ]
    with transaction.atomic():
        placements = place(crowd)
    assert {each.outcome for each in placements} == {Placed.NEW}
    assert not open_work()


@pytest.mark.django_db
def test_values_no_sender_should_send_are_kept_safely() -> None:
    hostile = {
        "name": [{"family": 'Rob"); DROP TABLE {\\', "given": ["\x00", "{NULL}", "a,b"], "text": 5}],
        "identifier": [{"system": 'urn:"x\\', "value": "{1,2}\\"}],
        "birthDate": "0000-00-00",
    }
    place_one(1, hostile)
    assert rows("SELECT family, given FROM identity_source_patient") == [('Rob"); DROP TABLE {\\', "{NULL} a,b")]
    everybody_belongs_to_one()


@pytest.mark.django_db
def test_a_notice_links_the_prior_patient_to_the_survivors_person(patient: Make) -> None:
    kept = place_one(1, patient(mrn="A-1"))
    gone = place_one(2, patient("Okafor", "Chidi", "1990-10-10", "male", mrn="A-2", phone=None, address=None))
    notice = link_by_notice("patient-1", "patient-2", source=1, message=9)
    assert (notice.linked, notice.problem, notice.person) == (True, "", kept.person)
    assert everybody_belongs_to_one() == {1: kept.person, 2: kept.person}
    assert surviving(SYSTEM, gone.person) == kept.person
    assert rows("SELECT count(*) FROM events_event WHERE kind = 'identity.linked'") == [(1,)]
    again = link_by_notice("patient-1", "patient-2", source=1, message=9)
    assert (again.linked, again.problem) == (False, "")
    assert rows("SELECT count(*) FROM identity_link") == [(3,)]


@pytest.mark.django_db
def test_a_notice_by_numbers_is_about_the_senders_own_patients(patient: Make) -> None:
    place_one(1, patient(mrn="A-1"), source=1)
    place_one(2, patient("Okafor", "Chidi", "1990-10-10", "male", mrn="A-2", phone=None, address=None), source=1)
    numbers = [{"system": "urn:mrn", "value": "A-1"}], [{"system": "urn:mrn", "value": "a 2"}]
    assert link_by_notice(*numbers, source=7).code == "unknown-survivor"
    assert link_by_notice(*numbers, source=1).linked


@pytest.mark.django_db
def test_a_notice_that_cannot_be_followed_says_why_and_changes_nothing(patient: Make) -> None:
    place_one(1, patient(mrn="A-1"))
    place_one(2, patient("Okafor", "Chidi", "1990-10-10", "male", phone=None, address=None))
    assert link_by_notice("patient-1", "patient-9", source=1).code == "unknown-prior"
    assert link_by_notice("patient-9", "patient-1", source=1).code == "unknown-survivor"
    assert link_by_notice("patient-1", "patient-1", source=1).code == "same-patient"
    assert rows("SELECT count(*) FROM identity_link") == [(2,)]
    assert link_by_notice("patient-1", "patient-2", source=1).linked
    contrary = link_by_notice("patient-2", "patient-1", source=1)
    assert (contrary.code, contrary.linked) == ("contrary-notice", False)
    everybody_belongs_to_one()


@pytest.mark.django_db
def test_a_notice_against_a_decision_of_the_department_is_reported(patient: Make) -> None:
    place_one(1, patient(ssn="219-41-6788"))
    place_one(2, patient(ssn="518-77-1204"))
    assert len(open_work()) == 1
    tell_apart(TECHNICIAN, 2, 1, "Two passports seen at the desk.")
    assert not open_work()
    assert link_by_notice("patient-1", "patient-2", source=1).code == "known-not-same"
    everybody_belongs_to_one()


@pytest.mark.django_db
def test_what_another_sender_knows_of_the_prior_person_is_looked_at(patient: Make) -> None:
    place_one(1, patient("Okafor", "Chidi", "1990-10-10", "male", mrn="A-1", phone=None, address=None))
    prior = place_one(2, patient(mrn="A-2"))
    assert place_one(3, patient(), source=2).person == prior.person
    assert link_by_notice("patient-1", "patient-2", source=1).linked
    assert [item[1] for item in open_work()] == ["1-3"]
    assert surviving(SYSTEM, prior.person) == prior.person
    everybody_belongs_to_one()


@pytest.mark.django_db
def test_telling_apart_needs_the_right_a_reason_and_two_persons(patient: Make) -> None:
    place_one(1, patient())
    place_one(2, patient(), source=2)
    coder = AccessContext("user:2", "Coder", frozenset({Role.CODER}))
    with pytest.raises(PermissionRefused):
        tell_apart(coder, 1, 2, "no")
    with pytest.raises(ValueError, match="Say why"):
        tell_apart(TECHNICIAN, 1, 2, " ")
    with pytest.raises(SamePerson):
        tell_apart(TECHNICIAN, 1, 2, "They look different.")
    with pytest.raises(PermissionRefused):
        pair(coder, 1, 2)


def test_the_history_is_written_once(committed_db: str, patient: Make) -> None:
    place_one(1, patient())
    for statement in (
        "UPDATE identity_link SET reason = ''",
        "DELETE FROM identity_link",
        "TRUNCATE identity_link",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert rows("SELECT count(*) FROM identity_link") == [(1,)]


_MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.integers(1, 6), st.integers(0, 5)),
        st.tuples(st.just("merge"), st.integers(1, 6), st.integers(1, 6)),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=_MOVES)
def test_whatever_happens_everybody_belongs_to_one(patient: Make, moves: list[tuple[str, int, int]]) -> None:
    people = [
        patient(),
        patient(given="Johana"),
        patient(ssn="518-77-1204"),
        patient(ssn="219-41-6788"),
        patient("Okafor", "Chidi", "1990-10-10", "male"),
        patient(given="Baby Girl", born="2025-01-02"),
    ]
    with transaction.atomic():
        for kind, one, other in moves:
            if kind == "arrive":
                place_one(one, people[other], source=one)
            else:
                link_by_notice(f"patient-{one}", f"patient-{other}", source=1)
        everybody_belongs_to_one()
        transaction.set_rollback(True)


def test_one_new_person_on_sixteen_connections_is_one_person(committed_db: str, patient: Make) -> None:
    arrivals = 16
    together = threading.Barrier(arrivals)
    problems: list[BaseException] = []

    def arrive_alone(row: int) -> None:
        try:
            connection.ensure_connection()
            together.wait(timeout=20)
            with transaction.atomic():
                slip = {"given": "Johana"} if row % 4 == 0 else {}
                place([arrive(row, patient(**slip), source=row)])
                time.sleep(0.01)
        except BaseException as problem:
            problems.append(problem)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=arrive_alone, args=(row,)) for row in range(1, arrivals + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert len(everybody_belongs_to_one()) == arrivals
    with psycopg.connect(committed_db) as fresh:
        assert fresh.execute("SELECT count(*) FROM identity_person").fetchone() == (1,)


def test_batches_in_any_order_neither_deadlock_nor_duplicate(committed_db: str, patient: Make) -> None:
    people = [patient(f"Family{n:02}", given, f"19{40 + n}-04-17") for n in range(12) for given in ("Anna", "Karl")]
    problems: list[BaseException] = []

    def send(sender: int) -> None:
        try:
            mine = list(enumerate(people))
            if sender % 2:
                mine.reverse()
            with transaction.atomic():
                place([arrive(sender * 1000 + n, resource, source=sender) for n, resource in mine])
        except BaseException as problem:
            problems.append(problem)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    by_person = Counter(everybody_belongs_to_one().values())
    assert sorted(by_person.values()) == [6] * len(people)


def test_a_patient_placed_while_its_person_is_merged_away_is_not_left_behind_unseen(
    committed_db: str, patient: Make
) -> None:
    place_one(1, patient("Okafor", "Chidi", "1990-10-10", "male", phone=None, address=None))
    place_one(2, patient())
    placed, problems = threading.Event(), []

    def arrive_slowly() -> None:
        try:
            with transaction.atomic():
                place([arrive(3, patient(), source=2)])
                placed.set()
                time.sleep(0.2)
        except BaseException as problem:
            problems.append(problem)
        finally:
            connections.close_all()

    slow = threading.Thread(target=arrive_slowly)
    slow.start()
    assert placed.wait(timeout=20)
    assert link_by_notice("patient-1", "patient-2", source=1).linked
    slow.join()
    assert not problems
    everybody_belongs_to_one()
    assert [item[1] for item in open_work()] == ["1-3"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_person_merged_away_after_it_was_looked_at_gets_nobody(
    committed_db: str, patient: Make, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Whom an arrival is matched with is held when it is written; where it has moved, all is decided anew."""
    place_one(1, patient("Okafor", "Chidi", "1990-10-10", "male", phone=None, address=None))
    before = place_one(2, patient())
    place_one(3, patient("Adeyemi", "Bola", "1941-01-12", "female", phone=None, address=None))
    merges = [("patient-1", "patient-2"), ("patient-3", "patient-1")][:times]
    written: list[bool] = []
    write = place_patients.write

    def merge(survivor: str, prior: str) -> None:
        try:
            assert link_by_notice(survivor, prior, source=1).linked
        finally:
            connections.close_all()

    def write_late(writing: Writing) -> bool:
        if merges:
            other = threading.Thread(target=merge, args=merges.pop(0))
            other.start()
            other.join(20 if not written else 0.5)
            # What was held for the first attempt cannot move again before the end of this arrival.
            assert other.is_alive() == bool(written)
            waiting.append(other)
        written.append(write(writing))
        return written[-1]

    waiting: list[threading.Thread] = []
    monkeypatch.setattr(place_patients, "write", write_late)
    with transaction.atomic():
        (placement,) = place([arrive(4, patient(), source=2)])
    monkeypatch.undo()
    for other in waiting:
        other.join(20)
    assert written == [False, True]
    now = everybody_belongs_to_one()
    assert placement.outcome is Placed.SAME
    assert now[4] == placement.person == now[2] != before.person, "with whom it was found to be, wherever that went"
    assert rows("SELECT count(*) FROM identity_link WHERE patient = 4") == [(1,)]


def _synthea(samples: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted((samples / "fhir" / "synthea").glob("*.json.bz2")):
        with bz2.open(path, "rt") as handle:
            text = handle.read(60_000)
        place = text.find('"resourceType": "Patient"')
        if place < 0:
            place = text.find('"resourceType":"Patient"')
        if place >= 0:
            found.append(json.JSONDecoder().raw_decode(text[text.rindex("{", 0, place) :])[0])
    return found


@pytest.mark.samples
@pytest.mark.django_db
def test_the_sample_patients_are_120_persons_from_one_sender_and_from_two(samples: Path) -> None:
    patients = _synthea(samples)
    assert len(patients) == 120
    with transaction.atomic():
        first = place([arrive(n, resource) for n, resource in enumerate(patients)])
    assert len({each.person for each in first}) == 120
    assert {each.outcome for each in first} == {Placed.NEW}
    for n, resource in enumerate(patients):
        bare = {key: value for key, value in resource.items() if key != "identifier"}
        second = place_one(1000 + n, bare, source=2)
        assert (second.outcome, second.person) == (Placed.SAME, first[n].person)
    assert rows("SELECT count(*) FROM identity_person") == [(120,)]
    assert not open_work()
    everybody_belongs_to_one()
