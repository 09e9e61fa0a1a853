"""Correct a person's demographics: a new version of our own source patient, the former values kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ids import new_id
from charthouse.foundation.ledger.api import Subject
from charthouse.frontdesk.domain.errors import ChangedMeanwhile, Differing, FrontdeskError
from charthouse.frontdesk.domain.forms import Fields, Unfit
from charthouse.frontdesk.domain.person import (
    NAMES,
    TITLES,
    Person,
    changes,
    corrected,
    person_of,
    read_person,
    said,
)
from charthouse.frontdesk.permissions import CORRECT_DEMOGRAPHICS
from charthouse.identity import api as identity
from charthouse.intake import api as intake
from charthouse.record import api as record

from ._entering import chart_of, enter, exact, in_record, is_id, reading_of, wait_for

_REASON = 500
#: What belongs to a resource as one sender keeps it, and not to the person.
_NOT_CARRIED = ("id", "meta", "text", "photo")


@dataclass(frozen=True, slots=True)
class Demographics:
    """A person's demographics as the banner has them. ``version`` names the state they stand on."""

    person: Person
    version: str


def open_demographics(ctx: AccessContext, person: UUID) -> Demographics:
    """What a correction begins with. Raises PermissionRefused; FrontdeskError where there is no such chart."""
    require(ctx, CORRECT_DEMOGRAPHICS)
    stored = _leading(ctx, person)
    return Demographics(person_of(stored.resource), _version(stored))


def correct_demographics(ctx: AccessContext, person: UUID, fields: Fields) -> int:
    """Take the correction of a form; returns how many things changed.

    ``version`` is what the form was opened with: where somebody changed the person since, nothing is written and
    ChangedMeanwhile shows both. ``reason`` says why. Raises PermissionRefused, Unfit, FrontdeskError.
    """
    require(ctx, CORRECT_DEMOGRAPHICS)
    reading = reading_of(ctx, fields)
    shown = person_of(_leading(ctx, person).resource)
    typed = read_person(reading, read_ssn=identity.read_ssn, read_phone=identity.read_phone, before=shown)
    reason = reading.text("reason", longest=_REASON, needed="Say why: the reason is kept with the correction.")
    reading.done()
    with transaction.atomic():
        wait_for(str(person))
        stored = _leading(ctx, person)
        before = person_of(stored.resource)
        if fields.get("version", "") != _version(stored):
            raise _changed(ctx, fields.get("version", ""), identity.patients_of(ctx, person), stored, before, typed)
        changed = changes(before, typed)
        if not changed:
            raise Unfit({"": "Nothing was changed. Change what is wrong, or go back to the chart."})
        own = _own(ctx, person)
        patient = corrected(_carried(stored), typed, reading.today)
        if own is None:
            patient["id"] = str(new_id())
            patient.setdefault("link", []).append(
                {"other": {"reference": f"{intake.IN_RECORD}Patient/{stored.public_id}"}, "type": "seealso"}
            )
        else:
            patient["id"] = f"{intake.RECORD_ID}{own.public_id}"
        enter(
            ctx,
            [patient],
            action="frontdesk.correct-demographics",
            reason=reason,
            subjects=[Subject("person", str(person))],
            detail={"changed": [each.title for each in changed]},
        )
    return len(changed)


def _own(ctx: AccessContext, person: UUID) -> identity.SourcePatient | None:
    """The person's source patient that is the desk's own; None where only others sent this person."""
    with connection.cursor() as cursor:
        number = record.source_id(cursor, intake.OWN_DESK)
    return next((source for source in identity.sources_of(ctx, person) if source.source == number), None)


def _leading(ctx: AccessContext, person: UUID) -> record.Stored:
    """The Patient that leads the banner."""
    chart = chart_of(ctx, person)
    key = ("Patient", chart.patient.public_id)
    with connection.cursor() as cursor:
        found = record.current(cursor, ctx, [key]).get(key)
    if found is None:
        raise FrontdeskError("There is no such chart, or it is not open to you.")
    return found


def _version(stored: record.Stored) -> str:
    return f"{stored.public_id}:{stored.version}"


def _carried(stored: record.Stored) -> dict[str, Any]:
    """A Patient as it is carried into our own: without what belongs to its sender's copy, with its labels, and with
    references by their ids in the record."""
    resource: dict[str, Any] = exact(stored.content)
    meta = resource.get("meta")
    security = meta.get("security") if isinstance(meta, dict) else None
    kept = {name: in_record(value) for name, value in resource.items() if name not in _NOT_CARRIED}
    return {**kept, **({"meta": {"security": security}} if security else {})}


def _changed(
    ctx: AccessContext,
    opened: str,
    patients: tuple[int, ...],
    stored: record.Stored,
    present: Person,
    typed: Person,
) -> ChangedMeanwhile:
    """What changed since the form was opened, in three columns."""
    name, _, number = opened.partition(":")
    with connection.cursor() as cursor:
        found = record.versions(cursor, ctx, "Patient", name) if is_id(name) else []
    found = [each for each in found if each.row in patients]
    then = next((person_of(each.resource) for each in found if str(each.version) == number), Person())
    mine = {name: getattr(typed, name) for name in NAMES if getattr(typed, name) != getattr(then, name)}
    merged = replace(present, **mine)
    differing = [
        Differing(title, said(then, title), said(present, title), said(merged, title))
        for title in TITLES
        if said(then, title) != said(present, title)
    ]
    return ChangedMeanwhile(differing, merged, _version(stored))
