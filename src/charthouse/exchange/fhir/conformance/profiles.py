"""Profiles: StructureDefinitions with a snapshot, and the value sets they bind to, compiled and checked.

Checked are cardinalities, types of a choice, fixed values and patterns, required bindings, slices (discriminated by
value, pattern, type or existence), constraints that are errors, and types of references. A slicing with a
discriminator that cannot be evaluated here (``resolve()``, profiles) is not checked, and neither is a binding whose
codes are not all at hand: no finding is better than a false one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from charthouse.exchange.fhir.definitions import Json, conformance_definitions, resource_types

from .fhirpath import CHOICES, Extended, Scope
from .values import (
    Checked,
    Finding,
    Invariant,
    ValueSet,
    binding_problem,
    invariant,
    target_of,
    value_sets,
    without_numbers,
)

_R4 = "http://hl7.org/fhir/StructureDefinition/"
_DEEPEST = 40
#: Checked at the door, or of the narrative's markup.
_PASSED_OVER = frozenset({"ele-1", "txt-1", "txt-2"})


class ProfileError(Exception):
    """A definition that cannot be used; the words say why and what to do."""


@dataclass(frozen=True, slots=True)
class _Discriminator:
    kind: str
    path: str


@dataclass(slots=True)
class _Element:
    """An element of a profile, or a slice of one."""

    name: str
    least: int = 0
    most: int | None = None
    types: tuple[str, ...] = ()
    type_profiles: tuple[str, ...] = ()
    targets: frozenset[str] | None = None
    fixed: Any = None
    pattern: Any = None
    required: str = ""
    constraints: tuple[Invariant, ...] = ()
    children: dict[str, _Element] = field(default_factory=dict)
    discriminators: tuple[_Discriminator, ...] = ()
    is_closed: bool = False
    slices: dict[str, _Element] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Profile:
    """A compiled profile."""

    url: str
    title: str
    type: str
    root: _Element


def read_profile(definition: Json) -> Profile:
    """Compile a StructureDefinition. Raises ProfileError where it has no snapshot, or is none of a type of R4."""
    url = definition.get("url")
    if not isinstance(url, str) or not url:
        raise ProfileError("The StructureDefinition has no url, by which resources would claim it.")
    kind = definition.get("type")
    if not isinstance(kind, str) or kind not in conformance_definitions()["types"]:
        raise ProfileError(f"The profile {url} is of no type of R4.")
    elements = (definition.get("snapshot") or {}).get("element")
    if not isinstance(elements, list) or not elements:
        raise ProfileError(
            f"The profile {url} has only its differences and no snapshot. Load the published package, or have the "
            "snapshot made with HL7's publisher or sushi first."
        )
    root = _Element(kind)
    known = {kind: root}
    for element in elements:
        id = element.get("id")
        if not isinstance(id, str):
            raise ProfileError(f"An element of the profile {url} has no id; the snapshot cannot be read.")
        if "." not in id and id != kind:
            raise ProfileError(f"The snapshot of the profile {url} is not of {kind}.")
        place = known.get(id) or _place(id, known)
        if place is None:
            continue  # beneath a slice of a slice, which is not checked
        known[id] = place
        _fill(place, element)
    return Profile(url, str(definition.get("title") or definition.get("name") or url), kind, root)


def _place(id: str, known: dict[str, _Element]) -> _Element | None:
    """The element of an id: ``Observation.component:systolic`` is a slice of ``Observation.component``."""
    above, _, segment = id.rpartition(".")
    parent = known.get(above)
    name, _, part = segment.partition(":")
    if parent is None or "/" in part:
        return None
    element = parent.children.setdefault(name, _Element(name)) if not part else None
    if element is not None:
        return element
    whole = known.get(f"{above}.{name}") or parent.children.setdefault(name, _Element(name))
    return whole.slices.setdefault(part, _Element(name))


def _fill(place: _Element, element: Json) -> None:
    place.least = int(element.get("min") or 0)
    most = str(element.get("max") or "*")
    place.most = int(most) if most.isdigit() else None
    types = [each for each in element.get("type") or () if isinstance(each, dict)]
    place.types = tuple(str(each.get("code", "")).rpartition("/")[2] for each in types)
    place.type_profiles = tuple(str(url) for each in types for url in each.get("profile") or ())
    targets = [
        str(url) for each in types if each.get("code") == "Reference" for url in each.get("targetProfile") or ()
    ]
    place.targets = frozenset(targets) if targets else None
    for key, value in element.items():
        if key.startswith("fixed"):
            place.fixed = value
        elif key.startswith("pattern"):
            place.pattern = value
    binding = element.get("binding") or {}
    if binding.get("strength") == "required":
        place.required = str(binding.get("valueSet") or "").partition("|")[0]
    base = conformance_definitions()["invariants"]
    found = []
    for each in element.get("constraint") or ():
        key = str(each.get("key"))
        if (
            each.get("severity") == "error"
            and key not in base
            and key not in _PASSED_OVER
            and each.get("expression")
        ):
            made = invariant(key, str(each.get("human", "")), str(each["expression"]))
            if made is not None:
                found.append(made)
    place.constraints = tuple(found)
    slicing = element.get("slicing") or {}
    place.discriminators = tuple(
        _Discriminator(str(each.get("type")), str(each.get("path"))) for each in slicing.get("discriminator") or ()
    )
    place.is_closed = slicing.get("rules") == "closed"


class Library:
    """The profiles and value sets that were loaded. ``for_all`` are URLs of profiles that every resource of their
    type is checked against."""

    def __init__(
        self, profiles: Iterable[Json] = (), valuesets: Iterable[Json] = (), for_all: Iterable[str] = ()
    ) -> None:
        self.profiles = {each.url: each for each in map(read_profile, profiles)}
        self._sources = {str(each.get("url")): each for each in valuesets}
        self._valuesets: dict[str, ValueSet | None] = {}
        self.for_all: dict[str, list[str]] = {}
        for url in for_all:
            if url in self.profiles:
                self.for_all.setdefault(self.profiles[url].type, []).append(url)

    def of(self, resource: Json, asked: Iterable[str] = ()) -> list[Profile]:
        """The profiles a resource is checked against: those it claims, those of all its type, those asked for."""
        meta = resource.get("meta")
        claimed = meta.get("profile") if isinstance(meta, dict) else None
        urls = [
            *(url for url in (claimed if isinstance(claimed, list) else ()) if isinstance(url, str)),
            *self.for_all.get(resource["resourceType"], ()),
            *asked,
        ]
        found = (self.profiles.get(url.partition("|")[0]) for url in dict.fromkeys(urls))
        return list({each.url: each for each in found if each and each.type == resource["resourceType"]}.values())

    def valueset(self, url: str) -> ValueSet | None:
        """A value set whose every code is at hand, loaded or R4's own; else None."""
        if url not in self._valuesets:
            self._valuesets[url] = None  # one that includes itself is not at hand
            codes = self._codes(url)
            title = str(self._sources.get(url, {}).get("title") or url.rpartition("/")[2])
            if codes:
                made = ValueSet(url, title, {system: frozenset(each) for system, each in codes.items()})
                self._valuesets[url] = made
            elif url not in self._sources:
                self._valuesets[url] = value_sets("required").get(url)
        return self._valuesets[url]

    def _codes(self, url: str) -> dict[str, set[str]] | None:
        source = self._sources.get(url)
        if source is None:
            return None
        expansion = source.get("expansion") or {}
        contained = expansion.get("contains") or []
        if contained and int(expansion.get("total") or len(contained)) <= len(contained):
            return _contained(contained)
        compose = source.get("compose") or {}
        if compose.get("exclude"):
            return None
        found: dict[str, set[str]] = {}
        for part in compose.get("include") or ():
            if part.get("filter") or ("system" in part) is not ("concept" in part):
                return None
            if "concept" in part and part.get("valueSet"):
                return None
            if "concept" in part:
                found.setdefault(part["system"], set()).update(each["code"] for each in part["concept"])
            # A part that names several value sets means what they have in common.
            urls = part.get("valueSet") or ()
            if len(urls) > 1:
                return None
            for other in urls:
                included = self.valueset(str(other).partition("|")[0])
                if included is None:
                    return None
                for system, codes in included.codes.items():
                    found.setdefault(system, set()).update(codes)
        return found or None

    def check(self, resource: Json, profile: Profile, found: Checked) -> None:
        """Check a resource against a profile."""
        _Check(self, profile, resource, found).run()


def _contained(contains: list[Json]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    waiting = list(contains)
    while waiting:
        each = waiting.pop()
        if not each.get("abstract") and "code" in each:
            found.setdefault(str(each.get("system", "")), set()).add(each["code"])
        waiting.extend(each.get("contains") or ())
    return found


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of an element: where it stands, and the type its name says, where the element is a choice."""

    path: str
    value: Any
    type: str = ""


class _Unclear(Exception):
    """A discriminator that cannot be evaluated here."""


class _Check:
    def __init__(self, library: Library, profile: Profile, resource: Json, found: Checked) -> None:
        self._library = library
        self._profile = profile
        self._resource = resource
        self._found = found

    def run(self) -> None:
        kind = self._profile.type
        self._element(self._profile.root, _Value(kind, self._resource), 0)

    def _say(self, code: str, path: str, message: str, what: str) -> None:
        if any(each.path == path and each.code == code == "code-invalid" for each in self._found.findings):
            return  # said of R4's own binding already
        rule = f"profile:{self._profile.url}:{what}:{without_numbers(path)}"
        self._found.add(Finding("error", code, path, f"{message} (profile {self._profile.title})", rule))

    def _element(self, element: _Element, each: _Value, depth: int) -> None:
        """Check one value against an element or a slice, and what is beneath it."""
        value, path = each.value, each.path
        if depth > _DEEPEST:
            return
        if element.fixed is not None and not isinstance(value, Extended) and value != element.fixed:
            self._say("value", path, "The value is another than the profile fixes here.", "fixed")
        if element.pattern is not None and not isinstance(value, Extended) and not _fits(element.pattern, value):
            self._say("value", path, "The value lacks what the profile's pattern asks for here.", "pattern")
        if element.required and (valueset := self._library.valueset(element.required)):
            said = None if isinstance(value, Extended) else binding_problem(value, valueset, required=True)
            if said:
                self._say("code-invalid", path, said, "binding")
        if element.targets is not None and isinstance(value, dict):
            self._target(element.targets, value, path)
        for constraint in element.constraints:
            if constraint.test(value, Scope(self._resource, self._resource, value)) is False:
                self._say("invariant", path, f"{constraint.key}: {constraint.human}", constraint.key)
        if not isinstance(value, dict):
            return
        for child in element.children.values():
            self._child(child, value, path, depth)
        if len(element.type_profiles) == 1:
            other = self._library.profiles.get(element.type_profiles[0].partition("|")[0])
            if other is not None and other is not self._profile:
                for child in other.root.children.values():
                    self._child(child, value, path, depth)

    def _child(self, child: _Element, within: Json, path: str, depth: int) -> None:
        values = list(_values(child.name, within, path))
        name = child.name.removesuffix("[x]")
        self._count(child, values, path, name, "element")
        for each in values:
            if each.type and child.types and each.type not in child.types:
                allowed = ", ".join(child.types)
                self._say("value", each.path, f"Here may stand {allowed}, not {each.type}.", "type")
            else:
                self._element(child, each, depth + 1)
        if child.slices and child.discriminators:
            self._sliced(child, values, path, name, depth)

    def _sliced(self, child: _Element, values: list[_Value], path: str, name: str, depth: int) -> None:
        try:
            parts = {
                label: [each for each in values if self._belongs(part, each, child.discriminators)]
                for label, part in child.slices.items()
            }
        except _Unclear:
            return
        for label, part in child.slices.items():
            self._count(part, parts[label], path, name, f"slice {label}")
            for each in parts[label]:
                self._element(part, each, depth + 1)
        if child.is_closed:
            taken = {id(each) for some in parts.values() for each in some}
            for each in values:
                if id(each) not in taken:
                    self._say(
                        "value", each.path, "The profile has no slice for this, and allows no other.", "closed"
                    )

    def _count(self, element: _Element, values: list[_Value], path: str, name: str, what: str) -> None:
        told = f"{name}" if what == "element" else f"{name} ({what})"
        rule = "cardinality" if what == "element" else what.replace(":", "-")
        if len(values) < element.least:
            # Content that is asked for within an element is only missed where the element itself is there.
            self._say(
                "required",
                f"{path}.{name}",
                f"At least {element.least} {told} must be there; found {len(values)}.",
                rule,
            )
        elif element.most is not None and len(values) > element.most:
            most = f"at most {element.most}" if element.most else "no"
            self._say("structure", f"{path}.{name}", f"There may be {most} {told}; found {len(values)}.", rule)

    def _target(self, targets: frozenset[str], value: Json, path: str) -> None:
        kind, _ = target_of(value, self._resource)
        allowed = set()
        for url in targets:
            bare = url.partition("|")[0]
            known = self._library.profiles.get(bare)
            name = known.type if known else bare.removeprefix(_R4)
            if name not in resource_types():
                return
            allowed.add(name)
        if kind is not None and kind not in allowed:
            self._say(
                "value",
                path,
                f"The reference is to a {kind}; it may be to: {', '.join(sorted(allowed))}.",
                "target",
            )

    # Which slice a value belongs to

    def _belongs(self, part: _Element, each: _Value, discriminators: tuple[_Discriminator, ...]) -> bool:
        return all(self._meets(part, each, discriminator) for discriminator in discriminators)

    def _meets(self, part: _Element, each: _Value, discriminator: _Discriminator) -> bool:
        if "(" in discriminator.path:
            raise _Unclear
        steps = [] if discriminator.path == "$this" else discriminator.path.split(".")
        match discriminator.kind:
            case "value" | "pattern":
                return self._has_value(part, each, steps)
            case "exists":
                asked, values = _within(part, steps), _reached(each, steps)
                if asked is None or (asked.least == 0 and asked.most != 0):
                    raise _Unclear
                return bool(values) is (asked.least > 0)
            case "type":
                wanted = _within(part, steps)
                if wanted is None or not wanted.types:
                    raise _Unclear
                return any(
                    (value.type or (value.value.get("resourceType") if isinstance(value.value, dict) else ""))
                    in wanted.types
                    for value in _reached(each, steps)
                )
        raise _Unclear

    def _has_value(self, part: _Element, each: _Value, steps: list[str]) -> bool:
        values = [reached.value for reached in _reached(each, steps)]
        if steps == ["url"] and len(part.type_profiles) == 1 and "url" not in part.children:
            return part.type_profiles[0].partition("|")[0] in values
        place: _Element | None = part
        for number in range(len(steps) + 1):
            if place is None:
                break
            rest = steps[number:]
            if place.fixed is not None or place.pattern is not None:
                given = place.fixed if place.fixed is not None else place.pattern
                if not rest and place.pattern is not None:
                    return any(_fits(given, value) for value in values)
                return _any_same(_reached(_Value("", given), rest), values) if rest else given in values
            if not rest and place.required:
                valueset = self._library.valueset(place.required)
                if valueset is None:
                    raise _Unclear
                return any(binding_problem(value, valueset, required=True) is None for value in values)
            if not rest and place.children:
                return any(self._fits_children(place, value) for value in values)
            place = place.children.get(rest[0]) or place.children.get(f"{rest[0]}[x]") if rest else None
        raise _Unclear

    def _fits_children(self, place: _Element, value: Any) -> bool:
        """Whether a value has the fixed values and patterns of what is beneath an element: all of them."""
        said, fits = False, True
        for child in place.children.values():
            given = child.fixed if child.fixed is not None else child.pattern
            values = [each.value for each in _values(child.name, value, "")] if isinstance(value, dict) else []
            if given is not None:
                said = True
                fits = fits and any(_fits(given, each) for each in values)
            elif child.children and child.least:
                try:
                    fits = fits and any(self._fits_children(child, each) for each in values)
                    said = True
                except _Unclear:
                    continue
        if not said:
            raise _Unclear
        return fits


def _values(name: str, within: Json, path: str) -> Iterator[_Value]:
    """The values of an element, each with its path; of a choice (``value[x]``) with its type."""
    if not name.endswith("[x]"):
        yield from _listed(within.get(name), within.get(f"_{name}"), f"{path}.{name}", "")
        return
    bare = name.removesuffix("[x]")
    for key in dict.fromkeys(each.removeprefix("_") for each in within):
        kind = key[len(bare) :]
        if key.startswith(bare) and kind in CHOICES:
            kind = kind if kind in conformance_definitions()["types"] else kind[0].lower() + kind[1:]
            yield from _listed(within.get(key), within.get(f"_{key}"), f"{path}.{key}", kind)


def _listed(value: Any, twin: Any, path: str, kind: str) -> Iterator[_Value]:
    if isinstance(value, list):
        for number, each in enumerate(value):
            beside = twin[number] if isinstance(twin, list) and number < len(twin) else None
            yield from _listed(each, beside, f"{path}[{number}]", kind)
    elif value is not None:
        yield _Value(path, value, kind)
    elif isinstance(twin, dict):
        yield _Value(path, Extended(twin), kind)
    elif isinstance(twin, list):
        for number, each in enumerate(twin):
            if isinstance(each, dict):
                yield _Value(f"{path}[{number}]", Extended(each), kind)


def _within(part: _Element, steps: list[str]) -> _Element | None:
    place: _Element | None = part
    for step in steps:
        if place is None:
            return None
        place = place.children.get(step) or place.children.get(f"{step}[x]")
    return place


def _reached(each: _Value, steps: list[str]) -> list[_Value]:
    found = [each]
    for step in steps:
        found = [
            inner
            for value in found
            if isinstance(value.value, dict)
            for inner in (
                list(_values(step, value.value, value.path)) or _values(f"{step}[x]", value.value, value.path)
            )
        ]
    return found


def _any_same(wanted: list[_Value], values: list[Any]) -> bool:
    if not wanted:
        raise _Unclear
    return any(each.value in values for each in wanted)


def _fits(pattern: Any, value: Any) -> bool:
    """Whether a value has at least what a pattern has."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            key in value and _fits(each, value[key]) for key, each in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(_fits(each, one) for one in value) for each in pattern)
    return bool(pattern == value)
