"""Letters and the suspension list in a browser: open to everybody, and a manager's round by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from charthouse.foundation import clock
from tests.support.debtors import DAY, HIT, NOW, make_staff, owe
from tests.support.post_office import PostOffice, open_office
from tests.support.screens import assert_open_to_everybody, assert_the_keys_are_named, press


@pytest.fixture(scope="module")
def department(served: str, beside: Any) -> Iterator[dict[str, Any]]:
    """Letters of each kind, some of them uncertain or failed; somebody proposed, suspended, and spared."""
    with clock.frozen(NOW), pytest.MonkeyPatch.context() as patch:
        yield beside(lambda: _fill(patch))


def _fill(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    from django.db import transaction

    from charthouse.completion.actions import make_letters as making
    from charthouse.completion.actions.decide_suspension import spare, suspend
    from charthouse.completion.actions.propose_suspensions import propose_suspensions
    from charthouse.completion.domain.bylaws import LetterKind
    from charthouse.completion.letter_models import Letter, Suspension
    from charthouse.foundation.outbox import api as outbox
    from charthouse.foundation.outbox import transport
    from tests.support.debtors import MANAGER

    families = ("Novak", "Quill", "Featherstonehaugh", "Nomail", "Osei")
    make_staff(*families)
    for number, family in enumerate(families):
        owe(family, number, late=20)
        owe(family, number + 20, opened=1)
    batches = {}
    office = PostOffice(answers={"quill@example.org": "550 Nobody"})
    with open_office(office) as port:
        server = outbox.MailServer("127.0.0.1", port, "none", "him@example.org")
        patch.setitem(transport._transports, "mailto", outbox.MailTransport(lambda: server))
        for kind in LetterKind:
            with clock.frozen(NOW - 8 * DAY), transaction.atomic():
                batch = making.open_batch(HIT, kind, mail=kind is not LetterKind.REMINDER)
            with clock.frozen(NOW - 8 * DAY):
                making.make_letters(batch.pk)
            office.hangs_up = kind is LetterKind.DELINQUENCY
            outbox.send_due()
            batches[kind.value] = str(batch.pk)
    propose_suspensions()
    by_name = {each.practitioner_name.split()[-1]: each.pk for each in Suspension.objects.all()}
    suspend(MANAGER, by_name["Quill"], "Committee of November")
    spare(MANAGER, by_name["Osei"], "Illness")
    letters = Letter.objects.order_by("practitioner_name")
    return {
        "batches": batches,
        "suspensions": by_name,
        "uncertain": str(letters.filter(sending__state="uncertain")[0].pk),
        "failed": str(letters.filter(sending__state="failed")[0].pk),
        "paper": str(letters.filter(sending=None)[0].pk),
    }


SCREENS = {
    "letters": lambda there: "/letters/",
    "batches": lambda there: "/letters/?view=batches",
    "make": lambda there: "/letters/make?kind=delinquency",
    "batch": lambda there: f"/letters/batches/{there['batches']['delinquency']}",
    "uncertain-letter": lambda there: f"/letters/{there['uncertain']}",
    "failed-letter": lambda there: f"/letters/{there['failed']}",
    "texts": lambda there: "/letters/wording/",
    "text": lambda there: "/letters/wording/suspension-warning",
    "list": lambda there: "/suspensions/",
    "ended": lambda there: "/suspensions/?view=past",
    "proposed": lambda there: f"/suspensions/{there['suspensions']['Novak']}",
    "suspended": lambda there: f"/suspensions/{there['suspensions']['Quill']}",
}


@pytest.mark.layout
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_is_open_to_everybody(visit: Any, department: dict[str, Any], screen: str) -> None:
    page = visit(SCREENS[screen](department))
    assert "Novak" not in page.title()
    assert_open_to_everybody(page)
    assert_the_keys_are_named(page)


@pytest.mark.layout
def test_a_fault_in_a_text_is_open_to_everybody(visit: Any, department: dict[str, Any]) -> None:
    page = visit("/letters/wording/reminder")
    page.get_by_label("Letter", exact=True).fill("Dear {doctor}")
    page.get_by_role("button", name="Show it so").click()
    page.get_by_text("has {doctor}, which there is not").wait_for()
    assert_open_to_everybody(page)


def test_a_batch_is_asked_for_and_watched_by_keyboard(visit: Any, department: dict[str, Any], beside: Any) -> None:
    page = visit("/")
    press(page, "g")
    press(page, "Shift+L")
    page.get_by_role("heading", name="Letters to practitioners").wait_for()
    press(page, "m")
    page.get_by_role("heading", name="Make letters").wait_for()
    press(page, "2")
    page.get_by_text("5 practitioners would get one now.").wait_for()
    press(page, "s")
    page.get_by_text("The letters wait for the worker.").wait_for()
    batch = UUID(page.url.rstrip("/").rpartition("/")[2])
    assert beside(lambda: _work(batch))
    page.get_by_text("5 letters on paper.").wait_for()
    press(page, "j")
    press(page, "Enter")
    page.get_by_role("heading", name="Delinquent records").wait_for()


def _work(batch: UUID) -> bool:
    """What the worker does with the job."""
    from charthouse.completion.letter_models import LetterBatch
    from charthouse.foundation.jobs import api as jobs

    jobs.declare_all()
    jobs.run_worker(wait=False)
    return LetterBatch.objects.get(pk=batch).finished_at is not None


def test_an_uncertain_mail_is_settled_and_a_proposal_decided_by_keyboard(
    visit: Any, department: dict[str, Any]
) -> None:
    page = visit(f"/letters/{department['uncertain']}")
    press(page, "i")
    page.keyboard.type("She called.")
    press(page, "Escape")
    page.get_by_role("button", name="It arrived").focus()
    press(page, "Enter")
    page.get_by_text("Kept: it arrived.").wait_for()
    page = visit(f"/suspensions/{department['suspensions']['Novak']}")
    press(page, "Shift+S")
    page.get_by_text("It ends by itself when nothing delinquent is left.").first.wait_for()
    page.get_by_text("Suspended", exact=True).first.wait_for()
