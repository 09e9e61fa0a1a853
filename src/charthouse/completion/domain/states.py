"""The states of a chart and of a deficiency, and when an incomplete chart becomes delinquent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from .clocks import Calendar


class ChartState(StrEnum):
    """INCOMPLETE while something is owed, DELINQUENT when that lasts too long by the rule, COMPLETE when nothing
    is; WITHDRAWN where the encounter never was: cancelled, or entered in error."""

    INCOMPLETE = "incomplete"
    COMPLETE = "complete"
    DELINQUENT = "delinquent"
    WITHDRAWN = "withdrawn"

    @property
    def words(self) -> str:
        return self.value.capitalize()


class State(StrEnum):
    """PROPOSED ones wait for a technician's confirmation and are asked of nobody; OPEN ones are owed; the others
    are settled: CLOSED by what arrived, NOTED because it was late and cannot be mended, WAIVED by a person,
    ADMINISTRATIVE with the committee's approval."""

    PROPOSED = "proposed"
    OPEN = "open"
    CLOSED = "closed"
    NOTED = "noted"
    WAIVED = "waived"
    ADMINISTRATIVE = "administrative"

    @property
    def words(self) -> str:
        return {"administrative": "Closed administratively"}.get(self.value, self.value.capitalize())

    @property
    def settled(self) -> bool:
        return self not in _UNSETTLED


_UNSETTLED = frozenset({State.PROPOSED, State.OPEN})


class Ageing(StrEnum):
    """What makes a chart delinquent: its own age since discharge, or that of a deficiency since it was due."""

    CHART = "chart"
    DEFICIENCY = "deficiency"


def delinquent_from(
    ageing: Ageing, days: int, discharged: datetime | None, dues: Iterable[datetime | None], zone: ZoneInfo
) -> datetime | None:
    """When a chart with open deficiencies becomes delinquent; None where nothing makes it so.

    By chart: ``days`` after discharge. By deficiency: ``days`` after the first of them was due.
    """
    if ageing is Ageing.CHART:
        return Calendar(zone).after_days(discharged, days) if discharged else None
    first = min((due for due in dues if due is not None), default=None)
    return first + timedelta(days=days) if first else None


def chart_state(open: int, due: datetime | None, now: datetime) -> ChartState:
    """The state of a chart that was not withdrawn."""
    if not open:
        return ChartState.COMPLETE
    return ChartState.DELINQUENT if due is not None and due <= now else ChartState.INCOMPLETE
