"""A search as it is understood: terms that must all hold, the order, and the page. Values are what is compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from charthouse.exchange.fhir.api import Parameter


class Prefix(StrEnum):
    """How a resource's range of dates or numbers compares with the one searched for (R4, search, 3.1.1.4.7)."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    SA = "sa"
    EB = "eb"
    AP = "ap"


class Modifier(StrEnum):
    """What a modifier changes. FHIR's ``:missing`` and a reference's ``:Type`` are no modifiers here."""

    EXACT = "exact"
    CONTAINS = "contains"
    NOT = "not"
    IDENTIFIER = "identifier"
    TEXT = "text"
    OF_TYPE = "of-type"
    BELOW = "below"


class Relation(StrEnum):
    """How a code is to stand to what only a stored ValueSet or CodeSystem can tell."""

    IN = "in"
    NOT_IN = "not-in"
    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class TokenValue:
    """``system|code``. A system of None is any, an empty one none at all; a code of None is any."""

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class StringValue:
    """A string as given, and folded."""

    text: str
    folded: str


@dataclass(frozen=True, slots=True)
class DateValue:
    """A range [low, high) in microseconds since 1970 UTC; for AP already as wide as "about" is."""

    prefix: Prefix
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A number, and the range [low, high) that it stands for: by its last digit, for AP a tenth to both sides."""

    prefix: Prefix
    exact: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A number with a unit; a system or code of None is any."""

    number: NumberValue
    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class UriValue:
    """A URI, compared as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """What a reference leads to: any of these resources (type, id), or a URL."""

    targets: tuple[tuple[str, str], ...]
    url: str | None = None
    url_type: str | None = None


@dataclass(frozen=True, slots=True)
class IdentifierValue:
    """The business identifier in a reference."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class TypedIdentifier:
    """An identifier's value with the type of identifier it is; a system of None is any."""

    system: str | None
    type: str
    code: str


@dataclass(frozen=True, slots=True)
class CompositeValue:
    """Values of the parts, in the parameter's order."""

    parts: tuple[Value, ...]


Value = (
    TokenValue
    | StringValue
    | DateValue
    | NumberValue
    | QuantityValue
    | UriValue
    | ReferenceValue
    | IdentifierValue
    | TypedIdentifier
    | CompositeValue
)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One use of a parameter: any of ``values``. ``name`` is as it was given, for errors. ``parts`` are a
    composite's parameters."""

    name: str
    parameter: Parameter
    modifier: Modifier | None
    values: tuple[Value, ...]
    parts: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Related:
    """Codes that stand in a relation to ``value``, a ValueSet's address or a code with its system. It becomes a
    criterion with these codes before the search is compiled."""

    name: str
    parameter: Parameter
    relation: Relation
    value: str


@dataclass(frozen=True, slots=True)
class Words:
    """All these words, as the index of words holds them (a tsquery)."""

    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Whether a parameter has no value at all."""

    name: str
    parameter: Parameter
    missing: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference to a resource of one of these types for which the term beside it holds."""

    name: str
    parameter: Parameter
    targets: tuple[tuple[str, Term], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of ``type`` leads here by its ``parameter``, and for it the term holds."""

    name: str
    type: str
    parameter: Parameter
    term: Term


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these rows of the record: what a chain's inner term was found to be beforehand."""

    name: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Each of these holds; one of the ways in which an :class:`AnyOf` can."""

    name: str
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these holds: a compartment, or what a reader is narrowed to."""

    name: str
    terms: tuple[Term, ...]


Term = Criterion | Related | Words | Missing | Chain | Has | OneOf | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Ignored:
    """A parameter that was passed over: its name as it may be told, and why."""

    name: str
    why: str


class SortBy(StrEnum):
    """What an order goes by. MAIN is the resource's main date, START that of the parameter which searches it."""

    MAIN = "m"
    START = "d"
    UPDATED = "u"
    ID = "i"
    FILED = "f"
    PARAMETER = "p"


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of an order; ``parameter`` where it goes by the index of one. ``words`` says what the hashes of the
    index stand for, as JSON, where its values are hashed; it is put in before the search is compiled."""

    by: SortBy
    descending: bool
    parameter: Parameter | None = None
    words: str = ""


class Total(StrEnum):
    """How exactly the number of all matches is to be told."""

    NONE = "none"
    ESTIMATE = "estimate"
    ACCURATE = "accurate"


@dataclass(frozen=True, slots=True)
class Search:
    """A search of one resource type.

    ``sort`` is empty where the search leaves the order open. ``count`` is the page's size, None where not said.
    ``ignored`` names what was not understood. ``shaping`` holds the parameters that choose nothing and order
    nothing (``_include``, ``_elements``, ``_format`` …), as they came: they are the caller's. ``understood`` are
    the pairs that were used.
    """

    type: str
    terms: tuple[Term, ...] = ()
    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    total: Total = Total.NONE
    only_total: bool = False
    ignored: tuple[Ignored, ...] = ()
    understood: tuple[tuple[str, str], ...] = ()
    shaping: tuple[tuple[str, str], ...] = ()
