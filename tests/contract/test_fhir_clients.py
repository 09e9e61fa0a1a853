"""Public clients of FHIR against the API by wire, without special treatment; and what no client would send."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from fhirclient.client import FHIRClient
from fhirclient.models.patient import Patient
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from charthouse.fhir.api import NewClient, add_client, add_token
from charthouse.foundation.access.api import system_context
from charthouse.foundation.jobs import api as jobs
from tests.support.assertions import Service
from tests.support.served import serving

CTX = system_context("test")


@pytest.fixture
def base(committed_db: str) -> Iterator[str]:
    with serving() as address:
        yield f"{address}/fhir"


@pytest.fixture
def token(base: str) -> str:
    return add_token(CTX, NewClient("Public client", "system/*.cruds"))


def test_fhirpy(base: str, token: str) -> None:
    client = SyncFHIRClient(base, authorization=f"Bearer {token}")
    patient = client.resource("Patient", name=[{"family": "Abernathy", "given": ["Ruth"]}], birthDate="1951-02-03")
    patient.save()
    assert patient.id and patient["meta"]["versionId"] == "1"
    again = client.reference("Patient", patient.id).to_resource()
    assert again["birthDate"] == "1951-02-03"
    found = client.resources("Patient").search(family="abern", birthdate="1951-02-03").fetch_all()
    assert [each.id for each in found] == [patient.id]
    again["gender"] = "female"
    again.save()
    assert client.resources("Patient").search(gender="female").count() == 1
    made, is_new = (
        client.resources("Patient")
        .search(family="nobody")
        .get_or_create(client.resource("Patient", name=[{"family": "Nobody"}]))
    )
    assert is_new and made.id
    with pytest.raises(OperationOutcome):
        client.resource("Patient", colour="green").save()
    again.delete()
    with pytest.raises((ResourceNotFound, OperationOutcome)):
        client.reference("Patient", patient.id).to_resource()


def test_fhirclient(base: str, token: str) -> None:
    smart = FHIRClient(settings={"app_id": "test", "api_base": base})
    smart.server.session.headers["Authorization"] = f"Bearer {token}"
    made = Patient({"name": [{"family": "Okonjo", "given": ["Marcus"]}], "birthDate": "1980-05-06"})
    told = made.create(smart.server)
    assert told is not None and told["id"]
    read = Patient.read(told["id"], smart.server)
    assert read.birthDate.isostring == "1980-05-06" and smart.human_name(read.name[0]) == "Marcus Okonjo"
    found = Patient.where(struct={"family": "okonjo"}).perform_resources(smart.server)
    assert [each.id for each in found] == [told["id"]]
    assert smart.server.capabilityStatement.fhirVersion == "4.0.1"


def test_a_backend_service_exports_in_bulk(base: str, token: str) -> None:
    """A service as SMART and the Bulk Data specification describe it, which knows nothing but the base address."""
    writer = {"Authorization": f"Bearer {token}"}
    for number in range(3):
        body = {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": f"Name{number}"}]}
        assert requests.put(f"{base}/Patient/p{number}", json=body, headers=writer, timeout=30).status_code == 201

    service = Service("RS384")
    service.client_id = add_client(CTX, NewClient("Warehouse", "system/*.rs"), jwks=service.jwks)
    endpoint = requests.get(f"{base}/.well-known/smart-configuration", timeout=30).json()["token_endpoint"]
    granted = requests.post(endpoint, data=service.form(endpoint, "system/*.read"), timeout=30).json()
    http = requests.Session()
    http.headers["Authorization"] = f"Bearer {granted['access_token']}"

    kick = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
    asked = http.get(f"{base}/Patient/$export", params={"_type": "Patient"}, headers=kick, timeout=30)
    assert asked.status_code == 202
    status = asked.headers["Content-Location"]
    jobs.declare_all()
    jobs.run_worker(wait=False)
    for _ in range(100):
        response = http.get(status, headers={"Accept": "application/json"}, timeout=30)
        if response.status_code == 200:
            break
        assert response.status_code == 202
        time.sleep(0.1)
    manifest = response.json()
    assert (
        manifest["requiresAccessToken"] is True
        and requests.get(manifest["output"][0]["url"], timeout=30).status_code == 401
    )
    lines = [
        line
        for file in manifest["output"]
        for line in http.get(file["url"], headers={"Accept": "application/fhir+ndjson"}, timeout=30).iter_lines()
    ]
    assert len(lines) == 3
    assert http.delete(status, timeout=30).status_code == 202
    assert http.get(status, timeout=30).status_code == 404


def _query(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string", **schema}}


def _path(name: str, *values: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, **({"enum": list(values)} if values else {})}
    return {"name": name, "in": "path", "required": True, "schema": schema}


_ANSWERS = {"responses": {"default": {"description": "any"}}}
_TYPE = _path("type", "Patient", "Observation", "Encounter", "DocumentReference", "Binary")
_BODY = {
    "requestBody": {
        "content": {
            "application/fhir+json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "resourceType": {"enum": ["Patient", "Observation", "Bundle", "Parameters"]},
                        "id": {"type": "string"},
                        "name": {},
                        "entry": {"type": "array", "items": {"type": "object"}},
                        "subject": {"type": "object"},
                    },
                }
            }
        }
    }
}
_FORM = {
    "requestBody": {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "grant_type": {"enum": ["client_credentials", "password"]},
                        "scope": {"type": "string"},
                        "client_assertion_type": {
                            "enum": ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
                        },
                        "client_assertion": {"type": "string"},
                    },
                }
            }
        }
    }
}
_ASYNC = {"name": "Prefer", "in": "header", "schema": {"enum": ["respond-async"]}, "required": True}
_SEARCHED = ("_count", "_sort", "_lastUpdated", "name", "_id", "code", "_has:Observation:patient:code")
_EXPORTED = ("_type", "_since", "_elements", "_outputFormat")
#: The addresses, and what may stand in them: a part of the API in the form that the tool reads.
DESCRIPTION = {
    "openapi": "3.0.3",
    "info": {"title": "FHIR", "version": "4.0.1"},
    "paths": {
        "/{type}": {
            "get": {"parameters": [_TYPE, *map(_query, _SEARCHED)], **_ANSWERS},
            "post": {"parameters": [_TYPE], **_BODY, **_ANSWERS},
        },
        "/{type}/{id}": {
            "get": {"parameters": [_TYPE, _path("id")], **_ANSWERS},
            "put": {"parameters": [_TYPE, _path("id")], **_BODY, **_ANSWERS},
            "delete": {"parameters": [_TYPE, _path("id")], **_ANSWERS},
        },
        "/": {"post": {**_BODY, **_ANSWERS}},
        "/$export": {
            "get": {"parameters": [_ASYNC, *map(_query, _EXPORTED)], **_ANSWERS}
        },
        "/bulk/{id}": {"get": {"parameters": [_path("id")], **_ANSWERS}},
        "/auth/token": {"post": {**_FORM, **_ANSWERS}},
        "/auth/introspect": {"post": {**_FORM, **_ANSWERS}},
    },
}  # fmt: skip


@pytest.mark.slow
def test_whatever_is_sent_is_answered_in_words(base: str, token: str) -> None:
    """No request makes a fault of ours: each is answered, and a refusal is an OperationOutcome or OAuth's error."""
    schema = schemathesis.openapi.from_dict(DESCRIPTION)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 10

    @settings(
        max_examples=100,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of([operation.as_strategy() for operation in operations]))
    def send(case: Any) -> None:
        response = case.call(base_url=base, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code < 500, (case.method, case.path, response.status_code)
        if response.status_code >= 400:
            told = response.json()
            assert told.get("resourceType") == "OperationOutcome" or "error" in told

    send()
