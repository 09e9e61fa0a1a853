"""What is compared: the traits of one patient as one sender knows them, made comparable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from .addresses import Address, read_address
from .dates import read_birth
from .names import Name, display_name, name_words, read_name
from .numbers import read_email, read_phone, read_ssn
from .text import fold, plain

#: Raised when the same resource would give other traits; stored traits of an older version are read anew.
TRAITS_VERSION = 1

SSN_SYSTEM = "http://hl7.org/fhir/sid/us-ssn"
_SSN_SYSTEMS = {SSN_SYSTEM, "urn:oid:2.16.840.1.113883.4.1", "http://hl7.org/fhir/sid/us-ssn/"}
_MOTHERS_MAIDEN_NAME = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
_SEX = {"male": "M", "female": "F", "other": "O"}
#: HL7 table 0203: numbers of an account, a visit or an organization name no person.
_NOT_OF_A_PERSON = {"AN", "VN", "XX", "NPI", "EN", "TAX", "U"}
#: No patient has more of anything that is repeated; the rest of a hostile resource is not looked at.
_MOST = 30
#: Numbers that a family shares: insurance member and subscriber numbers, household numbers.
_SHARED = {"MB", "SN", "HC", "PNT", "GI", "PCN"}
#: How a record number is called; the first found is shown.
_RECORD_NUMBERS = ("MR", "PI", "PT", "MRT", "PN")


class Identifier(Struct, frozen=True, omit_defaults=True):
    """A number an assigner gave a person. ``value`` is as given, ``folded`` in capitals without punctuation;
    ``kind`` is the code of HL7 table 0203, empty where the sender said none."""

    system: str
    value: str
    folded: str
    kind: str = ""
    start: str = ""
    end: str = ""

    @property
    def is_shared(self) -> bool:
        """Whether a family may share the number."""
        return self.kind in _SHARED


class Traits(Struct, frozen=True, omit_defaults=True):
    """The traits of one patient. Empty means unknown. ``birth`` is YYYY, YYYY-MM or YYYY-MM-DD; ``sex`` is M, F,
    O or empty; ``ssn`` has nine digits or the last four; ``order`` is the birth order (0: unsaid); ``deceased`` is
    a date, or "yes". ``ignored`` names the fields that held a placeholder."""

    names: tuple[Name, ...] = ()
    birth: str = ""
    sex: str = ""
    ssn: str = ""
    identifiers: tuple[Identifier, ...] = ()
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    mother: tuple[str, ...] = ()
    multiple: bool | None = None
    order: int = 0
    deceased: str = ""
    ignored: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The traits as JSON text, to be stored."""
        return msgspec.json.encode(self).decode()


class Display(Struct, frozen=True):
    """What a list of patients shows, as the sender wrote it. ``birth`` is empty where the sender gave none."""

    family: str
    given: str
    birth: str
    sex: str
    mrn: str
    deceased: str

    @property
    def name(self) -> str:
        """Family, Given."""
        return ", ".join(part for part in (self.family, self.given) if part)


_decoder = msgspec.json.Decoder(Traits)


def traits_from_json(text: str | bytes) -> Traits:
    """Stored traits read back."""
    return _decoder.decode(text)


def traits_of(patient: Mapping[str, Any], *, source: int | None = None) -> Traits:
    """The traits of a FHIR R4 Patient. Identifiers without a system are taken as ``source``'s own; without a
    source they are dropped. Elements of a wrong shape are passed over, never an error."""
    ignored: list[str] = []
    names: list[Name] = []
    order = 0
    for human_name in _dicts(patient.get("name")):
        reading = read_name(human_name)
        ignored.extend(reading.ignored)
        order = order or reading.order
        if (reading.name.family or reading.name.given) and reading.name not in names:
            names.append(reading.name)
    raw_birth = plain(patient.get("birthDate"))
    birth = read_birth(raw_birth)
    if raw_birth and not birth:
        ignored.append("birth date")
    identifiers, ssn, ssn_ignored = _identifiers(patient, source)
    if ssn_ignored and not ssn:
        ignored.append("social security number")
    phones, emails, telecom_ignored = _telecom(patient)
    ignored.extend(telecom_ignored)
    addresses = [read_address(address) for address in _dicts(patient.get("address"))]
    multiple, given_order = _multiple_birth(patient)
    return Traits(
        names=tuple(names),
        birth=birth,
        sex=_SEX.get(plain(patient.get("gender")), ""),
        ssn=ssn,
        identifiers=identifiers,
        phones=phones,
        emails=emails,
        addresses=_distinct(address for address in addresses if address is not None),
        mother=_mother(patient),
        multiple=True if multiple is None and order else multiple,
        order=given_order or order,
        deceased=_deceased(patient),
        ignored=_distinct(ignored),
    )


def display_of(patient: Mapping[str, Any]) -> Display:
    """What a list of patients shows of a FHIR Patient: the official, usual or first name; the record number."""
    names = _dicts(patient.get("name"))
    order = {"official": 0, "usual": 1, "": 2, "temp": 3, "nickname": 4, "anonymous": 5, "maiden": 6, "old": 7}
    best = min(names, key=lambda name: order.get(plain(name.get("use")), 2), default={})
    family, given = display_name(best)
    return Display(
        family=family,
        given=given,
        birth=plain(patient.get("birthDate"), 10),
        sex=_SEX.get(plain(patient.get("gender")), ""),
        mrn=_record_number(patient),
        deceased=_deceased(patient),
    )


def search_words(patient: Mapping[str, Any]) -> dict[str, str]:
    """Every word the names of a FHIR Patient are found by, folded, with the use of the name it stands in.

    The words of a family name count singly and together; placeholders too: a newborn is looked for as "Baby Boy".
    """
    words: dict[str, str] = {}
    for human_name in _dicts(patient.get("name")):
        family, givens = name_words(human_name)
        for word in ("".join(family), *family, *givens):
            if word:
                words.setdefault(word, plain(human_name.get("use"), 20))
    return words


def identifier_folded(value: str) -> str:
    """An identifier in capitals, without spaces and punctuation, as it is compared and searched."""
    return "".join(character for character in value.upper() if character.isalnum())[:200]


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value[:_MOST] if isinstance(item, Mapping)] if isinstance(value, list) else []


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _kind(identifier: Mapping[str, Any]) -> str:
    kind = identifier.get("type")
    if isinstance(kind, Mapping):
        for coding in _dicts(kind.get("coding")):
            if code := plain(coding.get("code"), 20):
                return code.upper()
    return ""


def _identifiers(patient: Mapping[str, Any], source: int | None) -> tuple[tuple[Identifier, ...], str, bool]:
    found: list[Identifier] = []
    ssn, ssn_ignored = "", False
    for item in _dicts(patient.get("identifier")):
        value = plain(item.get("value"))
        system = plain(item.get("system"))
        kind = _kind(item)
        if not value or kind in _NOT_OF_A_PERSON:
            continue
        if kind == "SS" or system in _SSN_SYSTEMS:
            number = read_ssn(value)
            ssn_ignored = ssn_ignored or number is None
            ssn = max(ssn, number or "", key=len)
            continue
        folded = identifier_folded(value)
        system = system or (f"urn:charthouse:source:{source}" if source is not None else "")
        if not system or len(folded) < 2 or len(set(folded)) == 1:
            continue
        period = item.get("period")
        start, end = (
            plain(period.get(side), 40) if isinstance(period, Mapping) else "" for side in ("start", "end")
        )
        found.append(Identifier(system, value, folded, kind, start, end))
    return _distinct(found), ssn, ssn_ignored


def _telecom(patient: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    phones: list[str] = []
    emails: list[str] = []
    ignored: list[str] = []
    for point in _dicts(patient.get("telecom")):
        value = plain(point.get("value"))
        system = plain(point.get("system")) or "phone"
        if not value or system not in {"phone", "sms", "email"}:
            continue
        number = read_email(value) if system == "email" or "@" in value else read_phone(value)
        if number is None:
            ignored.append("email" if system == "email" else "phone")
        else:
            (emails if "@" in number else phones).append(number)
    return _distinct(phones), _distinct(emails), ignored


def _mother(patient: Mapping[str, Any]) -> tuple[str, ...]:
    for extension in _dicts(patient.get("extension")):
        if extension.get("url") == _MOTHERS_MAIDEN_NAME:
            words = fold(plain(extension.get("valueString")))
            return tuple(words.split()) if read_name({"family": words}).name.family else ()
    return ()


def _multiple_birth(patient: Mapping[str, Any]) -> tuple[bool | None, int]:
    order = patient.get("multipleBirthInteger")
    if isinstance(order, int) and not isinstance(order, bool) and order > 0:
        return True, order
    multiple = patient.get("multipleBirthBoolean")
    return (multiple, 0) if isinstance(multiple, bool) else (None, 0)


def _deceased(patient: Mapping[str, Any]) -> str:
    when = plain(patient.get("deceasedDateTime"), 10)
    if when:
        return when
    return "yes" if patient.get("deceasedBoolean") is True else ""


def _record_number(patient: Mapping[str, Any]) -> str:
    by_kind: dict[str, str] = {}
    for item in _dicts(patient.get("identifier")):
        kind, value = _kind(item), plain(item.get("value"))
        if (
            value
            and item.get("use") != "old"
            and kind not in _NOT_OF_A_PERSON
            and kind != "SS"
            and plain(item.get("system")) not in _SSN_SYSTEMS
        ):
            by_kind.setdefault(kind, value)
    for kind in (*_RECORD_NUMBERS, ""):
        if kind in by_kind:
            return by_kind[kind]
    return ""
