"""Blocking keys: what two records of one person are likely to have in common.

Tight keys are looked up first; loose keys only for a patient whose person the tight ones did not find. Dates enter
with day and month in order of size, so that a swapped date keeps its key. A key is the signed 64-bit hash of its
parts and a tag, so that keys of different kinds never meet.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from charthouse.foundation.ids import hash64

from .dates import MALFORMED
from .names import Name
from .reference import full_names
from .text import sound
from .traits import Traits


class Keys(Struct, frozen=True):
    """The keys of one patient: ``tight`` and ``loose`` are stored; ``asked`` are looked up besides the tight ones
    (family and given name exchanged)."""

    tight: frozenset[int]
    loose: frozenset[int]
    asked: frozenset[int]

    @property
    def stored(self) -> frozenset[int]:
        return self.tight | self.loose

    @property
    def first(self) -> frozenset[int]:
        """The keys of the first look-up."""
        return self.tight | self.asked


def keys_of(traits: Traits) -> Keys:
    """The blocking keys of a patient. Placeholders have none."""
    return Keys(
        tight=_hashed(_tight(traits)),
        loose=_hashed(_loose(traits)),
        asked=_hashed(_exchanged(traits)),
    )


def _hashed(keys: Iterator[str]) -> frozenset[int]:
    return frozenset(map(hash64, keys))


def _tight(traits: Traits) -> Iterator[str]:
    if len(traits.ssn) >= 6:
        yield f"ssn|{traits.ssn}"
    for identifier in traits.identifiers:
        yield f"id|{identifier.system}|{identifier.folded}"
    born = born_on(traits.birth)
    year = year_of(traits.birth)
    postals = [address.postal for address in traits.addresses if address.postal]
    for name in traits.names:
        if born:
            for family in _families(name):
                yield f"family+born|{family}|{born}"
            for given in _givens(name):
                yield f"given+born|{given}|{born}"
        for given in _givens(name):
            for phone in traits.phones:
                yield f"given+phone|{given}|{phone[-7:]}"
            for family in _families(name):
                if year:
                    yield f"name+year|{given}|{family}|{year}"
                for postal in postals:
                    yield f"name+postal|{given}|{family}|{postal}"


def _exchanged(traits: Traits) -> Iterator[str]:
    born = born_on(traits.birth)
    if born:
        for name in traits.names:
            if name.given:
                yield f"family+born|{sound(name.given)}|{born}"
            if name.family:
                yield f"given+born|{name.family}|{born}"


def _loose(traits: Traits) -> Iterator[str]:
    year, month_day = year_of(traits.birth), traits.birth[5:]
    born = born_on(traits.birth)
    for name in traits.names:
        for family in _families(name):
            if name.given:
                if year:
                    yield f"family+initial+year|{family}|{name.given[0]}|{year}"
                if len(month_day) == 5:
                    yield f"family+initial+day|{family}|{name.given[0]}|{month_day}"
                for given in _givens(name):
                    yield f"name|{given}|{family}"
    for address in traits.addresses:
        if born and address.postal:
            yield f"born+postal|{born}|{address.postal}"
        if address.number and address.street and address.postal:
            yield f"address|{address.number}|{address.street}|{address.postal}"
    if len(traits.ssn) >= 4 and born:
        yield f"ssn4+born|{traits.ssn[-4:]}|{born}"
    for phone in traits.phones:
        yield f"phone|{phone[-7:]}"
    for email in traits.emails:
        yield f"email|{email}"


def year_of(birth: str) -> str:
    """The four digits of a year; empty where it is unknown."""
    return "" if birth.startswith(MALFORMED) else birth[:4]


def born_on(birth: str) -> str:
    """A day of birth with the smaller of day and month first; empty where it is not known to the day."""
    if len(birth) != 10 or birth[0] == MALFORMED:
        return ""
    month, day = birth[5:7], birth[8:10]
    return f"{birth[:4]}-{min(month, day)}-{max(month, day)}"


def _families(name: Name) -> set[str]:
    return {sound(part) for part in (name.family, *name.families) if part}


def _givens(name: Name) -> frozenset[str]:
    return full_names(name.given) if name.given else frozenset()
