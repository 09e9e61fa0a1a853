"""The database cluster on disk: made once, and the settings it is started with each time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil

from .account import Account, current_user
from .binaries import Binaries
from .layout import PORT, Layout
from .problems import DatabaseProblem

SUPERUSER_ROLE = "charthouse_superuser"
_MAP = "charthouse"
_MIB = 1024 * 1024
#: The first version with the builtin locale provider, whose order does not change with the system's libraries.
_BUILTIN_LOCALE = 17


def cluster_major(cluster: Path) -> int | None:
    """The major version that made the cluster; None where there is no cluster yet."""
    try:
        text = (cluster / "PG_VERSION").read_text("ascii").strip()
    except FileNotFoundError:
        return None
    try:
        return int(text.split(".")[0])
    except ValueError:
        raise DatabaseProblem(
            f"{cluster / 'PG_VERSION'} holds {text[:20]!r} and no version: this is not a whole PostgreSQL cluster. "
            "Restore the data directory from a backup."
        ) from None


def create(layout: Layout, binaries: Binaries, account: Account) -> None:
    """Make an empty cluster. It appears under its name only when it is whole."""
    for half_made in layout.data.glob(".database-*"):
        shutil.rmtree(half_made, ignore_errors=True)
    if layout.cluster.exists():
        if any(layout.cluster.iterdir()):
            raise DatabaseProblem(
                f"{layout.cluster} holds files but no PostgreSQL cluster. Move them away, or restore the data "
                "directory from a backup."
            )
        layout.cluster.rmdir()
    building = Path(tempfile.mkdtemp(prefix=".database-", dir=layout.data))
    account.own(building)
    locale = ["--locale=C"]
    if binaries.major >= _BUILTIN_LOCALE:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    made = subprocess.run(
        [
            binaries.program("initdb"),
            f"--pgdata={building}",
            f"--username={SUPERUSER_ROLE}",
            "--encoding=UTF8",
            *locale,
            "--data-checksums",
            "--auth-local=peer",
            "--auth-host=reject",
            "--no-instructions",
        ],
        capture_output=True,
        text=True,
        **account.run_as(),
    )
    if made.returncode != 0:
        shutil.rmtree(building, ignore_errors=True)
        said = " ".join((made.stderr.strip() or made.stdout.strip()).splitlines()[-3:])
        raise DatabaseProblem(
            f"The database cluster could not be made in {layout.cluster}. PostgreSQL says: {said}"
        )
    building.rename(layout.cluster)
    _sync(layout.data)


def write_settings(layout: Layout, account: Account, socket_folder: Path) -> list[str]:
    """Write the server's three settings files and return the arguments that make it use them.

    They lie outside the cluster, so that root never writes where another account could have put a link.
    ``ALTER SYSTEM`` still works and wins over them.
    """
    files = {
        "config_file": ("postgresql.conf", _postgresql_conf(layout, socket_folder)),
        "hba_file": ("pg_hba.conf", f"# Peer authentication only.\nlocal all all peer map={_MAP}\n"),
        "ident_file": ("pg_ident.conf", _pg_ident_conf()),
    }
    arguments = ["-D", str(layout.cluster)]
    for option, (name, text) in files.items():
        path = layout.settings / name
        fresh = path.with_name(f".{name}.{os.getpid()}")
        fresh.write_text(text, "utf-8")
        fresh.chmod(0o644)
        fresh.replace(path)
        arguments += ["-c", f"{option}={path}"]
    return arguments


def available_memory() -> int:
    """Bytes of memory this machine or container may use."""
    total = int(psutil.virtual_memory().total)
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(limit).read_text("ascii")))
        except (OSError, ValueError):
            continue
    return total


def _pg_ident_conf() -> str:
    """Which accounts may be which roles: whoever starts the server may be all of ours."""
    user = _quoted(current_user())
    return "# MAP  ACCOUNT  ROLE\n" + "".join(
        f"{_MAP} {user} {role}\n" for role in ("charthouse_owner", "charthouse_app", SUPERUSER_ROLE)
    )


def _postgresql_conf(layout: Layout, socket_folder: Path) -> str:
    memory = available_memory() // _MIB
    free = shutil.disk_usage(layout.data).free // _MIB
    settings: dict[str, str | int] = {
        # Reached by a socket in a private folder, never by the network.
        "listen_addresses": "''",
        "port": PORT,
        "unix_socket_directories": _literal(str(socket_folder)),
        "unix_socket_permissions": "0700",
        "max_connections": 100,
        # Memory: the web application and the workers live on the same machine.
        "shared_buffers": f"{_between(64, memory // 8, 4096)}MB",
        "effective_cache_size": f"{_between(128, memory // 2, 65536)}MB",
        "work_mem": f"{_between(4, memory // 512, 32)}MB",
        "maintenance_work_mem": f"{_between(32, memory // 32, 512)}MB",
        "jit": "off",
        "random_page_cost": "1.1",
        # Many partitions are touched by one dump or one chart.
        "max_locks_per_transaction": 256,
        # What is committed is on the disk. A read's ledger entry alone relaxes this, for itself.
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "wal_compression": "off",
        "max_wal_size": f"{_between(256, free // 16, 4096)}MB",
        "min_wal_size": "128MB",
        "checkpoint_timeout": "15min",
        "autovacuum_vacuum_insert_scale_factor": "0.1",
        # A forgotten session must not hold locks or old rows.
        "idle_in_transaction_session_timeout": "5min",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "lc_messages": "'C'",
        "default_text_search_config": "'pg_catalog.english'",
        # Errors of statements quote values, which are PHI: they go to the client and never into the log.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_parameter_max_length": 0,
        "log_checkpoints": "off",
        "log_line_prefix": "'%m [%p] '",
        "cluster_name": "'charthouse'",
    }
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    return "# Written by Charthouse at each start. Change a setting with ALTER SYSTEM.\n" + "".join(lines)


def _between(low: int, wanted: int, high: int) -> int:
    return max(low, min(wanted, high))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
