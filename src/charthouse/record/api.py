"""The record: the legal health record's resources, versions, labels and search index.

Upper layers import from here only. Filing is the one way in (:func:`file_resources`); reads on a person's
behalf take an AccessContext.
"""

from __future__ import annotations

from charthouse.record.actions.file_resources import FilingBatch, Moved, file_resources

from .actions.index_texts import index_all_anew, index_texts, run_text_index, texts_changed
from .actions.keep_account_segments import AccountSegmentRow, keep_account_segments
from .actions.keep_attachments import keep_attachments
from .actions.name_directory import remember_aliases, set_source, source_id
from .census_queries import census, facilities_of, inpatients
from .chart import ChartSummary
from .chart_queries import (
    allergies,
    appointments,
    chart_summary,
    coverage,
    document,
    document_file,
    document_versions,
    documents,
    encounters,
    immunizations,
    medications,
    problems,
    procedures,
    resource,
)
from .domain.attachments import DetachedPart
from .domain.census import Break, FacilityCensus, Stay
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
from .domain.text_rows import TextSection
from .domain.types import DIRECTORY_TYPES, TYPE_ID, TYPE_NAME
from .domain.words import Snippet, asked, places, snippets
from .permissions import READ_CENSUS, SEARCH_RECORD
from .queries import (
    CONTENT_SYSTEM,
    SourceRow,
    Stored,
    current,
    filed_by,
    known_aliases,
    of_patients,
    same_content,
    source_rows,
    versions,
)
from .result_queries import report_results, results, vitals
from .searching.errors import SearchError
from .searching.running import SearchPage, search
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
    "CONTENT_SYSTEM",
    "COUNTED",
    "DIRECTORY_TYPES",
    "READ_CENSUS",
    "SEARCH_RECORD",
    "TYPE_ID",
    "TYPE_NAME",
    "AccountSegmentRow",
    "Break",
    "ChartSummary",
    "DetachedPart",
    "FacilityCensus",
    "Filed",
    "Filing",
    "FilingBatch",
    "FilingError",
    "Moved",
    "Outcome",
    "SearchError",
    "SearchPage",
    "Snippet",
    "SourceRow",
    "State",
    "Stay",
    "Stored",
    "TextFilter",
    "TextFound",
    "TextHit",
    "TextLag",
    "TextSection",
    "TooWide",
    "allergies",
    "appointments",
    "asked",
    "census",
    "chart_summary",
    "compress",
    "coverage",
    "current",
    "decompress",
    "document",
    "document_file",
    "document_versions",
    "documents",
    "editable",
    "encounters",
    "facilities_of",
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
    "of_patients",
    "places",
    "prepare",
    "problems",
    "procedures",
    "remember_aliases",
    "report_results",
    "resource",
    "results",
    "run_text_index",
    "same_content",
    "search",
    "search_all",
    "search_chart",
    "set_source",
    "snippets",
    "source_id",
    "source_rows",
    "text_lag",
    "text_services",
    "texts_changed",
    "versions",
    "vitals",
]
