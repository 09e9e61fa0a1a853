"""The record's large tables, as SQL: partitioned by resource type, written by COPY, read by hand-made queries.

Index rows belong to one version of a resource and are never changed: a search joins them to the resource's
current version, so an update only adds rows; those left behind say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from .domain.types import PARTITIONS, TYPE_ID

RESOURCE = "record_resource"
VERSION = "record_version"
TOKEN = "record_index_token"  # noqa: S105
STRING = "record_index_string"
DATE = "record_index_date"
QUANTITY = "record_index_quantity"
REFERENCE = "record_index_reference"
#: What was filed and is not yet indexed by its words; made by a later migration.
TEXT_DUE = "record_text_due"

INDEX_TABLES = (TOKEN, STRING, DATE, QUANTITY, REFERENCE)
PARTITIONED = (RESOURCE, VERSION, *INDEX_TABLES)

_INDEX_HEAD = "resource bigint NOT NULL, at timestamptz NOT NULL"
_INDEX_TAIL = """version integer NOT NULL, labels integer NOT NULL,
    type smallint NOT NULL, param smallint NOT NULL"""

_TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    RESOURCE: (
        """
    id bigint NOT NULL, patient bigint, encounter bigint,
    main_low timestamptz NOT NULL DEFAULT '-infinity', main_high timestamptz NOT NULL DEFAULT 'infinity',
    filed_at timestamptz NOT NULL, source integer NOT NULL, version integer NOT NULL,
    labels integer NOT NULL DEFAULT 0, type smallint NOT NULL, state smallint NOT NULL DEFAULT 0,
    public_id text COLLATE "C" NOT NULL, digest bytea NOT NULL,
    PRIMARY KEY (type, id), UNIQUE (type, public_id)""",
        (
            "(patient, type, main_low DESC) WHERE patient IS NOT NULL",
            "(encounter, type) WHERE encounter IS NOT NULL",
        ),
    ),
    VERSION: (
        """
    resource bigint NOT NULL, message bigint NOT NULL, original bigint NOT NULL,
    filed_at timestamptz NOT NULL, authored timestamptz, version integer NOT NULL,
    type smallint NOT NULL, state smallint NOT NULL DEFAULT 0, place text, content bytea NOT NULL,
    PRIMARY KEY (type, resource, version)""",
        ("(message)",),
    ),
    TOKEN: (
        f"{_INDEX_HEAD}, code bigint NOT NULL, system bigint NOT NULL, {_INDEX_TAIL}",
        ("(param, code, at DESC, resource)",),
    ),
    STRING: (
        f'{_INDEX_HEAD}, {_INDEX_TAIL}, value text COLLATE "C" NOT NULL',
        ("(param, value, at DESC, resource)",),
    ),
    DATE: (
        f"{_INDEX_HEAD}, low timestamptz NOT NULL, high timestamptz NOT NULL, {_INDEX_TAIL}",
        ("(param, low, high, resource)",),
    ),
    QUANTITY: (
        f"{_INDEX_HEAD}, low double precision NOT NULL, high double precision NOT NULL, "
        f"unit bigint NOT NULL, {_INDEX_TAIL}",
        ("(param, low, high, resource)",),
    ),
    REFERENCE: (
        f"{_INDEX_HEAD}, target bigint NOT NULL, {_INDEX_TAIL}",
        ("(param, target, at DESC, resource)",),
    ),
}


def create() -> Iterator[str]:
    """The statements that make the tables, their partitions and indexes."""
    yield "CREATE SEQUENCE record_resource_id AS bigint CACHE 1"
    for name, (columns, indexes) in _TABLES.items():
        yield f"CREATE TABLE {name} ({columns}) PARTITION BY LIST (type)"
        for partition, types in PARTITIONS.items():
            numbers = ", ".join(str(TYPE_ID[each]) for each in types)
            yield f"CREATE TABLE {name}_{partition} PARTITION OF {name} FOR VALUES IN ({numbers})"
        yield f"CREATE TABLE {name}_other PARTITION OF {name} DEFAULT"
        for number, index in enumerate(indexes, start=1):
            yield f"CREATE INDEX {name}_{number} ON {name} {index}"
    for name in INDEX_TABLES:
        # Finds the rows of one resource for the sweep, at next to no cost on insert.
        yield f"CREATE INDEX {name}_resource ON {name} USING brin (resource) WITH (pages_per_range = 16)"
    # Content is compressed before it is sent; PostgreSQL need not try again.
    for partition in [*PARTITIONS, "other"]:
        yield f"ALTER TABLE {VERSION}_{partition} ALTER content SET STORAGE EXTERNAL"


def drop() -> Iterator[str]:
    """The statements that undo :func:`create`."""
    for name in reversed(_TABLES):
        yield f"DROP TABLE {name}"
    yield "DROP SEQUENCE record_resource_id"
