"""What the screens read of intake: where an item came from, what could not be filed, how the connectors fare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require, system_context
from charthouse.foundation.clock import today
from charthouse.foundation.presence import is_present, present_parts
from charthouse.record.api import (
    DoneHere,
    State,
    Stored,
    came_from_another,
    decompress,
    done_here,
    filed_by,
    source_rows,
    versions,
)
from charthouse.record.chart import UNKNOWN, When

from .domain.arrival import Connector, Part
from .originals import cda_original, cda_text, fhir_original, hl7_original, only_marked
from .permissions import READ_ORIGINAL, READ_UNFILED
from .provenance import Format, Original, Provenance, Version
from .queries import entered_by
from .unfiled import (
    Attempt,
    ConnectorHealth,
    SenderSettings,
    UnfiledFilter,
    UnfiledMessage,
    UnfiledPage,
    UnfiledRow,
    UnfiledState,
)

CONNECTOR_TITLES = {
    Connector.FILES: "Files",
    Connector.FOLDER: "Drop folder",
    Connector.MLLP: "MLLP",
    Connector.HTTP: "HTTP",
    Connector.FORM: "Entered here",
    Connector.API: "FHIR API",
}
_PARTS = {Connector.FOLDER: Part.FOLDER, Connector.MLLP: Part.MLLP}
_FORMATS = {"fhir": Format.FHIR, "hl7v2": Format.HL7V2, "cda": Format.CDA}
_PAGE = 50
#: How a version came that an act on the document made, and no message.
_DONE_HERE = "Done here"
_SYSTEM = system_context("intake")


def provenance(ctx: AccessContext, kind: str, public_id: str, version: int | None = None) -> Provenance | None:
    """How an item came into the record; None where there is none or it may not be seen.

    Raises PermissionRefused.
    """
    require(ctx, READ_ORIGINAL)
    with connection.cursor() as cursor:
        found = versions(cursor, ctx, kind, public_id)
        if not found:
            return None
        chosen = next((each for each in found if each.version == version), found[0])
        cursor.execute(
            "SELECT id, source, connector, format, kind, control_id, received_at FROM intake_message "
            "WHERE id = ANY(%s)",
            [[each.message for each in found]],
        )
        messages = {record[0]: record for record in cursor.fetchall()}
        message = messages.get(chosen.message)
        senders = _names(cursor, {m[1] for m in messages.values()})
        original = _original(cursor, ctx, chosen, message) if message else None
        here = done_here(cursor, kind, public_id) if any(not each.message for each in found) else {}
    by_hand = entered_by(messages)
    acted = here.get(chosen.version) if not chosen.message else None
    return Provenance(
        type=kind,
        id=public_id,
        version=chosen.version,
        connector=_connector_title(message[2]) if message else _DONE_HERE if acted else "",
        entered_by=acted.who if acted else by_hand.get(chosen.message, ""),
        sender=senders.get(message[1], "") if message else "",
        kind=message[4] if message else "",
        control_id=message[5] if message else "",
        message=chosen.message or None,
        received=message[6] if message else None,
        filed=chosen.filed_at,
        occurred=_occurred(chosen),
        authored=When(chosen.authored.isoformat(), chosen.authored) if chosen.authored else UNKNOWN,
        original=original,
        versions=tuple(
            Version(
                each.version,
                each.filed_at,
                here[each.version].what if _is_here(each, here) else _change(each, found),
                here[each.version].who
                if _is_here(each, here)
                else by_hand.get(each.message)
                or (senders.get(messages[each.message][1], "") if each.message in messages else ""),
                each.message or None,
            )
            for each in found
        ),
    )


def _is_here(stored: Stored, here: Mapping[int, DoneHere]) -> bool:
    """Whether a version was made by an act on the document, and not by a message."""
    return not stored.message and stored.version in here


def _names(cursor: Any, numbers: set[int]) -> dict[int, str]:
    return {number: each.name for number, each in source_rows(cursor, numbers).items()}


def _occurred(stored: Stored) -> When:
    from charthouse.record.charting.elements import first_when

    return first_when(
        stored.resource, "effectiveDateTime", "effectivePeriod", "period", "occurrenceDateTime",
        "performedDateTime", "performedPeriod", "onsetDateTime", "start", "billablePeriod",
    )  # fmt: skip


def _change(stored: Stored, found: Sequence[Stored]) -> str:
    if stored.state is State.DELETED:
        return "deleted by its sender"
    if stored.state is State.ENTERED_IN_ERROR:
        return "retracted: entered in error"
    return "created" if stored is found[-1] else "updated"


def _connector_title(name: str) -> str:
    return CONNECTOR_TITLES.get(Connector(name), name)


def _original(cursor: Any, ctx: AccessContext, stored: Stored, message: Sequence[Any]) -> Original | None:
    cursor.execute("SELECT body FROM intake_original WHERE id = %s", [stored.original])
    found = cursor.fetchone()
    if not found:
        return None
    data = decompress(found[0])
    _, source, _, form, *_ = message
    if form == "cda":
        original = cda_original(data, stored.place)
        return original if _sees_all(cursor, ctx, stored.message) else only_marked(original)
    if form != "hl7v2":
        return fhir_original(data)
    charset = source_rows(cursor, [source])[source].charset
    original = hl7_original(data, stored.place, charset)
    # The message that put a document into the wrong chart tells of the patient of that chart.
    other = came_from_another(cursor, stored.type, stored.row, stored.version)
    return original if not other and _sees_all(cursor, ctx, stored.message) else only_marked(original)


def _sees_all(cursor: Any, ctx: AccessContext, message: int) -> bool:
    """Whether the asker may see everything that a message brought, and so the message itself."""
    return len(filed_by(cursor, ctx, message)) == len(filed_by(cursor, _SYSTEM, message))


_STATES = {UnfiledState.WAITING: "open", UnfiledState.FILED: "filed", UnfiledState.REFUSED: "dismissed"}
_FROM_STATE = {value: key for key, value in _STATES.items()}


_OPEN_FIRST = "u.state <> 'open', CASE WHEN u.state = 'open' THEN u.id ELSE -u.id END"


def _first(column: str) -> str:
    """The value of a message's first open problem, or of its latest settled one."""
    return f"(array_agg(u.{column} ORDER BY {_OPEN_FIRST}))[1]"


_UNFILED = (
    "SELECT u.message, min(m.received_at), min(m.connector), min(m.source), "  # noqa: S608 (fixed words)
    "min(m.format), min(m.kind), "
    f"min(m.control_id), {_first('code')}, {_first('reason')}, {_first('place')}, {_first('state')}, "
    "max(u.attempts), greatest(1, count(*) FILTER (WHERE u.state = 'open')) "
    "FROM intake_unfiled u JOIN intake_message m ON m.id = u.message "
)


def unfiled(ctx: AccessContext, wanted: UnfiledFilter, cursor: str | None = None) -> UnfiledPage:
    """A page of messages that could not be filed, oldest first. Raises PermissionRefused."""
    require(ctx, READ_UNFILED)
    where, values = _where(wanted)
    with connection.cursor() as db:
        db.execute(f"SELECT count(DISTINCT u.message) FROM intake_unfiled u {where}", values)  # noqa: S608
        total = db.fetchone()[0]
        after = int(cursor) if cursor and cursor.isdecimal() and len(cursor) < 19 else 0
        # Which messages is read from the index; only those of the page are looked at as a whole.
        db.execute(
            f"{_UNFILED} {where} AND u.message = ANY(ARRAY(SELECT DISTINCT u.message "  # noqa: S608 (fixed words)
            "FROM intake_unfiled u "
            f"{where} AND u.message > %s ORDER BY u.message LIMIT %s)) GROUP BY u.message ORDER BY u.message",
            [*values, *values, after, _PAGE + 1],
        )
        records = db.fetchall()
        senders = _names(db, {record[3] for record in records})
        reasons = _reasons(db)
    rows = tuple(_row(record, senders) for record in records[:_PAGE])
    return UnfiledPage(
        rows=rows,
        next=str(rows[-1].id) if len(records) > _PAGE else None,
        total=total,
        connectors=tuple(each.value for each in Connector),
        reasons=reasons,
    )


def _reasons(db: Any) -> tuple[tuple[str, str], ...]:
    """The reasons of what waits, the most frequent first: codes in words."""
    db.execute(
        "SELECT code, (SELECT reason FROM intake_unfiled u WHERE state = 'open' AND u.message = first"
        " AND u.code = c.code LIMIT 1) FROM (SELECT code, min(message) AS first, count(*) AS often"
        " FROM intake_unfiled WHERE state = 'open' GROUP BY code) AS c ORDER BY often DESC, code"
    )
    return tuple((code, REASONS.get(code, reason)) for code, reason in db.fetchall())


#: What the codes of unfiled messages mean, for filters and counts.
REASONS = {
    "unsupported": "A kind of message that is not filed",
    "not-hl7": "Not readable as HL7 v2",
    "not-json": "Not readable as JSON",
    "not-fhir": "Not readable as FHIR",
    "not-cda": "Not readable as C-CDA",
    "section": "A part of a document that could not be read",
    "document-patient": "A document about another person than its message",
    "attachment": "An attachment that cannot be decoded",
    "no-resource": "An entry without a resource",
    "unknown-type": "Not a kind of record that is filed",
    "unresolved-reference": "A reference that leads nowhere",
    "not-valid": "Not valid by HL7's schema",
    "unknown-patient": "A patient who is not in the record",
    "locked": "A document that was signed or corrected here",
    "internal": "Stopped with an unexpected fault",
}


def _where(wanted: UnfiledFilter) -> tuple[str, list[Any]]:
    parts = ["TRUE"]
    values: list[Any] = []
    zone = ZoneInfo(configuration().time_zone)
    if wanted.state:
        parts.append("u.state = %s")
        values.append(_STATES[wanted.state])
    if wanted.connector:
        parts.append("u.connector = %s")
        values.append(wanted.connector)
    if wanted.reason:
        parts.append("u.code = %s")
        values.append(wanted.reason)
    if wanted.since:
        parts.append("u.received_at >= %s")
        values.append(datetime.combine(wanted.since, time.min, zone))
    if wanted.until:
        parts.append("u.received_at < %s")
        values.append(datetime.combine(wanted.until + timedelta(days=1), time.min, zone))
    return "WHERE " + " AND ".join(parts), values


def _row(record: Sequence[Any], senders: dict[int, str]) -> UnfiledRow:
    number, received, connector, source, form, kind, control_id, code, reason, place, state, attempts, count = (
        record
    )
    return UnfiledRow(
        id=number,
        received=received,
        connector=_connector_title(connector),
        sender=senders.get(source, ""),
        format=_FORMATS.get(form, Format.OTHER),
        kind=kind,
        control_id=control_id,
        reason_code=code,
        reason=reason if count == 1 else f"{reason} (and {count - 1} more)",
        place=place,
        state=_FROM_STATE.get(state, UnfiledState.WAITING),
        attempts=attempts,
    )


def unfiled_message(ctx: AccessContext, number: int) -> UnfiledMessage | None:
    """One unfiled message with its original, the place marked, and what was tried; None where there is none, or
    its original was destroyed with its chart. Raises PermissionRefused."""
    require(ctx, READ_UNFILED)
    with connection.cursor() as cursor:
        cursor.execute(f"{_UNFILED} WHERE u.message = %s GROUP BY u.message", [number])
        record = cursor.fetchone()
        if record is None:
            return None
        sender = source_rows(cursor, [record[3]])[record[3]]
        row = _row(record, {sender.id: sender.name})
        cursor.execute(
            "SELECT coalesce((SELECT original FROM intake_unfiled u WHERE message = %s AND original IS NOT NULL "  # noqa: S608
            f"ORDER BY {_OPEN_FIRST} LIMIT 1), (SELECT id FROM intake_original WHERE message = %s "
            "ORDER BY seq DESC LIMIT 1))",
            [number, number],
        )
        cursor.execute("SELECT body FROM intake_original WHERE id = %s", [cursor.fetchone()[0]])
        original = cursor.fetchone()
        if original is None:
            return None
        data = decompress(original[0])
        cursor.execute(
            "SELECT at, actor, outcome, reason, place FROM intake_attempt WHERE message = %s ORDER BY id DESC",
            [number],
        )
        attempts = tuple(Attempt(*each) for each in cursor.fetchall())
        cursor.execute("SELECT corrects FROM intake_message WHERE id = %s", [number])
        corrects = cursor.fetchone()[0]
        cursor.execute("SELECT id FROM intake_message WHERE corrects = %s ORDER BY id", [number])
        corrections = tuple(each for (each,) in cursor.fetchall())
        cursor.execute(
            "SELECT note FROM intake_unfiled WHERE message = %s AND state = 'dismissed' ORDER BY id DESC LIMIT 1",
            [number],
        )
        closed = cursor.fetchone()
    if row.format is Format.HL7V2:
        shown = hl7_original(data, row.place, sender.charset)
    elif row.format is Format.CDA:
        shown = cda_original(data, row.place)
    else:
        shown = fhir_original(data, row.place)
    return UnfiledMessage(
        row=row,
        original=shown,
        attempts=attempts,
        sender=SenderSettings(sender.name, sender.time_zone, sender.charset),
        editable=_editable(data, row.format, sender.charset),
        corrects=corrects,
        corrections=corrections,
        closed_reason=closed[0] if closed else "",
        hints=tuple(_HINTS.get(row.reason_code, ())),
    )


def _editable(data: bytes, form: Format, charset: str) -> str | None:
    """The text a person may correct: an HL7 message a line a segment, a FHIR entry as JSON, a document as XML."""
    if len(data) > 1 << 20:
        return None
    if form is Format.HL7V2:
        return "\n".join(line.text for line in hl7_original(data, charset=charset, whole=True).lines)
    if form is Format.CDA:
        return cda_text(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


_HINTS: dict[str, tuple[str, ...]] = {
    "unknown-patient": ("Send or register the patient first, then try again.",),
    "unsupported": (
        "This kind of message is not filed. Refuse it with a reason, or ask the sender for another kind.",
    ),
    "not-hl7": ("Correct the marked place in a copy; the original stays as it came.",),
    "not-valid": ("Correct the marked element in a copy; the original stays as it came.",),
    "not-json": ("The text is cut short or damaged. Ask the sender to send it again.",),
    "unresolved-reference": ("Send what the reference names, then try again; or correct the reference in a copy.",),
    "not-cda": (
        "Correct the text in a copy; the original stays as it came. Or ask the sender for the document anew.",
    ),
    "section": (
        "Everything else of the document is filed, and its text can be read in the chart.",
        "Correct the marked place in a copy, or refuse it when nothing is missing.",
    ),
    "document-patient": (
        "The message is filed and the document can be read with it; nothing of it counts as this patient's data.",
        "Ask the sender whom it is about, then refuse it with a reason, or send it by itself.",
    ),
    "attachment": ("The message is filed without it. Ask the sender for it anew, then refuse this with a reason.",),
    "locked": ("The document stays as it was signed or corrected. File what is new as an addendum; refuse this.",),
    "internal": ("Try again; if it stops again, the log names the fault.",),
}


_CONNECTORS = (
    "SELECT c.name, (SELECT max(received_at) FROM intake_message WHERE connector = c.name),"
    " (SELECT count(*) FROM intake_message WHERE connector = c.name AND received_at >= %s),"
    " coalesce(w.waiting, 0) FROM unnest(%s::text[]) AS c (name) LEFT JOIN"
    " (SELECT m.connector, count(*) AS waiting FROM (SELECT DISTINCT message FROM intake_queue) AS q"
    " JOIN intake_message m ON m.id = q.message GROUP BY m.connector) AS w ON w.connector = c.name"
)


def connectors(ctx: AccessContext) -> tuple[ConnectorHealth, ...]:
    """How each connector fares: its last message, today's count, and what waits. Raises PermissionRefused."""
    require(ctx, READ_UNFILED)
    zone = ZoneInfo(configuration().time_zone)
    midnight = datetime.combine(today(zone), time.min, zone)
    with connection.cursor() as cursor:
        cursor.execute(_CONNECTORS, [midnight, [each.value for each in Connector]])
        found = {name: (last, count, waiting) for name, last, count, waiting in cursor}
    present = present_parts(_PARTS.values())

    def running(each: Connector) -> bool | None:
        return (
            _PARTS[each] in present if each in _PARTS else True if each in (Connector.HTTP, Connector.API) else None
        )

    return tuple(
        ConnectorHealth(each.value, CONNECTOR_TITLES[each], last, count, waiting, running(each))
        for each in Connector
        for last, count, waiting in [found[each.value]]
    )


def filing_runs(ctx: AccessContext) -> bool:
    """Whether somebody files what the connectors received. Raises PermissionRefused."""
    require(ctx, READ_UNFILED)
    return is_present(Part.FILING)


def unfiled_count(ctx: AccessContext) -> int:
    """How many messages wait for mending. Raises PermissionRefused."""
    require(ctx, READ_UNFILED)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT message) FROM intake_unfiled WHERE state = 'open'")
        count: int = cursor.fetchone()[0]
        return count


def message_state(sender: str, message: int) -> dict[str, object] | None:
    """How far a sender's own message has come, for the sender: its state, counts, and why it is not filed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.id, m.kind, m.state, m.created, m.updated, m.unchanged, m.duplicate_of FROM intake_message m "
            "JOIN record_source s ON s.id = m.source WHERE m.id = %s AND s.name = %s",
            [message, sender],
        )
        found = cursor.fetchone()
        if not found:
            return None
        cursor.execute(
            "SELECT reason, place FROM intake_unfiled WHERE message = %s AND state = 'open' ORDER BY id", [message]
        )
        problems = [{"reason": reason, "place": place} for reason, place in cursor.fetchall()]
    names = ("id", "kind", "state", "created", "updated", "unchanged", "duplicate_of")
    return {**dict(zip(names, found, strict=True)), "problems": problems}
