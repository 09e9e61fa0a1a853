"""The screens of letters and of the suspension list, as the roles that use them find them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client

from charthouse.completion.actions import make_letters as making
from charthouse.completion.actions.propose_suspensions import propose_suspensions
from charthouse.completion.domain.bylaws import LetterKind
from charthouse.completion.letter_models import Letter, LetterTemplate, Suspension
from charthouse.foundation import clock
from charthouse.foundation.access.api import Role
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.outbox import api as outbox
from charthouse.foundation.outbox import transport
from charthouse.people.api import User, add_account
from charthouse.people.testing import sign_in
from charthouse.web.pdf import reading
from tests.support.debtors import DAY, HIT, NOW, SYSTEM, complete, make_staff, owe, practitioner
from tests.support.post_office import PostOffice, open_office


def browser(role: Role) -> Client:
    made = add_account(
        SYSTEM, username=role.name.lower(), display_name=role.title, roles=[role], require_totp=False
    )
    return sign_in(User.objects.get(pk=made.id))


@pytest.fixture
def at_work(db: None) -> Iterator[None]:
    with clock.frozen(NOW):
        make_staff("Novak", "Quill", "Nomail")
        yield


def made(kind: LetterKind = LetterKind.DELINQUENCY, *, mail: bool = False) -> UUID:
    with transaction.atomic():
        batch = making.open_batch(HIT, kind, mail=mail)
    making.make_letters(batch.pk)
    return batch.pk


class TestLetters:
    def test_made_from_the_screen_and_read(self, at_work: None) -> None:
        owe("Novak", 1, late=3)
        hit = browser(Role.HIT)
        shown = hit.get("/letters/make?kind=delinquency").content.decode()
        assert "1 practitioner would get one now" in shown and "Dr. Ada Novak" in shown
        sent = hit.post("/letters/make", {"kind": "delinquency"})
        assert sent.status_code == 302
        waits = hit.get(sent["Location"]).content.decode()
        assert "wait for the worker" in waits and 'hx-trigger="every 1s"' in waits
        again = hit.post("/letters/make", {"kind": "delinquency"})
        assert again.status_code == 422 and "asked for already" in again.content.decode()
        making.make_letters(UUID(sent["Location"].rstrip("/").rpartition("/")[2]))
        listed = hit.get("/letters/").content.decode()
        assert "Dr. Ada Novak" in listed and "on paper" in listed
        letter = hit.get(f"/letters/{Letter.objects.get().pk}").content.decode()
        assert "MRN-771" in letter and "The discharge summary is missing." in letter
        assert "Vandermolen" not in letter

    def test_an_uncertain_mail_is_settled_from_its_page(
        self, at_work: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        office = PostOffice(hangs_up=True)
        with open_office(office) as port:
            server = outbox.MailServer("127.0.0.1", port, "none", "him@example.org")
            monkeypatch.setitem(transport._transports, "mailto", outbox.MailTransport(lambda: server))
            owe("Novak", 1, late=3)
            made(mail=True)
            outbox.send_due()
        hit, letter = browser(Role.HIT), Letter.objects.get().pk
        assert "1 mail waits for you" in hit.get("/letters/").content.decode()
        assert "Uncertain" in hit.get("/letters/?state=uncertain").content.decode()
        assert "Send again" in hit.get(f"/letters/{letter}").content.decode()
        refused = hit.post(f"/letters/{letter}/settle", {"act": "arrived", "note": ""}, follow=True)
        assert "Say how you know" in refused.content.decode()
        kept = hit.post(f"/letters/{letter}/settle", {"act": "arrived", "note": "She called."}, follow=True)
        assert "She called." in kept.content.decode() and "Send again" not in kept.content.decode()
        assert hit.post(f"/letters/{letter}/settle", {"act": "burn"}).status_code == 404

    def test_on_paper_one_and_the_batch(self, at_work: None) -> None:
        owe("Novak", 1, late=3)
        owe("Quill", 2, late=4)
        batch, auditor = made(), browser(Role.AUDITOR)
        one = auditor.post(f"/letters/{Letter.objects.order_by('practitioner_name')[0].pk}/print")
        assert one["Content-Type"] == "application/pdf"
        said = reading(one.content)
        assert said.pages == 1 and "Dear Dr. Ada Novak" in said.text and "MRN-771" in said.text
        both = reading(auditor.post(f"/letters/batches/{batch}/print").content)
        assert both.pages == 3 and "Dear Dr. Ada Quill" in both.text and "MRN-772" in both.text
        assert Letter.objects.all()[0].events.filter(what="printed").count() >= 1
        (entry,) = entries(SYSTEM, Filters(action="completion.print-letters")).lines
        assert entry.detail["letters"] == 2
        csv = auditor.post(f"/letters/batches/{batch}/csv").content.decode()
        assert csv.count("\r\n") == 3 and "Dr. Ada Quill,Delinquency" in csv and "MRN" not in csv

    def test_whose_letters_follow_a_merge_in_the_directory(self, at_work: None) -> None:
        from charthouse.people import api as people

        owe("Novak", 1, late=3)
        made()
        (one,), (other,) = (people.find_practitioners(SYSTEM, family) for family in ("Novak", "Quill"))
        people.link_practitioner(SYSTEM, User.objects.get(username="novak").pk, None)
        people.merge_practitioners(SYSTEM, other.id, one.id, "One person")
        shown = browser(Role.HIT).get("/letters/", {"of": practitioner("Quill")}).content.decode()
        assert "Those to Dr. Ada Novak" in shown
        owe("Quill", 2, late=3)
        with transaction.atomic():
            batch = making.open_batch(HIT, LetterKind.DELINQUENCY, mail=False)
        assert making.make_letters(batch.pk).made == 0, "they had theirs in this period, under the former name"


class TestTexts:
    def test_tried_kept_and_read_again(self, at_work: None) -> None:
        owe("Novak", 1, late=3)
        manager = browser(Role.MANAGER)
        assert "as it came" in manager.get("/letters/wording/").content.decode()
        shown = manager.get("/letters/wording/reminder").content.decode()
        assert "Dear Dr. Ada Novak" in shown and "You have 1 chart to complete" in shown
        fields = {
            "seen": "0",
            "title": "Your charts",
            "body": "Doctor {practitioner}: {charts}.",
            "mail_subject": "{charts}",
            "mail_text": "{charts} at {organization}",
            "practitioner": practitioner("Novak"),
        }
        tried = manager.post("/letters/wording/reminder", {**fields, "act": "try"})
        assert "Doctor Dr. Ada Novak: 1 chart." in tried.content.decode() and not LetterTemplate.objects.exists()
        wrong = manager.post("/letters/wording/reminder", {**fields, "body": "{chart}", "act": "keep"})
        assert wrong.status_code == 422 and "Perhaps {charts} is meant" in wrong.content.decode()
        kept = manager.post("/letters/wording/reminder", {**fields, "act": "keep"}, follow=True)
        assert "Version 1" in kept.content.decode() and LetterTemplate.objects.get().version == 1
        late = manager.post("/letters/wording/reminder", {**fields, "title": "Other", "act": "keep"})
        assert late.status_code == 422 and "HIM manager changed this text since" in late.content.decode()
        assert 'value="Other"' in late.content.decode(), "nothing that was typed is lost"
        assert "charts} to complete, with" in manager.get("/letters/wording/reminder?version=0").content.decode()
        assert manager.get("/letters/wording/poem").status_code == 404


class TestSuspensions:
    @pytest.fixture
    def proposed(self, at_work: None) -> Suspension:
        self.owed = owe("Novak", 1, late=20)
        with clock.frozen(NOW - 8 * DAY):
            made(LetterKind.SUSPENSION_WARNING)
        propose_suspensions()
        return Suspension.objects.get()

    def test_decided_from_the_queue_and_ended_by_itself(self, proposed: Suspension) -> None:
        manager, hit = browser(Role.MANAGER), browser(Role.HIT)
        assert f"/suspensions/{proposed.pk}" in manager.get("/queues/completion.suspensions/").content.decode()
        assert "HIM managers decide it" in hit.get(f"/suspensions/{proposed.pk}").content.decode()
        assert hit.post(f"/suspensions/{proposed.pk}/suspend").status_code == 403
        done = manager.post(f"/suspensions/{proposed.pk}/suspend", {"note": "Committee"}, follow=True)
        assert "It ends by itself" in done.content.decode()
        again = manager.post(f"/suspensions/{proposed.pk}/spare", {"reason": "Illness"}, follow=True)
        assert "decided meanwhile by HIM manager" in again.content.decode()
        complete(self.owed)
        up_to_date = manager.post("/suspensions/update", follow=True).content.decode()
        assert "1 lifted" in up_to_date and "Nobody is on the list" in up_to_date
        assert "Dr. Ada Novak" in hit.get("/suspensions/?view=past").content.decode()
        assert "Dr. Ada Novak" in hit.get(f"/suspensions/?on={date(2026, 11, 20)}").content.decode()
        assert "Nobody was suspended" in hit.get("/suspensions/?on=2026-11-19").content.decode()

    def test_spared_with_a_reason(self, proposed: Suspension) -> None:
        manager = browser(Role.MANAGER)
        kept = manager.post(
            f"/suspensions/{proposed.pk}/spare", {"reason": "Illness", "until": "2026-12-01"}, follow=True
        )
        assert "Spared until 1 Dec 2026." in kept.content.decode()
        wrong = manager.post(f"/suspensions/{proposed.pk}/lift", {"reason": "x"}, follow=True)
        assert "decided meanwhile" in wrong.content.decode()

    def test_taken_along(self, proposed: Suspension) -> None:
        hit = browser(Role.HIT)
        csv = hit.post("/suspensions/csv").content.decode()
        assert "Dr. Ada Novak,Proposed" in csv
        assert "Dr. Ada Novak" in reading(hit.post("/suspensions/print").content).text
        assert "Nobody is on the list" in reading(hit.post("/suspensions/print", {"on": "2026-11-19"}).content).text
