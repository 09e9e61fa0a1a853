"""The header: who the patient is, who wrote, keeps and signed the document, and at which visit.

After HL7's C-CDA on FHIR mappings (US Realm Header), and US Core for race, ethnicity and birth sex.
"""

from __future__ import annotations

import hashlib

from charthouse.exchange.hl7v2.keys import normal_name
from charthouse.exchange.hl7v2.systems import language_tag
from charthouse.foundation.base64 import as_base64, from_base64

from .encounters import class_of, types_of
from .errors import CdaError
from .mapping import Json, Mapping, SectionReport, code_of, instant_of, without_empty
from .systems import CONFIDENTIALITY, SSN
from .tree import Element
from .values import (
    addresses,
    boolean,
    coding_of,
    display_name,
    human_name,
    identifiers,
    identity,
    names,
    period_of,
    said,
    telecoms,
    time_of,
)

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_GENDERS = {
    "M": "male",
    "F": "female",
    "UN": "other",
    "UND": "other",
    "O": "other",
    "U": "unknown",
    "UNK": "unknown",
}
_FORMAT = "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"
_RELATIONS = {"RPLC": "replaces", "APND": "appends", "XFRM": "transforms"}
_NOT_A_RECORD_NUMBER = ("2.16.840.1.113883.4.1", "2.16.840.1.113883.4.3", "2.16.840.1.113883.4.572")
#: The extension in which a DocumentReference says what became of the document's sections.
SECTION = "urn:charthouse:fhir:StructureDefinition:document-section"
#: The kinds of document of C-CDA R2.1 by their LOINC code, and the words for each.
KINDS = {
    "34133-9": "Continuity of care document",
    "11488-4": "Consultation note",
    "18748-4": "Diagnostic imaging report",
    "18842-5": "Discharge summary",
    "34117-2": "History and physical",
    "11504-8": "Operative note",
    "28570-0": "Procedure note",
    "11506-3": "Progress note",
    "57133-1": "Referral note",
    "18761-7": "Transfer summary",
    "52521-2": "Care plan",
    "34109-9": "Note",
    "51855-5": "Patient note",
}


def map_patient(mapping: Mapping) -> None:
    """The first recordTarget as Patient. Raises CdaError where the document names nobody."""
    targets = mapping.root.findall("recordTarget")
    roles = [role for each in targets if (role := each.find("patientRole")) is not None]
    if not roles:
        raise CdaError("The document does not say whom it is about: recordTarget is missing.")
    role = roles[0]
    mapping.place = "recordTarget"
    person = role.find("patient")
    if person is None:
        person = role.find("patientPatient")  # of the time before C-CDA
    known = names(person, mapping.zone) if person is not None else []
    ids = role.findall("id")
    key = _record_number(ids)
    born = time_of(person.find("birthTime"), mapping.zone) if person is not None else None
    if not key:
        if not known:
            raise CdaError(
                "The document does not say whom it is about: its patient has neither a number nor a name."
            )
        words = normal_name(display_name(known[0]))
        key = f"name:{words}/{(born or '')[:10]}"
        if not born:
            # A name alone is nobody: such patients are kept apart by the document.
            key += "/" + identity(mapping.root.findall("id"))
    mapping.patient_key = key
    elements = without_empty(
        [
            ("identifier", _patient_identifiers(mapping, ids)),
            ("name", known),
            ("telecom", telecoms(role, mapping.zone)),
            ("address", addresses(role, mapping.zone)),
        ]
    )
    if person is not None:
        elements |= _person(mapping, person, born)
    keeper = mapping.organization(role.find("providerOrganization"))
    if keeper:
        elements["managingOrganization"] = keeper
    mapping.place = "recordTarget"
    reference = mapping.put("Patient", key, elements, mode="partial")
    if reference is None:
        # What of the demographics is not valid must not cost the document: who it is stands in few elements.
        few: Json = {name: elements[name] for name in ("identifier", "name") if name in elements}
        reference = mapping.put("Patient", key, few, mode="partial")
    if reference is None:
        raise CdaError("The document does not say whom it is about in a way that can be filed.")
    mapping.patient = reference
    if len(roles) > 1:
        mapping.fault(f"The document is about {len(roles)} patients; it is filed under the first.")


def _record_number(ids: list[Element]) -> str:
    """The number that names the patient at the sender: the first that is no social security or licence number."""
    own = [each for each in ids if not (each.get("root") or "").startswith(_NOT_A_RECORD_NUMBER)]
    return identity([each for each in own if each.get("extension")]) or identity(own) or identity(ids)


def patient_keys(root: Element) -> tuple[str, ...]:
    """Every number of every patient the document is about, as ``root|extension``."""
    found: dict[str, None] = {}
    for role in root.findall("recordTarget/patientRole"):
        for each in role.findall("id"):
            if key := identity([each]):
                found[key] = None
    return tuple(found)


def _patient_identifiers(mapping: Mapping, ids: list[Element]) -> list[Json]:
    found = identifiers(ids)
    number = _record_number(ids).partition("|")[2]
    for each in found:
        if number and each.get("value") == number and each.get("system") != SSN:
            each["type"] = {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v2-0203",
                        "code": "MR",
                        "display": "Medical record number",
                    }
                ]
            }
            break
    return found


def _person(mapping: Mapping, person: Element, born: str | None) -> Json:
    gender = person.find("administrativeGenderCode")
    dead = boolean(person.find("sdtc:deceasedInd"))
    died = time_of(person.find("sdtc:deceasedTime"), mapping.zone)
    elements: Json = {}
    if gender is not None and (
        code := _GENDERS.get((gender.get("code") or gender.get("nullFlavor") or "").upper())
    ):
        elements["gender"] = code
    written = person.find("birthTime")
    if not born and written is not None and (written.get("value") or "").strip(" 0"):
        mapping.fault("The birth date is none that can be read; the patient is filed without it.")
    if born:
        elements["birthDate"] = born[:10]
        if len(born) > 10:
            elements["_birthDate"] = {
                "extension": [
                    {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime", "valueDateTime": born}
                ]
            }
    if died:
        elements["deceasedDateTime"] = died
    elif dead is not None:
        elements["deceasedBoolean"] = dead
    if married := mapping.concept(person.find("maritalStatusCode")):
        elements["maritalStatus"] = married
    languages = _languages(person)
    if languages:
        elements["communication"] = languages
    contacts = [found for each in person.findall("guardian") if (found := _guardian(mapping, each))]
    if contacts:
        elements["contact"] = contacts
    extensions = [
        found
        for found in (
            _group(mapping, person, "race", "raceCode"),
            _group(mapping, person, "ethnicity", "ethnicGroupCode"),
            _religion(mapping, person),
        )
        if found
    ]
    if extensions:
        elements["extension"] = extensions
    return elements


def _languages(person: Element) -> list[Json]:
    found = []
    for each in person.findall("languageCommunication"):
        code = each.find("languageCode")
        given = (code.get("code") or "").strip() if code is not None else ""
        if not given:
            continue
        tag = language_tag(given)
        one: Json = {
            "language": {"coding": [{"system": "urn:ietf:bcp:47", "code": tag}]} if tag else {"text": said(given)}
        }
        if (preferred := boolean(each.find("preferenceInd"))) is not None:
            one["preferred"] = preferred
        if one not in found:
            found.append(one)
    return found


def _guardian(mapping: Mapping, element: Element) -> Json | None:
    person = element.find("guardianPerson")
    written = person.find("name") if person is not None else None
    name = human_name(written, mapping.zone) if written is not None else None
    found = without_empty(
        [
            ("relationship", [kind] if (kind := mapping.concept(element.find("code"))) else None),
            ("name", name),
            ("telecom", telecoms(element, mapping.zone)),
            ("address", next(iter(addresses(element, mapping.zone)), None)),
        ]
    )
    return found if name or "telecom" in found else None


def _group(mapping: Mapping, person: Element, what: str, tag: str) -> Json | None:
    """Race or ethnicity after US Core: the OMB category, the details, and the words."""
    parts: list[Json] = []
    words: list[str] = []
    for number, each in enumerate([*person.findall(tag), *person.findall(f"sdtc:{tag}")]):
        coding = coding_of(each)
        if coding is None:
            if each.get("nullFlavor") in ("ASKU", "UNK") and not number:
                coding = {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
                    "code": each.get("nullFlavor"),
                    "display": "Asked but no answer" if each.get("nullFlavor") == "ASKU" else "Unknown",
                }
            else:
                continue
        category = coding["code"] in _OMB or "NullFlavor" in coding.get("system", "")
        part = {"url": "ombCategory" if category else "detailed", "valueCoding": coding}
        if part not in parts:
            parts.append(part)
            words.append(coding.get("display") or coding["code"])
    if not parts:
        return None
    return {"url": _US_CORE + what, "extension": [*parts, {"url": "text", "valueString": ", ".join(words)}]}


_OMB = frozenset({"1002-5", "2028-9", "2054-5", "2076-8", "2106-3", "2131-1", "2135-2", "2186-5"})


def _religion(mapping: Mapping, person: Element) -> Json | None:
    found = mapping.concept(person.find("religiousAffiliationCode"))
    if found is None:
        return None
    return {"url": "http://hl7.org/fhir/StructureDefinition/patient-religion", "valueCodeableConcept": found}


def map_confidentiality(mapping: Mapping) -> None:
    """What the document says of its confidentiality, for all that is filed of it."""
    mapping.security = labels_of(mapping.root)


def labels_of(element: Element) -> list[Json]:
    """A confidentialityCode as security labels."""
    coded = element.find("confidentialityCode")
    code = ((coded.get("code") or "") if coded is not None else "").strip().upper()
    if code not in ("R", "V"):
        return []
    return [
        {"system": CONFIDENTIALITY, "code": code, "display": "restricted" if code == "R" else "very restricted"}
    ]


def map_encounter(mapping: Mapping) -> None:
    """encompassingEncounter as Encounter."""
    encounter = mapping.root.find("componentOf/encompassingEncounter")
    if encounter is None:
        return
    mapping.place = "componentOf"
    ids = encounter.findall("id")
    own = identity(ids)
    period = period_of(encounter.find("effectiveTime"), mapping.zone)
    if not own and not period:
        return
    participants: list[Json] = []
    for each in [*encounter.findall("responsibleParty"), *encounter.findall("encounterParticipant")]:
        who = mapping.practitioner(each.find("assignedEntity"))
        if who and "reference" in who:
            code = each.get("typeCode") or ("ATND" if each.tag == "responsibleParty" else "PART")
            participants.append(
                {
                    "type": [
                        {
                            "coding": [
                                {
                                    "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                                    "code": said(code),
                                }
                            ]
                        }
                    ],
                    "individual": who,
                }
            )
    facility = encounter.find("location/healthCareFacility")
    place = mapping.location(facility)
    elements = without_empty(
        [
            ("identifier", identifiers(ids)),
            ("status", "finished" if period and "end" in period else "in-progress" if period else "unknown"),
            ("class", class_of(encounter.find("code"))),
            ("type", types_of(mapping, encounter.find("code"))),
            ("subject", mapping.patient),
            ("participant", participants),
            ("period", period),
            ("location", [{"location": place}] if place and "reference" in place else None),
        ]
    )
    if facility is not None and (provider := mapping.organization(facility.find("serviceProviderOrganization"))):
        elements["serviceProvider"] = provider
    left = mapping.concept(encounter.find("dischargeDispositionCode"))
    if left:
        elements["hospitalization"] = {"dischargeDisposition": left}
    key = f"{mapping.patient_key}/{own or (period or {}).get('start')}"
    mapping.place = "componentOf"
    mapping.encounter = mapping.put("Encounter", key, elements, mode="partial")


def map_care_team(mapping: Mapping) -> None:
    """Those who performed the service that the document tells of, as CareTeam."""
    participants: list[Json] = []
    period: Json | None = None
    for event in mapping.root.findall("documentationOf/serviceEvent"):
        period = period or period_of(event.find("effectiveTime"), mapping.zone)
        for each in event.findall("performer"):
            mapping.place = "documentationOf"
            who = mapping.practitioner(each.find("assignedEntity"))
            if who is None or "reference" not in who:
                continue
            one: Json = {"member": who}
            role = mapping.concept(each.find("functionCode")) or mapping.concept(each.find("assignedEntity/code"))
            if role:
                one["role"] = [role]
            if one not in participants:
                participants.append(one)
    if participants:
        mapping.place = "documentationOf"
        elements = without_empty(
            [
                ("status", "active"),
                ("name", "Those who cared for the patient in the time of the document"),
                ("subject", mapping.patient),
                ("period", period),
                ("participant", participants),
            ]
        )
        mapping.put("CareTeam", f"{mapping.patient_key}/document/{_number(mapping.root)}", elements)


def _number(element: Element) -> str:
    return identity(element.findall("id"))


def kind_of(root: Element) -> str:
    """What kind of document it is, in words."""
    code = code_of(root)
    coded = root.find("code")
    return (
        KINDS.get(code)
        or said(root.findtext("title"))
        or said(coded.get("displayName") if coded is not None else "")
        or "Clinical document"
    )[:120]


def document_key(patient: str, number: str, kind: str, digest: str) -> str:
    """The natural key of a document: documents of several kinds are given one number in practice."""
    return f"{patient}/{number or 'content:' + digest}/{kind}"


def map_document(mapping: Mapping, data: bytes) -> Json | None:
    """The document itself as DocumentReference: the original as attachment, what became of its sections, and how it
    stands to earlier ones."""
    root = mapping.root
    mapping.place = "ClinicalDocument"
    number, kind = _number(root), code_of(root)
    digest = "" if number else hashlib.sha256(data).hexdigest()
    key = document_key(mapping.patient_key, number, kind, digest)
    written = mapping.time(root.find("effectiveTime"))
    title = said("".join(root.find("title").itertext())) if root.find("title") is not None else ""  # type: ignore[union-attr]
    signer = _signer(mapping)
    unstructured = root.find("component/nonXMLBody")
    attachment = without_empty(
        [
            ("contentType", "text/xml"),
            (
                "language",
                language_tag((language.get("code") or "").strip())
                if (language := root.find("languageCode")) is not None
                else None,
            ),
            ("data", "AAAA"),
            ("title", title or kind_of(root)),
            ("creation", written),
        ]
    )
    body = "structuredBody" if unstructured is None else "nonXMLBody"
    content: list[Json] = [
        {
            "attachment": attachment,
            "format": {
                "system": _FORMAT,
                "code": f"urn:hl7-org:sdwg:ccda-{body}:2.1",
            },
        }
    ]
    if unstructured is not None and (held := _body(mapping, unstructured, title)):
        content.append({"attachment": held})
    authors = []
    for each in root.findall("author"):
        who = mapping.practitioner(each.find("assignedAuthor"))
        if who and who not in authors:
            authors.append(who)
    context = without_empty(
        [
            ("encounter", [mapping.encounter] if mapping.encounter else None),
            ("period", _period(mapping)),
            (
                "facilityType",
                mapping.concept(root.find("componentOf/encompassingEncounter/location/healthCareFacility/code")),
            ),
        ]
    )
    labels = [*mapping.security, *(each for each in mapping.within_security if each not in mapping.security)]
    concept = mapping.concept(root.find("code")) or {}
    if kind in KINDS:
        concept["text"] = KINDS[kind]
    elements = without_empty(
        [
            ("extension", [section_extension(each) for each in mapping.reports]),
            ("masterIdentifier", next(iter(identifiers(root.findall("id"))), None)),
            ("identifier", identifiers([*root.findall("id"), *root.findall("setId")])),
            ("status", "current"),
            ("docStatus", "final" if signer else None),
            ("type", concept or {"text": kind_of(root)}),
            ("subject", mapping.patient),
            ("date", instant_of(written) if written else None),
            ("author", authors),
            ("authenticator", signer),
            ("custodian", _custodian(mapping)),
            ("relatesTo", _relations(mapping, kind)),
            ("description", title),
            ("securityLabel", [{"coding": [each]} for each in labels]),
            ("content", content),
            ("context", context),
        ]
    )
    mapping.place = "ClinicalDocument"
    mapping.entry_security = mapping.within_security
    reference = mapping.put("DocumentReference", key, elements)
    if reference is None:
        few: Json = {
            each: elements[each]
            for each in ("status", "type", "subject", "content", "extension")
            if each in elements
        }
        few["content"] = content[:1]
        reference = mapping.put("DocumentReference", key, few)
    for draft in mapping.drafts.values():
        if draft.type == "DocumentReference" and reference and draft.reference == reference["reference"]:
            draft.resource["content"][0]["attachment"]["data"] = as_base64(data)
    return reference


def section_extension(report: SectionReport) -> Json:
    """What became of a section, as the DocumentReference says it."""
    parts: list[Json] = [
        {"url": "number", "valuePositiveInt": report.number},
        {"url": "title", "valueString": report.title},
        {"url": "outcome", "valueCode": report.outcome},
    ]
    parts += [{"url": "reason", "valueString": reason} for reason in report.reasons]
    return {"url": SECTION, "extension": parts}


def _signer(mapping: Mapping) -> Json | None:
    for name in ("legalAuthenticator", "authenticator"):
        for each in mapping.root.findall(name):
            who = mapping.practitioner(each.find("assignedEntity"))
            if who and "reference" in who:
                return who
    return None


def _custodian(mapping: Mapping) -> Json | None:
    found = mapping.organization(mapping.root.find("custodian/assignedCustodian/representedCustodianOrganization"))
    return found if found and "reference" in found else None


def _period(mapping: Mapping) -> Json | None:
    for event in mapping.root.findall("documentationOf/serviceEvent"):
        if period := period_of(event.find("effectiveTime"), mapping.zone):
            return period
    return None


def _relations(mapping: Mapping, kind: str) -> list[Json]:
    """What the document replaces, adds to or renders; a document that is replaced is superseded."""
    found = []
    for related in mapping.root.findall("relatedDocument"):
        relation = _RELATIONS.get(related.get("typeCode") or "")
        parent = related.find("parentDocument")
        if relation is None or parent is None or not (number := _number(parent)):
            continue
        code = code_of(parent) or kind
        key = document_key(mapping.patient_key, number, code, "")
        target = {"reference": f"DocumentReference/{mapping.mint('DocumentReference', key)}"}
        found.append({"code": relation, "target": target})
        if relation == "replaces":
            with mapping.outside_section():
                mapping.put(
                    "DocumentReference",
                    key,
                    {
                        "masterIdentifier": identifiers(parent.findall("id"))[0],
                        "identifier": identifiers(parent.findall("id")),
                        "status": "superseded",
                        "subject": mapping.patient,
                        "content": [{"attachment": {"title": "Replaced document"}}],
                    },
                    mode="partial",
                )
    return found


def _body(mapping: Mapping, body: Element, title: str) -> Json | None:
    """What an unstructured document holds, or points at."""
    text = body.find("text")
    if text is None:
        return None
    kind = said(text.get("mediaType")) or "application/octet-stream"
    reference = text.find("reference")
    value = said(reference.get("value")).replace(" ", "%20") if reference is not None else ""
    if value:
        return {"contentType": kind, "url": value, "title": title or "Referenced content"}
    words = (text.text or "").strip()
    if not words:
        mapping.fault("The body of the document is empty.")
        return None
    if (text.get("representation") or "").upper() == "B64":
        data = "".join(words.split())
        try:
            from_base64(data)
        except ValueError:
            mapping.fault("The body of the document is no base64, and cannot be read.")
            return None
    else:
        data = as_base64("".join(text.itertext()).encode())
        kind = kind if kind.startswith("text/") else "text/plain"
    return {"contentType": kind, "data": data, "title": title or "Content of the document"}
