"""A client of the FHIR API for tests: requests and answers as JSON, with a token that may do everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from django.http import HttpResponse
from django.test import Client as DjangoClient

from charthouse.fhir.domain.scopes import Scopes, kept_scopes
from charthouse.foundation.access.api import ALL_LABELS, AccessContext, Label, Purpose, Role
from charthouse.record.api import as_it_stands

BASE = "http://testserver/fhir"


@dataclass
class Caller:
    """Who asks, as the API's frame sees it."""

    name: str = "Tester"
    allowed: str = "cruds"
    clearance: Label = ALL_LABELS
    id: str = "tester"
    address: str = ""
    scopes: Scopes = field(default_factory=lambda: kept_scopes("system/*.cruds"))
    ctx: AccessContext = field(init=False)

    def __post_init__(self) -> None:
        self.ctx = AccessContext(
            f"client:{self.id}", self.name, frozenset({Role.HIT}), Purpose.TREATMENT, self.clearance
        )

    def may(self, action: str, resource_type: str) -> bool:
        """Whether the scopes allow it."""
        return action in self.allowed


def let_in(monkeypatch: pytest.MonkeyPatch, who: Caller) -> None:
    """Whoever asks the API is ``who``."""
    monkeypatch.setattr("charthouse.fhir.http.authenticate", lambda request: who)
    monkeypatch.setattr(
        "charthouse.fhir.http.authenticate_reading",
        lambda request, kind, public_id: (who, as_it_stands(who.ctx, kind, public_id)),
    )


class Api:
    """Requests to ``/fhir`` in process."""

    def __init__(self) -> None:
        self.http = DjangoClient(raise_request_exception=True)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """One request; header names are written with underscores."""
        extra = {f"HTTP_{name.upper()}": value for name, value in headers.items() if name != "content_type"}
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        return self.http.generic(
            method,
            f"/fhir{path}",
            data,
            content_type=headers.get("content_type", "application/fhir+json"),
            **extra,  # type: ignore[arg-type]
        )

    def get(self, path: str, **headers: str) -> HttpResponse:
        """GET."""
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> HttpResponse:
        """POST."""
        return self.ask("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> HttpResponse:
        """PUT."""
        return self.ask("PUT", path, body, **headers)


def json(response: HttpResponse) -> Any:
    """The body parsed."""
    return orjson.loads(response.content)


def said(response: HttpResponse) -> str:
    """The sentences of an OperationOutcome."""
    return " ".join(issue["diagnostics"] for issue in json(response)["issue"])
