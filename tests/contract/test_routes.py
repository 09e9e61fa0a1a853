"""Every address, for every role, signed out and locked: open exactly to those its view declares, else refused and
in the ledger. A new address is walked by itself; one whose view declares nothing fails here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, path
from django.urls.converters import get_converters

from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.ledger.api import Filters, Line, Outcome, entries
from charthouse.people.api import User, add_account
from charthouse.people.models import RoleGrant
from charthouse.people.testing import session_of, sign_in
from charthouse.web.security.screens import Declaration, declaration_of

_SAMPLES = {
    "uuid": UUID(int=1),
    "int": 1,
    "slug": "x",
    "str": "x",
    "path": "x",
    "fhir_type": "Patient",
    "fhir_id": "x",
}
CTX = system_context("test")


@dataclass(frozen=True)
class Route:
    """One address: its pattern, a sample of it, and its view's declaration."""

    pattern: str
    sample: str
    declared: Declaration | None


def _routes(resolver: URLResolver | None = None, prefix: str = "", sample: str = "/") -> Iterator[Route]:
    patterns = (resolver or get_resolver()).url_patterns
    names = {type(converter): name for name, converter in get_converters().items()}
    for entry in patterns:
        pattern, filled = f"{prefix}{entry.pattern}", str(entry.pattern)
        for name, converter in entry.pattern.converters.items():
            kind = names.get(type(converter))
            assert kind in _SAMPLES, f"{pattern}: the test knows no sample for the converter of {name}"
            for written in (f"<{kind}:{name}>", f"<{name}>"):
                filled = filled.replace(written, str(_SAMPLES[kind]))
        if isinstance(entry, URLPattern):
            yield Route(pattern, sample + filled, declaration_of(entry.callback))
        else:
            yield from _routes(entry, pattern, sample + filled)


ROUTES = sorted(_routes(), key=lambda route: route.pattern)
SCREENS = [route for route in ROUTES if route.declared and route.declared.permission]
PUBLIC = [route for route in ROUTES if route.declared and not route.declared.permission]
by_pattern = {"ids": lambda route: route.pattern or "(root)"}


def _last_refusal() -> Line | None:
    return next(iter(entries(CTX, Filters(action="access.refused")).lines), None)


def _count() -> int:
    return len(entries(CTX, Filters(action="access.refused")).lines)


@pytest.fixture
def visitor(db: None, monkeypatch: pytest.MonkeyPatch) -> User:
    from django.contrib.auth.hashers import Argon2PasswordHasher

    for name, value in {"time_cost": 1, "memory_cost": 64, "parallelism": 1}.items():
        monkeypatch.setattr(Argon2PasswordHasher, name, value)
    made = add_account(CTX, username="visitor", display_name="A Visitor", roles=[Role.HIT], require_totp=False)
    return User.objects.get(pk=made.id)


def become(user: User, role: Role) -> None:
    RoleGrant.objects.filter(user=user).update(role=role)


@pytest.mark.parametrize("route", ROUTES, **by_pattern)
def test_view_says_who_may_open_it(route: Route) -> None:
    assert route.declared is not None, f"{route.pattern}: its view needs @screen(PERMISSION) or @public"


def test_there_are_routes_of_both_kinds() -> None:
    assert len(SCREENS) > 10 and {route.pattern for route in PUBLIC} >= {"sign-in/", "sign-out/"}


@pytest.mark.parametrize("route", SCREENS, **by_pattern)
def test_open_exactly_to_the_roles_declared(route: Route, visitor: User) -> None:
    assert route.declared is not None and route.declared.permission is not None
    browser = sign_in(visitor)
    for role in Role:
        become(visitor, role)
        before = _count()
        response = browser.get(route.sample)
        refused = _count() > before
        if role in route.declared.permission.roles:
            assert not refused, f"{role.title} holds the right and was refused: {_last_refusal()}"
            assert response.status_code != 403
        else:
            assert response.status_code == 403, f"{role.title} holds no right to {route.pattern}"
            line = _last_refusal()
            assert refused and line is not None and line.outcome is Outcome.REFUSED
            assert line.actor == visitor.actor and line.session == str(session_of(browser).pk)
            assert line.detail == {"route": route.pattern, "because": route.declared.permission.code}
            assert route.declared.permission.title in response.content.decode()


@pytest.mark.parametrize("route", SCREENS, **by_pattern)
def test_signed_out_is_sent_to_sign_in(route: Route, db: None) -> None:
    for method in ("get", "post"):
        response = getattr(Client(), method)(route.sample)
        assert response.status_code in (302, 303) and response["Location"].startswith("/sign-in/")
        line = _last_refusal()
        assert line is not None and line.actor == "anonymous"
        assert line.detail == {"route": route.pattern, "because": "signed out"}


@pytest.mark.parametrize("route", SCREENS, **by_pattern)
def test_locked_is_sent_to_the_lock(route: Route, visitor: User) -> None:
    assert route.declared is not None and route.declared.permission is not None
    become(visitor, sorted(route.declared.permission.roles)[0])
    browser = sign_in(visitor)
    browser.post("/session/lock/")
    for method in ("get", "post"):
        response = getattr(browser, method)(route.sample)
        assert response.status_code in (302, 303) and response["Location"].startswith("/session/locked/")
        line = _last_refusal()
        assert line is not None and line.actor == visitor.actor
        assert line.detail == {"route": route.pattern, "because": "locked"}


@pytest.mark.parametrize("route", PUBLIC, **by_pattern)
def test_public_address_is_refused_to_nobody(route: Route, visitor: User) -> None:
    browser = sign_in(visitor)
    for client in (Client(), browser):
        assert client.get(route.sample).status_code < 403 or client.get(route.sample).status_code == 405
    assert _count() == 0


def _silent(request: Any) -> HttpResponse:
    return HttpResponse("never seen")


urlpatterns = [path("silent/", _silent)]


@pytest.mark.urls(__name__)
def test_view_that_declares_nothing_is_refused(visitor: User) -> None:
    become(visitor, Role.ADMINISTRATOR)
    for client in (Client(), sign_in(visitor)):
        response = client.get("/silent/")
        assert response.status_code == 403 and "never seen" not in response.content.decode()
        line = _last_refusal()
        assert line is not None and line.detail["because"] == "the view declares no right"
