"""The front door for hands: what a person at a desk or a bedside enters, through the same intake as a message."""

from __future__ import annotations

from .actions._entering import Entered, once_of, reading_of
from .actions.correct_demographics import Demographics, correct_demographics, open_demographics
from .actions.enter_allergy import enter_allergy
from .actions.enter_coverage import enter_coverage
from .actions.enter_encounter import enter_encounter
from .actions.enter_vital_signs import enter_vital_signs
from .actions.file_document import FiledBefore, Twin, file_document, limits
from .actions.keep_note_draft import forget_note_draft, keep_note_draft
from .actions.register_person import KnownAlready, Registered, register_person
from .actions.write_note import enter_dictation, write_note
from .chosen_files import ChosenFile, chosen_file
from .domain.clinical import (
    ALLERGY_KINDS,
    ALLERGY_STATEMENTS,
    CERTAINTIES,
    CRITICALITIES,
    ENCOUNTER_CLASSES,
    ENCOUNTER_STATES,
    ORDERS,
    RELATIONSHIPS,
    SEVERITIES,
)
from .domain.document_types import document_types, type_of
from .domain.errors import ChangedMeanwhile, Differing, FrontdeskError
from .domain.forms import Unfit
from .domain.note_templates import NoteSection, note_templates
from .domain.person import INTERPRETER, LANGUAGES, SEXES, Person
from .domain.vital_signs import SIGNS, Sign
from .note_drafts import note_draft
from .permissions import (
    CORRECT_DEMOGRAPHICS,
    ENTER_ALLERGY,
    ENTER_COVERAGE,
    ENTER_ENCOUNTER,
    ENTER_VITAL_SIGNS,
    FILE_DOCUMENT,
    REGISTER,
    TRANSCRIBE,
    WRITE_NOTE,
)
from .queries import Alike, Choice, Former, alike, assigners, encounters, facts_of, former_values

__all__ = [
    "ALLERGY_KINDS",
    "ALLERGY_STATEMENTS",
    "CERTAINTIES",
    "CORRECT_DEMOGRAPHICS",
    "CRITICALITIES",
    "ENCOUNTER_CLASSES",
    "ENCOUNTER_STATES",
    "ENTER_ALLERGY",
    "ENTER_COVERAGE",
    "ENTER_ENCOUNTER",
    "ENTER_VITAL_SIGNS",
    "FILE_DOCUMENT",
    "INTERPRETER",
    "LANGUAGES",
    "ORDERS",
    "REGISTER",
    "RELATIONSHIPS",
    "SEVERITIES",
    "SEXES",
    "SIGNS",
    "TRANSCRIBE",
    "WRITE_NOTE",
    "Alike",
    "ChangedMeanwhile",
    "Choice",
    "ChosenFile",
    "Demographics",
    "Differing",
    "Entered",
    "FiledBefore",
    "Former",
    "FrontdeskError",
    "KnownAlready",
    "NoteSection",
    "Person",
    "Registered",
    "Sign",
    "Twin",
    "Unfit",
    "alike",
    "assigners",
    "chosen_file",
    "correct_demographics",
    "document_types",
    "encounters",
    "enter_allergy",
    "enter_coverage",
    "enter_dictation",
    "enter_encounter",
    "enter_vital_signs",
    "facts_of",
    "file_document",
    "forget_note_draft",
    "former_values",
    "keep_note_draft",
    "limits",
    "note_draft",
    "note_templates",
    "once_of",
    "open_demographics",
    "reading_of",
    "register_person",
    "type_of",
    "write_note",
]
