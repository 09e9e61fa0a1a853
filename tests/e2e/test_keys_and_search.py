"""Working by keyboard: moving, opening, finding a patient, and keys that keep out of the way."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.layout

LIDIA = "018f0000-0000-7000-8000-000000000001"
CHART = f"/chart/{LIDIA}"


def _focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def test_j_and_k_move_and_enter_opens(open_page: Any) -> None:
    page = open_page(f"{CHART}/problems")
    page.keyboard.press("j")
    assert _focused(page) == "Acute on chronic diastolic heart failure"
    page.keyboard.press("j")
    assert _focused(page).startswith("Type 2 diabetes")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{CHART}/item/Condition/condition-1")


def test_two_strokes_go_to_a_section_and_to_a_screen(open_page: Any) -> None:
    page = open_page(f"{CHART}/")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url(f"**{CHART}/results")
    page.keyboard.press("g")
    page.keyboard.press("u")
    page.wait_for_url("**/queues/intake.unfiled/")
    page.keyboard.press("u")
    page.wait_for_url("**/unfiled/")
    page.keyboard.press("b")
    page.wait_for_url("**/queues/intake.unfiled/")


def test_w_says_where_the_item_at_hand_came_from_and_escape_closes(open_page: Any) -> None:
    page = open_page(f"{CHART}/results")
    for _ in range(3):
        page.keyboard.press("j")
    assert _focused(page) == "Potassium"
    page.keyboard.press("w")
    dialog = page.get_by_role("dialog", name="Where did this come from")
    dialog.wait_for()
    expect(dialog.locator("li.marked")).to_contain_text("OBX|2|NM|", use_inner_text=True)
    expect(dialog).to_contain_text("<b>hemolyzed</b>", use_inner_text=True)
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert _focused(page) == "Potassium"


def test_a_document_opens_beside_its_list_and_the_list_keeps_the_focus(open_page: Any) -> None:
    page = open_page(f"{CHART}/documents")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Discharge summary").wait_for()
    assert page.url.endswith("/documents/DocumentReference/documentreference-1")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="History and physical").wait_for()
    current = page.locator("[aria-current=true]")
    expect(current).to_have_count(1)
    expect(current).to_contain_text("History and physical", use_inner_text=True)
    page.go_back()
    page.get_by_role("heading", name="Discharge summary").wait_for()


def test_scanned_pages_are_drawn_and_other_files_are_downloads(open_page: Any) -> None:
    page = open_page(f"{CHART}/documents/DocumentReference/documentreference-3")
    picture = page.get_by_alt_text("Page 1 of 1")
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("async image => { await image.decode(); return image.naturalWidth; }") > 500
    page.get_by_text("The same as text").click()
    page.get_by_text("OPERATIVE REPORT", exact=True).last.wait_for()
    address = page.get_by_role("link", name="Download", exact=True).get_attribute("href")
    answer = page.request.get(page.url.split("/chart")[0] + address)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    missing = page.request.get(page.url + "/file/0/page/9")
    assert missing.status == 404


def test_a_patient_is_found_from_anywhere_while_typing(open_page: Any) -> None:
    page = open_page("/rules/")
    page.keyboard.press("/")
    page.keyboard.type("mar")
    options = page.get_by_role("option")
    expect(options).to_have_count(1)
    box = page.get_by_role("combobox", name="Find a patient")
    assert box.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/chart/{LIDIA}/")
    assert "mar" not in page.url.split("/chart/")[1]


def test_escape_closes_the_answers_and_then_leaves_the_box(open_page: Any) -> None:
    page = open_page("/")
    page.keyboard.press("/")
    page.keyboard.type("mar")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)
    assert page.get_by_role("combobox", name="Find a patient").input_value() == "mar"
    page.keyboard.press("Escape")
    assert page.get_by_role("combobox", name="Find a patient").input_value() == ""


def test_enter_lists_everybody_without_the_words_in_the_address(open_page: Any) -> None:
    page = open_page("/")
    page.keyboard.press("/")
    page.keyboard.type("many")
    page.keyboard.press("Enter")
    page.wait_for_url("**/find/")
    expect(page.locator("tbody tr")).to_have_count(27)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/chart/{LIDIA}/")
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(27)


def test_a_stale_answer_never_replaces_a_newer_one(
    open_page: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from charthouse.identity import api as identity

    def slow(ctx: Any, text: str, limit: int) -> Any:
        if text == "ægi":
            time.sleep(1.0)
        return site.fakes.find(ctx, text, limit)

    monkeypatch.setattr(identity, "find", slow)
    page = open_page("/")
    page.keyboard.press("/")
    page.keyboard.type("ægi")
    page.wait_for_timeout(300)
    page.get_by_role("combobox", name="Find a patient").fill("mar")
    page.get_by_role("option").first.wait_for()
    page.wait_for_timeout(1300)
    assert page.get_by_role("option").all_inner_texts()[0].startswith("Marchetti")


def test_keys_keep_out_of_fields_and_can_be_switched_off(open_page: Any) -> None:
    page = open_page("/unfiled/4711")
    field = page.get_by_label("Time zone of times without one")
    field.fill("")
    field.press_sequentially("bjrx?")
    assert field.input_value() == "bjrx?"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys of this screen")
    dialog.wait_for()
    expect(dialog).to_contain_text("Refuse", use_inner_text=True)
    dialog.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.wait_for_timeout(300)
    assert page.url.endswith("/unfiled/4711")
    page.get_by_role("button", name="all keys").click()
    dialog.get_by_role("checkbox").check()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.wait_for_url("**/queues/intake.unfiled/")


def test_the_skip_link_leads_past_the_rail(open_page: Any) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    assert _focused(page) == "Skip to the page"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_hostile_name_is_only_ever_text(open_page: Any, site: Any) -> None:
    page = open_page(f"/chart/{site.fakes.HOSTILE}/")
    expect(page.locator(".banner-name")).to_contain_text(site.fakes.BAD_NAME, use_inner_text=True)
    page.keyboard.press("/")
    page.keyboard.type("<script>")
    page.get_by_role("option").first.wait_for()
    expect(page.get_by_role("option").first).to_contain_text(site.fakes.BAD_NAME, use_inner_text=True)
    page.evaluate("document.querySelector('[data-find]').form.requestSubmit()")
    page.wait_for_url("**/find/")
    expect(page.locator("tbody")).to_contain_text(site.fakes.BAD_NAME, use_inner_text=True)


def test_enter_opens_the_only_patient_found(open_page: Any, site: Any) -> None:
    page = open_page("/")
    page.keyboard.press("/")
    page.keyboard.type("<script>")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/chart/{site.fakes.HOSTILE}/")


def test_the_rail_opens_as_a_menu_in_a_narrow_window(open_page: Any) -> None:
    page = open_page("/", (390, 844))
    expect(page.get_by_role("link", name="Rules")).not_to_be_visible()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Rules").click()
    page.wait_for_url("**/rules/")
