"""Build ``exchange/hl7v2/data/tables.json`` from HL7's v2-to-FHIR concept maps.

Source: HL7/v2-to-fhir, folder ``mappings/codesystems`` (https://github.com/HL7/v2-to-fhir), CC0 1.0. Each CSV maps
codes of a v2 table to codes of a FHIR code system. Kept are the maps the codec uses, and of these the rows that
have a v2 code and a FHIR code; the tables' other rows (FHIR codes without a v2 code, comments) say nothing to a
reader of v2.

Usage: python tools/build_v2_tables.py FOLDER_WITH_THE_CSV_FILES
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src/charthouse/exchange/hl7v2/data/tables.json"
PREFIX, SUFFIX = "HL7 Concept Map_ ", " - Sheet1.csv"

MAPS = {
    "AdditivePreservative": "additive",
    "AddressType[Type]": "address-type",
    "AddressType[Use]": "address-use",
    "AdministrationMethod": "administration-method",
    "AdministrativeSex": "sex",
    "AdmissionLevelOfCareCode": "level-of-care",
    "AdmissionType": "admission-type",
    "AllergenType[AllergyIntoleranceCategory]": "allergy-category",
    "AllergySeverity[AllergyIntolerance.criticality]": "allergy-criticality",
    "AllergySeverity[AllergyIntolerance.reaction.severity]": "allergy-severity",
    "AllergyType": "allergy-type",
    "AllowSubstitution": "substitution",
    "AmbulatoryStatus": "ambulatory-status",
    "AppointmentReasonCodes": "appointment-reason",
    "AppointmentTypeCodes": "appointment-type",
    "BodyParts": "body-part",
    "BodySite": "body-site",
    "CompletionStatus": "completion-status",
    "ConfidentialityCode": "confidentiality",
    "ContactRole": "contact-role",
    "DiagnosisType": "diagnosis-type",
    "DiagnosticServiceSectionID": "diagnostic-service",
    "DocumentConfidentialityStatus": "document-confidentiality",
    "EncounterPriority": "encounter-priority",
    "ExtendedPriorityCodes": "priority",
    "FillerStatusCodes[Appointment]": "appointment-status",
    "HospitalService": "hospital-service",
    "IdentifierType": "identifier-type",
    "InterpretationCodes": "interpretation",
    "LivingWillCode": "living-will",
    "MaritalStatus": "marital-status",
    "ModeOfArrivalCode": "mode-of-arrival",
    "NameType": "name-use",
    "NatureOfAbnormalTesting": "nature-of-abnormal",
    "ObservationResultStatusCodesInterpretation": "observation-status",
    "OrderControlCode[ServiceRequest.status]": "order-control-status",
    "OrderStatus": "order-status",
    "OrderType": "order-type",
    "PatientClass[EncounterClass]": "encounter-class",
    "PatientClass[EncounterStatus]": "encounter-status",
    "ProviderRole": "provider-role",
    "PublicityCode": "publicity",
    "ReadmissionIndicator": "readmission",
    "Relationship": "relationship",
    "Religion": "religion",
    "ResultStatus[Non-Queries]": "report-status",
    "RouteOfAdministration": "route",
    "SpecimenCollectionMethod": "collection-method",
    "SpecimenCondition": "specimen-condition",
    "SpecimenType": "specimen-type",
    "TelecommunicationEquipmentType": "telecom-equipment",
    "TelecommunicationUseCode": "telecom-use",
    "YesNoIndicator[AvailabilityStatus]": "specimen-availability",
}


def read_map(path: Path) -> dict[str, list[str]]:
    """``{v2 code: [FHIR code, display, system]}`` of one CSV. The first row of a v2 code counts."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    header = rows[1]
    first = 6
    code = header.index("Code", first)
    system = header.index("Code System", first)
    found: dict[str, list[str]] = {}
    for row in rows[2:]:
        cells = [" ".join(cell.split()) for cell in row] + [""] * len(header)
        if not cells[0] or not cells[code] or not cells[system].startswith(("http", "urn:")) or " " in cells[code]:
            continue
        found.setdefault(
            cells[0].upper(), [cells[code], " ".join(filter(None, cells[code + 1 : system])), cells[system]]
        )
    return found


def main(folder: Path) -> None:
    """Write the compact file: systems once, and per map the v2 table and its codes."""
    systems: dict[str, int] = {}
    maps: dict[str, dict[str, list[object]]] = {}
    for source, name in MAPS.items():
        rows = read_map(folder / f"{PREFIX}{source}{SUFFIX}")
        maps[name] = {
            key: [target, display, systems.setdefault(system, len(systems))]
            for key, (target, display, system) in sorted(rows.items())
        }
    document = {
        "source": "HL7/v2-to-fhir, mappings/codesystems, CC0 1.0; built by tools/build_v2_tables.py",
        "systems": list(systems),
        "maps": maps,
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
