"""What every act on a document does: take it as the asker may see it, see that it is as it was seen, and file what
it becomes with a Provenance, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from charthouse.exchange.fhir.api import validate
from charthouse.foundation.access.api import AccessContext, system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.events.api import append as append_event
from charthouse.foundation.files.api import stat
from charthouse.foundation.ids import new_id
from charthouse.foundation.ledger.api import JSON, Subject
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.foundation.rulepacks.api import parameter
from charthouse.record.charting.documents import text_of
from charthouse.record.document_errors import ChangedSince, DocumentError, NotConfirmed
from charthouse.record.domain import documents
from charthouse.record.domain.attachments import attachments_of, binary_id
from charthouse.record.domain.document_provenance import provenance
from charthouse.record.domain.documents import Kind, Meaning, Party
from charthouse.record.domain.exact import editable
from charthouse.record.domain.filing import Filed, Filing, prepare
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.queries import Stored, current, seen_of, versions

from .file_resources import FilingBatch

Patients = Sequence[int]
Resource = dict[str, Any]
SYSTEM = system_context("record")
CONFIRMED = "record.signing-again"

_LONGEST_NOTE = 1_000
_LONGEST_TEXT = 100_000


@dataclass(frozen=True, slots=True)
class Taken:
    """A document that an act has to itself until its transaction ends. ``patient`` is the public id of whose it is,
    ``source`` the number of the sender it is filed under."""

    stored: Stored
    resource: Resource
    patient: str
    source: int

    @property
    def key(self) -> str:
        return f"{self.stored.type}/{self.stored.public_id}"

    @property
    def revision(self) -> str:
        return f"{self.key}/_history/{self.stored.version}"

    @property
    def subjects(self) -> list[Subject]:
        return [Subject("resource", self.key), Subject("patient", self.patient)]


def party(ctx: AccessContext) -> Party:
    return Party(ctx.actor, ctx.name or ctx.actor)


def prose(text: str, needed: str, longest: int = _LONGEST_TEXT) -> str:
    """A text as it is kept: line ends made single, signs that cannot be shown left out. Raises DocumentError."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(each for each in lines if each in "\n\t" or (each.isprintable() or each == "\u00ad")).strip()
    if not kept and needed:
        raise DocumentError(needed)
    if len(kept) > longest:
        raise DocumentError(f"This is {len(kept):,} characters long; {longest:,} are the most.")
    return kept


def note_of(text: str) -> str:
    return " ".join(prose(text, "", _LONGEST_NOTE).split())


def require_confirmed(confirmed: datetime | None) -> None:
    """Raise NotConfirmed unless the signer proved who they are within the time of the rule."""
    minutes = int(parameter(CONFIRMED, "minutes"))
    if confirmed is None or not timedelta(0) <= wall() - confirmed <= timedelta(minutes=minutes):
        raise NotConfirmed("Give your password or a code to sign.")


def take(cursor: Any, ctx: AccessContext, patients: Patients, kind: str, id: str, seen: str) -> Taken:
    """Have a document of this chart to oneself, as it was ``seen`` (empty where nobody looked before).

    Raises DocumentError where the chart has no such document open to the asker, ChangedSince where it is another
    version than was seen.
    """
    if kind not in documents.DOCUMENT_TYPES:
        raise DocumentError("This is no document.")
    cursor.execute(
        "SELECT source FROM record_resource WHERE type = %s AND public_id = %s AND patient = ANY(%s) FOR UPDATE",
        [TYPE_ID[kind], id, list(patients)],
    )
    found = cursor.fetchone()
    stored = current(cursor, ctx, [(kind, id)]).get((kind, id)) if found else None
    if found is None or stored is None or stored.patient is None:
        raise DocumentError("The chart has no such document, or it is not open to you.")
    if seen and seen != seen_of(stored):
        raise ChangedSince(_opened(cursor, ctx, stored, seen), text_of(stored), seen_of(stored))
    resource = editable(stored.content)
    return Taken(stored, resource, patient_id(cursor, stored.patient), found[0])


def _opened(cursor: Any, ctx: AccessContext, stored: Stored, seen: str) -> str:
    number = seen.partition(":")[0]
    for each in versions(cursor, ctx, stored.type, stored.public_id):
        if str(each.version) == number:
            return text_of(each)
    return ""


def patient_id(cursor: Any, row: int) -> str:
    """The public id of a patient's row. Raises DocumentError where there is none."""
    cursor.execute("SELECT public_id FROM record_resource WHERE type = %s AND id = %s", [TYPE_ID["Patient"], row])
    found = cursor.fetchone()
    if found is None:
        raise DocumentError("There is no such patient.")
    public_id: str = found[0]
    return public_id


def require_standing(taken: Taken) -> None:
    """Raise DocumentError for what was taken back already."""
    if taken.stored.state.value != "active" or documents.is_retracted(taken.resource):
        raise DocumentError("This document was taken back already; nothing was changed.")


def file_hashes(cursor: Any, taken: Taken) -> list[bytes]:
    """The SHA-256 of each file that the document's version names and that is kept apart, in its order."""
    named = [number for each in attachments_of(taken.resource) if (number := binary_id(each))]
    if not named:
        return []
    cursor.execute(
        "SELECT DISTINCT ON (public_id) public_id, file FROM record_attachment WHERE type = %s AND resource = %s "
        "AND public_id = ANY(%s) AND version <= %s ORDER BY public_id, version DESC",
        [TYPE_ID[taken.stored.type], taken.stored.row, named, taken.stored.version],
    )
    hashes = {public_id: bytes.fromhex(stat(file).sha256) for public_id, file in cursor.fetchall()}
    missing = [each for each in named if each not in hashes]
    if missing:
        raise DocumentError("A file of this document has not arrived. It cannot be signed before.")
    return [hashes[each] for each in named]


@dataclass(slots=True)
class Work:
    """What an act files: versions and documents with whose they are, in order; and what is written of it."""

    ctx: AccessContext
    cursor: Any
    at: datetime = field(default_factory=wall)
    filings: list[Filing] = field(default_factory=list)

    def put(self, resource: Resource, *, source: int, patient: str = "") -> None:
        """File a resource; ``patient`` (public id) for one that does not say so itself.

        Raises DocumentError where it would not be valid.
        """
        content = orjson.dumps(resource)
        parsed = orjson.loads(content)
        if problems := validate(parsed):
            raise DocumentError(f"The document would not be valid: {problems[0].message} ({problems[0].path}).")
        filing = prepare(parsed, content)
        filing.source = source
        filing.patient = filing.patient or patient or None
        self.filings.append(filing)

    def prove(
        self,
        taken: Taken,
        targets: Iterable[str],
        activity: Kind | Meaning | None,
        *,
        reason: str = "",
        agents: Iterable[tuple[str, Party]] = (),
        sha256: bytes = b"",
        patient: str = "",
        told: bool = True,
    ) -> None:
        """File the Provenance of the act. Without ``told`` it does not name the document it was done to."""
        made = provenance(
            id=str(new_id()),
            targets=targets,
            of=taken.resource,
            before=taken.revision if told else "",
            recorded=self.at.isoformat(),
            agents=list(agents) or [("author", party(self.ctx))],
            activity=activity,
            reason=reason,
            sha256=sha256,
        )
        self.put(made, source=taken.source, patient=patient or taken.patient)

    def done(self) -> dict[tuple[str, str], Filed]:
        """File it all; what became of each resource, the last word on each. To be called once."""
        filed = FilingBatch(self.cursor, self.filings).file(self.filings, self.at)
        return {(each.type, each.public_id): each for each in filed}


def tell(
    ctx: AccessContext,
    action: str,
    event: str,
    taken: Taken,
    *,
    subjects: Iterable[Subject] = (),
    **detail: JSON,
) -> None:
    """Write the ledger's entry of an act, and its event for the apps above."""
    append_ledger(ctx, action, subjects=[*taken.subjects, *subjects], detail=detail)
    append_event(
        event,
        key=taken.patient,
        payload={"type": taken.stored.type, "id": taken.stored.public_id, "patient": taken.patient, **detail},
    )
