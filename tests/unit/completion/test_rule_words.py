"""A rule as its page says it: in words, as a pack, and beside another version."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from charthouse.completion.adopted import demand_of, laid_over, told_by_packs
from charthouse.completion.domain.rule_differences import Turn, differences
from charthouse.completion.domain.rule_words import demand_in_words
from charthouse.completion.domain.rules import WORDS, Moment, read_demand
from charthouse.completion.rule_recipes import as_yaml, placed
from charthouse.foundation.rulepacks.api import read_registry_text

TOLD = told_by_packs()
CODES = sorted({each["code"] for rules in TOLD.values() for each in rules})


@pytest.mark.parametrize("code", CODES)
def test_what_a_page_shows_as_a_pack_is_the_rule_itself(code: str) -> None:
    rules = {kind: each for kind, listed in TOLD.items() for each in listed if each["code"] == code}
    text = as_yaml(rules, everywhere=len(rules) == len(TOLD))
    without = {kind: [each for each in listed if each["code"] != code] for kind, listed in TOLD.items()}
    assert laid_over(without, read_registry_text(text, app="completion", name="the pack")) == TOLD


def test_a_demand_in_words() -> None:
    (rule,) = [each for each in TOLD["hospital"] if each["code"] == "completion.history-and-physical"]
    said = dict(demand_in_words(demand_of(rule)))
    assert said["Asked of"] == ("Inpatient, observation and same-day surgery charts.",)
    assert said["Satisfied by"][0] == (
        "History and physical, written from 30 days before registration until 24 hours after admission or the "
        "first operation that was no emergency, whichever is first. Written later, it is late. Written before, it "
        "is too old."
    )
    assert "the site says yes to “outpatient assessment” (it says yes)" in said["Satisfied by"][1]
    assert said["Owed by"] == (
        "The first whom the chart names: the attending at admission; who admitted; the surgeon.",
    )


def tried(each: str, **more: Any) -> dict[str, tuple[str, ...]]:
    told = {"kind": "tried", "each": each, "owed_by": ["attending-at-discharge"], **more}
    return dict(demand_in_words(read_demand("site.tried", "Tried", told, {})))


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_condition_is_said_and_its_contrary(word: str) -> None:
    told = {"accept": [{"pieces": ["operative-report"]}]} if word != "verbal" else {"evidence": "authentication"}
    said = tried("operation" if word != "verbal" else "order", when=[word, f"not {word}"], **told)
    assert len(set(said["Where"])) == 2


@pytest.mark.parametrize("moment", list(Moment))
def test_every_moment_is_said(moment: Moment) -> None:
    each = {Moment.ORDERED: "order", Moment.AUTHORED: "document"}.get(moment)
    if each:
        said = tried(each, evidence="authentication", due=[moment.value])["Due"]
    else:
        said = tried("operation", accept=[{"pieces": ["operative-report"], "until": [moment.value]}])[
            "Satisfied by"
        ]
    assert said[0].strip(".")


def test_what_differs_is_said_once_with_where_it_is_so() -> None:
    other = deepcopy(TOLD)
    for kind, rules in other.items():
        for each in rules:
            if each["code"] == "completion.operative-report":
                each["parameters"]["immediately"][0] = 36
                each["demand"]["accept"][0]["until"] = ["end + immediately", "next-level-of-care"]
            if each["code"] == "completion.consent":
                each["source"]["citation"] = "Another"
        other[kind] = [each for each in rules if each["code"] != "completion.verbal-order" or kind == "hospital"]
    found = {each.code: each for each in differences(TOLD, other) if each.turn is not Turn.GONE}
    report = found["completion.operative-report"]
    assert report.turn is Turn.CHANGED and report.places == ()
    assert report.lines == (
        "Immediately: 24 h → 36 h",
        "Demand, accept 1, until: end + immediately → end + immediately, next-level-of-care",
    )
    assert found["completion.consent"].turn is Turn.TOLD
    gone = [each for each in differences(TOLD, other) if each.turn is Turn.GONE]
    assert {each.code for each in gone} == {"completion.verbal-order"}
    assert all("hospital" not in each.places for each in gone)
    assert differences(TOLD, TOLD) == ()


def test_a_problem_is_placed_at_the_line_it_names_or_at_its_rule() -> None:
    text = "pack: completion.x\nrules:\n  - code: completion.a-b\n  - code: 'completion.a'\n"
    lines = [
        each.line
        for each in placed(
            ["is not readable YAML: no, line 2, column 1.", "rule completion.a, demand.kind: x.", "something else"],
            text,
        )
    ]
    assert lines == [2, 4, 0]
