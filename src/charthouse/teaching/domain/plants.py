"""Errors planted on purpose, and near misses that are right. Each kind has chances of its own.

What is expected to be found is written from the rules, not from what a program finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from .answers import Answer
from .catalog import names
from .chance import chance
from .documents import Notes
from .feed import Feed, Message
from .items import Adt, Document, Item, Result, Stay
from .life import planned, reason_for
from .population import Person, person, record_number

if TYPE_CHECKING:
    from .hospital import Hospital

_CONTENT = "42 CFR 482.24(c)(4)"
_COMPLETE = "42 CFR 482.24(c)(4)(viii): complete within 30 days after discharge"
_HISTORY = "42 CFR 482.24(c)(4)(i): no more than 30 days before or 24 hours after admission"
_OPERATION = "42 CFR 482.51(b): written or dictated immediately after surgery"
_SIGNED = "42 CFR 482.24(c)(1): dated, timed and authenticated"
_ACCURATE = "42 CFR 482.24(b): accurately written"
#: The rules' own numbers, from their text. They are not read from a rule pack: the key is what a pack is tested by.
_HISTORY_DAYS, _HISTORY_HOURS, _COMPLETE_DAYS = 30, 24, 30
#: Added to the seed for people who are in nobody's hospital.
_OTHERS = 1_000_003


@dataclass(slots=True)
class Planted:
    """A patient while errors are planted; ``extra`` are messages that tell of no item of this record.

    ``first`` are the items as they were before: chance falls on those, so that one kind's errors do not move
    another's.
    """

    hospital: Hospital
    person: Person
    stays: list[Stay]
    items: list[Item]
    answers: list[Answer] = field(default_factory=list)
    extra: list[Message] = field(default_factory=list)
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
    ) -> None:
        """Note an error in the key, or a near miss that is ``right``."""
        document = ""
        if item is not None:
            self._touched.add(id(item))
            visit = visit or (item.stay.number if item.stay else "")
            document = item.number if isinstance(item, Document) else ""
        self.answers.append(
            Answer(kind, self.person.mrn, finding, rule, right, visit=visit, document=document, other=other,
                   message=message)
        )  # fmt: skip

    def remove(self, item: Item) -> None:
        """Take an item away: it is not sent."""
        self._touched.add(id(item))
        self.items[:] = [each for each in self.items if each is not item]


Planter = Callable[[Planted, Random, float], None]
_PLANTERS: dict[str, Planter] = {}
DEFAULT_RATES: dict[str, float] = {}
MEANINGS: dict[str, str] = {}


def _kind(name: str, rate: float, meaning: str) -> Callable[[Planter], Planter]:
    def register(planter: Planter) -> Planter:
        _PLANTERS[name], DEFAULT_RATES[name], MEANINGS[name] = planter, rate, meaning
        return planter

    return register


def plant(hospital: Hospital, someone: Person, stays: list[Stay], items: list[Item]) -> Planted:
    """Plant what chance and the hospital's rates say; ``items`` are those of the patient in time order."""
    planted = Planted(hospital, someone, stays, items)
    for kind, planter in _PLANTERS.items():
        rate = hospital.rates.get(kind, 0.0)
        if rate > 0:
            planter(planted, chance(hospital.seed, "plant", kind, someone.number), rate)
    planted.items.sort(key=_when)
    return planted


def near_misses(someone: Person, items: Sequence[Item]) -> list[Answer]:
    """What every hospital has that looks like an error and is none."""
    answers = []
    if someone.order == 2 or (someone.twin and someone.twin < someone.number):
        answers.append(
            Answer(
                "duplicate", someone.mrn, "Twins: same birth date, address and family name, and two people.",
                "two identifiers", True, other=record_number(someone.twin, 4),
            )
        )  # fmt: skip
    if someone.namesake:
        answers.append(
            Answer(
                "duplicate", someone.mrn, "Father and son of one name (Sr and Jr) at one address: two people.",
                "two identifiers", True, other=record_number(someone.namesake, 4),
            )
        )  # fmt: skip
    if someone.renamed and items and _when(items[0]).date() < someone.renamed <= _when(items[-1]).date():
        answers.append(
            Answer("overlay", someone.mrn, f"Married, was {someone.former}: one person under two names.", "", True)
        )
    return answers


def _when(item: Item) -> datetime:
    return item.filed if isinstance(item, Document) else item.at


# Identity


@_kind("duplicate", 0.03, "a person registered again under a second record number, with other details")
def _duplicate(planted: Planted, rng: Random, rate: float) -> None:
    someone, anchor = planted.person, planted.anchor
    if someone.birth is not None or not planted.items or rng.random() >= rate:
        return
    first = _when(planted.items[0])
    at = _between(rng, first, anchor)
    if at is None:
        return
    other, differs = _misremembered(rng, someone, at)
    number = record_number(someone.number, 5)
    values: dict[str, float | str] = {"HR": 78, "SBP": 128, "DBP": 80}
    doctor = next((stay.attendings[0][1] for stay in planted.stays), None)
    twin = Feed(other, mrn=number)
    planted.extra.append(twin.message(Adt(at, None, "A28")))
    if doctor is not None:
        measured = Result(at + timedelta(minutes=9), None, {"vitals": values}, doctor)
        planted.extra.append(twin.message(measured))
    if rng.random() < 0.25 and (later := _between(rng, at + timedelta(days=1), anchor)) is not None:
        merge = Adt(later, None, "A40", prior=number)
        planted.items.append(merge)
        planted.answer(
            "duplicate", f"Registered twice ({differs}), and merged by the hospital itself (A40).", other=number,
            right=True,
        )  # fmt: skip
        return
    planted.answer("duplicate", f"The same person under two record numbers: {differs}. Merge.", other=number)


def _misremembered(rng: Random, someone: Person, at: datetime) -> tuple[Person, str]:
    """The person as registered again, and in words what differs."""
    nickname = names().nicknames.get(someone.given)
    choices = ["moved", "day and month", "typed"]
    if nickname:
        choices.append("nickname")
    if someone.former:
        choices.append("maiden")
    changed, words = someone, []
    for choice in rng.sample(choices, 2):
        if choice == "nickname" and nickname:
            changed, said = replace(changed, given=nickname), f"{nickname} for {someone.given}"
        elif choice == "maiden":
            changed, said = replace(changed, family=someone.former, former="", renamed=None), "the name at birth"
        elif choice == "moved":
            street = f"{rng.randrange(100, 999)} {rng.choice(names().streets.split())} St"
            changed, said = replace(changed, address=(street, *someone.address[1:])), "another street"
        elif choice == "typed" and len(someone.family) > 4:
            place = rng.randrange(1, len(someone.family) - 2)
            family = changed.family
            typed = family[:place] + family[place + 1] + family[place] + family[place + 2 :]
            changed, said = replace(changed, family=typed), "two letters of the family name the other way round"
        elif someone.born.day <= 12 and someone.born.day != someone.born.month:
            born = someone.born.replace(month=someone.born.day, day=someone.born.month)
            changed, said = replace(changed, born=born), "day and month of birth the other way round"
        else:
            changed, said = replace(changed, ssn="", middle=""), "no social security number, no middle name"
        words.append(said)
    if changed.renamed is not None and at.date() < changed.renamed:
        changed = replace(changed, renamed=None)
    return changed, "; ".join(words)


@_kind("overlay", 0.008, "another person's details written over a record")
def _overlay(planted: Planted, rng: Random, rate: float) -> None:
    someone, anchor = planted.person, planted.anchor
    if not planted.stays or someone.birth is not None or rng.random() >= rate:
        return
    at = _between(rng, _when(planted.items[0]) + timedelta(days=1), anchor)
    if at is None or any(stay.died for stay in planted.stays):
        return
    other = _stranger(planted)
    as_other = Feed(other, mrn=someone.mrn, count=9000)  # control numbers of their own
    sent = as_other.message(Adt(at, None, "A31"))
    planted.extra.append(sent)
    planted.answer(
        "overlay",
        f"From {at:%Y-%m-%d} the record carries another person ({other.given} {other.family}, born {other.born}): "
        "split what came after from what was before.",
        _ACCURATE,
        message=sent.control,
    )


@_kind("wrong_patient_document", 0.012, "a document of somebody else filed in this chart")
def _wrong_patient(planted: Planted, rng: Random, rate: float) -> None:
    found = planted.documents("PR", "HP", "DS")
    if not found or rng.random() >= rate:
        return
    document = rng.choice(found)
    other = _stranger(planted)
    at = document.at
    key = reason_for(rng, other, at)
    if not planted.free(document) or key is None or document.stay is None or key == document.stay.key:
        return
    stay = planned(rng, planted.hospital.seed, other, key, at - timedelta(days=1))
    words = Notes(rng, other, stay).progress(document.by, "", at, 2)
    document.text = f"PATIENT: {other.family}, {other.given}   DOB {other.born:%m/%d/%Y}   MRN {other.mrn}\n{words}"
    planted.answer(
        "wrong_patient_document",
        f"The {document.title.lower()} is about {other.given} {other.family} (born {other.born:%Y-%m-%d}): retract "
        "here, file in the right chart.",
        _ACCURATE,
        document,
    )


# Documents


@_kind("missing_document", 0.03, "a document that the stay calls for is not there")
def _missing(planted: Planted, rng: Random, rate: float) -> None:
    for stay in planted.stays:
        if not _overdue(planted, stay.end) or rng.random() >= rate:
            continue
        found = [each for each in planted.documents("OP", "DS", "HP") if each.stay is stay]
        gone = rng.choice(found) if found else None
        if gone is None or not planted.free(gone):
            continue
        planted.remove(gone)
        rules = {"OP": _OPERATION, "DS": f"{_CONTENT}(vii): outcome, disposition, follow-up", "HP": _HISTORY}
        planted.answer(
            "missing_document",
            f"There is no {gone.title.lower()}; Dr. {gone.by.family} owes it.",
            rules[gone.kind.partition("^")[0]],
            visit=stay.number,
        )


@_kind("unsigned_document", 0.015, "a document nobody authenticated")
def _unsigned(planted: Planted, rng: Random, rate: float) -> None:
    for document, _, _ in planted.struck(rng, rate, "OP", "DS", "HP", "CN", "PR"):
        if _overdue(planted, document.at):
            document.signed = None
            planted.answer(
                "unsigned_document",
                f"The {document.title.lower()} by Dr. {document.by.family} is not signed.",
                _SIGNED,
                document,
            )


@_kind("late_document", 0.03, "a history more than 24 hours after admission, or a summary more than 30 days late")
def _late(planted: Planted, rng: Random, rate: float) -> None:
    for document, stay, own in planted.struck(rng, rate, "HP", "DS"):
        if not stay.inpatient:
            continue
        begun = stay.admitted or stay.start
        if document.kind.startswith("HP"):
            at = begun + timedelta(hours=_HISTORY_HOURS + own.randrange(3, 36))
            # One before an operation has to be there sooner; that is another error.
            if at > stay.end - timedelta(hours=1) or stay.operated:
                continue
            finding, rule = f"The history and physical was written {_hours(at - begun)} after admission.", _HISTORY
        else:
            at = stay.end + timedelta(days=_COMPLETE_DAYS + own.randrange(3, 40))
            finding, rule = f"The discharge summary came {(at - stay.end).days} days after discharge.", _COMPLETE
        if at + timedelta(hours=2) > planted.anchor:
            continue
        document.at, document.filed, document.signed = at, at + timedelta(minutes=50), at + timedelta(minutes=49)
        planted.answer("late_document", finding, rule, document)


@_kind("history_too_old", 0.2, "a history of more than 30 days before a planned stay, or one that holds")
def _old_history(planted: Planted, rng: Random, rate: float) -> None:
    for document, stay, own in planted.struck(rng, rate, "HP"):
        if stay.condition.way not in ("elective", "outpatient"):
            continue
        old = own.random() < 0.5
        days = _HISTORY_DAYS + own.randrange(2, 16) if old else own.randrange(9, _HISTORY_DAYS - 1)
        at = stay.start - timedelta(days=days, hours=-2)
        update = stay.start + timedelta(minutes=9)
        document.at, document.signed = at, at + timedelta(minutes=40)
        document.filed = update - timedelta(minutes=5)
        if old:
            planted.answer(
                "history_too_old", f"The history and physical is {days} days older than the admission.", _HISTORY,
                document,
            )  # fmt: skip
            continue
        text = f"H&P of {at:%m/%d/%Y} reviewed, patient examined, no changes.\n{document.by.signed}"
        signed = update + timedelta(minutes=3)
        planted.items.append(
            replace(
                document,
                at=update,
                number=f"{document.number}U",
                title="H&P update",
                text=text,
                filed=signed + timedelta(minutes=1),
                signed=signed,
            )
        )
        planted.answer(
            "history_too_old",
            f"The history is {days} days old and was updated on the day of admission: within the rule.",
            f"{_HISTORY}, updated within 24 hours",
            document,
            right=True,
        )


@_kind("copied_note", 0.01, "a progress note copied from the day before")
def _copied(planted: Planted, rng: Random, rate: float) -> None:
    notes = planted.documents("PR")
    for before, after in [pair for pair in pairwise(notes) if rng.random() < rate]:
        if before.stay is after.stay and planted.free(before) and planted.free(after):
            after.text = before.text
            planted.answer(
                "copied_note",
                f"The note of {after.at:%Y-%m-%d} repeats that of {before.at:%Y-%m-%d} word for word.",
                _ACCURATE,
                after,
            )


# Facts that do not agree


@_kind("laterality", 0.08, "an operative report of the other side")
def _laterality(planted: Planted, rng: Random, rate: float) -> None:
    for document, stay, _ in planted.struck(rng, rate, "OP"):
        if not stay.side:
            continue
        other = "left" if stay.side == "right" else "right"
        text = document.text.replace(stay.side, other)
        document.text = text.replace(stay.side.capitalize(), other.capitalize())
        planted.answer(
            "laterality",
            f"The operative report says {other}; diagnosis, consent and images say {stay.side}.",
            _ACCURATE,
            document,
        )


@_kind("sex", 0.008, "a finding that the patient's sex does not allow")
def _sex(planted: Planted, rng: Random, rate: float) -> None:
    for document, _, _ in planted.struck(rng, rate, "HP"):
        if planted.person.age(document.at.date()) < 18:
            continue
        words = {
            "F": "GU: prostate mildly enlarged, smooth, no nodule.",
            "M": "GYN: last menstrual period two weeks ago, no discharge.",
        }[planted.person.sex]
        # Among the findings, not under the signature.
        body, _, signature = document.text.rpartition("\n")
        document.text = f"{body}\n{words}\n{signature}"
        sex = {"F": "woman", "M": "man"}[planted.person.sex]
        planted.answer("sex", f"The history of a {sex} says: {words}", _ACCURATE, document)


@_kind("dates", 0.012, "a summary by which the patient left before coming")
def _dates(planted: Planted, rng: Random, rate: float) -> None:
    for document, stay, _ in planted.struck(rng, rate, "DS"):
        admitted, discharged = f"{stay.start:%m/%d/%Y}", f"{stay.end:%m/%d/%Y}"
        heading = f"ADMITTED {admitted}   DISCHARGED {discharged}"
        if admitted == discharged or heading not in document.text:
            continue
        document.text = document.text.replace(heading, f"ADMITTED {discharged}   DISCHARGED {admitted}")
        planted.answer(
            "dates", f"The summary has the discharge ({admitted}) before the admission ({discharged}).", _ACCURATE,
            document,
        )  # fmt: skip


@_kind("units", 0.004, "a temperature in Fahrenheit sent as Celsius")
def _units(planted: Planted, rng: Random, rate: float) -> None:
    for result in planted.struck_vitals(rng, rate, "T"):
        values = result.panels["vitals"]
        values["T"] = round(float(values["T"]) * 1.8 + 32, 1)
        planted.answer(
            "units", f"Temperature {values['T']} at {result.at:%Y-%m-%d %H:%M} is sent as °C and is °F.",
            _ACCURATE, result,
        )  # fmt: skip


@_kind("impossible_value", 0.003, "a value nobody can have")
def _impossible(planted: Planted, rng: Random, rate: float) -> None:
    for result in planted.struck_vitals(rng, rate, "HR"):
        values = result.panels["vitals"]
        values["HR"] = round(float(values["HR"])) * 10
        planted.answer(
            "impossible_value", f"Heart rate {values['HR']} at {result.at:%Y-%m-%d %H:%M}: a digit too many.",
            _ACCURATE, result,
        )  # fmt: skip


@_kind("extreme_value", 0.004, "a value that is rare and real (a near miss)")
def _extreme(planted: Planted, rng: Random, rate: float) -> None:
    chemistry = [each for each in planted.first if isinstance(each, Result) and "bmp" in each.panels]
    for result in [each for each in chemistry if rng.random() < rate]:
        values = result.panels["bmp"]
        values["GLU"] = rng.randrange(480, 720)
        planted.answer(
            "impossible_value", f"Glucose {values['GLU']} at {result.at:%Y-%m-%d %H:%M} is rare and possible.",
            "", result, right=True,
        )  # fmt: skip


@_kind("after_death", 0.15, "vital signs of somebody who had died")
def _after_death(planted: Planted, rng: Random, rate: float) -> None:
    stay = next((each for each in planted.stays if each.died), None)
    if stay is None or rng.random() >= rate:
        return
    at = stay.end + timedelta(hours=rng.randrange(20, 50))
    if at > planted.anchor:
        return
    values: dict[str, float | str] = {"HR": 76, "SBP": 122, "DBP": 74, "SAT": 97}
    planted.items.append(Result(at, stay, {"vitals": values}, stay.attending(stay.end)))
    planted.answer(
        "after_death",
        f"Vital signs of {at:%Y-%m-%d %H:%M}, after the death on {stay.end:%Y-%m-%d %H:%M}.",
        _ACCURATE,
        visit=stay.number,
    )


@_kind("newborn_weight", 0.05, "a newborn without a birth weight")
def _weight(planted: Planted, rng: Random, rate: float) -> None:
    if planted.person.birth is None or rng.random() >= rate:
        return
    for result in planted.struck_vitals(rng, 1.0, "WT"):
        planted.remove(result)
        planted.answer("newborn_weight", "There is no birth weight.", _ACCURATE, visit=planted.stays[0].number)


@_kind("unfiled_message", 0.003, "a result that names no patient")
def _unfiled(planted: Planted, rng: Random, rate: float) -> None:
    results = [item for item in planted.first if isinstance(item, Result) and item.stay is not None]
    if not results or rng.random() >= rate:
        return
    result = rng.choice(results)
    if not planted.free(result):
        return
    again = replace(result, at=result.at + timedelta(minutes=3), order=f"{result.order or 'Q'}R")
    sent = Feed(planted.person, count=8000).message(again)  # control numbers of their own
    body = sent.data.replace(f"|{planted.person.mrn}^^^HRMC^MR|".encode(), b"||", 1)
    planted.extra.append(replace(sent, data=body))
    planted.answer(
        "unfiled_message", "The message names no patient (PID-3 is empty); visit and name say whose it is.", "",
        result, message=sent.control,
    )  # fmt: skip


def _stranger(planted: Planted) -> Person:
    return person(planted.hospital.seed + _OTHERS, planted.person.number, planted.anchor.date())


def _overdue(planted: Planted, since: datetime) -> bool:
    """Whether the time to complete a document of ``since`` is over."""
    return since < planted.anchor - timedelta(days=_COMPLETE_DAYS + 1)


def _between(rng: Random, first: datetime, last: datetime) -> datetime | None:
    minutes = int((last - first).total_seconds() / 60) - 2_000
    if minutes < 1:
        return None
    return (first + timedelta(minutes=rng.randrange(minutes))).replace(second=0, microsecond=0)


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.0f} hours"
