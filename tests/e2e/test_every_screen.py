"""What holds for every screen: axe finds nothing, nothing is cut off, everything is reached by keyboard."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.screens import (
    assert_no_axe_violations,
    assert_open_to_everybody,
    assert_the_keys_are_named,
)

pytestmark = pytest.mark.layout

LIDIA = "018f0000-0000-7000-8000-000000000001"
EMPTY = "018f0000-0000-7000-8000-000000000002"
HOSTILE = "018f0000-0000-7000-8000-000000000003"
CHART = f"/chart/{LIDIA}"
NOWHERE = f"{CHART}/nothing-of-the-kind"
SECTIONS = [
    "overview",
    "encounters",
    "documents",
    "results",
    "vitals",
    "problems",
    "medications",
    "allergies",
    "immunizations",
    "procedures",
    "appointments",
    "coverage",
]
SCREENS = [
    "/",
    "/find/",
    "/words/",
    f"{CHART}/words",
    f"/chart/{HOSTILE}/",
    *[f"{CHART}/{section}" for section in SECTIONS],
    f"{CHART}/results?view=dates",
    *[f"{CHART}/documents/DocumentReference/documentreference-{number}" for number in (1, 3, 4)],
    f"{CHART}/documents/DiagnosticReport/diagnosticreport-9",
    f"{CHART}/documents/DocumentReference/documentreference-1/compare",
    f"{CHART}/documents/DocumentReference/documentreference-4/compare?only=changes",
    f"{CHART}/documents/DocumentReference/documentreference-2",
    *[
        f"{CHART}/documents/DocumentReference/documentreference-2/{act}"
        for act in ("sign", "change", "correct", "correct/addendum", "correct/late-entry", "correct/wrong-patient")
    ],
    "/unsigned/",
    "/corrections/3",
    "/corrections/5",
    "/retention/",
    "/retention/documents/",
    f"{CHART}/retention/",
    "/destructions/3",
    "/destructions/5",
    f"{CHART}/item/Observation/observation-2",
    f"{CHART}/item/Observation/observation-2/compare",
    f"{CHART}/from/Observation/observation-2",
    f"{CHART}/send/",
    f"{CHART}/print/results",
    "/queues/machinery/",
    "/queues/identity.possible-duplicates/?tab=finished",
    "/queues/intake.unfiled/",
    "/unfiled/",
    "/unfiled/?state=refused",
    "/unfiled/4711",
    "/findings/12",
    "/findings/13",
    "/ledger/",
    "/ledger/seal",
    "/rules/",
    "/rules/people.lockout",
    "/account/",
    NOWHERE,
]


@pytest.mark.parametrize("path", SCREENS)
def test_a_screen_is_open_to_everybody(open_page: Any, path: str) -> None:
    page = open_page(path, status=404 if path == NOWHERE else 200)
    assert "Marchetti" not in page.title()
    assert_open_to_everybody(page)
    if path != NOWHERE:
        assert_the_keys_are_named(page)


def test_what_was_destroyed_says_so_to_everybody(open_page: Any) -> None:
    page = open_page(f"{CHART}/documents/DocumentReference/documentreference-77", status=410)
    expect(page.locator("main")).to_contain_text("Under the rule", use_inner_text=True)
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)


@pytest.mark.parametrize("section", SECTIONS)
def test_an_empty_section_says_what_would_fill_it(open_page: Any, section: str) -> None:
    page = open_page(f"/chart/{EMPTY}/{section}")
    assert page.locator(".empty").first.inner_text().strip()
    assert_no_axe_violations(page)


def test_twenty_rows_are_seen_in_the_window_of_the_design(open_page: Any) -> None:
    page = open_page("/unfiled/")
    seen = page.evaluate(
        """() => { const end = document.querySelector(".keybar").getBoundingClientRect().top;
        return [...document.querySelectorAll("tbody tr")].map((row) => row.getBoundingClientRect())
          .filter((box) => box.bottom <= end + 1).map((box) => box.height); }"""
    )
    assert len(seen) >= 20
    assert set(seen) == {32}


def test_without_its_script_the_page_still_links_everywhere(site: Any, browser: Any) -> None:
    context = browser.new_context(storage_state=site.cookies, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}{CHART}/results")
    page.get_by_role("link", name="Source of Potassium").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Where this came from", use_inner_text=True)
    context.close()
