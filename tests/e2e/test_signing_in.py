"""Signing in, the lock and the account in a browser: axe finds nothing, and what was being written comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.browsers import PATIENCE
from tests.support.screens import assert_no_axe_violations
from tests.support.threads import beside

PASSWORD = "lantern-harbour-quilt-9"


@pytest.fixture
def visitor(site: Any, request: pytest.FixtureRequest) -> Any:
    """An account of this test's own; its user name is the answer."""
    from charthouse.foundation.access.api import Role, system_context
    from charthouse.people.api import add_account

    name = f"v{abs(hash(request.node.nodeid)) % 10**9}"
    return beside(
        lambda: add_account(
            system_context("test"),
            username=name,
            display_name="V. Visitor",
            roles=[Role.HIT],
            password=PASSWORD,
            temporary=False,
            require_totp=False,
        )
    )


@pytest.fixture
def outside(browser: Any) -> Iterator[Any]:
    """A page of nobody; the console must stay silent."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1024, "height": 768}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: "Content Security Policy" in said.text and complaints.append(said.text))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def inside(site: Any, visitor: Any, outside: Any) -> Any:
    """A page of the visitor, signed in."""
    from django.conf import settings

    from charthouse.people.api import User
    from charthouse.people.testing import sign_in

    def cookie() -> str:
        client = sign_in(User.objects.get(pk=visitor.id))
        return str(client.cookies[settings.SESSION_COOKIE_NAME].value)

    outside.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": beside(cookie), "url": site.url, "sameSite": "Strict"}]
    )
    return outside


def leave_alone(visitor: Any) -> None:
    """Let the visitor's sessions be idle for longer than allowed."""
    from charthouse.foundation import clock
    from charthouse.people.api import sign_in_policy
    from charthouse.people.models import Session

    seen = clock.wall() - sign_in_policy().idle - timedelta(seconds=1)
    beside(lambda: Session.objects.filter(user_id=visitor.id).update(last_seen_at=seen))


def unlock(page: Any) -> None:
    page.get_by_role("heading", name="Locked").wait_for()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Unlock").click()


def test_the_pages_before_signing_in_are_accessible(site: Any, visitor: Any, outside: Any) -> None:
    outside.goto(site.url)
    assert_no_axe_violations(outside)
    outside.get_by_label("User name").fill(visitor.username)
    outside.get_by_label("Password").fill("wrong-horse-battery")
    outside.keyboard.press("Enter")
    outside.get_by_text("is not right").wait_for()
    assert_no_axe_violations(outside)
    outside.get_by_label("Password").fill(PASSWORD)
    outside.keyboard.press("Enter")
    outside.get_by_role("heading", name="Set up your authenticator").wait_for()
    assert_no_axe_violations(outside)


@pytest.mark.parametrize("path", ["/account/", "/account/password/", "/account/authenticator/", "/session/kept/"])
def test_the_pages_of_the_account_are_accessible(site: Any, inside: Any, path: str) -> None:
    inside.goto(site.url + path)
    assert_no_axe_violations(inside)


def test_a_refusal_says_what_is_missing(site: Any, visitor: Any, inside: Any) -> None:
    from charthouse.people.models import RoleGrant

    beside(lambda: RoleGrant.objects.filter(user_id=visitor.id).update(role="instructor"))
    inside.goto(site.url + "/unfiled/")
    inside.get_by_role("heading", name="Not open to you").wait_for()
    expect(inside.locator("main")).to_contain_text("Instructor", use_inner_text=True)
    assert_no_axe_violations(inside)


def test_what_was_being_written_comes_back_after_the_lock(site: Any, inside: Any) -> None:
    inside.goto(site.url + "/unfiled/4712")
    inside.get_by_label("Time zone of times without one").fill("America/Chicago, I think")
    inside.get_by_role("button", name="Lock").click()
    inside.get_by_role("heading", name="Locked").wait_for()
    assert_no_axe_violations(inside)
    assert "Chicago" not in inside.content()
    unlock(inside)
    inside.wait_for_url("**/unfiled/4712")
    field = inside.get_by_label("Time zone of times without one")
    expect(field).to_have_value("America/Chicago, I think")


def test_a_form_sent_too_late_can_be_sent_after_all(site: Any, visitor: Any, inside: Any) -> None:
    inside.goto(site.url + "/unfiled/4712")
    inside.get_by_label("Time zone of times without one").fill("Mars/Olympus")
    leave_alone(visitor)
    inside.get_by_role("button", name="Save and try again").click()
    unlock(inside)
    inside.get_by_role("heading", name="Your unfinished form").wait_for()
    assert_no_axe_violations(inside)
    inside.get_by_role("button", name="Send it now").click()
    inside.get_by_text("Mars/Olympus is no time zone").wait_for()


def test_a_page_left_alone_leaves_the_screen_by_itself(site: Any, visitor: Any, inside: Any) -> None:
    inside.clock.install()
    inside.goto(site.url + "/unfiled/4712")
    leave_alone(visitor)
    inside.clock.fast_forward("20:00")
    inside.get_by_role("heading", name="Locked").wait_for()


def test_work_in_the_page_keeps_the_session_open(site: Any, visitor: Any, inside: Any) -> None:
    from charthouse.people.models import Session

    inside.clock.install()
    inside.goto(site.url + "/unfiled/4712")
    seen = beside(lambda: Session.objects.get(user_id=visitor.id).last_seen_at)
    beside(lambda: Session.objects.filter(user_id=visitor.id).update(last_seen_at=seen - timedelta(minutes=5)))
    inside.clock.fast_forward("05:00")
    with inside.expect_response("**/session/seen/"):
        inside.get_by_label("Time zone of times without one").press("a")
    assert beside(lambda: Session.objects.get(user_id=visitor.id).last_seen_at) >= seen
