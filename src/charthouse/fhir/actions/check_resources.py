"""Check what was filed against what FHIR's schema does not say. Refuses nothing, changes no resource.

Filing tells that something was filed and is done; the worker checks it afterwards, in batches. What was found in a
version takes the place of what was found in the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import orjson
import structlog
from django.db import connection, transaction

from charthouse.configuration import configuration
from charthouse.exchange.fhir.conformance.api import Checked, Finding, Library, check
from charthouse.fhir import profiles
from charthouse.fhir.finding_queries import missing_target
from charthouse.fhir.permissions import CHECK
from charthouse.fhir.queues import FINDINGS, RULE
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now, wall
from charthouse.foundation.events.api import Event
from charthouse.foundation.ledger.api import Subject, append
from charthouse.foundation.rulepacks.api import parameter
from charthouse.foundation.work.api import NewItem, finish_many_by_dedupe, open_items
from charthouse.record.api import (
    TYPE_ID,
    Checkable,
    absent,
    source_rows,
    standing_after,
    standing_of_messages,
    types_present,
)

log = structlog.get_logger("charthouse.fhir")

#: Messages, and resources, that are checked together.
_MESSAGES, _RESOURCES = 20, 1_000

_KEEP = """
INSERT INTO fhir_finding (type, resource, version, source, rule, severity, code, path, message, counts_from,
                          target_type, target_id)
SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::int[], %s::int[], %s::text[], %s::text[], %s::text[],
                     %s::text[], %s::text[], %s::timestamptz[], %s::smallint[], %s::text[])
"""
#: What was missing and has come.
_COME = """
DELETE FROM fhir_finding f USING record_resource r
 WHERE f.target_id IS NOT NULL AND r.type = f.target_type AND r.public_id = f.target_id
"""
_COUNT = """
WITH found AS (
  SELECT source, rule, min(severity) AS severity, min(message) AS message,
         count(DISTINCT (type, resource)) AS resources
    FROM fhir_finding WHERE counts_from <= %s GROUP BY source, rule
), gone AS (
  UPDATE fhir_finding_kind k SET resources = 0, counted_at = %s
   WHERE k.resources > 0 AND NOT EXISTS (SELECT FROM found f WHERE f.source = k.source AND f.rule = k.rule)
  RETURNING id, source, rule, severity, message, 0::bigint AS resources
), changed AS (
  INSERT INTO fhir_finding_kind AS k (source, rule, severity, message, resources, counted_at)
  SELECT source, rule, severity, message, resources, %s FROM found ORDER BY source, rule
  ON CONFLICT (source, rule) DO UPDATE SET severity = excluded.severity, message = excluded.message,
         resources = excluded.resources, counted_at = excluded.counted_at
   WHERE (k.resources, k.severity) <> (excluded.resources, excluded.severity)
  RETURNING id, source, rule, severity, message, resources
)
SELECT * FROM gone UNION ALL SELECT * FROM changed ORDER BY id
"""


def is_on() -> bool:
    """Whether what is filed is checked by itself: ``fhir_check`` in ``site.toml``, on unless it says false."""
    return configuration().extra.get("fhir_check", True) is not False


def check_filed(events: Sequence[Event]) -> None:
    """Check what the messages brought that these events tell of. A consumer of ``record.filed``."""
    if not is_on():
        return
    messages = sorted({int(event.payload["message"]) for event in events if event.payload.get("message")})
    with connection.cursor() as cursor:
        for start in range(0, len(messages), _MESSAGES):
            items = standing_of_messages(cursor, messages[start : start + _MESSAGES])
            for at in range(0, len(items), _RESOURCES):
                _check(cursor, items[at : at + _RESOURCES])


def check_all(ctx: AccessContext, told: Callable[[int], None] = lambda done: None) -> int:
    """Check everything there is anew, and settle the work; how many resources. ``told`` gets the count so far."""
    require(ctx, CHECK)
    done = 0
    for kind in types_present():
        row = 0
        while True:
            with transaction.atomic(), connection.cursor() as cursor:
                items = standing_after(cursor, kind, row, _RESOURCES)
                _check(cursor, items)
            done += len(items)
            told(done)
            if len(items) < _RESOURCES:
                break
            row = items[-1].row
    settle_findings()
    append(ctx, "fhir.checked-all", detail={"count": done})
    return done


def settle_findings() -> int:
    """Forget references that lead somewhere now, count what is left, and bring the work up to date: an item for
    each sender and kind of error, closed where nothing is left. How many kinds changed."""
    with transaction.atomic(), connection.cursor() as cursor:
        # One at a time: two that count at once would write the same rows.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('fhir_finding_kind'))")
        cursor.execute(_COME)
        cursor.execute(_COUNT, [wall()] * 3)
        changed = cursor.fetchall()
        names = source_rows(cursor, {row[1] for row in changed})
        due = now() + timedelta(days=int(parameter(RULE, "days")))
        opened, finished = [], []
        for id, source, rule, severity, message, resources in changed:
            if resources and severity == "error":
                sender = names[source].name if source in names else "A sender"
                opened.append(
                    NewItem(
                        FINDINGS,
                        Subject("finding-kind", str(id)),
                        _reason(sender, rule, message, resources),
                        str(id),
                        RULE,
                        due,
                    )
                )
            else:
                finished.append(str(id))
        open_items(opened)
        if finished:
            finish_many_by_dedupe(FINDINGS, finished, "nothing left")
    return len(changed)


def _reason(sender: str, rule: str, message: str, resources: int) -> str:
    place = rule.rpartition(":")[2]
    many = "1 resource" if resources == 1 else f"{resources:,} resources"
    return f"{sender}: {many} with a finding at {place}. {message}"


def _check(cursor: Any, items: Sequence[Checkable]) -> None:
    """Check resources, and put what was found in the place of what was."""
    if not items:
        return
    library = profiles.loaded()
    checked = [(item, _checked(item, library)) for item in items]
    wanted = {tuple(target.split("/", 1)) for _, found in checked for target, _ in found.references.values()}
    missing = {"/".join(key) for key in absent(cursor, wanted)}  # type: ignore[arg-type]
    rows = [row for item, found in checked for row in _rows(item, found, missing)]
    cursor.execute(
        "DELETE FROM fhir_finding f USING unnest(%s::smallint[], %s::bigint[]) AS n (type, resource) "
        "WHERE f.type = n.type AND f.resource = n.resource",
        [[TYPE_ID[item.type] for item in items], [item.row for item in items]],
    )
    if rows:
        cursor.execute(_KEEP, [list(column) for column in zip(*rows, strict=True)])


def _checked(item: Checkable, library: Library) -> Checked:
    if item.is_deleted:
        return Checked()
    try:
        return check(orjson.loads(item.content), library)
    except Exception as fault:
        # Whatever a strange resource does to the checker, the others are checked.
        log.error("resource not checked", type=item.type, error=type(fault).__name__)
        return Checked()


def _rows(item: Checkable, checked: Checked, missing: set[str]) -> Iterator[tuple[Any, ...]]:
    head = (TYPE_ID[item.type], item.row, item.version, item.source)
    for found in checked.findings:
        yield (*head, *_columns(found), item.filed_at, None, None)
    later = item.filed_at + timedelta(hours=int(parameter(RULE, "grace")))
    for path, (target, rule) in checked.references.items():
        if target in missing:
            kind, id = target.split("/", 1)
            yield (*head, *_columns(missing_target(path, kind, rule)), later, TYPE_ID[kind], id)


def _columns(found: Finding) -> tuple[str, ...]:
    return found.rule, found.severity, found.code, found.path, found.message
