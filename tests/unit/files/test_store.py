"""Keeping files: once, whole, encrypted, and provably."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection, transaction
from psycopg.conninfo import conninfo_to_dict

from charthouse.configuration import Configuration
from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.foundation.files import api as files
from charthouse.foundation.files import keys, store

CTX = system_context("test")


def on_disk(site: Configuration) -> list[Path]:
    return [path for path in site.files.rglob("*") if path.is_file()]


def path_of(file: files.StoredFile) -> Path:
    return store.path_of(store.row_of(file.id).name)


@pytest.mark.django_db
class TestKeeping:
    def test_read_back_by_id(self, site: Configuration) -> None:
        file = files.put(b"a scan", "application/pdf")
        assert files.read(file.id) == b"a scan"
        assert b"".join(files.open_stream(file.id)) == b"a scan"
        assert file.sha256 == hashlib.sha256(b"a scan").hexdigest() and file.size == 6
        assert files.stat(file.id) == file
        assert files.proof_of(file.id) is None

    def test_the_same_content_is_kept_once(self, site: Configuration) -> None:
        one = files.put(b"a scan", "application/pdf")
        assert files.put(iter([b"a ", b"scan"]), "application/pdf") == one
        assert len(on_disk(site)) == 1

    def test_what_the_sender_calls_it_is_neither_guessed_nor_mixed_up(self, site: Configuration) -> None:
        """A page of HTML sent as an image stays, by name, what its sender called it, and nobody else's changes."""
        html = b"<html><script>alert(1)</script></html>"
        image, page = files.put(html, "image/png"), files.put(html, "text/html")
        assert image.id != page.id
        assert files.stat(image.id).media_type == "image/png"
        assert files.stat(page.id).media_type == "text/html"
        assert len(on_disk(site)) == 1

    @pytest.mark.parametrize(
        "wrong", ["", "pdf", "text/html\r\nX-Evil: 1", "text /html", "a/b; charset", "a/" + "b" * 200]
    )
    def test_a_media_type_that_is_none_is_refused(self, site: Configuration, wrong: str) -> None:
        with pytest.raises(ValueError, match="media type"):
            files.put(b"x", wrong)

    def test_a_media_type_may_have_parameters(self, site: Configuration) -> None:
        assert files.put(b"x", "text/plain; charset=utf-8").media_type == "text/plain; charset=utf-8"

    def test_neither_content_nor_hash_is_seen_on_the_disk(self, site: Configuration) -> None:
        file = files.put(b"Jane Roe, 1970-01-01", "text/plain")
        (path,) = on_disk(site)
        assert b"Jane" not in path.read_bytes()
        assert file.sha256[:8] not in str(path) and str(file.id) not in str(path)
        assert path.stat().st_mode & 0o077 == 0

    def test_errors_name_the_file_and_what_to_do(self, site: Configuration) -> None:
        with pytest.raises(files.FileMissing, match="There is no file"):
            files.read(uuid4())
        file = files.put(b"x", "text/plain")
        path = path_of(file)
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(files.FileDamaged, match=str(file.id)):
            files.read(file.id)
        path.unlink()
        with pytest.raises(files.FileMissing, match="backup"):
            files.read(file.id)

    def test_content_that_was_lost_is_mended_by_putting_it_again(self, site: Configuration) -> None:
        file = files.put(b"x", "text/plain")
        path_of(file).unlink()
        assert files.put(b"x", "text/plain") == file
        assert files.read(file.id) == b"x"

    def test_a_lost_master_key_is_said_and_no_new_one_is_made_in_its_place(self, site: Configuration) -> None:
        file = files.put(b"x", "text/plain")
        shutil.move(site.keys / "master-key", site.keys / "elsewhere")
        with pytest.raises(files.KeyMissing, match="safekeeping"):
            files.read(file.id)
        with pytest.raises(files.KeyMissing):
            files.put(b"y", "text/plain")
        assert not (site.keys / "master-key").exists()
        shutil.move(site.keys / "elsewhere", site.keys / "master-key")
        keys.add()
        assert files.read(file.id) == b"x"

    def test_a_put_that_fails_leaves_nothing(self, site: Configuration) -> None:
        def broken() -> object:
            yield b"x" * 100_000
            raise ConnectionError

        with pytest.raises(ConnectionError):
            files.put(broken(), "text/plain")  # type: ignore[arg-type]
        assert on_disk(site) == []

    def test_verify_names_what_is_lost_and_what_is_altered(self, site: Configuration) -> None:
        whole, lost, altered, header = (files.put(text, "text/plain") for text in (b"1", b"2", b"3", b"4"))
        path_of(lost).unlink()
        damaged = bytearray(path_of(altered).read_bytes())
        damaged[-1] ^= 1
        path_of(altered).write_bytes(damaged)
        scribbled = bytearray(path_of(header).read_bytes())
        scribbled[32 + 68] ^= 1
        path_of(header).write_bytes(scribbled)
        told: list[tuple[int, int]] = []
        found = files.verify(lambda done, total: told.append((done, total)))
        assert {finding.id: finding.trouble for finding in found.findings} == {
            lost.id: files.Trouble.MISSING,
            altered.id: files.Trouble.DAMAGED,
            header.id: files.Trouble.HEADER,
        }
        assert found.files == 4 and whole.id not in {finding.id for finding in found.findings}
        assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
        assert all(str(finding.id) in finding.words for finding in found.findings)

    def test_rotation_puts_all_under_a_new_key(self, site: Configuration) -> None:
        kept = [files.put(str(n).encode(), "text/plain") for n in range(5)]
        other = files.put(b"0", "text/html")  # the same content, once on the disk
        before = keys.load().newest
        done = files.rotate(CTX)
        assert (done.files, done.findings) == (5, ()) and done.key_id != before.id.hex()
        (site.keys / "master-key").unlink()
        assert [files.read(file.id) for file in [*kept, other]] == [b"0", b"1", b"2", b"3", b"4", b"0"]
        assert files.verify().findings == ()
        assert files.rotate(CTX, new_key=False).files == 0

    def test_rotation_says_what_it_could_not_do_and_goes_on(self, site: Configuration) -> None:
        lost, whole = files.put(b"1", "text/plain"), files.put(b"2", "text/plain")
        path_of(lost).unlink()
        done = files.rotate(CTX)
        assert [finding.id for finding in done.findings] == [lost.id]
        assert done.files == 1 and files.read(whole.id) == b"2"

    def test_only_administrators_rotate(self, site: Configuration) -> None:
        with pytest.raises(PermissionRefused):
            files.rotate(AccessContext("user:1", "Coder", frozenset({Role.CODER})))


def test_destruction_leaves_a_tombstone(committed_db: str, site: Configuration) -> None:
    file, twin = files.put(b"x", "text/plain"), files.put(b"x", "text/html")
    with pytest.raises(ValueError, match="why"):
        files.destroy(CTX, file.id, "")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        files.destroy(CTX, file.id, "retention has ended")
        raise ZeroDivisionError
    assert files.read(file.id) == b"x", "what was rolled back is not destroyed"
    files.destroy(CTX, file.id, "retention has ended")
    with pytest.raises(files.FileMissing, match="destroyed"):
        files.read(file.id)
    assert files.read(twin.id) == b"x", "the same content is still kept as something else"
    files.destroy(CTX, twin.id, "retention has ended")
    assert on_disk(site) == []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(sha256, 'hex'), destroyed_by, destroyed_reason FROM files_file WHERE id = %s", [file.id]
        )
        assert cursor.fetchone() == (file.sha256, "system:test", "retention has ended")
    assert files.put(b"x", "text/plain").id != file.id


def test_sweep_removes_only_old_leavings(committed_db: str, site: Configuration) -> None:
    kept = files.put(b"kept", "text/plain")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        files.put(b"rolled back", "text/plain")
        raise ZeroDivisionError
    (site.files / store._TEMPORARY / "left").write_bytes(b"torn")
    assert files.sweep() == 0, "what is young may be under way"
    for path in on_disk(site):
        os.utime(path, (0, 0))
    assert files.sweep() == 2
    assert files.read(kept.id) == b"kept" and len(on_disk(site)) == 1


def run_threads(*works: object) -> None:
    failures: list[BaseException] = []

    def guarded(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_the_same_content_from_many_at_once(committed_db: str, site: Configuration) -> None:
    results: list[files.StoredFile] = []

    def put() -> None:
        results.extend(files.put(f"scan {n}".encode() * 1000, "application/pdf") for n in range(5))

    run_threads(*[put] * 6)
    assert len({file.id for file in results}) == 5
    assert len(on_disk(site)) == 5
    assert files.verify().findings == ()


def test_putting_and_destroying_the_same_content_at_once(committed_db: str, site: Configuration) -> None:
    """Whatever is kept in the end can be read."""

    def churn() -> None:
        for _ in range(15):
            file = files.put(b"contended", "text/plain")
            try:
                files.destroy(CTX, file.id, "test")
            except files.FileMissing:
                continue

    def put() -> None:
        for _ in range(15):
            files.put(b"contended", "text/plain")

    run_threads(churn, churn, put)
    last = files.put(b"contended", "text/plain")
    assert files.read(last.id) == b"contended"
    assert files.verify().findings == ()


def test_reading_and_putting_go_on_while_keys_are_rotated(committed_db: str, site: Configuration) -> None:
    kept = [files.put(f"scan {n}".encode() * 20_000, "application/pdf") for n in range(8)]
    rotating = threading.Event()
    rotating.set()
    reads = 0

    def read() -> None:
        nonlocal reads
        while rotating.is_set():
            for n, file in enumerate(kept):
                assert files.read(file.id) == f"scan {n}".encode() * 20_000
                reads += 1

    def put() -> None:
        n = 0
        while rotating.is_set():
            kept_now = files.put(f"new {n}".encode(), "text/plain")
            assert files.read(kept_now.id) == f"new {n}".encode()
            n += 1

    def rotate() -> None:
        try:
            for _ in range(4):
                assert files.rotate(CTX).findings == ()
        finally:
            rotating.clear()

    run_threads(read, put, rotate)
    assert reads > len(kept)
    assert files.rotate(CTX, new_key=False).findings == ()
    newest = keys.load().newest
    for path in site.keys.glob("master-key*"):
        if keys._read(int(path.name.removeprefix("master-key").lstrip("-") or 1)) != newest:
            path.unlink()
    assert files.verify().findings == ()


_PUT_UNTIL_KILLED = """
import sys
import django
django.setup()
from charthouse.foundation.files import api as files
n = 0
while True:
    file = files.put((b"%d " % n) * 60_000, "text/plain")
    print(file.id, flush=True)
    n += 1
"""


def beside(program: str, committed_db: str, site: Configuration) -> subprocess.Popen[str]:
    """A program in a process of its own, over the test's database, files and keys."""
    info = conninfo_to_dict(committed_db)
    user, password, dbname = info["user"], info.get("password") or "", info["dbname"]
    place = f"host={info['host']}" + (f"&port={info['port']}" if info.get("port") else "")
    environment = os.environ | {
        "DATABASE_URL": f"postgresql://{user}:{password}@/{dbname}?{place}",
        "CHARTHOUSE_DATA": str(site.data),
        "CHARTHOUSE_KEYS": str(site.keys),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)


_ROTATE = """
import django
django.setup()
from charthouse.foundation.access.api import system_context
from charthouse.foundation.files import api as files
files.rotate(system_context("test"), lambda done, total: print(done, flush=True))
"""


@pytest.mark.parametrize("after", [1, 7])
def test_killed_while_rotating(committed_db: str, site: Configuration, after: int) -> None:
    """Every file can be read at once; gone on with, nothing is left under the old key, and that may go."""
    kept = [files.put(b"scan %d" % n, "application/pdf") for n in range(200)]
    old = keys.load().newest
    process = beside(_ROTATE, committed_db, site)
    assert process.stdout is not None
    while int(process.stdout.readline()) < after:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    under_old = sum(store.row_of(file.id).key_id == old.id for file in kept)
    assert 0 < under_old < len(kept)
    assert [files.read(file.id) for file in kept] == [b"scan %d" % n for n in range(200)]
    done = files.rotate(CTX, new_key=False)
    assert done.findings == () and done.key_id != old.id.hex()
    (site.keys / "master-key").unlink()
    assert [files.read(file.id) for file in kept] == [b"scan %d" % n for n in range(200)]
    assert [found for _, _, found in files.proved()] == [None] * len(kept)


@pytest.mark.parametrize("after", [0.15, 0.4])
def test_killed_while_putting(committed_db: str, tmp_path: Path, site: Configuration, after: float) -> None:
    """Every file that was acknowledged is whole; of the one under way there is nothing that is not a leaving."""
    process = beside(_PUT_UNTIL_KILLED, committed_db, site)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip()]
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    acknowledged += [line.strip() for line in process.stdout.read().splitlines() if len(line.strip()) == 36]
    process.wait()
    assert process.returncode == -signal.SIGKILL and acknowledged[0]
    for n, id in enumerate(acknowledged):
        from uuid import UUID

        assert files.read(UUID(id)) == (b"%d " % n) * 60_000
    assert files.verify().findings == ()
    for path in on_disk(site):
        os.utime(path, (0, 0))
    files.sweep()
    assert len(on_disk(site)) == files.verify().files
