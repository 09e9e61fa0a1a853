"""Names of code systems and assigning authorities as URIs.

Code system names are HL7 table 0396. An authority known only by a namespace becomes ``urn:id:`` and the name; that
is the form HL7's own converters use, and keeps two senders' namespaces apart only by their names: whoever stores
identifiers adds the sender.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote

SSN: Final = "http://hl7.org/fhir/sid/us-ssn"
NPI: Final = "http://hl7.org/fhir/sid/us-npi"
UCUM: Final = "http://unitsofmeasure.org"
V2: Final = "http://terminology.hl7.org/CodeSystem/v2-"

_NAMES = {
    "LN": "http://loinc.org",
    "LOINC": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    "SCT2": "http://snomed.info/sct",
    "SNM3": "http://snomed.info/sct",
    "SNOMED": "http://snomed.info/sct",
    "SNOMEDCT": "http://snomed.info/sct",
    "SNOMED-CT": "http://snomed.info/sct",
    "I9": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9CDX": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9CM": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9M": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9CP": "http://hl7.org/fhir/sid/icd-9-cm",
    "ICD9": "http://hl7.org/fhir/sid/icd-9-cm",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "I10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD-10-CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "I10P": "http://www.cms.gov/Medicare/Coding/ICD10",
    "ICD10PCS": "http://www.cms.gov/Medicare/Coding/ICD10",
    "ICDO3": "http://terminology.hl7.org/CodeSystem/icd-o-3",
    "C4": "http://www.ama-assn.org/go/cpt",
    "CPT": "http://www.ama-assn.org/go/cpt",
    "CPT4": "http://www.ama-assn.org/go/cpt",
    "C5": "http://www.ama-assn.org/go/cpt",
    "HCPCS": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "HPC": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "NDC": "http://hl7.org/fhir/sid/ndc",
    "RXN": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "MVX": "http://hl7.org/fhir/sid/mvx",
    "UCUM": UCUM,
    "CDCREC": "urn:oid:2.16.840.1.113883.6.238",
    "CDCPHINVS": "urn:oid:2.16.840.1.114222.4.5.274",
    "PHINVS": "urn:oid:2.16.840.1.114222.4.5.274",
    "NIP001": "urn:oid:2.16.840.1.113883.12.292",
    "NIP002": "urn:oid:2.16.840.1.113883.12.293",
    "CDCGS1VIS": "urn:oid:2.16.840.1.114222.4.5.307",
    "NCIT": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "MDC": "urn:iso:std:iso:11073:10101",
    "UNII": "http://fdasis.nlm.nih.gov",
    "NUCC": "http://nucc.org/provider-taxonomy",
    "NUBC": "https://www.nubc.org/CodeSystem/PatDischargeStatus",
    "ISO3166_1": "urn:iso:std:iso:3166",
    "ISO3166-1": "urn:iso:std:iso:3166",
    "ISO3166_2": "urn:iso:std:iso:3166:-2",
    "ISO639": "urn:iso:std:iso:639:-2",
    "ISO639_2": "urn:iso:std:iso:639:-2",
    "IETF": "urn:ietf:bcp:47",
    "MSDRG": "urn:oid:2.16.840.1.113883.6.301",
    "ATC": "http://www.whocc.no/atc",
    "ICPC": "http://hl7.org/fhir/sid/icpc-1",
    "MEDR": "https://www.meddra.org",
    "ART": "urn:id:ART",
}
_HL7_TABLE = re.compile(r"(?:HL7|V2-)-?(\d{1,4})", re.IGNORECASE)
_OID = re.compile(r"[0-2](\.(0|[1-9]\d*))+", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@lru_cache(maxsize=2048)
def code_system(name: str, oid: str = "") -> str | None:
    """The URI of a code system by its name in table 0396 (CWE.3) and its OID (CWE.14).

    None for no name and for ``L``, which means: a local code of the sender.
    """
    key = name.strip().upper()
    known = _NAMES.get(key)
    if known:
        return known
    table = _HL7_TABLE.fullmatch(key)
    if table:
        number = table[1].zfill(4)
        return V2 + (number[-4:])
    if oid and _OID.fullmatch(oid):
        return f"urn:oid:{oid}"
    if not key or key == "L":
        return None
    if _OID.fullmatch(key):
        return f"urn:oid:{key}"
    if key.startswith(("HTTP://", "HTTPS://", "URN:")) and " " not in name.strip():
        return name.strip()
    return "urn:id:" + quote(name.strip(), safe="")


@lru_cache(maxsize=2048)
def authority(namespace: str, universal: str, kind: str) -> str | None:
    """The URI of an assigning authority (HD): OID, UUID or URI where given, else ``urn:id:`` and its name."""
    if universal:
        if _OID.fullmatch(universal) and kind.upper() in ("ISO", "", "HCD"):
            return f"urn:oid:{universal}"
        if _UUID.fullmatch(universal):
            return f"urn:uuid:{universal.lower()}"
        if kind.upper() == "URI" and " " not in universal:
            return universal
        if kind.upper() == "DNS" and " " not in universal:
            return f"urn:id:{quote(universal, safe='.')}"
    name = namespace or universal
    return "urn:id:" + quote(name, safe="") if name else None


# Units that laboratories write in one way and UCUM in another (or the same, without saying UCUM).
_UNITS = {
    "%": "%",
    "g/dl": "g/dL",
    "gm/dl": "g/dL",
    "g/l": "g/L",
    "mg/dl": "mg/dL",
    "mg/l": "mg/L",
    "ug/dl": "ug/dL",
    "mcg/dl": "ug/dL",
    "ug/l": "ug/L",
    "mcg/l": "ug/L",
    "ug/ml": "ug/mL",
    "mcg/ml": "ug/mL",
    "ng/ml": "ng/mL",
    "ng/dl": "ng/dL",
    "ng/l": "ng/L",
    "pg/ml": "pg/mL",
    "pg": "pg",
    "fl": "fL",
    "mmol/l": "mmol/L",
    "umol/l": "umol/L",
    "nmol/l": "nmol/L",
    "pmol/l": "pmol/L",
    "meq/l": "meq/L",
    "u/l": "U/L",
    "iu/l": "[IU]/L",
    "iu/ml": "[IU]/mL",
    "uiu/ml": "u[IU]/mL",
    "miu/ml": "m[IU]/mL",
    "miu/l": "m[IU]/L",
    "k/ul": "10*3/uL",
    "k/mm3": "10*3/uL",
    "x10e3/ul": "10*3/uL",
    "x10(3)/ul": "10*3/uL",
    "10*3/ul": "10*3/uL",
    "10^3/ul": "10*3/uL",
    "thou/ul": "10*3/uL",
    "10*9/l": "10*9/L",
    "giga.l-1": "10*9/L",
    "tera.l-1": "10*12/L",
    "10*12/l": "10*12/L",
    "10*6/ul": "10*6/uL",
    "10^6/ul": "10*6/uL",
    "m/ul": "10*6/uL",
    "x10e6/ul": "10*6/uL",
    "mil/ul": "10*6/uL",
    "/hpf": "/[HPF]",
    "/lpf": "/[LPF]",
    "mm/hr": "mm/h",
    "mm/h": "mm/h",
    "sec": "s",
    "seconds": "s",
    "mmhg": "mm[Hg]",
    "mm hg": "mm[Hg]",
    "mm[hg]": "mm[Hg]",
    "bpm": "/min",
    "beats/min": "/min",
    "breaths/min": "/min",
    "/min": "/min",
    "kg": "kg",
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "cm": "cm",
    "in": "[in_i]",
    "inches": "[in_i]",
    "kg/m2": "kg/m2",
    "degf": "[degF]",
    "deg f": "[degF]",
    "degc": "Cel",
    "deg c": "Cel",
    "cel": "Cel",
    "ml": "mL",
    "mg": "mg",
    "mcg": "ug",
    "ml/min": "mL/min",
    "ml/min/1.73m2": "mL/min/{1.73_m2}",
    "ml/min/1.73 m2": "mL/min/{1.73_m2}",
    "mosm/kg": "mosm/kg",
}


def ucum_of(unit: str) -> str | None:
    """The UCUM code of a unit as laboratories write it, or None where it is not known beyond doubt."""
    return _UNITS.get(unit.lower())


# ISO 639-2 and the two-letter codes senders use for languages (HL7 table 0296), to BCP 47.
_LANGUAGES = {
    "ara": "ar", "hye": "hy", "arm": "hy", "ben": "bn", "bos": "bs", "bul": "bg", "mya": "my", "bur": "my",
    "cat": "ca", "zho": "zh", "chi": "zh", "cmn": "zh", "yue": "yue", "hrv": "hr", "ces": "cs", "cze": "cs",
    "dan": "da", "nld": "nl", "dut": "nl", "eng": "en", "est": "et", "fin": "fi", "fra": "fr", "fre": "fr",
    "kat": "ka", "geo": "ka", "deu": "de", "ger": "de", "ell": "el", "gre": "el", "guj": "gu", "hat": "ht",
    "hau": "ha", "heb": "he", "hin": "hi", "hmn": "hmn", "hun": "hu", "isl": "is", "ice": "is", "ibo": "ig",
    "ind": "id", "ita": "it", "jpn": "ja", "kan": "kn", "khm": "km", "kor": "ko", "kur": "ku", "lao": "lo",
    "lav": "lv", "lit": "lt", "mkd": "mk", "mac": "mk", "msa": "ms", "may": "ms", "mal": "ml", "mar": "mr",
    "mon": "mn", "nep": "ne", "nav": "nv", "nor": "no", "orm": "om", "pus": "ps", "fas": "fa", "per": "fa",
    "pol": "pl", "por": "pt", "pan": "pa", "ron": "ro", "rum": "ro", "rus": "ru", "smo": "sm", "srp": "sr",
    "slk": "sk", "slo": "sk", "slv": "sl", "som": "so", "spa": "es", "swa": "sw", "swe": "sv", "tgl": "tl",
    "tam": "ta", "tel": "te", "tha": "th", "tir": "ti", "tur": "tr", "ukr": "uk", "urd": "ur", "uzb": "uz",
    "vie": "vi", "yid": "yi", "yor": "yo", "sgn": "sgn", "ase": "ase", "amh": "am",
}  # fmt: skip
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{2}))?")


def language_tag(code: str) -> str | None:
    """A language code (ISO 639-1, 639-2 or BCP 47) as BCP 47 tag, or None where it is none of these."""
    found = _TAG.fullmatch(code)
    if found is None:
        return None
    primary = found[1].lower()
    primary = _LANGUAGES.get(primary, primary)
    if len(primary) == 3 and primary not in _LANGUAGES.values():
        return None
    return f"{primary}-{found[2].upper()}" if found[2] else primary
