"""What is searched of a resource: its words under the time it is of, and its text to show them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from struct import Struct
from typing import Any

from .time_buckets import bucket_of, ending
from .types import TYPE_ID
from .words import roots


class TextSection(IntEnum):
    """Where an item with text stands in a chart. The numbers are stored; never renumber."""

    OTHER = 0
    DOCUMENTS = 1
    RESULTS = 2
    PROBLEMS = 3
    PROCEDURES = 4
    MEDICATIONS = 5
    ALLERGIES = 6
    IMMUNIZATIONS = 7
    ENCOUNTERS = 8
    PLANS = 9

    @property
    def title(self) -> str:
        return _TITLES.get(self, self.name.capitalize())


_TITLES = {TextSection.PLANS: "Orders and plans"}

#: The types whose words are searched.
SECTION_OF: dict[str, TextSection] = {
    "DocumentReference": TextSection.DOCUMENTS,
    "Composition": TextSection.DOCUMENTS,
    "DiagnosticReport": TextSection.DOCUMENTS,
    "Media": TextSection.DOCUMENTS,
    "Observation": TextSection.RESULTS,
    "Condition": TextSection.PROBLEMS,
    "Procedure": TextSection.PROCEDURES,
    "MedicationRequest": TextSection.MEDICATIONS,
    "MedicationStatement": TextSection.MEDICATIONS,
    "MedicationDispense": TextSection.MEDICATIONS,
    "MedicationAdministration": TextSection.MEDICATIONS,
    "AllergyIntolerance": TextSection.ALLERGIES,
    "Immunization": TextSection.IMMUNIZATIONS,
    "Encounter": TextSection.ENCOUNTERS,
    "ServiceRequest": TextSection.PLANS,
    "CarePlan": TextSection.PLANS,
    "Goal": TextSection.PLANS,
    "Appointment": TextSection.PLANS,
    "FamilyMemberHistory": TextSection.OTHER,
    "ImagingStudy": TextSection.OTHER,
    "Communication": TextSection.OTHER,
    "QuestionnaireResponse": TextSection.OTHER,
    "ClinicalImpression": TextSection.OTHER,
    "Consent": TextSection.OTHER,
    "Flag": TextSection.OTHER,
}


def section_of(resource: Mapping[str, Any]) -> TextSection:
    """Where an item stands: a report that only gathers results is none of the documents."""
    kind = str(resource.get("resourceType"))
    if kind == "DiagnosticReport" and not resource.get("presentedForm"):
        return TextSection.RESULTS
    return SECTION_OF[kind]


#: The numbers of those types.
SEARCHED = frozenset(TYPE_ID[kind] for kind in SECTION_OF)

#: Bytes that a tsvector may have, with room for its own measure; positions of one word; the last position.
_MOST_BYTES, _MOST_PLACES, _LAST_PLACE = 900_000, 64, 16_383


#: How many places of a word follow, and they; how many words follow.
_PLACES = [Struct(f">{1 + count}H") for count in range(_MOST_PLACES + 1)]
_COUNT = Struct(">i")


@dataclass(frozen=True, slots=True)
class Indexed:
    """A text as it is indexed: a tsvector as PostgreSQL receives it in binary, its words in the order of their
    bytes, and those words without their time."""

    vector: bytes
    roots: frozenset[str]


def indexed(text: str, at: datetime | None) -> Indexed:
    """The words of a text with their places. Beyond the size of a tsvector further words are left out; the first
    places of a word, and places up to 16,383, count for what stands beside each other."""
    there = roots(text)
    # A word of ASCII with its place costs at most eight bytes a character.
    small = len(text) * 8 <= _MOST_BYTES and len(there) <= _LAST_PLACE and text.isascii()
    places = _places(there) if small else _places_that_fit(there)
    # Each word ends with a zero, which no word has. Code points are in the order of their bytes, and the ending's
    # stroke is before any letter or digit.
    tail = ending(bucket_of(at)).encode() + b"\0"
    vector = [_COUNT.pack(len(places))]
    for root in sorted(places):
        found = places[root][:_MOST_PLACES]
        vector += (root.encode(), tail, _PLACES[len(found)].pack(len(found), *found))
    return Indexed(b"".join(vector), frozenset(places))


def _places(there: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for number, root in enumerate(there, start=1):
        if root in places:
            places[root].append(number)
        else:
            places[root] = [number]
    return places


def _places_that_fit(there: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    size = 0
    for number, root in enumerate(there, start=1):
        known = places.get(root)
        if known is None:
            # Length of the entry, of the word with its ending, and of its list of places.
            size += 4 + len(root.encode()) + 5 + 2 + 2
            if size > _MOST_BYTES:
                break
            places[root] = [min(number, _LAST_PLACE)]
        elif len(known) < _MOST_PLACES and number <= _LAST_PLACE:
            known.append(number)
            size += 2
    return places
