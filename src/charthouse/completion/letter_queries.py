"""Reads of letters: their texts, batches, the letters themselves, and how their mails went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.jobs.api import JobStatus, status

from .bylaws_policy import calendars, site_policy
from .composing import Composed, Line, calendar_of, compose, texts_that_came
from .domain.bylaws import LetterKind, letter_lists
from .domain.letter_texts import LetterText
from .letter_models import Letter, LetterBatch, LetterEvent, LetterTemplate, SendingState
from .naming import named
from .owed import Owing, owed_by, owing
from .permissions import CHANGE_LETTERS, SEE_LETTERS
from .seeing import visible

_PAGE = 100
HIDDEN = "a chart you may not see"


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """A version of a kind's text; version 0 is as Charthouse came, by nobody."""

    kind: LetterKind
    version: int
    text: LetterText
    name: str
    at: datetime | None


def template_of(kind: LetterKind) -> TemplateLine:
    """The text that holds for a kind of letter."""
    return template_versions(kind)[0]


def template_versions(kind: LetterKind) -> list[TemplateLine]:
    """Every version of a kind's text, the one that holds first."""
    kept = [
        TemplateLine(
            kind, row.version, LetterText(row.title, row.body, row.mail_subject, row.mail_text), row.name, row.at
        )
        for row in LetterTemplate.objects.filter(kind=kind).order_by("-version")
    ]
    return [*kept, TemplateLine(kind, 0, texts_that_came()[kind], "", None)]


def preview_letter(ctx: AccessContext, kind: LetterKind, text: LetterText, practitioner: str) -> Composed | None:
    """A letter with this text to a practitioner, as it would be today; of everything owed where no letter of the
    kind would be made. None where nothing is owed by them."""
    require(ctx, CHANGE_LETTERS)
    who = named([practitioner]).get(practitioner)
    if who is None:
        return None
    at = now()
    owed = owed_by(who.keys, at)
    if not owed:
        return None
    policy, calendar = site_policy(), calendar_of(owed, calendars())
    listed = letter_lists(kind, owed, policy.bylaws, calendar, at) or owed
    made = compose(kind, text, name=who.shown, owed=owed, listed=listed, policy=policy, calendar=calendar, now=at)
    return Composed(made.text, made.columns, _as_seen(ctx, made.lines), made.debts)


def could_be_shown(ctx: AccessContext) -> list[Owing]:
    """Those with whom a text can be tried: everybody who owes something."""
    require(ctx, CHANGE_LETTERS)
    return owing()


@dataclass(frozen=True, slots=True)
class Expected:
    """Who would get a letter now: the name, and what it would say."""

    who: str
    charts: int
    delinquent: int
    deficiencies: int
    days: int


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch with how many letters there are, and how many of their mails are at each point. ``paper``: no
    mail."""

    id: UUID
    kind: LetterKind
    period: date
    mail: bool
    name: str
    at: datetime
    finished: datetime | None
    job: int | None
    letters: int
    states: Mapping[str, int]

    @property
    def paper(self) -> int:
        return self.letters - sum(self.states.values())

    def in_state(self, state: SendingState) -> int:
        return self.states.get(state.value, 0)

    @property
    def sent(self) -> int:
        return self.in_state(SendingState.SENT)

    @property
    def waiting(self) -> int:
        return self.in_state(SendingState.WAITING)

    @property
    def uncertain(self) -> int:
        return self.in_state(SendingState.UNCERTAIN)

    @property
    def failed(self) -> int:
        return self.in_state(SendingState.FAILED) + self.in_state(SendingState.GIVEN_UP)


def letter_batches(ctx: AccessContext, limit: int = _PAGE) -> list[BatchLine]:
    """The newest batches."""
    require(ctx, SEE_LETTERS)
    return _batch_lines(LetterBatch.objects.order_by("-at")[:limit])


def letter_batch(ctx: AccessContext, id: UUID) -> BatchLine | None:
    """One batch; None where there is none."""
    require(ctx, SEE_LETTERS)
    return next(iter(_batch_lines(LetterBatch.objects.filter(pk=id))), None)


def progress_of_batch(ctx: AccessContext, line: BatchLine) -> JobStatus | None:
    """How far the job is that makes a batch; None where it was cleared away."""
    require(ctx, SEE_LETTERS)
    return status(line.job) if line.job is not None else None


def _batch_lines(rows: Iterable[LetterBatch]) -> list[BatchLine]:
    listed = list(rows)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.batch_id, s.state, count(*) FROM completion_letter l LEFT JOIN completion_letter_sending s"
            " ON s.letter_id = l.id WHERE l.batch_id = ANY(%s) GROUP BY l.batch_id, s.state",
            [[row.pk for row in listed]],
        )
        counts: dict[UUID, dict[str | None, int]] = {}
        for id, state, number in cursor.fetchall():
            counts.setdefault(id, {})[state] = number
    return [
        BatchLine(
            row.pk,
            LetterKind(row.kind),
            row.period,
            row.mail,
            row.name,
            row.at,
            row.finished_at,
            row.job,
            sum(counts.get(row.pk, {}).values()),
            {state: number for state, number in counts.get(row.pk, {}).items() if state is not None},
        )
        for row in listed
    ]


@dataclass(frozen=True, slots=True)
class LetterLine:
    """A letter in a list. ``state`` is that of its mail, empty where it has none."""

    id: UUID
    kind: LetterKind
    practitioner: str
    who: str
    made_at: datetime
    charts: int
    delinquent: int
    deficiencies: int
    days: int
    state: str
    error: str
    changed_at: datetime | None

    @property
    def words(self) -> str:
        """The state of its mail, for a person."""
        return MAIL_WORDS[self.state]

    @property
    def unsettled(self) -> bool:
        return self.state in (SendingState.UNCERTAIN, SendingState.FAILED)


MAIL_WORDS = {
    "": "on paper",
    SendingState.WAITING.value: "waits to be sent",
    SendingState.SENT.value: "sent",
    SendingState.FAILED.value: "failed",
    SendingState.UNCERTAIN.value: "uncertain",
    SendingState.GIVEN_UP.value: "given up",
}
#: What a list of letters may be narrowed to by the state of their mail.
LETTER_STATES = ("uncertain", "failed", "waiting", "sent", "given-up", "paper")
_LINE = (
    "SELECT l.id, l.kind, l.practitioner, l.practitioner_name, l.made_at, l.charts, l.delinquent, l.deficiencies,"
    " l.days, coalesce(s.state, ''), coalesce(s.error, ''), s.changed_at FROM completion_letter l"
    " LEFT JOIN completion_letter_sending s ON s.letter_id = l.id"
)


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Letters of a list; ``more`` where there are others after them."""

    lines: tuple[LetterLine, ...]
    more: bool


def letters(
    ctx: AccessContext,
    *,
    kind: LetterKind | None = None,
    state: str = "",
    practitioner: str = "",
    of_batch: UUID | None = None,
    page: int = 1,
    limit: int = _PAGE,
) -> LetterPage:
    """Letters, the newest first; those of a batch by name. ``practitioner`` follows merges in the directory."""
    require(ctx, SEE_LETTERS)
    conditions, values = ["true"], list[Any]()
    if kind is not None:
        conditions.append("l.kind = %s")
        values.append(kind.value)
    if state == "paper":
        conditions.append("s.state IS NULL")
    elif state:
        conditions.append("s.state = %s")
        values.append(state)
    if practitioner:
        conditions.append("l.practitioner = ANY(%s)")
        values.append(list(keys_of(practitioner)))
    if of_batch is not None:
        conditions.append("l.batch_id = %s")
        values.append(of_batch)
    order = "l.practitioner_name, l.id" if of_batch is not None else "l.made_at DESC, l.id DESC"
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_LINE} WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT %s OFFSET %s",
            [*values, limit + 1, (page - 1) * limit],
        )
        found = [LetterLine(row[0], LetterKind(row[1]), *row[2:]) for row in cursor.fetchall()]
    return LetterPage(tuple(found[:limit]), len(found) > limit)


def unsettled_letters(ctx: AccessContext) -> int:
    """How many mails are uncertain or failed and wait for a person."""
    require(ctx, SEE_LETTERS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM completion_letter_sending WHERE state IN ('failed', 'uncertain')")
        return int(cursor.fetchone()[0])


def keys_of(practitioner: str) -> tuple[str, ...]:
    """Every name of a practitioner, as letters have kept them."""
    found = named([practitioner]).get(practitioner)
    return found.keys if found else (practitioner,)


@dataclass(frozen=True, slots=True)
class EventLine:
    """A step of a letter or a suspension: what, by whom, when, and why."""

    what: str
    note: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FullLetter:
    """A letter as it was made; rows of charts the asker may not see say so. ``address`` is where its mail went."""

    line: LetterLine
    batch: UUID
    period: date
    template: int
    title: str
    body: str
    columns: tuple[str, ...]
    rows: tuple[Line, ...]
    address: str
    mail_subject: str
    mail_text: str
    events: tuple[EventLine, ...]


def letter(ctx: AccessContext, id: UUID) -> FullLetter | None:
    """One letter with its history; None where there is none."""
    return next(iter(full_letters(ctx, [id])), None)


def full_letters(ctx: AccessContext, ids: Sequence[UUID]) -> list[FullLetter]:
    """Letters whole, in the order asked for."""
    require(ctx, SEE_LETTERS)
    with connection.cursor() as cursor:
        cursor.execute(f"{_LINE} WHERE l.id = ANY(%s)", [list(ids)])
        lines = {row[0]: LetterLine(row[0], LetterKind(row[1]), *row[2:]) for row in cursor.fetchall()}
    kept = {each.pk: each for each in Letter.objects.filter(pk__in=lines).select_related("sending")}
    events: dict[UUID, list[EventLine]] = {}
    for event in LetterEvent.objects.filter(letter__in=lines).order_by("id"):
        events.setdefault(event.letter_id, []).append(EventLine(event.what, event.note, event.name, event.at))
    seen = visible(ctx, {line["encounter"] for each in kept.values() for line in each.lines})
    found = []
    for id in ids:
        if id not in kept:
            continue
        row = kept[id]
        sending = getattr(row, "sending", None)
        rows = tuple(_seen(Line(each["encounter"], tuple(each["cells"])), seen) for each in row.lines)
        found.append(
            FullLetter(
                lines[id],
                row.batch_id,
                row.period,
                row.template,
                row.title,
                row.body,
                tuple(row.columns),
                rows,
                sending.address if sending else "",
                sending.subject if sending else "",
                sending.text if sending else "",
                tuple(events.get(id, ())),
            )
        )
    return found


def _as_seen(ctx: AccessContext, lines: Sequence[Line]) -> tuple[Line, ...]:
    seen = visible(ctx, {line.encounter for line in lines})
    return tuple(_seen(line, seen) for line in lines)


def _seen(line: Line, seen: set[int]) -> Line:
    if line.encounter in seen:
        return line
    return Line(line.encounter, (HIDDEN, *("" for _ in line.cells[1:])))
