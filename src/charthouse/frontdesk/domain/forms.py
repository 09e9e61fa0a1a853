"""Reading what was typed: every field checked, every fault in words, nothing guessed in silence.

A form is a mapping of field names to text as typed. Reading one gives plain data, or raises :class:`Unfit` with a
sentence for each field at fault, so that all are mended at once. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Fields = Mapping[str, str]
#: Every way to read a text as a date: (ISO date as far as known, how it was read in words), likeliest first.
DateReader = Callable[[str, date], list[tuple[str, str]]]

_TIME = re.compile(r"([01]?\d|2[0-3])[:.]?([0-5]\d)\s*(am|pm)?", re.ASCII | re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MOST_AHEAD = timedelta(minutes=5)


class Unfit(Exception):
    """The form cannot be taken as it is; ``faults`` has a sentence for each field at fault, "" for the whole."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(" ".join(faults.values()))
        self.faults = dict(faults)


@dataclass(slots=True)
class Reading:
    """One form being read. Faults are gathered; :meth:`done` raises them."""

    fields: Fields
    now: datetime
    zone: ZoneInfo
    dates: DateReader
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def fault(self, name: str, words: str) -> None:
        self.faults.setdefault(name, words)

    def done(self) -> None:
        """Raise Unfit where anything was at fault."""
        if self.faults:
            raise Unfit(self.faults)

    def text(self, name: str, *, longest: int = 120, needed: str = "") -> str:
        """One line, blanks made single. ``needed`` is what is said where it is empty."""
        value = " ".join(_CONTROL.sub(" ", self.fields.get(name, "")).split())
        if len(value) > longest:
            self.fault(name, f"This is longer than {longest} characters. Shorten it.")
            return ""
        if needed and not value:
            self.fault(name, needed)
        return value

    def prose(self, name: str, *, longest: int, needed: str = "") -> str:
        """Text of several lines, kept as it was written but for characters that cannot be shown."""
        value = _CONTROL.sub("", self.fields.get(name, "").replace("\r\n", "\n").replace("\r", "\n")).strip()
        if len(value) > longest:
            self.fault(name, f"This is {len(value):,} characters long; {longest:,} are the most.")
            return ""
        if needed and not value:
            self.fault(name, needed)
        return value

    def choice(self, name: str, options: Mapping[str, Any], *, needed: str = "") -> str:
        """One of the options' codes, or empty."""
        value = self.fields.get(name, "").strip()
        if value and value not in options:
            self.fault(name, "This is not one of the choices. Choose again.")
            return ""
        if needed and not value:
            self.fault(name, needed)
        return value

    def day(self, name: str, *, needed: str = "", future: bool = False) -> str:
        """A date in any usual form as YYYY, YYYY-MM or YYYY-MM-DD; not after today unless ``future`` is allowed."""
        typed = self.fields.get(name, "").strip()
        if not typed:
            if needed:
                self.fault(name, needed)
            return ""
        latest = self.today + timedelta(days=365 * 60) if future else self.today
        found = self.dates(typed, latest) if len(typed) <= 40 else []
        if found:
            return found[0][0]
        if not future and self.dates(typed, self.today + timedelta(days=365 * 100)):
            self.fault(name, "This day has not come yet. Check the year.")
        else:
            self.fault(name, "This is not a date. Write it like 9 Mar 1952, 3/9/1952 or 1952-03-09.")
        return ""

    def moment(self, name: str, *, future: bool = False) -> datetime:
        """A day in ``name`` and a time in ``name_time``, in the site's zone; now where both are empty."""
        day, clock = self.fields.get(name, "").strip(), self.fields.get(f"{name}_time", "").strip()
        here = self.now.astimezone(self.zone).replace(microsecond=0)
        if not day and not clock:
            return here
        value = self.day(name, future=future) if day else here.date().isoformat()
        if len(value) != 10:
            if value:
                self.fault(name, "Give the whole day: day, month and year.")
            return here
        hour, minute = self._time(f"{name}_time", clock)
        moment = datetime.combine(date.fromisoformat(value), datetime.min.time(), self.zone)
        moment = moment.replace(hour=hour, minute=minute)
        if not future and moment > self.now + _MOST_AHEAD:
            self.fault(f"{name}_time", "This moment has not come yet. Check day and time.")
        return moment

    def _time(self, name: str, typed: str) -> tuple[int, int]:
        if not typed:
            self.fault(name, "Give the time, too, like 14:30.")
            return 0, 0
        found = _TIME.fullmatch(typed)
        if found is None:
            self.fault(name, "This is not a time. Write it like 14:30 or 2:30 pm.")
            return 0, 0
        hour, minute, half = int(found[1]), int(found[2]), (found[3] or "").lower()
        if half:
            if not 1 <= hour <= 12:
                self.fault(name, "With am and pm the hour is 1 to 12.")
            hour = hour % 12 + (12 if half == "pm" else 0)
        return hour, minute
