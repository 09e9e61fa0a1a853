"""End bulk exports: cancelled by who asked for them, or expired; their files are destroyed."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from charthouse.fhir.access.api import Client
from charthouse.fhir.models import Export, ExportFile
from charthouse.foundation.access.api import system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.files.api import FileMissing, destroy
from charthouse.foundation.jobs.api import cancel
from charthouse.foundation.ledger.api import Subject, append

_OVER = (Export.State.CANCELLED, Export.State.EXPIRED, Export.State.FAILED)


def cancel_export(client: Client, export_id: UUID) -> bool:
    """Stop an export of the client's, or forget a finished one with its files; False where there is none."""
    with transaction.atomic():
        export = (
            Export.objects.select_for_update()
            .filter(pk=export_id, client=client.row)
            .exclude(state__in=_OVER)
            .first()
        )
        if export is None:
            return False
        if export.state in (Export.State.WAITING, Export.State.RUNNING) and export.job is not None:
            cancel(export.job)
        export.state, export.ended_at = Export.State.CANCELLED, wall()
        export.save(update_fields=["state", "ended_at"])
        append(client.ctx, "fhir.export-cancelled", subjects=[Subject("export", str(export_id))])
    destroy_files(export_id, "The export was cancelled by who asked for it.")
    return True


def expire_exports() -> int:
    """End the exports whose time is over, and destroy what files of ended ones are left; how many files."""
    due = Export.objects.filter(expires_at__lt=wall()).exclude(state=Export.State.EXPIRED)
    due.filter(state__in=(Export.State.DONE, Export.State.FAILED)).update(state=Export.State.EXPIRED)
    left = ExportFile.objects.filter(export__state__in=_OVER).values_list("export", flat=True).distinct()
    return sum(destroy_files(each, "The time to fetch the export is over.") for each in list(left))


def destroy_files(export_id: UUID, reason: str) -> int:
    """Destroy an export's files; how many. A tombstone stays of each."""
    destroyed = 0
    for file in ExportFile.objects.filter(export=export_id):
        with transaction.atomic():
            try:
                destroy(system_context("exports"), file.file, reason)
                destroyed += 1
            except FileMissing:
                pass
            file.delete()
    return destroyed
