"""How values are printed on screens and on paper: dates by their own precision, codes as words, unknown as unknown.

Pure functions over plain values; the template filters of the same names call them.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from charthouse.configuration import configuration
from charthouse.foundation.access.api import Label
from charthouse.record.chart import Correction, Interpretation, Mark, Signature

_FHIR_DATE = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:\d\d(\.\d+)?)?(?P<offset>Z|[+-]\d\d:\d\d)?)?)?)?"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LABELS = {
    Label.PSYCHOTHERAPY: "Psychotherapy",
    Label.SUBSTANCE_USE: "Substance use",
    Label.HIV: "HIV",
    Label.GENETIC: "Genetic",
    Label.REPRODUCTIVE: "Reproductive",
    Label.MENTAL_HEALTH: "Mental health",
    Label.MINOR_CONFIDENTIAL: "Minor, confidential",
    Label.VIP: "VIP, access logged",
    Label.EMPLOYEE: "Employee, access logged",
    Label.RESTRICTED: "Restricted",
    Label.VERY_RESTRICTED: "Very restricted",
    Label.LEGAL_HOLD_SEALED: "Sealed by legal hold",
}
_MARKS = {
    Mark.NONE: "",
    Mark.DRAFT: "Draft",
    Mark.UNSIGNED: "Unsigned",
    Mark.CORRECTED: "Corrected",
    Mark.RETRACTED: "Retracted",
}
_SEXES = {"male": "M", "female": "F", "other": "X"}


def fhir_date(text: str, *, time: bool = True) -> str:
    """A FHIR date, dateTime or instant in words, no more precise than it is: "2026", "Nov 2026", "8 Nov 2026",
    "8 Nov 2026 14:22". The time is the sender's own; text that is no FHIR date is returned as it is."""
    found = _FHIR_DATE.fullmatch(text)
    if found is None or not 1 <= int(found["month"] or 1) <= 12:
        return text
    parts = [found["year"]]
    if found["month"]:
        parts.insert(0, _MONTHS[int(found["month"]) - 1])
    if found["day"]:
        parts.insert(0, str(int(found["day"])))
    if time and found["hour"]:
        parts.append(f"{found['hour']}:{found['minute']}")
    return " ".join(parts)


def local_time(instant: datetime, zone: ZoneInfo) -> str:
    """An aware instant in ``zone``: "8 Nov 2026 14:22"."""
    return fhir_date(instant.astimezone(zone).strftime("%Y-%m-%dT%H:%M"))


def local_day(instant: datetime) -> str:
    """The day of an aware instant in the site's zone: "8 Nov 2026"."""
    zone = ZoneInfo(configuration().time_zone)
    return fhir_date(instant.astimezone(zone).strftime("%Y-%m-%d"))


def signature(given: Signature) -> str:
    """Who signed and when, in words: "Signed by B. Novak, 8 Nov 2026 14:22"."""
    moment = given.at and local_time(given.at, ZoneInfo(configuration().time_zone))
    statement = f" ({given.statement})" if given.statement else ""
    return f"{given.meaning.words} by {given.name}{f', {moment}' if moment else ''}{statement}"


def correction(given: Correction) -> str:
    """A correction in words: what, why, by whom, and how far it is."""
    if given.waits:
        return f"{given.kind.words} asked for by {given.name}, not confirmed yet: {given.reason}"
    by = f"{given.name}, confirmed by {given.decider}" if given.decided_by != given.by else given.name
    return f"{given.kind.words}, {local_day(given.decided_at or given.at)}, by {by}: {given.reason}"


def ago(instant: datetime, now: datetime) -> str:
    """How long before ``now`` an instant was, in its largest unit: "just now", "3 min ago", "2 h ago"."""
    passed = now - instant
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min ago"
    if passed < timedelta(days=1):
        return f"{passed // timedelta(hours=1)} h ago"
    return f"{passed // timedelta(days=1)} d ago"


def due(instant: datetime, now: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """How far off a due instant is, in words, and its tone: red past due, amber today, none later."""
    if instant < now:
        late = now - instant
        if late < timedelta(hours=1):
            return "just overdue", "red"
        if late < timedelta(days=1):
            return f"{late // timedelta(hours=1)} h overdue", "red"
        return f"{late // timedelta(days=1)} d overdue", "red"
    days = (instant.astimezone(zone).date() - now.astimezone(zone).date()).days
    return ("today", "amber") if days == 0 else (f"in {days} d", "")


def words(code: str) -> str:
    """A FHIR code as words: "entered-in-error" becomes "entered in error"."""
    return code.replace("-", " ").replace("_", " ")


def mark(value: Mark) -> str:
    """The one mark in a word: draft, unsigned, corrected, retracted; empty for what is final."""
    return _MARKS[value]


def sex(code: str) -> str:
    """An administrative gender as the banner shows it: M, F, X, or "sex unknown"."""
    return _SEXES.get(code, "sex unknown" if code in {"", "unknown"} else code)


def labels(mask: Label | int) -> list[str]:
    """The sensitivity labels of a bitmask, in words."""
    return [title for label, title in _LABELS.items() if int(mask) & int(label)]


def size(count: int) -> str:
    """A number of bytes: "812 bytes", "14.2 KB", "3.1 MB"."""
    if count < 1000:
        return "1 byte" if count == 1 else f"{count} bytes"
    if count < 1_000_000:
        return f"{count / 1000:.1f} KB"
    return f"{count / 1_000_000:.1f} MB"


def day_of(text: str) -> date | None:
    """The day a person typed in a filter, as a browser's date field sends it; None when it is empty or no day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def interpretation_sign(meaning: Interpretation) -> str:
    """The sign of an abnormal result where a word has no room: ↑, ↓, ! or !! for a critical one."""
    if meaning.critical:
        return "!!"
    return {Interpretation.HIGH: "↑", Interpretation.LOW: "↓"}.get(meaning, "!" if meaning.abnormal else "")
