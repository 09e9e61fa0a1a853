"""What one encounter holds, whole: every item of the record that belongs to it, as rows of a chart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection

from charthouse.foundation.access.api import AccessContext

from . import chart
from .charting import clinical
from .charting import documents as document_rows
from .charting import results as result_rows
from .charting.elements import concept, first_when, reference
from .charting.encounters import encounters as encounter_rows
from .charting.item import Item, item_of
from .domain.documents import added_to
from .domain.sealing import sha256
from .domain.types import TYPE_ID
from .queries import STORED, Stored, current, stored_from
from .result_queries import pointed
from .signature_queries import additions

Patients = Sequence[int]

_DOCUMENTS = ("DocumentReference", "Composition", "DiagnosticReport", "Media")
_ORDERS = ("ServiceRequest", "MedicationRequest", "NutritionOrder", "DeviceRequest")
_GIVEN = ("MedicationAdministration", "MedicationDispense", "MedicationStatement", "Immunization")
#: What says who wrote something belongs to what was written.
_SELVES = ("Provenance", "AuditEvent", "Binary")
#: What is billed for an encounter is no part of its chart.
_BILLED = (
    "Account", "ChargeItem", "Claim", "ClaimResponse", "ExplanationOfBenefit", "Invoice", "PaymentNotice",
    "PaymentReconciliation",
)  # fmt: skip
_TIMES = (
    "effectiveDateTime", "effectivePeriod", "performedDateTime", "performedPeriod", "occurrenceDateTime",
    "occurrencePeriod", "authoredOn", "dateTime", "period", "onsetDateTime", "recordedDate", "date", "issued",
    "start", "created", "whenHandedOver",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document of an encounter: its row in the list, the resource, and the number of who sent it (``source``).

    ``row`` is its row in the record. ``same`` are reports (``Type/id``) that say nothing but what it says.
    ``panel`` are the results of a report.
    """

    entry: chart.DocumentEntry
    row: int
    source: int
    resource: Mapping[str, Any] = field(repr=False)
    same: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    panel: chart.ResultPanel | None = None

    @property
    def key(self) -> str:
        return f"{self.entry.type}/{self.entry.id}"


@dataclass(frozen=True, slots=True)
class Holding:
    """What an encounter holds, as far as the asker may see it: each item once.

    ``digests`` are the version and the SHA-256 (hexadecimal) of every one of them by ``Type/id``, the
    encounter's own among them. Addenda stand with what they are added to (``HeldDocument.added``).
    """

    encounter: chart.Encounter
    resource: Mapping[str, Any] = field(repr=False)
    documents: tuple[HeldDocument, ...]
    panels: tuple[chart.ResultPanel, ...]
    vitals: tuple[chart.VitalSeries, ...]
    problems: tuple[chart.Problem, ...]
    procedures: tuple[chart.Procedure, ...]
    orders: tuple[chart.Row, ...]
    given: tuple[chart.Row, ...]
    others: tuple[chart.Row, ...]
    stored: Stored = field(repr=False)
    operations: tuple[Stored, ...] = field(repr=False)
    """The Encounter and its Procedures as the record has them."""
    measured: tuple[str, ...]
    """``Type/id`` of what the vital signs are drawn from, reports of nothing else among them."""
    digests: Mapping[str, tuple[int, str]]


def holding(ctx: AccessContext, patients: Patients, encounter: str) -> Holding | None:
    """What an encounter of this chart (its public id) holds; None where there is none or it may not be seen."""
    key = ("Encounter", encounter)
    with connection.cursor() as cursor:
        own = current(cursor, ctx, [key]).get(key)
        if own is None or own.patient not in patients:
            return None
        cursor.execute(
            f"SELECT r.source, {STORED} FROM record_resource r JOIN record_version v "  # noqa: S608 (fixed words)
            "ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
            "WHERE r.encounter = %s AND r.patient = ANY(%s) AND r.state = 0 AND r.labels & %s = 0 "
            "AND NOT r.type = ANY(%s) ORDER BY r.main_low, r.type, r.id",
            [
                own.row,
                list(patients),
                ~int(ctx.clearance),
                [TYPE_ID[each] for each in (*_SELVES, *_BILLED, "Encounter") if each in TYPE_ID],
            ],
        )
        rows = [(source, stored_from(rest)) for source, *rest in cursor.fetchall()]
        sources = {f"{each.type}/{each.public_id}": source for source, each in rows}
        found = [each for _, each in rows]
        reports = [each for each in found if each.type == "DiagnosticReport"]
        # A result belongs to its report, whatever encounter it names itself.
        members = pointed(cursor, ctx, patients, reports, "result", "Observation")
        specimens = pointed(cursor, ctx, patients, reports, "specimen", "Specimen")
        documents = [each for each in found if each.type in _DOCUMENTS]
        added = additions(cursor, ctx, patients, [f"{each.type}/{each.public_id}" for each in documents])
        medicines = _medicines(cursor, ctx, found)
    everything = {f"{each.type}/{each.public_id}": each for each in (*found, *members, *_all(added), own)}
    return _held(own, found, members, specimens, sources, added, medicines, everything)


def _all(added: Mapping[str, Sequence[Stored]]) -> Iterable[Stored]:
    for each in added.values():
        yield from each


def _held(
    own: Stored,
    found: Sequence[Stored],
    members: Sequence[Stored],
    specimens: Sequence[Stored],
    sources: Mapping[str, int],
    added: Mapping[str, Sequence[Stored]],
    medicines: dict[str, str],
    everything: Mapping[str, Stored],
) -> Holding:
    by_type: dict[str, list[Item]] = {}
    for each in found:
        by_type.setdefault(each.type, []).append(item_of(each))
    observations = {f"Observation/{each.public_id}": item_of(each) for each in members}
    observations |= {f"Observation/{each.id}": each for each in by_type.get("Observation", ())}
    reports = by_type.get("DiagnosticReport", [])
    panels = result_rows.panels(
        reports,
        [each for each in observations.values() if not result_rows.is_vital(each)],
        {f"Specimen/{each.public_id}": item_of(each) for each in specimens},
    )
    written, same = _documents(found, added)
    shown = {each.type + "/" + each.id for each in written}
    within = {panel.id: panel for panel in panels if f"{panel.type}/{panel.id}" in shown}
    vitals = [each for each in observations.values() if result_rows.is_vital(each)]
    drawn = {f"{panel.type}/{panel.id}" for panel in panels}
    bare = [
        f"DiagnosticReport/{each.id}"
        for each in reports
        if f"DiagnosticReport/{each.id}" not in shown | drawn
        and not any(f"DiagnosticReport/{each.id}" in keys for keys in same.values())
    ]
    listed = {"Condition", "Procedure", "Observation", *_DOCUMENTS, *_ORDERS, *_GIVEN}
    return Holding(
        encounter=encounter_rows([item_of(own)])[0],
        resource=own.resource,
        documents=tuple(
            HeldDocument(
                entry=replace(document_rows.entry(item), additions=len(added.get(key, ()))),
                row=everything[key].row,
                source=sources[key],
                resource=item.resource,
                same=same.get(key, ()),
                added=tuple(f"{each.type}/{each.public_id}" for each in added.get(key, ())),
                panel=within.get(item.id) if item.type == "DiagnosticReport" else None,
            )
            for item in written
            for key in [f"{item.type}/{item.id}"]
        ),
        panels=tuple(
            panel
            for panel in reversed(panels)
            if f"{panel.type}/{panel.id}" not in shown and (panel.results or panel.conclusion)
        ),
        vitals=tuple(result_rows.vital_series(vitals)),
        problems=tuple(clinical.problems(by_type.get("Condition", ()))),
        procedures=tuple(clinical.procedures(by_type.get("Procedure", ()))),
        orders=tuple(_row(each, medicines) for kind in _ORDERS for each in by_type.get(kind, ())),
        given=tuple(_row(each, medicines) for kind in _GIVEN for each in by_type.get(kind, ())),
        others=tuple(_row(each, {}) for kind in sorted(set(by_type) - listed) for each in by_type[kind]),
        stored=own,
        operations=tuple(each for each in found if each.type == "Procedure"),
        measured=(*(f"Observation/{each.id}" for each in vitals), *bare),
        digests={key: (each.version, sha256(each.content).hex()) for key, each in everything.items()},
    )


def _documents(
    found: Sequence[Stored], added: Mapping[str, Sequence[Stored]]
) -> tuple[list[Item], dict[str, tuple[str, ...]]]:
    """The documents, without what stands with another, and which reports say nothing but what one of them says."""
    items = [item_of(each) for each in found if each.type in _DOCUMENTS]
    keys = {f"{each.type}/{each.id}" for each in items}
    standing = {f"{each.type}/{each.public_id}" for each in _all(added)}
    items = [
        each
        for each in items
        if f"{each.type}/{each.id}" not in standing or not keys.intersection(added_to(each.resource))
    ]
    said: dict[str, str] = {}
    for item in items:
        if item.type != "DiagnosticReport":
            said |= dict.fromkeys(document_rows.digests(item), f"{item.type}/{item.id}")
    written, same = [], dict[str, tuple[str, ...]]()
    for item in items:
        own = document_rows.digests(item)
        if item.type != "DiagnosticReport":
            written.append(item)
        elif own and own <= said.keys():
            if not item.resource.get("result"):
                key = said[sorted(own)[0]]
                same[key] = (*same.get(key, ()), f"DiagnosticReport/{item.id}")
        elif own or not item.resource.get("result"):
            written.append(item)
    return written, same


def _medicines(cursor: Any, ctx: AccessContext, found: Iterable[Stored]) -> dict[str, str]:
    """The names of the medications that orders and administrations point to."""
    ids = {
        str((each.resource.get("medicationReference") or {}).get("reference") or "").partition("/")[2]
        for each in found
        if each.type.startswith("Medication")
    } - {""}
    named = current(cursor, ctx, (("Medication", each) for each in sorted(ids)))
    return {f"Medication/{id}": concept(stored.resource.get("code")) for (_, id), stored in named.items()}


def _row(item: Item, medicines: Mapping[str, str]) -> chart.Row:
    """Any item as a row: what it is in words, its state and time."""
    r = item.resource
    pointed_to = str((r.get("medicationReference") or {}).get("reference") or "")
    title = (
        concept(r.get("code") or r.get("medicationCodeableConcept") or r.get("vaccineCode") or r.get("type"))
        or medicines.get(pointed_to, "")
        or str(r.get("description") or r.get("title") or "")
    )
    return chart.Row(
        **item.row(),
        title=title or item.type,
        status=str(r.get("status") or ""),
        when=first_when(r, *_TIMES),
        detail=clinical.detail(
            kind=_KINDS.get(item.type, item.type),
            by=reference(r.get("requester") or r.get("performer") or r.get("recorder")),
        ),
    )


_KINDS = {
    "ServiceRequest": "order",
    "MedicationRequest": "medication order",
    "NutritionOrder": "diet order",
    "DeviceRequest": "device order",
    "MedicationAdministration": "given",
    "MedicationDispense": "dispensed",
    "MedicationStatement": "taken",
    "Immunization": "immunization",
}
