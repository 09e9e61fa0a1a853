"""From the pairs of a query string to a :class:`~charthouse.record.searching.terms.Search`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from charthouse.exchange.fhir.api import (
    Parameter,
    compartments,
    default_extractor,
    is_resource_type,
    main_date_parameter,
    resource_types,
)
from charthouse.record.text_queries import tsquery_of

from .errors import SearchError, shown_name
from .predicates import TABLE
from .terms import (
    AllOf,
    AnyOf,
    Chain,
    CompositeValue,
    Criterion,
    Has,
    Ignored,
    Missing,
    Modifier,
    ReferenceValue,
    Related,
    Relation,
    Search,
    SortBy,
    SortKey,
    Term,
    TokenValue,
    Total,
    UriValue,
    Words,
)
from .values import Reader, split_escaped, unescape

#: Steps that a chain or a row of ``_has`` may take.
DEEPEST = 3
#: Values between commas, and terms of one search.
MOST_VALUES = 500
MOST_TERMS = 50
#: Types that one step of a chain may lead to without naming one.
MOST_TARGETS = 12

#: Parameters about the shape of an answer, left to the caller.
SHAPING = frozenset(
    {
        *("_format", "_pretty", "_elements", "_include", "_include:iterate", "_include:recurse"),
        *("_revinclude", "_revinclude:iterate", "_revinclude:recurse"),
    }
)

_MODIFIERS: Mapping[str, frozenset[Modifier]] = {
    "string": frozenset({Modifier.EXACT, Modifier.CONTAINS}),
    "token": frozenset({Modifier.NOT, Modifier.TEXT}),
    "reference": frozenset({Modifier.IDENTIFIER}),
    "uri": frozenset({Modifier.BELOW}),
}
_KNOWN = {
    "above": "no hierarchy of these is held here; give each of them",
    "below": "no hierarchy of these is held here; give each of them",
    "of-type": "it is asked of identifiers only",
}
#: Reasons for which a parameter that R4 knows is passed over as one that it does not know would be.
_PASSED_OVER = ("switched off", "no element")


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
    ignored: list[Ignored] = field(default_factory=list)
    understood: list[tuple[str, str]] = field(default_factory=list)
    shaping: list[tuple[str, str]] = field(default_factory=list)


def parse(resource_type: str, query: Sequence[tuple[str, str]], strict: bool = False, *, base: str = "") -> Search:
    """Understand ``query``, the decoded names and values of a search of ``resource_type``.

    References below ``base``, our own address with a slash at its end, are ours without it.
    What is not known is named in ``ignored``, or when ``strict`` raises SearchError; so does, always, what is known
    and cannot be read or done (a modifier R4 wants refused, no date, no number). Raises SearchError for a type that
    is not R4's.
    """
    if not is_resource_type(resource_type):
        raise SearchError("(resource type)", "name", "it is no resource type of FHIR R4", "Check its spelling")
    draft = _Draft()
    for name, value in query:
        try:
            if not value.strip():
                raise _Unknown("it has no value")
            if (control := _CONTROLS.get(name)) is not None:
                control(draft, resource_type, value)
            elif name in SHAPING:
                draft.shaping.append((name, value))
            else:
                draft.terms.append(_Terms(name, base).term(resource_type, name, value, 0))
            draft.understood.append((name, value))
        except _Unknown as unknown:
            if strict:
                remedy = "Leave it out, or search leniently"
                raise SearchError(name, "name", str(unknown), remedy) from None
            draft.ignored.append(Ignored(shown_name(name), str(unknown)))
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
        understood=tuple(draft.understood),
        shaping=tuple(draft.shaping),
    )


# Terms -----------------------------------------------------------------------------------------------------------


def compartment(kind: str, owner: str, number: str) -> AnyOf:
    """What holds for resources of type ``kind`` in the compartment of ``owner``/``number``.

    Raises SearchError where R4 has no such compartment, or none of that type is in it.
    """
    if owner not in compartments():
        raise SearchError(
            "(compartment)",
            "type",
            f"{owner} has no compartment",
            f"Name one of {', '.join(sorted(compartments()))}",
        )
    codes = compartments()[owner].get(kind, [])
    if not codes and kind != owner:
        raise SearchError(
            "(compartment)", "type", f"no {kind} is in a compartment of {owner}", "Search by parameters"
        )
    name = f"({owner} compartment)"
    whose = (ReferenceValue(((owner, number),)),)
    known = default_extractor().parameters(kind)
    terms = [
        Criterion(name, known[code], None, whose)
        for code in codes
        if code in known and known[code].answers and known[code].kind == "reference"
    ]
    if kind == owner:
        terms.insert(0, Criterion(name, known["_id"], None, (TokenValue(None, number),)))
    return AnyOf(name, tuple(terms))


def in_a_compartment(kind: str, owner: str) -> AnyOf | None:
    """What holds for resources of type ``kind`` in the compartment of some resource of type ``owner``; None for
    that type itself, of which each is. Raises SearchError as :func:`compartment`."""
    if kind == owner:
        return None
    terms = (each for each in compartment(kind, owner, "-").terms if isinstance(each, Criterion))
    return AnyOf(f"(a {owner} compartment)", tuple(Missing(each.name, each.parameter, False) for each in terms))


def narrowed(kind: str, alternatives: Iterable[Sequence[tuple[str, str]]], *, chained: bool = True) -> AnyOf:
    """What holds for the resources of a type that one of some searches finds. Whether it holds for versions of
    resources is told by :func:`~charthouse.record.searching.running.fitting`.

    Raises SearchError for a search that is not understood, or that asks for words or what only a stored ValueSet
    or CodeSystem can tell; unless ``chained`` also for chains and ``_has``.
    """
    allowed = (Criterion, Missing, Chain, Has) if chained else (Criterion, Missing)
    found: list[Term] = []
    for query in alternatives:
        terms: list[Term] = []
        for term in parse(kind, query, strict=True).terms:
            if not isinstance(term, allowed):
                raise SearchError(
                    getattr(term, "name", "(all)"),
                    "name",
                    "it asks for words, or for what a ValueSet holds" + ("" if chained else ", or leads elsewhere"),
                    f"Narrow by codes, dates, numbers{', references and chains' if chained else ' and references'}",
                )
            terms.append(term)
        if len(terms) < len(query):
            raise SearchError("(all)", "name", "it chooses nothing", "Narrow by what resources say")
        found.append(terms[0] if len(terms) == 1 else AllOf("(narrowed)", tuple(terms)))
    return AnyOf("(narrowed)", tuple(found))


def leading(ways: Iterable[tuple[Parameter, Sequence[tuple[str, str]]]]) -> AnyOf:
    """One of some reference parameters leads to one of its resources (type, id)."""
    return AnyOf(
        "(leading)",
        tuple(
            Criterion(parameter.code, parameter, None, (ReferenceValue(tuple(targets)),))
            for parameter, targets in ways
        ),
    )


class _Terms:
    """Reads one use of a parameter. ``name`` is as it was given, for errors."""

    def __init__(self, name: str, base: str) -> None:
        self._name = name
        self._base = base

    def term(self, kind: str, rest: str, value: str, depth: int) -> Term:
        """The term of ``rest``, what is left of the name for a resource of type ``kind``."""
        if depth > DEEPEST:
            raise self._wrong("chain", f"it takes more than {DEEPEST} steps", "Search in several steps")
        if rest.startswith("_has:"):
            return self._has(kind, rest, value, depth)
        if (special := _SPECIAL.get(rest)) is not None:
            return special(self, value)
        head, dot, tail = rest.partition(".")
        return self._chain(kind, head, tail, value, depth) if dot else self._plain(kind, rest, value)

    def _wrong(self, place: str, what: str, remedy: str) -> SearchError:
        return SearchError(self._name, place, what, remedy)

    def _words(self, value: str) -> Words:
        if not (query := tsquery_of(value)):
            raise self._wrong("value", "it has no word to look for", "Give words, or a phrase in quotes")
        return Words(self._name, query)

    def _list(self, value: str) -> Has:
        if value.startswith("$"):
            raise self._wrong("value", "lists that are worked out are not held here", "Give the id of a List")
        return Has(self._name, "List", _parameter("List", "item"), self._plain("List", "_id", value))

    def _filter(self, value: str) -> Term:
        raise self._wrong("name", "filter expressions are not read here", "Ask the same by single parameters")

    def _contained(self, value: str) -> Term:
        raise self._wrong("name", "contained resources are not searched apart", "Search what contains them")

    def _has(self, kind: str, rest: str, value: str, depth: int) -> Has:
        parts = rest.split(":", 3)
        if len(parts) < 4 or not all(parts):
            raise self._wrong("name", "it is not complete", "Write _has:Type:reference:parameter")
        _, other, code, inner = parts
        if not is_resource_type(other):
            raise self._wrong("name", "its type is no resource type of FHIR R4", "Check its spelling")
        parameter = _parameter(other, code)
        if parameter.kind != "reference":
            raise self._wrong(
                "name", "what should lead here is no reference", "Name a reference parameter of the type"
            )
        if parameter.targets and not {kind, "Resource"} & set(parameter.targets):
            raise self._wrong("name", f"that reference never leads to {kind}", "Name one that does")
        return Has(self._name, other, parameter, self.term(other, inner, value, depth + 1))

    def _chain(self, kind: str, head: str, tail: str, value: str, depth: int) -> Chain:
        code, _, only = head.partition(":")
        parameter = _parameter(kind, code)
        if parameter.kind != "reference":
            raise self._wrong(
                "chain", "a step goes on from what is no reference", "Chain reference parameters only"
            )
        allowed = parameter.targets
        if not allowed or "Resource" in allowed:
            allowed = tuple(sorted(resource_types()))
        if only and only not in allowed:
            raise self._wrong(
                "chain", "a step names a type that its reference never leads to", "Name one that it does"
            )
        targets: list[tuple[str, Term]] = []
        wrong: SearchError | None = None
        for target in (only,) if only else allowed:
            try:
                targets.append((target, self.term(target, tail, value, depth + 1)))
            except _Unknown:
                if only:
                    raise
            except SearchError as error:
                wrong = error
        if wrong is not None and not targets:
            raise wrong
        if not targets:
            raise _Unknown("no type that its reference leads to has the parameter at its end")
        if len(targets) > MOST_TARGETS:
            raise self._wrong("chain", "it may lead to many types", f"Name the type, such as {code}:Patient.…")
        return Chain(self._name, parameter, tuple(targets))

    def _plain(self, kind: str, rest: str, value: str) -> Term:
        code, colon, asked = rest.partition(":")
        parameter = _parameter(kind, code)
        if asked == "missing":
            return _missing(self._name, parameter, value)
        if asked in list(Relation) and parameter.kind == "token":
            return Related(self._name, parameter, Relation(asked), value)
        if asked == Relation.ABOVE and parameter.kind == "uri":
            above = (each for text in _values(self._name, value) for each in _beginnings(unescape(text)))
            return Criterion(self._name, parameter, None, tuple(UriValue(each) for each in dict.fromkeys(above)))
        modifier, only = _modifier(self._name, parameter, asked) if colon else (None, "")
        if parameter.kind == "composite":
            return _composite(kind, self._name, parameter, value)
        reader = Reader(self._name, parameter, modifier, only, self._base)
        found = tuple(reader.read(text) for text in _values(self._name, value))
        return Criterion(self._name, parameter, modifier, found)


_SPECIAL: Mapping[str, Callable[[_Terms, str], Term]] = {
    "_content": _Terms._words,
    "_text": _Terms._words,
    "_list": _Terms._list,
    "_filter": _Terms._filter,
    "_contained": _Terms._contained,
    "_containedType": _Terms._contained,
}


def _beginnings(uri: str) -> list[str]:
    """A URI and those above it, step by step: ``http://a.org/b/c``, ``http://a.org/b/``, ``http://a.org/b`` …"""
    scheme, mark, rest = uri.rstrip("/").rpartition("://")
    steps = rest.split("/")
    found = [uri]
    for number in range(len(steps) - 1, 0, -1):
        above = scheme + mark + "/".join(steps[:number])
        found += [f"{above}/", above]
    return found


def _parameter(kind: str, code: str) -> Parameter:
    """The parameter of a type that can be answered; raises _Unknown for one that R4 does not know, and SearchError
    for one that is not answered here."""
    parameter = default_extractor().parameters(kind).get(code)
    if parameter is None:
        raise _Unknown(f"{kind} has no such parameter")
    if parameter.kind == "composite":
        for part in parameter.components:
            _parameter(kind, part)
    elif not parameter.answers:
        reason = parameter.reason or ""
        if reason.startswith(_PASSED_OVER):
            raise _Unknown(f"it is not answered here: {reason}")
        raise SearchError(code, "name", f"it is not answered here: {reason}", "Leave it out")
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
    if parameter.answers and all(answer.column for answer in parameter.answers):
        allowed = allowed - {Modifier.TEXT}
    if parameter.kind == "token" and parameter.code == "identifier":
        allowed = allowed | {Modifier.OF_TYPE}
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
    if parameter.kind not in TABLE:
        raise SearchError(
            "_sort",
            "value",
            f"a {parameter.kind} parameter has no order in the index",
            "Sort by a parameter of another kind, by _lastUpdated or by _id",
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


def _type(draft: _Draft, kind: str, value: str) -> None:
    """Which types a search of several is of; of one it must be among them."""
    if kind not in value.split(","):
        raise SearchError(
            "_type", "value", "it does not name the type that is searched", f"Leave it out or add {kind}"
        )


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
    "_type": _type,
}
