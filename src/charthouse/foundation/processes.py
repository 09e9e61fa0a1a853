"""The processes a running Charthouse consists of, and their supervision.

A process is a command of the command line, named by its words, so that the foundation can start what upper layers
provide. One that ends is started again, after a pause that grows with each failure. When the supervisor itself is
killed, its processes notice by a pipe that closes, and stop in order.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import charthouse
from charthouse.foundation import clock

LIFELINE = "CHARTHOUSE_LIFELINE"

_POLL = 0.2
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
#: After so many seconds without a failure the pause begins small again.
_STEADY = 60.0
#: Jobs get 20 seconds to end; what still runs after this is killed.
STOP_PATIENCE = 25.0
_LOG_LIMIT = 20_000_000


@dataclass(frozen=True, slots=True)
class Process:
    """A part that runs by itself: its name, what people call it, and the words after ``charthouse`` that run it."""

    name: str
    title: str
    arguments: tuple[str, ...]


_declared: dict[str, Process] = {}
_commands: frozenset[str] = frozenset()


def declare(process: Process) -> Process:
    """Say that a running Charthouse has this process. The order of declaration is the order of starting."""
    _declared[process.name] = process
    return process


def declared() -> list[Process]:
    """The processes of a running Charthouse."""
    return list(_declared.values())


def declare_commands(names: Iterable[str]) -> None:
    """Say which commands the command line has, for lower layers that run one by its name."""
    global _commands
    _commands = frozenset(names)


def has_command(name: str) -> bool:
    """Whether the command line has a command of this name."""
    return name in _commands


def sentence_case(words: str) -> str:
    """Words with a capital at their beginning and otherwise as they are: "The MLLP listener"."""
    return words[:1].upper() + words[1:]


def charthouse_command(*words: str) -> list[str]:
    """The program and arguments that run a command of the command line in this very installation."""
    return [sys.executable, "-m", "charthouse", *words]


def child_environment(**more: str) -> dict[str, str]:
    """The environment in which a child finds this installation's package."""
    source = str(Path(charthouse.__file__).parents[1])
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"PYTHONPATH": path} | more


@dataclass(slots=True)
class _Child:
    process: Process
    popen: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    restarts: int = 0
    due: float = 0.0
    ended_at: datetime | None = None


@dataclass(slots=True)
class Supervisor:
    """Starts processes, starts them again when they end, and stops them.

    ``tell`` is called with a sentence for people when something happens. ``watch`` is called once a second with
    nothing, for what else must be kept running (the database); it may raise. ``state`` is a file that says what
    runs, for ``charthouse status``.
    """

    processes: Sequence[Process]
    logs: Path
    state: Path
    tell: Callable[[str], None]
    watch: Callable[[], None] = lambda: None
    about: Mapping[str, str | int] = field(default_factory=dict)
    _children: list[_Child] = field(default_factory=list)
    _lifeline: tuple[int, int] | None = None

    def start(self) -> None:
        """Start all processes."""
        self._lifeline = os.pipe()
        self._children = [_Child(process) for process in self.processes]
        for child in self._children:
            self._spawn(child)
        self._write_state()

    def run(self, stop: threading.Event) -> None:
        """Keep the processes running until ``stop`` is set, then stop them."""
        try:
            watched = time.monotonic()
            while not stop.wait(_POLL):
                if self.look_after():
                    self._write_state()
                if time.monotonic() - watched > 1:
                    watched = time.monotonic()
                    self.watch()
        finally:
            self.stop()

    def look_after(self) -> bool:
        """Start again what has ended and is due. Answers whether anything changed."""
        changed = False
        now = time.monotonic()
        for child in self._children:
            if child.popen is not None and (code := child.popen.poll()) is not None:
                self._note_end(child, code)
                changed = True
            elif child.popen is None and now >= child.due:
                child.restarts += 1
                self._spawn(child)
                changed = True
        return changed

    def failed(self) -> list[Process]:
        """The processes that are not running now."""
        return [child.process for child in self._children if child.popen is None or child.popen.poll() is not None]

    def stop(self) -> None:
        """Ask all processes to stop, wait, and kill what does not."""
        running = [child.popen for child in self._children if child.popen is not None]
        for popen in running:
            with contextlib.suppress(ProcessLookupError):
                popen.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_PATIENCE
        for popen in running:
            try:
                popen.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.tell(f"Process {popen.pid} does not stop and is killed.")
            # A process's own children go with it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()
        for child in self._children:
            child.popen = None
        if self._lifeline is not None:
            for descriptor in self._lifeline:
                os.close(descriptor)
            self._lifeline = None
        self.state.unlink(missing_ok=True)

    def _spawn(self, child: _Child) -> None:
        assert self._lifeline is not None
        path = self.logs / f"{child.process.name}.log"
        if path.exists() and path.stat().st_size > _LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            path.chmod(0o600)
            child.popen = subprocess.Popen(
                charthouse_command(*child.process.arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment(**{LIFELINE: str(self._lifeline[0])}),
                pass_fds=(self._lifeline[0],),
                # Ctrl-C in the terminal is for the supervisor, which stops the others in order.
                start_new_session=True,
            )
        child.started = time.monotonic()

    def _note_end(self, child: _Child, code: int) -> None:
        now = time.monotonic()
        assert child.popen is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.popen.pid, signal.SIGKILL)
        child.failures = 1 if now - child.started > _STEADY else child.failures + 1
        pause = min(_FIRST_PAUSE * 2 ** (child.failures - 1), _LONGEST_PAUSE)
        child.popen, child.due, child.ended_at = None, now + pause, clock.wall()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        if child.failures & (child.failures - 1):  # of a long row of failures, the 1st, 2nd, 4th, 8th is told
            return
        self.tell(
            f"{sentence_case(child.process.title)} {how} and starts again in {pause:g} s. "
            f"See {self.logs / child.process.name}.log"
        )

    def _write_state(self) -> None:
        processes = {
            child.process.name: {
                "title": child.process.title,
                "pid": child.popen.pid if child.popen else None,
                "restarts": child.restarts,
                "ended_at": child.ended_at.isoformat() if child.ended_at else None,
            }
            for child in self._children
        }
        fresh = self.state.with_suffix(".new")
        fresh.write_text(json.dumps({"pid": os.getpid(), **self.about, "processes": processes}), "utf-8")
        fresh.replace(self.state)


def follow_supervisor() -> bool:
    """Called by every command: when it was started by a supervisor and that one is gone, stop in order.

    Answers whether it was."""
    given = os.environ.pop(LIFELINE, None)
    if given is None:
        return False
    descriptor = int(given)
    os.set_inheritable(descriptor, False)

    def wait_for_the_end() -> None:
        while os.read(descriptor, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_PATIENCE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait_for_the_end, daemon=True, name="lifeline").start()
    return True


def stop_on_signals(signals: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> threading.Event:
    """An event that is set by SIGTERM and SIGINT."""
    stop = threading.Event()
    for number in signals:
        signal.signal(number, lambda *_: stop.set())
    return stop
