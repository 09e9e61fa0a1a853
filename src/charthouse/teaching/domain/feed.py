"""What the hospital's interface engine sends: one HL7 v2 message for each item."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from .catalog import names
from .hl7 import address, hl7_minute, hl7_time, message, person_name, phone, segment, text
from .items import (
    Adt,
    Booking,
    Charges,
    Document,
    Given,
    Item,
    Order,
    Performed,
    Report,
    Request,
    Result,
    Stay,
    Vaccine,
)
from .panels import Analyte, flag, panels, printed, unit
from .population import Person
from .staff import ENGINE, HOSPITAL

_STRUCTURES = {
    "A04": "ADT_A01", "A08": "ADT_A01", "A13": "ADT_A01", "A11": "ADT_A09", "A12": "ADT_A09", "A28": "ADT_A05",
    "A31": "ADT_A05", "A40": "ADT_A39",
}  # fmt: skip
_WITH_INSURANCE = frozenset({"A01", "A04", "A06", "A28", "A31"})
_COLUMNS = 88
_ROUTES = {
    "PO": "PO^Oral^HL70162",
    "IV": "IV^Intravenous^HL70162",
    "IM": "IM^Intramuscular^HL70162",
    "SC": "SC^Subcutaneous^HL70162",
    "IH": "IH^Inhalation^HL70162",
    "TD": "TD^Transdermal^HL70162",
}
_UNITS = {"units": "[iU]"}
#: ORC-5 by ORC-1.
_STATES = {"NW": "", "DC": "DC"}
_UNSIGNED = "DI"
#: PR1-9 by what is written of the anesthesia; where that leaves it open, nothing.
_ANESTHESIA = {
    "general endotracheal": "G^General^L",
    "general, LMA": "G^General^L",
    "spinal": "S^Spinal^L",
    "local": "L^Local^L",
    "moderate sedation": "C^Moderate sedation^L",
    "monitored anesthesia care": "M^Monitored anesthesia care^L",
    "monitored anesthesia care with local": "M^Monitored anesthesia care^L",
    "topical with monitored care": "M^Monitored anesthesia care^L",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """A message of one patient: when it is sent, what it is, and its bytes. ``bundle`` for FHIR."""

    at: datetime
    kind: str
    control: str
    data: bytes
    bundle: bool = False


def number_of(value: str, kind: str) -> str:
    """CX of a number the hospital gives."""
    return f"{value}^^^{HOSPITAL}^{kind}"


@cache
def _service(code: str) -> str:
    return f"{code}^{text(names().services[code].words)}"


def wrapped(line: str) -> Iterator[str]:
    """A line broken at spaces as a transcription system breaks it."""
    while len(line) > _COLUMNS:
        cut = line.rfind(" ", 1, _COLUMNS + 1)
        if cut < 0:
            break
        yield line[:cut]
        line = line[cut + 1 :]
    yield line


@dataclass(slots=True)
class Feed:
    """One patient's messages as they are made. ``named`` is when a newborn was given a name;
    ``mrn`` the record number the messages are under, where it is not the person's own. ``unsaid`` are visits of
    which nobody writes how they ended."""

    person: Person
    named: datetime | None = None
    mrn: str = ""
    died: datetime | None = None
    count: int = 0
    unsaid: set[str] = field(default_factory=set)
    _pids: dict[tuple[str, str, bool], tuple[str, list[str]]] = field(default_factory=dict)
    _panels: dict[tuple[str, str], tuple[str, str, str]] = field(default_factory=dict)

    def message(self, item: Item) -> Message:
        """The item's message."""
        self.count += 1
        at = (item.filed if isinstance(item, Document) else item.at) + timedelta(minutes=1)
        kind, segments = self._content(item)
        control = f"{HOSPITAL[:2]}{self.mrn or self.person.mrn}{self.count:04d}"
        head = (
            f"MSH|^~\\&|{ENGINE}|{HOSPITAL}|CHARTHOUSE|{HOSPITAL}|{hl7_time(at)}||{kind}|{control}|P|2.5.1|||AL|NE|USA|"
            "UNICODE UTF-8"
        )
        return Message(at, kind, control, message([head, *segments]))

    def _content(self, item: Item) -> tuple[str, list[str]]:
        match item:
            case Adt():
                return f"ADT^{item.event}^{_STRUCTURES.get(item.event, f'ADT_{item.event}')}", list(self._adt(item))
            case Result():
                return "ORU^R01^ORU_R01", [*self._head(item), *self._results(item)]
            case Report():
                return "ORU^R01^ORU_R01", [*self._head(item), *self._report(item)]
            case Document():
                event = segment("EVN", {1: item.event, 2: hl7_time(item.filed), 6: hl7_time(item.at)})
                structure = "MDM_T01" if item.event == "T11" else "MDM_T02"
                return f"MDM^{item.event}^{structure}", [event, *self._head(item), *self._document(item)]
            case Order():
                return "RDE^O11^RDE_O11", [*self._head(item), *self._order(item)]
            case Given():
                return "RAS^O17^RAS_O17", [*self._head(item), *self._given(item)]
            case Request():
                return "ORM^O01^ORM_O01", [*self._head(item), *self._request(item)]
            case Vaccine():
                return "VXU^V04^VXU_V04", [self.pid(item.at, None), *self._vaccine(item)]
            case Booking():
                return f"SIU^{item.trigger}^SIU_S12", self._booking(item)
            case Charges():
                event = segment("EVN", {1: "P03", 2: hl7_time(item.at)})
                return "DFT^P03^DFT_P03", [event, *self._head(item), *self._charges(item)]
        raise TypeError(f"{type(item).__name__} is nothing the hospital sends.")

    def _head(self, item: Item) -> list[str]:
        pid = self.pid(item.at, item.stay)
        return [pid, self.pv1(item.stay, item.at)] if item.stay else [pid]

    def given(self, at: datetime) -> str:
        """The given name at that time: a newborn's comes later."""
        person = self.person
        if person.birth is None or (self.named is not None and at >= self.named):
            return person.given
        letter = f" {'AB'[person.order - 1]}" if person.order else ""
        return f"Baby{'girl' if person.sex == 'F' else 'boy'}{letter}"

    def family(self, at: datetime) -> str:
        """The family name at that time."""
        person = self.person
        if person.renamed is not None and at.date() < person.renamed:
            return person.former
        return person.family

    def pid(self, at: datetime, stay: Stay | None) -> str:
        """PID as it is known at that time."""
        person = self.person
        family, given = self.family(at), self.given(at)
        dead = self.died is not None and at >= self.died
        key = family, given, dead
        known = self._pids.get(key)
        if known is None:
            contact = [phone(person.phone)]
            if person.email:
                contact.append(f"^NET^Internet^{text(person.email)}")
            birth = hl7_minute(person.birth) if person.birth else person.born.strftime("%Y%m%d")
            values = {
                1: "1",
                3: number_of(self.mrn or person.mrn, "MR"),
                5: person_name([family, given, "" if person.birth else person.middle, person.suffix]),
                7: birth,
                8: person.sex,
                9: person_name([person.former, given], "M") if person.former and family != person.former else "",
                10: person.race,
                11: address(list(person.address)),
                13: "~".join(contact),
                15: person.language,
                16: person.marital,
                19: person.ssn,
                22: person.ethnicity,
                24: "Y" if person.order else "",
                25: str(person.order or ""),
                29: hl7_minute(self.died) if dead and self.died else "",
                30: "Y" if dead else "",
            }
            known = self._pids[key] = "", [values.get(place, "") for place in range(1, 31)]
        values_ = list(known[1])
        if stay is not None:
            values_[17] = number_of(f"A{stay.number}", "AN")
        return "PID|" + "|".join(values_).rstrip("|")

    def pv1(self, stay: Stay, at: datetime, item: Adt | None = None) -> str:
        """PV1 as the stay stands at that time."""
        kind = stay.kind
        if stay.becomes and stay.admitted is not None and at >= stay.admitted:
            kind = stay.becomes[0]
            if stay.becomes == "OI" and (
                at - stay.admitted > timedelta(hours=14) or (item and item.event == "A06")
            ):
                kind = "I"
        attending = stay.attending(at)
        admitting = attending.xcn if kind == "I" else ""
        over = at >= stay.end or (item is not None and item.event == "A03")
        ended = stay.end
        if item is not None and item.event == "A03":
            ended = item.at
        where = item.place if item else ""
        values: dict[int, str | int] = {
            1: 1,
            2: kind,
            3: where or stay.bed(at),
            4: {"E": "E", "O": "R"}.get(stay.kind, "N" if stay.key == "newborn" else "R"),
            6: item.bed_before if item else "",
            7: attending.xcn,
            10: _service(attending.service if kind == "E" else stay.condition.service),
            14: "7" if stay.kind == "E" else "1",
            17: admitting,
            19: number_of(stay.number, "VN"),
            36: stay.disposition if over and stay.number not in self.unsaid else "",
            39: HOSPITAL,
            44: hl7_minute(stay.start),
            45: hl7_minute(ended) if over else "",
        }
        return segment("PV1", values)

    def _adt(self, item: Adt) -> Iterator[str]:
        at, stay, person = item.at, item.stay, self.person
        yield segment("EVN", {1: item.event, 2: hl7_time(at + timedelta(minutes=1)), 6: hl7_time(at)})
        yield self.pid(at, stay)
        if item.event == "A40":
            yield segment("MRG", {1: number_of(item.prior, "MR"), 7: person_name([person.family, person.given])})
            return
        if item.event in _WITH_INSURANCE:
            if person.interpreter:
                yield segment("ROL", {2: "AD", 3: "PI^Interpreter", 4: "^" + text(person.language.split("^")[1])})
            for place, contact in enumerate(person.contacts, 1):
                yield segment("NK1", {
                    1: place,
                    2: person_name([contact.family, contact.given]),
                    3: f"{contact.relation}^^HL70063",
                    5: phone(contact.phone),
                    7: "N^Next-of-Kin^HL70131" if place == 1 else "C^Emergency Contact^HL70131",
                })  # fmt: skip
        if stay is not None:
            yield self.pv1(stay, at, item)
            yield segment("PV2", {3: f"^{text(stay.condition.complaint.partition('|')[0].strip('{'))}"})
        if item.event in _WITH_INSURANCE:
            for place, allergy in enumerate(person.allergies, 1):
                severity = f"{allergy.severity}^^HL70128"
                yield segment("AL1", {1: place, 2: f"{allergy.kind}^^HL70127", 3: allergy.code, 4: severity,
                                      5: allergy.reaction})  # fmt: skip
        if item.diagnoses and stay is not None:
            yield from self._diagnoses(stay, item)
        for place, done in enumerate(item.procedures, 2):
            yield self._performed(done, place)
        if item.event in _WITH_INSURANCE and person.coverage:
            yield segment("GT1", {
                1: 1, 3: person_name([self.family(at), self.given(at)]), 5: address(list(person.address)),
                6: phone(person.phone), 11: "SEL^^HL70063", 16: text(person.employer),
            })  # fmt: skip
            for place, cover in enumerate(person.coverage, 1):
                company, _, name = cover.company.partition("^")
                holder = cover.holder.split("^") if cover.holder else [self.family(at), self.given(at)]
                own = holder == [person.family, person.given] or not cover.holder
                yield segment("IN1", {
                    1: place, 2: cover.plan, 3: f"{company}^^^{HOSPITAL}^NIIP", 4: text(name), 8: cover.group,
                    16: person_name(holder), 17: f"{'SEL' if own else 'PAR'}^^HL70063", 22: place,
                    35: cover.plan.partition("^")[2], 36: cover.policy,
                })  # fmt: skip

    def _diagnoses(self, stay: Stay, item: Adt) -> Iterator[str]:
        final = item.event == "A03"
        kind = "F" if final else "A" if item.event in ("A01", "A04", "A06") else "W"
        who = stay.attending(item.at).xcn
        for place, code in enumerate(stay.diagnoses if final else stay.diagnoses[:1], 1):
            value, _, words = code.partition("^")
            yield segment("DG1", {
                1: place, 3: f"{value}^{text(words)}^I10C", 5: hl7_minute(item.at), 6: kind,
                15: place if final else "", 16: who,
            })  # fmt: skip
        if (
            stay.procedure
            and (stay.inpatient or stay.operated)
            and (not stay.operated or item.at >= stay.operated[1])
            and (final or item.event == "A08")
        ):
            yield self._performed(self._own(stay, item))

    def _own(self, stay: Stay, item: Adt) -> Performed:
        """What was done in a stay, as PR1 tells it."""
        at, end = stay.operated or (item.at, None)
        if stay.key == "delivery" and self.person.delivers is not None:
            at = self.person.delivers
        operation = stay.condition.operation if stay.operated else None
        kind = _ANESTHESIA.get(operation.anesthesia, "") if operation else ""
        surgeon = stay.surgeon or stay.attending(item.at)
        return Performed(stay.procedure, at, end, surgeon, stay.anesthetist, kind, emergency=stay.emergency)

    @staticmethod
    def _performed(done: Performed, place: int = 1) -> str:
        value, _, words = done.code.partition("^")
        minutes = round((done.end - done.start).total_seconds() / 60) if done.end else ""
        return segment("PR1", {
            1: place, 3: f"{value}^{text(words)}^I10P", 5: hl7_minute(done.start),
            6: "E^Emergency^L" if done.emergency else "", 7: minutes,
            8: done.anesthetist.xcn if done.anesthetist else "", 9: done.anesthesia, 11: done.surgeon.xcn,
            20: "D" if done.taken_back else "",
        })  # fmt: skip

    # Results

    def _results(self, item: Result) -> Iterator[str]:
        vital = "vitals" in item.panels
        taken = item.at if vital else item.at - timedelta(minutes=32)
        stay = item.stay
        base = item.order or f"V{stay.number if stay else self.mrn or self.person.mrn}{item.at:%m%d%H%M}"
        for place, (key, values) in enumerate(item.panels.items(), 1):
            panel = panels()[key]
            filler = f"{base}{chr(64 + place)}"
            placer = f"{item.order}^{HOSPITAL}" if item.order else ""
            yield segment("ORC", {1: "RE", 2: placer, 3: f"{filler}^{HOSPITAL}", 12: item.by.xcn})
            yield segment("OBR", {
                1: place, 2: placer, 3: f"{filler}^{HOSPITAL}", 4: panel.code, 7: hl7_minute(taken),
                14: hl7_minute(taken + timedelta(minutes=9)) if panel.specimen else "", 16: item.by.xcn,
                22: hl7_minute(item.at), 24: panel.section, 25: "F",
            })  # fmt: skip
            when = hl7_minute(taken)
            for line, (name, value) in enumerate(values.items(), 1):
                test = panel.tests[name]
                code, units, limits = self._test(key, name, test)
                units = item.units.get(name, units)
                mark = flag(value, test) if isinstance(value, int | float) else ""
                shown = text(printed(value, test))
                yield f"OBX|{line}|{test.kind}|{code}||{shown}|{units}|{limits}|{mark}|||F|||{when}"
            if panel.specimen:
                yield segment("SPM", {1: 1, 2: f"^{filler}S&{HOSPITAL}", 4: panel.specimen, 17: when})

    def _test(self, panel: str, name: str, test: Analyte) -> tuple[str, str, str]:
        known = self._panels.get((panel, name))
        if known is None:
            known = self._panels[panel, name] = test.code, unit(test), text(test.range)
        return known

    def _report(self, item: Report) -> Iterator[str]:
        placer = f"{item.order}^{HOSPITAL}"
        code, taken = item.code, hl7_minute(item.at - timedelta(minutes=30))
        yield segment("OBR", {
            1: 1, 2: placer, 3: f"{item.order}F^{HOSPITAL}", 4: code, 7: taken,
            22: hl7_minute(item.at), 24: item.section, 25: "F", 32: item.by.ndl,
        })  # fmt: skip
        lines = [part for line in item.lines for part in wrapped(line)]
        for place, line in enumerate(lines, 1):
            yield segment("OBX", {1: place, 2: "TX", 3: code, 4: 1, 5: text(line), 11: "F",
                                  14: hl7_minute(item.at)})  # fmt: skip
        if item.specimen:
            yield segment("SPM", {1: 1, 2: f"^{item.order}S&{HOSPITAL}", 4: item.specimen,
                                  17: hl7_minute(item.at - timedelta(days=1))})  # fmt: skip

    def _document(self, item: Document) -> Iterator[str]:
        content = "TX" if not item.scan else "IM" if item.media.startswith("image/") else "AP"
        signature = f"{item.by.xcn}^^{hl7_minute(item.signed)}" if item.signed else ""
        yield segment("TXA", {
            1: 1, 2: item.kind, 3: content, 4: hl7_minute(item.at), 5: item.by.xcn, 6: hl7_minute(item.filed),
            9: item.by.xcn, 12: f"{item.number}^{HOSPITAL}", 17: item.state if item.signed else _UNSIGNED,
            19: "CA" if item.event == "T11" else "AV",
            22: signature, 25: text(item.title),
        })  # fmt: skip
        if item.event == "T11":
            return
        code = f"{item.kind.partition('^')[0]}^{text(item.title)}"
        place = 0
        if item.scan:
            kind, _, subtype = item.media.partition("/")
            yield f"OBX|1|ED|{code}||^{kind}^{subtype}^Base64^{base64.b64encode(item.scan).decode()}||||||F"
            return
        for line in item.text.split("\n"):
            for part in wrapped(line):
                place += 1
                yield f"OBX|{place}|TX|{code}||{text(part)}||||||F"

    # Orders, doses, vaccines, appointments, charges

    def _order(self, item: Order) -> Iterator[str]:
        for number, drug in item.drugs:
            amount, _, units = drug.dose.partition(" ")
            yield segment("ORC", {1: item.control, 2: f"{number}^{HOSPITAL}", 5: _STATES[item.control],
                                  9: hl7_minute(item.at), 12: item.by.xcn})  # fmt: skip
            yield segment("RXE", {2: drug.coded, 3: amount, 5: _UNITS.get(units, units), 7: f"^{text(drug.how)}",
                                  13: item.by.xcn})  # fmt: skip
            yield segment("RXR", {1: _ROUTES[drug.route]})

    def _given(self, item: Given) -> Iterator[str]:
        for place, (number, drug, at, reason) in enumerate(sorted(item.doses, key=lambda dose: dose[2]), 1):
            amount, _, units = drug.dose.partition(" ")
            yield segment("ORC", {1: "RE", 2: f"{number}^{HOSPITAL}"})
            yield segment("RXA", {
                1: 0, 2: place, 3: hl7_minute(at), 4: hl7_minute(at), 5: drug.coded, 6: amount,
                7: f"{_UNITS.get(units, units)}^^UCUM", 10: item.by.xcn, 18: f"^{reason}" if reason else "",
                20: "NA" if reason else "CP",
            })  # fmt: skip
            yield segment("RXR", {1: _ROUTES[drug.route]})

    def _request(self, item: Request) -> Iterator[str]:
        placer = f"{item.number}^{HOSPITAL}"
        yield segment(
            "ORC",
            {
                1: "SC" if item.verified else "NW",
                2: placer,
                9: hl7_minute(item.at),
                11: item.verified.xcn if item.verified else "",
                12: item.by.xcn,
                15: hl7_minute(item.ordered) if item.ordered else "",
                30: item.mode,
            },
        )
        yield segment("OBR", {
            1: 1, 2: placer, 4: item.code, 16: item.by.xcn, 32: item.asked.ndl if item.asked else "",
        })  # fmt: skip

    def _vaccine(self, item: Vaccine) -> Iterator[str]:
        number = f"Z{self.person.mrn}{item.at:%y%m%d}"
        yield segment("ORC", {1: "RE", 3: f"{number}^{HOSPITAL}", 9: hl7_minute(item.at)})
        yield segment("RXA", {
            1: 0, 2: 1, 3: hl7_minute(item.at), 4: hl7_minute(item.at), 5: item.code, 6: "0.5", 7: "mL^^UCUM",
            9: "00^New immunization record^NIP001", 10: item.by.xcn, 15: item.lot, 20: "CP",
        })  # fmt: skip
        yield segment("RXR", {1: _ROUTES["IM"], 2: "LT^Left thigh^HL70163"})

    def _booking(self, item: Booking) -> list[str]:
        start, end = item.start, item.start + timedelta(minutes=item.minutes)
        what = text(item.what)
        return [
            segment("SCH", {
                2: f"{item.number}^{HOSPITAL}", 7: f"^{what}", 8: f"^{what}", 9: item.minutes, 10: "min",
                11: f"^^{item.minutes}^{hl7_minute(start)}^{hl7_minute(end)}",
                25: {"S15": "Cancelled", "S26": "Noshow"}.get(item.trigger, "Booked"),
            }),
            self.pid(item.at, None),
            segment("RGS", {1: 1, 2: "A"}),
            segment("AIS", {1: 1, 2: "A", 3: f"^{what}", 4: hl7_minute(start), 7: item.minutes, 8: "min"}),
            segment("AIP", {1: 1, 2: "A", 3: item.by.xcn, 6: hl7_minute(start), 9: item.minutes, 10: "min"}),
        ]  # fmt: skip

    def _charges(self, item: Charges) -> Iterator[str]:
        stay = item.stay
        who = stay.attending(stay.end).xcn if stay else ""
        for place, (code, quantity, cents) in enumerate(item.lines, 1):
            diagnosis = ""
            if place == 1 and stay is not None:
                value, _, words = stay.diagnoses[0].partition("^")
                diagnosis = f"{value}^{text(words)}^I10C"
            yield segment("FT1", {
                1: place, 2: f"F{stay.number if stay else ''}{place:02d}", 4: item.at.strftime("%Y%m%d"),
                5: item.at.strftime("%Y%m%d"), 6: "CG", 7: code, 10: quantity,
                12: f"{quantity * cents / 100:.2f}&USD", 19: diagnosis, 20: who,
            })  # fmt: skip
