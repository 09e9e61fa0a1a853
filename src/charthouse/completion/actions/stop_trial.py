"""Stop a trial of rules, or the analysis by rules that were adopted, while the worker is at it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from charthouse.completion.errors import CompletionError
from charthouse.completion.permissions import ADOPT_RULES
from charthouse.completion.rule_models import RuleTrial
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.jobs import api as jobs
from charthouse.foundation.ledger.api import Subject, append


def stop_trial(ctx: AccessContext, trial: UUID) -> None:
    """Take the work back where it waits, and let it stop at its next step where it is under way. An analysis that
    is stopped can go on; the rules it goes by stay in force. Raises CompletionError where nothing is under way,
    PermissionRefused."""
    require(ctx, ADOPT_RULES)
    with transaction.atomic():
        # Not held: a step of the analysis has the trial to itself, and whoever stops it shall not wait for that.
        tried = RuleTrial.objects.filter(pk=trial).first()
        job = None if tried is None else tried.job if tried.adopted is None else tried.analysing
        if job is None or not jobs.cancel(job):
            raise CompletionError("It is over already; there is nothing to stop.")
        append(ctx, "completion.stop-rules", subjects=[Subject("rule-trial", str(trial))], detail={"job": job})
