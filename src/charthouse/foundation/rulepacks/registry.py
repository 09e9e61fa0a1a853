"""All rules of this installation, found in every app's ``rules`` folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from types import MappingProxyType

import charthouse
from charthouse.foundation import clock

from .reading import RulePackError, read_pack, read_pack_text
from .rules import FacilityType, Force, Pack, Rule

_PACKAGE = Path(charthouse.__file__).parent


class UnknownRule(LookupError):
    """No rule of this code holds on that day for that facility."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Packs by code, and the versions of each rule by code, oldest first."""

    packs: tuple[Pack, ...]
    versions: Mapping[str, tuple[Rule, ...]]

    def rule(self, code: str, on: date, facility_type: FacilityType | None = None) -> Rule:
        """The version that holds; one made for the facility's type goes before one for all.

        A convention has no day on which it came into force: before its first version, the first one holds, so
        that a business clock set back for teaching finds it. Raises UnknownRule.
        """
        versions = self.versions.get(code, ())
        held = [rule for rule in versions if rule.holds_on(on)]
        if not held and versions and on < versions[0].effective:
            first = versions[0].effective
            held = [rule for rule in versions if rule.effective == first and rule.force is Force.CONVENTION]
        special = [rule for rule in held if facility_type in rule.facility_types]
        general = [rule for rule in held if not rule.facility_types]
        if found := special or general:
            return found[0]
        if not versions:
            raise UnknownRule(f"There is no rule {code}. `charthouse rules list` shows those there are.")
        where = f" for {facility_type}" if facility_type else ""
        raise UnknownRule(f"The rule {code} does not hold on {on}{where}.")


def read_registry(folders: Mapping[str, Path], files: Mapping[Path, str] | None = None) -> Registry:
    """Read all packs of ``folders``, the rules folders by name. The folder's parent is the app. ``files`` are packs
    from anywhere, each with the app it is for.

    Raises RulePackError with every problem of every pack.
    """
    problems: list[str] = []
    packs: list[Pack] = []
    listed = [
        (path, folder.parent.name, f"{name}/{path.name}")
        for name, folder in sorted(folders.items())
        for path in sorted(folder.glob("*.yaml"))
    ]
    listed += [(path, app, path.name) for path, app in (files or {}).items()]
    for path, app, name in listed:
        try:
            packs.append(read_pack(path, app=app, name=name))
        except RulePackError as error:
            problems += error.problems
    return _registry(packs, problems)


def read_registry_text(written: str, *, app: str, name: str) -> Registry:
    """One pack of an app as somebody wrote it; ``name`` is what errors call it. Raises RulePackError."""
    return _registry([read_pack_text(written, app=app, name=name)], [])


def _registry(packs: list[Pack], problems: list[str]) -> Registry:
    problems = problems + _clashes(packs)
    if problems:
        raise RulePackError(problems)
    versions: dict[str, list[Rule]] = {}
    for rule in sorted((rule for pack in packs for rule in pack.rules), key=lambda rule: rule.effective):
        versions.setdefault(rule.code, []).append(rule)
    return Registry(
        tuple(sorted(packs, key=lambda pack: pack.code)),
        MappingProxyType({code: tuple(versions[code]) for code in sorted(versions)}),
    )


def _clashes(packs: list[Pack]) -> list[str]:
    problems = []
    known: dict[str, list[tuple[Pack, Rule]]] = {}
    by_code: dict[str, Pack] = {}
    for pack in packs:
        if (other := by_code.setdefault(pack.code, pack)) is not pack:
            problems.append(f"{pack.file}: pack {pack.code} is already in {other.file}.")
        for rule in pack.rules:
            known.setdefault(rule.code, []).append((pack, rule))
    for code, places in known.items():
        for (first_pack, first), (second_pack, second) in combinations(places, 2):
            if first.overlaps(second):
                problems.append(
                    f"{second_pack.file}, rule {code}: the version effective {second.effective} overlaps the one "
                    f"effective {first.effective} in {first_pack.file}. Give the older one an end."
                )
    return problems


@lru_cache(maxsize=1)
def load() -> Registry:
    """The packs of all apps, read and checked once a process. Raises RulePackError."""
    return read_registry(
        {
            folder.relative_to(_PACKAGE).as_posix(): folder
            for pattern in ("*/rules", "*/*/rules")
            for folder in _PACKAGE.glob(pattern)
            if folder.is_dir()
        }
    )


def all_packs() -> tuple[Pack, ...]:
    """Every pack, by code."""
    return load().packs


def rule(code: str, on: date | None = None, facility_type: FacilityType | None = None) -> Rule:
    """The rule as it holds on a day, the business clock's today (UTC) unless given. Raises UnknownRule."""
    return load().rule(code, on or clock.today("UTC"), facility_type)


def parameter(
    code: str, name: str, on: date | None = None, facility_type: FacilityType | None = None
) -> int | float | str:
    """A rule's number or word. Raises UnknownRule, also for a parameter the rule does not have."""
    given = rule(code, on, facility_type).parameters.get(name)
    if given is None:
        raise UnknownRule(f"The rule {code} has no parameter {name}.")
    if isinstance(given.value, tuple):
        raise TypeError(f"The parameter {name} of {code} is a list: use choices().")
    return given.value


def choices(
    code: str, name: str, on: date | None = None, facility_type: FacilityType | None = None
) -> tuple[str, ...]:
    """A rule's list, as texts. Raises UnknownRule, also for a parameter the rule does not have."""
    given = rule(code, on, facility_type).parameters.get(name)
    if given is None:
        raise UnknownRule(f"The rule {code} has no parameter {name}.")
    return tuple(map(str, given.value if isinstance(given.value, tuple) else (given.value,)))
