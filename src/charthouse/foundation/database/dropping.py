"""Dropping a database with whoever is still in it."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, errors, sql

_TRIES = 6


def drop_database(connection: Connection[Any], name: str) -> None:
    """Drop the database ``name``, if there is one, and end its sessions. ``connection`` is in autocommit.

    WITH (FORCE) is refused to all but a superuser while autovacuum works in the database; a plain DROP asks
    autovacuum to leave and waits for it.
    """
    database = sql.Identifier(name)
    for attempt in range(1, _TRIES + 1):
        try:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
            return
        except errors.InsufficientPrivilege:
            try:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(database))
                return
            except errors.ObjectInUse:
                if attempt == _TRIES:
                    raise
