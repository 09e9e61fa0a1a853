"""What a value asks of a row of the search index. The row's alias is ``x`` throughout; see :func:`of`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from charthouse.exchange.fhir.api import Answer, clip
from charthouse.record import schema
from charthouse.record.domain.index_rows import STRING_LENGTH, target_hash, token_hash

from .sql import NEVER, Sql, all_of, any_of, moment, sql
from .terms import (
    DateValue,
    IdentifierValue,
    Modifier,
    NumberValue,
    Prefix,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    TypedIdentifier,
    UriValue,
    Value,
)

TABLE = {
    "token": schema.TOKEN,
    "uri": schema.TOKEN,
    "string": schema.STRING,
    "date": schema.DATE,
    "number": schema.QUANTITY,
    "quantity": schema.QUANTITY,
    "reference": schema.REFERENCE,
}

Predicate = Callable[[str, Answer, Modifier | None, Iterable[Value], str], Sql]

#: After every string that can be in the index with the same beginning.
_LAST = "\U0010ffff"


def of(kind: str, answer: Answer, modifier: Modifier | None, values: Iterable[Value], x: str) -> Sql:
    """Whether row ``x`` of the table of ``kind`` holds one of the values, where ``answer`` says to look."""
    mine = [sql(f"{x}.param = {answer.id}")]
    if answer.system is not None:
        mine.append(sql(f"{x}.system = %s", token_hash(answer.system)))
    return all_of([*mine, _any_value(answer, modifier, list(values), x)])


def indexed(kind: str, answer: Answer, modifier: Modifier | None, values: Iterable[Value], x: str) -> Sql:
    """What the key of the table's index by itself can tell of :func:`of`; it may hold for other rows, too."""
    mine = sql(f"{x}.param = {answer.id}")
    found: list[Sql] = []
    for value in values:
        if isinstance(value, TokenValue):
            found.append(sql(f"{x}.code = %s", token_hash(value.code)) if value.code else Sql("true"))
        elif isinstance(value, DateValue):
            found.append(_date_indexed(value, x))
        else:
            found.append(_any_value(answer, modifier, [value], x))
    return all_of([mine, any_of(found)])


def _date_indexed(value: DateValue, x: str) -> Sql:
    begins, ends = moment(value.low), moment(value.high)
    match value.prefix:
        case Prefix.EQ | Prefix.AP:
            return sql(f"({x}.low >= %s::timestamptz AND {x}.low < %s::timestamptz)", begins, ends)
        case Prefix.GT | Prefix.GE | Prefix.SA:
            return sql(f"{x}.high > %s::timestamptz", begins)
        case Prefix.NE:
            return Sql("true")
        case _:
            return sql(f"{x}.low < %s::timestamptz", ends)


def _any_value(answer: Answer, modifier: Modifier | None, values: list[Value], x: str) -> Sql:
    if all(isinstance(value, TokenValue) for value in values):
        return _tokens([value for value in values if isinstance(value, TokenValue)], x)
    if all(isinstance(value, ReferenceValue | IdentifierValue) for value in values):
        return _among(f"{x}.target", {number for value in values for number in _targets(answer, value)})
    return any_of(_PREDICATES[type(value)](value, modifier, x) for value in values)


def _among(column: str, numbers: Iterable[int]) -> Sql:
    found = sorted(numbers)
    if len(found) < 2:
        return sql(f"{column} = %s", found[0]) if found else NEVER
    return sql(f"{column} = ANY(%s)", found)


def _tokens(values: list[TokenValue], x: str) -> Sql:
    bare = {token_hash(value.code) for value in values if value.code and value.system is None}
    exact: dict[int, set[int]] = {}
    whole = set()
    for value in values:
        if value.system is None:
            continue
        if value.code:
            exact.setdefault(token_hash(value.system), set()).add(token_hash(value.code))
        else:
            whole.add(token_hash(value.system))
    pieces = [_among(f"{x}.code", bare)] if bare else []
    pieces += [
        all_of([_among(f"{x}.code", codes), sql(f"{x}.system = %s", system)]) for system, codes in exact.items()
    ]
    if whole:
        pieces.append(all_of([_among(f"{x}.system", whole), sql(f"{x}.code <> 0")]))
    return any_of(pieces)


def _targets(answer: Answer, value: Value) -> Iterable[int]:
    if isinstance(value, IdentifierValue):
        yield target_hash(clip(f"{value.system}|{value.value}"))
    elif isinstance(value, ReferenceValue):
        if value.url is not None and answer.target in (None, value.url_type or answer.target):
            yield target_hash(value.url)
        for kind, number in value.targets:
            if answer.target in (None, kind):
                yield target_hash(f"{kind}/{number}")


def _uri(value: Any, modifier: Modifier | None, x: str) -> Sql:
    return sql(f"{x}.code = %s", token_hash(value.text))


def _typed(value: Any, modifier: Modifier | None, x: str) -> Sql:
    return sql(f"{x}.code = %s", token_hash(value.code))


def _string(value: Any, modifier: Modifier | None, x: str) -> Sql:
    folded = value.folded
    if modifier is Modifier.CONTAINS:
        # What is longer than the index keeps may hold it further on; that is looked up in the resource.
        return sql(f"(strpos({x}.value, %s) > 0 OR length({x}.value) >= {STRING_LENGTH})", folded[:STRING_LENGTH])
    if modifier is Modifier.EXACT or len(folded) >= STRING_LENGTH:
        return sql(f"{x}.value = %s", folded[:STRING_LENGTH])
    return sql(f"({x}.value >= %s AND {x}.value < %s)", folded, folded + _LAST)


def _date(value: Any, modifier: Modifier | None, x: str) -> Sql:
    low, high = f"{x}.low", f"{x}.high"
    begins, ends = moment(value.low), moment(value.high)
    match value.prefix:
        case Prefix.EQ:
            return sql(
                f"({low} >= %s::timestamptz AND {low} < %s::timestamptz AND {high} <= %s::timestamptz)",
                begins,
                ends,
                ends,
            )
        case Prefix.NE:
            return sql(f"({low} < %s::timestamptz OR {high} > %s::timestamptz)", begins, ends)
        case Prefix.GT:
            return sql(f"{high} > %s::timestamptz", ends)
        case Prefix.LT:
            return sql(f"{low} < %s::timestamptz", begins)
        case Prefix.GE:
            # What begins later also ends later, which an index leads to.
            return sql(
                f"({high} > %s::timestamptz AND ({low} >= %s::timestamptz OR {high} > %s::timestamptz))",
                begins,
                begins,
                ends,
            )
        case Prefix.LE:
            return sql(
                f"({low} < %s::timestamptz AND ({low} < %s::timestamptz OR {high} <= %s::timestamptz))",
                ends,
                begins,
                ends,
            )
        case Prefix.SA:
            return sql(f"{low} >= %s::timestamptz", ends)
        case Prefix.EB:
            return sql(f"({low} < %s::timestamptz AND {high} <= %s::timestamptz)", begins, begins)
        case _:
            return sql(f"({low} < %s::timestamptz AND {high} > %s::timestamptz)", ends, begins)


def _number(value: Any, modifier: Modifier | None, x: str) -> Sql:
    low, high = f"{x}.low", f"{x}.high"
    match value.prefix:
        case Prefix.EQ:
            return sql(
                f"({low} >= %s::float8 AND {low} < %s::float8 AND {high} < %s::float8)",
                value.low,
                value.high,
                value.high,
            )
        case Prefix.NE:
            return sql(f"({low} < %s::float8 OR {high} >= %s::float8)", value.low, value.high)
        case Prefix.GT:
            return sql(f"{high} > %s::float8", value.exact)
        case Prefix.LT:
            return sql(f"{low} < %s::float8", value.exact)
        case Prefix.GE:
            return sql(f"{high} >= %s::float8", value.exact)
        case Prefix.LE:
            return sql(f"{low} <= %s::float8", value.exact)
        case Prefix.SA:
            return sql(f"{low} > %s::float8", value.exact)
        case Prefix.EB:
            return sql(f"{high} < %s::float8", value.exact)
        case _:
            return sql(f"({low} <= %s::float8 AND {high} >= %s::float8)", value.high, value.low)


def _quantity(value: Any, modifier: Modifier | None, x: str) -> Sql:
    pieces = [_number(value.number, modifier, x)]
    if value.system and value.code:
        pieces.append(sql(f"{x}.unit = %s", token_hash(f"{value.system}|{value.code}")))
    return all_of(pieces)


_PREDICATES: dict[type, Callable[[Any, Modifier | None, str], Sql]] = {
    UriValue: _uri,
    TypedIdentifier: _typed,
    StringValue: _string,
    DateValue: _date,
    NumberValue: _number,
    QuantityValue: _quantity,
}
