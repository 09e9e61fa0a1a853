"""The suspension list: proposed by the bylaws, decided by a person, ended when nothing delinquent is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from django.db import DatabaseError, connection, transaction

from charthouse.completion import suspension_queries as queries
from charthouse.completion.actions.decide_suspension import lift, spare, suspend
from charthouse.completion.actions.make_letters import make_letters, open_batch
from charthouse.completion.actions.mark_away import mark_away
from charthouse.completion.actions.propose_suspensions import candidates, lift_completed, propose_suspensions
from charthouse.completion.domain.bylaws import LetterKind
from charthouse.completion.letter_errors import LetterError
from charthouse.completion.letter_models import Suspension
from charthouse.completion.letter_queues import SUSPENSIONS
from charthouse.foundation import clock
from charthouse.foundation.access.api import PermissionRefused
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.work import api as work
from tests.support.debtors import CODER, DAY, HIT, MANAGER, NOW, SYSTEM, complete, make_staff, owe, practitioner
from tests.support.threads import together


def warn() -> None:
    """The warnings of eight days ago."""
    with clock.frozen(NOW - 8 * DAY):
        with transaction.atomic():
            batch = open_batch(HIT, LetterKind.SUSPENSION_WARNING, mail=False)
        make_letters(batch.pk)


@pytest.fixture
def at_work(db: None) -> Iterator[None]:
    with clock.frozen(NOW):
        make_staff("Novak", "Quill")
        yield


@pytest.fixture
def proposed(at_work: None) -> Suspension:
    """Novak, whose one chart is delinquent for twenty days, warned and proposed."""
    owe("Novak", 1, late=20)
    warn()
    assert propose_suspensions().proposed == 1
    return Suspension.objects.get()


class TestProposing:
    def test_who_was_warned_and_is_late_enough(self, proposed: Suspension) -> None:
        (line,) = queries.listed_suspensions(HIT)
        assert (line.who, line.words, line.delinquent, line.days) == ("Dr. Ada Novak", "Proposed", 1, 20)
        assert line.reached == "The oldest chart is delinquent for 20 days; the bylaws say 15."
        (item,) = work.items(MANAGER, SUSPENSIONS).items
        assert item.subject.id == str(proposed.pk) and item.rule == "completion.suspension-list"
        assert propose_suspensions().proposed == 0, "and once"

    def test_nobody_without_a_warning(self, at_work: None) -> None:
        owe("Novak", 1, late=20)
        assert propose_suspensions().proposed == 0

    def test_nobody_who_is_away(self, at_work: None) -> None:
        owe("Novak", 1, late=20)
        warn()
        assert len(candidates()) == 1
        mark_away(MANAGER, practitioner("Novak"), gone=False, until=NOW + 9 * DAY, reason="Illness")
        assert candidates() == []

    def test_what_is_completed_before_is_withdrawn(self, at_work: None) -> None:
        owed = owe("Novak", 1, late=20)
        warn()
        propose_suspensions()
        complete(owed)
        assert propose_suspensions().withdrawn == 1
        assert queries.listed_suspensions(HIT) == [] and queries.past_suspensions(HIT)[0].words == "Withdrawn"
        assert work.items(MANAGER, SUSPENSIONS).items == ()


class TestDeciding:
    def test_suspended_until_it_is_completed(self, at_work: None) -> None:
        owed = owe("Novak", 1, late=20)
        warn()
        propose_suspensions()
        (line,) = queries.listed_suspensions(HIT)
        assert suspend(MANAGER, line.number, "Committee of 20 November") == "suspended"
        assert work.items(MANAGER, SUSPENSIONS).items == ()
        assert lift_completed().lifted == 0
        complete(owed)
        with clock.frozen(NOW + 3 * DAY):
            assert lift_completed().lifted == 1
        full = queries.suspension(HIT, line.number)
        assert full is not None and full.line.words == "Lifted" and full.debts.delinquent == 0
        assert [(each.what, each.name) for each in full.events] == [
            ("proposed", "completion"),
            ("suspended", "M. Bright"),
            ("lifted", "completion"),
        ]
        told = [entry.detail["step"] for entry in entries(SYSTEM, Filters(action="completion.suspension")).lines]
        assert sorted(told) == ["lifted", "proposed", "suspended"]

    def test_who_was_on_it_when(self, proposed: Suspension) -> None:
        suspend(MANAGER, proposed.pk)
        with clock.frozen(NOW + 3 * DAY):
            lift(MANAGER, proposed.pk, "The court asked for her.")
        days = {day: len(queries.suspended_on(HIT, date(2026, 11, day))) for day in range(19, 26)}
        assert days == {19: 0, 20: 1, 21: 1, 22: 1, 23: 1, 24: 0, 25: 0}

    def test_spared_until_a_day_and_then_proposed_again(self, proposed: Suspension) -> None:
        with pytest.raises(LetterError, match="Say why"):
            spare(MANAGER, proposed.pk, "  ")
        with pytest.raises(LetterError, match="within a year"):
            spare(MANAGER, proposed.pk, "Illness", date(2026, 11, 19))
        assert spare(MANAGER, proposed.pk, "Illness") == date(2026, 11, 27)
        assert propose_suspensions().proposed == 0
        with clock.frozen(NOW + 7 * DAY):
            assert propose_suspensions().proposed == 0
        with clock.frozen(NOW + 8 * DAY):
            assert propose_suspensions().proposed == 1
        assert [line.words for line in queries.suspensions_of(HIT, practitioner("Novak"))] == [
            "Proposed",
            "Spared",
        ]

    def test_a_proposal_completed_meanwhile_is_not_suspended(self, at_work: None) -> None:
        owed = owe("Novak", 1, late=20)
        warn()
        propose_suspensions()
        complete(owed)
        assert suspend(MANAGER, Suspension.objects.get().pk) == "withdrawn"

    def test_decided_once(self, proposed: Suspension) -> None:
        suspend(MANAGER, proposed.pk)
        with pytest.raises(LetterError, match=r"decided meanwhile by M\. Bright: suspended"):
            spare(MANAGER, proposed.pk, "Illness")

    def test_by_whom_it_may_be(self, proposed: Suspension) -> None:
        with pytest.raises(PermissionRefused):
            suspend(HIT, proposed.pk)
        with pytest.raises(PermissionRefused):
            queries.listed_suspensions(CODER)

    def test_its_history_is_kept_for_good(self, proposed: Suspension) -> None:
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM completion_suspension_event")


def test_two_who_decide_at_once_and_two_runs_at_once(committed_db: str) -> None:
    with clock.frozen(NOW):
        make_staff("Novak")
        owe("Novak", 1, late=20)
        warn()
        assert together([propose_suspensions] * 3) == {"done": 3}
        number = Suspension.objects.get().pk
        done = together([lambda: suspend(MANAGER, number), lambda: spare(MANAGER, number, "Illness")])
        assert done == {"done": 1, "LetterError": 1}
