"""Printing by keyboard: p asks what it is for, Enter prints for use here, a disclosure needs its recipient."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.screens import assert_no_axe_violations

pytestmark = pytest.mark.layout

LIDIA = "018f0000-0000-7000-8000-000000000001"
CHART = f"/chart/{LIDIA}"


def printed(beside: Any) -> list[Any]:
    """What the ledger says was printed: a window of its own may have its answer before a test can listen."""
    from charthouse.foundation.access.api import system_context
    from charthouse.foundation.ledger.queries import Filters, entries

    return list(beside(lambda: list(entries(system_context("test"), Filters(action="chart.print")).lines)))


def wait_for_print(page: Any, beside: Any, before: int) -> Any:
    deadline = time.monotonic() + 60
    while len(found := printed(beside)) <= before:
        assert time.monotonic() < deadline, "nothing was printed"
        page.wait_for_timeout(100)
    return found[0]


@pytest.mark.parametrize(
    ("path", "what", "part"),
    [
        ("overview", "Face sheet", "face-sheet"),
        ("results", "Results", "results"),
        ("documents/DocumentReference/documentreference-1", "", "document"),
    ],
)
def test_p_asks_and_enter_prints_for_use_here(open_page: Any, beside: Any, path: str, what: str, part: str) -> None:
    page = open_page(f"{CHART}/{path}")
    before = len(printed(beside))
    page.keyboard.press("p")
    dialog = page.locator("#print")
    dialog.get_by_role("button", name="Print for use here").wait_for()
    expect(dialog).to_contain_text(what, use_inner_text=True)
    assert page.evaluate("document.activeElement.textContent") == "Print for use here"
    assert_no_axe_violations(page)
    page.keyboard.press("Enter")
    line = wait_for_print(page, beside, before)
    assert (line.detail["part"], line.detail["use"]) == (part, "here")
    expect(dialog).not_to_be_visible()
    assert page.url.endswith(path), "the chart stays where it was"


def test_a_disclosure_is_not_sent_without_a_recipient_and_a_purpose(open_page: Any, beside: Any) -> None:
    page = open_page(f"{CHART}/allergies")
    before = len(printed(beside))
    page.keyboard.press("p")
    dialog = page.locator("#print")
    dialog.get_by_label("Given to").fill("Riverside Clinic")
    dialog.get_by_role("button", name="Print and note the disclosure").click()
    page.wait_for_timeout(300)
    assert dialog.is_visible() and len(printed(beside)) == before
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_what_is_wrong_is_said_on_a_page_of_its_own_and_can_be_mended(open_page: Any) -> None:
    page = open_page(f"{CHART}/print/allergies")
    page.evaluate("""() => document.querySelectorAll("form[target]").forEach((each) => {
      each.noValidate = true; each.removeAttribute("target"); })""")
    page.get_by_label("Their address").fill("1 River Road")
    with page.expect_navigation():
        page.get_by_role("button", name="Print and note the disclosure").click()
    assert re.search("Not printed: Say who is given the print", page.locator("[role=alert]").inner_text())
    assert page.get_by_label("Their address").input_value() == "1 River Road"
    assert_no_axe_violations(page)


def test_all_documents_have_a_key_of_their_own(open_page: Any) -> None:
    page = open_page(f"{CHART}/documents/DocumentReference/documentreference-1")
    page.keyboard.press("P")
    page.locator("#print").get_by_role("button", name="Print for use here").wait_for()
    assert page.locator("#print form").first.get_attribute("action") == f"{CHART}/print/documents"


#: Presses p as soon as the page listens to keys; htmx, which binds in a timeout, is slow.
PRESS_AT_ONCE = """(() => {
  const later = window.setTimeout.bind(window);
  window.setTimeout = (act, time, ...rest) => later(act, (time ?? 0) + 500, ...rest);
  const listen = document.addEventListener.bind(document);
  document.addEventListener = (kind, ...rest) => {
    listen(kind, ...rest);
    if (kind !== "keydown" || window.pressed) return;
    window.pressed = true;
    queueMicrotask(() => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "p", bubbles: true })));
  };
})()"""


def test_a_key_pressed_while_the_page_loads_opens_the_dialog_and_not_a_page(site: Any, browser: Any) -> None:
    context = browser.new_context(storage_state=site.cookies)
    context.add_init_script(PRESS_AT_ONCE)
    page = context.new_page()
    page.goto(f"{site.url}{CHART}/allergies")
    page.locator("#print").get_by_role("button", name="Print for use here").wait_for()
    assert page.url.endswith(f"{CHART}/allergies")
    context.close()
