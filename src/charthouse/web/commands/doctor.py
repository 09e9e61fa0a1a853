"""``charthouse doctor``: what is missing or wrong on this machine and in this installation, in words.

It changes nothing and starts nothing; what can be seen only while the database runs is looked at only then.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from charthouse.configuration import Configuration, ConfigurationError, configuration
from charthouse.foundation.database import api as database
from charthouse.foundation.instance import running

_GIB = 1024**3
_LOCK_FILE = Path(__file__).parents[4] / "requirements.lock"


class Level(StrEnum):
    """OK, something to look at, something that must be mended."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.BAD: "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: what was looked at, what was found and, where it is not well, what to do."""

    subject: str
    level: Level
    words: str


Findings = Iterator[Finding]


def doctor() -> None:
    """Look at this machine and this installation. Exits with 1 when something must be mended."""
    console = Console(highlight=False)
    worst = Level.OK
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings():
        table.add_row(f"[{_STYLES[finding.level]}]{finding.level}[/]", finding.subject, finding.words)
        if finding.level is Level.BAD or worst is Level.OK:
            worst = finding.level
    console.print(table)
    if worst is Level.BAD:
        raise typer.Exit(1)


def findings() -> Findings:
    """All that is found, in the order of looking. A check that fails is itself a finding."""
    yield from _safely("Python", python)
    yield from _safely("Packages", packages)
    try:
        site = configuration()
    except ConfigurationError as error:
        yield Finding("Configuration", Level.BAD, str(error))
        return
    for subject, check in (
        ("Site", kind),
        ("Memory", memory),
        ("Disk", disk),
        ("Folders", folders),
        ("Keys", keys),
        ("Database", cluster),
        ("Database", live_database),
        ("Ports", ports),
        ("Network", exposure),
        ("Scans", scans),
        ("Browser", browser),
    ):
        yield from _safely(subject, lambda check=check: check(site))  # type: ignore[misc]


def _safely(subject: str, check: Callable[[], Findings]) -> Findings:
    try:
        yield from check()
    except ConfigurationError as error:
        yield Finding(subject, Level.BAD, str(error))
    except Exception as error:
        yield Finding(subject, Level.BAD, f"could not be looked at: {type(error).__name__}: {error}")


def python() -> Findings:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", Level.OK, f"{version} at {sys.executable}")


def packages() -> Findings:
    """Whether each package of the lock file is installed in its version."""
    if not _LOCK_FILE.exists():
        yield Finding("Packages", Level.OK, "installed as a package; there is no lock file to compare with")
        return
    from packaging.requirements import Requirement

    wrong = []
    for line in _LOCK_FILE.read_text("utf-8").splitlines():
        if "==" not in line:
            continue
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            there = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if there not in requirement.specifier:
            wrong.append(
                f"{requirement.name} is {there} instead of {str(requirement.specifier).removeprefix('==')}"
            )
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        yield Finding(
            "Packages", Level.BAD, f"{'; '.join(wrong[:5])}{more}. Delete .venv and run ./charthouse again."
        )
    else:
        yield Finding("Packages", Level.OK, f"as in {_LOCK_FILE.name}")


def kind(site: Configuration) -> Findings:
    there = running(site.data) if site.data.exists() else None
    state = "running" if there is not None else "not running"
    words = {"demo": "a demonstration", "real": "a real site", "new": "not set up yet"}.get(site.kind)
    if words is None:
        yield Finding("Site", Level.BAD, f"kind in {site.site_file} is {site.kind!r}: it is demo or real.")
    else:
        yield Finding("Site", Level.OK, f"{words}, {state}, in {site.data}")


def memory(site: Configuration) -> Findings:
    size = database.available_memory() / _GIB
    if size < 0.9:
        yield Finding("Memory", Level.BAD, f"{size:.1f} GiB; at least 1 GiB is needed")
    elif size < 3.5:
        yield Finding(
            "Memory", Level.WARN, f"{size:.1f} GiB; enough for a demonstration, 4 GiB are right for a site"
        )
    else:
        yield Finding("Memory", Level.OK, f"{size:.1f} GiB")


def disk(site: Configuration) -> Findings:
    place = _existing(site.data)
    usage = shutil.disk_usage(place)
    free, share = usage.free / _GIB, usage.free / usage.total
    words = f"{free:.1f} GiB free ({share:.0%}) for {site.data}"
    if free < 1:
        yield Finding("Disk", Level.BAD, f"{words}. PostgreSQL stops when the disk is full: make room.")
    elif free < 5 or share < 0.05:
        yield Finding("Disk", Level.WARN, f"{words}. Make room before it is full.")
    else:
        yield Finding("Disk", Level.OK, words)


def folders(site: Configuration) -> Findings:
    """Who may write to and read the data and key directories, and whether a socket's path fits."""
    for name, path in (("data", site.data), ("key", site.keys)):
        place = _existing(path)
        if place != path:
            if not os.access(place, os.W_OK | os.X_OK):
                yield Finding(
                    "Folders", Level.BAD, f"the {name} directory {path} cannot be made: {place} is closed"
                )
            continue
        if not os.access(path, os.W_OK | os.X_OK):
            yield Finding("Folders", Level.BAD, f"the {name} directory {path} cannot be written to by you")
        mode = path.stat().st_mode & 0o777
        if name == "key" and mode & 0o077:
            yield Finding("Folders", Level.BAD, f"the key directory is open to others ({mode:o}): chmod 700 {path}")
        elif mode & 0o066:
            yield Finding(
                "Folders", Level.WARN, f"the data directory is open to others ({mode:o}): chmod 711 {path}"
            )
    if not site.external_database:
        for words in database.folder_problems():
            yield Finding("Folders", Level.BAD, words)
    yield Finding("Folders", Level.OK, f"data in {site.data}, keys in {site.keys}")


def keys(site: Configuration) -> Findings:
    """The master key: there once the site is, private, and not where the data and its backups are."""
    if site.keys == site.data or site.keys.is_relative_to(site.data) or site.data.is_relative_to(site.keys):
        yield Finding(
            "Keys",
            Level.BAD,
            f"the keys lie with the data ({site.keys}): whoever copies the one has the other. Move them and set "
            "CHARTHOUSE_KEYS.",
        )
    master = site.keys / "master-key"
    stored = site.files.is_dir() and any(site.files.iterdir())
    if master.exists():
        for path in sorted(site.keys.iterdir()):
            if path.is_file() and path.stat().st_mode & 0o077:
                yield Finding("Keys", Level.BAD, f"{path} can be read by others: chmod 600 {path}")
        yield Finding(
            "Keys", Level.OK, "the master key is there. Keep a copy of the key directory off this machine."
        )
    elif stored:
        yield Finding(
            "Keys",
            Level.BAD,
            f"there are encrypted files and no {master}: they cannot be read. Put the key directory back from its "
            "safekeeping before anything is started.",
        )
    else:
        yield Finding("Keys", Level.OK, "no master key yet; it is made with the first file")


def cluster(site: Configuration) -> Findings:
    """What can be seen without a running server."""
    if site.external_database:
        yield Finding("Database", Level.OK, "an outside server, named by DATABASE_URL")
        return
    found = database.cluster_on_disk()
    if found is None:
        yield Finding(
            "Database",
            Level.OK,
            f"none yet; PostgreSQL {database.embedded_version() or '(the system)'} will make it",
        )
        return
    yield Finding("Database", Level.OK, f"PostgreSQL {found.major} in {found.folder}")
    for words in found.problems:
        yield Finding("Database", Level.BAD, words)
    for words in found.remarks:
        yield Finding("Database", Level.WARN, words)


def live_database(site: Configuration) -> Findings:
    """What the running server says: version, roles, clock, schema."""
    import psycopg

    if not site.external_database and not database.is_running():
        yield Finding("Database", Level.OK, "not running; `charthouse start` starts it")
        return
    if site.external_database:
        database.check_outside()
        for words in database.weaknesses():
            yield Finding("Database", Level.WARN, words)
    with psycopg.connect(database.connection_info(), connect_timeout=10) as connection:
        version, role, superuser, now = _row(
            connection,
            "SELECT current_setting('server_version'), current_user, "
            "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user), clock_timestamp()",
        )
        skew = abs((datetime.now(UTC) - now).total_seconds())
        migrated = _row(connection, "SELECT to_regclass('django_migrations') IS NOT NULL")[0]
        failures = _row(connection, "SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database")[0]
    yield Finding("Database", Level.OK, f"PostgreSQL {version} answers; the application is the role {role}")
    if superuser:
        yield Finding("Database", Level.BAD, f"the role {role} is a superuser: it could change the ledger")
    if failures:
        yield Finding(
            "Database", Level.BAD, f"{failures} pages did not match their checksum: the disk fails. Restore a dump."
        )
    if skew > 2:
        yield Finding(
            "Clock", Level.BAD, f"this machine and the database differ by {skew:.0f} s: set the clocks (NTP)"
        )
    else:
        yield Finding("Clock", Level.OK, "this machine and the database agree")
    yield from _schema(migrated=bool(migrated))


def _schema(*, migrated: bool) -> Findings:
    if not migrated:
        yield Finding("Schema", Level.WARN, "no tables yet; `charthouse start` makes them")
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charthouse.settings")
    import django

    django.setup()
    wanting = database.pending_migrations()
    if wanting:
        yield Finding(
            "Schema", Level.WARN, f"{len(wanting)} migrations are not applied; `charthouse start` applies them"
        )
    else:
        yield Finding("Schema", Level.OK, "up to date")


def ports(site: Configuration) -> Findings:
    """Whether the listeners' ports are free, where Charthouse is not the one that has them."""
    there = running(site.data) if site.data.exists() else None
    if there is not None:
        yield Finding(
            "Ports", Level.OK, f"{there.get('address', '')} and {site.mllp_host}:{site.mllp_port} are in use"
        )
        return
    for what, host, port in (
        ("the web application", site.host, site.port),
        ("the MLLP listener", site.mllp_host, site.mllp_port),
    ):
        if not port:
            continue
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            variable = "CHARTHOUSE_PORT" if "web" in what else "CHARTHOUSE_MLLP_PORT"
            yield Finding(
                "Ports", Level.BAD, f"{host}:{port} for {what}: {error.strerror}. Choose another with {variable}."
            )
        else:
            yield Finding("Ports", Level.OK, f"{host}:{port} is free for {what}")


def exposure(site: Configuration) -> Findings:
    """Whether pages with PHI would travel unencrypted."""
    local = {"127.0.0.1", "::1", "localhost"}
    if site.host not in local and not site.https:
        yield Finding(
            "Network",
            Level.WARN if site.kind == "demo" else Level.BAD,
            f"the web application listens on {site.host} without TLS. Put a TLS proxy before it, listen on "
            "127.0.0.1, and set https = true in site.toml.",
        )
    if site.mllp_host not in local and not site.mllp_certificate:
        yield Finding(
            "Network",
            Level.WARN,
            f"the MLLP listener on {site.mllp_host} has no TLS: set mllp_certificate and mllp_key, or keep it "
            "inside a network of its own.",
        )


def scans(site: Configuration) -> Findings:
    """Whether scanned pages are read by machine, and whether they can be."""
    path = shutil.which("tesseract")
    if not site.ocr:
        can = "tesseract is here" if path else "tesseract is not here either"
        yield Finding(
            "Scans", Level.OK, f"not read by machine; set ocr = true in site.toml to have it done ({can})"
        )
        return
    if not path:
        yield Finding(
            "Scans", Level.WARN, "ocr is switched on, but there is no tesseract; install Debian's tesseract-ocr"
        )
        return
    answer = subprocess.run([path, "--list-langs"], capture_output=True, text=True, timeout=30, check=False)
    missing = set(site.ocr_languages.split("+")) - set(answer.stdout.split())
    if missing:
        names = ", ".join(sorted(missing))
        yield Finding("Scans", Level.WARN, f"tesseract has no data for {names}; install tesseract-ocr-LANGUAGE")
        return
    yield Finding("Scans", Level.OK, f"read by machine with {path}, languages {site.ocr_languages}")


def browser(site: Configuration) -> Findings:
    """A browser on this machine is wanted by the tests only."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    for name in names:
        if found := shutil.which(name):
            answer = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30, check=False)
            yield Finding("Browser", Level.OK, f"{answer.stdout.strip() or found} (for the tests)")
            return
    yield Finding("Browser", Level.OK, "none found; only the browser tests want one, and are skipped without")


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _row(connection: Any, query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return tuple(row)
