"""A stay told as items: from arrival to the last paper, in the order things happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from random import Random

import msgspec

from .catalog import drugs
from .course import laboratory, vitals
from .documents import Notes, shown
from .items import (
    Adt,
    Booking,
    Charges,
    Document,
    Given,
    Item,
    Order,
    Report,
    Request,
    Result,
    Stay,
    Vaccine,
)
from .population import Person
from .staff import Practitioner, on_duty, staff

#: Ways of a stay that lead to no bed.
_SHORT = frozenset({"emergency", "outpatient", "visit"})
_ROOM = {
    "CAR": ("CDM0214001^Room and board, telemetry", 226_500),
    "OBS": ("CDM0122001^Room and board, obstetrics", 174_000),
    "PED": ("CDM0171001^Nursery, newborn level I", 98_000),
    "ICU": ("CDM0200001^Intensive care", 418_000),
    "PSY": ("CDM0124001^Room and board, psychiatric", 152_000),
    "": ("CDM0120001^Room and board, semi-private", 187_000),
}
_CONSULTS = {"heart_failure": "MED", "copd": "MED", "sepsis": "INF", "hip_fracture": "MED", "nstemi": "MED"}


def told(rng: Random, seed: int, person: Person, stay: Stay, written: set[str]) -> list[Item]:
    """Everything of one stay, in order. What falls on one minute stays in the order it was told.

    ``written`` holds the paragraphs that were written of the patient before.
    """
    items = list(_Teller(rng, seed, person, stay, written).items())
    items.sort(key=lambda item: item.filed if isinstance(item, Document) else item.at)
    return items


#: So long after its end the hospital tells of an operation.
_TOLD = timedelta(minutes=15)


class _Teller:
    def __init__(self, rng: Random, seed: int, person: Person, stay: Stay, written: set[str]) -> None:
        self.rng, self.seed, self.person, self.stay = rng, seed, person, stay
        self.weight = round(rng.gauss(3350, 380) / 10) * 10 if stay.key == "newborn" else 0
        self.notes = Notes(rng, person, stay, self.weight, written)
        self.count = 0
        self.begun = stay.admitted or stay.start

    def number(self, letter: str) -> str:
        """A number of an order or a document."""
        self.count += 1
        return f"{letter}{self.stay.number}{self.count:03d}"

    def minutes(self, low: int, high: int) -> timedelta:
        return timedelta(minutes=self.rng.randrange(low, high))

    def items(self) -> Iterator[Item]:
        stay = self.stay
        way = stay.condition.way
        if way in ("elective", "outpatient"):
            yield from self.booked()
        yield from self.arrival()
        if way not in _SHORT:
            yield from self.moves()
        yield from self.measurements()
        yield from self.studies()
        if stay.kind == "E":
            yield self.document(
                "ED^Emergency department report", stay.attendings[0][1], stay.start + self.minutes(60, 110),
                lambda by, at: self.notes.emergency(by, shown(vitals(self.rng, stay, at)), at),
            )  # fmt: skip
        if way not in ("emergency", "visit"):
            yield from self.ward()
        if stay.operated:
            yield from self.operation()
        yield from self.medicines()
        if stay.key == "newborn":
            yield from self.born()
        yield from self.leaving()

    def booked(self) -> Iterator[Item]:
        stay = self.stay
        surgeon = stay.surgeon or stay.attendings[0][1]
        booked = stay.start - timedelta(days=self.rng.randrange(14, 45))
        what = stay.condition.operation.words if stay.condition.operation else stay.condition.words
        what = what.replace("[side]", stay.side)
        yield Booking(booked, None, self.number("S"), stay.start, 120, what, surgeon)

    def arrival(self) -> Iterator[Item]:
        event = "A04" if self.stay.kind in "EO" else "A01"
        yield Adt(self.stay.start, self.stay, event, diagnoses=self.stay.kind != "E")

    def moves(self) -> Iterator[Item]:
        stay = self.stay
        for place, (at, _) in enumerate(stay.moves[1:], 1):
            before = stay.moves[place - 1][1]
            admission = place == 1 and stay.admitted is not None
            event = "A06" if admission and stay.becomes == "I" else "A02"
            yield Adt(at, stay, event, bed_before=before, diagnoses=admission)
        if stay.becomes == "OI":
            at = self.begun + timedelta(hours=self.rng.uniform(7, 14))
            at = at.replace(second=0, microsecond=0)
            yield Adt(at, stay, "A06", diagnoses=True)
        if not stay.moves[1:] and stay.inpatient and self.rng.random() < 0.3:
            return
        if len(stay.moves) > 1 and self.rng.random() < 0.02:
            # Moved by mistake, and taken back.
            at = stay.moves[-1][0] + timedelta(hours=3)
            back = at + timedelta(minutes=14)
            # Whoever tells of an operation meanwhile would say that the patient never left.
            told = stay.operated is not None and at <= stay.operated[1] + _TOLD and stay.operated[1] <= back
            if at < stay.end - timedelta(hours=4) and not told:
                yield Adt(
                    at, stay, "A02", bed_before=stay.bed(at), place=f"3TEL^T{self.person.number % 90 + 10}^A^HRMC"
                )
                yield Adt(back, stay, "A12")
        for at, _ in stay.attendings[2 if stay.kind == "E" else 1 :]:
            yield Adt(at, stay, "A08")

    def measurements(self) -> Iterator[Item]:
        """Vital signs and laboratory: at arrival, then as the place asks."""
        stay, rng = self.stay, self.rng
        nurse = self.nurse(stay.start)
        if stay.condition.vitals:
            yield Result(stay.start + self.minutes(4, 15), stay, {"vitals": self.vitals(stay.start)}, nurse)
        days = (stay.end.date() - stay.start.date()).days
        for day in range(1, days + 1):
            for hour in (6, 18) if day < min(days, 3) else (6,):
                at = self.clock(day, hour, 50)
                if stay.start + timedelta(hours=3) < at < stay.end:
                    yield Result(at, stay, {"vitals": self.vitals(at)}, self.nurse(at))
        if not stay.condition.labs:
            return
        by = stay.attendings[0][1]
        drawn = stay.start + self.minutes(12, 22 if stay.condition.way == "visit" else 40)
        if stay.key == "newborn":
            drawn = stay.start + timedelta(hours=24) + self.minutes(0, 90)
        if drawn < stay.end:
            order = self.number("L")
            yield Request(drawn - timedelta(minutes=8), stay, order, "ADM^Admission laboratory^L", by)
            yield Result(drawn + timedelta(minutes=rng.randrange(35, 70)), stay, {
                panel: laboratory(rng, stay, drawn, panel) for panel in stay.condition.labs
            }, by, order)  # fmt: skip
        if "troponin" in stay.condition.labs:
            for hours in (3, 6, 12) if stay.key == "nstemi" else (3, 6):
                at = stay.start + timedelta(hours=hours)
                yield Result(at, stay, {"troponin": laboratory(rng, stay, at, "troponin")}, by, self.number("L"))
        daily: list[str] = [panel for panel in ("bmp", "cbc") if panel in stay.condition.labs]
        for day in range(1, days + 1):
            at = self.clock(day, 5, 30)
            if (
                daily
                and stay.start + timedelta(hours=8) < at < stay.end
                and (day < 3 or day % 3 == 0 or day == days)
            ):
                some = {panel: laboratory(rng, stay, at, panel) for panel in daily}
                yield Result(at + self.minutes(40, 80), stay, some, stay.attending(at), self.number("L"))

    def studies(self) -> Iterator[Item]:
        stay = self.stay
        if not stay.condition.imaging:
            return
        order = self.number("R")
        at = stay.start + (self.minutes(8, 20) if stay.condition.way == "visit" else self.minutes(40, 120))
        by = stay.attendings[0][1]
        yield Request(max(stay.start, at - timedelta(minutes=20)), stay, order, stay.condition.imaging, by)
        reader = self.rng.choice(staff(self.seed)["RAD"])
        yield Report(at + self.minutes(15, 60), stay, stay.condition.imaging, "RAD", reader,
                     self.notes.imaging(), order)  # fmt: skip

    def ward(self) -> Iterator[Item]:
        stay, rng = self.stay, self.rng
        elective = stay.condition.way in ("elective", "outpatient")
        seen = self.begun + (self.minutes(4, 12) if elective else self.minutes(50, 240))
        if stay.operated:
            # On the chart before the operation (42 CFR 482.51(b)(1)).
            seen = min(seen, stay.operated[0] - timedelta(minutes=20))
        seen = min(seen, stay.end - timedelta(minutes=20))
        author = stay.surgeon if elective and stay.surgeon else stay.attending(seen)
        yield self.document(
            "HP^History and physical", author, seen,
            lambda by, at: self.notes.history(by, shown(self.vitals(at)), at), promptly=bool(stay.operated),
        )  # fmt: skip
        if stay.condition.way == "outpatient":
            return
        service = _CONSULTS.get(stay.key)
        if service and service != stay.condition.service and rng.random() < 0.6:
            at = self.clock(1, 11, rng.randrange(60))
            if seen < at < stay.end - timedelta(hours=4):
                who = on_duty(self.seed, service, at.date(), self.person.number)
                yield self.document(
                    "CN^Consultation", who, at, lambda by, at: self.notes.consult(by, stay.attending(at), at)
                )
        days = (stay.end.date() - self.begun.date()).days
        for day in range(1, days + (0 if stay.end.hour < 12 else 1)):
            at = self.day_clock(day, rng.randrange(8, 13), rng.randrange(60))
            if seen + timedelta(hours=5) < at < stay.end:
                yield self.document(
                    "PR^Progress note", stay.attending(at), at,
                    lambda by, at: self.notes.progress(by, shown(self.vitals(at)), at, self.day_of(at)),
                )  # fmt: skip
        for day in range(days + 1):
            at = self.day_clock(day, rng.choice((3, 15, 21)), rng.randrange(60))
            if self.begun + timedelta(hours=1) < at < stay.end:
                yield self.document(
                    "NN^Nursing note^L", self.nurse(at), at,
                    lambda by, at: self.notes.nursing(by, shown(self.vitals(at)), at), promptly=True,
                )  # fmt: skip

    def operation(self) -> Iterator[Item]:
        stay, rng = self.stay, self.rng
        assert stay.operated and stay.surgeon and stay.condition.operation
        begin, end = stay.operated
        sleep = stay.anesthetist or on_duty(self.seed, "ANE", begin.date(), self.person.number)
        performed = stay.condition.operation
        anesthesia = stay.anesthetist is not None
        kind = "procedure" if performed.minor else "operation"
        yield self.document(
            "CONS^Consent^L", stay.surgeon, begin - self.minutes(24, 50),
            lambda by, at: self.notes.consent(by, at), title=f"Consent to {kind}", promptly=True,
        )  # fmt: skip
        if anesthesia:
            yield self.document(
                "ANPRE^Preanesthesia evaluation^L", sleep, begin - self.minutes(18, 23),
                lambda by, at: self.notes.before_anesthesia(by, at),
                title="Preanesthesia evaluation", promptly=True,
            )  # fmt: skip
        report = self.document(
            "OP^Operative report", stay.surgeon, end + self.minutes(15, 90),
            lambda by, at: self.notes.operative(by, sleep), title="Procedure report" if performed.minor else "",
        )  # fmt: skip
        moved = next((at for at, _ in stay.moves if at > end), None)
        if moved is not None and report.filed >= moved:
            # There before the patient is moved on.
            report.filed = max(moved - timedelta(minutes=1), end + timedelta(minutes=2))
            report.at = min(report.at, report.filed - timedelta(minutes=1))
            report.signed = report.filed
        yield report
        if anesthesia:
            yield self.document(
                "ANPOST^Postanesthesia evaluation^L", sleep, end + self.minutes(20, 40),
                lambda by, at: self.notes.after_anesthesia(by, shown(self.vitals(at))),
                title="Postanesthesia evaluation", promptly=True,
            )  # fmt: skip
        yield Adt(end + timedelta(minutes=12), stay, "A08", diagnoses=True)
        if stay.condition.operation.pathology:
            read = end + timedelta(days=rng.randrange(1, 4), hours=rng.randrange(1, 5))
            yield Report(read, stay, "11526-1^Surgical pathology^LN", "SP", rng.choice(staff(self.seed)["PAT"]),
                         self.notes.pathology(), self.number("P"), "TISS^Tissue^HL70487")  # fmt: skip

    def medicines(self) -> Iterator[Item]:
        stay, rng = self.stay, self.rng
        begin = self.begun + self.minutes(20, 60)
        orders = []
        allergic = any("Penicillin" in each.code for each in self.person.allergies)
        for key in stay.condition.drugs:
            drug = drugs()[key]
            if allergic and drug.instead:
                drug = drugs()[drug.instead]
            if drug.child and stay.age < 12:
                amount, _, unit = drug.child.partition(" ")
                dose = f"{float(amount) / (2 if stay.age < 2 else 1):g} {unit}"
                drug = msgspec.structs.replace(drug, dose=dose)
            at = begin
            if key == "cefazolin":
                if not stay.operated:
                    continue
                at = stay.operated[0] - timedelta(minutes=35)
            elif key == "oxytocin" and self.person.delivers:
                at = self.person.delivers.replace(tzinfo=stay.start.tzinfo) + timedelta(minutes=6)
            elif key == "enoxaparin" and stay.operated:
                at = stay.operated[1] + timedelta(hours=10)
            if at >= stay.end:
                continue
            number = self.number("X")
            orders.append((number, drug, at))
        for at in sorted({each[2] for each in orders}):
            yield Order(at, stay, [(each[0], each[1]) for each in orders if each[2] == at], stay.attending(at))
        if running := [(number, drug) for number, drug, _ in orders if drug.hours]:
            yield Order(stay.end - timedelta(minutes=1), stay, running, stay.attending(stay.end), "DC")
        shifts: dict[datetime, Given] = {}
        for number, drug, at in orders:
            given = at + self.minutes(8, 30)
            while given < stay.end:
                reason = "" if rng.random() > 0.025 else rng.choice(("patient refused", "off the unit", "NPO"))
                shift = given.replace(hour=given.hour // 8 * 8, minute=0)
                record = shifts.get(shift)
                if record is None:
                    record = shifts[shift] = Given(given, stay, [], self.nurse(given))
                record.doses.append((number, drug, given, reason))
                record.at = max(record.at, given)
                if not drug.hours:
                    break
                given += timedelta(hours=drug.hours, minutes=rng.randrange(-20, 25))
        yield from shifts.values()

    def born(self) -> Iterator[Item]:
        """Weight and length, the first vaccine, the name."""
        stay = self.stay
        size: dict[str, float | str] = {"WT": self.weight / 1000, "HT": round(self.rng.gauss(50.3, 1.6), 1)}
        yield Result(stay.start + timedelta(minutes=20), stay, {"vitals": size}, self.nurse(stay.start))
        lot = f"HB{self.rng.randrange(1000, 9999)}"
        yield Vaccine(stay.start + timedelta(hours=3), stay, "08^Hep B, adolescent or pediatric^CVX", lot,
                      stay.attendings[0][1])  # fmt: skip

    def leaving(self) -> Iterator[Item]:
        stay, rng = self.stay, self.rng
        if rng.random() < 0.012 and not stay.died and stay.inpatient:
            early = stay.end - timedelta(hours=2)
            if early > stay.start + timedelta(hours=12):
                yield Adt(early, stay, "A03", diagnoses=True)
                yield Adt(early + timedelta(minutes=25), stay, "A13")
        yield Adt(stay.end, stay, "A03", diagnoses=True)
        if stay.condition.way not in _SHORT:
            wait = (
                timedelta(hours=rng.uniform(0.2, 20)) if rng.random() < 0.7 else timedelta(days=rng.uniform(1, 9))
            )
            written = stay.end + wait
            if written.hour < 7:
                written += timedelta(hours=7)
            yield self.document(
                "DS^Discharge summary", stay.attending(stay.end), written,
                lambda by, at: self.notes.discharge(by, shown(self.vitals(stay.end))),
            )  # fmt: skip
        if stay.disposition == "07":
            at = stay.end - timedelta(minutes=7)
            form = self.notes.against_advice(stay.attending(at), at)
            yield Document(at, stay, f"D{stay.number}901", "AMA^Leaving against medical advice^L",
                           "Leaving against medical advice", stay.attending(at), form, at + timedelta(minutes=4),
                           at + timedelta(minutes=3))  # fmt: skip
        yield Charges(stay.end + timedelta(hours=6), stay, self.charges())

    def charges(self) -> list[tuple[str, int, int]]:
        stay = self.stay
        lines: list[tuple[str, int, int]] = []
        if stay.kind == "E":
            lines.append(("CDM0450001^Emergency room", 1, 91_200))
        days = (stay.end.date() - self.begun.date()).days
        if stay.inpatient and days:
            critical = 1 if stay.icu else 0
            if critical:
                lines.append((_ROOM["ICU"][0], critical, _ROOM["ICU"][1]))
            if days > critical:
                name, cents = _ROOM.get(stay.condition.service, _ROOM[""])
                lines.append((name, days - critical, cents))
        elif stay.becomes == "O":
            lines.append(("CDM0762001^Observation hours", max(1, days * 20), 9_800))
        if stay.operated and stay.condition.operation and stay.condition.operation.minor:
            lines.append(("CDM0750001^Procedure room", 1, 164_000))
        elif stay.operated:
            lines.append(("CDM0360001^Operating room, each quarter hour", self.quarters(), 98_000))
            lines.append(("CDM0370001^Anesthesia", 1, 118_000))
        if stay.condition.labs:
            lines.append(("CDM0300001^Laboratory", len(stay.condition.labs), 8_450))
        if stay.condition.imaging:
            lines.append(("CDM0320001^Radiology, diagnostic", 1, 41_000))
        if stay.condition.drugs:
            lines.append(("CDM0250001^Pharmacy", len(stay.condition.drugs) * max(1, days), 3_275))
        return lines

    def quarters(self) -> int:
        assert self.stay.operated
        begin, end = self.stay.operated
        return max(1, round((end - begin).total_seconds() / 900))

    # Helpers

    def vitals(self, at: datetime) -> dict[str, float | str]:
        return vitals(self.rng, self.stay, at)

    def nurse(self, at: datetime) -> Practitioner:
        team = staff(self.seed)["NUR"]
        return team[(at.toordinal() * 3 + at.hour // 8 + self.person.number) % len(team)]

    def clock(self, day: int, hour: int, minute: int) -> datetime:
        """A time of the stay's day ``day`` (0 is that of arrival)."""
        date = self.stay.start.date() + timedelta(days=day)
        return datetime.combine(date, time(hour, minute), self.stay.start.tzinfo)

    def day_clock(self, day: int, hour: int, minute: int) -> datetime:
        """A time of the ``day``-th day after admission."""
        date = self.begun.date() + timedelta(days=day)
        return datetime.combine(date, time(hour, minute), self.stay.start.tzinfo)

    def day_of(self, at: datetime) -> int:
        """The day of the admission, from 1."""
        return (at.date() - self.begun.date()).days + 1

    def document(
        self,
        kind: str,
        by: Practitioner,
        at: datetime,
        write: Callable[[Practitioner, datetime], str],
        *,
        title: str = "",
        promptly: bool = False,
    ) -> Document:
        at = at.replace(second=0, microsecond=0)
        words = write(by, at)
        lag = self.minutes(1, 6) if promptly else self.minutes(20, 300)
        filed = at + lag
        return Document(at, self.stay, self.number("D"), kind, title or kind.split("^")[1], by, words, filed,
                        filed - timedelta(minutes=1))  # fmt: skip
