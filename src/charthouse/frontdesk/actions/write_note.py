"""Write a note, or enter a dictation: a document that says of itself that nobody has signed it, or that its author
signs at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from charthouse.foundation.access.api import AccessContext, Role, require
from charthouse.foundation.base64 import as_base64
from charthouse.foundation.clock import wall
from charthouse.frontdesk.domain.document_types import document_types, type_of
from charthouse.frontdesk.domain.forms import Fields, Reading
from charthouse.frontdesk.domain.note_templates import note_templates, text_of
from charthouse.frontdesk.permissions import TRANSCRIBE, WRITE_NOTE
from charthouse.people import api as people
from charthouse.record import api as record
from charthouse.record.api import Meaning, Party, Stage, StageEntry

from ._entering import Chart, Entered, chart_of, encounter_of, enter_once, once_of, reading_of
from .keep_note_draft import forget_note_draft

_LONGEST = 100_000


def write_note(ctx: AccessContext, person: UUID, fields: Fields, confirmed: datetime | None = None) -> Entered:
    """File the note of a form: ``type``, ``text`` or the sections of its ``template``, ``when``, ``encounter``.

    With ``sign`` its author signs it at once, and ``confirmed`` is when they last proved who they are. Raises
    PermissionRefused, Unfit, FrontdeskError, and the record's DocumentError where it cannot be signed.
    """
    require(ctx, WRITE_NOTE)
    chart = chart_of(ctx, person)
    reading = reading_of(ctx, fields)
    note, when = _note(ctx, chart, reading, fields, Party(ctx.actor, ctx.name or ctx.actor))
    sign = bool(fields.get("sign"))
    with transaction.atomic():
        entered = enter_once(ctx, chart, note["id"], [note], action="frontdesk.write-note", occurred=when)
        if sign and not entered.again:
            _sign(ctx, chart, entered, confirmed)
    forget_note_draft(ctx, person, "note")
    return entered


def enter_dictation(ctx: AccessContext, person: UUID, fields: Fields) -> Entered:
    """File what somebody else dictated (``dictated_by``, an account), for them to sign; otherwise as a note.

    Raises PermissionRefused, Unfit, FrontdeskError.
    """
    require(ctx, TRANSCRIBE)
    chart = chart_of(ctx, person)
    reading = reading_of(ctx, fields)
    doctors = {each.actor: each.name for each in people.colleagues([Role.PHYSICIAN])}
    dictator = reading.choice("dictated_by", doctors, needed="Say who dictated it: it waits for their signature.")
    spoke = Party(dictator, doctors.get(dictator, ""))
    note, when = _note(ctx, chart, reading, fields, spoke)
    note = record.staged(note, StageEntry(Stage.DICTATED, spoke, when.isoformat()))
    typed = Party(ctx.actor, ctx.name or ctx.actor)
    note = record.staged(note, StageEntry(Stage.TRANSCRIBED, typed, wall().isoformat()))
    entered = enter_once(ctx, chart, note["id"], [note], action="frontdesk.enter-dictation", occurred=when)
    forget_note_draft(ctx, person, "dictation")
    return entered


def _note(
    ctx: AccessContext, chart: Chart, reading: Reading, fields: Fields, author: Party
) -> tuple[dict[str, Any], datetime]:
    """The document a form comes to, and the moment it speaks of. Raises Unfit for all that is at fault."""
    types = document_types("note")
    template = reading.choice("template", note_templates())
    kind = template or reading.choice("type", types, needed="Choose what kind of note it is.")
    when = reading.moment("when")
    if template:
        fields = {**fields, "text": text_of(template, fields)}
        reading.fields = fields
    text = reading.prose("text", longest=_LONGEST, needed="There is no text. Write the note.")
    if template and "text" in reading.faults:
        reading.fault(note_templates()[template][0].field, reading.faults.pop("text"))
    encounter = encounter_of(ctx, chart, fields.get("encounter", ""))
    reading.done()
    return {
        "resourceType": "DocumentReference",
        "id": once_of(fields),
        "status": "current",
        "docStatus": "preliminary",
        "type": type_of(kind, types[kind]),
        "subject": chart.reference,
        "date": wall().isoformat(),
        "author": [author.reference()],
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "data": as_base64(text.encode()),
                    "title": types[kind],
                }
            }
        ],
        "context": {
            "period": {"start": when.isoformat()},
            **({"encounter": [encounter]} if encounter else {}),
        },
    }, when


def _sign(ctx: AccessContext, chart: Chart, entered: Entered, confirmed: datetime | None) -> None:
    """Sign what was just filed, as it was filed."""
    filed = record.document(ctx, chart.patients, "DocumentReference", entered.id)
    if filed is None:
        raise record.DocumentError("The note was filed under a label that you may not see, and cannot be signed.")
    record.sign_document(
        ctx,
        chart.patients,
        filed.type,
        filed.id,
        seen=filed.seen,
        meaning=Meaning.AUTHOR,
        confirmed=confirmed,
    )
