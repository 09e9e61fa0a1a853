"""Reads of resources as they are given to other systems: one as it stands, one version, and how things changed.

Content comes as it is kept, compressed; what is kept apart in the file store is put back by :func:`whole`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from django.db import connection

from charthouse.exchange.fhir.api import security_codes
from charthouse.foundation.access.api import ALL_LABELS, AccessContext
from charthouse.foundation.base64 import as_base64
from charthouse.foundation.files.api import read as read_file
from charthouse.foundation.prepared import prepared

from .domain.attachments import attachments_of, binary_id
from .domain.exact import editable
from .domain.filing import STATE_NUMBER, State
from .domain.index_rows import token_hash
from .domain.labels import bits_of
from .domain.packing import decompress
from .domain.types import TYPE_ID, TYPE_NAME
from .queries import Stored, param_of

_PATIENT = TYPE_ID["Patient"]
_DELETED = STATE_NUMBER[State.DELETED]


@dataclass(frozen=True, slots=True)
class Kept:
    """A version of a resource. ``patient`` is the public id of whose it is, None where it is nobody's; ``newest``
    is the number of the current version."""

    type: str
    public_id: str
    row: int
    version: int
    newest: int
    at: datetime
    patient: str | None
    is_deleted: bool
    content: bytes


# The patient's public id is looked up by primary key, in the partition of the directory.
_SELECT = (
    "SELECT r.type, r.public_id, r.id, v.version, r.version, v.filed_at, p.public_id, v.state, v.content "  # noqa: S608
    "FROM record_resource r JOIN record_version v ON v.type = r.type AND v.resource = r.id{} "
    f"LEFT JOIN record_resource p ON p.type = {_PATIENT} AND p.id = r.patient "
)
_CURRENT = _SELECT.format(" AND v.version = r.version")
_VERSIONS = _SELECT.format("")


def _kept(record: Sequence[Any]) -> Kept:
    kind, public_id, row, version, newest, at, patient, state, content = record
    return Kept(
        TYPE_NAME[kind], public_id, row, version, newest, at, patient, state == _DELETED, decompress(content)
    )


def as_it_stands(ctx: AccessContext, kind: str, public_id: str) -> Kept | None:
    """The current version of a resource, a deleted one's too; None where there is none that may be seen."""
    found = prepared(_current_of(TYPE_ID[kind]), [public_id, ~int(ctx.clearance)])
    return _kept(found[0]) if found else None


@cache
def current_beside(kind: str) -> str:
    """The statement of :func:`as_it_stands`, to be joined beside another's: it takes the public id alone, and its
    row is for :func:`seen_beside`, which shuts what may not be seen."""
    number = TYPE_ID[kind]
    return (
        _CURRENT.replace(" FROM record_resource r", ", r.labels FROM record_resource r", 1)
        + f"WHERE r.type = {number} AND v.type = {number} AND r.public_id = %s"
    )


def seen_beside(ctx: AccessContext, record: Sequence[Any]) -> Kept | None:
    """What :func:`as_it_stands` answers, of a row of :func:`current_beside`; its columns are None where it found
    nothing."""
    *found, labels = record
    return None if labels is None or labels & ~int(ctx.clearance) else _kept(found)


@cache
def _current_of(number: int) -> str:
    return _CURRENT + f"WHERE r.type = {number} AND v.type = {number} AND r.public_id = %s AND r.labels & %s = 0"


def identified(
    ctx: AccessContext, kind: str, identifiers: Collection[tuple[str, str]]
) -> dict[tuple[str, str], list[str]]:
    """Which resources of a type have these identifiers, ``(system, value)``: the ids of those that stand and may be
    seen, by identifier; at once, where a search each would plan each.

    Raises LookupError where identifiers of this type are not indexed.
    """
    number, param = TYPE_ID[kind], param_of(kind, "identifier")
    by_hash = {(token_hash(value), token_hash(system)): (system, value) for system, value in identifiers}
    found: dict[tuple[str, str], list[str]] = {each: [] for each in identifiers}
    for code, system, public_id in prepared(
        "SELECT DISTINCT i.code, i.system, r.public_id "  # noqa: S608 (numbers of ours)
        "FROM unnest((SELECT %s::bigint[]), (SELECT %s::bigint[])) AS a(code, system) JOIN record_index_token i "
        f"ON i.type = {number} AND i.param = {param} AND i.code = a.code AND i.system = a.system "
        f"JOIN record_resource r ON r.type = {number} AND r.id = i.resource AND r.version = i.version "
        f"WHERE r.state <> {_DELETED} AND r.labels & %s = 0 ORDER BY r.public_id",
        [[code for code, _ in by_hash], [system for _, system in by_hash], ~int(ctx.clearance)],
    ):
        found[by_hash[(code, system)]].append(public_id)
    return found


def all_as_they_stand(ctx: AccessContext, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Kept]:
    """As :func:`as_it_stands`, of several ``(type, public id)`` keys."""
    by_type: dict[str, list[str]] = {}
    for kind, public_id in keys:
        by_type.setdefault(kind, []).append(public_id)
    found: dict[tuple[str, str], Kept] = {}
    with connection.cursor() as cursor:
        for kind, ids in sorted(by_type.items()):
            number = TYPE_ID[kind]
            cursor.execute(
                _CURRENT + "WHERE r.type = %s AND v.type = %s AND r.public_id = ANY(%s) AND r.labels & %s = 0",
                [number, number, ids, ~int(ctx.clearance)],
            )
            found.update({(kind, record[1]): _kept(record) for record in cursor.fetchall()})
    return found


def one_version(ctx: AccessContext, kind: str, public_id: str, version: int) -> Kept | None:
    """A version of a resource; None where there is none that may be seen.

    A version may be seen where the resource may and its own labels allow it: a label that was taken off later still
    covers what was written under it.
    """
    number = TYPE_ID[kind]
    with connection.cursor() as cursor:
        cursor.execute(
            _VERSIONS + "WHERE r.type = %s AND v.type = %s AND r.public_id = %s AND v.version = %s "
            "AND r.labels & %s = 0",
            [number, number, public_id, version, ~int(ctx.clearance)],
        )
        found = [_kept(record) for record in cursor.fetchall()]
    seen = _seen_by(ctx, found)
    return seen[0] if seen else None


def version_at(ctx: AccessContext, kind: str, public_id: str, at: datetime) -> Kept | None:
    """The version of a resource that stood just before an instant; None where there was none, or where its own
    labels hide it."""
    number = TYPE_ID[kind]
    with connection.cursor() as cursor:
        cursor.execute(
            _VERSIONS + "WHERE r.type = %s AND v.type = %s AND r.public_id = %s AND v.filed_at < %s "
            "ORDER BY v.version DESC LIMIT 1",
            [number, number, public_id, at],
        )
        seen = _seen_by(ctx, [_kept(record) for record in cursor.fetchall()])
    return seen[0] if seen else None


Turn = tuple[datetime, int, int]
"""Where a page of a history ended: when its last version was filed, its row and its number."""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a history that is asked for: versions filed from ``since`` on, and those that stood at some time
    between ``low`` and before ``high``."""

    since: datetime | None = None
    low: datetime | None = None
    high: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Versions, newest first. ``next`` is where the page ends, ``previous`` where it begins; None where no more are
    that way."""

    versions: list[Kept]
    next: Turn | None
    previous: Turn | None


def history(
    ctx: AccessContext,
    kinds: Sequence[str],
    public_id: str | None,
    window: Window,
    *,
    count: int,
    after: Turn | None = None,
    before: Turn | None = None,
) -> HistoryPage:
    """Versions of the resources of some types, newest first: those that follow ``after``, or that come just before
    ``before``.

    ``public_id`` keeps to one resource. What is filed meanwhile stands before the first page and moves nothing.
    A page may hold fewer than ``count`` where some may not be seen.
    """
    chosen, values = _chosen(ctx, kinds, public_id, window)
    text = _VERSIONS + chosen
    if after is not None:
        text += "AND v.filed_at <= %s AND (v.filed_at, v.resource, v.version) < (%s, %s, %s) "
        values += [after[0], *after]
    if before is not None:
        text += "AND v.filed_at >= %s AND (v.filed_at, v.resource, v.version) > (%s, %s, %s) "
        values += [before[0], *before]
        text += "ORDER BY v.filed_at, v.resource, v.version LIMIT %s"
    else:
        text += "ORDER BY v.filed_at DESC, v.resource DESC, v.version DESC LIMIT %s"
    with connection.cursor() as cursor:
        cursor.execute(text, [*values, count + 1])
        found = [_kept(record) for record in cursor.fetchall()]
    page, more = found[:count], len(found) > count
    if before is not None:
        page.reverse()
    if not page:
        return HistoryPage([], None, None)
    return HistoryPage(
        _seen_by(ctx, page),
        _turn(page[-1]) if more or before is not None else None,
        _turn(page[0]) if (more if before is not None else after is not None) else None,
    )


def _turn(kept: Kept) -> Turn:
    return kept.at, kept.row, kept.version


def _chosen(
    ctx: AccessContext, kinds: Sequence[str], public_id: str | None, window: Window
) -> tuple[str, list[Any]]:
    """The condition of a history, of resources ``r`` and versions ``v``, and its values."""
    numbers = [TYPE_ID[kind] for kind in kinds]
    text = "WHERE r.type = ANY(%s) AND v.type = ANY(%s) AND r.labels & %s = 0 "
    values: list[Any] = [numbers, numbers, ~int(ctx.clearance)]
    if public_id is not None:
        text += "AND r.public_id = %s "
        values.append(public_id)
    if window.since is not None:
        text += "AND v.filed_at >= %s "
        values.append(window.since)
    if window.high is not None:
        text += "AND v.filed_at < %s "
        values.append(window.high)
    if window.low is not None:
        text += (
            "AND NOT EXISTS (SELECT FROM record_version n WHERE n.type = v.type AND n.resource = v.resource "
            "AND n.version = v.version + 1 AND n.filed_at <= %s) "
        )
        values.append(window.low)
    return text, values


def count_versions(ctx: AccessContext, kinds: Sequence[str], public_id: str | None, window: Window) -> int:
    """How many versions a history has, of those resources that may be seen as they stand."""
    chosen, values = _chosen(ctx, kinds, public_id, window)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM record_resource r JOIN record_version v ON v.type = r.type "  # noqa: S608 (ours)
            f"AND v.resource = r.id {chosen}",
            values,
        )
        return int(cursor.fetchone()[0])


def _seen_by(ctx: AccessContext, found: Iterable[Kept]) -> list[Kept]:
    if int(ctx.clearance) == int(ALL_LABELS):
        return list(found)
    return [each for each in found if ctx.sees(bits_of(security_codes(orjson.loads(each.content))))]


def whole(kept: Kept | Stored) -> bytes:
    """The content with its attachments, as it came: those kept apart are put back into the resource."""
    if b'"Binary/' not in kept.content and kept.type != "Binary":
        return kept.content
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (public_id) public_id, file, version = %s, place FROM record_attachment "
            "WHERE type = %s AND resource = %s AND version <= %s ORDER BY public_id, version DESC",
            [kept.version, TYPE_ID[kept.type], kept.row, kept.version],
        )
        records = cursor.fetchall()
    if not records:
        return kept.content
    by_id = {record[0]: record[1] for record in records}
    by_place = {place: file for _, file, here, place in records if here}
    resource = editable(kept.content)
    for place, attachment in enumerate(attachments_of(resource)):
        if "data" in attachment:
            continue
        file = by_place.get(place) if kept.type == "Binary" else by_id.get(binary_id(attachment))
        if file is None:
            continue
        attachment["data"] = as_base64(read_file(file))
        if kept.type != "Binary":
            for name in ("url", "size", "hash"):
                attachment.pop(name, None)
    return orjson.dumps(resource)
