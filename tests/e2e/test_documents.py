"""A physician's notes: written by a template, kept, filed, signed, added to; and nothing that was typed is lost."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest

from tests.support.screens import assert_no_axe_violations, assert_nothing_is_cut_off, assert_open_to_everybody

from .conftest import PASSWORD

PATIENT = {
    "resourceType": "Patient", "id": "31", "gender": "female", "birthDate": "1952-03-09",
    "name": [{"family": "Quellmann", "given": ["Ottilie"]}],
    "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:north", "value": "00418823"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def chart(served: str, signed_in: Any, beside: Any) -> str:
    """One chart, and a physician's rights for the one who is signed in."""
    from charthouse.foundation.access.api import Role, system_context
    from charthouse.identity.api import find
    from charthouse.intake.api import Connector, take_in
    from charthouse.people.api import FacilityDraft, MrnAssignerDraft, User, grant_role, set_up_places

    def make() -> str:
        set_up_places(
            organization="Northfield",
            time_zone="America/Chicago",
            facilities=[FacilityDraft("NORTH", "Northfield", "hospital", "America/Chicago")],
            mrn_assigner=MrnAssignerDraft("urn:north:desk", width=6, first=900_001),
        )
        list(take_in(io.BytesIO(orjson.dumps(PATIENT)), connector=Connector.FILES, sender="ADT"))
        grant_role(system_context("test"), User.objects.get(username="okafor").pk, Role.PHYSICIAN)
        (hit,) = find(system_context("test"), "Quellmann")
        return f"/chart/{hit.person}"

    return str(beside(make))


def test_a_note_is_written_kept_filed_signed_and_added_to(chart: str, visit: Any) -> None:
    page = visit(f"{chart}/documents")
    page.keyboard.press("N")
    page.get_by_role("link", name="Progress note").click()
    page.get_by_label("Subjective").fill("Coughs since two weeks.")
    assert_open_to_everybody(page)
    page.get_by_role("button", name="Keep as a draft").click()
    page.get_by_text("Kept for you alone").wait_for()
    page.keyboard.press("N")
    page.get_by_text("You kept a draft").wait_for()
    assert page.get_by_label("Subjective").input_value() == "Coughs since two weeks."
    page.get_by_label("Plan").fill("Rest.")
    page.get_by_role("button", name="File the note").click()
    page.get_by_text("The note says of itself that nobody has signed it.").wait_for()
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.get_by_role("heading", name="My unsigned documents").wait_for()
    assert_no_axe_violations(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Sign", exact=True).wait_for()
    page.get_by_label("Your password, or a code of your authenticator").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_text("Nothing waits for a signature").wait_for()
    page.goto(page.url.replace("/unsigned/", f"{chart}/documents"))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("#document .badge", has_text="Signed").wait_for()
    page.keyboard.press("d")
    page.get_by_role("textbox", name="Text").fill("The culture grew nothing.")
    page.get_by_label("Reason").select_option(label="A result arrived later")
    page.get_by_role("button", name="File the addendum").click()
    page.locator(".added", has_text="The culture grew nothing.").wait_for()
    assert_no_axe_violations(page)
    assert_nothing_is_cut_off(page)
    # Who may write notes compares by the same key as everybody.
    page.keyboard.press("c")
    page.get_by_role("heading", name="Side by side").wait_for()


def test_what_was_typed_stands_beside_what_changed_meanwhile(chart: str, visit: Any) -> None:
    page = visit(f"{chart}/new/note")
    page.get_by_label("Kind of note").select_option(label="Consultation")
    page.get_by_label("Text").fill("As first written.")
    page.get_by_role("button", name="File the note").click()
    page.get_by_text("nobody has signed it").wait_for()
    address = page.url
    other = visit(address.removeprefix(page.url.split("/chart")[0]) + "/change")
    page.keyboard.press("e")
    page.get_by_role("button", name="File the change").wait_for()
    page.get_by_label("Text").fill("From one window.")
    other.get_by_label("Text").fill("From another window.")
    page.get_by_role("button", name="File the change").click()
    page.get_by_text("Changed. The text before stays").wait_for()
    other.get_by_role("button", name="File the change").click()
    other.get_by_text("Changed since you opened it.").wait_for()
    assert other.get_by_label("As you opened it").inner_text().endswith("As first written.")
    assert other.get_by_label("As it is now").inner_text().endswith("From one window.")
    assert other.get_by_label("Text").input_value().strip() == "From another window."
    assert_open_to_everybody(other)
    other.get_by_role("button", name="Send it again").click()
    other.locator("#document pre", has_text="From another window.").wait_for()


def test_a_chart_is_sent_and_the_page_says_so(chart: str, visit: Any) -> None:
    page = visit(f"{chart}/send/")
    page.get_by_label("Given to").fill("Riverside Clinic")
    page.get_by_label("For", exact=True).select_option(index=1)
    with page.expect_download() as sent:
        page.get_by_role("button", name="Make the document").click()
    assert sent.value.suggested_filename == "document.xml"
    page.get_by_role("status").get_by_text("noted as a disclosure").wait_for()
    assert_no_axe_violations(page)
    assert_nothing_is_cut_off(page)
