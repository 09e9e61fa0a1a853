"""From an HL7 v2 message to resources ready to file, on top of what the record says now. Pure.

Three steps, so that a batch of messages asks the record once: :func:`read` maps each message alone,
:func:`wanted` says which resources' present state it builds on, and :func:`apply` makes the filings in the
order the messages came, each seeing what the one before it did (:class:`Desk`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from charthouse.exchange.fhir.api import validate
from charthouse.exchange.hl7v2.api import (
    Draft,
    Hl7Error,
    Merge,
    Plan,
    Unsupported,
    merge_partial,
    merge_patient,
    parse,
    peek,
    to_fhir,
)
from charthouse.record.preparing import Filing, editable, prepare, without_large

from .fhir_plan import Problem
from .naming import NPI, is_shared, resource_id, shared_id
from .sender import Sender
from .visits import apply_visit

Key = tuple[str, str]
#: No patient is filed under another id than its sender's name for it gives.
NOBODY: Mapping[str, str] = {}


def minter(source: str, renamed: Mapping[str, str] = NOBODY) -> Callable[[str, str], str]:
    """The public ids of one sender's resources, from their natural keys; ``renamed`` patients have another."""

    def mint(resource_type: str, key: str) -> str:
        if is_shared(resource_type) and key.startswith("npi:"):
            return shared_id(resource_type, NPI, key[4:])
        public_id = resource_id(source, resource_type, key)
        return renamed.get(public_id, public_id) if resource_type == "Patient" else public_id

    return mint


class Desk:
    """The present state of resources while a batch is worked through: what lies beneath (the record's, or another
    desk), then our own changes."""

    def __init__(self, beneath: Mapping[Key, dict[str, Any]] | Desk) -> None:
        self._beneath = beneath
        self._changed: dict[Key, dict[str, Any]] = {}

    def get(self, key: Key) -> dict[str, Any] | None:
        return self._changed.get(key) or self._beneath.get(key)

    def put(self, resource: dict[str, Any]) -> None:
        self._changed[(resource["resourceType"], resource["id"])] = resource

    def take_over(self, other: Desk) -> None:
        """Make the changes on a desk that lies on this one ours."""
        self._changed.update(other._changed)


@dataclass(slots=True)
class Hl7Read:
    """One message mapped, or the problem that keeps it from being mapped."""

    plan: Plan | None = None
    problem: Problem | None = None


@dataclass(slots=True)
class Hl7Filings:
    """What a message comes to."""

    filings: list[Filing] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read(data: bytes, sender: Sender, renamed: Mapping[str, str] = NOBODY) -> Hl7Read:
    """Parse and map one message; what cannot be is a problem with its place, never an exception. ``renamed`` are
    the patients whom this message means by a number that is another's, as public ids."""
    try:
        data = in_charset(data, sender.charset)
        return Hl7Read(plan=to_fhir(parse(data), zone=sender.zone, mint=minter(sender.name, renamed)))
    except Unsupported as error:
        return Hl7Read(problem=Problem(1, "unsupported", error.reason, error.place or "MSH-9"))
    except Hl7Error as error:
        return Hl7Read(problem=Problem(1, "not-hl7", error.reason, error.place))


def in_charset(data: bytes, charset: str) -> bytes:
    """A message without MSH-18 from a sender whose charset is known, in UTF-8; others as they are."""
    if not charset or declared_codec(data) is not None:
        return data
    return data.decode(charset, "replace").encode()


def declared_codec(data: bytes) -> str | None:
    """The codec that a message's MSH-18 stands for; None where it says nothing."""
    try:
        envelope = peek(data)
    except Hl7Error:
        return None
    return envelope.encoding.codec if envelope.charset else None


def wanted(plan: Plan) -> Iterable[Key]:
    """The resources whose present state the plan builds on."""
    for part in plan.all():
        for draft in part.drafts:
            if draft.mode != "snapshot":
                yield (draft.type, draft.id)
        if part.visit is not None:
            yield ("Encounter", part.visit.id)
        for merge in part.merges:
            if merge.kind != "patient":
                yield _key(merge.prior)
                yield _key(merge.survivor)


def apply(plan: Plan, desk: Desk) -> Hl7Filings:
    """Make the filings of one mapped message; ``desk`` is changed as the record will be."""
    made = Hl7Filings()
    for part in plan.all():
        for draft in part.drafts:
            _apply_draft(made, desk, draft)
        if part.visit is not None:
            visit = part.visit
            result = apply_visit(desk.get(("Encounter", visit.id)), visit)
            _file(made, desk, result.resource, visit.segment)
        for merge in part.merges:
            if merge.kind != "patient":
                _apply_merge(made, desk, merge)
    return made


def _apply_draft(made: Hl7Filings, desk: Desk, draft: Draft) -> None:
    current = desk.get((draft.type, draft.id))
    if draft.mode == "delete":
        if current is not None:
            _file(made, desk, current, draft.segment, deleted=True)
        return
    resource = draft.resource
    if draft.mode == "partial" and current is not None:
        merge = merge_patient if draft.type == "Patient" else merge_partial
        resource = merge(current, draft)
    _file(made, desk, resource, draft.segment, only_if_absent=draft.directory)


def _apply_merge(made: Hl7Filings, desk: Desk, merge: Merge) -> None:
    """Accounts and visits: a merged one points at the survivor, a moved one belongs to its new owner.

    One that changed its number, and was never sent under the old one, has nothing to be pointed from.
    """
    key = _key(merge.survivor if merge.action == "move" else merge.prior)
    current = desk.get(key)
    if current is None and merge.action == "change":
        return
    if current is None:
        made.problems.append(
            Problem(
                1,
                f"unknown-{merge.kind}",
                f"The {merge.kind} this message merges or moves is not in the record. Send it, then try again.",
                merge.segment,
            )
        )
        return
    if merge.action == "move" and merge.owner:
        owner = {"reference": merge.owner}
        changed = {**current, "subject": [owner] if merge.kind == "account" else owner}
    else:
        changed = {**current, "partOf": {"reference": merge.survivor}}
        if merge.kind == "account":
            changed["status"] = "inactive"
    _file(made, desk, changed, merge.segment)


def _key(reference: str) -> Key:
    kind, _, public_id = reference.partition("/")
    return (kind, public_id)


def _file(
    made: Hl7Filings,
    desk: Desk,
    resource: dict[str, Any],
    segment: str,
    *,
    deleted: bool = False,
    only_if_absent: bool = False,
) -> None:
    content, parts = without_large(orjson.dumps(resource))
    parsed: dict[str, Any] = orjson.loads(content)
    if problems := validate(parsed):
        first = problems[0]
        made.problems.append(
            Problem(1, "not-valid", f"{parsed['resourceType']}: {first.message} ({first.path})", segment)
        )
        return
    desk.put(editable(content))
    filing = prepare(parsed, content, deleted=deleted)
    filing.attachments = tuple(parts)
    filing.place = segment
    filing.only_if_absent = only_if_absent
    filing.original = 1
    made.filings.append(filing)
