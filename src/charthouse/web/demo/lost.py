"""Two messages that cannot be filed as they come, each for a reason that a person can mend."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from charthouse.teaching.api import flag, hl7_minute, message, panels, person_name, segment

from .days import Calendar, fhir_time
from .hl7 import HOSPITAL
from .hospital import msh


def lost_result(calendar: Calendar, number: str) -> bytes:
    """A potassium of somebody whose record number is missing in PID-3. The number is to be looked up and put in."""
    at = calendar.at("-1d 16:40")
    panel = panels()["bmp"]
    test = panel.tests["K"]
    reported = at + timedelta(minutes=35)
    filler = f"L{at:%y%m%d}771201^{HOSPITAL}"
    return message(
        [
            msh("ORU^R01^ORU_R01", number, reported),
            segment("PID", {1: 1, 5: person_name(["Okonjo-Reyes", "Marcus", "D"]), 7: "19620904", 8: "M"}),
            segment("ORC", {1: "RE", 3: filler}),
            segment(
                "OBR",
                {1: 1, 3: filler, 4: panel.code, 7: hl7_minute(at), 22: hl7_minute(reported), 24: "CH", 25: "F"},
            ),
            segment(
                "OBX",
                {
                    1: 1,
                    2: "NM",
                    3: test.code,
                    5: "5.6",
                    6: test.unit,
                    7: test.range,
                    8: flag(5.6, test),
                    11: "F",
                    14: hl7_minute(at),
                },
            ),
            segment("NTE", {1: 1, 2: "L", 3: "Specimen label re-printed at the bench. No hemolysis."}),
        ]
    )


def early_result(calendar: Calendar, number: str) -> dict[str, Any]:
    """A reading of a patient the clinic has not sent yet: ``docs/examples/late-patient.json`` is that patient."""
    return {
        "resourceType": "Bundle",
        "id": number,
        "type": "collection",
        "entry": [
            {
                "resource": {
                    "resourceType": "Observation",
                    "id": "rc-obs-9001",
                    "status": "final",
                    "category": [
                        {
                            "coding": [
                                {
                                    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                    "code": "laboratory",
                                }
                            ]
                        }
                    ],
                    "code": {
                        "coding": [{"system": "http://loinc.org", "code": "4548-4", "display": "Hemoglobin A1c"}],
                        "text": "Hemoglobin A1c",
                    },
                    "subject": {"reference": "Patient/rc-9001"},
                    "effectiveDateTime": fhir_time(calendar.at("-2d 09:20")),
                    "valueQuantity": {"value": 7.9, "unit": "%"},
                }
            }
        ],
    }
