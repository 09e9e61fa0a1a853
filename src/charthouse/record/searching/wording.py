"""What hashed values of the index say, so that pages can be ordered by codes and references.

The index holds hashes alone, which stand in no order of meaning. The different values of a parameter are stepped
through from one to the next in its index, and what each says is read from one resource that has it. What a hash
stands for never changes, so that each is read once a process.
"""
# ruff: noqa: S608 (no value stands in the text of a statement but numbers of ours)

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson
from django.db import connection

from charthouse.exchange.fhir.api import Parameter, Rows, default_extractor
from charthouse.record import schema
from charthouse.record.domain.index_rows import target_hash, token_hash
from charthouse.record.domain.packing import decompress
from charthouse.record.domain.types import TYPE_ID

from .errors import SearchError

#: Different values of a parameter, of all resources of a type, by which a search may be sorted.
MOST_WORDED = 10_000
_READ_AT_ONCE = 200
#: What hashes stand for; started anew where it has grown.
_KEPT = 200_000
_known: dict[str, dict[int, str]] = {"token": {}, "reference": {}}


def is_worded(parameter: Parameter) -> bool:
    """Whether the index holds a parameter's values as hashes."""
    return parameter.kind in ("token", "uri", "reference")


def worded(kind: str, parameter: Parameter) -> str:
    """What the values of a parameter say by which resources of a type are sorted: JSON, hash to words.

    Raises SearchError where there are more of them than a search can be sorted by.
    """
    ids = tuple(dict.fromkeys(answer.id for answer in parameter.answers if answer.id is not None))
    if not ids:
        return "{}"
    table, column, name = _place(parameter)
    hashes = {each for id in ids for each in _hashes(kind, table, column, id, parameter)}
    if len(hashes) > MOST_WORDED:
        raise _too_many(parameter)
    known = _known[name]
    if missing := [each for each in hashes if each not in known]:
        if len(known) + len(missing) > _KEPT:
            known.clear()
            missing = list(hashes)
        _read(kind, table, column, ids, missing, known)
    found = {str(each): known[each] for each in hashes if each in known and _is_asked(parameter, known[each])}
    return orjson.dumps(found).decode()


def _place(parameter: Parameter) -> tuple[str, str, str]:
    if parameter.kind == "reference":
        return schema.REFERENCE, "target", "reference"
    return schema.TOKEN, "code", "token"


def _is_asked(parameter: Parameter, words: str) -> bool:
    """Whether a reference leads to a type that the parameter is about; shared rows hold those of others, too."""
    targets = {answer.target for answer in parameter.answers if answer.id is not None}
    return None in targets or words.partition("/")[0] in {each and each.casefold() for each in targets}


def _hashes(kind: str, table: str, column: str, id: int, parameter: Parameter) -> list[int]:
    mine = f"FROM {table} WHERE type = {TYPE_ID[kind]} AND param = {id}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE step(value) AS ((SELECT {column} {mine} ORDER BY {column} LIMIT 1) UNION ALL "
            f"SELECT (SELECT {column} {mine} AND {column} > step.value ORDER BY {column} LIMIT 1) FROM step "
            f"WHERE step.value IS NOT NULL) SELECT value FROM step WHERE value IS NOT NULL LIMIT {MOST_WORDED + 2}"
        )
        # A concept told in words alone has a row of zeros.
        found = [value for (value,) in cursor.fetchall() if value]
    if len(found) > MOST_WORDED:
        raise _too_many(parameter)
    return found


def _too_many(parameter: Parameter) -> SearchError:
    return SearchError(
        "_sort",
        "value",
        f"{parameter.code} has more than {MOST_WORDED:,} different values here, which are not held in an order",
        "Sort by a date, words or a number, by _lastUpdated or by _id",
    )


def _read(
    kind: str, table: str, column: str, ids: Sequence[int], missing: Sequence[int], known: dict[int, str]
) -> None:
    number = TYPE_ID[kind]
    for start in range(0, len(missing), _READ_AT_ONCE):
        # A resource that was read for one tells of others, too.
        some = [each for each in missing[start : start + _READ_AT_ONCE] if each not in known]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT v.content FROM (SELECT DISTINCT x.resource, x.version FROM unnest(%s::bigint[]) h(value) "
                f"CROSS JOIN LATERAL (SELECT resource, version FROM {table} WHERE type = {number} "
                f"AND param = ANY(%s) AND {column} = h.value LIMIT 1) x) y JOIN {schema.VERSION} v "
                f"ON v.type = {number} AND v.resource = y.resource AND v.version = y.version",
                [some, list(ids)],
            )
            contents = [decompress(content) for (content,) in cursor.fetchall()]
        for content in contents:
            known.update(_said(default_extractor().extract(orjson.loads(content), None, None), table))


def _said(rows: Rows, table: str) -> Iterator[tuple[int, str]]:
    if table == schema.REFERENCE:
        for _, kind, number, other in rows.references:
            if text := other or (f"{kind}/{number}" if number else ""):
                yield target_hash(text), _key(text)
        return
    for _, _, code, _ in rows.tokens:
        if code:
            yield token_hash(code), _key(code)
    for _, uri in rows.uris:
        yield token_hash(uri), _key(uri)


def _key(text: str) -> str:
    """What a value is sorted by: capitals make no difference."""
    return text.casefold().replace("\0", " ").encode("utf-8", "replace").decode()
