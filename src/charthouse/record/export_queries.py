"""Reads of everything there is, for exports: as it stood at one instant, in pieces, however long it takes.

What stood at an instant never changes, so an export that was broken off goes on where it was, hours later, and its
pieces still fit together. Nothing is held open meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
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
from .domain.packing import Packed
from .domain.side_by_side import Versions, received
from .domain.types import DIRECTORY_TYPES, TYPE_ID
from .version_queries import Kept

_PATIENT = TYPE_ID["Patient"]
_DELETED = STATE_NUMBER[State.DELETED]
_FETCH = 2_000
#: Bytes from which a content, as it is kept, is read by itself, and how many of those are read together.
_LARGE, _LARGE_TOGETHER = 32_000, 16_000_000
_LAST = 2**63 - 1
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


@dataclass(frozen=True, slots=True)
class Piece:
    """Versions of a type that are exported together, and where to go on after them. ``is_whole`` where nothing of
    them is kept apart in the file store."""

    kind: str
    spot: Spot
    versions: Versions
    is_whole: bool

    def __len__(self) -> int:
        return len(self.versions)

    def chosen(self, are_given: Iterable[bool]) -> Piece:
        """The same with those of which it is true."""
        return replace(self, versions=self.versions.chosen(are_given))

    def contents(self) -> list[bytes]:
        """The content of each; asks no database, and may be called in a thread of its own."""
        return self.versions.packed.contents()

    def filed(self) -> Iterator[tuple[int, datetime]]:
        """Of each the number of its version and when that was filed; the same object where the one before has the
        same, as what was filed together lies together."""
        last, told = (0, 0), (0, _EPOCH)
        for each in zip(self.versions.numbers, self.versions.filed, strict=True):
            if each != last:
                last, told = each, (each[0], _instant(each[1]))
            yield told

    def rows(self) -> list[int]:
        """The row of each."""
        return list(self.versions.rows)

    def public_ids(self) -> list[str]:
        """The public id of each; of those that are deleted alone."""
        return self.versions.public_ids

    def kept(self, number: int, content: bytes) -> Kept:
        """One of them for whoever wants all of it."""
        row, version = self.versions.rows[number], self.versions.numbers[number]
        at = _instant(self.versions.filed[number])
        return Kept(self.kind, "", row, version, version, at, None, False, content)


# Most rows carry no label; said so, the planner knows how many rows to expect, and joins them in order.
_SEEN = "(r.labels = 0 OR r.labels & %s = 0)"
_COLUMNS = "r.id, v.version, v.filed_at, v.state, v.content"
_TOGETHER_SENT = (
    "string_agg(int8send(id), ''), string_agg(int4send(version), ''), string_agg(timestamptz_send(filed_at), ''), "
    "string_agg(int2send(state), ''), string_agg(int8send(octet_length(content)), ''), "
    f"string_agg(content, '') FILTER (WHERE octet_length(content) < {_LARGE})"
)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _instant(sent: int) -> datetime:
    return _EPOCH + timedelta(microseconds=sent)


def _sent(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


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
    patients = None if kind in _SHARED else extent.patients
    # Asked once where all is read; of a part piece by piece, which takes less than looking through all there is.
    is_part = patients is not None or extent.since is not None
    any_apart = not deleted and (is_part or _any_apart(kind))
    groups = 1 if patients is None else -(-len(patients) // _TOGETHER)
    for group in range(after.group, groups):
        row = after.row if group == after.group else 0
        some = None if patients is None else list(patients[group * _TOGETHER : (group + 1) * _TOGETHER])
        more = True
        while more:
            read, more = _piece(ctx, kind, extent, row, some, deleted)
            if len(read):
                row = read.rows[-1]
            found = _meant(_as_of(ctx, kind, extent.at, read, deleted), extent.since, deleted)
            if len(found):
                yield Piece(kind, Spot(group, row), found, not any_apart or not _any_apart(kind, found.rows))


def _any_apart(kind: str, rows: Sequence[int] = (0, _LAST)) -> bool:
    """Whether anything of resources of a type, from the first of the rows to the last, is kept apart."""
    return bool(
        _rows(
            "SELECT FROM record_attachment WHERE resource BETWEEN %s AND %s AND type = %s LIMIT 1",
            [rows[0], rows[-1], TYPE_ID[kind]],
        )
    )


def _meant(found: Versions, since: datetime | None, deleted: bool) -> Versions:
    if since is None and not deleted and _DELETED not in found.states:
        return found
    begin = 0 if since is None else _sent(since)
    return found.chosen(
        (state == _DELETED) is deleted and at >= begin for state, at in zip(found.states, found.filed, strict=True)
    )


def _piece(
    ctx: AccessContext, kind: str, extent: Extent, row: int, patients: list[int] | None, deleted: bool
) -> tuple[Versions, bool]:
    """The next versions behind a row, and whether there may be more."""
    number = TYPE_ID[kind]
    # Where to begin is said of both tables: PostgreSQL concludes no inequality, and would read all anew.
    text = (
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
    found = _found(text + f"ORDER BY r.id LIMIT {_FETCH}", values, deleted)
    read = _complete(kind, found, _LARGE_TOGETHER)
    return read, len(read) < len(found) or len(found) == _FETCH


def _as_of(ctx: AccessContext, kind: str, at: datetime, read: Versions, deleted: bool) -> Versions:
    """The versions with those that are too new in the place of which the one of then is put."""
    end = _sent(at)
    if not len(read) or max(read.filed) < end:
        return read
    late = [row for row, filed in zip(read.rows, read.filed, strict=True) if filed >= end]
    number = TYPE_ID[kind]
    found = _found(
        f"WHERE r.type = {number} AND v.type = {number} AND r.id = ANY(%s) AND v.filed_at < %s "
        "ORDER BY r.id, v.version DESC",
        [late, at],
        deleted,
        distinct="DISTINCT ON (r.id) ",
    )
    older = _complete(kind, found)
    then = older.chosen([_is_seen(ctx, content) for content in older.packed.contents()])
    return read.chosen(filed < end for filed in read.filed).with_others(then)


def _is_seen(ctx: AccessContext, content: bytes) -> bool:
    """Whether an earlier version's own labels let it be seen: one taken off later still covers it."""
    return ctx.sees(bits_of(security_codes(orjson.loads(content))))


def _found(which: str, values: list[Any], deleted: bool, distinct: str = "") -> Versions:
    """The versions of resources that ``which`` finds; those whose content is large yet without it."""
    ids, public_ids = (", r.public_id", "array_agg(public_id)") if deleted else ("", "NULL")
    ((*columns, sizes, data, names),) = _rows(
        f"SELECT {_TOGETHER_SENT}, {public_ids} FROM (SELECT {distinct}{_COLUMNS}{ids} FROM {_TABLES}{which}) each",  # noqa: S608
        values,
    )
    rows, numbers, filed, states = (received(code, column) for code, column in zip("qiqh", columns, strict=True))
    return Versions(rows, numbers, filed, states, Packed(data or b"", received("Q", sizes)), list(names or ()))


def _complete(kind: str, found: Versions, most: int | None = None) -> Versions:
    """The first of the versions found, with those contents that are large: all, or those with which these have
    ``most`` bytes."""
    sizes = found.packed.sizes
    if not sizes or max(sizes) < _LARGE:
        return found
    large = [number for number, size in enumerate(sizes) if size >= _LARGE]
    together = list(accumulate(sizes[number] for number in large))
    if most is not None and (kept := bisect_left(together, most) + 1) < len(large):
        end, large = large[kept], large[:kept]
    else:
        end = len(sizes)
    contents = dict(
        _rows(
            "SELECT v.resource, v.content FROM unnest(%s::bigint[], %s::integer[]) AS large (resource, version) "  # noqa: S608
            f"JOIN record_version v USING (resource, version) WHERE v.type = {TYPE_ID[kind]}",
            [[found.rows[number] for number in large], [found.numbers[number] for number in large]],
        )
    )
    parts, at = [], 0
    for row, size in zip(found.rows[:end], sizes[:end], strict=True):
        if size < _LARGE:
            parts.append(found.packed.data[at : at + size])
            at += size
        else:
            parts.append(contents[row])
    return found.until(end, Packed(b"".join(parts), sizes[:end]))


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
