"""PID-18, IN1, IN2, GT1, FT1: the account, who pays, who answers for it, and its charges."""

from __future__ import annotations

from charthouse.exchange.hl7v2 import tables
from charthouse.exchange.hl7v2.datatypes import (
    Json,
    address,
    coded,
    concept,
    contact_point,
    human_name,
    identifier,
    identifier_type,
    period,
    quantity,
)
from charthouse.exchange.hl7v2.directory import coded_organization, named_organization, organization, practitioners
from charthouse.exchange.hl7v2.keys import identifier_key, normal_name
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment, Value
from charthouse.exchange.hl7v2.plan import RawSegment
from charthouse.exchange.hl7v2.systems import authority
from charthouse.exchange.numbers import decimal

from .findings import coded_key

FINANCIAL = frozenset({"IN1", "IN2", "IN3", "GT1", "DG1", "PR1", "FT1", "DRG", "ACC"})
"""Segments kept raw with the account, for billing and coding."""

_SUBSCRIBER = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Coverage.subscriberId"
_SUBSCRIBER_RELATION = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"
_RELATIONS = {
    "SEL": "self", "SELF": "self", "01": "self", "1": "self", "18": "self", "ONESELF": "self",
    "SPO": "spouse", "02": "spouse", "2": "spouse", "SPOUSE": "spouse",
    "CHD": "child", "NCH": "child", "SCH": "child", "FCH": "child", "GCH": "other", "CHILD": "child",
    "PAR": "parent", "MTH": "parent", "FTH": "parent", "PARENT": "parent",
    "DOM": "common", "OTH": "other", "EME": "other", "UNK": "other", "DEP": "other",
}  # fmt: skip


def keep_raw(mapping: Mapping, segments: list[Segment]) -> None:
    """Keep the financial segments as sent."""
    for segment in segments:
        if segment.name in FINANCIAL:
            mapping.raw_segments.append(RawSegment(segment.name, segment.index, segment.text))


def map_account(mapping: Mapping, pid: Segment, *, status: str = "active") -> None:
    """PID-18 as Account; sets the mapping's account."""
    number = pid.first(18)
    key = identifier_key(number)
    if not key:
        return
    mapping.account_key = key
    _put_account(mapping, key, identifier(number, mapping.zone), pid, status)


def ensure_account(mapping: Mapping, head: Segment, visit_number: Value | None) -> None:
    """Where financial segments came without PID-18: the visit number stands in as the account's."""
    if mapping.account_key is not None or not mapping.raw_segments or visit_number is None:
        return
    key = identifier_key(visit_number)
    mapping.account_key = key
    _put_account(mapping, key, identifier(visit_number, mapping.zone, "VN"), head, "active")


def _put_account(mapping: Mapping, key: str, number: Json | None, segment: Segment, status: str) -> None:
    if number is not None:
        number.setdefault("type", identifier_type("AN"))
    elements: Json = {"status": status, "subject": [{"reference": mapping.patient_reference}]}
    if number:
        elements["identifier"] = [number]
    draft = mapping.put("Account", key, mapping.secured(elements), segment, mode="partial")
    mapping.account_reference = draft.reference


def map_guarantor(mapping: Mapping, gt1: Segment) -> None:
    """GT1 as RelatedPerson (or Organization, or the patient) and Account.guarantor."""
    name = human_name(gt1.first(3), mapping.zone)
    party: Json | None = None
    relation = gt1.get(11).upper()
    if relation in ("SEL", "SLF", "SELF", "1", "01") and name:
        party = {"reference": mapping.patient_reference}
    elif name:
        elements: Json = {"patient": {"reference": mapping.patient_reference}, "active": True, "name": [name]}
        how = concept(gt1.first(11), "relationship")
        guarantor = coded("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "GUAR", "guarantor")
        elements["relationship"] = [how, guarantor] if how else [guarantor]
        identifiers = [one for value in gt1.values(2) if (one := identifier(value, mapping.zone))]
        if identifiers:
            elements["identifier"] = identifiers
        where = [one for value in gt1.values(5) if (one := address(value, mapping.zone))]
        if where:
            elements["address"] = where
        telecom = [
            one
            for field, use in ((6, "home"), (7, "work"))
            for value in gt1.values(field)
            if (one := contact_point(value, mapping.zone, use))
        ]
        if telecom:
            elements["telecom"] = telecom
        gender = tables.fhir_code("sex", gt1.get(9))
        if gender:
            elements["gender"] = gender
        born = mapping.date(gt1, 8)
        if born:
            elements["birthDate"] = born
        who = identifier_key(gt1.first(2)) or normal_name(gt1.get(3, 1), gt1.get(3, 2))
        draft = mapping.put("RelatedPerson", f"{mapping.patient_key}/GT1/{who}", mapping.secured(elements), gt1)
        party = {"reference": draft.reference}
    elif gt1.has(21):
        party = organization(mapping, gt1.first(21), gt1)
    if party is None or mapping.account_key is None:
        return
    account = mapping.drafts.get(("Account", mapping.account_key))
    if account is not None:
        entry: Json = {"party": party}
        validity = period(mapping.time(gt1, 13), mapping.time(gt1, 14))
        if validity:
            entry["period"] = validity
        known = account.resource.setdefault("guarantor", [])
        if entry not in known:
            known.append(entry)


def map_coverage(mapping: Mapping, in1: Segment, in2: Segment | None) -> None:
    """IN1 (with its IN2) as Coverage."""
    insurer = _insurer(mapping, in1)
    plan = in1.first(2)
    policy = in1.get(36)
    if insurer is None and not plan.raw and not policy:
        mapping.warn("The insurance names neither plan, company nor policy; it is not filed.", in1, 2)
        return
    subject: Json = {"reference": mapping.patient_reference}
    elements: Json = {"status": "active", "beneficiary": subject}
    # Coverage.payor is required: a plan without a company is paid by whom the plan names, self pay by the patient.
    elements["payor"] = [insurer or named_organization(mapping, plan.get(2) or plan.get(1), in1) or subject]
    identifiers: list[Json] = []
    plan_id = plan.get(1)
    if plan_id:
        one: Json = {"type": identifier_type("HC") if not plan.get(2) else {"text": plan.get(2)}}
        system = authority(plan.get(3), plan.get(14), "ISO") if plan.get(3) else None
        if system:
            one["system"] = system
        one["value"] = plan_id
        identifiers.append(one)
    if policy:
        identifiers.append({"type": {"text": "Policy number"}, "value": policy})
        elements["subscriberId"] = policy
    member = identifier(in1.first(49), mapping.zone)
    if member:
        elements["subscriberId"] = member["value"]
        elements["extension"] = [{"url": _SUBSCRIBER, "valueIdentifier": member}]
    elif in2 is not None and in2.get(61):
        elements.setdefault("subscriberId", in2.get(61))
    if identifiers:
        elements["identifier"] = identifiers
    kind = concept(in1.first(15))
    if kind:
        elements["type"] = kind
    elements.update(_classes(in1))
    validity = period(mapping.time(in1, 12), mapping.time(in1, 13))
    if validity:
        elements["period"] = validity
    _relation(mapping, in1, elements, subject)
    order = in1.get(22)
    if order.isascii() and order.isdigit() and int(order[:3]) > 0:
        elements["order"] = int(order[:3])
    elif in1.get(1).isascii() and in1.get(1).isdigit() and int(in1.get(1)[:3]) > 0:
        elements["order"] = int(in1.get(1)[:3])
    company = identifier_key(in1.first(3)) or normal_name(in1.get(4))
    key = f"{mapping.patient_key}/IN1/{coded_key(plan)}/{company}/{policy}"
    draft = mapping.put("Coverage", key, mapping.secured(elements), in1)
    if mapping.account_key is not None:
        account = mapping.drafts.get(("Account", mapping.account_key))
        if account is not None:
            entry: Json = {"coverage": {"reference": draft.reference}}
            if "order" in elements:
                entry["priority"] = elements["order"]
            known = account.resource.setdefault("coverage", [])
            if entry not in known:
                known.append(entry)


def _insurer(mapping: Mapping, in1: Segment) -> Json | None:
    identifiers = [one for value in in1.values(3) if (one := identifier(value, mapping.zone))]
    where = [one for value in in1.values(5) if (one := address(value, mapping.zone))]
    telecom = [one for value in in1.values(7) if (one := contact_point(value, mapping.zone, "work"))]
    name = in1.first(4)
    if not name.raw and not identifiers:
        return None
    for one in identifiers:
        one.pop("period", None)
    return organization(mapping, name, in1, identifiers=identifiers or None, address=where, telecom=telecom)


def _classes(in1: Segment) -> Json:
    found: list[Json] = []
    system = "http://terminology.hl7.org/CodeSystem/coverage-class"
    for code, number, name in (("group", in1.get(8), in1.get(9)), ("plan", in1.get(35), "")):
        if number or name:
            one: Json = {"type": coded(system, code), "value": number or name}
            if name:
                one["name"] = name
            found.append(one)
    return {"class": found} if found else {}


def _relation(mapping: Mapping, in1: Segment, elements: Json, subject: Json) -> None:
    how = concept(in1.first(17), "relationship")
    code = _RELATIONS.get(in1.get(17).upper())
    if how:
        if code:
            how.setdefault("coding", []).insert(0, {"system": _SUBSCRIBER_RELATION, "code": code})
        elements["relationship"] = how
    if code == "self":
        elements["subscriber"] = subject
        return
    name = human_name(in1.first(16), mapping.zone)
    if name is None:
        return
    person: Json = {"patient": subject, "active": True, "name": [name]}
    if how:
        person["relationship"] = [how]
    born = mapping.date(in1, 18)
    if born:
        person["birthDate"] = born
    where = address(in1.first(19), mapping.zone)
    if where:
        person["address"] = [where]
    gender = tables.fhir_code("sex", in1.get(43))
    if gender:
        person["gender"] = gender
    key = f"{mapping.patient_key}/IN1/{normal_name(in1.get(16, 1), in1.get(16, 2))}"
    draft = mapping.put("RelatedPerson", key, mapping.secured(person), in1)
    elements["subscriber"] = {"reference": draft.reference}


def map_coverages(mapping: Mapping, segments: list[Segment]) -> None:
    """Every IN1 with the IN2 that follows it."""
    for number, segment in enumerate(segments):
        if segment.name == "IN1":
            following = segments[number + 1] if number + 1 < len(segments) else None
            map_coverage(mapping, segment, following if following is not None and following.name == "IN2" else None)


def map_charge(mapping: Mapping, ft1: Segment) -> None:
    """FT1 as ChargeItem. FT1-6: CG charge, CD credit, others as they are; a credit is a charge taken back."""
    code = concept(ft1.first(25)) or concept(ft1.first(7))
    if code is None:
        mapping.warn("The charge has neither a transaction nor a procedure code; it is kept raw only.", ft1, 7)
        return
    kind = ft1.get(6).upper()
    elements: Json = {
        "status": {"CG": "billable", "CD": "aborted", "PY": "billed", "AJ": "billable"}.get(kind, "billable"),
        "code": code,
        "subject": {"reference": mapping.patient_reference},
    }
    if mapping.encounter_reference:
        elements["context"] = {"reference": mapping.encounter_reference}
    if mapping.account_reference:
        elements["account"] = [{"reference": mapping.account_reference}]
    start, end = mapping.time(ft1, 4, 1), mapping.time(ft1, 4, 2)
    if start and end:
        elements["occurrencePeriod"] = {"start": start, "end": end}
    elif start:
        elements["occurrenceDateTime"] = start
    posted = mapping.time(ft1, 5)
    if posted:
        elements["enteredDate"] = posted
    amount = quantity(ft1.get(10))
    if amount:
        elements["quantity"] = amount
    price = _money(ft1.first(12)) or _money(ft1.first(22)) or _money(ft1.first(11))
    if price:
        elements["priceOverride"] = price
    performers = [{"actor": person} for field in (20,) for person in practitioners(mapping, ft1, field)]
    if performers:
        elements["performer"] = performers
    enterer = practitioners(mapping, ft1, 24)
    if enterer:
        elements["enterer"] = enterer[0]
    department = ft1.first(13)
    if department.raw:
        unit = coded_organization(mapping, department, ft1)
        if unit:
            elements["performingOrganization"] = unit
    reasons = [found for value in ft1.values(19) if (found := concept(value))]
    if reasons:
        elements["reason"] = reasons
    number = ft1.get(2)
    if number:
        elements["identifier"] = [{"value": number}]
    scope = mapping.account_key or mapping.visit_key or mapping.patient_key
    what = f"{coded_key(ft1.first(7))}/{ft1.get(4)}/{kind}"
    key = f"{scope}/FT1/{number}/{what}" if number else f"{scope}/FT1/{what}/{ft1.get(1)}"
    mapping.put("ChargeItem", key, mapping.secured(elements), ft1)


def _money(value: Value) -> Json | None:
    """A CP (price & currency) as Money."""
    amount = decimal(value.get(1, 1))
    if amount is None:
        return None
    currency = value.get(1, 2).upper()
    result: Json = {"value": amount}
    if len(currency) == 3 and currency.isascii() and currency.isalpha():
        result["currency"] = currency
    return result
