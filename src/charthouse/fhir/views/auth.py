"""How systems come by a token: SMART's configuration, the token, its introspection and its revocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from charthouse.fhir.access.api import Client, authenticate
from charthouse.fhir.access.keys import ALGORITHMS
from charthouse.fhir.actions.grant_token import grant_token, revoke_token, token_state
from charthouse.fhir.domain.oauth import OAuthError, smart_configuration
from charthouse.fhir.http import base_url
from charthouse.foundation.access.by_token import by_token

_FORM = "application/x-www-form-urlencoded"
_LARGEST_FORM = 64_000


def _answer(body: Mapping[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "Pragma": "no-cache"},
    )


def _oauth(view: Callable[[HttpRequest], HttpResponse]) -> Any:
    """A view that takes a form by POST and whose errors are those of OAuth."""

    @csrf_exempt
    @wraps(view)
    def opened(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            answer = _answer({"error": "invalid_request", "error_description": "Send a form by POST."}, 405)
            answer["Allow"] = "POST"
            return answer
        try:
            return view(request)
        except OAuthError as error:
            answer = _answer(error.as_json(), error.status)
            if error.retry_after:
                answer["Retry-After"] = str(error.retry_after)
            if error.status == 401:
                answer["WWW-Authenticate"] = "Bearer"
            return answer

    return by_token(opened)


def _form(request: HttpRequest) -> dict[str, str]:
    """The fields of a form. Raises OAuthError for another type, a field given twice, and one that is too large."""
    if request.content_type != _FORM:
        raise OAuthError("invalid_request", f"The body must be a form: Content-Type: {_FORM}.")
    body = request.read(_LARGEST_FORM + 1)
    if len(body) > _LARGEST_FORM:
        raise OAuthError("invalid_request", f"The form is larger than {_LARGEST_FORM:,} bytes.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        raise OAuthError("invalid_request", "The form cannot be read.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise OAuthError("invalid_request", "A field stands twice in the form.")
    return fields


@_oauth
def token(request: HttpRequest) -> HttpResponse:
    """A short-lived access token for a client's signed assertion."""
    granted = grant_token(_form(request), f"{base_url(request)}/auth/token", _remote(request))
    return _answer(
        {
            "access_token": granted.secret,
            "token_type": "bearer",
            "expires_in": granted.seconds,
            "scope": granted.scopes,
        }
    )


@_oauth
def introspect(request: HttpRequest) -> HttpResponse:
    """Whether a token of the asking client is in force (RFC 7662)."""
    client = _client(request)
    state = token_state(client, _form(request).get("token", ""))
    if state is None:
        return _answer({"active": False})
    told: dict[str, Any] = {
        "active": True,
        "client_id": state.client_id,
        "scope": state.scopes,
        "token_type": "bearer",
        "iat": int(state.issued_at.timestamp()),
    }
    if state.expires_at is not None:
        told["exp"] = int(state.expires_at.timestamp())
    return _answer(told)


@_oauth
def revoke(request: HttpRequest) -> HttpResponse:
    """Take back a token of the asking client (RFC 7009)."""
    client = _client(request)
    revoke_token(client, _form(request).get("token", ""))
    return _answer({})


@csrf_exempt
def _configuration(request: HttpRequest) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
    return HttpResponse(
        orjson.dumps(smart_configuration(base_url(request), ALGORITHMS)), content_type="application/json"
    )


configuration = by_token(_configuration)


def _client(request: HttpRequest) -> Client:
    client = authenticate(request)
    if client is None:
        raise OAuthError("invalid_client", "A bearer token in force of the client itself is needed.", 401)
    return client


def _remote(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))
