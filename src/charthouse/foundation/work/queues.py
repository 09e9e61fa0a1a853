"""Queues are declared by the apps whose work they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from charthouse.foundation.access.api import AccessContext, Permission, Role, declare, may, require

from .items import UnknownQueue, WorkItem

Describe = Callable[[AccessContext, WorkItem], str]
DescribePage = Callable[[AccessContext, Sequence[WorkItem]], Mapping[int, str]]
Opener = Callable[[WorkItem], tuple[str, tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column a queue shows beside the usual ones. ``read`` gets a whole page of items and gives words by item."""

    title: str
    read: DescribePage


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue: its code, what people call it, who works it, and how an item's subject is put in words.

    ``describe`` is called with the asker, so that it says only what this asker may see; ``describe_page`` does the
    same for a page of items at once. ``subject`` heads the column these words stand in. ``opens`` gives the address
    name and arguments of the screen on which an item is decided; without it the item itself is opened. Where
    ``by_decision`` is set, an item is finished by what is decided about its matter, never by hand. ``also`` names
    another list of the same matter: its words, and its address name.
    """

    code: str
    title: str
    roles: frozenset[Role]
    permission: Permission
    describe: Describe | None = None
    describe_page: DescribePage | None = None
    subject: str = "Subject"
    columns: tuple[Column, ...] = ()
    opens: Opener | None = None
    by_decision: bool = False
    also: tuple[str, str] | None = None


_queues: dict[str, Queue] = {}


def declare_queue(
    code: str,
    title: str,
    roles: Iterable[Role],
    describe: Describe | None = None,
    *,
    describe_page: DescribePage | None = None,
    subject: str = "Subject",
    columns: Iterable[Column] = (),
    opens: Opener | None = None,
    by_decision: bool = False,
    also: tuple[str, str] | None = None,
) -> Queue:
    """Declare a queue once, at import. Raises ValueError when it is declared differently twice."""
    holders = frozenset(roles)
    permission = declare(f"work.{code}", f"work in the queue “{title}”", holders)
    queue = Queue(
        code, title, holders, permission, describe, describe_page, subject, tuple(columns), opens, by_decision, also
    )
    if _queues.setdefault(code, queue) != queue:
        raise ValueError(f"The queue {code} is declared twice.")
    return queue


def queue(code: str) -> Queue:
    """The queue. Raises UnknownQueue."""
    try:
        return _queues[code]
    except KeyError:
        known = ", ".join(sorted(_queues)) or "none yet"
        raise UnknownQueue(f"There is no queue {code!r}; the queues are: {known}.") from None


def queues(ctx: AccessContext) -> tuple[Queue, ...]:
    """The queues this asker works, by title."""
    mine = (each for each in _queues.values() if may(ctx, each.permission))
    return tuple(sorted(mine, key=lambda each: each.title))


def require_queue(ctx: AccessContext, code: str) -> Queue:
    """The queue, when the asker works it. Raises UnknownQueue, PermissionRefused."""
    found = queue(code)
    require(ctx, found.permission)
    return found


MACHINERY_QUEUE = declare_queue("machinery", "Stopped machinery", {Role.ADMINISTRATOR, Role.MANAGER}).code
