"""Reads of what other systems were told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.outbox.api import Delivery, deliveries

from .models import Notice, NoticeDestination
from .permissions import SEE_PERSON


@dataclass(frozen=True, slots=True)
class Destination:
    """A system that is told, with how many notices arrived, wait, are uncertain, or were refused or given up."""

    name: str
    address: str
    format: str
    sent: int
    waiting: int
    uncertain: int
    dead: int


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A notice of a decision: to whom, and in one word how far it came."""

    decision: int
    destination: str
    at: datetime
    state: str
    attempts: int

    @property
    def words(self) -> str:
        return {"sent": "arrived", "dead": "refused or given up"}.get(self.state, self.state)


def _state(delivery: Delivery | None) -> str:
    if delivery is None:
        return "sent"
    return "uncertain" if delivery.uncertain else delivery.state


def _lines(notices: Iterable[Notice]) -> list[NoticeLine]:
    listed = list(notices)
    found = deliveries(each.message for each in listed)
    return [
        NoticeLine(
            each.decision_id,
            each.destination.name,
            each.at,
            _state(found.get(each.message)),
            found[each.message].attempts if each.message in found else 1,
        )
        for each in listed
    ]


def notices_of(ctx: AccessContext, decisions: Iterable[int]) -> dict[int, list[NoticeLine]]:
    """The notices of decisions, by decision. Raises PermissionRefused."""
    require(ctx, SEE_PERSON)
    lines: dict[int, list[NoticeLine]] = {}
    for each in _lines(
        Notice.objects.filter(decision__in=list(decisions)).select_related("destination").order_by("id")
    ):
        lines.setdefault(each.decision, []).append(each)
    return lines


def recent_notices(ctx: AccessContext, limit: int) -> list[NoticeLine]:
    """The last notices, newest first. Raises PermissionRefused."""
    require(ctx, SEE_PERSON)
    return _lines(Notice.objects.select_related("destination").order_by("-id")[:limit])


def destinations(ctx: AccessContext) -> list[Destination]:
    """Who is told, by name. Raises PermissionRefused."""
    require(ctx, SEE_PERSON)
    found = []
    for each in NoticeDestination.objects.filter(removed_at=None).order_by("name"):
        states = [
            line.state for line in _lines(Notice.objects.filter(destination=each).select_related("destination"))
        ]
        found.append(
            Destination(
                each.name,
                each.address,
                each.format,
                states.count("sent"),
                states.count("waiting") + states.count("sending"),
                states.count("uncertain"),
                states.count("dead") + states.count("discarded"),
            )
        )
    return found
