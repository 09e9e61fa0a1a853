"""Many patients side by side: every distinct value once, and each patient as the numbers of its values.

What the comparators see of a pair depends on two values, and values repeat; so levels are worked out for pairs of
values, not of patients.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charthouse.identity.domain.names import Name
from charthouse.identity.domain.reference import full_names, is_known_given
from charthouse.identity.domain.traits import Traits

from .sieves import SIEVES, Sieve

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]

NOTHING = -1
#: A given name that stands with so many family names is one people bear.
_BORNE = 5


class Values:
    """The distinct values of one respect, and for each patient the number of its value; -1 for none."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}
        self._of = array("i")

    def add(self, value: Hashable) -> None:
        """The value of the next patient; an empty one is none."""
        self._of.append(self.number(value) if value else NOTHING)

    def number(self, value: Hashable) -> int:
        """The number of a value, given to it when it is first met."""
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number

    def close(self) -> None:
        """Let go of what only adding needs."""
        self._numbers = {}

    def at(self, row: int) -> Any:
        """The value of a patient; None where it has none."""
        number = self._of[row]
        return self.values[number] if number >= 0 else None

    @property
    def of(self) -> Ints:
        return np.frombuffer(self._of, dtype=np.int32) if len(self._of) else np.empty(0, np.int32)

    def counts(self) -> Longs:
        """How many patients have each value."""
        held = self.of
        return np.bincount(held[held >= 0], minlength=len(self.values)).astype(np.int64)


class Table:
    """Patients as columns of numbered values.

    ``given`` holds (given, middle names), ``family`` (family, its parts), ``middle`` the middle names, ``words``
    the number of the given and of the family name among all words, to see names that stand in each other's place.
    ``several`` are the rows of patients with more than one name, whose names are compared one by one.
    ``beside`` are columns that hold none of the traits.
    """

    def __init__(self, beside: int = 0) -> None:
        self.size = 0
        self.beside = tuple(Values() for _ in range(beside))
        self.given, self.family, self.middle = Values(), Values(), Values()
        self.generation, self.birth, self.sex, self.ssn = Values(), Values(), Values(), Values()
        self.identifier, self.address = Values(), Values()
        self.phone, self.email, self.mother = Values(), Values(), Values()
        self.deceased = Values()
        self.several: dict[int, tuple[Name, ...]] = {}
        self._words = Values()
        self._given_word, self._joined_word, self._family_word = array("i"), array("i"), array("i")
        self._order, self._multiple = array("b"), array("b")
        self._closed: dict[str, Any] = {}
        self._sieves: dict[str, Sieve] = {}

    def add(self, traits: Traits, beside: Sequence[str] = ()) -> int:
        """Add a patient, and what the columns beside say of it; its row."""
        for column, value in zip(self.beside, beside, strict=True):
            column.add(value)
        names = traits.names
        name = names[0] if names else _NOBODY
        if len(names) > 1:
            self.several[self.size] = names
        self.given.add((name.given, name.middle) if name.given else ())
        self.family.add((name.family, name.families) if name.family else ())
        self.middle.add(name.middle)
        self.generation.add(tuple(sorted({each.generation for each in names if each.generation})))
        self.birth.add(traits.birth)
        self.sex.add(traits.sex)
        self.ssn.add(traits.ssn)
        self.identifier.add(traits.identifiers)
        self.address.add(traits.addresses)
        self.phone.add(traits.phones)
        self.email.add(traits.emails)
        self.mother.add(traits.mother)
        self.deceased.add(traits.deceased)
        self._given_word.append(self._words.number(name.given) if name.given else NOTHING)
        self._joined_word.append(self._words.number(name.given + "".join(name.middle)) if name.given else NOTHING)
        self._family_word.append(self._words.number(name.family) if name.family else NOTHING)
        self._order.append(min(traits.order, 100))
        self._multiple.append(-1 if traits.multiple is None else int(traits.multiple))
        self.size += 1
        return self.size - 1

    def close(self) -> None:
        """No more patients come."""
        for values in self._all():
            values.close()
        several = np.zeros(self.size, dtype=bool)
        several[list(self.several)] = True
        self._closed = {
            "given": np.array(self._given_word, dtype=np.int32),
            "joined": np.array(self._joined_word, dtype=np.int32),
            "family": np.array(self._family_word, dtype=np.int32),
            "several": several,
            "known": self._known_given(),
        }

    def _known_given(self) -> NDArray[np.bool_]:
        """Whether each patient's given name is one that people bear: a listed one, or one met with several family
        names here."""
        given, family = np.array(self._given_word, dtype=np.int64), np.array(self._family_word, dtype=np.int64)
        words = self._words.values
        both = np.unique((given * len(words) + family)[(given >= 0) & (family >= 0)])
        often = np.bincount(both // max(1, len(words)), minlength=len(words)) >= _BORNE
        listed = np.zeros(len(words) + 1, dtype=bool)
        for word in np.unique(given[given >= 0]).tolist():
            listed[word] = len(words[word]) > 1 and (
                often[word] or is_known_given(words[word]) or len(full_names(words[word])) > 1
            )
        return listed[given]

    def _all(self) -> Iterable[Values]:
        return (*(value for value in vars(self).values() if isinstance(value, Values)), *self.beside)

    def sieve(self, field: str) -> Sieve | None:
        """What tells the level of most pairs of values without the comparator; None where nothing does."""
        if field not in SIEVES:
            return None
        if field not in self._sieves:
            self._sieves[field] = SIEVES[field](getattr(self, field).values)
        return self._sieves[field]

    @property
    def given_word(self) -> Ints:
        return self._closed["given"]  # type: ignore[no-any-return]

    @property
    def joined_word(self) -> Ints:
        """The given and middle names written together, as one word."""
        return self._closed["joined"]  # type: ignore[no-any-return]

    @property
    def family_word(self) -> Ints:
        return self._closed["family"]  # type: ignore[no-any-return]

    @property
    def has_several(self) -> NDArray[np.bool_]:
        """Whether each patient has more than one name."""
        return self._closed["several"]  # type: ignore[no-any-return]

    @property
    def known_given(self) -> NDArray[np.bool_]:
        """Whether each patient's given name is one that people bear, so that it is hardly a slip of the pen."""
        return self._closed["known"]  # type: ignore[no-any-return]

    def names(self, row: int) -> tuple[Name, ...]:
        """The names of a patient."""
        if row in self.several:
            return self.several[row]
        given, family, middle = self.given.at(row), self.family.at(row), self.middle.at(row)
        if not (given or family or middle):
            return ()
        first, middle = given or ("", middle or ())
        last, parts = family or ("", ())
        generations = self.generation.at(row)
        return (Name(last, parts, first, middle, generations[0] if generations else 0),)

    def traits(self, row: int) -> Traits:
        """The traits of a patient, as they were added but for use and end of names."""
        multiple = self._multiple[row]
        return Traits(
            names=self.names(row),
            birth=self.birth.at(row) or "",
            sex=self.sex.at(row) or "",
            ssn=self.ssn.at(row) or "",
            identifiers=self.identifier.at(row) or (),
            phones=self.phone.at(row) or (),
            emails=self.email.at(row) or (),
            addresses=self.address.at(row) or (),
            mother=self.mother.at(row) or (),
            multiple=None if multiple < 0 else bool(multiple),
            order=self._order[row],
            deceased=self.deceased.at(row) or "",
        )


_NOBODY = Name()
