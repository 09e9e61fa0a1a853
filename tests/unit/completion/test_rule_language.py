"""The language of completion rules: the packs are in order, and what is not understood is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from charthouse.completion.adopted import laid_over, read, told_by_packs
from charthouse.completion.domain.facts import EncounterKind
from charthouse.completion.domain.pieces import pieces
from charthouse.completion.domain.rules import Each, Moment, RuleError, read_demand, rule_set
from charthouse.completion.rule_sets import read_pack_file, rules_for, rules_in_force
from charthouse.foundation.rulepacks.api import FacilityType, RulePackError

NUMBERS: dict[str, tuple[object, str]] = {"hours": (24, "h"), "days": (30, "days"), "policy": ("yes", "")}
DEMAND: dict[str, Any] = {
    "kind": "history-and-physical",
    "for": ["inpatient"],
    "when": ["ended", "site says policy"],
    "accept": [{"pieces": ["history-and-physical"], "from": "registration - days", "until": ["admission + hours"]}],
    "owed_by": ["attending-at-admission"],
}


def problems(changes: dict[str, Any], numbers: dict[str, tuple[object, str]] | None = None) -> list[str]:
    told = {name: value for name, value in {**DEMAND, **changes}.items() if value is not None}
    with pytest.raises(RuleError) as raised:
        read_demand("completion.some", "Some rule", told, NUMBERS if numbers is None else numbers)
    return raised.value.problems


def test_a_demand_is_read_with_its_numbers() -> None:
    found = read_demand("completion.some", "Some rule", DEMAND, NUMBERS)
    assert found.kinds == {EncounterKind.INPATIENT}
    assert found.each is Each.ENCOUNTER
    assert found.piece == "history-and-physical"
    accept = found.accept[0]
    assert accept.since is not None and (accept.since.moment, accept.since.days) == (Moment.REGISTRATION, -30)
    assert accept.until[0].time.total_seconds() == 24 * 3600


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"kind": "History"}, "demand.kind", "lower-case words"),
        ({"for": ["ward"]}, "demand.for", "'ward' is not known"),
        ({"each": "surgery"}, "demand.each", "'surgery' is not known"),
        ({"owed_by": []}, "demand.owed_by", "names nobody"),
        ({"owed_by": ["the boss"]}, "demand.owed_by", "'the boss' is not known"),
        ({"when": ["on sunday", "site says policy"]}, "demand.when", "'on sunday' is not understood"),
        ({"when": ["site says hours"]}, "demand.when", "yes or no"),
        ({"when": ["has letter until discharge"]}, "demand.when", "'letter' is no piece"),
        ({"accept": None}, "demand.accept", "one of accept, evidence and fit"),
        ({"evidence": "disposition"}, "demand.accept", "no more than one"),
        ({"accept": [{"pieces": ["letter"]}]}, "demand.accept 1.pieces", "'letter' is no piece"),
        (
            {"accept": [{"pieces": ["consent"], "until": ["end + hours"]}]},
            "demand.accept 1.until",
            "no moment of each",
        ),
        (
            {"accept": [{"pieces": ["consent"], "until": ["admission + weeks"]}]},
            "demand.accept 1.until",
            "has no parameter weeks",
        ),
        (
            {"accept": [{"pieces": ["consent"], "until": ["admission * hours"]}]},
            "demand.accept 1.until",
            "is not understood",
        ),
        (
            {"accept": [{"pieces": ["consent"], "no_later": "noon"}]},
            "demand.accept 1.no_later",
            "is not known here",
        ),
        ({"evidence": "authentication", "accept": None}, "demand.evidence", "each: order or each: document"),
        ({"fit": "author-may-sign", "accept": None, "each": "document"}, "demand.may_sign", "no list"),
        ({"colour": "red"}, "demand.colour", "is not a word of the language"),
    ],
)
def test_what_is_wrong_is_said_with_rule_and_place(changes: dict[str, Any], place: str, words: str) -> None:
    found = problems(changes)
    assert any(f"rule completion.some, {place}:" in each and words in each for each in found), found


def test_a_number_that_is_used_nowhere_is_refused() -> None:
    assert any("weeks is in the rule" in each for each in problems({}, {**NUMBERS, "weeks": (2, "weeks")}))


def test_a_rule_is_there_once() -> None:
    demand = read_demand("completion.some", "Some rule", DEMAND, NUMBERS)
    with pytest.raises(RuleError, match=r"completion\.some: is there twice"):
        rule_set([demand, demand])


@pytest.mark.parametrize("facility_type", list(FacilityType))
def test_the_rules_in_force_are_in_order_for_every_type_of_facility(facility_type: FacilityType) -> None:
    found = rules_for(facility_type)
    assert len(found.demands) == len(rules_in_force(facility_type)) > 15
    assert all(not each.piece or each.piece in pieces() for each in found.demands)


def test_numbers_of_critical_access_hospitals_are_marked_unverified() -> None:
    special = [each for each in rules_in_force(FacilityType.CRITICAL_ACCESS) if each.facility_types]
    assert special
    assert all(each.unverified for each in special)
    assert not any(each.facility_types for each in rules_in_force(FacilityType.HOSPITAL))


PACK = """
pack: completion.tried
title: Tried
rules:
  - code: completion.operative-report
    title: Operative report
    text: Sooner than elsewhere.
    authority: This hospital
    citation: Bylaws
    force: convention
    effective: 2020-01-01
    parameters:
      immediately: {value: 2, unit: h}
    demand:
      kind: operative-report
      each: operation
      own: true
      accept: [{pieces: [operative-report], from: start, until: [end + immediately]}]
      owed_by: [surgeon]
"""


def test_a_file_takes_the_place_of_its_rules_only(tmp_path: Path) -> None:
    path = tmp_path / "tried.yaml"
    path.write_text(PACK, "utf-8")
    tried, held = read(laid_over(told_by_packs(), read_pack_file(path))["hospital"]), rules_for()
    assert [each.rule for each in tried.demands] == [each.rule for each in held.demands]
    changed = [one.rule for one, other in zip(tried.demands, held.demands, strict=True) if one != other]
    assert changed == ["completion.operative-report"]


def test_a_file_that_is_wrong_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "tried.yaml"
    path.write_text(PACK.replace("end + immediately", "end + soon"), "utf-8")
    with pytest.raises(RuleError) as raised:
        laid_over(told_by_packs(), read_pack_file(path))
    assert any(
        "completion.operative-report, demand.accept 1.until: the rule has no parameter soon" in each
        for each in raised.value.problems
    )
    path.write_text("pack: [", "utf-8")
    with pytest.raises(RulePackError, match="not readable YAML"):
        read_pack_file(path)
