"""The part of the record's interface that needs no database: resources made ready to file.

For the domain code of upper layers, which must not know Django; :mod:`charthouse.record.api` has all of it, too.
"""

from __future__ import annotations

from charthouse.exchange.fhir.api import get_ready as fhir_ready
from charthouse.record.domain.attachments import DetachedPart, without_large
from charthouse.record.domain.exact import editable
from charthouse.record.domain.filing import Filed, Filing, Outcome, State, prepare
from charthouse.record.domain.index_rows import target_hash, token_hash
from charthouse.record.domain.packing import compress, decompress
from charthouse.record.domain.types import DIRECTORY_TYPES, PARTITIONS, TYPE_ID, TYPE_NAME

__all__ = [
    "DIRECTORY_TYPES",
    "TYPE_ID",
    "TYPE_NAME",
    "DetachedPart",
    "Filed",
    "Filing",
    "Outcome",
    "State",
    "compress",
    "decompress",
    "editable",
    "get_ready",
    "prepare",
    "target_hash",
    "token_hash",
    "without_large",
]


def get_ready() -> None:
    """Have all at hand that preparing resources of the usual types takes; see
    :func:`charthouse.exchange.fhir.api.get_ready`."""
    fhir_ready(kind for kinds in PARTITIONS.values() for kind in kinds)
