"""What the department of the demonstration did before today: a backlog closed, letters sent, somebody suspended.

Everything is done by the actions that people use, in their names; what lies back is done with the business clock
set back. It comes after the hospital is filed and before anything else runs.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from charthouse.completion import api as completion
from charthouse.completion.api import ChartFilters, ChartState, LetterKind
from charthouse.configuration import Configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Role, system_context
from charthouse.foundation.events import api as events
from charthouse.foundation.jobs import api as jobs
from charthouse.foundation.outbox import api as outbox
from charthouse.people import api as people
from charthouse.teaching.api import require_demonstration

from .post import open_post

_SYSTEM = system_context("demo")
_DAY = timedelta(days=1)
#: Charts that ended longer ago were closed by the committee.
_BACKLOG = 150 * _DAY
_MOST = 500
#: The letters were written so long ago, of two kinds after another.
_LETTERS = ((LetterKind.DELINQUENCY, 17 * _DAY), (LetterKind.SUSPENSION_WARNING, 9 * _DAY))
_MAILED, _ANALYSED = 4, 6


@dataclass(frozen=True, slots=True)
class Furnished:
    """What was done: charts closed, letters made, how many are on the suspension list."""

    closed: int
    letters: int
    listed: int


def furnish(site: Configuration) -> Furnished | None:
    """Let the department have worked before today, once; None where it has. Raises ConfigurationError on anything
    but a demonstration."""
    require_demonstration(site)
    if completion.past_suspensions(_SYSTEM):
        return None
    technician, manager = _colleague("helen"), _colleague("manuel")
    # The charts of the hospital that was just filed.
    while sum(events.drain(each) for each in events.registered() if each.name.startswith("completion.")):
        pass
    closed = _close_the_backlog(technician, manager)
    debtors = _debtors()
    addresses = [_account(debtor) for debtor in debtors[:_MAILED]]
    letters = _write(site, technician, addresses[1:2])
    completion.propose_suspensions()
    for each in completion.charts(technician, ChartFilters(states=(ChartState.COMPLETE,)), limit=_ANALYSED).rows:
        if each.discharged and not each.reviewed_at:
            completion.review_chart(technician, each.id, version=each.version)
    _ask_for_a_closure(technician)
    if len(debtors) > 1 and not completion.away(_SYSTEM, [debtors[-1]]):
        until = clock.now() + 20 * _DAY
        completion.mark_away(
            technician, debtors[-1], gone=False, reason="Parental leave", until=until, stand_in=debtors[-2]
        )
    # Last, since it tells that all of it was done.
    _decide(manager)
    return Furnished(closed, letters, len(completion.listed_suspensions(_SYSTEM)))


def _colleague(username: str) -> AccessContext:
    return people.context_for(people.User.objects.get(username=username))


def _delinquent(ctx: AccessContext) -> list[completion.ChartLine]:
    return list(completion.charts(ctx, ChartFilters(states=(ChartState.DELINQUENT,)), limit=_MOST).rows)


def _close_the_backlog(technician: AccessContext, manager: AccessContext) -> int:
    """What is old enough is closed by two persons, as the committee decided."""
    old = [each for each in _delinquent(technician) if each.age and each.age * _DAY > _BACKLOG]
    with clock.frozen(clock.now() - 60 * _DAY):
        for each in old:
            asked = _asks(technician, each.id, "Of the year before the department kept its own lists.")
            completion.approve_closure(manager, asked, "Medical records committee, meeting of the quarter")
    return len(old)


def _asks(technician: AccessContext, chart: int, reason: str) -> int:
    found = completion.chart(technician, chart)
    assert found is not None
    wanted = [each.id for each in found.unsettled]
    return int(completion.ask_to_close(technician, chart, wanted, reason, version=found.line.version).pk)


def _ask_for_a_closure(technician: AccessContext) -> None:
    """One waits for the manager's decision."""
    for each in _delinquent(technician)[:1]:
        with contextlib.suppress(completion.CompletionError):
            _asks(technician, each.id, "The practitioner has left the staff; the letters came back.")


def _debtors() -> list[str]:
    """Who owes something in delinquent charts, who owes most first, by their names in records."""
    owing: Counter[str] = Counter()
    for line in _delinquent(_SYSTEM):
        found = completion.chart(_SYSTEM, line.id)
        owing.update(each.owed_key for each in found.unsettled if each.entry) if found else None
    return [key for key, _ in owing.most_common()]


def _account(key: str) -> str:
    """Give a practitioner an account with an address, so that letters reach them by mail; the address."""
    entry = completion.named([key])[key].entry
    who = people.practitioner(_SYSTEM, entry) if entry is not None else None
    assert who is not None, "debtors are taken from the directory"
    username = ".".join(re.sub("[^a-z]", "", each.casefold()) for each in (who.given, who.family))
    address = f"{username}@larkspur.example"
    # They have it where this is done a second time.
    with contextlib.suppress(people.AccountError):
        made = people.add_account(
            _SYSTEM, username=username, display_name=who.shown, email=address, roles=[Role.PHYSICIAN]
        )
        people.link_practitioner(_SYSTEM, made.id, who.id)
    return address


def _write(site: Configuration, technician: AccessContext, unanswered: list[str]) -> int:
    """The letters, each kind at its time; the mail server does not answer for all of them."""
    jobs.declare_all()
    for kind, ago in _LETTERS:
        last = kind is LetterKind.SUSPENSION_WARNING
        with _mail(site, unanswered if last else []), clock.frozen(clock.now() - ago):
            completion.age_charts()
            completion.ask_for_letters(technician, kind, mail=True)
            jobs.run_worker(wait=False)
            outbox.send_due()
    return sum(each.letters for each in completion.letter_batches(_SYSTEM))


@contextlib.contextmanager
def _mail(site: Configuration, unanswered: list[str]) -> Iterator[None]:
    """A mail server for as long as this takes; the demonstration has none afterwards."""
    before = site.extra.get("smtp")
    # That a mail is uncertain is what is wanted here, and no news for whoever starts the demonstration.
    log = logging.getLogger("charthouse.outbox")
    level = log.level
    log.setLevel(logging.CRITICAL)
    with open_post(unanswered) as port:
        site.extra["smtp"] = {
            "host": "127.0.0.1",
            "port": port,
            "security": "none",
            "sender": "records@larkspur.example",
        }
        try:
            yield
        finally:
            log.setLevel(level)
            site.extra.pop("smtp")
            if before is not None:
                site.extra["smtp"] = before


def _decide(manager: AccessContext) -> None:
    """One is suspended and one spared; the others wait."""
    listed = completion.listed_suspensions(manager)
    if len(listed) > 2:
        first, second = listed[:2]
        if not first.suspended_at:
            completion.suspend(manager, first.number, "Medical executive committee, by telephone")
        completion.spare(manager, second.number, "In hospital himself; his partner completes the charts.")
