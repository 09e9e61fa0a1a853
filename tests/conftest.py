"""Databases for tests: a template migrated once, cloned for each worker and for each test that commits.

Without further ado the tests start an embedded server of their own. ``CHARTHOUSE_TEST_DATABASE_URL`` names an
outside one instead, PostgreSQL 15 or newer, by a role that may make databases and roles.

Tests run as the *application's* role. ``db`` (or ``@pytest.mark.django_db``) rolls back; ``committed_db`` is a
fresh clone for tests that commit, race or open connections of their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.browsers import find_browser

# An installation of our own, made before Django reads its settings. The workers of pytest-xdist share their
# controller's; the process that made it removes it.
_PREFIX = "charthouse-test-"


#: A folder in memory: to clone a database there takes a thirtieth of what a disk takes for its thousand files.
_IN_MEMORY = Path("/dev/shm")
_ENOUGH = 6 << 30


def _place() -> Path:
    """Where test runs lie: in memory where there is enough, and programs may be run from there."""
    disk = Path(tempfile.gettempdir())
    try:
        at = os.statvfs(_IN_MEMORY)
        memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    except OSError:
        return disk
    room = min(at.f_bavail * at.f_frsize, int(memory["MemAvailable"].split()[0]) << 10)
    usable = os.access(_IN_MEMORY, os.W_OK) and not at.f_flag & getattr(os, "ST_NOEXEC", 0)
    return _IN_MEMORY if usable and room >= _ENOUGH else disk


def _make_home() -> tuple[str, int]:
    """A new installation's folder, and the lock by which others see that its tests still run."""
    home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_place()))
    home.chmod(0o711)
    lock = os.open(home / ".alive", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (home / ".alive").rename(home / "alive")
    return str(home), lock


def _forget_killed_runs() -> None:
    """Stop the servers and remove the folders of test runs that were killed."""
    from charthouse.foundation.database.layout import Layout
    from charthouse.foundation.database.server import stop

    for home in (each for place in (Path(tempfile.gettempdir()), _IN_MEMORY) for each in place.glob(f"{_PREFIX}*")):
        with contextlib.suppress(OSError):
            lock = os.open(home / "alive", os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                stop(Layout(home / "data"))
                shutil.rmtree(home, ignore_errors=True)
            finally:
                os.close(lock)


_is_worker = "PYTEST_XDIST_WORKER" in os.environ and "CHARTHOUSE_TEST_HOME" in os.environ
if not _is_worker:
    _forget_killed_runs()
    os.environ["CHARTHOUSE_TEST_HOME"], _alive = _make_home()
    for _name in ("DATABASE_URL", "DATABASE_OWNER_URL", "CHARTHOUSE_DATABASE_ROLE"):
        os.environ.pop(_name, None)
_home = Path(os.environ["CHARTHOUSE_TEST_HOME"])
_outside = os.environ.get("CHARTHOUSE_TEST_DATABASE_URL", "")
_prefix = f"charthouse_test_{_home.name.rsplit('-', 1)[1].lower()}"
os.environ["CHARTHOUSE_DATA"] = str(_home / "data")
os.environ["CHARTHOUSE_KEYS"] = str(_home / "keys")
os.environ["DJANGO_SETTINGS_MODULE"] = "charthouse.settings"
_PASSWORD = "charthouse-tests"


def _address(url: str, *, user: str, database: str) -> str:
    """``url`` with another database and user, and the password the tests' roles have."""
    from urllib.parse import quote, urlsplit, urlunsplit

    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user)}:{quote(_PASSWORD)}@{place}", path=f"/{database}"))


if _outside and not _is_worker:
    import psycopg

    from charthouse.foundation.database.roles import make_database, make_role

    with psycopg.connect(_outside, autocommit=True) as _connection:
        make_role(_connection, "charthouse_owner", password=_PASSWORD, createdb=True)
        make_role(_connection, "charthouse_app", password=_PASSWORD)
        make_database(_connection, f"{_prefix}_base", owner="charthouse_owner")
    os.environ["DATABASE_URL"] = _address(_outside, user="charthouse_app", database=f"{_prefix}_base")
    os.environ["DATABASE_OWNER_URL"] = _address(_outside, user="charthouse_owner", database=f"{_prefix}_base")

import django  # noqa: E402

django.setup()


@dataclass(frozen=True, slots=True)
class Databases:
    """The server's migrated template and the way to clone it."""

    admin: str
    template: str

    def execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement.encode())

    def clone(self, name: str, template: str = "") -> None:
        like = template or self.template
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}" OWNER charthouse_owner STRATEGY FILE_COPY')
        self.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
        self.execute(f'GRANT CONNECT, TEMPORARY ON DATABASE "{name}" TO charthouse_app')

    def leave(self, name: str) -> None:
        """End whatever is still connected, so that the database can be cloned."""
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def alone(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """One worker at a time; yields the folder the workers share."""
        return _alone(name)

    def drop(self, name: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def _alone(name: str) -> Iterator[Path]:
    """One worker at a time; yields the folder the workers share."""
    with (_home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield _home


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The running server with its template; the template is made by whichever worker is first."""
    from charthouse.configuration import configuration
    from charthouse.foundation.database.api import ensure_running, migrate
    from charthouse.foundation.database.embedded import superuser_connection_info
    from charthouse.foundation.database.layout import Layout

    server = ensure_running()
    admin = _outside or superuser_connection_info(Layout(configuration().data), "postgres")
    made = Databases(admin, f"{_prefix}_template")
    with _alone("template") as shared:
        if not (shared / "template-made").exists():
            if not _outside:
                _spare_the_disk(admin)
            made.drop(made.template)
            made.execute(
                f'CREATE DATABASE "{made.template}" OWNER charthouse_owner TEMPLATE template0 ENCODING UTF8'
            )
            migrate(database=made.template)
            (shared / "template-made").touch()
    yield made
    server.release()


def _spare_the_disk(admin: str) -> None:
    """Tests' data need not outlive a power failure; a killed server loses nothing by this."""
    import psycopg

    with psycopg.connect(admin, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        connection.execute("SELECT pg_reload_conf()")


@contextlib.contextmanager
def _django_connected_to(name: str) -> Iterator[None]:
    """Point Django's default connection, in every thread, at another database."""
    from django.conf import settings
    from django.db import connections

    entry = connections.settings["default"]
    before = entry["NAME"]
    connections.close_all()
    entry["NAME"] = settings.DATABASES["default"]["NAME"] = name
    try:
        yield
    finally:
        connections.close_all()
        entry["NAME"] = settings.DATABASES["default"]["NAME"] = before


@pytest.fixture(scope="session")
def django_db_setup(databases: Databases, django_db_blocker: Any) -> Iterator[None]:
    """One clone for this worker's tests that roll back, used as the application's role."""
    name = f"{_prefix}_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    databases.clone(name)
    with django_db_blocker.unblock():
        with _django_connected_to(name):
            yield
        databases.drop(name)


_clones = itertools.count(1)


@pytest.fixture
def committed_db(databases: Databases, request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[str]:
    """A fresh clone for one test; yields the application's connection string. All of Django points at it."""
    if "db" in request.fixturenames or request.node.get_closest_marker("django_db"):
        pytest.fail("committed_db and db cannot be used in one test: leave out db and the django_db mark.")
    from charthouse.foundation.database.api import connection_info

    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    name = f"{_prefix}_{worker}_{next(_clones)}"
    databases.clone(name)
    try:
        with django_db_blocker.unblock(), _django_connected_to(name):
            yield connection_info(dbname=name)
    finally:
        databases.drop(name)


@pytest.fixture
def owner_conninfo(committed_db: str) -> str:
    """The connection string of the schema's owner for the clone of ``committed_db``."""
    from psycopg.conninfo import conninfo_to_dict

    from charthouse.foundation.database.api import connection_info

    return connection_info(owner=True, dbname=str(conninfo_to_dict(committed_db)["dbname"]))


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of sample data named by CHARTHOUSE_SAMPLES."""
    named = os.environ.get("CHARTHOUSE_SAMPLES")
    if not named:
        pytest.skip("CHARTHOUSE_SAMPLES names no folder of sample data")
    if not Path(named).is_dir():
        pytest.fail(f"CHARTHOUSE_SAMPLES is {named}, which is not a folder")
    return Path(named)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """A Chromium on this machine: CHARTHOUSE_BROWSER, or one on the path. In CI its absence is a failure."""
    if found := find_browser():
        return found
    if os.environ.get("CI"):
        pytest.fail("no browser was found, and in CI the browser tests may not be skipped")
    pytest.skip("no Chromium or Chrome was found (CHARTHOUSE_BROWSER names one)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a database, so that it can be run again on another server: ``-m database``. What is slow goes
    first where several share the work, so that at the end none waits for it."""
    if _is_worker:
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if item.get_closest_marker("django_db") or {"db", "committed_db", "databases"} & set(fixtures):
            item.add_marker("database")
        mark = item.get_closest_marker("django_db")
        if (mark and mark.kwargs.get("transaction")) or "transactional_db" in fixtures:
            raise pytest.UsageError(
                f"{item.nodeid}: the application may not truncate; use the fixture committed_db."
            )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.support.scheduling import Scheduling

    return Scheduling(config, log) if config.getvalue("dist") == "load" else None


def pytest_unconfigure() -> None:
    """Remove the tests' installation, and on an outside server their databases."""
    if _is_worker:
        return
    from charthouse.foundation.database.api import stop_server

    if _outside:
        import psycopg

        with psycopg.connect(_outside, autocommit=True) as connection:
            left = connection.execute(
                "SELECT datname FROM pg_database WHERE datname ~ %s", [f"^{_prefix}_"]
            ).fetchall()
            for (name,) in left:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
    else:
        stop_server()
    shutil.rmtree(_home, ignore_errors=True)
