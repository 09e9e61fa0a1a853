"""Printing the board of completion, and the report for the medical records committee, for use here."""

from __future__ import annotations

from charthouse.completion import api as completion
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import JSON, Subject
from charthouse.foundation.ledger.api import append_read as note_read
from charthouse.web.board_words import as_of, board_sections, moment, on_paper, report_sections, trends_of

from .printed import Draft, Printed, set_print, write_down

_NOBODY = "It counts everybody and names no patient."


def print_board(ctx: AccessContext, board: completion.Board, most: int) -> Printed:
    """The board as of its moment, which lists ``most`` practitioners. Raises PermissionRefused."""
    require(ctx, completion.READ_CHARTS)
    sections = tuple(board_sections(board, more=len(board.practitioners) == most))
    about = f"As of {moment(board.at)}. {_NOBODY}"
    content = {"about": about, "parts": on_paper(sections), "left_out": []}
    draft = Draft("web/work_list", "Completion of charts", content)
    return write_down(
        ctx, "completion.print-board", set_print(ctx, draft, None), subjects=[], detail={"charts": board.incomplete}
    )


def print_report(ctx: AccessContext, report: completion.CommitteeReport) -> Printed:
    """The report of a month or quarter. Raises PermissionRefused."""
    require(ctx, completion.MAKE_REPORT)
    sections = tuple(report_sections(report))
    trends = trends_of(report.days, report.board.rate.benchmark if report.board else 0)
    about = f"{report.period.title}. {as_of(report)} {_NOBODY}"
    content = {"about": about, "parts": on_paper(sections, trends), "left_out": []}
    title = f"Completion of charts: {report.period.title}"
    return write_down(
        ctx,
        "completion.print-report",
        set_print(ctx, Draft("web/work_list", title, content), None),
        subjects=_subjects(report),
        detail=_detail(report),
    )


def note_report(ctx: AccessContext, report: completion.CommitteeReport, how: str) -> None:
    """The report was seen on a screen, or taken as CSV."""
    note_read(ctx, "completion.report-read", subjects=_subjects(report), detail={**_detail(report), "how": how})


def _subjects(report: completion.CommitteeReport) -> list[Subject]:
    return [
        *(Subject("suspension", str(each.number)) for each in report.suspensions),
        *(Subject("chart", str(number)) for number in dict.fromkeys(each.chart for each in report.closures)),
    ]


def _detail(report: completion.CommitteeReport) -> dict[str, JSON]:
    return {"period": report.period.text, "practitioners": report.names}
