"""Take a file or stream in and file it at once: keep, identify, file, commit, a message at a time.

The command line, the drop folder and forms have the bytes in hand and wait for the outcome. A sender who waits
for an acknowledgement gets it as soon as the message is kept (``file=False``); the workers file it then. Both end
in the same ``file_messages``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import structlog
from django.db import IntegrityError, connection, transaction

from charthouse.exchange.cda.api import DEFAULT_LIMITS, CdaError, Tree, documents_of, head_of, is_cda, read_tree
from charthouse.exchange.fhir.api import Entry, Envelope, FhirError, Form, open_stream, split
from charthouse.exchange.hl7v2.api import Envelope as Hl7Envelope
from charthouse.exchange.hl7v2.api import Hl7Error, peek, split_batch
from charthouse.foundation.clock import wall
from charthouse.foundation.logging import where
from charthouse.foundation.memory import without_collection
from charthouse.intake.domain.archives import ZIP, Member, members, refused_words
from charthouse.intake.domain.arrival import Arrival, Connector, Format, Receipt
from charthouse.intake.domain.arrivals import (
    LINES,
    cda_arrival,
    custodian_of,
    fhir_arrival,
    hl7_arrival,
    sender_of,
)
from charthouse.intake.domain.errors import IntakeError
from charthouse.intake.domain.fhir_plan import Problem
from charthouse.intake.domain.naming import LONGEST_SENDER, refuse_own_desk, storable
from charthouse.intake.domain.sender import Sender
from charthouse.intake.faults import in_words, passes, renew_connection
from charthouse.intake.queries import ATOMIC_BUNDLES, senders
from charthouse.record.api import source_id

from .file_messages import Result, Waiting, file_messages, set_aside
from .file_waiting import lock_patients
from .receive_messages import receive_messages
from .retry_messages import requeue

log = structlog.get_logger("charthouse.intake")

_HL7_BATCH = 64
_HL7_LIMIT = 256 << 20
_TRIES = 5
#: The channel on which workers hear that messages wait.
WAKE = "charthouse_intake"
_SIGN = (b"MSH", b"FHS", b"BHS")
#: Documents of one file whose faults are told.
_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """One message taken in: its receipt, its kind, and what became of it; None for a duplicate."""

    receipt: Receipt
    kind: str
    result: Result | None


def take_in(
    stream: Any,
    *,
    connector: Connector,
    sender: str | None = None,
    batch: str = "",
    file: bool = True,
    corrects: int | None = None,
) -> Iterator[Taken]:
    """Take in everything in ``stream`` (a path or a binary stream; plain, gzip, bzip2, xz or zstd, or a zip archive
    such as IHE XDM, whose files are taken in one after another).

    ``sender`` names the source; without it an HL7 message is named by its MSH-3 and MSH-4, a C-CDA document by its
    custodian. ``corrects`` is the message this is a corrected copy of. Messages before a fault in the stream stay
    filed; of several documents, and of the files of an archive, so do those after it. Raises IntakeError where the
    input is neither HL7 v2, FHIR nor C-CDA, or a hostile document, or where another than a form sends in the name
    of our own desk, and the database's error when it is away.
    """
    if sender and (connector is not Connector.FORM or corrects is not None):
        refuse_own_desk(sender)
    try:
        opened = open_stream(stream)
        archive = opened.peek(4)[:4] == ZIP
        for chunk in (_read_zip if archive else _read)(opened, connector, sender, batch):
            if corrects is not None:
                for each in chunk:
                    each.arrival = replace(each.arrival, corrects=corrects)
            yield from _take(chunk, file=file)
    except (FhirError, CdaError) as error:
        raise IntakeError(str(error)) from None


def _read(
    opened: io.BufferedReader, connector: Connector, sender: str | None, batch: str
) -> Iterator[list[Coming]]:
    head = opened.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n\x0b")
    if is_cda(opened.peek(64)[:64]):
        return _read_cda(opened, connector, sender, batch)
    if head[:3] in _SIGN or opened.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _read_hl7(opened, connector, sender, batch)
    if head[:1] not in (b"{", b""):
        raise IntakeError(
            "The input is neither HL7 v2 (no MSH at its beginning), FHIR in JSON (no {), C-CDA (no XML) nor a zip "
            "archive of these."
        )
    return _read_fhir(opened, connector, sender or "files", batch)


def _read_zip(
    stream: io.BufferedReader, connector: Connector, sender: str | None, batch: str
) -> Iterator[list[Coming]]:
    """The records among an archive's files. What cannot be read costs no other, and is told at the end."""
    taken = 0
    refused: list[Member] = []
    for each in members(stream):
        if each.refused:
            refused.append(each)
            continue
        try:
            for chunk in _read(open_stream(io.BytesIO(each.data)), connector, sender, batch):
                taken += len(chunk)
                yield chunk
        except (FhirError, CdaError, IntakeError) as error:
            refused.append(replace(each, data=b"", refused=str(error)))
    if refused or not taken:
        raise IntakeError(refused_words(refused, taken))


def _read_cda(
    stream: io.BufferedReader, connector: Connector, sender: str | None, batch: str
) -> Iterator[list[Coming]]:
    data = stream.read(DEFAULT_LIMITS.size + 1)
    documents = documents_of(data) if len(data) <= DEFAULT_LIMITS.size else [data]
    if len(documents) == 1:
        yield [_cda(data, connector, sender, batch)]
        return
    faults: list[str] = []
    for number, each in enumerate(documents, 1):
        try:
            coming = _cda(each, connector, sender, batch)
        except CdaError as error:
            faults.append(f"Document {number} of {len(documents)}: {error}")
        else:
            yield [coming]
    if faults:
        raise CdaError(" ".join(faults[:_MOST_FAULTS]))


def _cda(data: bytes, connector: Connector, sender: str | None, batch: str) -> Coming:
    tree = read_tree(data)
    head = head_of(tree)
    name = sender or custodian_of(head)
    arrival = cda_arrival(
        data, head, source=number_of(name), sender=name, connector=connector, received_at=wall(), batch=batch
    )
    return Coming(arrival, data=data, tree=tree)


def _read_hl7(
    stream: io.BufferedReader, connector: Connector, sender: str | None, batch: str
) -> Iterator[list[Coming]]:
    data = stream.read(_HL7_LIMIT + 1)
    if len(data) > _HL7_LIMIT:
        raise IntakeError(f"The HL7 file is larger than {_HL7_LIMIT:,} bytes. Send it in several files.")
    messages = iter(split_batch(data))
    first = True
    while chunk := list(islice(messages, _HL7_BATCH)):
        first = False
        yield [hl7_coming(each, connector, sender, batch) for each in chunk]
    if first:
        raise IntakeError("No line of the file begins with MSH: it is no HL7 v2 message.")


@dataclass(slots=True)
class Coming:
    """An arrival with what filing it at once needs."""

    arrival: Arrival
    entries: list[Entry] | None = None
    data: bytes = b""
    tree: Tree | None = None

    @property
    def atomic(self) -> bool:
        return self.arrival.format is Format.HL7V2 or self.arrival.kind in ATOMIC_BUNDLES


def hl7_coming(data: bytes, connector: Connector, sender: str | None, batch: str) -> Coming:
    """One HL7 v2 message, ready to keep; one whose MSH cannot be read is kept all the same."""
    try:
        envelope = peek(data)
    except Hl7Error:
        envelope = None
    return hl7_coming_as(envelope, data, connector, sender, batch)


def hl7_coming_as(
    envelope: Hl7Envelope | None, data: bytes, connector: Connector, sender: str | None, batch: str
) -> Coming:
    """As :func:`hl7_coming`, where the envelope was read already; None where it could not be."""
    name = sender or (sender_of(envelope) if envelope else "unknown")
    arrival = hl7_arrival(
        data, envelope, source=number_of(name), sender=name, connector=connector, received_at=wall(), batch=batch
    )
    return Coming(arrival, data=data)


def _read_fhir(stream: io.BufferedReader, connector: Connector, sender: str, batch: str) -> Iterator[list[Coming]]:
    parts = split(stream)
    if parts.form is not Form.NDJSON:
        yield [_fhir(parts, parts.envelope, parts.form, sender, connector, batch)]
        return
    while chunk := list(islice(parts, LINES)):
        yield [_fhir(chunk, None, parts.form, sender, connector, batch)]


def _fhir(
    coming: Iterable[Entry],
    envelope: Envelope | None,
    form: Form,
    sender: str,
    connector: Connector,
    batch: str,
) -> Coming:
    arrival, entries = fhir_arrival(
        coming, envelope, form,
        source=number_of(sender), sender=sender, connector=connector, received_at=wall(), batch=batch,
    )  # fmt: skip
    return Coming(arrival, entries=entries)


def _take(coming: list[Coming], *, file: bool) -> list[Taken]:
    """Keep and file in one transaction; what the database refuses is kept unfiled, message by message."""
    for attempt in range(1, _TRIES + 1):
        try:
            with without_collection(), transaction.atomic(), connection.cursor() as cursor:
                return _file(cursor, coming) if file else keep(cursor, coming)
        except Exception as error:
            if passes(error):
                if connection.in_atomic_block:
                    raise  # the caller's transaction is lost, too
                renew_connection()
                if attempt < _TRIES:
                    continue
                if not isinstance(error, IntegrityError):
                    raise
            if len(coming) > 1:
                return [taken for each in coming for taken in _take([each], file=file)]
            if not file:
                raise
            log.error("a message is kept unfiled", error=where(error))
            with transaction.atomic(), connection.cursor() as cursor:
                return _keep_unfiled(cursor, coming[0], Problem(1, "internal", in_words(error), ""))
    return []


def keep(cursor: Any, coming: list[Coming]) -> list[Taken]:
    """Keep messages for the workers to file, in the caller's transaction, and wake them."""
    receipts = receive_messages(cursor, [each.arrival for each in coming])
    requeue(cursor, _earlier(receipts), actor="system:intake", sent_again=True)
    cursor.execute("SELECT pg_notify(%s, '')", [WAKE])
    return [Taken(receipt, each.arrival.kind, None) for each, receipt in zip(coming, receipts, strict=True)]


def _earlier(receipts: Iterable[Receipt]) -> list[int]:
    """The messages that bytes sent again were kept under; unfiled ones are tried again."""
    return [receipt.duplicate_of for receipt in receipts if receipt.duplicate_of is not None]


def _file(cursor: Any, coming: list[Coming]) -> list[Taken]:
    lock_patients(cursor, (key for each in coming for key in each.arrival.keys))
    receipts = receive_messages(cursor, [each.arrival for each in coming], queue=False)
    known = senders(cursor, {each.arrival.source for each in coming})
    waiting = [
        _waiting(each, receipt, known[each.arrival.source])
        for each, receipt in zip(coming, receipts, strict=True)
        if _fresh(receipt)
    ]
    results = {result.message: result for result in file_messages(cursor, waiting)} if waiting else {}
    requeue(cursor, _earlier(receipts), actor="system:intake", sent_again=True)
    return [
        Taken(receipt, each.arrival.kind, results.get(receipt.message))
        for each, receipt in zip(coming, receipts, strict=True)
    ]


def _fresh(receipt: Receipt) -> bool:
    return receipt.duplicate_of is None


def _keep_unfiled(cursor: Any, each: Coming, problem: Problem) -> list[Taken]:
    receipt = receive_messages(cursor, [each.arrival], queue=False)[0]
    if not _fresh(receipt):
        return [Taken(receipt, each.arrival.kind, None)]
    sender = senders(cursor, [each.arrival.source])[each.arrival.source]
    return [Taken(receipt, each.arrival.kind, set_aside(cursor, _waiting(each, receipt, sender), problem))]


def _waiting(each: Coming, receipt: Receipt, sender: Sender) -> Waiting:
    arrival = each.arrival
    bodies = [(1, each.data)] if each.entries is None else [(part.seq, b"") for part in arrival.originals]
    numbers = dict(zip((part.seq for part in arrival.originals), receipt.originals, strict=True))
    return Waiting(
        id=receipt.message,
        sender=sender,
        format=arrival.format,
        kind=arrival.kind,
        connector=arrival.connector.value,
        received_at=arrival.received_at,
        originals={seq: (numbers[seq], body) for seq, body in bodies},
        entries=each.entries,
        tree=each.tree,
        atomic=each.atomic,
    )


_NUMBERS_KEPT = 4_096
_numbers: dict[tuple[str, str], int] = {}


def number_of(sender: str) -> int:
    """The number of a sender, made known on its first message."""
    sender = storable(sender, LONGEST_SENDER)
    key = (str(connection.settings_dict["NAME"]), sender)
    if (number := _numbers.get(key)) is not None:
        return number
    with transaction.atomic(), connection.cursor() as cursor:
        number = source_id(cursor, sender)
    transaction.on_commit(lambda: _remember(key, number))
    return number


def _remember(key: tuple[str, str], number: int) -> None:
    if len(_numbers) >= _NUMBERS_KEPT:
        _numbers.clear()
    _numbers[key] = number
