"""The record: the legal health record's resources, versions, labels and search index.

Upper layers import from here only. Filing is the one way in (:func:`file_resources`); reads on a person's
behalf take an AccessContext.
"""

from __future__ import annotations

from .actions.file_resources import file_resources
from .actions.keep_account_segments import AccountSegmentRow, keep_account_segments
from .actions.keep_attachments import keep_attachments
from .actions.name_directory import remember_aliases, source_id
from .domain.attachments import LARGE as LARGE_ATTACHMENT
from .domain.attachments import DetachedPart, detach
from .domain.filing import (
    Filed,
    Filing,
    FilingError,
    Outcome,
    State,
    compress,
    decompress,
    prepare,
)
from .domain.types import DIRECTORY_TYPES, TYPE_ID, TYPE_NAME
from .queries import (
    Stored,
    current,
    filed_by,
    known_aliases,
    missing_patients,
    of_patients,
    source_rows,
    versions,
)

__all__ = [
    "DIRECTORY_TYPES",
    "LARGE_ATTACHMENT",
    "TYPE_ID",
    "TYPE_NAME",
    "AccountSegmentRow",
    "DetachedPart",
    "Filed",
    "Filing",
    "FilingError",
    "Outcome",
    "State",
    "Stored",
    "compress",
    "current",
    "decompress",
    "detach",
    "file_resources",
    "filed_by",
    "keep_account_segments",
    "keep_attachments",
    "known_aliases",
    "missing_patients",
    "of_patients",
    "prepare",
    "remember_aliases",
    "source_id",
    "source_rows",
    "versions",
]
