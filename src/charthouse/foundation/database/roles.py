"""The database's roles and rights.

Three roles: the cluster's superuser, used only to make the others; the owner, who owns the schema and runs
migrations; and the application, who may read and write rows and neither alter nor truncate a table. Rights come by
default privileges *before* a table exists, so that a migration can take rights away from it for good.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]


def make_role(connection: Connection, role: str, *, password: str | None = None, createdb: bool = False) -> None:
    """Make a role that may sign in and nothing else, unless there is one of that name. Safe against a race."""
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    if known:
        return
    statement = sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS {}{}").format(
        sql.Identifier(role),
        sql.SQL("CREATEDB" if createdb else "NOCREATEDB"),
        sql.SQL(" PASSWORD {}").format(sql.Literal(password)) if password else sql.SQL(""),
    )
    try:
        connection.execute(statement)
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return


def make_database(connection: Connection, name: str, *, owner: str, template: str = "template0") -> None:
    """Make a UTF-8 database unless there is one of that name. The connection must be in autocommit."""
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        return
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} ENCODING 'UTF8'").format(
            sql.Identifier(name), sql.Identifier(owner), sql.Identifier(template)
        )
    )


def grant_defaults(connection: Connection, *, application: str) -> None:
    """Called as the owner, before migrations: what the application may do with tables that are yet to come.

    SELECT, INSERT, UPDATE and DELETE; never TRUNCATE, REFERENCES, TRIGGER or CREATE. Nothing is granted where
    owner and application are one role.
    """
    row = connection.execute("SELECT current_user, current_database()").fetchone()
    assert row is not None
    owner, database = row
    role = sql.Identifier(application)
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    if owner == application:
        return
    for statement in (
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}",
        "GRANT USAGE ON SCHEMA public TO {role}",
        "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {role}",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT, USAGE ON SEQUENCES TO {role}",
    ):
        connection.execute(sql.SQL(statement).format(database=sql.Identifier(database), role=role))
