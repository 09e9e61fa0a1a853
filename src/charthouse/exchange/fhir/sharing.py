"""Which parameter indexes what: every path of a resource type once.

Where parameters search the same elements one of them holds the rows, and the others look there: ``patient`` in the
rows of ``subject`` that lead to a Patient, ``combo-code`` in those of ``code`` and ``component-code``, ``phone`` in
``telecom``'s, ``name`` in ``family``'s and ``given``'s.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field

from charthouse.exchange.fhir.compartment import encounter_paths, patient_paths
from charthouse.exchange.fhir.definitions import Json, element_facts, parameter_ids
from charthouse.exchange.fhir.parameters import (
    COLUMNS,
    NOT_EXTRACTED,
    Answer,
    Parameter,
    definition_by_url,
    definitions_of,
)
from charthouse.exchange.fhir.paths import Field, Leaf, Name, UnsupportedExpression, Where, leaves, resolve
from charthouse.exchange.fhir.rows import maker

# Datatypes that one string parameter searches in their parts.
_PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "postalCode", "country", "text"),
}

IS_NOT_FALSE = re.compile(r"(?P<path>[\w.]+)\.exists\(\) and (?P=path) != false")
"""The one expression of R4 that is no path: whether somebody is deceased."""


@dataclass(slots=True)
class Draft:
    """A parameter while a plan is made.

    ``leaves`` are what it searches, ``own`` those of them that it indexes itself; ``reason`` says why it has none.
    """

    definition: Json
    leaves: list[Leaf] = field(default_factory=list)
    own: list[Leaf] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    reason: str | None = None

    @property
    def id(self) -> int:
        """The parameter's lasting id."""
        return parameter_ids()[self.definition["code"]]

    def parameter(self, kind: str) -> Parameter:
        """The parameter of resource type ``kind`` that came of it."""
        definition = self.definition
        return Parameter(
            type=kind,
            code=definition["code"],
            kind=definition["type"],
            id=self.id,
            expression=definition["expression"],
            targets=tuple(definition.get("target", ())),
            components=tuple(
                definition_by_url()[part["definition"]]["code"] for part in definition.get("component", ())
            ),
            answers=tuple(dict.fromkeys(self.answers)),
            reason=self.reason,
            systems=self._systems(kind),
        )

    def _systems(self, kind: str) -> tuple[str, ...]:
        """The systems of its codes; none where something else is searched, too."""
        if self.definition["type"] != "token" or not self.leaves:
            return ()
        kinds = {leaf.datatype for leaf in self.leaves}
        if kinds == {"boolean"}:
            return ("http://hl7.org/fhir/special-values",)
        if kinds != {"code"}:
            return ()
        known = element_facts(kind).get("systems", {})
        paths = [".".join(step.key for step in leaf.steps if isinstance(step, Field)) for leaf in self.leaves]
        return tuple(dict.fromkeys(system for path in paths for system in known.get(path, ())))


def drafts_of(kind: str, enabled: Container[str]) -> list[Draft]:
    """The parameters of a resource type, with the paths shared out among those that are enabled."""
    drafts = [_draft(kind, definition, enabled) for definition in definitions_of(kind)]
    _share(kind, drafts)
    return drafts


def _draft(kind: str, definition: Json, enabled: Container[str]) -> Draft:
    code = definition["code"]
    draft = Draft(definition)
    if (column := COLUMNS.get(code)) is not None:
        draft.answers.append(Answer(column=column))
    elif (reason := NOT_EXTRACTED.get(code) or NOT_EXTRACTED.get(f"{kind}.{code}")) is not None:
        draft.reason = reason
    elif f"{kind}.{code}" not in enabled:
        draft.reason = "switched off"
    elif definition["type"] != "composite":
        try:
            draft.leaves = searched(definition, kind)
        except UnsupportedExpression as error:
            draft.reason = f"its expression is not understood: {error}"
        if not draft.leaves and draft.reason is None:
            draft.reason = "no element of this type holds what it searches"
    return draft


def searched(definition: Json, kind: str) -> list[Leaf]:
    """The leaves that a parameter searches, names and addresses in their parts; types without a maker left out."""
    expression = definition["expression"]
    if (special := IS_NOT_FALSE.fullmatch(expression)) is not None:
        return list(leaves(special["path"], kind))
    found: list[Leaf] = []
    for leaf in leaves(expression, kind):
        if definition["type"] == "string" and (parts := _PARTS.get(leaf.datatype)):
            for part in parts:
                found += resolve((Name(part),), leaf.datatype, leaf.steps)
        elif maker(definition["type"], leaf.datatype, 0) is not None:
            found.append(leaf)
    return found


def _share(kind: str, drafts: list[Draft]) -> None:
    """Let every leaf be indexed by one parameter, and tell the others where it is found.

    Parameters with fewer leaves come first, so that unions find their parts; those without a filter before those
    with one, so that ``subject`` holds what ``patient`` asks of it.
    """
    patient, encounter = patient_paths(kind), encounter_paths(kind)
    done: list[Draft] = []
    for draft in sorted(
        (draft for draft in drafts if draft.leaves), key=lambda draft: (len(draft.leaves), _filters(draft))
    ):
        if IS_NOT_FALSE.fullmatch(draft.definition["expression"]):
            continue
        mine = set(draft.leaves)
        for other in done:
            if other.definition["type"] == draft.definition["type"]:
                _take_from(other, draft, mine)
        draft.own = [leaf for leaf in draft.leaves if leaf in mine]
        if draft.own:
            done.append(draft)
            draft.answers.append(Answer(id=draft.id))
            if draft.definition["type"] == "reference":
                paths = {leaf.steps for leaf in draft.leaves}
                if paths == patient:
                    draft.answers.append(Answer(column="patient"))
                elif paths == encounter:
                    draft.answers.append(Answer(column="encounter"))


def _filters(draft: Draft) -> int:
    return sum(
        (leaf.target is not None) + sum(isinstance(step, Where) for step in leaf.steps) for leaf in draft.leaves
    )


def _take_from(other: Draft, draft: Draft, mine: set[Leaf]) -> None:
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
        draft.answers += [Answer(id=other.id, system=system) for system in systems]


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
