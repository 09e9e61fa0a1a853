"""Telling and seeing how far a job is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
import psycopg
from django.db import connection

from charthouse.foundation.connecting import own_connection

#: seconds between two writes of one job's progress
_EVERY = 0.25


class JobCancelled(Exception):
    """Somebody asked the job to stop; raised out of :meth:`Progress.update`."""


class JobState(StrEnum):
    """WAITING, RUNNING, then one of DONE, FAILED, CANCELLED."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_STATES = {
    "todo": JobState.WAITING,
    "doing": JobState.RUNNING,
    "succeeded": JobState.DONE,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
    "aborting": JobState.RUNNING,
    "aborted": JobState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job as a screen shows it. ``total`` is 0 while unknown; ``error`` is words without data."""

    id: int
    task: str
    state: JobState
    attempts: int
    done: int
    total: int
    message: str
    result: Mapping[str, Any] | None
    error: str
    started_at: datetime | None
    updated_at: datetime | None

    @property
    def finished(self) -> bool:
        return self.state in {JobState.DONE, JobState.FAILED, JobState.CANCELLED}


class Progress:
    """A running job's own view of itself.

    Written over a connection of its own, so that it is seen while the job's transaction is still open.
    """

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._written = float("-inf")
        self._last: tuple[int, int, str] = (0, 0, "")

    def update(self, done: int, total: int | None = None, message: str | None = None) -> None:
        """Tell how far the job is. Cheap to call often: it writes at most four times a second.

        Raises JobCancelled when somebody asked the job to stop.
        """
        self._last = (
            done,
            self._last[1] if total is None else total,
            self._last[2] if message is None else message,
        )
        if time.monotonic() - self._written >= _EVERY:
            self._write()

    def finish(self, result: Mapping[str, Any] | None = None, error: str = "") -> None:
        """Write the last state with the job's result (JSON) or its error; called by the worker."""
        self._execute(
            "UPDATE jobs_progress SET done = %s, total = %s, message = %s, result = %s::jsonb, error = %s,"
            " updated_at = clock_timestamp() WHERE job_id = %s",
            [*self._last, None if result is None else orjson.dumps(dict(result)).decode(), error, self.job_id],
        )

    def begin(self) -> None:
        """Write that the job begins (again); called by the worker."""
        self._execute(
            "INSERT INTO jobs_progress (job_id, done, total, message) VALUES (%s, 0, 0, '')"
            " ON CONFLICT (job_id) DO UPDATE SET done = 0, total = 0, message = '', result = NULL, error = '',"
            " started_at = clock_timestamp(), updated_at = clock_timestamp()",
            [self.job_id],
        )

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _write(self) -> None:
        self._written = time.monotonic()
        asked = self._execute(
            "UPDATE jobs_progress SET done = %s, total = %s, message = %s, updated_at = clock_timestamp()"
            " WHERE job_id = %s"
            " RETURNING (SELECT abort_requested FROM procrastinate_jobs WHERE id = job_id)",
            [*self._last, self.job_id],
        ).fetchone()
        if asked and asked[0]:
            raise JobCancelled(f"Job {self.job_id} was asked to stop.")

    def _execute(self, query: Any, parameters: list[Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = own_connection()
        return self._connection.execute(query, parameters)


_SELECT = (
    "SELECT j.id, j.task_name, j.status::text, j.attempts, coalesce(p.done, 0), coalesce(p.total, 0),"
    " coalesce(p.message, ''), p.result, coalesce(p.error, ''), p.started_at, p.updated_at"
    " FROM procrastinate_jobs AS j LEFT JOIN jobs_progress AS p ON p.job_id = j.id "
)


def status(job_id: int) -> JobStatus | None:
    """How a job is; None when there is no such job, or it was cleared away."""
    found = _statuses("WHERE j.id = %s", [job_id])
    return found[0] if found else None


def recent(limit: int = 50) -> list[JobStatus]:
    """The newest jobs first."""
    return _statuses("ORDER BY j.id DESC LIMIT %s", [limit])


def _statuses(rest: str, parameters: list[Any]) -> list[JobStatus]:
    with connection.cursor() as cursor:
        cursor.execute(_SELECT + rest, parameters)
        return [
            JobStatus(
                id,
                task,
                _STATES[state],
                attempts,
                done,
                total,
                message,
                orjson.loads(result) if result else None,
                error,
                started_at,
                updated_at,
            )
            for id, task, state, attempts, done, total, message, result, error, started_at, updated_at in cursor
        ]
