"""What speaks against a merge, found in the charts of both: refused, or to be confirmed, in words that name
nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from charthouse.identity import api as identity


def _patient(make: Any, id: str, sex: str = "female", **more: Any) -> dict[str, Any]:
    family = {"a": "Marsh", "b": "Zeller"}[id]
    born = {"a": "1961-04-17", "b": "1933-01-02"}[id]
    return make.patient(id, family, family[:3], **{"birthDate": born, "gender": sex, **more})


def _encounter(id: str, of: str, kind: str, start: str, end: str = "", place: str = "North") -> dict[str, Any]:
    period = {"start": start, **({"end": end} if end else {})}
    return {
        "resourceType": "Encounter", "id": id, "status": "finished" if end else "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": kind},
        "subject": {"reference": f"Patient/{of}"}, "period": period,
        "serviceProvider": {"reference": f"Organization/{place}"},
    }  # fmt: skip


def _condition(of: str, system: str, code: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition", "id": f"c{of}", "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": f"Patient/{of}"}, **more,
    }  # fmt: skip


ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED = "http://snomed.info/sct"
WRONG = {
    "coding": [{"code": "entered-in-error", "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status"}]
}
PLACES = [{"resourceType": "Organization", "id": name, "name": name} for name in ("North", "South")]


def _persons(
    inbox: Any, make: Any, *resources: dict[str, Any], a: str = "female", b: str = "female"
) -> tuple[UUID, UUID]:
    inbox.take_one(
        make.bundle("collection", *PLACES, _patient(make, "a", a), _patient(make, "b", b), *resources), sender="S"
    )
    (one,), (other,) = inbox.charts()
    found = identity.persons_of([one, other])
    return found[one], found[other]


def _found(inbox: Any, make: Any, *resources: dict[str, Any], **sexes: str) -> list[tuple[str, bool]]:
    one, other = _persons(inbox, make, *resources, **sexes)
    rows = [identity.patients_of(make.system, each) for each in (one, other)]
    return [(each.rule.removeprefix("identity.merge-"), each.refuses) for each in identity.merge_findings(*rows)]


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (("IMP", "2026-01-05T08:00:00Z", ""), ("IMP", "2026-01-06T08:00:00Z", ""), [("two-beds", True)]),
        (
            ("IMP", "2026-01-05T08:00:00Z", "2026-01-09T08:00:00Z"),
            ("IMP", "2026-01-06T08:00:00Z", "2026-01-08T08:00:00Z"),
            [("overlapping-admissions", False)],
        ),
        (
            ("IMP", "2026-01-05T08:00:00Z", "2026-01-09T08:00:00Z"),
            ("IMP", "2026-01-08T22:00:00Z", "2026-01-12T08:00:00Z"),
            [],  # ten hours: a transfer written down late
        ),
        (("IMP", "2026-01-05T08:00:00Z", "2026-01-09T08:00:00Z"), ("IMP", "2026-01-10T08:00:00Z", ""), []),
        (
            ("AMB", "2026-01-05T08:00:00Z", "2026-01-05T12:00:00Z"),
            ("AMB", "2026-01-05T09:00:00Z", "2026-01-05T12:00:00Z"),
            [("concurrent-visits", False)],
        ),
        (
            ("AMB", "2026-01-05T08:00:00Z", "2026-01-05T09:30:00Z"),
            ("AMB", "2026-01-05T09:00:00Z", "2026-01-05T12:00:00Z"),
            [],
        ),
    ],
)
def test_stays_and_visits(inbox: Any, make: Any, first: Any, second: Any, found: Any) -> None:
    one = _encounter("e1", "a", *first)
    other = _encounter("e2", "b", *second, place="South")
    assert _found(inbox, make, one, other) == found


def test_visits_at_one_place_may_be_one_written_down_twice(inbox: Any, make: Any) -> None:
    times = ("AMB", "2026-01-05T08:00:00Z", "2026-01-05T12:00:00Z")
    assert _found(inbox, make, _encounter("e1", "a", *times), _encounter("e2", "b", *times)) == []


@pytest.mark.parametrize(
    ("system", "code", "more", "found"),
    [
        (ICD10, "O80", {}, [("sex", False)]),
        (SNOMED, "72892002", {}, [("sex", False)]),
        (ICD10, "I10", {}, []),
        (ICD10, "O80", {"verificationStatus": WRONG}, []),
    ],
)  # fmt: skip
def test_a_pregnancy_and_a_man(inbox: Any, make: Any, system: str, code: str, more: Any, found: Any) -> None:
    assert _found(inbox, make, _condition("a", system, code, **more), a="female", b="male") == found


def test_what_both_sexes_have_and_no_difference_say_nothing(inbox: Any, make: Any) -> None:
    assert _found(inbox, make, _condition("a", ICD10, "O80")) == []


def test_a_warning_is_confirmed_and_kept_with_the_merge(inbox: Any, make: Any) -> None:
    one, other = _persons(inbox, make, _condition("a", ICD10, "O80"), a="female", b="male")
    with pytest.raises(identity.NotMerged, match="only the other sex can have") as asked:
        identity.merge(make.technician(), one, other, "x")
    assert "Confirm" in str(asked.value) and "O80" not in str(asked.value)
    decision = identity.merge(make.technician(), one, other, "x", confirmed=["identity.merge-sex"])
    assert inbox.one("SELECT detail->'confirmed' FROM identity_decision WHERE id = %s", decision) in (
        ["identity.merge-sex"], '["identity.merge-sex"]',
    )  # fmt: skip


def test_what_refuses_is_not_confirmed_away(inbox: Any, make: Any) -> None:
    beds = [
        _encounter("e1", "a", "IMP", "2026-01-05T08:00:00Z"),
        _encounter("e2", "b", "IMP", "2026-01-05T08:00:00Z"),
    ]
    one, other = _persons(inbox, make, *beds)
    with pytest.raises(identity.NotMerged, match="lie in a bed"):
        identity.merge(make.technician(), one, other, "x", confirmed=["identity.merge-two-beds"])


def test_an_entry_by_hand_on_the_joined_chart_goes_where_it_belongs(inbox: Any, make: Any) -> None:
    one, other = _persons(inbox, make)
    decision = identity.merge(make.technician(), one, other, "x")
    lead = identity.sources_of(make.system, one)[0]
    import io

    import orjson

    from charthouse.intake.api import IN_RECORD, OWN_DESK, Connector, take_in

    notes = [make.observation(f"n{n}", f"{IN_RECORD}Patient/{lead.public_id}") for n in (1, 2)]
    bundle = orjson.dumps(make.bundle("collection", *notes))
    list(take_in(io.BytesIO(bundle), connector=Connector.FORM, sender=OWN_DESK))
    plan = identity.undoing(make.technician(), decision)
    assert len(plan.entered) == 2
    with pytest.raises(identity.NotAsked):
        identity.undo(make.technician(), decision, "x")
    keys = [(each.type, each.id) for each in plan.entered]
    identity.undo(make.technician(), decision, "x", entries_back={keys[0]: True, keys[1]: False})
    now = identity.persons_of([row for (row,) in inbox.rows("SELECT patient FROM identity_source_patient")])
    owners = {id: now[inbox.one("SELECT patient FROM record_resource WHERE public_id = %s", id)] for _, id in keys}
    assert owners == {keys[0][1]: other, keys[1][1]: one}
