"""What Larkspur Valley Medical Center sends of a person: HL7 v2, one message an event."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from charthouse.teaching.api import (
    Analyte,
    Panel,
    flag,
    hl7_minute,
    hl7_time,
    panels,
    person_name,
    printed,
    segment,
    text,
    unit,
)

from . import paper
from .cast import (
    Adt,
    Appointment,
    Charges,
    Document,
    Lab,
    Merge,
    Order,
    Person,
    Report,
    Vaccine,
    Vitals,
)
from .days import Calendar
from .hl7 import HOSPITAL, doctor, narrow_doctor, number, place
from .segments import Stay, Subject, about_patient, al1, dg1, evn, gt1, in1, pid, pr1, pv1, pv2

#: Minutes from what happened to its message.
_REGISTERED, _RESULTED, _FILED = 2, 55, 25
_VITALS = "vitals"
#: Columns of a transcription, and of a line in the record files that goes on in the next.
_TYPED, _FULL = 84, 88
#: MSH-3 of everything the hospital sends.
ENGINE = "CORELINK"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message without its MSH: when it is sent, what it is (``ADT^A01^ADT_A01``), and its segments."""

    at: datetime
    kind: str
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """One event at one time, with its values where it is a measurement."""

    at: datetime
    event: Any
    values: dict[str, Any]


def messages_of(person: Person, calendar: Calendar) -> Iterator[Sent]:
    """Everything the hospital sends of a person, in the order it happened."""
    subject = Subject.of(person, calendar)
    for moment in sorted(_moments(person, calendar), key=lambda each: each.at):
        yield _sent(subject, moment)


def _moments(person: Person, calendar: Calendar) -> Iterator[Moment]:
    for event in person.events:
        if isinstance(event, Lab | Vitals):
            for place_, at in enumerate(event.at):
                values = {name: row[place_] for name, row in event.values.items() if row[place_] is not None}
                yield Moment(calendar.at(at), event, values)
        else:
            yield Moment(calendar.at(event.at), event, {})


def _sent(subject: Subject, moment: Moment) -> Sent:
    at, event = moment.at, moment.event
    if isinstance(event, Adt):
        subject.happen(event, at)
        return _later(at, _REGISTERED, f"ADT^{event.event}^{_structure(event.event)}", _adt(subject, event, at))
    head = [pid(subject, subject.stay(event.visit))]
    if stay := subject.stay(event.visit):
        head.append(pv1(stay))
    match event:
        case Merge():
            return _later(at, _REGISTERED, "ADT^A40^ADT_A39", _merge(subject, event, at))
        case Lab():
            lines = _panel(subject, moment, panels()[event.panel], stay, event)
            return _later(at, _RESULTED, "ORU^R01^ORU_R01", [*head, *lines])
        case Vitals():
            lines = _panel(subject, moment, panels()[_VITALS], stay, None)
            return _later(at, _REGISTERED, "ORU^R01^ORU_R01", [*head, *lines])
        case Report():
            return _later(at, _FILED, "ORU^R01^ORU_R01", [*head, *_report(subject, event, at)])
        case Document():
            trigger = "T10" if event.replaces else "T02"
            first = evn(trigger, at + timedelta(minutes=_FILED), at)
            return _later(at, _FILED, f"MDM^{trigger}^MDM_T02", [first, *head, *_document(subject, event, at)])
        case Order():
            return _later(at, 1, "RDE^O11^RDE_O11", [*head, *_order(subject, event, at)])
        case Vaccine():
            # The immunization registry's messages name no visit.
            return _later(at, 1, "VXU^V04^VXU_V04", [pid(subject, None), *_vaccine(subject, event, at)])
        case Appointment():
            return _later(at, 1, f"SIU^{event.trigger}^SIU_S12", _appointment(subject, event, head))
        case Charges():
            first = evn("P03", at, at)
            return _later(at, 1, "DFT^P03^DFT_P03", [first, *head, *_charges(subject, event, at, stay)])
    raise TypeError(f"{type(event).__name__} is no event of the hospital.")


def _later(at: datetime, minutes: int, kind: str, segments: Iterable[str]) -> Sent:
    return Sent(at + timedelta(minutes=minutes), kind, tuple(segments))


def _structure(event: str) -> str:
    return {
        "A04": "ADT_A01",
        "A08": "ADT_A01",
        "A13": "ADT_A01",
        "A11": "ADT_A09",
        "A12": "ADT_A09",
        "A07": "ADT_A06",
        "A28": "ADT_A05",
        "A31": "ADT_A05",
    }.get(event, f"ADT_{event}")


def _adt(subject: Subject, event: Adt, at: datetime) -> Iterator[str]:
    stay = subject.stay(event.visit)
    yield evn(event.event, at + timedelta(minutes=_REGISTERED), at)
    yield pid(subject, stay)
    yield from about_patient(subject)
    if stay:
        yield pv1(stay)
        if stay.visit.reason:
            yield pv2(stay.visit)
    if event.event in {"A01", "A04", "A05", "A08", "A28", "A31"}:
        for position, allergy in enumerate(subject.person.allergies, 1):
            yield al1(position, allergy)
    attending = stay.attending if stay else ""
    for position, diagnosis in enumerate(event.diagnoses, 1):
        yield dg1(position, diagnosis, at, attending)
    operated = subject.calendar.at(event.operated) if event.operated else at
    for position, code in enumerate(event.procedures, 1):
        yield pr1(position, code, operated, attending)
    if event.event in {"A01", "A04", "A05", "A08"} and subject.person.insurance:
        yield gt1(subject, subject.person.insurance[0])
        for position, insurance in enumerate(subject.person.insurance, 1):
            yield in1(position, insurance, subject)


def _merge(subject: Subject, event: Merge, at: datetime) -> Iterator[str]:
    yield evn("A40", at + timedelta(minutes=_REGISTERED), at)
    yield pid(subject, None)
    yield segment("MRG", {1: number(event.prior, "MR"), 7: person_name(subject.name)})


# Results


def _panel(subject: Subject, moment: Moment, panel: Panel, stay: Stay | None, lab: Lab | None) -> Iterator[str]:
    at = moment.at
    filler = subject.next_number("L" if lab else "N", at)
    by = (lab.by if lab else "") or (stay.attending if stay else "")
    issued = at + timedelta(minutes=_RESULTED - 5 if lab else 0)
    status = lab.status if lab else "F"
    yield segment("ORC", {1: "RE", 2: f"{filler}P^{HOSPITAL}", 3: f"{filler}^{HOSPITAL}", 12: doctor(by)})
    yield segment(
        "OBR",
        {
            1: 1,
            2: f"{filler}P^{HOSPITAL}",
            3: f"{filler}^{HOSPITAL}",
            4: panel.code,
            7: hl7_minute(at),
            14: hl7_minute(at + timedelta(minutes=18)) if panel.specimen else "",
            16: doctor(by),
            22: hl7_minute(issued),
            24: panel.section,
            25: status,
        },
    )
    if lab and lab.note:
        yield segment("NTE", {1: 1, 2: "L", 3: text(lab.note)})
    for position, (key, value) in enumerate(moment.values.items(), 1):
        yield _result(position, panel.tests[key], value, at, status)
    if panel.specimen:
        yield segment(
            "SPM",
            {
                1: 1,
                2: f"^{filler}S&{HOSPITAL}",
                4: panel.specimen,
                17: hl7_minute(at),
                18: hl7_minute(at + timedelta(minutes=18)),
            },
        )


def _result(position: int, test: Analyte, given: Any, at: datetime, status: str) -> str:
    value, own = given if isinstance(given, list) else (given, "")
    kind = test.kind if isinstance(value, int | float) else "ST"
    return segment(
        "OBX",
        {
            1: position,
            2: kind,
            3: test.code,
            5: text(printed(value, test)),
            6: unit(test),
            7: text(test.range),
            8: own or (flag(value, test) if kind == "NM" else ""),
            11: status,
            14: hl7_minute(at),
        },
    )


def _report(subject: Subject, report: Report, at: datetime) -> Iterator[str]:
    filler = subject.next_number("R", at)
    yield segment(
        "OBR",
        {
            1: 1,
            2: f"{filler}P^{HOSPITAL}",
            3: f"{filler}^{HOSPITAL}",
            4: report.code,
            7: hl7_minute(at),
            16: doctor(report.ordered_by),
            22: hl7_minute(at + timedelta(minutes=_FILED)),
            24: report.section,
            25: report.status,
            32: narrow_doctor(report.by),
        },
    )
    for position, line in enumerate(typed(report.text), 1):
        yield segment(
            "OBX",
            {1: position, 2: "TX", 3: report.code, 4: 1, 5: text(line), 11: report.status, 14: hl7_minute(at)},
        )
    if report.specimen:
        yield segment("SPM", {1: 1, 2: f"^{filler}S&{HOSPITAL}", 4: report.specimen, 17: hl7_minute(at)})


# Documents


def typed(words: str) -> list[str]:
    """The lines of a text as a transcription system breaks them: a line of the record files that fills its width
    goes on in the next."""
    joined: list[str] = []
    full = False
    for line in words.strip().splitlines():
        if full and line.strip():
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line)
        full = len(line) >= _FULL
    return [part for line in joined for part in (textwrap.wrap(line, _TYPED, drop_whitespace=True) or [""])]


def _document(subject: Subject, document: Document, at: datetime) -> Iterator[str]:
    signed = document.state in {"LA", "AU"}
    written = subject.calendar.at(document.dictated) if document.dictated else at
    signature = f"{doctor(document.by)}^^{hl7_minute(at + timedelta(minutes=20))}" if signed else ""
    yield segment(
        "TXA",
        {
            1: 1,
            2: document.kind,
            3: "TX" if document.form == "text" else "AP",
            4: hl7_minute(written),
            5: doctor(document.by),
            6: hl7_minute(at),
            9: doctor(document.by),
            12: f"{document.number or subject.next_number('D', at)}^{HOSPITAL}",
            13: f"{document.replaces}^{HOSPITAL}" if document.replaces else "",
            17: document.state,
            18: document.labels,
            19: "AV",
            22: signature,
            25: text(document.title),
        },
    )
    code = document.kind.partition("^")[0] + "^" + (text(document.title) or document.kind.partition("^")[2])
    if document.form == "text":
        for position, line in enumerate(typed(document.text), 1):
            yield segment("OBX", {1: position, 2: "TX", 3: code, 5: text(line), 11: "F"})
        return
    heading = f"{subject.name[0]}, {subject.name[1]}   MRN {subject.person.mrn}"
    if document.form == "pdf":
        media, content = "application^pdf", paper.pdf("\n".join(typed(document.text)), heading=heading)
    else:
        media, content = "image^png", paper.scan(document.text, heading=heading, seed=subject.person.mrn)
    packed = base64.b64encode(content).decode()
    yield segment("OBX", {1: 1, 2: "ED", 3: code, 5: f"^{media}^Base64^{packed}", 11: "F"})


# Orders, vaccines, appointments, charges


def _order(subject: Subject, order: Order, at: datetime) -> Iterator[str]:
    placer = f"{order.number or subject.next_number('X', at)}^{HOSPITAL}"
    amount, _, unit = order.dose.partition(" ")
    yield segment(
        "ORC",
        {
            1: order.control,
            2: placer,
            5: "DC" if order.control == "DC" else "",
            9: hl7_minute(at),
            12: doctor(order.by),
            16: f"^{text(order.reason)}" if order.reason else "",
        },
    )
    yield segment("RXE", {1: "", 2: order.drug, 3: amount, 5: unit, 7: f"^{text(order.how)}", 13: doctor(order.by)})
    yield segment("RXR", {1: order.route})


def _vaccine(subject: Subject, vaccine: Vaccine, at: datetime) -> Iterator[str]:
    amount, _, unit = vaccine.dose.partition(" ")
    yield segment("ORC", {1: "RE", 3: f"{subject.next_number('V', at)}^{HOSPITAL}", 9: hl7_minute(at)})
    told = "01^Historical information^NIP001" if vaccine.historical else "00^New immunization record^NIP001"
    yield segment(
        "RXA",
        {
            1: 0,
            2: 1,
            3: hl7_minute(at),
            4: hl7_minute(at),
            5: vaccine.code,
            6: amount or "999",
            7: f"{unit}^^UCUM" if unit else "",
            9: told,
            10: doctor(vaccine.by),
            15: text(vaccine.lot),
            17: vaccine.maker,
            18: vaccine.reason,
            20: "CP" if vaccine.given else "RE",
        },
    )
    if vaccine.given:
        yield segment("RXR", {1: vaccine.route, 2: vaccine.site})


def _appointment(subject: Subject, event: Appointment, head: list[str]) -> Iterator[str]:
    start = subject.calendar.at(event.start)
    end = start + timedelta(minutes=event.minutes)
    filler = event.number or subject.next_number("S", start)
    state = {"S15": "Cancelled", "S26": "Noshow"}.get(event.trigger, "Booked")
    yield segment(
        "SCH",
        {
            2: f"{filler}^{HOSPITAL}",
            7: f"^{text(event.reason)}",
            8: f"^{text(event.what)}",
            9: event.minutes,
            10: "min",
            11: f"^^{event.minutes}^{hl7_minute(start)}^{hl7_minute(end)}",
            25: state,
        },
    )
    yield from head
    yield segment("RGS", {1: 1, 2: "A"})
    yield segment(
        "AIS", {1: 1, 2: "A", 3: f"^{text(event.what)}", 4: hl7_minute(start), 7: event.minutes, 8: "min"}
    )
    yield segment("AIL", {1: 1, 2: "A", 3: place(event.place)})
    yield segment("AIP", {1: 1, 2: "A", 3: doctor(event.by), 6: hl7_minute(start), 9: event.minutes, 10: "min"})


def _charges(subject: Subject, event: Charges, at: datetime, stay: Stay | None) -> Iterator[str]:
    for position, (code, quantity, amount) in enumerate(event.lines, 1):
        yield segment(
            "FT1",
            {
                1: position,
                2: subject.next_number("F", at),
                4: at.strftime("%Y%m%d"),
                5: at.strftime("%Y%m%d"),
                6: "CG",
                7: code,
                10: quantity,
                12: f"{amount}&USD",
                13: text(event.department),
                19: "~".join(event.diagnoses),
                20: doctor(stay.attending) if stay else "",
            },
        )


def msh(kind: str, control_id: str, at: datetime) -> str:
    """MSH of the hospital's interface engine. The text is UTF-8 and says so."""
    fields = [
        "MSH",
        "^~\\&",
        ENGINE,
        HOSPITAL,
        "CHARTHOUSE",
        HOSPITAL,
        hl7_time(at),
        "",
        kind,
        control_id,
        "P",
        "2.5.1",
    ]
    return "|".join([*fields, "", "", "AL", "NE", "USA", "UNICODE UTF-8"])
