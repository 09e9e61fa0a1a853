"""Mend what could not be filed: try again, correct a copy, set how a sender is read, or refuse with a reason."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import Subject, append
from charthouse.foundation.work.api import finish_by_dedupe
from charthouse.identity.api import let_go
from charthouse.intake.domain.arrival import Connector
from charthouse.intake.domain.errors import IntakeError
from charthouse.intake.domain.hl7_plan import declared_codec
from charthouse.intake.domain.naming import storable
from charthouse.intake.models import MessageState
from charthouse.intake.permissions import MEND_UNFILED
from charthouse.intake.queues import UNFILED
from charthouse.intake.unfiled import UnfiledState
from charthouse.record.api import SourceRow, decompress, set_source, source_rows

from .file_waiting import file_one
from .retry_messages import requeue
from .take_in import take_in

_REASON = 500


def retry_message(ctx: AccessContext, message: int) -> UnfiledState:
    """Try to file a message again as it is, at once; says whether it is filed now.

    Raises PermissionRefused; IntakeError where the message waits for nothing.
    """
    require(ctx, MEND_UNFILED)
    with transaction.atomic(), connection.cursor() as cursor:
        if not requeue(cursor, [message], actor=ctx.actor):
            raise IntakeError("This message is not unfiled any more; there is nothing to try again.")
        append(ctx, "intake.retry", subjects=[Subject("message", str(message))])
    return _state(file_one(message))


def correct_message(ctx: AccessContext, message: int, text: str, reason: str) -> tuple[int, UnfiledState]:
    """File a corrected copy of a message; the original stays as it came. Returns the copy's number and state.

    For an entry of a bundle ``text`` is that entry; the copy is the bundle with it. A copy that cannot be filed
    either waits under its own number, in the original's place. Raises PermissionRefused; IntakeError for a
    message that waits for nothing or a text that is the same as the original.
    """
    require(ctx, MEND_UNFILED)
    reason = _needed(reason)
    if not text.strip():
        raise IntakeError("There is no text. Correct the message, or refuse it with a reason.")
    with transaction.atomic(), connection.cursor() as cursor:
        original = _original(cursor, message)
        taken = list(
            take_in(
                io.BytesIO(_copy(original, text)),
                connector=Connector.FORM,
                sender=original.sender.name,
                batch=f"correction of {message}",
                corrects=message,
            )
        )
        if len(taken) != 1:
            raise IntakeError("The corrected text holds more than one message. Keep it to the one being corrected.")
        copy = taken[0]
        if copy.result is None:
            raise IntakeError("The text is the same as a message that came before; nothing was changed.")
        filed = copy.result.state is MessageState.FILED
        _close(
            cursor,
            message,
            "filed" if filed else "dismissed",
            ctx,
            f"corrected copy {copy.receipt.message}: {reason}",
        )
        append(
            ctx,
            "intake.correct",
            subjects=[Subject("message", str(message)), Subject("message", str(copy.receipt.message))],
        )
    return copy.receipt.message, UnfiledState.FILED if filed else UnfiledState.WAITING


def refuse_message(ctx: AccessContext, message: int, reason: str) -> None:
    """Close a message without filing it. Raises PermissionRefused; IntakeError without a reason or a message."""
    require(ctx, MEND_UNFILED)
    reason = _needed(reason)
    with transaction.atomic(), connection.cursor() as cursor:
        _close(cursor, message, "dismissed", ctx, reason)
        cursor.execute(
            "UPDATE intake_message SET state = 'refused', state_at = %s WHERE id = %s AND state = 'unfiled'",
            [wall(), message],
        )
        append(ctx, "intake.refuse", subjects=[Subject("message", str(message))])


def correct_sender(ctx: AccessContext, message: int, *, time_zone: str, charset: str) -> None:
    """Set how the sender of a message is read where its messages do not say: zone (IANA) and charset.

    Raises PermissionRefused; IntakeError naming a zone or charset that does not exist.
    """
    require(ctx, MEND_UNFILED)
    if time_zone:
        try:
            ZoneInfo(time_zone)
        except (KeyError, ValueError, OSError):
            raise IntakeError(f"There is no time zone {time_zone[:60]!r}. Write it like America/Chicago.") from None
    if charset:
        try:
            b"MSH".decode(charset)
        except (LookupError, UnicodeError, ValueError):
            raise IntakeError(f"There is no character set {charset[:40]!r}. Write it like windows-1252.") from None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT source FROM intake_message WHERE id = %s", [message])
        found = cursor.fetchone()
        if not found:
            raise IntakeError("There is no such message.")
        set_source(cursor, found[0], time_zone=time_zone, charset=charset)
        append(ctx, "intake.set-sender", subjects=[Subject("message", str(message))], detail={"source": found[0]})


def _needed(reason: str) -> str:
    reason = storable(reason.strip(), _REASON)
    if not reason:
        raise IntakeError("Say why: the reason is kept with the message.")
    return reason


def _state(results: list[Any]) -> UnfiledState:
    return (
        UnfiledState.FILED
        if results and all(each.state is MessageState.FILED for each in results)
        else UnfiledState.WAITING
    )


@dataclass(frozen=True, slots=True)
class _Original:
    """An unfiled message as it came: its originals by seq, and the seq that could not be filed."""

    format: str
    kind: str
    sender: SourceRow
    parts: dict[int, bytes]
    wrong: int


def _original(cursor: Any, message: int) -> _Original:
    cursor.execute(
        "SELECT m.format, m.kind, m.source, u.original FROM intake_message m "
        "JOIN intake_unfiled u ON u.message = m.id WHERE m.id = %s AND u.state = 'open' ORDER BY u.id LIMIT 1",
        [message],
    )
    found = cursor.fetchone()
    if not found:
        raise IntakeError("This message is not unfiled any more; there is nothing to correct.")
    form, kind, source, original = found
    cursor.execute("SELECT id, seq, body FROM intake_original WHERE message = %s ORDER BY seq", [message])
    rows = cursor.fetchall()
    wrong = next((seq for number, seq, _ in rows if number == original), rows[-1][1])
    parts = {seq: decompress(body) for _, seq, body in rows}
    return _Original(form, kind, source_rows(cursor, [source])[source], parts, wrong)


def _copy(original: _Original, text: str) -> bytes:
    """The bytes of the corrected message."""
    if original.format == "hl7v2":
        return _hl7_copy(text, original.sender.charset)
    if original.format == "cda":
        return _xml_copy(text)
    body = _json_copy(text)
    entries = [body if seq == original.wrong else data for seq, data in sorted(original.parts.items()) if seq]
    if not original.kind.startswith("Bundle"):
        return b"\n".join(entries)
    envelope = original.parts.get(0, b'{"resourceType":"Bundle","type":"collection","entry":[]}')
    return _NO_ENTRIES.sub(lambda found: found[1] + b"[" + b",".join(entries) + b"]", envelope, count=1)


_NO_ENTRIES = re.compile(rb'("entry"\s*:\s*)\[\]')


def _hl7_copy(text: str, charset: str) -> bytes:
    """A segment a line, in the character set that its MSH-18 says, else in the sender's."""
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    codec = declared_codec(lines[0].encode("ascii", "replace")) or charset or "utf-8"
    try:
        return ("\r".join(lines) + "\r").encode(codec)
    except UnicodeEncodeError:
        raise IntakeError(
            "The text has characters that its character set does not have. Write UNICODE UTF-8 in MSH-18."
        ) from None


def _xml_copy(text: str) -> bytes:
    """The text in UTF-8, whatever it declared before."""
    return _ENCODING.sub(r"\1UTF-8\2", text.strip().replace("\r\n", "\n"), count=1).encode("utf-8", "replace")


_ENCODING = re.compile(r"""(<\?xml[^>]*?encoding\s*=\s*["'])[^"']*(["'])""")


def _json_copy(text: str) -> bytes:
    """The text on one line, numbers as they are written."""
    try:
        body = msgspec.json.format(text.strip().encode("utf-8", "replace"), indent=-1)
    except (msgspec.DecodeError, RecursionError) as error:
        raise IntakeError(f"The corrected text is no JSON: {error}.") from None
    if not body.startswith(b"{"):
        raise IntakeError("The corrected text must be one JSON object, beginning with {.")
    return body


def _close(cursor: Any, message: int, state: str, ctx: AccessContext, note: str) -> None:
    """Settle what is open of a message; its originals and its history stay."""
    now = wall()
    cursor.execute(
        "UPDATE intake_unfiled SET state = %s, settled_at = %s, settled_by = %s, note = %s "
        "WHERE message = %s AND state = 'open'",
        [state, now, ctx.actor, note, message],
    )
    if not cursor.rowcount:
        raise IntakeError("This message is not unfiled any more; there is nothing to settle.")
    cursor.execute(
        "INSERT INTO intake_attempt (message, at, actor, outcome, reason, place) VALUES (%s, %s, %s, %s, %s, '')",
        [message, now, ctx.actor, "corrected" if note.startswith("corrected copy") else "refused", note],
    )
    finish_by_dedupe(UNFILED, str(message), state, finished_by=ctx.actor)
    let_go([message])
