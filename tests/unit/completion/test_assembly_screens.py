"""The screens of assembly: a chart read in its order, documents classified one after the other, codes, orders."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from charthouse.completion.api import UNCLASSIFIED, EncounterKind, chart_order, mappings
from charthouse.foundation.access.api import Role
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.people import api as people
from charthouse.people.testing import sign_in
from tests.support.readers import pages, said

from .test_classification import ODD, follow, waiting
from .visits import SYSTEM, TECHNICIAN, attachment, coded, document, encounter, found, patient, send


@pytest.fixture
def browser(db: None) -> Client:
    """A technician who also manages, before a stay with two documents that nobody knows."""
    send(
        patient(), encounter(),
        document("hp", coded("34117-2", text="History and physical"), attachment(b"Chief complaint: fever")),
        document("a", coded("ZX-17", ODD, "Wound sheet"), attachment(b"Sheet A says")),
        document("b", coded("ZX-17", ODD, "Nursing sheet"), attachment(b"Sheet B says"), at="2026-03-04T09:00:00Z"),
        document("zip", coded("11506-3", text="Odd file"), attachment(b"PK\x03\x04..", "application/zip")),
    )  # fmt: skip
    follow()
    made = people.add_account(
        SYSTEM, username="vale", display_name="R. Vale", roles=[Role.HIT, Role.MANAGER], require_totp=False
    )
    return sign_in(people.User.objects.get(pk=made.id))


def address() -> str:
    person, _, id = found()
    return f"/chart/{person}/encounters/{id}/"


def test_the_chart_reads_in_its_order_and_opens_each_part(browser: Client) -> None:
    page = browser.get(address())
    text = said(page)
    places = [text.index(each) for each in ("Face sheet", "History and physical", "Odd file", "Wound sheet")]
    assert places == sorted(places)
    links = re.findall(rf'href="({re.escape(address())}[^"]+/[^"]+)"', page.content.decode())
    assert len(set(links)) == 5
    for link in set(links):
        assert browser.get(link).status_code == 200
        part = browser.get(link, headers={"HX-Request": "true"})
        assert part.status_code == 200 and "<html" not in part.content.decode()
    reads = entries(SYSTEM, Filters(action="chart.read")).lines
    assert {line.detail["part"] for line in reads} == {"assembled", "assembled-face"}


def test_the_list_of_encounters_leads_there(browser: Client) -> None:
    person, _, id = found()
    assert f'href="/chart/{person}/encounters/{id}/"' in browser.get(f"/chart/{person}/encounters").content.decode()


@pytest.mark.parametrize("end", ["nowhere/", "nowhere/print", "group/nothing"])
def test_what_is_not_there_is_not_found(browser: Client, end: str) -> None:
    person, _, _ = found()
    where = f"/chart/{person}/encounters/{end}" if end.startswith("nowhere") else address() + end
    asks = browser.post(where, {"use": "here"}) if end.endswith("print") else browser.get(where)
    assert asks.status_code == 404


def test_printing_asks_what_for_names_what_cannot_be_and_prints_without_it(browser: Client) -> None:
    where = address() + "print"
    assert "Print for use here" in said(browser.get(where))
    stopped = browser.post(where, {"use": "here"})
    assert "Odd file" in said(stopped) and "Print without these" in said(stopped)
    assert not entries(SYSTEM, Filters(action="chart.print")).lines
    printed = browser.post(where, {"use": "here", "without": "yes"})
    assert printed["Content-Type"] == "application/pdf" and "no-store" in printed["Cache-Control"]
    assert "Odd file" in pages(printed.content)[0]


def _post(browser: Client, piece: str, **more: str) -> Any:
    item = waiting()[0]
    page = browser.get(f"/unclassified/{item.id}")
    (seen,) = re.findall(r'name="seen" value="([^"]+)"', page.content.decode())
    return browser.post(f"/unclassified/{item.id}", {"piece": piece, "seen": seen, **more})


def test_one_decision_after_the_other(browser: Client) -> None:
    first = waiting()[0]
    page = said(browser.get(f"/unclassified/{first.id}"))
    assert "Sheet" in page and "ZX-17" in page and "EHR|MERCY sent it" in page
    answer = _post(browser, "nursing-note")
    assert len(waiting()) == 1
    assert answer.status_code == 302 and answer["Location"] == f"/unclassified/{waiting()[0].id}"
    answer = _post(browser, "nursing-note", always="yes")
    assert answer["Location"] == f"/queues/{UNCLASSIFIED}/" and waiting() == []
    (line,) = mappings(TECHNICIAN)
    assert (line.code, line.piece, line.changed) == ("ZX-17", "nursing-note", 1)
    assert "Decided" in said(browser.get(f"/unclassified/{first.id}"))


def test_a_title_that_says_it_stands_first(browser: Client) -> None:
    (item,) = [each for each in waiting() if "Sheet B says" in said(browser.get(f"/unclassified/{each.id}"))]
    shown = re.findall(r'name="piece" value="([^"]+)"', browser.get(f"/unclassified/{item.id}").content.decode())
    assert shown[0] == "nursing-note" and len(shown) == len(set(shown)) > 30


def test_what_changed_meanwhile_is_said(browser: Client) -> None:
    item = waiting()[0]
    answer = browser.post(f"/unclassified/{item.id}", {"piece": "nursing-note", "seen": "7:00"})
    assert answer.status_code == 422 and "changed since it was shown" in said(answer)
    assert browser.post(f"/unclassified/{item.id}", {"piece": "nonsense"}).status_code == 422


def test_codes_are_mapped_and_mappings_ended(browser: Client) -> None:
    page = browser.get("/document-codes/")
    assert "ZX-17" in said(page)
    (link,) = set(re.findall(r'href="(\?system=[^"]+)#map"', page.content.decode()))
    form = browser.get("/document-codes/" + link.replace("&amp;", "&")).content.decode()
    assert 'value="ZX-17"' in form and 'value="EHR|MERCY"' in form
    sent = {"code": "ZX-17", "system": ODD, "sender": "EHR|MERCY", "piece": "consultation"}
    done = browser.post("/document-codes/map", sent, follow=True)
    assert "2 documents carry the code; 2 changed" in said(done) and waiting() == []
    (line,) = mappings(TECHNICIAN)
    ended = browser.post(f"/document-codes/{line.id}/end", follow=True)
    assert "Ended. 2 documents changed" in said(ended) and len(waiting()) == 2
    assert "ended already" in said(browser.post(f"/document-codes/{line.id}/end", follow=True))
    wrong = browser.post("/document-codes/map", {**sent, "sender": "Nobody"})
    assert wrong.status_code == 422 and "ever sent" in said(wrong) and 'value="ZX-17"' in wrong.content.decode()


def test_an_order_is_changed_and_restored(browser: Client) -> None:
    page = said(browser.get("/chart-orders/"))
    assert "As taught" in page and "Nobody changed this order yet" in page
    moved = browser.post("/chart-orders/clinic/move", {"piece": "consent", "to": "up", "version": "0"}, follow=True)
    assert "As this site wants it, version 1" in said(moved)
    stale = browser.post("/chart-orders/clinic/move", {"piece": "consent", "to": "up", "version": "0"}, follow=True)
    assert "Somebody changed this order" in said(stale)
    back = browser.post("/chart-orders/clinic/restore", {"version": "1"}, follow=True)
    assert "restored" in said(back) and chart_order(EncounterKind.CLINIC).is_default
    assert browser.get("/chart-orders/nonsense").status_code == 404


def test_a_technician_sees_the_order_and_may_not_change_it(db: None) -> None:
    made = people.add_account(SYSTEM, username="tech", display_name="T. Ech", roles=[Role.HIT], require_totp=False)
    browser = sign_in(people.User.objects.get(pk=made.id))
    page = browser.get("/chart-orders/inpatient")
    assert page.status_code == 200 and "chart-orders/inpatient/move" not in page.content.decode()
    assert browser.post("/chart-orders/inpatient/move", {"piece": "consent", "version": "0"}).status_code == 403
