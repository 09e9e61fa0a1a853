"""All the messages of the demonstration, in the order they are sent, ready to be sent."""

from __future__ import annotations

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

import orjson

from charthouse.teaching.api import Outgoing, Way, message

from . import clinic, hospital
from .cast import Person, people
from .days import Calendar
from .hl7 import HOSPITAL
from .lost import early_result, lost_result

#: As intake names the hospital: MSH-3 and MSH-4.
HOSPITAL_SENDER = f"{hospital.ENGINE}|{HOSPITAL}"
_CONTROL = re.compile(r"LV(\d{8})-\d{4}")


def story(day: date, zone: ZoneInfo) -> list[Outgoing]:
    """Every message for a demonstration made on ``day``: the same bytes for the same day."""
    calendar = Calendar(day, zone)
    everybody = people()
    sent = [(each, person) for person in everybody if person.mrn for each in hospital.messages_of(person, calendar)]
    sent.sort(key=lambda pair: pair[0].at)
    outgoing = []
    for position, (each, _) in enumerate(sent, 1):
        number = f"LV{day:%Y%m%d}-{position:04d}"
        data = message([hospital.msh(each.kind, number, each.at), *each.segments])
        way = Way.FOLDER if each.kind.startswith("VXU") else Way.MLLP
        outgoing.append(Outgoing(number, HOSPITAL_SENDER, way, data))
    lost = f"LV{day:%Y%m%d}-{len(sent) + 1:04d}"
    outgoing.append(Outgoing(lost, HOSPITAL_SENDER, Way.MLLP, lost_result(calendar, lost)))
    outgoing.extend(_from_the_clinic(everybody, calendar))
    early = f"RC{day:%Y%m%d}-0999"
    outgoing.append(Outgoing(early, clinic.NAME, Way.HTTP, orjson.dumps(early_result(calendar, early))))
    return outgoing


def day_of(number: str) -> date | None:
    """The day a message of the hospital was made for; None for a number that is none of these."""
    found = _CONTROL.fullmatch(number)
    return datetime.strptime(found[1], "%Y%m%d").date() if found else None  # noqa: DTZ007


def _from_the_clinic(everybody: tuple[Person, ...], calendar: Calendar) -> list[Outgoing]:
    known = [person for person in everybody if person.riverside]
    outgoing = []
    for position, person in enumerate(known, 1):
        number = f"RC{calendar.day:%Y%m%d}-{position:04d}"
        bundle = clinic.bundle_of(person, calendar, number)
        outgoing.append(Outgoing(number, clinic.NAME, Way.HTTP, orjson.dumps(bundle)))
    return outgoing
