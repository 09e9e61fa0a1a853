"""SMART Backend Services: a token for a signed assertion, and everything for which there is none."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from charthouse.fhir.access import api as access
from charthouse.fhir.access import keys
from charthouse.fhir.actions.manage_clients import NewClient, add_client, change_keys, revoke_client
from charthouse.foundation.access.api import Purpose, Role, system_context
from charthouse.foundation.ledger.api import Filters, Outcome, entries
from tests.support.assertions import Service
from tests.support.threads import together

TOKEN = "http://testserver/fhir/auth/token"
CTX = system_context("test")


def registered(service: Service, scopes: str = "system/*.rs", name: str = "Backend") -> Service:
    draft = NewClient(name, scopes, Role.HIT, Purpose.OPERATIONS)
    service.client_id = add_client(CTX, draft, jwks=service.jwks)
    return service


def ask(form: dict[str, str], path: str = "/fhir/auth/token", **extra: str) -> HttpResponse:
    return Client().post(path, urlencode(form), content_type="application/x-www-form-urlencoded", **extra)  # type: ignore[arg-type]


def granted(service: Service, scope: str = "system/*.read") -> dict[str, Any]:
    response = ask(service.form(TOKEN, scope))
    assert response.status_code == 200, response.content
    told: dict[str, Any] = json.loads(response.content)
    return told


def known(secret: str) -> access.Client | None:
    return access.authenticate(RequestFactory().get("/fhir", HTTP_AUTHORIZATION=f"Bearer {secret}"))


@pytest.mark.django_db
class TestGranting:
    @pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
    def test_token_for_an_assertion(self, algorithm: str) -> None:
        service = registered(Service(algorithm))
        response = ask(service.form(TOKEN, "system/Patient.read system/Observation.rs"))
        told = json.loads(response.content)
        assert response["Cache-Control"] == "no-store" and response["Content-Type"] == "application/json"
        assert told["token_type"] == "bearer" and told["expires_in"] == 300
        assert told["scope"] == "system/Patient.rs system/Observation.rs"
        client = known(told["access_token"])
        assert client is not None and client.id == service.client_id and client.name == "Backend"
        assert client.may("r", "Patient") and not client.may("r", "Encounter") and not client.may("c", "Patient")
        line = next(iter(entries(CTX, Filters(action="fhir.token-granted")).lines))
        assert line.actor == client.ctx.actor and told["access_token"] not in str(line.detail)

    def test_granted_is_no_more_than_allowed(self) -> None:
        service = registered(Service(), "system/Patient.rs")
        assert granted(service, "system/*.cruds")["scope"] == "system/Patient.rs"

    def test_a_client_narrows_itself_by_no_chain_that_it_was_not_given(self) -> None:
        """What a chain of its own found would tell of patients whom it may not read."""
        chained = "system/Observation.rs?patient.name=marsh"
        service = registered(Service(), f"system/Observation.rs {chained}")
        assert granted(service, chained)["scope"] == chained
        assert granted(service, "system/Observation.rs?patient=x")["scope"].startswith(
            "system/Observation.rs?patient=x"
        )
        for scope in (
            "system/Observation.rs?patient.name=lind",
            "system/Observation.rs?_has:Provenance:target:agent=x",
        ):
            response = ask(service.form(TOKEN, scope))
            assert response.status_code == 400 and json.loads(response.content)["error"] == "invalid_scope", scope

    def test_revoked_client_is_out_at_once(self) -> None:
        service = registered(Service())
        secret = granted(service)["access_token"]
        revoke_client(CTX, "Backend")
        assert known(secret) is None
        assert ask(service.form(TOKEN, "system/*.read")).status_code == 400

    def test_keys_are_changed(self) -> None:
        service = registered(Service())
        secret = granted(service)["access_token"]
        newer = Service(number=1, kid="key-2", client_id=service.client_id)
        change_keys(CTX, "Backend", jwks=newer.jwks)
        assert known(secret) is None and ask(service.form(TOKEN, "system/*.read")).status_code == 400
        assert granted(newer)["scope"] == "system/*.rs"

    def test_own_tokens_are_introspected_and_revoked(self) -> None:
        mine, other = registered(Service()), registered(Service(number=1), name="Other")
        one, two = granted(mine)["access_token"], granted(other)["access_token"]
        head = {"HTTP_AUTHORIZATION": f"Bearer {one}"}
        told = json.loads(ask({"token": one}, "/fhir/auth/introspect", **head).content)
        assert told["active"] and told["client_id"] == mine.client_id and told["exp"] > time.time()
        assert json.loads(ask({"token": two}, "/fhir/auth/introspect", **head).content) == {"active": False}
        assert ask({"token": two}, "/fhir/auth/revoke", **head).status_code == 200
        assert known(two) is not None
        assert ask({"token": one}, "/fhir/auth/revoke", **head).status_code == 200
        assert known(one) is None
        assert ask({"token": one}, "/fhir/auth/introspect", **head).status_code == 401

    def test_smart_configuration(self) -> None:
        told = json.loads(Client().get("/fhir/.well-known/smart-configuration").content)
        assert told["token_endpoint"] == TOKEN
        assert told["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
        assert told["grant_types_supported"] == ["client_credentials"]


@pytest.mark.django_db
class TestRefusing:
    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"grant_type": ""}, "invalid_request"),
            ({"client_assertion_type": "x"}, "invalid_request"),
            ({"client_assertion": ""}, "invalid_request"),
            ({"client_assertion": "x" * 20_000}, "invalid_request"),
            ({"client_assertion": "no.jw.t"}, "invalid_client"),
            ({"scope": ""}, "invalid_scope"),
            ({"scope": "system/*.write"}, "invalid_scope"),
            ({"scope": "patient/*.read"}, "invalid_scope"),
            ({"scope": "system/Observation.rs?colour=x"}, "invalid_scope"),
        ],
    )
    def test_form(self, changes: dict[str, str], error: str) -> None:
        response = ask({**registered(Service()).form(TOKEN, "system/*.read"), **changes})
        assert response.status_code == 400 and json.loads(response.content)["error"] == error
        line = next(iter(entries(CTX, Filters(action="fhir.token-refused")).lines))
        assert line.outcome is Outcome.REFUSED and line.detail == {"error": error}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"exp": int(time.time()) - 3600},
            {"exp": int(time.time()) + 3600},
            {"exp": None},
            {"exp": "soon"},
            {"exp": float("inf")},
            {"aud": "http://elsewhere/fhir/auth/token"},
            {"aud": None},
            {"iss": "somebody"},
            {"iss": "some\0body", "sub": "some\0body"},
            {"sub": "somebody"},
            {"jti": None},
            {"jti": ""},
            {"nbf": int(time.time()) + 3600},
            {"head": {"kid": "key-9"}},
            {"head": {"kid": 7}},
            {"head": {"jku": "https://evil.example/jwks.json"}},
        ],
        ids=",".join,
    )
    def test_assertion(self, wrong: dict[str, Any]) -> None:
        service = registered(Service())
        response = ask({**service.form(TOKEN, "system/*.read"), "client_assertion": _signed(service, wrong)})
        assert response.status_code == 400
        assert json.loads(response.content)["error"] == "invalid_client"

    def test_signed_by_another_key(self) -> None:
        service = registered(Service())
        stranger = Service(number=1, client_id=service.client_id)
        assert json.loads(ask(stranger.form(TOKEN, "system/*.read")).content)["error"] == "invalid_client"

    def test_signed_with_the_public_key_as_a_secret(self) -> None:
        service = registered(Service("RS384"))
        forged = jwt.encode(
            {"iss": service.client_id, "sub": service.client_id, "aud": TOKEN, "exp": time.time() + 60, "jti": "1"},
            "a" * 64,
            algorithm="HS384",
            headers={"kid": "key-1"},
        )
        form = {**service.form(TOKEN, "system/*.read"), "client_assertion": forged}
        assert "RS384 or ES384" in json.loads(ask(form).content)["error_description"]

    def test_weaker_algorithm(self) -> None:
        service = registered(Service("RS384"))
        service.algorithm = "RS256"
        assert json.loads(ask(service.form(TOKEN, "system/*.read")).content)["error"] == "invalid_client"

    def test_unknown_client_and_wrong_signature_are_told_alike(self) -> None:
        service = registered(Service())
        stranger = Service(number=1, client_id=service.client_id)
        nobody = Service(client_id="nobody")
        said = {ask(each.form(TOKEN, "system/*.read")).content for each in (stranger, nobody)}
        assert len(said) == 1

    def test_assertion_is_good_once(self) -> None:
        form = registered(Service()).form(TOKEN, "system/*.read")
        assert ask(form).status_code == 200
        again = ask(form)
        assert again.status_code == 400 and "used before" in json.loads(again.content)["error_description"]

    def test_repeated_failures_wait(self) -> None:
        service = registered(Service())
        wrong = {**service.form(TOKEN, "system/*.read"), "client_assertion": "x"}
        for _ in range(20):
            assert ask(wrong).status_code == 400
        refused = ask(service.form(TOKEN, "system/*.read"))
        assert refused.status_code == 429 and 0 < int(refused["Retry-After"]) <= 60
        elsewhere = ask(service.form(TOKEN, "system/*.read"), REMOTE_ADDR="127.0.0.9")
        assert elsewhere.status_code == 200

    def test_other_methods_and_bodies(self) -> None:
        assert Client().get("/fhir/auth/token").status_code == 405
        assert Client().post("/fhir/auth/token", "{}", content_type="application/json").status_code == 400
        form = "application/x-www-form-urlencoded"
        for body in (b"a=1&a=2", b"\xff\xfe=1", b"a=1&" * 60, b"a" * 70_000):
            assert Client().post("/fhir/auth/token", body, content_type=form).status_code == 400
        for path in ("/fhir/auth/revoke", "/fhir/auth/introspect"):
            assert Client().post(path, "token=x", content_type=form).status_code == 401


def _signed(service: Service, wrong: dict[str, Any]) -> str:
    changes = dict(wrong)
    head = changes.pop("head", None)
    audience = changes.pop("aud", TOKEN)
    if audience is None:
        changes["aud"] = None
    if not isinstance((head or {}).get("kid", ""), str):
        # The library refuses to write such a head, so it is written by hand.
        return _by_hand(service, head)
    return service.assertion(audience or TOKEN, head=head, **changes)


def _by_hand(service: Service, head: dict[str, Any]) -> str:
    whole = service.assertion(TOKEN)
    made = jwt.utils.base64url_encode(json.dumps({"alg": "ES384", "typ": "JWT", **head}).encode()).decode()
    return ".".join([made, *whole.split(".")[1:]])


@pytest.fixture
def keys_address() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server on this machine that gives what lies in the dictionary under ``jwks``, and counts."""
    state: dict[str, Any] = {"jwks": {}, "asked": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state["asked"] += 1
            body = state["jwks"] if isinstance(state["jwks"], bytes) else json.dumps(state["jwks"]).encode()
            self.send_response(state.get("status", 200))
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/jwks.json", state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.django_db
class TestKeysAtAnAddress:
    def test_keys_are_kept_and_fetched_again_for_a_new_one(
        self, keys_address: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address, state = keys_address
        service = Service()
        state["jwks"] = service.jwks
        service.client_id = add_client(CTX, NewClient("Backend", "system/*.rs"), jwks_url=address)
        granted(service)
        granted(service)
        assert state["asked"] == 1
        newer = Service(number=1, kid="key-2", client_id=service.client_id)
        state["jwks"] = newer.jwks
        assert ask(newer.form(TOKEN, "system/*.rs")).status_code == 400
        monkeypatch.setattr(keys, "_AGAIN", 0.0)
        granted(newer)
        assert state["asked"] == 2
        assert ask(service.form(TOKEN, "system/*.rs")).status_code == 400

    @pytest.mark.parametrize("given", [b"", b"x" * 70_000, b"[]", {"keys": []}, ("status", 302), ("status", 500)])
    def test_what_is_no_key_set_grants_nothing(self, keys_address: tuple[str, dict[str, Any]], given: Any) -> None:
        address, state = keys_address
        service = Service()
        state.update(dict([given]) if isinstance(given, tuple) else {"jwks": given})
        service.client_id = add_client(CTX, NewClient("Backend", "system/*.rs"), jwks_url=address)
        response = ask(service.form(TOKEN, "system/*.rs"))
        assert response.status_code == 400 and json.loads(response.content)["error"] == "invalid_client"


def test_one_assertion_sent_eight_times_at_once_gives_one_token(committed_db: None) -> None:
    form = registered(Service()).form(TOKEN, "system/*.read")
    answers: list[int] = []
    assert together([lambda: answers.append(ask(form).status_code)] * 8)["done"] == 8
    assert sorted(answers) == [200, *[400] * 7]
