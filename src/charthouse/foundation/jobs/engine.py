"""procrastinate, wired to Django's connection.

Jobs are deferred through Django's own connection, so that a job exists only if the change that asks for it is
committed. The worker has connections of its own. See docs/decisions for why procrastinate's Django app is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from procrastinate import App
from procrastinate.contrib.django import DjangoApp
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.manager import JobManager

#: runs queries over Django's connection of the calling thread
connector = DjangoConnector()

#: the registry of tasks, and the app the worker runs
app: App = DjangoApp(connector=connector)
#: defers, cancels and looks at jobs in the caller's transaction, also while a worker runs in this process
manager = JobManager(connector=connector)


@contextmanager
def worker_app() -> Iterator[App]:
    """The app with connections fit for a worker (asynchronous, listening), as the application's role."""
    with app.replace_connector(connector.get_worker_connector()) as running:
        yield running
