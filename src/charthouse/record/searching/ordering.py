"""Orders, and the cursors that continue a page behind its last resource.

An order always ends with the resource's row, so that no two resources stand equal and a page goes on exactly where
the one before ended, whatever was filed meanwhile. A cursor holds times and numbers of rows only; of a name or a
birth date it holds the row, from which the key is looked up again.
"""
# ruff: noqa: S608 (no value stands in the text of a statement, see sql.py)

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from charthouse.exchange.fhir.api import Answer
from charthouse.record import schema
from charthouse.record.domain.index_rows import token_hash
from charthouse.record.domain.types import TYPE_ID

from .errors import SearchError
from .predicates import TABLE
from .sql import NEVER, Sql, all_of, any_of, join, moment, put, sql
from .terms import SortBy, SortKey

_CURSOR = re.compile(r"([a-z0-9+-]{1,80})((?:\.(?:-?\d{1,18}|[xn]))*)\.(\d{1,18})\.(\d{1,9})", re.ASCII)
_TIMED = (SortBy.MAIN, SortBy.START, SortBy.UPDATED)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: for each key its microseconds since 1970, or None (no date, no value) or "x" for a key to
    be looked up; then row and version of the last resource."""

    keys: tuple[int | str | None, ...]
    row: int
    version: int


def signature(order: Sequence[SortKey]) -> str:
    """A short name of the order, by which a cursor is known to belong to it."""
    return "".join(
        f"{key.by}{key.parameter.id if key.parameter else ''}{'-' if key.descending else '+'}" for key in order
    )


def cursor_of(order: Sequence[SortKey], place: Place) -> str:
    """The cursor of the page after ``place``."""
    keys = "".join(f".{'n' if key is None else key}" for key in place.keys)
    return f"{signature(order)}{keys}.{place.row}.{place.version}"


def place_of(order: Sequence[SortKey], cursor: str) -> Place:
    """The place behind a cursor; raises SearchError for one that this search did not give out."""
    found = _CURSOR.fullmatch(cursor)
    keys = found[2].split(".")[1:] if found else []
    fits = len(keys) == len(order) and all(
        given == "n" or (given != "x") == (key.by in _TIMED) for given, key in zip(keys, order, strict=False)
    )
    if found is None or found[1] != signature(order) or not fits:
        raise SearchError(
            "(page)", "cursor", "it belongs to no page of this search", "Begin again at the first page"
        )
    read = [None if key == "n" else key if key == "x" else int(key) for key in keys]
    return Place(tuple(read), int(found[3]), int(found[4]))


@dataclass(frozen=True, slots=True)
class OrderedKey:
    """A key in a statement: what it is worked out from, ``at`` a joined table where it needs one; ``told`` is what
    the caller gets for the cursor. ``nullable`` keys have those without a value last."""

    key: SortKey
    at: Sql
    joined: Sql | None = None

    @property
    def nullable(self) -> bool:
        return self.key.by is SortBy.PARAMETER

    def columns(self) -> list[Sql]:
        """What to sort by, in order, without directions."""
        return [put("({} IS NULL)", self.at), self.at] if self.nullable else [self.at]


def ordered_key(
    key: SortKey,
    kind: str,
    r: str,
    alias: str,
    start: str | None,
    lead: str | None = None,
) -> OrderedKey:
    """``key`` for resources ``r`` of a type; ``start`` is the alias of the rows with the main date's parameter,
    ``lead`` that of the index rows which lead to the resources."""
    match key.by:
        case SortBy.MAIN:
            return OrderedKey(key, sql(f"{lead}.at" if lead else f"{r}.main_low"))
        case SortBy.START:
            return OrderedKey(key, sql(f"{start}.low"))
        case SortBy.UPDATED:
            return OrderedKey(key, sql(f"{r}.filed_at"))
        case SortBy.ID:
            return OrderedKey(key, sql(f"{r}.public_id"))
        case SortBy.FILED:
            return OrderedKey(key, sql(f"{lead}.resource" if lead else f"{r}.id"))
        case _:
            return _by_parameter(key, kind, r, alias)


def _by_parameter(key: SortKey, kind: str, r: str, alias: str) -> OrderedKey:
    """``key`` by the rows of its parameter, and by the resource's own column where that holds values, too. What
    hashed values say stands beside the resource, in a column named by the alias (:func:`beside`)."""
    own = _own_column(key, r)
    if not has_rows(key):
        return OrderedKey(key, own or sql("NULL::text"))
    joined = None
    at = sql(f"{r}.{alias}")
    if not key.words:
        values = _values_of(key, kind, f"resource = {r}.id AND version = {r}.version")
        joined, at = put(f"LEFT JOIN LATERAL ({{}}) {alias} ON true", values), sql(f"{alias}.key")
    return OrderedKey(key, put(f"{_first(key)}({{}}, {{}})", at, own) if own else at, joined)


def has_rows(key: SortKey) -> bool:
    """Whether the values of a key by a parameter stand in rows of the index."""
    return any(answer.id is not None for answer in _answers(key))


def beside(matches: Sql, keys: Sequence[tuple[str, SortKey]], kind: str, *, few: bool) -> Sql:
    """``matches``, a selection of ids, versions and columns of a type, with what the hashed values of some keys
    say, each in a column of its name.

    No index leads from a resource to its codes: all rows of a parameter are read once, and where there are ``few``
    matches those of theirs. PostgreSQL answers a full join by hashing or merging alone; a left join it would loop
    over where it expects too little. OFFSET 0 keeps conditions from outside from turning the one into the other.
    """
    joins = []
    for name, key in keys:
        values = _chosen(key, kind)
        if few:
            values = put("{} AND resource = ANY(ARRAY(SELECT id FROM ({}) n))", values, matches)
        joins.append(
            put(
                f"FULL JOIN (SELECT resource, version, {{}} GROUP BY resource, version) {name} "
                f"ON {name}.resource = m.id AND {name}.version = m.version",
                values,
            )
        )
    named = ", ".join(f"{name}.key AS {name}" for name, _ in keys)
    return put(f"(SELECT m.*, {named} FROM ({{}}) m {{}} OFFSET 0)", matches, join(" ", joins))


def _answers(key: SortKey) -> Sequence[Answer]:
    assert key.parameter is not None
    return key.parameter.answers


def _first(key: SortKey) -> str:
    return "greatest" if key.descending else "least"


def _own_column(key: SortKey, r: str) -> Sql | None:
    """What the resource's own column says of a reference parameter, as its rows would; None where none does."""
    for answer in _answers(key):
        if answer.column in ("patient", "encounter"):
            target = answer.column.capitalize()
            return sql(
                f"(SELECT lower('{target}/' || o.public_id) COLLATE \"C\" FROM {schema.RESOURCE} o "
                f"WHERE o.type = {TYPE_ID[target]} AND o.id = {r}.{answer.column})"
            )
    return None


def _values_of(key: SortKey, kind: str, where: str) -> Sql:
    """The value of ``key`` for one resource version of a type: of several the one that comes first."""
    return put(f"SELECT {{}} AND {where}", _chosen(key, kind))


def _chosen(key: SortKey, kind: str) -> Sql:
    """The best of a parameter's values, and where they are."""
    assert key.parameter is not None
    table, best = TABLE[key.parameter.kind], "max" if key.descending else "min"
    if key.words:
        column = "target" if table == schema.REFERENCE else "code"
        value = sql(f'({{}} ->> {column}::text) COLLATE "C"'.format("%s::jsonb"), key.words)
    elif key.parameter.kind in ("date", "number", "quantity"):
        value = sql("high" if key.descending else "low")
    else:
        value = sql("value")
    places = any_of(
        sql(f"param = {answer.id} AND system = %s", token_hash(answer.system))
        if answer.system is not None
        else sql(f"param = {answer.id}")
        for answer in key.parameter.answers
        if answer.id is not None
    )
    return put(f"{best}({{}}) AS key FROM {table} WHERE type = {TYPE_ID[kind]} AND {{}}", value, places)


def directed(order: Sequence[SortKey], columns: Sequence[str], row: str) -> str:
    """``columns``, those of :meth:`OrderedKey.columns`, with their directions, and the row at the end."""
    found, at = [], 0
    for key in order:
        if key.by is SortBy.PARAMETER:
            found.append(columns[at])
            at += 1
        found.append(columns[at] + (" DESC" if key.descending else ""))
        at += 1
    return ", ".join([*found, row + tie(order)])


def told(key: SortKey, column: str) -> str:
    """What a page tells of its last resource's key for the cursor, as SQL over the page's column."""
    if key.by in _TIMED:
        return f"CASE WHEN isfinite({column}) THEN (extract(epoch FROM {column}) * 1000000)::bigint::text END"
    return f"CASE WHEN {column} IS NOT NULL THEN 'x' END"


def behind(keys: Sequence[OrderedKey], kind: str, number: str, place: Place) -> list[Sql]:
    """Conditions under which a resource comes after ``place``: no two hold at once, together they are all. There
    are two where each can be read from an index in order while their disjunction cannot. ``number`` is the column
    of the resource's row."""
    row = sql(f"{number} > %s", place.row)
    if len(keys) == 1:
        key, value = keys[0], place.keys[0]
        if key.key.by is SortBy.FILED:
            return [sql(f"{number} {'<' if key.key.descending else '>'} %s", place.row)]
        if key.key.by in _TIMED:
            if key.key.by is SortBy.MAIN and not key.key.descending:
                row = sql(f"{number} < %s", place.row)
            at = _held(key, value, kind, place)
            return [all_of([put("{} = {}", key.at, at), row]), put(f"{{}} {_then(key)} {{}}", key.at, at)]
    condition = row
    for key, value in zip(reversed(keys), reversed(place.keys), strict=True):
        at = _held(key, value, kind, place)
        if not key.nullable:
            condition = put(
                f"({{}} {_then(key)} {{}} OR ({{}} = {{}} AND {{}}))", key.at, at, key.at, at, condition
            )
        elif value is None:
            condition = put("({} IS NULL AND {})", key.at, condition)
        else:
            condition = put(
                f"({{}} IS NULL OR {{}} {_then(key)} {{}} OR ({{}} = {{}} AND {{}}))",
                key.at, key.at, at, key.at, at, condition,
            )  # fmt: skip
    return [condition]


def _then(key: OrderedKey) -> str:
    return "<" if key.key.descending else ">"


def _held(key: OrderedKey, value: int | str | None, kind: str, place: Place) -> Sql:
    """The key of the last resource of the page before."""
    if key.key.by in _TIMED:
        return sql("%s::timestamptz", "-infinity" if value is None else moment(int(value)))
    if key.key.by is SortBy.ID:
        return sql(f"(SELECT public_id FROM {schema.RESOURCE} WHERE type = {TYPE_ID[kind]} AND id = %s)", place.row)
    if value is None:
        return NEVER
    found = []
    if has_rows(key.key):
        one = _values_of(key.key, kind, "resource = %s AND version = %s")
        found.append(Sql(f"(SELECT key FROM ({one.text}) held)", (*one.values, place.row, place.version)))
    if own := _own_column(key.key, "h"):
        mine = put(f"(SELECT {{}} FROM {schema.RESOURCE} h WHERE h.type = {TYPE_ID[kind]} AND h.id = %s)", own)
        found.append(Sql(mine.text, (*mine.values, place.row)))
    return put(f"{_first(key.key)}({{}})", join(", ", found))


def tie(order: Sequence[SortKey]) -> str:
    """The direction in which rows that stand equal are read: that of the index's last column."""
    return " DESC" if len(order) == 1 and order[0].by is SortBy.MAIN and not order[0].descending else ""
