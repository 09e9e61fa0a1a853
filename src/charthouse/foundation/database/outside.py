"""Whether an outside server can be used, and in words what is wrong with it."""

from __future__ import annotations

from typing import Any

import psycopg

from .binaries import OLDEST_MAJOR
from .problems import DatabaseProblem

Connection = psycopg.Connection[Any]

#: Extensions the schema may use. Making them takes no superuser: they are trusted.
EXTENSIONS = ("btree_gin", "citext", "pg_trgm", "unaccent")


def check_outside() -> None:
    """Raise DatabaseProblem, naming the variable to change, unless the outside server can be used."""
    from .addressing import connection_info

    with _connect(connection_info(), "DATABASE_URL") as application:
        _check_server(application)
        database = application.info.dbname
    with _connect(connection_info(owner=True), "DATABASE_OWNER_URL") as owner:
        if owner.info.dbname != database:
            raise DatabaseProblem(
                f"DATABASE_URL names the database {database} and DATABASE_OWNER_URL "
                f"{owner.info.dbname}. Both must name the same one."
            )
        _check_owner(owner)


def weaknesses() -> list[str]:
    """What an outside server lets the application do that it should not, each a sentence. For the doctor."""
    from .addressing import connection_info

    found = []
    with _connect(connection_info(), "DATABASE_URL") as application:
        if _value(application, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
            found.append(
                "DATABASE_URL signs in as a superuser, who can change the ledger. Give the application a role "
                "of its own without rights."
            )
        elif _value(application, "SELECT has_database_privilege(current_database(), 'CREATE')"):
            found.append(
                "DATABASE_URL signs in as the schema's owner, who can change the ledger. Make a second role, name "
                "it in DATABASE_URL, and the owner in DATABASE_OWNER_URL."
            )
        if _value(application, "SHOW fsync") != "on":
            found.append("The database server runs with fsync off: a power failure can lose or destroy records.")
    return found


def _check_server(connection: Connection) -> None:
    version = connection.info.server_version // 10000
    if version < OLDEST_MAJOR:
        raise DatabaseProblem(
            f"The server of DATABASE_URL is PostgreSQL {version}; {OLDEST_MAJOR} or newer is needed. "
            "Name a newer server, or leave DATABASE_URL out and use the embedded one."
        )
    encoding = _value(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        raise DatabaseProblem(
            f"The database {connection.info.dbname} has the encoding {encoding}; UTF8 is needed. Make it anew: "
            f"CREATE DATABASE {connection.info.dbname} ENCODING 'UTF8' TEMPLATE template0"
        )
    rows = connection.execute("SELECT name FROM pg_available_extensions WHERE name = ANY(%s)", [list(EXTENSIONS)])
    missing = sorted(set(EXTENSIONS) - {name for (name,) in rows})
    if missing:
        raise DatabaseProblem(
            f"The server of DATABASE_URL lacks the extensions {', '.join(missing)}. Install PostgreSQL's contrib "
            "package on it (Debian: postgresql-contrib)."
        )


def _check_owner(connection: Connection) -> None:
    user, database = connection.info.user, connection.info.dbname
    for privilege, held in (
        ("CREATE on the database", "SELECT has_database_privilege(current_database(), 'CREATE')"),
        ("CREATE on the schema public", "SELECT has_schema_privilege('public', 'CREATE')"),
    ):
        if not _value(connection, held):
            raise DatabaseProblem(
                f"The role {user} lacks the right {privilege}, so the schema cannot be made. Let it own the "
                f"database: ALTER DATABASE {database} OWNER TO {user}; or name the owner in DATABASE_OWNER_URL."
            )


def _connect(conninfo: str, variable: str) -> Connection:
    try:
        return psycopg.connect(conninfo, connect_timeout=10, autocommit=True)
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        raise DatabaseProblem(
            f"The server named by {variable} could not be reached. It says: {said} "
            "Check its address, that it runs, that the database exists, and the role and its password."
        ) from None


def _value(connection: Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    found = row[0] if row else None
    # A database in SQL_ASCII hands text over as bytes.
    return found.decode("ascii", "replace") if isinstance(found, bytes) else found
