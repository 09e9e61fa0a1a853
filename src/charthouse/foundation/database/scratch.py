"""Databases that live as long as a measurement: made beside the installation's own, migrated, dropped."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from charthouse.configuration import configuration

from .api import OWNER_ROLE, connection_info, connection_url, ensure_running, migrate
from .dropping import drop_database
from .layout import Layout

_KEPT = re.compile(r"[a-z][a-z0-9_]{0,29}")


class NoSuchDatabase(Exception):
    """A database that should have been kept is not there, or one is in the way."""


@contextmanager
def scratch_database(label: str, *, keep: str = "", use: str = "", drop: bool = False) -> Iterator[str]:
    """A fresh, migrated database for the block; yields its name. The installation's own data is not touched.

    Within the block this process and those it starts use it: ``DATABASE_URL`` names it, and Django, set up or not,
    connects to it. Needs the embedded server, or an outside one whose owner may create databases.

    With ``keep``, a name of small letters and digits, it stays when the block ended without an error; ``use`` is
    the name of one that stayed, which stays, or is dropped at the end with ``drop``. Raises NoSuchDatabase.
    """
    server = ensure_running()
    kept = use or keep
    if kept and not _KEPT.fullmatch(kept):
        raise NoSuchDatabase(f"“{kept}” is no name: small letters, digits and _, at most 30.")
    name = f"charthouse_{label}_{'kept_' + kept if kept else secrets.token_hex(4)}"
    admin = _admin()
    if kept and _exists(admin, name) != bool(use):
        raise NoSuchDatabase(f"There is no database kept as “{kept}”." if use else
                             f"A database is kept as “{kept}” already; use it, or take another name.")  # fmt: skip
    stays = bool(use)
    before = {key: os.environ.get(key) for key in ("DATABASE_URL", "DATABASE_OWNER_URL")}
    application, owner = connection_url(dbname=name), connection_url(owner=True, dbname=name)
    try:
        if not use:
            _run(admin, sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
                sql.Identifier(name), sql.Identifier(_owner())
            ))  # fmt: skip
        migrate(database=name)
        os.environ["DATABASE_URL"], os.environ["DATABASE_OWNER_URL"] = application, owner
        with _django_on(name):
            yield name
        stays = bool(kept) and not drop
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
        if not stays:
            with psycopg.connect(admin, autocommit=True) as connection:
                drop_database(connection, name)
        server.release()


def _exists(admin: str, name: str) -> bool:
    with psycopg.connect(admin, autocommit=True) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


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
