"""Rules of charts in a browser: open to everybody, and a manager who tries and adopts one by keyboard; what is
missing in the assembled chart."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.screens import assert_open_to_everybody, assert_the_keys_are_named, press
from tests.unit.completion.test_rule_screens import OWN, SUMMARY
from tests.unit.completion.visits import SYSTEM, coded, document, encounter, found, patient, send


def _keep(page: Any, name: str) -> None:
    """A picture, where somebody asked for one."""
    if folder := os.environ.get("CHARTHOUSE_TEST_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.fixture(scope="module")
def house(served: str, signed_in: Any, beside: Any) -> dict[str, Any]:
    """Two stays that lack things, rules that were tried over them, and a rule that is switched off."""
    made: dict[str, Any] = beside(_fill)
    return made


def _fill() -> dict[str, Any]:
    from charthouse.completion import api as completion
    from charthouse.completion.rule_models import RuleTrial
    from charthouse.foundation.access.api import AccessContext, Role

    manager = AccessContext("user:901", "M. Bright", frozenset({Role.MANAGER}))
    doctor = {"reference": "Practitioner/dr", "display": "Ada Quill"}
    part = [{"type": [{"coding": [{"code": "ATND"}]}], "individual": doctor}]
    send(
        {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Quill", "given": ["Ada"]}]},
        patient(), encounter(participant=part), patient("p2", "Lark"), encounter("e2", of="p2", participant=part),
        document("hp", coded("34117-2", text="History"), author=[doctor], at="2026-03-04T12:00:00Z"),
        document("n1", coded("11506-3", text="Progress"), author=[doctor], docStatus="preliminary"),
    )  # fmt: skip
    completion.analyse_charts([facts.row for some in completion.all_encounters(SYSTEM) for facts in some])
    every = tuple(completion.rules_adopted(manager).rules[0].ways[0].kinds)
    over = completion.Over(completion.Which.ALL)

    def tried(recipe: completion.Recipe) -> str:
        trial = completion.try_rules(manager, recipe, over)
        completion.run_trial(trial)
        return str(trial)

    off = tried(completion.Recipe(completion.Way.OFF, code="completion.consent", kinds=every))
    stale = tried(completion.Recipe(completion.Way.OFF, code="completion.authentication", kinds=every))
    completion.adopt_tried(manager, off, RuleTrial.objects.get(pk=off).digest, "Committee of March")  # type: ignore[arg-type]
    trial = tried(completion.Recipe(completion.Way.PACK, text=OWN))
    person, _, id = found()
    return {
        "adopted": off,
        "stale": stale,
        "trial": trial,
        "version": completion.rules_adopted(manager).version,
        "chart": f"/chart/{person}/encounters/{id}/",
    }


SCREENS = {
    "rules": lambda there: "/chart-rules/",
    "rule": lambda there: f"/chart-rules/{SUMMARY}",
    "switched-off": lambda there: "/chart-rules/completion.consent",
    "list-of-signers": lambda there: "/chart-rules/completion.authorship",
    "version": lambda there: f"/chart-rules/versions/{there['version']}",
    "version-before": lambda there: f"/chart-rules/versions/{there['version'] - 1}",
    "try": lambda there: f"/chart-rules/try?rule={SUMMARY}",
    "trial": lambda there: f"/chart-rules/trials/{there['trial']}",
    "stale-trial": lambda there: f"/chart-rules/trials/{there['stale']}",
    "adopted-trial": lambda there: f"/chart-rules/trials/{there['adopted']}",
    "charts-of-a-trial": lambda there: f"/chart-rules/trials/{there['trial']}/charts/0",
    "assembled-chart": lambda there: there["chart"],
}


@pytest.mark.layout
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_is_open_to_everybody(visit: Any, house: dict[str, Any], screen: str) -> None:
    page = visit(SCREENS[screen](house))
    assert "Marsh" not in page.title()
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    _keep(page, screen)


@pytest.mark.layout
def test_what_is_wrong_in_a_pack_is_open_to_everybody(visit: Any, house: dict[str, Any]) -> None:
    page = visit("/chart-rules/try")
    page.get_by_label("Its text, in YAML").fill(OWN.replace("discharge + soon", "discharge + later"))
    page.get_by_role("button", name="Try it").click()
    page.get_by_text("the rule has no parameter later").wait_for()
    assert_open_to_everybody(page)
    page.get_by_role("button", name="Line 4").first.click()
    text = page.get_by_label("Its text, in YAML")
    chosen = text.evaluate("(text) => text.value.slice(text.selectionStart, text.selectionEnd)")
    _keep(page, "try-wrong")
    assert chosen.strip() == "- code: completion.nursing-at-discharge"


def test_a_number_is_changed_tried_and_adopted_by_keyboard(visit: Any, house: dict[str, Any], beside: Any) -> None:
    page = visit("/rules/")
    press(page, "c")
    page.get_by_role("heading", name="Rules of charts").wait_for()
    page.get_by_role("link", name="Discharge summary").first.focus()
    press(page, "Enter")
    page.get_by_role("heading", name="Discharge summary", level=1).wait_for()
    press(page, "e")
    page.keyboard.press("Control+A")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    page.get_by_text("The trial waits for the worker.").wait_for()
    beside(_work)
    page.get_by_text("Would change").first.wait_for()
    press(page, "A")
    page.get_by_role("dialog", name="Adopt these rules").wait_for()
    page.keyboard.type("Committee of April")
    page.keyboard.press("Enter")
    page.get_by_text("The analysis waits for the worker.").wait_for()
    beside(_work)
    page.get_by_text("charts analysed.").wait_for()
    press(page, "b")
    page.get_by_text("Committee of April").wait_for()


def test_a_trial_is_stopped_by_key(visit: Any, house: dict[str, Any]) -> None:
    page = visit(f"/chart-rules/trials/{house['trial']}")
    press(page, "r")
    page.get_by_text("The trial waits for the worker.").wait_for()
    assert_the_keys_are_named(page)
    _keep(page, "trial-that-waits")
    press(page, "s")
    page.get_by_text("Stopped.").wait_for()
    _keep(page, "trial-stopped")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)


def _work() -> None:
    """What the worker does with the jobs that wait."""
    from charthouse.foundation.jobs import api as jobs

    jobs.declare_all()
    jobs.run_worker(wait=False)
