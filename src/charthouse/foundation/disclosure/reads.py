"""A read by another system: its entry in the ledger and the disclosures it is, in one round trip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson
from django.db import connection

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.ledger.api import JSON, Entry, Subject, append_read, as_row
from charthouse.foundation.prepared import prepared

from .records import BASIS_OF_PURPOSE, Basis, How, Recipient

_BOTH = """
WITH given AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s::json) AS g(patient text, items text[])
), made AS (
  INSERT INTO disclosure (patient, recipient, recipient_address, purpose, basis, how, description, at, recorded_at,
                          actor, actor_name)
  SELECT patient, %s::text, %s::text, %s::text, %s::text, %s::text, %s::text, %s::timestamptz, %s::timestamptz,
         %s::text, %s::text FROM given RETURNING id, patient
), listed AS (
  INSERT INTO disclosure_item (disclosure_id, kind, item)
  SELECT m.id, split_part(i, '/', 1), substr(i, strpos(i, '/') + 1)
  FROM made m JOIN given g USING (patient) CROSS JOIN unnest(g.items) AS i
)
SELECT ledger_append(%s::json, %s)
"""


def disclose_read(
    ctx: AccessContext,
    action: str,
    *,
    recipient: Recipient,
    items_by_patient: Mapping[str, Iterable[Subject]],
    subjects: Iterable[Subject] = (),
    how: How = How.API,
    description: str = "",
    detail: Mapping[str, JSON] | None = None,
) -> None:
    """Write the entry of a read and one disclosure a patient, committed when this returns.

    As with :func:`charthouse.foundation.ledger.api.append_read` the commit does not wait for the disk, and inside a
    transaction it is the caller's. Raises ValueError without a recipient.
    """
    if not items_by_patient:
        append_read(ctx, action, subjects=subjects, detail=detail)
        return
    if not recipient.name.strip():
        raise ValueError("A disclosure needs its recipient: say who received the records.")
    given = [
        {"patient": patient, "items": sorted({str(item) for item in items})}
        for patient, items in items_by_patient.items()
    ]
    entry = as_row(Entry(ctx, action, subjects=subjects, detail=detail))
    prepared(
        _BOTH,
        [
            orjson.dumps(given).decode(),
            recipient.name.strip(),
            recipient.address.strip(),
            ctx.purpose.value,
            BASIS_OF_PURPOSE.get(ctx.purpose, Basis.UNKNOWN).value,
            how.value,
            description,
            clock.now(),
            clock.wall(),
            ctx.actor,
            ctx.name,
            entry,
            not connection.in_atomic_block,
        ],
    )
