"""SPM, and of old OBR-15: the Specimen, with type, collector, collected and received time."""

from __future__ import annotations

from charthouse.exchange.drafts import Draft
from charthouse.exchange.hl7v2 import tables
from charthouse.exchange.hl7v2.datatypes import (
    Json,
    composite_quantity,
    concept,
    concepts,
    identifier,
    identifier_type,
    period,
)
from charthouse.exchange.hl7v2.directory import practitioner
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment, Value
from charthouse.exchange.hl7v2.systems import authority


def specimen_of(mapping: Mapping, spm: Segment | None, obr: Segment | None, scope: str) -> Draft | None:
    """The Specimen of an order (``scope`` is its key), or None where nothing is said of one."""
    elements: Json = {}
    collection: Json = {}
    identifiers: list[Json] = []
    key = ""
    if spm is not None:
        key = _from_spm(mapping, spm, elements, collection, identifiers)
    if obr is not None:
        _from_obr(mapping, obr, elements, collection, with_source=spm is None)
    if spm is None and not elements and "collector" not in collection and "quantity" not in collection:
        return None
    if collection:
        elements["collection"] = collection
    if identifiers:
        elements["identifier"] = identifiers
    elements["subject"] = {"reference": mapping.patient_reference}
    head = spm or obr
    assert head is not None
    number = spm.get(1) if spm is not None else "OBR-15"
    return mapping.put("Specimen", key or f"{scope}/SPM/{number}", mapping.secured(elements), head)


def _from_spm(mapping: Mapping, spm: Segment, elements: Json, collection: Json, identifiers: list[Json]) -> str:
    key = ""
    pair = spm.first(2)
    for component, kind in ((2, "FILL"), (1, "PLAC")):
        entity = pair.part(component)
        if not entity.get(1):
            continue
        one: Json = {"type": identifier_type(kind)}
        system = authority(entity.get(2), entity.get(3), entity.get(4))
        if system:
            one["system"] = system
        one["value"] = entity.get(1)
        identifiers.append(one)
        key = key or f"{entity.get(2) or entity.get(3)}|{entity.get(1)}"
    for value in spm.values(31):
        other = identifier(value, mapping.zone)
        if other:
            identifiers.append(other)
    accession = identifier(spm.first(30), mapping.zone)
    if accession:
        elements["accessionIdentifier"] = accession
        key = key or f"accession:{accession.get('system', '')}|{accession['value']}"
    type_ = concept(spm.first(4), "specimen-type")
    if type_:
        modifiers = [m.get("text") or m["coding"][0]["code"] for m in concepts(spm.values(5))]
        if modifiers:
            type_.setdefault("text", ", ".join([*_shown(type_), *modifiers]))
        elements["type"] = type_
    method = concept(spm.first(7), "collection-method")
    if method:
        collection["method"] = method
    site = concept(spm.first(8), "body-site")
    if site:
        collection["bodySite"] = site
    amount = composite_quantity(spm.first(12))
    if amount:
        collection["quantity"] = amount
    start, end = mapping.time(spm, 17, 1), mapping.time(spm, 17, 2)
    if end:
        collection["collectedPeriod"] = period(start, end)
    elif start:
        collection["collectedDateTime"] = start
    received = mapping.time(spm, 18)
    if received:
        elements["receivedTime"] = received
    availability = tables.fhir_code("specimen-availability", spm.get(20))
    if availability:
        elements["status"] = availability
    rejected = concepts(spm.values(21))
    if rejected:
        elements["status"] = "unsatisfactory"
    condition = concepts(spm.values(24), "specimen-condition")
    if condition or rejected:
        elements["condition"] = condition + rejected
    container: Json = {}
    vessel = concept(spm.first(27))
    if vessel:
        container["type"] = vessel
    additive = concept(spm.first(6), "additive")
    if additive:
        container["additiveCodeableConcept"] = additive
    if container:
        elements["container"] = [container]
    note = "\n".join(value.text for value in spm.values(14) if value.text)
    if note:
        elements["note"] = [{"text": note}]
    return key


def _shown(kind: Json) -> list[str]:
    coding = (kind.get("coding") or [{}])[0]
    return [coding["display"]] if coding.get("display") else []


def _from_obr(mapping: Mapping, obr: Segment, elements: Json, collection: Json, *, with_source: bool) -> None:
    collector = practitioner(mapping, obr.first(10), obr)
    if collector:
        collection.setdefault("collector", collector)
    received = mapping.time(obr, 14)
    if received:
        elements.setdefault("receivedTime", received)
    amount = composite_quantity(obr.first(9))
    if amount:
        collection.setdefault("quantity", amount)
    source = obr.first(15)
    if with_source and source:
        kind = _source_concept(source.part(1), "specimen-type") or _source_concept(source, "specimen-type")
        if kind:
            elements["type"] = kind
        site = _source_concept(source.part(4), "body-site")
        if site:
            collection["bodySite"] = site
        text = source.get(3)
        if text:
            elements["note"] = [{"text": text}]
    if not any(name.startswith("collected") for name in collection) and (elements or collection):
        start, end = mapping.time(obr, 7), mapping.time(obr, 8)
        if start and end:
            collection["collectedPeriod"] = {"start": start, "end": end}
        elif start:
            collection["collectedDateTime"] = start
    comment = concepts(obr.values(39))
    if comment and (elements or collection):
        texts = [one.get("text") or one["coding"][0]["code"] for one in comment]
        elements.setdefault("note", []).extend({"text": text} for text in texts)


def _source_concept(value: Value, table: str) -> Json | None:
    found = concept(value, table) if value.get(1) or value.get(2) else None
    if found and len(value.raw) and not value.get(2) and "text" not in found and " " in value.get(1):
        return {"text": value.get(1)}
    return found
