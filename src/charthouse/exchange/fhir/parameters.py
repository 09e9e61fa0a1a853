"""R4's search parameters by resource type, and which of them a site indexes unless it says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from charthouse.configuration import ConfigurationError, configuration
from charthouse.exchange.fhir.definitions import Json, resource_types, schema_definitions, search_parameters

Column = Literal["patient", "encounter", "id", "updated"]

# Parameters that the resource's own columns answer, wherever they are.
COLUMNS: dict[str, Column] = {"_id": "id", "_lastUpdated": "updated"}

# Parameters of R4 that are not extracted, and why.
NOT_EXTRACTED = {
    "_text": "answered by the index of words",
    "_content": "answered by the index of words",
    "_query": "no named queries are held here",
    "near": "places are not indexed by their distance",
    "phonetic": "sounds are not indexed; people are found by sound with $match",
    "Bundle.composition": "leads to a whole resource inside, not to a reference",
    "Bundle.message": "leads to a whole resource inside, not to a reference",
}


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
    it is not enabled or not extracted; ``reason`` then says why. ``systems`` are those that its codes are of
    without saying so (``gender``).
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
    systems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``Type.code``, as it is switched on and off."""
        return f"{self.type}.{self.code}"


@cache
def definitions_of(kind: str) -> list[Json]:
    """R4's search parameters of a type, its bases' included, in a lasting order."""
    bases = [kind, "Resource"]
    if "contained" in schema_definitions()[kind]["properties"]:
        bases.append("DomainResource")
    by_base = _definitions_by_base()
    found = {definition["url"]: definition for base in bases for definition in by_base.get(base, ())}
    return sorted(found.values(), key=lambda definition: (definition["code"], definition["url"]))


@cache
def _definitions_by_base() -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for definition in search_parameters():
        for base in definition["base"]:
            found.setdefault(base, []).append(definition)
    return found


@cache
def definition_by_url() -> dict[str, Json]:
    return {definition["url"]: definition for definition in search_parameters()}


@cache
def all_parameters() -> frozenset[str]:
    """The names (``Observation.code``) of every parameter of every type."""
    return frozenset(
        f"{kind}.{definition['code']}" for kind in resource_types() for definition in definitions_of(kind)
    )


@cache
def default_parameters() -> frozenset[str]:
    """The names of the parameters that this site indexes: all but composites, whose parts are indexed, and those
    that ``search_off`` in ``site.toml`` names (``Observation.device``, or ``_profile`` of every type).

    Raises ConfigurationError for a name that no parameter has.
    """
    off = configuration().extra.get("search_off", ())
    everything = all_parameters()
    for name in off:
        if name not in everything and f"Patient.{name}" not in everything:
            raise ConfigurationError(
                f"search_off in site.toml names {name!r}, which no search parameter has. Write Type.parameter, or "
                "the name of one that every type has, such as _profile."
            )
    return frozenset(
        f"{kind}.{definition['code']}"
        for kind in resource_types()
        for definition in definitions_of(kind)
        if definition["type"] != "composite"
        and definition["code"] not in off
        and f"{kind}.{definition['code']}" not in off
    )
