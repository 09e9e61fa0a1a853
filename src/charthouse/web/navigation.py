"""What stands in the rail, declared in code: a screen appears for those who hold its permission."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse

from charthouse.foundation.access.api import AccessContext, Permission, may
from charthouse.foundation.ledger.api import LEDGER_READ
from charthouse.identity.api import FIND_PATIENT
from charthouse.intake import api as intake
from charthouse.people import api as people

from . import permissions


@dataclass(frozen=True, slots=True)
class Item:
    """One screen of the rail. ``url_name`` is also what a screen calls itself to be shown as the current one;
    ``keys`` are its two strokes; ``count`` says how much waits there."""

    title: str
    url_name: str
    permission: Permission
    keys: str
    count: Callable[[AccessContext], int] | None = None


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
    count: int | None


def _unfiled(ctx: AccessContext) -> int:
    return intake.unfiled_count(ctx)


GROUPS = (
    Group(
        "Work",
        (
            Item("Today", "home", permissions.OPEN_HOME, "g h"),
            Item("Unfiled messages", "unfiled", intake.READ_UNFILED, "g u", _unfiled),
        ),
    ),
    Group(
        "Look up",
        (
            Item("Patient index", "find", FIND_PATIENT, "g f"),
            Item("Practitioners", "practitioners", people.SEE_DIRECTORY, "g w"),
            Item("Facilities", "facilities", people.SEE_DIRECTORY, "g b"),
            Item("Rules", "rules", permissions.READ_RULES, "g k"),
        ),
    ),
    Group("Oversight", (Item("Ledger", "ledger", LEDGER_READ, "g l"),)),
    Group("Administration", (Item("People", "people", people.SEE_ACCOUNTS, "g s"),)),
)


def rail(ctx: AccessContext, current: str) -> list[tuple[str, list[Entry]]]:
    """The headings and entries this reader sees, in order; a heading with nothing under it is left out."""
    shown = []
    for group in GROUPS:
        entries = [
            Entry(
                title=item.title,
                url=reverse(item.url_name),
                keys=item.keys,
                current=item.url_name == current,
                count=item.count(ctx) if item.count else None,
            )
            for item in group.items
            if may(ctx, item.permission)
        ]
        if entries:
            shown.append((group.title, entries))
    return shown
