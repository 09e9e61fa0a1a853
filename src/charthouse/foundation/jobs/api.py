"""Jobs: long work people would recognise, done by the worker with its progress shown.

A job is declared in an app's ``jobs.py``, deferred in the transaction that asks for it, and watched by its id.
"""

from __future__ import annotations

import importlib

from django.utils.module_loading import autodiscover_modules

from .progress import JobCancelled, JobState, JobStatus, Progress, recent, status
from .tasks import AlreadyWaiting, JobFailed, Task, cancel, defer, periodic, task, tasks, title
from .worker import run_worker

__all__ = [
    "AlreadyWaiting",
    "JobCancelled",
    "JobFailed",
    "JobState",
    "JobStatus",
    "Progress",
    "Task",
    "cancel",
    "declare_all",
    "defer",
    "periodic",
    "recent",
    "run_worker",
    "status",
    "task",
    "tasks",
    "title",
]


def declare_all() -> None:
    """Import every app's ``jobs.py`` and the foundation's own jobs; called by the worker before it starts."""
    importlib.import_module("charthouse.foundation.jobs.housekeeping")
    autodiscover_modules("jobs")
