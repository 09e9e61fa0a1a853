"""What other systems are told of a merge, its undoing, or a split: as HL7 v2, and as FHIR.

HL7 v2.5.1 chapter 3: persons are joined by ADT^A40 (merge patient, patient identifier list), the prior numbers in
MRG-1; they are parted by ADT^A37 (unlink patient information), both in a PID. FHIR R4: a message bundle whose
Patients name each other by ``link``: a record that stays in use under another person's lead *refers* to it; after a
parting they name nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from charthouse.exchange.hl7v2.api import Encoding

#: The system of the enterprise number in FHIR, and how HL7 v2 names who assigns it.
ENTERPRISE = "urn:charthouse:enterprise-number"
_AUTHORITY = "CHARTHOUSE"
_EVENT = "urn:charthouse:identity"
_GENDER = {"M": "male", "F": "female", "O": "other"}


@dataclass(frozen=True, slots=True)
class Known:
    """A source patient as a notice names it; ``numbers`` are (system, value, kind of HL7 table 0203)."""

    patient: int
    public_id: str
    family: str
    given: str
    birth: str
    sex: str
    numbers: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told: its name, and what HL7 v2 calls it."""

    name: str
    application: str
    facility: str


@dataclass(frozen=True, slots=True)
class Told:
    """What is told: ``go`` were joined to, or parted from, those who ``remain``. ``number`` is the enterprise
    number of these, ``other`` that of those: None where the person they left is not empty and keeps it."""

    joined: bool
    at: datetime
    remain: tuple[Known, ...]
    go: tuple[Known, ...]
    number: int
    other: int | None

    @property
    def trigger(self) -> str:
        return "A40" if self.joined else "A37"


def hl7_notice(told: Told, receiver: Receiver, control_id: str) -> bytes:
    """ADT^A40 or ADT^A37 in UTF-8, segments ended by a carriage return."""
    code = Encoding()
    stamp = told.at.strftime("%Y%m%d%H%M%S%z")

    def line(*fields: str) -> str:
        return "|".join(fields).rstrip("|")

    def pid(known: Iterable[Known], number: int | None) -> str:
        listed = list(known)
        lead = listed[0]
        name = f"{code.escaped(lead.family)}^{code.escaped(lead.given)}"
        return line(
            "PID", "1", "", _numbers(listed, number, code), "", name, "", lead.birth.replace("-", ""), lead.sex
        )  # fmt: skip

    structure = "ADT_A39" if told.joined else "ADT_A37"
    receiving = (code.escaped(receiver.application), code.escaped(receiver.facility))
    kind = f"ADT^{told.trigger}^{structure}"
    unstated = [""] * 5
    lead_fields = ("MSH", "^~\\&", "CHARTHOUSE", "", *receiving, stamp, "", kind)
    head = line(*lead_fields, control_id, "P", "2.5.1", *unstated, "UNICODE UTF-8")
    lines = [head, line("EVN", "", stamp), pid(told.remain, told.number)]
    if told.joined:
        lines.append(line("MRG", _numbers(told.go, told.other, code)))
    else:
        lines.append(pid(told.go, told.other))
    return ("\r".join(lines) + "\r").encode()


def _numbers(known: Iterable[Known], number: int | None, code: Encoding) -> str:
    """Every number once, as CX: value, assigning authority, type."""
    found = [f"{number}^^^{_AUTHORITY}^PE"] if number is not None else []
    for each in known:
        for system, value, kind in each.numbers:
            found.append(f"{code.escaped(value)}^^^{_authority(system, code)}^{code.escaped(kind or 'PI')}")
    return "~".join(dict.fromkeys(found))


def _authority(system: str, code: Encoding) -> str:
    """An assigner's URI as HD: namespace, or universal id and its type."""
    if system.startswith("urn:oid:"):
        return f"&{code.escaped(system[8:])}&ISO"
    if system.startswith("urn:id:"):
        return code.escaped(system[7:])
    return f"&{code.escaped(system)}&URI"


def fhir_notice(told: Told, receiver: Receiver, control_id: str) -> bytes:
    """A FHIR R4 message bundle: its header, then the Patients it is about."""
    lead = told.remain[0]
    patients = [
        *(_patient(each, told.number, _links(told, each, lead)) for each in told.remain),
        *(_patient(each, told.number if told.joined else told.other, _links(told, each, lead)) for each in told.go),
    ]
    at = told.at.isoformat(timespec="seconds")
    header: dict[str, Any] = {
        "resourceType": "MessageHeader",
        "id": control_id,
        "eventUri": f"{_EVENT}:{'linked' if told.joined else 'unlinked'}",
        "destination": [{"name": receiver.name, "endpoint": f"{_EVENT}:receiver"}],
        "source": {"name": "Charthouse", "endpoint": _EVENT},
        "focus": [{"reference": f"Patient/{each['id']}"} for each in patients],
    }
    resources = [header, *patients]
    bundle = {
        "resourceType": "Bundle",
        "id": control_id,
        "type": "message",
        "timestamp": at,
        "entry": [
            {"fullUrl": f"{_EVENT}:{each['resourceType']}:{each['id']}", "resource": each} for each in resources
        ],
    }
    return orjson.dumps(bundle)


def _links(told: Told, known: Known, lead: Known) -> list[dict[str, Any]]:
    if not told.joined:
        return []
    if known in told.go:
        return [_link(lead, "refer")]
    return [_link(each, "seealso") for each in told.go] if known is lead else []


def _link(known: Known, kind: str) -> dict[str, Any]:
    return {"other": {"reference": f"Patient/{known.public_id}"}, "type": kind}


def _patient(known: Known, number: int | None, links: list[dict[str, Any]]) -> dict[str, Any]:
    identifiers: list[dict[str, Any]] = [{"system": system, "value": value} for system, value, _ in known.numbers]
    if number is not None:
        identifiers.append({"system": ENTERPRISE, "value": str(number)})
    patient: dict[str, Any] = {"resourceType": "Patient", "id": known.public_id, "active": True}
    if identifiers:
        patient["identifier"] = identifiers
    if known.family or known.given:
        patient["name"] = [{"family": known.family, "given": known.given.split()}]
        patient["name"] = [{name: value for name, value in patient["name"][0].items() if value}]
    if known.sex in _GENDER:
        patient["gender"] = _GENDER[known.sex]
    if known.birth:
        patient["birthDate"] = known.birth
    if links:
        patient["link"] = links
    return patient
