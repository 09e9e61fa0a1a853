"""Closing a facility: who is still in its beds is said first; two who close the last two, race."""

from __future__ import annotations

import io
import threading
from typing import Any

import orjson
import pytest
from django.test import Client

from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.intake.api import Connector, take_in
from charthouse.people import api as people
from charthouse.people.testing import sign_in
from charthouse.web.actions.close_facility import close_facility

SYSTEM = system_context("test")
NORTH = people.FacilityDraft("NORTH", "Northfield Hospital", "hospital", "America/Chicago")
SOUTH = people.FacilityDraft("SOUTH", "Southfield Clinic", "clinic", "America/Chicago")


def set_up() -> dict[str, int]:
    people.set_up_places(
        organization="Valley Health",
        time_zone="America/Chicago",
        facilities=[NORTH, SOUTH],
        mrn_assigner=people.MrnAssignerDraft("urn:mrn"),
    )
    return {line.code: line.id for line in people.facilities()}


def admit(number: int, facility: str, **more: Any) -> None:
    """Somebody who was admitted long ago, and of whose discharge nothing is known."""
    patient = {
        "resourceType": "Patient",
        "id": f"p{number}",
        "name": [{"family": f"Marsh{number}", "given": ["Ida"]}],
        "birthDate": f"196{number}-04-17",
        "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:mrn", "value": f"0010{number}"}],
    }
    stay = {
        "resourceType": "Encounter",
        "id": f"e{number}",
        "status": "in-progress",
        "class": {"code": "IMP"},
        "subject": {"reference": f"Patient/p{number}"},
        "period": {"start": "2026-01-01T10:00:00Z"},
        "serviceProvider": {"display": facility},
        **more,
    }
    entry = [
        {"resource": each, "request": {"method": "POST", "url": each["resourceType"]}} for each in (patient, stay)
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entry}
    (taken,) = take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender=None)
    assert taken.result is not None and str(taken.result.state) == "filed"


def is_open(facility: int) -> bool:
    return next(line for line in people.facilities() if line.id == facility).closed_at is None


@pytest.fixture
def admin(db: None) -> Client:
    made = people.add_account(
        SYSTEM, username="adm", display_name="A. Dm", roles=[Role.ADMINISTRATOR], require_totp=False
    )
    return sign_in(people.User.objects.get(pk=made.id))


def test_who_is_still_there_is_said_before_and_closed_all_the_same_only_when_told(admin: Client) -> None:
    here = set_up()["NORTH"]
    admit(1, "NORTH")
    admit(2, "northfield hospital")
    admit(3, "SOUTH")
    admit(4, "NORTH", status="finished", period={"start": "2026-01-01T10:00:00Z", "end": "2026-01-02T10:00:00Z"})

    answer = admin.post(f"/facilities/{here}/close", {"reason": "moved to the new house"})
    text = answer.content.decode()
    assert answer.status_code == 422 and "2 inpatients are still in Northfield Hospital" in text
    assert "moved to the new house" in text and "Marsh" not in text
    assert 'name="known" value="2"' in text and is_open(here)

    admit(5, "NORTH")
    answer = admin.post(f"/facilities/{here}/close", {"reason": "moved", "known": "2"})
    assert "3 inpatients are still in" in answer.content.decode() and is_open(here), "one more since"
    assert admin.post(f"/facilities/{here}/close", {"reason": "moved", "known": "many"}).status_code == 422
    assert admin.post(f"/facilities/{here}/close", {"reason": "moved", "known": "3"}).status_code == 302
    assert not is_open(here)
    (line,) = entries(SYSTEM, Filters(action="people.close-facility")).lines
    assert line.detail == {"code": "NORTH", "reason": "moved", "inpatients": 3}


def test_an_empty_house_is_closed_at_once(admin: Client) -> None:
    places = set_up()
    admit(1, "NORTH")
    assert admin.post(f"/facilities/{places['SOUTH']}/close", {"reason": "moved"}).status_code == 302
    assert not is_open(places["SOUTH"]) and is_open(places["NORTH"])


def test_of_two_who_close_the_last_two_one_is_refused(committed_db: str) -> None:
    from django.db import connections

    places = set_up()
    gate = threading.Barrier(2)
    refused: list[str] = []

    def close(facility: int) -> None:
        try:
            gate.wait()
            close_facility(SYSTEM, facility, "moved")
        except people.PlaceError as error:
            refused.append(str(error))
        finally:
            connections.close_all()

    both = [threading.Thread(target=close, args=[each]) for each in places.values()]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(refused) == 1 and "only facility that is open" in refused[0]
    assert sum(map(is_open, places.values())) == 1


def test_of_two_who_close_one_the_second_is_told(committed_db: str) -> None:
    from django.db import connections

    here = set_up()["NORTH"]
    gate = threading.Barrier(2)
    refused: list[str] = []

    def close() -> None:
        try:
            gate.wait()
            close_facility(SYSTEM, here, "moved")
        except people.PlaceError as error:
            refused.append(str(error))
        finally:
            connections.close_all()

    both = [threading.Thread(target=close) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(refused) == 1 and "is closed already" in refused[0]
    assert len(entries(SYSTEM, Filters(action="people.close-facility")).lines) == 1
