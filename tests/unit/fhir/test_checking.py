"""What was filed is checked afterwards: findings, the work over them, and $validate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from charthouse.fhir.actions.check_resources import check_all, settle_findings
from charthouse.fhir.consumers import CHECKING
from charthouse.fhir.finding_queries import finding_kinds, findings_of, found_in
from charthouse.fhir.models import Finding
from charthouse.fhir.queues import FINDINGS
from charthouse.foundation.access.api import Label, system_context
from charthouse.foundation.events import api as events
from charthouse.foundation.work import api as work
from charthouse.record.api import source_id
from tests.unit.fhir.rest import Api, Caller, json, let_in

pytestmark = [pytest.mark.database]

SYSTEM = system_context("tests")
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
PATIENT = {"resourceType": "Patient", "name": [{"family": "Muster", "given": ["Anna"]}], "birthDate": "1970-01-02"}


@pytest.fixture
def api(committed_db: Any, monkeypatch: pytest.MonkeyPatch) -> Api:
    who = Caller()
    let_in(monkeypatch, who)
    return Api()


@pytest.fixture
def patient(api: Api) -> str:
    return str(json(api.post("/Patient", PATIENT))["id"])


def condition(patient: str, code: str = "aktiv", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "subject": {"reference": f"Patient/{patient}"},
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": code}]},
        **more,
    }


def checked() -> None:
    """What the worker does."""
    events.drain(CHECKING)
    settle_findings()


def open_work() -> list[work.WorkItem]:
    return list(work.items(SYSTEM, FINDINGS).items)


def test_many_findings_of_a_kind_are_one_item_that_closes_by_itself(api: Api, patient: str) -> None:
    ids = [str(json(api.post("/Condition", condition(patient, f"no{number}")))["id"]) for number in range(3)]
    checked()
    (item,) = open_work()
    assert "3 resources" in item.reason and "Condition.clinicalStatus" in item.reason and item.due is not None
    (kind,) = finding_kinds(SYSTEM)
    assert [each.public_id for _, each in found_in(SYSTEM, kind.id)] == ids
    assert [each.path for each in findings_of(SYSTEM, "Condition", ids[0])] == ["Condition.clinicalStatus"]

    api.put(f"/Condition/{ids[0]}", condition(patient, "active", id=ids[0]))
    checked()
    assert findings_of(SYSTEM, "Condition", ids[0]) == [] and "2 resources" in open_work()[0].reason
    api.ask("DELETE", f"/Condition/{ids[1]}")
    api.put(f"/Condition/{ids[2]}", condition(patient, "active", id=ids[2]))
    checked()
    check_all(SYSTEM)
    assert open_work() == [] and finding_kinds(SYSTEM) == []


def test_a_reference_to_nothing_counts_after_the_grace_and_not_once_it_has_come(api: Api, patient: str) -> None:
    id = str(
        json(api.post("/Condition", condition(patient, "active", encounter={"reference": "Encounter/later"})))["id"]
    )
    checked()
    assert Finding.objects.get().target_id == "later" and open_work() == []
    Finding.objects.update(counts_from=Finding.objects.get().counts_from - timedelta(days=2))
    settle_findings()
    assert "Condition.encounter" in open_work()[0].reason and findings_of(SYSTEM, "Condition", id)
    visit = {
        "resourceType": "Encounter", "id": "later", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{patient}"},
    }  # fmt: skip
    assert api.put("/Encounter/later", visit).status_code == 201
    checked()
    assert open_work() == [] and not Finding.objects.exists()


def test_what_labels_hide_is_not_listed(api: Api, patient: str) -> None:
    secret = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}
    id = str(json(api.post("/Condition", condition(patient, meta=secret)))["id"])
    checked()
    (kind,) = finding_kinds(SYSTEM)
    assert len(found_in(SYSTEM, kind.id)) == 1
    from dataclasses import replace

    other = replace(SYSTEM, clearance=Label(0))
    assert found_in(other, kind.id) == [] and findings_of(other, "Condition", id) == []


def test_check_all_finds_what_was_filed_before(api: Api, patient: str) -> None:
    api.post("/Condition", condition(patient))
    counts: list[int] = []
    assert check_all(SYSTEM, counts.append) >= 2 and counts[-1] >= 2
    assert len(open_work()) == 1
    checked()
    assert Finding.objects.count() == 1, "checked twice, found once"


def test_a_site_may_switch_it_off(api: Api, patient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charthouse.fhir.actions.check_resources.is_on", lambda: False)
    api.post("/Condition", condition(patient))
    checked()
    assert not Finding.objects.exists()


def test_findings_keep_apart_who_sent_what(api: Api, patient: str) -> None:
    api.post("/Condition", condition(patient))
    api.post("/Condition", condition(patient, "x"))
    checked()
    with connection.cursor() as cursor:
        other = source_id(cursor, "Another sender")
    Finding.objects.filter(pk=Finding.objects.order_by("pk").first().pk).update(source=other)
    settle_findings()
    assert sorted(kind.resources for kind in finding_kinds(SYSTEM)) == [1, 1]
    assert any(item.reason.startswith("Another sender: 1 resource ") for item in open_work())


def test_validate_answers_what_would_be_found(api: Api, patient: str) -> None:
    wrong = condition(patient, encounter={"reference": "Encounter/none"})
    told = json(api.post("/Condition/$validate", wrong))["issue"]
    assert {(each["code"], each["expression"][0]) for each in told} == {
        ("code-invalid", "Condition.clinicalStatus"),
        ("not-found", "Condition.encounter.reference"),
    }
    told = json(api.post("/Condition/$validate?profile=urn:none", condition(patient, "active")))["issue"]
    assert [each["code"] for each in told] == ["not-supported"]
