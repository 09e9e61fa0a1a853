"""Django for a process that is about to need the database."""

from __future__ import annotations

import os


def configure_django(*, start_database: bool = True) -> None:
    """Set Django up once, and see that the embedded database runs unless ``start_database`` is false."""
    import django
    from django.apps import apps

    from charthouse.foundation.database.api import ensure_running

    if start_database:
        ensure_running()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charthouse.settings")
    if not apps.ready:
        django.setup()
