"""What the application may do, and may not."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection
from psycopg import errors

from charthouse.foundation.database.api import connection_info

REFUSED = [
    "TRUNCATE django_content_type",
    "ALTER TABLE django_content_type ADD COLUMN extra int",
    "ALTER TABLE django_content_type DISABLE TRIGGER ALL",
    "DROP TABLE django_content_type",
    "CREATE TABLE public.mine (n int)",
    "CREATE SCHEMA mine",
    "DELETE FROM django_migrations",
    "SET ROLE charthouse_owner",
    "ALTER ROLE charthouse_app SUPERUSER",
    "COPY django_content_type TO PROGRAM 'cat'",
    "COPY django_content_type FROM '/etc/passwd'",
    "CREATE DATABASE mine",
    "SET session_replication_role = replica",
]


@pytest.mark.parametrize("statement", REFUSED)
@pytest.mark.django_db
def test_refused(statement: str) -> None:
    with (
        psycopg.connect(connection_info(dbname=connection.settings_dict["NAME"]), autocommit=True) as application,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        application.execute(statement.encode())


def test_allowed(committed_db: str) -> None:
    with psycopg.connect(committed_db) as application:
        application.execute("INSERT INTO django_content_type (app_label, model) VALUES ('k', 'd')")
        application.execute("UPDATE django_content_type SET model = 'e' WHERE app_label = 'k'")
        application.execute("DELETE FROM django_content_type WHERE app_label = 'k'")
        application.execute("CREATE TEMPORARY TABLE staging (n int)")
        application.execute("INSERT INTO django_content_type (app_label, model) VALUES ('a', 'b')")


def test_rights_taken_by_a_migration_stay_away(committed_db: str, owner_conninfo: str) -> None:
    from django.db import ConnectionHandler, connections
    from django.db.migrations.state import ProjectState

    from charthouse.foundation.database.operations import append_only
    from charthouse.foundation.database.roles import grant_defaults

    as_owner = dict(connections.settings["default"], USER="charthouse_owner")
    if "password" in psycopg.conninfo.conninfo_to_dict(owner_conninfo):
        as_owner["PASSWORD"] = psycopg.conninfo.conninfo_to_dict(owner_conninfo)["password"]
    owner = ConnectionHandler({"default": as_owner})["default"]
    operation = append_only("kept")
    with owner.schema_editor() as editor:
        editor.execute("CREATE TABLE kept (n int)")
        operation.database_forwards("foundation", editor, ProjectState(), ProjectState())
    grant_defaults(owner.connection, application="charthouse_app")
    with psycopg.connect(committed_db, autocommit=True) as application:
        application.execute("INSERT INTO kept VALUES (1)")
        assert application.execute("SELECT n FROM kept").fetchone() == (1,)
        for statement in (b"UPDATE kept SET n = 2", b"DELETE FROM kept", b"TRUNCATE kept"):
            with pytest.raises(errors.InsufficientPrivilege):
                application.execute(statement)
        with owner.schema_editor() as editor:
            operation.database_backwards("foundation", editor, ProjectState(), ProjectState())
        application.execute("DELETE FROM kept")
    owner.close()
