"""A technician clears a chart by keyboard, a physician signs what is owed on a telephone, and every screen of
completion is open to everybody."""

from __future__ import annotations

import base64
import io
from datetime import date, timedelta
from typing import Any

import orjson
import pytest
from playwright.sync_api import expect

from tests.support.screens import (
    SIZES,
    assert_no_axe_violations,
    assert_open_to_everybody,
    assert_the_keys_are_named,
    press,
)

from .conftest import PASSWORD


def _records() -> list[dict[str, Any]]:
    """Two stays that ended some days ago: one with an unsigned summary, one without any document."""
    from charthouse.foundation.clock import now

    began, ended = (now() - timedelta(days=days) for days in (9, 5))
    doctor = {
        "resourceType": "Practitioner",
        "id": "dr-1",
        "name": [{"family": "Okafor", "given": ["Rose"], "suffix": ["MD"]}],
    }
    found = [doctor]
    for number, family in enumerate(("Quellmann", "Przybylski-Hernández"), 1):
        subject = {"reference": f"Patient/{number}"}
        found += [
            {
                "resourceType": "Patient",
                "id": str(number),
                "name": [{"family": family, "given": ["Ottilie"]}],
                "birthDate": f"195{number}-03-09",
                "gender": "female",
            },
            {
                "resourceType": "Encounter",
                "id": f"stay-{number}",
                "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
                "subject": subject,
                "period": {"start": began.isoformat(), "end": ended.isoformat()},
                "participant": [
                    {
                        "type": [{"coding": [{"code": "ATND"}]}],
                        "individual": {"reference": "Practitioner/dr-1", "display": "Rose Okafor"},
                    }
                ],
            },
        ]
    note = base64.b64encode(b"Admitted with a cough, went home well.").decode()
    found.append(
        {
            "resourceType": "DocumentReference",
            "id": "summary",
            "status": "current",
            "docStatus": "preliminary",
            "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5", "display": "Discharge summary"}]},
            "subject": {"reference": "Patient/1"},
            "author": [{"reference": "Practitioner/dr-1", "display": "Rose Okafor"}],
            "date": ended.isoformat(),
            "content": [{"attachment": {"contentType": "text/plain", "data": note}}],
            "context": {"encounter": [{"reference": "Encounter/stay-1"}]},
        }
    )
    return found


@pytest.fixture(scope="module")
def house(served: str, signed_in: Any, beside: Any) -> dict[str, Any]:
    """Two charts in analysis, counted once; the one who is signed in is also the physician who owes them. Charts by
    patient, the physician's entry in the directory, and the day that was counted."""
    from charthouse.completion import api as completion
    from charthouse.completion.consumers import DEFICIENCIES
    from charthouse.foundation.access.api import Role, system_context
    from charthouse.foundation.events.api import drain
    from charthouse.intake.api import Connector, take_in
    from charthouse.people import api as people

    def make() -> dict[str, Any]:
        ctx = system_context("test")
        people.set_up_places(
            organization="Northfield",
            time_zone="America/Chicago",
            facilities=[people.FacilityDraft("NORTH", "Northfield", "hospital", "America/Chicago")],
            mrn_assigner=people.MrnAssignerDraft("urn:north:desk", width=6, first=900_001),
        )
        entries = [{"resource": each} for each in _records()]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender="ADT"))
        drain(DEFICIENCIES)
        user = people.User.objects.get(username="okafor")
        people.grant_role(ctx, user.pk, Role.PHYSICIAN)
        (entry,) = people.find_practitioners(ctx, "Okafor")
        people.link_practitioner(ctx, user.pk, entry.id)
        found = {each.patient.partition(",")[0]: each.id for each in completion.charts(ctx).rows}
        day = completion.take_snapshot()
        assert day is not None
        return {**found, "entry": entry.id, "day": day.isoformat()}

    made: dict[str, Any] = beside(make)
    assert set(made) >= {"Quellmann", "entry"}, made
    return made


SCREENS = [
    "/incomplete/",
    "/incomplete/?tab=complete",
    "/incomplete/{chart}",
    "/incomplete/{chart}/add",
    "/incomplete/{chart}/close",
    "/incomplete/board",
    "/incomplete/board?days=90",
    "/incomplete/deficiencies",
    "/incomplete/deficiencies?state=closed",
    "/incomplete/days",
    "/incomplete/days/{day}",
    "/incomplete/report",
    "/incomplete/discharges",
    "/practitioners/{entry}/owes",
    "/queues/completion.analysis/",
    "/owed/",
]


@pytest.mark.parametrize("path", SCREENS)
def test_a_screen_is_open_to_everybody(house: dict[str, Any], visit: Any, path: str) -> None:
    page = visit(path.format(**house, chart=house["Quellmann"]))
    assert "Quellmann" not in page.title()
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)


def test_each_part_of_a_drawing_is_named_by_its_day_and_opens_it(house: dict[str, Any], visit: Any) -> None:
    page = visit("/incomplete/days")
    counted = date.fromisoformat(house["day"])
    page.get_by_role("link", name=f"Not complete, {counted.day} {counted:%b %Y}", exact=True).click()
    page.wait_for_url(f"**/incomplete/days/{house['day']}")


def test_a_physician_signs_what_was_opened_on_a_telephone(house: dict[str, Any], visit: Any) -> None:
    page = visit("/owed/", SIZES[2])
    page.get_by_role("link", name="is not signed").first.click()
    page.get_by_text("went home well").wait_for()
    assert page.get_by_label("I read it and sign it").is_checked()
    assert_open_to_everybody(page)
    page.set_viewport_size({"width": SIZES[2][0], "height": SIZES[2][1]})
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Sign what is ticked").click()
    page.get_by_text("1 document signed").wait_for()
    page.get_by_role("link", name="Not mine").first.click()
    page.get_by_role("heading", name="Not mine").wait_for()
    assert_open_to_everybody(page)
    page.set_viewport_size({"width": SIZES[2][0], "height": SIZES[2][1]})
    page.get_by_label("Why it is not yours").select_option("colleague")
    page.get_by_role("button", name="Not mine").click()
    page.get_by_text("The department looks whose it is").wait_for()


def test_a_chart_is_analysed_by_keyboard_and_the_next_opens(house: dict[str, Any], visit: Any, beside: Any) -> None:
    from charthouse.completion.consumers import DEFICIENCIES
    from charthouse.foundation.events.api import drain

    beside(lambda: drain(DEFICIENCIES) or True)
    page = visit("/incomplete/")
    page.get_by_role("heading", name="Incomplete charts").wait_for()
    press(page, "n")
    page.get_by_role("heading", name="Chart analysis").wait_for()
    first = page.url
    items = page.get_by_label("Checklist").get_by_role("listitem")
    count = items.count()
    assert count >= 1
    press(page, "Y")
    page.get_by_text("Confirmed.").wait_for()
    press(page, "W")
    page.get_by_label("Reason").select_option("on-paper")
    assert_no_axe_violations(page)
    page.get_by_role("button", name="Waive").last.click()
    page.get_by_text("Waived; it stays readable below.").wait_for()
    expect(page.get_by_label("Checklist").get_by_role("listitem")).to_have_count(count - 1)
    press(page, "N")
    page.get_by_label("In words").fill("The consent is not dated.")
    page.get_by_label("Or by name or NPI").fill("Okafor")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("Added.").wait_for()
    press(page, "D")
    page.get_by_text("This is the next chart").wait_for()
    assert page.url != first
    press(page, "D")
    page.get_by_text("No other chart waits").wait_for()


def test_the_board_leads_to_its_days_its_lists_and_the_report_by_keyboard(
    house: dict[str, Any], visit: Any
) -> None:
    page = visit("/incomplete/board")
    page.get_by_role("heading", name="Trend").wait_for()
    press(page, "t")
    page.get_by_role("heading", name="Completion by day").wait_for()
    press(page, "j")
    press(page, "Enter")
    page.get_by_text("the lists of that moment are not kept").wait_for()
    page = visit("/incomplete/board")
    press(page, "s")
    page.get_by_role("heading", name="Deficiencies", exact=True).wait_for()
    press(page, "B")
    page.get_by_role("heading", name="Trend").wait_for()
    press(page, "r")
    page.get_by_role("heading", name="Report for the committee").wait_for()
