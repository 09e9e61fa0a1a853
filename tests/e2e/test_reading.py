"""Looking for words and reading what is found, by keyboard alone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.screens import assert_open_to_everybody, assert_the_keys_are_named

pytestmark = pytest.mark.layout

LIDIA = "018f0000-0000-7000-8000-000000000001"
CHART = f"/chart/{LIDIA}"
DOCUMENTS = f"{CHART}/documents/DocumentReference"
_MARKED = """() => [...(CSS.highlights.get("found") ?? [])].map((range) => range.toString())"""


def said(page: Any, words: str) -> None:
    page.locator("[data-reader-said]", has_text=words).wait_for()


def told(page: Any, words: str) -> None:
    page.locator("[data-reader-found]", has_text=words).wait_for()


def at_hand(page: Any) -> str:
    return str(page.evaluate("document.activeElement.outerHTML"))


def test_words_of_all_charts(open_page: Any) -> None:
    page = open_page("/words/")
    page.keyboard.press("q")
    page.keyboard.type("heart failure")
    page.keyboard.press("Enter")
    page.get_by_text("More than 1,000 found for").wait_for()
    assert {each.casefold() for each in page.locator("mark").all_inner_texts()} == {"heart", "failure"}
    expect(page.get_by_text("Machine-read")).to_be_visible()
    expect(page.locator(".hits b")).to_have_count(0)
    assert "heart" not in page.url and "heart" not in page.title().casefold()
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    page.keyboard.press("c")
    page.get_by_text("What are you looking for?").wait_for()


def test_from_words_in_a_chart_to_where_they_stand(open_page: Any) -> None:
    page = open_page(f"{CHART}/overview")
    page.keyboard.press("q")
    page.keyboard.type("heart failure")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Words in this chart").wait_for()
    assert_open_to_everybody(page)
    page.keyboard.press("j")
    assert "Discharge summary" in at_hand(page)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Discharge summary").wait_for()
    told(page, "found")
    assert page.get_by_label("Find in this document").input_value() == "heart failure"
    # The summary has no line where both stand together; each word is marked wherever it stands.
    assert {text.casefold() for text in page.evaluate(_MARKED)} == {"heart", "failure"}


def test_words_that_led_elsewhere_are_not_asked_and_what_is_typed_meanwhile_stays(open_page: Any) -> None:
    page = open_page(f"{DOCUMENTS}/documentreference-3")
    expect(page.get_by_label("Find in this document")).to_have_value("")
    expect(page.locator("[data-reader-found]")).to_have_text("")
    # The answer about the words that led here comes while somebody types.
    page.route("**/words", lambda route: (page.wait_for_timeout(400), route.continue_()))
    page.reload()
    page.keyboard.press("f")
    page.keyboard.type("unheard")
    told(page, "Not in this document")
    assert page.get_by_label("Find in this document").input_value() == "unheard"


def test_finding_in_a_document(open_page: Any) -> None:
    page = open_page(f"{DOCUMENTS}/documentreference-1")
    before = page.locator(".document").inner_text()
    page.keyboard.press("f")
    page.keyboard.type("kidney")
    told(page, "1 of 2")
    page.keyboard.press("Enter")
    told(page, "2 of 2")
    page.keyboard.press("Shift+Enter")
    told(page, "1 of 2")
    assert page.evaluate(_MARKED) == ["kidney", "kidney"]
    assert page.locator(".document").inner_text() == before
    page.get_by_label("Find in this document").fill("unheard")
    told(page, "Not in this document")
    assert page.evaluate(_MARKED) == []


def test_finding_on_a_page_that_the_server_draws(open_page: Any) -> None:
    page = open_page(f"{DOCUMENTS}/documentreference-3")
    page.keyboard.press("f")
    page.keyboard.type("operative")
    page.locator(".page rect.now, .page rect").first.wait_for(state="attached")
    expect(page.locator(".page rect")).to_have_count(1)
    drawn, shown = (page.locator(f"figure.page:has(rect) {each}").bounding_box() for each in ("svg.found", "img"))
    assert all(abs(drawn[side] - shown[side]) <= 2 for side in shown)
    page.get_by_label("Find in this document").fill("")
    page.locator(".page rect").wait_for(state="detached")


def test_size_pages_and_documents_by_key(open_page: Any) -> None:
    page = open_page(f"{DOCUMENTS}/documentreference-1")
    usual = page.evaluate("getComputedStyle(document.querySelector('.document')).fontSize")
    page.keyboard.press("+")
    said(page, "125 %")
    assert page.evaluate("getComputedStyle(document.querySelector('.document')).fontSize") != usual
    page.keyboard.press("]")
    page.get_by_role("heading", name="History and physical").wait_for()
    page.locator(".document[data-size='125']").wait_for()
    page.keyboard.press("[")
    page.get_by_role("heading", name="Discharge summary").wait_for()
    page.keyboard.press("0")
    said(page, "100 %")
    assert page.evaluate("getComputedStyle(document.querySelector('.document')).fontSize") == usual


def test_pages_are_turned_from_the_list(open_page: Any) -> None:
    page = open_page(f"{DOCUMENTS}/documentreference-1", (1024, 600))
    page.keyboard.press("j")
    top = "document.querySelector('.document').scrollTop"
    assert page.evaluate(top) == 0
    page.keyboard.press("PageDown")
    assert page.evaluate(top) > 0
    page.keyboard.press("PageUp")
    assert page.evaluate(top) == 0


def test_the_documents_large_are_open_to_everybody(open_page: Any) -> None:
    page = open_page(f"{DOCUMENTS}/documentreference-3")
    page.get_by_text("Machine-read text").click()
    page.get_by_text("OR 4, 7 Nov").wait_for()
    for size in (125, 150, 200, 300):
        page.keyboard.press("+")
        said(page, f"{size} %")
    assert_open_to_everybody(page)


def test_changes_are_gone_through_by_key(open_page: Any) -> None:
    page = open_page(f"{DOCUMENTS}/documentreference-1")
    page.keyboard.press("c")
    page.get_by_role("heading", name="Side by side").wait_for()
    assert page.locator("del").all_inner_texts() and "14" in page.locator("del").all_inner_texts()
    page.keyboard.press("j")
    first = at_hand(page)
    assert "data-item" in first and ("changed" in first or "only" in first)
    page.keyboard.press("j")
    assert at_hand(page) != first
    page.get_by_label("Only what differs").check()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**only=changes**")
    expect(page.locator("tr.same")).to_have_count(0)
