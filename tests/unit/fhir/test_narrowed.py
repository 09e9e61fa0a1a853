"""Scopes narrowed by a search (SMART 2.2, ``system/Observation.rs?category=laboratory``): what is beside them is
not there, by whichever way it is asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from charthouse.fhir.actions.manage_clients import NewClient, add_token
from charthouse.fhir.domain.errors import ClientError
from charthouse.fhir.models import AccessToken, ApiClient
from charthouse.foundation.access.api import Purpose, Role, system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.disclosure.api import disclosures_of
from tests.unit.fhir.test_export import Bulk, observation, patient

pytestmark = [pytest.mark.database]

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
LAB = f"system/*.r system/Patient.rs system/Observation.rs?category={CATEGORY}|laboratory"
Json = dict[str, Any]


def of(category: str) -> Json:
    return {"category": [{"coding": [{"system": CATEGORY, "code": category}]}]}


@pytest.fixture
def everybody(db: None) -> Bulk:
    """Who may see all: a laboratory result and a social history of Anna's, vital signs of Bertram's, a report."""
    client = Bulk()
    for id in ("anna", "bertram"):
        client.put(patient(id))
    client.put(observation("lab", "anna", **of("laboratory")))
    client.put(observation("social", "anna", **of("social-history"), hasMember=[{"reference": "Observation/lab"}]))
    client.put(observation("vital", "bertram", **of("vital-signs")))
    client.put(
        {
            "resourceType": "DiagnosticReport",
            "id": "report",
            "status": "final",
            "code": {"text": "Both"},
            "subject": {"reference": "Patient/anna"},
            "result": [{"reference": "Observation/lab"}, {"reference": "Observation/social"}],
        }
    )
    return client


@pytest.fixture
def laboratory(everybody: Bulk) -> Bulk:
    """A client whose scopes are narrowed to the laboratory's results, and may read reports."""
    scopes = LAB.replace("system/*.r ", "system/DiagnosticReport.rs ")
    return Bulk("Laboratory", scopes)


def ids(client: Bulk, path: str) -> list[str]:
    response = client.http.get(f"/fhir{path}")
    assert response.status_code == 200, response.content
    return [entry["resource"]["id"] for entry in orjson.loads(response.content).get("entry", ())]


def test_searches_find_only_what_the_scope_names(laboratory: Bulk) -> None:
    assert ids(laboratory, "/Observation") == ["lab"]
    assert ids(laboratory, "/Observation?_id=social") == []
    assert ids(laboratory, "/Observation?category=social-history") == []
    assert ids(laboratory, "/Patient/anna/Observation") == ["lab"]
    assert ids(laboratory, "/Patient/bertram/Observation") == []
    assert sorted(ids(laboratory, "?_type=Observation,Patient")) == ["anna", "bertram", "lab"]
    assert ids(laboratory, "/Observation/$lastn?patient=anna&code=8302-2") == ["lab"]
    for count in ("_count=0", "_summary=count", "_total=accurate"):
        found = orjson.loads(laboratory.http.get(f"/fhir/Observation?{count}").content)
        assert found["total"] == 1


def test_what_is_brought_along_is_narrowed_too(laboratory: Bulk) -> None:
    assert sorted(ids(laboratory, "/DiagnosticReport?_include=DiagnosticReport:result")) == ["lab", "report"]
    assert sorted(ids(laboratory, "/Patient?_revinclude=Observation:patient")) == ["anna", "bertram", "lab"]
    assert sorted(ids(laboratory, "/Patient/anna/$everything")) == ["anna", "lab", "report"]
    assert ids(laboratory, "/Patient/bertram/$everything") == ["bertram"]


def test_no_chain_leads_over_what_is_narrowed(everybody: Bulk, laboratory: Bulk) -> None:
    asked = "/Patient?_has:Observation:patient:category=vital-signs"
    assert ids(everybody, asked) == ["bertram"] and ids(laboratory, asked) == []
    asked = "/DiagnosticReport?result.category=social-history"
    assert ids(everybody, asked) == ["report"] and ids(laboratory, asked) == []


def test_reads_are_narrowed(everybody: Bulk, laboratory: Bulk) -> None:
    get = laboratory.http.get
    assert get("/fhir/Observation/lab").status_code == 200
    for path in ("Observation/social", "Observation/social/_history", "Observation/social/_history/1"):
        assert get(f"/fhir/{path}").status_code == 404, path
    assert get("/fhir/Observation/social/$validate").status_code == 404
    assert ids(laboratory, "/Observation/_history") == ["lab"]
    # One that was something else before, and one that is something else now, show nothing of that.
    everybody.put(observation("vital", "bertram", **of("laboratory")))
    everybody.put(observation("lab", "anna", **of("imaging")))
    assert get("/fhir/Observation/vital").status_code == 200
    assert get("/fhir/Observation/vital/_history/1").status_code == 404
    assert get("/fhir/Observation/lab").status_code == 404
    assert get("/fhir/Observation/lab/_history/1").status_code == 404
    assert ids(laboratory, "/Observation/_history") == ["vital"]
    history = orjson.loads(get("/fhir/Observation/vital/_history").content)
    assert len(history["entry"]) == 1 and "total" not in history


def test_what_was_written_is_answered_only_where_it_may_be_read(everybody: Bulk) -> None:
    client = Bulk("Writer", f"system/Observation.cu system/Observation.rs?category={CATEGORY}|laboratory")
    patch = orjson.dumps([{"op": "replace", "path": "/status", "value": "amended"}])
    asked = {"content_type": "application/json-patch+json"}
    done = client.http.patch("/fhir/Observation/social", patch, **asked)
    assert done.status_code == 200 and done.content == b""
    assert b"amended" in client.http.patch("/fhir/Observation/lab", patch, **asked).content


def test_an_export_is_narrowed_and_so_is_who_was_told_of(laboratory: Bulk) -> None:
    found = laboratory.ids(laboratory.done("/$export?_type=Observation"))
    assert found == {"Observation": ["lab"]}
    ctx, since, until = system_context("test"), wall() - timedelta(days=1), wall() + timedelta(days=1)
    told = [bool(disclosures_of(ctx, each, since, until)) for each in ("anna", "bertram")]
    assert told == [True, False]


def test_a_file_is_for_tokens_of_the_scopes_it_was_asked_with(everybody: Bulk) -> None:
    (file,) = everybody.done("/$export?_type=Observation")["output"]
    client = ApiClient.objects.get(name="Bulk")

    def fetched(scopes: str) -> int:
        AccessToken.objects.filter(client=client).update(scopes=scopes)
        return everybody.http.get(file["url"].removeprefix("http://testserver")).status_code

    assert fetched("system/*.rs") == 200
    assert fetched("system/Observation.read") == 200
    assert fetched("system/Patient.rs") == 403
    assert fetched(f"system/Observation.rs?category={CATEGORY}|laboratory") == 403


def test_several_narrowed_scopes_are_one_or_the_other(everybody: Bulk) -> None:
    one = f"system/Observation.rs?category={CATEGORY}|laboratory"
    client = Bulk("Two", f"{one} system/Observation.rs?category=vital-signs&status=final")
    assert sorted(ids(client, "/Observation")) == ["lab", "vital"]
    assert ids(client, "/Observation?status=final&category=vital-signs") == ["vital"]
    none = Bulk("None", "system/Observation.rs?category=vital-signs&status=amended")
    assert ids(none, "/Observation") == []
    other = Bulk("Not", f"system/Observation.rs?category:not={CATEGORY}|laboratory")
    assert sorted(ids(other, "/Observation")) == ["social", "vital"]
    assert other.http.get("/fhir/Observation/lab").status_code == 404
    assert other.http.get("/fhir/Observation/vital").status_code == 200


#: What a scope may ask of whose a resource is, what it leads to and what leads to it; each finds what is Anna's.
RELATED = [
    "patient=anna",
    "patient=Patient/anna",
    "subject=Patient/anna",
    "subject:Patient=anna",
    "patient.name=familyanna",
    "subject:Patient.birthdate=1944-01-02",
    "subject:Patient.general-practitioner:Practitioner.name=lind",
]


@pytest.fixture
def treated(everybody: Bulk) -> Bulk:
    """Anna has a practitioner of hers, and a provenance says who noted her social history."""
    everybody.put({"resourceType": "Practitioner", "id": "lind", "name": [{"family": "Lind"}]})
    everybody.put(patient("anna", generalPractitioner=[{"reference": "Practitioner/lind"}]))
    everybody.put(
        {
            "resourceType": "Provenance",
            "id": "noted",
            "target": [{"reference": "Observation/social"}],
            "recorded": "2024-01-02T08:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/lind"}}],
        }
    )
    return everybody


@pytest.mark.parametrize("query", RELATED)
def test_a_scope_says_whose_and_what_of_those_it_leads_to(treated: Bulk, query: str) -> None:
    # Without a scope of Patient: what the scope's chain leads over is not the client's to read.
    client = Bulk("Anna", f"system/Observation.rs?{query} system/DiagnosticReport.rs")
    assert sorted(ids(client, "/Observation")) == ["lab", "social"]
    assert ids(client, "/Observation?category=vital-signs") == []
    assert ids(client, "/Observation?_id=vital,lab") == ["lab"]
    assert orjson.loads(client.http.get("/fhir/Observation?_summary=count").content)["total"] == 2
    for id, status in (("lab", 200), ("social", 200), ("vital", 404)):
        for path in ("", "/_history", "/_history/1", "/$meta"):
            assert client.http.get(f"/fhir/Observation/{id}{path}").status_code == status, (id, path)
    assert sorted(ids(client, "/Observation/_history")) == ["lab", "social"]
    assert sorted(ids(client, "/DiagnosticReport?_include=DiagnosticReport:result")) == ["lab", "report", "social"]
    assert client.http.get("/fhir/Patient/anna").status_code == 403


def test_what_leads_to_a_resource_narrows_it_too(treated: Bulk) -> None:
    client = Bulk("Noted", "system/Observation.rs?_has:Provenance:target:agent:Practitioner.name=lind")
    assert ids(client, "/Observation") == ["social"]
    assert client.http.get("/fhir/Observation/social").status_code == 200
    assert client.http.get("/fhir/Observation/lab").status_code == 404


def test_everything_and_exports_keep_to_whose_it_is(treated: Bulk) -> None:
    scopes = "system/Patient.rs?_id=anna system/Observation.rs?patient.name=familyanna"
    client = Bulk("Anna", scopes)
    assert sorted(ids(client, "/Patient/anna/$everything")) == ["anna", "lab", "social"]
    assert client.http.get("/fhir/Patient/bertram/$everything").status_code == 404
    assert sorted(ids(client, "?_type=Observation,Patient")) == ["anna", "lab", "social"]
    found = client.ids(client.done("/Patient/$export"))
    assert {kind: sorted(each) for kind, each in found.items()} == {
        "Observation": ["lab", "social"],
        "Patient": ["anna"],
    }
    ctx, since, until = system_context("test"), wall() - timedelta(days=1), wall() + timedelta(days=1)
    assert [bool(disclosures_of(ctx, each, since, until)) for each in ("anna", "bertram")] == [True, False]


def test_whose_it_is_follows_what_stands_now(treated: Bulk) -> None:
    client = Bulk("Lind's", "system/Observation.rs?subject:Patient.general-practitioner:Practitioner.name=lind")
    assert sorted(ids(client, "/Observation")) == ["lab", "social"]
    treated.put(patient("anna"))
    treated.put(patient("bertram", generalPractitioner=[{"reference": "Practitioner/lind"}]))
    assert ids(client, "/Observation") == ["vital"]
    assert client.http.get("/fhir/Observation/lab/_history/1").status_code == 404
    treated.delete("Observation/vital")
    assert client.http.get("/fhir/Observation/vital").status_code == 404
    assert ids(client, "/Observation") == []


def test_of_two_ways_each_holds_by_itself(treated: Bulk) -> None:
    """A resource of the one's patient and of the other's code is within neither. ``:text`` is in no index, so that
    it is looked up in the resource."""
    treated.put(observation("told", "anna", code={"text": "Told by Anna"}))
    treated.put(observation("heard", "bertram", code={"text": "Heard of Bertram"}))
    treated.put(observation("mixed", "anna", code={"text": "Heard of Anna"}))
    client = Bulk(
        "Both",
        "system/Observation.rs?patient=anna&code:text=told "
        "system/Observation.rs?patient.name=familybertram&code:text=heard",
    )
    assert sorted(ids(client, "/Observation")) == ["heard", "told"]
    for id, status in (("told", 200), ("heard", 200), ("mixed", 404), ("lab", 404)):
        assert client.http.get(f"/fhir/Observation/{id}").status_code == status, id
    # A version of before is given where the very way that holds now held of it.
    treated.put(observation("mixed", "anna", code={"text": "Told by Anna"}))
    assert client.http.get("/fhir/Observation/mixed/_history/2").status_code == 200
    assert client.http.get("/fhir/Observation/mixed/_history/1").status_code == 404


@pytest.mark.parametrize(
    "query", ["colour=red", "category", "_sort=date", "date=soon", "code:in=http://a.example/v", "_text=x",
              "patient.colour=red", "patient.name.x=1", "code.x=1"],
)  # fmt: skip
def test_a_scope_that_cannot_be_narrowed_so_is_refused_with_a_reason(db: None, query: str) -> None:
    draft = NewClient("X", f"system/Observation.rs?{query}", Role.HIT, Purpose.OPERATIONS)
    with pytest.raises(ClientError, match=r"cannot be narrowed so"):
        add_token(system_context("test"), draft)
