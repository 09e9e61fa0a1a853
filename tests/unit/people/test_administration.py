"""People administered: invited, looked up, changed, unlocked, disabled; and by nobody without the right."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.people import api as people
from charthouse.people.api import AccountError, AccountFilter, AccountState, User
from charthouse.people.models import Invitation
from charthouse.people.testing import sign_in

CTX = system_context("test")
PASSWORD = "lantern-harbour-quilt-9"
OTHER = "granite-willow-compass-4"


def invited(username: str = "newby", *grants: people.Grant) -> people.IssuedInvitation:
    return people.invite_person(
        CTX, username=username, display_name="New B. Tester", grants=grants or [(Role.CODER, None)]
    )


def accept(browser: Client, issued: people.IssuedInvitation, **changed: str) -> HttpResponse:
    given = {"login": issued.username, "code": issued.code, "new": PASSWORD} | changed
    return browser.post("/invitation/", given)  # type: ignore[return-value]


@pytest.mark.django_db
class TestInvitations:
    def test_invited_person_sets_a_password_and_signs_in(self, client: Client, ledger: Any) -> None:
        issued = invited()
        for tried in ("", PASSWORD, issued.code):
            client.post("/sign-in/", {"login": issued.username, "password": tried})
            assert client.get("/account/").status_code == 302
        assert accept(client, issued)["Location"] == "/sign-in/"
        client.post("/sign-in/", {"login": issued.username, "password": PASSWORD})
        user = User.objects.get(pk=issued.account)
        assert user.last_login is not None and people.context_for(user).roles == {Role.CODER}
        assert ledger.last("people.accept-invitation")[0] == user.actor
        assert issued.code not in repr(ledger.lines)

    def test_a_real_sites_invited_are_led_to_the_authenticator(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        issued = invited()
        User.objects.filter(pk=issued.account).update(must_enrol_totp=True)
        accept(client, issued)
        client.post("/sign-in/", {"login": issued.username, "password": PASSWORD})
        assert client.get("/")["Location"].startswith("/account/authenticator/")

    def test_code_may_be_typed_carelessly(self, client: Client) -> None:
        issued = invited()
        assert accept(client, issued, code=f" {issued.code.replace('-', ' ').upper()} ").status_code == 302

    def test_good_once(self, client: Client) -> None:
        issued = invited()
        accept(client, issued)
        assert "has run out" in accept(client, issued, new=OTHER).content.decode()
        assert User.objects.get(pk=issued.account).check_password(PASSWORD)

    def test_runs_out_by_its_rule(self, client: Client) -> None:
        issued = invited()
        assert issued.expires_at - clock.wall() <= timedelta(days=7)
        Invitation.objects.update(expires_at=clock.wall() - timedelta(seconds=1))
        assert "has run out" in accept(client, issued).content.decode()

    def test_a_new_one_voids_the_old_and_the_password(self, client: Client, make_user: Callable[..., User]) -> None:
        first = invited()
        second = people.invite_again(CTX, first.account)
        assert "has run out" in accept(client, first).content.decode()
        assert accept(client, second).status_code == 302
        user = make_user("forgetful")
        browser = sign_in(user)
        people.invite_again(CTX, user.pk)
        assert browser.get("/account/").status_code == 302
        client.post("/sign-in/", {"login": "forgetful", "password": PASSWORD})
        assert client.get("/account/").status_code == 302

    def test_poor_password_leaves_it_good(self, client: Client) -> None:
        issued = invited()
        assert "at least 12" in accept(client, issued, new="short").content.decode()
        assert accept(client, issued).status_code == 302

    def test_one_answer_for_accounts_there_are_and_are_not(self, client: Client) -> None:
        issued = invited()
        answers = {
            re.sub(r'value="[^"]*"', "", accept(client, issued, **changed).content.decode())
            for changed in ({"login": "nobody"}, {"code": "aaaaa-bbbbb-ccccc-ddddd"})
        }
        assert len(answers) == 1

    def test_guessing_locks_out_and_the_right_code_waits(self, client: Client, ledger: Any) -> None:
        issued = invited()
        for _ in range(people.sign_in_policy().lockout_failures):
            answer = accept(client, issued, code="aaaaa-bbbbb-ccccc-ddddd")
        assert answer.status_code == 429 and "people.lockout:refused" in ledger.actions()
        accept(client, issued)
        assert not User.objects.get(pk=issued.account).has_usable_password()
        assert people.find_accounts(CTX).lines[0].state is AccountState.LOCKED_OUT
        assert people.unlock_account(CTX, issued.account)
        assert accept(client, issued).status_code == 302

    def test_disabled_before_accepting(self, client: Client) -> None:
        issued = invited()
        people.disable_account(CTX, issued.account, "a mistake")
        assert "has run out" in accept(client, issued).content.decode()

    def test_refused_in_words(self, make_user: Callable[..., User]) -> None:
        admin = make_user("admin", Role.ADMINISTRATOR)
        with pytest.raises(AccountError, match="at least one role"):
            people.invite_person(CTX, username="ok", display_name="Ok", grants=[])
        with pytest.raises(AccountError, match="your own password"):
            people.invite_again(people.context_for(admin), admin.pk)
        people.disable_account(CTX, invited().account, "left")
        with pytest.raises(AccountError, match="enable it first"):
            people.invite_again(CTX, User.objects.get(username="newby").pk)
        with pytest.raises(AccountError, match="no facility"):
            invited("other", (Role.CODER, 999))
        assert not User.objects.filter(username="other").exists()


def test_an_invitation_raced_sets_one_password(committed_db: str) -> None:
    from django.db import connections

    issued = invited()
    set_: list[int] = []

    def take(password: str) -> None:
        try:
            set_.append(accept(Client(), issued, new=password).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take, args=(password,)) for password in (PASSWORD, OTHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set_) == [200, 302]


@pytest.mark.django_db
class TestChangingRoles:
    def test_holds_exactly_what_is_wanted_and_says_why(self, make_user: Callable[..., User], ledger: Any) -> None:
        here = people.add_facility(CTX, people.FacilityDraft("HERE", "Here", "clinic", "America/Chicago"))
        user = make_user("mover", Role.HIT, Role.CODER)
        browser = sign_in(user)
        assert browser.get("/unfiled/").status_code == 200
        assert people.change_roles(CTX, user.pk, [(Role.CODER, None), (Role.AUDITOR, here)], "moved to audit")
        assert people.context_for(user).roles == {Role.CODER, Role.AUDITOR}
        assert browser.get("/unfiled/").status_code == 403
        assert ledger.last("people.change-roles")[3] == {
            "given": [f"auditor at facility {here}"],
            "ended": ["health-information-technician"],
            "reason": "moved to audit",
        }
        assert not people.change_roles(CTX, user.pk, [(Role.CODER, None), (Role.AUDITOR, here)], "again")

    def test_refused_in_words(self, make_user: Callable[..., User]) -> None:
        only = make_user("only", Role.ADMINISTRATOR)
        for wanted, reason, said in (
            ([(Role.CODER, None)], "demoted", "only administrator"),
            ([], "none", "needs a role"),
            ([(Role.CODER, None)], " ", "needs a reason"),
        ):
            with pytest.raises(AccountError, match=said):
                people.change_roles(CTX, only.pk, wanted, reason)
        assert people.context_for(only).roles == {Role.ADMINISTRATOR}

    def test_an_invited_administrator_is_none_yet(self, make_user: Callable[..., User], client: Client) -> None:
        only = make_user("only", Role.ADMINISTRATOR)
        issued = invited("next", (Role.ADMINISTRATOR, None))
        for act in (
            lambda: people.disable_account(CTX, only.pk, "left"),
            lambda: people.end_role(CTX, only.pk, Role.ADMINISTRATOR),
            lambda: people.change_roles(CTX, only.pk, [(Role.CODER, None)], "left"),
        ):
            with pytest.raises(AccountError, match="only administrator"):
                act()
        accept(client, issued)
        people.disable_account(CTX, only.pk, "left")

    def test_an_administrator_everywhere_may_become_one_at_a_place(self, make_user: Callable[..., User]) -> None:
        here = people.add_facility(CTX, people.FacilityDraft("HERE", "Here", "clinic", "America/Chicago"))
        only = make_user("only", Role.ADMINISTRATOR)
        assert people.change_roles(CTX, only.pk, [(Role.ADMINISTRATOR, here)], "the clinic's")
        assert people.context_for(only).roles == {Role.ADMINISTRATOR}


@pytest.mark.parametrize("how", ["disable", "roles"])
def test_two_administrators_removing_each_other_leave_one(committed_db: str, how: str) -> None:
    from django.db import connections

    made = [
        people.add_account(CTX, username=name, display_name=name, roles=[Role.ADMINISTRATOR], require_totp=False)
        for name in ("first", "second")
    ]
    asking = [people.context_for(User.objects.get(pk=account.id)) for account in made]
    outcomes: list[str] = []

    def remove(ctx: AccessContext, other: int) -> None:
        try:
            if how == "disable":
                people.disable_account(ctx, other, "a quarrel")
            else:
                people.change_roles(ctx, other, [(Role.CODER, None)], "a quarrel")
            outcomes.append("done")
        except AccountError:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=remove, args=(ctx, other.id))
        for ctx, other in zip(asking, reversed(made), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "refused"]


@pytest.mark.django_db
def test_every_action_is_an_administrators_alone(make_user: Callable[..., User]) -> None:
    user = make_user("subject")
    for role in set(Role) - {Role.ADMINISTRATOR}:
        ctx = AccessContext("user:1", "x", frozenset({role}))
        for act in (
            lambda ctx=ctx: people.invite_person(
                ctx, username="ok", display_name="Ok", grants=[(Role.CODER, None)]
            ),
            lambda ctx=ctx: people.invite_again(ctx, user.pk),
            lambda ctx=ctx: people.change_roles(ctx, user.pk, [(Role.CODER, None)], "why"),
            lambda ctx=ctx: people.unlock_account(ctx, user.pk),
            lambda ctx=ctx: people.end_account_sessions(ctx, user.pk),
            lambda ctx=ctx: people.disable_account(ctx, user.pk, "why"),
            lambda ctx=ctx: people.enable_account(ctx, user.pk),
            lambda ctx=ctx: people.reset_totp(ctx, user.pk),
        ):
            with pytest.raises(PermissionRefused):
                act()
        if role not in {Role.MANAGER, Role.PRIVACY, Role.AUDITOR}:
            for read in (
                lambda ctx=ctx: people.find_accounts(ctx),
                lambda ctx=ctx: people.account(ctx, user.pk),
                lambda ctx=ctx: people.sessions_of(ctx, user.pk),
                lambda ctx=ctx: people.account_history(ctx, user.pk, people.AccountHistory.CHANGES),
            ):
                with pytest.raises(PermissionRefused):
                    read()


@pytest.mark.django_db
class TestFinding:
    @pytest.fixture
    def staff(self, make_user: Callable[..., User]) -> int:
        here = people.add_facility(CTX, people.FacilityDraft("HERE", "Here", "clinic", "America/Chicago"))
        make_user("abara", Role.CODER, display_name="Ada Abara")
        make_user("bolt", Role.CODER, display_name="Bo Lt", facility=here)
        make_user("crane", Role.AUDITOR, display_name="Cy Crane")
        sign_in(User.objects.get(username="crane"))
        people.disable_account(CTX, make_user("drew").pk, "left")
        invited("early")
        return here

    def found(self, **wanted: Any) -> list[str]:
        return [line.username for line in people.find_accounts(CTX, AccountFilter(**wanted)).lines]

    def test_by_text_role_place_and_state(self, staff: int) -> None:
        assert self.found(text="ABA") == ["abara"] and self.found(text="cy cr") == ["crane"]
        assert self.found(role=Role.CODER) == ["abara", "bolt", "early"]
        other = people.add_facility(CTX, people.FacilityDraft("OTHER", "Other", "clinic", "America/Chicago"))
        assert self.found(role=Role.CODER, facility=other) == ["abara", "early"]
        assert self.found(state=AccountState.DISABLED) == ["drew"]
        assert self.found(state=AccountState.ACTIVE) == ["crane"]
        assert self.found(state=AccountState.INVITED) == ["early"]
        assert self.found(state=AccountState.NEVER_SIGNED_IN) == ["abara", "bolt"]
        assert self.found(state=AccountState.LOCKED_OUT) == []

    def test_every_account_is_in_exactly_the_state_it_shows(self, staff: int) -> None:
        shown = {line.username: line.state for line in people.find_accounts(CTX).lines}
        assert shown == {name: state for state in AccountState for name in self.found(state=state)}

    def test_pages_hold_everybody_once(self, staff: int) -> None:
        seen, after = [], ""
        while True:
            page = people.find_accounts(CTX, after=after, limit=2)
            seen += [line.username for line in page.lines]
            after = page.next
            if not after:
                break
        assert seen == ["abara", "bolt", "crane", "drew", "early"] and page.total == 5


@pytest.mark.django_db
class TestScreens:
    @pytest.fixture
    def admin(self, make_user: Callable[..., User]) -> Client:
        return sign_in(make_user("admin", Role.ADMINISTRATOR))

    def test_invites_and_shows_the_code_once(self, admin: Client) -> None:
        given = {"username": "newby", "display_name": "New <b>Person</b>", "grant": ["coder"]}
        page = admin.post("/people/invite", given).content.decode()
        code = re.search(r">([a-z0-9]{5}(?:-[a-z0-9]{5}){3})<", page)
        assert code is not None and "New &lt;b&gt;Person" in page
        user = User.objects.get(username="newby")
        shown = admin.get(f"/people/{user.pk}")
        assert code[1] not in shown.content.decode() and "no-store" in shown["Cache-Control"]
        assert Client().post(
            "/invitation/", {"login": "newby", "code": code[1], "new": PASSWORD}
        ).status_code == 302  # fmt: skip

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"grant": []}, "at least one role"),
            ({"username": "Bad Name"}, "cannot be a user name"),
            ({"grant": ["emperor"]}, "not known"),
            ({"grant": ["coder@x"]}, "not known"),
        ],
    )
    def test_a_faulty_invitation_keeps_what_was_typed(self, admin: Client, change: Any, said: str) -> None:
        given = {"username": "newby", "display_name": "New Person", "grant": ["coder"]} | change
        answer = admin.post("/people/invite", given)
        assert answer.status_code == 422 and said in answer.content.decode()
        assert 'value="New Person"' in answer.content.decode()
        assert not User.objects.filter(username="newby").exists()

    def test_changes_disables_enables_and_ends_sessions(
        self, admin: Client, make_user: Callable[..., User]
    ) -> None:
        user = make_user("subject", Role.CODER)
        browser = sign_in(user)
        page = f"/people/{user.pk}"
        admin.post(f"{page}/roles", {"grant": ["auditor"], "reason": "moved"})
        assert people.context_for(user).roles == {Role.AUDITOR}
        session = people.sessions_of(CTX, user.pk)[0]
        admin.post(f"{page}/sessions/{session.id}")
        assert browser.get("/account/").status_code == 302 and people.sessions_of(CTX, user.pk) == []
        said = admin.post(f"{page}/disable", {"reason": ""}, follow=True).content.decode()
        assert "Say why" in said
        assert "on leave" in admin.post(f"{page}/disable", {"reason": "on leave"}, follow=True).content.decode()
        admin.post(f"{page}/enable")
        user.refresh_from_db()
        assert user.is_active

    def test_history_shows_successes_failures_changes_and_refusals(
        self, admin: Client, make_user: Callable[..., User]
    ) -> None:
        user = make_user("subject", Role.AUDITOR)
        Client().post("/sign-in/", {"login": "subject", "password": "wrong-by-far-indeed"})
        assert sign_in(user).get("/unfiled/").status_code == 403
        shown = {
            which: admin.get(f"/people/{user.pk}?history={which}").content.decode()
            for which in ("sign-ins", "changes", "refusals")
        }
        assert "Failed" in shown["sign-ins"] and "Success" in shown["sign-ins"]
        assert "Account made" in shown["changes"] and "Role given" in shown["changes"]
        assert "unfiled/" in shown["refusals"] and "Refused" in shown["refusals"]
        assert admin.get(f"/people/{user.pk}?before=nonsense").status_code == 404

    def test_a_manager_looks_and_changes_nothing(self, make_user: Callable[..., User]) -> None:
        user = make_user("subject", Role.CODER)
        manager = sign_in(make_user("manager", Role.MANAGER))
        page = manager.get(f"/people/{user.pk}").content.decode()
        assert "What they did" in page and "Disable" not in page and "<dialog" in page
        assert manager.post(f"/people/{user.pk}/disable", {"reason": "x"}).status_code == 403
        user.refresh_from_db()
        assert user.is_active

    def test_list_costs_the_same_queries_however_long(
        self, admin: Client, make_user: Callable[..., User], django_assert_max_num_queries: Any
    ) -> None:
        for number in range(30):
            make_user(f"person{number}")
        with django_assert_max_num_queries(18):
            admin.get("/people/")
