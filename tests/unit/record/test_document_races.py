"""Two people on one document at once: one is told, and nothing of either is lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from charthouse.foundation.clock import wall
from charthouse.record import api as record
from charthouse.record.api import Addition, Kind, Meaning, Reason
from charthouse.record.verifying import verify

from .test_corrections import CHEN, NOVAK, OBI, SATO, SYSTEM, Department, make_department, note
from .test_races import at_once

WHAT = ("DocumentReference", "d1")


@pytest.fixture
def chart(committed_db: str, make: Any) -> tuple[int, ...]:
    with connection.cursor() as cursor:
        made: Department = make_department(make.book(cursor), make)
    return made.chart


def seen(chart: tuple[int, ...]) -> str:
    shown = record.document(SYSTEM, chart, *WHAT)
    assert shown is not None
    return shown.seen


@dataclass
class Refused:
    """An act that was not done, and why."""

    why: record.DocumentError


def told(act: Callable[[], object]) -> Callable[[], object]:
    """What an act gives, or why it was refused."""

    def run() -> object:
        try:
            return act()
        except record.DocumentError as error:
            return Refused(error)

    return run


def test_of_two_who_change_a_note_at_once_one_is_shown_both_texts(chart: tuple[int, ...]) -> None:
    opened = seen(chart)
    texts = ["From this desk.", "From that desk."]
    results = at_once(
        *[told(partial(record.revise_document, NOVAK, chart, *WHAT, text, seen=opened)) for text in texts]
    )
    (refused,) = [each.why for each in results if isinstance(each, Refused)]
    assert [each for each in results if each == 2] == [2]
    assert isinstance(refused, record.ChangedSince)
    assert refused.now in texts and refused.opened.startswith("Seen")
    assert verify(processes=1).is_whole


def test_a_note_is_not_signed_in_the_moment_in_which_it_is_changed(chart: tuple[int, ...]) -> None:
    opened = seen(chart)
    changed, signed = at_once(
        told(lambda: record.revise_document(NOVAK, chart, *WHAT, "Otherwise.", seen=opened)),
        told(
            lambda: record.sign_document(NOVAK, chart, *WHAT, seen=opened, meaning=Meaning.AUTHOR, confirmed=wall())
        ),
    )
    # Whoever came second was told; what is signed is what was seen.
    assert isinstance(changed, Refused) != isinstance(signed, Refused)
    shown = record.document(SYSTEM, chart, *WHAT)
    assert shown is not None and bool(shown.signed) == (shown.own_text != "Otherwise.")
    assert verify(processes=1).is_whole


def test_two_who_confirm_at_once_do_it_once(chart: tuple[int, ...]) -> None:
    number = record.ask_to_retract(SATO, chart, *WHAT, Reason("duplicate"), seen=seen(chart))
    results = at_once(
        *[told(lambda: record.confirm_correction(OBI, number))] * 2,
        told(lambda: record.refuse_correction(OBI, number, "No.")),
    )
    refused = [each for each in results if isinstance(each, Refused)]
    assert len(refused) == 2 and all("decided meanwhile" in str(each.why) for each in refused)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record_correction_decision")
        assert cursor.fetchone() == (1,)


def test_two_who_ask_at_once_ask_once(chart: tuple[int, ...]) -> None:
    opened = seen(chart)
    results = at_once(
        *[
            told(partial(record.ask_to_retract, ctx, chart, *WHAT, Reason("duplicate"), seen=opened))
            for ctx in (SATO, CHEN, OBI)
        ]
    )
    assert len([each for each in results if isinstance(each, int)]) == 1


def test_addenda_filed_at_once_are_all_there_and_one_form_is_one(chart: tuple[int, ...]) -> None:
    opened, once = seen(chart), str(uuid.uuid4())
    given = [Addition("The same form.", Reason("incomplete"), once)] * 3
    given += [Addition(f"Another {each}.", Reason("incomplete"), str(uuid.uuid4())) for each in range(3)]
    results = at_once(
        *[told(partial(record.file_addendum, SATO, chart, *WHAT, each, seen=opened)) for each in given]
    )
    assert len(set(map(str, results))) == 4
    shown = record.document(SYSTEM, chart, *WHAT)
    assert shown is not None and len(shown.added) == 4


def test_a_sender_and_a_signer_at_once_never_overwrite_each_other(chart: tuple[int, ...], make: Any) -> None:
    """Whoever is second finds the other's version: the sender finds it locked, the signer is told of the change."""
    opened = seen(chart)

    def send() -> object:
        with transaction.atomic(), connection.cursor() as cursor:
            filings = make.book(cursor).prepare(note(text="Sent anew."))
            batch = record.FilingBatch(cursor, filings)
            return "locked" if batch.locked() else batch.file(filings, wall())[0].version

    def sign() -> object:
        return record.sign_document(NOVAK, chart, *WHAT, seen=opened, meaning=Meaning.AUTHOR, confirmed=wall())

    sent, signed = at_once(send, told(sign))
    assert (sent, signed) == ("locked", 2) or (sent == 2 and isinstance(signed, Refused))
    assert verify(processes=1).is_whole


def test_two_moves_at_once_leave_the_document_in_one_encounter(chart: tuple[int, ...]) -> None:
    opened = seen(chart)
    act = told(lambda: record.move_to_encounter(SATO, chart, *WHAT, "e2", Reason("wrong-visit"), seen=opened))
    results = at_once(act, act, act)
    assert len([each for each in results if each == 2]) == 1
    shown = record.document(SYSTEM, chart, *WHAT)
    assert shown is not None and shown.encounter == "e2"
    assert [each.kind for each in shown.corrections] == [Kind.WRONG_ENCOUNTER]


def test_the_record_is_proved_by_several_processes_as_by_one(chart: tuple[int, ...]) -> None:
    record.sign_document(NOVAK, chart, *WHAT, seen=seen(chart), meaning=Meaning.AUTHOR, confirmed=wall())
    alone, many = verify(processes=1), verify(processes=3)
    assert alone.is_whole and many.is_whole
    assert (alone.versions, alone.signatures) == (many.versions, many.signatures) and alone.signatures == 1
