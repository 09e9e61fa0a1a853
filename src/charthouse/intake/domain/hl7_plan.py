"""From an HL7 v2 message to resources ready to file, on top of what the record says now. Pure.

Three steps, so that a batch of messages asks the record once: :func:`read` maps each message alone,
:func:`wanted` says which resources' present state it builds on, and :func:`apply` makes the filings in the
order the messages came, each seeing what the one before it did (:class:`Desk`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from charthouse.exchange.hl7v2.api import Hl7Error, Merge, Plan, Unsupported, parse, peek, to_fhir

from .desk import NOBODY, Desk, Key, Made, apply_draft, file_resource, minter
from .fhir_plan import Problem
from .sender import Sender
from .visits import apply_visit


@dataclass(slots=True)
class Hl7Read:
    """One message mapped, or the problem that keeps it from being mapped."""

    plan: Plan | None = None
    problem: Problem | None = None


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


def apply(plan: Plan, desk: Desk) -> Made:
    """Make the filings of one mapped message; ``desk`` is changed as the record will be."""
    made = Made()
    for part in plan.all():
        for draft in part.drafts:
            apply_draft(made, desk, draft)
        if part.visit is not None:
            visit = part.visit
            result = apply_visit(desk.get(("Encounter", visit.id)), visit)
            file_resource(made, desk, result.resource, visit.segment)
        for merge in part.merges:
            if merge.kind != "patient":
                _apply_merge(made, desk, merge)
    return made


def _apply_merge(made: Made, desk: Desk, merge: Merge) -> None:
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
        if merge.kind == "account":
            changed = {**current, "subject": [owner]}
        elif merge.owner.startswith("Account/"):
            left = {merge.owner, merge.prior_owner}
            others = [each for each in current.get("account", ()) if each.get("reference") not in left]
            changed = {**current, "account": [*others, owner]}
        else:
            changed = {**current, "subject": owner}
    else:
        changed = {**current, "partOf": {"reference": merge.survivor}}
        if merge.kind == "account":
            changed["status"] = "inactive"
    file_resource(made, desk, changed, merge.segment)


def _key(reference: str) -> Key:
    kind, _, public_id = reference.partition("/")
    return (kind, public_id)
