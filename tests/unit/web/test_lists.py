"""Work lists and lists of the quality board as CSV or on paper: for those who may, and written down."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test import Client

from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from charthouse.people import api as people
from charthouse.people.testing import sign_in

CTX = system_context("test")
QUEUE = identity.POSSIBLE_DUPLICATES


def browser(name: str, *roles: Role) -> Client:
    made = people.add_account(CTX, username=name, display_name=name, roles=list(roles), require_totp=False)
    return sign_in(people.User.objects.get(pk=made.id))


@pytest.fixture
def helen(db: None) -> Client:
    identity.place(
        [
            identity.Arrival(
                row,
                f"patient-{row}",
                1,
                {
                    "resourceType": "Patient",
                    "name": [{"family": family, "given": ["Ida"]}],
                    "birthDate": "1961-04-17",
                },
            )
            for row, family in ((1, "=cmd|' /C calc'!A0"), (2, "Zeller"))
        ]
    )
    work.open_item(
        QUEUE,
        subject=work.Subject("patient", "patient-1"),
        reason="=1+1",
        dedupe="1-2",
        detail={"patients": [1, 2]},
    )
    return browser("helen", Role.HIT)


def _rows(client: Client, address: str) -> list[list[str]]:
    response = client.post(address)
    assert response.status_code == 200 and response["Content-Type"].startswith("text/csv")
    assert response["Content-Disposition"] == 'attachment; filename="list.csv"'
    assert response["Cache-Control"].find("no-store") >= 0
    return list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))


def test_a_queue_as_csv_holds_its_items_and_no_formula(helen: Client) -> None:
    heads, row = _rows(helen, f"/work/{QUEUE}/csv")
    assert heads == ["Item", "Two patients", "Evidence", "Reason", "Rule", "Due", "State"]
    assert row[1].startswith("'=cmd") and row[3] == "'=1+1" and row[6] == "waits for anybody"
    (entry,) = entries(CTX, Filters(action="work.export")).lines
    assert entry.detail == {"queue": QUEUE, "items": 1}


def test_who_does_not_work_a_queue_gets_no_list_of_it(helen: Client) -> None:
    assert browser("cora", Role.CODER).post(f"/work/{QUEUE}/csv").status_code == 403
    assert helen.post("/work/nothing/csv").status_code == 404


def test_a_list_of_the_board_is_shown_printed_and_taken_along(helen: Client) -> None:
    assert "Zeller, Ida" in helen.get("/quality/records").content.decode()
    heads, *rows = _rows(helen, "/quality/records/csv")
    assert heads == ["Person", "Name", "Record number", "Sender"] and len(rows) == 2
    printed = helen.post("/quality/records/print")
    assert printed.status_code == 200 and printed.content.startswith(b"%PDF")
    actions = [each.action for each in entries(CTX, Filters()).lines]
    assert {"identity.list-read", "identity.print-list"} <= set(actions)
    assert helen.get("/quality/nothing").status_code == 404
    assert browser("cora", Role.CODER).get("/quality/").status_code == 403


def test_a_manager_decides_which_values_stand_for_none_and_a_technician_sees_it(helen: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identity_placeholder (field, value, persons, reason) VALUES"
            " ('phone', '4135550100', 14, '14 persons are reached under it.') RETURNING id"
        )
        (number,) = cursor.fetchone()
    page = helen.get("/quality/placeholders").content.decode()
    assert "4135550100" in page and "undecided" in page and "They stand for none" not in page
    assert helen.post("/quality/placeholders/decide", {"id": number, "verdict": "accept"}).status_code == 403
    manager = browser("mara", Role.MANAGER)
    assert "They stand for none" in manager.get("/quality/placeholders").content.decode()
    said = manager.post("/quality/placeholders/decide", {"id": number, "verdict": "accept"}, follow=True)
    assert "Say why" in said.content.decode() and "undecided" in said.content.decode()
    manager.post("/quality/placeholders/decide", {"id": number, "verdict": "accept", "why": "The desk's own."})
    assert "Not believed" in (page := helen.get("/quality/placeholders").content.decode())
    assert "The desk&#x27;s own." in page
    heads, row = _rows(helen, "/quality/placeholders/csv")
    assert heads[:3] == ["Value", "What", "Persons"] and row[4] == "accepted"
