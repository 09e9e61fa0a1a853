"""Index the words of what was filed: taken from what is due, a batch a transaction.

Filing only notes what there is to index, for it must be fast; so a search is behind by what is still due, and says
so. The words of a version that is no longer current are replaced by those of the one that is.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import Any

import psycopg
import structlog
from django.db import connection, transaction
from psycopg.adapt import Dumper
from psycopg.pq import Format

from charthouse.configuration import configuration
from charthouse.foundation.jobs.api import defer
from charthouse.foundation.wake import run_pump
from charthouse.record import schema
from charthouse.record.attachment_queries import attachment_content
from charthouse.record.charting.elements import concept
from charthouse.record.charting.item import item_of
from charthouse.record.domain.attachments import attachments_of
from charthouse.record.domain.filing import State
from charthouse.record.domain.packing import compress
from charthouse.record.domain.text_rows import SECTION_OF, TextSection, indexed, section_of
from charthouse.record.domain.texts import LONGEST_TEXT, said_by, text_of
from charthouse.record.domain.time_buckets import bucket_of
from charthouse.record.domain.types import TYPE_ID, TYPE_NAME
from charthouse.record.jobs import READ_SCAN
from charthouse.record.queries import STORED, Stored, stored_from, within_calendar
from charthouse.record.scans import machine_texts, reader, scanned

#: Items of one transaction, and how many characters of theirs are held before they are written.
BATCH, _HELD = 500, 8_000_000
#: What is kept in the list that beginnings of words are looked up in.
WORD, SERVICE = 0, 1
_CHANNEL = "record_text"
_LONGEST_TITLE = 200
#: What may hold pages a machine has read.
_SCANS = frozenset({"DocumentReference", "DiagnosticReport", "Media"})
log = structlog.get_logger("charthouse.record")

_TAKE = """
DELETE FROM record_text_due WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM record_text_due LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING type, resource, filed_at
"""
_PUT_BACK = """
INSERT INTO record_text_due (type, resource, filed_at)
SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::timestamptz[])
"""
_KEEP = """
INSERT INTO record_text AS t
       (resource, patient, at, version, labels, machine_from, type, section, title, service, words, body)
SELECT *
  FROM unnest(%b::bigint[], %b::bigint[], %s::timestamptz[], %b::int[], %b::int[], %b::int[], %b::smallint[],
              %b::smallint[], %b::text[], %b::text[], %b::tsvector[], %b::bytea[])
       AS n (resource, patient, at, version, labels, machine_from, type, section, title, service, words, body)
ON CONFLICT (type, resource) DO UPDATE SET patient = excluded.patient, at = excluded.at,
       version = excluded.version, labels = excluded.labels, machine_from = excluded.machine_from,
       section = excluded.section, title = excluded.title, service = excluded.service, words = excluded.words,
       body = excluded.body
 WHERE t.version <= excluded.version
RETURNING type, resource, xmax = 0
"""
_KEEP_BUCKETS = """
INSERT INTO record_text_bucket AS b (bucket, texts) SELECT * FROM unnest(%s::smallint[], %s::bigint[])
ON CONFLICT (bucket) DO UPDATE SET texts = b.texts + excluded.texts
"""
#: By database and kind, the terms that are kept there for certain.
_known_terms: dict[tuple[str, int], set[str]] = {}
_MOST_KNOWN = 500_000


class _Vectors(list[bytes]):
    """tsvectors as :func:`indexed` makes them."""


class _VectorsDumper(Dumper):
    """An array of tsvectors in PostgreSQL's binary form."""

    format = Format.BINARY
    oid = psycopg.adapters.types["tsvector"].array_oid
    _HEAD, _LENGTH = Struct(">iiIii"), Struct(">i")
    _ELEMENT = psycopg.adapters.types["tsvector"].oid

    def dump(self, obj: _Vectors) -> bytes:
        parts = [self._HEAD.pack(1, 0, self._ELEMENT, len(obj), 1)]
        for vector in obj:
            parts += (self._LENGTH.pack(len(vector)), vector)
        return b"".join(parts)


def index_all_anew() -> int:
    """Let everything be indexed anew; how many items wait then."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO record_text_due (resource, filed_at, type) SELECT id, filed_at, type FROM record_resource "
            "WHERE type = ANY(%s) AND patient IS NOT NULL",
            [sorted(TYPE_ID[kind] for kind in SECTION_OF)],
        )
        return int(cursor.rowcount)


def index_texts(told: Callable[[int], None] = lambda done: None) -> int:
    """Index all that is due; how many items that was. ``told`` gets the count so far."""
    done = 0
    while count := index_batch():
        done += count
        told(done)
    return done


def run_text_index(stop: threading.Event) -> None:
    """Index what is due until ``stop`` is set."""
    run_pump("texts", _CHANNEL, index_batch, stop)


def index_batch(limit: int = BATCH) -> int:
    """Index some of what is due; how many items were taken. Safe beside filing and beside another of its kind."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, [limit])
        due: dict[tuple[int, int], datetime] = {}
        for type_id, resource, filed_at in cursor.fetchall():
            key = (type_id, resource)
            due[key] = min(due.get(key, filed_at), filed_at)
        if not due:
            return 0
        done = _index(cursor, due)
        # Large ones wait for the next batch, rather than be held all at once. Nor are they written in several goes,
        # for then two workers might wait for each other's words.
        left = [(*key, filed_at) for key, filed_at in due.items() if key not in done]
        if left:
            cursor.execute(_PUT_BACK, [list(column) for column in zip(*left, strict=True)])
    return len(done)


@dataclass(frozen=True, slots=True)
class _Row:
    """An item's row of the index, ready to be kept."""

    stored: Stored
    at: datetime | None
    text: str
    machine_from: int | None
    section: TextSection
    title: str
    service: str


def _index(cursor: Any, due: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Index those of the items that may be held together, at least one; answers which are done with."""
    by_type: dict[int, list[int]] = {}
    for type_id, resource in due:
        by_type.setdefault(type_id, []).append(resource)
    rows: list[_Row] = []
    done: set[tuple[int, int]] = set()
    held = 0
    for type_id, resources in sorted(by_type.items()):
        if held > _HELD:
            break
        gone: list[int] = []
        found = _stored(cursor, type_id, resources)
        machine = _by_machine(type_id, [stored for stored, _ in found])
        done.update((type_id, resource) for resource in set(resources) - {stored.row for stored, _ in found})
        for stored, at in found:
            if held > _HELD:
                break
            done.add((type_id, stored.row))
            stands = stored.patient and stored.state is State.ACTIVE
            row = _row(cursor, stored, at, machine.get(stored.row, {})) if stands else None
            if row is None or not row.text:
                gone.append(stored.row)
                continue
            rows.append(row)
            held += len(row.text)
        if gone:
            cursor.execute("DELETE FROM record_text WHERE type = %s AND resource = ANY(%s)", [type_id, gone])
    _keep(cursor, rows)
    return done


def _by_machine(type_id: int, found: Sequence[Stored]) -> dict[int, dict[int, tuple[str, str]]]:
    """What a machine read of those that may have scans."""
    if TYPE_NAME[type_id] not in _SCANS:
        return {}
    return machine_texts(type_id, [(stored.row, stored.version) for stored in found])


def _stored(cursor: Any, type_id: int, resources: Sequence[int]) -> list[tuple[Stored, datetime | None]]:
    """The current versions, with the main date of each."""
    cursor.execute(
        f"SELECT {STORED}, CASE WHEN isfinite(r.main_low) THEN {within_calendar('r.main_low')} END "  # noqa: S608
        f"FROM {schema.RESOURCE} r JOIN {schema.VERSION} v ON v.type = r.type AND v.resource = r.id "
        "AND v.version = r.version WHERE r.type = %s AND v.type = %s AND r.id = ANY(%s) ORDER BY r.id",
        [type_id, type_id, list(resources)],
    )
    return [(stored_from(record[:-1]), record[-1]) for record in cursor.fetchall()]


def _row(cursor: Any, stored: Stored, at: datetime | None, machine: dict[int, tuple[str, str]]) -> _Row:
    """What is searched of an item; ``machine`` is what was read of its scans. A part that cannot be read has no
    words; the others have."""
    item = item_of(stored)
    resource = item.resource
    context = resource.get("context")
    parts = [said_by(resource)]
    unread = []
    for place, attachment in enumerate(attachments_of(resource)):
        media_type = str(attachment.get("contentType") or "")
        parts.append(str(attachment.get("title") or ""))
        content = attachment_content(cursor, stored, place, attachment)
        if content is None:
            continue
        try:
            text = text_of(content, media_type)
        except Exception as fault:
            # Whatever a hostile attachment does to a reader, the rest of the item is searched.
            log.error("attachment not read for search", type=stored.type, error=type(fault).__name__)
            text = ""
        parts.append(text)
        if not text and place not in machine and scanned(media_type):
            unread.append(place)
    if unread:
        _read_by_machine_later(stored.type, stored.public_id)
    text = "\n\n".join(filter(None, parts))[:LONGEST_TEXT]
    by_machine = "\n\n".join(text for _, (text, _) in sorted(machine.items()) if text)
    machine_from = len(text) + 2 if by_machine else None
    return _Row(
        stored,
        at,
        f"{text}\n\n{by_machine}" if by_machine else text,
        machine_from,
        section_of(resource),
        _title(resource)[:_LONGEST_TITLE].replace("\0", ""),
        concept(context.get("practiceSetting"))[:_LONGEST_TITLE] if isinstance(context, dict) else "",
    )


_TITLES = ("type", "code", "vaccineCode", "medicationCodeableConcept", "appointmentType", "serviceType", "category")


def _title(resource: dict[str, Any]) -> str:
    """What an item is called in a list of what was found."""
    named = next((words for name in _TITLES if (words := concept(resource.get(name)))), "")
    said = resource.get("title") or resource.get("description")
    return named or (said if isinstance(said, str) else "") or str(resource.get("resourceType"))


def _read_by_machine_later(kind: str, public_id: str) -> None:
    """Let a document's scans be read by a job, one document after another; nothing where the site has not
    switched it on. Call in a transaction: the job exists only if that commits."""
    if not configuration().ocr or not reader():
        return
    defer(READ_SCAN, after=READ_SCAN.name, type=kind, id=public_id)


def _keep(cursor: Any, rows: Sequence[_Row]) -> None:
    if not rows:
        return
    made = [indexed(row.text, row.at) for row in rows]
    remember_terms(cursor, WORD, frozenset().union(*(each.roots for each in made)))
    remember_terms(cursor, SERVICE, {row.service for row in rows if row.service})
    # Django's own cursor writes parameters into the statement; vectors and texts go much faster beside it.
    with psycopg.Cursor(connection.connection) as binary:
        binary.adapters.register_dumper(_Vectors, _VectorsDumper)
        binary.execute(
            _KEEP,
            [
                [row.stored.row for row in rows],
                [row.stored.patient for row in rows],
                [row.at.isoformat() if row.at else "-infinity" for row in rows],
                [row.stored.version for row in rows],
                [row.stored.labels for row in rows],
                [row.machine_from for row in rows],
                [TYPE_ID[row.stored.type] for row in rows],
                [int(row.section) for row in rows],
                [row.title for row in rows],
                [row.service for row in rows],
                _Vectors(each.vector for each in made),
                [compress(row.text.encode()) for row in rows],
            ],
        )
        fresh = {(type_id, resource) for type_id, resource, inserted in binary.fetchall() if inserted}
    buckets: Counter[int] = Counter()
    for row in rows:
        buckets[bucket_of(row.at)] += (TYPE_ID[row.stored.type], row.stored.row) in fresh
    cursor.execute(_KEEP_BUCKETS, [sorted(buckets), [buckets[each] for each in sorted(buckets)]])


def remember_terms(cursor: Any, kind: int, terms: AbstractSet[str]) -> None:
    """Keep words or services that no text had before. Those this process has seen kept are not sent again."""
    known = _known_terms.setdefault((str(connection.settings_dict["NAME"]), kind), set())
    fresh = sorted(terms - known)
    if not fresh:
        return
    cursor.execute(
        "INSERT INTO record_text_term (kind, term) SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING",
        [kind, fresh],
    )
    if len(known) < _MOST_KNOWN:
        transaction.on_commit(lambda: known.update(fresh))
