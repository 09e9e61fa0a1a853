"""The screens of the systems that use the FHIR API."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from charthouse.fhir import api as fhir
from charthouse.foundation.access.api import Role, system_context
from charthouse.people.api import User, add_account
from charthouse.people.testing import sign_in
from tests.support.assertions import Service

pytestmark = pytest.mark.django_db
CTX = system_context("test")
FORM = {
    "name": "Registry",
    "scopes": "system/*.read",
    "role": "cancer-registrar",
    "purpose": "PUBHLTH",
    "proof": "token",
}


@pytest.fixture
def browser() -> Client:
    made = add_account(
        CTX, username="admin", display_name="A. Dmin", roles=[Role.ADMINISTRATOR], require_totp=False
    )
    return sign_in(User.objects.get(pk=made.id))


def only() -> fhir.ClientRow:
    (row,) = fhir.clients(CTX)
    return row


def test_a_token_is_shown_once(browser: Client) -> None:
    response = browser.post("/clients/add", {**FORM, "days": "30", "address": "1 Main St"})
    (secret,) = re.findall(r"chf_[\w-]+", response.content.decode())
    assert response["Cache-Control"] and "no-store" in response["Cache-Control"]
    row = only()
    assert (row.name, row.role, row.address, row.expires_at is not None) == (
        "Registry", Role.REGISTRAR, "1 Main St", True,
    )  # fmt: skip
    assert Client(HTTP_AUTHORIZATION=f"Bearer {secret}").get("/fhir/Patient/x").status_code == 404
    for path in ("/clients/", f"/clients/{row.id}"):
        assert secret not in browser.get(path).content.decode()
    assert browser.post(f"/clients/{row.id}/revoke").status_code == 302
    assert Client(HTTP_AUTHORIZATION=f"Bearer {secret}").get("/fhir/Patient/x").status_code == 401
    assert browser.post(f"/clients/{row.id}/revoke").status_code == 422


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": ""}, "needs a name"),
        ({"scopes": "patient/*.read"}, "no scope of a system"),
        ({"role": "emperor"}, "Choose the role"),
        ({"role": "coder", "scopes": "system/*.cruds"}, "may not write"),
        ({"purpose": "x"}, "what the client uses records for"),
        ({"days": "many"}, "whole number"),
        ({"days": "0"}, "from 1 to 3,650 days"),
        ({"proof": ""}, "proves who it is"),
        ({"proof": "keys", "jwks": "{"}, "JSON Web Key Set"),
        ({"proof": "keys", "jwks": '{"keys": []}'}, "JSON Web Key Set"),
        ({"proof": "address", "jwks_url": "http://10.1.1.1/"}, "not fetched from 10.1.1.1"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(browser: Client, change: dict[str, Any], says: str) -> None:
    response = browser.post("/clients/add", {**FORM, "address": "1 Main St", **change})
    assert response.status_code == 422 and says in response.content.decode()
    assert "1 Main St" in response.content.decode()
    assert fhir.clients(CTX) == []


def test_a_service_with_keys(browser: Client) -> None:
    added = browser.post("/clients/add", {**FORM, "proof": "keys", "jwks": json.dumps(Service().jwks)})
    assert added.status_code == 302 and only().has_keys
    page = browser.get(added["Location"]).content.decode()
    assert only().client_id in page and "http://testserver/fhir/auth/token" in page
    path = f"/clients/{only().id}/keys"
    assert browser.post(path, {"jwks": json.dumps(Service(number=1).jwks)}).status_code == 302
    assert browser.post(path, {"jwks": "no"}).status_code == 422
    assert browser.post(path, {"jwks_url": "http://localhost:1/jwks"}).status_code == 302
    assert only().keys == "http://localhost:1/jwks"
    assert browser.get("/clients/999").status_code == 404
