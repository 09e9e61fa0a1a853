"""Object identifiers as the URIs FHIR knows the same by, both ways.

From HL7's registry of identifier systems (terminology.hl7.org, "Using Codes" in FHIR R4).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM: Final = "http://unitsofmeasure.org"
CVX: Final = "http://hl7.org/fhir/sid/cvx"
NPI: Final = "http://hl7.org/fhir/sid/us-npi"
SSN: Final = "http://hl7.org/fhir/sid/us-ssn"
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

_V3 = "http://terminology.hl7.org/CodeSystem/v3-"
_URIS: dict[str, str] = {
    "2.16.840.1.113883.6.1": LOINC,
    "2.16.840.1.113883.6.96": SNOMED,
    "2.16.840.1.113883.6.88": RXNORM,
    "2.16.840.1.113883.6.8": UCUM,
    "2.16.840.1.113883.12.292": CVX,
    "2.16.840.1.113883.6.59": CVX,
    "2.16.840.1.113883.12.227": "http://hl7.org/fhir/sid/mvx",
    "2.16.840.1.113883.6.60": "http://hl7.org/fhir/sid/mvx",
    "2.16.840.1.113883.6.90": "http://hl7.org/fhir/sid/icd-10-cm",
    "2.16.840.1.113883.6.3": "http://hl7.org/fhir/sid/icd-10",
    "2.16.840.1.113883.6.4": "http://www.cms.gov/Medicare/Coding/ICD10",
    "2.16.840.1.113883.6.103": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.104": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.42": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.2": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.12": "http://www.ama-assn.org/go/cpt",
    "2.16.840.1.113883.6.285": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "2.16.840.1.113883.6.14": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "2.16.840.1.113883.6.13": "http://www.ada.org/cdt",
    "2.16.840.1.113883.6.69": "http://hl7.org/fhir/sid/ndc",
    "2.16.840.1.113883.4.9": "http://fdasis.nlm.nih.gov",
    "2.16.840.1.113883.3.26.1.5": "http://hl7.org/fhir/ndfrt",
    "2.16.840.1.113883.3.26.1.1": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "2.16.840.1.113883.6.345": "http://www.nlm.nih.gov/research/umls/medrt",
    "2.16.840.1.113883.6.101": "http://nucc.org/provider-taxonomy",
    "2.16.840.1.113883.6.238": "urn:oid:2.16.840.1.113883.6.238",
    "2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "2.16.840.1.113883.6.24": "urn:iso:std:iso:11073:10101",
    "2.16.840.1.113883.6.43.1": "http://terminology.hl7.org/CodeSystem/icd-o-3",
    "2.16.840.1.113883.6.121": "urn:ietf:bcp:47",
    "2.16.840.1.113883.6.316": "urn:ietf:bcp:47",
    "2.16.840.1.113883.6.301.5": "https://www.nubc.org/CodeSystem/PatDischargeStatus",
    "2.16.840.1.113883.6.301.3": "https://www.nubc.org/CodeSystem/RevenueCodes",
    "2.16.840.1.113883.6.259": "https://www.cdc.gov/nhsn/cdaportal/terminology/codesystem/hsloc.html",
    "2.16.840.1.113883.3.221.5": "https://nahdo.org/sopt",
    "2.16.840.1.113883.6.255.1336": "urn:oid:2.16.840.1.113883.6.255.1336",
    "2.16.840.1.113883.5.4": ACT_CODE,
    "2.16.840.1.113883.5.1": _V3 + "AdministrativeGender",
    "2.16.840.1.113883.5.2": _V3 + "MaritalStatus",
    "2.16.840.1.113883.5.6": _V3 + "ActClass",
    "2.16.840.1.113883.5.7": _V3 + "ActPriority",
    "2.16.840.1.113883.5.8": _V3 + "ActReason",
    "2.16.840.1.113883.5.14": _V3 + "ActStatus",
    "2.16.840.1.113883.5.25": CONFIDENTIALITY,
    "2.16.840.1.113883.5.53": _V3 + "IntegrityCheckAlgorithm",
    "2.16.840.1.113883.5.60": _V3 + "LanguageAbilityMode",
    "2.16.840.1.113883.5.63": _V3 + "LivingArrangement",
    "2.16.840.1.113883.5.83": _V3 + "ObservationInterpretation",
    "2.16.840.1.113883.5.84": _V3 + "ObservationMethod",
    "2.16.840.1.113883.5.85": _V3 + "orderableDrugForm",
    "2.16.840.1.113883.5.88": _V3 + "ParticipationFunction",
    "2.16.840.1.113883.5.89": _V3 + "ParticipationMode",
    "2.16.840.1.113883.5.90": _V3 + "ParticipationType",
    "2.16.840.1.113883.5.110": _V3 + "RoleClass",
    "2.16.840.1.113883.5.111": _V3 + "RoleCode",
    "2.16.840.1.113883.5.112": _V3 + "RouteOfAdministration",
    "2.16.840.1.113883.5.129": _V3 + "SpecimenType",
    "2.16.840.1.113883.5.139": _V3 + "TimingEvent",
    "2.16.840.1.113883.5.1001": _V3 + "ActMood",
    "2.16.840.1.113883.5.1002": _V3 + "ActRelationshipType",
    "2.16.840.1.113883.5.1008": _V3 + "NullFlavor",
    "2.16.840.1.113883.5.1063": _V3 + "ObservationValue",
    "2.16.840.1.113883.5.1070": _V3 + "SubstanceAdminSubstitution",
    "2.16.840.1.113883.5.1076": _V3 + "ReligiousAffiliation",
    "2.16.840.1.113883.5.1119": _V3 + "AddressUse",
    "2.16.840.1.113883.1.11.19563": _V3 + "RoleCode",
    "2.16.840.1.113883.12.1": "http://terminology.hl7.org/CodeSystem/v2-0001",
    "1.2.840.10008.2.16.4": "http://dicom.nema.org/resources/ontology/DCM",
    "1.2.840.10008.6.1": "http://dicom.nema.org/resources/ontology/DCM",
}
_IDENTIFIERS = {
    "2.16.840.1.113883.4.6": NPI,
    "2.16.840.1.113883.4.1": SSN,
    "2.16.840.1.113883.4.572": "http://hl7.org/fhir/sid/us-medicare",
    "2.16.840.1.113883.4.4": "urn:oid:2.16.840.1.113883.4.4",
}
_OIDS = {
    uri: oid
    for oid, uri in reversed(list(_URIS.items()) + list(_IDENTIFIERS.items()))
    if not uri.startswith("urn:oid:")
}
#: The names documents give code systems, where they leave out the OID.
_NAMES = {
    "loinc": LOINC,
    "snomed ct": SNOMED,
    "snomed-ct": SNOMED,
    "snomedct": SNOMED,
    "snomed": SNOMED,
    "rxnorm": RXNORM,
    "cvx": CVX,
    "icd-10-cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd10": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd-10": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd-9-cm": "http://hl7.org/fhir/sid/icd-9-cm",
    "icd9": "http://hl7.org/fhir/sid/icd-9-cm",
    "icd-9": "http://hl7.org/fhir/sid/icd-9-cm",
    "ndc": "http://hl7.org/fhir/sid/ndc",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "cpt-4": "http://www.ama-assn.org/go/cpt",
    "cpt4": "http://www.ama-assn.org/go/cpt",
}
_OID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII)
_LOOSE_OID = re.compile(r"(?:urn:oid:)?([0-2](?:\.\d+)+)\.?", re.ASCII | re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@lru_cache(maxsize=4096)
def code_system(oid: str, name: str = "") -> str | None:
    """The URI of a code system by its OID, or by its name where the OID is wanting; None where neither says."""
    known = _URIS.get(oid)
    if known:
        return known
    if oid:
        loose = _LOOSE_OID.fullmatch(oid.strip())
        if loose:
            return _URIS.get(loose[1]) or _table(loose[1]) or f"urn:oid:{loose[1]}"
        if _UUID.fullmatch(oid):
            return f"urn:uuid:{oid.lower()}"
        if oid.startswith(("http://", "https://", "urn:")) and " " not in oid:
            return oid
    name = name.strip()
    if name.startswith(("http://", "https://", "urn:")) and " " not in name:
        return name
    return _NAMES.get(name.lower()) if name else None


_V2 = "http://terminology.hl7.org/CodeSystem/v2-"
_TABLE = re.compile(r"2\.16\.840\.1\.113883\.12\.(\d{1,4})", re.ASCII)


def _table(oid: str) -> str | None:
    """A table of HL7 v2 by its OID."""
    found = _TABLE.fullmatch(oid)
    return f"{_V2}{found[1].zfill(4)}" if found else None


@lru_cache(maxsize=4096)
def identifier_system(root: str) -> str | None:
    """The URI of an II's root; None where it is none that can be written as one."""
    known = _IDENTIFIERS.get(root)
    if known:
        return known
    text = root.strip()
    if loose := _LOOSE_OID.fullmatch(text):
        return f"urn:oid:{loose[1]}"
    if _UUID.fullmatch(text):
        return f"urn:uuid:{text.lower()}"
    return None


@lru_cache(maxsize=4096)
def oid_of(uri: str) -> str | None:
    """The OID of a code system or of an identifier's system; None where none is known."""
    known = _OIDS.get(uri)
    if known:
        return known
    if uri.startswith(_V2) and uri[len(_V2) :].isdigit():
        return f"2.16.840.1.113883.12.{int(uri[len(_V2) :])}"
    if uri.startswith("urn:oid:") and _OID.fullmatch(uri[8:]):
        return uri[8:]
    return None


def is_uuid(text: str) -> bool:
    """Whether ``text`` is a UUID as an II's root may be."""
    return _UUID.fullmatch(text) is not None
