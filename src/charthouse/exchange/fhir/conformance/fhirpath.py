"""FHIRPath as invariants use it, compiled to closures over parsed JSON.

The part of the language that R4's and US Core's constraints need. What is not here (``resolve()``, ``memberOf()``,
types of an element that JSON does not tell) raises :class:`NotEvaluable`, and the caller leaves the constraint out:
it is better not checked than answered wrongly. Grammar: FHIRPath 2.0 (N1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from charthouse.exchange.fhir.dates import instant_range
from charthouse.exchange.fhir.definitions import resource_types

Items = list[Any]
Step = Callable[["Scope", Items], Items]


class NotEvaluable(Exception):
    """The expression has something that cannot be evaluated here."""


class Extended(dict[str, Any]):
    """A primitive that has no value, only an id or extensions: what stands under ``_name``."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression is evaluated in: the resource, the one it is contained in (or itself), and ``$this``."""

    resource: Any
    root: Any
    context: Any
    this: Items = field(default_factory=list)
    index: int = 0

    def at(self, item: Any, index: int) -> Scope:
        return Scope(self.resource, self.root, self.context, [item], index)


@cache
def compiled(expression: str) -> Step:
    """The expression as a function of its scope and focus. Raises NotEvaluable."""
    parser = _Parser(expression)
    step = parser.expression(0)
    if parser.token is not None:
        raise NotEvaluable(f"'{parser.token}' was not expected.")
    return step


def holds(expression: str, item: Any, resource: Any, root: Any) -> bool:
    """Whether a constraint holds for an element; one that has no answer is no failure. Raises NotEvaluable."""
    found = compiled(expression)(Scope(resource, root, item, [item]), [item])
    return not found or found != [False]


_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:\\.|[^'\\])*')|(?P<number>\d+(?:\.\d+)?)|(?P<date>@T?[0-9][0-9T:.+\-Z]*)"
    r"|(?P<name>`[^`]+`|\$?[A-Za-z_][A-Za-z0-9_]*)|(?P<external>%(?:`[^`]+`|'[^']+'|[A-Za-z0-9_\-]+))"
    r"|(?P<sign><=|>=|!=|!~|[.,()\[\]{}+\-*/&|=~<>]))"
)
#: How strongly an operator binds.
_BINDS = {
    "implies": 1, "or": 2, "xor": 2, "and": 3, "in": 4, "contains": 4, "=": 5, "~": 5, "!=": 5, "!~": 5,
    "<": 6, ">": 6, "<=": 6, ">=": 6, "|": 7, "is": 8, "as": 8, "+": 9, "-": 9, "&": 9, "*": 10, "/": 10,
    "div": 10, "mod": 10,
}  # fmt: skip
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        text = text.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None or not found.lastgroup:
                raise NotEvaluable("The expression has a sign that is none of FHIRPath.")
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()
        self._at = 0

    @property
    def token(self) -> str | None:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise NotEvaluable("The expression ends too early.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, text: str) -> bool:
        if self.token == text:
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise NotEvaluable(f"'{text}' was expected.")

    def expression(self, least: int) -> Step:
        left = self._postfix()
        while (operator := self.token) is not None and (binds := _BINDS.get(operator, 0)) > least:
            self._at += 1
            if operator in ("is", "as"):
                left = _typed(operator, left, self._type())
            else:
                left = _binary(operator, left, self.expression(binds))
        return left

    def _type(self) -> str:
        name = self._next()[1].strip("`")
        while self._take("."):
            name = self._next()[1].strip("`")
        return name

    def _postfix(self) -> Step:
        if self._take("-"):
            inner = self._postfix()
            return lambda scope, focus: [-value for value in inner(scope, focus)]
        step = self._term()
        while True:
            if self._take("."):
                step = _chain(step, self._invocation())
            elif self._take("["):
                index = self.expression(0)
                self._expect("]")
                step = _indexed(step, index)
            else:
                return step

    def _term(self) -> Step:
        kind, text = self._next()
        match kind:
            case "string":
                value = re.sub(
                    r"\\(u[0-9a-fA-F]{4}|.)",
                    lambda found: (
                        chr(int(found[1][1:], 16)) if len(found[1]) == 5 else _ESCAPES.get(found[1], found[1])
                    ),
                    text[1:-1],
                )
                return lambda scope, focus: [value]
            case "number":
                number = float(text) if "." in text else int(text)
                return lambda scope, focus: [number]
            case "date":
                date = text[1:]
                return lambda scope, focus: [date]
            case "external":
                return _external(text[1:].strip("`'"))
            case "sign" if text == "(":
                step = self.expression(0)
                self._expect(")")
                return step
            case "sign" if text == "{":
                self._expect("}")
                return lambda scope, focus: []
            case "name":
                if text in ("true", "false"):
                    answer = text == "true"
                    return lambda scope, focus: [answer]
                self._at -= 1
                return self._invocation(first=True)
        raise NotEvaluable(f"'{text}' was not expected.")

    def _invocation(self, *, first: bool = False) -> Step:
        kind, text = self._next()
        if kind != "name":
            raise NotEvaluable(f"'{text}' was not expected.")
        if text == "$this":
            return lambda scope, focus: scope.this
        if text == "$index":
            return lambda scope, focus: [scope.index]
        if text.startswith("$"):
            raise NotEvaluable(f"{text} is not known here.")
        if not self._take("("):
            name = text.strip("`")
            return _type_or_member(name) if first and name[0].isupper() else _member(name)
        if text in ("ofType", "is", "as"):
            wanted = self._type()
            self._expect(")")
            return _typed(text, None, wanted)
        arguments: list[Step] = []
        if not self._take(")"):
            arguments.append(self.expression(0))
            while self._take(","):
                arguments.append(self.expression(0))
            self._expect(")")
        return _function(text, arguments)


def _chain(first: Step, then: Step) -> Step:
    return lambda scope, focus: then(scope, first(scope, focus))


def _indexed(step: Step, index: Step) -> Step:
    def run(scope: Scope, focus: Items) -> Items:
        items, numbers = step(scope, focus), index(scope, focus)
        return [items[numbers[0]]] if numbers and 0 <= numbers[0] < len(items) else []

    return run


def _external(name: str) -> Step:
    match name:
        case "resource":
            return lambda scope, focus: [scope.resource]
        case "rootResource":
            return lambda scope, focus: [scope.root]
        case "context":
            return lambda scope, focus: [scope.context]
        case "ucum":
            return lambda scope, focus: ["http://unitsofmeasure.org"]
        case "sct":
            return lambda scope, focus: ["http://snomed.info/sct"]
        case "loinc":
            return lambda scope, focus: ["http://loinc.org"]
    raise NotEvaluable(f"%{name} is not known here.")


#: What the name of a choice may end in.
CHOICES = frozenset(
    [
        "Base64Binary",
        "Boolean",
        "Canonical",
        "Code",
        "Date",
        "DateTime",
        "Decimal",
        "Id",
        "Instant",
        "Integer",
        "Markdown",
        "Oid",
        "PositiveInt",
        "String",
        "Time",
        "UnsignedInt",
        "Uri",
        "Url",
        "Uuid",
        "Address",
        "Age",
        "Annotation",
        "Attachment",
        "CodeableConcept",
        "Coding",
        "ContactPoint",
        "Count",
        "Distance",
        "Duration",
        "HumanName",
        "Identifier",
        "Money",
        "Period",
        "Quantity",
        "Range",
        "Ratio",
        "Reference",
        "SampledData",
        "Signature",
        "Timing",
        "ContactDetail",
        "Contributor",
        "DataRequirement",
        "Expression",
        "ParameterDefinition",
        "RelatedArtifact",
        "TriggerDefinition",
        "UsageContext",
        "Dosage",
        "Meta",
    ]
)


def _member(name: str) -> Step:
    length = len(name)

    def run(scope: Scope, focus: Items) -> Items:
        found: Items = []
        for item in focus:
            if not isinstance(item, dict):
                continue
            value = item.get(name)
            key = name
            if value is None and f"_{name}" not in item:
                for other in item:
                    bare = other.removeprefix("_")
                    if bare.startswith(name) and bare[length:] in CHOICES:
                        key, value = bare, item.get(bare)
                        break
            _add(found, value, item.get(f"_{key}"))
        return found

    return run


def _add(found: Items, value: Any, twin: Any) -> None:
    if isinstance(value, list):
        for number, each in enumerate(value):
            beside = twin[number] if isinstance(twin, list) and number < len(twin) else None
            _add(found, each, beside)
    elif value is not None:
        found.append(value)
    elif isinstance(twin, dict):
        found.append(Extended(twin))
    elif isinstance(twin, list):
        found.extend(Extended(each) for each in twin if isinstance(each, dict))


def _type_or_member(name: str) -> Step:
    """``Appointment.status`` begins with the type the focus is of."""

    def run(scope: Scope, focus: Items) -> Items:
        return [item for item in focus if isinstance(item, dict) and item.get("resourceType") == name]

    return run if name in resource_types() else _member(name)


def _typed(operator: str, step: Step | None, wanted: str) -> Step:
    def of(item: Any) -> bool:
        return _is(item, wanted)

    def run(scope: Scope, focus: Items) -> Items:
        items = step(scope, focus) if step else focus
        if operator == "is":
            return [of(items[0])] if items else []
        return [item for item in items if of(item)]

    return run


def _is(item: Any, wanted: str) -> bool:
    if isinstance(item, dict) and "resourceType" in item:
        return wanted in (item["resourceType"], "Resource", "DomainResource")
    if wanted in resource_types() or wanted in ("Resource", "DomainResource"):
        return False
    name = wanted.lower()
    if isinstance(item, bool):
        return name == "boolean"
    if name == "boolean":
        return False
    if isinstance(item, int | float) and name in ("decimal", "string", "quantity", "codeableconcept"):
        return name == "decimal"
    if isinstance(item, str) and name in (
        "decimal",
        "integer",
        "quantity",
        "codeableconcept",
        "period",
        "reference",
    ):
        return False
    raise NotEvaluable(f"Whether an element is a {wanted} is not told by JSON.")


def _truth(items: Items) -> bool | None:
    if not items:
        return None
    if len(items) > 1:
        raise NotEvaluable("One truth was expected, and there are several.")
    return items[0] if isinstance(items[0], bool) else True


def _answer(value: bool | None) -> Items:
    return [] if value is None else [value]


def _binary(operator: str, left: Step, right: Step) -> Step:
    def run(scope: Scope, focus: Items) -> Items:
        return _operate(operator, left(scope, focus), right(scope, focus))

    def logic(scope: Scope, focus: Items) -> Items:
        one = _truth(left(scope, focus))
        if operator == "and":
            if one is False:
                return [False]
            two = _truth(right(scope, focus))
            return [False] if two is False else [True] if one and two else []
        if operator == "or":
            if one:
                return [True]
            two = _truth(right(scope, focus))
            return [True] if two else [False] if one is False and two is False else []
        if operator == "implies":
            if one is False:
                return [True]
            two = _truth(right(scope, focus))
            return [True] if two else _answer(two) if one else []
        two = _truth(right(scope, focus))
        return [] if one is None or two is None else [one is not two]

    return logic if operator in ("and", "or", "xor", "implies") else run


def _operate(operator: str, left: Items, right: Items) -> Items:
    match operator:
        case "|":
            return _distinct([*left, *right])
        case "&":
            return [f"{left[0] if left else ''}{right[0] if right else ''}"]
        case "in":
            return [_has(right, left[0])] if left else []
        case "contains":
            return [_has(left, right[0])] if right else []
        case "=" | "!=":
            if not left or not right:
                return []
            same = _equal(left, right)
            return [] if same is None else [same is (operator == "=")]
        case "~" | "!~":
            if len(left) != len(right):
                return [operator == "!~"]
            alike = all(_has(right, item) for item in left)
            return [alike is (operator == "~")]
    if not left or not right:
        return []
    one, two = left[0], right[0]
    if operator in ("<", ">", "<=", ">="):
        return _compare(operator, one, two)
    if operator == "+" and isinstance(one, str) and isinstance(two, str):
        return [one + two]
    if not _is_number(one) or not _is_number(two):
        raise NotEvaluable(f"'{operator}' needs two numbers.")
    match operator:
        case "+":
            return [one + two]
        case "-":
            return [one - two]
        case "*":
            return [one * two]
    if two == 0:
        return []
    return [one / two if operator == "/" else int(one / two) if operator == "div" else one - two * int(one / two)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


#: Microseconds by which a time without a zone may differ from one with.
_FARTHEST = 14 * 3_600_000_000
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}(T.*)?)?)?")


def _compare(operator: str, one: Any, two: Any) -> Items:
    """Dates of other precision, and quantities of other units, have no answer unless it is certain."""
    if isinstance(one, dict) and isinstance(two, dict):
        unit = ("system", "code") if "code" in one or "code" in two else ("unit",)
        if any(one.get(key) != two.get(key) for key in unit):
            return []
        one, two = one.get("value"), two.get("value")
    if _is_number(one) and _is_number(two):
        pass
    elif isinstance(one, str) and isinstance(two, str):
        if _DATE.fullmatch(one) and _DATE.fullmatch(two):
            return _compare_dates(operator, one, two)
    else:
        return []
    match operator:
        case "<":
            return [one < two]
        case ">":
            return [one > two]
        case "<=":
            return [one <= two]
    return [one >= two]


def _compare_dates(operator: str, one: str, two: str) -> Items:
    if operator in (">", ">="):
        operator, one, two = operator.replace(">", "<"), two, one
    if one == two:
        return [operator == "<="]
    first, second = instant_range(one), instant_range(two)
    if first is None or second is None:
        return []
    # A time without a zone may be of any.
    zoned = [re.search(r"T.*(Z|[+-]\d\d:\d\d)$", text) is not None for text in (one, two)]
    slack = _FARTHEST if any(zoned) and not all(zoned) else 0
    if first[1] + slack <= second[0]:
        return [True]
    if second[1] + slack <= first[0]:
        return [False]
    return []


def _equal(left: Items, right: Items) -> bool | None:
    if len(left) != len(right):
        return False
    answers = [_same(one, two) for one, two in zip(left, right, strict=True)]
    return False if False in answers else None if None in answers else True


def _same(one: Any, two: Any) -> bool | None:
    if isinstance(one, bool) is not isinstance(two, bool):
        # A literal 'true' beside a boolean, or a number: JSON's own types decide.
        return str(one).lower() == two if isinstance(two, str) else False
    if isinstance(one, Extended) or isinstance(two, Extended):
        return None
    return bool(one == two)


def _has(items: Items, wanted: Any) -> bool:
    return any(_same(item, wanted) for item in items)


def _distinct(items: Items) -> Items:
    found: Items = []
    for item in items:
        if not any(item is other or (type(item) is type(other) and item == other) for other in found):
            found.append(item)
    return found


def _children(items: Items) -> Items:
    found: Items = []
    for item in items:
        if isinstance(item, dict):
            for key, value in item.items():
                if key == "resourceType":
                    continue
                if not key.startswith("_"):
                    _add(found, value, None)
                elif key[1:] not in item:
                    _add(found, None, value)
    return found


def _descendants(items: Items) -> Items:
    found: Items = []
    below = _children(items)
    while below:
        found.extend(below)
        below = _children(below)
    return found


def _matches(text: str, pattern: str, whole: bool) -> bool:
    try:
        return bool((re.fullmatch if whole else re.search)(pattern, text, re.DOTALL))
    except re.error as error:
        raise NotEvaluable("The pattern cannot be read.") from error


#: Functions of the focus alone.
_PLAIN: dict[str, Callable[[Items], Items]] = {
    "empty": lambda focus: [not focus],
    "not": lambda focus: [not _truth(focus)] if focus else [],
    "first": lambda focus: focus[:1],
    "last": lambda focus: focus[-1:],
    "tail": lambda focus: focus[1:],
    "single": lambda focus: focus[:1],
    "count": lambda focus: [len(focus)],
    "hasValue": lambda focus: [len(focus) == 1 and not isinstance(focus[0], dict)],
    "isDistinct": lambda focus: [len(_distinct(focus)) == len(focus)],
    "distinct": _distinct,
    "children": _children,
    "descendants": _descendants,
    "allTrue": lambda focus: [all(focus)],
    "anyTrue": lambda focus: [any(focus)],
    "allFalse": lambda focus: [not any(focus)],
    "anyFalse": lambda focus: [not all(focus)],
    "toString": lambda focus: (
        [str(focus[0]) if not isinstance(focus[0], bool) else str(focus[0]).lower()] if focus else []
    ),
    "toInteger": lambda focus: [int(focus[0])] if focus and re.fullmatch(r"[+-]?\d+", str(focus[0])) else [],
    "toDecimal": lambda focus: (
        [float(focus[0])] if focus and re.fullmatch(r"[+-]?\d+(\.\d+)?", str(focus[0])) else []
    ),
    "length": lambda focus: [len(focus[0])] if focus and isinstance(focus[0], str) else [],
    "lower": lambda focus: [focus[0].lower()] if focus else [],
    "upper": lambda focus: [focus[0].upper()] if focus else [],
    "trim": lambda focus: [focus[0].strip()] if focus else [],
}
#: Functions of a string and of strings.
_OF_STRINGS: dict[str, Callable[..., Any]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": lambda text, part: part in text,
    "matches": lambda text, pattern: _matches(text, pattern, whole=False),
    "matchesFull": lambda text, pattern: _matches(text, pattern, whole=True),
    "indexOf": str.find,
    "replace": str.replace,
    "substring": lambda text, start, length=None: text[start : None if length is None else start + length],
    "replaceMatches": lambda text, pattern, other: re.sub(pattern, re.sub(r"\$(\d)", r"\\\1", other), text),
}
#: Functions of two collections.
_OF_TWO: dict[str, Callable[[Items, Items], Items]] = {
    "intersect": lambda focus, other: _distinct([item for item in focus if _has(other, item)]),
    "exclude": lambda focus, other: [item for item in focus if not _has(other, item)],
    "union": lambda focus, other: _distinct([*focus, *other]),
    "combine": lambda focus, other: [*focus, *other],
    "subsetOf": lambda focus, other: [all(_has(other, item) for item in focus)],
    "supersetOf": lambda focus, other: [all(_has(focus, item) for item in other)],
    "skip": lambda focus, other: focus[other[0] :],
    "take": lambda focus, other: focus[: other[0]],
}


def _function(name: str, arguments: Sequence[Step]) -> Step:
    if name in _PLAIN and not arguments:
        plain = _PLAIN[name]
        return lambda scope, focus: plain(focus)
    if name in _OF_STRINGS and arguments:
        return _of_strings(_OF_STRINGS[name], arguments)
    if name in _OF_TWO and len(arguments) == 1:
        two, other = _OF_TWO[name], arguments[0]
        return lambda scope, focus: two(focus, other(scope, scope.this or focus))
    match name, len(arguments):
        case "trace", _:
            return lambda scope, focus: focus
        case "exists", 0:
            return lambda scope, focus: [bool(focus)]
        case (("exists" | "where" | "all" | "select"), 1):
            return _for_each(name, arguments[0])
        case "iif", (2 | 3):
            return _iif(arguments)
        case "extension", 1:
            url = arguments[0]
            return lambda scope, focus: [
                each
                for item in focus
                if isinstance(item, dict)
                for each in item.get("extension", ())
                if [each.get("url")] == url(scope, focus)
            ]
    raise NotEvaluable(f"{name}() is not known here.")


def _for_each(name: str, criterion: Step) -> Step:
    def run(scope: Scope, focus: Items) -> Items:
        if name == "select":
            return [each for number, item in enumerate(focus) for each in criterion(scope.at(item, number), [item])]
        truths = [_truth(criterion(scope.at(item, number), [item])) for number, item in enumerate(focus)]
        if name == "all":
            return [all(truths)]
        found = [item for item, truth in zip(focus, truths, strict=True) if truth]
        return [bool(found)] if name == "exists" else found

    return run


def _iif(arguments: Sequence[Step]) -> Step:
    def run(scope: Scope, focus: Items) -> Items:
        if _truth(arguments[0](scope, focus)):
            return arguments[1](scope, focus)
        return arguments[2](scope, focus) if len(arguments) == 3 else []

    return run


def _of_strings(function: Callable[..., Any], arguments: Sequence[Step]) -> Step:
    def run(scope: Scope, focus: Items) -> Items:
        if not focus or not isinstance(focus[0], str):
            return []
        given = []
        for each in arguments:
            found = each(scope, scope.this or focus)
            if not found:
                return []
            given.append(found[0])
        return [function(focus[0], *given)]

    return run
