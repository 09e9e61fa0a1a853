"""When somebody comes to the hospital, and why."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import cache
from random import Random

from .catalog import Condition, conditions
from .chance import weighted
from .items import Stay
from .population import WINDOW, Person
from .staff import Practitioner, on_duty, staff

_AGAIN = (3, 29)
_VISITS = (
    (17, ((0, 60.0), (1, 34.0), (2, 6.0))),
    (49, ((0, 56.0), (1, 34.0), (2, 8.5), (3, 1.5))),
    (64, ((0, 36.0), (1, 41.0), (2, 18.0), (3, 5.0))),
    (200, ((0, 13.0), (1, 41.0), (2, 31.0), (3, 15.0))),
)
_AFTERWARDS = (
    "pneumonia", "sepsis", "sepsis_lung", "urinary_infection", "c_diff", "kidney_failure", "gi_bleed",
    "pulmonary_embolism", "heart_failure", "bowel_obstruction",
)  # fmt: skip
#: Nobody of anesthesia comes for a tap or a catheter.
UNATTENDED = ("moderate sedation", "local")
#: Hours in the emergency department before a bed is found.
_WAIT = (2.0, 7.0)


def stays_of(rng: Random, seed: int, person: Person, anchor: datetime) -> list[Stay]:
    """All stays in the order they begin, none over another; nothing after a death."""
    begin = anchor - timedelta(days=WINDOW)
    stays: list[Stay] = []
    if person.birth is not None:
        birth = person.birth.replace(tzinfo=anchor.tzinfo)
        stays.append(planned(rng, seed, person, "newborn", birth))
    if person.delivers is not None:
        key = "cesarean" if person.delivers_by_cesarean else "delivery"
        hours = rng.uniform(1.6, 3) if person.delivers_by_cesarean else rng.uniform(3, 11)
        labor = person.delivers.replace(tzinfo=anchor.tzinfo) - timedelta(hours=hours)
        stays.append(planned(rng, seed, person, key, labor))
    now = _here(rng, seed, person, anchor) if person.here else None
    if now is not None:
        stays.append(now)
    age = person.age(anchor.date())
    count = weighted(rng, next(table for most, table in _VISITS if age <= most))
    if person.birth is not None:
        count = 0
    for _ in range(count):
        at = begin + timedelta(days=rng.uniform(5, WINDOW - 1))
        why = reason_for(rng, person, at)
        if why is None or any(_near(at, stay) for stay in stays):
            continue
        if conditions()[why].operation and any(stay.key == why for stay in stays):
            continue  # nobody has a gallbladder twice
        stay = planned(rng, seed, person, why, _hour(rng, conditions()[why], at))
        if now is not None and stay.died:
            continue
        stays.append(stay)
        while _comes_back(rng, stays[-1]):
            back = stays[-1].end + timedelta(days=rng.uniform(*_AGAIN))
            back = _hour(rng, stays[-1].condition, back)
            if back > anchor or any(_near(back, stay) for stay in stays[:-1]):
                break
            again = planned(rng, seed, person, _again_for(rng, stays[-1], person, back), back)
            if now is not None and again.died:
                break
            again.again = True
            stays.append(again)
    stays.sort(key=lambda stay: stay.start)
    for place, stay in enumerate(stays):
        stay.number = f"9{person.number:06d}{place + 1:02d}"
        if stay.died:
            return stays[: place + 1]
    return stays


def _here(rng: Random, seed: int, person: Person, anchor: datetime) -> Stay | None:
    """A stay in which the patient lies in a bed at the anchor: the longer a kind of stay, the likelier it is. Some
    came within the last day, and some went home in it, so that there are comings and goings."""
    when = weighted(rng, (("inside", 0.72), ("came", 0.13), ("left", 0.15)))
    for _ in range(30):
        key = reason_for(rng, person, anchor, inside=True)
        if key is None:
            return None
        condition = conditions()[key]
        at = anchor - timedelta(days=rng.uniform(0.4, 1.2 if when == "came" else condition.days[1] + 0.8))
        stay = planned(rng, seed, person, key, _hour(rng, condition, at))
        begun = stay.admitted or stay.start
        if when == "left":
            fits = anchor - timedelta(hours=34) < stay.end < anchor and not stay.died
        else:
            latest = anchor - timedelta(hours=1) if when == "came" else _midnight(anchor)
            fits = stay.end > anchor + timedelta(hours=2) and begun < latest
        if fits:
            return stay
    return None


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(), moment.tzinfo)


def _near(at: datetime, stay: Stay) -> bool:
    return stay.start - timedelta(days=20) < at < stay.end + timedelta(days=40)


def reason_for(rng: Random, person: Person, at: datetime, *, inside: bool = False) -> str | None:
    """A condition that fits age and sex; None where none does. ``inside``: of those in a bed at a moment."""
    fitting = _fitting(person.sex, person.age(at.date()), inside)
    return weighted(rng, fitting) if fitting else None


@cache
def _fitting(sex: str, age: int, inside: bool) -> tuple[tuple[str, float], ...]:
    return tuple(
        (key, each.weight * (each.days[1] if inside else 1))
        for key, each in conditions().items()
        if each.weight
        and sex in each.sexes
        and each.ages[0] <= age <= each.ages[1]
        and not (inside and each.way not in ("ed", "elective"))
    )


def _comes_back(rng: Random, stay: Stay) -> bool:
    if stay.died or not (stay.inpatient or stay.condition.way == "observation"):
        return False
    return rng.random() < stay.condition.readmit * (1.0 if stay.again else 1.4)


def _again_for(rng: Random, stay: Stay, person: Person, at: datetime) -> str:
    """The same again, or what brings people back after an operation, a stroke or a long stay."""
    if (
        stay.condition.operation is None
        and stay.condition.way in ("ed", "observation")
        and not stay.condition.sided
    ):
        return stay.key
    age = person.age(at.date())
    fitting = [key for key in _AFTERWARDS if conditions()[key].ages[0] <= age <= conditions()[key].ages[1]]
    return rng.choice(fitting) if fitting else "chest_pain" if age >= 32 else "laceration"


def _hour(rng: Random, condition: Condition, at: datetime) -> datetime:
    """Planned things begin in the morning of a weekday."""
    if condition.way in ("elective", "outpatient", "visit"):
        day = at.date()
        while day.weekday() > 4:
            day += timedelta(days=1)
        return datetime.combine(
            day,
            time(rng.randrange(7, 16) if condition.way == "visit" else rng.randrange(6, 10), rng.randrange(60)),
            at.tzinfo,
        )
    return at.replace(minute=rng.randrange(60), second=0, microsecond=0)


def planned(rng: Random, seed: int, person: Person, key: str, start: datetime) -> Stay:
    """A stay that begins at ``start``, planned to its end; its number is given later."""
    condition = conditions()[key]
    start = start.replace(second=0, microsecond=0)
    side = rng.choice(("right", "left")) if condition.sided else ""
    low, mode, high = condition.days
    short = condition.way in ("emergency", "outpatient", "visit")
    if short:
        end = start + timedelta(
            minutes=rng.randrange(25, 70) if condition.way == "visit" else rng.randrange(110, 330)
        )
    else:
        days = max(low, round(rng.triangular(low, high, mode)))
        day = start.date() + timedelta(days=days)
        end = datetime.combine(day, time(rng.randrange(9, 17), rng.randrange(60)), start.tzinfo)
        end = max(end, start + timedelta(hours=10))
    stay = Stay("", key, condition, side, start, end, _class(condition), age=person.age(start.date()))
    icu = not short and rng.random() < condition.icu
    stay.icu = icu
    stay.disposition = condition.leaves
    if rng.random() < condition.death:
        stay.disposition = "20"
        stay.end = stay.start + (stay.end - stay.start) * rng.uniform(0.5, 1.3)
        stay.end = stay.end.replace(second=0, microsecond=0)
    elif rng.random() < condition.ama:
        stay.disposition = "07"
        stay.end = stay.start + (stay.end - stay.start) * 0.55
        stay.end = stay.end.replace(second=0, microsecond=0)
    elif stay.disposition == "01" and person.age(start.date()) > 78 and not short:
        stay.disposition = rng.choice(("01", "01", "06", "03"))
    _moves(rng, seed, stay, person.number)
    _diagnoses(rng, stay, person)
    _operation(rng, seed, stay, person)
    return stay


def _class(condition: Condition) -> str:
    return {"ed": "E", "emergency": "E", "observation": "E", "outpatient": "O", "visit": "O"}.get(
        condition.way, "I"
    )


def _moves(rng: Random, seed: int, stay: Stay, number: int) -> None:
    """The units, and who answers: the ED doctor first, then the service's; another after a week's turn."""
    condition, start = stay.condition, stay.start
    way, unit = condition.way, condition.unit or condition.service
    stay.moves.append((start, "EMR" if stay.kind == "E" else unit))
    first = "EMR" if stay.kind == "E" else condition.service
    stay.attendings.append((start, on_duty(seed, first, start.date(), number)))
    admitted = start
    if way in ("ed", "observation"):
        urgent = condition.operation is not None and condition.operation.urgent
        wait = rng.uniform(0.4, 0.7) if urgent else rng.uniform(*_WAIT)
        admitted = start + timedelta(minutes=round(wait * 60))
        stay.becomes = "O" if way == "observation" else "I"
        stay.admitted = min(admitted, stay.end - timedelta(hours=1))
        admitted = stay.admitted
        stay.moves.append((admitted, "ICU" if stay.icu else unit))
        stay.attendings.append((admitted, on_duty(seed, condition.service, admitted.date(), number)))
        if condition.admits:
            stay.becomes = "OI"
    if stay.icu and not stay.died:
        better = admitted + timedelta(hours=rng.uniform(18, 44))
        if better < stay.end - timedelta(hours=8):
            stay.moves.append((better.replace(second=0, microsecond=0), unit))
    day = start.date()
    while day < stay.end.date():
        day += timedelta(days=1)
        who = on_duty(seed, condition.service, day, number)
        at = datetime.combine(day, time(7), start.tzinfo)
        if day.weekday() == 0 and admitted < at < stay.end and who != stay.attendings[-1][1]:
            stay.attendings.append((at, who))


def _diagnoses(rng: Random, stay: Stay, person: Person) -> None:
    condition = stay.condition
    principal = condition.left if stay.side == "left" and condition.left else condition.code
    always = list(condition.always)
    if stay.key == "newborn":
        twin = "Z38.3" if person.order else "Z38.0"
        kind = "1" if person.cesarean else "0"
        principal = f"{twin}{kind}^{'Twin' if person.order else 'Single'} liveborn infant, delivered " + (
            "by cesarean" if person.cesarean else "vaginally"
        )
    if person.children > 1 and stay.key in ("delivery", "cesarean"):
        principal = "O30.043^Twin pregnancy, dichorionic/diamniotic, third trimester"
        always = ["Z37.2^Twins, both liveborn", "Z3A.38^38 weeks gestation of pregnancy"]
    some = [each for each in condition.also if rng.random() < 0.5]
    stay.diagnoses = [principal, *always, *some]
    if condition.procedure:
        stay.procedure = condition.procedure
    if stay.key in ("delivery",):
        stay.procedure = "10E0XZZ^Delivery of Products of Conception, External Approach"


def _operation(rng: Random, seed: int, stay: Stay, person: Person) -> None:
    operation = stay.condition.operation
    if operation is None:
        return
    if stay.key == "cesarean" and person.delivers is not None:
        begin = person.delivers.replace(tzinfo=stay.start.tzinfo) - timedelta(minutes=rng.randrange(8, 20))
    elif operation.day:
        day = stay.start.date() + timedelta(days=operation.day)
        begin = datetime.combine(day, time(rng.randrange(8, 13), rng.randrange(60)), stay.start.tzinfo)
        begin = max(begin, (stay.admitted or stay.start) + timedelta(hours=2))
    else:
        wait = rng.randrange(9, 22) if operation.urgent else rng.randrange(55, 110)
        begin = (stay.admitted or stay.start) + timedelta(minutes=wait)
    end = begin + timedelta(minutes=rng.randint(*operation.minutes))
    if end > stay.end - timedelta(minutes=40):
        if stay.died or stay.disposition == "07":
            return
        stay.end = end + timedelta(hours=20 if stay.inpatient else 1)
    stay.operated = begin, end
    stay.surgeon = _surgeon(seed, stay, person.number)
    if operation.anesthesia not in UNATTENDED:
        stay.anesthetist = on_duty(seed, "ANE", begin.date(), person.number)
    stay.procedure = operation.left if stay.side == "left" and operation.left else operation.code


def _surgeon(seed: int, stay: Stay, number: int) -> Practitioner:
    team = staff(seed)[stay.condition.service]
    return team[(stay.start.toordinal() // 3 + number) % len(team)]
