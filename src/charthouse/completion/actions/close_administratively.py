"""Close deficiencies administratively: one person asks, another who has the committee's approval decides."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from charthouse.completion.domain.clocks import Calendar
from charthouse.completion.domain.states import State
from charthouse.completion.errors import CompletionError
from charthouse.completion.models import Closure, Deficiency
from charthouse.completion.permissions import ASK_TO_CLOSE, DECIDE_CLOSURE
from charthouse.completion.queues import CLOSURES
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.rulepacks.api import parameter
from charthouse.foundation.work.api import finish_by_dedupe, open_item

from ._acting import UNSETTLED, bring_in_line, note, settle, take_chart, tell, words_of, work_of, zone_of

RULE = "completion.administrative-closure"


def ask_to_close(
    ctx: AccessContext, chart: int, deficiencies: Collection[int], reason: str, *, version: int
) -> Closure:
    """Ask for open deficiencies of a chart to be closed. Raises PermissionRefused, CompletionError,
    ChangedMeanwhile."""
    require(ctx, ASK_TO_CLOSE)
    why = words_of(reason, "Say why it can no longer be completed.")
    with transaction.atomic():
        taken = take_chart(ctx, chart, version)
        wanted = set(
            taken.deficiencies.filter(pk__in=deficiencies, state__in=UNSETTLED).values_list("pk", flat=True)
        )
        if not wanted or wanted != set(deficiencies):
            raise CompletionError("Choose what is to be closed among what is open in this chart.")
        if taken.closures.filter(outcome="").exists():
            raise CompletionError("A closure of this chart waits for its decision already.")
        kept = Closure.objects.create(
            chart=taken,
            deficiencies=sorted(wanted),
            reason=why,
            by=ctx.actor,
            name=ctx.name or ctx.actor,
            at=now(),
        )
        note(ctx, taken, "closure-asked-for", why, after={"closure": kept.pk, "deficiencies": sorted(wanted)})
        open_item(
            CLOSURES,
            subject=Subject("closure", str(kept.pk)),
            reason="Somebody asked for deficiencies to be closed although they are not met.",
            dedupe=str(kept.pk),
            rule=RULE,
            due=Calendar(zone_of(taken.facility)).after_days(now(), int(parameter(RULE, "days"))),
            facility=taken.facility,
            detail={"chart": taken.pk},
            opened_by=ctx.actor,
        )
        tell(ctx, "completion.ask-to-close", taken, closure=kept.pk, deficiencies=len(wanted))
    return kept


def approve_closure(ctx: AccessContext, number: int, approval: str) -> None:
    """Close what was asked for and is still open; ``approval`` says where the committee approved it.

    Raises PermissionRefused, CompletionError; nobody approves what they asked for.
    """
    require(ctx, DECIDE_CLOSURE)
    where = words_of(approval, "Say where the committee approved it: its meeting, or its minutes.")
    with transaction.atomic():
        kept = _waiting(ctx, number)
        if kept.by == ctx.actor:
            raise CompletionError("You asked for this closure; somebody else approves it.")
        kept.approval = where
        _decide(ctx, kept, "done", "")
        rows = list(Deficiency.objects.filter(pk__in=kept.deficiencies, state__in=UNSETTLED))
        for each in rows:
            each.chart = kept.chart
            settle(ctx, each, State.ADMINISTRATIVE, "administratively-closed", f"{kept.reason} Approved: {where}")
        bring_in_line(kept.chart)
        work_of([kept.chart], rows)
        tell(ctx, "completion.approve-closure", kept.chart, closure=kept.pk, deficiencies=len(rows))


def refuse_closure(ctx: AccessContext, number: int, words: str) -> None:
    """Leave it open: who asked withdraws, who decides refuses. Raises PermissionRefused, CompletionError."""
    require(ctx, ASK_TO_CLOSE)
    with transaction.atomic():
        kept = _waiting(ctx, number)
        own = kept.by == ctx.actor
        if not own:
            require(ctx, DECIDE_CLOSURE)
        said = words_of(words, "" if own else "Say why it is refused.")
        _decide(ctx, kept, "withdrawn" if own else "refused", said)
        tell(ctx, "completion.refuse-closure", kept.chart, closure=kept.pk, outcome=kept.outcome)


def _waiting(ctx: AccessContext, number: int) -> Closure:
    """A closure that is not decided, with its chart taken."""
    chart = Closure.objects.filter(pk=number).values_list("chart_id", flat=True).first()
    if chart is None:
        raise CompletionError("There is no such closure.")
    taken = take_chart(ctx, chart)
    kept = Closure.objects.get(pk=number)
    kept.chart = taken
    if kept.outcome:
        raise CompletionError(f"This was decided meanwhile by {kept.decider}: {kept.outcome}. Nothing was changed.")
    return kept


def _decide(ctx: AccessContext, kept: Closure, outcome: str, words: str) -> None:
    kept.outcome, kept.note = outcome, words
    kept.decided_by, kept.decider, kept.decided_at = ctx.actor, ctx.name or ctx.actor, now()
    kept.save()
    note(ctx, kept.chart, f"closure-{outcome}", words or kept.approval, after={"closure": kept.pk})
    finish_by_dedupe(CLOSURES, str(kept.pk), outcome, finished_by=ctx.actor)
