"""What the record files may say: the people, their visits, and what happened. Read strictly from YAML.

Codes are written as in HL7 v2, ``code^text^system``; times as ``-3d 07:15`` (see :mod:`.days`). Wherever ``at`` is
a list, values are lists of the same length, and each time makes a message of its own.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import yaml

from charthouse.teaching.api import Strict

Times = list[str]


class Contact(Strict, frozen=True, kw_only=True):
    """Next of kin. ``relation`` is of HL7 table 0063."""

    name: list[str]
    relation: str
    phone: str = ""


class AllergyFact(Strict, frozen=True, kw_only=True):
    """``kind`` is of HL7 table 0127, ``severity`` of 0128."""

    kind: str
    code: str
    severity: str = ""
    reaction: str = ""


class Insurance(Strict, frozen=True, kw_only=True):
    """``holder`` and ``relation`` (IN1-17: what the insured is to the patient) where somebody else is insured."""

    company: str
    plan: str
    policy: str
    group: str = ""
    since: str = ""
    holder: list[str] = []
    relation: str = "SEL"


class Visit(Strict, frozen=True, kw_only=True):
    """``kind`` is PV1-2 (I, O, E), ``service`` PV1-10 as code^text, people by their key in ``staff.yaml``."""

    number: str
    kind: str
    service: str
    attending: str
    admitting: str = ""
    referring: str = ""
    consulting: list[str] = []
    admission_type: str = ""
    source: str = ""
    reason: str = ""
    sensitivity: str = ""
    """PV1-16: VIP, or EMP for a member of staff."""


class Event(Strict, frozen=True, kw_only=True, tag_field="send"):
    """Something that happened. ``visit`` names one of the person's visits."""

    at: str
    visit: str = ""


class Adt(Event, frozen=True, kw_only=True, tag="adt"):
    """An ADT message. ``diagnoses`` are DG1 with their kind (A, W or F) before a colon; ``operated`` is when the
    ``procedures`` were done; ``note`` is for readers of the file; the rest is what changes."""

    event: str
    place: str = ""
    kind: str = ""
    service: str = ""
    attending: str = ""
    disposition: str = ""
    diagnoses: list[str] = []
    procedures: list[str] = []
    operated: str = ""
    name: list[str] = []
    former_name: list[str] = []
    address: list[str] = []
    died: str = ""
    note: str = ""


class Merge(Event, frozen=True, kw_only=True, tag="merge"):
    """A40: ``prior`` is the number that is given up."""

    prior: str


class Lab(Strict, frozen=True, kw_only=True, tag_field="send", tag="lab"):
    """A laboratory panel at one or several times. ``values`` by the test's key in ``panels.yaml``."""

    at: Times
    panel: str
    values: dict[str, list[Any]]
    visit: str = ""
    by: str = ""
    note: str = ""
    status: str = "F"


class Vitals(Strict, frozen=True, kw_only=True, tag_field="send", tag="vitals"):
    """Vital signs at several times, by their key in ``panels.yaml``; null where one was not taken."""

    at: Times
    values: dict[str, list[Any]]
    visit: str = ""


class Report(Event, frozen=True, kw_only=True, tag="report"):
    """A report in words (radiology, pathology, microbiology): an ORU with text. ``section`` is OBR-24."""

    code: str
    section: str
    by: str
    text: str
    ordered_by: str = ""
    specimen: str = ""
    status: str = "F"


class Document(Event, frozen=True, kw_only=True, tag="document"):
    """An MDM document. ``kind`` is TXA-2 as code^text; ``state`` TXA-17 (LA, AU, DI, UC); ``labels`` TXA-18.
    ``form`` is ``text``, or ``pdf`` or ``scan`` for the same words on paper."""

    kind: str
    by: str
    text: str
    title: str = ""
    state: str = "LA"
    labels: str = ""
    form: str = "text"
    number: str = ""
    replaces: str = ""
    dictated: str = ""


class Order(Event, frozen=True, kw_only=True, tag="order"):
    """An RDE. ``dose`` is amount and unit, ``how`` the instructions as read aloud."""

    drug: str
    dose: str
    how: str
    route: str
    by: str
    control: str = "NW"
    number: str = ""
    reason: str = ""


class Vaccine(Event, frozen=True, kw_only=True, tag="vaccine"):
    """A VXU. ``given`` is false for a refusal, with ``reason``."""

    code: str
    dose: str = ""
    lot: str = ""
    maker: str = ""
    route: str = "IM^Intramuscular^HL70162"
    site: str = "LD^Left deltoid^HL70163"
    by: str = ""
    given: bool = True
    reason: str = ""
    historical: bool = False


class Appointment(Event, frozen=True, kw_only=True, tag="appointment"):
    """An SIU S12 (or S15, S26). ``at`` is when it was booked, ``start`` when it is."""

    start: str
    minutes: int
    reason: str
    what: str
    by: str
    place: str
    trigger: str = "S12"
    number: str = ""


class Charges(Event, frozen=True, kw_only=True, tag="charges"):
    """A DFT: lines of ``code^text``, quantity, amount in dollars."""

    lines: list[tuple[str, int, str]]
    department: str
    diagnoses: list[str] = []


Happening = Adt | Merge | Lab | Vitals | Report | Document | Order | Vaccine | Appointment | Charges


class Fact(Strict, frozen=True, kw_only=True):
    """A coded thing with a time, as the clinic keeps it."""

    code: str
    since: str = ""
    until: str = ""
    note: str = ""


class Prescription(Strict, frozen=True, kw_only=True):
    """A medicine the clinic has the person on."""

    code: str
    how: str
    since: str
    status: str = "active"
    reason: str = ""


class Told(Strict, frozen=True, kw_only=True):
    """Somebody close, and whether that person may be told."""

    name: list[str]
    relation: str
    phone: str = ""
    may_be_told: bool | None = None


class OfficeVisit(Strict, frozen=True, kw_only=True):
    """A visit to the clinic with its note and measurements."""

    at: str
    what: str
    by: str
    reason: str = ""
    note: str = ""
    vitals: dict[str, Any] = {}
    labs: dict[str, dict[str, Any]] = {}


class Shot(Strict, frozen=True, kw_only=True):
    """An immunization in the clinic's book."""

    code: str
    at: str
    lot: str = ""


class Booking(Strict, frozen=True, kw_only=True):
    """An appointment at the clinic."""

    start: str
    minutes: int
    what: str
    by: str
    reason: str = ""
    status: str = "booked"


class Chart(Strict, frozen=True, kw_only=True):
    """What Riverside Clinic has of a person and sends as FHIR. Fields left out are as at the hospital."""

    id: str
    name: list[str] = []
    born: str = ""
    address: list[str] = []
    phone: str = ""
    email: str = ""
    language: str = ""
    interpreter: bool | None = None
    confidential: list[str] = []
    labels: list[str] = []
    told: list[Told] = []
    flags: list[str] = []
    problems: list[Fact] = []
    medications: list[Prescription] = []
    allergies: list[AllergyFact] = []
    no_known_allergy: bool = False
    visits: list[OfficeVisit] = []
    shots: list[Shot] = []
    bookings: list[Booking] = []
    payer: str = ""
    policy: str = ""


class Person(Strict, frozen=True, kw_only=True):
    """An invented person. ``name`` is family, given, middle, suffix; without ``mrn`` only the clinic knows them."""

    name: list[str]
    born: str
    sex: str
    address: list[str]
    mrn: str = ""
    phone: str = ""
    email: str = ""
    ssn: str = ""
    language: str = "eng^English^ISO639"
    marital: str = ""
    race: str = ""
    ethnicity: str = ""
    mother: str = ""
    multiple: bool = False
    publicity: str = ""
    interpreter: str = ""
    family_doctor: str = ""
    contacts: list[Contact] = []
    allergies: list[AllergyFact] = []
    insurance: list[Insurance] = []
    visits: dict[str, Visit] = {}
    events: list[Happening] = []
    riverside: Chart | None = None


class Colleague(Strict, frozen=True, kw_only=True):
    """Somebody who works at the hospital or the clinic."""

    name: list[str]
    degree: str
    number: int


def _read(name: str) -> Any:
    return yaml.safe_load(files(__package__).joinpath("records", name).read_text("utf-8"))


@cache
def staff() -> dict[str, Colleague]:
    """Who works here, by key."""
    return msgspec.convert(_read("staff.yaml"), dict[str, Colleague])


@cache
def people() -> tuple[Person, ...]:
    """Everybody, in the order of their files. Raises msgspec.ValidationError naming the file and the field."""
    found: list[Person] = []
    folder = files(__package__).joinpath("records", "people")
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if each.name.endswith(".yaml"):
            try:
                found.extend(msgspec.convert(yaml.safe_load(each.read_text("utf-8")), list[Person]))
            except msgspec.ValidationError as error:
                raise msgspec.ValidationError(f"{each.name}: {error}") from None
    return tuple(found)
