"""The first start's hospital when a start was cut off in the middle of it."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from charthouse.configuration import Configuration
from charthouse.foundation import clock, processes
from charthouse.web.commands import start

ZONE = ZoneInfo("America/Chicago")


class Build:
    """Stands for ``charthouse teaching build``: the days it was asked for, and how it ends; and for what follows
    it, how often that was asked for."""

    def __init__(self) -> None:
        self.days: list[str] = []
        self.ends = 0
        self.departments = 0

    def __call__(self, words: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        if words[-2:] == ["demo", "department"]:
            self.departments += 1
            return subprocess.CompletedProcess(words, 0)
        self.days.append(words[words.index("--day") + 1])
        return subprocess.CompletedProcess(words, self.ends)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Build:
    found = Build()
    monkeypatch.setattr(subprocess, "run", found)
    monkeypatch.setattr(processes, "has_command", lambda _: True)
    return found


def fill(folder: Path, at: datetime) -> str:
    console = Console(record=True, width=200)
    with clock.frozen(at):
        start._fill(console, Configuration(folder, folder, kind="demo", time_zone="America/Chicago"))
    return console.export_text()


def test_a_start_that_was_cut_off_goes_on_with_the_same_day(tmp_path: Path, build: Build) -> None:
    build.ends = 1
    assert "the next start goes on" in fill(tmp_path, datetime(2026, 3, 2, 13, tzinfo=ZONE))
    build.ends = 0
    fill(tmp_path, datetime(2026, 3, 4, 9, tzinfo=ZONE))
    assert build.days == ["2026-03-02", "2026-03-02"]
    # It is there, and no later start makes another.
    assert fill(tmp_path, datetime(2026, 3, 5, 9, tzinfo=ZONE)) == ""
    assert len(build.days) == 2
    assert build.departments == 1, "only of a hospital that is whole"


@pytest.mark.parametrize("cut", ["", "2026-0", "\0\0\0"])
def test_a_note_that_was_cut_off_is_written_anew(cut: str, tmp_path: Path, build: Build) -> None:
    (tmp_path / "demo-hospital.part").write_text(cut)
    fill(tmp_path, datetime(2026, 3, 4, 14, tzinfo=ZONE))
    assert build.days == ["2026-03-04"]
    assert (tmp_path / "demo-hospital").read_text() == "2026-03-04"


def test_before_noon_the_hospital_is_that_of_the_day_before(tmp_path: Path, build: Build) -> None:
    fill(tmp_path, datetime(2026, 3, 4, 8, tzinfo=ZONE))
    assert build.days == ["2026-03-03"]
