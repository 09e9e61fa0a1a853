"""Give resources to another patient: what the split of a source patient that held two persons does, and its
undoing.

The one exception to the rule that a resource keeps its patient. Each resource gets a new version that names the
other patient and says the same for the rest; the version that named the first stays in its history, and the new one
comes from the same original. Rows that follow their resource are told by the classes of tables. The event
``record.reassigned`` names the rows of the encounters that went, or of which something went.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from charthouse.foundation.access.api import system_context
from charthouse.foundation.events.api import append as append_event
from charthouse.foundation.tables import following
from charthouse.record.domain.exact import editable
from charthouse.record.domain.filing import Filed, State, prepare
from charthouse.record.domain.references import renamed
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.queries import current

from .file_resources import file_resources

CONTEXT = system_context("record")
Key = tuple[str, str]


class NotOfPatient(Exception):
    """A resource is not that patient's, or not in the record any more; nothing was changed."""


def reassign_resources(
    cursor: Any, items: Sequence[Key], giver: tuple[int, str], taker: tuple[int, str], filed_at: datetime
) -> list[Filed]:
    """Give the resources ``(type, public id)`` of patient ``giver`` (row, public id) to ``taker``, in the caller's
    transaction.

    Raises NotOfPatient where one of them is not the giver's now. A message that files one of them at the same
    moment waits, or is tried again by who files it.
    """
    rows = _locked(cursor, items)
    found = current(cursor, CONTEXT, items)
    filings = []
    for key in items:
        stored = found.get(key)
        if stored is None or stored.patient != giver[0] or key not in rows:
            raise NotOfPatient(f"The {key[0]} is not this patient's any more. Look at the chart again.")
        content = orjson.dumps(renamed(editable(stored.content), f"Patient/{giver[1]}", f"Patient/{taker[1]}"))
        filing = prepare(orjson.loads(content), content, deleted=stored.state is State.DELETED)
        filing.source, filing.message, filing.original = rows[key], stored.message, stored.original
        filing.place = stored.place
        # One that names its patient in no element, but by what it is part of, goes all the same.
        filing.patient = taker[1]
        filings.append(filing)
    done = file_resources(cursor, filings, filed_at)
    for table, follows in following():
        cursor.execute(
            f"UPDATE {table} SET {follows.patient} = %s WHERE {follows.resource} = ANY(%s)",  # noqa: S608
            [taker[0], [each.row for each in done if each.type == follows.type]],
        )
    append_event(
        "record.reassigned",
        key=str(taker[0]),
        payload={"patient": taker[0], "from": giver[0], "encounters": _encounters_of(cursor, done)},
    )
    return done


def _encounters_of(cursor: Any, done: Sequence[Filed]) -> list[int]:
    """The rows of the encounters that went, or of which something went."""
    by_type: dict[str, list[int]] = {}
    for each in done:
        by_type.setdefault(each.type, []).append(each.row)
    found = set(by_type.get("Encounter", ()))
    for kind, rows in by_type.items():
        cursor.execute(
            "SELECT DISTINCT encounter FROM record_resource"
            " WHERE type = %s AND id = ANY(%s) AND encounter IS NOT NULL",
            [TYPE_ID[kind], rows],
        )
        found |= {row for (row,) in cursor.fetchall()}
    return sorted(found)


def _locked(cursor: Any, items: Sequence[Key]) -> dict[Key, int]:
    """The senders of the resources, whose rows are held to the end of the transaction."""
    by_type: dict[str, list[str]] = {}
    for kind, public_id in items:
        if kind in TYPE_ID:
            by_type.setdefault(kind, []).append(public_id)
    rows: dict[Key, int] = {}
    for kind, ids in sorted(by_type.items()):
        cursor.execute(
            "SELECT public_id, source FROM record_resource WHERE type = %s AND public_id = ANY(%s)"
            " ORDER BY id FOR UPDATE",
            [TYPE_ID[kind], ids],
        )
        rows |= {(kind, public_id): source for public_id, source in cursor.fetchall()}
    return rows
