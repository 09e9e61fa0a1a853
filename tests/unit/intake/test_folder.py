"""The drop folder: whole files are taken in and moved, half-written ones are left alone, refused ones say why."""

from __future__ import annotations

import gzip
import os
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from charthouse.intake.connectors.folder import sweep, watch


def drop(folder: Path, name: str, data: bytes, age: float = 10) -> Path:
    path = folder / name
    path.write_bytes(data)
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_file()) if folder.exists() else []


def test_a_file_is_taken_in_and_moved_to_done(inbox: Any, make: Any, tmp_path: Path) -> None:
    drop(tmp_path, "one.hl7", make.hl7("ADT^A01"))
    drop(tmp_path, "two.json.gz", gzip.compress(orjson.dumps(make.patient())))
    assert sweep(tmp_path) == 2
    assert names(tmp_path) == []
    assert names(tmp_path / "done") == ["one.hl7", "two.json.gz"]
    assert inbox.counts()["Patient"] == 2
    assert inbox.rows("SELECT DISTINCT connector, batch FROM intake_message ORDER BY batch") == [
        ("folder", "one.hl7"), ("folder", "two.json.gz"),
    ]  # fmt: skip


def test_a_file_still_being_written_is_left_alone(inbox: Any, make: Any, tmp_path: Path) -> None:
    drop(tmp_path, "fresh.hl7", make.hl7("ADT^A01"), age=0)
    for name in ("a.part", "b.tmp", ".hidden.hl7", "c.crdownload"):
        drop(tmp_path, name, make.hl7("ADT^A01"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.hl7").symlink_to("/etc/passwd")
    assert sweep(tmp_path) == 0
    assert names(tmp_path) == [".hidden.hl7", "a.part", "b.tmp", "c.crdownload", "fresh.hl7", "link.hl7"]
    assert inbox.counts()["Patient"] == 0


def test_a_refused_file_has_its_reason_beside_it(inbox: Any, tmp_path: Path) -> None:
    drop(tmp_path, "x.txt", b"hello")
    drop(tmp_path, "y.gz", gzip.compress(bytes(range(256)) * 9)[:60])
    assert sweep(tmp_path) == 2
    assert names(tmp_path / "refused") == ["x.txt", "x.txt.reason.txt", "y.gz", "y.gz.reason.txt"]
    assert "neither" in (tmp_path / "refused" / "x.txt.reason.txt").read_text()
    assert "damaged" in (tmp_path / "refused" / "y.gz.reason.txt").read_text()


def test_an_earlier_file_of_the_same_name_is_never_replaced(inbox: Any, make: Any, tmp_path: Path) -> None:
    for data in (b"first", b"second"):
        drop(tmp_path, "x.txt", data)
        sweep(tmp_path)
    assert (tmp_path / "refused" / "x.txt").read_bytes() == b"first"
    assert (tmp_path / "refused" / "x.txt.2").read_bytes() == b"second"
    assert (tmp_path / "refused" / "x.txt.2.reason.txt").exists()


def test_a_file_whose_messages_cannot_be_filed_is_done_all_the_same(inbox: Any, make: Any, tmp_path: Path) -> None:
    drop(tmp_path, "x.json", orjson.dumps(make.observation()))
    assert sweep(tmp_path) == 1
    assert names(tmp_path / "done") == ["x.json"]
    assert len(inbox.items()) == 1


def test_files_are_taken_oldest_first(inbox: Any, make: Any, tmp_path: Path) -> None:
    for n, age in ((1, 10), (2, 30), (3, 20)):
        drop(tmp_path, f"{n}.hl7", make.hl7("ADT^A08", control=f"C{n}"), age=age)
    sweep(tmp_path)
    assert [each for (each,) in inbox.rows("SELECT control_id FROM intake_message ORDER BY id")] == [
        "C2",
        "C3",
        "C1",
    ]


@pytest.mark.parametrize(
    "name",
    ["<script>.hl7", "a'b\"c;--.hl7", "\u202egpj.hl7", "x" * 240 + ".hl7", "\udcff\udcfe.hl7", "-rf", "a\nb.hl7"],
)
def test_hostile_names_are_names_like_others(inbox: Any, make: Any, tmp_path: Path, name: str) -> None:
    drop(tmp_path, name, make.hl7("ADT^A01"))
    drop(tmp_path, "z" + name[1:], b"neither")
    assert sweep(tmp_path) == 2
    assert names(tmp_path / "done") == [name]
    assert inbox.counts()["Patient"] == 1


def test_what_was_filed_before_a_crash_is_a_duplicate_after_it(inbox: Any, make: Any, tmp_path: Path) -> None:
    drop(tmp_path, "x.hl7", make.hl7("ADT^A01"))
    sweep(tmp_path)
    (tmp_path / "done" / "x.hl7").rename(tmp_path / "x.hl7")
    os.utime(tmp_path / "x.hl7", (1, 1))
    assert sweep(tmp_path) == 1
    assert inbox.counts()["Patient"] == 1
    assert [each for (each,) in inbox.rows("SELECT state FROM intake_message ORDER BY id")] == [
        "filed",
        "duplicate",
    ]


def test_the_watcher_outlives_a_database_that_goes_away(
    committed_db: str, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    from charthouse.intake.connectors import folder

    monkeypatch.setattr(folder, "_BACK_OFF", 0.1)
    monkeypatch.setattr(folder, "_QUIET", 0.0)
    stop = threading.Event()
    watcher = threading.Thread(target=watch, args=(tmp_path, stop), kwargs={"every": 0.05})
    watcher.start()
    try:
        drop(tmp_path, "1.hl7", make.hl7("ADT^A01", control="1"))
        wait_for(lambda: names(tmp_path / "done") == ["1.hl7"])
        with psycopg.connect(committed_db, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        drop(tmp_path, "2.hl7", make.hl7("ADT^A08", control="2"))
        wait_for(lambda: "2.hl7" in names(tmp_path / "done"))
    finally:
        stop.set()
        watcher.join(20)
    assert not watcher.is_alive()


def wait_for(what: Any, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come about")
