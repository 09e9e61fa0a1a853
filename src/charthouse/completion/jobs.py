"""What completion does by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from charthouse.foundation.clock import now
from charthouse.foundation.jobs.api import Progress, periodic

from . import letter_jobs as letter_jobs
from . import rule_jobs as rule_jobs
from .actions.age_charts import age_charts
from .actions.analyse_charts import analyse_charts
from .actions.keep_facts import rebuild_facts
from .actions.keep_tallies import join_tallies, mark_late, recount
from .actions.mark_away import begin_absences, end_absences
from .actions.take_snapshot import take_snapshot
from .touched_queries import looked_at_nightly

#: More than the time between two rounds, so that an absence that begins is not missed.
_LOOK_BACK = timedelta(minutes=15)
_AT_ONCE = 500


@periodic("*/5 * * * *", "completion.age", "Make charts delinquent whose time is over")
def age(progress: Progress) -> Mapping[str, Any]:
    """Absences that begin and end, charts that become delinquent, deficiencies that become overdue; and the
    snapshot of a day that is over, in the first round after it."""
    done = {
        "begun": begin_absences(now() - _LOOK_BACK),
        "ended": end_absences(),
        "delinquent": age_charts(),
        "overdue": mark_late(),
        "joined": join_tallies(),
    }
    day = take_snapshot()
    return {**done, "snapshot": day.isoformat()} if day else done


@periodic("40 2 * * *", "completion.nightly", "Analyse again what is open or recent")
def nightly(progress: Progress) -> Mapping[str, Any]:
    """Every chart that is not complete, and every encounter that lasts or ended lately: what time alone changes."""
    rows = looked_at_nightly()
    for begin in range(0, len(rows), _AT_ONCE):
        progress.update(begin, len(rows), "encounters")
        analyse_charts(rows[begin : begin + _AT_ONCE], "The nightly analysis.")
    # What nobody analysed of late: charts from before facts were kept, and those of another version's manner.
    read = rebuild_facts().read
    return {"encounters": len(rows), "read": read, "counts_put_right": recount()}
