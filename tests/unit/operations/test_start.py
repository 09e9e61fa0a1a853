"""``charthouse start`` as a person meets it: a process, its words, its address."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

PATIENCE = 180


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Site:
    """An installation in a folder of its own, run by the command line in processes of its own."""

    folder: Path
    port: int
    mllp_port: int

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("CHARTHOUSE_", "DATABASE_"))
        }
        return kept | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "CHARTHOUSE_DATA": str(self.folder / "data"),
            "CHARTHOUSE_KEYS": str(self.folder / "keys"),
            "CHARTHOUSE_PORT": str(self.port),
            "CHARTHOUSE_MLLP_PORT": str(self.mllp_port),
            "COLUMNS": "200",
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "charthouse", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, *words: str) -> Running:
        log = (self.folder / "said").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "charthouse", "start", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        return Running(self, process)

    @property
    def processes(self) -> dict[str, dict[str, int]]:
        return dict(json.loads((self.folder / "data" / "running.json").read_text())["processes"])


@dataclass
class Running:
    site: Site
    process: subprocess.Popen[bytes]

    @property
    def said(self) -> str:
        return (self.site.folder / "said").read_text()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while "Ctrl-C stops it" not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.said


@pytest.fixture
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="ch-"))
    folder.chmod(0o711)
    here = Site(folder, free_port(), free_port())
    yield here
    here.run("stop")
    shutil.rmtree(folder, ignore_errors=True)


def status_of(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_demonstration_from_first_start_to_stop(site: Site) -> None:
    assert site.run("status").returncode == 3
    first = site.start()
    first.wait_until_ready()
    assert "Filing a synthetic hospital of 300 people" in first.said
    assert f"at http://127.0.0.1:{site.port}" in first.said
    accounts = re.findall(r"^ +(.+?)  +(\w+) +(\S+) *$", first.said, re.MULTILINE)
    assert ("Coder", "cora") in {(role, name) for role, name, _password in accounts}
    assert status_of(site.port) == 200

    # A killed part comes back by itself.
    before = site.processes["filing"]["pid"]
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while site.processes["filing"]["pid"] in {None, before}:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    # So does the database.
    postmaster = int((site.folder / "data" / "database" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    while "database has stopped and is started again" not in first.said:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    while "Database    running" not in site.run("status").stdout:
        assert time.monotonic() < deadline
    assert status_of(site.port) == 200

    second = site.run("start")
    assert second.returncode == 2
    assert "is running on" in second.stderr
    parts = [psutil.Process(each["pid"]) for each in site.processes.values() if each["pid"]]
    first.stop()
    assert not psutil.wait_procs(parts, timeout=10)[1]
    assert not (site.folder / "data" / "database" / "postmaster.pid").exists()

    refused = site.run("start", "--empty")
    assert refused.returncode == 2
    assert "never becomes a real site" in refused.stderr

    again = site.start()
    again.wait_until_ready()
    assert re.findall(r"^ +(.+?)  +(\w+) +(\S+) *$", again.said, re.MULTILINE) == accounts
    assert "synthetic hospital" not in again.said
    assert site.run("stop").stdout == "Charthouse has stopped.\n"
    assert again.process.wait(PATIENCE) == 0


def test_a_real_site_has_one_account_and_stays_real(site: Site) -> None:
    incomplete = site.run("start", "--empty", "--organization", "General")
    assert incomplete.returncode == 2
    assert "--facility, --time-zone, --mrn-system, --admin-username, --admin-name as well" in incomplete.stderr
    assert not (site.folder / "data" / "database").exists()

    options = [
        *("--empty", "--organization", "General Hospital", "--facility", "MAIN:General Hospital:hospital"),
        *("--time-zone", "America/Chicago", "--mrn-system", "https://general.example/mrn"),
        *("--admin-username", "ada", "--admin-name", "Ada Admin"),
    ]
    wrong = site.run("start", *[word.replace("America/Chicago", "Chicago") for word in options])
    assert wrong.returncode == 2
    assert "'Chicago' is not a time zone" in wrong.stderr
    assert not (site.folder / "data" / "site.toml").exists()

    real = site.start(*options)
    real.wait_until_ready()
    assert "The first administrator is ada." in real.said
    assert "Password, shown this once: " in real.said
    assert "cora" not in real.said
    listed = site.run("people", "list").stdout
    assert "ada" in listed
    assert "cora" not in listed
    real.stop()

    refused = site.run("start", "--demo")
    assert refused.returncode == 2
    assert "never becomes a demonstration" in refused.stderr
    doctor = site.run("doctor")
    assert "a real site, not running" in doctor.stdout
    assert doctor.returncode == 0, doctor.stdout


def test_a_taken_port_stops_the_start_before_anything_is_made(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", site.port))
        taken.listen()
        refused = site.run("start")
    assert refused.returncode == 2
    assert f"Port {site.port} on 127.0.0.1, for the web application, is taken" in refused.stderr
    assert not (site.folder / "data" / "database").exists()
