"""People, practitioners, facilities and the tour: open to everybody, and worked by keyboard alone. No stand-ins."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support import screens as checks

PASSWORD = "lantern-harbour-quilt-9"
NPI = "1234567893"
#: Somebody who was admitted to East House, and of whose discharge nothing is known.
STAY = (
    b"MSH|^~\\&|ADT|EAST|CHARTHOUSE|HIM|20260106081500-0600||ADT^A01^ADT_A01|EA-1|P|2.5.1\r"
    b"PID|1||7731^^^EAST^MR||Ostrander^Wilma||19520309|F|||12 Mulberry Row^^Springfield^IL^62701\r"
    b"PV1|1|I|4W^412^B^EAST|E|||||||||||||||V-7731|||||||||||||||||||||||||20260106081000-0600\r"
)


def _fill() -> dict[str, int]:
    """An administrator's site: accounts in every state, practitioners who look alike, facilities."""
    from charthouse.fhir import api as fhir
    from charthouse.foundation.access.api import Role, system_context
    from charthouse.people import api as people
    from tests.support.assertions import Service

    ctx = system_context("test")
    user = people.User.objects.get(username="okafor")
    people.grant_role(ctx, user.pk, Role.ADMINISTRATOR)
    here = people.add_facility(
        ctx, people.FacilityDraft("MERCY", "Mercy Hospital of the Upper Valley", "hospital", "America/Chicago")
    )
    assigner = people.add_mrn_assigner(ctx, people.MrnAssignerDraft("urn:oid:2.16.840.1.113883.3.1", "M"))
    closed = people.add_facility(ctx, people.FacilityDraft("OLD", "Old House", "clinic", "America/Chicago"))
    people.close_facility(ctx, closed, "moved to Mercy")
    other = people.add_account(
        ctx, username="marchetti", display_name="Maximiliana Márquez de la Fuente-Wołodyjowski", roles=[Role.CODER]
    )
    people.grant_role(ctx, other.id, Role.AUDITOR, facility=here)
    gone = people.add_account(ctx, username="gone", display_name="G. One", roles=[Role.CODER])
    people.disable_account(ctx, gone.id, "left on 1 May")
    invited = people.invite_person(ctx, username="early", display_name="E. Arly", grants=[(Role.CODER, None)])
    facts = [
        people.PractitionerFact("one", "Novak", "Ada", identifiers=(("urn:oid:1.2.3", "77"),)),
        people.PractitionerFact("two", "Novák", "Ada", npi=NPI),
        people.PractitionerFact("three", "Wołodyjowski-Márquez de la Fuente", "Maximiliana", prefix="Dr."),
        people.PractitionerFact("four", "Bolt", "Bo", source="9"),
        people.PractitionerFact("five", "Bolte", "Bo"),
    ]
    ids = people.note_practitioners(facts)
    people.merge_practitioners(ctx, ids["four"], ids["five"], "the same person, misspelt by the clinic")
    draft = fhir.NewClient(
        "Registry of the Upper Valley", "system/Patient.rs system/Condition.rs system/Procedure.rs"
    )
    fhir.add_client(ctx, draft, jwks=Service().jwks)
    fhir.add_token(ctx, fhir.NewClient("Scripts", "system/*.cruds"))
    fhir.add_token(ctx, fhir.NewClient("Gone", "system/*.read"))
    fhir.revoke_client(ctx, "Gone")
    rows = {row.name: row.id for row in fhir.clients(ctx)}
    return {
        "service": rows["Registry of the Upper Valley"],
        "scripts": rows["Scripts"],
        "revoked": rows["Gone"],
        "facility": here,
        "closed": closed,
        "assigner": assigner,
        "other": other.id,
        "gone": gone.id,
        "invited": invited.account,
        "own": user.pk,
        **ids,
    }


@pytest.fixture(scope="module")
def ids(served: str, signed_in: Any, beside: Any) -> dict[str, int]:
    return dict(beside(_fill))


SCREENS = [
    "/people/",
    "/people/?state=disabled",
    "/people/?text=nobody",
    "/people/invite",
    "/people/{other}",
    "/people/{other}/practitioner?text=novak",
    "/people/{own}?history=changes",
    "/people/{gone}?history=refusals",
    "/people/{invited}",
    "/practitioners/",
    "/practitioners/?view=duplicates",
    "/practitioners/?text=nobody",
    "/practitioners/{four}",
    "/practitioners/{one}",
    "/practitioners/{one}/merge",
    "/practitioners/{one}/merge?other={two}",
    "/facilities/",
    "/facilities/add",
    "/facilities/{facility}",
    "/facilities/{closed}",
    "/facilities/assigners/add",
    "/facilities/assigners/{assigner}",
    "/clients/",
    "/clients/add",
    "/clients/{service}",
    "/clients/{scripts}",
    "/clients/{revoked}",
    "/tour/",
    "/tour/1",
    "/tour/9",
    "/",
    "/invitation/",
]


@pytest.mark.layout
@pytest.mark.parametrize("path", SCREENS)
def test_a_screen_is_open_to_everybody(visit: Any, ids: dict[str, int], path: str) -> None:
    page = visit(path.format(**ids))
    checks.assert_open_to_everybody(page)
    if path != "/invitation/":
        checks.assert_the_keys_are_named(page)


@pytest.mark.layout
@pytest.mark.parametrize(
    ("key", "title"), [("r", "Change roles"), ("d", "Disable this account"), ("i", "New invitation")]
)
def test_an_accounts_dialogs_open_by_key_and_are_open_to_everybody(
    visit: Any, ids: dict[str, int], key: str, title: str
) -> None:
    page = visit(f"/people/{ids['other']}")
    page.keyboard.press(key)
    page.get_by_role("dialog", name=title).wait_for()
    checks.assert_no_axe_violations(page)
    page.keyboard.press("Escape")


def test_roles_are_changed_by_keyboard(visit: Any, ids: dict[str, int]) -> None:
    page = visit(f"/people/{ids['other']}")
    page.keyboard.press("r")
    dialog = page.get_by_role("dialog", name="Change roles")
    dialog.get_by_label("Cancer registrar everywhere").focus()
    page.keyboard.press("Space")
    dialog.get_by_label("Why").focus()
    page.keyboard.type("Helps the registry")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("The roles are changed").wait_for()
    expect(page.get_by_text("Cancer registrar everywhere")).to_have_count(1)


def test_a_facility_is_closed_by_keyboard_after_its_inpatients_were_told_of(
    visit: Any, ids: dict[str, int], beside: Any
) -> None:
    def admit() -> int:
        from charthouse.foundation.access.api import system_context
        from charthouse.intake.api import Connector, take_in
        from charthouse.people import api as people

        draft = people.FacilityDraft("EAST", "East House", "hospital", "America/Chicago")
        made = people.add_facility(system_context("test"), draft)
        assert [taken.result.state for taken in take_in(io.BytesIO(STAY), connector=Connector.FILES)] == ["filed"]
        return made

    page = visit(f"/facilities/{beside(admit)}")
    why = page.get_by_label("Why")
    why.focus()
    page.keyboard.type("Moved into the new house")
    page.keyboard.press("Enter")
    page.get_by_text("1 inpatient is still in East House").wait_for()
    assert why.input_value() == "Moved into the new house"
    checks.assert_open_to_everybody(page)
    page.get_by_label("Close it all the same").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Close this facility"
    page.keyboard.press("Enter")
    page.get_by_text("Open it again").wait_for()
    assert page.locator(".head .badge").inner_text().startswith("Closed")


def test_invited_and_accepted(visit: Any, ids: dict[str, int], browser: Any, served: str) -> None:
    page = visit("/people/")
    page.keyboard.press("i")
    page.get_by_label("Name, as others should read it").fill("Nadia Newby")
    page.get_by_label("User name", exact=True).fill("newby")
    page.get_by_label("Coder everywhere").check()
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Invite").click()
    code = page.locator("dd strong.mono").inner_text()
    assert re.fullmatch(r"[a-z0-9]{5}(-[a-z0-9]{5}){3}", code)
    checks.assert_no_axe_violations(page)
    context = browser.new_context()
    theirs = context.new_page()
    theirs.goto(f"{served}/sign-in/")
    theirs.get_by_role("link", name="Set your password with the code you were given.").click()
    theirs.get_by_label("User name").fill("newby")
    theirs.get_by_label("Code of the invitation").fill(code)
    theirs.get_by_label("Your new password").fill(PASSWORD)
    theirs.keyboard.press("Enter")
    theirs.get_by_text("Your password is set").wait_for()
    theirs.get_by_label("User name").fill("newby")
    theirs.get_by_label("Password").fill(PASSWORD)
    theirs.keyboard.press("Enter")
    theirs.get_by_role("heading", name="Set up your authenticator").wait_for()
    context.close()


def test_duplicates_are_compared_and_merged_by_keyboard(visit: Any, ids: dict[str, int]) -> None:
    page = visit("/practitioners/?view=duplicates")
    page.keyboard.press("m")
    page.wait_for_url("**/merge?other=*")
    page.get_by_label("Why they are one").focus()
    page.keyboard.type("One accent, one person")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Merged. Both names find").wait_for()
    expect(page.get_by_text("One accent, one person")).to_have_count(1)
    page.get_by_role("button", name="Undo the merge").first.click()
    dialog = page.get_by_role("dialog", name="Undo this merge")
    dialog.get_by_label("Why").fill("They are cousins")
    dialog.get_by_role("button", name="Undo the merge").click()
    page.get_by_text("The merge is undone").wait_for()


def test_a_client_is_added_and_revoked_by_keyboard(visit: Any, ids: dict[str, int]) -> None:
    page = visit("/clients/")
    page.keyboard.press("a")
    page.get_by_role("heading", name="Add an API client").wait_for()
    page.locator("#name").focus()
    page.keyboard.type("Conformance")
    page.get_by_label("Scopes at most").fill("patient/*.read")
    page.keyboard.press("Enter")
    page.get_by_text("no scope of a system").wait_for()
    page.get_by_label("Scopes at most").fill("system/*.read")
    page.keyboard.press("Enter")
    page.get_by_text("Shown this once.").wait_for()
    checks.assert_open_to_everybody(page)
    assert page.locator("strong code").inner_text().startswith("chf_")
    page.keyboard.press("b")
    page.get_by_role("link", name="Conformance").click()
    page.get_by_role("button", name="Revoke this client").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Its tokens are refused from now on").wait_for()
    expect(page.get_by_role("button", name="Revoke this client")).to_have_count(0)


def test_the_tour_is_taken_left_and_resumed_by_keyboard(visit: Any, ids: dict[str, int]) -> None:
    page = visit("/")
    page.keyboard.press("t")
    page.wait_for_url("**/tour/1")
    for number in (2, 3, 4):
        page.keyboard.press("n")
        page.wait_for_url(f"**/tour/{number}")
    page.keyboard.press("o")
    page.wait_for_url("**/find/")
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.get_by_text("step 4 of 12").wait_for()
    page.keyboard.press("t")
    page.wait_for_url("**/tour/4")
    page.keyboard.press("x")
    page.get_by_role("heading", name="Today").wait_for()
    expect(page.get_by_text("step 4 of 12")).to_have_count(0)
