"""Reading the ledger: newest first, by filters, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from charthouse.foundation.access.api import AccessContext, Role, require

from .entries import Outcome, Subject
from .permissions import LEDGER_READ

_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries; all that are given must hold.

    ``actor`` is an actor's id, ``action`` an action (``chart.opened``) or the part before its dot (``chart``).
    ``patients`` and ``persons`` are ids of which one must be among the entry's subjects; a chart of several source
    patients gives them all. ``since`` is included, ``until`` is not.
    """

    actor: str = ""
    role: Role | None = None
    action: str = ""
    outcome: Outcome | None = None
    patients: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    subject: Subject | None = None
    since: datetime | None = None
    until: datetime | None = None
    session: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as the ledger holds it."""

    lane: int
    seq: int
    at: datetime
    actor: str
    actor_name: str
    roles: tuple[str, ...]
    purpose: str
    action: str
    outcome: Outcome
    session: str
    remote: str
    subjects: tuple[Subject, ...]
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The entry's name in the ledger: lane and number, e.g. ``3-1207``."""
        return f"{self.lane}-{self.seq}"


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first. ``next`` is the cursor of the page after, empty at the end."""

    lines: tuple[Line, ...]
    next: str


def entries(ctx: AccessContext, filters: Filters | None = None, cursor: str = "", limit: int = 50) -> Page:
    """A page of the ledger, at most 500 entries.

    A page's place does not move when entries are appended meanwhile. Raises PermissionRefused without the right
    to read the ledger, and ValueError for a cursor that is not one. The caller logs the reading, as with any read.
    """
    require(ctx, LEDGER_READ)
    limit = max(1, min(limit, _LIMIT))
    where, values = _conditions(filters or Filters())
    if cursor:
        where.append("(e.at, e.lane, e.seq) < (%s, %s, %s)")
        values += _decoded(cursor)
    with connection.cursor() as database:
        database.execute(
            "SELECT e.lane, e.seq, e.at, e.actor, e.actor_name, e.roles, e.purpose, e.action, e.outcome, "  # noqa: S608
            "e.session, e.remote, e.subjects, e.detail::text FROM ledger_entry e "
            f"WHERE {' AND '.join(where) or 'true'} ORDER BY e.at DESC, e.lane DESC, e.seq DESC LIMIT %s",
            (*values, limit + 1),
        )
        lines = [_line(row) for row in database.fetchall()]
    more = len(lines) > limit
    shown = tuple(lines[:limit])
    return Page(shown, _encoded(shown[-1]) if more else "")


def _conditions(filters: Filters) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []

    def hold(condition: str, *given: Any) -> None:
        where.append(condition)
        values.extend(given)

    if filters.since is not None:
        hold("e.at >= %s", filters.since)
    if filters.until is not None:
        hold("e.at < %s", filters.until)
    if filters.actor:
        hold("e.actor = %s", filters.actor)
    if filters.role is not None:
        hold("e.roles @> ARRAY[%s]", filters.role.value)
    if filters.action:
        if "." in filters.action:
            hold("e.action = %s", filters.action)
        else:
            hold("e.action >= %s AND e.action < %s", f"{filters.action}.", f"{filters.action}/")
    if filters.outcome is not None:
        hold("e.outcome = %s", filters.outcome.value)
    if filters.session:
        hold("e.session = %s", filters.session)
    for kind, identifiers in (("patient", filters.patients), ("person", filters.persons)):
        if identifiers:
            hold(*_about(kind, list(identifiers), filters))
    if filters.subject is not None:
        hold(*_about(filters.subject.kind, [filters.subject.id], filters))
    return where, values


def _about(kind: str, identifiers: list[str], filters: Filters) -> tuple[Any, ...]:
    inner = "SELECT s.at, s.lane, s.seq FROM ledger_subject s WHERE s.kind = %s AND s.subject_id = ANY(%s)"
    values: list[Any] = [kind, identifiers]
    if filters.since is not None:
        inner += " AND s.at >= %s"
        values.append(filters.since)
    if filters.until is not None:
        inner += " AND s.at < %s"
        values.append(filters.until)
    return (f"(e.at, e.lane, e.seq) IN ({inner})", *values)


def _line(row: tuple[Any, ...]) -> Line:
    lane, seq, at, actor, name, roles, purpose, action, outcome, session, remote, subjects, detail = row
    return Line(
        lane,
        seq,
        at,
        actor,
        name,
        tuple(roles),
        purpose,
        action,
        Outcome(outcome),
        session,
        remote,
        tuple(Subject.parse(subject) for subject in subjects),
        json.loads(detail) if detail else {},
    )


def _encoded(line: Line) -> str:
    return f"{line.at.isoformat()}~{line.lane}~{line.seq}"


def _decoded(cursor: str) -> list[Any]:
    try:
        at, lane, seq = cursor.split("~")
        return [datetime.fromisoformat(at), int(lane), int(seq)]
    except ValueError:
        raise ValueError(f"{cursor!r} is not a place in the ledger; go back to the first page.") from None
