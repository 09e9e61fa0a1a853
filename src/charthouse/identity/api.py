"""The master patient index, for the apps above: who an arriving patient is, whose a patient is, find a person."""

from __future__ import annotations

from .actions.link_by_notice import Notice, PatientKey, link_by_notice
from .actions.link_patients import ToldApart, link
from .actions.place_patients import Arrival, Placed, Placement, Suspicion, place
from .actions.tell_apart import CannotDecide, SamePerson, tell_apart
from .domain.dates import TypedDate, typed_dates
from .domain.numbers import read_phone, read_ssn
from .domain.scorer import Score, Step
from .finding import Hit, find
from .look_alikes import Likeness, LookAlike, look_alikes
from .permissions import EXPLAIN_MATCH, FIND_PATIENT, REVIEW_DUPLICATES
from .queries import (
    Compared,
    HistoryLine,
    Pair,
    PersonSummary,
    SourcePatient,
    history,
    pair,
    pair_of_item,
    patients_of,
    person_of_public,
    persons_of,
    sources_named,
    sources_of,
    summary,
    surviving,
)
from .queues import POSSIBLE_DUPLICATES

__all__ = [
    "EXPLAIN_MATCH",
    "FIND_PATIENT",
    "POSSIBLE_DUPLICATES",
    "REVIEW_DUPLICATES",
    "Arrival",
    "CannotDecide",
    "Compared",
    "HistoryLine",
    "Hit",
    "Likeness",
    "LookAlike",
    "Notice",
    "Pair",
    "PatientKey",
    "PersonSummary",
    "Placed",
    "Placement",
    "SamePerson",
    "Score",
    "SourcePatient",
    "Step",
    "Suspicion",
    "ToldApart",
    "TypedDate",
    "find",
    "history",
    "link",
    "link_by_notice",
    "look_alikes",
    "pair",
    "pair_of_item",
    "patients_of",
    "person_of_public",
    "persons_of",
    "place",
    "read_phone",
    "read_ssn",
    "sources_named",
    "sources_of",
    "summary",
    "surviving",
    "tell_apart",
    "typed_dates",
]
