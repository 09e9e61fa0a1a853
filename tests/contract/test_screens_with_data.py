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
from datetime import date, timedelta
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import resolve

from charthouse.completion import api as completion
from charthouse.fhir.actions.check_resources import check_all
from charthouse.fhir.api import NewClient, add_token
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
    "clients-revoke", "clients-keys",
    "practitioners-unmerge", "practitioners-npi", "facilities-close", "facilities-reopen", "tour-leave",
    "chart-document-words", "export-work-list", "overlay-same", "overlay-another", "person-unlink", "person-revoke",
    "person-number", "quality-print", "quality-csv", "quality-decide",
    "document-codes-map", "document-codes-end", "chart-order-move", "chart-order-restore",
    "chart-rule-change", "chart-rules-back", "chart-rules-progress", "chart-rules-adopt", "chart-rules-again",
    "chart-rules-stop",
    # Nothing was tried in the demonstration; tests/unit/completion/test_rule_screens.py opens these with data.
    "chart-rules-trial", "chart-rules-charts",
    "hold", "hold-lift", "destruction-ask", "retention-ask", "destruction-confirm",
    "destruction-refuse", "destruction-certificate",
    "letters-batch-progress", "letters-batch-print", "letters-batch-csv", "letters-print", "letters-settle",
    "suspensions-update", "suspensions-csv", "suspensions-print", "suspension-suspend", "suspension-spare",
    "suspension-lift",
    # Nobody is written to in the demonstration; tests/unit/completion/test_letter_screens.py opens these with data.
    "letters-batch", "letters-one", "suspension",
    "incomplete-csv", "incomplete-print", "incomplete-board-csv", "incomplete-board-print",
    "incomplete-days-csv", "incomplete-deficiencies-csv", "incomplete-report-csv", "incomplete-report-print",
    "incomplete-done", "incomplete-approve",
    "incomplete-refuse", "owed-sign", "practitioners-away", "practitioners-back",
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
    add_token(CTX, NewClient("Registry", "system/*.read"))
    made = people.add_account(CTX, username="all", display_name="A. Ll", roles=list(Role), require_totp=False)
    browser = sign_in(people.User.objects.get(pk=made.id))
    _old_chart()
    _unknown()
    _documents(browser, people.context_for(people.User.objects.get(pk=made.id)))
    _incomplete(made.id)
    return browser


def _incomplete(account: int) -> None:
    """Every chart analysed; and one whose summary the account's owner wrote and has not signed."""
    doctor = {"reference": "Practitioner/dr", "display": "Ada Quill"}
    ended = (clock.now() - timedelta(days=4)).isoformat()
    stay = {
        "resourceType": "Encounter",
        "id": "stay",
        "status": "finished",
        "class": {"code": "IMP", "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode"},
        "subject": {"reference": "Patient/c"},
        "period": {"start": (clock.now() - timedelta(days=6)).isoformat(), "end": ended},
        "participant": [{"type": [{"coding": [{"code": "ATND"}]}], "individual": doctor}],
    }
    summary = {
        "resourceType": "DocumentReference",
        "id": "summary",
        "status": "current",
        "docStatus": "preliminary",
        "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]},
        "subject": {"reference": "Patient/c"},
        "author": [doctor],
        "date": ended,
        "content": [{"attachment": {"contentType": "text/plain", "data": "V2VudCBob21lLg=="}}],
        "context": {"encounter": [{"reference": "Encounter/stay"}]},
    }
    known = {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Quill", "given": ["Ada"]}]}
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": each} for each in (known, stay, summary)],
    }
    list(take_in(io.BytesIO(json.dumps(bundle).encode()), connector=Connector.FILES, sender="elsewhere"))
    (entry,) = people.find_practitioners(CTX, "Quill")
    people.link_practitioner(CTX, account, entry.id)
    completion.analyse_charts([facts.row for some in completion.all_encounters(CTX) for facts in some])
    completion.take_snapshot()


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


def _old_chart() -> None:
    """A chart whose time is over, held once, and asked to be destroyed."""
    _send("o", "Overbury", "1930-05-06", "female")
    visit = {
        "resourceType": "Encounter",
        "id": "v",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/o"},
        "period": {"start": "1990-01-01", "end": "1990-01-02"},
    }
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": visit}]}
    list(take_in(io.BytesIO(json.dumps(bundle).encode()), connector=Connector.FILES, sender="elsewhere"))
    (hit,) = identity.find(CTX, "Overbury")
    patients = identity.patients_of(CTX, hit.person)
    record.lift_hold(CTX, record.set_hold(CTX, patients, "An audit"), "It is over.")
    record.ask_to_destroy(CTX, patients, "Its time is over.")


def _unknown() -> None:
    """A document of which nobody knows what part of a chart it is."""
    paper = {
        "resourceType": "DocumentReference",
        "id": "odd",
        "status": "current",
        "type": {"coding": [{"system": "urn:oid:9.9", "code": "ZX-17"}], "text": "Sheet"},
        "subject": {"reference": "Patient/a"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "QSBzaGVldC4="}}],
    }
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": paper}]}
    list(take_in(io.BytesIO(json.dumps(bundle).encode()), connector=Connector.FILES, sender="elsewhere"))
    completion.classify_all(CTX)


def _decide() -> None:
    """Two persons merged, two told apart, and an update that speaks of somebody else."""
    _send("a", "Thistlewood", "1961-04-17", "female")
    _send("b", "Quarrington", "1933-01-02", "male")
    _send("c", "Larkspur", "1984-07-09", "female")
    one, other, third = (identity.find(CTX, name)[0].person for name in ("Thistlewood", "Quarrington", "Larkspur"))
    identity.merge(CTX, one, other, "x")
    identity.tell_apart(CTX, identity.patients_of(CTX, one)[0], identity.patients_of(CTX, third)[0], "x")
    _send("c", "Ferryman", "1912-02-28", "male")
    _send_wrong("b")


def _send_wrong(patient: str) -> None:
    """A problem whose status is no code of FHIR's, which is found afterwards."""
    problem = {"resourceType": "Condition", "id": "wrong", "subject": {"reference": f"Patient/{patient}"},
               "code": {"text": "Cough"}, "clinicalStatus": {"text": "going on"}}  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": problem}]}
    list(take_in(io.BytesIO(json.dumps(bundle).encode()), connector=Connector.FILES, sender="elsewhere"))
    check_all(CTX)


def _send(id: str, family: str, born: str, sex: str) -> None:
    patient = {"resourceType": "Patient", "id": id, "name": [{"family": family, "given": [family[:4]]}],
               "birthDate": born, "gender": sex}  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}
    list(take_in(io.BytesIO(json.dumps(bundle).encode()), connector=Connector.FILES, sender="elsewhere"))


def changed_items() -> list[tuple[str, str]]:
    """The pages of an item that has several versions, which a chart's lists show among many others."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.person, r.type, r.public_id FROM record_resource r "
            "JOIN identity_source_patient s ON s.patient = r.patient "
            "WHERE r.version > 1 AND r.type <> ALL(%s) ORDER BY r.id LIMIT 1",
            [[record.TYPE_ID[each] for each in (*record.SIGNED_TYPES, "Patient")]],
        )
        return [(f"/chart/{person}/item/{record.TYPE_NAME[kind]}/{id}", "") for person, kind, id in cursor]


def test_every_link_opens_and_every_screen_is_reached(client: Client) -> None:
    persons = [hit.person for name in CHARTS for hit in identity.find(CTX, name)]
    merged = identity.find(CTX, "Thistlewood")[0].person
    # The nearest first, so that the pages meant are seen before others of their kind. The words of a chart are
    # asked for by a form, and lead nowhere before.
    charts = [(f"/chart/{person}/{part}", "") for person in persons for part in ("", "words")]
    waiting = deque([(f"/persons/{merged}/", ""), *charts, *changed_items(), ("/", "")])
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
