"""The midnight census: who was an inpatient in which facility, reconciled with who came and went.

A stay says two things that ought to agree: when it began and ended as an inpatient stay, and where the patient
was. The census counts patients by place; who came and went is read from when stays began, ended and changed
facility. Present before + admissions + transfers in - discharges - transfers out = present. Where the two do not
agree, a stay breaks the census, and is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lasting:
    """From ``start`` (None: nobody knows since when) until before ``end`` (None: still)."""

    start: datetime | None
    end: datetime | None

    def covers(self, at: datetime) -> bool:
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


@dataclass(frozen=True, slots=True)
class Stayed:
    """A facility and for how long a patient was there."""

    facility: str
    time: Lasting


@dataclass(frozen=True, slots=True)
class Stay:
    """An encounter: the times it was an inpatient one, and the places, both in the order of time."""

    encounter: str
    patient: int | None
    inpatient: tuple[Lasting, ...]
    places: tuple[Stayed, ...]


class Move(StrEnum):
    """How a patient comes to, or leaves, a facility's census."""

    ADMISSION = "admission"
    TRANSFER_IN = "transfer in"
    DISCHARGE = "discharge"
    TRANSFER_OUT = "transfer out"

    @property
    def sign(self) -> int:
        return 1 if self in {Move.ADMISSION, Move.TRANSFER_IN} else -1


@dataclass(frozen=True, slots=True)
class Break:
    """A stay that makes a facility's census wrong: ``off`` more (or fewer) are counted than came and stayed. It is
    0 where both sides count a patient twice; ``beside`` is then the encounter of the other stay."""

    stay: Stay
    off: int
    words: str
    beside: str = ""

    @property
    def tells_of(self) -> set[str]:
        """The encounters that whoever reads of this learns of."""
        return {self.stay.encounter, self.beside}


@dataclass(frozen=True, slots=True)
class FacilityCensus:
    """One facility at one midnight."""

    facility: str
    before: int
    admissions: int
    transfers_in: int
    discharges: int
    transfers_out: int
    counted: int
    breaks: tuple[Break, ...]

    @property
    def expected(self) -> int:
        return self.before + self.admissions + self.transfers_in - self.discharges - self.transfers_out

    @property
    def reconciles(self) -> bool:
        return not self.breaks and self.expected == self.counted


def present(stay: Stay, at: datetime) -> str | None:
    """The facility in whose beds an inpatient lies at an instant; None for who is none, or nowhere."""
    if not any(time.covers(at) for time in stay.inpatient):
        return None
    return next((place.facility for place in reversed(stay.places) if place.time.covers(at)), None)


def moves(stay: Stay, since: datetime, until: datetime) -> list[tuple[Move, str]]:
    """What a stay did after ``since`` up to and with ``until``, with the facility it concerns.

    Of a stay whose beginning nobody knows no admission is told; it was there before.
    """
    found: list[tuple[Move, str]] = []
    for time in stay.inpatient:
        if time.end is not None and time.start is not None and time.end <= time.start:
            continue
        if time.start is not None and since < time.start <= until:
            found.append((Move.ADMISSION, _first(stay, time.start)))
        if time.end is not None and since < time.end <= until:
            found.append((Move.DISCHARGE, _last(stay, time.end)))
    for before, after in zip(stay.places, stay.places[1:], strict=False):
        at = after.time.start
        if before.facility == after.facility or at is None or not since < at <= until:
            continue
        if any((time.start or _EARLIEST) < at and (time.end is None or at < time.end) for time in stay.inpatient):
            found += [(Move.TRANSFER_OUT, before.facility), (Move.TRANSFER_IN, after.facility)]
    return found


def _first(stay: Stay, at: datetime) -> str:
    """Where a patient is admitted to: the place of that moment, else the next there is."""
    here = [place for place in stay.places if place.time.covers(at)]
    later = [place for place in stay.places if place.time.start is None or place.time.start > at]
    return (here[-1:] or later[:1] or list(stay.places[-1:]) or [_NOWHERE])[0].facility


def _last(stay: Stay, at: datetime) -> str:
    """Where a patient is discharged from: the last place that began before."""
    begun = [place for place in stay.places if place.time.start is None or place.time.start < at]
    return (begun[-1:] or list(stay.places[:1]) or [_NOWHERE])[0].facility


NOWHERE = "Facility not stated"
_NOWHERE = Stayed(NOWHERE, Lasting(None, None))


def reconcile(stays: Iterable[Stay], since: datetime, until: datetime) -> list[FacilityCensus]:
    """The census of every facility at ``until``, reconciled with that at ``since``, by the facility's name."""
    totals: dict[str, Counter[str]] = {}
    breaks: dict[str, list[Break]] = {}
    lying: dict[int, list[tuple[Stay, str]]] = {}
    for stay in stays:
        before, counted = present(stay, since), present(stay, until)
        if counted is not None and stay.patient is not None:
            lying.setdefault(stay.patient, []).append((stay, counted))
        moved = moves(stay, since, until)
        off: Counter[str] = Counter()
        for facility, name, sign in ((before, "before", -1), (counted, "counted", 1)):
            if facility is not None:
                totals.setdefault(facility, Counter())[name] += 1
                off[facility] += sign
        for move, facility in moved:
            totals.setdefault(facility, Counter())[move] += 1
            off[facility] -= move.sign
        for facility, number in off.items():
            if number:
                words = _words(stay, facility, number, before, counted, moved, since, until)
                breaks.setdefault(facility, []).append(Break(stay, number, words))
    for beds in lying.values():
        for facility, found in _twice(beds):
            breaks.setdefault(facility, []).append(found)
    return [
        FacilityCensus(
            facility=facility,
            before=total["before"],
            admissions=total[Move.ADMISSION],
            transfers_in=total[Move.TRANSFER_IN],
            discharges=total[Move.DISCHARGE],
            transfers_out=total[Move.TRANSFER_OUT],
            counted=total["counted"],
            breaks=tuple(breaks.get(facility, ())),
        )
        for facility, total in sorted(totals.items())
    ]


def _twice(beds: Sequence[tuple[Stay, str]]) -> Iterator[tuple[str, Break]]:
    """One patient in several beds at one midnight: for each facility the stay that was told of last."""
    if len(beds) < 2:
        return
    for facility in dict.fromkeys(facility for _, facility in beds):
        stay = [stay for stay, place in beds if place == facility][-1]
        other = next(each for each, _ in beds if each is not stay)
        words = "In two beds at midnight: another stay of this patient is not discharged either."
        yield facility, Break(stay, 0, words, beside=other.encounter)


def _words(
    stay: Stay,
    facility: str,
    off: int,
    before: str | None,
    counted: str | None,
    moved: Sequence[tuple[Move, str]],
    since: datetime,
    until: datetime,
) -> str:
    """What is wrong with a stay, in words."""
    told = [move for move, place in moved if place == facility]
    inpatient = any(time.covers(until) for time in stay.inpatient)
    if inpatient and counted is None:
        return "Not discharged, and in no bed at midnight."
    if Move.DISCHARGE in told and before != facility and Move.ADMISSION not in told:
        return "Discharged, and was in no bed here the midnight before."
    if off > 0 and counted == facility:
        return "In a bed at midnight, and neither here the midnight before nor admitted or transferred since."
    if off < 0 and before == facility:
        return "In a bed the midnight before, not now, and neither discharged nor transferred."
    return "Came and went in a way that its periods do not explain."
