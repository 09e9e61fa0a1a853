"""Find a patient from anywhere: by a part of a name, a birth date, a number, or a mixture; never what is hidden."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, Label, PermissionRefused, Role, system_context
from charthouse.foundation.clock import frozen
from charthouse.identity.api import Arrival, Hit, find, patients_of, person_of_public, place, sources_of, summary
from charthouse.identity.domain.wanted import Term, wanted

Make = Callable[..., dict[str, Any]]
SYSTEM = system_context("tests")
CODER = AccessContext("user:1", "Coder", frozenset({Role.CODER}))
VIP_READER = AccessContext("user:2", "Manager", frozenset({Role.MANAGER}), clearance=Label.VIP)


@pytest.fixture
def index(patient: Make, db: None) -> None:
    """Seven persons; Johanna Lindqvist has two source patients, Vera Smithson is labelled VIP."""
    bare: dict[str, Any] = {"phone": None, "address": None}
    john = {"mrn": "MRN-10002", "phone": "(413) 555-0177", "address": None}
    arrivals = [
        (1, 1, 0, patient(mrn="MRN-10001", ssn="219-41-6788", maiden="Ek")),
        (2, 2, 0, patient(mrn="W77")),
        (3, 1, 0, patient("Smith", "John", "1952-03-09", "male", **john)),
        (4, 1, 0, patient("Smithers", "Joan", "1952-09-03", mrn="MRN-10003", **bare)),
        (5, 1, 0, patient("de la Cruz-Ortega", "José", "1990-12-24", "male", **bare)),
        (6, 1, int(Label.VIP), patient("Smithson", "Vera", "1952-11-30", mrn="V-1", **bare)),
        (7, 1, 0, patient("Cormier289", "Chi716", "1929-03-21", deceasedDateTime="2020-03-25", **bare)),
        (8, 1, 0, patient("Smi", "Per", "1971-01-02", "male", **bare)),
    ]
    with transaction.atomic():
        place(
            [Arrival(row, f"patient-{row}", source, resource, labels) for row, source, labels, resource in arrivals]
        )


def names(hits: list[Hit]) -> set[str]:
    return {hit.name for hit in hits}


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("lin", {"Lindqvist, Johanna"}),
        ("LIND", {"Lindqvist, Johanna"}),
        ("ek", {"Lindqvist, Johanna"}),
        ("smi jo", {"Smith, John", "Smithers, Joan"}),
        ("jo smi", {"Smith, John", "Smithers, Joan"}),
        ("Smith, John", {"Smith, John"}),
        ("j smith", {"Smith, John", "Smithers, Joan"}),
        ("jose", {"de la Cruz-Ortega, José"}),
        ("Ortega", {"de la Cruz-Ortega, José"}),
        ("de la cruz", {"de la Cruz-Ortega, José"}),
        ("chi716", {"Cormier289, Chi716"}),
        ("cormier", {"Cormier289, Chi716"}),
        ("1952-03-09", {"Smith, John"}),
        ("19520309", {"Smith, John"}),
        ("9 Mar 1952", {"Smith, John"}),
        ("march 9, 1952", {"Smith, John"}),
        ("3/9/1952", {"Smith, John", "Smithers, Joan"}),
        ("9.3.52", {"Smith, John", "Smithers, Joan"}),
        ("smith 9.3.1952", {"Smith, John", "Smithers, Joan"}),
        ("john 3/9/1952", {"Smith, John"}),
        ("3/1952", {"Smith, John"}),
        ("1952 smi", {"Smith, John", "Smithers, Joan"}),
        ("lind 1961", {"Lindqvist, Johanna"}),
        ("lind 1952", set()),
        ("mrn-10002", {"Smith, John"}),
        ("MRN10002", {"Smith, John"}),
        ("mrn1000", {"Lindqvist, Johanna", "Smith, John", "Smithers, Joan"}),
        ("W77", {"Lindqvist, Johanna"}),
        ("413-555-0177", {"Smith, John"}),
        ("(413) 555 0177", {"Smith, John"}),
        ("555-0177", {"Smith, John"}),
        ("smi 5550177", {"Smith, John"}),
        ("219-41-6788", {"Lindqvist, Johanna"}),
        ("219-41", set()),
        ("x", set()),
        ("  ", set()),
        ("zzz", set()),
        ("%_'\"\\ \x00", set()),
        ("x" * 5000, set()),
    ],
)
def test_whatever_one_knows_of_a_patient_finds_them(text: str, found: set[str]) -> None:
    assert names(find(CODER, text)) == found


@pytest.mark.usefixtures("index")
def test_one_hit_a_person_with_what_every_source_says() -> None:
    with frozen(datetime(2026, 4, 17, 12, tzinfo=UTC)):
        (hit,) = find(CODER, "lindqvist")
    assert (hit.sources, set(hit.mrns)) == (2, {"MRN-10001", "W77"})
    assert (hit.birth_date, hit.sex, hit.age, hit.deceased) == ("1961-04-17", "F", 65, False)
    (dead,) = find(CODER, "cormier")
    assert (dead.age, dead.deceased) == (91, True)


@pytest.mark.usefixtures("index")
def test_whole_words_come_before_beginnings() -> None:
    assert next(iter(find(CODER, "smi"))).name == "Smi, Per"
    assert len(find(CODER, "smi", limit=1)) == 1


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("lind", "Lindqvist, Johanna", "name"),
        ("3/9/1952", "Smith, John", "birth date (month first)"),
        ("3/9/1952", "Smithers, Joan", "birth date (day first)"),
        ("smi 1952", "Smith, John", "name, year of birth"),
        ("10002mrn", "", ""),
        ("W77", "Lindqvist, Johanna", "number"),
        ("5550177", "Smith, John", "telephone"),
        ("219416788", "Lindqvist, Johanna", "social security number"),
    ],
)
def test_a_hit_says_what_agreed(text: str, name: str, words: str) -> None:
    said = {hit.name: hit.matched_on for hit in find(CODER, text)}
    assert said.get(name, "") == words


@pytest.mark.usefixtures("index")
def test_labels_hide_a_patient_from_every_way_of_finding() -> None:
    for text in ("smithson", "vera", "1952-11-30", "V-1", "smi 1952"):
        assert "Smithson, Vera" not in names(find(CODER, text))
        assert "Smithson, Vera" in names(find(VIP_READER, text)), text
    assert person_of_public(CODER, "patient-6") is None
    person = person_of_public(VIP_READER, "patient-6")
    assert person is not None
    assert patients_of(CODER, person) == () and patients_of(VIP_READER, person) == (6,)
    assert summary(CODER, person) is None


@pytest.mark.usefixtures("index")
def test_a_hidden_source_leaves_no_trace_in_what_is_shown_of_its_person(patient: Make) -> None:
    with transaction.atomic():
        place([Arrival(2, "patient-2", 2, patient(mrn="W77"), int(Label.VIP))])
    (hit,) = find(CODER, "lindqvist")
    assert (hit.sources, hit.mrns) == (1, ("MRN-10001",))
    assert find(CODER, "W77") == []
    assert [source.patient for source in sources_of(CODER, hit.person)] == [1]
    shown = summary(CODER, hit.person)
    assert shown is not None and shown.mrns == ("MRN-10001",)


@pytest.mark.usefixtures("index")
def test_finding_needs_the_right() -> None:
    for role in (Role.ADMINISTRATOR, Role.AUDITOR):
        with pytest.raises(PermissionRefused):
            find(AccessContext("user:3", "", frozenset({role})), "smi")
    with pytest.raises(PermissionRefused):
        find(AccessContext("user:3", "", frozenset()), "smi")


@pytest.mark.usefixtures("index")
def test_a_search_takes_few_queries(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(2):
        find(CODER, "smi")
    with django_assert_max_num_queries(3):
        find(CODER, "jo smi 1952")


def test_a_broad_search_stays_within_its_reach(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identity_person (id, number)"
            " SELECT gen_random_uuid(), n FROM generate_series(1, 7000) AS n"
        )
        cursor.execute(
            "INSERT INTO identity_source_patient (patient, public_id, source, person, digest, labels, sex, birth,"
            " deceased, family, given, mrn)"
            " SELECT number, number::text, 1, id, 0, 0, '', '1952-03-09', '', 'Mar', '', '' FROM identity_person"
        )
        cursor.execute("INSERT INTO identity_name SELECT n, 'mar' || n, '' FROM generate_series(1, 6999) n")
        cursor.execute("INSERT INTO identity_name VALUES (7000, 'mar', '')")
    hits = find(SYSTEM, "mar", 50)
    assert len(hits) == 50
    assert hits[0].number == 7000
    assert len(find(SYSTEM, "mar 1952", 50)) == 50


def test_what_is_typed_is_read_as_terms() -> None:
    today = date(2026, 6, 1)
    assert wanted("a", today).terms == ()
    assert wanted("12", today).terms == ()
    assert wanted("smith j", today).terms == (Term(word="smith"), Term(word="j"))
    (number,) = wanted("1952", today).terms
    assert (number.word, number.numbers, [each.value for each in number.dates]) == ("1952", ("1952",), ["1952"])
    name, born = wanted("9 Mar 1952 O'Brien-Ek", today).terms[-1], wanted("9 Mar 1952 O'Brien-Ek", today).terms[0]
    assert name.word == "ek"
    assert [each.value for each in born.dates] == ["1952-03-09"]
    assert len(wanted("a b c d e f g h i j", today).terms) <= 6
