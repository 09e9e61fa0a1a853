"""Adopt rules that were tried, and analyse the charts again by them.

What was tried is what is adopted: the trial holds the rules themselves, and whoever adopts sends back their digest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction

from charthouse.completion.adopted import digest_of
from charthouse.completion.errors import ChangedMeanwhile, CompletionError
from charthouse.completion.models import Chart
from charthouse.completion.permissions import ADOPT_RULES
from charthouse.completion.rule_models import RuleTrial
from charthouse.completion.touched_queries import looked_at_nightly
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.jobs import api as jobs

from ._acting import words_of
from ._versions import keep_rules
from .analyse_charts import Analysed, analyse_charts

Tell = Callable[[int, int], None]
_AT_ONCE = 500


def adopt_tried(ctx: AccessContext, trial: UUID, digest: str, note: str, *, everything: bool = False) -> int:
    """Switch on the rules of a trial, and let the worker analyse the charts again that are not complete or recent;
    with ``everything`` all there are. Returns the version.

    ``digest`` is the one that was shown. Raises ChangedMeanwhile where other rules are in force by now than those
    they were tried beside, CompletionError, PermissionRefused.
    """
    require(ctx, ADOPT_RULES)
    words = words_of(note, "Say why these rules are switched on.")
    with transaction.atomic():
        tried = RuleTrial.objects.select_for_update().filter(pk=trial).first()
        if tried is None:
            raise CompletionError("There is no such trial.")
        if tried.adopted is not None:
            raise ChangedMeanwhile(f"These rules were adopted already, as version {tried.adopted}.")
        if tried.finished_at is None:
            raise CompletionError(
                "These rules are being tried still. Adopt them when it is known what they would do."
            )
        if digest != tried.digest or digest_of(tried.content) != tried.digest:
            raise ChangedMeanwhile(
                "These are not the rules that were shown. Nothing was adopted; look at them again."
            )
        version, same = keep_rules(ctx, tried.content, words, over=tried.base)
        if same:
            raise CompletionError(f"These rules are in force already, as version {version}.")
        tried.adopted = version
        tried.analysed = {"everything": everything, "after": 0, "charts": 0, "turns": {}}
        _let_analyse(tried)
    return version


def go_on(ctx: AccessContext, trial: UUID) -> None:
    """Let the worker go on with an analysis that was broken off. Raises CompletionError, PermissionRefused."""
    require(ctx, ADOPT_RULES)
    with transaction.atomic():
        tried = RuleTrial.objects.select_for_update().filter(pk=trial).exclude(adopted=None).first()
        if tried is None:
            raise CompletionError("These rules were not adopted.")
        status = jobs.status(tried.analysing) if tried.analysing is not None else None
        if status is not None and not status.finished:
            raise CompletionError("The charts are being analysed already.")
        tried.analysed = _so_far(tried) | {"ended": None}
        _let_analyse(tried)


def _let_analyse(tried: RuleTrial) -> None:
    from charthouse.completion.rule_jobs import analysing

    tried.analysing = jobs.defer(analysing, after="completion.adopt-rules", trial=str(tried.pk))
    tried.save(update_fields=["adopted", "analysed", "analysing"])


def analyse_by_adopted(trial: UUID, tell: Tell = lambda done, total: None) -> Analysed:
    """Analyse the charts again by the rules in force. Each step keeps how far it came and what it opened and closed
    together with what it did, so that one that is broken off goes on and counts nothing twice."""
    so_far = _so_far(RuleTrial.objects.get(pk=trial))
    rows = looked_at_nightly()
    if so_far["everything"]:
        rows = sorted({*rows, *Chart.objects.values_list("encounter", flat=True)})
    left = [each for each in rows if each > so_far["after"]]
    total = so_far["charts"] + len(left)
    for begin in range(0, len(left), _AT_ONCE):
        tell(so_far["charts"], total)
        some = left[begin : begin + _AT_ONCE]
        with transaction.atomic():
            kept = RuleTrial.objects.select_for_update().get(pk=trial)
            so_far = _so_far(kept)
            done = Analysed(so_far["charts"], dict(so_far["turns"]))
            done.join(analyse_charts(some, f"Rules of version {kept.adopted}."))
            so_far |= {"after": some[-1], "charts": so_far["charts"] + len(some), "turns": done.turns}
            kept.analysed = so_far
            kept.save(update_fields=["analysed"])
    tell(total, total)
    with transaction.atomic():
        kept = RuleTrial.objects.select_for_update().get(pk=trial)
        so_far = _so_far(kept)
        kept.analysed = so_far | {"ended": wall().isoformat()}
        kept.save(update_fields=["analysed"])
    return Analysed(so_far["charts"], dict(so_far["turns"]))


def _so_far(tried: RuleTrial) -> dict[str, Any]:
    """How far the analysis came. Raises CompletionError of rules that nobody adopted."""
    if tried.analysed is None:
        raise CompletionError("These rules were not adopted.")
    return dict(tried.analysed)
