"""Reading and writing resources over REST, as R4 says it (https://hl7.org/fhir/R4/http.html)."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from orjson import dumps

from charthouse.configuration import configuration
from charthouse.exchange.fhir.api import validate
from charthouse.foundation.access.api import Label, Role, system_context
from charthouse.foundation.disclosure.api import disclosures_of
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.intake.api import Connector, take_in
from charthouse.people.api import User, add_account
from charthouse.people.testing import sign_in
from tests.unit.fhir.rest import BASE, Api, Caller, json, let_in, said

pytestmark = [pytest.mark.database]

PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:test", "value": "1"}],
    "name": [{"family": "Muster", "given": ["Anna"]}],
    "birthDate": "1970-01-02",
}


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Caller:
    who = Caller()
    let_in(monkeypatch, who)
    return who


@pytest.fixture
def api(db: None, caller: Caller) -> Api:
    return Api()


def observation(patient: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


def made(api: Api, body: Any = PATIENT) -> str:
    response = api.post(f"/{body['resourceType']}", body)
    assert response.status_code == 201, response.content
    return str(json(response)["id"])


def test_create_names_the_version_and_gives_the_resource_back(api: Api) -> None:
    response = api.post("/Patient", {**PATIENT, "id": "mine"})
    assert response.status_code == 201
    told = json(response)
    assert told["id"] != "mine" and told["meta"]["versionId"] == "1"
    assert response["Location"] == f"{BASE}/Patient/{told['id']}/_history/1"
    assert response["ETag"] == 'W/"1"' and "Last-Modified" in response
    assert response["Content-Type"] == "application/fhir+json; charset=utf-8"
    read = api.get(f"/Patient/{told['id']}")
    assert read.status_code == 200 and json(read) == told
    assert {name: told[name] for name in PATIENT} == PATIENT


def test_numbers_come_out_as_they_came_in(api: Api) -> None:
    patient = made(api)
    body = (
        '{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/PATIENT"},'
        '"valueQuantity":{"value":72.50}}'.replace("PATIENT", patient)
    )
    told = api.post("/Observation", body.encode())
    assert b'"value":72.50' in told.content
    assert b'"value":72.50' in api.get(f"/Observation/{json(told)['id']}").content


@pytest.mark.parametrize(
    ("prefer", "kind"),
    [
        ("return=minimal", None),
        ("return=OperationOutcome", "OperationOutcome"),
        ("return=representation", "Patient"),
    ],
)
def test_prefer_says_what_comes_back(api: Api, prefer: str, kind: str | None) -> None:
    response = api.post("/Patient", PATIENT, prefer=prefer)
    assert response.status_code == 201 and "Location" in response
    assert (json(response)["resourceType"] if response.content else None) == kind


def test_update_makes_versions_and_keeps_each(api: Api) -> None:
    id = made(api)
    body = {**PATIENT, "id": id, "birthDate": "1970-01-03"}
    response = api.put(f"/Patient/{id}", body, if_match='W/"1"')
    assert response.status_code == 200 and response["ETag"] == 'W/"2"'
    assert json(api.get(f"/Patient/{id}/_history/1"))["birthDate"] == "1970-01-02"
    assert json(api.get(f"/Patient/{id}/_history/2"))["birthDate"] == "1970-01-03"
    assert api.get(f"/Patient/{id}/_history/3").status_code == 404
    again = api.put(f"/Patient/{id}", json(response))
    assert again.status_code == 200 and again["ETag"] == 'W/"2"', "the same content again is no version"


@pytest.mark.parametrize(("match", "status"), [('W/"7"', 412), ("nonsense", 400), ('W/"1"', 200), ("*", 200)])
def test_if_match(api: Api, match: str, status: int) -> None:
    id = made(api)
    response = api.put(f"/Patient/{id}", {**PATIENT, "id": id, "gender": "female"}, if_match=match)
    assert response.status_code == status


def test_if_match_of_any_version_asks_for_one_that_stands(api: Api) -> None:
    response = api.put("/Patient/my-9", {**PATIENT, "id": "my-9"}, if_match="*")
    assert response.status_code == 412 and "none of this id" in said(response)
    assert api.ask("DELETE", "/Patient/my-9", if_match="*").status_code == 412
    id = made(api)
    assert api.ask("DELETE", f"/Patient/{id}", if_match="*").status_code == 204
    assert api.put(f"/Patient/{id}", {**PATIENT, "id": id}, if_match="*").status_code == 412


def test_update_with_an_id_of_the_client_creates(api: Api) -> None:
    response = api.put("/Patient/my-1", {**PATIENT, "id": "my-1"})
    assert response.status_code == 201 and json(response)["id"] == "my-1"
    assert api.get("/Patient/my-1").status_code == 200
    assert (
        api.put("/Organization/o.1", {"resourceType": "Organization", "id": "o.1", "name": "A"}).status_code == 201
    )
    assert json(api.get("/Organization/o.1"))["name"] == "A"


@pytest.mark.parametrize(
    ("path", "body", "status", "place"),
    [
        ("/Patient/a", {**PATIENT, "id": "b"}, 400, "Patient.id"),
        ("/Patient/a", PATIENT, 400, "Patient.id"),
        ("/Patient/a", {"resourceType": "Group", "id": "a"}, 400, "resourceType"),
        ("/Patient/a_b", {**PATIENT, "id": "a_b"}, 400, None),
        ("/Nothing/a", {"resourceType": "Nothing", "id": "a"}, 404, None),
        ("/Patient/a", {**PATIENT, "id": "a", "shoe": 1}, 400, "Patient"),
        ("/Patient/a", {**PATIENT, "id": "a", "birthDate": "yesterday"}, 400, "Patient.birthDate"),
        ("/Patient/a", b"{", 400, None),
        ("/Patient/a", b"", 400, None),
    ],
)
def test_bad_bodies_are_refused_with_the_place(
    api: Api, path: str, body: Any, status: int, place: str | None
) -> None:
    response = api.put(path, body)
    assert response.status_code == status, response.content
    told = json(response)
    assert told["resourceType"] == "OperationOutcome" and said(response)
    if place:
        assert told["issue"][0]["expression"] == [place]


def test_delete_leaves_a_tombstone_and_an_update_brings_it_back(api: Api) -> None:
    id = made(api)
    response = api.ask("DELETE", f"/Patient/{id}")
    assert response.status_code == 204 and not response.content
    gone = api.get(f"/Patient/{id}")
    assert gone.status_code == 410 and json(gone)["issue"][0]["code"] == "deleted"
    assert api.get(f"/Patient/{id}/_history/2").status_code == 410
    assert api.get(f"/Patient/{id}/_history/1").status_code == 200
    assert api.ask("DELETE", f"/Patient/{id}").status_code == 204
    assert api.ask("DELETE", "/Patient/none").status_code == 204
    asked = api.ask("DELETE", "/Patient/none", prefer="return=OperationOutcome")
    assert asked.status_code == 200 and json(asked)["resourceType"] == "OperationOutcome"
    back = api.put(f"/Patient/{id}", {**PATIENT, "id": id})
    assert back.status_code == 201 and back["ETag"] == 'W/"3"'
    assert api.get(f"/Patient/{id}").status_code == 200
    entries = json(api.get(f"/Patient/{id}/_history"))["entry"]
    assert [each["request"]["method"] for each in entries] == ["PUT", "DELETE", "POST"]
    assert "resource" not in entries[1]


def test_conditional_read_and_head(api: Api) -> None:
    id = made(api)
    read = api.get(f"/Patient/{id}")
    assert api.get(f"/Patient/{id}", if_none_match=read["ETag"]).status_code == 304
    assert api.get(f"/Patient/{id}", if_none_match='W/"9"').status_code == 200
    assert api.get(f"/Patient/{id}", if_modified_since=read["Last-Modified"]).status_code == 304
    assert api.get(f"/Patient/{id}", if_modified_since="Mon, 01 Jan 2001 00:00:00 GMT").status_code == 200
    head = api.ask("HEAD", f"/Patient/{id}")
    assert head.status_code == 200 and not head.content and head["ETag"] == read["ETag"]


def test_history_pages_by_a_lasting_cursor(api: Api) -> None:
    id = made(api)
    for day in range(10, 16):
        api.put(f"/Patient/{id}", {**PATIENT, "id": id, "birthDate": f"1970-01-{day}"})
    seen = []
    page = json(api.get(f"/Patient/{id}/_history?_count=3"))
    assert page["total"] == 7 and page["type"] == "history"
    while True:
        seen += [each["resource"]["meta"]["versionId"] for each in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        # What is written meanwhile moves nothing.
        api.put(f"/Patient/{id}", {**PATIENT, "id": id, "birthDate": f"1971-01-{10 + len(seen)}"})
        page = json(api.get(following[0].removeprefix(BASE)))
    assert seen == ["7", "6", "5", "4", "3", "2", "1"]
    assert json(api.get("/Patient/_history"))["entry"] and json(api.get("/_history"))["entry"]
    since = json(api.get(f"/Patient/{id}"))["meta"]["lastUpdated"]
    assert [each["resource"]["id"] for each in json(api.get(f"/_history?_since={since}"))["entry"]] == [id]
    assert "entry" not in json(api.get(f"/Patient/{id}/_history?_at=2001"))
    assert api.get(f"/Patient/{id}/_history?_since=then").status_code == 400
    assert api.get("/Patient/none/_history").status_code == 404


def test_conditional_create(api: Api) -> None:
    first = api.post("/Patient", PATIENT, if_none_exist="identifier=urn:test|1")
    assert first.status_code == 201
    again = api.post("/Patient", PATIENT, if_none_exist="identifier=urn:test|1")
    assert again.status_code == 200 and json(again)["id"] == json(first)["id"]
    made(api)
    many = api.post("/Patient", PATIENT, if_none_exist="identifier=urn:test|1")
    assert many.status_code == 412 and json(many)["issue"][0]["code"] == "multiple-matches"
    assert api.post("/Patient", PATIENT, if_none_exist="shoe=1").status_code == 400


def test_conditional_update_and_delete(api: Api) -> None:
    fresh = api.put("/Patient?identifier=urn:test|1", PATIENT)
    assert fresh.status_code == 201
    id = json(fresh)["id"]
    assert api.put("/Patient?identifier=urn:test|1", {**PATIENT, "gender": "female"}).status_code == 200
    assert json(api.get(f"/Patient/{id}"))["gender"] == "female"
    assert api.put("/Patient?identifier=urn:test|1", {**PATIENT, "id": "other"}).status_code == 400
    named = api.put("/Patient?identifier=urn:test|2", {**PATIENT, "id": "named", "identifier": []})
    assert named.status_code == 400, "an empty list is not FHIR"
    assert api.put("/Patient?identifier=urn:test|2", {"resourceType": "Patient", "id": "named"}).status_code == 201
    other = made(api)
    assert api.put("/Patient?identifier=urn:test|1", PATIENT).status_code == 412
    assert api.ask("DELETE", "/Patient?identifier=urn:test|1").status_code == 412
    api.ask("DELETE", f"/Patient/{other}")
    assert api.ask("DELETE", "/Patient?identifier=urn:test|1").status_code == 204
    assert api.get(f"/Patient/{id}").status_code == 410
    assert api.ask("DELETE", "/Patient?identifier=urn:test|1").status_code == 204
    assert api.ask("DELETE", "/Patient").status_code == 400, "nobody deletes everything"


PATCH = "application/json-patch+json"


def test_json_patch(api: Api) -> None:
    id = made(api)
    body = [
        {"op": "test", "path": "/name/0/family", "value": "Muster"},
        {"op": "add", "path": "/name/0/given/-", "value": "Berta"},
        {"op": "replace", "path": "/birthDate", "value": "1971-01-01"},
        {"op": "remove", "path": "/identifier/0"},
    ]
    response = api.ask("PATCH", f"/Patient/{id}", body, content_type=PATCH)
    assert response.status_code == 200, response.content
    told = json(response)
    assert told["name"][0]["given"] == ["Anna", "Berta"] and told["birthDate"] == "1971-01-01"
    assert "identifier" not in told
    assert json(api.ask("PATCH", "/Patient?family=muster", [{"op": "add", "path": "/active", "value": True}],
                        content_type=PATCH))["active"] is True  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([{"op": "test", "path": "/birthDate", "value": "1999-01-01"}], 422),
        ([{"op": "remove", "path": "/nothing"}], 422),
        ([{"op": "replace", "path": "/id", "value": "other"}], 422),
        ([{"op": "add", "path": "/shoe", "value": 1}], 400),
        ([{"op": "fly", "path": "/name"}], 400),
        ({"op": "remove", "path": "/name"}, 400),
        (b"[", 400),
    ],
)
def test_patches_that_cannot_be_applied_change_nothing(api: Api, body: Any, status: int) -> None:
    id = made(api)
    assert api.ask("PATCH", f"/Patient/{id}", body, content_type=PATCH).status_code == status
    assert api.get(f"/Patient/{id}")["ETag"] == 'W/"1"'


def test_patch_of_nothing_and_of_another_type(api: Api) -> None:
    assert api.ask("PATCH", "/Patient/none", [], content_type=PATCH).status_code == 404
    id = made(api)
    assert api.ask("PATCH", f"/Patient/{id}", PATIENT).status_code == 400, "no Parameters"
    assert api.ask("PATCH", f"/Patient/{id}", PATIENT, content_type="text/plain").status_code == 415
    api.ask("DELETE", f"/Patient/{id}")
    assert api.ask("PATCH", f"/Patient/{id}", [], content_type=PATCH).status_code == 410


def test_forms_asked_for(api: Api) -> None:
    id = made(api)
    assert api.get(f"/Patient/{id}", accept="application/fhir+xml").status_code == 406
    assert api.get(f"/Patient/{id}?_format=xml").status_code == 406
    assert api.get(f"/Patient/{id}?_format=application/fhir%2Bjson", accept="text/xml").status_code == 200
    assert api.get(f"/Patient/{id}", accept="application/json")["Content-Type"].startswith("application/json")
    assert api.post("/Patient", PATIENT, content_type="application/fhir+xml").status_code == 415
    assert api.ask("POST", f"/Patient/{id}", PATIENT).status_code == 405


def test_without_a_right_nothing_is_read_or_written(api: Api, caller: Caller) -> None:
    id = made(api)
    caller.allowed = "r"
    assert api.get(f"/Patient/{id}").status_code == 200
    for method, path in (("POST", "/Patient"), ("PUT", f"/Patient/{id}"), ("DELETE", f"/Patient/{id}")):
        assert api.ask(method, path, {**PATIENT, "id": id}).status_code == 403
    caller.allowed = "u"
    assert api.put("/Patient/new", {**PATIENT, "id": "new"}).status_code == 403, "an update that creates"
    caller.allowed = "r"
    assert api.get("/Patient/new").status_code == 404
    caller.allowed = ""
    assert api.get(f"/Patient/{id}").status_code == 403


def test_validate(api: Api) -> None:
    good = api.post("/Patient/$validate", PATIENT)
    assert good.status_code == 200 and json(good)["issue"][0]["severity"] == "information"
    bad = json(api.post("/Patient/$validate", {**PATIENT, "birthDate": "x", "shoe": 1}))
    assert {issue["expression"][0] for issue in bad["issue"]} == {"Patient", "Patient.birthDate"}
    body = {"resourceType": "Parameters", "parameter": [
        {"name": "mode", "valueCode": "update"}, {"name": "resource", "resource": {**PATIENT, "id": "b"}},
    ]}  # fmt: skip
    id = made(api)
    told = json(api.post(f"/Patient/{id}/$validate", body))
    assert told["issue"][0]["expression"] == ["Patient.id"]
    assert json(api.get(f"/Patient/{id}/$validate"))["issue"][0]["severity"] == "information"


def test_a_patient_nobody_sent_is_refused(api: Api) -> None:
    response = api.post("/Observation", observation("nobody"))
    assert response.status_code == 422 and "not in the record" in said(response)


def test_large_attachments_come_back_whole(api: Api) -> None:
    patient = made(api)
    data = "QUJD" * 40_000
    body = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": {"contentType": "text/plain", "data": data}}],
    }
    told = json(api.post("/DocumentReference", body))
    assert told["content"] == body["content"]
    assert json(api.get(f"/DocumentReference/{told['id']}"))["content"] == body["content"]


def test_the_capability_statement_says_what_is_there(api: Api) -> None:
    response = api.get("/metadata")
    told = json(response)
    assert response.status_code == 200 and not validate(told)
    (rest,) = told["rest"]
    patient = next(each for each in rest["resource"] if each["type"] == "Patient")
    assert {each["code"] for each in patient["interaction"]} >= {"read", "vread", "patch", "history-type"}
    assert {each["name"] for each in patient["searchParam"]} >= {"identifier", "birthdate", "_id"}
    assert "Observation:subject" in patient["searchRevInclude"]
    assert {each["name"] for each in patient["operation"]} >= {"validate", "everything", "match"}
    condition = next(each for each in rest["resource"] if each["type"] == "Condition")
    assert "everything" not in {each["name"] for each in condition["operation"]}
    assert not any(each["type"] in ("Parameters", "OperationOutcome") for each in rest["resource"])
    assert api.get("/metadata?mode=terminology").status_code == 404
    assert api.post("/metadata", {}).status_code == 405


def test_metadata_needs_no_token_and_all_else_does(db: None) -> None:
    api = Api()
    assert api.get("/metadata").status_code == 200
    for path in ("", "/Patient", "/Patient/1", "/_history", "/Patient/1/_history/1"):
        response = api.get(path)
        assert response.status_code == 401 and response["WWW-Authenticate"].startswith("Bearer")
        assert json(response)["issue"][0]["code"] == "login"


def test_other_origins_only_where_they_are_named(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    id = made(api)
    assert "Access-Control-Allow-Origin" not in api.get(f"/Patient/{id}", origin="https://app.example")
    monkeypatch.setitem(configuration().extra, "fhir_origins", ["https://app.example"])
    assert api.get(f"/Patient/{id}", origin="https://app.example")["Access-Control-Allow-Origin"]
    assert "Access-Control-Allow-Origin" not in api.get(f"/Patient/{id}", origin="https://other.example")
    asked = api.ask("OPTIONS", f"/Patient/{id}", origin="https://app.example")
    assert asked.status_code == 200 and "If-Match" in asked["Access-Control-Allow-Headers"]


def test_what_is_done_stands_in_the_ledger_and_what_is_read_is_a_disclosure(api: Api, caller: Caller) -> None:
    id = made(api)
    api.get(f"/Patient/{id}")
    api.get("/Patient/none")
    caller.allowed = ""
    api.get(f"/Patient/{id}")
    system = system_context("test")
    lines = entries(system, Filters()).lines
    told = [(line.action, line.outcome.value) for line in lines if line.actor == "client:tester"]
    assert told == [
        ("fhir.refused", "refused"),
        ("fhir.read", "failed"),
        ("fhir.read", "success"),
        ("fhir.create", "success"),
    ]
    assert f"resource/Patient/{id}" in {str(subject) for line in lines for subject in line.subjects}
    (given,) = disclosures_of(system, id, datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    assert given.recipient.name == "Tester" and given.how.value == "api" and given.purpose.value == "TREAT"
    assert [str(item) for item in given.items] == [f"resource/Patient/{id}"]


def test_labels_hide_as_if_it_were_not_there(api: Api, caller: Caller) -> None:
    patient = made(api)
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}
    hidden = made(api, observation(patient, meta={"security": [label]}))
    open_since = made(api, observation(patient, meta={"security": [label]}, note=[{"text": "a"}]))
    api.put(f"/Observation/{open_since}", {**observation(patient), "id": open_since})
    caller.__init__(clearance=Label.NONE)  # type: ignore[misc]
    assert api.get(f"/Observation/{hidden}").status_code == 404
    assert api.get(f"/Observation/{hidden}/_history").status_code == 404
    assert api.get(f"/Observation/{open_since}").status_code == 200
    assert api.get(f"/Observation/{open_since}/_history/1").status_code == 404, "its label still covers it"
    assert len(json(api.get(f"/Observation/{open_since}/_history"))["entry"]) == 1
    assert "entry" not in json(api.get("/Observation/_history?_at=2001"))
    assert api.put(f"/Observation/{hidden}", {**observation(patient), "id": hidden}).status_code == 409
    assert api.ask("DELETE", f"/Observation/{hidden}").status_code == 204
    caller.__init__()  # type: ignore[misc]
    assert api.get(f"/Observation/{hidden}").status_code == 200, "what is not seen is not deleted"


def test_what_is_nowhere_is_said_so(api: Api) -> None:
    for path in ("/Patient/1/_x/y/z", "/$fly", "/Patient/$fly", "/Patient/1/$fly", "/Shoe/1", "/Patient/1/Shoe"):
        response = api.get(path)
        assert response.status_code == 404 and json(response)["resourceType"] == "OperationOutcome", path
    id = made(api)
    assert api.get(f"/Patient/{id}/").status_code == 200
    assert api.post("/Patient/", PATIENT).status_code == 201


def test_a_part_of_a_resource(api: Api) -> None:
    id = made(api)
    told = json(api.get(f"/Patient/{id}?_elements=birthDate"))
    assert set(told) == {"resourceType", "id", "meta", "birthDate"}
    assert told["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "birthDate" in json(api.get(f"/Patient/{id}?_summary=true"))


def test_a_file_goes_in_and_out_as_it_is(api: Api) -> None:
    sent = api.ask("POST", "/Binary", b"%PDF-1.7 invented", content_type="application/pdf")
    assert sent.status_code == 201 and json(sent)["contentType"] == "application/pdf"
    id = json(sent)["id"]
    as_it_is = api.get(f"/Binary/{id}", accept="application/pdf")
    assert as_it_is.content == b"%PDF-1.7 invented" and as_it_is["Content-Type"] == "application/pdf"
    assert json(api.get(f"/Binary/{id}"))["data"] == json(sent)["data"]
    assert api.get("/Patient/1", accept="application/pdf").status_code == 406


@pytest.mark.parametrize("scheme", ["urn:uuid:", "http://elsewhere.example/fhir/Patient/"])
def test_what_leads_elsewhere_stays(api: Api, scheme: str) -> None:
    reference = f"{scheme}0f3b7c1e-1111-4111-8111-000000000009"
    told = api.post("/List", {"resourceType": "List", "status": "current", "mode": "working",
                              "entry": [{"item": {"reference": reference}}]})  # fmt: skip
    assert told.status_code == 201 and json(told)["entry"][0]["item"]["reference"] == reference


def test_what_was_signed_here_is_not_changed_from_outside(api: Api) -> None:
    patient = made(api)
    body = {
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "preliminary",
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "QUJD"}}],
    }
    id = made(api, body)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO record_signature (resource, type, version, as_version, meaning, signer, name, role, "
            "recorded_at, message, statement, sha256, files, seal) SELECT r.id, r.type, 1, 1, 'author', 'user:1', "
            "'Dr', 'physician', now(), 0, '', '', '{}', '' FROM record_resource r WHERE r.public_id = %s",
            [id],
        )
    changed = api.put(f"/DocumentReference/{id}", {**body, "id": id, "docStatus": "final"})
    assert changed.status_code == 409 and "addendum" in said(changed)
    assert api.ask("DELETE", f"/DocumentReference/{id}").status_code == 409


def test_an_item_stays_its_patients(api: Api) -> None:
    one, other = made(api), made(api, {**PATIENT, "name": [{"family": "Other"}], "birthDate": "1930-05-05",
                                       "identifier": [{"system": "urn:test", "value": "9"}]})  # fmt: skip
    id = made(api, observation(one))
    response = api.put(f"/Observation/{id}", {**observation(other), "id": id})
    assert response.status_code == 422 and "another patient" in said(response)


def test_an_update_that_speaks_of_somebody_else_is_done_and_asked_about(api: Api) -> None:
    first = {
        **PATIENT,
        "gender": "female",
        "address": [{"line": ["1 Long Street"], "city": "Springfield", "postalCode": "11111"}],
        "telecom": [{"system": "phone", "value": "217-555-0101"}],
    }
    id = made(api, first)
    other = {
        "resourceType": "Patient", "id": id, "name": [{"family": "Quist", "given": ["Boris"]}], "gender": "male",
        "birthDate": "1999-12-31", "telecom": [{"system": "phone", "value": "999-555-0909"}],
        "address": [{"line": ["77 Short Road"], "city": "Riverton", "postalCode": "99999"}],
    }  # fmt: skip
    assert api.put(f"/Patient/{id}", other).status_code == 200
    assert json(api.get(f"/Patient/{id}"))["gender"] == "male"
    with connection.cursor() as cursor:
        cursor.execute("SELECT reason, patient FROM work_item WHERE queue = 'identity.suspected-overlays'")
        ((reason, patient),) = cursor.fetchall()
    assert patient == id and "was filed" in reason
    staff = staff_browser()
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, detail ->> 'patient' FROM work_item WHERE queue = 'identity.suspected-overlays'")
        ((item, row),) = cursor.fetchall()
    page = staff.get(f"/overlays/{item}").content.decode()
    assert "uses the FHIR API" in page and f"records/{row}/split" in page
    assert ">filed<" in staff.get("/queues/identity.suspected-overlays/").content.decode()
    staff.post(f"/overlays/{item}/same", {"reason": ""})
    assert "Decided" not in staff.get(f"/overlays/{item}").content.decode(), "a reason is needed"
    staff.post(f"/overlays/{item}/same", {"reason": "She changed her name."})
    assert "Decided: the same person." in staff.get(f"/overlays/{item}").content.decode()


def staff_browser() -> Browser:
    system = system_context("test")
    made = add_account(system, username="hit", display_name="A Technician", roles=[Role.HIT], require_totp=False)
    return sign_in(User.objects.get(pk=made.id))


def test_a_practitioner_made_here_is_met_by_its_number_later(api: Api) -> None:
    doctor = {
        "resourceType": "Practitioner", "id": "dr-1", "name": [{"family": "Lind"}],
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}],
    }  # fmt: skip
    assert api.put("/Practitioner/dr-1", doctor).status_code == 201
    bundle = {
        "resourceType": "Bundle", "type": "transaction", "entry": [
            {"resource": {**doctor, "id": "77", "gender": "female"}, "fullUrl": "urn:uuid:1",
             "request": {"method": "POST", "url": "Practitioner"}},
        ],
    }  # fmt: skip
    list(take_in(BytesIO(dumps(bundle)), connector=Connector.FILES, sender="ward"))
    assert json(api.get("/Practitioner/dr-1"))["gender"] == "female"


def operation(type: str, path: str, **parts: Any) -> dict[str, Any]:
    told = [{"name": "type", "valueCode": type}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        key = {"index": "valueInteger", "source": "valueInteger", "destination": "valueInteger"}.get(name)
        told.append({"name": name, **(value if isinstance(value, dict) else {key or "valueString": value})})
    return {"name": "operation", "part": told}


def path_patch(api: Api, path: str, *operations: dict[str, Any]) -> Any:
    return api.ask("PATCH", path, {"resourceType": "Parameters", "parameter": list(operations)})


def test_fhirpath_patch(api: Api) -> None:
    id = made(api)
    contact = [{"name": "system", "valueCode": "phone"}, {"name": "value", "valueString": "217-555-0101"}]
    response = path_patch(
        api,
        f"/Patient/{id}",
        operation("replace", "Patient.birthDate", value={"valueDate": "1971-01-01"}),
        operation("add", "Patient", name="telecom", value={"part": contact}),
        operation("add", "Patient", name="active", value={"valueBoolean": True}),
        operation("add", "Patient.name[0]", name="given", value={"valueString": "Berta"}),
        operation("insert", "Patient.name[0].given", index=0, value={"valueString": "Zoe"}),
        operation("move", "Patient.name.first().given", source=0, destination=2),
        operation("replace", "Patient.telecom.where(system = 'phone').value", value={"valueString": "1"}),
        operation("delete", "Patient.identifier.where(value='1')"),
        operation("delete", "Patient.gender"),
        operation("add", "Patient", name="deceased", value={"valueBoolean": False}),
    )
    assert response.status_code == 200, response.content
    told = json(response)
    assert told["birthDate"] == "1971-01-01" and told["telecom"] == [{"system": "phone", "value": "1"}]
    assert told["name"][0]["given"] == ["Anna", "Berta", "Zoe"] and "identifier" not in told
    assert told["deceasedBoolean"] is False and told["active"] is True
    changed = path_patch(
        api, f"/Patient/{id}", operation("replace", "Patient.deceased", value={"valueDateTime": "2020-01-01"})
    )
    assert json(changed)["deceasedDateTime"] == "2020-01-01" and "deceasedBoolean" not in json(changed)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (operation("fly", "Patient.name"), 400),
        (operation("delete", "Patient.name.given.fly()"), 400),
        (operation("replace", "Patient.nothing", value={"valueString": "x"}), 422),
        (operation("add", "Patient", name="birthDate", value={"valueDate": "1971-01-01"}), 422),
        (operation("add", "Patient", name="shoe", value={"valueString": "x"}), 422),
        (operation("insert", "Patient.name[0].given", index=9, value={"valueString": "x"}), 422),
        (operation("replace", "Patient.birthDate", value={"valueString": "yesterday"}), 400),
        (operation("add", "Patient", name="active"), 400),
    ],
)
def test_fhirpath_patches_that_cannot_be_applied(api: Api, told: dict[str, Any], status: int) -> None:
    id = made(api)
    response = path_patch(api, f"/Patient/{id}", told)
    assert response.status_code == status, response.content
    assert api.get(f"/Patient/{id}")["ETag"] == 'W/"1"'
