"""Index the words of what was filed: taken from what is due, a batch a transaction.

Filing only notes what there is to index, for it must be fast; so a search is behind by what is still due, and says
so. The words of a version that is no longer current are replaced by those of the one that is.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction

from charthouse.foundation.files.api import FileError
from charthouse.foundation.files.api import read as read_file
from charthouse.foundation.wake import run_pump
from charthouse.record import schema
from charthouse.record.charting.elements import concept
from charthouse.record.charting.item import item_of
from charthouse.record.domain.attachments import attachments_of, binary_id, decoded
from charthouse.record.domain.filing import State
from charthouse.record.domain.packing import compress
from charthouse.record.domain.text_rows import SECTION_OF, TextSection, indexed, section_of
from charthouse.record.domain.texts import LONGEST_TEXT, said_by, text_of
from charthouse.record.domain.time_buckets import bucket_of
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.queries import STORED, Stored, stored_from
from charthouse.record.scans import machine_text, read_by_machine_later, scanned

#: Items of one transaction, and their words in the list that beginnings of words are looked up in.
BATCH = 200
WORD, SERVICE = 0, 1
_CHANNEL = "record_text"
_LONGEST_TITLE = 200
#: What may hold pages a machine has read.
_SCANS = frozenset({"DocumentReference", "DiagnosticReport", "Media"})
log = structlog.get_logger("charthouse.record")

_TAKE = """
DELETE FROM record_text_due WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM record_text_due LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING type, resource
"""
_KEEP = """
INSERT INTO record_text AS t
       (resource, patient, at, version, labels, machine_from, type, section, title, service, words, body)
SELECT resource, patient, at, version, labels, machine_from, type, section, title, service, words::tsvector, body
  FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::int[], %s::int[], %s::int[], %s::smallint[],
              %s::smallint[], %s::text[], %s::text[], %s::text[], %s::bytea[])
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
#: By database, the terms that are kept there for certain.
_known_terms: dict[str, set[tuple[int, str]]] = {}
_MOST_KNOWN = 500_000


def texts_changed(cursor: Any, items: Iterable[tuple[int, int]]) -> None:
    """Let items, by (type number, row), be indexed anew: for actions that change them otherwise than by filing."""
    for type_id, resource in items:
        cursor.execute(
            "INSERT INTO record_text_due (resource, filed_at, type) VALUES (%s, clock_timestamp(), %s)",
            [resource, type_id],
        )


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
        due = set(cursor.fetchall())
        if due:
            _index(cursor, due)
    return len(due)


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


def _index(cursor: Any, due: Iterable[tuple[int, int]]) -> None:
    by_type: dict[int, list[int]] = {}
    for type_id, resource in due:
        by_type.setdefault(type_id, []).append(resource)
    rows: list[_Row] = []
    gone: list[tuple[int, int]] = []
    for type_id, resources in sorted(by_type.items()):
        for stored, at in _stored(cursor, type_id, resources):
            row = _row(cursor, stored, at) if stored.patient and stored.state is State.ACTIVE else None
            if row is None or not row.text:
                gone.append((type_id, stored.row))
            else:
                rows.append(row)
    for type_id, resource in gone:
        cursor.execute("DELETE FROM record_text WHERE type = %s AND resource = %s", [type_id, resource])
    _keep(cursor, rows)


def _stored(cursor: Any, type_id: int, resources: Sequence[int]) -> list[tuple[Stored, datetime | None]]:
    """The current versions, with the main date of each."""
    cursor.execute(
        f"SELECT {STORED}, CASE WHEN isfinite(r.main_low) THEN greatest(r.main_low, '0001-01-02 00:00:00+00') END "  # noqa: S608
        f"FROM {schema.RESOURCE} r JOIN {schema.VERSION} v ON v.type = r.type AND v.resource = r.id "
        "AND v.version = r.version WHERE r.type = %s AND v.type = %s AND r.id = ANY(%s) ORDER BY r.id",
        [type_id, type_id, list(resources)],
    )
    return [(stored_from(record[:-1]), record[-1]) for record in cursor.fetchall()]


def _row(cursor: Any, stored: Stored, at: datetime | None) -> _Row:
    """What is searched of an item. A part that cannot be read has no words; the others have."""
    type_id = TYPE_ID[stored.type]
    item = item_of(stored)
    resource = item.resource
    context = resource.get("context")
    parts = [said_by(resource)]
    machine = machine_text(type_id, stored.row, stored.version) if stored.type in _SCANS else {}
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
        read_by_machine_later(stored.type, stored.public_id)
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


def attachment_content(cursor: Any, stored: Stored, place: int, attachment: dict[str, Any]) -> bytes | None:
    """An attachment's bytes from the resource or the file store; None where there are none to be had."""
    if "data" in attachment:
        return decoded(attachment["data"])
    cursor.execute(
        "SELECT file FROM record_attachment WHERE type = %s AND resource = %s AND version <= %s "
        "AND (public_id = %s OR version = %s AND place = %s) ORDER BY version DESC LIMIT 1",
        [TYPE_ID[stored.type], stored.row, stored.version, binary_id(attachment), stored.version, place],
    )
    found = cursor.fetchone()
    try:
        return read_file(found[0]) if found else None
    except FileError:
        # A lost or damaged file is named by the verification of the store.
        return None


def _keep(cursor: Any, rows: Sequence[_Row]) -> None:
    if not rows:
        return
    made = [indexed(row.text, row.at) for row in rows]
    terms = {(WORD, root) for each in made for root in each.roots}
    terms |= {(SERVICE, row.service) for row in rows if row.service}
    remember_terms(cursor, terms)
    cursor.execute(
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
            [each.vector for each in made],
            [compress(row.text.encode()) for row in rows],
        ],
    )
    fresh = {(type_id, resource) for type_id, resource, inserted in cursor.fetchall() if inserted}
    buckets: Counter[int] = Counter()
    for row in rows:
        buckets[bucket_of(row.at)] += (TYPE_ID[row.stored.type], row.stored.row) in fresh
    cursor.execute(_KEEP_BUCKETS, [sorted(buckets), [buckets[each] for each in sorted(buckets)]])


def remember_terms(cursor: Any, terms: Iterable[tuple[int, str]]) -> None:
    """Keep words and services that no text had before. Those this process has seen kept are not sent again."""
    known = _known_terms.setdefault(str(connection.settings_dict["NAME"]), set())
    fresh = sorted(set(terms) - known)
    if not fresh:
        return
    cursor.execute(
        "INSERT INTO record_text_term (kind, term) SELECT * FROM unnest(%s::smallint[], %s::text[]) "
        "ON CONFLICT DO NOTHING",
        [[kind for kind, _ in fresh], [term for _, term in fresh]],
    )
    if len(known) < _MOST_KNOWN:
        transaction.on_commit(lambda: known.update(fresh))
