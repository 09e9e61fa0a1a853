"""Reads of the front desk: who may be meant while one types, what was corrected before, what a form offers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import today
from charthouse.identity import api as identity
from charthouse.intake import api as intake
from charthouse.people import api as people
from charthouse.record import api as record

from .domain.forms import Fields
from .domain.person import TITLES, Person, changes, patient_of, person_of, said, sketch
from .permissions import REGISTER


@dataclass(frozen=True, slots=True)
class Alike:
    """Who may be meant by what is typed so far; ``born`` says how the birth date was read, in words."""

    persons: tuple[identity.LookAlike, ...]
    words: str
    born: str
    born_as: str

    @property
    def strong(self) -> bool:
        return any(each.strong for each in self.persons)


def alike(ctx: AccessContext, fields: Fields, limit: int = 8) -> Alike:
    """The persons like the one being typed, likeliest first. Raises PermissionRefused."""
    require(ctx, REGISTER)
    typed = fields.get("birth", "")[:40].strip()
    read = identity.typed_dates(typed, today(configuration().time_zone)) if typed else []
    person = sketch(fields, read[0].value if read else "")
    words = person.words
    # One letter finds half of the index; the birth date alone finds those of one day.
    if len(person.family) + len(person.given) < 2 and not person.birth:
        words = ""
    number = identity.read_ssn(person.ssn) if person.ssn else None
    enough = words or number or person.phone or person.mobile
    found = identity.look_alikes(ctx, patient_of(person), words) if enough else []
    return Alike(tuple(found[:limit]), words, read[0].value if read else "", read[0].words if read else "")


def facts_of(ctx: AccessContext, person: UUID) -> list[tuple[str, str]]:
    """A person's demographics as the leading source patient has them, or the one that was chosen for a field:
    titles with words, empty where unknown."""
    sources = identity.sources_of(ctx, person)
    if not sources:
        return []
    chosen, ids = identity.shown_of(person), {each.patient: each.public_id for each in sources}
    wanted = {title: ids.get(chosen.get(field, 0), sources[0].public_id) for title, field in _SHOWN.items()}
    keys = {("Patient", each) for each in (sources[0].public_id, *wanted.values())}
    with connection.cursor() as cursor:
        found = record.current(cursor, ctx, sorted(keys))
    known = {id: person_of(stored.resource) for (_, id), stored in found.items()}
    return [(title, said(known.get(wanted.get(title, sources[0].public_id), Person()), title)) for title in TITLES]


#: What of the demographics is chosen field by field when persons are merged.
_SHOWN = {"Name": "name", "Birth date": "birth_date", "Sex": "sex", "Address": "address", "Language": "language"}


@dataclass(frozen=True, slots=True)
class Former:
    """A value that a person had before: until when it stood in the record, and who changed it."""

    title: str
    value: str
    until: datetime
    by: str


def former_values(ctx: AccessContext, person: UUID) -> list[Former]:
    """What was corrected of a person's demographics, newest first, of every source patient the asker may see."""
    found: list[tuple[datetime, int, str, str]] = []
    with connection.cursor() as cursor:
        for source in identity.sources_of(ctx, person):
            listed = record.versions(cursor, ctx, "Patient", source.public_id)
            for newer, older in pairwise(listed):
                found.extend(
                    (newer.filed_at, newer.message, change.title, change.before)
                    for change in changes(person_of(older.resource), person_of(newer.resource))
                    if change.before
                )
            if listed and (first := _before_copying(cursor, ctx, listed[-1])) is not None:
                found.extend(first)
    by = intake.entered_by({message for _, message, _, _ in found})
    return sorted(
        (Former(title, value, at, by.get(message, "")) for at, message, title, value in found),
        key=lambda each: each.until,
        reverse=True,
    )


def _before_copying(
    cursor: object, ctx: AccessContext, first: record.Stored
) -> list[tuple[datetime, int, str, str]] | None:
    """What the first version of our own copy changed of the patient it was made from."""
    for link in first.resource.get("link") or ():
        reference = str((link.get("other") or {}).get("reference") or "")
        if link.get("type") != "seealso" or not reference.startswith("Patient/"):
            continue
        before = [
            each
            for each in record.versions(cursor, ctx, "Patient", reference.removeprefix("Patient/"))
            if each.filed_at <= first.filed_at
        ]
        if before:
            return [
                (first.filed_at, first.message, change.title, change.before)
                for change in changes(person_of(before[0].resource), person_of(first.resource))
                if change.before
            ]
    return None


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a form: what is sent, and what is read."""

    value: str
    title: str


def assigners() -> list[Choice]:
    """The MRN assigners to choose from; the form asks only where there are several."""
    names = {each.id: each.name for each in people.facilities()}
    return [
        Choice(str(each.id), names.get(each.facility or 0, people.organization_name()))
        for each in people.mrn_assigners()
        if not each.closed
    ]


def encounters(ctx: AccessContext, person: UUID, limit: int | None = 30) -> list[Choice]:
    """The person's latest encounters to choose from, newest first; all of them without a limit."""
    patients = identity.patients_of(ctx, person)
    rows = (
        record.encounters(ctx, patients).rows[:limit] if limit else record.every(record.encounters, ctx, patients)
    )
    return [Choice(row.id, f"{row.title}, {row.when.text[:10] or 'undated'}") for row in rows]
