"""Try rules over charts before they are adopted: nothing is opened, closed or changed."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from charthouse.completion.adopted import content_of, digest_of
from charthouse.completion.domain.rule_trials import Tally
from charthouse.completion.domain.rules import RuleError
from charthouse.completion.permissions import ADOPT_RULES
from charthouse.completion.rule_comparing import brought_about, sets_of
from charthouse.completion.rule_models import RuleTrial
from charthouse.completion.rule_recipes import Recipe, made, recipe_of
from charthouse.completion.rule_scopes import Over, facts_over, over_of
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now, wall
from charthouse.foundation.jobs import api as jobs
from charthouse.foundation.ledger.api import Subject, append

from ._versions import ensure_adopted

Tell = Callable[[int, int], None]


def try_rules(ctx: AccessContext, recipe: Recipe, over: Over) -> UUID:
    """Let the worker try rules over charts; returns the trial.

    Raises RuleError with every problem of the rules, or where they are those in force; PermissionRefused.
    """
    from charthouse.completion.rule_jobs import trying

    require(ctx, ADOPT_RULES)
    base = ensure_adopted()
    content = made(recipe, base)
    digest = digest_of(content)
    if digest == digest_of(content_of(base)):
        raise RuleError([f"These are the rules in force, version {base}; there is nothing to try."])
    with transaction.atomic():
        trial = RuleTrial.objects.create(
            recipe=recipe.kept(),
            base=base,
            content=content,
            digest=digest,
            over=over.kept(),
            by=ctx.actor,
            name=ctx.name or ctx.actor,
            at=wall(),
        )
        trial.job = jobs.defer(trying, trial=str(trial.pk))
        trial.save(update_fields=["job"])
        append(
            ctx,
            "completion.try-rules",
            subjects=[Subject("rule-trial", str(trial.pk))],
            detail={"way": recipe.way.value, "rule": recipe.code, "digest": digest, **over.kept()},
        )
    return UUID(str(trial.pk))


def try_again(ctx: AccessContext, trial: UUID) -> UUID:
    """Try the same once more, over the rules that are in force by now; returns the new trial. Raises as
    :func:`try_rules`, and RuleTrial.DoesNotExist."""
    require(ctx, ADOPT_RULES)
    found = RuleTrial.objects.get(pk=trial)
    return try_rules(ctx, recipe_of(found.recipe), over_of(found.over))


def run_trial(trial: UUID, tell: Tell = lambda done, total: None) -> Tally:
    """Compare what the rules of a trial find with what those in force find. It bears a repeat."""
    wanted = RuleTrial.objects.get(pk=trial)
    over, sets, tally, at = over_of(wanted.over), sets_of(wanted), Tally(), now()
    total, some = facts_over(over)
    done = 0
    for listed in some:
        tell(done, total)
        chosen = [each for each in listed if over.facility in (None, each.facility)]
        for facts, found in brought_about(chosen, sets, at):
            tally.add(facts.row, found)
        done += len(listed)
    tell(total, total)
    RuleTrial.objects.filter(pk=trial).update(result=tally.kept() | {"at": at.isoformat()}, finished_at=wall())
    return tally
