"""The screens of the desk: what each role may do there, by the forms it is done by."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from charthouse.completion import api as completion
from charthouse.completion.domain.findings import What
from charthouse.completion.domain.states import ChartState
from charthouse.foundation.access.api import Role, system_context
from charthouse.people import api as people
from charthouse.people.testing import sign_in
from charthouse.record.api import TYPE_ID
from tests.support.readers import said

from .desk_house import CHEN, DAY, NOVAK, NOW, House, document, finding

CTX = system_context("test")
PASSWORD = "lantern-harbour-quilt-9"


def browser(name: str, *roles: Role, practitioner: str = "", shown: str = "") -> Client:
    made = people.add_account(
        CTX,
        username=name,
        display_name=shown or name.title(),
        roles=list(roles),
        password=PASSWORD,
        temporary=False,
        require_totp=False,
    )
    if practitioner:
        (entry,) = people.practitioners_by_public_id(CTX, [practitioner]).values()
        people.link_practitioner(CTX, made.id, entry.id)
    return sign_in(people.User.objects.get(pk=made.id))


@pytest.fixture
def desk(house: House) -> Client:
    return browser("sato", Role.HIT)


@pytest.fixture
def novak(house: House) -> Client:
    return browser("novak", Role.PHYSICIAN, practitioner="novak", shown="Bela Novak")


def at(name: str, *arguments: object) -> str:
    return reverse(name, args=arguments)


def note_of_novak(house: House, id: str = "d1") -> str:
    """An unsigned note by Novak in the first chart; its id in the record."""
    from django.db import connection

    house.send(
        document(
            id,
            "p1",
            "1",
            docStatus="preliminary",
            author=[{"display": "Bela Novak"}],
            content=[
                {
                    "attachment": {
                        "contentType": "text/plain",
                        "data": base64.b64encode(f"Seen today, {id}.".encode()).decode(),
                    }
                }
            ],
        )
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT public_id FROM record_resource WHERE type = %s ORDER BY id DESC LIMIT 1",
            [TYPE_ID["DocumentReference"]],
        )
        found: str = cursor.fetchone()[0]
    return found


def test_the_list_shows_what_is_not_complete_and_opens_it(house: House, desk: Client) -> None:
    chart = house.visit("1", finding())
    house.visit("2", of="p2")
    assert chart is not None
    page = desk.get(at("incomplete")).content.decode()
    assert "Marshp1" in page and "Marshp2" not in page and at("incomplete-chart", chart.pk) in page
    assert "Marshp2" in desk.get(at("incomplete") + "?tab=complete").content.decode()
    csv = desk.post(at("incomplete-csv"), {"tab": "undone"})
    assert "Marshp1" in csv.content.decode() and csv["Content-Type"].startswith("text/csv")
    assert desk.post(at("incomplete-print")).content.startswith(b"%PDF")


def test_a_chart_is_analysed_by_one_key_a_decision_and_the_next_opens(house: House, desk: Client) -> None:
    house.visit("1")
    house.lacks("1", finding("fit", what=What.UNFIT), finding("op"), judgement=True)
    chart = house.analyse("1")
    second = house.visit("2", finding(), of="p2")
    assert chart is not None and second is not None
    page = desk.get(at("incomplete-chart", chart.pk)).content.decode()
    assert "To be confirmed" in page and 'data-key="Y"' in page and 'data-key="D"' in page
    fit, op = house.deficiency("fit"), house.deficiency("op")
    desk.post(at("incomplete-act", chart.pk, fit.pk, "confirm"), {"version": fit.version})
    desk.post(at("incomplete-act", chart.pk, op.pk, "waive"), {"version": op.version, "reason": "not-needed"})
    assert [house.deficiency(each).state for each in ("fit", "op")] == ["open", "waived"]
    answer = desk.post(at("incomplete-done", chart.pk), {"version": house.chart().version})
    assert answer["Location"] == at("incomplete-chart", second.pk)
    assert house.chart().reviewer == "Sato"


def test_what_somebody_else_changed_meanwhile_is_said(house: House, desk: Client) -> None:
    chart = house.visit("1", finding())
    assert chart is not None
    lacking = house.deficiency()
    url = at("incomplete-act", chart.pk, lacking.pk, "waive")
    completion.assign_deficiency(CTX, lacking.pk, CHEN, version=lacking.version)
    answer = desk.post(url, {"version": lacking.version, "reason": "policy"}, follow=True)
    assert "Somebody changed this deficiency" in answer.content.decode()
    assert house.deficiency().state == "open" and house.deficiency().owed_by == CHEN


def test_whom_a_form_names_by_name_or_npi(house: House, desk: Client) -> None:
    chart = house.visit("1", finding(owed_by=""))
    assert chart is not None
    lacking = house.deficiency()
    url = at("incomplete-act", chart.pk, lacking.pk, "assign")
    wrong = desk.post(url, {"version": lacking.version, "named": "Nobody"})
    assert wrong.status_code == 422 and "Choose who owes it" in wrong.content.decode()
    desk.post(url, {"version": lacking.version, "named": "chen lin"})
    assert house.deficiency().owed_by == CHEN


def test_adding_by_hand_asks_again_where_nothing_is_said(house: House, desk: Client) -> None:
    chart = house.visit("1")
    assert chart is not None
    url = at("incomplete-add", chart.pk)
    again = desk.post(url, {"piece": "consent", "due": "2026-03-40", "words": "kept"})
    assert again.status_code == 422 and "kept" in again.content.decode()
    desk.post(url, {"piece": "consent", "words": "Not filled in", "practitioner": NOVAK, "due": "2026-03-30"})
    (added,) = house.chart().deficiencies.all()
    assert added.says == "Consent: Not filled in" or added.says.endswith("Not filled in")
    assert (added.owed_by, house.chart().state) == (NOVAK, ChartState.INCOMPLETE)


def test_administrative_closure_is_asked_for_and_closed_by_another(house: House, desk: Client) -> None:
    chart = house.visit("1", finding())
    assert chart is not None
    lacking = house.deficiency()
    desk.post(
        at("incomplete-close", chart.pk),
        {"version": chart.version, "deficiency": [lacking.pk], "words": "The author died."},
    )
    kept = house.chart().closures.get()
    assert desk.post(at("incomplete-approve", chart.pk, kept.pk), {"words": "March"}).status_code == 403
    manager = browser("obi", Role.MANAGER)
    assert "asked on" in manager.get(at("incomplete-chart", chart.pk)).content.decode()
    manager.post(at("incomplete-approve", chart.pk, kept.pk), {"words": "Meeting of March"})
    assert house.deficiency().state == "administrative" and house.chart().state == ChartState.COMPLETE


def test_a_physician_signs_several_at_once_after_each_was_opened(house: House, novak: Client) -> None:
    house.visit("1")
    first, second = note_of_novak(house, "d1"), note_of_novak(house, "d2")
    about = [f"DocumentReference/{each}" for each in (first, second)]
    house.lacks("1", *(finding(f"u{n}", what=What.UNSIGNED, about=each) for n, each in enumerate(about)))
    house.analyse()
    page = novak.get(at("owed")).content.decode()
    assert "Marshp1" in page and 'name="sign"' not in page
    ids = [house.deficiency(f"u{n}").pk for n in (0, 1)]
    seen = []
    for number in ids:
        part = novak.get(at("owed-document", number), headers={"HX-Request": "true"}).content.decode()
        assert "Seen today" in part
        seen.append(part.partition('name="sign" value="')[2].partition('"')[0])
    assert all(seen), "each can be ticked once it was opened"
    unopened = novak.post(at("owed-sign"), {"sign": [f"{ids[0]}|"], "secret": PASSWORD}, follow=True)
    assert "Open the document" in unopened.content.decode()
    done = novak.post(at("owed-sign"), {"sign": seen, "secret": PASSWORD}, follow=True).content.decode()
    assert "2 documents signed" in done


def test_not_mine_takes_it_from_the_list_and_gives_it_back(house: House, novak: Client) -> None:
    house.visit("1", finding())
    lacking = house.deficiency()
    url = at("owed-not-mine", lacking.pk)
    assert novak.post(url, {"version": lacking.version}).status_code == 422
    page = novak.post(url, {"version": lacking.version, "reason": "colleague"}, follow=True).content.decode()
    assert "You owe nothing" in page and house.deficiency().disputed
    assert novak.get(url).status_code == 404


def test_what_is_missing_is_written_from_the_list_and_leads_back_to_it(house: House, novak: Client) -> None:
    chart = house.visit("1", finding())
    consent = finding("consent", piece="consent", rule="completion.consent")
    house.lacks("1", finding(), consent)
    house.analyse()
    assert chart is not None
    person = completion.chart(CTX, chart.pk).line.person
    number, other = house.deficiency().pk, house.deficiency("consent").pk
    page = novak.get(at("owed")).content.decode()
    # A consent is signed by a patient: nobody types it.
    assert f"/new/note?owed={number}" in page and f"/new/note?owed={other}" not in page
    url = at("enter-note", person)
    form = novak.get(f"{url}?owed={number}").content.decode()
    assert "You owe this." in form and '<option value="34117-2" selected>' in form
    assert f'<option value="{house.ids["1"]}" selected>' in form
    once = form.partition('name="once" value="')[2].partition('"')[0]
    typed = {"owed": number, "once": once, "type": "34117-2", "encounter": house.ids["1"], "text": ""}
    again = novak.post(url, typed)
    assert (
        "There is no text" in again.content.decode() and f'name="owed" value="{number}"' in again.content.decode()
    )
    done = novak.post(url, typed | {"text": "Seen and examined.", "sign": "yes", "secret": PASSWORD})
    assert done["Location"] == at("owed")


def test_an_addendum_from_the_list_leads_back_to_it(house: House, novak: Client) -> None:
    house.visit("1")
    about = f"DocumentReference/{note_of_novak(house)}"
    house.lacks("1", finding("u", what=What.UNSIGNED, about=about))
    house.analyse()
    number = house.deficiency("u").pk
    page = novak.get(at("owed")).content.decode()
    (url,) = re.findall(rf'href="([^"]+/correct/addendum)\?owed={number}"', page)
    form = novak.get(f"{url}?owed={number}").content.decode()
    assert f'href="{at("owed")}"' in form
    typed = {
        name: form.partition(f'name="{name}" value="')[2].partition('"')[0] for name in ("seen", "once", "owed")
    }
    assert typed["owed"] == str(number) and typed["seen"]
    again = novak.post(url, typed | {"text": "", "reason": "incomplete"})
    assert again.status_code == 422 and f'name="owed" value="{number}"' in again.content.decode()
    done = novak.post(url, typed | {"text": "The wound was looked at again.", "reason": "incomplete"})
    assert done.status_code == 302 and done["Location"] == at("owed"), said(done)
    # What is not one's own changes nothing: the addendum leads to its document.
    assert 'name="owed"' not in novak.get(f"{url}?owed=999999").content.decode()


@pytest.mark.parametrize("number", ["9" * 5000, "٣", "-1", "1.5", "x"])
def test_a_number_that_is_none_breaks_no_screen(house: House, desk: Client, novak: Client, number: str) -> None:
    for client, name, asked in (
        (desk, "incomplete", "age"),
        (desk, "incomplete", "facility"),
        (desk, "incomplete-deficiencies", "facility"),
        (desk, "letters", "page"),
        (novak, "owed", "after"),
    ):
        assert client.get(at(name), {asked: number}).status_code == 200, (name, asked)
    assert novak.post(at("owed-sign"), {"sign": f"{number}|seen", "secret": PASSWORD}).status_code == 302


def test_a_note_for_what_another_owes_is_a_note_like_any(house: House, novak: Client) -> None:
    chart = house.visit("1", finding(owed_by=CHEN))
    assert chart is not None
    person = completion.chart(CTX, chart.pk).line.person
    for asked in (house.deficiency().pk, "x", 999_999):
        form = novak.get(f"{at('enter-note', person)}?owed={asked}").content.decode()
        assert "You owe this." not in form and "selected>History and physical" not in form


def test_what_others_owe_is_not_opened(house: House, novak: Client) -> None:
    house.visit("1", finding(owed_by=CHEN))
    assert novak.get(at("owed-document", house.deficiency().pk)).status_code == 404
    assert novak.get(at("owed-not-mine", house.deficiency().pk)).status_code == 404


def test_the_board_opens_to_the_lists_behind_its_numbers(house: House, desk: Client) -> None:
    house.visit("1", finding(), ended=NOW - 50 * DAY)
    house.visit("2", finding(owed_by=CHEN), of="p2", ended=NOW - 3 * DAY)
    page = desk.get(at("incomplete-board"))
    text = page.content.decode()
    assert "1 delinquent" in text and "Bela Novak, MD" in text
    for part, expected in (
        ("?kind=inpatient", 2),
        ("?service=Medicine", 2),
        ("?age=1", 1),
        ("?lacks=hp", 2),
        ("?tab=delinquent", 1),
        (f"?practitioner={NOVAK}", 1),
    ):
        found = desk.get(at("incomplete") + part).content.decode()
        assert f"{expected} of {expected} shown" in found, part
    assert "Practitioner" in desk.post(at("incomplete-board-csv")).content.decode()


def test_a_discharge_without_a_chart_is_named(house: House, desk: Client) -> None:
    from charthouse.completion.models import Chart

    house.visit("1", ended=NOW - DAY)
    assert "Every discharge of these days" in desk.get(at("incomplete-discharges")).content.decode()
    Chart.objects.all().delete()
    assert "Marshp1" in desk.get(at("incomplete-discharges")).content.decode()


def test_marking_away_from_the_practitioners_page(house: House, desk: Client) -> None:
    house.visit("1", finding())
    (entry,) = people.practitioners_by_public_id(CTX, ["novak"]).values()
    assert "Owes 1 in 1 chart" in desk.get(at("practitioners-owes", entry.id)).content.decode()
    sent = {"how": "away", "until": "2026-04-01", "named": "Chen", "reason": "Leave"}
    desk.post(at("practitioners-away", entry.id), sent)
    assert house.deficiency().owed_by == CHEN
    page = desk.get(at("practitioners-owes", entry.id)).content.decode()
    (absence,) = completion.away(CTX, [NOVAK])
    assert "Lin Chen, MD stands in" in page
    desk.post(at("practitioners-back", entry.id, absence.id))
    assert house.deficiency().owed_by == NOVAK


def test_no_title_and_no_address_names_a_patient(house: House, desk: Client) -> None:
    chart = house.visit("1", finding())
    assert chart is not None
    for name, arguments in (("incomplete", ()), ("incomplete-chart", (chart.pk,)), ("incomplete-add", (chart.pk,))):
        page: Any = desk.get(at(name, *arguments)).content.decode()
        assert "Marsh" not in page.partition("<title>")[2].partition("</title>")[0]
