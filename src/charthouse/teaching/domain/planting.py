"""Planting: who is planted on, and the register of the kinds of errors, each with chances of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING

from .answers import Answer
from .chance import chance
from .feed import Message
from .items import Document, Item, Result, Stay
from .population import Person
from .staff import Practitioner

if TYPE_CHECKING:
    from .hospital import Hospital


@dataclass(frozen=True, slots=True)
class Lack:
    """What is expected of the chart's analysis: the kind of deficiency, what is wrong, and who owes it by the rule.
    Of a near miss it is the kind that must not be found."""

    deficiency: str
    what: str = ""
    owed_by: Practitioner | None = None

    @property
    def npi(self) -> str:
        return self.owed_by.npi if self.owed_by else ""


@dataclass(slots=True)
class Planted:
    """A patient while errors are planted; ``extra`` are messages that tell of no item of this record.

    ``unsaid`` are the visits of which nobody writes how they ended. ``first`` are the items as they were before:
    chance falls on those, so that one kind's errors do not move another's.
    """

    hospital: Hospital
    person: Person
    stays: list[Stay]
    items: list[Item]
    answers: list[Answer] = field(default_factory=list)
    extra: list[Message] = field(default_factory=list)
    unsaid: set[str] = field(default_factory=set)
    first: tuple[Item, ...] = field(init=False)
    _touched: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.first = tuple(self.items)

    @property
    def anchor(self) -> datetime:
        """Now, there."""
        return self.hospital.anchor

    def free(self, item: Item) -> bool:
        """Whether the item has no error yet."""
        return id(item) not in self._touched

    def documents(self, *kinds: str) -> list[Document]:
        """The documents of these kinds (TXA-2) as they were before."""
        return [item for item in self.first if isinstance(item, Document) and item.kind.partition("^")[0] in kinds]

    def struck(self, rng: Random, rate: float, *kinds: str) -> Iterator[tuple[Document, Stay, Random]]:
        """Documents on which chance falls and that have no error yet, each with its stay and chances of its own."""
        chosen = [(each, Random(rng.random())) for each in self.documents(*kinds) if rng.random() < rate]  # noqa: S311
        for document, own in chosen:
            if document.stay is not None and self.free(document):
                yield document, document.stay, own

    def struck_vitals(self, rng: Random, rate: float, key: str) -> Iterator[Result]:
        """Vital signs with the value ``key`` on which chance falls and that have no error yet."""
        sets = [each for each in self.first if isinstance(each, Result) and key in each.panels.get("vitals", ())]
        for each in [each for each in sets if rng.random() < rate]:
            if self.free(each):
                yield each

    def answer(
        self,
        kind: str,
        finding: str,
        rule: str = "",
        item: Item | None = None,
        *,
        right: bool = False,
        visit: str = "",
        other: str = "",
        message: str = "",
        expected: str = "",
        lacks: Lack | None = None,
    ) -> None:
        """Note an error in the key, or a near miss that is ``right``."""
        document = ""
        if item is not None:
            self._touched.add(id(item))
            visit = visit or (item.stay.number if item.stay else "")
            document = item.number if isinstance(item, Document) else ""
        told = lacks or Lack("")
        self.answers.append(
            Answer(
                kind, self.person.mrn, finding, rule, right, visit=visit, document=document, other=other,
                message=message, expected=expected, deficiency=told.deficiency, what=told.what, owed_by=told.npi,
            )
        )  # fmt: skip

    def touch(self, item: Item) -> None:
        """Keep other errors off an item."""
        self._touched.add(id(item))

    def remove(self, item: Item) -> None:
        """Take an item away: it is not sent."""
        self._touched.add(id(item))
        self.items[:] = [each for each in self.items if each is not item]


Planter = Callable[[Planted, Random, float], None]
PLANTERS: dict[str, Planter] = {}
DEFAULT_RATES: dict[str, float] = {}
MEANINGS: dict[str, str] = {}


def kind(name: str, rate: float, meaning: str) -> Callable[[Planter], Planter]:
    def register(planter: Planter) -> Planter:
        PLANTERS[name], DEFAULT_RATES[name], MEANINGS[name] = planter, rate, meaning
        return planter

    return register


def plant(hospital: Hospital, someone: Person, stays: list[Stay], items: list[Item]) -> Planted:
    """Plant what chance and the hospital's rates say; ``items`` are those of the patient in time order."""
    planted = Planted(hospital, someone, stays, items)
    for kind, planter in PLANTERS.items():
        rate = hospital.rates.get(kind, 0.0)
        if rate > 0:
            planter(planted, chance(hospital.seed, "plant", kind, someone.number), rate)
    planted.items.sort(key=when)
    return planted


def when(item: Item) -> datetime:
    """When an item is sent."""
    return item.filed if isinstance(item, Document) else item.at
