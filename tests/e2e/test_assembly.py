"""A technician and charts in their order, by keyboard: a chart read and printed, documents classified, an order
changed."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.screens import (
    assert_no_axe_violations,
    assert_open_to_everybody,
    assert_the_keys_are_named,
    press,
)
from tests.unit.completion.test_classification import ODD, follow
from tests.unit.completion.test_printing import SCAN
from tests.unit.completion.visits import attachment, coded, document, encounter, found, of_visit, patient, send


def _keep(page: Any, name: str) -> None:
    """A picture, where somebody asked for one."""
    if folder := os.environ.get("CHARTHOUSE_TEST_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png")


@pytest.fixture(scope="module")
def stay(served: str, signed_in: Any, beside: Any) -> str:
    """A stay with a scan, results and three documents that nobody knows; its address."""

    def make() -> str:
        send(
            patient(), encounter(serviceProvider={"display": "Mercy Hospital"}),
            document("hp", coded("34117-2", text="History and physical"),
                     attachment(b"CHIEF COMPLAINT: fever\n" * 12), author=[{"display": "B. Novak"}]),
            document("pn", coded("11506-3", text="Progress note"), attachment(b"Better.")),
            document("co", coded("64293-4", text="Procedure consent"), attachment(SCAN, "application/pdf")),
            document("ds", coded("18842-5", text="Discharge summary"), docStatus="preliminary"),
            of_visit("Observation", "na", status="final", code={"text": "Sodium"}, valueQuantity={"value": 138}),
            of_visit("Observation", "hr", status="final", code={"text": "Heart rate"}, valueQuantity={"value": 71},
                     category=[{"coding": [{"code": "vital-signs"}]}], effectiveDateTime="2026-03-03"),
            of_visit("ServiceRequest", "o1", status="active", intent="order", code={"text": "Chest film"}),
            of_visit("Condition", "c1", code={"text": "Pneumonia"}),
            document("a", coded("ZX-17", ODD, "Wound sheet"), at="2026-03-03T10:00:00Z"),
            document("b", coded("ZX-17", ODD, "Turning sheet"), at="2026-03-03T11:00:00Z"),
            document("c", {"text": "Operative note of the day"}, at="2026-03-03T12:00:00Z"),
        )  # fmt: skip
        follow()
        person, _, id = found()
        return f"/chart/{person}/encounters/{id}/"

    address: str = beside(make)
    return address


def test_a_chart_is_read_in_its_order_by_keyboard(stay: str, visit: Any) -> None:
    person = stay.split("/encounters/")[0]
    page = visit(f"{person}/encounters")
    page.locator("[data-item]").first.focus()
    press(page, "c")
    page.get_by_role("navigation", name="Index of the chart").wait_for()
    assert "Marsh" not in page.title()
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    for _ in range(3):
        press(page, "j")
    press(page, "Enter")
    page.get_by_role("heading", name="History and physical", level=2).last.wait_for()
    page.get_by_text("CHIEF COMPLAINT").first.wait_for()
    press(page, "]")
    page.get_by_text("Better.").wait_for()
    _keep(page, "assembled")


@pytest.mark.parametrize("leaf", ["face", "orders", "results", "vitals"])
def test_groups_of_items_are_open_to_everybody(stay: str, visit: Any, leaf: str) -> None:
    page = visit(f"{stay}group/{leaf}")
    assert_open_to_everybody(page)
    _keep(page, leaf)


def test_a_document_of_the_chart_is_open_to_everybody(stay: str, visit: Any) -> None:
    page = visit(stay)
    page.get_by_role("link", name="Procedure consent").click()
    page.get_by_role("img", name="Page 1 of 2").wait_for()
    page.goto(page.url)
    page.get_by_role("img", name="Page 1 of 2").wait_for()
    assert_open_to_everybody(page)
    _keep(page, "document")


def test_printing_asks_what_for(stay: str, visit: Any) -> None:
    page = visit(stay)
    press(page, "P")
    page.get_by_role("dialog").get_by_role("button", name="Print for use here").wait_for()
    assert_no_axe_violations(page)
    page.goto(page.url + "print")
    assert_open_to_everybody(page)


def test_an_order_is_changed_by_keyboard(stay: str, visit: Any) -> None:
    page = visit("/chart-orders/")
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    _keep(page, "order")
    page.get_by_role("button", name="Move Insurance card up").focus()
    press(page, "u")
    page.get_by_text("As this site wants it, version 1").wait_for()
    expect(page.locator("tbody th").first).to_have_text("Insurance card", use_inner_text=True)
    focused = page.get_by_role("button", name="Move Insurance card up").and_(page.locator(":focus"))
    focused.wait_for()
    press(page, "d")
    page.get_by_text("As taught, version 2").wait_for()
    press(page, "u")
    page.get_by_text("version 3").first.wait_for()
    press(page, "R")
    page.locator("dialog[open]").wait_for()
    assert_no_axe_violations(page)
    press(page, "Enter")
    page.get_by_text("As taught, version 4").wait_for()


@pytest.mark.slow
def test_documents_are_classified_one_key_each(stay: str, visit: Any) -> None:
    page = visit("/document-codes/")
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    page.goto(page.url.replace("document-codes/", "queues/completion.unclassified/"))
    press(page, "n")
    page.get_by_role("heading", name="What part of a chart is this?").wait_for()
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    _keep(page, "unclassified")
    press(page, "x")
    press(page, "N")
    page.get_by_text("Nursing note, always for this code of this sender. 2 documents changed.").wait_for()
    page.wait_for_load_state()
    page.get_by_role("button", name="Operative report", exact=True).wait_for()
    press(page, "O")
    page.get_by_text("Nothing waits for anybody in this queue now.").wait_for()
    page.goto(page.url.split("/queues/")[0] + stay)
    index = page.get_by_role("navigation", name="Index of the chart").inner_text()
    assert index.index("Turning sheet") > index.index("Nursing note") and "Unclassified" not in index
    page.goto(page.url.split("/chart/")[0] + "/document-codes/")
    page.get_by_role("cell", name="Nursing note").wait_for()
    assert_open_to_everybody(page)
    _keep(page, "codes")
