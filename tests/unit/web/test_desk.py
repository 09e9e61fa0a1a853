"""The desk through the web application: what is shown, what is done to items, and what is refused in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.test import Client

from charthouse.foundation import clock
from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.ledger.api import Filters as LedgerFilters
from charthouse.foundation.ledger.api import entries
from charthouse.foundation.work import api as work
from charthouse.intake.api import UNFILED
from charthouse.people.api import User, add_account
from charthouse.people.testing import sign_in

pytestmark = pytest.mark.django_db
CTX = system_context("test")
QUEUE = work.MACHINERY_QUEUE
DESK = f"/queues/{QUEUE}/"

Account = Callable[..., tuple[User, Client]]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    for name, value in {"time_cost": 1, "memory_cost": 64, "parallelism": 1}.items():
        monkeypatch.setattr(Argon2PasswordHasher, name, value)

    def make(username: str, *roles: Role) -> tuple[User, Client]:
        made = add_account(CTX, username=username, display_name=username.title(), roles=roles, require_totp=False)
        user = User.objects.get(pk=made.id)
        return user, sign_in(user)

    return make


def new(number: int, **given: Any) -> work.NewItem:
    return work.NewItem(QUEUE, work.Subject("event", f"e{number}"), f"Reason {number}.", f"m{number}", **given)


def value(id: int) -> str:
    return f"{id}.{work.item(CTX, id).version}"


def text(response: Any) -> str:
    return str(response.content.decode())


def test_tabs_show_what_their_words_say(account: Account) -> None:
    user, browser = account("ann", Role.MANAGER)
    late, mine, held, done, plain = work.open_items(
        [new(0, due=clock.now() - timedelta(days=3)), *(new(n) for n in range(1, 5))]
    )
    work.assign(CTX, mine, user.actor)
    work.hold(CTX, held, "An answer.")
    work.finish_item(CTX, done, "mended")
    shows = {"open": {late, mine, held, plain}, "overdue": {late}, "unassigned": {late, plain}}
    shows |= {"mine": {mine}, "held": {held}, "finished": {done}}
    for tab, wanted in shows.items():
        shown = text(browser.get(DESK, {"tab": tab}))
        found = {id for id in (late, mine, held, done, plain) if f'value="{id}.' in shown}
        assert found == wanted, tab
    page = text(browser.get(DESK))
    assert "3 d overdue" in page and 'class="count red"' in page
    work.finish_item(CTX, late, "mended")
    assert 'class="count red"' not in text(browser.get(DESK)), "red only where something is overdue"


def test_pages_follow_one_another_without_gap_or_repeat(account: Account) -> None:
    _, browser = account("ann", Role.MANAGER)
    ids = work.open_items(new(n, due=clock.now() + timedelta(hours=n % 7)) for n in range(95))
    seen: list[int] = []
    query: dict[str, str] = {}
    for _ in range(5):
        response = browser.get(DESK, query)
        seen += [line.item.id for line in response.context["lines"]]
        if not response.context["next"]:
            break
        query = dict(part.split("=") for part in response.context["next"].split("&"))
    assert sorted(seen) == sorted(ids) and len(seen) == len(set(seen))


def test_filters_narrow_by_rule_owner_and_due(account: Account) -> None:
    user, browser = account("ann", Role.MANAGER)
    ruled, owned, soon, late = work.open_items(
        [
            new(0, rule="identity.decision"),
            new(1),
            new(2, due=clock.now() + timedelta(days=2)),
            new(3, due=clock.now() + timedelta(days=20)),
        ]
    )
    work.assign(CTX, owned, user.actor)

    def shown(**query: str) -> set[int]:
        return {line.item.id for line in browser.get(DESK, query).context["lines"]}

    assert shown(rule="identity.decision") == {ruled}
    assert shown(owner=user.actor) == {owned}
    assert shown(due="week") == {soon}
    assert shown(due="month") == {soon, late}
    day = (clock.now() + timedelta(days=20)).date().isoformat()
    assert shown(**{"from": (clock.now() + timedelta(days=10)).date().isoformat()}) == {late}
    assert late in shown(to=(clock.now() + timedelta(days=22)).date().isoformat()) and day
    assert (
        browser.get(DESK, {"from": "never", "facility": "x", "tab": "none", "after": "rubbish"}).status_code == 302
    )


def test_several_are_acted_on_and_what_cannot_be_is_said(account: Account) -> None:
    user, browser = account("ann", Role.MANAGER)
    ids = work.open_items(new(n) for n in range(4))
    work.finish_item(CTX, ids[3], "mended")
    answer = browser.post(f"{DESK}act", {"act": "take", "item": [value(id) for id in ids]}, follow=True)
    assert "3 items taken." in text(answer) and "finished" in text(answer)
    assert [work.item(CTX, id).owner for id in ids[:3]] == [user.actor] * 3


def test_an_item_changed_meanwhile_is_left_as_it_is(account: Account) -> None:
    _, browser = account("ann", Role.MANAGER)
    (id,) = work.open_items([new(1)])
    seen = value(id)
    work.hold(CTX, id, "An answer.")
    answer = browser.post(f"{DESK}act", {"act": "finish", "reason": "mended", "item": seen}, follow=True)
    assert "changed by somebody else" in text(answer)
    assert work.item(CTX, id).state is work.ItemState.HELD


def test_an_item_is_held_given_back_finished_reopened_and_noted(account: Account) -> None:
    _, browser = account("ann", Role.MANAGER)
    (id,) = work.open_items([new(1)])

    def act(name: str, **said: str) -> work.WorkItem:
        browser.post(f"{DESK}act", {"act": name, "item": value(id), **said})
        return work.item(CTX, id)

    tomorrow = clock.today("UTC") + timedelta(days=2)
    held = act("hold", reason="The sender's answer.", hold_until=tomorrow.isoformat())
    assert held.state is work.ItemState.HELD and held.hold_until is not None and held.hold_until > clock.now()
    assert act("hold", reason="", hold_until="").hold_reason == "The sender's answer."
    assert act("release").state is work.ItemState.OPEN
    assert act("finish", reason="").state is work.ItemState.OPEN, "an outcome is demanded"
    assert act("finish", reason="mended").outcome == "mended"
    assert act("reopen", reason="It came again.").state is work.ItemState.OPEN
    act("note", reason="Asked the sender.")
    told = text(browser.get(f"{DESK}{id}"))
    for words in ("The sender&#x27;s answer.", "It came again.", "Asked the sender."):
        assert words in told


def test_work_is_given_only_to_somebody_of_the_queue_and_by_who_may(account: Account) -> None:
    manager, browser = account("ann", Role.MANAGER)
    other, _ = account("bob", Role.ADMINISTRATOR)
    stranger, _ = account("cy", Role.CODER)
    (id,) = work.open_items([new(1)])
    answer = browser.post(
        f"{DESK}act", {"act": "assign", "assignee": stranger.actor, "item": value(id)}, follow=True
    )
    assert "Choose somebody who works in this queue" in text(answer) and work.item(CTX, id).owner is None
    browser.post(f"{DESK}act", {"act": "assign", "assignee": other.actor, "item": value(id)})
    assert work.item(CTX, id).owner == other.actor and manager.actor != other.actor


def test_an_item_of_another_queue_is_not_acted_on(account: Account) -> None:
    _, browser = account("ann", Role.MANAGER)
    (id,) = work.open_items([work.NewItem("intake.unfiled", work.Subject("message", "1"), "x", "1")])
    answer = browser.post(f"{DESK}act", {"act": "take", "item": f"{id}.1"}, follow=True)
    assert "no item" in text(answer) and work.item(CTX, id).owner is None


def test_what_is_decided_is_not_finished_by_hand(account: Account) -> None:
    _, browser = account("ann", Role.MANAGER)
    (id,) = work.open_items([work.NewItem("intake.unfiled", work.Subject("message", "1"), "x", "1")])
    answer = browser.post(
        "/queues/intake.unfiled/act", {"act": "finish", "reason": "away", "item": f"{id}.1"}, follow=True
    )
    assert "finished by deciding it" in text(answer)
    assert work.item(CTX, id).state is work.ItemState.OPEN
    line = browser.get("/queues/intake.unfiled/").context["lines"][0]
    assert line.opens == "/unfiled/1"


def test_the_next_is_taken_and_opened(account: Account) -> None:
    user, browser = account("ann", Role.MANAGER)
    (id,) = work.open_items([new(1)])
    assert browser.post(f"{DESK}next")["Location"] == f"{DESK}{id}"
    assert work.item(CTX, id).owner == user.actor
    answer = browser.post(f"{DESK}next", follow=True)
    assert "Nothing waits for anybody" in text(answer)


def test_a_view_is_ones_own(account: Account) -> None:
    _, ann = account("ann", Role.MANAGER)
    _, bob = account("bob", Role.MANAGER)
    ann.post(f"{DESK}views", {"name": "My late ones", "tab": "overdue", "due": "week"})
    assert "My late ones" in text(ann.get(DESK)) and "My late ones" not in text(bob.get(DESK))
    (view, query, current) = ann.get(DESK, {"tab": "overdue", "due": "week"}).context["views"][0]
    assert set(query.split("&")) == {"tab=overdue", "due=week"} and current
    bob.post(f"{DESK}views", {"remove": str(view.id)})
    assert "My late ones" in text(ann.get(DESK)), "nobody removes another's view"
    ann.post(f"{DESK}views", {"remove": str(view.id)})
    assert "My late ones" not in text(ann.get(DESK))
    assert "Give the view a name" in text(ann.post(f"{DESK}views", {"name": "  "}, follow=True))


def test_a_queue_is_closed_to_who_does_not_work_it(account: Account) -> None:
    _, browser = account("cy", Role.CODER)
    (id,) = work.open_items([new(1)])
    for path in (DESK, f"{DESK}{id}"):
        assert browser.get(path).status_code == 403
    for path, data in (
        (f"{DESK}act", {"act": "take", "item": f"{id}.1"}),
        (f"{DESK}next", {}),
        (f"{DESK}views", {}),
    ):
        assert browser.post(path, data).status_code == 403
    assert work.item(CTX, id).owner is None
    assert browser.get("/queues/nothing/").status_code == 404


def test_patients_shown_in_words_stand_in_the_ledger(account: Account) -> None:
    _, browser = account("ann", Role.HIT)
    work.open_item(
        "identity.possible-duplicates",
        subject=work.Subject("patient", "p-1"),
        reason="Perhaps one.",
        dedupe="1-2",
        patient="p-1",
        detail={"patients": [1, 2], "weight": 3.25},
    )
    page = text(browser.get("/queues/identity.possible-duplicates/"))
    assert "a patient you may not see" in page and "+3.2 bits" in page
    (line,) = entries(CTX, LedgerFilters(action="work.read")).lines
    assert [(each.kind, each.id) for each in line.subjects] == [("patient", "p-1")]


def test_the_board_names_what_breaks_the_census_to_who_may_read_charts(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from uuid import UUID

    from charthouse.record.domain.census import Lasting, Stay, Stayed, reconcile
    from charthouse.web.views import home

    until = home._midnight()
    since = home._midnight(before=1)
    assert until - since >= timedelta(hours=23) and until <= clock.now() < until + timedelta(hours=25)
    early = since - timedelta(days=3)
    lost = Stay(
        "e1", 7, (Lasting(early, None),), (Stayed("Northfield", Lasting(early, since + timedelta(hours=3))),)
    )
    monkeypatch.setattr(home.record, "census", lambda ctx, a, b: reconcile([lost], a, b))
    monkeypatch.setattr(home.identity, "persons_of", lambda patients: {7: UUID(int=7)})
    link = f"/chart/{UUID(int=7)}/encounters"
    _, technician = account("ann", Role.HIT)
    board = text(technician.get("/"))
    assert "Does not reconcile" in board and "Not discharged, and in no bed at midnight." in board and link in board
    _, auditor = account("aud", Role.AUDITOR)
    board = text(auditor.get("/"))
    assert "Does not reconcile" in board and link not in board
    _, laboratory = account("lab", Role.LAB_TECH)
    assert "census" not in text(laboratory.get("/"))


def test_the_board_counts_ones_queues_and_lists_what_is_overdue(account: Account) -> None:
    _, browser = account("ann", Role.MANAGER)
    work.open_items([new(1, due=clock.now() - timedelta(days=4)), new(2)])
    board = text(browser.get("/"))
    assert "4 d overdue" in board and f"{DESK}?tab=overdue" in board
    _, other = account("cy", Role.CODER)
    assert "4 d overdue" not in text(other.get("/"))


def test_the_rail_shows_the_queues_one_works_with_their_counts(account: Account) -> None:
    from charthouse.web import navigation

    user, _ = account("ann", Role.MANAGER)
    work.open_items([new(1), new(2)])
    ctx = people_context(user)
    (entries_,) = [entries for title, entries in navigation.rail(ctx, "queue", QUEUE) if title == navigation.WORK]
    shown = {entry.title: (entry.count, entry.current) for entry in entries_}
    assert shown["Stopped machinery"] == (2, True) and shown["Possible duplicates"] == (0, False)


def test_the_unfiled_messages_stand_in_the_rail_once_and_are_at_hand_on_their_screens(account: Account) -> None:
    _, browser = account("ann", Role.HIT)
    queue = f"/queues/{UNFILED}/"
    for address in (queue, "/unfiled/"):
        page = browser.get(address).content.decode()
        (rail,) = re.findall(r'<nav class="rail".*?</nav>', page, re.DOTALL)
        (entry,) = re.findall(r"<a [^>]*>Unfiled messages.*?</a>", rail)
        assert f'href="{queue}"' in entry and 'aria-current="page"' in entry and 'data-key="g u"' in entry
        assert 'href="/unfiled/"' in page or address != queue


def people_context(user: User) -> Any:
    from charthouse.people.api import context_for

    return context_for(user)


def test_a_fault_that_is_not_ours_is_not_told_in_its_own_words(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from charthouse.web.views import duplicates

    _, browser = account("ann", Role.HIT)
    (item,) = work.open_items(
        [
            work.NewItem(
                "identity.possible-duplicates",
                work.Subject("patient", "p"),
                "Perhaps.",
                "1-2",
                detail={"patients": [1, 2]},
            )
        ]
    )
    monkeypatch.setattr(duplicates.identity, "pair_of_item", lambda ctx, item: None)
    browser.post(f"/duplicates/{item}/same", {"reason": "One."})
    assert "a patient you may not see" in text(browser.get(f"/duplicates/{item}"))
    monkeypatch.setattr(duplicates.identity, "pair_of_item", lambda ctx, item: object())

    def fails(*given: object) -> None:
        raise ValueError("invalid literal for int()")

    monkeypatch.setattr(duplicates.identity, "link", fails)
    with pytest.raises(ValueError, match="invalid literal"):
        browser.post(f"/duplicates/{item}/same", {"reason": "One."})
