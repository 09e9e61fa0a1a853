"""The pump that files what connectors received: batches, in order for each patient, several workers at once.

A worker takes the oldest waiting messages whose patients no other worker has in hand. The lock on a patient
lasts as long as the transaction; a message behind one that another worker holds is left for later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from django.db import IntegrityError, connection, transaction

from charthouse.foundation.logging import where
from charthouse.foundation.memory import without_collection
from charthouse.intake.domain.arrival import Format
from charthouse.intake.domain.fhir_plan import Problem
from charthouse.intake.faults import in_words, passes, renew_connection
from charthouse.intake.queries import ATOMIC_BUNDLES, senders

from .file_messages import Result, Waiting, file_messages, originals_of, set_aside

log = structlog.get_logger("charthouse.intake")

BATCH = 64
_WINDOW = 8
_TRIES = 3

_OLDEST = """
SELECT q.message, array_agg(q.key ORDER BY q.key), max(q.actor)
FROM intake_queue q
WHERE q.message IN (SELECT DISTINCT message FROM intake_queue ORDER BY message LIMIT %s)
GROUP BY q.message ORDER BY q.message
"""


def file_waiting(limit: int = BATCH) -> list[Result]:
    """File up to ``limit`` waiting messages in one transaction; empty when there is nothing to take.

    A batch that the database refuses is filed message by message, so that only the one at fault is set aside.
    Raises the database's error when it is away.
    """
    taken: list[int] = []
    for attempt in range(1, _TRIES + 1):
        try:
            with without_collection(), transaction.atomic(), connection.cursor() as cursor:
                claimed = _claim(cursor, limit)
                taken = [number for number, _ in claimed]
                return file_messages(cursor, _load(cursor, claimed)) if claimed else []
        except Exception as error:
            renew_connection()
            if passes(error) and attempt < _TRIES:
                continue
            if not taken or (passes(error) and not isinstance(error, IntegrityError)):
                raise
            log.warning("a batch is filed message by message", count=len(taken), error=where(error))
            return [result for number in taken for result in file_one(number)]
    return []


def lock_patients(cursor: Any, keys: Iterable[int]) -> None:
    """Have the patients behind these keys to oneself until the transaction ends; waits for who has them."""
    wanted = sorted(set(keys))
    if wanted:
        cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [wanted])


def _claim(cursor: Any, limit: int) -> list[tuple[int, str]]:
    """Lock the patients of the oldest free messages; returns (message, who asked for a retry)."""
    cursor.execute(_OLDEST, [limit * _WINDOW])
    candidates: list[tuple[int, list[int], str]] = cursor.fetchall()
    ours: set[int] = set()
    others: set[int] = set()
    taken: list[tuple[int, str]] = []
    for start in range(0, len(candidates), limit):
        if len(taken) >= limit:
            break
        window = candidates[start : start + limit]
        unknown = sorted({key for _, keys, _ in window for key in keys} - ours - others)
        cursor.execute("SELECT key, pg_try_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [unknown])
        for key, locked in cursor.fetchall():
            (ours if locked else others).add(key)
        for number, keys, actor in window:
            if len(taken) < limit and others.isdisjoint(keys):
                taken.append((number, actor))
            else:
                others.update(keys)
    if not taken:
        return []
    # Another worker may have filed some between our reading and our locking.
    cursor.execute(
        "SELECT DISTINCT message FROM intake_queue WHERE message = ANY(%s)", [[number for number, _ in taken]]
    )
    left = {number for (number,) in cursor.fetchall()}
    return [(number, actor) for number, actor in taken if number in left]


def _load(cursor: Any, claimed: Sequence[tuple[int, str]]) -> list[Waiting]:
    numbers = [number for number, _ in claimed]
    cursor.execute(
        "SELECT id, source, format, kind, connector, received_at FROM intake_message WHERE id = ANY(%s)", [numbers]
    )
    heads = {record[0]: record for record in cursor.fetchall()}
    known = senders(cursor, {record[1] for record in heads.values()})
    originals = originals_of(cursor, numbers)
    loaded = []
    for number, actor in claimed:
        _, source, form, kind, connector, received_at = heads[number]
        waiting = Waiting(
            id=number,
            sender=known[source],
            format=Format(form),
            kind=kind,
            connector=connector,
            received_at=received_at,
            originals=originals[number],
            atomic=form == Format.HL7V2.value or kind in ATOMIC_BUNDLES,
        )
        if actor:
            waiting.retry, waiting.actor = True, actor
        loaded.append(waiting)
    return loaded


def file_one(number: int) -> list[Result]:
    """File one waiting message; set it aside when it is at fault. Empty when another worker filed it meanwhile.

    Raises the database's error when it is away.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                claimed = _claim_one(cursor, number)
                return file_messages(cursor, _load(cursor, claimed)) if claimed else []
        except Exception as error:
            renew_connection()
            if passes(error) and attempt < _TRIES:
                continue
            if passes(error) and not isinstance(error, IntegrityError):
                raise
            log.error("a message is set aside", message_id=number, error=where(error))
            return _set_aside(number, Problem(1, "internal", in_words(error), ""))
    return []


def _set_aside(number: int, problem: Problem) -> list[Result]:
    with transaction.atomic(), connection.cursor() as cursor:
        claimed = _claim_one(cursor, number)
        return [set_aside(cursor, waiting, problem) for waiting in _load(cursor, claimed)]


def _claim_one(cursor: Any, number: int) -> list[tuple[int, str]]:
    """Wait for the message's patients, then see whether it still waits."""
    cursor.execute("SELECT key FROM intake_queue WHERE message = %s ORDER BY key", [number])
    lock_patients(cursor, (key for (key,) in cursor.fetchall()))
    cursor.execute("SELECT message, max(actor) FROM intake_queue WHERE message = %s GROUP BY message", [number])
    return list(cursor.fetchall())
