"""A site started as a new user starts it, and somebody at its browser."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 240
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Charthouse:
    """An installation in a folder of its own, and the command line a person has beside it."""

    folder: Path
    port: int = field(default_factory=free_port)
    mllp_port: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text()

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("CHARTHOUSE_", "DATABASE_"))
        }
        return kept | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "CHARTHOUSE_DATA": str(self.folder / "data"),
            "CHARTHOUSE_KEYS": str(self.folder / "keys"),
            "COLUMNS": "200",
        }

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "said").open("wb") as log:
            words = ["start", "--port", str(self.port), "--mllp-port", str(self.mllp_port)]
            return subprocess.Popen(
                [sys.executable, "-m", "charthouse", *words],
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
            time.sleep(0.1)

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "charthouse", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def password_of(self, name: str) -> str:
        found = re.search(rf"^ .*\b{name} +(\S+) *$", self.said, re.MULTILINE)
        assert found, self.said
        return found[1]


class Person:
    """Somebody at the browser."""

    def __init__(self, charthouse: Charthouse, browser: Any, name: str) -> None:
        self.charthouse = charthouse
        self.page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        self.page.set_default_timeout(60_000)
        self.page.goto(charthouse.address)
        self.looks("Sign in")
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(charthouse.password_of(name))
        self.page.get_by_role("button", name="Sign in").click()
        self.looks("Today")

    def looks(self, title: str) -> Any:
        """The screen with this title is there, and axe finds nothing on it."""
        from axe_playwright_python.sync_playwright import Axe

        self.page.get_by_role("heading", level=1, name=title).wait_for()
        found = Axe().run(self.page).response["violations"]
        assert [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]] == []
        return self.page

    def finds(self, letters: str, name: str) -> None:
        self.page.keyboard.press("/")
        self.page.keyboard.type(letters)
        self.page.get_by_role("option", name=name).first.wait_for()
        answers = self.page.get_by_role("option").all_inner_texts()
        for _ in range(1 + next(at for at, text in enumerate(answers) if name in text)):
            self.page.keyboard.press("ArrowDown")
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/chart/**")
        self.looks("Overview")
        assert name in self.page.get_by_role("region", name="Patient").inner_text()

    def goes(self, letter: str, title: str) -> None:
        self.page.keyboard.press("g")
        self.page.keyboard.press(letter)
        self.looks(title)

    def writes(self, **fields: str) -> None:
        """Words into the fields with these labels, by keyboard; blanks of a label are underscores here."""
        for label, words in fields.items():
            self.page.get_by_label(label.replace("_", " ")).first.focus()
            self.page.keyboard.type(words)

    def leaves(self) -> None:
        self.page.context.close()
