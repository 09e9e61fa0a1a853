"""Letters of one kind to everybody who is to get one: each once in a period, whatever happens to the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from django.db import IntegrityError, transaction

from charthouse.completion.bylaws_policy import calendars, site_policy
from charthouse.completion.composing import Composed, calendar_of, compose
from charthouse.completion.domain.bylaws import LetterKind, letter_lists, period_of
from charthouse.completion.letter_errors import LetterError
from charthouse.completion.letter_models import Letter, LetterBatch, LetterEvent, LetterSending
from charthouse.completion.letter_queries import Expected, TemplateLine, template_of
from charthouse.completion.owed import Owing, owed_by, owing
from charthouse.completion.permissions import WRITE_LETTERS
from charthouse.configuration import ConfigurationError
from charthouse.foundation.access.api import AccessContext, require, system_context
from charthouse.foundation.clock import now, wall
from charthouse.foundation.jobs import api as jobs
from charthouse.foundation.ledger.api import Subject, append
from charthouse.foundation.outbox.api import enqueue, mail_server
from charthouse.people.api import mail_addresses
from charthouse.record.api import public_ids

#: What the outbox calls a mail that announces a letter.
MAIL_KIND = "mail/completion-letter"
SYSTEM = system_context("completion")
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Made:
    """What a run did: letters made now, those that were there, and those without an address for their mail."""

    made: int
    before: int
    without_address: int


@dataclass(frozen=True, slots=True)
class _Due:
    """A letter that is to be made, before it is."""

    who: Owing
    composed: Composed


def ask_for_letters(ctx: AccessContext, kind: LetterKind, *, mail: bool) -> UUID:
    """Let the worker make the letters of a kind for the present period; returns the batch.

    Asked for again in the same period, it makes what is missing of the same batch. Raises LetterError where it is
    being made at this moment or no mail server is set up, PermissionRefused.
    """
    from charthouse.completion.letter_jobs import letters

    require(ctx, WRITE_LETTERS)
    if mail:
        require_mail()
    try:
        with transaction.atomic():
            found = open_batch(ctx, kind, mail=mail)
            found.job = jobs.defer(letters, once=f"completion.letters:{found.pk}", batch=str(found.pk))
            found.save(update_fields=["job"])
    except jobs.AlreadyWaiting:
        raise LetterError("These letters are asked for already and are made in a moment.") from None
    return found.pk


def mail_is_set_up() -> bool:
    """Whether mails can be sent at all."""
    try:
        require_mail()
    except LetterError:
        return False
    return True


def require_mail() -> None:
    """Raise LetterError where no mail can be sent."""
    try:
        if mail_server() is not None:
            return
        why = "No mail server is set up: site.toml needs a table [smtp] with host and sender."
    except ConfigurationError as error:
        why = str(error)
    raise LetterError(f"{why} Until then the letters can be made on paper.")


def open_batch(ctx: AccessContext, kind: LetterKind, *, mail: bool) -> LetterBatch:
    """The batch of a kind for the present period, made when it is asked for first; in the caller's transaction."""
    policy = site_policy()
    period = period_of(calendars()[None].day_of(now()), policy.bylaws.every_days)
    found, fresh = LetterBatch.objects.select_for_update().get_or_create(
        kind=kind.value,
        period=period,
        defaults={"mail": mail, "by": ctx.actor, "name": ctx.name or ctx.actor, "at": wall()},
    )
    if not fresh:
        found.mail = found.mail or mail
        found.finished_at = None
        found.save(update_fields=["mail", "finished_at"])
    append(
        ctx,
        "completion.ask-for-letters",
        subjects=[Subject("letter-batch", str(found.pk))],
        detail={"kind": kind.value, "period": period.isoformat(), "mail": mail, "again": not fresh},
    )
    return found


def expected_letters(ctx: AccessContext, kind: LetterKind) -> list[Expected]:
    """Who would get a letter of the kind now; nothing is made. Who had theirs in this period gets no second."""
    require(ctx, WRITE_LETTERS)
    there = _had_theirs(kind)
    return [
        Expected(
            each.who.who.shown,
            each.composed.debts.charts,
            each.composed.debts.delinquent,
            each.composed.debts.deficiencies,
            each.composed.debts.days,
        )
        for each in _due(kind, template_of(kind), now(), there, lambda done, total: None)
    ]


def made_in_period(ctx: AccessContext, kind: LetterKind) -> int:
    """How many had a letter of the kind in the present period."""
    require(ctx, WRITE_LETTERS)
    return len(_had_theirs(kind))


def _had_theirs(kind: LetterKind) -> set[str]:
    period = period_of(calendars()[None].day_of(now()), site_policy().bylaws.every_days)
    there = Letter.objects.filter(batch__kind=kind.value, batch__period=period)
    return set(there.values_list("practitioner", flat=True))


def make_letters(batch: UUID, tell: Tell = lambda done, total: None) -> Made:
    """Make what is missing of a batch, each letter in a transaction of its own with its mail.

    To be run again however it was broken off: a letter that is there is left as it is.
    """
    wanted = LetterBatch.objects.get(pk=batch)
    kind = LetterKind(wanted.kind)
    there = set(Letter.objects.filter(batch=wanted).values_list("practitioner", flat=True))
    before, made, without = len(there), 0, 0
    template = template_of(kind)
    for each in _due(kind, template, now(), there, tell):
        address = mail_addresses([each.who.who.key]).get(each.who.who.key, "") if wanted.mail else ""
        try:
            with transaction.atomic():
                _make(wanted, kind, template, each, address)
        except IntegrityError:
            before += 1
            continue
        made += 1
        without += bool(wanted.mail and not address)
    LetterBatch.objects.filter(pk=batch).update(finished_at=wall())
    return Made(made, before, without)


def _due(kind: LetterKind, template: TemplateLine, at: datetime, there: set[str], tell: Tell) -> Iterator[_Due]:
    policy, places = site_policy(), calendars()
    everybody = owing(at)
    for done, each in enumerate(everybody):
        tell(done, len(everybody))
        if each.gone or not there.isdisjoint(each.who.keys):
            continue
        owed = owed_by(each.who.keys, at)
        calendar = calendar_of(owed, places)
        if listed := letter_lists(kind, owed, policy.bylaws, calendar, at):
            yield _Due(
                each,
                compose(
                    kind,
                    template.text,
                    name=each.who.shown,
                    owed=owed,
                    listed=listed,
                    policy=policy,
                    calendar=calendar,
                    now=at,
                ),
            )
    tell(len(everybody), len(everybody))


def _make(batch: LetterBatch, kind: LetterKind, template: TemplateLine, due: _Due, address: str) -> None:
    made, debts = due.composed, due.composed.debts
    letter = Letter.objects.create(
        batch=batch,
        practitioner=due.who.who.key,
        practitioner_name=due.who.who.shown,
        kind=kind.value,
        period=batch.period,
        made_at=now(),
        template=template.version,
        title=made.text.title,
        body=made.text.body,
        columns=list(made.columns),
        lines=[{"encounter": line.encounter, "cells": list(line.cells)} for line in made.lines],
        charts=debts.charts,
        delinquent=debts.delinquent,
        deficiencies=debts.deficiencies,
        days=debts.days,
    )
    note_letter(SYSTEM, letter, "made")
    if batch.mail and address:
        mail_letter_to(SYSTEM, letter, address, made.text.mail_subject, made.text.mail_text)
    elif batch.mail:
        note_letter(SYSTEM, letter, "not-mailed", "No account in use with an e-mail address is this practitioner.")
    append(
        SYSTEM,
        "completion.make-letter",
        subjects=[
            Subject("letter", str(letter.pk)),
            Subject("letter-batch", str(batch.pk)),
            *(
                Subject("resource", f"Encounter/{id}")
                for id in public_ids("Encounter", [line.encounter for line in made.lines]).values()
            ),
        ],
        detail={"kind": kind.value, "charts": debts.charts, "mail": bool(batch.mail and address)},
    )


def mail_letter_to(ctx: AccessContext, letter: Letter, address: str, subject: str, text: str) -> None:
    """Let the mail that announces a letter leave; in the letter's transaction."""
    message = enqueue(
        f"mailto:{quote(address, safe='@')}", MAIL_KIND, {"subject": subject, "text": text}, str(letter.pk)
    )
    LetterSending.objects.create(
        letter=letter, message=message, address=address, subject=subject, text=text, changed_at=wall()
    )
    note_letter(ctx, letter, "mailed", address)


def note_letter(ctx: AccessContext, letter: Letter, what: str, note: str = "") -> None:
    """Add to the history of a letter."""
    LetterEvent.objects.create(
        letter=letter, what=what, note=note, by=ctx.actor, name=ctx.name or ctx.actor, at=wall()
    )
