"""``POST /intake``: with a token, kept before it is answered; without one, nothing."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from django.test import Client

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role
from charthouse.intake.api import IntakeError, add_sender_token, revoke_sender_token, sender_of_token, sender_tokens

MANAGER = AccessContext("user:4", "A manager", frozenset({Role.MANAGER}))


@pytest.fixture
def token(inbox: Any) -> str:
    return add_sender_token(MANAGER, "laboratory", "LAB")


def post(data: bytes, token: str | None = None, **headers: str) -> Any:
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return Client().post("/intake", data, content_type="application/octet-stream", headers=headers)


def test_a_message_is_kept_and_its_number_given(inbox: Any, make: Any, token: str) -> None:
    answer = post(orjson.dumps(make.bundle("transaction", make.patient(), make.observation())), token)
    assert answer.status_code == 202
    (message,) = answer.json()["messages"]
    assert message["kind"] == "Bundle transaction"
    assert inbox.rows("SELECT id, state, connector FROM intake_message") == [(message["id"], "received", "http")]
    # Not filed yet: the workers do that.
    assert inbox.counts() == {}
    inbox.file_waiting()
    assert inbox.counts() == {"Patient": 1, "Observation": 1}
    state = Client().get(f"/intake/messages/{message['id']}", headers={"Authorization": f"Bearer {token}"})
    assert state.json()["state"] == "filed"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_hl7_and_packed_fhir_come_the_same_way(inbox: Any, make: Any, token: str, pack: Any) -> None:
    assert post(pack(make.hl7("ADT^A01")), token).json()["messages"][0]["kind"] == "ADT^A01"
    assert post(pack(orjson.dumps(make.patient())), token).json()["messages"][0]["kind"] == "resource"


def test_the_sender_is_the_tokens_whatever_the_message_says(inbox: Any, make: Any, token: str) -> None:
    post(make.hl7("ADT^A01", sender="SOMEBODY|ELSE"), token)
    assert inbox.rows("SELECT s.name FROM intake_message m JOIN record_source s ON s.id = m.source") == [("LAB",)]


def test_the_same_twice_is_said_to_be_so(inbox: Any, make: Any, token: str) -> None:
    first = post(make.hl7("ADT^A01"), token).json()["messages"][0]
    again = post(make.hl7("ADT^A01"), token).json()["messages"][0]
    assert again["duplicate_of"] == first["id"]


@pytest.mark.parametrize("given", [None, "", "nonsense", "cht_", "cht_wrong", "cht_' OR 1=1 --", "cht_\u20ac"])
def test_without_a_good_token_nothing_is_taken(inbox: Any, make: Any, token: str, given: str | None) -> None:
    answer = post(make.hl7("ADT^A01"), given)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert inbox.one("SELECT count(*) FROM intake_message") == 0


def test_a_revoked_token_lets_nothing_in(inbox: Any, make: Any, token: str) -> None:
    assert post(make.hl7("ADT^A01"), token).status_code == 202
    revoke_sender_token(MANAGER, "laboratory")
    assert post(make.hl7("ADT^A08"), token).status_code == 401
    assert inbox.one("SELECT count(*) FROM intake_message") == 1
    assert sender_of_token(token) is None


@pytest.mark.parametrize("data", [b"", b"hello", b"{", b"[]", b"\x1f\x8b\x08broken", b"<Bundle/>", b"\x00" * 100])
def test_garbage_is_refused_in_words(inbox: Any, token: str, data: bytes) -> None:
    answer = post(data, token)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 10
    assert inbox.one("SELECT count(*) FROM intake_message") == 0


def test_only_posts_are_taken(inbox: Any, token: str) -> None:
    for method in ("get", "put", "delete"):
        answer = getattr(Client(), method)("/intake", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 405


def test_nobody_elses_message_is_seen(inbox: Any, make: Any, token: str) -> None:
    number = post(make.hl7("ADT^A01"), token).json()["messages"][0]["id"]
    other = add_sender_token(MANAGER, "radiology", "RAD")
    assert (
        Client().get(f"/intake/messages/{number}", headers={"Authorization": f"Bearer {other}"}).status_code == 404
    )
    assert Client().get(f"/intake/messages/{number}").status_code == 401


# Tokens


def test_a_token_is_shown_once_and_kept_as_a_hash(inbox: Any, token: str) -> None:
    assert len(token) > 40
    (digest,) = inbox.rows("SELECT digest FROM intake_sender_token")[0]
    assert token.encode() not in bytes(digest)
    (row,) = sender_tokens(MANAGER)
    assert (row.name, row.sender, row.revoked_at) == ("laboratory", "LAB", None)
    assert token not in repr(row)


@pytest.mark.parametrize(
    ("name", "sender"),
    [
        ("", "LAB"),
        ("  ", "LAB"),
        ("x", ""),
        ("laboratory", "LAB"),
        ("n" * 300, "L"),
        ("n", "L" * 300),
        ("a\x00b", "L"),
    ],
)
def test_a_bad_name_makes_no_token(inbox: Any, token: str, name: str, sender: str) -> None:
    with pytest.raises(IntakeError):
        add_sender_token(MANAGER, name, sender)
    assert inbox.one("SELECT count(*) FROM intake_sender_token") == 1


def test_only_those_who_may_manage_senders_do(inbox: Any, token: str) -> None:
    technician = AccessContext("user:7", "R. Vale", frozenset({Role.HIT}))
    for act in (
        lambda: add_sender_token(technician, "x", "y"),
        lambda: revoke_sender_token(technician, "laboratory"),
        lambda: sender_tokens(technician),
    ):
        with pytest.raises(PermissionRefused):
            act()
    with pytest.raises(IntakeError):
        revoke_sender_token(MANAGER, "unknown")


def test_without_the_database_the_sender_is_told_to_send_again(
    inbox: Any, make: Any, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    from charthouse.intake.actions import take_in

    def away(*_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(take_in, "keep", away)
    answer = post(make.hl7("ADT^A01"), token)
    assert answer.status_code == 503
    assert "again" in answer.json()["error"]
