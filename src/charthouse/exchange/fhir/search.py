"""R4's search parameters as closures: index rows from a resource, and where a search finds its answer.

For every resource type the enabled parameters' expressions are opened into JSON paths, paths that a parameter
shares with another are indexed once, and the rest becomes a tree of closures that follows the keys a resource has.

What needs no row of its own is answered otherwise, see :class:`Answer`: by the resource's own columns (patient,
encounter, id, last updated), or by the rows of other parameters (``patient`` by ``subject`` with target Patient,
``combo-code`` by ``code`` and ``component-code``, ``phone`` by ``telecom``, ``name`` by ``family``, ``given`` …).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from types import EllipsisType
from typing import Any, Literal

from charthouse.exchange.fhir.compartment import encounter_of, encounter_paths, patient_of, patient_paths
from charthouse.exchange.fhir.definitions import (
    Json,
    parameter_ids,
    resource_types,
    schema_definitions,
    search_parameters,
)
from charthouse.exchange.fhir.paths import (
    Field,
    Leaf,
    Name,
    Step,
    UnsupportedExpression,
    Where,
    alternatives,
    leaves,
    parse_path,
    resolve,
)
from charthouse.exchange.fhir.rows import Maker, Rows, maker

Column = Literal["patient", "encounter", "id", "updated"]

# Parameters that the resource's own columns answer, wherever they are.
_COLUMNS: dict[str, Column] = {"_id": "id", "_lastUpdated": "updated"}

# Parameters of R4 that are not extracted, and why.
NOT_EXTRACTED = {
    "_text": "a search in the narrative is the text index's business",
    "_content": "a search in the whole content is the text index's business",
    "_query": "names an operation, not an element",
    "near": "needs a search by distance",
    "phonetic": "needs an algorithm for sounds; people are found by sound through the patient index",
    "Bundle.composition": "leads to a whole resource inside, not to a reference",
    "Bundle.message": "leads to a whole resource inside, not to a reference",
}

# Indexed only where asked for: the same for nearly all resources of a sender, or dear in rows.
_OFF = frozenset({"_profile", "_source"})

# Datatypes that one string parameter searches in their parts.
_PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "postalCode", "country", "text"),
}

_IS_NOT_FALSE = re.compile(r"(?P<path>[\w.]+)\.exists\(\) and (?P=path) != false")


@dataclass(frozen=True, slots=True)
class Answer:
    """One place to look for a parameter's values; a resource matches where any of its places does.

    Either the rows of parameter ``id``, of them only references to type ``target`` and tokens of ``system`` where
    given; or the resource's own ``column``.
    """

    id: int | None = None
    target: str | None = None
    system: str | None = None
    column: Column | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter of one resource type.

    ``kind`` is FHIR's (token, string, reference, date, quantity, number, uri, composite, special), ``targets`` the
    types that references may lead to, ``components`` the codes of a composite's parts. ``answers`` is empty where
    it is not enabled or not extracted; ``reason`` then says why.
    """

    type: str
    code: str
    kind: str
    id: int
    expression: str | None
    targets: tuple[str, ...]
    components: tuple[str, ...]
    answers: tuple[Answer, ...]
    reason: str | None

    @property
    def name(self) -> str:
        """``Type.code``, as it is switched on and off."""
        return f"{self.type}.{self.code}"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is done for one resource type: a maker by root key, makers for the whole resource, its parameters."""

    by_key: Mapping[str, Maker]
    whole: tuple[Maker, ...]
    parameters: Mapping[str, Parameter]


@cache
def _definitions_of(kind: str) -> list[Json]:
    """R4's search parameters of a type, its bases' included, in a lasting order."""
    bases = {kind, "Resource"}
    if "contained" in schema_definitions()[kind]["properties"]:
        bases.add("DomainResource")
    found = [definition for definition in search_parameters() if bases & set(definition["base"])]
    return sorted(found, key=lambda definition: (definition["code"], definition["url"]))


@cache
def _by_url() -> dict[str, Json]:
    return {definition["url"]: definition for definition in search_parameters()}


@cache
def all_parameters() -> frozenset[str]:
    """The names (``Observation.code``) of every parameter of every type."""
    return frozenset(
        f"{kind}.{definition['code']}" for kind in resource_types() for definition in _definitions_of(kind)
    )


@cache
def default_parameters() -> frozenset[str]:
    """The names of the parameters that a site indexes unless it says otherwise: all but composites and a few."""
    return frozenset(
        f"{kind}.{definition['code']}"
        for kind in resource_types()
        for definition in _definitions_of(kind)
        if definition["type"] != "composite" and definition["code"] not in _OFF
    )


class Extractor:
    """Makes index rows for a chosen set of parameters, named ``Type.code``; the default set unless given.

    Plans are made per type on first use, and kept. One extractor may serve many threads.
    """

    def __init__(self, enabled: Container[str] | None = None) -> None:
        self._enabled = default_parameters() if enabled is None else enabled
        self._plans: dict[str, _Plan] = {}

    def extract(
        self,
        resource: Json,
        patient: str | EllipsisType | None = ...,
        encounter: str | EllipsisType | None = ...,
    ) -> Rows:
        """The index rows of ``resource``, which keeps to R4's schema; no row twice.

        ``patient`` and ``encounter`` are what ``patient_of`` and ``encounter_of`` gave where the caller has them
        already. They go without a row where they are relative (``Patient/7``), since then the columns hold them.
        Values that are no dates of the calendar give no row.
        """
        kind = resource["resourceType"]
        plan = self._plans.get(kind) or self._plan(kind)
        if isinstance(patient, EllipsisType):
            patient = patient_of(resource)
        if isinstance(encounter, EllipsisType):
            encounter = encounter_of(resource)
        rows = Rows(
            resource,
            patient if patient is not None and patient.startswith("Patient/") else None,
            encounter if encounter is not None and encounter.startswith("Encounter/") else None,
        )
        by_key = plan.by_key
        for key, value in resource.items():
            if (make := by_key.get(key)) is not None:
                make(value, rows)
        for make in plan.whole:
            make(resource, rows)
        rows.distinct()
        return rows

    def parameters(self, kind: str) -> Mapping[str, Parameter]:
        """The search parameters of a resource type by code, each with where its answers are found."""
        return (self._plans.get(kind) or self._plan(kind)).parameters

    def _plan(self, kind: str) -> _Plan:
        if kind not in resource_types():
            raise ValueError(f"'{kind}' is not a resource type of FHIR R4.")
        plan = _make_plan(kind, self._enabled)
        self._plans[kind] = plan
        return plan


@cache
def default_extractor() -> Extractor:
    """The extractor of the default set, made once."""
    return Extractor()


def extract(
    resource: Json, patient: str | EllipsisType | None = ..., encounter: str | EllipsisType | None = ...
) -> Rows:
    """The index rows of ``resource`` for the default set; see :meth:`Extractor.extract`."""
    return default_extractor().extract(resource, patient, encounter)


# Planning ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Draft:
    """A parameter while a plan is made: the leaves that it searches, and those of them that it indexes itself."""

    definition: Json
    leaves: list[Leaf]
    reason: str | None
    own: list[Leaf]
    answers: list[Answer]


def _make_plan(kind: str, enabled: Container[str]) -> _Plan:
    ids = parameter_ids()
    drafts = [_draft(kind, definition, enabled) for definition in _definitions_of(kind)]
    _share(kind, drafts)
    branches: list[tuple[tuple[Step, ...], Maker]] = []
    whole: list[Maker] = []
    for draft in drafts:
        if draft.reason is not None:
            continue
        definition = draft.definition
        id = ids[definition["code"]]
        if definition["type"] == "composite":
            try:
                whole += _composites(kind, definition, id)
                draft.answers.append(Answer(id=id))
            except UnsupportedExpression as error:
                draft.reason = f"its expression is not understood: {error}"
        elif _IS_NOT_FALSE.fullmatch(definition["expression"] or ""):
            whole.append(_is_not_false(id, draft.leaves))
            draft.answers.append(Answer(id=id))
        else:
            column = next((answer.column for answer in draft.answers if answer.column), None)
            for leaf in draft.own:
                make = maker(definition["type"], leaf.datatype, id, leaf.target, column)
                if make is not None:
                    branches.append((leaf.steps, make))
    return _Plan(
        by_key=dict(_fields(branches)),
        whole=tuple(whole),
        parameters={draft.definition["code"]: _parameter(kind, draft) for draft in drafts},
    )


def _parameter(kind: str, draft: _Draft) -> Parameter:
    definition = draft.definition
    return Parameter(
        type=kind,
        code=definition["code"],
        kind=definition["type"],
        id=parameter_ids()[definition["code"]],
        expression=definition["expression"],
        targets=tuple(definition.get("target", ())),
        components=tuple(_by_url()[part["definition"]]["code"] for part in definition.get("component", ())),
        answers=tuple(dict.fromkeys(draft.answers)),
        reason=draft.reason,
    )


def _draft(kind: str, definition: Json, enabled: Container[str]) -> _Draft:
    code = definition["code"]
    draft = _Draft(definition, [], None, [], [])
    if (column := _COLUMNS.get(code)) is not None:
        draft.answers.append(Answer(column=column))
    elif (reason := NOT_EXTRACTED.get(code) or NOT_EXTRACTED.get(f"{kind}.{code}")) is not None:
        draft.reason = reason
    elif f"{kind}.{code}" not in enabled:
        draft.reason = "switched off"
    elif definition["type"] != "composite":
        try:
            draft.leaves = _searched(definition, kind)
        except UnsupportedExpression as error:
            draft.reason = f"its expression is not understood: {error}"
        if not draft.leaves and draft.reason is None:
            draft.reason = "no element of this type holds what it searches"
    return draft


def _searched(definition: Json, kind: str) -> list[Leaf]:
    """The leaves that a parameter searches, names and addresses in their parts; types without a maker left out."""
    expression = definition["expression"]
    if (special := _IS_NOT_FALSE.fullmatch(expression)) is not None:
        return list(leaves(special["path"], kind))
    found: list[Leaf] = []
    for leaf in leaves(expression, kind):
        if definition["type"] == "string" and (parts := _PARTS.get(leaf.datatype)):
            for part in parts:
                found += resolve((Name(part),), leaf.datatype, leaf.steps)
        elif maker(definition["type"], leaf.datatype, 0) is not None:
            found.append(leaf)
    return found


def _share(kind: str, drafts: list[_Draft]) -> None:
    """Let every leaf be indexed by one parameter, and tell the others where it is found.

    Parameters with fewer leaves come first, so that unions find their parts; those without a filter before those
    with one, so that ``subject`` holds what ``patient`` asks of it.
    """
    patient, encounter = patient_paths(kind), encounter_paths(kind)
    done: list[_Draft] = []
    for draft in sorted(
        (draft for draft in drafts if draft.leaves), key=lambda draft: (len(draft.leaves), _filters(draft))
    ):
        if _IS_NOT_FALSE.fullmatch(draft.definition["expression"]):
            continue
        mine = set(draft.leaves)
        for other in done:
            if other.definition["type"] == draft.definition["type"]:
                _take_from(other, draft, mine)
        draft.own = [leaf for leaf in draft.leaves if leaf in mine]
        if draft.own:
            done.append(draft)
            draft.answers.append(Answer(id=parameter_ids()[draft.definition["code"]]))
            if draft.definition["type"] == "reference":
                paths = {leaf.steps for leaf in draft.leaves}
                if paths == patient:
                    draft.answers.append(Answer(column="patient"))
                elif paths == encounter:
                    draft.answers.append(Answer(column="encounter"))


def _filters(draft: _Draft) -> int:
    return sum(
        (leaf.target is not None) + sum(isinstance(step, Where) for step in leaf.steps) for leaf in draft.leaves
    )


def _take_from(other: _Draft, draft: _Draft, mine: set[Leaf]) -> None:
    """Have ``other`` answer for those of ``draft``'s leaves that are all that ``other`` searches."""
    for target in dict.fromkeys(leaf.target for leaf in draft.leaves):
        same = {Leaf(leaf.steps, leaf.datatype, target) for leaf in other.leaves}
        if (
            same & mine
            and same <= set(draft.leaves)
            and all(leaf.target in (None, target) for leaf in other.leaves)
        ):
            mine -= same
            draft.answers += [found for answer in other.answers if (found := _narrowed(answer, target)) is not None]
            return
    systems = [_contact_system(leaf, other.leaves) for leaf in draft.leaves]
    if mine and all(systems) and len(other.leaves) == len(draft.leaves):
        mine.clear()
        draft.answers += [Answer(id=parameter_ids()[other.definition["code"]], system=system) for system in systems]


def _narrowed(answer: Answer, target: str | None) -> Answer | None:
    """``answer``, of its references only those to ``target``; ``None`` where it has none such."""
    if target is None:
        return answer
    if answer.column is not None:
        return answer if answer.column == target.lower() else None
    return Answer(id=answer.id, target=target, system=answer.system)


def _contact_system(leaf: Leaf, within: list[Leaf]) -> str | None:
    """The contact system that ``leaf`` asks for, where it is else one of ``within``."""
    last = leaf.steps[-1]
    if leaf.datatype != "ContactPoint" or not isinstance(last, Where) or last.key != "system":
        return None
    return last.value if Leaf(leaf.steps[:-1], leaf.datatype) in within else None


# Closures ---------------------------------------------------------------------------------------------------------


def _fields(branches: Iterable[tuple[tuple[Step, ...], Maker]]) -> list[tuple[str, Maker]]:
    """Handlers by JSON key for branches whose first step is a field; each takes the key's value."""
    inner: dict[tuple[str, bool], list[tuple[tuple[Step, ...], Maker]]] = defaultdict(list)
    for steps, make in branches:
        first = steps[0]
        if not isinstance(first, Field):
            raise UnsupportedExpression("a filter without an element before it")
        inner[first.key, first.many].append((steps[1:], make))
    return [(key, _each(_node(rest)) if many else _node(rest)) for (key, many), rest in inner.items()]


def _each(handler: Maker) -> Maker:
    def visit(values: Any, rows: Rows) -> None:
        for value in values:
            if value is not None:
                handler(value, rows)

    return visit


def _node(branches: list[tuple[tuple[Step, ...], Maker]]) -> Maker:
    """The handler of a value from which ``branches`` go on."""
    handlers: list[Maker] = [make for steps, make in branches if not steps]
    filtered: dict[Where, list[tuple[tuple[Step, ...], Maker]]] = defaultdict(list)
    onward: list[tuple[tuple[Step, ...], Maker]] = []
    for steps, make in branches:
        if steps and isinstance(first := steps[0], Where):
            filtered[first].append((steps[1:], make))
        elif steps:
            onward.append((steps, make))
    handlers += [_where(test, _node(rest)) for test, rest in filtered.items()]
    handlers += [_get(key, handler) for key, handler in _fields(onward)]
    return handlers[0] if len(handlers) == 1 else _all(tuple(handlers))


def _all(handlers: tuple[Maker, ...]) -> Maker:
    def visit(value: Any, rows: Rows) -> None:
        for handler in handlers:
            handler(value, rows)

    return visit


def _get(key: str, handler: Maker) -> Maker:
    def visit(value: Any, rows: Rows) -> None:
        if (found := value.get(key)) is not None:
            handler(found, rows)

    return visit


def _where(test: Where, handler: Maker) -> Maker:
    key, wanted = test.key, test.value

    def visit(value: Any, rows: Rows) -> None:
        if value.get(key) == wanted:
            handler(value, rows)

    return visit


def _is_not_false(id: int, found: list[Leaf]) -> Maker:
    """``X.exists() and X != false``, which has a value for every resource."""
    keys = [leaf.steps[0].key for leaf in found if isinstance(leaf.steps[0], Field)]

    def make(resource: Any, rows: Rows) -> None:
        there = any(resource.get(key, False) is not False for key in keys)
        rows.tokens.append((id, None, "true" if there else "false", None))

    return make


def _composites(kind: str, definition: Json, id: int) -> list[Maker]:
    """Makers of a composite's rows: at every value of its expression, each value of one part with each of the next.

    Raises :class:`UnsupportedExpression` where a part searches nothing.
    """
    components = definition["component"]
    kinds = [_by_url()[component["definition"]]["type"] for component in components]
    makers = []
    for base in leaves(definition["expression"], kind):
        parts = [_part(kind, base.datatype, component["expression"], kinds) for component in components]
        makers.append(_node([(base.steps, _product(id, parts))]))
    return makers


Part = Callable[[Any, Any], list[tuple[Any, ...]]]


def _part(kind: str, datatype: str, expression: str, kinds: list[str]) -> Part:
    """The rows, without ids, of one part of a composite, from the value at its base and the resource.

    The datatype found decides which of the parts' kinds it is, since R4 has some of them in the wrong order
    (DocumentReference's relationship).
    """
    here: list[tuple[tuple[Step, ...], Maker]] = []
    root: list[tuple[tuple[Step, ...], Maker]] = []
    for member in alternatives(expression):
        of_resource = member.startswith("%resource.")
        steps = tuple(parse_path(member.removeprefix("%resource.")))
        for leaf in resolve(steps, kind if of_resource else datatype):
            makers = (maker(search_kind, leaf.datatype, 0) for search_kind in kinds)
            if (make := next(filter(None, makers), None)) is not None:
                (root if of_resource else here).append((leaf.steps, make))
    if not here and not root:
        raise UnsupportedExpression(f"a part that searches nothing: {expression}")
    from_here, from_root = _node(here), _node(root)

    def values(value: Any, resource: Any) -> list[tuple[Any, ...]]:
        rows = Rows()
        from_here(value, rows)
        from_root(resource, rows)
        return [row[1:] for row in rows]

    return values


def _product(id: int, parts: list[Part]) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        found = [part(value, rows.root) for part in parts]
        if all(found):
            rows.composites += [(id, *combination) for combination in product(*found)]

    return make
