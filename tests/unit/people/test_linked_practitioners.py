"""An account that is a practitioner of the directory: set by who may, one practitioner one account, and what its
owner then answers for."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from typer.testing import CliRunner

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.people import api as people
from charthouse.people.api import AccountError, User
from charthouse.people.commands import app
from charthouse.people.testing import sign_in

SYSTEM = system_context("test")
NPI = "1234567893"


def account(username: str, *roles: Role) -> User:
    made = people.add_account(
        SYSTEM, username=username, display_name=username.title(), roles=roles, require_totp=False, temporary=False
    )
    return User.objects.get(pk=made.id)


def directory() -> dict[str, int]:
    facts = [
        people.PractitionerFact("one", "Lovelace", "Ada", npi=NPI),
        people.PractitionerFact("two", "Lovelace", "A."),
        people.PractitionerFact("three", "Hopper", "Grace"),
    ]
    return people.note_practitioners(facts)


@pytest.mark.django_db
def test_records_name_the_owner_by_every_entry_that_is_the_practitioner(ledger: Any) -> None:
    ids, user = directory(), account("ada", Role.PHYSICIAN)
    assert people.context_for(user).keys == (user.actor,)
    assert people.link_practitioner(SYSTEM, user.pk, ids["one"])
    assert not people.link_practitioner(SYSTEM, user.pk, ids["one"])
    user.refresh_from_db()
    assert people.context_for(user).keys == (user.actor, "Practitioner/one")
    merge = people.merge_practitioners(SYSTEM, ids["two"], ids["one"], "one person")
    assert people.context_for(user).practitioners == {"Practitioner/one", "Practitioner/two"}
    assert not people.link_practitioner(SYSTEM, user.pk, ids["two"])
    people.unmerge_practitioners(SYSTEM, merge, "two after all")
    assert people.context_for(user).practitioners == {"Practitioner/one"}
    assert people.link_practitioner(SYSTEM, user.pk, None)
    user.refresh_from_db()
    assert people.context_for(user).practitioners == frozenset()
    assert ledger.last("people.link-practitioner")[0] == SYSTEM.actor


@pytest.mark.django_db
@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR}))
def test_nobody_without_the_right_says_who_somebody_is(role: Role) -> None:
    ids, user = directory(), account("ada", Role.PHYSICIAN)
    with pytest.raises(PermissionRefused):
        people.link_practitioner(AccessContext("user:9", "A. Other", frozenset({role})), user.pk, ids["one"])
    assert people.context_for(User.objects.get(pk=user.pk)).practitioners == frozenset()


@pytest.mark.django_db
def test_a_practitioner_is_one_accounts_and_a_wrong_choice_is_named() -> None:
    ids, ada, bea = directory(), account("ada", Role.PHYSICIAN), account("bea", Role.PHYSICIAN)
    people.merge_practitioners(SYSTEM, ids["one"], ids["two"], "one person")
    people.link_practitioner(SYSTEM, ada.pk, ids["one"])
    for wrong, words in ((ids["two"], "is ada already"), (10**9, "no such practitioner")):
        with pytest.raises(AccountError, match=words):
            people.link_practitioner(SYSTEM, bea.pk, wrong)
    people.link_practitioner(SYSTEM, bea.pk, ids["three"])
    with pytest.raises(people.DirectoryError, match="ada, bea"):
        people.merge_practitioners(SYSTEM, ids["one"], ids["three"], "look alike")


def test_of_two_who_take_a_practitioner_at_once_one_gets_it(committed_db: str) -> None:
    ids, users = directory(), [account(name, Role.PHYSICIAN) for name in ("ada", "bea", "cleo")]
    people.merge_practitioners(SYSTEM, ids["one"], ids["two"], "one person")
    begin, refused = threading.Barrier(len(users)), []

    def take(user: User, entry: int) -> None:
        try:
            begin.wait()
            people.link_practitioner(SYSTEM, user.pk, entry)
        except AccountError as error:
            refused.append(str(error))
        finally:
            connection.close()

    entries = (ids["one"], ids["two"], ids["one"])
    threads = [threading.Thread(target=take, args=pair) for pair in zip(users, entries, strict=True)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(refused) == 2 and User.objects.exclude(practitioner=None).count() == 1


@pytest.mark.django_db
def test_it_is_set_on_the_accounts_screen() -> None:
    ids, user = directory(), account("ada", Role.PHYSICIAN)
    browser = sign_in(account("boss", Role.ADMINISTRATOR))
    where = f"/people/{user.pk}/practitioner"
    assert f'href="{where}"' in browser.get(f"/people/{user.pk}").content.decode()
    page = browser.get(f"{where}?text=lovel").content.decode()
    assert "Lovelace, Ada" in page and "Hopper" not in page and f'value="{ids["one"]}"' in page
    answer = browser.post(where, {"practitioner": str(ids["one"])}, follow=True).content.decode()
    assert "wait for this account" in answer and f"/practitioners/{ids['one']}" in answer
    for wrong, words in (("x", "Choose a practitioner"), (str(10**9), "no such practitioner")):
        assert words in browser.post(where, {"practitioner": wrong}, follow=True).content.decode()
    assert User.objects.get(pk=user.pk).practitioner_id == ids["one"]
    answer = browser.post(where, {"practitioner": ""}, follow=True).content.decode()
    assert "is no practitioner now" in answer
    assert User.objects.get(pk=user.pk).practitioner_id is None
    reader = sign_in(account("reader", Role.AUDITOR))
    assert reader.post(where, {"practitioner": str(ids["one"])}).status_code == 403
    assert where not in reader.get(f"/people/{user.pk}").content.decode()
    assert browser.get("/people/999999/practitioner").status_code == 404


@pytest.mark.django_db
def test_it_is_set_on_the_command_line() -> None:
    directory()
    user, run = account("ada", Role.PHYSICIAN), CliRunner()

    def told(*args: str) -> tuple[int, str]:
        answer = run.invoke(app, ["practitioner", "ada", *args])
        return answer.exit_code, answer.output

    assert told() == (0, "ada is no practitioner.\n")
    assert told("--is", NPI) == (0, f"ada is Ada Lovelace ({NPI}).\n")
    assert User.objects.get(pk=user.pk).practitioner is not None
    for args, words in ((("--is", "lovelace"), "any of 2"), (("--is", "zz"), "has no practitioner"),
                        (("--is", NPI, "--nobody"), "either")):  # fmt: skip
        code, output = told(*args)
        assert code == 2 and words in output
    assert told("--nobody") == (0, "ada is no practitioner.\n")
