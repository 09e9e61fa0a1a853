"""From an HL7 v2 message to resources ready to file, on top of what the record says now. Pure.

Three steps, so that a batch of messages asks the record once: :func:`read` maps each message alone,
:func:`wanted` says which resources' present state it builds on, and :func:`apply` makes the filings in the
order the messages came, each seeing what the one before it did (:class:`Desk`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from charthouse.exchange.fhir.api import validate
from charthouse.exchange.hl7v2.api import (
    Draft,
    Hl7Error,
    Plan,
    Unsupported,
    merge_patient,
    parse,
    to_fhir,
)
from charthouse.record.api import LARGE_ATTACHMENT, DetachedPart, Filing, detach, prepare

from .fhir_plan import Problem
from .naming import NPI, is_shared, resource_id, shared_id
from .visits import apply_visit

Key = tuple[str, str]


def minter(source: str) -> Callable[[str, str], str]:
    """The public ids of one sender's resources, from their natural keys."""

    def mint(resource_type: str, key: str) -> str:
        if is_shared(resource_type) and key.startswith("npi:"):
            return shared_id(resource_type, NPI, key[4:])
        return resource_id(source, resource_type, key)

    return mint


class Desk:
    """The present state of resources while a batch is worked through: the record's, then our own changes."""

    def __init__(self, stored: Mapping[Key, dict[str, Any]]) -> None:
        self._state: dict[Key, dict[str, Any]] = dict(stored)

    def get(self, key: Key) -> dict[str, Any] | None:
        return self._state.get(key)

    def put(self, resource: dict[str, Any]) -> None:
        self._state[(resource["resourceType"], resource["id"])] = resource


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


def read(data: bytes, *, source: str, zone: ZoneInfo, charset: str | None = None) -> Hl7Read:
    """Parse and map one message; what cannot be is a problem with its place, never an exception."""
    try:
        message = parse(data, default_charset=charset) if charset else parse(data)
        return Hl7Read(plan=to_fhir(message, zone=zone, mint=minter(source)))
    except Unsupported as error:
        return Hl7Read(problem=Problem(1, "unsupported", str(error), "MSH-9"))
    except Hl7Error as error:
        return Hl7Read(problem=Problem(1, "not-hl7", error.reason, error.place))


def wanted(plan: Plan) -> Iterable[Key]:
    """The resources whose present state the plan builds on."""
    for draft in _drafts(plan):
        if draft.mode != "snapshot":
            yield (draft.type, draft.resource["id"])
    if plan.visit is not None:
        yield ("Encounter", plan.visit.id)


def apply(plan: Plan, desk: Desk) -> Hl7Filings:
    """Make the filings of one mapped message; ``desk`` is changed as the record will be."""
    made = Hl7Filings()
    for draft in _drafts(plan):
        current = desk.get((draft.type, draft.resource["id"]))
        if draft.mode in {"delete", "entered-in-error"}:
            if current is None:
                continue
            resource = dict(current)
            if draft.mode == "entered-in-error":
                resource = _entered_in_error(resource)
        elif draft.type == "Patient" and draft.mode == "partial":
            resource = merge_patient(current, draft) if current else draft.resource
        elif draft.mode == "partial" and current:
            resource = {**current, **draft.resource}
        else:
            resource = draft.resource
        _file(made, desk, resource, draft)
    if plan.visit is not None:
        result = apply_visit(desk.get(("Encounter", plan.visit.id)), plan.visit)
        _file(made, desk, result.resource, Draft.of_visit(plan.visit, result.resource))
    return made


def _drafts(plan: Plan) -> list[Draft]:
    return [plan.patient, *plan.drafts] if plan.patient else list(plan.drafts)


def _file(made: Hl7Filings, desk: Desk, resource: dict[str, Any], draft: Draft) -> None:
    content = orjson.dumps(resource)
    parsed: dict[str, Any] = orjson.loads(content)
    problems = validate(parsed)
    if problems:
        first = problems[0]
        made.problems.append(
            Problem(1, "not-valid", f"{draft.type}: {first.message} ({first.path})", draft.segment)
        )
        return
    parts: list[DetachedPart] = []
    if len(content) > LARGE_ATTACHMENT and (parts := detach(parsed)):
        content = orjson.dumps(parsed)
    desk.put(parsed)
    filing = prepare(parsed, content, deleted=draft.mode == "delete")
    filing.attachments = tuple(parts)
    filing.place = draft.segment
    filing.only_if_absent = draft.directory
    filing.original = 1
    made.filings.append(filing)


def _entered_in_error(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource with the status its type uses for a record made by mistake."""
    kind = resource["resourceType"]
    if kind in {"Condition", "AllergyIntolerance"}:
        system = (
            "http://terminology.hl7.org/CodeSystem/condition-ver-status"
            if kind == "Condition"
            else "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
        )
        rest = {name: value for name, value in resource.items() if name != "clinicalStatus"}
        return {**rest, "verificationStatus": {"coding": [{"system": system, "code": "entered-in-error"}]}}
    return {**resource, "status": "entered-in-error"}
