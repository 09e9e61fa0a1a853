"""Bring the suspension list up to date: propose who reached the bylaws' thresholds, withdraw and lift what is
completed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection, transaction

from charthouse.completion.bylaws_policy import SitePolicy, calendars, site_policy
from charthouse.completion.composing import calendar_of
from charthouse.completion.domain.bylaws import LetterKind, Reached, counted, reached_list
from charthouse.completion.domain.clocks import Calendar
from charthouse.completion.letter_models import Suspension, SuspensionEvent, SuspensionState
from charthouse.completion.letter_queries import keys_of
from charthouse.completion.letter_queues import SUSPENSIONS
from charthouse.completion.owed import Owing, each_owed, owed_by
from charthouse.foundation.access.api import AccessContext, system_context
from charthouse.foundation.clock import now
from charthouse.foundation.events.api import append as append_event
from charthouse.foundation.ids import hash64
from charthouse.foundation.ledger.api import Subject, append
from charthouse.foundation.work.api import finish_by_dedupe, open_item

RULE = "completion.suspension-list"
SYSTEM = system_context("completion")
_LOCK = hash64("completion.suspensions")
_COMPLETED = "Nothing delinquent is left."


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did."""

    proposed: int
    withdrawn: int
    lifted: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who reached a threshold and is neither on the list nor spared."""

    who: Owing
    reached: Reached


def propose_suspensions() -> Done:
    """Bring the list up to date by the bylaws as they are now. To be run as often as one likes; runs wait for each
    other. Those who are away or gone, and those who are spared, are not proposed."""
    with transaction.atomic():
        ended = lift_completed()
        proposed = candidates()
        for each in proposed:
            _propose(each, site_policy(), calendars()[None])
    return Done(len(proposed), ended.withdrawn, ended.lifted)


def lift_completed() -> Done:
    """End the proposals and suspensions of those with nothing delinquent left."""
    withdrawn = lifted = 0
    with transaction.atomic():
        _wait_for_others()
        for each in Suspension.objects.select_for_update().filter(ended_at=None).order_by("id"):
            ended = end_if_complete(SYSTEM, each)
            lifted += ended is SuspensionState.LIFTED
            withdrawn += ended is SuspensionState.WITHDRAWN
    return Done(0, withdrawn, lifted)


def candidates(at: datetime | None = None) -> list[Candidate]:
    """Whom the bylaws would propose now; nothing is written."""
    instant = at or now()
    policy, places = site_policy(), calendars()
    today = places[None].day_of(instant)
    open_keys = set(Suspension.objects.filter(ended_at=None).values_list("practitioner", flat=True))
    spared = set(
        Suspension.objects.filter(state=SuspensionState.SPARED, spared_until__gte=today).values_list(
            "practitioner", flat=True
        )
    )
    warned = _warned()
    found = []
    for each, owed in each_owed(instant):
        keys = set(each.who.keys)
        if each.away or each.gone or keys & (open_keys | spared):
            continue
        last = max((warned[key] for key in keys & warned.keys()), default=None)
        if reached := reached_list(owed, policy.bylaws, calendar_of(owed, places), instant, last):
            found.append(Candidate(each, reached))
    return found


def end_if_complete(ctx: AccessContext, suspension: Suspension) -> SuspensionState | None:
    """End a proposal or suspension of somebody with nothing delinquent left; the new state, None where it goes
    on."""
    owed = owed_by(keys_of(suspension.practitioner))
    if counted(owed, calendar_of(owed, calendars()) if owed else calendars()[None], now()).delinquent:
        return None
    suspended = suspension.state == SuspensionState.SUSPENDED
    state = SuspensionState.LIFTED if suspended else SuspensionState.WITHDRAWN
    end(ctx, suspension, state, _COMPLETED)
    return state


def end(
    ctx: AccessContext, suspension: Suspension, state: SuspensionState, note: str, until: date | None = None
) -> None:
    """End a time on the list; in the caller's transaction."""
    suspension.state, suspension.ended_at, suspension.spared_until = state, now(), until
    suspension.save(update_fields=["state", "ended_at", "spared_until"])
    finish_by_dedupe(SUSPENSIONS, str(suspension.pk), state.value, finished_by=ctx.actor)
    note_step(ctx, suspension, state.value, note)


def note_step(ctx: AccessContext, suspension: Suspension, what: str, note: str) -> None:
    """Keep a step of a suspension: in its history, in the ledger, and as news."""
    SuspensionEvent.objects.create(
        suspension=suspension, what=what, note=note, by=ctx.actor, name=ctx.name or ctx.actor, at=now()
    )
    append(
        ctx,
        "completion.suspension",
        subjects=[Subject("suspension", str(suspension.pk))],
        detail={"step": what, "delinquent": suspension.delinquent, "days": suspension.days},
    )
    append_event(
        "completion.suspension",
        key=suspension.practitioner,
        payload={"suspension": suspension.pk, "state": suspension.state},
    )


def _propose(candidate: Candidate, policy: SitePolicy, calendar: Calendar) -> None:
    debts = candidate.reached.debts
    made = Suspension.objects.create(
        practitioner=candidate.who.who.key,
        practitioner_name=candidate.who.who.shown,
        reached=candidate.reached.by,
        charts=debts.charts,
        delinquent=debts.delinquent,
        days=debts.days,
        proposed_at=now(),
    )
    open_item(
        SUSPENSIONS,
        subject=Subject("suspension", str(made.pk)),
        reason=candidate.reached.by,
        dedupe=str(made.pk),
        rule=RULE,
        due=calendar.after_working_days(now(), policy.decide_days),
    )
    note_step(SYSTEM, made, SuspensionState.PROPOSED.value, candidate.reached.by)


def _warned() -> Mapping[str, datetime]:
    """When each practitioner was warned last."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT practitioner, max(made_at) FROM completion_letter WHERE kind = %s GROUP BY practitioner",
            [LetterKind.SUSPENSION_WARNING.value],
        )
        return dict(cursor.fetchall())


def _wait_for_others() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
