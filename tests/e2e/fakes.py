"""A hospital of three invented people, for looking at screens and testing them without a database of records.

Every function stands in for one of the record's, the index's, intake's or the ledger's, with the same name and
parameters; :func:`replacements` lists them and fails where a name is missing there. The names are meant to
be hard: long, foreign, and hostile to HTML.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from charthouse.exchange.fhir.conformance.api import Finding
from charthouse.fhir import api as fhir
from charthouse.foundation.access.api import AccessContext, Label, Purpose
from charthouse.foundation.disclosure.api import Basis, DisclosureLine, How, Recipient
from charthouse.foundation.ledger import api as ledger
from charthouse.identity import api as identity
from charthouse.intake import api as intake
from charthouse.intake import provenance as came
from charthouse.intake import unfiled as waiting
from charthouse.record import api as record
from charthouse.record import chart
from charthouse.record.chart import Interpretation, Mark, Page, Part, PartKind, Span, SpanKind, When

NOW = datetime(2026, 11, 18, 14, 5, tzinfo=UTC)
LIDIA = UUID("018f0000-0000-7000-8000-000000000001")
EMPTY = UUID("018f0000-0000-7000-8000-000000000002")
HOSTILE = UUID("018f0000-0000-7000-8000-000000000003")
MESSAGE = 4711
PATIENTS = {LIDIA: (1, 2), EMPTY: (3,), HOSTILE: (4,)}
BAD_NAME = "O'Brien-\"<script>alert(1)</script>, Ægir & Søn"


def when(text: str) -> When:
    """A moment as a sender gives it, UTC where it names no zone."""
    full = text + "-01-01"[len(text) - 4 :] if len(text) < 10 else text
    instant = datetime.fromisoformat(full.replace("Z", "+00:00"))
    return When(text, instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def _id(kind: str, number: int) -> str:
    return f"{kind.lower()}-{number}"


def _row(cls: type[Any], kind: str, number: int, title: str, /, **rest: Any) -> Any:
    return cls(type=kind, id=_id(kind, number), version=1, title=title, **rest)


# ---- the index


def _hits() -> list[identity.Hit]:
    given = [
        (LIDIA, "Marchetti, Lidia Rosa", "1952-03-09", "F", ("00418823", "A-7731"), False, "name", 2),
        (EMPTY, "Márquez de la Fuente-Wołodyjowski, Maximiliana Guadalupe", "1988", "F", (), False, "name", 1),
        (HOSTILE, BAD_NAME, "1931-01-05", "M", ("00000042",), True, "MRN", 1),
    ]
    return [
        identity.Hit(person, at, name, born, sex, None, dead, mrns, why, sources)
        for at, (person, name, born, sex, mrns, dead, why, sources) in enumerate(given)
    ]


def find(ctx: AccessContext, text: str, limit: int) -> list[identity.Hit]:
    asked = text.casefold()
    everybody = _hits() * 9 if asked == "many" else _hits()
    chosen = [hit for hit in everybody if asked in {"many", hit.birth_date} or asked in hit.name.casefold()]
    return (chosen + [hit for hit in everybody if text in hit.mrns])[:limit]


def surviving(ctx: AccessContext, person: UUID) -> UUID | None:
    return person if person in PATIENTS else None


def patients_of(ctx: AccessContext, person: UUID) -> tuple[int, ...]:
    return PATIENTS.get(person, ())


# ---- the record

PENICILLIN = _row(
    chart.Allergy,
    "AllergyIntolerance",
    1,
    "Penicillin G",
    status="active",
    when=when("2019-05-02"),
    criticality="high",
    verification="confirmed",
    kind="allergy",
    reactions=("Anaphylaxis", "Hives"),
)
LATEX = _row(
    chart.Allergy,
    "AllergyIntolerance",
    2,
    "Natural rubber latex",
    status="active",
    when=when("2021"),
    verification="unconfirmed",
    kind="allergy",
)


def chart_summary(
    ctx: AccessContext, patients: Sequence[int], shown: Mapping[str, int] | None = None
) -> chart.ChartSummary:
    if not patients:
        raise LookupError("No patient of this chart may be seen.")
    if 3 in patients:
        return chart.ChartSummary(_hits()[1].name, "1988", None, "unknown", ())
    if 4 in patients:
        return chart.ChartSummary(
            BAD_NAME,
            "1931-01-05",
            91,
            "male",
            ("00000042",),
            deceased=True,
            died=when("2022-02-02"),
            allergy_statement="No known allergy",
        )
    return chart.ChartSummary(
        name="Marchetti, Lidia Rosa",
        birth_date="1952-03-09",
        age=74,
        sex="female",
        mrns=("00418823", "A-7731"),
        allergies=(PENICILLIN, LATEX),
        flags=(
            _row(chart.Flag, "Flag", 1, "Falls risk"),
            _row(chart.Flag, "Flag", 2, "Do not resuscitate", urgent=True),
        ),
        language="Italian",
        interpreter=True,
        confidential_address="c/o Casa Verde, 12 Mulberry Row, Springfield",
        contacts=(
            chart.Contact("Paolo Marchetti", "son", may_be_told=True, note="everything"),
            chart.Contact("Rita Ferrante", "sister", may_be_told=False),
        ),
        labels=Label.VIP,
        counts={
            "encounters": 3,
            "documents": 14,
            "results": 3,
            "vitals": 4,
            "problems": 3,
            "medications": 3,
            "allergies": 2,
            "immunizations": 2,
            "procedures": 1,
            "appointments": 2,
            "coverage": 2,
        },
    )


def _only_lidia(patients: Sequence[int], rows: Sequence[Any], more: str | None = None) -> Page[Any]:
    return Page(tuple(rows), more) if 1 in patients else Page()


def encounters(ctx: AccessContext, patients: Sequence[int], cursor: str | None = None) -> Page[chart.Encounter]:
    if cursor is not None:
        return Page()
    stay = _row(
        chart.Encounter,
        "Encounter",
        1,
        "Inpatient stay, heart failure",
        status="finished",
        when=when("2026-11-06T08:10:00-06:00"),
        end=when("2026-11-12T15:30:00-06:00"),
        number="V-2026-118823",
        class_title="Inpatient",
        reason="Acute on chronic diastolic heart failure",
        disposition="Home health",
        facility="Northfield General Hospital",
        spans=(
            Span(SpanKind.CLASS, "Emergency", when("2026-11-06T08:10:00-06:00"), when("2026-11-06T13:00:00-06:00")),
            Span(SpanKind.CLASS, "Inpatient", when("2026-11-06T13:00:00-06:00"), when("2026-11-12T15:30:00-06:00")),
            Span(SpanKind.SERVICE, "Cardiology", when("2026-11-06T13:00:00-06:00")),
            Span(SpanKind.LOCATION, "ED 04", when("2026-11-06T08:10:00-06:00"), when("2026-11-06T13:00:00-06:00")),
            Span(SpanKind.LOCATION, "4 West, room 412, bed B", when("2026-11-06T13:00:00-06:00")),
            Span(SpanKind.ATTENDING, "Dr A. Lindqvist", when("2026-11-06T13:00:00-06:00")),
        ),
    )
    visit = _row(
        chart.Encounter,
        "Encounter",
        2,
        "Clinic visit",
        status="in-progress",
        when=when("2026-11-18T09:00:00-06:00"),
        class_title="Ambulatory",
    )
    wrong = _row(chart.Encounter, "Encounter", 3, "Emergency visit", status="entered-in-error", mark=Mark.RETRACTED)
    return _only_lidia(patients, [visit, stay, wrong], "older")


def _documents() -> list[chart.DocumentEntry]:
    titles = [
        ("Discharge summary", "2026-11-12T14:22:00-06:00", "Dr A. Lindqvist", Mark.NONE),
        ("History and physical", "2026-11-06", "Dr Abara", Mark.UNSIGNED),
        ("Operative report, scanned", "2026-11-07", "Dr Nakamura", Mark.NONE),
        ("Visit summary (C-CDA)", "2026-11-11", "Dr Lindqvist", Mark.CORRECTED),
    ]
    titles += [
        (f"Progress note {day}", f"2026-10-{day:02}", "Dr Lindqvist", Mark.NONE) for day in range(30, 20, -1)
    ]
    return [
        _row(
            chart.DocumentEntry,
            "DocumentReference",
            number,
            title,
            when=when(day),
            author=author,
            status="current",
            mark=mark,
            service="Cardiology",
            encounter="Inpatient stay, 6–12 Nov 2026",
            authored=when(day),
        )
        for number, (title, day, author, mark) in enumerate(titles, start=1)
    ]


def documents(ctx: AccessContext, patients: Sequence[int], cursor: str | None = None) -> Page[chart.DocumentEntry]:
    return _only_lidia(patients, _documents())


_SUMMARY = """PRINCIPAL PROBLEM
74-year-old woman admitted with worsening dyspnea and leg swelling, found to have acute on chronic diastolic heart
failure with an ejection fraction of 55 percent. No chest pain or myocardial infarction; troponin was flat.

HOSPITAL COURSE
She was diuresed with intravenous furosemide, net negative 5.2 litres. Course was complicated by acute
kidney injury, creatinine 1.4 to 2.6, on stage 3b chronic kidney disease, which improved with dose reduction.

DISPOSITION
Discharged home with home health nursing, daily weights, and cardiology follow-up in 7 days."""
_NARRATIVE = """<h3>Medications</h3><table><thead><tr><th>Drug</th><th>Dose</th></tr></thead><tbody>
<tr><td>Furosemide</td><td>40 mg daily</td></tr><tr><td>Insulin glargine</td><td>22 units at night</td></tr>
</tbody></table><ul><li>Weigh every morning</li><li>Call when 2 kg heavier</li></ul>"""


def document(
    ctx: AccessContext, patients: Sequence[int], type: str, id: str, version: int | None = None
) -> chart.Document | None:
    if (type, id) == ("DiagnosticReport", _id(type, 9)):
        return _row(chart.Document, type, 9, "Blood culture", when=when("2026-11-07"), mark=Mark.DRAFT)
    entry = next((row for row in documents(ctx, patients).rows if (row.type, row.id) == (type, id)), None)
    if entry is None:
        return None
    given = {name: getattr(entry, name) for name in chart.DocumentEntry.__dataclass_fields__}
    parts: tuple[Part, ...] = (Part(PartKind.TEXT, "text/plain", text=_SUMMARY),)
    if "scanned" in entry.title:
        parts = (
            Part(PartKind.PDF, "application/pdf", "Operative report", file=0, size=1843),
            Part(
                PartKind.IMAGE,
                "image/png",
                "Photograph of the field",
                file=1,
                machine="OR 4, 7 Nov",
                engine="tesseract 5.3.0",
            ),
            Part(PartKind.FILE, "application/dicom", "Study", file=2, size=5_400_000),
        )
    elif "C-CDA" in entry.title:
        parts = (
            Part(
                PartKind.HTML,
                "text/html",
                title="Plan of treatment",
                text=_NARRATIVE,
                language="en",
                note="Nothing of this section could be filed as data; its text is all here.",
            ),
        )
    related = (
        (("Replaces", "DocumentReference", _id("DocumentReference", 5)),) if entry.mark is Mark.CORRECTED else ()
    )
    life = _life(entry)
    if version == 1:
        parts = tuple(
            replace(part, text=part.text.replace("22 units", "18 units").replace("7 days", "14 days"))
            for part in parts
        )
        life["signatures"] = ()
    return chart.Document(**given, parts=parts, relations=related, **life, seen=f"1:{'ab' * 32}")


def _life(entry: chart.DocumentEntry) -> dict[str, Any]:
    """How a document came about: dictated and not signed yet, signed, or amended, added to and questioned."""
    if entry.mark is Mark.UNSIGNED:
        stages = (
            record.StageEntry(record.Stage.DICTATED, record.Party("user:9", "Dr Abara"), "2026-11-06"),
            record.StageEntry(
                record.Stage.TRANSCRIBED, record.Party("user:10", "T. Typist"), "2026-11-06T09:15:00Z"
            ),
        )
        return {"stages": stages, "unsigned": True, "own_text": _SUMMARY}
    signature = chart.Signature(
        version=1, as_version=2, meaning=record.Meaning.AUTHOR, signer="user:8", name="Dr A. Lindqvist", at=NOW,
        recorded=NOW, by_hand=True, current=entry.mark is not Mark.CORRECTED,
    )  # fmt: skip
    if entry.mark is not Mark.CORRECTED:
        return {"signatures": (signature,), "final": True, "own_text": _SUMMARY}
    addendum = _row(
        chart.Document, "DocumentReference", 77, "Visit summary", when=entry.when, author="Dr Abara",
        mark=Mark.UNSIGNED, added_as=record.Kind.ADDENDUM, authored=entry.when,
        parts=(Part(PartKind.TEXT, "text/plain", text="The culture grew nothing."),),
    )  # fmt: skip
    attested = chart.Signature(
        version=3, as_version=4, meaning=record.Meaning.ATTESTATION, signer="", name=BAD_NAME, recorded=NOW,
        by_hand=False, statement="Seen with the resident.",
    )  # fmt: skip
    corrections = (_correction(1, record.Kind.AMENDMENT, "done"), _correction(2, record.Kind.RETRACTION, "refused"),
                   _correction(3, record.Kind.WRONG_PATIENT, ""))  # fmt: skip
    return {
        "signatures": (signature, attested),
        "corrections": corrections,
        "added": (addendum,),
        "versions": 1,
        "final": True,
    }


def _correction(number: int, kind: record.Kind, outcome: str) -> chart.Correction:
    return chart.Correction(
        id=number,
        type="DocumentReference",
        document=_id("DocumentReference", 4),
        version=1,
        patient=1,
        kind=kind,
        reason=f"It was filed in the wrong chart: {BAD_NAME} was meant",
        to_patient=4 if kind is record.Kind.WRONG_PATIENT else None,
        by="user:8",
        name="M. Sato-Wołodyjowska",
        at=NOW,
        outcome=outcome,
        decision_note="It is right as it is." if outcome == "refused" else "",
        made=_id("DocumentReference", 1) if outcome == "done" and kind is record.Kind.WRONG_PATIENT else "",
        decided_by="user:9" if outcome else "",
        decider="K. Obi" if outcome else "",
        decided_at=NOW if outcome else None,
    )


def correction(ctx: AccessContext, number: int) -> chart.Correction | None:
    return _correction(number, record.Kind.WRONG_PATIENT, "done" if number == 5 else "") if number < 9 else None


def recipients_of(ctx: AccessContext, number: int) -> list[DisclosureLine]:
    to = Recipient("Riverside Clinic for Otology, Rhinology and Laryngology", "1 River Road")
    why, ground = Purpose.TREATMENT, Basis.TREATMENT
    return [DisclosureLine(1, "p", to, why, ground, How.PRINT, "Visit summary", (), NOW, NOW, "user:8", "M. Sato")]


def taken_out(ctx: AccessContext, patients: Sequence[int]) -> list[chart.Correction]:
    return [_correction(5, record.Kind.WRONG_PATIENT, "done")] if 1 in patients else []


def _asked(number: int) -> record.Asked:
    done = number == 5
    return record.Asked(
        number, 1, (1,), 412, 618, "record.retention-adults", date(2019, 4, 30),
        "Its time is over; reviewed with counsel.", "user:8", "M. Sato", NOW, "done" if done else "", "",
        "K. Obi" if done else "", NOW if done else None,
    )  # fmt: skip


def retention(ctx: AccessContext, patients: Sequence[int]) -> record.Retention:
    matter = "Case 12-345, Marchetti v. Riverside Clinic for Otology, Rhinology and Laryngology"
    holds = (
        record.HoldRow(2, "", matter, "P. Privy", NOW),
        record.HoldRow(1, "Encounter/e1", "An audit", "P. Privy", NOW, "K. Obi", NOW, "It is over."),
    )
    due = record.Due(date(2019, 4, 30), "record.retention-adults")
    return record.Retention(412, 618, date(2009, 4, 30), due, True, holds, (_asked(3),))


def document_times(ctx: AccessContext, patients: Sequence[int]) -> list[record.DocumentTime]:
    pathology, laboratory = (
        record.Due(date(2019, 4, 30), "record.retention-pathology"),
        record.Due(date(2032, 4, 30), "record.retention-conditions"),
    )
    title = "Surgical pathology study of the larynx and of the neighbouring structures, with immunohistochemistry"
    return [
        record.DocumentTime("DiagnosticReport", "r1", title, date(2009, 4, 30), pathology, True),
        record.DocumentTime(
            "DiagnosticReport", "r2", "Basic metabolic panel", date(2027, 4, 30), laboratory, False
        ),
    ]


def contents(ctx: AccessContext, patients: Sequence[int]) -> list[tuple[str, int]]:
    return [("Observation", 380), ("DocumentReference", 20), ("Encounter", 12)]


def destruction(ctx: AccessContext, number: int) -> record.Asked | None:
    return _asked(number)


def stones(ctx: AccessContext, number: int, most: int) -> tuple[list[record.Stone], int]:
    found = [record.Stone(f"{_id('DocumentReference', n)}, version 1", "0f" * 32, 2_345) for n in range(20)]
    return (found, 618) if number == 5 else ([], 0)


def destroyed(ctx: AccessContext, patients: Sequence[int], types: Sequence[str] = ()) -> list[record.Gone]:
    return [record.Gone("DocumentReference", _id("DocumentReference", 77), 2, _asked(5))] if 1 in patients else []


def due_charts(ctx: AccessContext, charts: object, **asked: object) -> record.DueCharts:
    due = record.Due(date(2019, 4, 30), "record.retention-adults")
    row = record.DueChart((1,), date(2012, 4, 30), due, record.Hindrance())
    return record.DueCharts((row,), 1_001, "2012-04-30.1")


def overdue_documents(ctx: AccessContext, charts: object, **asked: object) -> record.OverduePage:
    kinds = ("record.retention-pathology", "record.retention-laboratory")
    rows = [record.Overdue(each, 1, kinds[number]) for number, each in enumerate(document_times(ctx, [1]))]
    return record.OverduePage(tuple(rows), 500, "0.1")


def hindrances(ctx: AccessContext, charts: Iterable[Sequence[int]]) -> dict[int, record.Hindrance]:
    return {}


def unsigned_documents(ctx: AccessContext, *, everybodys: bool = False, limit: int = 100) -> record.UnsignedPage:
    rows = [record.UnsignedDocument(each, "p", NOW - timedelta(days=9), False) for each in _documents()[1:9]]
    return record.UnsignedPage(tuple(rows), True)


def person_of_public(ctx: AccessContext, public_id: str) -> UUID | None:
    return LIDIA


def charts_of(ctx: AccessContext, patients: Iterable[int]) -> dict[int, tuple[int, ...]]:
    return {row: rows for rows in PATIENTS.values() for row in rows if row in set(patients)}


def persons_of(patients: Sequence[int]) -> dict[int, UUID]:
    return {row: person for person, rows in PATIENTS.items() for row in rows if row in patients}


def summary(ctx: AccessContext, person: UUID) -> identity.PersonSummary | None:
    hit = next(each for each in _hits() if each.person == person)
    return identity.PersonSummary(
        person, 1, hit.name, hit.birth_date, hit.sex, hit.age, str(hit.deceased or ""), hit.mrns, ()
    )


def document_versions(ctx: AccessContext, patients: Sequence[int], type: str, id: str) -> list[int]:
    return [1, 2] if document(ctx, patients, type, id) else []


def _text_hits() -> tuple[record.TextHit, ...]:
    """Something found in a document, in one a machine read, and in a result without a date."""

    def hit(kind: str, number: int, section: record.TextSection, title: str, text: str, **rest: Any) -> Any:
        machine = bool(rest.pop("machine", False))
        parts = tuple((each, machine) for each in record.snippets(text, record.asked("failure heart").wanted))
        return record.TextHit(type=kind, id=_id(kind, number), patient=1, section=section, title=title,
                              shown=parts, **{"service": "", "at": NOW, "mark": Mark.NONE, **rest})  # fmt: skip

    documents, results = record.TextSection.DOCUMENTS, record.TextSection.RESULTS
    scan = {"machine": True, "mark": Mark.UNSIGNED}
    return (
        hit("DocumentReference", 1, documents, "Discharge summary", _SUMMARY, service="Cardiology"),
        hit("DocumentReference", 3, documents, "Operative report, scanned", "heart <b>failure</b>", **scan),
        hit("Observation", 2, results, "Natriuretic peptide, brain " * 4, "Heart failure", at=None),
    )


def search_chart(
    ctx: AccessContext, patients: Sequence[int], text: str, within: Any = None, page: int = 1
) -> record.TextFound:
    hits = _text_hits() if "heart" in text.casefold() else ()
    return record.TextFound(record.asked(text), 1001 if hits else 0, min(page, 40), hits)


def search_all(ctx: AccessContext, text: str, within: Any = None, page: int = 1) -> record.TextFound:
    return search_chart(ctx, (1,), text, within, page)


def text_lag() -> record.TextLag:
    return record.TextLag(1001, NOW - timedelta(minutes=4))


def text_services() -> list[str]:
    return ["Cardiology", "Physical medicine and rehabilitation, outpatient"]


def sources_named(ctx: AccessContext, patients: Any) -> dict[int, identity.SourcePatient]:
    source = identity.SourcePatient(
        1, "p1", 1, LIDIA, "Marchetti", "Lidia Rosa", "1952-03-09", "F", "00418823", "", 0, NOW
    )  # fmt: skip
    return {1: source}


PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def pdf_bytes() -> bytes:
    """A PDF of one page that says OPERATIVE REPORT."""
    stream = zlib.compress(b"BT /F1 24 Tf 72 700 Td (OPERATIVE REPORT) Tj ET")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    return (
        out
        + b"xref\n0 6\n0000000000 65535 f \n"
        + table
        + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start
    )


def document_file(
    ctx: AccessContext, patients: Sequence[int], type: str, id: str, file: int, version: int | None = None
) -> chart.DocumentFile | None:
    if document(ctx, patients, type, id) is None:
        return None
    given = [
        ("report.pdf", "application/pdf", pdf_bytes()),
        ("field.png", "image/png", PIXEL),
        ("study.dcm", "application/dicom", b"DICM"),
    ]
    return chart.DocumentFile(*given[file]) if file < len(given) else None


def _result(
    number: int, title: str, value: str, unit: str, range_: str, flag: str, day: str, **rest: Any
) -> chart.Result:
    numeric = Decimal(value) if value.replace(".", "").isdigit() else None
    return _row(
        chart.Result,
        "Observation",
        number,
        title,
        status="final",
        when=when(day),
        value=value,
        unit=unit,
        number=numeric,
        range=range_,
        interpretation=Interpretation(flag),
        **rest,
    )


def results(ctx: AccessContext, patients: Sequence[int], cursor: str | None = None) -> Page[chart.ResultPanel]:
    panels = []
    for at, day in enumerate(("2026-11-12", "2026-11-10", "2026-11-08")):
        moment = f"{day}T06:1{at}:00-06:00"
        panels.append(
            _row(
                chart.ResultPanel,
                "DiagnosticReport",
                at,
                "Basic metabolic panel",
                status="final",
                when=when(moment),
                specimen="Serum",
                collected=when(moment),
                received=when(f"{day}T07:0{at}:00-06:00"),
                performer="Northfield Laboratory",
                conclusion="Hemolyzed specimen; interpret potassium with care." if at == 1 else "",
                results=(
                    _result(at * 9 + 1, "Sodium", "138", "mmol/L", "135–145", "N", moment),
                    _result(
                        at * 9 + 2,
                        "Potassium",
                        ("3.4", "6.8", "4.1")[at],
                        "mmol/L",
                        "3.5–5.1",
                        ("L", "HH", "N")[at],
                        moment,
                    ),
                    _result(
                        at * 9 + 3,
                        "Creatinine",
                        ("1.6", "2.6", "1.4")[at],
                        "mg/dL",
                        "0.5–1.1",
                        "H",
                        moment,
                        mark=Mark.CORRECTED if at == 1 else Mark.NONE,
                    ),
                    _result(
                        at * 9 + 4, "Urea nitrogen", "", "mg/dL", "", "", moment, absent_reason="not performed"
                    ),
                ),
            )
        )
    culture = _row(
        chart.ResultPanel,
        "DiagnosticReport",
        9,
        "Blood culture",
        status="preliminary",
        when=when("2026-11-07"),
        mark=Mark.DRAFT,
        results=(
            _result(91, "Organism", "Staphylococcus aureus, methicillin-resistant", "", "", "A", "2026-11-07"),
            _result(92, "Oxacillin", "≥4", "µg/mL", "", "R", "2026-11-07", note="By broth microdilution."),
            _result(93, "Vancomycin", "1", "µg/mL", "", "S", "2026-11-07", mark=Mark.RETRACTED),
        ),
    )
    return _only_lidia(patients, [*panels, culture], "older")


def report_results(ctx: AccessContext, patients: Sequence[int], id: str) -> chart.ResultPanel | None:
    return next((panel for panel in results(ctx, patients).rows if panel.id == id), None)


def vitals(ctx: AccessContext, patients: Sequence[int]) -> tuple[chart.VitalSeries, ...]:
    if 1 not in patients:
        return ()

    def series(
        title: str, unit: str, values: Sequence[str], low: str | None, high: str | None
    ) -> chart.VitalSeries:
        points = tuple(
            _result(
                200 + at,
                title,
                value,
                unit,
                "",
                "H" if high and Decimal(value) > Decimal(high) else "",
                f"2026-11-{6 + at:02}T08:00:00-06:00",
            )
            for at, value in enumerate(values)
        )
        bounds = [Decimal(bound) if bound else None for bound in (low, high)]
        return chart.VitalSeries(title, unit, points, *bounds)

    return (
        series("Systolic blood pressure", "mm[Hg]", ["168", "152", "149", "141", "138", "131"], "90", "140"),
        series("Heart rate", "/min", ["104", "98", "91", "88", "84", "80"], "60", "100"),
        series("Body temperature", "Cel", ["36.9"], "36.1", "37.9"),
        series("Body weight", "kg", ["81.4", "80.1", "78.8", "77.5", "76.9", "76.2"], None, None),
    )


def problems(ctx: AccessContext, patients: Sequence[int], cursor: str | None = None) -> Page[chart.Problem]:
    icd = chart.Code("ICD-10-CM", "I50.33")
    rows = [
        _row(
            chart.Problem,
            "Condition",
            1,
            "Acute on chronic diastolic heart failure",
            status="active",
            verification="confirmed",
            onset=when("2026-11-06"),
            code=icd,
            recorder="Dr A. Lindqvist",
        ),
        _row(
            chart.Problem,
            "Condition",
            2,
            "Type 2 diabetes mellitus with diabetic nephropathy",
            status="active",
            verification="provisional",
            onset=when("2009"),
            code=chart.Code("ICD-10-CM", "E11.21"),
        ),
        _row(
            chart.Problem,
            "Condition",
            3,
            "Pneumonia",
            status="resolved",
            verification="confirmed",
            abated=when("2018-02"),
            mark=Mark.RETRACTED,
        ),
    ]
    return _only_lidia(patients, rows)


def active_problems(ctx: AccessContext, patients: Sequence[int]) -> list[chart.Problem]:
    return [row for row in problems(ctx, patients).rows if row.active]


def active_medications(ctx: AccessContext, patients: Sequence[int]) -> list[chart.Medication]:
    return [row for row in medications(ctx, patients).rows if row.status == "active"]


def medications(ctx: AccessContext, patients: Sequence[int], cursor: str | None = None) -> Page[chart.Medication]:
    rows = [
        _row(
            chart.Medication,
            "MedicationRequest",
            1,
            "Furosemide 40 mg oral tablet",
            status="active",
            kind="order",
            dosage="1 tablet by mouth every morning",
            when=when("2026-11-12"),
            prescriber="Dr A. Lindqvist",
            reason="heart failure",
        ),
        _row(
            chart.Medication,
            "MedicationStatement",
            2,
            "Insulin glargine 100 units/mL",
            status="active",
            kind="statement",
            dosage="22 units under the skin at night",
            when=when("2020"),
        ),
        _row(
            chart.Medication,
            "MedicationRequest",
            3,
            "Lisinopril 10 mg oral tablet",
            status="on-hold",
            kind="order",
            when=when("2026-11-08"),
            end=when("2026-11-12"),
            mark=Mark.DRAFT,
        ),
    ]
    return _only_lidia(patients, rows)


def allergies(ctx: AccessContext, patients: Sequence[int], cursor: str | None = None) -> Page[chart.Allergy]:
    return _only_lidia(patients, [PENICILLIN, LATEX])


def immunizations(
    ctx: AccessContext, patients: Sequence[int], cursor: str | None = None
) -> Page[chart.Immunization]:
    rows = [
        _row(
            chart.Immunization,
            "Immunization",
            1,
            "Influenza, high dose",
            status="completed",
            when=when("2026-10-01"),
            dose="1 of 1",
            site="left deltoid",
            lot="UT7731",
            performer="B. Novak RN",
        ),
        _row(
            chart.Immunization,
            "Immunization",
            2,
            "Zoster, recombinant",
            status="not-done",
            when=when("2026-10-01"),
            reason_not_done="patient declined",
        ),
    ]
    return _only_lidia(patients, rows)


def procedures(ctx: AccessContext, patients: Sequence[int], cursor: str | None = None) -> Page[chart.Procedure]:
    rows = [
        _row(
            chart.Procedure,
            "Procedure",
            1,
            "Transthoracic echocardiogram",
            status="completed",
            when=when("2026-11-07T10:20:00-06:00"),
            performer="Dr P. Nakamura",
            location="Echo lab",
            body_site="Heart",
            reason="heart failure",
        ),
    ]
    return _only_lidia(patients, rows)


def appointments(ctx: AccessContext, patients: Sequence[int], cursor: str | None = None) -> Page[chart.Appointment]:
    rows = [
        _row(
            chart.Appointment,
            "Appointment",
            1,
            "Cardiology follow-up",
            status="booked",
            when=when("2026-11-19T10:00:00-06:00"),
            practitioner="Dr A. Lindqvist",
            location="Clinic 3",
        ),
        _row(
            chart.Appointment,
            "Appointment",
            2,
            "Diabetes education",
            status="noshow",
            when=when("2026-09-02T13:30:00-05:00"),
            reason="newly on insulin",
        ),
    ]
    return _only_lidia(patients, rows)


def coverage(ctx: AccessContext, patients: Sequence[int], cursor: str | None = None) -> Page[chart.Coverage]:
    rows = [
        _row(
            chart.Coverage,
            "Coverage",
            1,
            "Medicare Part A",
            status="active",
            when=when("2017-03-01"),
            order=1,
            payer="Medicare",
            member="1EG4-TE5-MK73",
            subscriber="Marchetti, Lidia Rosa",
            relationship="self",
        ),
        _row(
            chart.Coverage,
            "Coverage",
            2,
            "Blue Shield supplement",
            status="active",
            when=when("2019-01-01"),
            end=when("2026-12-31"),
            payer="Blue Shield",
            plan="Plan G",
            group="G-1180",
            member="XEA90011",
        ),
    ]
    return _only_lidia(patients, rows)


def resource(ctx: AccessContext, patients: Sequence[int], type: str, id: str) -> chart.ResourceView | None:
    if 1 not in patients:
        return None
    return chart.ResourceView(
        type=type,
        id=id,
        version=2,
        title="Potassium",
        status="final",
        when=when("2026-11-10T06:11:00-06:00"),
        code=chart.Code("LOINC", "2823-3"),
        labels=Label.VIP,
        detail={"Value": "6.8 mmol/L", "Reference range": "3.5–5.1", "Method": "ion-selective electrode"},
        source='{\n  "resourceType": "Observation",\n  "status": "final",\n  "note": "<b>&amp;</b>"\n}',
    )


def resource_versions(
    ctx: AccessContext, patients: Sequence[int], type: str, id: str
) -> dict[int, chart.ResourceView]:
    now = resource(ctx, patients, type, id)
    if now is None:
        return {}
    before = {**now.detail, "Value": "6.2 mmol/L"}
    return {2: now, 1: replace(now, version=1, detail=before, source=now.source.replace("final", "preliminary"))}


# ---- intake

_SEGMENTS = (
    "MSH|^~\\&|LAB|NORTHFIELD|CHARTHOUSE|HIM|20261110071500||ORU^R01^ORU_R01|MSG00042|P|2.5.1",
    "PID|1||00418823^^^NORTHFIELD^MR||Marchetti^Lidia^Rosa||19520309|F",
    "OBR|1||L-99812|51990-0^Basic metabolic panel^LN|||20261110061100",
    "OBX|1|NM|2951-2^Sodium^LN||138|mmol/L|135-145|N|||F",
    "OBX|2|NM|2823-3^Potassium^LN||6.8|mmol/L|3.5-5.1|HH|||F|||20261110061100",
    "NTE|1||<b>hemolyzed</b> & repeated",
)


def _original(marked: int, *spans: tuple[int, int]) -> came.Original:
    lines = tuple(
        came.OriginalLine(number, text, number == marked, spans if number == marked else ())
        for number, text in enumerate(_SEGMENTS, start=1)
    )
    return came.Original(came.Format.HL7V2, lines, size=sum(map(len, _SEGMENTS)), sha256="0" * 64)


def provenance(ctx: AccessContext, type: str, id: str, version: int | None = None) -> came.Provenance | None:
    if version not in (None, 1, 2):
        return None
    versions = (
        came.Version(2, NOW - timedelta(days=7), "corrected", "intake", MESSAGE),
        came.Version(1, NOW - timedelta(days=8), "created", "intake", MESSAGE),
    )
    return came.Provenance(
        type=type,
        id=id,
        version=version or 2,
        connector="MLLP listener, port 2575",
        sender="LAB at NORTHFIELD",
        kind="ORU^R01",
        control_id="MSG00042",
        message=MESSAGE,
        received=NOW - timedelta(days=8, seconds=2),
        filed=NOW - timedelta(days=8),
        occurred=when("2026-11-10T06:11:00-06:00"),
        original=_original(5, (10, 26), (31, 34)),
        versions=versions,
    )


def _unfiled_rows() -> list[waiting.UnfiledRow]:
    reasons = [
        ("unknown-event", "The trigger event A99 is not one this connector files.", "MSH-9.2", "ADT^A99"),
        ("no-patient-id", "PID-3 is empty: nothing says whose message this is.", "PID-3", "ORU^R01"),
        ("bad-date", "The birth date 19521399 has no month 13.", "PID-7", "ADT^A08"),
        (
            "bad-resource",
            "status is 'finnal': the R4 schema knows registered, partial, preliminary, final and others.",
            "entry 4, status",
            "Bundle (batch)",
        ),
    ]
    return [
        waiting.UnfiledRow(
            id=MESSAGE + number,
            received=NOW - timedelta(hours=40 - number),
            connector="MLLP listener",
            sender="LAB at NORTHFIELD",
            format=came.Format.HL7V2,
            kind=kind,
            control_id=f"MSG{number:05}",
            reason_code=code,
            reason=reason,
            place=place,
            attempts=1 + number % 3,
        )
        for number, (code, reason, place, kind) in enumerate(reasons * 7)
    ]


def unfiled(ctx: AccessContext, chosen: waiting.UnfiledFilter, cursor: str | None = None) -> waiting.UnfiledPage:
    rows = [row for row in _unfiled_rows() if chosen.state in (None, row.state)]
    rows = [row for row in rows if chosen.reason in ("", row.reason_code)]
    reasons = tuple((row.reason_code, row.reason_code.replace("-", " ")) for row in _unfiled_rows()[:4])
    return waiting.UnfiledPage(tuple(rows), "next" if rows else None, len(rows) + 60, ("MLLP listener",), reasons)


def unfiled_message(ctx: AccessContext, message: int) -> waiting.UnfiledMessage | None:
    row = next((row for row in _unfiled_rows() if row.id == message), None)
    if row is None:
        return None
    attempts = (
        waiting.Attempt(NOW - timedelta(hours=1), "R. Okafor", "tried again", row.reason, row.place),
        waiting.Attempt(row.received, "intake", "not filed", row.reason, row.place),
    )
    return waiting.UnfiledMessage(
        row=row,
        original=_original(2, (7, 27)),
        attempts=attempts,
        editable="\n".join(_SEGMENTS),
        sender=waiting.SenderSettings("LAB at NORTHFIELD", "America/Chicago", "UNICODE UTF-8"),
        hints=("Ask the sender to fill PID-3, or correct a copy and send it.",),
    )


done: list[tuple[Any, ...]] = []
"""What the mending actions were called with."""


def retry_message(ctx: AccessContext, message: int) -> waiting.UnfiledState:
    done.append(("retry", message))
    return waiting.UnfiledState.WAITING


def correct_message(ctx: AccessContext, message: int, text: str, reason: str) -> tuple[int, waiting.UnfiledState]:
    done.append(("correct", message, text, reason))
    return message + 100, waiting.UnfiledState.FILED


def refuse_message(ctx: AccessContext, message: int, reason: str) -> None:
    done.append(("refuse", message, reason))


def correct_sender(ctx: AccessContext, message: int, *, time_zone: str, charset: str) -> None:
    done.append(("sender", message, time_zone, charset))
    if time_zone == "Mars/Olympus":
        raise intake.IntakeError("Mars/Olympus is no time zone. Give an IANA name such as America/Chicago.")


def connectors(ctx: AccessContext) -> tuple[waiting.ConnectorHealth, ...]:
    return (
        waiting.ConnectorHealth("mllp", "MLLP listener, port 2575", NOW - timedelta(minutes=3), 1204, 2, True),
        waiting.ConnectorHealth("folder", "Drop folder", NOW - timedelta(days=2), 0, 0, False),
        waiting.ConnectorHealth("files", "charthouse intake", None, 0, 0, None),
    )


# ---- what was found wrong in what senders send

FINDING_KIND = 12


def finding_kind(ctx: AccessContext, id: int) -> fhir.KindRow | None:
    return fhir.KindRow(
        id,
        "LAB at NORTHFIELD",
        "Observation.component.interpretation",
        "error",
        "No code here is of the value set ObservationInterpretationCodes, from which one is required.",
        312 if id == FINDING_KIND else 0,
    )


def found_in(ctx: AccessContext, kind: int, after: int = 0, limit: int = 50) -> list[tuple[int, fhir.FoundIn]]:
    count = limit if kind == FINDING_KIND else 0
    return [
        (
            after + number,
            fhir.FoundIn(
                "Observation" if number % 7 else "Practitioner",
                f"observation-{number}",
                number,
                "p1" if number % 7 else None,
                1 if number % 7 else None,
                f"Observation.component[{number}].interpretation[0]",
                "No code here is of the value set ObservationInterpretationCodes, from which one is required.",
            ),
        )
        for number in range(1, count + 1)
    ]


def findings_of(ctx: AccessContext, kind: str, public_id: str) -> list[Finding]:
    return [
        Finding("error", "invariant", "Observation.valueRange", "rng-2: The low value shall be no higher.", "x"),
        Finding("warning", "code-invalid", "Observation.method", "The code is none of its system.", "y"),
    ]


# ---- the ledger


def entries(
    ctx: AccessContext, filters: ledger.Filters | None = None, cursor: str = "", limit: int = 50
) -> ledger.Page:
    actions = ["chart.read", "patient.search", "intake.retry", "session.sign-in"]
    lines = tuple(
        ledger.Line(
            lane=at % 4,
            seq=1000 - at,
            at=NOW - timedelta(minutes=7 * at),
            actor="okafor",
            actor_name="R. Okafor",
            roles=("coder", "health-information-technician"),
            purpose="HPAYMT",
            action=actions[at % 4],
            outcome=list(ledger.Outcome)[0 if at % 5 else 1],
            session="s1",
            remote="127.0.0.1",
            subjects=(ledger.Subject("person", str(LIDIA)), ledger.Subject("resource", "Observation/1")),
            detail={"part": "results", "filters": ["action", "since"]},
        )
        for at in range(25)
    )
    wanted = filters.action if filters else ""
    return ledger.Page(tuple(line for line in lines if wanted in ("", line.action)), "older")


def append_read(ctx: AccessContext, action: str, **rest: Any) -> None:
    done.append((action, rest))


def verify() -> ledger.Report:
    damage = ledger.Damage(
        ledger.DamageKind.EDITED, "Entry 3-17 is not as it was sealed.", 4, 3, 17, NOW, "chart.read"
    )
    return ledger.Report(1_204_331, 812, 12, NOW, False, (damage,), 1, (), 48.2)


FAKES: dict[Any, tuple[Any, ...]] = {
    fhir: (finding_kind, found_in, findings_of),
    identity: (find, surviving, charts_of, patients_of, person_of_public, persons_of, sources_named, summary),
    record: (
        chart_summary,
        encounters,
        documents,
        document,
        document_file,
        document_versions,
        search_all,
        search_chart,
        report_results,
        text_lag,
        text_services,
        results,
        vitals,
        problems,
        active_problems,
        medications,
        active_medications,
        allergies,
        immunizations,
        procedures,
        appointments,
        coverage,
        resource,
        resource_versions,
        correction,
        recipients_of,
        taken_out,
        retention,
        document_times,
        contents,
        destruction,
        stones,
        destroyed,
        due_charts,
        overdue_documents,
        hindrances,
        unsigned_documents,
    ),
    intake: (
        provenance,
        unfiled,
        unfiled_message,
        retry_message,
        correct_message,
        refuse_message,
        correct_sender,
        connectors,
    ),
    ledger: (entries, append_read, verify),
}


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """(module, name, stand-in) of every function replaced. Raises AttributeError for one the module lacks."""
    for module, functions in FAKES.items():
        for function in functions:
            getattr(module, function.__name__)
            yield module, function.__name__, function
