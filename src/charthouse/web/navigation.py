"""What stands in the rail, declared in code: a screen appears for those who hold its permission."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse

from charthouse.completion.api import OWE, READ_CHARTS, SEE_LETTERS, owed_count
from charthouse.fhir.api import SEE_CLIENTS
from charthouse.foundation.access.api import AccessContext, Permission, may
from charthouse.foundation.ledger.api import LEDGER_READ
from charthouse.foundation.work import api as work
from charthouse.identity.api import FIND_PATIENT, SEE_QUALITY
from charthouse.intake.api import UNFILED
from charthouse.people import api as people
from charthouse.record.api import READ_RETENTION, READ_UNSIGNED, SEARCH_RECORD, SIGN, unsigned_count

from . import permissions


@dataclass(frozen=True, slots=True)
class Item:
    """One screen of the rail. ``url_name`` is also what a screen calls itself to be shown as the current one;
    ``keys`` are its two strokes."""

    title: str
    url_name: str
    permission: Permission
    keys: str


@dataclass(frozen=True, slots=True)
class Group:
    """A heading of the rail with its screens."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An item as one reader sees it."""

    title: str
    url: str
    keys: str
    current: bool
    count: int | str | None = None


#: A queue counts no further in the rail.
MOST_COUNTED = 999
#: The heading under which the queues stand.
WORK = "Work"
#: A queue with two strokes of its own; the others are told by their place.
_STROKES = {UNFILED: "g u"}

GROUPS = (
    Group(
        WORK,
        (
            Item("Today", "home", permissions.OPEN_HOME, "g h"),
            Item("What I owe", "owed", OWE, "g O"),
            Item("Unsigned documents", "unsigned", READ_UNSIGNED, "g n"),
            Item("Incomplete charts", "incomplete", READ_CHARTS, "g I"),
        ),
    ),
    Group(
        "Look up",
        (
            Item("Patient index", "find", FIND_PATIENT, "g f"),
            Item("Word search", "words", SEARCH_RECORD, "g q"),
            Item("Practitioners", "practitioners", people.SEE_DIRECTORY, "g w"),
            Item("Facilities", "facilities", people.SEE_DIRECTORY, "g b"),
            Item("Rules", "rules", permissions.READ_RULES, "g k"),
        ),
    ),
    Group(
        "Oversight",
        (
            Item("Index quality", "quality", SEE_QUALITY, "g z"),
            Item("Letters", "letters", SEE_LETTERS, "g L"),
            Item("Suspension list", "suspensions", SEE_LETTERS, "g S"),
            Item("Retention", "retention", READ_RETENTION, "g 0"),
            Item("Ledger", "ledger", LEDGER_READ, "g l"),
        ),
    ),
    Group(
        "Administration",
        (
            Item("People", "people", people.SEE_ACCOUNTS, "g s"),
            Item("API clients", "clients", SEE_CLIENTS, "g g"),
        ),
    ),
)


def rail(ctx: AccessContext, current: str, queue: str = "") -> list[tuple[str, list[Entry]]]:
    """The headings and entries this reader sees, in order; a heading with nothing under it is left out.

    ``current`` is the screen at hand, ``queue`` the code of the queue at hand. The reader's queues end
    their heading; the nth is opened by ``g`` and n.
    """
    shown = []
    for group in GROUPS:
        entries = [
            Entry(
                title=item.title,
                url=reverse(item.url_name),
                keys=item.keys,
                current=item.url_name == current and not queue,
                count=_COUNTS[item.url_name](ctx) if item.url_name in _COUNTS else None,
            )
            for item in group.items
            if may(ctx, item.permission)
        ]
        if group.title == WORK:
            entries += _queues(ctx, queue)
        if entries:
            shown.append((group.title, entries))
    return shown


def _unsigned(ctx: AccessContext) -> int | str | None:
    """How many documents wait for the reader's own signature."""
    if not may(ctx, SIGN):
        return None
    return _capped(unsigned_count(ctx, MOST_COUNTED + 1))


def _owed(ctx: AccessContext) -> int | str:
    """How much the reader owes."""
    return _capped(owed_count(ctx, MOST_COUNTED + 1))


def _capped(count: int) -> int | str:
    return f"{MOST_COUNTED}+" if count > MOST_COUNTED else count


_COUNTS: dict[str, Callable[[AccessContext], int | str | None]] = {"unsigned": _unsigned, "owed": _owed}


def _queues(ctx: AccessContext, at_hand: str) -> list[Entry]:
    return [
        Entry(
            title=each.title,
            url=reverse("queue", args=(each.code,)),
            keys=_STROKES.get(each.code) or (f"g {number}" if number < 10 else ""),
            current=each.code == at_hand,
            count=f"{MOST_COUNTED}+" if count > MOST_COUNTED else count,
        )
        for number, (each, count) in enumerate(work.unfinished(ctx, most=MOST_COUNTED), 1)
    ]
