"""A morning at the desk, by keyboard, on a site as a new user has it: the board, the duplicates one by one, a
walk-in who is here already and one who is not, a paper, a face sheet, a held item handed over, and home.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.support.sites import Site

from .living import Person

# Its database is its own, so it is not run again on other servers.
pytestmark = pytest.mark.browser

PAIRS = "Possible duplicates"
QUESTION = "Which of the two birth dates is on the card?"


@pytest.fixture(scope="module")
def manuel(charthouse: Site, browser: Any) -> Iterator[Person]:
    """The manager, who works at the desk this morning and may give work to others."""
    person = Person(charthouse, browser, "manuel")
    yield person
    person.leaves()


def waiting(person: Person) -> tuple[int, int]:
    """How many pairs the board says are open, those held among them, and how many are held."""
    person.page.goto(person.site.address)
    person.looks("Today")
    row = person.page.get_by_role("row", name=PAIRS)
    numbers = [int(each) for each in row.get_by_role("cell").all_inner_texts() if each.strip().isdigit()]
    return numbers[0], numbers[-1]


def begins_registering(person: Person, family: str) -> None:
    person.goes("f", "Patient index")
    person.page.keyboard.press("r")
    person.looks("Register a person")
    person.page.get_by_label("Family name").and_(person.page.locator(":focus")).wait_for()
    person.page.keyboard.type(family)


def scanned() -> dict[str, Any]:
    """Two pages of a scanner, as fax machines have packed them since 1988."""
    made = io.BytesIO()
    front, back = Image.new("1", (850, 1100), 1), Image.new("1", (850, 1100), 0)
    front.save(made, "TIFF", save_all=True, append_images=[back], compression="group4")
    return {"name": "scan0007.tif", "mimeType": "image/tiff", "buffer": made.getvalue()}


def test_the_board_says_what_waits(manuel: Person) -> None:
    waits, held = waiting(manuel)
    # The tour's two; the hospital beside it may ask about others, which differ from day to day.
    assert waits >= 2 and held == 0
    board = manuel.page.locator("main").inner_text()
    assert "Reconciles" in board and "MLLP" in board


def test_the_duplicates_are_taken_one_by_one(manuel: Person) -> None:
    page = manuel.page
    waits, _ = waiting(manuel)
    manuel.goes("7", PAIRS)
    page.keyboard.press("n")
    for _ in range(waits):
        manuel.looks("One person or two?")
        here = page.url
        page.keyboard.press("e")
        asked = "Pryce" in page.locator("main").inner_text()
        page.keyboard.press("A" if asked else "D")
        page.locator("dialog[open]").wait_for()
        if asked:
            page.keyboard.type(QUESTION)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url, before=here: url != before)
    page.get_by_text("Nothing waits for anybody in this queue now.").wait_for()
    manuel.looks(PAIRS)
    assert waiting(manuel) == (1, 1)


def test_a_walk_in_who_is_here_is_not_made_twice(manuel: Person) -> None:
    page = manuel.page
    begins_registering(manuel, "Abernathi")
    manuel.writes(Given_name="Ruth", Birth_date="18 Mar 1947")
    known = page.locator("#alike").get_by_role("link", name="Abernathy, Ruth Eleanor")
    known.wait_for()
    manuel.looks("Register a person")
    known.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/chart/[0-9a-f-]+/"))
    manuel.looks("Overview")
    expect(page.get_by_role("region", name="Patient")).to_contain_text("0041703", use_inner_text=True)


def test_a_walk_in_who_is_not_here_has_a_chart_at_once(manuel: Person) -> None:
    page = manuel.page
    begins_registering(manuel, "Vandersloot")
    manuel.writes(Given_name="Ingrid", Birth_date="4/5/1971", Telephone="413 555 0188")
    page.get_by_label("Sex").focus()
    page.keyboard.type("F")
    page.get_by_text("5 Apr 1971 (month first)").wait_for()
    page.get_by_text("Nobody like this is here").wait_for()
    page.get_by_label("Given name").press("Enter")
    page.wait_for_url(re.compile("/chart/[0-9a-f-]+/"))
    manuel.looks("Overview")
    expect(page.get_by_role("region", name="Patient")).to_contain_text("Vandersloot, Ingrid", use_inner_text=True)
    # One person, and no question whether there are two.
    page.keyboard.press("/")
    page.keyboard.type("vanderslo")
    page.get_by_role("option", name="Vandersloot, Ingrid").wait_for()
    expect(page.get_by_role("option").filter(has_text="Vandersloot")).to_have_count(1)
    page.keyboard.press("Escape")
    assert waiting(manuel) == (1, 1)


def test_a_paper_is_scanned_and_a_missing_date_loses_nothing(manuel: Person) -> None:
    page = manuel.page
    manuel.finds("vanderslo", "Vandersloot, Ingrid")
    manuel.goes("d", "Documents")
    page.keyboard.press("a")
    manuel.looks("File a paper")
    page.get_by_label("File", exact=False).first.set_input_files(scanned())
    page.get_by_label("Kind of document").select_option(label="Insurance card")
    manuel.writes(Description="Both sides")
    page.keyboard.press("Enter")
    page.get_by_text("Give the date on the document.").wait_for()
    manuel.looks("File a paper")
    expect(page.locator("main")).to_contain_text("scan0007.tif", use_inner_text=True)
    manuel.writes(Date_on_the_document="1 Nov 2026")
    page.keyboard.press("Enter")
    page.get_by_role("img", name="Page 2 of 2").wait_for()
    manuel.looks("Documents")
    expect(page.locator("main")).to_contain_text("Insurance card", use_inner_text=True)


def test_a_face_sheet_is_printed_for_use_here(manuel: Person) -> None:
    page = manuel.page
    manuel.goes("o", "Overview")
    page.keyboard.press("p")
    page.locator("#print").get_by_role("button", name="Print for use here").wait_for()
    manuel.looks("Overview")
    with page.context.expect_page():
        page.keyboard.press("Enter")
    page.locator("#print").wait_for(state="hidden")


def test_a_held_item_is_handed_over(charthouse: Site, manuel: Person, browser: Any) -> None:
    page = manuel.page
    manuel.goes("7", PAIRS)
    page.get_by_role("link", name="Held").click()
    page.wait_for_url(re.compile("tab=held"))
    page.get_by_role("row", name="Pryce, Gwendolyn Anne").wait_for()
    page.keyboard.press("j")
    page.locator("#preview").get_by_text(QUESTION, exact=True).wait_for()
    manuel.looks(PAIRS)
    page.keyboard.press("s")
    dialog = page.get_by_role("dialog", name="Assign")
    dialog.get_by_label("To").select_option(label="Helen Ivory")
    dialog.get_by_label("Note").fill("Colin has the card.")
    page.keyboard.press("Enter")
    page.get_by_text("1 item assigned.").wait_for()
    manuel.looks(PAIRS)

    helen = Person(charthouse, browser, "helen")
    helen.goes("5", PAIRS)
    helen.page.get_by_role("link", name="Mine").click()
    helen.page.wait_for_url(re.compile("tab=mine"))
    expect(helen.page.locator("tbody")).to_contain_text("Pryce, Gwendolyn Anne", use_inner_text=True)
    helen.page.keyboard.press("j")
    helen.page.locator("#preview").get_by_text("Colin has the card.").first.wait_for()
    helen.looks(PAIRS)
    helen.leaves()


def test_signing_out_leaves_nothing_open(manuel: Person) -> None:
    page = manuel.page
    page.get_by_role("button", name="Sign out").press("Enter")
    manuel.looks("Sign in")
    page.goto(f"{manuel.site.address}/queues/identity.possible-duplicates/")
    manuel.looks("Sign in")


def test_the_morning_stands_in_the_ledger(charthouse: Site, browser: Any) -> None:
    priya = Person(charthouse, browser, "priya")
    for action in ("frontdesk.register", "frontdesk.file-document", "chart.print", "people.sign-out"):
        row = priya.page.locator("tbody tr", has_text="Manuel Agerton")
        # A print is answered in a window of its own, and may be written down a moment later.
        for _ in range(40):
            priya.page.goto(f"{charthouse.address}/ledger/?actor=manuel&action={action}")
            if row.count():
                break
            priya.page.wait_for_timeout(250)
        assert row.count() == 1, action
        assert "Vandersloot" not in priya.page.locator("main").inner_text()
    priya.leaves()
