"""Signed heads: one line a round of sealing, kept outside the database.

The folder ``ledger-heads/DATABASE`` in the key directory holds a file a month (``2026-11.jsonl``). A line is one
JSON object with sorted keys: ``kind`` (``sealed`` or ``resumed``), ``round``, ``at`` (ISO 8601, UTC), ``entries``
(sealed so far), ``positions`` (each lane's last sealed number), ``root``, ``reason`` (of a resumption),
``previous`` (SHA-256 of the line before, without its line end), ``key`` (the public key) and ``signature``
(Ed25519 over the same object without ``signature``); bytes are hexadecimal. Lines are appended and flushed to the
disk, never changed. A last line without its line end was cut short by a crash and counts as not written.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from django.db import connection

from charthouse.configuration import configuration

from .seals import START, SigningKey, is_signed

SEALED = "sealed"
RESUMED = "resumed"
_FOLDER = "ledger-heads"
_TAIL = 64 * 1024


class HeadLineDamaged(Exception):
    """A line of the heads is not as it was written; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The state of the ledger after one round, or at a resumption."""

    round: int
    at: datetime
    entries: int
    positions: tuple[int, ...]
    root: bytes
    kind: str = SEALED
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a reading of all heads found. ``problems`` are (file:line, what is wrong).

    ``lines`` counts whole lines; ``resumptions`` are (index of the line, head).
    """

    lines: int
    last: Head | None
    resumptions: tuple[tuple[int, Head], ...]
    problems: tuple[tuple[str, str], ...]


class Heads:
    """The heads folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_this_site(cls) -> Heads:
        """The heads of the database in use: each database of a server has its own."""
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", str(connection.settings_dict["NAME"]))
        return cls(configuration().keys / _FOLDER / name)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One sealer at a time on this machine; a killed one's lock is gone with it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def append(self, head: Head, key: SigningKey) -> None:
        """Add a line and wait for the disk. Call within :meth:`locked`."""
        files = self._files()
        name = f"{head.at.astimezone(UTC):%Y-%m}.jsonl"
        path = max([*files, self.folder / name])  # a clock set back does not reorder the files
        is_new = path not in files
        if files:
            _cut_torn_line(files[-1])
        before = self._last_line()
        line = _render(head, hashlib.sha256(before).hexdigest() if before else START.hex(), key)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def last(self) -> Head | None:
        """The last whole line's head, or None. Raises HeadLineDamaged when its signature or form is wrong."""
        line = self._last_line()
        if line is None:
            return None
        head, fields = _parse(line)
        if not _signed(fields):
            raise HeadLineDamaged("its signature is not good")
        return head

    def survey(self) -> Survey:
        """Read all lines once: their form, their chain, and the signature of the last, which covers all before.

        Where it does not hold, every signature is checked, to name the first line that is wrong.
        """
        problems: list[tuple[str, str]] = []
        resumptions: list[tuple[int, Head]] = []
        last: tuple[str, Head, dict[str, Any]] | None = None
        due = START.hex()
        count = 0
        for place, line in self._lines():
            try:
                head, fields = _parse(line)
            except HeadLineDamaged as damage:
                problems.append((place, str(damage)))
            else:
                if fields["previous"] != due:
                    problems.append(
                        (place, "it does not follow the line before it" if count else "lines before it are gone")
                    )
                if head.kind == RESUMED and _signed(fields):
                    resumptions.append((count, head))
                    problems.clear()  # whoever resumed has accepted them
                last = (place, head, fields)
            due = hashlib.sha256(line).hexdigest()
            count += 1
        if last is not None and (problems or not _signed(last[2])):
            since = resumptions[-1][0] if resumptions else 0
            problems = sorted({*problems, *self._unsigned(since)})
        return Survey(count, last[1] if last else None, tuple(resumptions), tuple(problems))

    def sealed(self, survey: Survey) -> Iterator[Head]:
        """The heads that count, in the order of rounds: those a later resumption set aside are left out."""
        for index, (_place, line) in enumerate(self._lines()):
            try:
                head, _fields = _parse(line)
            except HeadLineDamaged:
                continue
            set_aside = any(at > index and resumed.round < head.round for at, resumed in survey.resumptions)
            if not set_aside:
                yield head

    def signer_of_last(self) -> bytes | None:
        """The public key that signed the last line, or None where there is no line."""
        line = self._last_line()
        return bytes.fromhex(_parse(line)[1]["key"]) if line else None

    def _unsigned(self, since: int) -> Iterator[tuple[str, str]]:
        for index, (place, line) in enumerate(self._lines()):
            if index < since:
                continue
            try:
                _head, fields = _parse(line)
            except HeadLineDamaged:
                continue
            if not _signed(fields):
                yield place, "its signature is not good"

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("????-??.jsonl"))

    def _lines(self) -> Iterator[tuple[str, bytes]]:
        for path in self._files():
            with path.open("rb") as handle:
                for number, line in enumerate(handle, 1):
                    if line.endswith(b"\n"):
                        yield f"{path.name}:{number}", line[:-1]

    def _last_line(self) -> bytes | None:
        for path in reversed(self._files()):
            with path.open("rb") as handle:
                size = handle.seek(0, os.SEEK_END)
                handle.seek(max(0, size - _TAIL))
                whole = handle.read().rpartition(b"\n")[0]
                if whole:
                    return whole.rpartition(b"\n")[2]
        return None


def _cut_torn_line(path: Path) -> None:
    """Remove what a crash left of a line that was never whole."""
    with path.open("rb+") as handle:
        size = handle.seek(0, os.SEEK_END)
        start = max(0, size - _TAIL)
        handle.seek(start)
        tail = handle.read()
        if tail and not tail.endswith(b"\n"):
            handle.truncate(start + tail.rfind(b"\n") + 1)


def _render(head: Head, previous: str, key: SigningKey) -> bytes:
    fields: dict[str, Any] = {
        "kind": head.kind,
        "round": head.round,
        "at": head.at.astimezone(UTC).isoformat(),
        "entries": head.entries,
        "positions": list(head.positions),
        "root": head.root.hex(),
        "previous": previous,
        "key": key.public_bytes.hex(),
    }
    if head.reason:
        fields["reason"] = head.reason
    return _dump(fields | {"signature": key.sign(_dump(fields)).hex()})


def _dump(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def _parse(line: bytes) -> tuple[Head, dict[str, Any]]:
    try:
        fields = orjson.loads(line)
        positions: Sequence[int] = fields["positions"]
        head = Head(
            round=fields["round"],
            at=datetime.fromisoformat(fields["at"]),
            entries=fields["entries"],
            positions=tuple(positions),
            root=bytes.fromhex(fields["root"]),
            kind=fields["kind"],
            reason=fields.get("reason", ""),
        )
        bytes.fromhex(fields["key"]), bytes.fromhex(fields["signature"]), fields["previous"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise HeadLineDamaged("it cannot be read") from None
    if _dump(fields) != line:
        raise HeadLineDamaged("it is not written as Charthouse writes it")
    return head, fields


def _signed(fields: dict[str, Any]) -> bool:
    body = {name: value for name, value in fields.items() if name != "signature"}
    return is_signed(bytes.fromhex(fields["key"]), _dump(body), bytes.fromhex(fields["signature"]))
