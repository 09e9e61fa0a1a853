"""Files that wait: for one owner and purpose, sealed, for a time."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from charthouse.configuration import Configuration
from charthouse.foundation.database.archive import stored_files
from charthouse.foundation.files.api import WaitingFile, forget_waiting, keep_waiting, sweep_waiting, waiting

HOUR = timedelta(hours=1)
CARD = WaitingFile("Okonkwo card.tif", b"Okonkwo" * 1000)


@pytest.fixture(autouse=True)
def own_folder(site: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charthouse.foundation.files.waiting.configuration", lambda: site)


def lying(site: Configuration) -> list[Path]:
    return [path for path in site.files.rglob("*") if path.is_file()]


def test_a_file_waits_for_its_owner_and_purpose_alone(site: Configuration) -> None:
    keep_waiting("user:1", "form a", CARD, most=3)
    assert waiting("user:1", "form a", at_most=HOUR) == CARD
    assert waiting("user:2", "form a", at_most=HOUR) is None
    assert waiting("user:1", "form b", at_most=HOUR) is None
    # Nor does it open where somebody puts it in another's place.
    keep_waiting("user:2", "form a", WaitingFile("b", b"other"), most=3)
    first, second = sorted(lying(site), key=lambda path: path.stat().st_size)
    second.replace(first)
    assert waiting("user:2", "form a", at_most=HOUR) is None


def test_nothing_of_it_is_read_from_the_disk(site: Configuration) -> None:
    keep_waiting("user:1", "form a", CARD, most=3)
    (path,) = lying(site)
    assert b"Okonkwo" not in path.read_bytes() and "Okonkwo" not in str(path) and "user" not in str(path)
    assert path.stat().st_mode & 0o077 == 0


def test_no_dump_carries_it(site: Configuration) -> None:
    keep_waiting("user:1", "form a", CARD, most=3)
    assert lying(site) and list(stored_files(site.files)) == []


def test_no_dump_carries_what_is_still_being_written(site: Configuration) -> None:
    for folder in (".putting", "ab"):
        (site.files / folder).mkdir(parents=True)
        (site.files / folder / "0123").write_bytes(b"sealed")
    assert list(stored_files(site.files)) == [site.files / "ab" / "0123"]


def test_it_is_replaced_forgotten_and_the_oldest_beyond_the_most_go(site: Configuration) -> None:
    keep_waiting("user:1", "a", CARD, most=2)
    keep_waiting("user:1", "a", WaitingFile("b", b"2"), most=2)
    assert waiting("user:1", "a", at_most=HOUR) == WaitingFile("b", b"2")
    for age, path in enumerate(lying(site)):
        os.utime(path, (1e9 + age, 1e9 + age))
    keep_waiting("user:1", "b", CARD, most=2)
    keep_waiting("user:1", "c", CARD, most=2)
    assert len(lying(site)) == 2 and waiting("user:1", "a", at_most=timedelta.max) is None
    forget_waiting("user:1", "b")
    forget_waiting("user:1", "b")
    assert waiting("user:1", "b", at_most=HOUR) is None and waiting("user:1", "c", at_most=HOUR) == CARD


def test_it_waits_no_longer_than_its_time(site: Configuration) -> None:
    assert sweep_waiting(HOUR) == 0
    keep_waiting("user:1", "old", CARD, most=3)
    (path,) = lying(site)
    long_ago = path.stat().st_mtime - 3601
    os.utime(path, (long_ago, long_ago))
    assert waiting("user:1", "old", at_most=HOUR) is None
    keep_waiting("user:1", "new", CARD, most=3)
    assert sweep_waiting(HOUR) == 1
    assert waiting("user:1", "new", at_most=HOUR) == CARD and not path.exists()
