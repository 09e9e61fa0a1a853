"""Do a bulk export: everything as it stood at one instant, streamed by type from the record to sealed files.

Nothing is held but a few pieces of some thousand resources: one is read and sealed here while a thread makes the
lines of the next. A file and how far it goes are written together, so that
an export whose worker died goes on behind its last whole file, and no line comes twice. When all files are whole,
the disclosures are written, one a patient, with the manifest, or not at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import orjson
from django.db import connection, transaction

from charthouse.fhir.access.api import context_of
from charthouse.fhir.domain.export_asks import NDJSON, Level
from charthouse.fhir.domain.ndjson import lines
from charthouse.fhir.domain.scopes import kept_scopes
from charthouse.fhir.models import Export, ExportFile
from charthouse.fhir.narrowing import given, gives_part
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import wall
from charthouse.foundation.disclosure.api import How, Recipient, record_disclosures
from charthouse.foundation.files.api import put
from charthouse.foundation.ids import hash64, new_id
from charthouse.foundation.ledger.api import Subject, append
from charthouse.foundation.rulepacks.api import parameter
from charthouse.record.api import Extent, Piece, Spot, owners, patients_in, settled_at, standing, whole

from .end_exports import destroy_files

#: Lines of one file: what a worker that died does again at most.
LINES = 100_000
_ENTRIES = 500
#: Pieces whose lines are made while the one before is sealed.
_AHEAD = 2
_PATIENTS = 2_000


class ExportRefused(Exception):
    """An export that may not be done any more; the words are without data."""


Tell = Callable[[int, str], None]
"""Tells how many resources are written, and of which type; raises where the export was cancelled."""


def run_export(export_id: UUID, tell: Tell) -> dict[str, int]:
    """Do an export, or go on with it; how many resources and files it has. What is over already is left."""
    with _alone(export_id) as is_alone:
        export = _begin(export_id) if is_alone else None
        return _run(export, tell) if export else {"resources": 0, "files": 0}


@contextmanager
def _alone(export_id: UUID) -> Iterator[bool]:
    """Whether no other worker does this export just now; none begins it meanwhile."""
    lock = hash64(f"fhir:export:{export_id}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock])
        is_alone = bool(cursor.fetchone()[0])
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])


def _run(export: Export, tell: Tell) -> dict[str, int]:
    ctx = _context(export)
    assert export.taken_at is not None
    extent = Extent(export.taken_at, export.since, export.patients, export.level != Level.SYSTEM)
    done = sum(ExportFile.objects.filter(export=export, is_deleted=False).values_list("lines", flat=True))
    for deleted in (False, True) if export.since is not None else (False,):
        for kind in export.types:
            done = _Writer(export, ctx, extent, kind, deleted, tell).write(done)
    return _finish(export, ctx, extent)


def fail_export(export_id: UUID, error: str) -> None:
    """Note that an export failed, and destroy its files. ``error`` is words without data."""
    Export.objects.filter(pk=export_id, state__in=(Export.State.WAITING, Export.State.RUNNING)).update(
        state=Export.State.FAILED, error=error, ended_at=wall(), expires_at=wall() + timedelta(hours=1)
    )
    destroy_files(export_id, "The export failed.")


def _begin(export_id: UUID) -> Export | None:
    with transaction.atomic():
        export = Export.objects.select_for_update().select_related("client").filter(pk=export_id).first()
        if export is None or export.state not in (Export.State.WAITING, Export.State.RUNNING):
            return None
        export.state = Export.State.RUNNING
        # An export that goes on gives what stood when it first began.
        export.taken_at = export.taken_at or settled_at()
        export.save(update_fields=["state", "taken_at"])
        if export.client.revoked_at is not None:
            raise ExportRefused("The client was revoked.")
    return export


def _context(export: Export) -> AccessContext:
    client = export.client
    return context_of(client.pk, client.name, client.role, client.purpose)


class _Writer:
    """Writes the files of one type, each of :data:`LINES` resources and what is left of a piece."""

    def __init__(
        self, export: Export, ctx: AccessContext, extent: Extent, kind: str, deleted: bool, tell: Tell
    ) -> None:
        self._export, self._ctx, self._extent, self._kind, self._deleted = export, ctx, extent, kind, deleted
        self._tell = tell
        self._spot = Spot()
        self._lines = self._done = 0

    def write(self, done: int) -> int:
        """Write what is wanting; how many resources the export has then."""
        last = (
            ExportFile.objects.filter(export=self._export, type=self._kind, is_deleted=self._deleted)
            .order_by("-number")
            .first()
        )
        self._done = done
        self._spot = Spot(last.group, last.row) if last else Spot()
        number = last.number + 1 if last else 1
        stood = standing(self._ctx, self._kind, self._extent, self._spot, deleted=self._deleted)
        found = _granted(self._export, stood, self._kind, deleted=self._deleted)
        while (first := next(found, None)) is not None:
            self._write_file(number, first, found)
            number += 1
        self._tell(self._done, self._kind)
        return self._done

    def _write_file(self, number: int, first: Piece, rest: Iterator[Piece]) -> None:
        self._lines = 0
        pieces = self._taken(first, rest)
        with transaction.atomic():
            # The export's name stands in the media type, so that the same content of two exports is two files, and
            # one can be destroyed without the other.
            source = self._deletions(pieces) if self._deleted else self._given(pieces)
            kept = put(source, _media_type(self._export.id))
            ExportFile.objects.create(
                id=new_id(),
                export=self._export,
                type=self._kind,
                is_deleted=self._deleted,
                number=number,
                group=self._spot.group,
                row=self._spot.row,
                file=kept.id,
                lines=self._lines,
                size=kept.size,
            )

    def _taken(self, first: Piece, rest: Iterator[Piece]) -> Iterator[Piece]:
        taken = 0
        each: Piece | None = first
        while each is not None:
            self._spot = each.spot
            yield each
            taken += len(each)
            self._done += len(each)
            self._tell(self._done, self._kind)
            each = next(rest, None) if taken < LINES else None

    def _given(self, pieces: Iterator[Piece]) -> Iterator[bytes]:
        """The lines of each piece, made beside the reading of the next ones and the sealing of those before."""
        elements = self._export.elements
        helper = ThreadPoolExecutor(1, thread_name_prefix="export")
        made: deque[Future[bytes]] = deque()
        try:
            for piece in pieces:
                self._lines += len(piece)
                if piece.is_whole:
                    made.append(helper.submit(_made, piece, elements))
                while len(made) > (_AHEAD if piece.is_whole else 0):
                    yield made.popleft().result()
                if not piece.is_whole:
                    yield _restored(piece, elements)
            while made:
                yield made.popleft().result()
        finally:
            helper.shutdown(cancel_futures=True)

    def _deletions(self, pieces: Iterator[Piece]) -> Iterator[bytes]:
        """Bundles of some hundred deletions each, as the specification asks for them."""
        for piece in pieces:
            ids = piece.public_ids()
            for start in range(0, len(ids), _ENTRIES):
                entries = [
                    {"request": {"method": "DELETE", "url": f"{self._kind}/{public_id}"}}
                    for public_id in ids[start : start + _ENTRIES]
                ]
                self._lines += 1
                yield orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}) + b"\n"


def _made(piece: Piece, elements: Sequence[str]) -> bytes:
    """The lines of a piece that is whole; asks no database, for it is done in a thread of its own."""
    return lines(piece.kind, piece.contents(), piece.filed(), elements)


def _restored(piece: Piece, elements: Sequence[str]) -> bytes:
    """The lines of a piece, with what was kept apart put back."""
    contents = [whole(piece.kept(number, content)) for number, content in enumerate(piece.contents())]
    return lines(piece.kind, contents, piece.filed(), elements)


def _media_type(export: UUID) -> str:
    return f"{NDJSON}; export={export}"


def _granted(export: Export, pieces: Iterator[Piece], kind: str, *, deleted: bool = False) -> Iterator[Piece]:
    """The pieces with what the scopes and the filters let this export give of the type. Of what was deleted the
    filters say nothing."""
    scopes, filters = kept_scopes(export.scopes), [] if deleted else export.filters
    if not gives_part(scopes, filters, kind):
        yield from pieces
        return
    ctx = _context(export)
    for piece in pieces:
        versions = list(zip(piece.rows(), piece.contents(), strict=True))
        may = given(ctx, scopes, filters, kind, versions)
        if any(may):
            yield piece.chosen(may)


def _patients(export: Export, ctx: AccessContext, extent: Extent) -> Iterator[list[str]]:
    """The public ids of the patients of whom something is in the export, some thousand at a time."""
    scopes = kept_scopes(export.scopes)
    narrow = [kind for kind in export.types if gives_part(scopes, export.filters, kind)]
    told: set[str] = set()
    for patients in patients_in(ctx, extent, [kind for kind in export.types if kind not in narrow], size=_PATIENTS):
        if narrow:
            told.update(patients)
        yield patients
    # Which of a narrowed type were given is told by what they say, so that they are read once more.
    for kind in narrow:
        for piece in _granted(export, standing(ctx, kind, extent, Spot()), kind):
            new = sorted(owners(kind, piece.rows()) - told)
            told.update(new)
            if new:
                yield new


def _finish(export: Export, ctx: AccessContext, extent: Extent) -> dict[str, int]:
    """Write the disclosures and that the export is done, together."""
    with transaction.atomic():
        locked = Export.objects.select_for_update().get(pk=export.pk)
        if locked.state != Export.State.RUNNING:
            return {"resources": 0, "files": 0}
        client, item, told = export.client, Subject("export", str(export.pk)), 0
        for patients in _patients(export, ctx, extent):
            record_disclosures(
                ctx,
                recipient=Recipient(client.name, client.address),
                purpose=client.purpose,
                items_by_patient={patient: [item] for patient in patients},
                how=How.EXPORT,
                description=f"By the FHIR API, in bulk: {', '.join(export.types)}",
            )
            told += len(patients)
        files = list(ExportFile.objects.filter(export=export))
        resources = sum(file.lines for file in files if not file.is_deleted)
        locked.state = Export.State.DONE
        locked.ended_at = wall()
        locked.expires_at = locked.ended_at + timedelta(hours=int(parameter("fhir.export", "hours")))
        locked.save(update_fields=["state", "ended_at", "expires_at"])
        append(
            ctx,
            "fhir.exported",
            subjects=[item],
            detail={"resources": resources, "files": len(files), "patients": told},
        )
    return {"resources": resources, "files": len(files)}
