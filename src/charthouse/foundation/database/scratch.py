"""Databases that live as long as a measurement: made beside the installation's own, migrated, dropped."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from charthouse.configuration import configuration

from .api import OWNER_ROLE, connection_info, connection_url, ensure_running, migrate
from .dropping import drop_database
from .layout import Layout


@contextmanager
def scratch_database(label: str) -> Iterator[str]:
    """A fresh, migrated database for the block; yields its name. The installation's own data is not touched.

    Within the block this process and those it starts use it: ``DATABASE_URL`` names it, and Django, set up or not,
    connects to it. Needs the embedded server, or an outside one whose owner may create databases.
    """
    server = ensure_running()
    name = f"charthouse_{label}_{secrets.token_hex(4)}"
    admin = _admin()
    before = {key: os.environ.get(key) for key in ("DATABASE_URL", "DATABASE_OWNER_URL")}
    application, owner = connection_url(dbname=name), connection_url(owner=True, dbname=name)
    try:
        _run(admin, sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
            sql.Identifier(name), sql.Identifier(_owner())
        ))  # fmt: skip
        migrate(database=name)
        os.environ["DATABASE_URL"], os.environ["DATABASE_OWNER_URL"] = application, owner
        with _django_on(name):
            yield name
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
        with psycopg.connect(admin, autocommit=True) as connection:
            drop_database(connection, name)
        server.release()


def _admin() -> str:
    if configuration().external_database:
        return connection_info(owner=True, dbname="postgres")
    from .embedded import superuser_connection_info

    return superuser_connection_info(Layout(configuration().data), "postgres")


def _owner() -> str:
    return str(psycopg.conninfo.conninfo_to_dict(connection_info(owner=True)).get("user") or OWNER_ROLE)


def _run(admin: str, statement: sql.Composed) -> None:
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(statement)


@contextmanager
def _django_on(name: str) -> Iterator[None]:
    """Point Django's connection at the database, and back."""
    from django.db import connection

    connection.close()
    before = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before
