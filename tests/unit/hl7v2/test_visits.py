"""What messages do to a visit, one by one and in any order."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charthouse.exchange.fhir.api import validate
from charthouse.exchange.hl7v2.api import Effect, Participant, Place, VisitChange, moment
from charthouse.intake.domain.visits import SERVICE_HISTORY, VISIT_STATE, apply_visit

Json = dict[str, Any]
DAY = datetime(2024, 3, 1, tzinfo=timezone(timedelta(hours=-6)))
INPATIENT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
OUTPATIENT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}


def at(hour: float) -> str:
    return (DAY + timedelta(hours=hour)).isoformat(timespec="seconds")


def place(name: str) -> Place:
    return Place(f"Location/{name}", name)


def person(name: str, code: str = "ATND") -> Participant:
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": code}]}
    return Participant(role, f"Practitioner/{name}", name)


def change(effect: Effect, hour: float, **more: Any) -> VisitChange:
    """An event ``hour`` hours into the stay, entered when it happened unless ``recorded`` says otherwise."""
    more.setdefault("at", at(hour))
    more.setdefault("recorded", more["at"])
    more.setdefault("trigger", "A00")
    return VisitChange(effect=effect, key="V1", id="v1", patient="Patient/p1", segment="PV1[1]", **more)


def play(*changes: VisitChange, current: Json | None = None) -> Json:
    for one in changes:
        before = copy.deepcopy(current)
        after = apply_visit(current, one).resource
        assert current == before, "what was given must not change"
        current = after
        assert validate(current) == []
        assert_ordered(current)
    assert current is not None
    return current


ADMIT = change(Effect.ADMIT, 0, class_=INPATIENT, location=place("W1"), admitted=at(0))


def assert_ordered(visit: Json) -> None:
    """On each line no period runs backwards and none overlaps the next."""
    main = [
        entry
        for entry in visit.get("location", [])
        if entry["status"] in ("active", "completed") and "extension" not in entry
    ]
    services: list[Json] = [
        next((part["valuePeriod"] for part in extension["extension"] if part["url"] == "period"), {})
        for extension in visit.get("extension", [])
        if extension["url"] == SERVICE_HISTORY
    ]
    for line in (
        [entry["period"] for entry in visit.get("statusHistory", [])],
        [entry["period"] for entry in visit.get("classHistory", [])],
        [entry.get("period", {}) for entry in main],
        services,
    ):
        last = None
        for period in line:
            start, end = moment(period.get("start", "")), moment(period.get("end", ""))
            assert not (start and end) or start <= end
            assert not (last and start) or last <= start
            last = end or last
    for period in [entry.get("period", {}) for entry in visit.get("participant", [])] + [visit.get("period", {})]:
        start, end = moment(period.get("start", "")), moment(period.get("end", ""))
        assert not (start and end) or start <= end


def places(visit: Json) -> list[tuple[str, str, str | None, str | None]]:
    return [
        (
            entry["location"]["display"],
            entry["status"],
            entry.get("period", {}).get("start"),
            entry.get("period", {}).get("end"),
        )
        for entry in visit.get("location", [])
    ]


def essence(visit: Json) -> Json:
    """The visit without the marks of its history: when something last happened, and what was cancelled."""
    result = copy.deepcopy(visit)
    result["extension"] = [e for e in result.get("extension", []) if e["url"] != VISIT_STATE]
    return result


def test_admit_transfer_discharge() -> None:
    visit = play(
        ADMIT,
        change(Effect.TRANSFER, 10, location=place("W2"), prior_location=place("W1"), class_=INPATIENT),
        change(Effect.DISCHARGE, 50, discharged=at(48), location=place("W2")),
    )
    assert visit["status"] == "finished"
    assert visit["statusHistory"] == [{"status": "in-progress", "period": {"start": at(0), "end": at(48)}}]
    assert visit["period"] == {"start": at(0), "end": at(48)}
    assert places(visit) == [("W1", "completed", at(0), at(10)), ("W2", "completed", at(10), at(48))]
    assert visit["class"]["code"] == "IMP"
    assert visit["subject"] == {"reference": "Patient/p1"}


def test_a_transfer_without_a_known_beginning_tells_where_the_patient_was() -> None:
    visit = play(change(Effect.TRANSFER, 10, location=place("W2"), prior_location=place("W1"), admitted=at(0)))
    assert visit["status"] == "in-progress"
    assert places(visit) == [("W1", "completed", at(0), at(10)), ("W2", "active", at(10), None)]


def test_preadmission_becomes_an_admission() -> None:
    visit = play(
        change(Effect.PREADMIT, -100, class_={**INPATIENT, "code": "PRENC"}, location=place("W1")),
        change(Effect.ADMIT, 0, class_=INPATIENT, location=place("W1"), admitted=at(0)),
    )
    assert visit["status"] == "in-progress"
    assert [entry["status"] for entry in visit["statusHistory"]] == ["planned"]
    assert [entry["class"]["code"] for entry in visit["classHistory"]] == ["PRENC"]
    assert places(visit) == [("W1", "active", at(0), None)]


def test_a_preadmission_is_no_stay() -> None:
    visit = play(change(Effect.PREADMIT, -100, location=place("W1")))
    assert visit["status"] == "planned"
    assert "period" not in visit
    assert places(visit) == [("W1", "planned", None, None)]
    assert play(change(Effect.CANCEL_ADMIT, -50), current=visit)["status"] == "cancelled"


def test_class_changes_keep_their_history() -> None:
    visit = play(
        change(Effect.REGISTER, 0, class_=OUTPATIENT, status="in-progress"),
        change(Effect.CLASS, 5, class_=INPATIENT),
        change(Effect.CLASS, 9, class_=OUTPATIENT),
    )
    assert visit["class"]["code"] == "AMB"
    assert [(e["class"]["code"], e["period"]) for e in visit["classHistory"]] == [
        ("AMB", {"start": at(0), "end": at(5)}),
        ("IMP", {"start": at(5), "end": at(9)}),
    ]


def test_services_keep_their_history() -> None:
    visit = play(
        ADMIT,
        change(Effect.UPDATE, 1, service={"coding": [{"code": "MED"}]}),
        change(Effect.UPDATE, 8, service={"coding": [{"code": "SUR"}]}),
    )
    assert visit["serviceType"] == {"coding": [{"code": "SUR"}]}
    (history,) = [e for e in visit["extension"] if e["url"] == SERVICE_HISTORY]
    assert history["extension"] == [
        {"url": "service", "valueCodeableConcept": {"coding": [{"code": "MED"}]}},
        {"url": "period", "valuePeriod": {"start": at(1), "end": at(8)}},
    ]


def test_attending_physicians_follow_one_another_and_others_stay() -> None:
    visit = play(
        change(Effect.ADMIT, 0, participants=(person("A"), person("R", "REF")), roles=frozenset({"ATND", "REF"})),
        change(Effect.UPDATE, 5, participants=(person("B"),), roles=frozenset({"ATND"})),
        change(Effect.UPDATE, 9, roles=frozenset({"REF"})),
    )
    held = [(e["individual"]["display"], e["period"]) for e in visit["participant"]]
    assert held == [
        ("A", {"start": at(0), "end": at(5)}),
        ("R", {"start": at(0), "end": at(9)}),
        ("B", {"start": at(5)}),
    ]


def test_an_update_keeps_what_it_does_not_mention_and_clears_what_it_nulls() -> None:
    stay = {"admitSource": {"text": "ER"}, "dietPreference": [{"text": "vegan"}]}
    visit = play(
        change(
            Effect.ADMIT,
            0,
            class_=INPATIENT,
            location=place("W1"),
            elements={
                "identifier": [{"system": "s", "value": "1"}],
                "hospitalization": stay,
                "reasonCode": [{"text": "pain"}],
            },
        ),
        change(
            Effect.UPDATE,
            2,
            elements={
                "identifier": [{"system": "s", "value": "2"}],
                "hospitalization": {"dietPreference": [{"text": "none"}]},
            },
            cleared=frozenset({"reasonCode"}),
        ),
    )
    assert [one["value"] for one in visit["identifier"]] == ["1", "2"]
    assert visit["hospitalization"] == {"admitSource": {"text": "ER"}, "dietPreference": [{"text": "none"}]}
    assert "reasonCode" not in visit
    assert places(visit) == [("W1", "active", at(0), None)]


def test_leave_and_return() -> None:
    away = play(ADMIT, change(Effect.LEAVE, 5))
    assert away["status"] == "onleave"
    back = play(change(Effect.RETURN, 9), current=away)
    assert back["status"] == "in-progress"
    assert [e["status"] for e in back["statusHistory"]] == ["in-progress", "onleave"]
    assert essence(play(change(Effect.CANCEL_LEAVE, 6), current=away)) == essence(play(ADMIT))


def test_a_discharge_told_only_by_an_update_counts() -> None:
    visit = play(ADMIT, change(Effect.UPDATE, 60, discharged=at(48), location=place("W1")))
    assert visit["status"] == "finished"
    assert visit["period"]["end"] == at(48)


def test_a_discharge_before_the_admission_is_told_and_never_runs_backwards() -> None:
    admitted = play(ADMIT)
    result = apply_visit(admitted, change(Effect.DISCHARGE, 5, discharged=at(-5)))
    assert result.resource["period"] == {"start": at(0), "end": at(0)}
    assert any("before the admission" in warning for warning in result.warnings)


def test_pending_transfers_reserve_a_place_and_let_it_go() -> None:
    waiting = play(ADMIT, change(Effect.PEND_TRANSFER, 3, location=place("W1"), pending_location=place("W7")))
    assert places(waiting) == [("W1", "active", at(0), None), ("W7", "reserved", None, None)]
    assert places(play(change(Effect.CANCEL_PEND_TRANSFER, 4), current=waiting)) == [("W1", "active", at(0), None)]
    moved = play(change(Effect.TRANSFER, 5, location=place("W7")), current=waiting)
    assert places(moved) == [("W1", "completed", at(0), at(5)), ("W7", "active", at(5), None)]


def test_a_result_that_mentions_the_visit_moves_nothing() -> None:
    admitted = play(ADMIT)
    mention = change(
        Effect.MENTION, 9, class_=OUTPATIENT, location=place("LAB"), elements={"reasonCode": [{"text": "x"}]}
    )
    after = play(mention, current=admitted)
    assert places(after) == places(admitted)
    assert after["class"] == admitted["class"] and after["status"] == "in-progress"
    assert after["reasonCode"] == [{"text": "x"}]


def test_a_visit_known_from_a_result_only_is_unknown_until_it_is_admitted() -> None:
    visit = play(change(Effect.MENTION, 9))
    assert visit["status"] == "unknown"
    assert visit["class"]["code"] == "UNK"
    visit = play(change(Effect.ADMIT, 10, class_=INPATIENT, admitted=at(0)), current=visit)
    assert (visit["status"], visit["class"]["code"]) == ("in-progress", "IMP")
    assert visit["period"]["start"] == at(0)


# Cancelling

FACTS = {
    "elements": {"identifier": [{"value": "V1"}], "reasonCode": [{"text": "pain"}]},
    "participants": (person("A"),),
    "roles": frozenset({"ATND"}),
}


@given(st.floats(0.5, 100), st.booleans())
@settings(deadline=None)
def test_admit_then_cancel_is_cancelled_and_nothing_is_lost(hours: float, repeats: bool) -> None:
    admitted = play(change(Effect.ADMIT, 0, class_=INPATIENT, location=place("W1"), admitted=at(0), **FACTS))
    more = {"location": place("W1"), "class_": INPATIENT, **FACTS} if repeats else {}
    cancelled = play(change(Effect.CANCEL_ADMIT, hours, **more), current=admitted)
    assert cancelled["status"] == "cancelled"
    assert cancelled["statusHistory"][-1]["status"] == "in-progress"
    for name in ("identifier", "reasonCode", "participant", "class", "subject", "period"):
        assert cancelled[name] == admitted[name]
    assert [entry[0] for entry in places(cancelled)] == ["W1"]


@given(st.lists(st.sampled_from(["W1", "W2", "W3"]), max_size=4), st.floats(0.1, 5), st.floats(0.1, 5))
@settings(deadline=None)
def test_transfer_then_cancel_is_as_before(earlier: list[str], first: float, second: float) -> None:
    before = play(ADMIT, *(change(Effect.TRANSFER, n + 1, location=place(w)) for n, w in enumerate(earlier)))
    base = len(earlier) + 1
    here = next(entry[0] for entry in places(before) if entry[1] == "active")
    there = play(change(Effect.TRANSFER, base + first, location=place("W9")), current=before)
    back = play(change(Effect.CANCEL_TRANSFER, base + first + second, location=place(here)), current=there)
    assert essence(back) == essence(before)


@given(st.floats(0.1, 500), st.floats(0.1, 500), st.booleans())
@settings(deadline=None)
def test_discharge_then_cancel_is_as_before(first: float, second: float, says: bool) -> None:
    before = play(change(Effect.ADMIT, 0, class_=INPATIENT, location=place("W1"), admitted=at(0), **FACTS))
    gone = {"hospitalization": {"dischargeDisposition": {"text": "home"}}}
    out = play(
        change(Effect.DISCHARGE, first, discharged=at(first) if says else None, elements=gone), current=before
    )
    assert out["status"] == "finished" and out["period"]["end"] == at(first)
    again = play(change(Effect.CANCEL_DISCHARGE, first + second, elements=gone), current=out)
    assert essence(again) == essence(before)


def test_the_same_message_twice_changes_nothing() -> None:
    for one in (
        ADMIT,
        change(Effect.TRANSFER, 3, location=place("W2")),
        change(Effect.DISCHARGE, 9, discharged=at(9)),
        change(Effect.UPDATE, 4, participants=(person("B"),), roles=frozenset({"ATND"})),
    ):
        once = play(ADMIT, one)
        assert play(one, current=once) == once


# Out of order


def test_a_late_transfer_finds_its_place() -> None:
    visit = play(
        ADMIT,
        change(Effect.TRANSFER, 20, location=place("W3")),
        change(Effect.TRANSFER, 10, location=place("W2")),
    )
    assert places(visit) == [
        ("W1", "completed", at(0), at(10)),
        ("W2", "completed", at(10), at(20)),
        ("W3", "active", at(20), None),
    ]


def test_a_late_admission_begins_a_finished_visit() -> None:
    visit = play(
        change(Effect.DISCHARGE, 48, discharged=at(48), location=place("W2"), class_=INPATIENT),
        change(Effect.ADMIT, 0, admitted=at(0), location=place("W1"), class_=INPATIENT),
    )
    assert visit["status"] == "finished"
    assert visit["period"] == {"start": at(0), "end": at(48)}
    assert [e["status"] for e in visit["statusHistory"]] == ["in-progress"]


def test_a_late_copy_of_a_cancelled_event_brings_nothing_back() -> None:
    transfer = change(Effect.TRANSFER, 5, location=place("W2"))
    discharge = change(Effect.DISCHARGE, 7, discharged=at(7))
    before = play(ADMIT, transfer, change(Effect.CANCEL_TRANSFER, 6, location=place("W1")))
    assert places(play(transfer, current=before)) == places(before)
    before = play(discharge, change(Effect.CANCEL_DISCHARGE, 8), current=before)
    assert play(discharge, current=before)["status"] == "in-progress"


def test_a_late_transfer_becomes_current_where_nothing_newer_spoke_of_the_place() -> None:
    visit = play(ADMIT, change(Effect.UPDATE, 30), change(Effect.TRANSFER, 20, location=place("W2")))
    assert places(visit) == [("W1", "completed", at(0), at(20)), ("W2", "active", at(20), None)]


def test_a_late_admission_of_a_preadmitted_patient_counts() -> None:
    visit = play(change(Effect.PREADMIT, -9), change(Effect.UPDATE, 5), change(Effect.ADMIT, 0, admitted=at(0)))
    assert visit["status"] == "in-progress"


def test_a_late_update_never_overwrites_newer_facts() -> None:
    visit = play(
        ADMIT,
        change(Effect.UPDATE, 9, elements={"reasonCode": [{"text": "new"}]}, class_=INPATIENT),
        change(Effect.UPDATE, 5, elements={"reasonCode": [{"text": "old"}], "priority": {"text": "late"}}),
    )
    assert visit["reasonCode"] == [{"text": "new"}]
    assert visit["priority"] == {"text": "late"}


@pytest.mark.parametrize(
    ("event", "cancel"),
    [
        (change(Effect.TRANSFER, 5, location=place("W2")), change(Effect.CANCEL_TRANSFER, 6)),
        (change(Effect.DISCHARGE, 5, discharged=at(5)), change(Effect.CANCEL_DISCHARGE, 6)),
        (change(Effect.LEAVE, 5), change(Effect.CANCEL_LEAVE, 6)),
    ],
)
def test_a_cancellation_that_overtakes_its_event_still_cancels_it(event: VisitChange, cancel: VisitChange) -> None:
    before = play(ADMIT)
    after = play(cancel, event, current=before)
    assert after["status"] == "in-progress"
    assert places(after) == places(before)
    assert "end" not in after["period"]
    later = play(change(Effect.DISCHARGE, 50, discharged=at(50)), current=after)
    assert later["status"] == "finished", "a later event is another one"


def test_a_cancelled_admission_that_overtakes_the_admission_stays_cancelled() -> None:
    visit = play(change(Effect.CANCEL_ADMIT, 5), change(Effect.ADMIT, 0, admitted=at(0), class_=INPATIENT))
    assert visit["status"] == "cancelled"
    assert [e["status"] for e in visit["statusHistory"]] == ["in-progress"]


_EVENTS = st.builds(
    lambda effect, hour, delay, where, klass, who, discharged: change(
        effect,
        hour,
        recorded=at(hour + delay),
        location=place(where) if where else None,
        pending_location=place("W8") if effect is Effect.PEND_TRANSFER else None,
        temporary_location=place("X-ray") if effect is Effect.TRACK else None,
        class_=klass,
        participants=(person(who),) if who else (),
        roles=frozenset({"ATND"}) if who else frozenset(),
        discharged=at(discharged) if discharged is not None else None,
        admitted=at(0) if effect is Effect.ADMIT else None,
    ),
    st.sampled_from(list(Effect)),
    st.integers(-20, 100),
    st.integers(0, 3),
    st.sampled_from([None, "W1", "W2", "W3"]),
    st.sampled_from([None, INPATIENT, OUTPATIENT]),
    st.sampled_from([None, "A", "B"]),
    st.one_of(st.none(), st.integers(-30, 120)),
)


@given(st.lists(_EVENTS, max_size=9))
@settings(max_examples=300, deadline=None)
def test_any_events_in_any_order_leave_a_sound_visit(events: list[VisitChange]) -> None:
    current: Json | None = None
    for event in events:
        result = apply_visit(current, event)
        current = result.resource
        assert_ordered(current)
        assert current["status"] and current["class"]
        assert validate(current) == []
        active = [e for e in current.get("location", []) if e["status"] == "active" and "extension" not in e]
        assert len(active) <= 1


@given(st.permutations([0, 10, 20, 30]))
@settings(deadline=None)
def test_the_stays_are_the_same_whatever_the_order_of_arrival(hours: list[int]) -> None:
    events = {
        0: ADMIT,
        10: change(Effect.TRANSFER, 10, location=place("W2")),
        20: change(Effect.TRANSFER, 20, location=place("W3")),
        30: change(Effect.DISCHARGE, 30, discharged=at(30)),
    }
    visit = play(*(events[hour] for hour in hours))
    assert visit["status"] == "finished"
    assert visit["period"] == {"start": at(0), "end": at(30)}
    assert [(name, start, end) for name, _, start, end in places(visit)] == [
        ("W1", at(0), at(10)),
        ("W2", at(10), at(20)),
        ("W3", at(20), at(30)),
    ]
