"""HL7 times to FHIR times, with the precision the sender gave.

DTM is ``YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]``. FHIR asks for an offset and for minutes and seconds as
soon as there is an hour: the offset is the sender's zone where none was sent, missing minutes and seconds are 00.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

_DTM = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(\.\d{1,9})?)?)?)?)?)?([+-]\d{4})?", re.ASCII
)
_TM = re.compile(r"(\d{2})(?:(\d{2})(?:(\d{2})(\.\d{1,9})?)?)?(?:[+-]\d{4})?", re.ASCII)
_FHIR = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?", re.ASCII
)


@lru_cache(maxsize=8192)
def date_time(text: str, zone: ZoneInfo) -> str | None:
    """A DTM, TS or DT as FHIR dateTime; None for an empty value or one that is no time."""
    found = _DTM.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        if month is None:
            return year if int(year) else None
        if day is None:
            date(int(year), int(month), 1)
            return f"{year}-{month}"
        if hour is None:
            date(int(year), int(month), int(day))
            return f"{year}-{month}-{day}"
        seconds = min(int(second or 0), 59) if second == "60" else int(second or 0)
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute or 0), seconds, tzinfo=zone)
    except ValueError:
        return None
    given = _offset(offset)
    if given is None:
        try:
            given = _written(moment.utcoffset() or timedelta())
        except OverflowError:
            return None
    return f"{year}-{month}-{day}T{hour}:{minute or '00'}:{second or '00'}{fraction or ''}{given}"


def day(text: str, zone: ZoneInfo) -> str | None:
    """The date part of a DTM, for FHIR date (birthDate, expirationDate); None where it is no time."""
    full = date_time(text, zone)
    return full[:10] if full else None


def instant(text: str, zone: ZoneInfo) -> str | None:
    """A DTM as FHIR instant; None unless it goes down to the hour."""
    full = date_time(text, zone)
    return full if full and len(full) > 10 else None


def clock_time(text: str) -> str | None:
    """A TM as FHIR time."""
    found = _TM.fullmatch(text)
    if found is None:
        return None
    hour, minute, second, fraction = found.groups()
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
        return None
    return f"{hour}:{minute or '00'}:{second or '00'}{fraction or ''}"


def _offset(text: str | None) -> str | None:
    if text is None or int(text[1:3]) > 14 or int(text[3:]) > 59 or (text[1:3] == "14" and text[3:] != "00"):
        return None
    return f"{text[:3]}:{text[3:]}"


def _written(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


@lru_cache(maxsize=8192)
def moment(fhir: str) -> datetime | None:
    """The first instant of a FHIR date or dateTime, UTC, to compare times of different precision and offset."""
    found = _FHIR.fullmatch(fhir)
    if found is None:
        return None
    year, month, dom, hour, minute, second, fraction, offset = found.groups()
    try:
        if hour is None:
            return datetime(int(year), int(month or 1), int(dom or 1), tzinfo=UTC)
        micro = round(float(fraction or 0) * 1_000_000)
        if offset == "Z":
            zone = UTC
        else:
            shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
            zone = timezone(-shift if offset[0] == "-" else shift)
        plain = datetime(
            int(year), int(month), int(dom), int(hour), int(minute), min(int(second), 59), min(micro, 999_999), zone
        )
        return plain.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def later(fhir: str, minutes: float) -> str | None:
    """A FHIR dateTime with a clock time, ``minutes`` later, in the same offset; None for a bare date."""
    if len(fhir) <= 10:
        return None
    try:
        shifted = datetime.fromisoformat(fhir) + timedelta(minutes=minutes)
    except (ValueError, OverflowError):
        return None
    return shifted.isoformat(timespec="seconds")
