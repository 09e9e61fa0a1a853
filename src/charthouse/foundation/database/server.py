"""The embedded server's life: found running or started, shared by all who use it, stopped by the last."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from .account import Account, require_passage, server_account
from .binaries import Binaries, choose, forget_others
from .cluster import cluster_major, create, write_settings
from .layout import Layout
from .problems import DatabaseProblem

#: Called with a sentence about what is being done.
Progress = Callable[[str], None]

_POLL = 0.004
_LOCK_PATIENCE = 120.0
#: Recovery of a full max_wal_size takes minutes on a slow disk.
_START_PATIENCE = 1800.0
_FAST_STOP_PATIENCE = 30.0
_STOP_PATIENCE = 15.0
_LOG_LIMIT = 5_000_000

# Our own postmasters, so that one that has died is reaped and does not look alive.
_children: list[subprocess.Popen[bytes]] = []


def silent(_sentence: str) -> None:
    """Progress for those who want none."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running postmaster, as ``postmaster.pid`` and the process table agree on it."""

    pid: int
    ready: bool
    socket_folder: str


@dataclass(slots=True)
class Lease:
    """A share in the running server. While any process holds one, the server is not stopped by others' leaving.

    It is a shared lock on a file, so that a process that is killed gives it back.
    """

    layout: Layout
    _descriptor: int | None = field(default=None)

    def take(self) -> None:
        if self._descriptor is None:
            self._descriptor = _open_lock(self.layout.users_lock)
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Give the share back, and stop the server when nobody else holds one."""
        if self._descriptor is None:
            return
        if not self.layout.start_lock.exists():  # the data directory was deleted
            self.drop()
            return
        with _locked(self.layout.start_lock):
            descriptor, self._descriptor = self._descriptor, None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            finally:
                os.close(descriptor)
            _stop(self.layout)

    def drop(self) -> None:
        """Give the share back and leave the server as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def start(layout: Layout, prepare: Callable[[], None], progress: Progress = silent) -> tuple[Running, Lease]:
    """The running server of ``layout``, started (and made) if need be, and a lease on it.

    ``prepare`` makes roles and database; it is called once in a cluster's life, before anybody uses it.
    Two starters at one time end with one server. Raises DatabaseProblem.
    """
    account = server_account(layout.cluster)
    try:
        layout.make_folders(account)
    except OSError as error:
        raise DatabaseProblem(
            f"The data directory {layout.data} cannot be made or written to: {error.strerror}. "
            "Choose another with CHARTHOUSE_DATA."
        ) from error
    lease = Lease(layout)
    with _locked(layout.start_lock):
        running = find_running(layout)
        if running is None:
            require_passage(account, layout.data)
            running = _launch(layout, account, progress)
        else:
            running = _wait_until_ready(layout, None, progress)
        if not _prepared(layout).exists():
            progress("Making the database's roles")
            prepare()
            _prepared(layout).touch()
        lease.take()
    return running, lease


def stop(layout: Layout) -> bool:
    """Stop the server whoever uses it. Answers whether it ran."""
    if not layout.start_lock.exists():
        return False
    with _locked(layout.start_lock):
        return _stop(layout)


def find_running(layout: Layout) -> Running | None:
    """The cluster's running postmaster; None where there is none, whatever a stale ``postmaster.pid`` says."""
    for child in _children[:]:
        if child.poll() is not None:
            _children.remove(child)
    try:
        lines = (layout.cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    except PermissionError:
        raise DatabaseProblem(
            f"The database in {layout.cluster} belongs to another account. Run Charthouse as the one that made it."
        ) from None
    if not _is_postmaster(pid, layout.cluster):
        return None
    ready = len(lines) > 7 and lines[7].strip() == "ready"
    return Running(pid, ready, lines[4].strip() if len(lines) > 4 else "")


def last_log_lines(layout: Layout, count: int = 4) -> str:
    """The end of the server's log, on one line."""
    try:
        with layout.log.open("rb") as log:
            log.seek(max(0, layout.log.stat().st_size - 4000))
            return " / ".join(log.read().decode("utf-8", "replace").splitlines()[-count:])
    except OSError:
        return ""


def _launch(layout: Layout, account: Account, progress: Progress) -> Running:
    major = cluster_major(layout.cluster)
    binaries = choose(layout, account, major)
    if major is None:
        progress(f"Making a database (PostgreSQL {binaries.version})")
        create(layout, binaries, account)
        _prepared(layout).unlink(missing_ok=True)
    socket_folder = layout.make_run_folder(account)
    progress(f"Starting PostgreSQL {binaries.version}")
    arguments = write_settings(layout, account, socket_folder)
    _clear_stale(layout)
    process = _spawn(layout, binaries, account, arguments)
    try:
        running = _wait_until_ready(layout, process, progress)
    except _LeftoverProcesses:
        # After kill -9 of the postmaster a busy backend may live on and hold the shared memory.
        _end_leftovers(layout.cluster)
        _clear_stale(layout)
        running = _wait_until_ready(layout, _spawn(layout, binaries, account, arguments), progress)
    forget_others(layout, binaries)
    return running


def _spawn(layout: Layout, binaries: Binaries, account: Account, arguments: list[str]) -> subprocess.Popen[bytes]:
    if layout.log.exists() and layout.log.stat().st_size > _LOG_LIMIT:
        layout.log.replace(layout.log.with_suffix(".log.1"))
    with layout.log.open("ab") as log:
        layout.log.chmod(0o600)
        process = subprocess.Popen(
            [binaries.program("postgres"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **account.run_as(),
        )
    _children.append(process)
    return process


class _LeftoverProcesses(Exception):
    pass


def _wait_until_ready(layout: Layout, process: subprocess.Popen[bytes] | None, progress: Progress) -> Running:
    began = time.monotonic()
    told = began
    while True:
        running = find_running(layout)
        if running is not None and running.ready:
            return running
        if (process is not None and process.poll() is not None) or (process is None and running is None):
            said = last_log_lines(layout)
            if "shared memory block" in said:
                raise _LeftoverProcesses
            raise DatabaseProblem(
                f"PostgreSQL stopped while starting. The end of its log {layout.log}: {said or '(empty)'}"
            )
        now = time.monotonic()
        if now - told > 5:
            told = now
            progress("PostgreSQL is recovering after an unclean end; this can take minutes")
        if now - began > _START_PATIENCE:
            raise DatabaseProblem(
                f"PostgreSQL has not become ready in {_START_PATIENCE / 60:.0f} minutes; it is still recovering. "
                f"See {layout.log}, and start again when the disk is quiet."
            )
        time.sleep(_POLL)


def _stop(layout: Layout) -> bool:
    running = find_running(layout)
    if running is None:
        return False
    for request, patience in (
        (signal.SIGINT, _FAST_STOP_PATIENCE),  # fast: sessions are ended, everything is written
        (signal.SIGQUIT, _STOP_PATIENCE),  # immediate: recovers at the next start
        (signal.SIGKILL, _STOP_PATIENCE),
    ):
        try:
            os.kill(running.pid, request)
        except ProcessLookupError:
            return True
        except PermissionError:
            raise DatabaseProblem(
                f"The database server (process {running.pid}) belongs to another account and was not stopped. "
                "Stop it as the account that started it."
            ) from None
        if _gone(running.pid, layout.cluster, patience):
            return True
    raise DatabaseProblem(f"The database server (process {running.pid}) does not stop. See {layout.log}.")


def _gone(pid: int, cluster: Path, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for child in _children[:]:
            if child.poll() is not None:
                _children.remove(child)
        if not _is_postmaster(pid, cluster):
            return True
        time.sleep(_POLL)
    return False


def _is_postmaster(pid: int, cluster: Path) -> bool:
    """Whether process ``pid`` lives and is a server of this cluster, and not a stranger who got its number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(cluster) in process.cmdline()
    except psutil.Error:
        return False


def _clear_stale(layout: Layout) -> None:
    """Remove what a killed server left, when it is known not to run. PostgreSQL itself would take a stranger
    with the old process number for the server; shared memory still in use it finds without these files."""
    for stale in (layout.cluster / "postmaster.pid", layout.socket, Path(f"{layout.socket}.lock")):
        stale.unlink(missing_ok=True)


def _end_leftovers(cluster: Path) -> None:
    """End server processes that outlived their postmaster."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name().startswith("postgres") and process.cwd() == str(cluster):
                process.send_signal(signal.SIGQUIT)
                found.append(process)
    _ended, alive = psutil.wait_procs(found, timeout=5)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def _prepared(layout: Layout) -> Path:
    return layout.programs / "prepared"


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise DatabaseProblem(
            f"{path} cannot be opened: {error.strerror}. "
            "Run Charthouse as the account that owns its data directory."
        ) from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = _open_lock(path)
    try:
        deadline = time.monotonic() + _LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DatabaseProblem(
                        "Another Charthouse process has been starting or stopping the database for two minutes. "
                        "Wait for it, or end it, and try again."
                    ) from None
                time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)
