"""The whole hospital, patient by patient: any one of them can be made alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from .answers import Answer
from .beds import beds_of
from .chance import chance
from .chart import told
from .chart_plants import not_yet
from .clinic import visits_of
from .feed import Feed, Message
from .items import Adt, Document, Item, Stay
from .life import planned, reason_for
from .papers import KINDS, paper, scanned
from .plants import near_misses, plant
from .population import Person, person
from .staff import HOSPITAL

_KNOWN_TO_CLINIC = 0.55
#: The chances that a registration is taken back, and that a paper is brought and scanned.
_TAKEN_BACK, _SCANNED = 0.012, 0.12


@dataclass(frozen=True, slots=True)
class Hospital:
    """What a hospital is made from. The same values make the same bytes.

    ``anchor`` is the moment it is "now" there, with the site's zone: nothing has happened after it. ``rates`` are
    the chances of planted errors by kind.
    """

    seed: int
    anchor: datetime
    rates: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Told:
    """One patient: the messages in time order, the stays they tell of, and what was planted."""

    person: Person
    stays: list[Stay]
    items: list[Item]
    messages: list[Message]
    answers: list[Answer]


def patient(hospital: Hospital, number: int) -> Told:
    """Patient ``number`` (from 1), alone: what others there are decides nothing but the bed."""
    seed, anchor = hospital.seed, hospital.anchor
    someone = person(seed, number, anchor.date())
    stays = beds_of(seed, anchor).stays(number)
    rng = chance(seed, "chart", number)
    feed = Feed(someone)
    died = next((stay.end for stay in stays if stay.died), None)
    feed.died = died if died is not None and died <= anchor else None
    items: list[Item] = []
    written: set[str] = set()
    for stay in stays:
        items.extend(told(rng, seed, someone, stay, written))
    if someone.birth is not None:
        feed.named = stays[0].start + timedelta(hours=rng.randrange(20, 60))
        inside = feed.named < stays[0].end
        items.append(Adt(feed.named, stays[0] if inside else None, "A08" if inside else "A31"))
    elif not stays:
        when = anchor - timedelta(days=rng.randrange(2, 700), minutes=rng.randrange(600))
        items.append(Adt(when.replace(second=0, microsecond=0), None, "A28"))
    items.extend(_mistaken(chance(seed, "mistaken", number), seed, someone, stays, anchor))
    if stays and (brought := _brought(chance(seed, "paper", number), someone, stays[-1])) is not None:
        items.append(brought)
    if someone.renamed is not None:
        when = datetime.combine(someone.renamed, datetime.min.time(), anchor.tzinfo) + timedelta(hours=10)
        if items and min(item.at for item in items) < when and (died is None or when < died):
            items.append(Adt(when, None, "A31"))
    later = [item for item in items if _sent(item) > anchor]
    items = [item for item in items if _sent(item) <= anchor]
    items.sort(key=_sent)
    answers = [*near_misses(someone, items), *not_yet(someone, stays, later, anchor)]
    planted = plant(hospital, someone, stays, items)
    feed.unsaid = planted.unsaid
    answers += planted.answers
    messages = [feed.message(item) for item in planted.items]
    messages += planted.extra
    clinic = chance(seed, "clinic", number)
    if clinic.random() < _KNOWN_TO_CLINIC:
        messages.extend(visits_of(clinic, seed, someone, stays, anchor))
    messages = sorted((each for each in messages if each.at <= anchor), key=lambda each: each.at)
    return Told(someone, stays, planted.items, messages, answers)


def _mistaken(rng: Random, seed: int, someone: Person, stays: list[Stay], anchor: datetime) -> list[Item]:
    """Registered for the wrong day or the wrong person, and taken back within the hour (A11)."""
    if someone.birth is not None or rng.random() >= _TAKEN_BACK:
        return []
    at = anchor - timedelta(days=rng.randrange(3, 700), minutes=rng.randrange(1, 500))
    at = at.replace(second=0, microsecond=0)
    key = reason_for(rng, someone, at)
    if key is None or any(stay.start - timedelta(days=2) < at < stay.end + timedelta(days=2) for stay in stays):
        return []
    if any(stay.died and stay.end < at for stay in stays):
        return []
    stay = planned(rng, seed, someone, key, at)
    stay.number = f"9{someone.number:06d}90"
    stay.moves = [(at, "")]
    event = "A04" if stay.kind in "EO" else "A01"
    back = at + timedelta(minutes=rng.randrange(9, 50))
    return [Adt(at, stay, event, place=f"REG^{HOSPITAL}"), Adt(back, stay, "A11", place=f"REG^{HOSPITAL}")]


def _brought(rng: Random, someone: Person, stay: Stay) -> Document | None:
    """A paper that was scanned at the desk."""
    grown = stay.age >= 18
    if someone.birth is not None or rng.random() >= _SCANNED:
        return None
    kind = rng.choice(("directive", "outside", "release")) if grown else "outside"
    signed = stay.start - timedelta(days=rng.randrange(3, 400))
    data, media = scanned(rng, paper(rng, someone, kind, f"{signed:%m/%d/%Y}"))
    at = stay.start + timedelta(minutes=rng.randrange(15, 60))
    code, title = KINDS[kind]
    filed = at + timedelta(minutes=4)
    by = stay.attendings[0][1]
    return Document(at, stay, f"D{stay.number}900", code, title, by, "", filed, at, scan=data, media=media)


def patients(hospital: Hospital, first: int, last: int) -> Iterator[Told]:
    """Patients ``first`` to ``last``, one at a time."""
    for number in range(first, last + 1):
        yield patient(hospital, number)


def _sent(item: Item) -> datetime:
    return item.filed if isinstance(item, Document) else item.at
