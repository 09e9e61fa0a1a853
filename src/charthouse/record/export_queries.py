"""Reads of everything there is, for exports: as it stood at one instant, in pieces, however long it takes.

What stood at an instant never changes, so an export that was broken off goes on where it was, hours later, and its
pieces still fit together. Nothing is held open meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import orjson
from django.db import connection

from charthouse.exchange.fhir.api import security_codes
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import wall
from charthouse.foundation.memory import without_collection
from charthouse.foundation.prepared import prepared_in_time

from .domain.filing import STATE_NUMBER, State
from .domain.labels import bits_of
from .domain.packing import decompress, decompress_all
from .domain.types import DIRECTORY_TYPES, TYPE_ID
from .version_queries import Kept

_PATIENT = TYPE_ID["Patient"]
_DELETED = STATE_NUMBER[State.DELETED]
_FETCH = 2_000
#: Types that are nobody's, and so are read whole also where patients are named.
_SHARED = DIRECTORY_TYPES | {"Medication"}
#: Source patients whose resources are read together, where some are named.
_TOGETHER = 20
#: Seconds after which a transaction that wrote nothing yet counts as one that only reads.
_READS_ONLY = 60


def settled_at() -> datetime:
    """The latest instant before which everything filed is to be seen: now, or when the oldest transaction that may
    still file something began."""
    now = wall()
    with connection.cursor() as cursor:
        # Its clock may differ from ours, so only the difference counts.
        cursor.execute(
            "SELECT clock_timestamp() - min(xact_start) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND (backend_xid IS NOT NULL "
            "OR xact_start > clock_timestamp() - make_interval(secs => %s))",
            [_READS_ONLY],
        )
        open_for = cursor.fetchone()[0]
    return now - open_for if open_for is not None and open_for.total_seconds() > 0 else now


@dataclass(frozen=True, slots=True)
class Extent:
    """What of the record is read: as it stood at ``at``, changed since ``since`` where given; of these source
    patients (rows, in order), of any patient, or, by default, everything."""

    at: datetime
    since: datetime | None = None
    patients: Sequence[int] | None = None
    of_patients: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """Where reading goes on: the group of patients and the row of the last resource read."""

    group: int = 0
    row: int = 0


Record = tuple[Any, ...]
"""A version that is exported: row, number, when it was filed (as PostgreSQL sends it, eight bytes that stand in the
order of time), state, content as it is kept; where it is a deletion, the public id, too."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Versions of a type that are exported together, in the order of their rows, and where to go on after them.
    ``is_whole`` where nothing of them is kept apart in the file store."""

    kind: str
    spot: Spot
    records: Sequence[Record]
    is_whole: bool

    def contents(self) -> list[bytes]:
        """The content of each; asks no database, and may be called in a thread of its own."""
        return decompress_all(list(map(itemgetter(_CONTENT), self.records)))

    def filed(self) -> Iterator[tuple[int, datetime]]:
        """Of each the number of its version and when that was filed; the same object where the one before has the
        same, as what was filed together lies together."""
        number, at, told = 0, b"", (0, _EPOCH)
        for record in self.records:
            if record[_AT] != at or record[_VERSION] != number:
                number, at = record[_VERSION], record[_AT]
                told = (number, _instant(at))
            yield told

    def rows(self) -> list[int]:
        """The row of each."""
        return list(map(itemgetter(_ROW), self.records))

    def public_ids(self) -> list[str]:
        """The public id of each; of those that are deleted alone."""
        return list(map(itemgetter(_PUBLIC_ID), self.records))

    def kept(self, number: int, content: bytes) -> Kept:
        """One of them for whoever wants all of it."""
        row, version, at, *_ = self.records[number]
        return Kept(self.kind, "", row, version, version, _instant(at), None, False, content)


# Most rows carry no label; said so, the planner knows how many rows to expect, and joins them in order.
_SEEN = "(r.labels = 0 OR r.labels & %s = 0)"
_ROW, _VERSION, _AT, _STATE, _CONTENT, _PUBLIC_ID = range(6)
_COLUMNS = "r.id, v.version, timestamptz_send(v.filed_at), v.state, v.content"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _instant(sent: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=int.from_bytes(sent, "big"))


def _sent(at: datetime) -> bytes:
    return ((at - _EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big")


_TABLES = "record_resource r JOIN record_version v ON v.type = r.type AND v.resource = r.id "


def types_in(ctx: AccessContext, kinds: Sequence[str], *, of_patients: bool = False) -> list[str]:
    """Those of the types of which there is anything that may be seen; ``of_patients``, anything of a patient's."""
    owned = "AND patient IS NOT NULL" if of_patients else ""
    found = []
    with connection.cursor() as cursor:
        for kind in kinds:
            cursor.execute(
                f"SELECT EXISTS (SELECT FROM record_resource WHERE type = %s AND labels & %s = 0 {owned})",  # noqa: S608
                [TYPE_ID[kind], ~int(ctx.clearance)],
            )
            if cursor.fetchone()[0]:
                found.append(kind)
    return found


def standing(
    ctx: AccessContext, kind: str, extent: Extent, after: Spot, *, deleted: bool = False
) -> Iterator[Piece]:
    """The resources of a type in the extent, in the order of their rows and some thousand at a time. ``deleted``
    gives those that were deleted by then instead.
    """
    columns = f"{_COLUMNS}, r.public_id" if deleted else _COLUMNS
    patients = None if kind in _SHARED else extent.patients
    groups = 1 if patients is None else -(-len(patients) // _TOGETHER)
    for group in range(after.group, groups):
        row = after.row if group == after.group else 0
        some = None if patients is None else list(patients[group * _TOGETHER : (group + 1) * _TOGETHER])
        while True:
            records = _piece(ctx, kind, columns, extent, row, some)
            found = _meant(_as_of(ctx, kind, columns, extent.at, records), extent.since, deleted)
            if records:
                row = records[-1][_ROW]
            if found:
                yield Piece(kind, Spot(group, row), found, deleted or not _any_apart(kind, found))
            if len(records) < _FETCH:
                break


def _any_apart(kind: str, records: list[Record]) -> bool:
    return bool(
        _rows(
            "SELECT FROM record_attachment WHERE resource BETWEEN %s AND %s AND type = %s LIMIT 1",
            [records[0][_ROW], records[-1][_ROW], TYPE_ID[kind]],
        )
    )


def _meant(records: list[Record], since: datetime | None, deleted: bool) -> list[Record]:
    if since is None and not deleted and _DELETED not in set(map(itemgetter(_STATE), records)):
        return records
    begin = b"" if since is None else _sent(max(since, _EPOCH))
    return [record for record in records if (record[_STATE] == _DELETED) is deleted and record[_AT] >= begin]


def _piece(
    ctx: AccessContext, kind: str, columns: str, extent: Extent, row: int, patients: list[int] | None
) -> list[Record]:
    number = TYPE_ID[kind]
    # Where to begin is said of both tables: PostgreSQL concludes no inequality, and would read all anew.
    text = f"SELECT {columns} FROM {_TABLES}" + (  # noqa: S608
        f"AND v.version = r.version WHERE r.type = {number} AND v.type = {number} "
        f"AND r.id > %s AND v.resource > %s AND {_SEEN} "
    )
    values: list[Any] = [row, row, ~int(ctx.clearance)]
    owner = "r.id" if number == _PATIENT else "r.patient"
    if kind in _SHARED:
        pass
    elif patients is not None:
        text += f"AND {owner} = ANY(%s) "
        values.append(patients)
    elif extent.of_patients and number != _PATIENT:
        text += "AND r.patient IS NOT NULL "
    if extent.since is not None:
        text += "AND r.filed_at >= %s "
        values.append(extent.since)
    return _rows(text + f"ORDER BY r.id LIMIT {_FETCH}", values)


def _as_of(ctx: AccessContext, kind: str, columns: str, at: datetime, records: list[Record]) -> list[Record]:
    """The rows with those versions that are too new in the place of which the one of then is put."""
    end = _sent(at)
    if not records or max(map(itemgetter(_AT), records)) < end:
        return records
    late = [record[_ROW] for record in records if record[_AT] >= end]
    number = TYPE_ID[kind]
    older = _rows(
        f"SELECT DISTINCT ON (r.id) {columns} FROM {_TABLES}"  # noqa: S608
        "WHERE r.type = %s AND v.type = %s AND r.id = ANY(%s) AND v.filed_at < %s ORDER BY r.id, v.version DESC",
        [number, number, late, at],
    )
    then = {record[_ROW]: record for record in older if _is_seen(ctx, record[_CONTENT])}
    found = (record if record[_AT] < end else then.get(record[_ROW]) for record in records)
    return [record for record in found if record is not None]


def _is_seen(ctx: AccessContext, content: bytes) -> bool:
    """Whether an earlier version's own labels let it be seen: one taken off later still covers it."""
    return ctx.sees(bits_of(security_codes(orjson.loads(decompress(content)))))


def _rows(text: str, values: list[Any]) -> list[Any]:
    # In binary: bytes are neither written as text nor read from it.
    with without_collection():
        return prepared_in_time(text, values)


def patients_in(ctx: AccessContext, extent: Extent, kinds: Sequence[str], *, size: int) -> Iterator[list[str]]:
    """The public ids of the source patients of whom anything is in the extent, ``size`` at a time."""
    numbers = [TYPE_ID[kind] for kind in kinds]
    window, values = "", []
    if extent.since is not None:
        window, values = "AND r.filed_at >= %s ", [extent.since]
    if extent.patients is not None:
        chosen, named = "AND p.id = ANY(%s) ", [list(extent.patients)]
    else:
        chosen, named = "", []
    row = 0
    while True:
        found = _rows(
            "SELECT p.id, p.public_id FROM record_resource p WHERE p.type = %s AND p.id > %s "  # noqa: S608
            f"{chosen} AND ((%s AND p.labels & %s = 0 {window.replace('r.', 'p.')}) OR EXISTS (SELECT FROM "
            f"record_resource r WHERE r.patient = p.id AND r.type = ANY(%s) AND r.labels & %s = 0 {window})) "
            "ORDER BY p.id LIMIT %s",
            [
                _PATIENT, row, *named, _PATIENT in numbers, ~int(ctx.clearance), *values,
                numbers, ~int(ctx.clearance), *values, size,
            ],
        )  # fmt: skip
        if found:
            yield [public_id for _, public_id in found]
        if len(found) < size:
            return
        row = found[-1][0]


def rows_of_patients(ctx: AccessContext, public_ids: Sequence[str]) -> list[int]:
    """The rows of these source patients, in order; of those that are not there or may not be seen, none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM record_resource WHERE type = %s AND public_id = ANY(%s) AND labels & %s = 0 "
            "AND state <> %s ORDER BY id",
            [_PATIENT, list(public_ids), ~int(ctx.clearance), _DELETED],
        )
        return [row for (row,) in cursor.fetchall()]


def owners(kind: str, rows: Sequence[int]) -> set[str]:
    """The public ids of the source patients whom these resources of a type belong to, or who they are."""
    number = TYPE_ID[kind]
    owner = "r.id" if number == _PATIENT else "r.patient"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT p.public_id FROM record_resource r JOIN record_resource p "  # noqa: S608 (ours)
            f"ON p.type = %s AND p.id = {owner} WHERE r.type = %s AND r.id = ANY(%s)",
            [_PATIENT, number, list(rows)],
        )
        return {public_id for (public_id,) in cursor.fetchall()}
