"""From the pairs of a query string to a :class:`~charthouse.record.searching.terms.Search`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from charthouse.exchange.fhir.api import Parameter, default_extractor, is_resource_type, main_date_parameter

from .errors import SearchError, shown_name
from .terms import (
    Chain,
    CompositeValue,
    Criterion,
    Has,
    Missing,
    Modifier,
    Search,
    SortBy,
    SortKey,
    Term,
    Total,
)
from .values import Reader, split_escaped

#: Steps that a chain or a row of ``_has`` may take.
DEEPEST = 3
#: Values between commas, and terms of one search.
MOST_VALUES = 500
MOST_TERMS = 50

#: Parameters about the shape of an answer, left to the caller.
SHAPING = frozenset(
    {"_format", "_pretty", "_elements", "_include", "_revinclude", "_contained", "_containedType", "_fhirpath"}
)

_MODIFIERS: Mapping[str, frozenset[Modifier]] = {
    "string": frozenset({Modifier.EXACT, Modifier.CONTAINS}),
    "token": frozenset({Modifier.NOT}),
    "reference": frozenset({Modifier.IDENTIFIER}),
}
_KNOWN = {
    "text": "no words beside codes are indexed; search by the code",
    "in": "no value sets are held here; give the codes with commas between them",
    "not-in": "no value sets are held here; give the codes with commas between them",
    "above": "no hierarchy of codes or URIs is held here; give each of them",
    "below": "no hierarchy of codes or URIs is held here; give each of them",
    "of-type": "an identifier's type is not indexed; give system|value",
}


class _Unknown(Exception):
    """A parameter that is not answered here; the words say why."""


@dataclass
class _Draft:
    """A search while it is read."""

    terms: list[Term] = field(default_factory=list)
    sort: list[SortKey] = field(default_factory=list)
    count: int | None = None
    total: Total = Total.NONE
    only_total: bool = False
    ignored: list[str] = field(default_factory=list)
    shaping: list[tuple[str, str]] = field(default_factory=list)


def parse(resource_type: str, query: Sequence[tuple[str, str]], strict: bool = False) -> Search:
    """Understand ``query``, the decoded names and values of a search of ``resource_type``.

    What is not known is named in ``ignored``, or when ``strict`` raises SearchError; so does, always, what is known
    and cannot be read or done (a modifier R4 wants refused, no date, no number). Raises SearchError for a type that
    is not R4's.
    """
    if not is_resource_type(resource_type):
        raise SearchError("(resource type)", "name", "it is no resource type of FHIR R4", "Check its spelling")
    draft = _Draft()
    for name, value in query:
        try:
            if (control := _CONTROLS.get(name)) is not None:
                control(draft, resource_type, value)
            elif name in SHAPING:
                draft.shaping.append((name, value))
            elif not value.strip():
                raise _Unknown("it has no value")
            else:
                draft.terms.append(_term(resource_type, name, name, value, 0))
        except _Unknown as unknown:
            if strict:
                remedy = "Leave it out, or search leniently"
                raise SearchError(name, "name", str(unknown), remedy) from None
            draft.ignored.append(shown_name(name))
    if len(draft.terms) > MOST_TERMS:
        raise SearchError(
            "(all)", "number", f"there are more than {MOST_TERMS} parameters", "Search in several steps"
        )
    return Search(
        type=resource_type,
        terms=tuple(draft.terms),
        sort=tuple(draft.sort),
        count=draft.count,
        total=draft.total,
        only_total=draft.only_total,
        ignored=tuple(dict.fromkeys(draft.ignored)),
        shaping=tuple(draft.shaping),
    )


# Terms -----------------------------------------------------------------------------------------------------------


def _term(kind: str, name: str, rest: str, value: str, depth: int) -> Term:
    """The term of ``rest``, what is left of ``name`` for a resource of type ``kind``."""
    if depth > DEEPEST:
        raise SearchError(name, "chain", f"it takes more than {DEEPEST} steps", "Search in several steps")
    if rest.startswith("_has:"):
        return _has(kind, name, rest, value, depth)
    head, dot, tail = rest.partition(".")
    return _chain(kind, name, head, tail, value, depth) if dot else _plain(kind, name, rest, value)


def _has(kind: str, name: str, rest: str, value: str, depth: int) -> Has:
    parts = rest.split(":", 3)
    if len(parts) < 4 or not all(parts):
        raise SearchError(name, "name", "it is not complete", "Write _has:Type:reference:parameter")
    _, other, code, inner = parts
    if not is_resource_type(other):
        raise SearchError(name, "name", "its type is no resource type of FHIR R4", "Check its spelling")
    parameter = _parameter(other, code)
    if parameter.kind != "reference":
        raise SearchError(
            name, "name", "what should lead here is no reference", "Name a reference parameter of the type"
        )
    if parameter.targets and not {kind, "Resource"} & set(parameter.targets):
        raise SearchError(name, "name", f"that reference never leads to {kind}", "Name one that does")
    return Has(name, other, parameter, _term(other, name, inner, value, depth + 1))


def _chain(kind: str, name: str, head: str, tail: str, value: str, depth: int) -> Chain:
    code, _, only = head.partition(":")
    parameter = _parameter(kind, code)
    if parameter.kind != "reference":
        raise SearchError(
            name, "chain", "a step goes on from what is no reference", "Chain reference parameters only"
        )
    if only and (not is_resource_type(only) or only not in parameter.targets):
        raise SearchError(
            name, "chain", "a step names a type that its reference never leads to", "Name one that it does"
        )
    targets: list[tuple[str, Term]] = []
    for target in (only,) if only else parameter.targets:
        try:
            targets.append((target, _term(target, name, tail, value, depth + 1)))
        except _Unknown:
            if only:
                raise
    if not targets:
        raise _Unknown("no type that its reference leads to has the parameter at its end")
    return Chain(name, parameter, tuple(targets))


def _plain(kind: str, name: str, rest: str, value: str) -> Criterion | Missing:
    code, colon, asked = rest.partition(":")
    parameter = _parameter(kind, code)
    if asked == "missing":
        return _missing(name, parameter, value)
    modifier, only = _modifier(name, parameter, asked) if colon else (None, "")
    if parameter.kind == "composite":
        return _composite(kind, name, parameter, value)
    reader = Reader(name, parameter, modifier, only)
    return Criterion(name, parameter, modifier, tuple(reader.read(text) for text in _values(name, value)))


def _parameter(kind: str, code: str) -> Parameter:
    """The parameter of a type that can be answered; raises _Unknown for any other."""
    parameter = default_extractor().parameters(kind).get(code)
    if parameter is None:
        raise _Unknown(f"{kind} has no such parameter")
    if parameter.kind == "composite":
        for part in parameter.components:
            _parameter(kind, part)
    elif not parameter.answers:
        raise _Unknown(f"it is not answered here: {parameter.reason}")
    return parameter


def _modifier(name: str, parameter: Parameter, asked: str) -> tuple[Modifier | None, str]:
    """The modifier asked for, or the type that a reference is to have."""
    if parameter.kind == "reference" and is_resource_type(asked):
        if parameter.targets and not {asked, "Resource"} & set(parameter.targets):
            raise SearchError(
                name, "modifier", "its reference never leads to that type", "Name one that it leads to"
            )
        return None, asked
    allowed = _MODIFIERS.get(parameter.kind, frozenset())
    if asked in allowed:
        return Modifier(asked), ""
    usable = [f":{each}" for each in sorted(allowed)] + [":missing"]
    because = _KNOWN.get(asked, f"of a {parameter.kind} parameter {', '.join(usable)} can be asked")
    raise SearchError(name, "modifier", "it cannot be done", because[0].upper() + because[1:])


def _missing(name: str, parameter: Parameter, value: str) -> Missing:
    if value not in ("true", "false"):
        raise SearchError(name, "value", "it is neither true nor false", "Give one of them")
    if parameter.kind == "composite":
        raise SearchError(name, "modifier", "it cannot be asked of a composite", "Ask it of its parts")
    return Missing(name, parameter, value == "true")


def _composite(kind: str, name: str, parameter: Parameter, value: str) -> Criterion:
    parts = tuple(_parameter(kind, code) for code in parameter.components)
    readers = [Reader(name, part) for part in parts]
    found = []
    for text in _values(name, value):
        texts = split_escaped(text, "$")
        if len(texts) != len(parts) or not all(texts):
            codes = "$".join(parameter.components)
            raise SearchError(name, "value", "it does not have a value for each part", f"Give {codes}")
        found.append(CompositeValue(tuple(reader.read(each) for reader, each in zip(readers, texts, strict=True))))
    return Criterion(name, parameter, None, tuple(found), parts)


def _values(name: str, value: str) -> list[str]:
    """The values between commas; empty ones say nothing."""
    found = list(dict.fromkeys(text for text in split_escaped(value, ",") if text.strip()))
    if not found:
        raise SearchError(name, "value", "there is nothing between its commas", "Give a value")
    if len(found) > MOST_VALUES:
        raise SearchError(name, "value", f"there are more than {MOST_VALUES} values", "Search in several steps")
    return found


# Order and page --------------------------------------------------------------------------------------------------


def _sort(draft: _Draft, kind: str, value: str) -> None:
    for text in value.split(","):
        code = text.strip().removeprefix("-")
        if code:
            draft.sort.append(_sort_key(kind, code, descending=text.strip().startswith("-")))


def _sort_key(kind: str, code: str, *, descending: bool) -> SortKey:
    match code:
        case "_id":
            return SortKey(SortBy.ID, descending)
        case "_lastUpdated":
            return SortKey(SortBy.UPDATED, descending)
    if code == main_date_parameter(kind):
        return SortKey(SortBy.MAIN, descending)
    parameter = _parameter(kind, code)
    if parameter.kind not in ("string", "date"):
        raise SearchError(
            "_sort",
            "value",
            f"a {parameter.kind} parameter has no order in the index",
            "Sort by a date or string parameter, _lastUpdated or _id",
        )
    return SortKey(SortBy.PARAMETER, descending, parameter)


def _count(draft: _Draft, kind: str, value: str) -> None:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise SearchError("_count", "value", "it is no whole number", "Give a number such as 50")
    draft.count = int(value)
    if draft.count == 0:
        draft.only_total, draft.total = True, Total.ACCURATE


def _total(draft: _Draft, kind: str, value: str) -> None:
    if value not in list(Total):
        raise SearchError("_total", "value", "it is not known", f"Give one of {', '.join(Total)}")
    if not draft.only_total:
        draft.total = Total(value)


def _summary(draft: _Draft, kind: str, value: str) -> None:
    if value == "count":
        draft.only_total, draft.total = True, Total.ACCURATE
    else:
        draft.shaping.append(("_summary", value))


_CONTROLS: Mapping[str, Callable[[_Draft, str, str], None]] = {
    "_sort": _sort,
    "_count": _count,
    "_total": _total,
    "_summary": _summary,
}
