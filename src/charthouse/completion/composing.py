"""A letter to a practitioner before it is kept: its text filled in, and the rows of its list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

import yaml

from charthouse.foundation.access.api import system_context
from charthouse.identity.api import sources_named
from charthouse.people.api import organization_name

from .bylaws_policy import COLUMNS, SitePolicy
from .domain.bylaws import Debts, LetterKind, Owed, counted
from .domain.clocks import Calendar
from .domain.letter_texts import LetterText, filled, several

_SYSTEM = system_context("completion")
#: The list of a letter goes no further; what is beyond is counted.
MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Line:
    """A chart in a letter's list: the record's row of the encounter, and what stands under each column."""

    encounter: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Composed:
    """A letter as it will be kept. ``columns`` are the words over the list."""

    text: LetterText
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    debts: Debts


@lru_cache(maxsize=1)
def texts_that_came() -> Mapping[LetterKind, LetterText]:
    """The texts of letters as Charthouse comes with them."""
    read = yaml.safe_load((Path(__file__).parent / "data" / "letters.yaml").read_text("utf-8"))
    return {
        kind: LetterText(**{name: text.strip() for name, text in read[kind.value].items()}) for kind in LetterKind
    }


def calendar_of(owed: Sequence[Owed], calendars: Mapping[int | None, Calendar]) -> Calendar:
    """The calendar of the facility it was all in; the site's where there are several."""
    places = {each.facility for each in owed}
    return calendars.get(next(iter(places)), calendars[None]) if len(places) == 1 else calendars[None]


def compose(
    kind: LetterKind,
    template: LetterText,
    *,
    name: str,
    owed: Sequence[Owed],
    listed: Sequence[Owed],
    policy: SitePolicy,
    calendar: Calendar,
    now: datetime,
) -> Composed:
    """The letter to one practitioner who owes ``owed``, of which it lists ``listed``."""
    debts = counted(owed, calendar, now)
    values = {
        "practitioner": name,
        "organization": organization_name(),
        "date": day_in_words(calendar.day_of(now)),
        "charts": several(debts.charts, "chart"),
        "delinquent": several(debts.delinquent, "delinquent chart"),
        "deficiencies": several(debts.deficiencies, "item"),
        "days": several(debts.days, "day"),
        "threshold": threshold_in_words(policy),
    }
    return Composed(
        filled(template, values),
        tuple(COLUMNS[each] for each in policy.columns),
        _lines(listed, policy.columns, calendar),
        debts,
    )


def threshold_in_words(policy: SitePolicy) -> str:
    """What the bylaws list for suspension: "a chart delinquent for 15 days, or 20 delinquent charts."."""
    bylaws = policy.bylaws
    said = f"a chart delinquent for {several(bylaws.suspension_days, 'day')}"
    if bylaws.suspension_charts:
        said += f", or {several(bylaws.suspension_charts, 'delinquent chart')}"
    return said + "."


def day_in_words(day: date) -> str:
    """ "8 Nov 2026"."""
    return f"{day.day} {day:%b %Y}"


def _lines(listed: Sequence[Owed], columns: Sequence[str], calendar: Calendar) -> tuple[Line, ...]:
    charts: dict[int, list[Owed]] = {}
    for each in listed:
        charts.setdefault(each.encounter, []).append(each)
    numbers = sources_named(_SYSTEM, {each.patient for each in listed}) if "record-number" in columns else {}

    def moment(instant: datetime | None, none: str) -> str:
        return day_in_words(calendar.day_of(instant)) if instant else none

    lines = []
    for encounter, items in list(charts.items())[:MOST_LISTED]:
        first = items[0]
        dues = [each.due for each in items if each.due is not None]
        source = numbers.get(first.patient)
        said = {
            "record-number": source.mrn if source and source.mrn else "not recorded",
            "discharged": moment(first.discharged, "not discharged"),
            "owed": "\n".join(dict.fromkeys(each.says for each in items)),
            "due": moment(min(dues, default=None), "not yet"),
        }
        lines.append(Line(encounter, tuple(said[column] for column in columns)))
    return tuple(lines)
