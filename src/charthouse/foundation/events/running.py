"""Running consumers."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog
from django.db import connection, transaction

from charthouse.foundation.logging import where
from charthouse.foundation.wake import run_pump
from charthouse.foundation.work import api as work

from . import cluster, cursor, parking
from .consumer import Consumer, Event
from .log import CHANNEL
from .permissions import MACHINERY_QUEUE

BATCH = 500
_RETRIES = 50

log = structlog.get_logger("charthouse.events")


def run_once(consumer: Consumer, limit: int = BATCH) -> int:
    """Hand over what is due again and the next batch, in one transaction; returns how many events were done with.

    0 means that there is nothing to do now, or that another process is reading for this consumer. Raises what the
    database raises when it is gone; a handler's own failure never comes out, see ``parking``.
    """
    cluster.ensure()
    if not cursor.has_news(consumer):
        return 0
    with transaction.atomic():
        place = cursor.claim(consumer.name)
        if place is None:
            return 0
        done = _try_again(consumer)
        place, events = cursor.next_batch(place, consumer.kinds, limit)
        _handle(consumer, events)
        cursor.save(place)
    return done + len(events)


def drain(consumer: Consumer, limit: int = BATCH) -> int:
    """Run until there is nothing to do; returns how many events were done with."""
    total = 0
    while done := run_once(consumer, limit):
        total += done
    return total


def pump(consumers: Sequence[Consumer], stop: threading.Event) -> None:
    """Run consumers until ``stop`` is set, waking at once when events are committed."""

    def step() -> int:
        return sum(run_once(consumer) for consumer in consumers if not stop.is_set())

    run_pump("events", CHANNEL, step, stop)


def _handle(consumer: Consumer, events: Sequence[Event]) -> None:
    if not events:
        return
    aside = parking.keys_aside(consumer.name, {event.key for event in events})
    waiting = [event for event in events if event.key in aside]
    if waiting:
        parking.put_aside(consumer.name, waiting)
    ready = [event for event in events if event.key not in aside]
    if not ready or _attempt(consumer, ready) is None:
        return
    for event in ready:
        if event.key in aside:
            parking.put_aside(consumer.name, [event])
        elif error := _attempt(consumer, [event]):
            aside.add(event.key)
            _failed(consumer, event, error)


def _try_again(consumer: Consumer) -> int:
    done = 0
    for first in parking.due(consumer.name, _RETRIES):
        aside: parking.Aside | None = first
        while aside is not None and done < _RETRIES:
            done += 1
            error = _attempt(consumer, [aside.event])
            if error:
                _failed(consumer, aside.event, error)
                break
            work.finish_by_dedupe(MACHINERY_QUEUE, _dedupe(consumer.name, aside.event.id), "handled")
            aside = parking.remove(aside)
    return done


def _attempt(consumer: Consumer, events: Sequence[Event]) -> str | None:
    """Hand events over within a savepoint; the failure in words without data, or None."""
    try:
        with transaction.atomic():
            consumer.handler(events)
    except Exception as error:
        if connection.needs_rollback or connection.connection is None or connection.connection.closed:
            raise
        return where(error)
    return None


def _failed(consumer: Consumer, event: Event, error: str) -> None:
    if parking.failed(consumer, event, error) is not parking.State.PARKED:
        log.warning("event failed and is tried again", consumer=consumer.name, event_id=event.id, error=error)
        return
    log.error("event parked", consumer=consumer.name, event_id=event.id, kind=event.kind, error=error)
    work.open_item(
        MACHINERY_QUEUE,
        subject=work.Subject("event", str(event.id)),
        reason=f"The part {consumer.name} could not handle an event ({event.kind}) and keeps later ones of the same"
        " patient waiting. Mend the cause, then retry or discard it.",
        dedupe=_dedupe(consumer.name, event.id),
        detail={"consumer": consumer.name, "event": event.id, "kind": event.kind, "error": error},
    )


def _dedupe(consumer: str, event_id: int) -> str:
    return f"event:{consumer}:{event_id}"
