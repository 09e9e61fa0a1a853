"""How good the index is: duplicates, overlaps and overlays, who decided what, which senders bring duplicates, how
long deciding takes. Every number opens the list it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require, system_context
from charthouse.foundation.clock import now
from charthouse.foundation.work.api import Resolution, counts, resolution
from charthouse.record.api import source_rows

from .permissions import SEE_QUALITY
from .placeholder_queries import placeholder_lines
from .queues import POSSIBLE_DUPLICATES, SUSPECTED_OVERLAYS

#: Days that "lately" looks back.
LATELY = 90
#: Rows of a list; what is beyond is said.
MOST = 1_000


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of the board: what it counts and how, and the list or the queue behind it."""

    code: str
    title: str
    value: str
    method: str
    queue: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """What one person decided lately, or what one sender brought: counts under the board's headings."""

    key: str
    name: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """The whole board, as of now, lately meaning since ``since``. ``people`` count merges and links, partings,
    found different, and of theirs those undone; ``places`` count records new lately, those of them that were
    duplicates."""

    since: datetime
    measures: tuple[Measure, ...]
    people: tuple[Tally, ...]
    places: tuple[Tally, ...]
    resolved: tuple[tuple[str, str, Resolution], ...]


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row of a list: its cells, and the person, decision or queue item it leads to."""

    cells: tuple[str, ...]
    person: UUID | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a number counts. ``more`` says that it is cut at MOST rows."""

    code: str
    title: str
    method: str
    columns: tuple[str, ...]
    rows: tuple[ListRow, ...]
    more: bool


_RECORDS = "Records of the index: a patient as one sender knows them."
_LISTS = {
    "records": ("Records in the index", _RECORDS),
    "several": (
        "Persons with several records",
        "Persons under whom more than one record is filed, by a machine or by a person.",
    ),
    "overlaps": (
        "Overlaps",
        "Persons with records of more than one sender: one human being under several numbers, brought together "
        "here.",
    ),
    "within": (
        "Duplicates within a sender",
        "Persons with more than one record of the same sender: that sender registered them twice.",
    ),
    "splits": (
        "Overlays split lately",
        f"Records in which two persons stood, parted in the last {LATELY} days and not joined again.",
    ),
    "decisions": (
        "Decisions lately",
        f"Merges, links, unlinks and splits of the last {LATELY} days, those that senders asked for included.",
    ),
    "reversals": (
        "Decisions undone lately",
        f"Decisions of the last {LATELY} days that were undone since.",
    ),
    "duplicates": (
        "Records found to be duplicates lately",
        f"Records that a decision of the last {LATELY} days put under a person who had one already, and that "
        "was not undone.",
    ),
    "placeholders": (
        "Values that stand for none",
        "Values that far more persons have than chance would have it, as of the last look through the index "
        "(charthouse identity placeholders find). Accepted ones are neither looked up nor compared.",
    ),
}


def board(ctx: AccessContext) -> Board:
    """The board. Raises PermissionRefused."""
    require(ctx, SEE_QUALITY)
    since = now() - timedelta(days=LATELY)
    with connection.cursor() as cursor:
        counted = _persons(cursor, ctx) | {
            code: _count(cursor, ctx, code, since) for code in ("splits", "decisions", "reversals", "duplicates")
        }
        people, places = _people(cursor, since), _places(cursor, since)
    lines = placeholder_lines(ctx)
    waiting = {each.queue.code: each.unfinished for each in counts(system_context("identity"))}
    records = counted["records"]
    measures = [
        Measure(
            "waiting",
            "Possible duplicates",
            _share(waiting[POSSIBLE_DUPLICATES], records),
            "Duplicate rate: pairs that wait for a decision, for every hundred records in the index. Pairs are "
            "found by the matching rules when a record arrives; a duplicate that they do not find is not "
            "counted.",
            POSSIBLE_DUPLICATES,
        ),
        Measure(
            "duplicates", _LISTS["duplicates"][0], _share(counted["duplicates"], records), _LISTS["duplicates"][1]
        ),
        Measure(
            "overlays",
            "Suspected overlays",
            str(waiting[SUSPECTED_OVERLAYS]),
            "Patients of whom an update speaks rather of somebody else; it is held until somebody decides.",
            SUSPECTED_OVERLAYS,
        ),
        *(
            Measure(code, _LISTS[code][0], str(counted[code]), _LISTS[code][1])
            for code in ("splits", "overlaps", "within", "several", "decisions", "reversals")
        ),
        Measure(
            "placeholders",
            _LISTS["placeholders"][0],
            f"{len(lines)}, {sum(each.state == 'found' for each in lines)} undecided",
            _LISTS["placeholders"][1],
        ),
    ]
    resolved = tuple(
        (code, title, resolution(code, since))
        for code, title in (
            (POSSIBLE_DUPLICATES, "Possible duplicates"),
            (SUSPECTED_OVERLAYS, "Suspected overlays"),
        )
    )
    return Board(since, tuple(measures), people, places, resolved)


def _share(count: int, of: int) -> str:
    return f"{count} of {of} ({count / of * 100:.2f} %)" if of else str(count)


def listed(ctx: AccessContext, code: str, key: str = "") -> Listing | None:
    """The list behind a number; None where there is none of that name. ``key`` narrows decisions to a person who
    decided, and duplicates to a sender. Raises PermissionRefused."""
    require(ctx, SEE_QUALITY)
    if code not in _LISTS:
        return None
    if code == "placeholders":
        return _placeholders(ctx)
    since = now() - timedelta(days=LATELY)
    with connection.cursor() as cursor:
        sql, values = _query(ctx, code, since, key)
        cursor.execute(f"SELECT * FROM ({sql}) AS counted LIMIT %s", [*values, MOST + 1])  # noqa: S608
        rows = cursor.fetchall()
        more = len(rows) > MOST
        columns, listing = _rows(cursor, code, rows[:MOST])
    title, method = _LISTS[code]
    return Listing(code, title, method, columns, listing, more)


def _placeholders(ctx: AccessContext) -> Listing:
    lines = placeholder_lines(ctx)
    rows = tuple(
        ListRow(
            (
                each.value,
                each.title,
                f"{each.persons}",
                each.reason,
                "undecided" if each.state == "found" else each.state,
                each.decided_by,
                each.why,
            )
        )
        for each in lines[:MOST]
    )
    columns = ("Value", "What", "Persons", "Why it is too many", "State", "By", "Why")
    title, method = _LISTS["placeholders"]
    return Listing("placeholders", title, method, columns, rows, len(lines) > MOST)


def _persons(cursor: Any, ctx: AccessContext) -> dict[str, int]:
    """The records and the persons who have several, counted in one pass over the index."""
    cursor.execute(
        # Counting, not leaving out: so the index that holds it all is read in its own order.
        "SELECT coalesce(sum(records), 0), count(*) FILTER (WHERE records > 1), count(*) FILTER (WHERE senders "
        "> 1), count(*) FILTER (WHERE records > senders) FROM (SELECT count(*) FILTER (WHERE labels & %s = 0) AS "
        "records, count(DISTINCT source) FILTER (WHERE labels & %s = 0) AS senders FROM identity_source_patient "
        "GROUP BY person) AS each",
        [~int(ctx.clearance)] * 2,
    )
    return dict(zip(("records", "several", "overlaps", "within"), map(int, cursor.fetchone()), strict=True))


def _count(cursor: Any, ctx: AccessContext, code: str, since: datetime) -> int:
    sql, values = _query(ctx, code, since, "")
    cursor.execute(f"SELECT count(*) FROM ({sql}) AS counted", values)  # noqa: S608
    return int(cursor.fetchone()[0])


_PERSONS = """
SELECT s.person, min(p.number) AS number, min(concat_ws(', ', nullif(s.family, ''), nullif(s.given, ''))) AS name,
       count(*) AS records, count(DISTINCT s.source) AS senders
  FROM identity_source_patient s JOIN identity_person p ON p.id = s.person
 WHERE s.labels & %s = 0 GROUP BY s.person HAVING {having} ORDER BY 4 DESC, 2
"""
# Persons are joined so that counting passes them over: each is there, and the planner knows that it is one.
_STANDING = "NOT EXISTS (SELECT FROM identity_decision u WHERE u.undoes = d.id)"
_DECIDED = f"""
SELECT d.id, d.kind, d.at, d.actor, d.reason, d.person, p.number, NOT {_STANDING} AS undone
  FROM identity_decision d LEFT JOIN identity_person p ON p.id = d.person
 WHERE d.kind <> 'undo' AND d.at >= %s
"""  # noqa: S608
_DUPLICATES = f"""
SELECT s.source, d.id, d.at, d.actor, s.person, p.number, concat_ws(', ', nullif(s.family, ''), nullif(s.given,
'')), s.mrn   FROM identity_decision d JOIN identity_link l ON l.decision = d.id
  JOIN identity_source_patient s ON s.patient = l.patient LEFT JOIN identity_person p ON p.id = s.person
 WHERE d.kind IN ('merge', 'link', 'notice') AND d.at >= %s AND l.person_from IS DISTINCT FROM l.person_to
   AND s.labels & %s = 0 AND {_STANDING}
"""  # noqa: S608


def _query(ctx: AccessContext, code: str, since: datetime, key: str) -> tuple[str, list[Any]]:
    hidden = ~int(ctx.clearance)
    if code == "records":
        return (
            "SELECT s.person, p.number, concat_ws(', ', nullif(s.family, ''), nullif(s.given, '')), s.mrn, s.source"
            " FROM identity_source_patient s JOIN identity_person p ON p.id = s.person WHERE s.labels & %s = 0",
            [hidden],
        )
    if code in {"several", "overlaps", "within"}:
        having = {
            "several": "count(*) > 1",
            "overlaps": "count(DISTINCT s.source) > 1",
            "within": "count(*) > count(DISTINCT s.source)",
        }[code]
        return _PERSONS.format(having=having), [hidden]
    if code == "duplicates":
        sql, values = _DUPLICATES, [since, hidden]
        if key:
            sql, values = (
                f"{sql} AND s.source = %s",
                [*values, int(key) if key.isdecimal() and len(key) < 10 else -1],
            )
        return f"{sql} ORDER BY d.id DESC", values
    sql, values = _DECIDED, [since]
    if code == "splits":
        sql = f"{sql} AND d.kind = 'split' AND {_STANDING}"
    if code == "reversals":
        sql = f"{sql} AND NOT {_STANDING}"
    if key:
        sql, values = f"{sql} AND d.actor = %s", [*values, key]
    return f"{sql} ORDER BY d.id DESC", values


KINDS = {
    "merge": "Merged",
    "link": "Linked one record",
    "notice": "Linked at a sender's notice",
    "unlink": "Unlinked one record",
    "split": "Split",
    "undo": "Undone",
}


def _rows(cursor: Any, code: str, rows: Sequence[Sequence[Any]]) -> tuple[tuple[str, ...], tuple[ListRow, ...]]:
    if code in {"records", "duplicates"}:
        at = 4 if code == "records" else 0
        names = source_rows(cursor, {row[at] for row in rows})
        senders = {number: names[number].name for number in names}
    if code == "records":
        return ("Person", "Name", "Record number", "Sender"), tuple(
            ListRow((str(row[1]), row[2], row[3], senders.get(row[4], "")), row[0]) for row in rows
        )
    if code == "duplicates":
        return ("Person", "Name", "Record number", "Sender", "Decided", "By"), tuple(
            ListRow(
                (
                    str(row[5]),
                    row[6],
                    row[7],
                    senders.get(row[0], ""),
                    _moment(row[2]),
                    row[3],
                ),
                row[4],
            )
            for row in rows
        )
    if code in {"several", "overlaps", "within"}:
        return ("Person", "Name", "Records", "Senders"), tuple(
            ListRow((str(row[1]), row[2], str(row[3]), str(row[4])), row[0]) for row in rows
        )
    return ("When", "What", "Person", "By", "Why", "Since"), tuple(
        ListRow(
            (
                _moment(row[2]),
                KINDS.get(row[1], row[1]),
                str(row[6]),
                row[3],
                row[4],
                "undone" if row[7] else "stands",
            ),
            row[5],
        )
        for row in rows
    )


def _moment(at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(configuration().time_zone)):%Y-%m-%d %H:%M}"


def _people(cursor: Any, since: datetime) -> tuple[Tally, ...]:
    cursor.execute(
        "WITH done AS (SELECT actor, kind, EXISTS (SELECT FROM identity_decision u WHERE u.undoes = d.id) AS undone"
        " FROM identity_decision d WHERE kind <> 'undo' AND at >= %s UNION ALL"
        " SELECT actor, verdict, false FROM identity_not_same_event WHERE at >= %s AND decision IS NULL)"
        " SELECT actor, count(*) FILTER (WHERE kind IN ('merge', 'link', 'notice')),"
        " count(*) FILTER (WHERE kind IN ('unlink', 'split')), count(*) FILTER (WHERE kind = 'apart'),"
        " count(*) FILTER (WHERE undone) FROM done GROUP BY actor ORDER BY count(*) DESC, actor",
        [since, since],
    )
    return tuple(Tally(row[0], row[0], tuple(row[1:])) for row in cursor.fetchall())


def _places(cursor: Any, since: datetime) -> tuple[Tally, ...]:
    """Senders by the duplicates among the records they brought lately; those without any are left out."""
    cursor.execute(
        "WITH found AS (SELECT s.source, count(DISTINCT s.patient) AS many FROM identity_decision d"  # noqa: S608
        "  JOIN identity_link l ON l.decision = d.id JOIN identity_source_patient s USING (patient)"
        "  WHERE d.kind IN ('merge', 'link', 'notice') AND d.at >= %s"
        f"  AND l.person_from IS DISTINCT FROM l.person_to AND {_STANDING} GROUP BY s.source),"
        # Of every record one event says that it came.
        " fresh AS (SELECT s.source, count(*) AS many FROM identity_link l"
        "  JOIN identity_source_patient s USING (patient) WHERE l.person_from IS NULL AND l.at >= %s"
        "  GROUP BY s.source)"
        " SELECT source, coalesce(fresh.many, 0), found.many FROM found LEFT JOIN fresh USING (source)"
        " ORDER BY 3 DESC, 1",
        [since, since],
    )
    rows = cursor.fetchall()
    names = source_rows(cursor, [row[0] for row in rows])
    return tuple(
        Tally(str(row[0]), names[row[0]].name if row[0] in names else str(row[0]), tuple(row[1:])) for row in rows
    )
