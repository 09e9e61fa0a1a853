"""The midnight census: it agrees for stays that are whole, and names the ones that break it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charthouse.foundation.access.api import AccessContext, Label, PermissionRefused, Role, system_context
from charthouse.record.census_queries import census, stay_of
from charthouse.record.domain.census import Lasting, Move, Stay, Stayed, moves, present, reconcile

SINCE = datetime(2026, 3, 2, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=1)
CLERK = AccessContext("user:1", "Clerk", frozenset({Role.COORDINATOR}))


def hours(number: float) -> datetime:
    return SINCE + timedelta(hours=number)


@st.composite
def whole_stays(draw: Any) -> Stay:
    """A stay whose places follow one another from admission to discharge."""
    cuts = sorted(draw(st.lists(st.integers(-60, 60), min_size=1, max_size=5, unique=True)))
    still = draw(st.booleans())
    times = [hours(cut) for cut in cuts]
    ends: list[datetime | None] = [*times[1:]]
    if still or not ends:
        ends.append(None)
    spans = [Lasting(start, end) for start, end in zip(times, ends, strict=False)]
    facilities = draw(st.lists(st.sampled_from("ABC"), min_size=len(spans), max_size=len(spans)))
    places = tuple(Stayed(name, span) for name, span in zip(facilities, spans, strict=True))
    return Stay("e", None, (Lasting(spans[0].start, spans[-1].end),), places)


@st.composite
def any_stays(draw: Any) -> Stay:
    """A stay of which nothing need agree with anything."""
    times = st.none() | st.integers(-60, 60).map(hours)
    lasting = st.builds(Lasting, times, times)
    places = draw(st.lists(st.builds(Stayed, st.sampled_from("ABC"), lasting), max_size=4))
    return Stay("e", draw(st.none() | st.integers(1, 4)), tuple(draw(st.lists(lasting, max_size=2))), tuple(places))


@settings(deadline=None)
@given(st.lists(whole_stays(), max_size=8))
def test_whole_stays_always_reconcile(stays: list[Stay]) -> None:
    for each in reconcile(stays, SINCE, UNTIL):
        assert each.reconciles
        came, went = each.admissions + each.transfers_in, each.discharges + each.transfers_out
        assert each.counted == each.before + came - went
        assert each.counted == sum(present(stay, UNTIL) == each.facility for stay in stays)
        assert each.before == sum(present(stay, SINCE) == each.facility for stay in stays)


@settings(deadline=None)
@given(st.lists(any_stays(), max_size=8))
def test_the_difference_is_that_of_the_stays_named(stays: list[Stay]) -> None:
    for each in reconcile(stays, SINCE, UNTIL):
        assert each.counted - each.expected == sum(one.off for one in each.breaks)
        assert all(one.words and (one.off or one.beside) for one in each.breaks)


@settings(deadline=None)
@given(st.lists(any_stays(), max_size=8))
def test_what_leaves_one_facility_comes_to_another(stays: list[Stay]) -> None:
    found = reconcile(stays, SINCE, UNTIL)
    assert sum(each.transfers_in for each in found) == sum(each.transfers_out for each in found)


def test_who_comes_and_goes_within_a_day_is_admitted_and_discharged() -> None:
    stay = Stay("e", 1, (Lasting(hours(3), hours(9)),), (Stayed("A", Lasting(hours(3), hours(9))),))
    assert moves(stay, SINCE, UNTIL) == [(Move.ADMISSION, "A"), (Move.DISCHARGE, "A")]
    (found,) = reconcile([stay], SINCE, UNTIL)
    assert (found.before, found.counted, found.reconciles) == (0, 0, True)


@pytest.mark.parametrize(
    ("inpatient", "place", "words"),
    [
        ((-9, None), (-9, 5), "Not discharged, and in no bed"),
        ((-9, 30), (2, 40), "In a bed at midnight"),
    ],
)
def test_a_stay_that_breaks_is_named_with_what_is_wrong(inpatient: Any, place: Any, words: str) -> None:
    def lasting(pair: Any) -> Lasting:
        return Lasting(hours(pair[0]), None if pair[1] is None else hours(pair[1]))

    stay = Stay("e", 1, (lasting(inpatient),), (Stayed("A", lasting(place)),))
    (found,) = reconcile([stay], SINCE, UNTIL)
    assert not found.reconciles and found.breaks[0].words.startswith(words)


def _lies(encounter: str, patient: int | None, facility: str, since: float) -> Stay:
    time = Lasting(hours(since), None)
    return Stay(encounter, patient, (time,), (Stayed(facility, time),))


def test_a_patient_in_two_beds_at_one_midnight_is_named_in_each_facility() -> None:
    once, again, away = _lies("e1", 7, "A", -9), _lies("e2", 7, "A", -5), _lies("e3", 7, "B", 2)
    (found,) = reconcile([once, again], SINCE, UNTIL)
    assert found.counted == found.expected == 2, "the sum agrees, and is wrong"
    assert not found.reconciles
    assert [(each.stay, each.off, each.tells_of) for each in found.breaks] == [(again, 0, {"e1", "e2"})]
    north, south = reconcile([once, away], SINCE, UNTIL)
    assert [each.stay for each in (*north.breaks, *south.breaks)] == [once, away]
    for other in (_lies("e2", 8, "A", -5), _lies("e2", None, "A", -5)):
        assert all(each.reconciles for each in reconcile([once, other, _lies("e4", None, "A", 1)], SINCE, UNTIL))


def _encounter(id: str, patient: str = "p1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": id,
        "status": "in-progress",
        "class": {"code": "IMP"},
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": "2026-03-01T10:00:00Z"},
        **more,
    }


def _at(location: str, start: str, end: str | None = None) -> dict[str, Any]:
    period = {"start": start} | ({"end": end} if end else {})
    return {"location": {"reference": f"Location/{location}"}, "period": period}


def test_an_observation_that_becomes_inpatient_is_admitted_then() -> None:
    stay = stay_of(
        "e",
        1,
        _encounter(
            "e",
            classHistory=[
                {
                    "class": {"code": "OBSENC"},
                    "period": {"start": "2026-03-01T10:00:00Z", "end": "2026-03-02T08:00:00Z"},
                }
            ],
        ),
    )
    assert stay.inpatient == (Lasting(hours(8), None),)
    assert present(stay, SINCE) is None and present(stay, UNTIL) is not None


def test_what_was_only_planned_or_cancelled_counts_nobody() -> None:
    for status in ("planned", "cancelled", "entered-in-error"):
        assert not stay_of("e", 1, _encounter("e", status=status)).inpatient


@pytest.mark.django_db
def test_the_record_is_counted_by_facility_and_the_break_is_named(book: Any) -> None:
    for patient in ("p1", "p2", "p3", "p4"):
        book.patient(patient)
    for id, name, above in (
        ("n", "Northfield", None),
        ("s", "Southgate", None),
        ("4w", "4 West", "n"),
        ("b", "B", "4w"),
    ):
        part = {"partOf": {"reference": f"Location/{above}"}} if above else {}
        book.file({"resourceType": "Location", "id": id, "name": name, **part})
    book.file(_encounter("stays", location=[_at("b", "2026-03-01T10:00:00Z")]))
    book.file(
        _encounter(
            "moves",
            "p2",
            location=[_at("4w", "2026-03-01T10:00:00Z", "2026-03-02T09:00:00Z"), _at("s", "2026-03-02T09:00:00Z")],
        )
    )
    book.file(_encounter("ambulatory", **{"class": {"code": "AMB"}}, location=[_at("b", "2026-03-01T10:00:00Z")]))
    book.file(
        _encounter(
            "gone",
            "p3",
            status="finished",
            period={"start": "2026-03-01T10:00:00Z", "end": "2026-03-02T12:00:00Z"},
            location=[_at("b", "2026-03-01T10:00:00Z", "2026-03-02T12:00:00Z")],
        )
    )
    book.file(_encounter("old", status="finished", period={"start": "2025-01-01T10:00:00Z", "end": "2025-01-03"}))
    north, south = census(CLERK, SINCE, UNTIL)
    assert (north.facility, south.facility) == ("Northfield", "Southgate")
    assert (north.before, north.discharges, north.transfers_out, north.counted) == (3, 1, 1, 1)
    assert (south.before, south.transfers_in, south.counted) == (0, 1, 1)
    assert north.reconciles and south.reconciles
    book.file(_encounter("nowhere", "p4", location=[_at("b", "2026-03-01T10:00:00Z", "2026-03-02T01:00:00Z")]))
    north, _ = census(CLERK, SINCE, UNTIL)
    assert not north.reconciles and north.counted - north.expected == -1
    assert [each.stay.encounter for each in north.breaks] == ["nowhere"]


@pytest.mark.django_db
def test_a_facility_known_by_its_code_is_called_by_its_name(book: Any) -> None:
    """As HL7 v2 has it: the fourth component of PV1-3 is a code."""
    from charthouse.people.api import FacilityDraft, add_facility

    add_facility(system_context("test"), FacilityDraft("NGH", "Northfield General Hospital", "hospital", "UTC"))
    book.patient("p1")
    book.file({"resourceType": "Location", "id": "n", "name": "NGH"})
    book.file(
        {"resourceType": "Location", "id": "b", "name": "B", "partOf": {"reference": "Location/n"}},
    )
    book.file(_encounter("stays", location=[_at("b", "2026-03-01T10:00:00Z")]))
    assert [each.facility for each in census(CLERK, SINCE, UNTIL)] == ["Northfield General Hospital"]


@pytest.mark.django_db
def test_a_break_is_named_only_to_who_may_see_it(book: Any) -> None:
    book.patient("p1")
    security = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}]
    book.file({"resourceType": "Location", "id": "b", "name": "B"})
    lost = _at("b", "2026-03-01T10:00:00Z", "2026-03-02T01:00:00Z")
    book.file(_encounter("hidden", location=[lost], meta={"security": security}))
    labels = book.one("SELECT labels FROM record_resource WHERE public_id = 'hidden'")
    (found,) = census(CLERK, SINCE, UNTIL)
    assert labels != Label.NONE and found.before == 1
    assert [(each.stay.encounter, each.stay.patient) for each in found.breaks] == [("", None)]
    book.file(_encounter("hidden", location=[_at("b", "2026-03-01T10:00:00Z")], meta={"security": security}))
    book.file(_encounter("seen", location=[_at("b", "2026-03-01T12:00:00Z")]))
    (found,) = census(CLERK, SINCE, UNTIL)
    assert not found.reconciles, "one patient in two beds"
    assert [(each.stay.encounter, each.stay.patient) for each in found.breaks] == [("", None)], (
        "who sees one of the two learns of the other by it"
    )
    with pytest.raises(PermissionRefused):
        census(AccessContext("user:2", "Lab", frozenset({Role.LAB_TECH})), SINCE, UNTIL)
