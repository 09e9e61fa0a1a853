"""What every print has in common: what it is for, its frame, and the rows that tell of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Purpose
from charthouse.foundation.disclosure.api import How, Recipient, record_disclosures
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.letters.api import (
    Letter,
    Letterhead,
    PatientIdentity,
    Place,
    render,
    render_with_places,
)
from charthouse.identity import api as identity
from charthouse.people.api import facilities, organization_name
from charthouse.record import api as record
from charthouse.web import pdf
from charthouse.web.printing import local_time

#: Why a print may leave the house, in the words that stand on it.
PURPOSES = {
    Purpose.TREATMENT: "treatment",
    Purpose.EMERGENCY: "emergency treatment",
    Purpose.PATIENT_REQUEST: "the patient’s own request",
    Purpose.PAYMENT: "payment",
    Purpose.OPERATIONS: "health care operations",
    Purpose.PUBLIC_HEALTH: "public health",
    Purpose.LEGAL: "a legal matter",
    Purpose.RESEARCH: "research",
}
_LONGEST_NAME, _LONGEST_ADDRESS = 200, 500
_HERE = "For use here; not to be given away."


class PrintError(Exception):
    """What was asked for cannot be printed so; the message says why and what to do."""


class NothingToPrint(PrintError):
    """There is no such chart, section or document, or it is not open to the asker."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Somebody outside the house who is given a print or a document, and what for (45 CFR 164.528(b)(2))."""

    recipient: str
    purpose: Purpose
    address: str = ""


@dataclass(frozen=True, slots=True)
class Printed:
    """A print: the PDF, its number of pages, and the ids of the disclosures written for it."""

    content: bytes
    pages: int
    disclosures: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A print before it is set. ``mark`` is the word for all of it, ``file_title`` what a browser's tab shows."""

    template: str
    title: str
    content: Mapping[str, Any]
    patient: PatientIdentity | None = None
    mark: str = ""
    notes: Sequence[str] = ()
    file_title: str = ""
    facilities: Sequence[str] | None = None
    """The facilities of the encounters it tells of, as senders name them; None where it tells of none."""


def given_outside(recipient: str, address: str, purpose: str, what: str = "print") -> Outside:
    """Who is given a print (or ``what`` else), from what a person typed. Raises PrintError."""
    name, place = " ".join(recipient.split()), address.strip()
    if not name:
        raise PrintError(f"Say who is given the {what}: a disclosure needs its recipient.")
    if len(name) > _LONGEST_NAME or len(place) > _LONGEST_ADDRESS:
        raise PrintError(
            f"The recipient may have {_LONGEST_NAME} letters and the address {_LONGEST_ADDRESS}. Shorten them."
        )
    if "\0" in name + place:
        raise PrintError("The recipient or the address holds a sign that cannot be kept. Type them again.")
    try:
        why = Purpose(purpose)
    except ValueError:
        why = None
    if why not in PURPOSES:
        raise PrintError(f"Say what the {what} is given for: choose one of the purposes.")
    return Outside(name, why, place)


def set_print(ctx: AccessContext, draft: Draft, outside: Outside | None) -> Printed:
    """The draft as a PDF in the house's frame; nothing is written yet."""
    content = render(_letter(ctx, draft, outside))
    return Printed(content, pdf.page_count(content))


def set_with_places(ctx: AccessContext, draft: Draft, outside: Outside | None) -> tuple[Printed, list[Place]]:
    """The draft as by :func:`set_print`, and where its named places came to stand."""
    content, places = render_with_places(_letter(ctx, draft, outside))
    return Printed(content, pdf.page_count(content)), places


def _letter(ctx: AccessContext, draft: Draft, outside: Outside | None) -> Letter:
    now = clock.now()
    return Letter(
        template=draft.template,
        title=draft.title,
        file_title=draft.file_title,
        letterhead=letterhead(ctx, draft.facilities),
        patient=draft.patient,
        by=ctx.name or ctx.actor,
        at=local_time(now, ZoneInfo(configuration().time_zone)),
        instant=now.replace(microsecond=0),
        use=f"Given to {outside.recipient} for {PURPOSES[outside.purpose]}." if outside else _HERE,
        mark=draft.mark,
        content=draft.content,
        notes=draft.notes,
    )


def letterhead(ctx: AccessContext, named: Sequence[str] | None = None) -> Letterhead:
    """The one open facility that is ``named``, else the organization. Where none could be named, the asker's
    facility if they have one only."""
    organization = organization_name()
    if named is None:
        reached = [each for each in facilities() if each.id in ctx.facilities]
    else:
        # A name that is none of ours is another's encounter, and no house of ours may stand over it.
        reached = [each for each in facilities() if any(map(each.is_called, named))]
        if len(named) > len(reached):
            reached = []
    if len(reached) != 1 or reached[0].closed_at is not None:
        return Letterhead(organization)
    (place,) = reached
    return Letterhead(place.name, organization if organization != place.name else "", place.address, place.phone)


def write_down(
    ctx: AccessContext,
    action: str,
    printed: Printed,
    *,
    subjects: Iterable[ledger.Subject],
    detail: Mapping[str, ledger.JSON],
    outside: Outside | None = None,
    items: Mapping[str, Iterable[ledger.Subject]] | None = None,
    description: str = "",
) -> Printed:
    """The ledger's entry of a print and, where it leaves the house, its disclosures, in one transaction.

    ``items`` are what was printed by source patient.
    """
    with transaction.atomic():
        disclosures: list[int] = []
        if outside:
            ctx = ctx.for_purpose(outside.purpose)
            disclosures = record_disclosures(
                ctx,
                recipient=Recipient(outside.recipient, outside.address),
                purpose=outside.purpose,
                items_by_patient=items or {},
                how=How.PRINT,
                description=description,
            )
        said: dict[str, ledger.JSON] = {"use": "outside" if outside else "here", "pages": printed.pages, **detail}
        if disclosures:
            said["disclosures"] = list(disclosures)
        ledger.append(ctx, action, subjects=subjects, detail=said)
    return Printed(printed.content, printed.pages, tuple(disclosures))


def by_patient(
    ctx: AccessContext, person: UUID, keys: Sequence[tuple[str, str]]
) -> dict[str, list[ledger.Subject]]:
    """What is given away by source patient; who they are is among it. Raises NothingToPrint."""
    sources = identity.sources_of(ctx, person)
    if not sources:
        raise NothingToPrint("There is no such chart, or it is not open to you.")
    public = {source.patient: source.public_id for source in sources}
    lead = sources[0].public_id
    items = {lead: [ledger.Subject("resource", f"Patient/{lead}")]}
    with connection.cursor() as cursor:
        stored = record.current(cursor, ctx, dict.fromkeys(keys))
    for key in dict.fromkeys(keys):
        owner = stored[key].patient if key in stored else None
        patient = public.get(owner, lead) if owner is not None else lead
        items.setdefault(patient, []).append(ledger.Subject("resource", "/".join(key)))
    return items
