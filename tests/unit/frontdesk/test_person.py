"""What is entered is what is read back, whatever it is; a correction says the new and keeps the old."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from charthouse.exchange.fhir.api import validate
from charthouse.frontdesk.domain.forms import Reading
from charthouse.frontdesk.domain.person import LANGUAGES, Person, corrected, patient_of, person_of, said

DAY = date(2026, 11, 27)
WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=20)
MAYBE = st.just("") | WORDS
PERSONS = st.builds(
    Person,
    family=WORDS,
    given=WORDS,
    middle=MAYBE,
    suffix=MAYBE,
    previous=MAYBE,
    birth=st.just("") | st.dates(date(1880, 1, 1), DAY).map(date.isoformat) | st.sampled_from(["1950", "1950-07"]),
    sex=st.sampled_from(["female", "male", "other", "unknown"]),
    line=WORDS,
    unit=MAYBE,
    city=MAYBE,
    state=MAYBE,
    postal=MAYBE,
    phone=st.just("") | st.integers(2_000_000_000, 9_999_999_999).map(str),
    mobile=st.just("") | st.integers(200_000_000, 999_999_999).map(str),
    email=st.just("") | WORDS.map(lambda word: f"{word}@example.org"),
    ssn=st.just("") | st.integers(1000, 9999).map(str) | st.integers(100_000_000, 800_000_000).map(str),
    language=st.just("") | st.sampled_from(sorted(LANGUAGES)) | WORDS.filter(lambda word: word not in LANGUAGES),
    interpreter=st.sampled_from(["", "yes", "no"]),
)


@settings(deadline=None)
@given(PERSONS)
def test_a_person_is_read_back_as_entered_and_is_valid(person: Person) -> None:
    patient = patient_of(person, id="p")
    assert person_of(patient) == person
    assert validate(patient) == []


@settings(deadline=None)
@given(PERSONS, PERSONS)
def test_a_correction_says_the_new_and_keeps_the_old(before: Person, after: Person) -> None:
    patient = corrected(patient_of(before, id="p"), after, DAY)
    shown = person_of(patient)
    assert shown == after
    assert validate(patient) == []
    if said(before, "Name") != said(after, "Name"):
        assert [name["period"]["end"] for name in patient["name"] if name.get("family") == before.family
                and name["use"] == "old" and "period" in name] == ["2026-11-27"]  # fmt: skip
    if said(before, "Address") != said(after, "Address"):
        assert any(each["use"] == "old" and each["period"]["end"] == "2026-11-27" for each in patient["address"])


@settings(deadline=None)
@given(PERSONS)
def test_a_correction_that_changes_nothing_changes_nothing(person: Person) -> None:
    patient = patient_of(person, id="p")
    assert corrected(patient, person, DAY) == patient


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["name", "telecom", "address", "identifier", "communication", "extension",
       "birthDate", "gender"]), st.none() | st.text() | st.lists(st.none() | st.text() | st.dictionaries(st.text(),
       st.text()))))  # fmt: skip
def test_whatever_a_sender_sent_can_be_opened(patient: dict[str, object]) -> None:
    person_of(patient)


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=20))
def test_no_text_breaks_the_reading_of_a_moment(day: str, clock: str) -> None:
    reading = Reading(
        {"when": day, "when_time": clock}, datetime(2026, 11, 27, tzinfo=UTC), ZoneInfo("UTC"), lambda *_: []
    )
    reading.moment("when")
