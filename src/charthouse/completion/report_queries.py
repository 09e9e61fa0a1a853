"""What the medical records committee is told of a month or a quarter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Q

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import today
from charthouse.foundation.rulepacks.api import choices, parameter

from .adopted import rules_before
from .board_queries import RATE, Board, Owing, board
from .bylaws_policy import NAMED, report_names
from .day_queries import DayCount, day_counted, days_counted, last_counted
from .domain.clocks import Calendar
from .domain.periods import Period
from .domain.rule_differences import codes_that_differ
from .letter_models import Suspension
from .models import AdoptedRules, Closure, Deficiency
from .naming import named
from .permissions import MAKE_REPORT
from .seeing import facilities_reached
from .suspension_queries import SuspensionLine, suspension_lines

REPORT = "completion.committee-report"


@dataclass(frozen=True, slots=True)
class Frequent:
    """Deficiencies of one kind and what of it that opened and closed in the period."""

    kind: str
    what: str
    opened: int
    closed: int


@dataclass(frozen=True, slots=True)
class ClosureLine:
    """A request to close deficiencies although they are not met, decided in the period: how (``done``,
    ``refused``), what of and whose they were, who asked and why, who decided and where it was approved."""

    chart: int
    outcome: str
    kinds: tuple[str, ...]
    owed_by: tuple[str, ...]
    reason: str
    asked_by: str
    decided_by: str
    decided_at: datetime | None
    approval: str


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Rules that were switched on in the period: their version, and the codes that were new, changed and gone."""

    version: int
    at: datetime
    by: str
    note: str
    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommitteeReport:
    """A period for the committee. ``board`` are the charts as of the last snapshot of it, as of now where the
    period is not over, and None where no day of it was counted. ``discharges`` are of the rate's kinds.
    Practitioners stand by name or by a code (``names``: named, coded), the same in every report."""

    period: Period
    names: str
    board: Board | None
    days: tuple[DayCount, ...]
    discharges: int
    opened: int
    closed: int
    frequent: tuple[Frequent, ...]
    suspensions: tuple[SuspensionLine, ...]
    closures: tuple[ClosureLine, ...]
    rules: tuple[RuleChange, ...]
    more_practitioners: bool = False


def committee_report(ctx: AccessContext, period: Period) -> CommitteeReport:
    """The report of a period, for the asker's facilities; suspensions and rules are the whole site's.

    Raises PermissionRefused.
    """
    require(ctx, MAKE_REPORT)
    calendar = Calendar(ZoneInfo(configuration().time_zone))
    since, until = calendar.begins(period.since), calendar.begins(period.until)
    most = int(parameter(REPORT, "practitioners"))
    names = report_names()
    found = _board(ctx, period, most + 1)
    more = found is not None and len(found.practitioners) > most
    if found is not None:
        found = replace(found, practitioners=_called(found.practitioners[:most], names))
    flows = _flows(ctx, since, until)
    # The day at hand is not over, and has no snapshot.
    end = min(period.until, today(calendar.zone))
    days = days_counted(ctx, period.since, end - timedelta(days=1))
    return CommitteeReport(
        period=period,
        names=names,
        board=found,
        days=days,
        discharges=_discharges(ctx, since, until),
        opened=sum(each.opened for each in flows),
        closed=sum(each.closed for each in flows),
        frequent=flows[: int(parameter(REPORT, "frequent"))],
        suspensions=_suspensions(since, until, names),
        closures=_closures(ctx, since, until, names),
        rules=_rules(since, until),
        more_practitioners=more,
    )


def _board(ctx: AccessContext, period: Period, most: int) -> Board | None:
    if period.has(today(ZoneInfo(configuration().time_zone))):
        return board(ctx, most)
    day = last_counted(period.since, period.until - timedelta(days=1))
    counted = day_counted(ctx, day, most) if day else None
    return counted.board if counted else None


def code_of(key: str, entry: int | None) -> str:
    """What stands for a practitioner where none is named: their number in the directory, else part of a digest of
    how the record names them."""
    return f"P-{entry}" if entry else f"X-{hashlib.sha256(key.encode()).hexdigest()[:6]}"


def _called(practitioners: Sequence[Owing], names: str) -> tuple[Owing, ...]:
    if names == NAMED:
        return tuple(practitioners)
    return tuple(replace(each, name=code_of(each.key, each.entry)) for each in practitioners)


def _whose(keys: Iterable[str], names: str, written: str = "") -> tuple[str, ...]:
    """Practitioners as the report calls them; ``written`` is the name of one who is in no directory."""
    listed = list(dict.fromkeys(keys))
    known = named(listed)
    found = []
    for key in listed:
        who = known.get(key)
        if names == NAMED:
            found.append(who.shown if who else written or "nobody")
        else:
            found.append(code_of(who.key if who else key, who.entry if who else None) if key else "nobody")
    return tuple(dict.fromkeys(found))


_FLOWS = """
SELECT d.kind, d.what, count(*) FILTER (WHERE e.after->>'state' IN ('open', 'proposed')),
       count(*) FILTER (WHERE e.after->>'state' NOT IN ('open', 'proposed'))
  FROM completion_deficiency_event e JOIN completion_deficiency d ON d.id = e.deficiency_id
 WHERE e.at >= %s AND e.at < %s AND e.after ? 'state'
   AND (e.after->>'state' IN ('open', 'proposed')) <> (coalesce(e.before->>'state', '') IN ('open', 'proposed'))
   AND (%s OR d.facility IS NULL OR d.facility = ANY(%s))
 GROUP BY 1, 2 ORDER BY 3 DESC, 4 DESC, 1, 2
"""


def _flows(ctx: AccessContext, since: datetime, until: datetime) -> tuple[Frequent, ...]:
    places = facilities_reached(ctx)
    with connection.cursor() as cursor:
        cursor.execute(_FLOWS, [since, until, places is None, places or []])
        return tuple(Frequent(*row) for row in cursor.fetchall())


def _discharges(ctx: AccessContext, since: datetime, until: datetime) -> int:
    places = facilities_reached(ctx)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM completion_chart c WHERE c.discharged >= %s AND c.discharged < %s"
            " AND c.kind = ANY(%s) AND (%s OR c.facility IS NULL OR c.facility = ANY(%s))",
            [since, until, list(choices(RATE, "kinds")), places is None, places or []],
        )
        return int(cursor.fetchone()[0])


def _suspensions(since: datetime, until: datetime, names: str) -> tuple[SuspensionLine, ...]:
    """Who was proposed before the period was over and not through with it before it began."""
    rows = Suspension.objects.filter(Q(ended_at=None) | Q(ended_at__gte=since), proposed_at__lt=until)
    lines = suspension_lines(rows.order_by("proposed_at", "id"))
    return tuple(
        replace(each, who=_whose([each.practitioner], names, each.who)[0] if names != NAMED else each.who)
        for each in lines
    )


def _closures(ctx: AccessContext, since: datetime, until: datetime, names: str) -> tuple[ClosureLine, ...]:
    rows = Closure.objects.filter(outcome__in=["done", "refused"], decided_at__gte=since, decided_at__lt=until)
    if (places := facilities_reached(ctx)) is not None:
        rows = rows.filter(Q(chart__facility=None) | Q(chart__facility__in=places))
    listed = list(rows.order_by("decided_at", "id"))
    about = Deficiency.objects.in_bulk({number for each in listed for number in each.deficiencies})
    found = []
    for each in listed:
        of = [about[number] for number in each.deficiencies if number in about]
        found.append(
            ClosureLine(
                each.chart_id,
                each.outcome,
                tuple(dict.fromkeys(one.kind for one in of)),
                _whose([one.owed_by for one in of], names),
                each.reason if names == NAMED else "",
                each.name,
                each.decider,
                each.decided_at,
                each.approval if each.outcome == "done" else each.note,
            )
        )
    return tuple(found)


def _rules(since: datetime, until: datetime) -> tuple[RuleChange, ...]:
    found = []
    for each in AdoptedRules.objects.filter(at__gte=since, at__lt=until).order_by("version"):
        new, changed, gone = codes_that_differ(rules_before(each.version), each.content)
        found.append(RuleChange(each.version, each.at, each.name, each.note, new, changed, gone))
    return tuple(found)
