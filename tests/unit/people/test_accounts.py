"""Accounts, roles, facilities, MRNs, first set-up and the command line."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from typer.testing import CliRunner

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.foundation.rulepacks.api import FacilityType
from charthouse.people.api import (
    AccountError,
    Administrator,
    CheckDigit,
    FacilityDraft,
    FacilityKind,
    MrnAssignerDraft,
    PlaceError,
    SetUpError,
    User,
    accounts,
    add_account,
    add_facility,
    add_mrn_assigner,
    assign_mrns,
    context_for,
    create_demo_accounts,
    disable_account,
    enable_account,
    end_role,
    facilities,
    grant_role,
    is_own_mrn,
    organization_name,
    reset_password,
    set_up_site,
)
from charthouse.people.commands import app
from charthouse.people.testing import sign_in

CTX = system_context("test")
PASSWORD = "lantern-harbour-quilt-9"
MERCY = FacilityDraft("MERCY", "Mercy Hospital", "hospital", "America/Chicago")
SYSTEM = "urn:oid:2.16.840.1.113883.3.1"


def kind(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    from charthouse.people import policy
    from charthouse.people.actions import set_up_site as module

    site = dataclasses.replace(configuration(), kind=value)
    monkeypatch.setattr(module, "configuration", lambda: site)
    monkeypatch.setattr(policy, "configuration", lambda: site)


def site(**changes: Any) -> dict[str, Any]:
    return {
        "organization": "Mercy Health",
        "time_zone": "America/Chicago",
        "facilities": [MERCY],
        "mrn_assigner": MrnAssignerDraft(SYSTEM),
        "administrator": Administrator("admin", "A. Minster"),
    } | changes


@pytest.mark.django_db
class TestAccounts:
    def test_made_password_signs_in_and_has_to_be_changed(self, client: Client) -> None:
        made = add_account(CTX, username="New.Person", display_name="New Person", roles=[Role.CODER])
        assert made.username == "new.person"
        client.post("/sign-in/", {"login": "new.person", "password": made.password})
        assert client.get("/account/")["Location"].startswith("/account/password/")

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"username": "Bad Name"}, "cannot be a user name"),
            ({"username": "ok", "display_name": " "}, "needs the person's name"),
            ({"username": "ok", "email": "nonsense"}, "valid email"),
            ({"username": "ok", "password": "short"}, "at least 12"),
            ({"username": "taken"}, "already"),
            ({"username": "ok", "email": "TAKEN@example.org"}, "already"),
        ],
    )
    def test_refused_in_words(self, given: dict[str, Any], said: str) -> None:
        add_account(CTX, username="taken", display_name="T", email="taken@example.org")
        with pytest.raises(AccountError, match=said):
            add_account(CTX, **({"display_name": "Somebody"} | given))

    def test_only_administrators(self) -> None:
        for role in set(Role) - {Role.ADMINISTRATOR}:
            with pytest.raises(PermissionRefused):
                add_account(AccessContext("user:1", "x", frozenset({role})), username="ok", display_name="Ok")

    def test_disabling_signs_out_and_enabling_lets_in_again(self, make_user: Callable[..., User]) -> None:
        user = make_user()
        browser = sign_in(user)
        disable_account(CTX, user.pk, "on leave")
        assert browser.get("/session/").json()["state"] == "signed-out"
        user.refresh_from_db()
        assert context_for(user).roles == frozenset()
        enable_account(CTX, user.pk)
        user.refresh_from_db()
        assert context_for(user).roles == {Role.HIT}
        assert browser.get("/session/").json()["state"] == "signed-out"

    def test_last_administrator_stays(self, make_user: Callable[..., User]) -> None:
        only = make_user("only", Role.ADMINISTRATOR)
        with pytest.raises(AccountError, match="only administrator"):
            end_role(CTX, only.pk, Role.ADMINISTRATOR)
        with pytest.raises(AccountError, match="only administrator"):
            disable_account(CTX, only.pk, "left")
        make_user("second", Role.ADMINISTRATOR)
        assert end_role(CTX, only.pk, Role.ADMINISTRATOR)

    def test_nobody_disables_themselves(self, make_user: Callable[..., User]) -> None:
        admin, _ = make_user("one", Role.ADMINISTRATOR), make_user("two", Role.ADMINISTRATOR)
        with pytest.raises(AccountError, match="their own account"):
            disable_account(context_for(admin), admin.pk, "oops")

    def test_role_at_one_facility_reaches_that_only(self, make_user: Callable[..., User]) -> None:
        here = add_facility(CTX, MERCY)
        there = add_facility(CTX, dataclasses.replace(MERCY, code="NORTH", name="North Clinic", kind="clinic"))
        user = make_user("local", facility=here)
        assert context_for(user).facilities == {here}
        assert context_for(user, facility=there).roles == frozenset()
        grant_role(CTX, user.pk, Role.CODER)
        assert context_for(user).facilities == {here, there}
        assert context_for(user, facility=there).roles == {Role.CODER}

    def test_role_held_already_is_not_given_twice(self, make_user: Callable[..., User], ledger: Any) -> None:
        user = make_user()
        ledger.lines.clear()
        grant_role(CTX, user.pk, Role.HIT)
        assert ledger.lines == [] and user.role_grants.count() == 1

    def test_grant_is_ended_not_deleted(self, make_user: Callable[..., User]) -> None:
        user = make_user()
        assert end_role(CTX, user.pk, Role.HIT) and not end_role(CTX, user.pk, Role.HIT)
        grant = user.role_grants.get()
        assert grant.valid_until is not None and grant.ended_by == "system:test"

    def test_every_change_is_written_down(self, make_user: Callable[..., User], ledger: Any) -> None:
        user = make_user()
        reset_password(CTX, user.pk)
        disable_account(CTX, user.pk, "left")
        assert ledger.actions() == [
            "people.add-account:success",
            "people.grant-role:success",
            "people.reset-password:success",
            "people.disable-account:success",
        ]

    def test_database_refuses_a_capital_and_a_disabled_account_without_a_date(
        self, make_user: Callable[..., User]
    ) -> None:
        user = make_user()
        for change in ({"username": "Capital"}, {"is_active": False}):
            with pytest.raises(IntegrityError), transaction.atomic():
                User.objects.filter(pk=user.pk).update(**change)


def test_two_administrators_ended_at_once_leave_one(committed_db: str) -> None:
    from django.db import connections

    made = [
        add_account(CTX, username=name, display_name=name, roles=[Role.ADMINISTRATOR]) for name in ("one", "two")
    ]
    start, outcomes = threading.Barrier(2), list[str]()

    def end(user_id: int) -> None:
        start.wait()
        try:
            end_role(CTX, user_id, Role.ADMINISTRATOR)
            outcomes.append("ended")
        except AccountError:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=end, args=(account.id,)) for account in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ended", "refused"]


@pytest.mark.django_db
class TestPlaces:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"kind": "castle"}, "not a kind of facility"),
            ({"time_zone": "Mars/Olympus"}, "not a time zone"),
            ({"time_zone": "../../etc/passwd"}, "not a time zone"),
            ({"code": ""}, "needs a code"),
            ({"npi": "1234567890"}, "check digit"),
        ],
    )
    def test_facility_refused_in_words(self, change: dict[str, str], said: str) -> None:
        with pytest.raises(PlaceError, match=said):
            add_facility(CTX, dataclasses.replace(MERCY, **change))

    def test_the_kind_says_which_rules_hold(self) -> None:
        for place, each in enumerate(FacilityKind):
            add_facility(CTX, dataclasses.replace(MERCY, code=f"F{place}", name=f"Place {place}", kind=each.value))
        rules = {line.kind: line.rules_as for line in facilities()}
        assert rules["hospital"] is FacilityType.HOSPITAL
        assert rules["cah"] is FacilityType.CRITICAL_ACCESS
        assert [kind for kind, found in rules.items() if found is None] == ["assisted-living"]

    def test_one_code_once(self) -> None:
        add_facility(CTX, MERCY)
        with pytest.raises(PlaceError, match="already"):
            add_facility(CTX, MERCY)
        assert [line.time_zone for line in facilities()] == ["America/Chicago"]

    def test_numbers_follow_with_check_digits(self) -> None:
        assigner = add_mrn_assigner(CTX, MrnAssignerDraft(SYSTEM, "M", 6, CheckDigit.M10, first=12345))
        numbers = assign_mrns(CTX, assigner, 2)
        assert [(mrn.system, mrn.value) for mrn in numbers] == [(SYSTEM, "M0123455"), (SYSTEM, "M0123463")]
        assert is_own_mrn(assigner, "M0123455") and not is_own_mrn(assigner, "M0123456")

    def test_numbers_that_run_out_say_so(self) -> None:
        assigner = add_mrn_assigner(CTX, MrnAssignerDraft(SYSTEM, width=1, first=9))
        assert assign_mrns(CTX, assigner)[0].value == "9"
        with pytest.raises(PlaceError, match="no numbers of 1 digits left"):
            assign_mrns(CTX, assigner)

    def test_system_has_to_be_a_uri(self) -> None:
        with pytest.raises(PlaceError, match="not a URI"):
            add_mrn_assigner(CTX, MrnAssignerDraft("MRN"))


def test_raced_numbers_are_all_different(committed_db: str) -> None:
    from django.db import connections

    assigner = add_mrn_assigner(CTX, MrnAssignerDraft(SYSTEM))
    given: list[str] = []

    def take() -> None:
        for _ in range(10):
            given.extend(mrn.value for mrn in assign_mrns(CTX, assigner, 3))
        connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == len(set(given)) == 120


@pytest.mark.django_db
class TestSetUp:
    def test_real_site_begins_with_one_administrator_who_enrols(
        self, monkeypatch: pytest.MonkeyPatch, client: Client
    ) -> None:
        kind(monkeypatch, "real")
        made = set_up_site(**site())
        assert organization_name() == "Mercy Health"
        assert [line.roles for line in accounts(CTX)] == [("Administrator",)]
        client.post("/sign-in/", {"login": "admin", "password": made.password})
        client.post("/account/password/", {"current": made.password, "new": PASSWORD})
        assert client.get("/account/")["Location"].startswith("/account/authenticator/")

    def test_second_set_up_is_refused(self) -> None:
        set_up_site(**site())
        with pytest.raises(SetUpError, match="accounts already"):
            set_up_site(**site())

    @pytest.mark.parametrize(
        "change",
        [
            {"time_zone": "Nowhere"},
            {"facilities": []},
            {"organization": " "},
            {"mrn_assigner": MrnAssignerDraft("x")},
            {"administrator": Administrator("admin", "A", password="short")},
        ],
    )
    def test_wrong_part_leaves_nothing(self, change: dict[str, Any]) -> None:
        with pytest.raises((SetUpError, PlaceError, AccountError)):
            set_up_site(**site(**change))
        assert not User.objects.exists() and facilities() == [] and organization_name() == "Charthouse"

    def test_demo_accounts_one_a_role_sign_in_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kind(monkeypatch, "demo")
        made = create_demo_accounts()
        assert {account.role for account in made} == set(Role) and len(made) == 13
        assert [line.code for line in facilities()] == ["LVMC", "RIVERSIDE"]
        user = User.objects.get(username=made[0].username)
        assert context_for(user).facilities == {line.id for line in facilities()}
        for account in made[:2]:
            browser = Client()
            browser.post("/sign-in/", {"login": account.username, "password": account.password})
            assert browser.get("/account/").status_code == 200

    def test_demo_accounts_are_impossible_on_a_real_site(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kind(monkeypatch, "real")
        with pytest.raises(SetUpError, match="not made on a real site"):
            create_demo_accounts()
        assert not User.objects.exists()


@pytest.mark.django_db
class TestCommands:
    def run(self, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
        return result.exit_code, result.output

    def test_add_list_roles_disable(self, ledger: Any) -> None:
        code, out = self.run("add", "cora", "--name", "Cora Denning", "--role", "coder")
        assert code == 0 and "First password" in out
        assert "Cora Denning" in self.run("list")[1]
        code, out = self.run("roles", "cora", "--add", "auditor", "--end", "coder")
        assert (code, out.strip()) == (0, "Auditor")
        assert self.run("reset-totp", "cora")[0] == 0
        assert self.run("disable", "cora", "--because", "left")[0] == 0
        assert {line[0] for line in ledger.lines} == {"system:command-line"}
        assert "people.end-role:success" in ledger.actions()

    def test_invite_prints_a_code_that_sets_the_password(self, client: Client) -> None:
        code, out = self.run("invite", "newby", "--name", "New By", "--role", "coder")
        assert code == 0 and "invited" in self.run("list")[1]
        again = self.run("invite", "newby", "--again")[1]
        first, second = (text.split(": ")[1].split()[0] for text in (out, again))
        for tried, status in ((first, 200), (second, 302)):
            given = {"login": "newby", "code": tried, "new": PASSWORD}
            assert client.post("/invitation/", given).status_code == status
        assert "may try again" in self.run("unlock", "newby")[1]
        assert self.run("invite", "other", "--name", "O")[0] == 2

    def test_mistakes_end_in_a_sentence(self) -> None:
        assert self.run("disable", "nobody") == (
            2,
            "charthouse people: there is no account 'nobody'; `charthouse people list` shows those there are.\n",
        )
        code, out = self.run("add", "x", "--name", "X", "--role", "coder")
        assert code == 2 and "cannot be a user name" in out
        code, out = self.run("add", "xy", "--name", "X", "--role", "coder", "--facility", "MOON")
        assert code == 2 and "no facility 'MOON'" in out
