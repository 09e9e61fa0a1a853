"""Bringing the schema up to date, as its owner, in a process of its own.

The rights of the application on tables to come are set first, so that a migration can take rights away for good:
nothing is granted afterwards.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import charthouse

from .problems import DatabaseProblem

#: Called with the number done, the number in all, and the migration's name.
MigrationProgress = Callable[[int, int, str], None]

#: The key of the lock that keeps two migrating processes apart in one database.
_ADVISORY_LOCK = 0x43_48_4D_49_47


def pending() -> list[str]:
    """The names of migrations not yet applied, in order. Needs Django. Raises DatabaseProblem when the database
    was migrated by a newer Charthouse."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    ours = {label for label, _name in executor.loader.disk_migrations}
    replaced = {key for migration in executor.loader.disk_migrations.values() for key in migration.replaces}
    unknown = sorted(
        f"{label}.{name}"
        for label, name in executor.loader.applied_migrations
        if label in ours and (label, name) not in executor.loader.disk_migrations and (label, name) not in replaced
    )
    if unknown:
        raise DatabaseProblem(
            f"The database was made by a newer Charthouse: it has {unknown[0]}, which this one does not know. "
            "Start that newer Charthouse, or restore a dump from before the upgrade."
        )
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _backwards in plan]


def migrate(progress: MigrationProgress | None = None, *, database: str | None = None) -> list[str]:
    """Apply all pending migrations as the owner and answer their names.

    ``database`` names another database of the same server (tests, students' hospitals). Raises DatabaseProblem
    with what the failing migration said.
    """
    from .addressing import connection_url

    environment = os.environ | {
        "CHARTHOUSE_DATABASE_ROLE": "owner",
        "DATABASE_URL": connection_url(dbname=database),
        "DATABASE_OWNER_URL": connection_url(owner=True, dbname=database),
        "PYTHONPATH": os.pathsep.join(filter(None, [_source_folder(), os.environ.get("PYTHONPATH", "")])),
    }
    applied: list[str] = []
    problem = ""
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            said = json.loads(line)
            problem = said.get("problem", problem)
            if "applied" in said:
                applied.append(said["applied"])
            if progress is not None and "begun" in said:
                progress(said["done"], said["total"], said["begun"])
        errors = process.stderr.read()
    if process.returncode != 0:
        said = problem or errors.strip() or "no reason given"
        raise DatabaseProblem(f"The database's schema could not be brought up to date: {said}")
    return applied


def _source_folder() -> str:
    return str(Path(charthouse.__file__).parents[1])


def _say(**said: Any) -> None:
    print(json.dumps(said), flush=True)


def _main() -> int:
    """The child process: migrate as the owner and tell each step on standard output, one JSON object a line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charthouse.settings")
    import django

    django.setup()
    from django.core.management import call_command
    from django.core.management.commands import migrate as django_migrate
    from django.db import Error, connection

    from .addressing import application_role
    from .roles import grant_defaults

    class Command(django_migrate.Command):
        done = 0
        total = 0

        def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
            name = f"{migration.app_label}.{migration.name}" if migration else ""
            if action == "apply_start":
                _say(begun=name, done=self.done, total=self.total)
            elif action == "apply_success":
                self.done += 1
                _say(applied=name)

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
        command = Command()
        command.total = len(pending())
        grant_defaults(connection.connection, application=application_role())
        call_command(command, interactive=False, verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            if cursor.fetchone()[0] != application_role():
                cursor.execute(
                    "REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM "
                    f"{connection.ops.quote_name(application_role())}"
                )
    except (Error, DatabaseProblem) as error:
        _say(problem=str(error).strip())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
