"""An arriving patient made ready: traits, what lists show, blocking keys, search words, and a digest of it all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from charthouse.foundation.ids import hash64

from .keys import Keys, keys_of
from .traits import (
    SSN_SYSTEM,
    TRAITS_VERSION,
    Display,
    Traits,
    display_of,
    identifier_folded,
    search_words,
    traits_of,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number a patient is found by, as :class:`~charthouse.identity.models.PatientIdentifier` keeps it."""

    system: str
    folded: str
    value: str
    kind: str = ""
    valid_from: str = ""
    valid_to: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything identity keeps of a patient. ``digest`` differs where any of it differs."""

    traits: Traits
    traits_json: str
    display: Display
    words: Mapping[str, str]
    labels: int
    digest: int

    def keys(self) -> Keys:
        return keys_of(self.traits)

    def numbers(self) -> list[Number]:
        return _numbers(self.traits)


def prepare(patient: Mapping[str, Any], *, source: int, labels: int) -> Prepared:
    """A FHIR Patient made ready for the index."""
    traits = traits_of(patient, source=source)
    display = display_of(patient)
    text = traits.to_json()
    words = search_words(patient)
    shown = "\x1f".join((display.family, display.given, display.birth, display.sex, display.mrn, display.deceased))
    digest = hash64(f"{TRAITS_VERSION}\x1f{labels}\x1f{source}\x1f{shown}\x1f{text}\x1f{words}")
    return Prepared(traits, text, display, words, labels, digest)


def _numbers(traits: Traits) -> list[Number]:
    found: dict[tuple[str, str], Number] = {}

    def add(number: Number) -> None:
        if number.folded:
            found.setdefault((number.system, number.folded), number)

    for each in traits.identifiers:
        add(Number(each.system, each.folded, each.value, each.kind, each.start, each.end))
    if len(traits.ssn) == 9:
        add(Number(SSN_SYSTEM, traits.ssn, traits.ssn, "SS"))
    for phone in traits.phones:
        add(Number("tel", phone, phone))
        if len(phone) == 10:
            add(Number("tel", phone[-7:], phone))
    for email in traits.emails:
        add(Number("mailto", identifier_folded(email), email))
    return list(found.values())
