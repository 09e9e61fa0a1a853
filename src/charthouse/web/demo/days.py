"""Times of the records: so many days before or after the day the demonstration was made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_WHEN = re.compile(r"([+-]\d{1,4})d(?: (\d{2}):(\d{2}))?")


@dataclass(frozen=True, slots=True)
class Calendar:
    """The day that "0d" means, in the zone of the hospital."""

    day: date
    zone: ZoneInfo

    def at(self, text: str) -> datetime:
        """``-3d 07:15`` (three days before, a quarter past seven) as an aware time; midnight where none is given.

        Raises ValueError for anything else.
        """
        found = _WHEN.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no time of the demonstration: write it like -3d 07:15.")
        days, hour, minute = found.groups()
        clock = time(int(hour), int(minute)) if hour else time()
        return datetime.combine(self.day + timedelta(days=int(days)), clock, self.zone)

    def date_of(self, text: str) -> date:
        """A day written like ``-3d`` or ``1947-03-18``."""
        return date.fromisoformat(text) if text[:1].isdigit() else self.at(text).date()


def fhir_time(moment: datetime) -> str:
    """As FHIR dateTime with its offset."""
    return moment.isoformat(timespec="seconds")
