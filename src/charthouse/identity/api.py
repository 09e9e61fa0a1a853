"""The master patient index, for the apps above: who an arriving patient is, whose a patient is, find a person."""

from __future__ import annotations

from .actions.correct_numbers import end_number, replace_number, restore_number
from .actions.follow_partings import Followed, follow_partings, note_followed
from .actions.hold_updates import (
    Suspect,
    accept_filed,
    ask_about_filed,
    ask_about_held,
    held_messages,
    hold_updates,
    let_go,
    parted_by_message,
    settle_held,
    suspects,
)
from .actions.learn_placeholders import decide_placeholders
from .actions.link_by_notice import Notice, PatientKey, link_by_notice
from .actions.link_patients import ToldApart, link
from .actions.merge_persons import NotMerged, merge
from .actions.moving import CannotDecide
from .actions.place_patients import Arrival, Placed, Placement, place
from .actions.split_patient import split
from .actions.tell_apart import SamePerson, revoke_apart, tell_apart
from .actions.undo_decision import NotAsked, Undoing, undo, undoing
from .actions.unlink_patient import unlink
from .board import KINDS, Board, Listing, ListRow, Measure, Tally, board, listed
from .checks import SHOWN_FIELDS, merge_findings
from .compared import Compared
from .domain.dates import TypedDate, typed_dates
from .domain.merging import Finding
from .domain.numbers import read_phone, read_ssn
from .domain.overlay import Side
from .domain.scorer import Score, Step
from .finding import Hit, find
from .look_alikes import Likeness, LookAlike, look_alikes
from .notices import NoticeLine, notices_of
from .number_queries import CorrectionLine, NumberLine, numbers_of, with_corrected_numbers
from .patient_matches import PatientMatch, matching_patients
from .permissions import (
    CHANGE_MATCHING,
    DECIDE_OVERLAY,
    EXPLAIN_MATCH,
    FIND_PATIENT,
    LINK_PATIENTS,
    MERGE_PERSONS,
    REVIEW_DUPLICATES,
    SEE_PERSON,
    SEE_QUALITY,
    SPLIT_PATIENT,
)
from .person_queries import (
    Apart,
    BenchItem,
    BenchVersion,
    DecidedUpdate,
    DecisionLine,
    HeldLine,
    Workbench,
    apart_of,
    compared_persons,
    decided_updates,
    decisions_of,
    held_of_item,
    workbench,
)
from .placeholder_queries import PlaceholderLine, placeholder_lines
from .queries import (
    HistoryLine,
    Pair,
    PersonSummary,
    SourcePatient,
    charts_of,
    history,
    pair,
    pair_of_item,
    patients_of,
    person_of_public,
    persons_of,
    persons_of_public,
    records_of,
    shown_of,
    sources_named,
    sources_of,
    summaries,
    summary,
    surviving,
)
from .queues import POSSIBLE_DUPLICATES, SUSPECTED_OVERLAYS

__all__ = [
    "CHANGE_MATCHING",
    "DECIDE_OVERLAY",
    "EXPLAIN_MATCH",
    "FIND_PATIENT",
    "KINDS",
    "LINK_PATIENTS",
    "MERGE_PERSONS",
    "POSSIBLE_DUPLICATES",
    "REVIEW_DUPLICATES",
    "SEE_PERSON",
    "SEE_QUALITY",
    "SHOWN_FIELDS",
    "SPLIT_PATIENT",
    "SUSPECTED_OVERLAYS",
    "Apart",
    "Arrival",
    "BenchItem",
    "BenchVersion",
    "Board",
    "CannotDecide",
    "Compared",
    "CorrectionLine",
    "DecidedUpdate",
    "DecisionLine",
    "Finding",
    "Followed",
    "HeldLine",
    "HistoryLine",
    "Hit",
    "Likeness",
    "ListRow",
    "Listing",
    "LookAlike",
    "Measure",
    "NotAsked",
    "NotMerged",
    "Notice",
    "NoticeLine",
    "NumberLine",
    "Pair",
    "PatientKey",
    "PatientMatch",
    "PersonSummary",
    "Placed",
    "PlaceholderLine",
    "Placement",
    "SamePerson",
    "Score",
    "Side",
    "SourcePatient",
    "Step",
    "Suspect",
    "Tally",
    "ToldApart",
    "TypedDate",
    "Undoing",
    "Workbench",
    "accept_filed",
    "apart_of",
    "ask_about_filed",
    "ask_about_held",
    "board",
    "charts_of",
    "compared_persons",
    "decide_placeholders",
    "decided_updates",
    "decisions_of",
    "end_number",
    "find",
    "follow_partings",
    "held_messages",
    "held_of_item",
    "history",
    "hold_updates",
    "let_go",
    "link",
    "link_by_notice",
    "listed",
    "look_alikes",
    "matching_patients",
    "merge",
    "merge_findings",
    "note_followed",
    "notices_of",
    "numbers_of",
    "pair",
    "pair_of_item",
    "parted_by_message",
    "patients_of",
    "person_of_public",
    "persons_of",
    "persons_of_public",
    "place",
    "placeholder_lines",
    "read_phone",
    "read_ssn",
    "records_of",
    "replace_number",
    "restore_number",
    "revoke_apart",
    "settle_held",
    "shown_of",
    "sources_named",
    "sources_of",
    "split",
    "summaries",
    "summary",
    "surviving",
    "suspects",
    "tell_apart",
    "typed_dates",
    "undo",
    "undoing",
    "unlink",
    "with_corrected_numbers",
    "workbench",
]
