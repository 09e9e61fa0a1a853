"""Unfiled messages are looked through, mended, corrected and refused."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.layout


def test_the_message_at_hand_is_explained_beside_the_list(open_page: Any) -> None:
    page = open_page("/unfiled/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    preview = page.locator("#preview")
    preview.get_by_role("heading", name="ORU^R01").wait_for()
    expect(preview).to_contain_text("PID-3 is empty", use_inner_text=True)
    page.keyboard.press("Enter")
    page.wait_for_url("**/unfiled/4712")
    expect(page.locator("li.marked mark")).to_have_text("00418823^^^NORTHFIEL", use_inner_text=True)


def test_a_message_is_tried_again_by_one_key(open_page: Any, site: Any) -> None:
    page = open_page("/unfiled/4712")
    site.fakes.done.clear()
    page.keyboard.press("r")
    page.get_by_text("it still cannot be filed").wait_for()
    assert ("retry", 4712) in site.fakes.done


def test_a_corrected_copy_needs_its_reason(open_page: Any, site: Any) -> None:
    page = open_page("/unfiled/4712")
    site.fakes.done.clear()
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog", name="Correct a copy")
    text = dialog.get_by_label("The corrected message")
    assert text.input_value().startswith("MSH|^~\\&|LAB|")
    text.fill("MSH|mended")
    dialog.get_by_role("button", name="Send the correction").click()
    assert site.fakes.done == []
    dialog.get_by_label("What was wrong with it").fill("PID-3 was empty")
    dialog.get_by_role("button", name="Send the correction").click()
    page.get_by_text("The corrected copy was filed").wait_for()
    assert ("correct", 4712, "MSH|mended", "PID-3 was empty") in site.fakes.done


def test_a_message_is_refused_with_a_reason(open_page: Any, site: Any) -> None:
    page = open_page("/unfiled/4712")
    site.fakes.done.clear()
    page.keyboard.press("x")
    dialog = page.get_by_role("dialog", name="Refuse this message")
    dialog.get_by_label("Why it is not to be filed").fill("A test of the sender's.")
    dialog.get_by_role("button", name="Refuse").click()
    page.get_by_text("Refused. The original is kept").wait_for()
    assert ("refuse", 4712, "A test of the sender's.") in site.fakes.done


def test_what_is_wrong_with_a_setting_is_said(open_page: Any) -> None:
    page = open_page("/unfiled/4712")
    page.get_by_label("Time zone of times without one").fill("Mars/Olympus")
    page.get_by_role("button", name="Save and try again").click()
    page.get_by_text("Mars/Olympus is no time zone").wait_for()


def test_the_ledger_is_filtered_and_checked(open_page: Any, site: Any) -> None:
    page = open_page("/ledger/")
    page.keyboard.press("f")
    page.keyboard.type("okafor")
    page.get_by_label("Action").fill("chart.read")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ledger/?**action=chart.read**")
    assert set(page.locator("tbody td:nth-child(5)").all_inner_texts()) == {"chart.read"}
    page.goto(f"{site.url}/ledger/seal")
    page.keyboard.press("v")
    page.get_by_text("Damaged.").wait_for()
    expect(page.locator("main")).to_contain_text("Entry 3-17 is not as it was sealed.", use_inner_text=True)
