"""Saved views: a person's own names for sets of filters of a queue. Nobody else sees or changes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.ledger import api as ledger

from .items import WorkError
from .queues import require_queue

#: How many views of one queue a person may keep, and how long a name may be: they stand in one line.
MOST_VIEWS = 12
LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class View:
    """A saved view; ``filters`` are the desk's own words for its filters."""

    id: int
    name: str
    filters: Mapping[str, str]


def views(ctx: AccessContext, queue: str) -> tuple[View, ...]:
    """The asker's views of a queue, by name. Raises PermissionRefused, UnknownQueue."""
    require_queue(ctx, queue)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, name, filters::text FROM work_view WHERE actor = %s AND queue = %s"
            " ORDER BY lower(name), id",
            [ctx.actor, queue],
        )
        return tuple(View(id, name, orjson.loads(filters)) for id, name, filters in cursor)


def save_view(ctx: AccessContext, queue: str, name: str, filters: Mapping[str, str]) -> View:
    """Keep a set of filters under a name; the same name again replaces it. Raises WorkError."""
    require_queue(ctx, queue)
    named = " ".join(name.replace("\0", "").split())
    if not named:
        raise WorkError("Give the view a name.")
    if len(named) > LONGEST_NAME:
        raise WorkError(f"The name of a view has at most {LONGEST_NAME} letters.")
    with transaction.atomic(), connection.cursor() as cursor:
        # One person's views are saved one after another, so that two windows cannot pass the limit together.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"work-view {ctx.actor} {queue}"])
        cursor.execute(
            "SELECT count(*) FROM work_view WHERE actor = %s AND queue = %s AND name <> %s",
            [ctx.actor, queue, named],
        )
        if cursor.fetchone()[0] >= MOST_VIEWS:
            raise WorkError(f"There are {MOST_VIEWS} views of this queue already; remove one first.")
        cursor.execute(
            "INSERT INTO work_view (actor, queue, name, filters) VALUES (%s, %s, %s, %s::jsonb)"
            " ON CONFLICT (actor, queue, name) DO UPDATE SET filters = excluded.filters, saved_at = now()"
            " RETURNING id",
            [ctx.actor, queue, named, orjson.dumps(dict(filters)).decode()],
        )
        id = int(cursor.fetchone()[0])
        ledger.append(ctx, "work.save-view", detail={"queue": queue, "view": id})
    return View(id, named, dict(filters))


def remove_view(ctx: AccessContext, queue: str, id: int) -> None:
    """Remove one of the asker's own views. Raises WorkError where there is none."""
    require_queue(ctx, queue)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM work_view WHERE id = %s AND actor = %s AND queue = %s RETURNING id", [id, ctx.actor, queue]
        )
        if cursor.fetchone() is None:
            raise WorkError("You have no such view.")
        ledger.append(ctx, "work.remove-view", detail={"queue": queue, "view": id})
