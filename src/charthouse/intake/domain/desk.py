"""From mapped messages to resources ready to file, on top of what the record says now. Pure.

A batch of messages asks the record once for what it builds on; the filings are then made in the order the messages
came, each seeing what the one before it did (:class:`Desk`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from charthouse.exchange.drafts import Draft
from charthouse.exchange.fhir.api import validate
from charthouse.exchange.hl7v2.api import merge_partial, merge_patient
from charthouse.record.preparing import Filing, editable, prepare, without_large

from .fhir_plan import Problem
from .naming import NPI, is_shared, resource_id, shared_id

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
class Made:
    """What a message comes to."""

    filings: list[Filing] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def apply_draft(made: Made, desk: Desk, draft: Draft) -> None:
    """Make the filing of one draft; ``desk`` is changed as the record will be."""
    current = desk.get((draft.type, draft.id))
    if draft.mode == "delete":
        if current is not None:
            file_resource(made, desk, current, draft.segment, deleted=True)
        return
    resource = draft.resource
    if draft.mode == "partial" and current is not None:
        merge = merge_patient if draft.type == "Patient" else merge_partial
        resource = merge(current, draft)
    file_resource(made, desk, resource, draft.segment, only_if_absent=draft.directory)


def file_resource(
    made: Made,
    desk: Desk,
    resource: dict[str, Any],
    segment: str,
    *,
    deleted: bool = False,
    only_if_absent: bool = False,
) -> None:
    """Make the filing of a resource; one that is not valid is a problem instead."""
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
