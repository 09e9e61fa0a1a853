"""What may be linked without anybody looking."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from charthouse.identity.domain.decision import Candidate, Thresholds, judge
from charthouse.identity.domain.guards import Outcome
from charthouse.identity.domain.model import default_model
from charthouse.identity.domain.traits import traits_of

LIMITS = Thresholds(same=10.0, perhaps=0.0, margin=5.0, evidence=3)


def somebody(family: str, given: list[str], birth: str, phone: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient", "name": [{"family": family, "given": given}], "gender": "female",
        "birthDate": birth,
        "address": [{"line": ["19 Chapel Row"], "city": "Cedar Bend", "state": "MN", "postalCode": "55991"}],
        "telecom": [{"system": "phone", "value": phone}],
    }  # fmt: skip


def outcome(birth: str, given: list[str], family: str = "Price") -> Outcome:
    known = traits_of(somebody("Pryce", ["Gwendolyn", "Anne"], "1987-04-21", "507-555-0133"))
    arrival = traits_of(somebody(family, given, birth, "507-555-0139"))
    return judge(arrival, Candidate(1, UUID(int=1), known), default_model(), LIMITS).outcome


def test_where_all_is_alike_and_nothing_the_same_somebody_looks() -> None:
    assert outcome("1987-04-12", ["Gwen"]) is Outcome.PERHAPS


def test_a_birth_date_or_a_whole_name_that_is_the_same_is_something_to_stand_on() -> None:
    assert outcome("1987-04-21", ["Gwen"]) is Outcome.SAME
    assert outcome("1987-04-12", ["Gwendolyn", "Anne"], "Pryce") is Outcome.SAME
