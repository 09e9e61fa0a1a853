"""Reads of bulk exports, for the client that asked for them."""

from __future__ import annotations

from uuid import UUID

from charthouse.foundation.jobs.api import status

from .access.api import Client
from .domain.scopes import Scopes
from .models import Export, ExportFile


def export_progress(client: Client, id: UUID) -> tuple[Export, str] | None:
    """An export of the client's and how far it is, in words; None where there is none."""
    export = Export.objects.filter(pk=id, client=client.row).first()
    if export is None:
        return None
    job = status(export.job) if export.job is not None and export.state == Export.State.RUNNING else None
    if job is None or not job.message:
        return export, "waiting to begin" if export.state == Export.State.WAITING else "begun"
    return export, f"{job.message}: {job.done} resources so far"


def manifest_files(export: Export) -> list[ExportFile]:
    """The files of a finished export, in the order they are listed."""
    return list(ExportFile.objects.filter(export=export).order_by("is_deleted", "type", "number"))


def export_file(client: Client, export: UUID, file: UUID) -> ExportFile | None:
    """A file of a finished export of the client's; None where there is none, or its time is over."""
    found = ExportFile.objects.filter(pk=file, export=export, export__client=client.row)
    return found.filter(export__state=Export.State.DONE).select_related("export").first()


def is_within(scopes: Scopes, asked: Scopes, kind: str) -> bool:
    """Whether what an export gives of a type by the scopes it was ``asked`` with is within those of a token."""
    for action in "rs":
        now = scopes.narrowed(action, kind)
        if now and now != asked.narrowed(action, kind):
            return False
    return True
