"""What holds at this site: the bylaws' numbers, its calendars, and what its letters may say.

The numbers come from the rule pack ``completion.letters``; the table ``[bylaws]`` of site.toml sets a site's own,
and ``[calendar]`` its free days.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from charthouse.configuration import ConfigurationError, configuration
from charthouse.foundation.rulepacks.api import choices, parameter
from charthouse.people.api import FacilityLine, facilities

from .domain.bylaws import Bylaws
from .domain.clocks import Calendar, CalendarError

#: What a letter may say of a chart: the parameter's words and the heading over the column.
COLUMNS = {
    "record-number": "Record number",
    "discharged": "Discharged",
    "owed": "What is owed",
    "due": "Due",
}
#: A setting of [bylaws], the rule and parameter it stands for, and the least it may be.
_NUMBERS = {
    "reminder_days": ("completion.reminder-letter", "open_days", 0),
    "every_days": ("completion.reminder-letter", "every_days", 1),
    "warning_days": ("completion.suspension-warning", "delinquent_days", 0),
    "warning_charts": ("completion.suspension-warning", "delinquent_charts", 0),
    "notice_days": ("completion.suspension-warning", "notice_days", 0),
    "suspension_days": ("completion.suspension-list", "delinquent_days", 0),
    "suspension_charts": ("completion.suspension-list", "delinquent_charts", 0),
    "spared_days": ("completion.suspension-list", "spared_days", 1),
    "decide_days": ("completion.suspension-list", "decide_days", 0),
}
_SETTINGS = {*_NUMBERS, "letter_columns", "report_names"}
#: How practitioners stand in the report for the committee.
NAMED, CODED = "named", "coded"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class SitePolicy:
    """The bylaws, how long somebody is spared and has to decide (days), and the columns of a letter's list."""

    bylaws: Bylaws
    spared_days: int
    decide_days: int
    columns: tuple[str, ...]


def site_policy() -> SitePolicy:
    """What holds at this site. Raises ConfigurationError that names the setting."""
    given = _table("bylaws", _SETTINGS)
    numbers = {name: _number(given, name, *where) for name, where in _NUMBERS.items()}
    spared, decide = numbers.pop("spared_days"), numbers.pop("decide_days")
    columns = given.get("letter_columns", choices("completion.letter-content", "columns"))
    if not isinstance(columns, list | tuple) or not columns or set(map(str, columns)) - COLUMNS.keys():
        raise ConfigurationError(
            f"letter_columns of {_where('bylaws')} is {columns!r}: a list of {', '.join(COLUMNS)} is needed."
        )
    return SitePolicy(Bylaws(**numbers), spared, decide, tuple(each for each in COLUMNS if each in columns))


def report_names() -> str:
    """Whether the report for the committee names practitioners: ``named`` or ``coded``. Raises
    ConfigurationError."""
    given = _table("bylaws", _SETTINGS).get("report_names", parameter("completion.committee-report", "names"))
    if given not in (NAMED, CODED):
        raise ConfigurationError(f"report_names of {_where('bylaws')} is {given!r}: named or coded is needed.")
    return str(given)


def calendars() -> dict[int | None, Calendar]:
    """The calendar of each facility by its row, and under None that of the site. Raises ConfigurationError."""
    given = _table("calendar", {"holidays", "weekend", "facilities"})
    weekend = _weekend(given.get("weekend", ["saturday", "sunday"]))
    everywhere = _days("holidays", given.get("holidays", []))
    own = given.get("facilities", {})
    places = {place.code: place for place in facilities()}
    if not isinstance(own, dict) or set(own) - places.keys():
        raise ConfigurationError(
            f"facilities of {_where('calendar')} is {own!r}: a table from a facility's code to its free days is "
            f"needed; there are {', '.join(sorted(places)) or 'no facilities yet'}."
        )
    found: dict[int | None, Calendar] = {None: _calendar(configuration().time_zone, everywhere, weekend)}
    for code, place in places.items():
        found[place.id] = _of(place, everywhere | _days(f"facilities.{code}", own.get(code, [])), weekend)
    return found


def _of(place: FacilityLine, holidays: frozenset[date], weekend: frozenset[int]) -> Calendar:
    return _calendar(place.time_zone, holidays, weekend)


def _calendar(zone: str, holidays: frozenset[date], weekend: frozenset[int]) -> Calendar:
    try:
        return Calendar(ZoneInfo(zone), holidays, weekend)
    except CalendarError as error:
        raise ConfigurationError(f"weekend of {_where('calendar')}: {error}") from None


def _table(name: str, known: Iterable[str]) -> dict[str, Any]:
    given = configuration().extra.get(name, {})
    if not isinstance(given, dict):
        raise ConfigurationError(f"{_where(name)} is not a table. Write [{name}] and its settings beneath it.")
    if unknown := sorted(given.keys() - set(known)):
        raise ConfigurationError(f"{_where(name)} has {unknown[0]!r}; it may have {', '.join(sorted(known))}.")
    return given


def _number(given: dict[str, Any], name: str, rule: str, of: str, least: int) -> int:
    value = given.get(name, parameter(rule, of))
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(
            f"{name} of {_where('bylaws')} is {value!r}: a whole number from {least} is needed."
        )
    return value


def _days(name: str, given: Any) -> frozenset[date]:
    if not isinstance(given, list) or not all(type(each) is date for each in given):
        raise ConfigurationError(
            f"{name} of {_where('calendar')} is {given!r}: a list of days is needed, as [2026-12-25, 2027-01-01]."
        )
    return frozenset(given)


def _weekend(given: Any) -> frozenset[int]:
    if not isinstance(given, list) or set(map(str, given)) - set(_WEEKDAYS):
        raise ConfigurationError(
            f"weekend of {_where('calendar')} is {given!r}: a list of weekdays is needed, "
            'as ["saturday", "sunday"].'
        )
    return frozenset(_WEEKDAYS.index(each) for each in given)


def _where(name: str) -> str:
    return f"[{name}] in {configuration().site_file}"
