"""``charthouse start`` as a person meets it: a process, its words, its address."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.support.sites import PATIENCE, Site, site_in_a_folder


@pytest.fixture
def site() -> Iterator[Site]:
    with site_in_a_folder() as here:
        yield here


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def stop(site: Site, process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0, site.said


def status_of(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_demonstration_from_first_start_to_stop(site: Site) -> None:
    assert site.run("status").returncode == 3
    first = site.start()
    site.wait_until_ready(first)
    assert "Filing a synthetic hospital of 300 people" in site.said
    assert f"at {site.address}" in site.said
    accounts = site.accounts
    assert ("Coder", "cora") in {(role, name) for role, name, _password in accounts}
    assert status_of(site.port) == 200

    # A killed part comes back by itself.
    before = site.processes["filing"]["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: site.processes["filing"]["pid"] not in {None, before})

    # So does the database.
    postmaster = int((site.folder / "data" / "database" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    until(lambda: "database has stopped and is started again" in site.said)
    until(lambda: "Database    running" in site.run("status").stdout)
    until(lambda: status_of(site.port) == 200)

    second = site.run("start")
    assert second.returncode == 2
    assert "is running on" in second.stderr
    parts = [psutil.Process(each["pid"]) for each in site.processes.values() if each["pid"]]
    stop(site, first)
    assert not psutil.wait_procs(parts, timeout=10)[1]
    assert not (site.folder / "data" / "database" / "postmaster.pid").exists()

    refused = site.run("start", "--empty")
    assert refused.returncode == 2
    assert "never becomes a real site" in refused.stderr

    again = site.start()
    site.wait_until_ready(again)
    assert site.accounts == accounts
    assert "synthetic hospital" not in site.said
    assert site.run("stop").stdout == "Charthouse has stopped.\n"
    assert again.wait(PATIENCE) == 0


@pytest.mark.slow
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
    site.wait_until_ready(real)
    assert "The first administrator is ada." in site.said
    assert "Password, shown this once: " in site.said
    assert "cora" not in site.said
    listed = site.run("people", "list").stdout
    assert "ada" in listed
    assert "cora" not in listed
    stop(site, real)

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
