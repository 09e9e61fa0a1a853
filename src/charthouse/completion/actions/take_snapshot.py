"""Count the charts of the site once a day is over, and keep what was counted."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from charthouse.completion.board_models import Snapshot
from charthouse.completion.board_queries import AGES, RATE, SPANS, rate_months
from charthouse.configuration import configuration
from charthouse.foundation.clock import now
from charthouse.foundation.ledger.api import append
from charthouse.foundation.rulepacks.api import choices

from ._acting import SYSTEM

# All of it is one statement, and so of one moment. What an event opened or closed is told by the states before and
# after it; what only came late was never owed, and counts as neither.
_TAKE = """
WITH made AS (
  INSERT INTO completion_snapshot (day, at, months, since, until)
  VALUES (%(day)s, %(at)s, %(months)s, %(since)s, %(until)s) ON CONFLICT DO NOTHING RETURNING day
), counted AS (
  SELECT facility, kind, service, count(*) FILTER (WHERE state = 'incomplete') AS incomplete,
         count(*) FILTER (WHERE state = 'delinquent') AS delinquent, 0 AS discharges, 0 AS opened, 0 AS closed,
         0 AS averaged
    FROM completion_chart WHERE state IN ('incomplete', 'delinquent') GROUP BY 1, 2, 3
  UNION ALL
  SELECT facility, kind, service, 0, 0, count(*), 0, 0, 0 FROM completion_chart
   WHERE discharged >= %(begins)s AND discharged < %(ends)s GROUP BY 1, 2, 3
  UNION ALL
  SELECT facility, kind, service, 0, 0, 0, 0, 0, count(*) FROM completion_chart
   WHERE discharged >= %(since)s AND discharged < %(until)s AND kind = ANY(%(kinds)s) GROUP BY 1, 2, 3
  UNION ALL
  SELECT c.facility, c.kind, c.service, 0, 0, 0,
         count(*) FILTER (WHERE e.after->>'state' IN ('open', 'proposed')),
         count(*) FILTER (WHERE e.after->>'state' NOT IN ('open', 'proposed')), 0
    FROM completion_deficiency_event e JOIN completion_chart c ON c.id = e.chart_id
   WHERE e.at >= %(begins)s AND e.at < %(ends)s AND e.deficiency_id IS NOT NULL AND e.after ? 'state'
     AND (e.after->>'state' IN ('open', 'proposed'))
         <> (coalesce(e.before->>'state', '') IN ('open', 'proposed'))
   GROUP BY 1, 2, 3
), counts AS (
  INSERT INTO completion_snapshot_count (snapshot_id, facility, kind, service, incomplete, delinquent, discharges,
                                         opened, closed, averaged)
  SELECT made.day, facility, kind, service, sum(incomplete), sum(delinquent), sum(discharges), sum(opened),
         sum(closed), sum(averaged) FROM made, counted GROUP BY 1, 2, 3, 4
), parted AS (
  SELECT facility, 'age' AS part,
         CASE WHEN discharged IS NULL THEN 'here'
              ELSE (%(spans)s::text[])[1 + width_bucket(discharged, %(cuts)s::timestamptz[])] END AS key,
         '' AS detail, count(*) AS number, count(*) FILTER (WHERE state = 'delinquent') AS late
    FROM completion_chart WHERE state IN ('incomplete', 'delinquent') GROUP BY 1, 3
  UNION ALL
  SELECT facility, 'lacking', kind, what, count(*), count(*) FILTER (WHERE due <= %(at)s)
    FROM completion_deficiency WHERE state IN ('open', 'proposed') GROUP BY 1, 3, 4
  UNION ALL
  SELECT facility, 'owing', owed_by, '', count(*), count(*) FILTER (WHERE due <= %(at)s)
    FROM completion_deficiency WHERE state IN ('open', 'proposed') GROUP BY 1, 3
), parts AS (
  INSERT INTO completion_snapshot_part (snapshot_id, facility, part, key, detail, number, late)
  SELECT made.day, facility, part, key, detail, number, late FROM made, parted
)
SELECT count(*) FROM made
"""


def take_snapshot() -> date | None:
    """Count the charts of the day that ended last by the site's clock, unless they were; that day, or None.

    The state of charts is that of this moment, which is kept beside it; discharges, and what opened and closed, are
    of the day. Run again for a day it changes nothing, and no day before is made up for.
    """
    zone = ZoneInfo(configuration().time_zone)
    at = now()
    day = at.astimezone(zone).date() - timedelta(days=1)
    if Snapshot.objects.filter(day=day).exists():
        return None
    months, since, until = rate_months()
    values: dict[str, Any] = {
        "day": day,
        "at": at,
        "begins": datetime.combine(day, time(), zone),
        "ends": datetime.combine(day + timedelta(days=1), time(), zone),
        "months": months,
        "since": since,
        "until": until,
        "kinds": list(choices(RATE, "kinds")),
        # From the oldest on, as a bucket counts.
        "cuts": [at - timedelta(days=since) for since, _ in reversed(AGES[1:])],
        "spans": list(reversed(SPANS)),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        if not cursor.fetchone()[0]:
            return None
        append(SYSTEM, "completion.snapshot", detail={"day": day.isoformat()})
    return day
