"""A document that names a practitioner of the directory as its author waits for the account that is them, and for
no other, and is signed by it."""

from __future__ import annotations

import base64
import html
import io
import re
from uuid import UUID

import orjson
import pytest
from django.db import transaction
from django.test import Client

from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.clock import wall
from charthouse.identity import api as identity
from charthouse.intake.api import Connector, take_in
from charthouse.people import api as people
from charthouse.people.api import User
from charthouse.people.testing import sign_in
from charthouse.record import api as record
from charthouse.record.verifying import verify
from tests.support.readers import said

SYSTEM = system_context("tests")
PASSWORD = "Harbour-lantern-tidepool-31"


def physician(username: str, name: str) -> User:
    made = people.add_account(
        SYSTEM, username=username, display_name=name, roles=[Role.PHYSICIAN], require_totp=False,
        password=PASSWORD, temporary=False,
    )  # fmt: skip
    return User.objects.get(pk=made.id)


@pytest.fixture
def note(db: None) -> tuple[UUID, str]:
    """Ida's chart, and a note in it whose author is named by reference alone."""
    data = base64.b64encode(b"Seen for a cough of two weeks.").decode()
    resources = [
        {"resourceType": "Patient", "id": "p1", "name": [{"family": "Marsh", "given": ["Ida"]}]},
        {"resourceType": "Practitioner", "id": "dr1", "name": [{"family": "Quill", "given": ["Rosamund"]}]},
        {"resourceType": "DocumentReference", "id": "d1", "status": "current", "docStatus": "preliminary",
         "type": {"text": "Progress note"}, "subject": {"reference": "Patient/p1"}, "date": "2026-02-01T10:00:00Z",
         "author": [{"reference": "Practitioner/dr1"}],
         "content": [{"attachment": {"contentType": "text/plain", "data": data}}]},
    ]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    (taken,) = list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender="clinic"))
    assert taken.result is not None and str(taken.result.state) == "filed", taken.result.problems
    person = identity.find(SYSTEM, "Marsh")[0].person
    (row,) = record.documents(SYSTEM, identity.patients_of(SYSTEM, person)).rows
    return person, row.id


def signs(browser: Client, address: str) -> str:
    shown = browser.get(f"{address}/sign").content.decode()
    (seen,) = set(re.findall(r'name="seen" value="([^"]*)"', shown))
    sent = {"seen": html.unescape(seen), "meaning": "author", "secret": PASSWORD}
    return said(browser.post(f"{address}/sign", sent, follow=True))


def attests(user: User, person: UUID) -> bool:
    """Whether somebody may attest the note in their own words, its author having no account here."""
    patients = identity.patients_of(SYSTEM, person)
    (row,) = record.documents(SYSTEM, patients).rows
    shown = record.document(SYSTEM, patients, row.type, row.id)
    assert shown is not None
    try:
        with transaction.atomic():
            record.sign_document(
                people.context_for(user), patients, row.type, row.id, seen=shown.seen,
                meaning=record.Meaning.ATTESTATION, statement="I saw the patient.", confirmed=wall(),
            )  # fmt: skip
            transaction.set_rollback(True)
    except record.DocumentError as error:
        assert "has not signed this document yet" in str(error)
        assert not shown.written_elsewhere
        return False
    return shown.written_elsewhere


def test_it_waits_for_the_practitioners_account_and_is_signed_by_it(note: tuple[UUID, str]) -> None:
    person, id = note
    address = f"/chart/{person}/documents/DocumentReference/{id}"
    # Neither name is the author's: only the directory says who is.
    author, other = physician("rq", "R. Quill-Ashby"), physician("novak", "B. Novak")
    (entry,) = people.find_practitioners(SYSTEM, "quill")
    browser = sign_in(author)
    assert attests(other, person)
    assert address not in browser.get("/unsigned/").content.decode()
    assert record.unsigned_count(people.context_for(author), 9) == 0
    assert "wrote this document and has no account here" in signs(browser, address)

    people.link_practitioner(SYSTEM, author.pk, entry.id)
    author = User.objects.get(pk=author.pk)
    assert record.unsigned_count(people.context_for(author), 9) == 1
    assert address in browser.get("/unsigned/").content.decode()
    assert address not in sign_in(other).get("/unsigned/").content.decode()
    assert 'name="seen"' not in sign_in(other).get(f"{address}/sign").content.decode()
    # Whoever is known by reference alone is a colleague all the same, as long as the account is in force.
    assert not attests(other, person)
    people.disable_account(SYSTEM, author.pk, "On leave")
    assert attests(other, person)
    people.enable_account(SYSTEM, author.pk)
    author = User.objects.get(pk=author.pk)
    browser = sign_in(author)

    assert "The signature binds what you saw" in signs(browser, address)
    shown = record.document(SYSTEM, identity.patients_of(SYSTEM, person), "DocumentReference", id)
    assert shown is not None
    assert [(each.name, each.meaning.value) for each in shown.signed] == [("R. Quill-Ashby", "author")]
    assert address not in browser.get("/unsigned/").content.decode()
    assert verify(processes=1).is_whole
