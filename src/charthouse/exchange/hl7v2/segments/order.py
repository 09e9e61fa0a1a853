"""ORC, OBR, TQ1: orders (ServiceRequest) and their reports (DiagnosticReport)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from charthouse.exchange.drafts import Draft, Mode
from charthouse.exchange.hl7v2 import tables
from charthouse.exchange.hl7v2.datatypes import (
    Json,
    address,
    annotation,
    coded,
    concept,
    concepts,
    entity_identifier,
    identifier_type,
    text_attachment,
)
from charthouse.exchange.hl7v2.directory import named_practitioner, organization, practitioners, telecoms
from charthouse.exchange.hl7v2.keys import identifier_key
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import EMPTY, Segment, Value

from . import security
from .document import put_result_documents
from .findings import coded_key
from .observation import Context, category_concept, category_of, map_observations
from .specimen import specimen_of
from .timing import timing

_CALLBACK = "http://hl7.org/fhir/StructureDefinition/servicerequest-order-callback-phone-number"
_MODE = "http://terminology.hl7.org/CodeSystem/v2-0483"
#: Extension of an order: who verified it (``by``), and when (``at``).
AUTHENTICATED: Final = "urn:charthouse:fhir:StructureDefinition:order-authenticated"
_REPORT_STATUS = {"A": "partial", "M": "preliminary", "N": "registered", "Y": "unknown", "Z": "unknown"}
_INTENT = {"A": "order", "G": "reflex-order"}
_TEXT_REPORT = 200


@dataclass(slots=True)
class Group:
    """One order of a message and the segments that belong to it."""

    orc: Segment | None = None
    obr: Segment | None = None
    details: list[Segment] = field(default_factory=list)
    notes: list[Segment] = field(default_factory=list)
    timings: list[Segment] = field(default_factory=list)
    observations: list[tuple[Segment, list[Segment]]] = field(default_factory=list)
    specimens: list[Segment] = field(default_factory=list)
    diagnoses: list[Segment] = field(default_factory=list)
    txa: Segment | None = None
    document: list[tuple[Segment, list[Segment]]] = field(default_factory=list)

    @property
    def head(self) -> Segment:
        """The segment that names the order."""
        found = self.obr or self.orc or (self.details[0] if self.details else None)
        assert found is not None
        return found


def placer_of(group: Group) -> Value:
    """The placer's order number: OBR-2, else ORC-2."""
    if group.obr is not None and group.obr.get(2):
        return group.obr.first(2)
    return group.orc.first(2) if group.orc is not None else EMPTY


def filler_of(group: Group) -> Value:
    """The filler's order number: OBR-3, else ORC-3."""
    if group.obr is not None and group.obr.get(3):
        return group.obr.first(3)
    return group.orc.first(3) if group.orc is not None else EMPTY


def order_key(mapping: Mapping, group: Group, *, report: bool = False) -> str | None:
    """The order's natural key. An order is known by its placer's number first, a report by its filler's.

    Without any number: patient, service and requested or observed time; None where there is no service either.
    """
    placer, filler = identifier_key(placer_of(group), 2), identifier_key(filler_of(group), 2)
    service = coded_key(group.obr.first(4)) if group.obr is not None else ""
    if report and filler:
        return f"filler:{filler}/{service}"
    if placer:
        return f"placer:{placer}/{service}"
    if filler:
        return f"filler:{filler}/{service}"
    if group.obr is None or not service:
        return None
    when = group.obr.get(7) or group.obr.get(6) or group.obr.get(22)
    batch = group.orc.raw(4) if group.orc is not None else ""
    return f"{mapping.patient_key}/OBR/{service}/{when}/{batch}"


def order_identifiers(group: Group) -> list[Json]:
    """Placer, filler and alternate numbers as Identifiers."""
    found = [
        one
        for one in (entity_identifier(placer_of(group), "PLAC"), entity_identifier(filler_of(group), "FILL"))
        if one
    ]
    for value in (
        group.obr.first(53) if group.obr is not None else EMPTY,
        group.orc.first(33) if group.orc is not None else EMPTY,
    ):
        if value.get(1) and not any(one["value"] == value.get(1) for one in found):
            found.append({"type": identifier_type("PLAC"), "value": value.get(1)})
    return found


def order_status(orc: Segment | None, result_status: str = "") -> str:
    """ServiceRequest.status: ORC-5, else ORC-1, else what the result says; an order is active."""
    if orc is not None:
        by_status = tables.fhir_code("order-status", orc.get(5))
        if by_status:
            return by_status
        control = orc.get(1).upper()
        if control in ("CA", "OC", "CR"):
            return "revoked"  # HL7's map says active for a request to cancel; the placer no longer wants it
        by_control = tables.fhir_code("order-control-status", control)
        if by_control:
            return by_control
    if result_status.upper() in ("F", "C"):
        return "completed"
    if result_status.upper() == "X":
        return "revoked"
    return "active"


def put_mode(mapping: Mapping, orc: Segment | None, elements: Json) -> None:
    """How an order was given (ORC-30, table 0483: verbal, by phone, written …) as a category, and who verified it
    since (ORC-11) with when (ORC-9) as an extension; the time of the order is then ORC-15."""
    if orc is None:
        return
    mode = concept(orc.first(30))
    if mode:
        for coding in mode.get("coding", ()):
            coding.setdefault("system", _MODE)
        elements["category"] = [*elements.get("category", ()), mode]
    verified = practitioners(mapping, orc, 11)
    if not verified:
        return
    parts: list[Json] = [{"url": "by", "valueReference": verified[0]}]
    if at := mapping.time(orc, 9):
        parts.append({"url": "at", "valueDateTime": at})
    elements["extension"] = [*elements.get("extension", ()), {"url": AUTHENTICATED, "extension": parts}]
    if ordered := mapping.time(orc, 15):
        elements["authoredOn"] = ordered


def map_order(mapping: Mapping, group: Group, *, result: bool = False) -> Draft | None:
    """The ServiceRequest of a group. In a result message it is *partial*: the order itself knows more."""
    key = order_key(mapping, group)
    if key is None or (group.obr is None and group.orc is None):
        return None
    orc, obr = group.orc, group.obr
    head = group.head
    code = concept(obr.first(4)) if obr is not None else None
    elements: Json = {
        "status": order_status(orc, obr.get(25) if obr is not None and result else ""),
        "intent": _INTENT.get(obr.get(11).upper(), "order") if obr is not None else "order",
        "subject": {"reference": mapping.patient_reference},
    }
    if code:
        elements["code"] = code
    numbers = order_identifiers(group)
    if numbers:
        elements["identifier"] = numbers
    if mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
    requisition = orc.first(4) if orc is not None else EMPTY
    if requisition.get(1):
        elements["requisition"] = {"type": identifier_type("PGN"), "value": requisition.get(1)}
    if obr is not None:
        category = category_of(obr.get(24), "")
        if category:
            elements["category"] = [category_concept(category)]
        reasons = concepts(obr.values(31))
        if reasons:
            elements["reasonCode"] = reasons
        details = concepts(obr.values(46)) + concepts(obr.values(47))
        if details:
            elements["orderDetail"] = details
        relevant = obr.first(13).text
        if relevant:
            elements["patientInstruction"] = relevant
    authored = mapping.time(orc, 9) if orc is not None else None
    if authored:
        elements["authoredOn"] = authored
    _requester(mapping, orc, obr, elements)
    _when(mapping, group, elements)
    phones = telecoms(mapping, obr, 17) if obr is not None else []
    phones = phones or (telecoms(mapping, orc, 14) if orc is not None else [])
    if phones:
        elements["extension"] = [{"url": _CALLBACK, "valueContactPoint": phones[0]}]
    put_mode(mapping, orc, elements)
    asked = _interpreters(mapping, obr, 32) if obr is not None and not result else []
    if asked:
        # Who is to answer: of a result it is who did.
        elements["performer"] = asked
    remarks = [found for note in group.notes if (found := annotation(note, mapping.zone))]
    if remarks and not result:
        elements["note"] = remarks
    labels = [each for value in orc.values(28) for each in security.confidentiality(value, "0177")] if orc else []
    if labels:
        elements["meta"] = {"security": labels}
    return mapping.put(
        "ServiceRequest", key, mapping.secured(elements), head, mode="partial" if result else "snapshot"
    )


def _requester(mapping: Mapping, orc: Segment | None, obr: Segment | None, elements: Json) -> None:
    people = practitioners(mapping, orc, 12) if orc is not None else []
    if not people and obr is not None:
        people = practitioners(mapping, obr, 16)
    facility: Json | None = None
    if orc is not None and orc.has(21):
        facility = organization(
            mapping, orc.first(21), orc, address=_addresses(mapping, orc, 22), telecom=telecoms(mapping, orc, 23)
        )
    if people:
        elements["requester"] = people[0]
    elif facility:
        elements["requester"] = facility


def _addresses(mapping: Mapping, orc: Segment, field: int) -> list[Json]:
    return [found for value in orc.values(field) if (found := address(value, mapping.zone))]


def _when(mapping: Mapping, group: Group, elements: Json) -> None:
    orc, obr = group.orc, group.obr
    requested = mapping.time(obr, 6) if obr is not None else None
    priority = ""
    if group.timings:
        first = group.timings[0]
        repeat = timing(mapping, first)
        if repeat:
            elements["occurrenceTiming"] = repeat
        priority = first.get(9)
        if first.get(11):
            elements.setdefault("note", []).append({"text": first.get(11)})
    elif orc is not None and orc.has(7):
        start = mapping.time(orc, 7, 4)
        if start:
            requested = start
        priority = orc.get(7, 6)
    elif obr is not None and obr.has(27):
        start = mapping.time(obr, 27, 4)
        if start:
            requested = start
        priority = obr.get(27, 6)
    if "occurrenceTiming" not in elements and requested:
        elements["occurrenceDateTime"] = requested
    urgency = tables.fhir_code("priority", priority or (obr.get(5) if obr is not None else ""))
    if urgency:
        elements["priority"] = urgency


def map_report(mapping: Mapping, group: Group, *, order: Draft | None) -> Draft | None:
    """A result group: the DiagnosticReport with its Observations, Specimens and documents."""
    obr = group.obr
    assert obr is not None
    key = order_key(mapping, group, report=True)
    if key is None:
        mapping.warn("The report has neither a number nor a service; its results stand alone.", obr, 4)
        key = f"{mapping.patient_key}/OBR/{obr.get(7)}"
    specimens = [one for spm in group.specimens if (one := specimen_of(mapping, spm, group.obr, key))]
    if not specimens:
        unlisted = specimen_of(mapping, None, obr, key)
        if unlisted:
            specimens.append(unlisted)
    start, end = mapping.time(obr, 7), mapping.time(obr, 8)
    effective: Json = {}
    if start and end:
        effective = {"effectivePeriod": {"start": start, "end": end}}
    elif start:
        effective = {"effectiveDateTime": start}
    service = obr.get(24) or ("LAB" if specimens or group.specimens else "")
    status = _report_status(obr)
    interpreters = _interpreters(mapping, obr, 32)
    technicians = _interpreters(mapping, obr, 34)
    context = Context(
        key,
        order=order.reference if order else None,
        specimen=specimens[0].reference if specimens else None,
        effective=effective,
        category=service,
        default_status=_observation_default(status),
        performer=technicians,
    )
    outcome = map_observations(mapping, group.observations, context)
    code = concept(obr.first(4))
    elements: Json = {
        "status": status,
        "code": code or {"text": "Report"},
        "subject": {"reference": mapping.patient_reference},
        **effective,
    }
    numbers = order_identifiers(group)
    if numbers:
        elements["identifier"] = numbers
    if mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
    if order:
        elements["basedOn"] = [{"reference": order.reference}]
    section = tables.coding("diagnostic-service", service)
    if section:
        elements["category"] = [{"coding": [section]}]
    elif service:
        elements["category"] = [coded("http://terminology.hl7.org/CodeSystem/v2-0074", service)]
    issued = mapping.instant(obr, 22)
    if issued:
        elements["issued"] = issued
    if interpreters:
        elements["resultsInterpreter"] = interpreters
    if technicians:
        elements["performer"] = technicians
    if specimens:
        elements["specimen"] = [{"reference": one.reference} for one in specimens]
    if outcome.results:
        elements["result"] = outcome.results
    remarks = "\n".join(found["text"] for note in group.notes if (found := annotation(note, mapping.zone)))
    if remarks:
        elements["conclusion"] = remarks
    prose = "\n".join(text for _, text in outcome.texts)
    if len(prose) >= _TEXT_REPORT or (prose and len(outcome.texts) == len(outcome.results)):
        title = (code or {}).get("text")
        elements["presentedForm"] = [text_attachment(prose, title)]
    orc = group.orc
    labels = [each for value in orc.values(28) for each in security.confidentiality(value, "0177")] if orc else []
    if labels:
        elements["meta"] = {"security": labels}
    mode: Mode = "entered-in-error" if status == "entered-in-error" else "snapshot"
    draft = mapping.put("DiagnosticReport", key, mapping.secured(elements), obr, mode=mode)
    put_result_documents(mapping, outcome, key, code, draft, issued or mapping.instant(obr, 7), status)
    return draft


def _report_status(obr: Segment) -> str:
    code = obr.get(25).upper()
    return _REPORT_STATUS.get(code) or tables.fhir_code("report-status", code) or "unknown"


def _observation_default(report: str) -> str:
    """What an OBX without OBX-11 is: as final as its report."""
    return {"final": "final", "corrected": "corrected", "preliminary": "preliminary", "partial": "preliminary"}.get(
        report, "unknown"
    )


def _interpreters(mapping: Mapping, obr: Segment, field: int) -> list[Json]:
    found: list[Json] = []
    for value in obr.values(field):
        one = named_practitioner(mapping, value, obr)
        if one and one not in found:
            found.append(one)
    return found


def map_loose_observations(
    mapping: Mapping, lines: list[tuple[Segment, list[Segment]]], scope: str, *, category: str = ""
) -> None:
    """OBX that belong to no order (ADT, the patient's in ORU): Observations of the patient or visit."""
    if lines:
        outcome = map_observations(mapping, lines, Context(f"{scope}/OBX", category=category))
        put_result_documents(mapping, outcome, f"{scope}/OBX", None, None, None, "final")
