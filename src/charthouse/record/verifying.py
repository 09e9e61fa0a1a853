"""Prove the record: every version and file is there and as it was filed, and every signature binds what was signed.

Types are read range by range of their rows, each range in one snapshot and streamed, several ranges at once in
processes of their own; memory does not grow with the record. It runs beside filing and stops nobody.
"""

from __future__ import annotations

import gc
import hashlib
import hmac
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing.pool import Pool
from typing import Any
from uuid import UUID

import orjson
import zstandard
from django.db import connection, connections, transaction

from charthouse.foundation.bootstrap import configure_django
from charthouse.foundation.files.api import proof_of, stat

from .actions.note_signing import signature_key
from .domain.attachments import attachment_id
from .domain.document_changes import without_attestations
from .domain.documents import ATTESTER, SIGNED_TYPES, attestations
from .domain.packing import decompress
from .domain.sealing import Bound, sha256, tombstone_seal
from .domain.types import TYPE_ID, TYPE_NAME

#: Resources a range holds, about; and findings that are kept in words.
_RANGE = 4_000
_KEPT = 1_000
_FETCHED = 500

Told = Callable[[int, int], None]


class Trouble(StrEnum):
    """MISSING: a version or its resource is not there. ALTERED: not the bytes that were filed. SIGNATURE: not what
    was signed. SEAL: a signature that was made or changed without the site's key. UNSIGNED: it says that somebody
    signed here, and nobody did. FILE: a file that belongs to it is lost or damaged, or another.
    TOMBSTONE: it is said to be destroyed, and that was not done lawfully, or not done."""

    MISSING = "missing"
    ALTERED = "altered"
    SIGNATURE = "signature"
    SEAL = "seal"
    UNSIGNED = "unsigned"
    FILE = "file"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with one version; ``id`` is public where the resource is known, else its row."""

    trouble: Trouble
    type: str
    id: str
    version: int
    words: str

    @property
    def sentence(self) -> str:
        return f"{self.type}/{self.id}, version {self.version}: {self.words}"


@dataclass(slots=True)
class Report:
    """What was looked at and found. ``provable`` are the versions that were filed with a digest of their own; of
    the others only the newest of a resource can be proved. ``destroyed`` are versions of which a tombstone is left.
    ``findings`` are the first, in the record's order."""

    versions: int = 0
    provable: int = 0
    resources: int = 0
    signatures: int = 0
    files: int = 0
    destroyed: int = 0
    count: int = 0
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    processes: int = 1

    @property
    def is_whole(self) -> bool:
        return not self.count

    def add(self, part: Report) -> None:
        self.versions += part.versions
        self.provable += part.provable
        self.resources += part.resources
        self.signatures += part.signatures
        self.files += part.files
        self.destroyed += part.destroyed
        self.count += part.count
        self.findings = (self.findings + part.findings)[: _KEPT * 2]

    def as_json(self) -> dict[str, Any]:
        return {
            "whole": self.is_whole,
            "versions": self.versions,
            "provable": self.provable,
            "resources": self.resources,
            "signatures": self.signatures,
            "files": self.files,
            "destroyed": self.destroyed,
            "found": self.count,
            "findings": [
                {"trouble": each.trouble.value, "type": each.type, "id": each.id, "version": each.version}
                for each in self.findings
            ],
            "seconds": round(self.seconds, 2),
            "versions_per_s": round(self.versions / self.seconds) if self.seconds else 0,
            "processes": self.processes,
        }


@dataclass(frozen=True, slots=True)
class _Range:
    type_id: int
    low: int
    high: int


def verify(told: Told | None = None, processes: int | None = None) -> Report:
    """Look at every version and signature. ``told`` gets (ranges done, ranges). Runs in this process alone where
    ``processes`` is 1, or where it is inside a transaction."""
    started = time.perf_counter()
    ranges = _ranges()
    wanted = processes or min(os.cpu_count() or 1, 8)
    count = 1 if connection.in_atomic_block else max(1, min(wanted, len(ranges)))
    whole = Report(processes=count)
    for done, part in enumerate(_checked(ranges, count), 1):
        whole.add(part)
        if told:
            told(done, len(ranges))
    whole.findings.sort(key=lambda each: (TYPE_ID.get(each.type, 0), each.id, each.version))
    del whole.findings[_KEPT:]
    whole.seconds = time.perf_counter() - started
    return whole


def _ranges() -> list[_Range]:
    """The record cut into ranges of rows of one type; rows of versions without a resource are among them."""
    ranges = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT type, count(*), min(id), max(id) FROM record_resource GROUP BY type ORDER BY type")
        found = {kind: (many, low, high) for kind, many, low, high in cursor.fetchall()}
        for kind in TYPE_NAME:
            cursor.execute("SELECT min(resource), max(resource) FROM record_version WHERE type = %s", [kind])
            first, last = cursor.fetchone()
            many, low, high = found.get(kind, (0, first, last))
            if low is None:
                continue
            low, high = min(low, first or low), max(high, last or high)
            step = max(1, -(-(high - low + 1) * _RANGE // max(many, _RANGE)))
            ranges += [_Range(kind, start, min(start + step - 1, high)) for start in range(low, high + 1, step)]
    return ranges


def _checked(ranges: Sequence[_Range], count: int) -> Iterator[Report]:
    if count <= 1:
        yield from map(_check, ranges)
        return
    with _pool(count) as pool:
        yield from pool.imap_unordered(_check, ranges)


def _pool(count: int) -> Pool:
    if sys.platform == "linux" and threading.active_count() == 1:
        connections.close_all()
        gc.freeze()
        try:
            return multiprocessing.get_context("fork").Pool(count)
        finally:
            gc.unfreeze()
    return multiprocessing.get_context("spawn").Pool(count, initializer=configure_django)


_RESOURCES = "SELECT id, public_id, version, digest FROM record_resource WHERE type = %s AND id BETWEEN %s AND %s"
_VERSIONS = (
    "SELECT resource, version, digest, content FROM record_version "
    "WHERE type = %s AND resource BETWEEN %s AND %s ORDER BY resource, version"
)
_SIGNATURES = (
    "SELECT resource, version, as_version, meaning, signer, name, role, signed_at, recorded_at, message, "
    "statement, sha256, files, seal FROM record_signature WHERE type = %s AND resource BETWEEN %s AND %s "
    "ORDER BY id"
)


_FILES = (
    "SELECT resource, version, public_id, file FROM record_attachment "
    "WHERE type = %s AND resource BETWEEN %s AND %s ORDER BY version, place"
)
_STONES = (
    "SELECT t.item, t.version, t.sha256, t.size, t.seal, t.destruction_id, "
    "coalesce(d.outcome = 'done' AND d.by <> a.by, false) "
    "FROM record_tombstone t JOIN record_destruction a ON a.id = t.destruction_id "
    "LEFT JOIN record_destruction_decision d ON d.destruction_id = a.id "
    "WHERE t.kind = 'version' AND t.type = %s AND t.item BETWEEN %s AND %s"
)


def _check(wanted: _Range) -> Report:
    """Look at one range, in one snapshot."""
    values = [wanted.type_id, wanted.low, wanted.high]
    alone = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if alone:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(_STONES, values)
        stones: dict[int, dict[int, _Stone]] = {}
        for row, version, *said in cursor:
            stones.setdefault(row, {})[version] = _Stone(row, version, *said)
        cursor.execute(_RESOURCES, values)
        resources = {row: (public_id, version, bytes(digest)) for row, public_id, version, digest in cursor}
        signatures: dict[int, list[_Signed]] = {}
        if TYPE_NAME[wanted.type_id] in SIGNED_TYPES:
            cursor.execute(_SIGNATURES, values)
            for row, *said in cursor:
                signatures.setdefault(row, []).append(_Signed(*said))
        cursor.execute(_FILES, values)
        files: dict[int, list[_File]] = {}
        for row, *kept in cursor:
            files.setdefault(row, []).append(_File(*kept))
        checking = _Checking(TYPE_NAME[wanted.type_id], resources, signatures, stones, files)
        with connection.chunked_cursor() as stream:
            stream.cursor.itersize = _FETCHED
            stream.execute(_VERSIONS, values)
            for row, version, digest, content in stream:
                checking.version(row, version, digest, content)
        return checking.ended()


@dataclass(slots=True)
class _Signed:
    version: int
    as_version: int
    meaning: str
    signer: str
    name: str
    role: str
    signed_at: Any
    recorded_at: Any
    message: int
    statement: str
    sha256: bytes
    files: list[bytes]
    seal: bytes

    def bound(self, kind: str, public_id: str) -> Bound:
        return Bound(
            kind, public_id, self.version, self.as_version, self.meaning, self.signer, self.name, self.role,
            self.signed_at, self.recorded_at, self.message, self.statement, bytes(self.sha256),
            [bytes(each) for each in self.files],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _File:
    version: int
    public_id: str
    file: UUID


@dataclass(slots=True)
class _Stone:
    row: int
    version: int
    sha256: bytes
    size: int
    seal: bytes
    destruction: int
    by_two: bool


class _Checking:
    """One range as its versions come by, each resource's in order."""

    def __init__(
        self,
        kind: str,
        resources: dict[int, tuple[str, int, bytes]],
        signatures: dict[int, list[_Signed]],
        stones: dict[int, dict[int, _Stone]],
        files: dict[int, list[_File]],
    ) -> None:
        self._kind = kind
        self._resources = resources
        self._signatures = signatures
        self._stones = stones
        self._signs = kind in SIGNED_TYPES
        self._row: int | None = None
        self._next = 1
        self._seen: dict[int, bytes] = {}
        self._files = files
        self._proofs: dict[UUID, str] = {}
        self._report = Report(resources=len(resources))

    def version(self, row: int, version: int, digest: bytes | None, stored: bytes) -> None:
        """Look at the next version."""
        if row != self._row:
            self._end_resource()
            self._row, self._next = row, 1
        report = self._report
        report.versions += 1
        self._missing(row, range(self._next, version))
        if version in self._stones.get(row, {}):
            self._found(Trouble.TOMBSTONE, version, "it is said to be destroyed, and is there.")
        self._next = version + 1
        try:
            content = decompress(stored)
        except zstandard.ZstdError:
            self._found(Trouble.ALTERED, version, "its bytes cannot be read any more.")
            return
        known = self._resources.get(row)
        newest = known is not None and known[1] == version
        if digest is not None:
            report.provable += 1
        altered = False
        if digest is not None or newest:
            actual = hashlib.blake2b(content, digest_size=16).digest()
            altered = digest is not None and actual != digest
            altered |= newest and known is not None and actual != known[2]
        if altered:
            self._found(Trouble.ALTERED, version, "its bytes are not those that were filed.")
        if self._signs:
            for each in self._signatures.get(row, []):
                if each.version == version and sha256(content) != bytes(each.sha256):
                    self._found(Trouble.SIGNATURE, version, f"it is not what {_who(each)} signed.")
            if not altered:
                self._signed(row, version, newest, content)

    def _signed(self, row: int, version: int, newest: bool, content: bytes) -> None:
        """Compare what says it was signed with what and who was signed; of what is not known to be altered."""
        listed = self._signatures.get(row, [])
        for each in listed:
            if each.version == version != each.as_version:
                self._seen[version] = content
            if each.as_version == version != each.version and each.version in self._seen:
                before, after = self._read(each.version, self._seen[each.version]), self._read(version, content)
                if before is None or after is None:
                    continue
                if without_attestations(before) != without_attestations(after):
                    self._found(Trouble.SIGNATURE, version, f"it says more than what {_who(each)} signed.")
        if newest and (ATTESTER.encode() in content or b'"attester"' in content):
            signers = {each.signer for each in listed if each.as_version <= version}
            for said in attestations(self._read(version, content) or {}):
                if said.party.key.startswith("user:") and said.party.key not in signers:
                    self._found(Trouble.UNSIGNED, version, f"it says that {said.party.name} signed it; nobody did.")

    def _read(self, version: int, content: bytes) -> dict[str, Any] | None:
        """The resource that a version is; None, and found to be altered, where it is none."""
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError:
            found = None
        if isinstance(found, dict):
            return found
        self._found(Trouble.ALTERED, version, "its bytes are no resource any more.")
        return None

    def _end_resource(self) -> None:
        row = self._row
        if row is None:
            return
        known = self._resources.pop(row, None)
        if known is None:
            self._found(
                Trouble.MISSING, self._next - 1, "its versions are there, the resource is not.", id=str(row)
            )
        else:
            self._missing(row, range(self._next, known[1] + 1), known[0])
        self._check_seals(row, known[0] if known else str(row))
        self._seen.clear()

    def _missing(self, row: int, numbers: Iterable[int], id: str = "") -> None:
        """Name the versions that are neither there nor lawfully destroyed."""
        stones = self._stones.get(row, {})
        for number in numbers:
            if number not in stones:
                self._found(Trouble.MISSING, number, "the version is not there.", id=id)

    def _check_stones(self, row: int, public_id: str) -> dict[int, _Stone]:
        """Prove the tombstones of a resource: each made under the site's key, for what two persons decided."""
        stones = self._stones.pop(row, {})
        for each in stones.values():
            self._report.destroyed += 1
            seal = tombstone_seal(
                signature_key(), each.destruction, "version", TYPE_ID[self._kind], each.row, each.version,
                bytes(each.sha256), each.size,
            )  # fmt: skip
            if not hmac.compare_digest(seal, bytes(each.seal)):
                words = "its tombstone was made or changed without the site's key."
                self._found(Trouble.TOMBSTONE, each.version, words, id=public_id)
            elif not each.by_two:
                self._found(Trouble.TOMBSTONE, each.version, "no second person destroyed it.", id=public_id)
        return stones

    def _check_seals(self, row: int, public_id: str) -> None:
        stones = self._check_stones(row, public_id)
        kept = self._check_files(row, public_id)
        for each in self._signatures.pop(row, []):
            self._report.signatures += 1
            seal = each.bound(self._kind, public_id).seal(signature_key())
            if not hmac.compare_digest(seal, bytes(each.seal)):
                words = f"the signature of {_who(each)} was made or changed without the site's key."
                self._found(Trouble.SEAL, each.version, words, id=public_id)
            if each.version in stones:
                # What was signed is gone; its tombstone must be of what was signed.
                if bytes(stones[each.version].sha256) != bytes(each.sha256):
                    words = f"what was destroyed is not what {_who(each)} signed."
                    self._found(Trouble.SIGNATURE, each.version, words, id=public_id)
                continue
            if max(each.version, each.as_version) >= self._next:
                self._found(
                    Trouble.MISSING, each.version, f"{_who(each)} signed it; it is not there.", id=public_id
                )
            if any(attachment_id(bytes(digest).hex()) not in kept for digest in each.files):
                words = f"a file that {_who(each)} signed is not kept."
                self._found(Trouble.FILE, each.version, words, id=public_id)

    def _check_files(self, row: int, public_id: str) -> set[str]:
        """Read what is kept apart from a resource; the names of what is."""
        kept = self._files.pop(row, [])
        for each in kept:
            self._report.files += 1
            if words := self._wrong_with(each):
                self._found(Trouble.FILE, each.version, words, id=public_id)
        return {each.public_id for each in kept}

    def _wrong_with(self, kept: _File) -> str:
        """What is wrong with a file, in words; its name in the record is made of what it holds."""
        if (words := self._proofs.get(kept.file)) is None:
            found = proof_of(kept.file)
            words = self._proofs[kept.file] = found.words if found else ""
        if not words and attachment_id(stat(kept.file).sha256) != kept.public_id:
            return "a file of it was put in another's place."
        return words

    def ended(self) -> Report:
        """The range is over: what never came by is missing."""
        self._end_resource()
        self._row, self._next = None, 1
        for row, (public_id, version, _) in list(self._resources.items()):
            self._missing(row, range(1, version + 1), public_id)
            self._check_seals(row, public_id)
        for row in {*self._signatures, *self._files}:
            self._check_seals(row, str(row))
        for row in list(self._stones):
            self._check_stones(row, str(row))
            self._found(Trouble.MISSING, 1, "its tombstone is there, the resource is not.", id=str(row))
        return self._report

    def _found(self, trouble: Trouble, version: int, words: str, *, id: str = "") -> None:
        report = self._report
        report.count += 1
        if len(report.findings) >= _KEPT:
            return
        if not id and self._row is not None:
            known = self._resources.get(self._row)
            id = known[0] if known else str(self._row)
        report.findings.append(Finding(trouble, self._kind, id, version, words))


def _who(signed: _Signed) -> str:
    return signed.name or signed.signer or "somebody"


def sentences(report: Report) -> Iterable[str]:
    """The report in words."""
    rate = report.versions / report.seconds if report.seconds else 0
    yield (
        f"{report.versions} versions of {report.resources} resources and {report.signatures} signatures "
        f"with {report.files} files were looked at in {report.seconds:.1f} s ({rate:,.0f} versions a second)."
    )
    if report.provable < report.versions:
        yield (
            f"Note: {report.versions - report.provable} versions were filed before versions had a digest of their "
            "own; of these the newest of each resource was proved."
        )
    if report.destroyed:
        yield f"{report.destroyed} versions were lawfully destroyed; of each a sealed tombstone is left."
    if report.is_whole:
        yield "The record is whole: no version is missing or altered, and every signature binds what was signed."
        return
    yield f"THE RECORD IS DAMAGED: {report.count} findings. The first:"
    for number, found in enumerate(report.findings[:10], 1):
        yield f"{number:>3}. {found.trouble.value}: {found.sentence}"
    if report.count > 10:
        yield f"     and {report.count - 10} more; --format json lists the first {len(report.findings)}."
    yield "Keep the database as it is, and put what is damaged back from a backup."
