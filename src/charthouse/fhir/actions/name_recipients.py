"""Say which bulk exports held a resource, so that who got one is told of its correction.

An export's disclosures name the export, not its items: those are told by what it was asked for and by the instant
whose state it gave.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from charthouse.fhir.access.api import context_of
from charthouse.fhir.domain.scopes import kept_scopes
from charthouse.fhir.models import Export
from charthouse.fhir.narrowing import given
from charthouse.record.api import Carrier, declare_carrier, version_at


def register() -> None:
    declare_carrier(Carrier("export", _held))


def _held(ids: Collection[str], kind: str, public_id: str) -> set[str]:
    exports = Export.objects.filter(
        pk__in=[UUID(each) for each in ids], types__contains=[kind], taken_at__isnull=False
    ).select_related("client")
    return {str(export.pk) for export in exports if _has(export, kind, public_id)}


def _has(export: Export, kind: str, public_id: str) -> bool:
    client = export.client
    assert export.taken_at is not None
    ctx = context_of(client.pk, client.name, client.role, client.purpose)
    kept = version_at(ctx, kind, public_id, export.taken_at)
    if kept is None or kept.is_deleted or (export.since is not None and kept.at < export.since):
        return False
    scopes = kept_scopes(export.scopes)
    return all(given(ctx, scopes, export.filters, kind, [(kept.row, kept.content)]))
