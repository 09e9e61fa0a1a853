"""The segments that stand in nearly every message of the hospital: who it is about, and which visit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from charthouse.teaching.api import address, hl7_minute, hl7_time, person_name, phone, segment, text

from .cast import Adt, AllergyFact, Insurance, Person, Visit
from .days import Calendar
from .hl7 import doctor, number, place

_BEGINS = {"A01", "A04", "A05"}
#: Where the patient is moved by an event.
_MOVES = _BEGINS | {"A02", "A06", "A07"}


@dataclass(slots=True)
class Stay:
    """A visit as it stands at a moment."""

    visit: Visit
    kind: str
    service: str
    attending: str
    place: str = ""
    prior: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    disposition: str = ""


@dataclass(slots=True)
class Subject:
    """A person as the hospital knows them at a moment: names and addresses change on the way."""

    person: Person
    calendar: Calendar
    name: list[str]
    address: list[str]
    former: list[list[str]] = field(default_factory=list)
    died: datetime | None = None
    stays: dict[str, Stay] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, person: Person, calendar: Calendar) -> Subject:
        """The person before anything happened."""
        subject = cls(person, calendar, person.name, person.address)
        for key, visit in person.visits.items():
            subject.stays[key] = Stay(visit, visit.kind, visit.service, visit.attending)
        return subject

    def stay(self, key: str) -> Stay | None:
        """The visit called ``key``; None for no key. Raises KeyError for one the person does not have."""
        return self.stays[key] if key else None

    def next_number(self, kind: str, at: datetime) -> str:
        """A number of this person's: letter, day, the record number's end, and a count."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind}{at:%y%m%d}{self.person.mrn[-4:]}{self.counts[kind]:02d}"

    def happen(self, event: Adt, at: datetime) -> None:
        """Change what an ADT event changes."""
        if event.former_name:
            self.former.append(event.former_name)
        self.name = event.name or self.name
        self.address = event.address or self.address
        if event.died:
            self.died = self.calendar.at(event.died)
        stay = self.stay(event.visit)
        if stay is None:
            return
        if event.event in _BEGINS and stay.started is None:
            stay.started = at
        if event.place and event.event in _MOVES and event.place != stay.place:
            stay.prior, stay.place = stay.place, event.place
        elif event.event == "A12":
            stay.prior, stay.place = "", stay.prior
        if event.event == "A03":
            stay.ended, stay.disposition = at, event.disposition
        elif event.event == "A13":
            stay.ended, stay.disposition = None, ""
        stay.kind = event.kind or stay.kind
        stay.service = event.service or stay.service
        stay.attending = event.attending or stay.attending


def pid(subject: Subject, stay: Stay | None) -> str:
    """PID."""
    person = subject.person
    contact = [phone(person.phone)] + ([f"^NET^Internet^{text(person.email)}"] if person.email else [])
    born = person.born
    birth = (
        hl7_minute(subject.calendar.at(born))
        if born[:1] in "+-" and " " in born
        else subject.calendar.date_of(born).strftime("%Y%m%d")
        if born
        else ""
    )
    return segment(
        "PID",
        {
            1: 1,
            3: number(person.mrn, "MR"),
            5: person_name(subject.name),
            6: person_name([person.mother, ""], "M") if person.mother else "",
            7: birth,
            8: person.sex,
            9: "~".join(person_name(each, "M") for each in subject.former),
            10: person.race,
            11: address(subject.address) if subject.address else "",
            13: "~".join(each for each in contact if each),
            15: person.language,
            16: person.marital,
            18: number(f"A{stay.visit.number}", "AN") if stay else "",
            19: person.ssn,
            22: person.ethnicity,
            24: "Y" if person.multiple else "",
            29: hl7_minute(subject.died) if subject.died else "",
            30: "Y" if subject.died else "",
        },
    )


def about_patient(subject: Subject) -> Iterator[str]:
    """PD1, ROL and NK1: the family doctor, the interpreter, who is close."""
    person = subject.person
    if person.family_doctor or person.publicity:
        yield segment(
            "PD1",
            {4: doctor(person.family_doctor), 11: f"{person.publicity}^^HL70215" if person.publicity else ""},
        )
    if person.interpreter:
        yield segment("ROL", {2: "AD", 3: "PI^Interpreter", 4: f"^{text(person.interpreter)}"})
    for place_, contact in enumerate(person.contacts, 1):
        yield segment(
            "NK1",
            {
                1: place_,
                2: person_name(contact.name),
                3: f"{contact.relation}^^HL70063",
                5: phone(contact.phone),
                7: "N^Next-of-Kin^HL70131" if place_ == 1 else "C^Emergency Contact^HL70131",
            },
        )


def pv1(stay: Stay, *, discharge: bool = True) -> str:
    """PV1 as the visit stands."""
    visit = stay.visit
    return segment(
        "PV1",
        {
            1: 1,
            2: stay.kind,
            3: place(stay.place),
            4: visit.admission_type,
            6: place(stay.prior),
            7: doctor(stay.attending),
            8: doctor(visit.referring),
            9: "~".join(doctor(each) for each in visit.consulting),
            10: stay.service,
            14: visit.source,
            16: visit.sensitivity,
            17: doctor(visit.admitting),
            19: number(visit.number, "VN"),
            36: stay.disposition,
            39: "LVMC",
            44: hl7_minute(stay.started) if stay.started else "",
            45: hl7_minute(stay.ended) if stay.ended and discharge else "",
        },
    )


def pv2(visit: Visit) -> str:
    """PV2: why the patient came."""
    return segment("PV2", {3: f"^{text(visit.reason)}"})


def evn(event: str, recorded: datetime, occurred: datetime) -> str:
    """EVN."""
    return segment("EVN", {1: event, 2: hl7_time(recorded), 6: hl7_time(occurred)})


def al1(position: int, allergy: AllergyFact) -> str:
    """AL1."""
    return segment(
        "AL1",
        {
            1: position,
            2: f"{allergy.kind}^^HL70127",
            3: allergy.code,
            4: f"{allergy.severity}^^HL70128" if allergy.severity else "",
            5: text(allergy.reaction),
        },
    )


def dg1(position: int, diagnosis: str, at: datetime, attending: str) -> str:
    """DG1 of ``A:I50.33^text^I10C``."""
    kind, _, code = diagnosis.partition(":")
    return segment(
        "DG1",
        {
            1: position,
            3: code,
            5: hl7_minute(at),
            6: kind,
            15: position if kind == "F" else "",
            16: doctor(attending),
        },
    )


def pr1(position: int, code: str, at: datetime, surgeon: str) -> str:
    """PR1."""
    return segment("PR1", {1: position, 3: code, 5: hl7_minute(at), 11: doctor(surgeon)})


def gt1(subject: Subject, insurance: Insurance) -> str:
    """GT1: the holder of the first insurance answers for the bill."""
    holder = insurance.holder or subject.name
    return segment(
        "GT1",
        {
            1: 1,
            3: person_name(holder),
            5: address(subject.address),
            6: phone(subject.person.phone),
            11: f"{insurance.relation}^^HL70063",
        },
    )


def in1(position: int, insurance: Insurance, subject: Subject) -> str:
    """IN1."""
    company = "".join(letter for letter in insurance.company if letter.isupper())
    return segment(
        "IN1",
        {
            1: position,
            2: insurance.plan,
            3: f"{company}^^^LVMC^NIIP",
            4: text(insurance.company),
            8: insurance.group,
            12: subject.calendar.date_of(insurance.since).strftime("%Y%m%d") if insurance.since else "",
            16: person_name(insurance.holder or subject.name),
            17: f"{insurance.relation}^^HL70063",
            22: position,
            35: insurance.plan.partition("^")[2],
            36: insurance.policy,
        },
    )
