"""Looking after the tables of jobs."""

from __future__ import annotations

from django.db import connection
from procrastinate import sql

from charthouse.foundation.clock import wall

from . import engine

#: seconds without a heartbeat after which a worker counts as dead
DEAD_AFTER = 60.0
#: days finished jobs are kept for people to look at
KEEP_DAYS = 30


def retry_abandoned() -> int:
    """Let jobs run again whose worker died; returns how many."""
    rows = engine.connector.execute_query_all(
        query=sql.queries["select_stalled_jobs_by_heartbeat"],
        queue=None,
        task_name=None,
        seconds_since_heartbeat=DEAD_AFTER,
    )
    for row in rows:
        engine.manager.retry_job_by_id(row["id"], retry_at=wall())
    return len(rows)


def clear_finished(days: int = KEEP_DAYS) -> int:
    """Delete jobs that ended more than ``days`` ago, with their progress; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM procrastinate_jobs WHERE status IN ('succeeded', 'failed', 'cancelled', 'aborted')"
            " AND id IN (SELECT job_id FROM procrastinate_events GROUP BY job_id"
            "            HAVING max(at) < clock_timestamp() - make_interval(days => %s))",
            [days],
        )
        cleared = int(cursor.rowcount)
        cursor.execute(
            "DELETE FROM jobs_progress WHERE NOT EXISTS (SELECT FROM procrastinate_jobs WHERE id = job_id)"
        )
    return cleared
