"""A site as a new user has it: an installation in a folder of its own, run by the command line."""

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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

#: Seconds that a start, a stop or a command may take on a machine with much else to do.
PATIENCE = 600


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Site:
    """An installation and the command line a person has beside it; its database is its own. ``settings`` are
    variables of its environment."""

    folder: Path
    port: int = field(default_factory=free_port)
    mllp_port: int = field(default_factory=free_port)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

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
            **self.settings,
        }

    @property
    def said(self) -> str:
        """What the last start has said so far."""
        return (self.folder / "said").read_text()

    @property
    def accounts(self) -> list[tuple[str, str, str]]:
        """The demonstration's accounts as its start says them: role, user name, password."""
        return re.findall(r"^ +(.+?)  +(\w+) +(\S+) *$", self.said, re.MULTILINE)

    @property
    def passwords(self) -> dict[str, str]:
        """The demonstration's passwords by user name, as its start says them."""
        return {name: password for _, name, password in self.accounts}

    @property
    def processes(self) -> dict[str, dict[str, int]]:
        """The parts that run, by name."""
        return dict(json.loads((self.folder / "data" / "running.json").read_text())["processes"])

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "said").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "charthouse", "start", *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE
        while "Ctrl-C stops it" not in self.said:
            assert process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command, however it ends."""
        return subprocess.run(
            [sys.executable, "-m", "charthouse", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )

    def answer(self, *words: str) -> str:
        """All that a command says that has to succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@contextmanager
def site_in_a_folder(settings: Mapping[str, str] | None = None) -> Iterator[Site]:
    """An installation, not yet started; stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ch-"))
    # As root the database runs as another account, which has to come through.
    folder.chmod(0o711)
    site = Site(folder, settings=settings or {})
    try:
        yield site
    finally:
        if (folder / "data").exists():
            site.run("stop")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_site(*words: str, settings: Mapping[str, str] | None = None) -> Iterator[Site]:
    """``start`` and its words, ready; a new site is a demonstration with the synthetic hospital."""
    with site_in_a_folder(settings) as site:
        process = site.start(*words)
        try:
            site.wait_until_ready(process)
            yield site
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE)
