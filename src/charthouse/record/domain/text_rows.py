"""What is searched of a resource: its words under the time it is of, and its text to show them in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from .time_buckets import bucket_of, ending
from .types import TYPE_ID
from .words import words


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


@dataclass(frozen=True, slots=True)
class Indexed:
    """A text as it is indexed: a tsvector in PostgreSQL's own writing, and the words in it."""

    vector: str
    roots: frozenset[str]


def indexed(text: str, at: datetime | None) -> Indexed:
    """The words of a text with their places. Beyond the size of a tsvector further words are left out; the first
    places of a word, and places up to 16,383, count for what stands beside each other."""
    places: dict[str, list[int]] = defaultdict(list)
    size = 0
    for number, word in enumerate(words(text), start=1):
        known = places[word.root]
        if not known:
            # Length of the entry, of the word with its ending, and of its list of places.
            size += 4 + len(word.root.encode()) + 5 + 2
            if size > _MOST_BYTES:
                del places[word.root]
                break
        if len(known) < _MOST_PLACES and (number <= _LAST_PLACE or not known):
            known.append(min(number, _LAST_PLACE))
            size += 2
    tail = ending(bucket_of(at))
    vector = " ".join(f"'{root}{tail}':{','.join(map(str, found))}" for root, found in places.items())
    return Indexed(vector, frozenset(places))
