"""Work lists and lists of the quality board as CSV or on paper: for those who may, and written down."""

from __future__ import annotations

import csv
import io

import pytest
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
