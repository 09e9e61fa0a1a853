"""A walk-in at the desk, by keyboard alone: searched for, not made twice, registered, corrected, a paper filed."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import orjson
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.support.screens import (
    assert_no_axe_violations,
    assert_nothing_is_cut_off,
    assert_open_to_everybody,
)

KNOWN = {
    "resourceType": "Patient", "id": "31", "gender": "female", "birthDate": "1952-03-09",
    "name": [{"family": "Quellmann", "given": ["Ottilie", "Rosa"]}],
    "telecom": [{"system": "phone", "value": "217 555 0134"}],
    "address": [{"line": ["12 Mulberry Row"], "city": "Springfield", "postalCode": "62701"}],
    "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:north", "value": "00418823"}],
}  # fmt: skip

#: What a link or form means to fill, and is not there.
NOWHERE = """() => [...document.querySelectorAll("[hx-target]")].map((each) => each.getAttribute("hx-target"))
  .filter((target) => target.startsWith("#") && !document.querySelector(target))"""


@pytest.fixture(scope="module")
def hospital(served: str, signed_in: Any, beside: Any) -> None:
    """A place that gives numbers, one known person, and every role's rights for the one who is signed in."""
    from charthouse.foundation.access.api import Role, system_context
    from charthouse.intake.api import Connector, take_in
    from charthouse.people.api import FacilityDraft, MrnAssignerDraft, User, grant_role, set_up_places

    def make() -> bool:
        set_up_places(
            organization="Northfield",
            time_zone="America/Chicago",
            facilities=[FacilityDraft("NORTH", "Northfield", "hospital", "America/Chicago")],
            mrn_assigner=MrnAssignerDraft("urn:north:desk", width=6, first=900_001),
        )
        list(take_in(io.BytesIO(orjson.dumps(KNOWN)), connector=Connector.FILES, sender="ADT"))
        user = User.objects.get(username="okafor")
        for role in (Role.PHYSICIAN, Role.COORDINATOR):
            grant_role(system_context("test"), user.pk, role)
        return True

    beside(make)


def _type(page: Any, **fields: str) -> None:
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " ")).first.focus()
        page.keyboard.type(value)


def test_a_walk_in_who_is_here_is_not_made_again(hospital: None, visit: Any) -> None:
    page = visit("/find/")
    page.keyboard.press("r")
    page.get_by_role("heading", name="Register a person").wait_for()
    page.keyboard.type("Quelman")
    page.keyboard.press("Tab")
    page.keyboard.type("Otilie")
    _type(page, Birth_date="9 Mar 1952", Telephone="217 555 0134")
    page.get_by_role("link", name="Quellmann, Ottilie").wait_for()
    assert "same" in page.locator("#alike .badge").first.inner_text().lower()
    assert_no_axe_violations(page)
    assert_nothing_is_cut_off(page)
    # What was typed never stands in the address or the title.
    assert page.url.endswith("/register/") and "Quel" not in page.title()
    page.get_by_role("link", name="Quellmann, Ottilie").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/chart/**")
    expect(page.locator(".banner")).to_contain_text("00418823", use_inner_text=True)


def test_a_walk_in_is_registered_corrected_and_a_paper_filed(hospital: None, visit: Any) -> None:
    page = visit("/register/")
    page.keyboard.type("Okonkwo")
    page.keyboard.press("Enter")
    page.get_by_text("Not filed.").wait_for()
    expect(page.locator("[aria-invalid=true]")).to_have_count(3)
    assert_no_axe_violations(page)
    # The focus stands in the first field at fault.
    page.keyboard.type("Marisol")
    assert page.get_by_label("Given name").input_value() == "Marisol"
    _type(page, Birth_date="4/5/1971")
    page.get_by_label("Sex").focus()
    page.keyboard.type("F")
    page.get_by_text("5 Apr 1971 (month first)").wait_for()
    page.get_by_text("Nobody like this is here").wait_for()
    page.get_by_label("Given name").press("Enter")
    page.wait_for_url("**/chart/**")
    chart = page.url.rstrip("/")
    expect(page.locator(".banner")).to_contain_text("Okonkwo, Marisol", use_inner_text=True)
    expect(page.locator(".banner")).to_contain_text("900001", use_inner_text=True)

    page.keyboard.press("g")
    page.keyboard.press("y")
    page.get_by_role("heading", name="Demographics", level=1).wait_for()
    page.keyboard.press("p")
    page.locator("#print").get_by_role("button", name="Print for use here").wait_for()
    expect(page.locator("#print")).to_contain_text("Face sheet", use_inner_text=True)
    page.keyboard.press("Escape")
    page.locator("#print").wait_for(state="hidden")
    page.keyboard.press("e")
    page.get_by_role("heading", name="Correct demographics").wait_for()
    assert page.evaluate(NOWHERE) == []
    assert_no_axe_violations(page)
    page.get_by_label("Family name").first.fill("Okonkwo-Vance")
    _type(page, Why_it_is_corrected="Married")
    page.keyboard.press("Enter")
    page.get_by_text("Former values are kept below").wait_for()
    expect(page.locator(".banner")).to_contain_text("Okonkwo-Vance, Marisol", use_inner_text=True)
    expect(page.get_by_role("region", name="Former values")).to_contain_text(
        "Okonkwo, Marisol", use_inner_text=True
    )
    assert_no_axe_violations(page)
    assert_nothing_is_cut_off(page)

    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/documents")
    page.keyboard.press("a")
    page.get_by_role("heading", name="File a paper").wait_for()
    made = io.BytesIO()
    Image.new("1", (400, 500), 1).save(
        made, "TIFF", save_all=True, append_images=[Image.new("1", (400, 500), 0)], compression="group4"
    )
    upload = {"name": "card.tif", "mimeType": "image/tiff", "buffer": made.getvalue()}
    page.get_by_label("File").set_input_files(upload)
    page.get_by_label("Kind of document").select_option(label="Insurance card")
    _type(page, Date_on_the_document="1 Nov 2026")
    page.keyboard.press("Enter")
    page.get_by_role("img", name="Page 2 of 2").wait_for()
    assert re.search(r"/documents/DocumentReference/[0-9a-f-]+$", page.url)
    page.goto(f"{chart}/new/document")
    page.get_by_label("File").set_input_files(upload)
    page.get_by_label("Kind of document").select_option(label="Insurance card")
    _type(page, Date_on_the_document="1 Nov 2026")
    page.keyboard.press("Enter")
    page.get_by_text("The same file is in this chart since").wait_for()
    page.get_by_text("is here and need not be chosen again").wait_for()
    expect(page.locator(".waits")).to_contain_text("card.tif", use_inner_text=True)
    assert_no_axe_violations(page)
    page.emulate_media(color_scheme="dark")
    assert_no_axe_violations(page, "color-contrast")
    page.emulate_media(color_scheme="light")
    assert_nothing_is_cut_off(page)
    # Filed once more without being chosen again.
    page.get_by_label("File it here all the same").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.get_by_role("img", name="Page 2 of 2").wait_for()
    assert base64.b64encode(b"Okonkwo") not in page.content().encode()


@pytest.mark.layout
@pytest.mark.parametrize("form", ["document", "note", "encounter", "vital-signs", "allergy", "coverage"])
def test_every_form_is_open_to_everybody(hospital: None, visit: Any, form: str) -> None:
    page = visit("/find/")
    page.keyboard.press("/")
    page.keyboard.insert_text("quel")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/chart/**")
    page.goto(f"{page.url.rstrip('/')}/new/{form}")
    expect(page.locator("main [data-key=p], main [data-key=P]")).to_have_count(0)
    assert page.evaluate(NOWHERE) == []
    assert_open_to_everybody(page)


@pytest.mark.layout
def test_the_form_of_a_new_person_is_open_to_everybody(hospital: None, visit: Any) -> None:
    assert_open_to_everybody(visit("/register/"))
