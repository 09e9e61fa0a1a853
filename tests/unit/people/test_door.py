"""The door: headers, forwarded addresses, forged forms, and the declarations of views."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from charthouse.configuration import ConfigurationError, configuration
from charthouse.people.api import User
from charthouse.people.permissions import OWN_ACCOUNT
from charthouse.people.testing import sign_in
from charthouse.web.security import proxies
from charthouse.web.security.api import framed, public, screen
from charthouse.web.security.headers import SecurityHeaders
from charthouse.web.security.middleware import page_of
from charthouse.web.security.screens import declaration_of

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1/128"))
addresses = st.ip_addresses(v=4).map(str)


class TestHeaders:
    def test_pages_load_nothing_foreign_and_nothing_inline(self, client: Client, db: None) -> None:
        response = client.get("/sign-in/")
        policy = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert "unsafe" not in response["Content-Security-Policy"]
        assert response["Cache-Control"] == "no-store"
        assert response["X-Frame-Options"] == "DENY"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"
        assert response["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in response["Permissions-Policy"]

    @pytest.mark.parametrize("path", ["/", "/nowhere/", "/session/", "/account/", "/session/locked/"])
    def test_every_answer_carries_them(self, client: Client, db: None, path: str) -> None:
        response = client.get(path)
        assert response["Cache-Control"] == "no-store" and "Content-Security-Policy" in response

    @pytest.mark.parametrize(
        "path",
        ["/account/", "/account/password/", "/account/authenticator/", "/account/recovery-codes/", "/sign-in/"],
    )
    def test_pages_keep_their_own_policy(self, make_user: Callable[..., User], path: str) -> None:
        page = sign_in(make_user()).get(path, follow=True).content.decode()
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)

    def test_documents_may_be_framed_by_us_alone_and_run_nothing(self) -> None:
        view = framed(lambda request: HttpResponse("<p>received</p>"))
        response = SecurityHeaders(view)(RequestFactory().get("/document/"))
        policy = response["Content-Security-Policy"]
        assert "frame-ancestors 'self'" in policy and "script-src" not in policy and "default-src 'none'" in policy
        assert response["X-Frame-Options"] == "SAMEORIGIN"


class TestForms:
    def test_form_without_its_token_is_refused_kindly(self, db: None) -> None:
        browser = Client(enforce_csrf_checks=True)
        response = browser.post("/sign-in/", {"login": "x", "password": "y"})
        assert response.status_code == 403 and "too old" in response.content.decode()

    def test_htmx_sends_the_token_in_a_header(self, make_user: Callable[..., User]) -> None:
        browser = sign_in(make_user(), Client(enforce_csrf_checks=True))
        page = browser.get("/account/").content.decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token is not None
        assert browser.post("/session/seen/").status_code == 403
        assert browser.post("/session/seen/", headers={"X-CSRFToken": token[1]}).status_code == 204

    def test_sign_out_needs_a_form(self, make_user: Callable[..., User]) -> None:
        browser = sign_in(make_user())
        assert browser.get("/sign-out/").status_code == 405
        assert browser.get("/session/").json()["state"] == "open"


class TestForwardedAddresses:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "expected"),
        [
            ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("::1", "2001:db8::9", "2001:db8::9"),
        ],
    )
    def test_nearest_untrusted_address_is_the_client(self, peer: str, forwarded: str, expected: str) -> None:
        assert proxies.client_address(peer, forwarded, TRUSTED) == expected

    @given(peer=addresses, claimed=st.lists(addresses, max_size=4), real=addresses)
    def test_nothing_a_client_writes_hides_its_address(self, peer: str, claimed: list[str], real: str) -> None:
        trusted = (ip_network("10.0.0.0/8"),)
        if real.startswith("10."):
            return
        assert proxies.client_address("10.0.0.1", ", ".join([*claimed, real]), trusted) == real
        if not peer.startswith("10."):
            assert proxies.client_address(peer, ", ".join(claimed), trusted) == peer

    def test_without_trusted_proxies_nothing_forwarded_is_believed(self) -> None:
        seen: list[Any] = []
        request = RequestFactory().get(
            "/", headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
        )
        proxies.TrustedProxies(lambda r: (seen.append((r.META["REMOTE_ADDR"], r.scheme)), HttpResponse())[1])(
            request
        )
        assert seen == [("127.0.0.1", "http")]

    def test_trusted_proxy_gives_address_and_scheme(self, monkeypatch: pytest.MonkeyPatch) -> None:
        site = dataclasses.replace(configuration(), extra={"trusted_proxies": ["127.0.0.1"]})
        monkeypatch.setattr(proxies, "configuration", lambda: site)
        seen: list[Any] = []
        request = RequestFactory().get(
            "/", headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
        )
        proxies.TrustedProxies(lambda r: (seen.append((r.META["REMOTE_ADDR"], r.scheme)), HttpResponse())[1])(
            request
        )
        assert seen == [("203.0.113.9", "https")]

    def test_wrong_setting_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        site = dataclasses.replace(configuration(), extra={"trusted_proxies": ["proxy.example"]})
        monkeypatch.setattr(proxies, "configuration", lambda: site)
        with pytest.raises(ConfigurationError, match="trusted_proxies"):
            proxies.TrustedProxies(lambda r: HttpResponse())


class TestDeclarations:
    def test_said_once(self) -> None:
        view = screen(OWN_ACCOUNT)(lambda request: HttpResponse())
        assert declaration_of(view) is not None
        with pytest.raises(TypeError, match="twice"):
            public(view)

    def test_unsaid_is_none(self) -> None:
        assert declaration_of(lambda request: HttpResponse()) is None


class TestTheWayBack:
    @pytest.mark.parametrize(
        ("method", "path", "headers", "expected"),
        [
            ("get", "/chart/1?tab=labs", {}, "/chart/1?tab=labs"),
            ("post", "/chart/1/sign", {"referer": "http://testserver/chart/1"}, "/chart/1"),
            ("post", "/chart/1/sign", {"referer": "https://evil.example/chart/1"}, "/"),
            ("post", "/chart/1/sign", {}, "/"),
            ("get", "/part", {"HX-Request": "true", "HX-Current-URL": "http://testserver/chart/1"}, "/chart/1"),
            ("get", "/part", {"HX-Request": "true", "HX-Current-URL": "http://testserver//evil.example/"}, "/"),
            ("get", "/" + "x" * 2000, {}, "/"),
        ],
    )
    def test_is_a_page_of_ours(self, method: str, path: str, headers: dict[str, str], expected: str) -> None:
        assert page_of(getattr(RequestFactory(), method)(path, headers=headers)) == expected


def test_link_from_another_site_leads_on_with_one_click(client: Client, db: None) -> None:
    page = client.get("/sign-in/?next=/chart/1", headers={"Sec-Fetch-Site": "cross-site"}).content.decode()
    assert '<a href="/chart/1">go on</a>' in page
    assert "go on" not in client.get("/sign-in/?next=/chart/1").content.decode()


def test_the_door_costs_four_queries(make_user: Callable[..., User]) -> None:
    """Session, account, roles, facilities; noting activity is a fifth now and then."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    browser = sign_in(make_user(), Client())
    with CaptureQueriesContext(connection) as queries:
        assert browser.post("/session/seen/").status_code == 204
    assert len(queries) <= 4
