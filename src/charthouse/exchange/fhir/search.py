"""R4's search parameters as closures: index rows from a resource, and where a search finds its answer.

For every resource type the enabled parameters' expressions are opened into JSON paths, paths that a parameter
shares with another are indexed once, and the rest becomes a tree of closures that follows the keys a resource has.

What needs no row of its own is answered otherwise, see :class:`~charthouse.exchange.fhir.parameters.Answer`: by the
resource's own columns (patient, encounter, id, last updated), or by the rows of other parameters.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache
from types import EllipsisType

from charthouse.exchange.fhir.closures import composites, handlers_by_key, is_not_false
from charthouse.exchange.fhir.compartment import encounter_of, patient_of
from charthouse.exchange.fhir.definitions import Json, resource_types
from charthouse.exchange.fhir.parameters import Answer, Parameter, default_parameters
from charthouse.exchange.fhir.paths import Step, UnsupportedExpression
from charthouse.exchange.fhir.rows import Maker, Rows, maker
from charthouse.exchange.fhir.sharing import IS_NOT_FALSE, drafts_of


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is done for one resource type: a maker by root key, makers for the whole resource, its parameters."""

    by_key: Mapping[str, Maker]
    whole: tuple[Maker, ...]
    parameters: Mapping[str, Parameter]


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


def _make_plan(kind: str, enabled: Container[str]) -> _Plan:
    drafts = drafts_of(kind, enabled)
    branches: list[tuple[tuple[Step, ...], Maker]] = []
    whole: list[Maker] = []
    for draft in drafts:
        if draft.reason is not None:
            continue
        definition = draft.definition
        if definition["type"] == "composite":
            try:
                whole += composites(kind, definition, draft.id)
                draft.answers.append(Answer(id=draft.id))
            except UnsupportedExpression as error:
                draft.reason = f"its expression is not understood: {error}"
        elif IS_NOT_FALSE.fullmatch(definition["expression"] or ""):
            whole.append(is_not_false(draft.id, draft.leaves))
            draft.answers.append(Answer(id=draft.id))
        else:
            column = next((answer.column for answer in draft.answers if answer.column), None)
            for leaf in draft.own:
                make = maker(definition["type"], leaf.datatype, draft.id, leaf.target, column)
                if make is not None:
                    branches.append((leaf.steps, make))
    return _Plan(
        by_key=dict(handlers_by_key(branches)),
        whole=tuple(whole),
        parameters={draft.definition["code"]: draft.parameter(kind) for draft in drafts},
    )
