"""The board of completion and the report for the committee in words: sections of tables, the same on screen, on
paper and as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from charthouse.completion.api import (
    Board,
    CommitteeReport,
    Count,
    DayCount,
    Lacking,
    Rate,
)
from charthouse.configuration import configuration

from .day_trends import DayTrend, as_svg, draw_days
from .printing import fhir_date, local_day, local_time, words
from .printing_parts import Cell, Part


@dataclass(frozen=True, slots=True)
class Section:
    """A table with its heading and what is said above it; ``empty`` stands in place of a table without rows.
    ``numbers`` are the columns of numbers, by their place."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str
    said: str = ""
    numbers: frozenset[int] = frozenset()


def moment(instant: datetime) -> str:
    """An instant by the site's clock, with its time."""
    return local_time(instant, ZoneInfo(configuration().time_zone))


def day_words(day: DayCount) -> str:
    return fhir_date(day.day.isoformat())


def per_cent(value: float | None) -> str:
    return "not known" if value is None else f"{value:,.1f} %"


def formula(rate: Rate) -> str:
    """The delinquency rate with its numbers written out."""
    months = f"{rate.months} whole months, {local_day(rate.since)} to {local_day(rate.until - timedelta(days=1))}"
    average = f"{rate.discharges:,} discharges in {months} ÷ {rate.months} = {rate.average:,.1f} a month"
    stated = "Delinquency rate = delinquent charts ÷ average monthly discharges × 100."
    if rate.percent is None:
        return f"{stated} Nobody was discharged in the {months}."
    return (
        f"{stated} Average: {average}. "
        f"{rate.delinquent:,} ÷ {rate.average:,.1f} × 100 = {rate.percent:,.1f} %"
        f"{f', above the benchmark of {rate.benchmark:g} %' if rate.above else ''}."
    )


def board_sections(board: Board, *, more: bool = False) -> Iterator[Section]:
    """The tables of a board; ``more`` where it does not list everybody who owes something."""
    totals = (
        ("Charts not complete", board.incomplete),
        ("Delinquent charts", board.delinquent),
        ("Deficiencies open", board.open),
        ("Deficiencies overdue", board.overdue),
        ("Deficiencies without a name", board.nameless),
    )
    yield Section(
        "Charts and the rate",
        ("What", "Number"),
        tuple((title, f"{number:,}") for title, number in totals),
        "",
        formula(board.rate),
        frozenset({1}),
    )
    for title, heading, counts in (
        ("By service", "Service", board.services),
        ("By kind of encounter", "Kind", board.kinds),
        ("By age since discharge", "Age", board.ages),
    ):
        yield _counts(title, heading, counts)
    yield Section(
        "By type of deficiency",
        ("Deficiency", "What", "Open", "Overdue"),
        tuple(_lacking(each) for each in board.sorts),
        "Nothing is lacking.",
        numbers=frozenset({2, 3}),
    )
    yield Section(
        "By practitioner",
        ("Practitioner", "Open", "Overdue"),
        tuple((each.name, f"{each.open:,}", f"{each.overdue:,}") for each in board.practitioners),
        "Nobody owes anything.",
        f"Those {len(board.practitioners)} who owe most overdue; more owe something." if more else "",
        frozenset({1, 2}),
    )


def _counts(title: str, heading: str, counts: Sequence[Count]) -> Section:
    rows = tuple(
        (each.title[:1].upper() + each.title[1:], f"{each.incomplete:,}", f"{each.delinquent:,}") for each in counts
    )
    columns = (heading, "Not complete", "Delinquent")
    return Section(title, columns, rows, "No chart is incomplete.", numbers=frozenset({1, 2}))


def _lacking(each: Lacking) -> tuple[str, ...]:
    return (words(each.kind).capitalize(), words(each.what).capitalize(), f"{each.open:,}", f"{each.overdue:,}")


DAY_COLUMNS = ("Day", "Not complete", "Delinquent", "Rate", "Discharges", "Opened", "Closed", "Counted at")


def day_rows(days: Sequence[DayCount]) -> tuple[tuple[str, ...], ...]:
    """Days as cells; one that was missed says so and nothing else."""
    return tuple(
        (
            day_words(each),
            f"{each.incomplete:,}",
            f"{each.delinquent:,}",
            per_cent(each.percent),
            f"{each.discharges:,}",
            f"{each.opened:,}",
            f"{each.closed:,}",
            moment(each.at),
        )
        if each.at is not None
        else (day_words(each), "not counted", "", "", "", "", "", "")
        for each in days
    )


def as_of(report: CommitteeReport) -> str:
    """Of what moment the charts of a report are, in a sentence."""
    board = report.board
    if board is None:
        return "No day of this time was counted: how many charts were incomplete then is not known."
    if board.day is None:
        return f"The charts are as of now, {moment(board.at)}; the time is not over."
    return f"The charts are those of {fhir_date(board.day.isoformat())}, counted {moment(board.at)}."


def report_sections(report: CommitteeReport) -> Iterator[Section]:
    """The report of a month or quarter for the committee."""
    yield Section(
        "What happened",
        ("What", "Number"),
        (
            ("Discharges of the kinds that the rate counts", f"{report.discharges:,}"),
            ("Deficiencies opened", f"{report.opened:,}"),
            ("Deficiencies closed", f"{report.closed:,}"),
        ),
        "",
        numbers=frozenset({1}),
    )
    if report.board is not None:
        yield from board_sections(report.board, more=report.more_practitioners)
    missed = sum(each.at is None for each in report.days)
    yield Section(
        "Trend",
        DAY_COLUMNS,
        day_rows(report.days),
        "No day of it is over.",
        f"{missed} of {len(report.days)} days were not counted; nothing stands in their place." if missed else "",
        frozenset(range(1, 7)),
    )
    yield Section(
        "Most frequent deficiencies",
        ("Deficiency", "What", "Opened", "Closed"),
        tuple(
            (words(each.kind).capitalize(), words(each.what).capitalize(), f"{each.opened:,}", f"{each.closed:,}")
            for each in report.frequent
        ),
        "None opened and none closed.",
        numbers=frozenset({2, 3}),
    )
    yield Section(
        "Suspensions for incomplete records",
        ("Practitioner", "State", "By what", "Proposed", "Suspended", "Ended"),
        tuple(
            (
                each.who,
                each.words,
                each.reached,
                local_day(each.proposed_at),
                local_day(each.suspended_at) if each.suspended_at else "no",
                local_day(each.ended_at) if each.ended_at else "no",
            )
            for each in report.suspensions
        ),
        "Nobody was proposed or suspended.",
    )
    yield Section(
        "Administrative closures",
        ("Chart", "Outcome", "Deficiencies of", "Owed by", "Reason", "Asked by", "Decided by", "Approval"),
        tuple(
            (
                str(each.chart),
                "Closed" if each.outcome == "done" else "Refused",
                ", ".join(map(words, each.kinds)),
                ", ".join(each.owed_by),
                each.reason or "not shown",
                each.asked_by,
                f"{each.decided_by}, {local_day(each.decided_at)}" if each.decided_at else each.decided_by,
                each.approval,
            )
            for each in report.closures
        ),
        "None was decided.",
    )
    yield Section(
        "Changes of the rules",
        ("Version", "Adopted", "By", "Why", "New", "Changed", "Gone"),
        tuple(
            (
                str(each.version),
                local_day(each.at),
                each.by,
                each.note,
                *(", ".join(codes) or "none" for codes in (each.new, each.changed, each.gone)),
            )
            for each in report.rules
        ),
        "No rules were adopted.",
    )


def trends_of(days: Sequence[DayCount], benchmark: float) -> tuple[DayTrend, ...]:
    """The drawings of some days; none where none of them was counted."""
    return draw_days(days, benchmark) if any(each.at for each in days) else ()


#: The widest a column of words is beside one of numbers.
_WORDS, _NUMBER = 5, 2


def on_paper(sections: Sequence[Section], trends: Sequence[DayTrend] = ()) -> list[Part]:
    """Sections as parts of a print, drawings in front of the section of that name."""
    parts: list[Part] = []
    for each in sections:
        parts.append({"kind": "heading", "text": each.title})
        if each.said:
            parts.append({"kind": "prose", "text": each.said})
        if each.title == "Trend":
            parts += [{"kind": "drawing", "svg": as_svg(one), "caption": one.words} for one in trends]
        if not each.rows:
            parts.append({"kind": "empty", "text": each.empty})
            continue
        columns = tuple(
            (title, _NUMBER if place in each.numbers else _WORDS) for place, title in enumerate(each.columns)
        )
        cells: list[tuple[Cell, ...]] = [tuple(cell or {"text": "–"} for cell in row) for row in each.rows]
        parts.append({"kind": "listing", "columns": columns, "rows": [{"cells": row} for row in cells]})
    return parts


def as_table(sections: Sequence[Section]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Sections as one table: each row behind the heading it stands under, and the columns' names in a row of their
    own."""
    wide = max(len(each.columns) for each in sections)
    rows: list[tuple[str, ...]] = []
    for each in sections:
        if each.said:
            rows.append((each.title, each.said))
        rows.append((each.title, *each.columns))
        rows += [(each.title, *row) for row in each.rows] or [(each.title, each.empty)]
    return ("Section", *(f"Column {number}" for number in range(1, wide + 1))), [
        (*row, *("" for _ in range(wide + 1 - len(row)))) for row in rows
    ]
