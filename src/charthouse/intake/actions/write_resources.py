"""Write resources as a client of the FHIR API asks: under their own ids, with references as they are.

The same filing as every other way in: the original is kept, patients are placed, signed documents stay as they are.
All of one call is written or nothing, in the caller's transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from charthouse.exchange.fhir.api import FhirError, beyond_schema, parse, validate
from charthouse.exchange.fhir.api import Problem as Invalid
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import wall
from charthouse.foundation.ids import new_id
from charthouse.foundation.ledger.api import Subject
from charthouse.intake.domain.arrival import Arrival, Connector, Format, OriginalPart
from charthouse.intake.domain.fhir_plan import Problem
from charthouse.intake.domain.naming import identifier_key, identifiers_of, is_shared
from charthouse.intake.queries import senders
from charthouse.record.api import (
    TYPE_ID,
    Filed,
    Filing,
    FilingBatch,
    Outcome,
    Standing,
    compress,
    current,
    lock_resources,
    prepare,
)
from charthouse.record.preparing import without_large

from .file_messages import CONTEXT, Planned, Waiting, file_planned, keep_out
from .receive_messages import receive_messages
from .take_in import number_of

#: The version expected of a resource that must stand, whichever it is.
ANY_VERSION = -1
#: Resources that the ledger's entry of a request names one by one.
_MOST_NAMED = 200


@dataclass(frozen=True, slots=True)
class Write:
    """What is asked of one resource: to stand as ``resource`` says, whose bytes have its id and its references as
    they are to be kept; with None, to be deleted.

    ``original`` is what was sent, ``seq`` its number in the request, from 1. ``expected`` are the versions of
    which the resource must have one, :data:`ANY_VERSION` any that stands; ``absent`` asks that there be none.
    """

    type: str
    id: str
    resource: bytes | None
    original: bytes
    seq: int = 1
    expected: tuple[int, ...] | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a :class:`Write`: the version that stands now, whether it says that the resource is deleted,
    and whether the resource was not there, or deleted, before."""

    type: str
    id: str
    version: int
    outcome: Outcome
    at: datetime
    is_deleted: bool
    is_new: bool


class WriteRefused(Exception):
    """What was asked cannot be written, and nothing was. ``problems`` name the writes by their seq; ``invalid`` are
    those of resources that do not keep to R4's schema, by seq."""

    def __init__(self, problems: Sequence[Problem], invalid: Sequence[tuple[int, Invalid]] = ()) -> None:
        super().__init__("; ".join(each.reason for each in problems) or "not valid")
        self.problems = list(problems)
        self.invalid = list(invalid)


def write_resources(
    cursor: Any,
    ctx: AccessContext,
    client: str,
    writes: Sequence[Write],
    *,
    action: str,
    kind: str = "resource",
    envelope: bytes = b"",
) -> list[Written]:
    """Write ``writes``, of different resources, for the client of this name; what became of each, in order.

    ``action`` is what the ledger calls it, ``kind`` what intake calls the request, ``envelope`` a bundle without
    its entries. Raises WriteRefused, after which the caller's transaction must be undone.
    """
    standing = lock_resources(cursor, [(each.type, each.id) for each in writes])
    _check(ctx, writes, standing)
    filings = _prepared(cursor, writes, standing)
    filed_at = wall()
    message, originals, source = _keep(cursor, client, writes, kind, envelope, filed_at)
    for each, filing in filings:
        filing.original = each.seq
    waiting = Waiting(
        id=message,
        sender=senders(cursor, [source])[source],
        format=Format.FHIR,
        kind=kind,
        connector=Connector.API.value,
        received_at=filed_at,
        originals=originals,
        atomic=True,
        ctx=ctx,
        action=action,
        subjects=tuple(Subject("resource", f"{each.type}/{each.id}") for each in writes[:_MOST_NAMED]),
    )
    planned = Planned(waiting, aliases=_aliases(writes))
    for _, filing in filings:
        filing.source, filing.message = source, message
        filing.original = originals[filing.original][0] if filing.original in originals else 0
        planned.filings.append(filing)
    batch = FilingBatch(cursor, planned.filings)
    keep_out(batch, [planned])
    if planned.problems:
        raise WriteRefused(planned.problems)
    _, filed = file_planned(cursor, [planned], batch, filed_at)
    done = {id(each): one for (each, _), one in zip(filings, filed, strict=True)}
    return [_written(cursor, each, done.get(id(each)), standing, filed_at) for each in writes]


def _check(ctx: AccessContext, writes: Sequence[Write], standing: dict[tuple[str, str], Standing]) -> None:
    """Raise WriteRefused where a resource does not stand as the client thinks, or is not the client's to see."""
    problems = []
    for each in writes:
        found = standing.get((each.type, each.id))
        if found is not None and not ctx.sees(found.labels) and each.resource is not None:
            problems.append(
                Problem(each.seq, "taken", f"The id {each.type}/{each.id} cannot be used. Choose another.", "")
            )
        elif each.expected is not None and not _is_as_expected(found, each.expected):
            stands = f"its version is {found.version} now" if found else "there is none of this id"
            problems.append(
                Problem(
                    each.seq,
                    "version",
                    f"{each.type}/{each.id} was changed since it was read: {stands}. Read it again.",
                    "",
                )
            )
        elif each.absent and found is not None and not found.is_deleted:
            problems.append(
                Problem(each.seq, "version", f"There is a {each.type}/{each.id} already (If-None-Match).", "")
            )
    if problems:
        raise WriteRefused(problems)


def _is_as_expected(found: Standing | None, versions: Sequence[int]) -> bool:
    if found is None:
        return False
    return found.version in versions or (ANY_VERSION in versions and not found.is_deleted)


def _prepared(
    cursor: Any, writes: Sequence[Write], standing: dict[tuple[str, str], Standing]
) -> list[tuple[Write, Filing]]:
    """The filings of what changes something, in the order of ``writes``."""
    gone = {(each.type, each.id) for each in writes if each.resource is None}
    stored = current(cursor, CONTEXT, [key for key in gone if key in standing and not standing[key].is_deleted])
    made: dict[int, Filing] = {}
    invalid: list[tuple[int, Invalid]] = []
    problems: list[Problem] = []
    # What checks and indexes a type is large; used for one after another it stays in the processor's cache.
    for place, each in sorted(enumerate(writes), key=lambda pair: pair[1].type):
        if each.resource is None:
            if (found := stored.get((each.type, each.id))) is not None:
                made[place] = prepare(found.resource, found.content, deleted=True)
            continue
        try:
            resource = parse(each.resource)
        except FhirError as error:
            problems.append(Problem(each.seq, "not-json", str(error), error.path or ""))
            continue
        found_wrong = validate(resource) or beyond_schema(resource, each.resource)
        if found_wrong:
            invalid.extend((each.seq, wrong) for wrong in found_wrong)
            continue
        content, parts = without_large(each.resource)
        filing = prepare(orjson.loads(content) if parts else resource, content)
        filing.attachments = tuple(parts)
        made[place] = filing
    if invalid or problems:
        raise WriteRefused(problems, invalid)
    return [(writes[place], made[place]) for place in sorted(made)]


def _keep(
    cursor: Any, client: str, writes: Sequence[Write], kind: str, envelope: bytes, at: datetime
) -> tuple[int, dict[int, tuple[int, bytes]], int]:
    """Keep the request as it came; its message, its originals by seq, and the number of its sender."""
    source = number_of(client)
    # A request sent twice is asked for twice: unlike a message it is never a duplicate.
    digest = hashlib.sha256(new_id().bytes)
    parts = [OriginalPart(0, len(envelope), compress(envelope))] if envelope else []
    for each in writes:
        digest.update(each.original)
        if each.original:
            parts.append(OriginalPart(each.seq, len(each.original), compress(each.original)))
    arrival = Arrival(
        source=source,
        connector=Connector.API,
        format=Format.FHIR,
        kind=kind,
        digest=digest.digest(),
        size=sum(part.size for part in parts),
        received_at=at,
        originals=tuple(parts),
    )
    receipt = receive_messages(cursor, [arrival], queue=False)[0]
    numbers = {part.seq: (number, b"") for part, number in zip(parts, receipt.originals, strict=True)}
    return receipt.message, numbers, source


def _aliases(writes: Sequence[Write]) -> dict[str, tuple[str, str]]:
    """The identifiers by which later messages will mean the shared resources among what is written."""
    found: dict[str, tuple[str, str]] = {}
    for each in writes:
        if each.resource is not None and is_shared(each.type):
            for system, value in identifiers_of(orjson.loads(each.resource)):
                found[identifier_key(each.type, system, value)] = (each.type, each.id)
    return found


def _written(
    cursor: Any,
    write: Write,
    filed: Filed | None,
    standing: dict[tuple[str, str], Standing],
    filed_at: datetime,
) -> Written:
    deleted = write.resource is None
    found = standing.get((write.type, write.id))
    if filed is not None and filed.outcome is not Outcome.UNCHANGED:
        new = not deleted and (found is None or found.is_deleted)
        return Written(write.type, write.id, filed.version, filed.outcome, filed_at, deleted, new)
    version = filed.version if filed else found.version if found else 0
    at = filed_at
    if found is not None:
        cursor.execute(
            "SELECT filed_at FROM record_version WHERE type = %s AND resource = %s AND version = %s",
            [TYPE_ID[write.type], found.row, version],
        )
        at = cursor.fetchone()[0]
    return Written(write.type, write.id, version, Outcome.UNCHANGED, at, deleted, False)
