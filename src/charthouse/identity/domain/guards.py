"""Guards: what must hold before a machine may say "same", whatever the sum.

Family members agree in nearly everything that is compared: twins in all but the given name, father and son in all
but the birth date, a couple in name and address. A guard names the conflict and the most that may be concluded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .dates import MALFORMED
from .scorer import Levels
from .traits import Traits


class Outcome(StrEnum):
    """What is concluded of an arriving patient."""

    SAME = "same"
    PERHAPS = "perhaps"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Guard:
    """A conflict: its name, the most it allows, and why in words."""

    name: str
    allows: Outcome
    words: str

    @property
    def yields(self) -> bool:
        """Whether evidence may overrule the conflict where a rule lets it: a slip of the pen may lie behind it."""
        return self.name not in _FOR_GOOD


#: Years between the births of parent and child, at the least.
GENERATION = 13
#: Conflicts no slip of the pen explains.
_FOR_GOOD = {"birth order", "generation", "two deaths"}
_STRONG = {"same", "unissued"}
#: Given names that hardly speak for one person by themselves.
_WEAK = {"different", "faint", "crossed"}
#: Given names that are not one misspelt: William and Bill may be one, or two.
_OTHER_FORMS = {"nickname", "sound", "faint"}
_ALIKE = {"nickname", "initial", "middle", "similar", "sound", "faint"}


def guards_of(a: Traits, b: Traits, levels: Levels) -> list[Guard]:
    """Every conflict between two patients. Symmetric."""
    found: list[Guard] = []
    numbered = levels.ssn in _STRONG or levels.identifier == "same"
    same_birth = levels.birth in {"same", "first of january"}
    twins = same_birth and bool(a.multiple or b.multiple or a.order or b.order)

    if same_birth and a.order and b.order and a.order != b.order:
        found.append(Guard("birth order", Outcome.NEW, "They were born in a different order: twins."))
    if levels.given in {"different", "crossed"}:
        if twins or ("different" in {levels.sex, levels.birth} and not numbered):
            found.append(
                Guard(
                    "twins", _at_most(numbered), "Given names differ: twins, siblings or a couple of one household."
                )
            )
        else:
            found.append(Guard("given name", Outcome.PERHAPS, "The given names are in conflict."))
    elif levels.given in _ALIKE and (
        twins
        or levels.sex == "different"
        or (same_birth and levels.middle == "different")
        or (same_birth and not numbered and levels.given in _OTHER_FORMS and _reached_elsewhere(levels))
    ):
        found.append(Guard("twins", Outcome.PERHAPS, "Given names are only alike: they may be twins."))
    elif levels.given == "middle" and same_birth and not numbered:
        found.append(
            Guard("twins", Outcome.PERHAPS, "One's given name is the other's middle name, which twins may share.")
        )
    generation = is_generation_apart(a.birth, b.birth)
    if levels.birth in {"one digit", "one part"} and generation and not numbered:
        found.append(
            Guard(
                "a generation apart", Outcome.PERHAPS, "Little of the date differs, and a generation lies between."
            )
        )
    if levels.birth == "different":
        if generation and levels.ssn != "same" and not numbered:
            found.append(
                Guard(
                    "parent and child", Outcome.NEW, "A generation lies between the birth dates: parent and child."
                )
            )
        else:
            found.append(Guard("birth date", Outcome.PERHAPS, "The birth dates are in conflict."))
    if levels.generation == "different":
        allows = Outcome.PERHAPS if same_birth or numbered else Outcome.NEW
        found.append(Guard("generation", allows, "One is senior, the other junior or later."))
    if levels.ssn == "different":
        found.append(
            Guard("social security number", Outcome.PERHAPS, "The social security numbers are in conflict.")
        )
    if levels.sex == "different" and not numbered:
        found.append(Guard("sex", Outcome.PERHAPS, "The sex is in conflict and no number says they are one."))
    if len(a.deceased) == 10 and len(b.deceased) == 10 and a.deceased != b.deceased:
        found.append(Guard("two deaths", Outcome.PERHAPS, "They died on different days."))
    return found


def evidence_of(levels: Levels) -> tuple[int, bool]:
    """(how many independent respects agree, whether they can carry a "same").

    A "same" needs a birth date or a person's own number on one hand, and a given name or such a number on the
    other: name and address alone, or a newborn without a name, do not do. Where family names differ, as after a
    marriage, such a number must agree, or the birth date and two other ties. And something must be the same, not
    only alike: the birth date, the whole name or such a number.
    """
    numbered = levels.ssn in _STRONG or levels.identifier == "same"
    ties = (
        levels.address in {"same", "similar"},
        levels.phone in {"same", "local"},
        levels.email == "same",
        levels.mother in {"same", "part"},
    )
    agree = (
        levels.given not in {None, *_WEAK},
        levels.given == "exchanged" or levels.family not in {None, "different", "faint"},
        levels.birth not in {None, "different", "year"},
        levels.ssn in _STRONG,
        levels.identifier == "same",
        *ties,
    )
    exact = levels.birth in {"same", "first of january", "exchanged"}
    related = levels.family not in {"different", "faint"} or numbered or (exact and sum(ties) >= 2)
    born = exact or levels.birth in {"one digit", "one part", "month"}
    named = levels.given not in {None, "initial", *_WEAK}
    certain = exact or numbered or (levels.given == "same" and levels.family == "same")
    return sum(agree), (born or numbered) and (named or numbered) and related and certain


def _reached_elsewhere(levels: Levels) -> bool:
    """Whether telephone or mail address differ, and neither agrees."""
    reached = {levels.phone, levels.email}
    return "different" in reached and reached.isdisjoint({"same", "local"})


def is_generation_apart(a: str, b: str) -> bool:
    """Whether so many years lie between two births as between those of parent and child."""
    return _years_apart(a, b) >= GENERATION


def _at_most(numbered: bool) -> Outcome:
    return Outcome.PERHAPS if numbered else Outcome.NEW


def _years_apart(a: str, b: str) -> int:
    return abs(int(a[:4]) - int(b[:4])) if a and b and MALFORMED not in a + b else 0
