"""The record: the legal health record's resources, versions, labels and search index.

Upper layers import from here only. Filing is the one way in (:func:`file_resources`); reads on a person's
behalf take an AccessContext.
"""

from __future__ import annotations

from charthouse.record.actions.file_resources import FilingBatch, Moved, file_resources

from .actions._corrections import Reason, needs_second_person
from .actions._documents import CONFIRMED as SIGNING_AGAIN
from .actions.add_to_document import Addition, file_addendum, file_late_entry
from .actions.amend_document import amend_document
from .actions.ask_for_correction import ask_to_move, ask_to_retract
from .actions.decide_correction import confirm_correction, refuse_correction
from .actions.index_texts import index_all_anew, index_texts, run_text_index, texts_changed
from .actions.keep_account_segments import AccountSegmentRow, keep_account_segments
from .actions.keep_attachments import keep_attachments
from .actions.move_to_encounter import move_to_encounter
from .actions.name_directory import remember_aliases, set_source, source_id
from .actions.reassign_resources import NotOfPatient, reassign_resources
from .actions.revise_document import revise_document
from .actions.sign_document import MEANINGS, sign_document
from .census_queries import census, facilities_of, inpatients
from .chart import ChartSummary
from .chart_queries import (
    active_medications,
    active_problems,
    allergies,
    appointments,
    chart_summary,
    coverage,
    document,
    document_file,
    document_versions,
    documents,
    encounters,
    export,
    immunizations,
    medications,
    problems,
    procedures,
    resource,
)
from .document_errors import ChangedSince, DocumentError, NotConfirmed
from .domain.attachments import DetachedPart
from .domain.census import Break, FacilityCensus, Stay
from .domain.document_changes import staged
from .domain.documents import (
    ACCOUNT,
    ADDED,
    MOVED_TYPES,
    SIGNED_TYPES,
    Kind,
    Meaning,
    Party,
    Stage,
    StageEntry,
)
from .domain.exact import editable
from .domain.filing import (
    Filed,
    Filing,
    FilingError,
    Outcome,
    State,
    prepare,
)
from .domain.packing import compress, decompress
from .domain.reasons import reasons
from .domain.text_rows import TextSection
from .domain.types import DIRECTORY_TYPES, TYPE_ID, TYPE_NAME
from .domain.words import Snippet, asked, places, snippets
from .ownership_queries import Owned, count_owned, entered_by_others, owned
from .permissions import (
    ADD_TO_DOCUMENT,
    AMEND,
    ASK_TO_RETRACT,
    DECIDE_CORRECTION,
    MOVE_TO_ENCOUNTER,
    READ_CENSUS,
    READ_CORRECTIONS,
    READ_UNSIGNED,
    REVISE,
    SEARCH_RECORD,
    SIGN,
    VERIFY_TRANSCRIPTION,
)
from .queries import (
    CONTENT_SYSTEM,
    SourceRow,
    Stored,
    current,
    filed_by,
    known_aliases,
    messages_of,
    of_patients,
    same_content,
    source_rows,
    versions,
)
from .queues import CORRECTIONS, RECIPIENTS
from .result_queries import report_results, results, vitals
from .searching.errors import SearchError
from .searching.running import SearchPage, search
from .signature_queries import (
    DoneHere,
    UnsignedDocument,
    UnsignedPage,
    came_from_another,
    correction,
    done_here,
    recipients_of,
    taken_out,
    unsigned_count,
    unsigned_documents,
)
from .text_queries import (
    COUNTED,
    TextFilter,
    TextFound,
    TextHit,
    TextLag,
    TooWide,
    search_all,
    search_chart,
    text_lag,
    text_services,
)

__all__ = [
    "ACCOUNT",
    "ADDED",
    "ADD_TO_DOCUMENT",
    "AMEND",
    "ASK_TO_RETRACT",
    "CONTENT_SYSTEM",
    "CORRECTIONS",
    "COUNTED",
    "DECIDE_CORRECTION",
    "DIRECTORY_TYPES",
    "MEANINGS",
    "MOVED_TYPES",
    "MOVE_TO_ENCOUNTER",
    "READ_CENSUS",
    "READ_CORRECTIONS",
    "READ_UNSIGNED",
    "RECIPIENTS",
    "REVISE",
    "SEARCH_RECORD",
    "SIGN",
    "SIGNED_TYPES",
    "SIGNING_AGAIN",
    "TYPE_ID",
    "TYPE_NAME",
    "VERIFY_TRANSCRIPTION",
    "AccountSegmentRow",
    "Addition",
    "Break",
    "ChangedSince",
    "ChartSummary",
    "DetachedPart",
    "DocumentError",
    "DoneHere",
    "FacilityCensus",
    "Filed",
    "Filing",
    "FilingBatch",
    "FilingError",
    "Kind",
    "Meaning",
    "Moved",
    "NotConfirmed",
    "NotOfPatient",
    "Outcome",
    "Owned",
    "Party",
    "Reason",
    "SearchError",
    "SearchPage",
    "Snippet",
    "SourceRow",
    "Stage",
    "StageEntry",
    "State",
    "Stay",
    "Stored",
    "TextFilter",
    "TextFound",
    "TextHit",
    "TextLag",
    "TextSection",
    "TooWide",
    "UnsignedDocument",
    "UnsignedPage",
    "active_medications",
    "active_problems",
    "allergies",
    "amend_document",
    "appointments",
    "ask_to_move",
    "ask_to_retract",
    "asked",
    "came_from_another",
    "census",
    "chart_summary",
    "compress",
    "confirm_correction",
    "correction",
    "count_owned",
    "coverage",
    "current",
    "decompress",
    "document",
    "document_file",
    "document_versions",
    "documents",
    "done_here",
    "editable",
    "encounters",
    "entered_by_others",
    "export",
    "facilities_of",
    "file_addendum",
    "file_late_entry",
    "file_resources",
    "filed_by",
    "immunizations",
    "index_all_anew",
    "index_texts",
    "inpatients",
    "keep_account_segments",
    "keep_attachments",
    "known_aliases",
    "medications",
    "messages_of",
    "move_to_encounter",
    "needs_second_person",
    "of_patients",
    "owned",
    "places",
    "prepare",
    "problems",
    "procedures",
    "reasons",
    "reassign_resources",
    "recipients_of",
    "refuse_correction",
    "remember_aliases",
    "report_results",
    "resource",
    "results",
    "revise_document",
    "run_text_index",
    "same_content",
    "search",
    "search_all",
    "search_chart",
    "set_source",
    "sign_document",
    "snippets",
    "source_id",
    "source_rows",
    "staged",
    "taken_out",
    "text_lag",
    "text_services",
    "texts_changed",
    "unsigned_count",
    "unsigned_documents",
    "versions",
    "vitals",
]
