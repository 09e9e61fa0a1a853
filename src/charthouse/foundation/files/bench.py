"""``charthouse bench rotate``: the master key of many files is changed while they are read, and killed half-way.

A scratch installation with a database server of its own keeps the files; other processes read them one after the
other and compare every byte with its hash. The rotation is ended by SIGKILL when half of the files are under the
new key, and gone on with. At the end no read may have failed and no file be left under the old key.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from charthouse.foundation.processes import charthouse_command, child_environment

_SMALLEST, _LARGEST = 2_000, 60_000
_PATIENCE = 1800.0
_MODULE = "charthouse.foundation.files.bench"


def bench_rotate(
    files: Annotated[int, typer.Option(min=10, help="How many files are kept.")] = 10_000,
    readers: Annotated[int, typer.Option(min=1, help="How many processes read meanwhile.")] = 2,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Change the master key of many files while they are read; exits with 1 where a read failed or one is left."""
    folder = Path(tempfile.mkdtemp(prefix="charthouse-rotate-"))
    folder.chmod(0o711)
    environment = child_environment(CHARTHOUSE_DATA=str(folder / "data"), CHARTHOUSE_KEYS=str(folder / "keys"))
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "CHARTHOUSE_DATABASE_ROLE"):
        environment.pop(name, None)
    asked = json.dumps({"files": files, "readers": readers, "seed": seed})
    try:
        # A process of its own, since this one has made itself at home in another installation.
        done = subprocess.run([sys.executable, "-m", _MODULE, "measure", asked], env=environment, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        raise typer.Exit(1)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _measure(files: int, readers: int, seed: int) -> bool:
    from charthouse.foundation.bootstrap import configure_django
    from charthouse.foundation.database.api import ensure_running, migrate

    server = ensure_running()
    try:
        migrate()
        configure_django()
        return _measured(files, readers, seed)
    finally:
        server.release()


def _measured(files: int, readers: int, seed: int) -> bool:
    from django.db import connection

    from charthouse.configuration import configuration

    from . import caring, keys, store
    from .sealed import header_keys

    _say(f"keeping {files} files …")
    pick = random.Random(seed)  # noqa: S311
    for _ in range(files):
        store.put(pick.randbytes(pick.randint(_SMALLEST, _LARGEST)), "application/octet-stream")
    old = keys.load().newest
    with _reading(readers) as read:
        _say("changing the key …")
        began = time.perf_counter()
        at_half = _killed_at_half(files, old.id.hex())
        _say(f"killed with {at_half} files under the new key; going on …")
        subprocess.run(charthouse_command("files", "rotate", "--same-key"), check=True, stdout=sys.stderr)
        seconds = time.perf_counter() - began
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, key_id FROM files_file WHERE state = 'stored'")
        rows = cursor.fetchall()
    left = 0
    for name, key_id in rows:
        with store.path_of(name).open("rb") as source:
            left += key_id == old.id.hex() or old.id in header_keys(source)
    (configuration().keys / "master-key").unlink()
    findings = sum(1 for _, _, found in caring.proved() if found)
    figures: dict[str, Any] = {
        "bench": "rotate",
        "files": len(rows),
        "readers": readers,
        "seconds": round(seconds, 2),
        "files_per_s": round(len(rows) / seconds),
        "killed_at": at_half,
        "reads": sum(each["reads"] for each in read),
        "failed_reads": sum(each["failed"] for each in read),
        "read_p95_ms": max(each["p95_ms"] for each in read),
        "left_on_old_key": left,
        "wrong_without_old_key": findings,
    }
    print(json.dumps(figures), flush=True)
    return not (figures["failed_reads"] or left or findings) and figures["reads"] > 0


def _killed_at_half(files: int, old: str) -> int:
    """Rotate in a process that is killed when half of the files are under the new key; how many those are."""
    from django.db import connection

    process = subprocess.Popen(charthouse_command("files", "rotate"), stdout=subprocess.DEVNULL)
    until = time.monotonic() + _PATIENCE
    done = 0
    while process.poll() is None and time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM files_file WHERE key_id <> %s", [old])
            done = int(cursor.fetchone()[0])
        if done * 2 >= files:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.02)
    process.wait()
    return done


@contextmanager
def _reading(readers: int) -> Iterator[list[dict[str, Any]]]:
    """Processes that read during the block; what they tell is in the list when it has ended."""
    command = [sys.executable, "-m", _MODULE, "read"]
    started = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(readers)
    ]
    told: list[dict[str, Any]] = []
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        yield told
    finally:
        # A reader ends when its input does.
        told += [json.loads(process.communicate()[0]) for process in started]


def _read(number: int) -> None:
    """Read files at random and compare them with their hashes until the input ends."""
    import threading

    from charthouse.foundation.bootstrap import configure_django

    configure_django()
    from django.db import connection

    from . import store

    with connection.cursor() as cursor:
        cursor.execute("SELECT id, sha256 FROM files_file")
        known = [(id, bytes(digest)) for id, digest in cursor.fetchall()]
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    print("ready", flush=True)
    pick = random.Random(number)  # noqa: S311
    times: list[float] = []
    failed = 0
    while not ended.is_set():
        id, digest = pick.choice(known)
        began = time.perf_counter()
        try:
            failed += hashlib.sha256(store.read(id)).digest() != digest
        except Exception as error:
            _say(f"a read failed: {type(error).__name__}")
            failed += 1
        times.append((time.perf_counter() - began) * 1000)
    p95 = round(statistics.quantiles(times, n=20)[-1], 2) if len(times) > 1 else 0.0
    print(json.dumps({"reads": len(times), "failed": failed, "p95_ms": p95}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charthouse.settings")
    if sys.argv[1] == "read":
        _read(int(sys.argv[2]))
    else:
        sys.exit(not _measure(**json.loads(sys.argv[2])))
