"""The first day: one command, then a technician's work in the browser, then the privacy officer's.

Nothing stands in for anything: the program is started as a new user starts it, with its own database, in a folder
of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.sites import Site

from .living import Person

# Its database is its own, so it is not run again on other servers.
pytestmark = pytest.mark.browser

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def helen(charthouse: Site, browser: Any) -> Iterator[Person]:
    """The health information technician."""
    person = Person(charthouse, browser, "helen")
    yield person
    person.leaves()


def test_one_command_brings_records_through_the_connectors(charthouse: Site, helen: Person) -> None:
    said = charthouse.said
    assert re.search(r"\d+ messages sent \(.*by the drop folder.*by HTTP.*by MLLP\)", said), said
    connectors = helen.page.locator("main").inner_text()
    for name in ("Drop folder", "MLLP", "HTTP"):
        row = re.search(rf"{name}\s+\d+ \w+ \d+ [\d:]+.*?(\d+)", connectors, re.DOTALL)
        assert row, connectors
    assert "Nothing new" in charthouse.answer("demo", "seed")


def test_files_of_our_own_are_taken_in(charthouse: Site) -> None:
    said = charthouse.answer("intake", str(EXAMPLES / "registration.hl7"), str(EXAMPLES / "result.hl7"))
    assert "2 filed" in said


@pytest.mark.samples
def test_the_samples_are_taken_in(charthouse: Site, helen: Person, samples: Path) -> None:
    patients = sorted((samples / "fhir" / "synthea").glob("[0-9a-f]*-*-*-*-*.json.bz2"))[:3]
    shared = sorted((samples / "fhir" / "synthea").glob("0-*.json.bz2"))
    for paths in (shared, patients):
        charthouse.answer("intake", "--processes", "2", *map(str, paths))
    said = charthouse.answer("intake", "--processes", "2", *map(str, sorted((samples / "hl7v2").glob("*.hl7"))))
    assert re.search(r"Messages: .*\d+ filed", said), said


def test_a_patient_is_found_by_three_letters_and_the_chart_is_read(helen: Person) -> None:
    helen.finds("abe", "Abernathy, Ruth Eleanor")
    banner = helen.page.get_by_role("region", name="Patient").inner_text()
    assert "Penicillin G" in banner
    assert "0041703" in banner

    helen.goes("d", "Documents")
    helen.page.get_by_role("link", name="Discharge summary").first.click()
    helen.page.get_by_role("heading", name="Discharge summary").wait_for()
    expect(helen.page.locator("main")).to_contain_text("torsemide 40 mg daily (CHANGED", use_inner_text=True)
    helen.looks("Documents")


def test_a_result_is_read_down_to_its_segment(helen: Person) -> None:
    helen.goes("r", "Results")
    row = helen.page.locator("tr", has_text="Potassium").filter(has_text="5.9")
    expect(row).to_contain_text("High", use_inner_text=True)
    row.get_by_role("link", name="Source of Potassium").click()
    dialog = helen.page.get_by_role("dialog", name="Where did this come from")
    dialog.wait_for()
    marked = dialog.locator("li.marked").all_inner_texts()
    assert any("|2823-3^Potassium^LN||5.9|" in text for text in marked)
    expect(dialog).to_contain_text("CORELINK|LVMC", use_inner_text=True)
    helen.page.keyboard.press("Escape")


def test_a_lost_result_is_mended_in_a_corrected_copy(helen: Person) -> None:
    page = helen.page
    page.goto(f"{helen.site.address}/unfiled/")
    helen.looks("Unfiled messages")
    page.get_by_role("row", name="CORELINK").filter(has_text="no identifier").get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/unfiled/\d+$"))
    helen.looks("ORU^R01")
    expect(page.locator(".notice").first).to_contain_text("PID-3", use_inner_text=True)
    expect(page.locator("main")).to_contain_text("Okonjo-Reyes^Marcus", use_inner_text=True)
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog", name="Correct a copy")
    text = dialog.get_by_label("The corrected message")
    text.fill(text.input_value().replace("PID|1||||Okonjo", "PID|1||0042055^^^LVMC^MR||Okonjo"))
    dialog.get_by_label("What was wrong with it").fill("The record number was missing.")
    dialog.get_by_role("button", name="Send the correction").click()
    page.get_by_text("Filed", exact=False).first.wait_for()

    helen.finds("oko", "Okonjo-Reyes, Marcus D")
    helen.goes("r", "Results")
    expect(page.locator("tr", has_text="Potassium").filter(has_text="5.6")).to_have_count(1)


def test_a_result_that_came_before_its_patient_is_tried_again(charthouse: Site, helen: Person) -> None:
    page = helen.page
    charthouse.answer("intake", str(EXAMPLES / "late-patient.json"), "--source", "Riverside Clinic")
    page.goto(f"{charthouse.address}/unfiled/")
    page.get_by_role("row", name="Riverside Clinic").get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/unfiled/\d+$"))
    expect(page.locator(".notice").first).to_contain_text("not in the record", use_inner_text=True)
    page.keyboard.press("r")
    page.get_by_text("Filed. The reason it waited").wait_for()
    helen.finds("eve", "Everhart-Singh, Cosima")
    helen.goes("r", "Results")
    expect(page.locator("main")).to_contain_text("7.9", use_inner_text=True)


def test_the_privacy_officer_sees_all_of_it_and_the_ledger_is_whole(
    charthouse: Site, helen: Person, browser: Any
) -> None:
    helen.leaves()
    priya = Person(charthouse, browser, "priya")
    page = priya.page
    for action in ("people.sign-in", "patient.search", "chart.read", "intake.correct", "intake.retry"):
        page.goto(f"{charthouse.address}/ledger/?actor=helen&action={action}")
        priya.looks("Ledger")
        assert "Helen Ivory" in page.locator("tbody").inner_text(), action
        assert "okonjo" not in page.locator("main").inner_text().casefold()
    page.goto(f"{charthouse.address}/ledger/seal")
    page.keyboard.press("v")
    page.get_by_text("Whole.").wait_for()
    priya.leaves()

    charthouse.answer("ledger", "seal")
    said = charthouse.answer("ledger", "verify")
    assert "The ledger is whole" in said
