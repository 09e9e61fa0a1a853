"""File resources: the one way anything comes into the record.

Runs inside the caller's transaction and in few round trips however many resources there are: look up what is
there, number what is new, COPY resources, versions and index rows, update what changed. Two transactions that
file the same resource at once are kept apart by the caller's locks on the patient and by ours on resources
that belong to no patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from charthouse.foundation.copying import blob, copy_in, int2, int4, int8, micros, row
from charthouse.foundation.ids import hash64
from charthouse.record import schema
from charthouse.record.domain.filing import Filed, Filing, FilingError, Outcome
from charthouse.record.domain.index_rows import COLUMNS, render
from charthouse.record.domain.types import DIRECTORY_TYPES, TYPE_ID

_PATIENT = TYPE_ID["Patient"]
_ENCOUNTER = TYPE_ID["Encounter"]
_DIRECTORY_IDS = frozenset(TYPE_ID[name] for name in DIRECTORY_TYPES)

_RESOURCE_COLUMNS = (
    "id", "patient", "encounter", "main_low", "main_high", "filed_at", "source", "version", "labels", "type",
    "state", "public_id", "digest",
)  # fmt: skip
_VERSION_COLUMNS = (
    "resource", "message", "original", "filed_at", "authored", "version", "type", "state", "place",
    "content",
)  # fmt: skip

Key = tuple[int, str]


class _Known:
    """A resource as it stands while a batch is filed."""

    __slots__ = ("digest", "filing", "id", "patient", "state", "stored_version", "version")

    def __init__(self, id: int, version: int, digest: bytes, patient: int | None, state: int) -> None:
        self.id = id
        self.version = version
        self.stored_version = version
        self.digest = digest
        self.patient = patient
        self.state = state
        self.filing: Filing | None = None


def file_resources(cursor: Any, filings: Sequence[Filing], filed_at: datetime) -> list[Filed]:
    """File ``filings`` in order and return what became of each, in the same order.

    A resource that stands already with the same bytes is left alone; with other bytes it gets a new version.
    Raises FilingError, before anything is written, for a resource whose patient is not in the record.
    """
    _lock_directory(cursor, filings)
    known = _look_up(cursor, _keys_of(filings))
    _require_patients(filings, known)
    fresh = [key for key in dict.fromkeys((f.type_id, f.public_id) for f in filings) if key not in known]
    for key, number in zip(fresh, _numbers(cursor, len(fresh)), strict=True):
        known[key] = _Known(number, 0, b"", None, 0)

    now = micros(filed_at)
    versions: list[bytes] = []
    results: list[Filed] = []
    for filing in filings:
        entry = known[(filing.type_id, filing.public_id)]
        patient = known[(_PATIENT, filing.patient)].id if filing.patient else None
        if filing.type_id == _PATIENT:
            patient = entry.id
        same = entry.digest == filing.digest and entry.state == filing.state
        if entry.version and (same or filing.only_if_absent):
            results.append(
                Filed(filing.type, filing.public_id, entry.id, entry.version, patient, Outcome.UNCHANGED)
            )
            continue
        outcome = Outcome.UPDATED if entry.version else Outcome.CREATED
        entry.version += 1
        entry.digest, entry.state, entry.patient, entry.filing = filing.digest, filing.state, patient, filing
        versions.append(
            row(
                int8(entry.id), int8(filing.message), int8(filing.original), int8(now), int8(filing.authored),
                int4(entry.version), int2(filing.type_id), int2(filing.state),
                blob(filing.place.encode() or None), blob(filing.compressed),
            )
        )  # fmt: skip
        results.append(Filed(filing.type, filing.public_id, entry.id, entry.version, patient, outcome))

    index: dict[str, list[bytes]] = {table: [] for table in COLUMNS}
    created: list[bytes] = []
    changed: list[tuple[_Known, int | None]] = []
    for entry in known.values():
        if (current := entry.filing) is None:
            continue
        encounter = known.get((_ENCOUNTER, current.encounter)) if current.encounter else None
        encounter_id = encounter.id if encounter else None
        if entry.stored_version:
            changed.append((entry, encounter_id))
        else:
            created.append(_resource_row(entry, encounter_id, now))
        at = current.main_low
        render(
            current.rows, index,
            resource=entry.id, at=at, version=entry.version, labels=current.labels, type_id=current.type_id,
        )  # fmt: skip
    copy_in(cursor, schema.RESOURCE, _RESOURCE_COLUMNS, created)
    _update(cursor, changed, now)
    copy_in(cursor, schema.VERSION, _VERSION_COLUMNS, versions)
    for table, rows in index.items():
        copy_in(cursor, table, COLUMNS[table], rows)
    return results


def _keys_of(filings: Iterable[Filing]) -> list[Key]:
    keys: dict[Key, None] = {}
    for filing in filings:
        keys[(filing.type_id, filing.public_id)] = None
        if filing.patient:
            keys[(_PATIENT, filing.patient)] = None
        if filing.encounter:
            keys[(_ENCOUNTER, filing.encounter)] = None
    return list(keys)


def _look_up(cursor: Any, keys: Sequence[Key]) -> dict[Key, _Known]:
    found: dict[Key, _Known] = {}
    by_type: dict[int, list[str]] = {}
    for type_id, public_id in keys:
        by_type.setdefault(type_id, []).append(public_id)
    for type_id, public_ids in by_type.items():
        cursor.execute(
            "SELECT public_id, id, version, digest, patient, state FROM record_resource "
            "WHERE type = %s AND public_id = ANY(%s)",
            [type_id, public_ids],
        )
        for public_id, number, version, digest, patient, state in cursor.fetchall():
            found[(type_id, public_id)] = _Known(number, version, bytes(digest), patient, state)
    return found


def _lock_directory(cursor: Any, filings: Sequence[Filing]) -> None:
    """Keep two transactions from creating the same shared resource; always in the same order."""
    locks = sorted(
        {hash64(f"{filing.type}/{filing.public_id}") for filing in filings if filing.type_id in _DIRECTORY_IDS}
    )
    if locks:
        cursor.execute("SELECT pg_advisory_xact_lock(lock) FROM unnest(%s::bigint[]) AS lock", [locks])


def _require_patients(filings: Sequence[Filing], known: dict[Key, _Known]) -> None:
    """Every patient named is in the record or comes earlier in this batch."""
    coming = {filing.public_id for filing in filings if filing.type_id == _PATIENT}
    for filing in filings:
        if filing.patient and filing.patient not in coming and (_PATIENT, filing.patient) not in known:
            raise FilingError(
                f"The {filing.type} names a patient who is not in the record. "
                "Send the patient, then try this again.",
                filing,
            )


def _numbers(cursor: Any, count: int) -> list[int]:
    if not count:
        return []
    cursor.execute("SELECT nextval('record_resource_id') FROM generate_series(1, %s)", [count])
    return [number for (number,) in cursor.fetchall()]


def _resource_row(entry: _Known, encounter: int | None, now: int) -> bytes:
    filing = entry.filing
    assert filing is not None
    return row(
        int8(entry.id), int8(entry.patient), int8(encounter), int8(filing.main_low), int8(filing.main_high),
        int8(now), int4(filing.source), int4(entry.version), int4(filing.labels), int2(filing.type_id),
        int2(filing.state), blob(filing.public_id.encode()), blob(filing.digest),
    )  # fmt: skip


def _update(cursor: Any, changed: Sequence[tuple[_Known, int | None]], now: int) -> None:
    """Bring the rows of resources that got a new version up to date, in the order of their ids."""
    if not changed:
        return
    rows = [
        _resource_row(entry, encounter, now) for entry, encounter in sorted(changed, key=lambda each: each[0].id)
    ]
    cursor.execute("CREATE TEMP TABLE IF NOT EXISTS filing_changed (LIKE record_resource) ON COMMIT DELETE ROWS")
    cursor.execute("DELETE FROM filing_changed")
    copy_in(cursor, "filing_changed", _RESOURCE_COLUMNS, rows)
    cursor.execute(
        "UPDATE record_resource AS r SET patient = c.patient, encounter = c.encounter, main_low = c.main_low, "
        "main_high = c.main_high, filed_at = c.filed_at, source = c.source, version = c.version, "
        "labels = c.labels, state = c.state, digest = c.digest "
        "FROM filing_changed c WHERE r.type = c.type AND r.id = c.id"
    )
