"""Declaring, deferring and cancelling jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procrastinate import JobContext, RetryStrategy
from procrastinate.exceptions import AlreadyEnqueued, JobAborted
from procrastinate.tasks import configure_task

from charthouse.foundation.logging import bound, where

from . import engine
from .progress import JobCancelled, Progress

Work = Callable[..., Mapping[str, Any] | None]


class AlreadyWaiting(Exception):
    """A job with the same ``once`` waits already."""


class JobFailed(Exception):
    """A job failed; the words are without data, because they are logged."""


@dataclass(frozen=True, slots=True)
class Task:
    """A declared job: its name in the tables, the title people read, its queue."""

    name: str
    title: str
    queue: str
    work: Work


_tasks: dict[str, Task] = {}


def task(name: str, title: str, *, queue: str = "default", attempts: int = 1) -> Callable[[Work], Task]:
    """Declare a function ``(progress: Progress, **args)`` as a job.

    It may return a mapping (JSON) as its result. Its arguments are JSON and hold ids, never PHI: they stand in the
    tables of jobs. With more than one attempt it is tried again after 10, 100 … seconds, so it must bear a repeat.
    """

    def declare(work: Work) -> Task:
        declared = Task(name, title, queue, work)
        if name in _tasks:
            raise ValueError(f"The job {name} is declared twice.")
        _tasks[name] = declared
        retry = RetryStrategy(max_attempts=attempts - 1, exponential_wait=10) if attempts > 1 else False

        def run(context: JobContext, /, **args: Any) -> None:
            _run(declared, context, args)

        engine.app.task(name=name, queue=queue, pass_context=True, retry=retry)(run)
        return declared

    return declare


def periodic(cron: str, name: str, title: str, *, queue: str = "housekeeping") -> Callable[[Work], Task]:
    """Declare a job that the worker defers by itself at the times of ``cron`` (five fields, UTC), once for each
    time however many workers run."""

    def declare(work: Work) -> Task:
        declared = Task(name, title, queue, work)
        if name in _tasks:
            raise ValueError(f"The job {name} is declared twice.")
        _tasks[name] = declared

        def run(context: JobContext, /, timestamp: int) -> None:
            _run(declared, context, {})

        registered = engine.app.task(name=name, queue=queue, pass_context=True, queueing_lock=name)(run)
        engine.app.periodic(cron=cron)(registered)
        return declared

    return declare


def tasks() -> tuple[Task, ...]:
    """The declared jobs, by name."""
    return tuple(_tasks[name] for name in sorted(_tasks))


def title(name: str) -> str:
    """What people call a job; its name where it is no longer declared."""
    found = _tasks.get(name)
    return found.title if found else name


def defer(
    task: Task, *, after: str | None = None, once: str | None = None, at: datetime | None = None, **args: Any
) -> int:
    """Let the worker do a job when the current transaction commits; returns the job's id.

    Jobs with the same ``after`` run one after another. With ``once``, AlreadyWaiting is raised while a job with the
    same value waits. ``at`` is the earliest wall-clock instant.
    """
    configured = configure_task(
        name=task.name,
        job_manager=engine.manager,
        queue=task.queue,
        lock=after,
        queueing_lock=once,
        schedule_at=at,
    )
    try:
        return int(configured.defer(**args))
    except AlreadyEnqueued:
        raise AlreadyWaiting(f"A job {task.title!r} for the same thing waits already.") from None


def cancel(job_id: int) -> bool:
    """Take a waiting job back, or ask a running one to stop at its next progress; False when it is over."""
    return engine.manager.cancel_job_by_id(job_id, abort=True)


def _run(declared: Task, context: JobContext, args: Mapping[str, Any]) -> None:
    job_id = context.job.id
    if job_id is None:
        raise ValueError("A job runs only from its row.")
    progress = Progress(job_id)
    with bound(job=job_id, task=declared.name):
        try:
            progress.begin()
            try:
                result = declared.work(progress, **args)
            except JobCancelled:
                progress.finish(error="Stopped when asked to.")
                raise JobAborted from None
            except Exception as error:
                progress.finish(error=where(error))
                raise JobFailed(where(error)) from error
            progress.finish(result)
        finally:
            progress.close()
