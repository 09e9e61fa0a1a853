"""Dump and restore: the database and the encrypted files in one archive, never the keys.

A restore is made beside the present database and takes its place by a change of names, so that one that fails
leaves everything as it was.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import charthouse
from charthouse.configuration import configuration
from charthouse.foundation import clock

from . import archive
from .account import Account, server_account
from .api import application_role, connection_info, running
from .binaries import Binaries, choose, choose_clients
from .cluster import cluster_major
from .dropping import drop_database
from .embedded import superuser_connection_info
from .layout import Layout
from .problems import DatabaseProblem
from .roles import Connection, grant_defaults
from .secrets import fingerprints

_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() AND usename = %s"
_END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s) AND pid <> pg_backend_pid() "
    "AND pg_has_role(current_user, usename, 'MEMBER')"
)
_TABLES = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') "
    "AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a dump wrote or a restore brought back: bytes of the archive, number of stored files."""

    size: int
    files: int


def dump(target: Path, progress: archive.BytesProgress, *, overwrite: bool = False) -> Outcome:
    """Write the database and the encrypted files to ``target``. Charthouse may run meanwhile.

    Raises DatabaseProblem.
    """
    site = configuration()
    target = target.absolute()
    if target.exists() and not overwrite:
        raise DatabaseProblem(f"{target} is there already. Choose another name, or say --overwrite.")
    if not target.parent.is_dir():
        raise DatabaseProblem(f"There is no folder {target.parent} to write the dump to.")
    with running():
        owner = connection_info(owner=True)
        with psycopg.connect(owner) as connection:
            major = connection.info.server_version // 10000
        with tempfile.TemporaryDirectory(prefix=".charthouse-dump-", dir=target.parent) as folder:
            database = Path(folder) / archive.DATABASE
            # Large databases compress at the speed of one core; level 1 is three times as fast as the usual 6.
            _run(_clients(major), "pg_dump", owner, "--format=custom", "--compress=1", f"--file={database}")
            manifest = archive.Manifest(
                format=archive.FORMAT,
                charthouse=charthouse.__version__,
                postgresql=major,
                made=clock.wall().isoformat(timespec="seconds"),
                database_sha256=archive.sha256(database),
                owner=str(conninfo_to_dict(owner)["user"]),
                application=application_role(),
                files=sum(1 for _path in archive.stored_files(site.files)),
                keys=fingerprints(),
            )
            archive.write(target, manifest, database, site.site_file, site.files, progress)
    return Outcome(target.stat().st_size, manifest.files)


def restore(
    source: Path, progress: archive.BytesProgress, *, replace: bool = False, without_keys: bool = False
) -> Outcome:
    """Bring back a dump. Raises DatabaseProblem, and then nothing has changed.

    Refused are: a database that holds tables, unless ``replace``; while Charthouse is running; when keys the dump
    was made with are missing or others, unless ``without_keys``; a dump of a newer PostgreSQL.
    """
    site = configuration()
    manifest = archive.read_manifest(source)
    if not without_keys:
        _check_keys(manifest)
    with running(), _administrator() as connection:
        name = str(conninfo_to_dict(connection_info())["dbname"])
        _check_target(connection, name, manifest, replace=replace)
        with tempfile.TemporaryDirectory(prefix=".restoring-", dir=site.data) as scratch:
            folder = Path(scratch)
            archive.extract(source, folder, manifest, progress)
            fresh = f"{name}_restoring"
            _make_beside(connection, fresh)
            try:
                _fill(fresh, folder / archive.DATABASE, manifest)
                with _files_swapped(folder / "files", site.files):
                    _swap(connection, name, fresh)
            except BaseException:
                drop_database(connection, fresh)
                raise
            if not site.site_file.exists() and (folder / archive.SITE).exists():
                shutil.copyfile(folder / archive.SITE, site.site_file)
                site.site_file.chmod(0o600)
    return Outcome(source.stat().st_size, manifest.files)


def psql_arguments(*, owner: bool) -> tuple[str, dict[str, str]]:
    """The path of psql and the environment in which it reaches the database."""
    conninfo = connection_info(owner=owner)
    with psycopg.connect(conninfo) as connection:
        major = connection.info.server_version // 10000
    return _clients(major).program("psql"), _environment(conninfo)


def _check_keys(manifest: archive.Manifest) -> None:
    here = fingerprints()
    wrong = sorted(name for name, fingerprint in manifest.keys.items() if here.get(name) != fingerprint)
    if wrong:
        raise DatabaseProblem(
            f"The keys this dump was made with are not in {configuration().keys}: {', '.join(wrong)}. Put back the "
            "key directory from its safekeeping first; without it the files cannot be read and the ledger not "
            "verified. To restore all the same, say --without-keys."
        )


def _check_target(connection: Connection, name: str, manifest: archive.Manifest, *, replace: bool) -> None:
    major = connection.info.server_version // 10000
    if manifest.postgresql > major:
        raise DatabaseProblem(
            f"The dump comes from PostgreSQL {manifest.postgresql} and this server is {major}. "
            f"Restore it into {manifest.postgresql} or newer."
        )
    with psycopg.connect(connection_info(owner=True)) as owner:
        tables = (owner.execute(_TABLES.encode()).fetchone() or [0])[0]
    if tables and not replace:
        raise DatabaseProblem(
            f"The database {name} holds {tables} tables. Restore into a new data directory (CHARTHOUSE_DATA), or "
            "say --replace to lose what is in this one."
        )
    others = (connection.execute(_OTHERS, [name, application_role()]).fetchone() or [0])[0]
    if others:
        raise DatabaseProblem("Charthouse is running on this database. Stop it first: charthouse stop")


def _make_beside(connection: Connection, fresh: str) -> None:
    owner = str(conninfo_to_dict(connection_info(owner=True))["user"])
    drop_database(connection, fresh)
    try:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
                sql.Identifier(fresh), sql.Identifier(owner)
            )
        )
    except psycopg.errors.InsufficientPrivilege:
        raise DatabaseProblem(
            f"The role {owner} may not make databases, and a restore is made beside the present one. "
            f"Allow it for the time of the restore: ALTER ROLE {owner} CREATEDB"
        ) from None


def _fill(fresh: str, database: Path, manifest: archive.Manifest) -> None:
    """Restore tables as the owner, then the rights, as they were dumped, under this server's names of the roles.

    The new database has no default privileges yet: a table that was append-only would get them.
    """
    owner = connection_info(owner=True, dbname=fresh)
    with psycopg.connect(owner) as connection:
        programs = _clients(connection.info.server_version // 10000)
    _run(
        programs,
        "pg_restore",
        owner,
        "--no-owner",
        "--no-privileges",
        "--single-transaction",
        f"--dbname={fresh}",
        str(database),
    )
    contents = _run(programs, "pg_restore", owner, "--list", str(database))
    rights = [line for line in contents.splitlines() if re.match(r"\d+; \d+ \d+ (DEFAULT )?ACL ", line)]
    with psycopg.connect(owner) as connection:
        if rights:
            chosen = database.with_name("rights.list")
            chosen.write_text("\n".join(rights), "utf-8")
            script = _run(programs, "pg_restore", owner, f"--use-list={chosen}", "--file=-", str(database))
            names = {
                manifest.owner: str(conninfo_to_dict(owner)["user"]),
                manifest.application: application_role(),
            }
            for statement in re.findall(r"^(?:GRANT|REVOKE|ALTER DEFAULT) .*;$", script, re.MULTILINE):
                connection.execute(_with_roles(statement, names).encode())
        grant_defaults(connection, application=application_role())


def _with_roles(statement: str, names: dict[str, str]) -> str:
    """A statement about rights with the roles' names of this server. A role's name ends the statement or, as the
    role that default rights are of, follows FOR ROLE."""

    def renamed(match: re.Match[str]) -> str:
        given = match[2].strip('"').replace('""', '"')
        return match[1] + '"' + names.get(given, given).replace('"', '""') + '"'

    role = r'("(?:[^"]|"")+"|[\w$]+)'
    statement = re.sub(rf"( FOR ROLE ){role}", renamed, statement)
    return re.sub(rf"( (?:TO|FROM) )(?!PUBLIC;){role}(?=(?: WITH GRANT OPTION)?;$)", renamed, statement)


@contextmanager
def _files_swapped(restored: Path, present: Path) -> Iterator[None]:
    """The restored files in place of the present ones within and after the block; as before if it fails."""
    restored.mkdir(exist_ok=True, mode=0o700)
    aside = present.with_name(".files-replaced")
    shutil.rmtree(aside, ignore_errors=True)
    if present.exists():
        present.rename(aside)
    restored.rename(present)
    try:
        yield
    except BaseException:
        present.rename(restored)
        if aside.exists():
            aside.rename(present)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _swap(connection: Connection, name: str, fresh: str) -> None:
    """Give ``fresh`` the name ``name``, in one transaction, and drop what had it."""
    old = f"{name}_replaced"
    drop_database(connection, old)
    connection.execute(_END_SESSIONS, [[name, fresh]])
    with connection.transaction():
        for before, after in ((name, old), (fresh, name)):
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(before), sql.Identifier(after))
            )
    drop_database(connection, old)


@contextmanager
def _administrator() -> Iterator[Connection]:
    """A connection, in autocommit, that may make and rename databases."""
    site = configuration()
    if site.external_database:
        conninfo = make_conninfo(connection_info(owner=True), dbname="postgres")
    else:
        conninfo = superuser_connection_info(Layout(site.data), "postgres")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


def _clients(server_major: int) -> Binaries:
    site = configuration()
    layout = Layout(site.data)
    if site.external_database:
        import pwd

        own = pwd.getpwuid(os.geteuid())
        return choose_clients(layout, Account(own.pw_name, own.pw_uid, own.pw_gid, dropped=False), server_major)
    return choose(layout, server_account(layout.cluster), cluster_major(layout.cluster))


def _run(programs: Binaries, name: str, conninfo: str, *arguments: str) -> str:
    done = subprocess.run(
        [programs.program(name), *arguments],
        env=_environment(conninfo),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        # Only the first line: further ones quote rows.
        said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise DatabaseProblem(f"{name} failed: {said}")
    return done.stdout


def _environment(conninfo: str) -> dict[str, str]:
    """The connection as libpq's variables: a password on a command line would be seen by all."""
    variables = {"dbname": "PGDATABASE", "application_name": "PGAPPNAME"}
    given: dict[str, Any] = conninfo_to_dict(conninfo)
    connection = {variables.get(key, f"PG{key.upper()}"): str(value) for key, value in given.items()}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return kept | connection
