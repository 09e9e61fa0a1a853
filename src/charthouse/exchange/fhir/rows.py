"""Rows of the search index, and the closures that make them from values of each datatype.

A maker takes a value and the :class:`Rows` to add to. It is chosen by the kind of the parameter and the datatype of
the value, once, when a plan is made; it looks at nothing but the value. Values keep to R4's schema; lists of
primitives may hold null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Any

from charthouse.exchange.fhir.dates import BEGINNING, END_OF_TIME, instant_range
from charthouse.exchange.fhir.references import read_reference
from charthouse.exchange.fhir.text import LONGEST, fold

TokenRow = tuple[int, str | None, str | None, str | None]
String = tuple[int, str]
ReferenceRow = tuple[int, str | None, str | None, str | None]
Date = tuple[int, int, int]
Quantity = tuple[int, float, float, str | None, str | None, str | None]
Number = tuple[int, float, float]
Uri = tuple[int, str]
Composite = tuple[Any, ...]

Maker = Callable[[Any, "Rows"], None]

_NOTHING: dict[str, Any] = {}
CURRENCY = "urn:iso:std:iso:4217"


class Rows:
    """The index rows of one resource, by kind. The first of each tuple is the parameter's id.

    ========== ==================================================================================================
    tokens     (id, system, code, text): the text is a display or a concept's; a concept's text without a code of
               its own has a row with neither system nor code. A contact has its kind (phone) as system
    strings    (id, folded text), see :func:`~charthouse.exchange.fhir.text.fold`
    references (id, type, resource id, other): ``other`` is an absolute or ``urn:`` URL, a canonical URL (and again
               with ``|version``), or ``system|value`` of a logical reference
    dates      (id, low, high), half-open, microseconds since 1970 UTC
    quantities (id, low, high, system, code, unit), both ends within; infinite where open; exact where one value
    numbers    (id, low, high), as quantities
    uris       (id, URI)
    composites (id, part, part …): rows of the parts, without ids
    ========== ==================================================================================================

    Texts are at most :data:`~charthouse.exchange.fhir.text.LONGEST` characters long.
    """

    __slots__ = (
        "composites",
        "dates",
        "encounter",
        "numbers",
        "patient",
        "quantities",
        "references",
        "root",
        "strings",
        "tokens",
        "uris",
    )

    def __init__(self, root: Any = None, patient: str | None = None, encounter: str | None = None) -> None:
        self.tokens: list[TokenRow] = []
        self.strings: list[String] = []
        self.references: list[ReferenceRow] = []
        self.dates: list[Date] = []
        self.quantities: list[Quantity] = []
        self.numbers: list[Number] = []
        self.uris: list[Uri] = []
        self.composites: list[Composite] = []
        self.root = root
        self.patient = patient
        self.encounter = encounter

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """All rows, table by table."""
        for name in TABLES:
            yield from getattr(self, name)

    def __len__(self) -> int:
        """How many rows there are."""
        return sum(len(getattr(self, name)) for name in TABLES)

    def distinct(self) -> None:
        """Drop rows that are there already; the order stays."""
        for name in TABLES:
            rows = getattr(self, name)
            if len(rows) > 1 and len(set(rows)) < len(rows):
                setattr(self, name, list(dict.fromkeys(rows)))


TABLES = ("tokens", "strings", "references", "dates", "quantities", "numbers", "uris", "composites")
TABLE_OF_KIND = {
    "token": "tokens",
    "string": "strings",
    "reference": "references",
    "date": "dates",
    "quantity": "quantities",
    "number": "numbers",
    "uri": "uris",
    "composite": "composites",
}


def maker(kind: str, datatype: str, id: int, target: str | None = None, column: str | None = None) -> Maker | None:
    """The maker of rows of parameter ``id`` from values of ``datatype``; ``None`` where those are not searched.

    ``target`` limits references to a type; ``column`` (``patient``, ``encounter``) leaves out the one reference
    that the resource's own column of that name holds.
    """
    if kind == "reference" and datatype == "Reference":
        return _reference(id, target, column)
    factory = _FACTORIES.get((kind, datatype))
    return factory(id) if factory else None


def _cut(text: str | None) -> str | None:
    return text[:LONGEST] if text is not None and len(text) > LONGEST else text


def _coded(id: int, system: str | None, code: str | None, text: str | None) -> TokenRow:
    if (system and len(system) > LONGEST) or (code and len(code) > LONGEST) or (text and len(text) > LONGEST):
        return id, _cut(system), _cut(code), _cut(text)
    return id, system, code, text


def _token_concept(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        text = _cut(value.get("text"))
        told = text is None
        for coding in value.get("coding", ()):
            display = coding.get("display")
            if display is None:
                display, told = text, True
            elif display == text:
                told = True
            rows.tokens.append(_coded(id, coding.get("system"), coding.get("code"), display))
        if not told:
            rows.tokens.append((id, None, None, text))

    return make


def _token_coding(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        rows.tokens.append(_coded(id, value.get("system"), value.get("code"), value.get("display")))

    return make


def _token_identifier(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        if (code := value.get("value")) is not None:
            text = (value.get("type") or _NOTHING).get("text")
            rows.tokens.append(_coded(id, value.get("system"), code, text))

    return make


def _token_contact(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        if (code := value.get("value")) is not None:
            rows.tokens.append((id, value.get("system"), _cut(code), None))

    return make


def _token_code(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        rows.tokens.append((id, None, _cut(value), None))

    return make


def _token_boolean(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        rows.tokens.append((id, None, "true" if value else "false", None))

    return make


def _string(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        if folded := fold(value):
            rows.strings.append((id, folded))

    return make


def _uri(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        rows.uris.append((id, value[:LONGEST]))

    return make


def _date(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        if (found := instant_range(value)) is not None:
            rows.dates.append((id, *found))

    return make


def _period(value: Any) -> tuple[int, int] | None:
    """The range of a Period, open where an end is missing; ``None`` where it has neither, or one is no date."""
    low, high = BEGINNING, END_OF_TIME
    start, end = value.get("start"), value.get("end")
    if start is not None:
        if (found := instant_range(start)) is None:
            return None
        low = found[0]
    if end is not None:
        if (found := instant_range(end)) is None:
            return None
        high = found[1]
    return (low, high) if start is not None or end is not None else None


def _date_period(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        if (found := _period(value)) is not None:
            rows.dates.append((id, *found))

    return make


def _date_timing(id: int) -> Maker:
    """A Timing is one range from its first event, or the start of its bounds, to the end of the last."""

    def make(value: Any, rows: Rows) -> None:
        found = [span for event in value.get("event", ()) if event and (span := instant_range(event))]
        bounds = (value.get("repeat") or _NOTHING).get("boundsPeriod")
        if bounds is not None and (span := _period(bounds)) is not None:
            found.append(span)
        if found:
            rows.dates.append((id, min(low for low, _ in found), max(high for _, high in found)))

    return make


def _unit(value: Any) -> tuple[str | None, str | None, str | None]:
    return _cut(value.get("system")), _cut(value.get("code")), _cut(value.get("unit"))


def _quantity(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        number = value.get("value")
        if number is None:
            return
        low = high = float(number)
        if (comparator := value.get("comparator")) is not None:
            if comparator[0] == "<":
                low = -inf
            else:
                high = inf
        rows.quantities.append((id, low, high, *_unit(value)))

    return make


def _quantity_money(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        if (number := value.get("value")) is not None:
            currency = value.get("currency")
            rows.quantities.append(
                (id, float(number), float(number), CURRENCY if currency else None, currency, currency)
            )

    return make


def _ends(value: Any) -> tuple[float, float] | None:
    """The ends of a Range, infinite where missing; ``None`` where it has neither."""
    low, high = (value.get("low") or _NOTHING).get("value"), (value.get("high") or _NOTHING).get("value")
    if low is None and high is None:
        return None
    return (-inf if low is None else float(low)), (inf if high is None else float(high))


def _quantity_range(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        if (ends := _ends(value)) is not None:
            rows.quantities.append((id, *ends, *_unit(value.get("low") or value["high"])))

    return make


def _quantity_sampled(id: int) -> Maker:
    """Sampled data lie between their limits, where the limits are given."""

    def make(value: Any, rows: Rows) -> None:
        low, high = value.get("lowerLimit"), value.get("upperLimit")
        if low is not None and high is not None:
            rows.quantities.append((id, float(low), float(high), *_unit(value.get("origin") or _NOTHING)))

    return make


def _number(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        rows.numbers.append((id, float(value), float(value)))

    return make


def _number_range(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        if (ends := _ends(value)) is not None:
            rows.numbers.append((id, *ends))

    return make


def _reference(id: int, target: str | None, column: str | None) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        stated = value.get("type")
        text = value.get("reference")
        if text is not None and text[:1] != "#" and not (column and text == getattr(rows, column)):
            kind, resource_id, url = read_reference(text)
            kind = kind or stated
            if target is None or kind == target:
                rows.references.append((id, _cut(kind), resource_id, _cut(url)))
        if (identifier := value.get("identifier")) is None or (code := identifier.get("value")) is None:
            return
        # One that is literal, too, is of the type it leads to.
        kind = stated or (read_reference(text)[0] if text is not None else None)
        if target is None or kind == target:
            rows.references.append((id, _cut(kind), None, _cut(f"{identifier.get('system') or ''}|{code}")))

    return make


def _reference_canonical(id: int) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        url, mark, _ = value.partition("|")
        rows.references.append((id, None, None, _cut(url)))
        if mark:
            rows.references.append((id, None, None, _cut(value)))

    return make


_FACTORIES: dict[tuple[str, str], Callable[[int], Maker]] = {
    ("token", "CodeableConcept"): _token_concept,
    ("token", "Coding"): _token_coding,
    ("token", "Identifier"): _token_identifier,
    ("token", "ContactPoint"): _token_contact,
    ("token", "boolean"): _token_boolean,
    **{("token", name): _token_code for name in ("code", "id", "string", "uri", "canonical", "markdown")},
    **{("string", name): _string for name in ("string", "markdown")},
    **{("uri", name): _uri for name in ("uri", "url", "canonical", "oid", "uuid")},
    **{("date", name): _date for name in ("date", "dateTime", "instant")},
    ("date", "Period"): _date_period,
    ("date", "Timing"): _date_timing,
    **{("quantity", name): _quantity for name in ("Quantity", "Age", "Duration", "Distance", "Count")},
    ("quantity", "Money"): _quantity_money,
    ("quantity", "Range"): _quantity_range,
    ("quantity", "SampledData"): _quantity_sampled,
    **{("number", name): _number for name in ("integer", "decimal", "positiveInt", "unsignedInt")},
    ("number", "Range"): _number_range,
    ("reference", "canonical"): _reference_canonical,
    ("reference", "uri"): _reference_canonical,
}
