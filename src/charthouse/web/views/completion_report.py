"""The report for the medical records committee: a month or a quarter on screen, on paper and as CSV."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from charthouse.completion import api as completion
from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.rulepacks.api import rule
from charthouse.web.actions.print_board import note_report, print_report
from charthouse.web.board_words import as_of, as_table, report_sections, trends_of
from charthouse.web.security.api import SignedInRequest, screen

from .prints import pdf_response
from .quality import csv_response


def _asked(sent: Any) -> tuple[completion.Period, str]:
    """The period that is asked for, the month at hand without one; and what is wrong with what was written."""
    text = sent.get("period", "")[:20]
    now = completion.period_of(f"{clock.today(configuration().time_zone):%Y-%m}")
    if not text:
        return now, ""
    try:
        return completion.period_of(text), ""
    except completion.PeriodError as error:
        return now, str(error)


@screen(completion.MAKE_REPORT)
@require_safe
def report(request: SignedInRequest) -> HttpResponse:
    """The report of a period: the rate with its numbers, by service, practitioner, type and age, the trend, and
    what was decided."""
    period, fault = _asked(request.GET)
    found = completion.committee_report(request.access, period)
    note_report(request.access, found, "screen")
    today = clock.today(configuration().time_zone)
    periods = completion.periods_until(today)
    context = {
        "report": found,
        "period": period,
        "fault": fault,
        "as_of": as_of(found),
        "sections": list(report_sections(found)),
        "trends": trends_of(found.days, found.board.rate.benchmark if found.board else 0),
        "periods": periods if period in periods else (period, *periods),
        "rule": rule(completion.REPORT),
        "rate": rule(completion.RATE),
    }
    return render(request, "web/incomplete/report.html", context, status=422 if fault else 200)


@screen(completion.MAKE_REPORT)
@require_POST
def printed(request: SignedInRequest) -> HttpResponse:
    """The report on paper."""
    period, _ = _asked(request.POST)
    found = completion.committee_report(request.access, period)
    return pdf_response(request, print_report(request.access, found))


@screen(completion.MAKE_REPORT)
@require_POST
def exported(request: SignedInRequest) -> HttpResponse:
    """The report as CSV."""
    period, _ = _asked(request.POST)
    found = completion.committee_report(request.access, period)
    note_report(request.access, found, "csv")
    return csv_response(*as_table(tuple(report_sections(found))))
