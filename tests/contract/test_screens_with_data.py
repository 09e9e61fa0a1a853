"""Every screen over the demonstration's records, opened by following its links.

The browser tests of the screens' looks read from stand-ins and are not run again on other servers. The queries of
every screen are run here, on each server.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections import Counter, deque
from datetime import date
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.test import Client
from django.urls import resolve

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Role, system_context
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from charthouse.intake.api import Connector, take_in
from charthouse.people import api as people
from charthouse.people.testing import sign_in
from charthouse.record import api as record
from charthouse.web import urls
from charthouse.web.demo.story import story

CTX = system_context("test")
LINK = re.compile(r"""(?:href|hx-get|src)="(/[^"#]*)""")
#: Opened so often with one pattern, section or queue, and names of a query.
MOST = 6
#: Charts with something in every section, a scan and a PDF.
CHARTS = ("Abernathy, Ruth", "Okonjo-Reyes, Marcus")
#: All their documents, for few have files.
MOST_OF = {"chart-document": 60, "document-correct": 60}
#: What answers only to what is sent to it, is left by asking, or belongs to another's browser.
NOT_FOLLOWED = {
    "find-suggest", "work-list", "print-work-list", "queue-act", "queue-next", "queue-views", "duplicate-same",
    "duplicate-different", "duplicate-ask", "register-alike", "unfiled-retry", "unfiled-sender",
    "unfiled-correct", "unfiled-refuse", "intake", "intake-message", "ledger-verify", "people-roles",
    "people-disable", "people-enable", "people-reset-factor", "people-unlock", "people-invite-again",
    "correction-confirm", "correction-refuse", "people-end-sessions", "people-end-session",
    "practitioners-unmerge", "practitioners-npi", "facilities-close", "facilities-reopen", "tour-leave",
    "chart-document-words", "export-work-list", "overlay-same", "overlay-another", "person-unlink", "person-revoke",
    "person-number", "quality-print", "quality-csv",
}  # fmt: skip


@pytest.fixture
def client(db: None) -> Client:
    """Somebody with every role, in a department that has something of everything."""
    people.set_up_places(
        organization="Lindqvist Valley",
        time_zone="America/Chicago",
        facilities=[people.FacilityDraft("LVMC", "Lindqvist Valley Medical", "hospital", "America/Chicago")],
        mrn_assigner=people.MrnAssignerDraft("urn:oid:2.16.840.1.113883.3.1"),
    )
    for each in story(date(2026, 3, 2), ZoneInfo("America/Chicago")):
        with transaction.atomic():
            list(take_in(io.BytesIO(each.data), connector=Connector.FILES, sender=each.sender))
    _decide()
    work.open_item(work.MACHINERY_QUEUE, subject=work.Subject("event", "x/1"), reason="It stopped.", dedupe="x")
    made = people.add_account(CTX, username="all", display_name="A. Ll", roles=list(Role), require_totp=False)
    browser = sign_in(people.User.objects.get(pk=made.id))
    _documents(browser, people.context_for(people.User.objects.get(pk=made.id)))
    return browser


def _documents(browser: Client, ctx: AccessContext) -> None:
    """A note of one's own that nobody signed, one that is signed, and one that is asked to be taken back."""
    (person,) = (hit.person for hit in identity.find(CTX, CHARTS[0]))
    for kind in ("waits", "signed", "questioned"):
        browser.post(f"/chart/{person}/new/note", {"type": "11506-3", "text": f"A note that {kind}."})
    patients = identity.patients_of(ctx, person)
    for row in record.unsigned_documents(ctx).rows:
        document = record.document(ctx, patients, row.entry.type, row.entry.id)
        assert document is not None and document.own_text is not None
        where = (ctx, patients, document.type, document.id)
        if document.own_text.endswith("signed."):
            record.sign_document(*where, seen=document.seen, meaning=record.Meaning.AUTHOR, confirmed=clock.wall())
        elif document.own_text.endswith("questioned."):
            record.ask_to_retract(*where, record.Reason("duplicate"), seen=document.seen)


def _decide() -> None:
    """Two persons merged, two told apart, and an update that speaks of somebody else."""
    _send("a", "Thistlewood", "1961-04-17", "female")
    _send("b", "Quarrington", "1933-01-02", "male")
    _send("c", "Larkspur", "1984-07-09", "female")
    one, other, third = (identity.find(CTX, name)[0].person for name in ("Thistlewood", "Quarrington", "Larkspur"))
    identity.merge(CTX, one, other, "x")
    identity.tell_apart(CTX, identity.patients_of(CTX, one)[0], identity.patients_of(CTX, third)[0], "x")
    _send("c", "Ferryman", "1912-02-28", "male")


def _send(id: str, family: str, born: str, sex: str) -> None:
    patient = {"resourceType": "Patient", "id": id, "name": [{"family": family, "given": [family[:4]]}],
               "birthDate": born, "gender": sex}  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}
    list(take_in(io.BytesIO(json.dumps(bundle).encode()), connector=Connector.FILES, sender="elsewhere"))


def test_every_link_opens_and_every_screen_is_reached(client: Client) -> None:
    persons = [hit.person for name in CHARTS for hit in identity.find(CTX, name)]
    merged = identity.find(CTX, "Thistlewood")[0].person
    # The nearest first, so that the pages meant are seen before others of their kind. The words of a chart are
    # asked for by a form, and lead nowhere before.
    charts = [(f"/chart/{person}/{part}", "") for person in persons for part in ("", "words")]
    waiting = deque([(f"/persons/{merged}/", ""), *charts, ("/", "")])
    seen: set[str] = set()
    opened: Counter[tuple[str, ...]] = Counter()
    reached: set[str] = set()
    while waiting:
        address, where = waiting.popleft()
        parts = urlsplit(address)
        if address in seen or parts.path.startswith(("/static/", "/sign-", "/session/")):
            continue
        seen.add(address)
        found = resolve(parts.path)
        name = found.url_name or ""
        part = str(found.kwargs.get("section", found.kwargs.get("code", "")))
        kind = (name, part, *sorted(re.findall(r"(\w+)=", parts.query)))
        if name in NOT_FOLLOWED or opened[kind] >= MOST_OF.get(name, MOST):
            continue
        opened[kind] += 1
        reached.add(name)
        response = client.get(address)
        while response.status_code in (301, 302):
            response = client.get(urljoin(address, response["Location"]))
        assert response.status_code == 200, f"{address}, named on {where}: {response.status_code}"
        if response["Content-Type"].startswith("text/html"):
            waiting += [(html.unescape(link), address) for link in LINK.findall(response.content.decode())]
        else:
            b"".join(response) if response.streaming else response.content
    every = {each.name for each in urls.urlpatterns if getattr(each, "name", None)}
    assert every - NOT_FOLLOWED - reached == set()
