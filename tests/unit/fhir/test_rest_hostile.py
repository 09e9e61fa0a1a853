"""Broken and malicious requests: each is refused with an OperationOutcome, none is a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest
from orjson import dumps

from tests.unit.fhir.rest import Api, Caller, json, let_in
from tests.unit.fhir.test_bundles import bundle, entry
from tests.unit.fhir.test_rest import PATIENT, made

pytestmark = [pytest.mark.database]


@pytest.fixture
def api(db: None, monkeypatch: pytest.MonkeyPatch) -> Api:
    who = Caller()
    let_in(monkeypatch, who)
    return Api()


DEEP = b'{"resourceType":"Patient","extension":' + b'[{"extension":' * 500 + b"[]" + b"}]" * 500 + b"}"
BODIES: list[bytes] = [
    b"",
    b" ",
    b"null",
    b"[]",
    b"7",
    b'"Patient"',
    b"{}",
    b'{"resourceType":7}',
    b'{"resourceType":"Patient"',
    b'{"resourceType":"Patient","id":7}',
    b'{"resourceType":"Patient","id":{}}',
    b'{"resourceType":"Patient","name":[{"family":"\\u0000"}]}',
    b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}',
    b'{"resourceType":"Patient","name":[{"family":"\xff"}]}',
    b"\xff\xfe{\x00}\x00",
    b'{"resourceType":"Patient","multipleBirthInteger":1e400}',
    b'{"resourceType":"Patient","meta":7}',
    b'{"resourceType":"Patient","identifier":[null]}',
    b'{"resourceType":"Patient","identifier":{"system":1,"value":[]}}',
    b'{"resourceType":"Patient","generalPractitioner":[{"reference":7}]}',
    b'{"resourceType":"Patient","generalPractitioner":[{"reference":"Patient?identifier="}]}',
    b'{"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner?shoe=1"}]}',
    DEEP,
]
REFUSED = {400, 404, 405, 406, 409, 410, 412, 413, 415, 422}


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize(("method", "path"), [("POST", "/Patient"), ("PUT", "/Patient/a"), ("POST", "")])
def test_broken_bodies(api: Api, method: str, path: str, body: bytes) -> None:
    response = api.ask(method, path, body)
    assert response.status_code in REFUSED, (response.status_code, response.content[:200])
    assert json(response)["issue"][0]["diagnostics"]


ENTRIES: list[Any] = [
    None,
    7,
    [],
    {},
    {"request": None},
    {"request": {"method": "POST"}},
    {"request": {"method": "POST", "url": 7}},
    {"request": {"method": "GET", "url": ""}},
    {"request": {"method": "GET", "url": "../../ledger/"}},
    {"request": {"method": "GET", "url": "Patient/%00"}},
    {"request": {"method": "GET", "url": "http://elsewhere.example/Patient/1"}},
    {"request": {"method": "POST", "url": ""}, "resource": bundle()},
    {"request": {"method": "POST", "url": "Patient", "ifNoneExist": "\u0000"}, "resource": PATIENT},
    {"request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=a|\\"}, "resource": PATIENT},
    {"request": {"method": "PUT", "url": "Patient"}, "resource": PATIENT},
    {"request": {"method": "PUT", "url": "Patient/a/b"}, "resource": PATIENT},
    {"request": {"method": "PUT", "url": "Patient/a", "ifMatch": "x"}, "resource": {**PATIENT, "id": "a"}},
    {"request": {"method": "PATCH", "url": "Patient/a"}, "resource": {"resourceType": "Binary", "data": "%"}},
    {"request": {"method": "DELETE", "url": "Patient?"}},
    {"request": {"method": "POST", "url": "Patient"}, "resource": "Patient"},
    {"request": {"method": "POST", "url": "Patient"}, "resource": PATIENT, "fullUrl": 7},
]


@pytest.mark.parametrize("broken", ENTRIES, ids=range(len(ENTRIES)))
def test_broken_entries_spoil_a_transaction_and_not_a_batch(api: Api, broken: Any) -> None:
    good = entry("POST", "Patient", PATIENT)
    response = api.post("", bundle(good, broken))
    told = json(response)
    if response.status_code == 200:  # some are harmless
        assert told["type"] == "transaction-response"
    else:
        assert response.status_code in REFUSED, response.content[:300]
    response = api.post("", bundle(broken, good, kind="batch"))
    if response.status_code == 200:
        assert [each["response"]["status"][:3] for each in json(response)["entry"]][1] == "201"
        assert "500" not in {each["response"]["status"][:3] for each in json(response)["entry"]}
    else:
        assert response.status_code in REFUSED


@pytest.mark.parametrize(
    "path",
    [
        "/Patient/%00",
        "/Patient/%F0%9F%98%80",
        "/Patient?identifier=%00",
        "/Patient?_id=%00",
        "/Patient?name=%00",
        "/Patient?birthdate=9999999",
        "/Patient/_history?_count=99999999999999999999",
        "/Patient/_history?_since=0000-00-00",
        "/Patient/_history?_page=9.9.9",
        "/Patient/_history?_page=999999999999999999.1.1",
        "/Patient/1/_history/99999999999999999999",
        "/Patient/1/_history/%00",
        "/%00",
        "/Patient/" + "a" * 5000,
        "/_history?_at=9999-12-31",
    ],
)
def test_strange_addresses(api: Api, path: str) -> None:
    response = api.get(path)
    assert response.status_code == 200 or response.status_code in REFUSED, response.content[:300]


PATCHES: list[Any] = [
    [{"op": "add", "path": "/name/99", "value": {}}],
    [{"op": "add", "path": "/name/-1", "value": {}}],
    [{"op": "add", "path": "/name/01", "value": {}}],
    [{"op": "add", "path": "name", "value": {}}],
    [{"op": "add", "path": "", "value": 7}],
    [{"op": "add", "path": "", "value": {"resourceType": "Group", "id": "x"}}],
    [{"op": "replace", "path": "/name/0/family/x", "value": 7}],
    [{"op": "move", "path": "/name/0/given/0", "from": "/name"}],
    [{"op": "copy", "path": "/name/-", "from": "/nothing"}],
    [{"op": "test", "path": "/birthDate"}],
    [{"op": "remove", "path": ""}],
    [{"op": "remove", "path": "/resourceType"}],
    [7],
    [{}],
    7,
]


@pytest.mark.parametrize("patch", PATCHES, ids=range(len(PATCHES)))
def test_strange_patches(api: Api, patch: Any) -> None:
    id = made(api)
    response = api.ask("PATCH", f"/Patient/{id}", dumps(patch), content_type="application/json-patch+json")
    assert response.status_code in REFUSED, response.content[:300]
    assert api.get(f"/Patient/{id}")["ETag"] == 'W/"1"'
