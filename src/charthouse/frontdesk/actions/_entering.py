"""How everything entered by hand goes in: a small FHIR transaction, through intake, with who entered it.

The bundle is kept as the original, like any message; its last entry is a Provenance that names who entered what,
when and why. What is in the record already is named by its id there, so an entry may go to any sender's patient.
"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection, transaction

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, system_context
from charthouse.foundation.clock import now, wall
from charthouse.foundation.ids import hash64
from charthouse.foundation.ledger.api import JSON, Subject, append
from charthouse.frontdesk.domain.errors import FrontdeskError
from charthouse.frontdesk.domain.forms import Fields, Reading
from charthouse.identity import api as identity
from charthouse.intake import api as intake
from charthouse.people import api as people
from charthouse.record import api as record

Resource = dict[str, Any]
SYSTEM = system_context("frontdesk")
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_ENTERER = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_ACCOUNT = "urn:charthouse:account"
#: The first key of the desk's advisory locks, and the place that registering takes.
_LOCK_SPACE = 0x0F0D
_REGISTERING = 1


def zone_of(ctx: AccessContext) -> ZoneInfo:
    """The zone in which the asker's clocks run: that of their facilities where it is one, else the site's."""
    zones = {each.time_zone for each in people.facilities() if not ctx.facilities or each.id in ctx.facilities}
    return ZoneInfo(zones.pop() if len(zones) == 1 else configuration().time_zone)


def reading_of(ctx: AccessContext, fields: Fields) -> Reading:
    """A form being read, on the business clock and in the asker's zone."""

    def dates(text: str, latest: Any) -> list[tuple[str, str]]:
        return [(each.value, each.words) for each in identity.typed_dates(text, latest)]

    return Reading(fields, now(), zone_of(ctx), dates)


def once_of(fields: Fields) -> str:
    """The form's own number, by which the same form sent twice is known; a new one where it is none."""
    try:
        return str(uuid.UUID(fields.get("once", "")))
    except ValueError:
        return str(uuid.uuid4())


def public_id(kind: str, id: str) -> str:
    """The id in the record of what the desk entered under ``id``."""
    return intake.resource_id(intake.OWN_DESK, kind, id)


def wait_for_desk() -> None:
    """Have registering to oneself until the transaction ends, so that two desks see each other's person."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_SPACE, _REGISTERING])


def wait_for(what: str) -> None:
    """Have something to oneself until the transaction ends: a person's demographics, one form, one content."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [hash64(f"frontdesk|{what}")])


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart an entry goes to: its person, and the source patient that takes the entry."""

    person: UUID
    patient: identity.SourcePatient
    patients: tuple[int, ...]

    @property
    def reference(self) -> Resource:
        return {"reference": f"{intake.IN_RECORD}Patient/{self.patient.public_id}"}


def chart_of(ctx: AccessContext, person: UUID) -> Chart:
    """The chart of a person as the asker may see it; the source patient that leads it takes entries.

    Raises FrontdeskError where there is none.
    """
    sources = identity.sources_of(ctx, person)
    if not sources:
        raise FrontdeskError("There is no such chart, or it is not open to you.")
    return Chart(person, sources[0], tuple(source.patient for source in sources))


def encounter_of(ctx: AccessContext, chart: Chart, id: str) -> Resource | None:
    """The reference to an encounter of this chart; None for none. Raises FrontdeskError for another's."""
    if not id:
        return None
    found = None
    if is_id(id):
        with connection.cursor() as cursor:
            found = record.current(cursor, ctx, [("Encounter", id)]).get(("Encounter", id))
    if found is None or found.patient not in chart.patients:
        raise FrontdeskError("This encounter is not in this chart. Choose one of the list.")
    return {"reference": f"{intake.IN_RECORD}Encounter/{id}"}


def is_id(text: str) -> bool:
    """Whether a text of a form is written like an id of FHIR, so that the record can be asked for it."""
    return _ID.fullmatch(text) is not None


def exact(content: bytes) -> Resource:
    """A stored resource parsed, decimals as they are written."""
    return _decoder.decode(content)


def in_record(value: Any) -> Any:
    """A stored element with its references named by their ids in the record, to be sent in again."""
    if isinstance(value, list):
        return [in_record(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {name: in_record(each) for name, each in value.items()}
    reference = made.get("reference")
    if isinstance(reference, str) and _LOCAL.fullmatch(reference):
        made["reference"] = f"{intake.IN_RECORD}{reference}"
    return made


_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_LOCAL = re.compile(rf"[A-Z][A-Za-z]+/{_ID.pattern}")


def author_of(ctx: AccessContext) -> Resource:
    """Who is asking, as a reference in words and by account."""
    return {"display": ctx.name or ctx.actor, "identifier": {"system": _ACCOUNT, "value": ctx.actor}}


def enter(
    ctx: AccessContext,
    resources: Sequence[Resource],
    *,
    action: str,
    occurred: datetime | None = None,
    reason: str = "",
    subjects: Sequence[Subject] = (),
    detail: Mapping[str, JSON] | None = None,
) -> int:
    """File resources (each with an id of the desk's) in the caller's transaction; returns the message's number.

    Writes the ledger's entry of the action. Raises FrontdeskError with intake's reason where it is not filed; the
    caller's transaction then has to be given up.
    """
    recorded = wall()
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "timestamp": recorded.isoformat(),
        "entry": [
            _entry(each) for each in [*resources, _provenance(ctx, resources, recorded, occurred or now(), reason)]
        ],
    }
    (taken,) = intake.take_in(
        io.BytesIO(_encoder.encode(bundle)),
        connector=intake.Connector.FORM,
        sender=intake.OWN_DESK,
        batch=f"{intake.ENTERED_BY}{ctx.name or ctx.actor}",
    )
    if taken.result is None:
        raise FrontdeskError("This was entered before, just as it is; nothing was changed.")
    if taken.result.problems:
        raise FrontdeskError(f"This could not be filed: {taken.result.problems[0].reason}")
    message = taken.receipt.message
    append(ctx, action, subjects=[Subject("message", str(message)), *subjects], detail=detail)
    return message


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of a form: the id in the record of what it made, and whether that was filed before, by the same
    form sent earlier; then nothing was filed now."""

    id: str
    again: bool = False


def enter_once(
    ctx: AccessContext,
    chart: Chart,
    once: str,
    resources: Sequence[Resource],
    *,
    action: str,
    occurred: datetime | None = None,
    detail: Mapping[str, JSON] | None = None,
    before: Callable[[], None] = lambda: None,
) -> Entered:
    """File what the form ``once`` made for a chart, in a transaction of its own; nothing where that form was filed.

    ``before`` is called in the transaction first, and may refuse by raising. Otherwise as :func:`enter`.
    """
    keys = [(each["resourceType"], public_id(each["resourceType"], each["id"])) for each in resources]
    with transaction.atomic():
        # A form that is sent twice at once waits here for itself.
        wait_for(once)
        with connection.cursor() as cursor:
            again = bool(record.current(cursor, SYSTEM, keys))
        if not again:
            before()
            enter(
                ctx,
                resources,
                action=action,
                occurred=occurred,
                subjects=[Subject("person", str(chart.person))],
                detail=detail,
            )
    return Entered(keys[0][1], again)


def _entry(resource: Resource) -> Resource:
    name = f"{resource['resourceType']}/{resource['id']}"
    return {
        "fullUrl": f"urn:uuid:{resource['id']}",
        "resource": resource,
        "request": {"method": "PUT", "url": name},
    }


def _provenance(
    ctx: AccessContext, resources: Sequence[Resource], recorded: datetime, occurred: datetime, reason: str
) -> Resource:
    return {
        "resourceType": "Provenance",
        "id": str(uuid.uuid4()),
        "target": [{"reference": f"urn:uuid:{each['id']}"} for each in resources],
        "occurredDateTime": occurred.isoformat(),
        "recorded": recorded.isoformat(),
        **({"reason": [{"text": reason}]} if reason else {}),
        "agent": [
            {"type": {"coding": [{"system": _ENTERER, "code": "enterer"}]}, "who": author_of(ctx)},
        ],
    }
