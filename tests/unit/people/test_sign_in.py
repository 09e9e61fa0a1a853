"""Signing in: password, second factor, lockout, and what is written down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

from charthouse.foundation.access.api import Role, system_context
from charthouse.people import authenticators
from charthouse.people.api import (
    SessionState,
    User,
    add_account,
    disable_account,
    end_role,
    grant_role,
    reset_totp,
    sign_in_policy,
)
from charthouse.people.models import Session
from charthouse.people.testing import session_of, sign_in

PASSWORD = "lantern-harbour-quilt-9"
PERIOD = 30


def code_for(secret: str, shift: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // PERIOD + shift))


def enter(client: Client, login: str, password: str, **given: Any) -> Any:
    return client.post("/sign-in/", {"login": login, "password": password}, **given)


def is_signed_in(client: Client) -> bool:
    return client.get("/session/").json()["state"] == SessionState.OPEN


@pytest.fixture
def enrolled(make_user: Callable[..., User]) -> tuple[User, str]:
    user = make_user("ada")
    secret = authenticators.new_secret()
    assert authenticators.activate_totp(user, secret, code_for(secret, -1))
    return user, secret


@pytest.mark.parametrize("login", ["okafor", " OKAFOR ", "r.okafor@example.org", "R.Okafor@Example.org"])
def test_signs_in_by_name_or_address_in_any_case(
    make_user: Callable[..., User], client: Client, ledger: Any, login: str
) -> None:
    user = make_user(email="R.Okafor@example.org")
    response = enter(client, login, PASSWORD)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert is_signed_in(client)
    assert ledger.last("people.sign-in")[:3] == (user.actor, "people.sign-in", "success")


def test_session_cookie_is_strict_and_key_is_not_in_the_database(
    make_user: Callable[..., User], client: Client
) -> None:
    make_user()
    enter(client, "okafor", PASSWORD)
    cookie = client.cookies["charthouse-session"]
    assert cookie["httponly"] and cookie["samesite"] == "Strict" and not cookie["max-age"]
    assert cookie.value.encode() not in bytes(session_of(client).key_hash)


def test_wrong_password_and_unknown_name_look_the_same(
    make_user: Callable[..., User], client: Client, ledger: Any
) -> None:
    make_user()
    known = enter(client, "okafor", "wrong-horse-battery")
    unknown = enter(client, "nobody", "wrong-horse-battery")

    def visible(response: Any, name: str) -> str:
        text = response.content.decode().replace(name, "NAME")
        return text[text.index("<form") :].split("csrfmiddlewaretoken", 1)[1].split(">", 1)[1]

    assert known.status_code == unknown.status_code == 200
    assert visible(known, "okafor") == visible(unknown, "nobody")
    assert "nobody" not in str(ledger.lines) and ledger.lines[-1][0] == "anonymous"


def test_unknown_name_costs_one_hash_like_a_known_one(
    make_user: Callable[..., User], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth.hashers import Argon2PasswordHasher

    hashes: list[str] = []
    encode, verify = Argon2PasswordHasher.encode, Argon2PasswordHasher.verify
    make_user()
    monkeypatch.setattr(
        Argon2PasswordHasher, "encode", lambda self, *a, **k: (hashes.append("hash"), encode(self, *a, **k))[1]
    )
    monkeypatch.setattr(
        Argon2PasswordHasher, "verify", lambda self, *a, **k: (hashes.append("hash"), verify(self, *a, **k))[1]
    )
    counts = []
    for name in ("okafor", "nobody", "nobody@example.org"):
        hashes.clear()
        enter(client, name, "wrong-horse-battery")
        counts.append(len(hashes))
    assert counts == [1, 1, 1]


def test_disabled_account_cannot_sign_in_and_is_not_told_apart(
    make_user: Callable[..., User], client: Client
) -> None:
    user = make_user()
    disable_account(system_context("test"), user.pk, "left")
    response = enter(client, "okafor", PASSWORD)
    assert response.status_code == 200 and "is not right" in response.content.decode()
    assert not is_signed_in(client)


def test_five_failures_lock_the_account_from_that_address_only(
    make_user: Callable[..., User], client: Client, ledger: Any
) -> None:
    make_user()
    statuses = [enter(client, "okafor", "wrong-horse-battery").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 200, 429]
    assert "people.lockout:refused" in ledger.actions()
    assert enter(client, "okafor", PASSWORD).status_code == 429
    assert not is_signed_in(client)
    assert enter(Client(), "okafor", PASSWORD, REMOTE_ADDR="10.0.0.9").status_code == 302


def test_lockout_is_the_same_for_a_name_there_is_not(client: Client, db: None) -> None:
    statuses = [enter(client, "nobody", "wrong-horse-battery").status_code for _ in range(6)]
    assert statuses == [200, 200, 200, 200, 429, 429]


def test_name_and_address_of_one_account_share_one_count(make_user: Callable[..., User], client: Client) -> None:
    make_user(email="r@example.org")
    for login in ("okafor", "r@example.org", "okafor", "r@example.org"):
        enter(client, login, "wrong-horse-battery")
    assert enter(client, "okafor", "wrong-horse-battery").status_code == 429


def test_lockout_passes_after_its_time(
    make_user: Callable[..., User], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from axes.models import AccessAttempt

    make_user()
    for _ in range(5):
        enter(client, "okafor", "wrong-horse-battery")
    for attempt in AccessAttempt.objects.all():
        AccessAttempt.objects.filter(pk=attempt.pk).update(
            attempt_time=attempt.attempt_time - sign_in_policy().lockout_for - timedelta(seconds=1)
        )
    assert enter(client, "okafor", PASSWORD).status_code == 302


def test_what_was_typed_as_a_name_is_kept_nowhere(client: Client, db: None) -> None:
    from axes.models import AccessAttempt, AccessFailureLog

    enter(client, "my-secret-password", "x" * 14)
    kept = [*AccessAttempt.objects.values(), *AccessFailureLog.objects.values()]
    assert kept and "my-secret-password" not in str(kept)


def test_no_secret_typed_into_any_form_is_kept_by_the_counting(make_user: Callable[..., User]) -> None:
    from axes.models import AccessAttempt, AccessFailureLog

    typed = "never-to-be-kept-77"
    make_user()
    browser = Client()
    for field in ("login", "password"):
        enter(browser, **{"login": "okafor", "password": "wrong-horse-battery", field: typed})
    signed_in = sign_in(make_user("ada"))
    signed_in.post("/account/password/", {"current": "wrong-horse-battery", "new": typed})
    signed_in.post("/account/password/", {"current": typed, "new": typed})
    signed_in.post("/account/recovery-codes/", {"password": typed})
    signed_in.post("/account/authenticator/", {"password": PASSWORD, "code": typed})
    signed_in.post("/session/lock/")
    signed_in.post("/session/locked/", {"secret": typed, "next": f"/{typed}"})
    kept = [*AccessAttempt.objects.values(), *AccessFailureLog.objects.values()]
    assert len(kept) > 4 and typed not in str(kept)


def test_attempts_sent_at_once_are_counted_one_by_one(committed_db: str) -> None:
    from axes.models import AccessFailureLog
    from django.db import connections

    add_account(
        system_context("test"),
        username="okafor",
        display_name="R",
        password=PASSWORD,
        temporary=False,
        require_totp=False,
    )
    statuses: list[int] = []
    start = threading.Barrier(8)

    def attempt() -> None:
        start.wait()
        try:
            statuses.append(enter(Client(), "okafor", "wrong-horse-battery").status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 4 + [429] * 4
    assert AccessFailureLog.objects.filter(locked_out=False).count() == 4


class TestSecondFactor:
    def test_code_is_asked_for_and_signs_in(self, enrolled: tuple[User, str], client: Client, ledger: Any) -> None:
        _user, secret = enrolled
        response = enter(client, "ada", PASSWORD)
        assert response["Location"] == "/sign-in/code/"
        assert not is_signed_in(client)
        assert client.post("/sign-in/code/", {"code": code_for(secret)})["Location"] == "/"
        assert is_signed_in(client)
        assert ledger.last("people.sign-in")[3]["second_factor"] == "totp"
        assert session_of(client).second_factor == "totp"

    def test_code_is_good_once(self, enrolled: tuple[User, str], client: Client) -> None:
        _, secret = enrolled
        code = code_for(secret)
        enter(client, "ada", PASSWORD)
        client.post("/sign-in/code/", {"code": code})
        other = Client()
        enter(other, "ada", PASSWORD)
        response = other.post("/sign-in/code/", {"code": code})
        assert response.status_code == 200 and "was used before" in response.content.decode()
        assert not is_signed_in(other)

    def test_older_code_within_the_tolerance_is_refused_after_a_newer(
        self, enrolled: tuple[User, str], db: None
    ) -> None:
        user, secret = enrolled
        assert authenticators.use_code(user, code_for(secret, 1)) is not None
        assert authenticators.use_code(user, code_for(secret, 0)) is None

    def test_one_code_raced_is_used_once(self, committed_db: str) -> None:
        from django.db import connections

        made = add_account(
            system_context("test"), username="ada", display_name="A", password=PASSWORD, temporary=False
        )
        user, secret = User.objects.get(pk=made.id), authenticators.new_secret()
        assert authenticators.activate_totp(user, secret, code_for(secret, -1))
        code, results, start = code_for(secret), list[Any](), threading.Barrier(6)

        def use() -> None:
            start.wait()
            try:
                results.append(authenticators.use_code(user, code))
            finally:
                connections.close_all()

        threads = [threading.Thread(target=use) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [result for result in results if result] == [authenticators.Factor.TOTP]

    def test_recovery_code_signs_in_once(self, enrolled: tuple[User, str]) -> None:
        user, _ = enrolled
        codes = authenticators.new_recovery_codes(user)
        assert len(codes) == len(set(codes)) >= 8
        for expected in (True, False):
            browser = Client()
            enter(browser, "ada", PASSWORD)
            browser.post("/sign-in/code/", {"code": codes[0]})
            assert is_signed_in(browser) is expected
        assert authenticators.factors_of(user).recovery_codes_left == len(codes) - 1

    def test_wrong_codes_lock_out_too(self, enrolled: tuple[User, str], client: Client) -> None:
        _, secret = enrolled
        enter(client, "ada", PASSWORD)
        wrong = f"{(int(code_for(secret)) + 1) % 1_000_000:06d}"
        statuses = [client.post("/sign-in/code/", {"code": wrong}).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 200, 429]
        assert client.post("/sign-in/code/", {"code": code_for(secret)}).status_code == 429

    def test_right_password_does_not_reset_the_count_before_the_code(
        self, enrolled: tuple[User, str], client: Client
    ) -> None:
        for _ in range(4):
            enter(client, "ada", "wrong-horse-battery")
        enter(client, "ada", PASSWORD)
        assert client.post("/sign-in/code/", {"code": "000000"}).status_code == 429

    def test_secret_is_sealed_in_the_database(self, enrolled: tuple[User, str]) -> None:
        from allauth.mfa.models import Authenticator

        _, secret = enrolled
        assert secret not in str(list(Authenticator.objects.values()))

    def test_code_page_without_a_password_first_leads_to_sign_in(self, client: Client, db: None) -> None:
        assert client.get("/sign-in/code/")["Location"] == "/sign-in/"

    def test_reset_ends_sessions_and_asks_for_a_new_one(self, enrolled: tuple[User, str], client: Client) -> None:
        user, secret = enrolled
        enter(client, "ada", PASSWORD)
        client.post("/sign-in/code/", {"code": code_for(secret)})
        reset_totp(system_context("test"), user.pk)
        assert not is_signed_in(client)
        enter(client, "ada", PASSWORD)
        assert client.get("/account/")["Location"].startswith("/account/authenticator/")


class TestObligations:
    def test_first_sign_in_enrols_before_anything_else(
        self, make_user: Callable[..., User], client: Client, ledger: Any
    ) -> None:
        user = make_user(require_totp=True)
        enter(client, "okafor", PASSWORD)
        assert client.get("/account/")["Location"].startswith("/account/authenticator/")
        page = client.get("/account/authenticator/").content.decode()
        assert "<svg" in page and "style=" not in page and "http-equiv" not in page
        secret = page.split("<code>")[1].split("</code>")[0].replace(" ", "")
        wrong = f"{(int(code_for(secret)) + 1) % 1_000_000:06d}"
        assert "not right" in client.post("/account/authenticator/", {"code": wrong}).content.decode()
        shown = client.post("/account/authenticator/", {"code": code_for(secret)}).content.decode()
        assert shown.count("<li><code>") >= 8
        assert client.get("/account/").status_code == 200
        assert authenticators.has_totp(user)
        assert "people.enrol-totp:success" in ledger.actions()

    def test_given_password_is_changed_first_then_the_authenticator(
        self, make_user: Callable[..., User], client: Client
    ) -> None:
        make_user(temporary=True, require_totp=True)
        enter(client, "okafor", PASSWORD)
        assert client.get("/account/")["Location"].startswith("/account/password/")
        assert client.get("/account/authenticator/")["Location"].startswith("/account/password/")
        new = "quiet-meadow-lantern-4"
        response = client.post("/account/password/", {"current": PASSWORD, "new": new})
        assert response.status_code == 302
        assert client.get("/account/")["Location"].startswith("/account/authenticator/")

    def test_obligation_does_not_open_other_screens_by_post(
        self, make_user: Callable[..., User], client: Client
    ) -> None:
        make_user(require_totp=True)
        enter(client, "okafor", PASSWORD)
        response = client.post("/account/sessions/end-others/")
        assert response.status_code == 303 and "/account/authenticator/" in response["Location"]


class TestRolesInForce:
    def test_role_ended_stops_with_the_next_request(self, make_user: Callable[..., User], client: Client) -> None:
        user = make_user()
        sign_in(user, client)
        assert client.get("/account/").status_code == 200
        end_role(system_context("test"), user.pk, Role.HIT)
        assert client.get("/account/").status_code == 403

    def test_role_for_a_time(self, make_user: Callable[..., User], db: None) -> None:
        from charthouse.foundation import clock
        from charthouse.people.api import context_for

        user = make_user()
        ctx = system_context("test")
        now = clock.wall()
        grant_role(ctx, user.pk, Role.CODER, valid_from=now + timedelta(days=1))
        grant_role(ctx, user.pk, Role.AUDITOR, valid_until=now + timedelta(days=1))
        assert context_for(user).roles == {Role.HIT, Role.AUDITOR}


def test_next_leads_back_but_never_away(make_user: Callable[..., User], client: Client) -> None:
    make_user()
    response = client.get("/account/")
    assert response["Location"] == "/sign-in/?next=%2Faccount%2F"
    for hostile in ("https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)"):
        browser = Client()
        response = browser.post("/sign-in/", {"login": "okafor", "password": PASSWORD, "next": hostile})
        assert response["Location"] == "/"
    response = client.post("/sign-in/", {"login": "okafor", "password": PASSWORD, "next": "/account/"})
    assert response["Location"] == "/account/"


def test_sign_in_gives_the_session_a_new_key(make_user: Callable[..., User], client: Client) -> None:
    user = make_user()
    client.get("/sign-in/")
    fixed = "a" * 32
    client.cookies["charthouse-session"] = fixed
    enter(client, "okafor", PASSWORD)
    assert client.cookies["charthouse-session"].value != fixed
    assert Session.objects.filter(user=user).count() == 1


def test_sign_out_ends_the_session_and_keeps_its_row(
    make_user: Callable[..., User], client: Client, ledger: Any
) -> None:
    user = make_user()
    enter(client, "okafor", PASSWORD)
    key = client.cookies["charthouse-session"].value
    assert client.post("/sign-out/").status_code == 302
    row = Session.objects.get(user=user)
    assert row.ended_because == "signed out" and row.data == ""
    client.cookies["charthouse-session"] = key
    assert not is_signed_in(client)
    assert ledger.actions()[-1] == "people.sign-out:success"
