"""Errors planted on purpose, and near misses that are right. Each kind has chances of its own.

What is expected to be found is written from the rules, not from what a program finds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from .answers import Answer
from .catalog import names
from .chance import weighted
from .chart_plants import lacks_brief_note
from .documents import Notes
from .feed import Feed
from .items import Adt, Item, Result, Stay
from .life import planned, reason_for
from .planting import DEFAULT_RATES, MEANINGS, Lack, Planted, kind, plant, when
from .population import Person, person, record_number

__all__ = ["DEFAULT_RATES", "MEANINGS", "near_misses", "plant"]

_CONTENT = "42 CFR 482.24(c)(4)"
_COMPLETE = "42 CFR 482.24(c)(4)(viii): complete within 30 days after discharge"
_HISTORY = "42 CFR 482.24(c)(4)(i): no more than 30 days before or 24 hours after admission"
_OPERATION = "42 CFR 482.51(b): written or dictated immediately after surgery"
_SIGNED = "42 CFR 482.24(c)(1): dated, timed and authenticated"
_MATCHING = "identity.decision"
_ACCURATE = "42 CFR 482.24(b): accurately written"
#: The rules' own numbers, from their text. They are not read from a rule pack: the key is what a pack is tested by.
_HISTORY_DAYS, _HISTORY_HOURS, _COMPLETE_DAYS = 30, 24, 30
#: Added to the seed for people who are in nobody's hospital.
_OTHERS = 1_000_003


def near_misses(someone: Person, items: Sequence[Item]) -> list[Answer]:
    """What every hospital has that looks like an error and is none."""
    answers = []
    if someone.order == 2 or (someone.twin and someone.twin < someone.number):
        answers.append(
            Answer(
                "duplicate", someone.mrn, "Twins: same birth date, address and family name, and two people.",
                "two identifiers", True, other=record_number(someone.twin, 4), expected="apart",
            )
        )  # fmt: skip
    if someone.namesake:
        answers.append(
            Answer(
                "duplicate", someone.mrn, "Father and son of one name (Sr and Jr) at one address: two people.",
                "two identifiers", True, other=record_number(someone.namesake, 4), expected="apart",
            )
        )  # fmt: skip
    if someone.renamed and items and when(items[0]).date() < someone.renamed <= when(items[-1]).date():
        answers.append(
            Answer("overlay", someone.mrn, f"Married, was {someone.former}: one person under two names.", "", True)
        )
    return answers


# Identity


@kind("duplicate", 0.06, "a person registered again under a second record number, with other details")
def _duplicate(planted: Planted, rng: Random, rate: float) -> None:
    someone, anchor = planted.person, planted.anchor
    if someone.birth is not None or not planted.items or rng.random() >= rate:
        return
    at = _between(rng, when(planted.items[0]), anchor)
    if at is None:
        return
    again = weighted(rng, [(each, weight) for each, weight, fits in _AGAIN if fits(someone)])
    other, differs, expected = again(rng, someone)
    if other.renamed is not None:
        other = replace(other, renamed=None)
    number = record_number(someone.number, 5)
    _registered(planted, other, number, at)
    if rng.random() < 0.2 and (later := _between(rng, at + timedelta(days=1), anchor)) is not None:
        planted.items.append(Adt(later, None, "A40", prior=number))
        planted.answer(
            "duplicate", f"Registered twice ({differs}), and merged by the hospital itself (A40).", other=number,
            right=True, expected="merged",
        )  # fmt: skip
        return
    planted.answer(
        "duplicate", f"The same person under two record numbers: {differs}. Merge.", _MATCHING, other=number,
        expected=expected,
    )  # fmt: skip


def _registered(planted: Planted, other: Person, number: str, at: datetime) -> None:
    """Somebody comes to the desk and is registered under ``number``; a nurse takes vital signs."""
    feed = Feed(other, mrn=number)
    planted.extra.append(feed.message(Adt(at, None, "A28")))
    doctor = next((stay.attendings[0][1] for stay in planted.stays), None)
    if doctor is not None:
        values: dict[str, float | str] = {"HR": 78, "SBP": 128, "DBP": 80}
        planted.extra.append(feed.message(Result(at + timedelta(minutes=9), None, {"vitals": values}, doctor)))


# How a person is registered again: what the desk wrote, what differs in words, and what the rules make of it.
# ``identity.decision``: what has to agree for "same", and which conflicts go to a person whatever the sum.

_Again = tuple[Person, str, str]


def _maiden(rng: Random, someone: Person) -> _Again:
    """The family names differ, and neither a number nor two other ties say they are one: a person looks."""
    family = someone.former or rng.choice([name for name in _families(someone) if name != someone.family])
    moved = _elsewhere(rng, someone)
    return (
        replace(moved, family=family, former="", marital="S", ssn="", email=""),
        "under the name at birth, at another address, without a social security number", "queue",
    )  # fmt: skip


def _typed_birth(rng: Random, someone: Person) -> _Again:
    """Day and year are in conflict, and so a person looks."""
    day = rng.choice([each for each in range(1, 29) if abs(each - someone.born.day) > 1])
    born = someone.born.replace(year=someone.born.year - rng.choice((2, 3, 4)), day=day)
    return replace(someone, born=born), f"born {someone.born}, registered as born {born}", "queue"


def _typed_number(rng: Random, someone: Person) -> _Again:
    """Numbers that begin with 9 were never issued and are no conflict, and all else agrees."""
    middle = int(someone.ssn[4:6]) % 48 + 1
    ssn = f"{someone.ssn[:4]}{middle:02d}-{(int(someone.ssn[7:]) + rng.randrange(1000, 8000)) % 9999 + 1:04d}"
    return replace(someone, ssn=ssn), "another social security number", "linked"


def _middle_name(rng: Random, someone: Person) -> _Again:
    """The given names are in conflict."""
    given = rng.choice([name for name in _givens(someone) if name[0] != someone.given[0]])
    return (
        replace(someone, given=given, middle=someone.given[0], ssn="", email=""),
        f"registered as {given}, a middle name", "queue",
    )  # fmt: skip


def _typed_sex(rng: Random, someone: Person) -> _Again:
    """The sex is in conflict, and no number says they are one."""
    return (
        replace(someone, sex="M" if someone.sex == "F" else "F", ssn="", middle="", email=""),
        "the other sex, without a social security number", "queue",
    )  # fmt: skip


def _nickname(rng: Random, someone: Person) -> _Again:
    """A nickname is no conflict; birth date and telephone agree."""
    short = names().nicknames[someone.given]
    return replace(_elsewhere(rng, someone), given=short), f"{short} for {someone.given}, another street", "linked"


def _exchanged(rng: Random, someone: Person) -> _Again:
    """Day and month the other way round are no conflict, and all else agrees."""
    born = someone.born.replace(month=someone.born.day, day=someone.born.month)
    return replace(someone, born=born, middle=""), "day and month of birth the other way round", "linked"


def _typed_name(rng: Random, someone: Person) -> _Again:
    """Names that are alike are no conflict, and all else agrees."""
    family = someone.family
    place = rng.randrange(1, len(family) - 2)
    typed = family[:place] + family[place + 1] + family[place] + family[place + 2 :]
    return (
        replace(someone, family=typed, middle="", email=""), "two letters of the family name the other way round",
        "linked",
    )  # fmt: skip


def _sparse(rng: Random, someone: Person) -> _Again:
    """Names, birth date and address agree."""
    return (
        replace(someone, ssn="", phone="", email="", middle=""),
        "no social security number, no telephone, no middle name", "linked",
    )  # fmt: skip


def _exchangeable(someone: Person) -> bool:
    return someone.born.day <= 12 and someone.born.day != someone.born.month


_AGAIN: tuple[tuple[Callable[[Random, Person], _Again], float, Callable[[Person], bool]], ...] = (
    (_maiden, 4.0, lambda someone: someone.sex == "F" and someone.born.year < 2005 and not someone.twin),
    (_typed_birth, 2.5, lambda someone: not someone.namesake),
    (_typed_number, 1.0, lambda someone: bool(someone.ssn)),
    (_middle_name, 2.0, lambda someone: not someone.twin),
    (_typed_sex, 1.0, lambda someone: not someone.twin),
    (_nickname, 2.0, lambda someone: someone.given in names().nicknames),
    (_exchanged, 1.5, _exchangeable),
    (_typed_name, 1.5, lambda someone: len(someone.family) > 5),
    (_sparse, 1.5, lambda someone: not someone.twin),
)


@kind("look_alike", 0.02, "somebody else who looks like a patient (a near miss)")
def _look_alike(planted: Planted, rng: Random, rate: float) -> None:
    someone = planted.person
    if someone.birth is not None or someone.twin or someone.suffix or not planted.items or rng.random() >= rate:
        return
    at = _between(rng, when(planted.items[0]), planted.anchor)
    if at is None:
        return
    number = record_number(someone.number, 6)
    other = replace(someone, ssn="", email="", middle="", former="", renamed=None, allergies=())
    if rng.random() < 0.7:
        # The given names are in conflict, and nothing says that they were born together.
        given = rng.choice([name for name in _givens(someone) if name[0] != someone.given[0]])
        other = replace(other, given=given)
        finding, expected = f"{given} is a twin whose birth order nobody wrote down: two people.", "queue"
    else:
        # A generation lies between the birth dates.
        other = replace(other, born=someone.born - timedelta(days=rng.randrange(8_800, 12_000)))
        finding, expected = "Parent and child of one name at one address, without Sr and Jr: two people.", "apart"
    _registered(planted, other, number, at)
    planted.answer(
        "duplicate", finding, "two identifiers", other=number, right=True, expected=expected,
    )  # fmt: skip


def _families(someone: Person) -> Sequence[str]:
    return next(
        (each.families for each in names().origins.values() if someone.family in each.families), ("Miller",)
    )


def _givens(someone: Person) -> Sequence[str]:
    origins = names().origins.values()
    pools = ((each.female if someone.sex == "F" else each.male) for each in origins)
    return next((pool for pool in pools if someone.given in pool), names().origins["english"].female)


def _elsewhere(rng: Random, someone: Person) -> Person:
    town, code = rng.choice([each for each in names().towns if each[0] != someone.address[1]])
    street = f"{rng.randrange(100, 9900)} {rng.choice(names().streets.split())} {rng.choice(names().endings)}"
    return replace(someone, address=(street, town, someone.address[2], code))


@kind("overlay", 0.008, "another person's details written over a record")
def _overlay(planted: Planted, rng: Random, rate: float) -> None:
    someone, anchor = planted.person, planted.anchor
    if not planted.stays or someone.birth is not None or rng.random() >= rate:
        return
    at = _between(rng, when(planted.items[0]) + timedelta(days=1), anchor)
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


@kind("wrong_patient_document", 0.012, "a document of somebody else filed in this chart")
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


@kind("missing_document", 0.03, "a document that the stay calls for is not there")
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
            f"There is no {gone.title.lower()}; Dr. {gone.by.family} wrote none.",
            rules[gone.kind.partition("^")[0]],
            visit=stay.number,
            lacks=_owed(gone.kind.partition("^")[0], stay),
        )
        if gone.kind.startswith("OP") and (lacks := lacks_brief_note(planted, stay)) is not None:
            planted.answer(
                "missing_document", "Neither the report nor a note was there before the patient was moved on.",
                _OPERATION, visit=stay.number, lacks=lacks,
            )  # fmt: skip


def _owed(document: str, stay: Stay) -> Lack:
    """Who owes a document that is not there: the surgeon the report, the attending of that moment the others."""
    if document == "OP":
        return Lack("operative-report", "missing", stay.surgeon)
    if document == "DS":
        return Lack("discharge-summary", "missing", stay.attending(stay.end))
    return Lack("history-and-physical", "missing", stay.attending(stay.admitted or stay.start))


@kind("unsigned_document", 0.015, "a document nobody authenticated")
def _unsigned(planted: Planted, rng: Random, rate: float) -> None:
    for document, _, _ in planted.struck(rng, rate, "OP", "DS", "HP", "CN", "PR"):
        if _overdue(planted, document.at):
            document.signed = None
            planted.answer(
                "unsigned_document",
                f"The {document.title.lower()} by Dr. {document.by.family} is not signed.",
                _SIGNED,
                document,
                lacks=Lack("authentication", "unsigned", document.by),
            )


@kind("late_document", 0.03, "a history more than 24 hours after admission, or a summary more than 30 days late")
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
            lacks = Lack("history-and-physical", "late", stay.attending(begun))
        else:
            at = stay.end + timedelta(days=_COMPLETE_DAYS + own.randrange(3, 40))
            finding, rule = f"The discharge summary came {(at - stay.end).days} days after discharge.", _COMPLETE
            lacks = Lack("discharge-summary", "late", stay.attending(stay.end))
        if at + timedelta(hours=2) > planted.anchor:
            continue
        document.at, document.filed, document.signed = at, at + timedelta(minutes=50), at + timedelta(minutes=49)
        planted.answer("late_document", finding, rule, document, lacks=lacks)


@kind("history_too_old", 0.2, "a history of more than 30 days before a planned stay, or one that holds")
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
                document, lacks=Lack("history-and-physical", "unfit", stay.attending(stay.admitted or stay.start)),
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
            lacks=Lack("history-and-physical"),
        )


@kind("copied_note", 0.01, "a progress note copied from the day before")
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


@kind("laterality", 0.08, "an operative report of the other side")
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
            lacks=Lack("laterality", "unfit", document.by),
        )


@kind("sex", 0.008, "a finding that the patient's sex does not allow")
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


@kind("dates", 0.012, "a summary by which the patient left before coming")
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


@kind("units", 0.004, "a temperature in Fahrenheit sent as Celsius")
def _units(planted: Planted, rng: Random, rate: float) -> None:
    for result in planted.struck_vitals(rng, rate, "T"):
        values = result.panels["vitals"]
        values["T"] = round(float(values["T"]) * 1.8 + 32, 1)
        planted.answer(
            "units", f"Temperature {values['T']} at {result.at:%Y-%m-%d %H:%M} is sent as °C and is °F.",
            _ACCURATE, result,
        )  # fmt: skip


@kind("impossible_value", 0.003, "a value nobody can have")
def _impossible(planted: Planted, rng: Random, rate: float) -> None:
    for result in planted.struck_vitals(rng, rate, "HR"):
        values = result.panels["vitals"]
        values["HR"] = round(float(values["HR"])) * 10
        planted.answer(
            "impossible_value", f"Heart rate {values['HR']} at {result.at:%Y-%m-%d %H:%M}: a digit too many.",
            _ACCURATE, result,
        )  # fmt: skip


@kind("extreme_value", 0.004, "a value that is rare and real (a near miss)")
def _extreme(planted: Planted, rng: Random, rate: float) -> None:
    chemistry = [each for each in planted.first if isinstance(each, Result) and "bmp" in each.panels]
    for result in [each for each in chemistry if rng.random() < rate]:
        values = result.panels["bmp"]
        values["GLU"] = rng.randrange(480, 720)
        planted.answer(
            "impossible_value", f"Glucose {values['GLU']} at {result.at:%Y-%m-%d %H:%M} is rare and possible.",
            "", result, right=True,
        )  # fmt: skip


@kind("after_death", 0.15, "vital signs of somebody who had died")
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


@kind("newborn_weight", 0.05, "a newborn without a birth weight")
def _weight(planted: Planted, rng: Random, rate: float) -> None:
    if planted.person.birth is None or rng.random() >= rate:
        return
    for result in planted.struck_vitals(rng, 1.0, "WT"):
        planted.remove(result)
        planted.answer("newborn_weight", "There is no birth weight.", _ACCURATE, visit=planted.stays[0].number)


@kind("unfiled_message", 0.003, "a result that names no patient")
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
