"""Charts as hospitals elsewhere send them, written by hand from the rules' text: in FHIR and HL7 v2, with codes and
habits of their own. What each is to lack stands beside it; none of the people lives."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from charthouse.completion.domain.findings import Finding
from charthouse.completion.queries import all_encounters, findings_of
from charthouse.foundation.access.api import system_context
from charthouse.foundation.clock import frozen
from charthouse.intake.api import Connector, take_in

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SYSTEM = system_context("tests")
LOINC = "http://loinc.org"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PCS = "http://hl7.org/fhir/sid/icd-10-pcs"
SNOMED = "http://snomed.info/sct"
Json = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """What a sender sends, in its order, and what the chart then lacks, as ``kind what``."""

    name: str
    sent: tuple[bytes, ...]
    lacks: tuple[str, ...] = ()
    owed: dict[str, str] = field(default_factory=dict)


# FHIR


def bundle(*resources: Json) -> bytes:
    return orjson.dumps(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    )


def encounter(code: str = "IMP", **more: Any) -> Json:
    return {
        "resourceType": "Encounter", "id": "e", "status": "finished", "class": {"system": ACT, "code": code},
        "subject": {"reference": "Patient/p"}, "identifier": [{"system": "urn:far:visits", "value": "V1"}],
        "period": {"start": "2026-03-02T08:00:00-05:00", "end": "2026-03-05T15:00:00-05:00"},
        "participant": [{
            "type": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                                  "code": "ATND"}]}],
            "individual": {"reference": "Practitioner/a", "display": "Ada Tending"},
        }],
        **more,
    }  # fmt: skip


PEOPLE = (
    {
        "resourceType": "Patient", "id": "p", "birthDate": "1950-02-03", "gender": "male",
        "name": [{"family": "Farlow", "given": ["Ned"]}], "identifier": [{"system": "urn:far:mrn", "value": "F1"}],
    },
    {"resourceType": "Practitioner", "id": "a",
     "name": [{"family": "Tending", "given": ["Ada"], "suffix": ["MD"]}]},
    {"resourceType": "Practitioner", "id": "s", "name": [{"family": "Cutter", "given": ["Sol"], "suffix": ["MD"]}]},
)  # fmt: skip


def note(code: str, at: str, by: str = "a", system: str = LOINC, text: str = "Seen.", **more: Any) -> Json:
    who = {"reference": f"Practitioner/{by}"}
    return {
        "resourceType": "DocumentReference", "id": f"n{code.replace('&', '')}{at[8:13]}".replace("T", "-"),
        "status": "current", "docStatus": "final", "subject": {"reference": "Patient/p"},
        "type": {"coding": [{"system": system, "code": code}]}, "date": f"{at}-05:00", "author": [who],
        "authenticator": who,
        "content": [
            {"attachment": {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode()}}
        ],
        "context": {"encounter": [{"reference": "Encounter/e"}]}, **more,
    }  # fmt: skip


HISTORY = note("34117-2", "2026-03-02T11:00:00")
SUMMARY = note("18842-5", "2026-03-06T09:00:00")
OPERATION = {
    "resourceType": "Procedure", "id": "o", "status": "completed", "subject": {"reference": "Patient/p"},
    "encounter": {"reference": "Encounter/e"},
    "code": {"coding": [{"system": PCS, "code": "0SRC0J9"}], "text": "Replacement of right knee joint"},
    "performedPeriod": {"start": "2026-03-03T09:00:00-05:00", "end": "2026-03-03T11:00:00-05:00"},
    "performer": [{"function": {"coding": [{"system": SNOMED, "code": "304292004"}]},
                   "actor": {"reference": "Practitioner/s"}}],
}  # fmt: skip
CONSENT = note("59284-0", "2026-03-03T07:00:00", "s")
REPORT = note("11504-8", "2026-03-03T13:00:00", "s")


def composition(code: str, status: str = "final") -> Json:
    who = {"reference": "Practitioner/a"}
    return {
        "resourceType": "Composition", "id": f"c{code}", "status": status, "title": "Summary",
        "type": {"coding": [{"system": LOINC, "code": code}]}, "subject": {"reference": "Patient/p"},
        "encounter": {"reference": "Encounter/e"}, "date": "2026-03-06T10:00:00-05:00", "author": [who],
        "attester": [{"mode": "legal", "party": who, "time": "2026-03-06T10:05:00-05:00"}],
    }  # fmt: skip


def goes(system: str, code: str) -> Json:
    return {"hospitalization": {"dischargeDisposition": {"coding": [{"system": system, "code": code}]}}}


NUBC = "https://www.nubc.org/CodeSystem/PatDischargeStatus"
FHIR = (
    Chart("whole", (bundle(*PEOPLE, encounter(), HISTORY, SUMMARY),)),
    Chart(
        "an encounter and nothing else",
        (bundle(*PEOPLE, encounter()),),
        ("discharge-summary missing", "history-and-physical missing"),
        {"discharge-summary missing": "Tending", "history-and-physical missing": "Tending"},
    ),
    Chart("a visit to a clinic", (bundle(*PEOPLE, encounter("AMB")),)),
    Chart("planned and never begun", (bundle(*PEOPLE, encounter(status="cancelled")),)),
    Chart("still in bed", (bundle(*PEOPLE, encounter(status="in-progress"), HISTORY),)),
    Chart("a composition as summary", (bundle(*PEOPLE, encounter(), HISTORY, composition("18842-5")),)),
    Chart(
        "a composition that is preliminary",
        (bundle(*PEOPLE, encounter(), HISTORY, composition("18842-5", "preliminary")),),
        ("authentication unsigned",),
        {"authentication unsigned": "Tending"},
    ),
    Chart(
        "an operation with all that it needs",
        (bundle(*PEOPLE, encounter(), HISTORY, SUMMARY, OPERATION, CONSENT, REPORT),),
    ),
    Chart(
        "an operation and nothing of it",
        (bundle(*PEOPLE, encounter(), HISTORY, SUMMARY, OPERATION),),
        ("consent missing", "operative-report missing"),
        {"consent missing": "Cutter", "operative-report missing": "Cutter"},
    ),
    Chart(
        "an operation with its side in words, and a report of the other",
        (
            bundle(
                *PEOPLE,
                encounter(),
                HISTORY,
                SUMMARY,
                OPERATION,
                CONSENT,
                note("11504-8", "2026-03-03T13:00:00", "s", text="PROCEDURE: left knee replacement"),
            ),
        ),
        ("laterality unfit",),
    ),
    Chart(
        "an emergency operation, its history after it",
        (
            bundle(
                *PEOPLE,
                encounter(),
                SUMMARY,
                REPORT,
                note("34117-2", "2026-03-03T07:50:00"),
                {
                    **OPERATION,
                    "category": {"coding": [{"system": SNOMED, "code": "373110003"}]},
                    "performedPeriod": {
                        "start": "2026-03-03T02:00:00-05:00",
                        "end": "2026-03-03T07:00:00-05:00",
                    },
                },
            ),
        ),
    ),
    Chart(
        "a procedure that was not done",
        (bundle(*PEOPLE, encounter(), HISTORY, SUMMARY, {**OPERATION, "status": "not-done"}),),
    ),
    Chart(
        "a note that was replaced",
        (
            bundle(*PEOPLE, encounter(), HISTORY, {**SUMMARY, "id": "old", "docStatus": "preliminary"}),
            bundle(
                {**SUMMARY, "id": "old", "status": "superseded", "docStatus": "preliminary"},
                {
                    **SUMMARY,
                    "id": "new",
                    "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/old"}}],
                },
            ),
        ),
    ),
    Chart(
        "an addendum that nobody signed",
        (
            bundle(
                *PEOPLE,
                encounter(),
                HISTORY,
                SUMMARY,
                {
                    **SUMMARY,
                    "id": "more",
                    "docStatus": "preliminary",
                    "relatesTo": [
                        {"code": "appends", "target": {"reference": f"DocumentReference/{SUMMARY['id']}"}}
                    ],
                },
            ),
        ),
        ("authentication unsigned",),
    ),
    Chart(
        "an addendum in place of the summary",
        (
            bundle(
                *PEOPLE,
                encounter(),
                HISTORY,
                {
                    **SUMMARY,
                    "relatesTo": [
                        {"code": "appends", "target": {"reference": f"DocumentReference/{HISTORY['id']}"}}
                    ],
                },
            ),
        ),
        ("discharge-summary missing",),
    ),
    Chart(
        "died, by the code of bills: a final progress note is not enough",
        (
            bundle(
                *PEOPLE,
                encounter(
                    period={"start": "2026-03-02T08:00:00-05:00", "end": "2026-03-03T08:00:00-05:00"},
                    **goes(NUBC, "20"),
                ),
                HISTORY,
                note("28574-2", "2026-03-03T07:00:00"),
            ),
        ),
        ("discharge-summary missing",),
    ),
    Chart(
        "died, with a death summary",
        (bundle(*PEOPLE, encounter(**goes(NUBC, "20")), HISTORY, note("47046-8", "2026-03-06T09:00:00")),),
    ),
    Chart(
        "left against advice, by the code of bills",
        (bundle(*PEOPLE, encounter(**goes(NUBC, "07")), HISTORY, SUMMARY),),
        ("against-advice missing",),
    ),
    Chart(
        "seven days at home is no leaving against advice",
        (bundle(*PEOPLE, encounter(**goes("urn:far:dispositions", "07")), HISTORY, SUMMARY),),
    ),
    Chart(
        "an emergency visit without record or disposition",
        (bundle(*PEOPLE, encounter("EMER")),),
        ("emergency-disposition missing", "emergency-record missing"),
    ),
    Chart(
        "an emergency visit with both",
        (
            bundle(
                *PEOPLE,
                encounter(
                    "EMER",
                    **goes("http://terminology.hl7.org/CodeSystem/discharge-disposition", "home"),
                    period={"start": "2026-03-02T08:00:00-05:00", "end": "2026-03-02T12:00:00-05:00"},
                ),
                note("34878-9", "2026-03-02T10:00:00"),
            ),
        ),
    ),
    Chart(
        "a final progress note after a short stay, in codes of the sender's own",
        (
            bundle(
                *PEOPLE,
                encounter(period={"start": "2026-03-02T08:00:00-05:00", "end": "2026-03-04T07:59:00-05:00"}),
                note("H&P", "2026-03-02T11:00:00", system="urn:far:documents"),
                note("FPN", "2026-03-04T07:00:00", system="urn:far:documents"),
            ),
        ),
    ),
    Chart(
        "pathology of what was taken out, by LOINC, as a report",
        (
            bundle(
                *PEOPLE,
                encounter(),
                HISTORY,
                SUMMARY,
                CONSENT,
                REPORT,
                {**OPERATION, "code": {"coding": [{"system": PCS, "code": "0FT44ZZ"}]}},
                {
                    "resourceType": "DiagnosticReport",
                    "id": "path",
                    "status": "final",
                    "code": {"coding": [{"system": LOINC, "code": "11526-1"}]},
                    "subject": {"reference": "Patient/p"},
                    "encounter": {"reference": "Encounter/e"},
                    "issued": "2026-03-05T10:00:00-05:00",
                },
            ),
        ),
    ),
    Chart(
        "an operative report told as a report of results",
        (
            bundle(
                *PEOPLE,
                encounter(),
                HISTORY,
                SUMMARY,
                CONSENT,
                OPERATION,
                {
                    "resourceType": "DiagnosticReport",
                    "id": "op",
                    "status": "final",
                    "code": {"coding": [{"system": LOINC, "code": "11504-8"}]},
                    "subject": {"reference": "Patient/p"},
                    "encounter": {"reference": "Encounter/e"},
                    "issued": "2026-03-03T13:00:00-05:00",
                    "conclusion": "As planned.",
                    "resultsInterpreter": [{"reference": "Practitioner/s"}],
                },
            ),
        ),
    ),
    Chart(
        "a disposition and times of the first and the last year",
        (
            bundle(
                *PEOPLE,
                encounter(
                    period={"start": "2026-03-02T08:00:00-05:00", "end": "9999-12-31T23:59:59-05:00"},
                    status="in-progress",
                ),
                {**HISTORY, "date": "0001-01-01T00:00:00+14:00"},
            ),
        ),
    ),
)


# HL7 v2


def hl7(kind: str, number: str, at: str, *segments: str, patient: str = "H7") -> bytes:
    event = kind.partition("^")[2]
    lines = [
        f"MSH|^~\\&|FAR|ELSEWHERE|CHARTHOUSE|HIM|{at}-0500||{kind}|{number}|P|2.5.1",
        f"EVN|{event}|{at}-0500",
        f"PID|1||{patient}^^^FARHOSP^MR||Hollis^June^^^^^L||19480911|F",
        *segments,
    ]
    return ("\r".join(lines) + "\r").encode()


def visit(kind: str = "I", ended: str = "", disposition: str = "", admitted: str = "202603020800") -> str:
    fields = {
        1: "1", 2: kind, 3: "4W^410^1^FARHOSP", 7: "1112223334^Warden^Ira^^^^MD^^NPI", 10: "MED", 19: "VH7",
        36: disposition, 44: f"{admitted}-0500", 45: f"{ended}-0500" if ended else "",
    }  # fmt: skip
    return "PV1|" + "|".join(fields.get(place, "") for place in range(1, 46))


def txa(code: str, number: str, at: str, status: str = "AU", parent: str = "", signed: str = "") -> str:
    fields = {
        1: "1", 2: code, 3: "TX", 4: f"{at}-0500", 6: f"{at}-0500", 9: "1112223334^Warden^Ira^^^^MD^^NPI",
        12: number, 13: parent, 17: status, 22: signed,
    }  # fmt: skip
    return "TXA|" + "|".join(fields.get(place, "") for place in range(1, 23))


def lines(*told: str) -> tuple[str, ...]:
    return tuple(f"OBX|{place}|TX|NOTE^Note^L||{each}||||||F" for place, each in enumerate(told, 1))


IN = hl7("ADT^A01", "1", "20260302080000", visit(), "ZPV|1|OWN^SEGMENT|X")
OUT = hl7("ADT^A03", "9", "20260305150000", visit("I", "202603051500", "01"), "ZDR|DRG^470")
HP = hl7("MDM^T02", "2", "20260302110000", visit(), txa("HP^History and physical^L", "D2", "202603021100",
         signed="1112223334^Warden^Ira^^^^MD^^^^^^^^NPI^20260302111500"),
         *lines("Seen and examined."), "ZTX|1")  # fmt: skip
DS = hl7("MDM^T02", "8", "20260306090000", visit(), txa("DS^Discharge summary^L", "D8", "202603060900"),
         *lines("Went home well."))  # fmt: skip
CUT = hl7(
    "ADT^A08", "3", "20260303120000", visit(),
    "PR1|1||0SRC0J9^Replacement of Right Knee Joint^I10P||20260303090000-0500|P|120||||"
    "2223334445^Slicer^Mae^^^^MD^^NPI",
)  # fmt: skip
CONS = hl7("MDM^T02", "4", "20260303070000", visit(), txa("CONSENT^Consent^L", "D4", "202603030700"), *lines("x"))
OP = hl7("MDM^T02", "5", "20260303130000", visit(), txa("OP^Operative report^L", "D5", "202603031300"),
         *lines("PROCEDURE: right knee", "DATE: 03/03/2026"))  # fmt: skip

HL7 = (
    Chart("whole, with segments of its own", (IN, HP, OUT, DS)),
    Chart("the discharge is told before the documents come", (IN, OUT, HP, DS)),
    Chart(
        "nothing came but in and out",
        (IN, OUT),
        ("discharge-summary missing", "history-and-physical missing"),
        {"discharge-summary missing": "Warden"},
    ),
    Chart("taken back", (IN, OUT, hl7("ADT^A11", "11", "20260306080000", visit()))),
    Chart(
        "a summary that is only dictated",
        (
            IN,
            HP,
            OUT,
            hl7(
                "MDM^T02",
                "8",
                "20260306090000",
                visit(),
                txa("DS^Discharge summary^L", "D8", "202603060900", "DI"),
                *lines("Went home."),
            ),
        ),
        ("authentication unsigned",),
        {"authentication unsigned": "Warden"},
    ),
    Chart(
        "dictated, then signed under the same number",
        (
            IN,
            HP,
            OUT,
            hl7(
                "MDM^T02",
                "8",
                "20260306090000",
                visit(),
                txa("DS^Discharge summary^L", "D8", "202603060900", "DI"),
                *lines("Went home."),
            ),
            hl7(
                "MDM^T04",
                "12",
                "20260307090000",
                visit(),
                txa("DS^Discharge summary^L", "D8", "202603060900", "AU"),
                *lines("Went home."),
            ),
        ),
    ),
    Chart(
        "replaced by another that is signed",
        (
            IN,
            HP,
            OUT,
            hl7(
                "MDM^T02",
                "8",
                "20260306090000",
                visit(),
                txa("DS^Discharge summary^L", "D8", "202603060900", "DI"),
                *lines("Went home."),
            ),
            hl7(
                "MDM^T10",
                "12",
                "20260307090000",
                visit(),
                txa("DS^Discharge summary^L", "D9", "202603070900", "AU", "D8"),
                *lines("Went home on foot."),
            ),
        ),
    ),
    Chart(
        "an addendum after signing that nobody signed",
        (
            IN,
            HP,
            OUT,
            DS,
            hl7(
                "MDM^T06",
                "12",
                "20260307090000",
                visit(),
                txa("DS^Discharge summary^L", "D10", "202603070900", "DI", "D8"),
                *lines("And a cane."),
            ),
        ),
        ("authentication unsigned",),
    ),
    Chart(
        "a summary that was taken back",
        (
            IN,
            HP,
            OUT,
            DS,
            hl7(
                "MDM^T11",
                "12",
                "20260307090000",
                visit(),
                txa("DS^Discharge summary^L", "D8", "202603060900", "CA"),
            ),
        ),
        ("discharge-summary missing",),
    ),
    Chart(
        "signed by two",
        (
            IN,
            OUT,
            DS,
            hl7(
                "MDM^T02",
                "2",
                "20260302110000",
                visit(),
                txa(
                    "HP^History and physical^L",
                    "D2",
                    "202603021100",
                    "LA",
                    signed="3334445556^Young^Al^^^^RN^^^^^^^^20260302111500~1112223334^Warden^Ira^^^^MD^^^^^^^^20260302180000",
                ),
                *lines("Seen."),
            ),
        ),
    ),
    Chart("an operation with all of it", (IN, HP, CONS, CUT, OP, OUT, DS)),
    Chart(
        "an operation and nothing of it",
        (IN, HP, CUT, OUT, DS),
        ("consent missing", "operative-report missing"),
        {"operative-report missing": "Slicer"},
    ),
    Chart(
        "an operation that was taken back",
        (
            IN,
            HP,
            CUT,
            CUT.replace(b"|3|P|", b"|13|P|")
            .replace(b"^NPI\r", b"^NPI|||||||||D\r")
            .replace(b"202603031200", b"202603031300"),
            OUT,
            DS,
        ),
    ),
    Chart(
        "a report that came with the results",
        (
            IN,
            HP,
            CONS,
            CUT,
            hl7(
                "ORU^R01",
                "6",
                "20260303130500",
                visit(),
                "ORC|RE||F77^FAR",
                "OBR|1||F77^FAR|11504-8^Surgical operation note^LN|||20260303130000-0500|||||||||"
                "2223334445^Slicer^Mae^^^^MD^^NPI||||||20260303130500-0500|||F",
                *lines("PROCEDURE: right knee", "As planned."),
            ),
            OUT,
            DS,
        ),
    ),
    Chart(
        "a report that came with the results, and is not final",
        (
            IN,
            HP,
            CONS,
            CUT,
            hl7(
                "ORU^R01",
                "6",
                "20260303130500",
                visit(),
                "ORC|RE||F77^FAR",
                "OBR|1||F77^FAR|OPNOTE^Surgical operation note^L|||20260303130000-0500|||||||||"
                "2223334445^Slicer^Mae^^^^MD^^NPI||||||20260303130500-0500|||P",
                *lines("PROCEDURE: right knee", "As planned."),
            ),
            OUT,
            DS,
        ),
        ("authentication unsigned",),
    ),
    Chart(
        "died",
        (
            IN,
            HP,
            hl7("ADT^A03", "9", "20260305150000", visit("I", "202603051500", "20")),
            hl7(
                "MDM^T02",
                "8",
                "20260306090000",
                visit(),
                txa("DEATHSUM^Death summary^L", "D8", "202603060900"),
                *lines("Died."),
            ),
        ),
        (),
    ),
    Chart(
        "left against advice",
        (IN, HP, hl7("ADT^A03", "9", "20260305150000", visit("I", "202603051500", "07")), DS),
        ("against-advice missing",),
    ),
)


@pytest.mark.parametrize("chart", [*FHIR, *HL7], ids=lambda each: each.name)
def test_a_chart_from_elsewhere_lacks_what_the_rules_say(db: None, chart: Chart) -> None:
    with frozen(NOW):
        for message in chart.sent:
            for taken in take_in(io.BytesIO(message), connector=Connector.FILES, sender="FAR|ELSEWHERE"):
                assert taken.result is not None and not taken.result.problems, taken.result
        found: list[Finding] = []
        for some in all_encounters(SYSTEM):
            for facts in some:
                found += findings_of(facts, 0, NOW)
    assert sorted(f"{each.kind} {each.what.value}" for each in found) == sorted(chart.lacks)
    owed = {f"{each.kind} {each.what.value}": each.owed_by.name if each.owed_by else "" for each in found}
    assert all(name in owed[what] for what, name in chart.owed.items()), owed
