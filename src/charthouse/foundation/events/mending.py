"""What a person does about events: see how far consumers are, retry, discard, forget a consumer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.wake import notify
from charthouse.foundation.work import api as work

from . import parking
from .log import CHANNEL
from .permissions import MACHINERY_QUEUE, MEND_EVENTS


class EventNotAside(Exception):
    """There is no event aside with this number."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind a consumer is: events not yet handed over, the age of the oldest, and those aside."""

    consumer: str
    waiting: int
    oldest: timedelta
    aside: int
    parked: int


def lag() -> list[Lag]:
    """How far each known consumer is behind, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.name, n.count, coalesce(clock_timestamp() - n.oldest, interval '0'), a.aside, a.parked"
            " FROM events_cursor AS c,"
            " LATERAL (SELECT count(*) AS count, min(at) AS oldest FROM events_event AS e"
            "  WHERE (e.xid >= pg_snapshot_xmax(c.done) OR e.xid = ANY(ARRAY(SELECT pg_snapshot_xip(c.done))))"
            "  AND (c.reading IS NULL OR e.id > c.last_id OR NOT pg_visible_in_snapshot(e.xid, c.reading))"
            "  AND c.kinds ? e.kind) AS n,"
            " LATERAL (SELECT count(*) AS aside, count(*) FILTER (WHERE state = 'parked') AS parked"
            "  FROM events_parked AS p WHERE p.consumer = c.name) AS a"
            " ORDER BY c.name"
        )
        return [Lag(*row) for row in cursor]


def parked(
    consumer: str | None = None, *, states: Collection[parking.State] = (parking.State.PARKED,), limit: int = 100
) -> list[parking.Aside]:
    """Events that stand aside, oldest first."""
    return parking.listed(consumer, states, limit)


def retry(ctx: AccessContext, id: int) -> None:
    """Let a parked event be tried again at once. Raises EventNotAside, PermissionRefused."""
    require(ctx, MEND_EVENTS)
    with transaction.atomic():
        aside = _locked(id)
        if not parking.try_again(id):
            raise EventNotAside(f"Event {aside.event.id} waits behind an earlier one of its key: retry that one.")
        _tell(ctx, "events.retry", aside, None)
    notify(CHANNEL)


def discard(ctx: AccessContext, id: int, reason: str) -> None:
    """Give an event up, with a reason that stands in the ledger, and let those behind it go on."""
    require(ctx, MEND_EVENTS)
    if not reason.strip():
        raise ValueError("Say why the event is discarded; the reason is kept in the ledger.")
    with transaction.atomic():
        aside = _locked(id)
        parking.remove(aside)
        work.finish_by_dedupe(
            MACHINERY_QUEUE, f"event:{aside.consumer}:{aside.event.id}", "discarded", finished_by=ctx.actor
        )
        _tell(ctx, "events.discard", aside, reason)
    notify(CHANNEL)


def forget(ctx: AccessContext, consumer: str) -> bool:
    """Remove the place of a consumer that is no longer part of the program; False when there was none."""
    require(ctx, MEND_EVENTS)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM events_parked WHERE consumer = %s", [consumer])
        cursor.execute("DELETE FROM events_cursor WHERE name = %s", [consumer])
        found = bool(cursor.rowcount == 1)
        if found:
            ledger.append(ctx, "events.forget", detail={"consumer": consumer})
    return found


def _locked(id: int) -> parking.Aside:
    """The event, with its consumer's place locked, so that no run meets it halfway."""
    aside = parking.get(id)
    if aside is not None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM events_cursor WHERE name = %s FOR UPDATE", [aside.consumer])
        aside = parking.get(id)
    if aside is None:
        raise EventNotAside(f"No event stands aside under {id}; `charthouse events parked` lists those that do.")
    return aside


def _tell(ctx: AccessContext, action: str, aside: parking.Aside, reason: str | None) -> None:
    detail: dict[str, ledger.JSON] = {"consumer": aside.consumer, "event": aside.event.id, "kind": aside.event.kind}
    ledger.append(ctx, action, detail=detail if reason is None else {**detail, "reason": reason})
