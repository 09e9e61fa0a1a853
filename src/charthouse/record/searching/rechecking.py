"""What the index cannot tell for sure is looked up in the resource.

The index holds the first characters of a string and 64-bit hashes of codes, URIs and references. A search for a
string as written, within a string, or by a unit of any system therefore finds more than it should; so do
composites, whose parts the index holds apart. Those are compared again, row by row, while the page is filled.

Hashes are compared again where a value is to name one thing, identifiers: there a collision would show another
patient's record, or keep a resource from being created. Everywhere else it is left: among ten million distinct
codes the chance that any two at all share a hash is below three in a million.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import permutations
from typing import Any

from charthouse.exchange.fhir.api import (
    Answer,
    Extractor,
    Parameter,
    Rows,
    clip,
    default_extractor,
    fold,
    strings_of,
    values_of,
)
from charthouse.record.domain.index_rows import STRING_LENGTH

from .terms import (
    AllOf,
    AnyOf,
    Chain,
    CompositeValue,
    Criterion,
    DateValue,
    Has,
    IdentifierValue,
    Missing,
    Modifier,
    NumberValue,
    OneOf,
    Prefix,
    QuantityValue,
    ReferenceValue,
    Related,
    StringValue,
    Term,
    TokenValue,
    TypedIdentifier,
    UriValue,
    Value,
    Words,
)

Row = tuple[Any, ...]
_TABLES = {
    "token": "tokens",
    "string": "strings",
    "reference": "references",
    "date": "dates",
    "quantity": "quantities",
    "number": "numbers",
    "uri": "uris",
}


def is_uncertain(term: Term) -> bool:
    """Whether the index may find a resource for which ``term`` does not hold. Chains are as sure as what they
    lead to, which is looked at before."""
    match term:
        case OneOf() | Words() | Related():
            return False
        case AllOf() | AnyOf():
            return any(is_uncertain(each) for each in term.terms)
        case Missing():
            return any(answer.target for answer in term.parameter.answers)
        case Chain():
            return any(is_uncertain(inner) for _, inner in term.targets)
        case Has():
            return is_uncertain(term.term)
    if term.modifier is Modifier.NOT:
        return False
    if term.modifier is not None or term.parameter.kind == "composite" or term.parameter.code == "identifier":
        return True
    return any(
        (isinstance(value, StringValue) and len(value.folded) > STRING_LENGTH)
        or (isinstance(value, QuantityValue) and (value.system is None) != (value.code is None))
        for value in term.values
    )


def is_own(term: Term) -> bool:
    """Whether what a resource says by itself tells whether ``term`` holds; else whose it is, what it leads to, or
    what leads to it."""
    match term:
        case Criterion() | Missing():
            return not any(answer.column for answer in term.parameter.answers)
        case AllOf() | AnyOf():
            return all(map(is_own, term.terms))
        case _:
            return False


def holds(term: Term, resource: dict[str, Any]) -> bool:
    """Whether a criterion or the absence of a value holds for the resource itself."""
    if isinstance(term, Missing):
        rows = default_extractor().extract(resource, None, None)
        return term.missing != any(True for _ in _rows_of(term.parameter, rows))
    if isinstance(term, AnyOf):
        return any(holds(each, resource) for each in term.terms)
    if isinstance(term, AllOf):
        return all(holds(each, resource) for each in term.terms)
    if not isinstance(term, Criterion):
        return True
    if term.modifier is Modifier.NOT:
        return not holds(replace(term, modifier=None), resource)
    if term.parameter.kind == "composite":
        found = _extractor(term.parameter.name).extract(resource, None, None).composites
        return any(_together(value, row[1:]) for value in term.values for row in found)
    if term.modifier is Modifier.EXACT:
        written = strings_of(resource, term.parameter.code)
        return any(isinstance(value, StringValue) and value.text in written for value in term.values)
    if term.modifier is Modifier.TEXT:
        told = [fold(text) for each in values_of(resource, term.parameter.code) for text in _words_beside(each)]
        return any(
            text.startswith(value.folded)
            for value in term.values
            if isinstance(value, StringValue)
            for text in told
        )
    if term.modifier is Modifier.OF_TYPE:
        held = values_of(resource, term.parameter.code)
        return any(_is_typed(value, each) for value in term.values for each in held)
    rows = default_extractor().extract(resource, None, None)
    if term.modifier is Modifier.BELOW:
        return any(_is_below(value, row) for row in _rows_of(term.parameter, rows) for value in term.values)
    compare = _within if term.modifier is Modifier.CONTAINS else matches
    return any(compare(value, row) for row in _rows_of(term.parameter, rows) for value in term.values)


@cache
def _extractor(name: str) -> Extractor:
    return Extractor({name})


def _rows_of(parameter: Parameter, rows: Rows) -> Iterable[Row]:
    """The rows of a parameter without their id."""
    for answer in parameter.answers:
        if answer.id is not None:
            for row in getattr(rows, _TABLES[parameter.kind]):
                if row[0] == answer.id and _is_meant(answer, row):
                    yield row[1:]


def _is_meant(answer: Answer, row: Row) -> bool:
    return (answer.target is None or row[1] == answer.target) and (answer.system is None or row[1] == answer.system)


def _together(value: Value, row: Row) -> bool:
    """Whether the parts of a composite stand together in ``row``, in whichever order R4 has them."""
    assert isinstance(value, CompositeValue)
    return any(
        all(matches(part, found) for part, found in zip(value.parts, order, strict=True))
        for order in permutations(row)
    )


def _words_beside(value: Any) -> Iterator[str]:
    """The text of a concept, the displays of its codings, the text of an identifier's type."""
    if not isinstance(value, dict):
        return
    inner = value.get("type")
    for each in (value, *value.get("coding", ()), *([inner] if isinstance(inner, dict) else ())):
        for name in ("text", "display"):
            if isinstance(text := each.get(name), str):
                yield text


def _is_typed(value: Value, identifier: Any) -> bool:
    return (
        isinstance(value, TypedIdentifier)
        and identifier.get("value") == value.code
        and any(
            coding.get("code") == value.type and value.system in (None, coding.get("system"))
            for coding in (identifier.get("type") or {}).get("coding", ())
        )
    )


def _is_below(value: Value, row: Row) -> bool:
    """Whether a URI is ``value`` or goes on from it, step by step."""
    if not isinstance(value, UriValue):
        return False
    uri = str(row[0])
    return uri == value.text or uri.startswith(value.text if value.text.endswith(("/", ":")) else f"{value.text}/")


def _within(value: Value, row: Row) -> bool:
    return isinstance(value, StringValue) and value.folded in row[0]


def matches(value: Value, row: Row) -> bool:
    """Whether a value matches a row of its kind, given without the parameter's id."""
    compare, width = _COMPARE[type(value)]
    return len(row) == width and compare(value, row)


def _token(value: Any, row: Row) -> bool:
    system, code, _ = row
    return (value.system is None or (system or "") == value.system) and (
        code == value.code if value.code else code is not None
    )


def _string(value: Any, row: Row) -> bool:
    return str(row[0]).startswith(value.folded)


def _uri(value: Any, row: Row) -> bool:
    return bool(row[0] == value.text)


def _reference(value: Any, row: Row) -> bool:
    kind, number, other = row
    return other == value.url if other is not None else (kind, number) in value.targets


def _identifier(value: Any, row: Row) -> bool:
    return row[1] is None and row[2] == clip(f"{value.system}|{value.value}")


def _date(value: Any, row: Row) -> bool:
    low, high = row
    match value.prefix:
        case Prefix.EQ:
            return bool(low >= value.low and high <= value.high)
        case Prefix.NE:
            return bool(low < value.low or high > value.high)
        case Prefix.GT:
            return bool(high > value.high)
        case Prefix.LT:
            return bool(low < value.low)
        case Prefix.GE:
            return bool(low >= value.low or high > value.high)
        case Prefix.LE:
            return bool(low < value.low or high <= value.high)
        case Prefix.SA:
            return bool(low >= value.high)
        case Prefix.EB:
            return bool(high <= value.low)
        case _:
            return bool(low < value.high and high > value.low)


def _number(value: Any, row: Row) -> bool:
    low, high = row
    match value.prefix:
        case Prefix.EQ:
            return bool(low >= value.low and high < value.high)
        case Prefix.NE:
            return bool(low < value.low or high >= value.high)
        case Prefix.GT:
            return bool(high > value.exact)
        case Prefix.LT:
            return bool(low < value.exact)
        case Prefix.GE:
            return bool(high >= value.exact)
        case Prefix.LE:
            return bool(low <= value.exact)
        case Prefix.SA:
            return bool(low > value.exact)
        case Prefix.EB:
            return bool(high < value.exact)
        case _:
            return bool(low <= value.high and high >= value.low)


def _quantity(value: Any, row: Row) -> bool:
    low, high, system, code, unit = row
    return (
        _number(value.number, (low, high))
        and (value.system is None or system == value.system)
        and (
            value.code is None or value.code == code or (value.code == unit and (value.system is None or not code))
        )
    )


_COMPARE: dict[type, tuple[Callable[[Any, Row], bool], int]] = {
    TokenValue: (_token, 3),
    StringValue: (_string, 1),
    UriValue: (_uri, 1),
    ReferenceValue: (_reference, 3),
    IdentifierValue: (_identifier, 3),
    DateValue: (_date, 2),
    NumberValue: (_number, 2),
    QuantityValue: (_quantity, 5),
}
