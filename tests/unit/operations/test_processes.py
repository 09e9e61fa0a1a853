"""Supervision: started again when they end, stopped together, gone when the supervisor is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from charthouse.configuration import ConfigurationError
from charthouse.foundation import processes
from charthouse.foundation.instance import AlreadyRunning, only_instance, running, state_file, stop_instance
from charthouse.foundation.processes import Process, Supervisor

SCRIPTS = {
    "sleeps": "import time; time.sleep(100)",
    "fails": "import sys; print('said why', file=sys.stderr); sys.exit(3)",
    "deaf": (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)']);"
        "print(child.pid, flush=True); time.sleep(100)"
    ),
    "follows": (
        "from charthouse.foundation.processes import follow_supervisor; import time;"
        "follow_supervisor(); print('follows', flush=True); time.sleep(100)"
    ),
}


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def supervisor(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Supervisor]]:
    """Makes supervisors of the scripts above."""
    monkeypatch.setattr(processes, "charthouse_command", lambda name: [sys.executable, "-c", SCRIPTS[name]])
    monkeypatch.setattr(processes, "STOP_PATIENCE", 1.0)
    made: list[Supervisor] = []

    def make(*names: str) -> Supervisor:
        parts = [Process(name, f"the part {name}", (name,)) for name in names]
        made.append(Supervisor(parts, tmp_path, tmp_path / "running.json", told.append))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.stop()


def pids(supervisor: Supervisor) -> dict[str, int]:
    return {name: each["pid"] for name, each in json.loads(supervisor.state.read_text())["processes"].items()}


def test_a_killed_process_is_started_again(supervisor: Callable[..., Supervisor], told: list[str]) -> None:
    both = supervisor("sleeps", "follows")
    before = pids(both)
    os.kill(before["sleeps"], signal.SIGKILL)
    stop = threading.Event()
    runner = threading.Thread(target=both.run, args=[stop])
    runner.start()
    until(lambda: pids(both)["sleeps"] not in {None, before["sleeps"]})
    assert pids(both)["follows"] == before["follows"]
    assert "The part sleeps was ended by SIGKILL and starts again in 0.5 s" in told[0]
    stop.set()
    runner.join()
    assert not both.state.exists()


def test_pauses_grow_and_the_log_says_why(
    supervisor: Callable[..., Supervisor], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_FIRST_PAUSE", 0.01)
    failing = supervisor("fails")
    until(lambda: failing.look_after() and len(told) >= 4)
    assert [sentence.split(" again in ")[1].split(" s.")[0] for sentence in told] == [
        "0.01",
        "0.02",
        "0.08",
        "1.28",
    ]
    assert (failing.logs / "fails.log").read_text().startswith("said why\n")
    assert (failing.logs / "fails.log").stat().st_mode & 0o077 == 0


def test_what_does_not_stop_is_killed_with_its_children(supervisor: Callable[..., Supervisor]) -> None:
    deaf = supervisor("deaf")
    log = deaf.logs / "deaf.log"
    until(lambda: log.read_text().strip())
    grandchild = int(log.read_text())
    parent = pids(deaf)["deaf"]
    deaf.stop()
    until(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie")
    assert not psutil.pid_exists(parent)


SUPERVISE = """
import sys, time, pathlib
from charthouse.foundation import processes
processes.charthouse_command = lambda name: [sys.executable, "-c", sys.argv[2]]
here = pathlib.Path(sys.argv[1])
processes.Supervisor([processes.Process("follows", "it", ("follows",))], here, here / "state", print).start()
print("started", flush=True)
time.sleep(100)
"""


def test_processes_stop_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, str(tmp_path), SCRIPTS["follows"]],
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    until(lambda: (tmp_path / "follows.log").read_text() == "follows\n")
    child = json.loads((tmp_path / "state").read_text())["processes"]["follows"]["pid"]
    parent.kill()
    parent.communicate()
    until(lambda: not psutil.pid_exists(child))


HOLD = """
import pathlib, sys, time
from charthouse.foundation.instance import only_instance, state_file
here = pathlib.Path(sys.argv[1])
with only_instance(here):
    state_file(here).write_text('{"pid": %d, "address": "http://here"}' % __import__("os").getpid())
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_one_instance_for_one_data_directory(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    assert running(tmp_path) == {"pid": holder.pid, "address": "http://here"}
    with pytest.raises(AlreadyRunning, match="http://here"), only_instance(tmp_path):
        pass
    assert stop_instance(tmp_path)
    assert holder.wait() == -signal.SIGTERM
    assert running(tmp_path) is None
    assert not stop_instance(tmp_path)


def test_a_killed_instance_does_not_block_the_next(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    assert state_file(tmp_path).exists()
    assert running(tmp_path) is None
    with only_instance(tmp_path):
        pass


def test_an_unreadable_lock_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "running.lock").mkdir()
    with pytest.raises(ConfigurationError, match=r"running\.lock cannot be"), only_instance(tmp_path / "no"):
        pass
