"""TXA with its OBX, and documents within results: DocumentReference."""

from __future__ import annotations

from typing import Final

from charthouse.exchange.drafts import Draft, Mode
from charthouse.exchange.hl7v2.datatypes import Json, concept, encapsulated, reference_pointer, text_attachment
from charthouse.exchange.hl7v2.directory import practitioner, practitioners
from charthouse.exchange.hl7v2.keys import identifier_key, normal_name
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment, Value
from charthouse.exchange.hl7v2.systems import authority
from charthouse.exchange.times import date_time

from . import security
from .observation import Outcome, document_status, value_of

#: Extensions of a document as the record reads them: a stage of its making, and one who attested it.
STAGE: Final = "urn:charthouse:fhir:StructureDefinition:document-stage"
ATTESTER: Final = "urn:charthouse:fhir:StructureDefinition:document-attester"
_V2_0270 = "http://terminology.hl7.org/CodeSystem/v2-0270"
_LOINC = "http://loinc.org"
# Table 0270 (document type), with the LOINC document type that means the same.
_TYPES = {
    "AR": ("Autopsy report", "18743-5"),
    "CD": ("Cardiodiagnostics", ""),
    "CN": ("Consultation", "11488-4"),
    "DI": ("Diagnostic imaging", "18748-4"),
    "DS": ("Discharge summary", "18842-5"),
    "ED": ("Emergency department report", "34878-9"),
    "HP": ("History and physical examination", "34117-2"),
    "OP": ("Operative report", "11504-8"),
    "PC": ("Psychiatric consultation", ""),
    "PH": ("Psychiatric history and physical examination", ""),
    "PN": ("Procedure note", "28570-0"),
    "PR": ("Progress note", "11506-3"),
    "SP": ("Surgical pathology", "11526-1"),
    "TS": ("Transfer summary", "18761-7"),
}
_FINAL = {"AU", "LA"}
_PRELIMINARY = {"DI", "DO", "IN", "IP", "PA", "UC"}
_RELATION = {"T05": "appends", "T06": "appends", "T09": "replaces", "T10": "replaces"}
_DERIVED = {"final": "final", "corrected": "amended", "amended": "amended", "appended": "amended"}


def document_type(value: Value) -> Json | None:
    """TXA-2 as CodeableConcept, with LOINC beside table 0270 where the same type has a code there."""
    own = concept(value)
    if own is None:
        return None
    known = _TYPES.get(value.get(1).upper())
    coding = (own.get("coding") or [{}])[0]
    if known and coding.get("system") in (None, _V2_0270):
        coding["system"] = _V2_0270
        coding.setdefault("display", known[0])
        own.setdefault("text", known[0])
        if known[1]:
            own["coding"].append({"system": _LOINC, "code": known[1]})
    return own


def map_document(
    mapping: Mapping, txa: Segment, lines: list[tuple[Segment, list[Segment]]], trigger: str, orders: list[Draft]
) -> Draft | None:
    """TXA and the OBX after it as DocumentReference. None (and a warning) where the document has no number.

    T01, T03 … carry no text: their draft is *partial*, so that the content filed before stays. T05/T06 append to
    and T09/T10 replace the document of TXA-13, which becomes superseded. T11 takes the document back.
    """
    number = txa.first(12)
    key = identifier_key(number, 2)
    if not key:
        parts = (txa.get(2), txa.get(4) or txa.get(6), txa.get(3))
        if not any(parts):
            mapping.warn("The document has neither a number nor a type or time; it is not filed.", txa, 12)
            return None
        mapping.warn("The document has no unique number; type and time stand in for it.", txa, 12)
        key = f"{mapping.patient_key}/TXA/" + "/".join(parts)
    attachments = content_of(mapping, lines)
    cancelled = trigger == "T11" or txa.get(19).upper() == "CA"
    kind = document_type(txa.first(2))
    title = txa.get(25) or (kind or {}).get("text") or ""
    elements: Json = {"status": "entered-in-error" if cancelled else "current"}
    if txa.get(19).upper() == "OB" and not cancelled:
        elements["status"] = "superseded"
    complete = doc_status(txa.get(17), trigger)
    if cancelled:
        complete = "entered-in-error"
    if complete:
        elements["docStatus"] = complete
    _identify(txa, number, elements)
    if kind:
        elements["type"] = kind
    elements["subject"] = {"reference": mapping.patient_reference}
    _people(mapping, txa, elements)
    dated = mapping.instant(txa, 6) or mapping.instant(txa, 4)
    if dated:
        elements["date"] = dated
    if txa.get(25):
        elements["description"] = txa.get(25)
    labels = [each for value in txa.values(18) for each in security.confidentiality(value, "0272")]
    if labels:
        elements["securityLabel"] = [{"coding": [label]} for label in labels]
        elements["meta"] = {"security": labels}
    _relate(mapping, txa, trigger, key, elements)
    created = mapping.time(txa, 6) or mapping.time(txa, 4)
    for attachment in attachments:
        if title:
            attachment.setdefault("title", title)
        if created:
            attachment.setdefault("creation", created)
    elements["content"] = [{"attachment": one} for one in attachments] or [_placeholder(txa, title, created)]
    _context(mapping, txa, orders, elements)
    mode: Mode = "snapshot" if attachments else "partial"
    if cancelled:
        mode = "entered-in-error" if attachments else "partial"
    return mapping.put("DocumentReference", key, mapping.secured(elements), txa, mode=mode)


def doc_status(code: str, trigger: str) -> str | None:
    """TXA-17 (table 0271) as DocumentReference.docStatus."""
    code = code.upper()
    if code in _FINAL:
        return "amended" if trigger in ("T07", "T08") else "final"
    return "preliminary" if code in _PRELIMINARY else None


def _identify(txa: Segment, number: Value, elements: Json) -> None:
    if number.get(1):
        one: Json = {"value": number.get(1)}
        system = authority(number.get(2), number.get(3), number.get(4))
        if system:
            one["system"] = system
        elements["masterIdentifier"] = one
        elements["identifier"] = [dict(one)]
    name = txa.get(16)
    if name:
        elements.setdefault("identifier", []).append({"type": {"text": "File name"}, "value": name})


def _people(mapping: Mapping, txa: Segment, elements: Json) -> None:
    authors = practitioners(mapping, txa, 9)
    if not authors:
        authors = practitioners(mapping, txa, 5)
    if authors:
        elements["author"] = authors
    signers = practitioners(mapping, txa, 22) or practitioners(mapping, txa, 10)
    if signers:
        elements["authenticator"] = signers[0]
    extensions = [*_stages(mapping, txa, authors), *_signed(mapping, txa)]
    if extensions:
        elements["extension"] = extensions


def _stages(mapping: Mapping, txa: Segment, authors: list[Json]) -> list[Json]:
    """How the text came about, where the message tells: dictated (TXA-6, TXA-9) and transcribed (TXA-7, TXA-11)."""
    typists, typed = practitioners(mapping, txa, 11), mapping.time(txa, 7)
    found = []
    if authors and (typists or typed or txa.get(17).upper() == "DI"):
        found.append(_extension(STAGE, stage="dictated", at=mapping.time(txa, 6), by=authors[0]))
    if typists or typed:
        found.append(_extension(STAGE, stage="transcribed", at=typed, by=typists[0] if typists else None))
    return found


def _signed(mapping: Mapping, txa: Segment) -> list[Json]:
    """Each who authenticated (TXA-22), with the time beside the name where it is given."""
    found = []
    for value in txa.values(22):
        party = practitioner(mapping, value, txa)
        if party:
            at = date_time(value.get(15), mapping.zone) if value.get(15) else None
            found.append(_extension(ATTESTER, meaning="authenticator", time=at, party=party))
    return found


_VALUES = {"stage": "valueCode", "meaning": "valueCode", "at": "valueDateTime", "time": "valueDateTime"}


def _extension(url: str, **parts: str | Json | None) -> Json:
    return {
        "url": url,
        "extension": [
            {"url": name, _VALUES.get(name, "valueReference"): value}
            for name, value in parts.items()
            if value is not None
        ],
    }


def _relate(mapping: Mapping, txa: Segment, trigger: str, key: str, elements: Json) -> None:
    parent = identifier_key(txa.first(13), 2)
    relation = _RELATION.get(trigger)
    if not parent or parent == key or relation is None:
        if relation and not parent:
            mapping.warn(f"The document should name the one it {relation}.", txa, 13)
        return
    target = mapping.reference("DocumentReference", parent)
    elements["relatesTo"] = [{"code": relation, "target": {"reference": target}}]
    if relation == "replaces":
        before: Json = {
            "status": "superseded",
            "subject": {"reference": mapping.patient_reference},
            "content": [{"attachment": {"title": "Replaced document"}}],
        }
        number = entity(txa.first(13))
        before["masterIdentifier"] = number
        before["identifier"] = [dict(number)]
        mapping.put("DocumentReference", parent, mapping.secured(before), txa, mode="partial")


def entity(value: Value) -> Json:
    """An EI as a bare Identifier."""
    one: Json = {"value": value.get(1)}
    system = authority(value.get(2), value.get(3), value.get(4))
    if system:
        one["system"] = system
    return one


def _placeholder(txa: Segment, title: str, created: str | None) -> Json:
    """What stands for a content that was announced and not sent: DocumentReference.content is required."""
    attachment: Json = {"title": title or "Document without content"}
    if created:
        attachment["creation"] = created
    if txa.get(16) and " " not in txa.get(16):
        attachment["title"] = txa.get(16)
    return {"attachment": attachment}


def _context(mapping: Mapping, txa: Segment, orders: list[Draft], elements: Json) -> None:
    context: Json = {}
    if mapping.encounter_reference:
        context["encounter"] = [{"reference": mapping.encounter_reference}]
    activity = mapping.time(txa, 4)
    if activity:
        context["period"] = {"start": activity}
    if orders:
        context["related"] = [{"reference": order.reference} for order in orders]
    if context:
        elements["context"] = context


def content_of(mapping: Mapping, lines: list[tuple[Segment, list[Segment]]]) -> list[Json]:
    """The OBX of a document: attachments for ED and RP, and all prose as one text before them.

    Where OBX-3 changes from line to line it is a heading. Values of other types are lines "what: value".
    """
    attachments: list[Json] = []
    prose: list[str] = []
    headings = {obx.raw(3) for obx, _ in lines if obx.get(2).upper() not in ("ED", "RP")}
    previous = ""
    for obx, notes in lines:
        kind = obx.get(2).upper()
        label = obx.get(3, 2) or obx.get(3, 1)
        if kind in ("ED", "RP"):
            for value in obx.values(5):
                if kind == "ED":
                    attachment, fault = encapsulated(value)
                    if fault:
                        mapping.lose(fault, obx, 5)
                else:
                    attachment = reference_pointer(value)
                if attachment:
                    if label:
                        attachment.setdefault("title", label)
                    attachments.append(attachment)
            continue
        if kind in ("TX", "FT", "ST", ""):
            if len(headings) > 1 and obx.raw(3) != previous and label:
                prose.append(label if not prose else f"\n{label}")
            prose.append("\n".join(value.text for value in obx.values(5)))
        else:
            found = [_line(mapping, obx, kind, value) for value in obx.values(5)]
            prose += [f"{label}: {text}" if label else text for text in found if text]
        previous = obx.raw(3)
        prose += [text for note in notes if (text := "\n".join(value.text for value in note.values(3)))]
    text = "\n".join(prose)
    if text.strip():
        attachments.insert(0, text_attachment(text))
    return attachments


def _line(mapping: Mapping, obx: Segment, kind: str, value: Value) -> str:
    """A value as words, for the running text of a document."""
    found = value_of(mapping, obx, kind, value)
    if found is None:
        return ""
    name, content = found
    if name == "valueCodeableConcept" and isinstance(content, dict):
        return str(content.get("text") or content["coding"][0].get("display") or content["coding"][0]["code"])
    unit = obx.get(6, 2) or obx.get(6, 1)
    return f"{value.text} {unit}".strip() if name == "valueQuantity" else value.text


def put_result_documents(
    mapping: Mapping,
    outcome: Outcome,
    scope: str,
    kind: Json | None,
    report: Draft | None,
    dated: str | None,
    status: str,
) -> None:
    """Documents within results (ED, RP): one DocumentReference for each OBX, linked to the report."""
    grouped: dict[int, tuple[Segment, list[Json]]] = {}
    for obx, attachment in outcome.attachments:
        grouped.setdefault(obx.index, (obx, []))[1].append(attachment)
    mode = document_status(outcome.statuses)
    seen: dict[str, int] = {}
    for obx, attachments in grouped.values():
        what = concept(obx.first(3))
        elements: Json = {
            "status": "entered-in-error" if mode == "entered-in-error" else "current",
            "subject": {"reference": mapping.patient_reference},
            "content": [{"attachment": one} for one in attachments],
        }
        complete = _DERIVED.get(status)
        if complete:
            elements["docStatus"] = complete
        document_kind = kind or what
        if document_kind:
            elements["type"] = document_kind
        when = mapping.instant(obx, 14) or dated
        if when:
            elements["date"] = when
        author = practitioners(mapping, obx, 16)
        if author:
            elements["author"] = author
        context: Json = {}
        if mapping.encounter_reference:
            context["encounter"] = [{"reference": mapping.encounter_reference}]
        if report:
            context["related"] = [{"reference": report.reference}]
        if context:
            elements["context"] = context
        base = f"{scope}/ED/{obx.raw(3)}/{obx.raw(4)}"
        count = seen.get(base, 0)
        seen[base] = count + 1
        draft = mapping.put(
            "DocumentReference",
            base if not count else f"{base}#{count + 1}",
            mapping.secured(elements),
            obx,
            mode=mode,
        )
        outcome.documents.append(draft.reference)


def map_consent(mapping: Mapping, con: Segment) -> None:
    """CON as Consent."""
    status = {"A": "active", "L": "active", "P": "proposed", "R": "rejected", "X": "inactive", "B": "inactive"}.get(
        con.get(11).upper(), "active"
    )
    kind = concept(con.first(2))
    title = con.get(5) or con.get(6)
    if kind is None and not title:
        mapping.warn("The consent says neither its type nor its title; it is not filed.", con, 2)
        return
    elements: Json = {
        "status": status,
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [kind or {"text": title}],
        "patient": {"reference": mapping.patient_reference},
        "policyRule": {"text": title or "Consent"},
    }
    decided = mapping.time(con, 13) or mapping.time(con, 12)
    if decided:
        elements["dateTime"] = decided
    start, end = mapping.time(con, 14), mapping.time(con, 15)
    provision: Json = {}
    if start or end:
        provision["period"] = {name: at for name, at in (("start", start), ("end", end)) if at}
    if con.get(11).upper() == "R":
        provision["type"] = "deny"
    if provision:
        elements["provision"] = provision
    number = entity_identifier_of(con.first(4))
    if number:
        elements["identifier"] = [number]
    who = normal_name(con.get(3)) or con.get(1)
    mapping.put("Consent", f"{mapping.patient_key}/CON/{con.get(2)}/{who}", mapping.secured(elements), con)


def entity_identifier_of(value: Value) -> Json | None:
    """An EI as a bare Identifier, None without an id."""
    return entity(value) if value.get(1) else None
