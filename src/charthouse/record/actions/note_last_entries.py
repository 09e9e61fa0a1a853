"""Keep the day of each source patient's last entry up to what was filed, corrected, moved and destroyed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from django.db import connection, transaction

from charthouse.foundation.events.api import Event
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.retention_queries import births_of, last_entries


def follow_entries(events: Sequence[Event]) -> None:
    """Note the last entries of the patients these events tell of. A consumer of all that changes a chart."""
    rows: set[int] = set()
    public: set[str] = set()
    documents: set[str] = set()
    for each in events:
        for patient in filter(None, map(each.payload.get, ("patient", "from"))):
            if isinstance(patient, int):
                rows.add(patient)
            else:
                public.add(str(patient))
        # A document that went to another patient's chart.
        documents.update(each.payload.get("documents", ()))
        if each.payload.keys() >= {"type", "id"}:
            documents.add(f"{each.payload['type']}/{each.payload['id']}")
    note_last_entries(rows | _patients_of(public, documents))


def _patients_of(public: Collection[str], documents: Collection[str]) -> set[int]:
    """The rows of patients by their public ids, and of those whose documents (``Type/id``) these are now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM record_resource WHERE type = %s AND public_id = ANY(%s)", [_PATIENT, list(public)]
        )
        found = {row for (row,) in cursor.fetchall()}
        named = (each.partition("/") for each in documents)
        keys = [(TYPE_ID[kind], id) for kind, _, id in named if kind in TYPE_ID]
        cursor.execute(
            "SELECT DISTINCT patient FROM record_resource WHERE patient IS NOT NULL AND (type, public_id) IN "
            "(SELECT * FROM unnest(%s::smallint[], %s::text[]))",
            [[kind for kind, _ in keys], [id for _, id in keys]],
        )
        return found | {row for (row,) in cursor.fetchall()}


_PATIENT = TYPE_ID["Patient"]


def note_last_entries(patients: Collection[int]) -> None:
    """Note the last entry of each of these source patients, as their items are now."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Held first: what another notes meanwhile is not put back to what was read before.
        cursor.execute(
            "SELECT FROM record_last_entry WHERE patient = ANY(%s) ORDER BY patient FOR UPDATE", [list(patients)]
        )
        found, births = last_entries(cursor, patients), births_of(cursor, patients)
        cursor.execute(
            "DELETE FROM record_last_entry WHERE patient = ANY(%s)", [sorted(set(patients) - found.keys())]
        )
        rows = sorted(found.items())
        cursor.execute(
            "INSERT INTO record_last_entry AS l (patient, day, dated, born) "
            "SELECT * FROM unnest(%s::bigint[], %s::date[], %s::boolean[], %s::text[]) "
            "ON CONFLICT (patient) DO UPDATE SET day = excluded.day, dated = excluded.dated, born = excluded.born "
            "WHERE (l.day, l.dated, l.born) IS DISTINCT FROM (excluded.day, excluded.dated, excluded.born)",
            [
                [row for row, _ in rows],
                [last.day for _, last in rows],
                [last.dated for _, last in rows],
                [births.get(row, "") for row, _ in rows],
            ],
        )


def note_births(told: Callable[[int], None] = lambda done: None) -> int:
    """Note what was not looked at since the list was begun; how many source patients that were."""
    done = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT patient FROM record_last_entry WHERE born IS NULL LIMIT %s", [_BATCH])
            patients = [patient for (patient,) in cursor.fetchall()]
        if not patients:
            return done
        note_last_entries(patients)
        done += len(patients)
        told(done)


_BATCH = 1_000
