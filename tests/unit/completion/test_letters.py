"""Letters to practitioners: each once, with what it lists; their mail without anything of a patient; settled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from charthouse.completion import letter_queries as queries
from charthouse.completion.actions import make_letters as making
from charthouse.completion.actions.change_letter_text import change_letter_text
from charthouse.completion.actions.settle_letter import give_up, send_again, settle_as_arrived
from charthouse.completion.domain.bylaws import LetterKind
from charthouse.completion.domain.letter_texts import TemplateError
from charthouse.completion.letter_errors import LetterError
from charthouse.completion.letter_models import Letter, LetterBatch
from charthouse.foundation import clock
from charthouse.foundation.access.api import PermissionRefused
from charthouse.foundation.jobs import api as jobs
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.outbox import api as outbox
from charthouse.foundation.outbox import transport
from charthouse.foundation.rulepacks.api import rule
from charthouse.people import api as people
from tests.support.debtors import CODER, DAY, HIT, MANAGER, NOW, PATIENT, SYSTEM, make_staff, owe, practitioner
from tests.support.post_office import PostOffice, open_office
from tests.support.threads import together

REMINDER, DELINQUENCY, WARNING = LetterKind


@pytest.fixture
def at_work(db: None) -> Iterator[None]:
    with clock.frozen(NOW):
        make_staff("Novak", "Quill", "Nomail")
        yield


def make(kind: LetterKind, *, mail: bool = False) -> tuple[UUID, making.Made]:
    with transaction.atomic():
        batch = making.open_batch(HIT, kind, mail=mail)
    return batch.pk, making.make_letters(batch.pk)


def only(batch: UUID) -> queries.FullLetter:
    (line,) = queries.letters(HIT, of_batch=batch).lines
    found = queries.letter(HIT, line.id)
    assert found is not None
    return found


class TestMaking:
    def test_who_is_named_by_account_and_by_directory_gets_one(self, at_work: None) -> None:
        owe("Novak", 1, late=3)
        other = owe("Novak", 2, late=4)
        account = people.find_accounts(SYSTEM, people.AccountFilter(text="novak")).lines[0]
        other.owed_by = f"user:{account.id}"
        other.save()
        batch, made = make(DELINQUENCY)
        assert made.made == 1 and len(only(batch).rows) == 2

    def test_who_owes_gets_one_with_record_number_and_day_and_no_name(self, at_work: None) -> None:
        owe("Novak", 1, late=3)
        owe("Novak", 2, opened=1)
        owe("Quill", 3, opened=1)
        batch, made = make(REMINDER)
        assert (made.made, made.before) == (1, 0)
        letter = only(batch)
        assert (
            letter.line.who == "Dr. Ada Novak"
            and "You have 2 charts to complete, with 2 items not yet" in letter.body
        )
        assert letter.columns == ("Record number", "Discharged", "What is owed", "Due")
        assert letter.rows[0].cells == (
            "MRN-771",
            "18 Oct 2026",
            "The discharge summary is missing.",
            "17 Nov 2026",
        )
        kept = Letter.objects.get()
        assert PATIENT["family"] not in kept.body + str(kept.lines)
        (entry,) = entries(SYSTEM, Filters(action="completion.make-letter")).lines
        assert entry.detail["charts"] == 2 and {each.kind for each in entry.subjects} >= {"letter", "resource"}

    def test_in_one_period_once_and_in_the_next_again(self, at_work: None) -> None:
        owe("Novak", 1, late=3)
        first, _ = make(DELINQUENCY)
        again, made = make(DELINQUENCY)
        assert again == first and (made.made, made.before) == (0, 1)
        with clock.frozen(NOW + 7 * DAY):
            other, made = make(DELINQUENCY)
        assert other != first and made.made == 1
        assert [line.period for line in queries.letter_batches(HIT)] == [
            LetterBatch.objects.get(pk=each).period for each in (other, first)
        ]

    def test_the_database_itself_has_it_once(self, at_work: None) -> None:
        owe("Novak", 1, late=3)
        make(DELINQUENCY)
        one = Letter.objects.get()
        with pytest.raises(DatabaseError), transaction.atomic():
            Letter.objects.create(
                **{
                    field.attname: getattr(one, field.attname)
                    for field in Letter._meta.concrete_fields
                    if not field.primary_key
                }
            )

    @pytest.mark.parametrize(
        "statement", ["UPDATE completion_letter SET body = ''", "DELETE FROM completion_letter"]
    )
    def test_a_letter_is_kept_for_good(self, at_work: None, statement: str) -> None:
        owe("Novak", 1, late=3)
        make(DELINQUENCY)
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    def test_what_is_disputed_or_only_proposed_is_not_asked_for(self, at_work: None) -> None:
        disputed, proposed = owe("Novak", 1, late=3), owe("Novak", 2, late=3)
        disputed.disputed = True
        disputed.save()
        proposed.state = "proposed"
        proposed.save()
        assert making.expected_letters(HIT, DELINQUENCY) == []

    def test_dry_makes_nothing(self, at_work: None) -> None:
        owe("Novak", 1, late=3)
        (expected,) = making.expected_letters(HIT, DELINQUENCY)
        assert (expected.who, expected.charts, expected.days) == ("Dr. Ada Novak", 1, 3)
        assert not Letter.objects.exists() and not LetterBatch.objects.exists()

    def test_a_site_may_let_letters_say_less(self, at_work: None, site: dict[str, Any]) -> None:
        site["bylaws"] = {"letter_columns": ["discharged"]}
        owe("Novak", 1, late=3)
        letter = only(make(DELINQUENCY)[0])
        assert letter.columns == ("Discharged",) and letter.rows[0].cells == ("18 Oct 2026",)

    def test_whoever_may_not_is_refused(self, at_work: None) -> None:
        for act in (
            lambda: making.ask_for_letters(CODER, REMINDER, mail=False),
            lambda: making.expected_letters(CODER, REMINDER),
            lambda: queries.letter_batches(CODER),
            lambda: change_letter_text(HIT, REMINDER, queries.template_of(REMINDER).text, 0),
        ):
            with pytest.raises(PermissionRefused):
                act()

    def test_a_job_makes_them_and_is_asked_for_once(self, at_work: None) -> None:
        owe("Novak", 1, late=3)
        batch = making.ask_for_letters(HIT, DELINQUENCY, mail=False)
        with pytest.raises(LetterError, match="asked for already"):
            making.ask_for_letters(HIT, DELINQUENCY, mail=False)
        line = queries.letter_batch(HIT, batch)
        assert line is not None and line.job is not None
        status = queries.progress_of_batch(HIT, line)
        assert status is not None and status.state is jobs.JobState.WAITING

    def test_every_rule_it_goes_by_is_there(self) -> None:
        for code in (
            "reminder-letter",
            "delinquency-letter",
            "suspension-warning",
            "suspension-list",
            "letter-content",
        ):
            assert rule(f"completion.{code}").parameters is not None


class TestTexts:
    def test_versions_are_kept_and_the_newest_holds(self, at_work: None) -> None:
        came = queries.template_of(REMINDER)
        assert came.version == 0
        changed = replace(came.text, title="Charts that wait")
        assert change_letter_text(MANAGER, REMINDER, changed, 0) == 1
        assert [each.version for each in queries.template_versions(REMINDER)] == [1, 0]
        owe("Novak", 1)
        letter = only(make(REMINDER)[0])
        assert letter.title == "Charts that wait" and letter.template == 1

    def test_a_wrong_one_is_refused_with_its_faults(self, at_work: None) -> None:
        text = replace(queries.template_of(REMINDER).text, mail_text="Dear {practitioner}")
        with pytest.raises(TemplateError) as caught:
            change_letter_text(MANAGER, REMINDER, text, 0)
        assert "which a mail may not say" in caught.value.faults["mail_text"]

    def test_two_who_change_it_at_once_lose_nothing(self, at_work: None) -> None:
        text = queries.template_of(REMINDER).text
        change_letter_text(MANAGER, REMINDER, replace(text, title="One"), 0)
        with pytest.raises(LetterError, match="Bright changed this text since"):
            change_letter_text(MANAGER, REMINDER, replace(text, title="Other"), 0)

    def test_a_preview_is_of_a_real_practitioner(self, at_work: None) -> None:
        owe("Novak", 1, late=3)
        text = queries.template_of(WARNING).text
        shown = queries.preview_letter(MANAGER, WARNING, text, practitioner("Novak"))
        assert shown is not None and "Dear Dr. Ada Novak" in shown.text.body and len(shown.lines) == 1
        assert "a chart delinquent for 15 days, or 20 delinquent charts." in shown.text.body
        assert queries.preview_letter(MANAGER, WARNING, text, practitioner("Quill")) is None
        assert not Letter.objects.exists()

    @pytest.mark.parametrize("kind", LetterKind)
    def test_the_texts_that_came_could_be_kept(self, kind: LetterKind, at_work: None) -> None:
        text = queries.template_of(kind).text
        assert change_letter_text(MANAGER, kind, replace(text, title="Another"), 0) == 1


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
def mail(office: PostOffice, at_work: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostOffice]:
    """A mail server that is set up."""
    with open_office(office) as port:
        server = outbox.MailServer("127.0.0.1", port, "none", "him@example.org")
        monkeypatch.setitem(transport._transports, "mailto", outbox.MailTransport(lambda: server))
        monkeypatch.setattr(making, "mail_server", lambda: server)
        yield office


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What site.toml has beside what every site has."""
    from charthouse.completion import bylaws_policy
    from charthouse.configuration import configuration

    made = replace(configuration(), extra={})
    monkeypatch.setattr(bylaws_policy, "configuration", lambda: made)
    return made.extra


class TestMail:
    def test_says_how_many_charts_and_nothing_of_a_patient(self, mail: PostOffice) -> None:
        for number in (1, 2):
            owe("Novak", number, late=3)
        batch, _ = make(DELINQUENCY, mail=True)
        outbox.send_due()
        (arrived,) = mail.mails
        said = f"{arrived['Subject']} {arrived.get_content()}"
        assert arrived["To"] == "novak@example.org" and "You have 2 delinquent charts at Lindqvist Valley" in said
        for hidden in (*PATIENT.values(), "Jane", "Oct 2026", "summary", "Novak"):
            assert hidden not in said
        assert only(batch).line.state == "sent"
        assert [each.what for each in only(batch).events] == ["made", "mailed", "sent"]

    def test_who_has_no_address_gets_paper(self, mail: PostOffice) -> None:
        owe("Nomail", 1, late=3)
        batch, made = make(DELINQUENCY, mail=True)
        assert made.without_address == 1
        letter = only(batch)
        assert letter.line.words == "on paper" and letter.events[-1].what == "not-mailed"
        assert outbox.send_due() == 0

    def test_asked_for_again_no_mail_goes_twice(self, mail: PostOffice) -> None:
        owe("Novak", 1, late=3)
        make(DELINQUENCY, mail=True)
        outbox.send_due()
        make(DELINQUENCY, mail=True)
        assert outbox.send_due() == 0 and len(mail.got) == 1

    def _uncertain(self, mail: PostOffice) -> UUID:
        mail.hangs_up = True
        owe("Novak", 1, late=3)
        batch, _ = make(DELINQUENCY, mail=True)
        outbox.send_due()
        mail.hangs_up = False
        letter = only(batch).line
        assert letter.state == "uncertain" and queries.unsettled_letters(HIT) == 1
        return letter.id

    def test_an_uncertain_one_is_settled_as_arrived(self, mail: PostOffice) -> None:
        letter = self._uncertain(mail)
        with pytest.raises(LetterError, match="how you know"):
            settle_as_arrived(HIT, letter, " ")
        settle_as_arrived(HIT, letter, "She answered it.")
        found = queries.letter(HIT, letter)
        assert found is not None and found.line.state == "sent" and queries.unsettled_letters(HIT) == 0
        assert (found.events[-1].what, found.events[-1].note, found.events[-1].name) == (
            "settled-arrived",
            "She answered it.",
            "H. Tan",
        )
        assert outbox.send_due() == 0 and outbox.dead_letters() == []
        with pytest.raises(LetterError, match="sent now"):
            send_again(HIT, letter)

    def test_an_uncertain_one_is_sent_again_under_the_same_id(self, mail: PostOffice) -> None:
        letter = self._uncertain(mail)
        send_again(HIT, letter, "It is not in her box.")
        found = queries.letter(HIT, letter)
        assert found is not None and found.line.state == "waiting"
        outbox.send_due()
        found = queries.letter(HIT, letter)
        assert found is not None and found.line.state == "sent"
        assert len({mail["Message-ID"] for mail in mail.mails}) == 1 and len(mail.got) == 2
        assert [each.what for each in found.events] == ["made", "mailed", "uncertain", "sent-again", "sent"]
        with pytest.raises(PermissionRefused):
            send_again(CODER, letter)

    def test_a_failed_one_may_be_given_up(self, mail: PostOffice) -> None:
        mail.answers = {"novak@example.org": "550 Nobody"}
        owe("Novak", 1, late=3)
        batch, _ = make(DELINQUENCY, mail=True)
        outbox.send_due()
        letter = only(batch).line
        assert letter.state == "failed" and letter.error == "The mail server answered RCPT TO with 550."
        with pytest.raises(LetterError, match="failed now"):
            settle_as_arrived(HIT, letter.id, "It did.")
        give_up(HIT, letter.id, "Handed over by hand.")
        assert only(batch).line.state == "given-up" and outbox.dead_letters() == []

    def test_settled_at_the_outbox_it_is_settled_here(self, mail: PostOffice) -> None:
        letter = self._uncertain(mail)
        (dead,) = outbox.dead_letters()
        outbox.discard(SYSTEM, dead.message_id, "It arrived.")
        found = queries.letter(HIT, letter)
        assert found is not None and found.line.state == "sent"

    def test_without_a_mail_server_it_is_said_and_nothing_is_made(self, at_work: None) -> None:
        with pytest.raises(LetterError, match=r"\[smtp\]"):
            making.ask_for_letters(HIT, REMINDER, mail=True)
        assert not LetterBatch.objects.exists()


_KILLED = """
import django, os, signal, sys
django.setup()
from django.conf import settings
from django.db import connections
connections.settings["default"]["NAME"] = settings.DATABASES["default"]["NAME"] = sys.argv[1]
from datetime import datetime
from uuid import UUID
from charthouse.completion.actions import make_letters as making
from charthouse.foundation import clock

clock.freeze(datetime.fromisoformat(sys.argv[3]))
before, count = making.mail_letter_to, 0

def dies(*given):
    # In the middle of a letter: the mail is written, the transaction is not committed.
    global count
    before(*given)
    count += 1
    if count == 4:
        os.kill(os.getpid(), signal.SIGKILL)

making.mail_letter_to = dies
making.make_letters(UUID(sys.argv[2]))
"""


def test_a_killed_job_run_again_leaves_each_letter_once(committed_db: str) -> None:
    families = [f"Person{letter}" for letter in "abcdefgh"]
    with clock.frozen(NOW):
        make_staff(*families)
        for number, family in enumerate(families):
            owe(family, number, late=3)
        with transaction.atomic():
            batch = making.open_batch(HIT, DELINQUENCY, mail=True)
        name = connection.settings_dict["NAME"]
        died = subprocess.run(
            [sys.executable, "-c", _KILLED, str(name), str(batch.pk), NOW.isoformat()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert Letter.objects.count() == 3, "those before the kill are there, the one in hand is not"
        done = making.make_letters(batch.pk)
        assert (done.made, done.before) == (5, 3)
        assert sorted(Letter.objects.values_list("practitioner_name", flat=True)) == [
            f"Dr. Ada {family}" for family in families
        ]
        with connection.cursor() as cursor:
            cursor.execute("SELECT key, count(*) FROM outbox_message GROUP BY key HAVING count(*) > 1")
            assert cursor.fetchall() == [], "and no mail twice"
            cursor.execute("SELECT count(*) FROM outbox_message")
            assert cursor.fetchone() == (8,)


def test_two_jobs_at_once_make_each_letter_once(committed_db: str) -> None:
    families = [f"Person{letter}" for letter in "abcd"]
    with clock.frozen(NOW):
        make_staff(*families)
        for number, family in enumerate(families):
            owe(family, number, late=3)
        with transaction.atomic():
            batch = making.open_batch(HIT, DELINQUENCY, mail=False)
        assert together([lambda: making.make_letters(batch.pk)] * 3) == {"done": 3}
        assert Letter.objects.count() == 4
