"""The idle lock, absolute expiry, unfinished forms, and the list of one's sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from charthouse.foundation import clock
from charthouse.people import authenticators
from charthouse.people.actions.end_sessions import KEEP_ENDED
from charthouse.people.api import User, sign_in_policy, sweep_sessions
from charthouse.people.domain.sessions import SessionState, SessionTimes, session_state
from charthouse.people.models import Session
from charthouse.people.testing import session_of, sign_in

PASSWORD = "lantern-harbour-quilt-9"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
spans = st.timedeltas(min_value=timedelta(days=-2), max_value=timedelta(days=2))


def age(client: Client, **fields: timedelta) -> None:
    """Move instants of the client's session into the past."""
    row = session_of(client)
    Session.objects.filter(pk=row.pk).update(**{name: getattr(row, name) - by for name, by in fields.items()})


def idle(client: Client) -> None:
    age(client, last_seen_at=sign_in_policy().idle + timedelta(seconds=1))


@pytest.fixture
def browser(make_user: Callable[..., User]) -> Client:
    return sign_in(make_user())


class TestState:
    @given(seen=spans, expires=spans, idle=spans)
    def test_open_only_before_the_end_and_seen_within_the_idle_time(
        self, seen: timedelta, expires: timedelta, idle: timedelta
    ) -> None:
        state = session_state(SessionTimes(NOW - seen, NOW + expires), NOW, idle)
        assert (state is SessionState.SIGNED_OUT) == (expires <= timedelta(0))
        if state is SessionState.OPEN:
            assert idle <= timedelta(0) or seen < idle

    @given(seen=spans, idle=spans, later=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3)))
    def test_time_alone_never_unlocks(self, seen: timedelta, idle: timedelta, later: timedelta) -> None:
        order = [SessionState.OPEN, SessionState.LOCKED, SessionState.SIGNED_OUT]
        times = SessionTimes(NOW - seen, NOW + timedelta(days=1))
        assert order.index(session_state(times, NOW + later, idle)) >= order.index(session_state(times, NOW, idle))

    def test_locked_stays_locked_though_just_seen(self) -> None:
        times = SessionTimes(NOW, NOW + timedelta(hours=1), locked=NOW)
        assert session_state(times, NOW, timedelta(minutes=15)) is SessionState.LOCKED

    def test_ended_is_signed_out_though_locked(self) -> None:
        times = SessionTimes(NOW, NOW + timedelta(hours=1), locked=NOW, ended=NOW)
        assert session_state(times, NOW, timedelta(minutes=15)) is SessionState.SIGNED_OUT


def test_frozen_business_clock_does_not_hold_the_lock_off(browser: Client) -> None:
    with clock.frozen(clock.wall() - timedelta(days=30)):
        idle(browser)
        assert browser.get("/account/").status_code == 302


def test_idle_session_locks_and_unlocks_to_the_page(browser: Client, ledger: Any) -> None:
    idle(browser)
    response = browser.get("/account/")
    assert response["Location"] == "/session/locked/?next=%2Faccount%2F"
    assert session_of(browser).locked_at is not None
    page = browser.get(response["Location"]).content.decode()
    assert "Okafor Tester" in page and "<nav" not in page
    back = browser.post("/session/locked/", {"secret": PASSWORD, "next": "/account/"})
    assert back["Location"] == "/account/"
    assert browser.get("/account/").status_code == 200
    assert [line for line in ledger.actions() if "lock" in line] == ["people.lock:success", "people.unlock:success"]


def test_every_screen_leads_to_the_lock_while_locked(browser: Client) -> None:
    browser.post("/session/lock/")
    for path in ("/account/", "/account/password/", "/account/authenticator/", "/session/kept/"):
        assert browser.get(path)["Location"].startswith("/session/locked/")
    assert browser.post("/session/seen/").status_code == 303


def test_part_of_a_page_sends_the_whole_page_to_the_lock(browser: Client) -> None:
    idle(browser)
    response = browser.get(
        "/account/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/chart/1?tab=labs"}
    )
    assert response.status_code == 401
    assert response["HX-Redirect"] == "/session/locked/?next=%2Fchart%2F1%3Ftab%3Dlabs"


def test_wrong_secret_keeps_it_locked_and_is_written_down(browser: Client, ledger: Any) -> None:
    browser.post("/session/lock/")
    response = browser.post("/session/locked/", {"secret": "wrong-horse-battery"})
    assert response.status_code == 200 and "not right" in response.content.decode()
    assert browser.get("/account/").status_code == 302
    assert "people.unlock:failed" in ledger.actions()


def test_too_many_wrong_secrets_end_the_session(browser: Client) -> None:
    browser.post("/session/lock/")
    row = session_of(browser)
    statuses = [browser.post("/session/locked/", {"secret": "wrong-horse"}).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 200, 429]
    assert browser.get("/session/").json()["state"] == "signed-out"
    row.refresh_from_db()
    assert row.ended_because == "too many attempts to unlock"


def test_unlocks_by_a_code(make_user: Callable[..., User], code_for: Any) -> None:
    user, secret = make_user(), authenticators.new_secret()
    assert authenticators.activate_totp(user, secret, code_for(secret, -1))
    browser = sign_in(user)
    browser.post("/session/lock/")
    assert browser.post("/session/locked/", {"secret": code_for(secret)})["Location"] == "/"
    assert browser.get("/session/").json()["state"] == "open"


def test_asking_by_itself_is_no_sign_of_life_but_work_is(browser: Client) -> None:
    age(browser, last_seen_at=timedelta(minutes=5))
    before = session_of(browser).last_seen_at
    browser.get("/session/")
    assert session_of(browser).last_seen_at == before
    browser.post("/session/seen/")
    assert session_of(browser).last_seen_at > before
    assert browser.get("/session/").json()["locks_in"] > sign_in_policy().idle.total_seconds() - 30


def test_absolute_end_comes_though_somebody_works(browser: Client, ledger: Any) -> None:
    row = session_of(browser)
    assert row.expires_at - row.started_at == sign_in_policy().session
    age(browser, expires_at=sign_in_policy().session)
    assert browser.get("/account/")["Location"].startswith("/sign-in/")
    row.refresh_from_db()
    assert row.ended_because == "expired" and row.data == ""
    assert "people.session-expired:success" in ledger.actions()


def test_work_does_not_move_the_absolute_end(browser: Client) -> None:
    end = session_of(browser).expires_at
    age(browser, last_seen_at=timedelta(minutes=1))
    browser.get("/account/authenticator/")
    assert session_of(browser).expires_at == end


class TestUnfinishedForms:
    def test_form_sent_into_a_lock_can_be_sent_afterwards(self, browser: Client) -> None:
        idle(browser)
        sent = {"note": "Line 1\nLine <2>", "choice": ["a", "b"], "password": "not-kept"}
        response = browser.post(
            "/account/sessions/end-others/", sent, headers={"referer": "http://testserver/account/"}
        )
        assert response.status_code == 303 and response["Location"] == "/session/locked/?next=%2Faccount%2F"
        locked = browser.get(response["Location"]).content.decode()
        assert "Line 1" not in locked
        back = browser.post("/session/locked/", {"secret": PASSWORD, "next": "/account/"})
        assert back["Location"] == "/session/kept/"
        page = browser.get("/session/kept/").content.decode()
        assert 'action="/account/sessions/end-others/"' in page
        assert 'name="note" value="Line 1\nLine &lt;2&gt;"' in page
        assert page.count('name="choice"') == 2 and "not-kept" not in page
        assert "Line 1" not in browser.get("/session/kept/").content.decode()

    def test_of_a_form_sent_with_a_file_all_is_kept_but_the_file_and_that_is_said(self, browser: Client) -> None:
        idle(browser)
        paper = SimpleUploadedFile("card.pdf", b"%PDF-1.7 sealed in no session", "application/pdf")
        browser.post("/account/sessions/end-others/", {"note": "Both sides", "paper": paper})
        browser.post("/session/locked/", {"secret": PASSWORD, "next": "/account/"})
        assert "sealed in no session" not in session_of(browser).data
        page = browser.get("/session/kept/").content.decode()
        assert 'name="note" value="Both sides"' in page
        assert "The file you had chosen was not kept." in page and "Go on with the form" in page

    def test_form_being_written_comes_back_to_its_page(self, browser: Client) -> None:
        response = browser.post(
            "/session/lock/",
            {"because": "idle", "page": "/account/?tab=1", "field-name": "0:note", "field-value": "half a thought"},
        )
        assert response["Location"] == "/session/locked/?next=%2Faccount%2F%3Ftab%3D1%23kept"
        back = browser.post("/session/locked/", {"secret": PASSWORD, "next": "/account/?tab=1#kept"})
        assert back["Location"] == "/account/?tab=1#kept"
        kept = browser.get("/session/kept/", headers={"accept": "application/json"}).json()
        assert kept["fields"] == [["0:note", "half a thought"]]
        assert browser.get("/session/kept/", headers={"accept": "application/json"}).json()["fields"] == []

    def test_nothing_of_a_form_outlives_its_session(self, browser: Client) -> None:
        idle(browser)
        browser.post("/account/sessions/end-others/", {"note": "half a thought"})
        row = session_of(browser)
        browser.post("/sign-out/")
        row.refresh_from_db()
        assert row.data == ""

    def test_very_large_form_is_not_kept(self, browser: Client) -> None:
        idle(browser)
        browser.post("/account/sessions/end-others/", {"note": "x" * 600_000})
        back = browser.post("/session/locked/", {"secret": PASSWORD})
        assert back["Location"] == "/"


class TestOwnSessions:
    def test_lists_and_ends_one_and_all_others(self, make_user: Callable[..., User], ledger: Any) -> None:
        user = make_user()
        here, there, elsewhere = sign_in(user), sign_in(user), sign_in(user)
        page = here.get("/account/").content.decode()
        assert page.count("/end/") == 2 and "This session" in page and "Firefox 143 on Linux" in page
        here.post(f"/account/sessions/{session_of(there).pk}/end/")
        assert there.get("/session/").json()["state"] == "signed-out"
        assert elsewhere.get("/session/").json()["state"] == "open"
        here.post("/account/sessions/end-others/")
        assert elsewhere.get("/session/").json()["state"] == "signed-out"
        assert here.get("/account/").status_code == 200
        assert "people.end-other-sessions:success" in ledger.actions()

    def test_nobody_ends_the_session_of_another(self, make_user: Callable[..., User]) -> None:
        mine, theirs = sign_in(make_user("mine")), sign_in(make_user("theirs"))
        mine.post(f"/account/sessions/{session_of(theirs).pk}/end/")
        assert theirs.get("/session/").json()["state"] == "open"

    def test_new_password_ends_the_others_and_keeps_this(self, make_user: Callable[..., User]) -> None:
        user = make_user()
        here, there = sign_in(user), sign_in(user)
        response = here.post("/account/password/", {"current": PASSWORD, "new": "quiet-meadow-lantern-4"})
        assert response.status_code == 302
        assert here.get("/account/").status_code == 200
        assert there.get("/session/").json()["state"] == "signed-out"

    @pytest.mark.parametrize(
        ("new", "said"),
        [
            ("short", "at least 12 are needed"),
            ("qwerty123456", "too common"),
            ("okafor-tester", "too similar"),
            (PASSWORD, "the same as the current one"),
        ],
    )
    def test_poor_passwords_are_refused_in_words(self, browser: Client, new: str, said: str) -> None:
        page = browser.post("/account/password/", {"current": PASSWORD, "new": new}).content.decode()
        assert said in page

    def test_wrong_current_password_is_refused(self, browser: Client) -> None:
        sent = {"current": "x", "new": "quiet-meadow-lantern-4"}
        page = browser.post("/account/password/", sent).content.decode()
        assert "current password is not right" in page

    def test_authenticator_on_an_open_session_needs_the_password(self, browser: Client, code_for: Any) -> None:
        page = browser.get("/account/authenticator/").content.decode()
        secret = page.split("<code>")[1].split("</code>")[0].replace(" ", "")
        sent = {"code": code_for(secret), "password": "wrong-horse-battery"}
        assert "password is not right" in browser.post("/account/authenticator/", sent).content.decode()
        shown = browser.post("/account/authenticator/", sent | {"password": PASSWORD}).content.decode()
        assert "recovery codes" in shown
        again = browser.post("/account/recovery-codes/", {"password": PASSWORD}).content.decode()
        assert again.count("<li><code>") >= 8


def test_sweeping_ends_what_expired_and_forgets_what_is_long_over(
    make_user: Callable[..., User], ledger: Any
) -> None:
    user = make_user()
    expired, old, live = sign_in(user), sign_in(user), sign_in(user)
    age(expired, expires_at=timedelta(days=2))
    Session.objects.filter(pk=session_of(old).pk).update(ended_at=clock.wall() - KEEP_ENDED - timedelta(days=1))
    Client().get("/sign-in/")
    assert sweep_sessions() == 2
    assert session_of(expired).ended_because == "expired"
    assert Session.objects.filter(user=user).count() == 2
    assert live.get("/session/").json()["state"] == "open"
