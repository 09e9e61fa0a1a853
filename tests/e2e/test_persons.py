"""A technician and the index, by keyboard: duplicates cleared, a merge and its undoing, an update held, an overlay
split, what was done read in the person's past, and another system told of it."""

from __future__ import annotations

import io
import os
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import expect

from tests.support.screens import assert_no_axe_violations, assert_open_to_everybody, assert_the_keys_are_named

#: How many pairs are cleared; a technician's day is a hundred.
PAIRS = int(os.environ.get("CHARTHOUSE_TEST_PAIRS", "12"))
#: As unlike as can be, so that only the two of a pair are alike.
NAMES = [
    "Abel", "Birk", "Corvin", "Dorn", "Eskil", "Falk", "Gorm", "Hjalmar", "Ivar", "Jost", "Karsten", "Lorenz",
    *(f"{one}{two}{three}" for three in ("mund", "sen", "lak") for two in ("ob", "uri", "ez", "ag")
      for one in ("Br", "Kl", "Sv", "Tr", "Gn", "P", "D", "M", "W")),
]  # fmt: skip


def _patient(id: str, family: str, given: str, born: str, sex: str = "female", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient", "id": id, "gender": sex, "birthDate": born,
        "name": [{"family": family, "given": [given]}],
        "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:north", "value": f"00{id}"}], **more,
    }  # fmt: skip


def _ssn(value: str) -> dict[str, str]:
    return {"system": "http://hl7.org/fhir/sid/us-ssn", "value": value}


def _alike(number: int, side: str, ssn: str) -> dict[str, Any]:
    """One of a pair of whom nobody can say by rule whether they are one."""
    family, given, street = NAMES[number], NAMES[number - 5] + "a", NAMES[number - 3] + " Row"
    born = date(1950, 1, 9) + timedelta(days=397 * number % 20_000)
    made = _patient(f"7{number}{side}", f"{family}ton", given, born.isoformat())
    made["address"] = [{"line": [f"{3 + 17 * number} {street}"], "city": "Springfield", "postalCode": "62701"}]
    made["identifier"].append(_ssn(ssn))
    return made


def _weight(id: str, of: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": id, "status": "final", "code": {"text": f"Weight {id}"},
        "subject": {"reference": f"Patient/{of}"}, "effectiveDateTime": "2026-02-03",
        "valueQuantity": {"value": 72.5, "unit": "kg"},
    }  # fmt: skip


def _take(*resources: dict[str, Any]) -> bool:
    from charthouse.intake.api import Connector, take_in

    entries = [{"resource": each} for each in resources]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender="ADT"))
    return True


@pytest.fixture(scope="module")
def index(served: str, signed_in: Any, beside: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs to be decided, two who are to be merged, one who is written over; and a system that is told, as a
    folder of its messages."""
    from charthouse.foundation.access.api import system_context
    from charthouse.identity.actions.manage_notices import add_destination

    folder = tmp_path_factory.mktemp("told")

    def make() -> bool:
        add_destination(system_context("test"), "Laboratory", f"file://{folder}?suffix=hl7", "hl7v2")
        for number in range(PAIRS):
            _take(_alike(number, "a", f"{219 + 5 * number}-41-{6700 + 13 * number}"))
            _take(_alike(number, "b", f"{518 - 3 * number}-77-{1200 + 17 * number}"))
        _take(_patient("31", "Quellmann", "Ottilie", "1952-03-09"), _weight("w31", "31"))
        _take(_patient("32", "Ostrander", "Tilly", "1952-09-03"), _weight("w32", "32"))
        _take(_patient("41", "Zabrisky", "Noor", "1988-11-30"), _weight("w41", "41"))
        return _take(_patient("41", "Hallgrim", "Otto", "1931-01-02", "male"), _weight("w42", "41"))

    beside(make)
    return folder


def _person(page: Any, letters: str, name: str) -> None:
    """From anywhere to the page of a person, by keyboard."""
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Find a patient")).to_be_focused()
    page.keyboard.insert_text(letters)
    page.get_by_role("option", name=name).first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/chart/**")
    page.get_by_role("heading", name="Overview", level=1).wait_for()
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.get_by_role("heading", name="Records", exact=True).wait_for()


def _focused(page: Any, label: str) -> Any:
    field = page.locator("main").get_by_label(label, exact=True)
    field.focus()
    return field


@pytest.mark.slow
def test_possible_duplicates_are_cleared_by_keyboard(index: Path, visit: Any) -> None:
    page = visit("/queues/identity.possible-duplicates/")
    page.keyboard.press("n")
    for number in range(PAIRS):
        page.get_by_role("heading", name="One person or two?").wait_for()
        here = page.url
        page.keyboard.press("S" if number % 3 else "D")
        page.locator("dialog[open]").wait_for()
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url, before=here: url != before)
    page.get_by_text("Nothing waits for anybody in this queue now.").wait_for()
    page.goto(page.url.split("/queues/")[0] + "/quality/")
    row = page.get_by_role("row", name=re.compile("R. Okafor"))
    different = len(range(0, PAIRS, 3))
    assert row.get_by_role("cell").all_inner_texts()[:3] == [str(PAIRS - different), "0", str(different)]


def test_a_merge_that_was_wrong_is_undone(index: Path, visit: Any) -> None:
    page = visit("/")
    _person(page, "quell", "Quellmann")
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    page.keyboard.press("m")
    page.get_by_label("Merge with").and_(page.locator(":focus")).wait_for()
    page.keyboard.type("ostran")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Ostrander, Tilly").focus()
    assert_no_axe_violations(page)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="What the banner shows of the one person").wait_for()
    assert "uell" not in page.url and "uell" not in page.title()
    assert_open_to_everybody(page)
    _focused(page, "Name").select_option(index=1)
    _focused(page, "Why they are one person")
    page.keyboard.type("Both cards seen.")
    page.keyboard.press("Enter")
    page.get_by_text("Merged. It stands below").wait_for()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ostrander, Tilly", use_inner_text=True)
    expect(page.get_by_role("table").first.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name=re.compile("Undo: Merged")).focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Undo: Merged", level=1).wait_for()
    assert_open_to_everybody(page)
    _focused(page, "Why it is undone")
    page.keyboard.type("They are sisters.")
    page.keyboard.press("Enter")
    page.get_by_text("Undone. Everything that was moved").wait_for()
    expect(page.get_by_role("heading", level=1)).to_have_text("Quellmann, Ottilie", use_inner_text=True)
    past = page.get_by_role("region", name="The past of this person, newest first")
    words = past.inner_text()
    assert words.index("They are sisters.") < words.index("Both cards seen.")
    assert "Undone: Merged" in words and words.count("R. Okafor") == 2 and "Laboratory" in words
    expect(page.get_by_role("heading", name="Not the same")).to_have_count(1)
    assert_open_to_everybody(page)


def test_an_update_that_is_held_is_decided(index: Path, visit: Any) -> None:
    page = visit("/queues/identity.suspected-overlays/")
    expect(page.locator("main")).to_contain_text("Zabrisky", use_inner_text=True)
    page.locator("[data-item]").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Whose update is this?").wait_for()
    expect(page.locator("main")).to_contain_text("Hallgrim", use_inner_text=True)
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    page.keyboard.press("D")
    page.locator("dialog[open]").wait_for()
    assert_no_axe_violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("S")
    page.locator("dialog[open]").wait_for()
    page.keyboard.type("The desk says so.")
    page.keyboard.press("Enter")
    page.get_by_text("Applied.").wait_for()


def test_the_overlay_is_split(index: Path, visit: Any) -> None:
    page = visit("/")
    _person(page, "hallgr", "Hallgrim")
    page.locator("[data-item]").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Two persons in one record?").wait_for()
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    first, second = page.locator("[name=goes_item]").all()
    assert not first.is_checked() and second.is_checked()
    expect(page.locator("[data-going]")).to_contain_text("1 of 2 items go.", use_inner_text=True)
    second.focus()
    page.keyboard.press("x")
    expect(page.locator("[data-going]")).to_contain_text("0 of 2 items go.", use_inner_text=True)
    page.keyboard.press("x")
    _focused(page, "Why these are two persons")
    page.keyboard.type("Two passports.")
    page.keyboard.press("Enter")
    page.get_by_text("Split. Each of the two").wait_for()
    expect(page.get_by_role("heading", level=1)).to_have_text("Zabrisky, Noor", use_inner_text=True)
    words = page.get_by_role("region", name="The past of this person, newest first").inner_text()
    assert "Split" in words and "Two passports." in words and "R. Okafor" in words
    assert "found to be of the same person" in words and "The desk says so." in words
    page.get_by_role("link", name="Hallgrim, Otto").click()
    page.get_by_role("heading", name="Hallgrim, Otto", level=1).wait_for()
    page.keyboard.press("o")
    page.get_by_role("heading", name="Overview", level=1).wait_for()
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.get_by_role("heading", name="Results", level=1).wait_for()


def test_an_update_that_a_client_had_filed_is_asked_about(index: Path, visit: Any, beside: Any) -> None:
    from django.db import connection, transaction

    from charthouse.foundation.access.api import system_context
    from charthouse.intake.api import Write, write_resources

    def write(patient: dict[str, Any]) -> bool:
        content = orjson.dumps(patient)
        with transaction.atomic(), connection.cursor() as cursor:
            asked = [Write("Patient", patient["id"], content, content)]
            write_resources(cursor, system_context("test"), "FHIR client App", asked, action="fhir.update")
        return True

    beside(lambda: write(_patient("by-api", "Vandermeer", "Agnes", "1944-08-30")))
    beside(lambda: write(_patient("by-api", "Ostrowski", "Tomasz", "1991-02-11", "male")))
    page = visit("/queues/identity.suspected-overlays/")
    page.get_by_text("Ostrowski").first.wait_for()
    page.locator("[data-item]").first.focus()
    page.keyboard.press("Enter")
    page.get_by_text("A system that uses the FHIR API changed this patient").wait_for()
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    page.keyboard.press("S")
    page.locator("dialog[open]").wait_for()
    assert_no_axe_violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("D")
    page.get_by_role("heading", name="Two persons in one record?").wait_for()
    page.go_back()
    page.keyboard.press("S")
    page.locator("dialog[open]").wait_for()
    page.keyboard.type("Adopted, with papers.")
    page.keyboard.press("Enter")
    page.get_by_text("The update stays as it is.").wait_for()


def test_the_laboratory_was_told(index: Path, visit: Any, beside: Any) -> None:
    from charthouse.foundation.outbox import api as outbox

    def send() -> bool:
        while outbox.send_due():
            pass
        return True

    beside(send)
    told = [re.search(rb"ADT\^(A\d\d)", each.read_bytes()) for each in sorted(index.iterdir())]
    events = [each[1].decode() for each in told if each]
    assert events[-3:] == ["A40", "A37", "A37"], "a merge, its undoing, a split"
    page = visit("/")
    _person(page, "zabri", "Zabrisky")
    expect(page.locator("main")).to_contain_text("Laboratory: arrived", use_inner_text=True)


def test_the_board_and_its_lists(index: Path, visit: Any) -> None:
    page = visit("/quality/")
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    page.get_by_role("link", name="Decisions lately").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Decisions lately", level=1).wait_for()
    expect(page.locator("main")).to_contain_text("R. Okafor", use_inner_text=True)
    assert_open_to_everybody(page)
    with page.expect_download() as download:
        page.keyboard.press("c")
    rows = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert rows[0] == "When,What,Person,By,Why,Since" and any("Two passports." in each for each in rows)
    assert download.value.suggested_filename == "list.csv"


def test_values_that_stand_for_none_are_chosen_and_decided_by_keyboard(visit: Any, beside: Any) -> None:
    def make() -> bool:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO identity_placeholder (field, value, persons, reason) VALUES"
                " ('phone', '4135550100', 14, '14 persons are reached under it; a household has fewer than 12.'),"
                " ('address', '1 shelter st springfield 62701', 31, '31 persons of 28 family names live there.')"
            )
        return True

    beside(make)
    page = visit("/quality/")
    page.get_by_role("link", name="Values that stand for none").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Values that stand for none", level=1).wait_for()
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert page.get_by_label("Choose 1 shelter st springfield 62701").is_checked()
    _focused(page, "Why").press_sequentially("A shelter.")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("They are not believed from now on.").wait_for()
    row = page.get_by_role("row", name=re.compile("1 shelter st"))
    expect(row).to_contain_text("Not believed. R. Okafor: A shelter.", use_inner_text=True)
