"""The board: how many charts are incomplete and delinquent, the rate, and whether every discharge is in analysis.

Everybody is counted; the lists behind a number leave out what the asker may not see, and say that they do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.rulepacks.api import choices, parameter
from charthouse.record.api import Ended, encounters_ended

from .board_models import NO_DAY
from .chart_queries import NOT_STATED
from .domain.periods import months_later
from .domain.states import ChartState
from .naming import named, standing_for
from .permissions import READ_CHARTS
from .seeing import facilities_reached

RATE = "completion.delinquency-rate"
#: The ages of charts a board tells apart: days since discharge, from and until before.
AGES = ((0, 8), (8, 15), (15, 31), (31, 61), (61, None))


@dataclass(frozen=True, slots=True)
class Count:
    """Charts of one sort: incomplete ones, delinquent ones among them. ``key`` opens their list."""

    key: str
    title: str
    incomplete: int
    delinquent: int


@dataclass(frozen=True, slots=True)
class Owing:
    """What one practitioner owes, in how many charts; ``entry`` is their number in the directory."""

    key: str
    name: str
    entry: int | None
    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Rate:
    """The delinquency rate: ``delinquent`` charts now ÷ (``discharges`` ÷ ``months``) × 100, None where nobody was
    discharged. The discharges are of the whole months from ``since`` until before ``until``."""

    delinquent: int
    discharges: int
    months: int
    since: datetime
    until: datetime
    benchmark: float

    @property
    def average(self) -> float:
        return self.discharges / self.months

    @property
    def percent(self) -> float | None:
        return self.delinquent / self.average * 100 if self.discharges else None

    @property
    def above(self) -> bool:
        return self.percent is not None and self.percent > self.benchmark


@dataclass(frozen=True, slots=True)
class Lacking:
    """Open deficiencies of one kind, or (``what``: missing, late …) of one sort of it."""

    kind: str
    what: str
    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Board:
    """The charts of a moment (``at``); ``day`` is the one whose snapshot it is, None for now. ``sorts`` are the
    open deficiencies by kind and by what of it."""

    at: datetime
    day: date | None
    incomplete: int
    delinquent: int
    open: int
    overdue: int
    nameless: int
    rate: Rate
    kinds: tuple[Count, ...]
    services: tuple[Count, ...]
    ages: tuple[Count, ...]
    lacking: tuple[Lacking, ...]
    sorts: tuple[Lacking, ...]
    practitioners: tuple[Owing, ...]


@dataclass(slots=True)
class Counted:
    """Counts as they are read: charts by kind, service and age, each by state; deficiencies by kind and what, and
    by who owes them, each in all and overdue."""

    kinds: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    services: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    ages: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    open: Counter[tuple[str, str]] = field(default_factory=Counter)
    overdue: Counter[tuple[str, str]] = field(default_factory=Counter)
    owed: Counter[str] = field(default_factory=Counter)
    owed_late: Counter[str] = field(default_factory=Counter)
    discharges: int = 0

    def add_charts(self, kind: str, service: str, state: str, number: int) -> None:
        self.kinds[kind][state] += number
        self.services[service or NOT_STATED][state] += number

    def delinquent(self) -> int:
        return sum(each[ChartState.DELINQUENT.value] for each in self.kinds.values())


# Tallies are summed for whole UTC days; where a day is cut, by the ages or by the months of the rate, its charts
# are counted themselves. So are the deficiencies that became overdue, or are no longer, since the last round of the
# clock. One statement, and so one moment.
_COUNTED = """
SELECT t.what, t.kind, t.detail, t.state, t.late, 0, sum(t.number)::bigint
  FROM completion_tally t WHERE t.what IN ('chart', 'lack', 'owed'){here} GROUP BY 1, 2, 3, 4, 5
UNION ALL
SELECT 'age', '', '', t.state, false,
       CASE WHEN t.day > %(no_day)s THEN width_bucket(t.day, %(cut_days)s::int[]) END, sum(t.number)::bigint
  FROM completion_tally t
 WHERE t.what = 'day' AND t.state IN ('incomplete', 'delinquent') AND t.day <> ALL(%(cut_days)s){here}
 GROUP BY 4, 6
UNION ALL
SELECT 'age', '', '', c.state, false, width_bucket(c.discharged, %(cuts)s::timestamptz[]), count(*)
  FROM unnest(%(cut_begins)s::timestamptz[]) AS b
  JOIN completion_chart c ON c.discharged >= b AND c.discharged < b + interval '24 hours'
   AND c.state IN ('incomplete', 'delinquent'){chart_here}
 GROUP BY 4, 6
UNION ALL
SELECT 'turned', d.kind, d.what, d.owed_by, d.late, 0, count(*) FROM completion_deficiency d
 WHERE d.state IN ('open', 'proposed') AND NOT d.late AND d.due <= %(at)s{deficiency_here} GROUP BY 2, 3, 4, 5
UNION ALL
SELECT 'turned', d.kind, d.what, d.owed_by, d.late, 0, count(*) FROM completion_deficiency d
 WHERE d.state IN ('open', 'proposed') AND d.late AND (d.due > %(at)s OR d.due IS NULL){deficiency_here}
 GROUP BY 2, 3, 4, 5
UNION ALL
"""
_DISCHARGED = """
SELECT 'discharged', '', '', '', false, 0, coalesce(sum(t.number), 0)::bigint FROM completion_tally t
 WHERE t.what = 'day' AND t.state IN ('incomplete', 'delinquent', 'complete', 'withdrawn')
   AND t.day >= %(first)s AND t.day < %(last)s AND t.kind = ANY(%(kinds)s){here}
UNION ALL
SELECT 'discharged', '', '', '', false, 0, count(*) FROM completion_chart c
 WHERE c.kind = ANY(%(kinds)s) AND c.discharged >= %(since)s AND c.discharged < %(first_begins)s{chart_here}
UNION ALL
SELECT 'discharged', '', '', '', false, 0, count(*) FROM completion_chart c
 WHERE c.kind = ANY(%(kinds)s) AND c.discharged >= %(last_begins)s AND c.discharged < %(until)s{chart_here}
"""
_DELINQUENT = """
SELECT 'chart', '', '', t.state, false, 0, coalesce(sum(t.number), 0)::bigint FROM completion_tally t
 WHERE t.what = 'chart' AND t.state = 'delinquent'{here} GROUP BY 4
UNION ALL
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_A_DAY = timedelta(days=1)


def board(ctx: AccessContext, most: int = 20) -> Board:
    """The board for the asker's facilities, with so many of those who owe most. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    at = now()
    found = _count(_COUNTED + _DISCHARGED, ctx, at)
    return board_of(found, at, None, rate_of(found, *rate_months()), most)


def _count(statement: str, ctx: AccessContext, at: datetime) -> Counted:
    places = facilities_reached(ctx)
    here = "" if places is None else " AND {}"
    text = statement.format(
        here=here.format("t.facility = ANY(%(places_or_none)s)"),
        chart_here=here.format("(c.facility IS NULL OR c.facility = ANY(%(places)s))"),
        deficiency_here=here.format("(d.facility IS NULL OR d.facility = ANY(%(places)s))"),
    )
    found = Counted()
    with connection.cursor() as cursor:
        cursor.execute(text, _values(at, places or []))
        for what, kind, detail, state, late, bucket, number in cursor.fetchall():
            if what == "chart":
                found.add_charts(kind, detail, state, number)
            elif what == "age":
                found.ages["here" if bucket is None else SPANS[len(AGES) - 1 - bucket]][state] += number
            elif what == "lack":
                found.open[kind, detail] += number
                found.overdue[kind, detail] += number if late else 0
            elif what == "owed":
                found.owed[detail] += number
                found.owed_late[detail] += number if late else 0
            elif what == "turned":
                found.overdue[kind, detail] += -number if late else number
                found.owed_late[state] += -number if late else number
            else:
                found.discharges += number
    return found


def _values(at: datetime, places: list[int]) -> dict[str, Any]:
    # From the oldest on: a chart's bucket is how many of these instants its discharge is not before.
    cuts = [at - timedelta(days=since) for since, _ in reversed(AGES[1:])]
    cut_days = [(each - _EPOCH) // _A_DAY for each in cuts]
    months = int(parameter(RATE, "months"))
    since, until = whole_months(months)
    first, last = -((_EPOCH - since) // _A_DAY), (until - _EPOCH) // _A_DAY
    return {
        "at": at,
        "no_day": NO_DAY,
        "cuts": cuts,
        "cut_days": cut_days,
        "cut_begins": [_EPOCH + each * _A_DAY for each in cut_days],
        "kinds": list(choices(RATE, "kinds")),
        "since": since,
        "until": until,
        "first": first,
        "last": last,
        "first_begins": _EPOCH + first * _A_DAY,
        "last_begins": _EPOCH + last * _A_DAY,
        "places": places,
        "places_or_none": [0, *places],
    }


def board_of(found: Counted, at: datetime, day: date | None, rate: Rate, most: int) -> Board:
    """Counts as a board, with so many of those who owe most."""
    total = sum((each for each in found.kinds.values()), Counter[str]())
    by_kind: Counter[str] = Counter()
    late_by_kind: Counter[str] = Counter()
    for (kind, what), number in found.open.items():
        by_kind[kind] += number
        late_by_kind[kind] += found.overdue[kind, what]
    return Board(
        at=at,
        day=day,
        incomplete=total[ChartState.INCOMPLETE.value] + total[ChartState.DELINQUENT.value],
        delinquent=total[ChartState.DELINQUENT.value],
        open=by_kind.total(),
        overdue=late_by_kind.total(),
        nameless=found.owed[""],
        rate=rate,
        kinds=_counts({key: key.replace("-", " ") for key in found.kinds}, found.kinds),
        services=_counts(
            {key: "not stated" if key == NOT_STATED else key for key in found.services}, found.services
        ),
        ages=_by_age(found.ages),
        lacking=tuple(
            Lacking(kind, "", number, late_by_kind[kind]) for kind, number in by_kind.most_common() if number
        ),
        sorts=tuple(
            Lacking(kind, what, number, found.overdue[kind, what])
            for (kind, what), number in found.open.most_common()
            if number
        ),
        practitioners=_practitioners(found.owed, found.owed_late, most),
    )


def _counts(titles: Mapping[str, str], found: Mapping[str, Counter[str]]) -> tuple[Count, ...]:
    late = ChartState.DELINQUENT.value
    listed = [Count(key, title, found[key].total(), found[key][late]) for key, title in titles.items()]
    return tuple(
        sorted((each for each in listed if each.incomplete), key=lambda each: (-each.incomplete, each.title))
    )


#: The ages as snapshots keep them, "8-14" or "61-"; "here" is a chart that nobody was discharged from.
SPANS = tuple(f"{since}-{until - 1}" if until else f"{since}-" for since, until in AGES)


def _by_age(found: Mapping[str, Counter[str]]) -> tuple[Count, ...]:
    late = ChartState.DELINQUENT.value
    keys = {span: str(number) for number, span in enumerate(SPANS, 1)} | {"here": "0"}
    listed = sorted(found, key=lambda span: (span == "here", int(span.partition("-")[0]) if span != "here" else 0))
    return tuple(
        Count(keys.get(span, ""), _age_title(span), found[span].total(), found[span][late])
        for span in listed
        if found[span].total()
    )


def _age_title(span: str) -> str:
    if span == "here":
        return "not discharged"
    since, _, until = span.partition("-")
    return f"{since} to {until} days" if until else f"{since} days and more"


def _practitioners(open: Counter[str], late: Counter[str], most: int) -> tuple[Owing, ...]:
    """Those who owe most, each once however the record names them."""
    stands_for = standing_for(key for key, number in open.items() if key and number)
    owed: Counter[str] = Counter()
    overdue: Counter[str] = Counter()
    for key, one in stands_for.items():
        owed[one] += open[key]
        overdue[one] += late[key]
    # Of those who owe as much as the last that is shown the names decide, so all of them are named.
    amounts = sorted(((overdue[one], owed[one]) for one in owed), reverse=True)
    least = amounts[:most][-1] if amounts[:most] else (0, 0)
    first = [one for one in owed if (overdue[one], owed[one]) >= least]
    known = named(first)
    listed = [
        Owing(
            key,
            known[key].shown if key in known else key,
            known[key].entry if key in known else None,
            owed[key],
            overdue[key],
        )
        for key in first
    ]
    return tuple(sorted(listed, key=lambda each: (-each.overdue, -each.open, each.name))[:most])


def rate(ctx: AccessContext) -> Rate:
    """The delinquency rate as of now. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    return rate_of(_count(_DELINQUENT + _DISCHARGED, ctx, now()), *rate_months())


def rate_months() -> tuple[int, datetime, datetime]:
    """How many whole months the rate's average is of, since when and until when."""
    months = int(parameter(RATE, "months"))
    return (months, *whole_months(months))


def rate_of(found: Counted, months: int, since: datetime, until: datetime) -> Rate:
    """The rate by counts, with an average of so many months."""
    benchmark = float(parameter(RATE, "benchmark"))
    return Rate(found.delinquent(), found.discharges, months, since, until, benchmark)


def whole_months(months: int) -> tuple[datetime, datetime]:
    """The beginnings of the month so many before this one, and of this one, by the site's clock."""
    zone = ZoneInfo(configuration().time_zone)
    today = now().astimezone(zone).date()
    since, until = (datetime.combine(months_later(today, each), time(), zone) for each in (-months, 0))
    return since, until


def rate_span() -> tuple[datetime, datetime, tuple[str, ...]]:
    """Since when, until when and of which kinds discharges are counted for the rate."""
    return (*rate_months()[1:], choices(RATE, "kinds"))


def age_span(number: int) -> tuple[datetime | None, datetime]:
    """Since when and until when those were discharged whose age is the so-manieth of :data:`AGES`, from 1."""
    since, until = AGES[number - 1]
    at = now()
    return (at - timedelta(days=until) if until else None), at - timedelta(days=since)


@dataclass(frozen=True, slots=True)
class Day:
    """The discharges of one day: how many, how many have a chart, and those that have none by name."""

    day: date
    discharges: int
    charts: int
    without: tuple[Ended, ...]


def reconciliation(ctx: AccessContext, until: date, days: int = 7) -> tuple[Day, ...]:
    """The discharges of the days up to ``until``, newest first, each against the charts in analysis.

    Read from the record, not from the charts: encounters of the classes of the rule that ended that day, by the
    site's clock. What the asker may not see is not among them. Raises PermissionRefused.
    """
    require(ctx, READ_CHARTS)
    zone = ZoneInfo(configuration().time_zone)
    first = until - timedelta(days=days - 1)
    since, end = (datetime.combine(day, time(), zone) for day in (first, until + timedelta(days=1)))
    ended = encounters_ended(ctx, since, end, choices("completion.reconciliation", "classes"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encounter FROM completion_chart WHERE encounter = ANY(%s)", [[each.row for each in ended]]
        )
        have = {row for (row,) in cursor.fetchall()}
    found: dict[date, list[Ended]] = {until - timedelta(days=number): [] for number in range(days)}
    for each in ended:
        found.setdefault(each.at.astimezone(zone).date(), []).append(each)
    return tuple(
        Day(
            day,
            len(listed),
            sum(each.row in have for each in listed),
            tuple(each for each in listed if each.row not in have),
        )
        for day, listed in found.items()
    )
