"""The banner of a chart, from the source patients of one person and what they carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Any

from charthouse.foundation.access.api import Label
from charthouse.record.chart import UNKNOWN, Allergy, ChartSummary, Contact, Flag, When
from charthouse.record.domain.labels import bits_of

from .clinical import allergies, flags
from .elements import (
    Json,
    address,
    age,
    codes,
    concept,
    extension,
    first,
    items,
    person_name,
    phone,
    when,
)
from .item import Item

_MRN = {"MR", "MRN", "PI", "PT", "AN"}
_NO_ALLERGY = {"716186003", "409137002", "428607008", "429625007"}


def summary(
    patients: Sequence[Item],
    others: Iterable[Item],
    today: date,
    counts: Mapping[str, int],
    shown: Mapping[str, str] = MappingProxyType({}),
) -> ChartSummary:
    """The banner. ``patients`` are the Patient resources, the one that leads first; ``others`` the
    AllergyIntolerance, Flag, Consent and RelatedPerson resources among the chart's. ``shown`` says by id of which
    Patient a field is shown where somebody chose: name, birth_date, sex, deceased, language."""

    def led_by(field: str) -> Sequence[Item]:
        chosen = shown.get(field)
        return sorted(patients, key=lambda each: each.id != chosen) if chosen else patients

    main = led_by("name")[0].resource
    died = _died(led_by("deceased"))
    last_day = died.instant.date() if died.instant else today
    carried = list(others)
    known = allergies(each for each in carried if each.type == "AllergyIntolerance")
    none_known = [each for each in known if each.code and each.code.value in _NO_ALLERGY]
    real = tuple(_distinct(each for each in known if each not in none_known and _current(each)))
    born = _first_text(led_by("birth_date"), "birthDate")
    bits = Label.NONE
    for each in patients:
        bits |= Label(each.labels) | Label(bits_of(_security(each.resource)))
    return ChartSummary(
        name=person_name(main.get("name")),
        birth_date=born,
        age=age(born, last_day),
        sex=_first_text(led_by("sex"), "gender"),
        mrns=tuple(dict.fromkeys(mrn for each in patients for mrn in _mrns(each.resource))),
        deceased=bool(died) or any(each.resource.get("deceasedBoolean") is True for each in patients),
        died=died,
        allergies=real,
        allergy_statement=none_known[0].title if none_known and not real else "",
        flags=tuple(_active(flags(each for each in carried if each.type == "Flag"))),
        language=_language(led_by("language")),
        interpreter=_interpreter(patients),
        confidential_address=_confidential_address(patients),
        contacts=tuple(_contacts(patients, [each for each in carried if each.type == "RelatedPerson"])),
        labels=bits,
        counts=dict(counts),
    )


def _first_text(patients: Sequence[Item], name: str) -> str:
    return next((str(each.resource[name]) for each in patients if each.resource.get(name)), "")


def _died(patients: Sequence[Item]) -> When:
    return next((found for each in patients if (found := when(each.resource.get("deceasedDateTime")))), UNKNOWN)


def _current(allergy: Allergy) -> bool:
    return allergy.status not in {"inactive", "resolved"} and allergy.verification not in {
        "refuted",
        "entered-in-error",
    }


def _distinct(rows: Iterable[Allergy]) -> Iterable[Allergy]:
    """Each allergy once, by its words: two senders that say the same are one warning, the more dangerous first.
    One code under different words stays two: the words may hold what the code does not. Rows without words stay."""
    said: set[str] = set()
    for row in rows:
        words = " ".join(row.title.casefold().split())
        if words not in said:
            yield row
        if words:
            said.add(words)


def _active(rows: Iterable[Flag]) -> Iterable[Flag]:
    return (row for row in rows if row.status == "active")


def _security(resource: Json) -> list[tuple[str, str]]:
    return [
        (str(each.get("system", "")), str(each.get("code", "")))
        for each in items(resource.get("meta", {}).get("security"))
        if isinstance(each, dict)
    ]


def _mrns(patient: Json) -> Iterable[str]:
    listed = [each for each in items(patient.get("identifier")) if isinstance(each, dict) and each.get("value")]
    listed = [each for each in listed if each.get("use") != "old"]
    typed = [each for each in listed if codes(each.get("type")) & _MRN]
    for each in typed or listed[:1]:
        yield str(each["value"])


def _language(patients: Sequence[Item]) -> str:
    for each in patients:
        spoken = [c for c in items(each.resource.get("communication")) if isinstance(c, dict)]
        if spoken:
            chosen = next((c for c in spoken if c.get("preferred") is True), spoken[0])
            return concept(chosen.get("language"))
    return ""


def _interpreter(patients: Sequence[Item]) -> bool | None:
    for each in patients:
        found = extension(each.resource, "patient-interpreterRequired")
        if isinstance(found.get("valueBoolean"), bool):
            return bool(found["valueBoolean"])
    return None


def _confidential_address(patients: Sequence[Item]) -> str:
    """An address the patient asked to be reached at in confidence (45 CFR 164.522(b))."""
    for each in patients:
        for place in items(each.resource.get("address")):
            if isinstance(place, dict) and (
                extension(place, "address-confidential").get("valueBoolean") is True
                or codes(extension(place, "iso21090-AD-use").get("valueCode")) & {"CONF"}
                or extension(place, "iso21090-AD-use").get("valueCode") == "CONF"
            ):
                return address(place)
    return ""


def _contacts(patients: Sequence[Item], related: Sequence[Item]) -> Iterable[Contact]:
    """Each name once. What somebody may be told goes before silence of another sender, and a no before a yes."""
    found: dict[str, Contact] = {}
    for resource in [*(each.resource for each in related), *_patient_contacts(patients)]:
        name = person_name(resource.get("name"))
        if not name:
            continue
        told = extension(resource, "may-be-told").get("valueBoolean")
        contact = Contact(
            name=name,
            relationship=concept(resource.get("relationship")),
            phone=phone(resource.get("telecom")),
            may_be_told=told if isinstance(told, bool) else None,
        )
        found[name] = _joined(found[name], contact) if name in found else contact
    return found.values()


def _joined(one: Contact, other: Contact) -> Contact:
    said = [each for each in (one.may_be_told, other.may_be_told) if each is not None]
    return replace(
        one,
        relationship=one.relationship or other.relationship,
        phone=one.phone or other.phone,
        may_be_told=all(said) if said else None,
    )


def _patient_contacts(patients: Sequence[Item]) -> Iterable[dict[str, Any]]:
    for each in patients:
        for contact in items(each.resource.get("contact")):
            if isinstance(contact, dict):
                yield {**contact, "name": [first(contact.get("name"))] if contact.get("name") else []}
