"""Batches and transactions, as R4 says them (https://hl7.org/fhir/R4/http.html#transaction)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.fhir.rest import BASE, Api, Caller, json, let_in, said
from tests.unit.fhir.test_rest import PATIENT, made, observation

pytestmark = [pytest.mark.database]
PERSON = "urn:uuid:0f3b7c1e-1111-4111-8111-000000000001"
FINDING = "urn:uuid:0f3b7c1e-1111-4111-8111-000000000002"


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Caller:
    who = Caller()
    let_in(monkeypatch, who)
    return who


@pytest.fixture
def api(db: None, caller: Caller) -> Api:
    return Api()


def entry(
    method: str, url: str, resource: Any = None, full_url: str | None = None, **request: str
) -> dict[str, Any]:
    told: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        told["resource"] = resource
    if full_url:
        told["fullUrl"] = full_url
    return told


def bundle(*entries: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def statuses(response: Any) -> list[str]:
    return [each["response"]["status"][:3] for each in json(response)["entry"]]


def test_a_transaction_resolves_references_between_its_entries(api: Api) -> None:
    finding = observation("x", subject={"reference": PERSON})
    finding["derivedFrom"] = [{"reference": FINDING}]
    finding["text"] = {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{PERSON}">her</a></div>',
    }
    finding["identifier"] = [{"system": "urn:ietf:rfc:3986", "value": PERSON}]
    response = api.post(
        "", bundle(entry("POST", "Observation", finding, FINDING), entry("POST", "Patient", PATIENT, PERSON))
    )
    assert response.status_code == 200, response.content
    told = json(response)
    assert told["type"] == "transaction-response" and statuses(response) == ["201", "201"]
    places = [each["response"]["location"] for each in told["entry"]]
    assert [each["response"]["etag"] for each in told["entry"]] == ['W/"1"', 'W/"1"']
    here = json(api.get("/" + places[0].partition("/_history")[0]))
    patient = places[1].partition("/_history")[0]
    assert here["subject"] == {"reference": patient}
    assert here["derivedFrom"] == [{"reference": f"Observation/{here['id']}"}]
    assert f'href="{patient}"' in here["text"]["div"]
    assert here["identifier"][0]["value"] == PERSON, "what somebody is called is no reference"


def test_references_by_address_and_to_ourselves(api: Api) -> None:
    elsewhere = "http://other.example/fhir/Patient/7"
    response = api.post(
        "",
        bundle(
            entry("POST", "Patient", {**PATIENT, "id": "7"}, elsewhere),
            entry("POST", "Observation", observation("7"), "http://other.example/fhir/Observation/1"),
            entry("POST", "Observation", observation("x", subject={"reference": elsewhere})),
        ),
    )
    assert statuses(response) == ["201"] * 3
    places = [each["response"]["location"].partition("/_history")[0] for each in json(response)["entry"]]
    for place in places[1:]:
        assert json(api.get(f"/{place}"))["subject"]["reference"] == places[0]
    own = api.post("/Observation", observation("x", subject={"reference": f"{BASE}/{places[0]}"}))
    assert json(own)["subject"]["reference"] == places[0]


def test_a_transaction_is_whole_or_nothing_and_names_the_entry(api: Api) -> None:
    before = len(json(api.get("/_history")).get("entry", []))
    response = api.post(
        "",
        bundle(
            entry("POST", "Patient", PATIENT, PERSON),
            entry("POST", "Observation", {**observation("x"), "subject": {"reference": PERSON}, "status": "blue"}),
        ),
    )
    assert response.status_code == 400
    assert json(response)["issue"][0]["expression"] == ["Bundle.entry[1].resource.status"]
    assert len(json(api.get("/_history")).get("entry", [])) == before


@pytest.mark.parametrize(
    ("entries", "status", "place"),
    [
        ([entry("POST", "Observation", observation("x", subject={"reference": PERSON}))], 400, "Bundle.entry[0]"),
        (
            [
                entry(
                    "POST", "Observation", observation("x", subject={"reference": "Patient?identifier=urn:test|no"})
                )
            ],
            412,
            "Bundle.entry[0]",
        ),
        ([entry("PUT", "Patient/a", {**PATIENT, "id": "a"}), entry("DELETE", "Patient/a")], 200, None),
        ([entry("PUT", "Patient/a", {**PATIENT, "id": "a"})] * 2, 400, "Bundle.entry[1]"),
        ([entry("PUT", "Patient/a", {**PATIENT, "id": "b"})], 400, "Bundle.entry[0].resource.id"),
        ([entry("PUT", "Patient/a", {**PATIENT, "id": "a"}, ifMatch='W/"3"')], 412, "Bundle.entry[0]"),
        ([entry("GET", "Patient/none")], 404, "Bundle.entry[0]"),
        ([entry("FLY", "Patient")], 400, "Bundle.entry[0].request"),
        ([entry("POST", "Shoe", PATIENT)], 404, "Bundle.entry[0].request.url"),
        ([entry("POST", "Group", PATIENT)], 400, "Bundle.entry[0].resource"),
        ([{"resource": PATIENT}], 400, "Bundle.entry[0].request"),
    ],
)
def test_entries_that_cannot_be_done(api: Api, entries: Any, status: int, place: str | None) -> None:
    response = api.post("", bundle(*entries))
    assert response.status_code == status, response.content
    if place:
        assert json(response)["issue"][0]["expression"] == [place] and said(response)


def test_conditions_in_a_transaction(api: Api) -> None:
    person = made(api)
    condition = "identifier=urn:test|1"
    fresh = {**PATIENT, "identifier": [{"system": "urn:test", "value": "2"}]}
    response = api.post(
        "",
        bundle(
            entry("POST", "Patient", PATIENT, PERSON, ifNoneExist=condition),
            entry("POST", "Observation", observation("x", subject={"reference": PERSON})),
            entry("POST", "Observation", observation("x", subject={"reference": f"Patient?{condition}"})),
            entry("POST", "Patient", fresh, ifNoneExist="identifier=urn:test|2"),
            entry("POST", "Patient", fresh, ifNoneExist="identifier=urn:test|2"),
            entry("GET", f"Patient/{person}"),
        ),
    )
    assert statuses(response) == ["200", "201", "201", "201", "200", "200"], response.content
    entries = json(response)["entry"]
    for each in entries[1:3]:
        place = each["response"]["location"].partition("/_history")[0]
        assert json(api.get(f"/{place}"))["subject"]["reference"] == f"Patient/{person}"
    assert entries[3]["response"]["location"] == entries[4]["response"]["location"]
    assert entries[5]["resource"]["id"] == person


def test_a_batch_does_what_it_can(api: Api) -> None:
    id = made(api)
    response = api.post(
        "",
        bundle(
            entry("POST", "Patient", PATIENT),
            entry("POST", "Patient", {**PATIENT, "shoe": 1}),
            entry("GET", f"Patient/{id}"),
            entry("GET", "Patient/none"),
            entry("PUT", f"Patient/{id}", {**PATIENT, "id": id, "gender": "female"}, ifMatch='W/"1"'),
            entry("DELETE", "Patient/none"),
            entry("GET", f"Patient/{id}/_history"),
            kind="batch",
        ),
    )
    assert response.status_code == 200 and json(response)["type"] == "batch-response"
    assert statuses(response) == ["201", "400", "200", "404", "200", "204", "200"]
    entries = json(response)["entry"]
    assert entries[1]["response"]["outcome"]["issue"][0]["expression"] == ["Bundle.entry[1].resource"]
    assert entries[2]["resource"]["gender"] == "female", "reads come last"
    assert entries[6]["resource"]["total"] == 2


def test_a_patch_in_a_bundle(api: Api) -> None:
    id = made(api)
    patch = {"resourceType": "Binary", "contentType": "application/json-patch+json",
             "data": "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2FjdGl2ZSIsInZhbHVlIjp0cnVlfV0="}  # fmt: skip
    response = api.post("", bundle(entry("PATCH", f"Patient/{id}", patch)), prefer="return=representation")
    assert statuses(response) == ["200"]
    assert json(response)["entry"][0]["resource"]["active"] is True


def test_what_is_no_bundle_to_carry_out(api: Api) -> None:
    assert api.post("", PATIENT).status_code == 400
    assert api.post("", bundle(kind="collection")).status_code == 400
    assert json(api.post("", bundle()))["type"] == "transaction-response"
    assert api.post("/Bundle", {"resourceType": "Bundle", "type": "collection"}).status_code == 201
