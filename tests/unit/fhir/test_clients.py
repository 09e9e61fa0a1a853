"""Clients and their bearer tokens: made, known again, and revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as HttpClient
from django.test import RequestFactory
from typer.testing import CliRunner

from charthouse.fhir import commands
from charthouse.fhir.access.api import Client, authenticate
from charthouse.fhir.actions.manage_clients import (
    NewClient,
    add_client,
    add_token,
    change_keys,
    clients,
    revoke_client,
)
from charthouse.fhir.domain.errors import ClientError
from charthouse.fhir.models import AccessToken
from charthouse.foundation.access.api import AccessContext, Label, PermissionRefused, Purpose, Role, system_context
from charthouse.foundation.access.clearance import clearance_for
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import Filters, entries

pytestmark = pytest.mark.django_db
CTX = system_context("test")


def known(secret: str, scheme: str = "Bearer") -> Client | None:
    return authenticate(RequestFactory().get("/fhir/Patient/1", HTTP_AUTHORIZATION=f"{scheme} {secret}"))


def test_token_is_known_until_it_is_revoked() -> None:
    draft = NewClient("Registry", "system/Patient.read", Role.CODER, Purpose.PUBLIC_HEALTH, "1 Main St")
    secret = add_token(CTX, draft)
    client = known(secret)
    assert client is not None and client.name == "Registry" and client.address == "1 Main St"
    assert client.may("r", "Patient") and client.may("s", "Patient")
    assert not client.may("u", "Patient") and not client.may("r", "Observation")
    assert client.ctx.purpose is Purpose.PUBLIC_HEALTH and client.ctx.roles == {Role.CODER}
    assert client.ctx.sees(Label.HIV) and not client.ctx.sees(Label.RESTRICTED | Label.PSYCHOTHERAPY)
    # A coder sees these here; they leave the house only with the patient's own consent.
    assert clearance_for([Role.CODER]) & Label.SUBSTANCE_USE and not client.ctx.sees(Label.SUBSTANCE_USE)
    assert known(secret, "bearer") is not None
    assert known(secret, "Basic") is None and known(secret + "x") is None and known("") is None
    assert bytes(AccessToken.objects.get().digest) != secret.encode()

    revoke_client(CTX, "Registry")
    assert known(secret) is None
    done = [line.action for line in entries(CTX, Filters()).lines if line.action.startswith("fhir.")]
    assert sorted(done) == ["fhir.client-revoked", "fhir.token-added"]
    assert secret not in str([line.detail for line in entries(CTX, Filters()).lines])


def test_a_token_not_in_force_is_named_as_such() -> None:
    strange = HttpClient().get("/fhir/Patient/x")
    assert strange.status_code == 401 and strange["WWW-Authenticate"] == "Bearer"
    ended = HttpClient(HTTP_AUTHORIZATION="Bearer chf_ended").get("/fhir/Patient/x")
    assert ended.status_code == 401 and ended["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_name_is_free_again_after_revoking() -> None:
    first = add_token(CTX, NewClient("Script", "system/*.cruds"))
    with pytest.raises(ClientError, match="already"):
        add_token(CTX, NewClient("Script", "system/*.cruds"))
    revoke_client(CTX, "Script")
    second = add_token(CTX, NewClient("Script", "system/*.cruds"))
    assert known(first) is None and known(second) is not None
    with pytest.raises(ClientError, match="no client"):
        revoke_client(CTX, "Nobody")


def test_token_ends_at_its_time() -> None:
    secret = add_token(CTX, NewClient("Script", "system/*.cruds"), days=1)
    assert known(secret) is not None
    AccessToken.objects.update(expires_at=wall() - timedelta(seconds=1))
    assert known(secret) is None


@pytest.mark.parametrize(
    "draft",
    [
        NewClient(" ", "system/*.read"),
        NewClient("x", ""),
        NewClient("x", "patient/*.read"),
        NewClient("x", "system/Dragon.read"),
        NewClient("x", "system/*.read", Role.ADMINISTRATOR),
        NewClient("x", "system/*.cruds", Role.CODER),
        NewClient("x" * 201, "system/*.read"),
        NewClient("x\n", "system/*.read", address="a" * 1001),
    ],
)
def test_what_is_no_client_is_refused(draft: NewClient) -> None:
    with pytest.raises(ClientError):
        add_token(CTX, draft)
    assert clients(CTX) == []


def test_rights() -> None:
    def someone(role: Role) -> AccessContext:
        return AccessContext("user:1", "Somebody", frozenset({role}))

    with pytest.raises(PermissionRefused):
        add_token(someone(Role.MANAGER), NewClient("x", "system/*.read"))
    with pytest.raises(PermissionRefused):
        clients(someone(Role.HIT))
    add_token(someone(Role.ADMINISTRATOR), NewClient("x", "system/*.read"))
    assert [row.name for row in clients(someone(Role.AUDITOR))] == ["x"]
    with pytest.raises(PermissionRefused):
        revoke_client(someone(Role.AUDITOR), "x")


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"keys": []},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}]},
        {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "1"}]},
        {"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "kid": "1"}]},
        {"keys": ["x"]},
    ],
)
def test_keys_that_are_none_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ClientError):
        add_client(CTX, NewClient("x", "system/*.read"), jwks=keys)
    assert clients(CTX) == []


@pytest.mark.parametrize(
    "address", ["http://10.0.0.1/jwks", "https://metadata/latest", "file:///etc/passwd", "http://a@localhost/", ""]
)
def test_keys_are_not_fetched_from_anywhere(address: str) -> None:
    with pytest.raises(ClientError):
        add_client(CTX, NewClient("x", "system/*.read"), jwks_url=address)


def test_a_token_has_no_keys_to_change() -> None:
    add_token(CTX, NewClient("x", "system/*.read"))
    with pytest.raises(ClientError, match="no client"):
        change_keys(CTX, "x", jwks_url="http://localhost/jwks.json")


def test_command_line() -> None:
    run = CliRunner()
    made = run.invoke(commands.app, ["token", "add", "Conformance"])
    assert made.exit_code == 0 and known(made.output.strip()) is not None
    listed = run.invoke(commands.app, ["token", "list"], env={"COLUMNS": "200"})
    assert "in force" in listed.output and made.output.strip() not in listed.output
    assert run.invoke(commands.app, ["token", "add", "Conformance"]).exit_code == 2
    assert run.invoke(commands.app, ["token", "revoke", "Conformance"]).exit_code == 0
    assert known(made.output.strip()) is None
    assert run.invoke(commands.app, ["client", "add", "x", "--scopes", "system/*.read"]).exit_code == 2
