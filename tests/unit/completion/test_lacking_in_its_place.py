"""What is missing stands where it would stand: in the assembled chart, on the desk, in the print for use here."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from charthouse.completion import api as completion
from charthouse.completion.models import Chart, Deficiency
from charthouse.foundation.access.api import Purpose, Role
from charthouse.foundation.clock import frozen
from charthouse.people import api as people
from charthouse.people.testing import sign_in
from tests.support.readers import pages, said

from .desk_house import NOW
from .visits import MANAGER, SYSTEM, coded, document, encounter, found, patient, send

DOCTOR = {"reference": "Practitioner/dr", "display": "Ada Quill"}


@pytest.fixture
def browser(db: None) -> Any:
    """A technician, before a stay: a late history and physical, two unsigned discharge summaries, nothing signed
    against the rules, no final diagnosis asked for, and by hand a consent."""
    with frozen(NOW):
        send(
            {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Quill", "given": ["Ada"]}]},
            patient(), encounter(participant=[{"type": [{"coding": [{"code": "ATND"}]}], "individual": DOCTOR}]),
            document("hp", coded("34117-2", text="H and P"), author=[DOCTOR], at="2026-03-04T12:00:00Z"),
            document("nurse", coded("34746-8", text="Nursing"), author=[DOCTOR]),
        )  # fmt: skip
        analysed()
        yield signed_in("sato", Role.HIT)


def analysed() -> None:
    completion.analyse_charts([facts.row for some in completion.all_encounters(SYSTEM) for facts in some])


def signed_in(name: str, *roles: Role) -> Client:
    made = people.add_account(SYSTEM, username=name, display_name=name, roles=list(roles), require_totp=False)
    return sign_in(people.User.objects.get(pk=made.id))


def address() -> str:
    person, _, id = found()
    return f"/chart/{person}/encounters/{id}/"


def index_of(page: Any) -> str:
    text = said(page)
    return text[text.index("Face sheet") : text.index("Nothing is open")]


def test_what_is_missing_stands_where_it_would_stand(browser: Client) -> None:
    page = browser.get(address())
    index = index_of(page)
    lack = Deficiency.objects.get(kind="discharge-summary")
    assert "Discharge summary ! Missing There is no discharge summary. Owed by Ada Quill, due 4 Apr 2026" in index
    assert f'href="/incomplete/{lack.chart_id}#d-{lack.pk}"' in page.content.decode()
    places = [index.index(each) for each in ("Discharge summary", "H and P", "Nursing")]
    order = completion.chart_order(completion.EncounterKind.INPATIENT).pieces
    pieces = ["discharge-summary", "history-and-physical", "nursing-note"]
    assert [places.index(each) for each in sorted(places)] == [
        pieces.index(each) for each in sorted(pieces, key=order.index)
    ]


def test_what_is_late_is_marked_at_its_document_and_not_said_to_be_owed(browser: Client) -> None:
    index = index_of(browser.get(address()))
    late = index[index.index("H and P") :]
    assert "! Late" in late[:90] and "Owed" not in late[:90]


def test_two_documents_of_one_piece_are_marked_and_of_others_not(browser: Client) -> None:
    assert "One of" not in index_of(browser.get(address()))
    more = {"author": [DOCTOR], "docStatus": "preliminary"}
    send(
        document("s1", coded("18842-5", text="Summary"), at="2026-03-05T16:00:00Z", **more),
        document("s2", coded("18842-5", text="Summary again"), at="2026-03-06T16:00:00Z", **more),
        document("n2", coded("34746-8", text="Nursing again"), author=[DOCTOR]),
    )
    analysed()
    index = index_of(browser.get(address()))
    assert index.count("One of 2") == 2 and "Missing" not in index
    assert index.count("Signature owed by Ada Quill, due 4 Apr 2026") == 2
    chart = Chart.objects.get()
    desk = said(browser.get(f"/incomplete/{chart.pk}"))
    assert desk.count("One of 2") == 2


def test_the_desk_shows_it_at_the_left(browser: Client) -> None:
    chart = Chart.objects.get()
    page = browser.get(f"/incomplete/{chart.pk}").content.decode()
    left = page[page.index('aria-label="The chart in order"') : page.index('aria-label="What the chart lacks"')]
    lack = Deficiency.objects.get(kind="discharge-summary")
    assert f'href="#d-{lack.pk}"' in left and f'id="d-{lack.pk}"' in page
    assert "Late" in left


def test_what_was_asked_for_by_hand_stands_at_its_piece(browser: Client) -> None:
    chart = Chart.objects.get()
    completion.add_deficiency(MANAGER, chart.pk, completion.Lack("consent", "", "The form is not filled in."))
    completion.add_deficiency(MANAGER, chart.pk, completion.Lack("", "", "Call the ward."))
    index = index_of(browser.get(address()))
    assert "! Asked for" in index and "The form is not filled in." in index
    assert index.index("Asked for besides") > index.index("Nursing") and "Call the ward." in index


def test_a_print_for_use_here_tells_it_and_one_for_outside_does_not(browser: Client) -> None:
    here = "\n".join(pages(browser.post(address() + "print", {"use": "here"}).content))
    assert "MISSING" in here and "owed by Ada Quill, due 4 Apr 2026" in here.replace("\n", " ")
    assert "in no print for somebody outside" in here.replace("\n", " ")
    sent = {"use": "outside", "recipient": "A. Clinic", "address": "1 Road", "purpose": Purpose.TREATMENT.value}
    answer = browser.post(address() + "print", sent)
    assert answer["Content-Type"] == "application/pdf", said(answer)
    outside = "\n".join(pages(answer.content))
    assert "H and P" in outside and "MISSING" not in outside and "owed by" not in outside and "late" not in outside


def test_who_may_not_see_incomplete_charts_sees_what_they_owe_alone(browser: Client) -> None:
    registrar = signed_in("reg", Role.REGISTRAR)
    assert "Missing" not in index_of(registrar.get(address()))
    doctor = signed_in("quill", Role.PHYSICIAN)
    assert "Missing" not in index_of(doctor.get(address()))
    (entry,) = people.find_practitioners(SYSTEM, "Quill")
    people.link_practitioner(SYSTEM, people.User.objects.get(username="quill").pk, entry.id)
    page = browser.get(address()), doctor.get(address())
    assert "Missing" in index_of(page[1]) and 'href="/owed/#d-' in page[1].content.decode()
    assert "/incomplete/" not in page[1].content.decode()


def test_what_is_settled_is_not_told(browser: Client) -> None:
    lack = Deficiency.objects.get(kind="discharge-summary")
    completion.waive_deficiency(MANAGER, lack.pk, version=lack.version, reason="policy")
    assert "Missing" not in index_of(browser.get(address()))
