"""A person as the front desk knows one: read from a form, made into a FHIR Patient, read back, corrected.

A correction keeps what was: the former name, address and telephone numbers stay in the resource as old, with the
day on which they ended; everything else stays in the versions before. Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from types import MappingProxyType
from typing import Any

from .forms import Fields, Reading

Resource = dict[str, Any]

SSN_SYSTEM = "http://hl7.org/fhir/sid/us-ssn"
_KIND = "http://terminology.hl7.org/CodeSystem/v2-0203"
_INTERPRETER = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"
_LANGUAGE_SYSTEM = "urn:ietf:bcp:47"

SEXES: Mapping[str, str] = MappingProxyType(
    {"female": "Female", "male": "Male", "other": "Another", "unknown": "Unknown"}
)
#: BCP 47 codes of languages often spoken at a desk in the United States; others are written in words.
LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "en": "English", "es": "Spanish", "zh": "Chinese", "vi": "Vietnamese", "tl": "Tagalog", "ar": "Arabic",
        "fr": "French", "ko": "Korean", "ru": "Russian", "ht": "Haitian Creole", "pt": "Portuguese", "de": "German",
        "hi": "Hindi", "pl": "Polish", "it": "Italian", "ja": "Japanese", "fa": "Persian", "ur": "Urdu",
        "so": "Somali", "hmn": "Hmong", "ase": "American Sign Language",
    }
)  # fmt: skip
INTERPRETER: Mapping[str, str] = MappingProxyType({"yes": "Needed", "no": "Not needed"})


@dataclass(frozen=True, slots=True)
class Person:
    """Demographics as a form has them; empty is unknown. ``birth`` is a FHIR date, ``sex`` an administrative
    gender, ``ssn`` nine digits or the last four, ``language`` a code of LANGUAGES or words."""

    family: str = ""
    given: str = ""
    middle: str = ""
    suffix: str = ""
    previous: str = ""
    birth: str = ""
    sex: str = ""
    line: str = ""
    unit: str = ""
    city: str = ""
    state: str = ""
    postal: str = ""
    phone: str = ""
    mobile: str = ""
    email: str = ""
    ssn: str = ""
    language: str = ""
    interpreter: str = ""

    @property
    def words(self) -> str:
        """What of it the index is searched by."""
        return " ".join(part for part in (self.family, self.given, self.birth) if part)


NAMES = tuple(each.name for each in fields(Person))
#: What a correction shows and compares: its title and the fields it is made of.
TITLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Name": ("family", "given", "middle", "suffix"),
        "Previous family name": ("previous",),
        "Birth date": ("birth",),
        "Sex": ("sex",),
        "Address": ("line", "unit", "city", "state", "postal"),
        "Telephone": ("phone",),
        "Mobile telephone": ("mobile",),
        "Mail address": ("email",),
        "Social security number": ("ssn",),
        "Language": ("language",),
        "Interpreter": ("interpreter",),
    }
)


def read_person(
    reading: Reading,
    *,
    read_ssn: Callable[[str], str | None],
    read_phone: Callable[[str], str | None],
    before: Person | None = None,
) -> Person:
    """The person of a form. Family name, given name and birth date are needed, or the birth date's box ticked as
    unknown. What stands as it was ``before`` is not found fault with. Faults go to ``reading``."""
    former = before or Person()
    given = reading.fields
    birth_unknown = bool(given.get("birth_unknown"))
    person = Person(
        family=reading.text("family", needed="A family name is needed."),
        given=reading.text("given", needed="A given name is needed. Of a newborn without one write Baby."),
        middle=reading.text("middle"),
        suffix=reading.text("suffix", longest=20),
        previous=reading.text("previous"),
        birth=reading.day(
            "birth",
            needed="" if birth_unknown else "A birth date is needed; where nobody knows it, say so beside it.",
        ),
        sex=reading.choice("sex", SEXES, needed="Choose the sex; unknown is a choice, too."),
        line=reading.text("line"),
        unit=reading.text("unit", longest=40),
        city=reading.text("city"),
        state=reading.text("state", longest=40),
        postal=reading.text("postal", longest=20),
        phone=reading.text("phone", longest=40),
        mobile=reading.text("mobile", longest=40),
        email=reading.text("email", longest=120),
        ssn=reading.text("ssn", longest=20),
        language=reading.text("language", longest=60),
        interpreter=reading.choice("interpreter", INTERPRETER),
    )
    if birth_unknown and person.birth:
        reading.fault("birth", "A birth date is written, and it is said to be unknown. Only one can hold.")
    for name in ("phone", "mobile"):
        typed = getattr(person, name)
        if typed and typed != getattr(former, name) and read_phone(typed) is None:
            reading.fault(name, "This is no telephone number. Write it with its area code, like 312 555 0142.")
    if (
        person.email
        and person.email != former.email
        and ("@" not in person.email.strip("@") or " " in person.email)
    ):
        reading.fault("email", "This is no mail address.")
    if person.ssn and person.ssn != former.ssn:
        number = read_ssn(person.ssn)
        if number is None:
            reading.fault("ssn", "No such number is issued. Write nine digits, the last four, or nothing.")
        else:
            person = replace(person, ssn=number)
    if person.unit and not person.line:
        person = replace(person, line=person.unit, unit="")
    return replace(person, language=_language(person.language))


def sketch(given: Fields, birth: str) -> Person:
    """What can be said of a person while the form is still being typed; never a fault. ``birth`` is the date as
    far as it could be read."""
    values = {name: " ".join(given.get(name, "")[:120].replace("\0", "").split()) for name in NAMES}
    values["birth"] = birth
    values["sex"] = values["sex"] if values["sex"] in SEXES else ""
    return Person(**values)


def _language(typed: str) -> str:
    """The code of a language that is known by its name or code; else the words."""
    folded = typed.casefold()
    return next((code for code, title in LANGUAGES.items() if folded in {code, title.casefold()}), typed)


def patient_of(person: Person, *, id: str = "", identifiers: list[Resource] | None = None) -> Resource:
    """A FHIR R4 Patient. ``identifiers`` come before the social security number."""
    patient: Resource = {"resourceType": "Patient", **({"id": id} if id else {})}
    listed = [*(identifiers or [])]
    if person.ssn:
        listed.append(_ssn(person.ssn))
    names = [name for name in [_name(person), _previous(person)] if name]
    parts: dict[str, Any] = {
        "identifier": listed,
        "name": names,
        "telecom": _telecom(person),
        "gender": person.sex,
        "birthDate": person.birth,
        "address": [address] if (address := _address(person)) else [],
        "communication": _communication(person),
        "extension": _interpreter(person),
    }
    patient.update({name: value for name, value in parts.items() if value})
    return patient


def mrn_identifier(system: str, value: str, assigner: str = "") -> Resource:
    """A medical record number."""
    return {
        "use": "usual",
        "type": {"coding": [{"system": _KIND, "code": "MR"}]},
        "system": system,
        "value": value,
        **({"assigner": {"display": assigner}} if assigner else {}),
    }


def _ssn(number: str) -> Resource:
    shown = f"{number[:3]}-{number[3:5]}-{number[5:]}" if len(number) == 9 else number
    return {"type": {"coding": [{"system": _KIND, "code": "SS"}]}, "system": SSN_SYSTEM, "value": shown}


def _name(person: Person) -> Resource:
    name: Resource = {"use": "official"}
    if person.family:
        name["family"] = person.family
    if given := [each for each in (person.given, person.middle) if each]:
        name["given"] = given
    if person.suffix:
        name["suffix"] = [person.suffix]
    return name if len(name) > 1 else {}


def _previous(person: Person) -> Resource:
    if not person.previous:
        return {}
    given = [each for each in (person.given, person.middle) if each]
    return {"use": "old", "family": person.previous, **({"given": given} if given else {})}


def _address(person: Person) -> Resource:
    lines = [each for each in (person.line, person.unit) if each]
    address: Resource = {"use": "home"}
    parts = {"line": lines, "city": person.city, "state": person.state, "postalCode": person.postal}
    address.update({name: value for name, value in parts.items() if value})
    return address if len(address) > 1 else {}


def _telecom(person: Person) -> list[Resource]:
    return [
        {"system": system, "value": value, **({"use": use} if use else {})}
        for system, value, use in (
            ("phone", person.phone, "home"),
            ("phone", person.mobile, "mobile"),
            ("email", person.email, ""),
        )
        if value
    ]


def _communication(person: Person) -> list[Resource]:
    if not person.language:
        return []
    title = LANGUAGES.get(person.language)
    language: Resource = {"text": title or person.language}
    if title:
        language["coding"] = [{"system": _LANGUAGE_SYSTEM, "code": person.language, "display": title}]
    return [{"language": language, "preferred": True}]


def _interpreter(person: Person) -> list[Resource]:
    if not person.interpreter:
        return []
    return [{"url": _INTERPRETER, "valueBoolean": person.interpreter == "yes"}]


# ---- reading a Patient back


def person_of(patient: Mapping[str, Any]) -> Person:
    """What a form shows of a FHIR Patient, whoever sent it. Elements of a wrong shape are passed over."""
    name = _current_name(patient)
    old = _previous_names(patient)
    given = [str(each) for each in _list(name.get("given"))]
    address = next((each for each in _dicts(patient.get("address")) if each.get("use") != "old"), {})
    lines = [str(each) for each in _list(address.get("line"))]
    return Person(
        family=_text(name.get("family")),
        given=given[0] if given else "",
        middle=" ".join(given[1:]),
        suffix=" ".join(str(each) for each in _list(name.get("suffix"))),
        previous=_text(old[0].get("family")) if old else "",
        birth=_text(patient.get("birthDate")),
        sex=_text(patient.get("gender")),
        line=lines[0] if lines else _text(address.get("text")),
        unit=" ".join(lines[1:]),
        city=_text(address.get("city")),
        state=_text(address.get("state")),
        postal=_text(address.get("postalCode")),
        phone=_phone(patient, mobile=False),
        mobile=_phone(patient, mobile=True),
        email=next((_text(each.get("value")) for each in _points(patient) if each.get("system") == "email"), ""),
        ssn=_number(patient),
        language=_spoken(patient),
        interpreter=_needs_interpreter(patient),
    )


def _current_name(patient: Mapping[str, Any]) -> Mapping[str, Any]:
    names = _dicts(patient.get("name"))
    order = {"official": 0, "usual": 1}
    return min(
        (each for each in names if each.get("use") not in {"old", "maiden"}),
        key=lambda each: order.get(str(each.get("use")), 2),
        default=names[0] if names else {},
    )


def _previous_names(patient: Mapping[str, Any]) -> list[Resource]:
    """Names from before this person was known here; one that a correction ended has a period."""
    return [
        each
        for each in _dicts(patient.get("name"))
        if each.get("use") in {"old", "maiden"} and "period" not in each
    ]


def _points(patient: Mapping[str, Any]) -> list[Resource]:
    return [each for each in _dicts(patient.get("telecom")) if each.get("use") != "old"]


def _phone(patient: Mapping[str, Any], *, mobile: bool) -> str:
    return next(
        (
            _text(each.get("value"))
            for each in _points(patient)
            if each.get("system") in {"phone", "sms", None} and (each.get("use") == "mobile") is mobile
        ),
        "",
    )


def _number(patient: Mapping[str, Any]) -> str:
    for each in _dicts(patient.get("identifier")):
        if _is_ssn(each):
            return "".join(sign for sign in _text(each.get("value")) if sign.isdigit())
    return ""


def _is_ssn(identifier: Mapping[str, Any]) -> bool:
    kind = identifier.get("type")
    codings = _dicts(kind.get("coding")) if isinstance(kind, dict) else []
    return identifier.get("system") == SSN_SYSTEM or any(each.get("code") == "SS" for each in codings)


def _spoken(patient: Mapping[str, Any]) -> str:
    spoken = _dicts(patient.get("communication"))
    chosen = next((each for each in spoken if each.get("preferred") is True), spoken[0] if spoken else {})
    language = chosen.get("language")
    if not isinstance(language, dict):
        return ""
    for coding in _dicts(language.get("coding")):
        if (code := _text(coding.get("code")).partition("-")[0]) in LANGUAGES:
            return code
    first = next(iter(_dicts(language.get("coding"))), {})
    return _text(language.get("text")) or _text(first.get("display")) or _text(first.get("code"))


def _needs_interpreter(patient: Mapping[str, Any]) -> str:
    for each in _dicts(patient.get("extension")):
        if each.get("url") == _INTERPRETER and isinstance(each.get("valueBoolean"), bool):
            return "yes" if each["valueBoolean"] else "no"
    return ""


# ---- correcting


def corrected(patient: Mapping[str, Any], after: Person, day: date) -> Resource:
    """The Patient as it is after a correction. What changed ends on ``day`` and stays as old where FHIR has a place
    for that; what the form does not show is untouched."""
    before = person_of(patient)
    result: Resource = copy.deepcopy(dict(patient))

    def changed(*names: str) -> bool:
        return any(getattr(before, name) != getattr(after, name) for name in names)

    if changed("family", "given", "middle", "suffix"):
        _replace(result, "name", [_current_name(result)], [_name(after)], day)
    if changed("previous"):
        _end(_previous_names(result), day)
        if after.previous:
            result.setdefault("name", []).append(_previous(after))
    if changed("line", "unit", "city", "state", "postal"):
        former = [each for each in _dicts(result.get("address")) if each.get("use") != "old"][:1]
        _replace(result, "address", former, [_address(after)], day)
    if changed("phone", "mobile", "email"):
        _correct_telecom(result, before, after, day)
    for name, element in (("birth", "birthDate"), ("sex", "gender")):
        if changed(name):
            _set(result, element, getattr(after, name))
    if changed("ssn"):
        kept = [each for each in _dicts(result.get("identifier")) if not _is_ssn(each)]
        _set(result, "identifier", [*kept, _ssn(after.ssn)] if after.ssn else kept)
    if changed("language"):
        _set(result, "communication", _communication(after))
    if changed("interpreter"):
        others = [each for each in _dicts(result.get("extension")) if each.get("url") != _INTERPRETER]
        _set(result, "extension", [*others, *_interpreter(after)])
    return result


def _correct_telecom(result: Resource, before: Person, after: Person, day: date) -> None:
    gone = {getattr(before, name) for name in ("phone", "mobile", "email")} - {""}
    kept_values = {getattr(after, name) for name in ("phone", "mobile", "email")}
    former = [each for each in _points(result) if each.get("value") in gone - kept_values]
    moved = [each for each in _points(result) if each.get("value") in gone & kept_values]
    listed = [each for each in _dicts(result.get("telecom")) if each not in moved]
    result["telecom"] = listed
    _replace(result, "telecom", former, _telecom(after), day)


def _replace(result: Resource, element: str, former: list[Any], new: list[Resource], day: date) -> None:
    """Put ``new`` first, and end ``former`` on ``day``."""
    listed = _dicts(result.get(element))
    _end([each for each in listed if each in former and each], day)
    _set(result, element, [*(each for each in new if each), *listed])


def _end(former: list[Resource], day: date) -> None:
    for each in former:
        period = each.get("period")
        each["use"] = "old"
        each["period"] = {**(period if isinstance(period, dict) else {}), "end": day.isoformat()}


def _set(result: Resource, element: str, value: Any) -> None:
    if value:
        result[element] = value
    else:
        result.pop(element, None)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs between two states of a person, in words."""

    title: str
    before: str
    after: str


def changes(before: Person, after: Person) -> list[Change]:
    """What differs, by title, in the order of the form. Of a social security number only the last four are said."""
    return [
        Change(title, said(before, title), said(after, title))
        for title, names in TITLES.items()
        if any(getattr(before, name) != getattr(after, name) for name in names)
    ]


def said(person: Person, title: str) -> str:
    """What a person has under a title, in words; empty where nothing."""
    values = [getattr(person, name) for name in TITLES[title]]
    match title:
        case "Name":
            family, *rest = values
            return ", ".join(part for part in (family, " ".join(each for each in rest if each)) if part)
        case "Sex":
            return SEXES.get(values[0], values[0])
        case "Language":
            return LANGUAGES.get(values[0], values[0])
        case "Interpreter":
            return INTERPRETER.get(values[0], values[0])
        case "Social security number":
            return f"•••-••-{values[0][-4:]}" if values[0] else ""
        case _:
            return ", ".join(each for each in values if each)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: Any) -> list[Resource]:
    return [each for each in _list(value) if isinstance(each, dict)]


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
