"""The desk by keyboard: an item is found, taken, held, finished and reopened; a queue of duplicates is cleared."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support import screens as every

PAIRS = 60

NAMES = ("Abel", "Birk", "Corvin", "Dorn", "Eskil", "Falk", "Gorm", "Hjalmar", "Ivar", "Jost", "Karsten", "Lorenz")


def _patient(number: int, ssn: str, street: str) -> dict[str, Any]:
    """One of a pair that the index cannot decide; no two pairs share a name and a day of birth."""
    turn, at = divmod(number, len(NAMES))
    return {
        "resourceType": "Patient",
        "name": [{"family": f"{NAMES[at]}sen", "given": [f"{NAMES[(at + 2 * turn + 1) % len(NAMES)]}a"]}],
        "gender": "female",
        "birthDate": f"19{31 + number}-{1 + at:02}-{10 + at + turn}",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": ssn}],
        "telecom": [{"system": "phone", "value": f"413-{200 + 13 * number}-01{number:02}"}],
        "address": [
            {"line": [f"{3 + 17 * number} {street}"], "city": "Northampton", "state": "MA", "postalCode": "01060"}
        ],
    }


@pytest.fixture(scope="module")
def filled(served: str, beside: Any) -> None:
    from django.db import transaction

    from charthouse.foundation.clock import now
    from charthouse.foundation.work import api as work
    from charthouse.identity.api import Arrival, place

    def fill() -> bool:
        work.open_items(
            work.NewItem(
                work.MACHINERY_QUEUE,
                work.Subject("event", f"completion.deficiencies/{n}"),
                "A consumer of events stopped after five attempts.",
                f"m{n}",
                due=now() + timedelta(days=n - 5, minutes=5) if n % 6 else None,
            )
            for n in range(30)
        )
        for number in range(PAIRS):
            for side, ssn, street in ((0, "219-41-67", "Alder Street"), (1, "518-77-12", "Mill Lane")):
                row = 2 * number + side + 1
                with transaction.atomic():
                    patient = _patient(number, f"{ssn}{number + 10}", street)
                    place([Arrival(row, f"e2e-{row}", 1, patient, message=row)])
        return True

    beside(fill)


def _open(beside: Any, queue: str) -> int:
    def count() -> int:
        from charthouse.foundation.access.api import system_context
        from charthouse.foundation.work import api as work

        return next(each.unfinished for each in work.waiting(system_context("test"), queue))

    return int(beside(count))


def _first(beside: Any, queue: str) -> int:
    def find() -> int:
        from charthouse.foundation.access.api import system_context
        from charthouse.foundation.work import api as work

        return work.items(system_context("test"), queue, limit=1).items[0].id

    return int(beside(find))


@pytest.mark.layout
@pytest.mark.parametrize("screen", ["desk", "item", "pair", "board"])
def test_the_desk_is_open_to_everybody(filled: None, visit: Any, beside: Any, screen: str) -> None:
    pairs = "identity.possible-duplicates"
    path = {
        "desk": lambda: f"/queues/{pairs}/",
        "item": lambda: f"/queues/machinery/{_first(beside, 'machinery')}",
        "pair": lambda: f"/duplicates/{_first(beside, pairs)}",
        "board": lambda: "/",
    }[screen]()
    page = visit(path)
    assert "sen" not in page.title()
    every.assert_open_to_everybody(page)


@pytest.mark.layout
def test_twenty_rows_are_seen_in_the_window_of_the_design(filled: None, visit: Any) -> None:
    page = visit("/queues/machinery/")
    seen = page.evaluate(
        """() => { const end = document.querySelector(".keybar").getBoundingClientRect().top;
        return [...document.querySelectorAll("tbody tr")].map((row) => row.getBoundingClientRect())
          .filter((box) => box.bottom <= end + 1).map((box) => box.height); }"""
    )
    assert len(seen) >= 20
    assert set(seen) == {32}


def test_the_item_at_hand_is_explained_and_worked_by_keys(filled: None, visit: Any) -> None:
    page = visit("/queues/machinery/")
    page.keyboard.press("j")
    preview = page.locator("#preview")
    preview.get_by_text("Waits since").wait_for()
    subject = page.locator("tr[aria-current] a[data-item]").inner_text()
    page.keyboard.press("t")
    page.get_by_text("1 item taken.").wait_for()
    at_hand = page.locator("tr:has(a[data-item]:focus)")
    assert subject in at_hand.inner_text() and "R. Okafor" in at_hand.inner_text()
    page.keyboard.press("h")
    page.keyboard.type("The vendor's answer")
    page.keyboard.press("Enter")
    page.get_by_text("1 item held.").wait_for()
    page.locator("tr:has(a[data-item]:focus)", has_text="Held").wait_for()
    page.keyboard.press("m")
    page.get_by_label("What is to be remembered").fill("Called twice.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("1 item noted.").wait_for()
    page.locator("#preview").get_by_text("Called twice.").wait_for()
    page.keyboard.press("f")
    page.keyboard.type("restarted")
    page.keyboard.press("Enter")
    page.get_by_text("1 item finished.").wait_for()
    assert subject not in page.locator("tr:has(a[data-item]:focus)").inner_text(), "the next one is at hand"
    page.get_by_role("link", name="Finished").click()
    page.wait_for_url("**tab=finished**")
    page.keyboard.press("j")
    page.keyboard.press("r")
    page.get_by_role("dialog", name="Reopen").wait_for()
    page.keyboard.type("It stopped again")
    page.keyboard.press("Enter")
    page.get_by_text("1 item opened again.").wait_for()


def test_several_are_selected_and_given_to_somebody(filled: None, visit: Any) -> None:
    page = visit("/queues/machinery/?tab=unassigned")
    for _ in range(3):
        page.keyboard.press("j")
        page.keyboard.press("x")
    page.get_by_text("3 selected").wait_for()
    page.keyboard.press("s")
    page.get_by_role("dialog", name="Assign").get_by_role("button", name="Assign").press("Enter")
    page.get_by_text("3 items assigned.").wait_for()
    page.get_by_role("link", name="Mine").click()
    page.wait_for_url("**tab=mine**")
    assert page.locator("tbody tr").count() >= 3


def test_a_view_is_saved_and_stands_among_the_tabs(filled: None, visit: Any) -> None:
    page = visit("/queues/machinery/?tab=overdue&due=week")
    page.keyboard.press("v")
    page.keyboard.type("Late this week")
    page.keyboard.press("Enter")
    page.get_by_text("Saved as “Late this week”.").wait_for()
    page.goto(page.url.split("?")[0])
    page.get_by_role("link", name="Late this week").click()
    page.wait_for_url("**due=week**")
    every.assert_no_axe_violations(page)


def test_a_queue_of_duplicates_is_cleared_by_keyboard_alone(filled: None, visit: Any, beside: Any) -> None:
    queue = "identity.possible-duplicates"
    assert _open(beside, queue) == PAIRS
    page = visit(f"/queues/{queue}/")
    page.keyboard.press("n")
    page.wait_for_url("**/duplicates/*")
    for turn in range(PAIRS):
        page.get_by_role("heading", name="One person or two?").wait_for()
        page.wait_for_load_state()
        here = page.url
        page.keyboard.press("A" if turn == 0 else "SD"[turn % 2])
        page.locator("dialog[open]").wait_for()
        if turn == 0:
            page.keyboard.type("Is there a card on file?")
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url, before=here: url != before)
    page.get_by_text("Nothing waits for anybody in this queue now.").wait_for()
    assert _open(beside, queue) == 1, "the one that was asked about is held"
    expect(page.locator("tbody")).to_contain_text("Held", use_inner_text=True)


def test_a_preview_that_comes_late_leaves_the_keyboard_its_place(filled: None, visit: Any) -> None:
    page = visit("/queues/machinery/")
    rows = page.locator("a[data-item]")
    rows.nth(0).focus()
    preview = page.locator("#preview")
    preview.get_by_text("Waits since").wait_for()
    before = preview.inner_html()
    rows.nth(1).focus()
    preview.locator("a[href], button").last.focus()
    preview.locator("a[href]").first.wait_for()
    for _ in range(100):
        if preview.inner_html() != before:
            break
        page.wait_for_timeout(50)
    assert preview.inner_html() != before
    assert page.evaluate("document.getElementById('preview').contains(document.activeElement)")
