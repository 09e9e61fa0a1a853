"""File resources: the one way anything comes into the record.

Runs inside the caller's transaction and in few round trips however many resources there are: look up what is
there, number what is new, COPY resources, versions and index rows, update what changed. Two transactions that
file the same resource at once are kept apart by the caller's locks on the patient and by ours on patients
themselves and on what belongs to none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from charthouse.foundation.copying import (
    INFINITY,
    MINUS_INFINITY,
    NULL,
    blob,
    copy_in,
    int8,
    length,
    micros,
    next_numbers,
    row_struct,
    run_struct,
)
from charthouse.foundation.ids import hash64
from charthouse.record import schema
from charthouse.record.domain.documents import DOCUMENT_TYPES, SIGNED_TYPES
from charthouse.record.domain.filing import STATE_NUMBER, Filed, Filing, FilingError, Outcome, State
from charthouse.record.domain.index_rows import COLUMNS, complete
from charthouse.record.domain.text_rows import SEARCHED
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.locked import locked_here

from .note_signing import note_signing

_PATIENT = TYPE_ID["Patient"]
_ENCOUNTER = TYPE_ID["Encounter"]

_RESOURCE_COLUMNS = (
    "id", "patient", "encounter", "main_low", "main_high", "filed_at", "source", "version", "labels", "type",
    "state", "public_id", "digest",
)  # fmt: skip
_VERSION_COLUMNS = (
    "resource", "message", "original", "filed_at", "authored", "version", "type", "state", "place", "content",
    "digest",
)  # fmt: skip

# The columns of a row that are never null, run by run.
_RESOURCE_BEGIN, _RESOURCE_MIDDLE = row_struct("q"), run_struct("qqqiiihh")
_VERSION_BEGIN, _VERSION_END = row_struct("qqqq"), run_struct("ihh")

_DUE_COLUMNS = ("resource", "filed_at", "type")
_DUE = row_struct("qqh")

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


@dataclass(frozen=True, slots=True)
class Moved:
    """A filing that would give a resource to another patient: the rows of the two, None for a patient who is not
    in the record yet."""

    filing: Filing
    from_row: int | None
    to_row: int | None


class FilingBatch:
    """Resources about to be filed, with what the record has of them. Locks and looks up when made."""

    def __init__(self, cursor: Any, filings: Sequence[Filing]) -> None:
        self._cursor = cursor
        _lock_unowned(cursor, filings)
        _lock_documents(cursor, filings)
        self._known = _look_up(cursor, _keys_of(filings))
        self._coming = {filing.public_id for filing in filings if filing.type_id == _PATIENT}
        self._filings = filings

    def without_patient(self) -> list[Filing]:
        """The filings whose patient is neither in the record nor among them."""
        return [
            filing
            for filing in self._filings
            if filing.patient
            and filing.patient not in self._coming
            and (_PATIENT, filing.patient) not in self._known
        ]

    def moved(self) -> list[Moved]:
        """The filings that would give a resource to another patient than it belongs to, or than a filing before
        them in the batch gave it to."""
        found = []
        first: dict[Key, str] = {}
        for filing in self._filings:
            if filing.patient is None or filing.type_id == _PATIENT:
                continue
            key = (filing.type_id, filing.public_id)
            entry = self._known.get(key)
            to_row = self._row_of(filing.patient)
            if entry is not None and entry.patient is not None:
                if to_row != entry.patient:
                    found.append(Moved(filing, entry.patient, to_row))
            elif (before := first.setdefault(key, filing.patient)) != filing.patient:
                found.append(Moved(filing, self._row_of(before), to_row))
        return found

    def updates(self, kind: str) -> list[tuple[Filing, int]]:
        """The filings of this type that would give a resource in the record a new version, with its row."""
        type_id, found = TYPE_ID[kind], []
        for filing in self._filings:
            entry = self._known.get((type_id, filing.public_id)) if filing.type_id == type_id else None
            if entry is not None and not filing.only_if_absent and entry.digest != filing.digest:
                found.append((filing, entry.id))
        return found

    def destroyed(self) -> list[Filing]:
        """The filings that would bring back what was lawfully destroyed."""
        return [
            filing
            for filing in self._filings
            if (entry := self._known.get((filing.type_id, filing.public_id))) is not None
            and entry.state == STATE_NUMBER[State.DESTROYED]
        ]

    def locked(self) -> list[Filing]:
        """The filings that would change a document which was signed or corrected here."""
        concerned = [
            (filing, entry)
            for filing in self._filings
            if filing.type in DOCUMENT_TYPES
            and (entry := self._known.get((filing.type_id, filing.public_id))) is not None
            and (entry.digest, entry.state) != (filing.digest, filing.state)
        ]
        here = locked_here(self._cursor, [(filing.type_id, entry.id) for filing, entry in concerned])
        return [filing for filing, entry in concerned if (filing.type_id, entry.id) in here]

    def _row_of(self, patient: str) -> int | None:
        known = self._known.get((_PATIENT, patient))
        return known.id if known else None

    def file(self, filings: Sequence[Filing], filed_at: datetime) -> list[Filed]:
        """File ``filings``, all or some of the batch's, in order; what became of each, in the same order.

        A resource that stands already with the same bytes is left alone; with other bytes it gets a new version.
        Raises FilingError, before anything is written, for a resource whose patient is not in the record.
        """
        known = self._known
        coming = {filing.public_id for filing in filings if filing.type_id == _PATIENT}
        for filing in filings:
            if filing.patient and filing.patient not in coming and (_PATIENT, filing.patient) not in known:
                raise FilingError(f"The {filing.type} names a patient who is not in the record.", filing)
        self._number(filings)
        now = micros(filed_at)
        versions: list[bytes] = []
        results = [self._version(filing, now, versions) for filing in filings]
        index: dict[str, list[bytes]] = {table: [] for table in COLUMNS}
        created: list[bytes] = []
        changed: list[_Known] = []
        due: list[bytes] = []
        for entry in known.values():
            if (current := entry.filing) is None:
                continue
            if current.type_id in SEARCHED:
                due.append(_DUE.pack(len(_DUE_COLUMNS), 8, entry.id, 8, now, 2, current.type_id))
            if entry.stored_version:
                changed.append(entry)
            else:
                created.append(self._resource_row(entry, now))
            complete(current.index, index, resource=entry.id, at=current.main_low, version=entry.version)
        copy_in(self._cursor, schema.RESOURCE, _RESOURCE_COLUMNS, created)
        self._update(changed, now)
        copy_in(self._cursor, schema.VERSION, _VERSION_COLUMNS, versions)
        for table, rows in index.items():
            copy_in(self._cursor, table, COLUMNS[table], rows)
        note_signing(
            self._cursor,
            [
                (filing, done)
                for filing, done in zip(filings, results, strict=True)
                if filing.type in SIGNED_TYPES and done.outcome is not Outcome.UNCHANGED
            ],
            filed_at,
        )
        copy_in(self._cursor, schema.TEXT_DUE, _DUE_COLUMNS, due)
        return results

    def _number(self, filings: Sequence[Filing]) -> None:
        fresh = [key for key in dict.fromkeys((f.type_id, f.public_id) for f in filings) if key not in self._known]
        for key, number in zip(fresh, next_numbers(self._cursor, "record_resource_id", len(fresh)), strict=True):
            self._known[key] = _Known(number, 0, b"", None, 0)

    def _version(self, filing: Filing, now: int, versions: list[bytes]) -> Filed:
        entry = self._known[(filing.type_id, filing.public_id)]
        # What belonged to a patient stays that patient's when a later version does not say whose it is.
        patient = self._known[(_PATIENT, filing.patient)].id if filing.patient else entry.patient
        same = entry.digest == filing.digest and entry.state == filing.state
        if entry.version and (same or filing.only_if_absent):
            return Filed(filing.type, filing.public_id, entry.id, entry.version, patient, Outcome.UNCHANGED)
        outcome = Outcome.UPDATED if entry.version else Outcome.CREATED
        entry.version += 1
        entry.digest, entry.state, entry.patient, entry.filing = filing.digest, filing.state, patient, filing
        versions += (
            _VERSION_BEGIN.pack(len(_VERSION_COLUMNS), 8, entry.id, 8, filing.message, 8, filing.original, 8, now),
            int8(filing.authored),
            _VERSION_END.pack(4, entry.version, 2, filing.type_id, 2, filing.state),
            blob(filing.place.encode()) if filing.place else NULL,
            length(filing.compressed),
            filing.compressed,
            blob(filing.digest),
        )
        return Filed(filing.type, filing.public_id, entry.id, entry.version, patient, outcome)

    def _resource_row(self, entry: _Known, now: int) -> bytes:
        filing = entry.filing
        assert filing is not None
        encounter = self._known.get((_ENCOUNTER, filing.encounter)) if filing.encounter else None
        return (
            _RESOURCE_BEGIN.pack(len(_RESOURCE_COLUMNS), 8, entry.id)
            + int8(entry.patient)
            + int8(encounter.id if encounter else None)
            + _RESOURCE_MIDDLE.pack(
                8, filing.main_low, 8, filing.main_high, 8, now, 4, filing.source, 4, entry.version,
                4, filing.labels, 2, filing.type_id, 2, filing.state,
            )
            + blob(filing.public_id.encode())
            + blob(filing.digest)
        )  # fmt: skip

    def _update(self, changed: Sequence[_Known], now: int) -> None:
        """Bring the rows of resources that got a new version up to date, in the order of their ids."""
        if not changed:
            return
        if len(changed) <= _FEW:
            self._update_few(sorted(changed, key=lambda each: each.id), now)
            return
        rows = [self._resource_row(entry, now) for entry in sorted(changed, key=lambda each: each.id)]
        self._cursor.execute(
            "CREATE TEMP TABLE IF NOT EXISTS filing_changed (LIKE record_resource) ON COMMIT DELETE ROWS"
        )
        self._cursor.execute("DELETE FROM filing_changed")
        copy_in(self._cursor, "filing_changed", _RESOURCE_COLUMNS, rows)
        self._cursor.execute(
            "UPDATE record_resource AS r SET patient = c.patient, encounter = c.encounter, main_low = c.main_low, "
            "main_high = c.main_high, filed_at = c.filed_at, source = c.source, version = c.version, "
            "labels = c.labels, state = c.state, digest = c.digest "
            "FROM filing_changed c WHERE r.type = c.type AND r.id = c.id"
        )
        # A note that is there already is locked, or a sweep could take it away before this version is to be seen.
        self._cursor.execute(
            "INSERT INTO record_superseded (type, resource) SELECT type, id FROM filing_changed ORDER BY type, id "
            "ON CONFLICT (type, resource) DO UPDATE SET resource = excluded.resource"
        )

    def _update_few(self, changed: Sequence[_Known], now: int) -> None:
        """The same for one or a few, without a table to be filled and emptied."""
        for entry in changed:
            filing = entry.filing
            assert filing is not None
            encounter = self._known.get((_ENCOUNTER, filing.encounter)) if filing.encounter else None
            self._cursor.execute(
                _UPDATE_ONE,
                [
                    entry.patient,
                    encounter.id if encounter else None,
                    *_instant(filing.main_low),
                    *_instant(filing.main_high),
                    *_instant(now),
                    filing.source,
                    entry.version,
                    filing.labels,
                    filing.state,
                    filing.digest,
                    filing.type_id,
                    entry.id,
                ],
            )
        self._cursor.execute(
            "INSERT INTO record_superseded (type, resource) SELECT * FROM unnest(%s::smallint[], %s::bigint[]) "
            "AS s(type, resource) ORDER BY type, resource "
            "ON CONFLICT (type, resource) DO UPDATE SET resource = excluded.resource",
            [[entry.filing.type_id for entry in changed if entry.filing], [entry.id for entry in changed]],
        )


#: Up to so many are updated one by one.
_FEW = 4
_HOUR = 3_600_000_000
# Hours and microseconds apart, each of which PostgreSQL multiplies exactly.
_INSTANT = (
    "coalesce(%s::timestamptz, timestamptz '2000-01-01 00:00:00+00' + make_interval(hours => %s::int) "
    "+ %s * interval '1 microsecond')"
)

_UPDATE_ONE = (
    "UPDATE record_resource SET patient = %s, encounter = %s, "  # noqa: S608 (fixed words)
    f"main_low = {_INSTANT}, main_high = {_INSTANT}, filed_at = {_INSTANT}, "
    "source = %s, version = %s, labels = %s, state = %s, digest = %s WHERE type = %s AND id = %s"
)


def _instant(microseconds: int) -> tuple[str | None, int, int]:
    """The values of :data:`_INSTANT` for microseconds since 2000, or for no limit."""
    if microseconds in (INFINITY, MINUS_INFINITY):
        return ("infinity" if microseconds == INFINITY else "-infinity"), 0, 0
    return None, microseconds // _HOUR, microseconds % _HOUR


def file_resources(cursor: Any, filings: Sequence[Filing], filed_at: datetime) -> list[Filed]:
    """File ``filings`` without further questions; see :meth:`FilingBatch.file`."""
    return FilingBatch(cursor, filings).file(filings, filed_at)


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
    """What the record has under ``keys``: one query, a branch a type, so that each looks into one partition."""
    by_type: dict[int, list[str]] = {}
    for type_id, public_id in keys:
        by_type.setdefault(type_id, []).append(public_id)
    if not by_type:
        return {}
    branch = (
        "SELECT type, public_id, id, version, digest, patient, state FROM record_resource "
        "WHERE type = {} AND public_id = ANY(string_to_array(%s, E'\\x1f'))"
    )
    # One text is sent much faster than an array. No id can hold the separator; a reference that does is not found.
    cursor.execute(" UNION ALL ".join(map(branch.format, by_type)), ["\x1f".join(ids) for ids in by_type.values()])
    return {
        (type_id, public_id): _Known(number, version, bytes(digest), patient, state)
        for type_id, public_id, number, version, digest, patient, state in cursor.fetchall()
    }


def _lock_documents(cursor: Any, filings: Sequence[Filing]) -> None:
    """Wait for who is signing or correcting a document just now, and have it to oneself."""
    documents = sorted({(each.type_id, each.public_id) for each in filings if each.type in DOCUMENT_TYPES})
    if documents:
        cursor.execute(
            "SELECT FROM record_resource WHERE (type, public_id) IN (SELECT * FROM unnest(%s::smallint[], "
            "string_to_array(%s, E'\\x1f'))) ORDER BY type, id FOR UPDATE",
            [[kind for kind, _ in documents], "\x1f".join(public_id for _, public_id in documents)],
        )


def _lock_unowned(cursor: Any, filings: Sequence[Filing]) -> None:
    """Keep two transactions from creating the same patient, or the same resource of nobody's; always in the same
    order."""
    locks = sorted(
        {
            hash64(f"{filing.type}/{filing.public_id}")
            for filing in filings
            if filing.patient is None or filing.type_id == _PATIENT
        }
    )
    if locks:
        cursor.execute("SELECT pg_advisory_xact_lock(lock) FROM unnest(%s::bigint[]) AS lock", [locks])
