"""Reads of what the second tier found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from charthouse.exchange.fhir.conformance.api import Checked, Finding
from charthouse.foundation.access.api import AccessContext, require
from charthouse.record.api import TYPE_ID, TYPE_NAME, absent, source_rows

from .models import FindingKind
from .permissions import SEE_FINDINGS

PAGE = 50


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of finding in what a sender sends; ``place`` is the element's path without numbers."""

    id: int
    sender: str
    place: str
    severity: str
    message: str
    resources: int


@dataclass(frozen=True, slots=True)
class FoundIn:
    """A resource that has a finding. ``patient`` is the public id of whose it is, None where it is nobody's."""

    type: str
    public_id: str
    row: int
    patient: str | None
    patient_row: int | None
    path: str
    message: str


def _row(kind: FindingKind, names: dict[int, str]) -> KindRow:
    place = kind.rule.rpartition(":")[2]
    return KindRow(kind.pk, names.get(kind.source, ""), place, kind.severity, kind.message, kind.resources)


def finding_kinds(ctx: AccessContext) -> list[KindRow]:
    """The kinds of findings there are, errors first, the most frequent first."""
    require(ctx, SEE_FINDINGS)
    kinds = list(FindingKind.objects.filter(resources__gt=0).order_by("severity", "-resources", "id"))
    return [_row(kind, names) for names in [_names(kinds)] for kind in kinds]


def finding_kind(ctx: AccessContext, id: int) -> KindRow | None:
    """One kind."""
    require(ctx, SEE_FINDINGS)
    kinds = list(FindingKind.objects.filter(pk=id))
    return _row(kinds[0], _names(kinds)) if kinds else None


def _names(kinds: list[FindingKind]) -> dict[int, str]:
    with connection.cursor() as cursor:
        return {id: row.name for id, row in source_rows(cursor, {kind.source for kind in kinds}).items()}


def found_in(ctx: AccessContext, kind: int, after: int = 0, limit: int = PAGE) -> list[tuple[int, FoundIn]]:
    """Resources that have a kind of finding and may be seen, each with the number to go on after."""
    require(ctx, SEE_FINDINGS)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT f.id, f.type, r.public_id, f.resource, p.public_id, r.patient, f.path, f.message "
            "FROM fhir_finding_kind k JOIN fhir_finding f ON f.source = k.source AND f.rule = k.rule "
            "JOIN record_resource r ON r.type = f.type AND r.id = f.resource "
            "LEFT JOIN record_resource p ON p.type = %s AND p.id = r.patient "
            "WHERE k.id = %s AND f.id > %s AND f.counts_from <= now() "
            "AND (r.labels | coalesce(p.labels, 0)) & %s = 0 ORDER BY f.id LIMIT %s",
            [TYPE_ID["Patient"], kind, after, ~int(ctx.clearance), limit],
        )
        return [(id, FoundIn(TYPE_NAME[type_id], *rest)) for id, type_id, *rest in cursor.fetchall()]


def findings_of(ctx: AccessContext, kind: str, public_id: str) -> list[Finding]:
    """What was found in the current version of a resource that may be seen, errors first."""
    require(ctx, SEE_FINDINGS)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT f.severity, f.code, f.path, f.message, f.rule FROM record_resource r "
            "JOIN fhir_finding f ON f.type = r.type AND f.resource = r.id AND f.version = r.version "
            "WHERE r.type = %s AND r.public_id = %s AND r.labels & %s = 0 AND f.counts_from <= now() "
            "ORDER BY f.severity, f.id",
            [TYPE_ID[kind], public_id, ~int(ctx.clearance)],
        )
        return [Finding(*record) for record in cursor.fetchall()]


def missing_target(path: str, kind: str, rule: str) -> Finding:
    """The finding that a reference leads to nothing in the record."""
    return Finding("error", "not-found", path, f"The {kind} it refers to is not in the record.", f"missing:{rule}")


def missing_targets(checked: Checked) -> Iterator[Finding]:
    """The findings for those references of a resource that lead to nothing in the record."""
    wanted = {path: target.split("/", 1) for path, (target, _) in checked.references.items()}
    with connection.cursor() as cursor:
        missing = absent(cursor, {(kind, id) for kind, id in wanted.values()})
    for path, (kind, id) in wanted.items():
        if (kind, id) in missing:
            yield missing_target(path, kind, checked.references[path][1])
