"""Where the database is and as whom it is entered: names, roles and connection strings."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from charthouse.configuration import ConfigurationError, configuration

from .layout import PORT, Layout

DATABASE_NAME = "charthouse"
OWNER_ROLE = "charthouse_owner"
APPLICATION_ROLE = "charthouse_app"

#: Seconds a web thread keeps its connection.
_CONNECTION_AGE = 600


def django_database(*, owner: bool) -> dict[str, Any]:
    """Django's DATABASES entry for the schema's owner (migrations) or the application (everything else)."""
    site = configuration()
    url = site.external_owner_database if owner else site.external_database
    entry: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": DATABASE_NAME,
        "USER": OWNER_ROLE if owner else APPLICATION_ROLE,
        "PASSWORD": "",
        "HOST": str(Layout(site.data).socket_folder),
        "PORT": str(PORT),
        "OPTIONS": {},
    }
    if url:
        entry |= _from_url(url)
    return entry | {
        "CONN_MAX_AGE": 0 if owner else _CONNECTION_AGE,
        "CONN_HEALTH_CHECKS": True,
    }


def connection_info(*, owner: bool = False, dbname: str | None = None) -> str:
    """A psycopg connection string for the owner or the application, of ``dbname`` or the installation's own."""
    from psycopg.conninfo import make_conninfo

    entry = django_database(owner=owner)
    given = {
        "host": entry["HOST"],
        "port": entry["PORT"],
        "user": entry["USER"],
        "password": entry["PASSWORD"],
        "dbname": dbname or entry["NAME"],
    }
    return make_conninfo("", **{name: value for name, value in given.items() if value}, **entry["OPTIONS"])


def connection_url(*, owner: bool = False, dbname: str | None = None) -> str:
    """The same as a ``postgresql://`` address, as DATABASE_URL takes it. It may hold a password: keep it secret."""
    entry = django_database(owner=owner)
    user = quote(entry["USER"], safe="") + (f":{quote(entry['PASSWORD'], safe='')}" if entry["PASSWORD"] else "")
    options = {"host": entry["HOST"], "port": entry["PORT"], **entry["OPTIONS"]}
    query = urlencode({name: value for name, value in options.items() if value})
    return f"postgresql://{user}@/{quote(dbname or entry['NAME'], safe='')}?{query}"


def application_role() -> str:
    """The name of the application's role, for the rights a migration takes away from it."""
    return str(django_database(owner=False)["USER"]) or APPLICATION_ROLE


def _from_url(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"DATABASE_URL cannot be read: {error}.") from None
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ConfigurationError(f"DATABASE_URL begins with {parts.scheme!r}: postgresql:// is needed.")
    options = dict(parse_qsl(parts.query))
    return {
        "USER": unquote(parts.username or options.pop("user", "")),
        "PASSWORD": unquote(parts.password or options.pop("password", "")),
        "HOST": options.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": str(port or options.pop("port", "")),
        "NAME": unquote(parts.path.lstrip("/")) or options.pop("dbname", DATABASE_NAME),
        "OPTIONS": options,
    }
