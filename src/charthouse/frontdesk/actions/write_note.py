"""Write a note: kept as a document that says of itself that nobody has signed it."""

from __future__ import annotations

import base64
from uuid import UUID

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.frontdesk.domain.document_types import document_types, type_of
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.permissions import WRITE_NOTE

from ._entering import Entered, author_of, chart_of, encounter_of, enter_once, once_of, reading_of

_LONGEST = 100_000


def write_note(ctx: AccessContext, person: UUID, fields: Fields) -> Entered:
    """File the note of a form (``type``, ``text``, ``when``, ``encounter``) as preliminary.

    Raises PermissionRefused, Unfit, FrontdeskError.
    """
    require(ctx, WRITE_NOTE)
    chart = chart_of(ctx, person)
    once = once_of(fields)
    reading = reading_of(ctx, fields)
    types = document_types("note")
    kind = reading.choice("type", types, needed="Choose what kind of note it is.")
    when = reading.moment("when")
    text = reading.prose("text", longest=_LONGEST, needed="There is no text. Write the note.")
    encounter = encounter_of(ctx, chart, fields.get("encounter", ""))
    reading.done()
    note = {
        "resourceType": "DocumentReference",
        "id": once,
        "status": "current",
        "docStatus": "preliminary",
        "type": type_of(kind, types[kind]),
        "subject": chart.reference,
        "date": wall().isoformat(),
        "author": [author_of(ctx)],
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "data": base64.b64encode(text.encode()).decode(),
                    "title": types[kind],
                }
            }
        ],
        "context": {
            "period": {"start": when.isoformat()},
            **({"encounter": [encounter]} if encounter else {}),
        },
    }
    return enter_once(ctx, chart, once, [note], action="frontdesk.write-note", occurred=when)
