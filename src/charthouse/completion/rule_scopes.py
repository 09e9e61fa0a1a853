"""Which charts rules are tried over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import system_context
from charthouse.foundation.clock import today
from charthouse.record.api import TYPE_ID, public_ids

from .domain.clocks import Calendar
from .domain.facts import EncounterFacts
from .domain.periods import months_later
from .models import Chart
from .queries import TOGETHER, all_encounters, facts_of
from .touched_queries import looked_at_nightly

_SYSTEM = system_context("completion")


class Which(StrEnum):
    """AGAIN are those that adopting would analyse again: not complete, or recent. MONTH are discharges."""

    AGAIN = "again"
    UNDONE = "undone"
    MONTH = "month"
    ALL = "all"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Which.AGAIN: "charts not complete, or recent",
    Which.UNDONE: "charts not complete",
    Which.MONTH: "discharges of a month",
    Which.ALL: "every chart there is",
}


@dataclass(frozen=True, slots=True)
class Over:
    """The charts of a trial; ``month`` is its first day. ``facility`` narrows to those of one."""

    which: Which = Which.AGAIN
    month: date | None = None
    facility: int | None = None

    def kept(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "which": self.which.value,
            "month": self.month.isoformat() if self.month else None,
            "facility": self.facility,
        }

    @property
    def words(self) -> str:
        """ "discharges of November 2026"."""
        return f"discharges of {self.month:%B %Y}" if self.month else self.which.words


def over_of(kept: Mapping[str, Any]) -> Over:
    """Charts from JSON."""
    month = date.fromisoformat(kept["month"]) if kept["month"] else None
    return Over(Which(kept["which"]), month, kept["facility"])


def month_span(month: date) -> tuple[datetime, datetime]:
    """The beginnings of a month and of the next, by the site's clock."""
    calendar = Calendar(ZoneInfo(configuration().time_zone))
    return calendar.begins(months_later(month, 0)), calendar.begins(months_later(month, 1))


def recent_months(number: int = 25) -> list[date]:
    """The first days of this month and of those before, the newest first, by the site's clock."""
    this = today(configuration().time_zone)
    return [months_later(this, -each) for each in range(number)]


def facts_over(over: Over) -> tuple[int, Iterator[Sequence[EncounterFacts]]]:
    """How many encounters there are to look at, and their facts some hundred at a time."""
    if over.which is Which.ALL:
        return _stored(), all_encounters(_SYSTEM)
    ids = _encounters(over)
    return len(ids), (
        list(facts_of(_SYSTEM, ids[begin : begin + TOGETHER]).values()) for begin in range(0, len(ids), TOGETHER)
    )


def _stored() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record_resource WHERE type = %s AND state = 0", [TYPE_ID["Encounter"]])
        return int(cursor.fetchone()[0])


def _encounters(over: Over) -> list[str]:
    """Their ids, in the order of the record's rows."""
    if over.which is Which.AGAIN:
        named = public_ids("Encounter", looked_at_nightly())
        return [named[row] for row in sorted(named)]
    rows = Chart.objects.order_by("encounter")
    if over.which is Which.UNDONE:
        rows = rows.filter(state__in=("incomplete", "delinquent"))
    if over.month is not None:
        begin, end = month_span(over.month)
        rows = rows.filter(discharged__gte=begin, discharged__lt=end)
    if over.facility is not None:
        rows = rows.filter(facility=over.facility)
    return list(rows.values_list("encounter_id", flat=True))
