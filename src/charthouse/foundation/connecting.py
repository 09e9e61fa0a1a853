"""A connection beside Django's, for what outlives or must not join its transaction: listening, holding a lock,
telling how far a job is."""

from __future__ import annotations

import psycopg
from django.db import connection

__all__ = ["own_connection"]


def own_connection() -> psycopg.Connection[tuple[object, ...]]:
    """A new connection to the database Django uses, each statement its own transaction; the caller closes it.

    Raises psycopg.OperationalError where the server is not there.
    """
    return psycopg.connect(
        **{**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}, autocommit=True
    )
