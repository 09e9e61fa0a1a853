"""Forty charts of a morning: stays, operations and emergency visits by HL7 v2, stays of another house by FHIR."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from charthouse.teaching.api import Outgoing, Way, hl7_time, message, npi_of, segment

HOUR = timedelta(hours=1)
SENDER = "ADT|VALE"


@dataclass(frozen=True)
class Doctor:
    """Somebody of the medical staff; none of them lives."""

    family: str
    given: str
    number: int

    @property
    def xcn(self) -> str:
        return f"{npi_of(self.number)}^{self.family}^{self.given}^^^^MD^^NPI^L^^^NPI"

    @property
    def reference(self) -> dict[str, str]:
        return {"reference": f"Practitioner/{self.family.lower()}", "display": f"{self.family}, {self.given}"}

    @property
    def resource(self) -> dict[str, Any]:
        return {
            "resourceType": "Practitioner",
            "id": self.family.lower(),
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": npi_of(self.number)}],
            "name": [{"family": self.family, "given": [self.given], "suffix": ["MD"]}],
        }


NOVAK, CHEN, MENDEZ = Doctor("Novak", "Bela", 77001), Doctor("Chen", "Lin", 77002), Doctor("Mendez", "Rosa", 77003)


@dataclass(frozen=True)
class Paper:
    """A document: its type (TXA-2), LOINC code, hours after the arrival, and whether its author signed it."""

    kind: str
    loinc: str
    after: float
    signed: bool = True


HP, OP, DS, ED = (
    Paper("HP^History and physical", "34117-2", 3),
    Paper("OP^Operative report", "11504-8", 8),
    Paper("DS^Discharge summary", "18842-5", 47),
    Paper("ED^Emergency department report", "34111-5", 4),
)
CONSENT = Paper("CONS^Consent to the operation", "59284-0", 4)


@dataclass(frozen=True)
class Visit:
    """An encounter that is over: who came, when it began, for how many hours, and whose it is."""

    number: int
    kind: str
    doctor: Doctor
    began: datetime
    hours: float
    papers: tuple[Paper, ...]
    operated: bool = False
    by_fhir: bool = False

    @property
    def family(self) -> str:
        return f"{_FAMILIES[self.number % len(_FAMILIES)]}-{_FAMILIES[self.number // len(_FAMILIES)]}"

    @property
    def given(self) -> str:
        return _GIVEN[self.number % len(_GIVEN)]

    @property
    def mrn(self) -> str:
        return f"77{self.number:04d}"

    @property
    def born(self) -> str:
        return f"{1930 + self.number}0{self.number % 9 + 1}1{self.number % 10}"

    @property
    def ended(self) -> datetime:
        return self.began + self.hours * HOUR


_FAMILIES = ("Alderwick", "Brannagh", "Cottrell", "Dunmore", "Eastlake", "Farraday", "Gillespie")
_GIVEN = ("Ottilie", "Marcus", "Ines", "Wendell", "Rosalind", "Thaddeus", "Perpetua", "Ludovic", "Hester")


def without(papers: tuple[Paper, ...], kind: Paper) -> tuple[Paper, ...]:
    return tuple(each for each in papers if each is not kind)


def unsigned(papers: tuple[Paper, ...], kind: Paper) -> tuple[Paper, ...]:
    return tuple(replace(each, signed=False) if each is kind else each for each in papers)


def forty(now: datetime) -> list[Visit]:
    """Sixteen stays, eight operations, twelve emergency visits, four stays of the other house; eleven lack
    something."""
    stay, operation, emergency = (HP, DS), (HP, CONSENT, OP, DS), (ED,)
    # Who owes what; the rest has all of it.
    lacking = {
        1: unsigned(stay, DS), 2: unsigned(stay, DS), 3: without(stay, DS), 4: without(stay, DS),
        17: unsigned(operation, OP), 18: unsigned(operation, OP), 19: unsigned(operation, OP),
        20: unsigned(operation, OP), 24: without(operation, CONSENT),
        25: unsigned(emergency, ED), 26: unsigned(emergency, ED), 37: unsigned(stay, DS),
    }  # fmt: skip
    found = []
    for number in range(1, 41):
        began = now - 100 * HOUR + number * timedelta(minutes=7)
        if number <= 16:
            visit = Visit(number, "I", NOVAK, began, 50, stay)
        elif number <= 24:
            visit = Visit(number, "I", CHEN, began, 50, operation, operated=True)
        elif number <= 36:
            visit = Visit(number, "E", MENDEZ, began + 44 * HOUR, 6, emergency)
        else:
            visit = Visit(number, "I", NOVAK, began, 50, stay, by_fhir=True)
        found.append(replace(visit, papers=lacking.get(number, visit.papers)))
    return found


def by_hl7(visits: list[Visit]) -> list[Outgoing]:
    """What the hospital sends of these, in the order it happened."""
    sent = [(at, kind, lines) for each in visits for at, kind, lines in _told(each)]
    sent.sort(key=lambda told: told[0])
    return [
        Outgoing(f"VALE-{position}", SENDER, Way.MLLP, message([_msh(kind, position, at), *lines]))
        for position, (at, kind, lines) in enumerate(sent, 1)
    ]


def _msh(kind: str, position: int, at: datetime) -> str:
    return f"MSH|^~\\&|ADT|VALE|CHARTHOUSE|HIM|{hl7_time(at)}||{kind}|VALE-{position}|P|2.5.1"


def _told(visit: Visit) -> Iterator[tuple[datetime, str, list[str]]]:
    pid = segment(
        "PID",
        {1: 1, 3: f"{visit.mrn}^^^VALE^MR", 5: f"{visit.family}^{visit.given}", 7: visit.born, 8: "F"},
    )
    begins = "A04" if visit.kind == "E" else "A01"
    yield visit.began, f"ADT^{begins}^ADT_A01", [_evn(begins, visit.began), pid, _pv1(visit)]
    for position, paper in enumerate(visit.papers, 1):
        at = visit.began + paper.after * HOUR
        yield at, "MDM^T02^MDM_T02", [_evn("T02", at), pid, _pv1(visit), *_document(visit, paper, position, at)]
    end = [_evn("A03", visit.ended), pid, _pv1(visit, over=True)]
    end.append(segment("DG1", {1: 1, 3: "K40.90^Inguinal hernia^I10", 5: hl7_time(visit.ended), 6: "F"}))
    if visit.operated:
        at = hl7_time(visit.began + 6 * HOUR)
        repair = "0YQ50ZZ^Repair right inguinal region, open approach^I10P"
        end.append(segment("PR1", {1: 1, 3: repair, 5: at, 7: 55, 11: visit.doctor.xcn}))
    yield visit.ended, "ADT^A03^ADT_A03", end


def _evn(event: str, at: datetime) -> str:
    return segment("EVN", {1: event, 2: hl7_time(at), 6: hl7_time(at)})


def _pv1(visit: Visit, *, over: bool = False) -> str:
    return segment(
        "PV1",
        {
            1: 1, 2: visit.kind, 3: "ED^02^A^VALE" if visit.kind == "E" else "4W^412^B^VALE", 7: visit.doctor.xcn,
            10: "MED" if visit.kind == "E" else "SUR" if visit.operated else "GEN", 17: visit.doctor.xcn,
            19: f"V{visit.number:05d}^^^VALE^VN", 36: "01" if over else "", 44: hl7_time(visit.began),
            45: hl7_time(visit.ended) if over else "",
        },
    )  # fmt: skip


def _document(visit: Visit, paper: Paper, position: int, at: datetime) -> list[str]:
    signature = f"{visit.doctor.xcn}^^{hl7_time(at + HOUR)}" if paper.signed else ""
    head = segment(
        "TXA",
        {
            1: 1, 2: paper.kind, 3: "TX", 4: hl7_time(at), 5: visit.doctor.xcn, 6: hl7_time(at),
            9: visit.doctor.xcn, 12: f"D{visit.number:05d}{position}^VALE", 17: "LA" if paper.signed else "DI",
            19: "AV", 22: signature,
        },
    )  # fmt: skip
    words = _words(visit, paper)
    return [
        head,
        *(segment("OBX", {1: n, 2: "TX", 3: paper.kind, 5: line, 11: "F"}) for n, line in enumerate(words, 1)),
    ]


def _words(visit: Visit, paper: Paper) -> tuple[str, ...]:
    return (f"{paper.kind.partition('^')[2]} of visit {visit.number}.", "Came with pain, was seen, went home well.")


def by_fhir(visits: list[Visit]) -> dict[str, Any]:
    """The other house's transaction: the stays with their documents, written by people this house knows."""
    found: dict[str, dict[str, Any]] = {}
    for each in visits:
        found |= {f"{one['resourceType']}/{one['id']}": one for one in _resources(each)}
    entries = [{"resource": each, "request": {"method": "PUT", "url": url}} for url, each in found.items()]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _resources(visit: Visit) -> Iterator[dict[str, Any]]:
    patient = {"reference": f"Patient/o-{visit.number}"}
    yield visit.doctor.resource
    yield {
        "resourceType": "Patient",
        "id": f"o-{visit.number}",
        "identifier": [{"system": "urn:other:mrn", "value": visit.mrn, "type": {"coding": [{"code": "MR"}]}}],
        "name": [{"family": visit.family, "given": [visit.given]}],
        "gender": "female",
        "birthDate": f"{visit.born[:4]}-{visit.born[4:6]}-{visit.born[6:]}",
    }
    yield {
        "resourceType": "Encounter",
        "id": f"o-{visit.number}",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": patient,
        "period": {"start": visit.began.isoformat(), "end": visit.ended.isoformat()},
        "participant": [{"type": [{"coding": [{"code": "ATND"}]}], "individual": visit.doctor.reference}],
    }
    for position, paper in enumerate(visit.papers, 1):
        at = (visit.began + paper.after * HOUR).isoformat()
        words = base64.b64encode("\n".join(_words(visit, paper)).encode()).decode()
        yield {
            "resourceType": "DocumentReference",
            "id": f"o-{visit.number}-{position}",
            "status": "current",
            "docStatus": "final" if paper.signed else "preliminary",
            "type": {
                "coding": [
                    {"system": "http://loinc.org", "code": paper.loinc, "display": paper.kind.partition("^")[2]}
                ]
            },
            "subject": patient,
            "author": [visit.doctor.reference],
            **({"authenticator": visit.doctor.reference} if paper.signed else {}),
            "date": at,
            "content": [{"attachment": {"contentType": "text/plain", "data": words}}],
            "context": {"encounter": [{"reference": f"Encounter/o-{visit.number}"}], "period": {"start": at}},
        }
