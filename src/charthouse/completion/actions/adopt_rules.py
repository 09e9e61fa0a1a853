"""Switch on the rules charts are analysed by. Versions are kept; what a change opens and closes is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from charthouse.completion.adopted import Told, adopted_version, content_of
from charthouse.completion.domain.rule_differences import codes_that_differ
from charthouse.completion.models import Chart
from charthouse.completion.permissions import ADOPT_RULES
from charthouse.completion.touched_queries import looked_at_nightly
from charthouse.foundation.access.api import AccessContext, require

from ._acting import words_of
from ._versions import keep_rules
from .analyse_charts import Analysed, analyse_charts

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Adopted:
    """A version as it was adopted: the rules that are new, changed and gone by their codes, and what analysing
    again came to. ``same``: these rules were in force already."""

    version: int
    same: bool
    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    analysed: Analysed


def adopt_rules(
    ctx: AccessContext,
    told: Told,
    note: str,
    *,
    everything: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Adopted:
    """Adopt rules (as :func:`~charthouse.completion.adopted.told_by_packs` gives them), and analyse the charts anew
    that are not complete or recent; with ``everything`` all there are.

    Adopting and analysing are transactions of their own; broken off, the same call goes on. Raises
    PermissionRefused, CompletionError.
    """
    require(ctx, ADOPT_RULES)
    words = words_of(note, "Say why these rules are switched on.")
    before = content_of(adopted_version())
    version, same = keep_rules(ctx, told, words)
    new, changed, gone = codes_that_differ(before, told)
    rows = looked_at_nightly()
    if everything:
        rows = sorted({*rows, *Chart.objects.values_list("encounter", flat=True)})
    report = Analysed()
    for begin in range(0, len(rows), _AT_ONCE):
        progress(begin, len(rows))
        report.join(analyse_charts(rows[begin : begin + _AT_ONCE], f"Rules of version {version}."))
    progress(len(rows), len(rows))
    return Adopted(version, same, new, changed, gone, report)
