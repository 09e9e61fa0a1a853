"""Reads of the record below the chart: resources by id, versions, aliases, senders.

A read on a person's behalf takes an AccessContext and leaves out what its labels forbid; reads of intake, which
must see everything to keep it right, take the system's context.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from django.db import connection

from charthouse.exchange.fhir.api import default_extractor, security_codes
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.prepared import prepared

from .domain.attachments import attachment_id
from .domain.filing import State
from .domain.index_rows import token_hash
from .domain.labels import bits_of
from .domain.packing import decompress
from .domain.sealing import sha256
from .domain.types import TYPE_ID, TYPE_NAME


class Stored(NamedTuple):
    """A version of a resource as kept. ``place`` is the segment of an HL7 message it came from; ``main`` its main
    date, year 1 where it has none; ``owner`` the public id of the patient, where it was read along."""

    row: int
    type: str
    public_id: str
    version: int
    patient: int | None
    encounter: int | None
    labels: int
    state: State
    filed_at: datetime
    message: int
    original: int
    authored: datetime | None
    place: str
    main: datetime
    content: bytes
    owner: str | None = None

    @property
    def resource(self) -> dict[str, Any]:
        """The content parsed."""
        parsed: dict[str, Any] = orjson.loads(self.content)
        return parsed


def seen_of(stored: Stored) -> str:
    """What a screen that shows a version sends back: its number, and the hash of the bytes that were shown."""
    return f"{stored.version}:{sha256(stored.content).hex()}"


_STATES = list(State)
#: The first and the last moment that is read from the record. Senders write the first and the last there is, which
#: in another zone are beyond what Python counts.
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def within_calendar(moment: str) -> str:
    """A moment of a statement, held between :data:`EARLIEST` and :data:`LATEST`: what has no date is the first."""
    return f"least(greatest({moment}, '{EARLIEST.isoformat()}'), '{LATEST.isoformat()}')"


_MAIN = within_calendar("r.main_low")
#: The columns that :func:`stored_from` reads, of a resource ``r`` and its version ``v``.
STORED = (
    "r.id, r.type, r.public_id, v.version, r.patient, r.encounter, r.labels, v.state, v.filed_at, "
    f"v.message, v.original, CASE WHEN v.authored IS NOT NULL THEN {within_calendar('v.authored')} END, v.place, "
    f"{_MAIN}, v.content"
)
_SELECT = (
    "SELECT " + STORED + " FROM record_resource r JOIN record_version v ON v.type = r.type AND v.resource = r.id "  # noqa: S608
)


def stored_from(record: Sequence[Any], owner: str | None = None) -> Stored:
    """A row of the columns in :data:`STORED` as an object."""
    row, kind, public_id, version, patient, encounter, labels, state, filed_at, *origin, main, content = record
    message, original, authored, place = origin
    return Stored(
        row, TYPE_NAME[kind], public_id, version, patient, encounter, labels, _STATES[state], filed_at, message,
        original, authored, place or "", main, decompress(content), owner,
    )  # fmt: skip


def current(cursor: Any, ctx: AccessContext, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Stored]:
    """The current versions of ``(type, public id)`` keys that exist and may be seen."""
    by_type: dict[str, list[str]] = {}
    for kind, public_id in keys:
        if kind in TYPE_ID:
            by_type.setdefault(kind, []).append(public_id)
    found = {}
    for kind, public_ids in by_type.items():
        cursor.execute(
            _SELECT + "AND v.version = r.version WHERE r.type = %s AND r.public_id = ANY(%s) "
            "AND r.labels & %s = 0 AND v.type = %s",
            [TYPE_ID[kind], public_ids, ~int(ctx.clearance), TYPE_ID[kind]],
        )
        for record in cursor.fetchall():
            stored = stored_from(record)
            found[(kind, stored.public_id)] = stored
    return found


def public_ids(kind: str, rows: Iterable[int]) -> dict[int, str]:
    """The public ids of rows of a type."""
    wanted = sorted(set(rows))
    if not wanted:
        return {}
    return dict(
        prepared(
            f"SELECT id, public_id FROM record_resource WHERE type = {TYPE_ID[kind]} "  # noqa: S608 (a number of ours)
            "AND id = ANY((SELECT %s::bigint[])::bigint[])",
            [wanted],
        )
    )


# One step into the key for each type there is, however many resources it has.
_TYPES = """
WITH RECURSIVE found (type) AS (
  SELECT min(type) FROM record_resource
  UNION ALL
  SELECT (SELECT r.type FROM record_resource r WHERE r.type > found.type ORDER BY r.type LIMIT 1)
  FROM found WHERE found.type IS NOT NULL
)
SELECT type FROM found WHERE type IS NOT NULL
"""


def types_present() -> list[str]:
    """The types of which the record has any resource, in order of their names."""
    with connection.cursor() as cursor:
        cursor.execute(_TYPES)
        return sorted(TYPE_NAME[kind] for (kind,) in cursor.fetchall())


def messages_of(cursor: Any, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The message that brought the current version of each of these ``(type, public id)`` keys that exist."""
    by_type: dict[str, list[str]] = {}
    for kind, public_id in keys:
        by_type.setdefault(kind, []).append(public_id)
    found: dict[tuple[str, str], int] = {}
    for kind, public_ids in sorted(by_type.items()):
        cursor.execute(
            "SELECT r.public_id, v.message FROM record_resource r JOIN record_version v ON v.type = r.type "
            "AND v.resource = r.id AND v.version = r.version "
            "WHERE r.type = %s AND r.public_id = ANY(%s) AND v.type = %s",
            [TYPE_ID[kind], public_ids, TYPE_ID[kind]],
        )
        found.update({(kind, public_id): message for public_id, message in cursor.fetchall()})
    return found


def versions(cursor: Any, ctx: AccessContext, kind: str, public_id: str) -> list[Stored]:
    """Every version of one resource that may be seen, newest first.

    A version may be seen where the resource may, and where its own labels allow it: a label that was taken off
    later still covers what was written under it.
    """
    if kind not in TYPE_ID:
        return []
    cursor.execute(
        _SELECT
        + "WHERE r.type = %s AND r.public_id = %s AND r.labels & %s = 0 AND v.type = %s ORDER BY v.version DESC",
        [TYPE_ID[kind], public_id, ~int(ctx.clearance), TYPE_ID[kind]],
    )
    return _seen_by(ctx, [stored_from(record) for record in cursor.fetchall()])


def _seen_by(ctx: AccessContext, found: Iterable[Stored]) -> list[Stored]:
    """Of versions, current or not, those whose own labels let the asker see them."""
    return [each for each in found if ctx.sees(bits_of(security_codes(each.resource)))]


Place = tuple[datetime, int]
"""Where a page ended: the main date and row of its last resource."""


def cursor_of(stored: Stored) -> str:
    """The cursor of the page after ``stored``: microseconds since 1970 and the row, which say nothing of it."""
    return f"{(stored.main - _EPOCH) // timedelta(microseconds=1)}.{stored.row}"


def place_of(cursor: str | None) -> Place | None:
    """The place behind a cursor; None for none, and for one that no page gave out."""
    if not cursor or not (found := _CURSOR.fullmatch(cursor)):
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(found.group(1))), int(found.group(2))
    except OverflowError:
        return None


_CURSOR = re.compile(r"(-?\d{1,18})\.(\d{1,18})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Coded:
    """A code that resources of a type may carry under a search parameter of theirs, whatever its system."""

    type: str
    parameter: str
    code: str

    @property
    def param(self) -> int:
        return param_of(self.type, self.parameter)


def param_of(kind: str, code: str) -> int:
    """The number under which a search parameter's values are indexed. Raises LookupError where they are not."""
    for answer in default_extractor().parameters(kind)[code].answers:
        if answer.id is not None:
            return answer.id
    raise LookupError(f"{kind}.{code} has no rows of its own in the index.")


# The row's own main date and number lead straight to its place in the index of codes.
_CODED = (
    "SELECT FROM record_index_token i WHERE i.type = %s AND i.param = %s AND i.code = %s "
    "AND i.at = r.main_low AND i.resource = r.id AND i.version = r.version"
)


def of_patients(
    cursor: Any,
    ctx: AccessContext,
    patients: Sequence[int],
    kinds: Sequence[str],
    *,
    limit: int | None = None,
    after: Place | None = None,
    coded: Coded | None = None,
    not_coded: Coded | None = None,
) -> list[Stored]:
    """The patients' current resources of these types that stand and may be seen, newest main date first.

    Those without a date come last. ``after`` continues behind the last one of a page. ``coded`` leaves only those
    that carry a code, ``not_coded`` only those that do not.
    """
    numbers = [TYPE_ID[kind] for kind in kinds]
    values: list[Any] = [list(patients), numbers, numbers, ~int(ctx.clearance)]
    text = (
        _SELECT + "AND v.version = r.version WHERE r.patient = ANY(%s) AND r.type = ANY(%s) AND v.type = ANY(%s) "
        "AND r.state = 0 AND r.labels & %s = 0 "
    )
    for wanted, word in ((coded, "AND"), (not_coded, "AND NOT")):
        if wanted:
            text += f"{word} EXISTS ({_CODED}) "
            values += [TYPE_ID[wanted.type], wanted.param, token_hash(wanted.code)]
    if after:
        text += f"AND ({_MAIN}, r.id) < (%s, %s) "
        values += list(after)
    text += f"ORDER BY {_MAIN} DESC, r.id DESC"
    if limit is not None:
        text += " LIMIT %s"
        values.append(limit)
    cursor.execute(text, values)
    return [stored_from(record) for record in cursor.fetchall()]


#: The identifier system of a document's content: the SHA-256 of its bytes in hexadecimal.
CONTENT_SYSTEM = "urn:charthouse:sha-256"


def same_content(cursor: Any, ctx: AccessContext, sha256: str) -> list[Stored]:
    """The current documents that hold a file with this SHA-256 (hexadecimal), oldest first.

    Found are files large enough to be kept apart, and every document that carries the number as its identifier.
    """
    kind = TYPE_ID["DocumentReference"]
    cursor.execute(
        _SELECT + "AND v.version = r.version WHERE r.state = 0 AND r.labels & %s = 0 AND (r.type, r.id) IN ("  # noqa: S608
        "SELECT type, resource FROM record_attachment WHERE public_id = %s UNION "
        "SELECT type, resource FROM record_index_token WHERE type = %s AND param = %s AND code = %s) "
        "ORDER BY v.filed_at",
        [
            ~int(ctx.clearance),
            attachment_id(sha256),
            kind,
            param_of("DocumentReference", "identifier"),
            token_hash(sha256),
        ],
    )
    return [stored_from(record) for record in cursor.fetchall()]


def filed_by(cursor: Any, ctx: AccessContext, message: int) -> list[Stored]:
    """The resource versions one message filed, in the order they were filed."""
    cursor.execute(
        _SELECT + "WHERE v.message = %s AND r.labels & %s = 0 ORDER BY v.resource, v.version",
        [message, ~int(ctx.clearance)],
    )
    return _seen_by(ctx, [stored_from(record) for record in cursor.fetchall()])


def known_aliases(cursor: Any, keys: Sequence[str]) -> dict[str, str]:
    """The public ids behind names of shared resources, for the names that are known."""
    if not keys:
        return {}
    cursor.execute("SELECT key, public_id FROM record_directory_alias WHERE key = ANY(%s)", [list(keys)])
    return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A sender as set up: the zone of its times without offset and the charset of its HL7 messages without MSH-18;
    both empty where nothing was set."""

    id: int
    name: str
    time_zone: str
    charset: str


def source_rows(cursor: Any, numbers: Iterable[int]) -> dict[int, SourceRow]:
    """The senders with these numbers."""
    cursor.execute("SELECT id, name, time_zone, charset FROM record_source WHERE id = ANY(%s)", [list(numbers)])
    return {record[0]: SourceRow(*record) for record in cursor.fetchall()}


def source_named(cursor: Any, name: str) -> int | None:
    """The number of the sender called ``name``; None where nobody of that name ever sent anything."""
    cursor.execute("SELECT id FROM record_source WHERE name = %s", [name])
    found = cursor.fetchone()
    return int(found[0]) if found else None


def sources_of_rows(cursor: Any, kind: str, rows: Iterable[int]) -> dict[int, int]:
    """The numbers of the senders of rows of a type."""
    cursor.execute(
        "SELECT id, source FROM record_resource WHERE type = %s AND id = ANY(%s)", [TYPE_ID[kind], list(rows)]
    )
    return dict(cursor.fetchall())
