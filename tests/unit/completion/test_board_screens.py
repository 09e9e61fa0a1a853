"""The board's further screens and the report for the committee, as the roles that use them find them."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from typer.testing import CliRunner

from charthouse.completion import api as completion
from charthouse.completion.actions.adopt_rules import adopt_rules
from charthouse.completion.adopted import told_with_file
from charthouse.completion.domain.findings import What
from charthouse.completion.domain.periods import PeriodError, period_of, periods_until
from charthouse.completion.letter_models import Suspension
from charthouse.configuration import ConfigurationError, configuration
from charthouse.foundation.access.api import PermissionRefused, Role, system_context
from charthouse.foundation.clock import frozen
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.people import api as people
from charthouse.web.commands.completion import app
from charthouse.web.pdf import reading

from .desk_house import CHEN, CLERK, DAY, NOVAK, NOW, OBI, SATO, House, finding
from .test_desk_screens import at, browser

CTX = system_context("test")


@pytest.fixture
def desk(house: House) -> Client:
    return browser("sato", Role.HIT)


@pytest.fixture
def manager(house: House) -> Client:
    return browser("obi", Role.MANAGER)


def text_of(answer: Any) -> str:
    """The words of a page without its marks."""
    plain = re.sub(r"<(script|style|title)[^>]*>.*?</\\1>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", plain)).split())


def words_of(content: bytes) -> str:
    return " ".join(reading(content).text.split())


def table(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.fixture
def month(house: House) -> House:
    """A house in March: one chart delinquent, one in time, one that was closed administratively, a suspension."""
    house.visit("1", finding(due=NOW - 20 * DAY), ended=NOW - 50 * DAY)
    house.visit("2", finding("op", owed_by=CHEN, what=What.UNSIGNED), of="p2", ended=NOW - 3 * DAY)
    chart = house.visit("3", finding("consent", owed_by=CHEN), of="p3", ended=NOW - 20 * DAY)
    assert chart is not None
    kept = completion.ask_to_close(
        SATO, chart.pk, [house.deficiency("consent", "3").pk], "The author died.", version=chart.version
    )
    completion.approve_closure(OBI, kept.pk, "Meeting of March 12")
    Suspension.objects.create(
        practitioner=NOVAK,
        practitioner_name="Bela Novak, MD",
        state="suspended",
        reached="20 days",
        charts=1,
        delinquent=1,
        days=20,
        proposed_at=NOW - 5 * DAY,
        suspended_at=NOW - 2 * DAY,
    )
    return house


class TestBoard:
    def test_its_numbers_of_deficiencies_open_them_one_by_one(self, month: House, desk: Client) -> None:
        page = desk.get(at("incomplete-board")).content.decode()
        listed = at("incomplete-deficiencies")
        for query, number in (("", 2), ("?late=1", 2), ("?kind=hp", 1), (f"?practitioner={CHEN}", 1)):
            address = f"{listed}{query}"
            assert f'href="{html.escape(address)}"'.replace("Practitioner/", "Practitioner%2F") in page, address
            assert f"{number} of {number} shown" in text_of(desk.get(address)), address

    def test_the_trend_opens_the_days_and_a_missed_day_is_said(self, month: House, desk: Client) -> None:
        assert "No day of these was counted" in text_of(desk.get(at("incomplete-board")))
        for days in (3, 1, 0):
            with frozen(NOW - days * DAY):
                completion.take_snapshot()
        assert "3 of 30 days counted" in text_of(desk.get(at("incomplete-board")))
        page = desk.get(at("incomplete-days")).content.decode()
        assert at("incomplete-day", "2026-03-19") in page and at("incomplete-day", "2026-03-17") not in page
        days_page = text_of(desk.get(at("incomplete-days") + "?days=90"))
        assert "17 Mar 2026 not counted" in days_page and "87 of 90 days were not counted" in days_page
        rows = table(desk.post(at("incomplete-days-csv"), {"days": "30"}).content)
        assert len(rows) == 31 and [row[1] for row in rows[-3:]] == ["not counted", "2", "2"]

    def test_a_day_shows_its_own_numbers_and_no_list_of_then(self, month: House, desk: Client) -> None:
        completion.take_snapshot()
        page = desk.get(at("incomplete-day", "2026-03-19"))
        said = text_of(page)
        assert "Medicine 2 1" in said and "the lists of that moment are not kept" in said
        assert at("incomplete-deficiencies") not in page.content.decode()
        for wrong in ("2026-03-18", "2026-02-30", "x"):
            assert desk.get(at("incomplete-day", wrong)).status_code == 404

    def test_on_paper_and_in_the_ledger(self, month: House, desk: Client) -> None:
        answer = desk.post(at("incomplete-board-print"))
        said = words_of(answer.content)
        assert answer["Content-Type"] == "application/pdf" and "Bela Novak, MD" in said and "Marsh" not in said
        assert "Delinquency rate = delinquent charts" in said
        (line,) = entries(CTX, Filters(action="completion.print-board")).lines
        assert line.detail["charts"] == 2


class TestSingleDeficiencies:
    def test_they_open_their_chart_and_say_nothing_that_was_written(self, month: House, desk: Client) -> None:
        page = desk.get(at("incomplete-deficiencies"))
        assert "Op: unsigned" in text_of(page) and "There is no history and physical" not in text_of(page)
        chart, lacking = month.chart("2").pk, month.deficiency("op", "2").pk
        assert f"{at('incomplete-chart', chart)}#d-{lacking}" in page.content.decode()
        line = entries(CTX, Filters(action="completion.charts-read")).lines[0]
        assert line.detail == {"rows": 2, "how": "deficiencies"}

    def test_by_a_practitioners_name_as_it_is_written(self, month: House, desk: Client) -> None:
        found = text_of(desk.get(at("incomplete-deficiencies") + "?who=chen"))
        assert "1 of 1 shown" in found and "owed by Lin Chen, MD" in found
        none = text_of(desk.get(at("incomplete-deficiencies") + "?who=nobodyatall"))
        assert "0 of 0 shown" in none and "no practitioner is called so" in none

    def test_what_was_settled_in_a_month(self, month: House, desk: Client) -> None:
        listed = at("incomplete-deficiencies")
        assert "1 of 1 shown" in text_of(desk.get(f"{listed}?state=administrative"))
        assert "0 of 0 shown" in text_of(desk.get(f"{listed}?state=administrative&month=2026-02"))
        assert "settled in March 2026" in text_of(desk.get(f"{listed}?state=closed&month=nonsense"))

    def test_what_is_no_filter_is_left_out(self, month: House, desk: Client) -> None:
        wrong = "?state=x&what=%00&facility=abc&late=7&kind=%27;--&after=%00"
        assert "0 of 0 shown" in text_of(desk.get(at("incomplete-deficiencies") + wrong))
        assert "2 of 2 shown" in text_of(desk.get(at("incomplete-deficiencies") + "?state=x&what=x&facility=abc"))

    def test_as_csv(self, month: House, desk: Client) -> None:
        rows = table(desk.post(at("incomplete-deficiencies-csv"), {"kind": "op"}).content)
        assert rows[0][0] == "Deficiency" and len(rows) == 2 and rows[1][1:3] == ["unsigned", "Marshp2, Ida"]


class TestPeriods:
    def test_months_and_quarters(self) -> None:
        october, last = period_of(" 2026-10 "), period_of("2026-q4")
        assert (october.title, october.since, october.until) == (
            "October 2026",
            date(2026, 10, 1),
            date(2026, 11, 1),
        )
        assert (last.text, last.since, last.until) == ("2026-Q4", date(2026, 10, 1), date(2027, 1, 1))
        assert october.has(date(2026, 10, 31)) and not october.has(date(2026, 11, 1))

    @pytest.mark.parametrize(
        "wrong", ["", "2026", "2026-13", "2026-00", "2026-Q5", "10-2026", "٢٠٢٦-10x", "0000-01"]
    )
    def test_anything_else_is_none(self, wrong: str) -> None:
        with pytest.raises(PeriodError, match="2026-10"):
            period_of(wrong)

    def test_those_that_can_be_chosen(self) -> None:
        found = [each.text for each in periods_until(date(2026, 1, 9), 2, 2)]
        assert found == ["2026-01", "2025-12", "2026-Q1", "2025-Q4"]


class TestReport:
    def test_the_month_at_hand_is_as_of_now(self, month: House, desk: Client) -> None:
        said = text_of(desk.get(at("incomplete-report")))
        for part in (
            "Report for the committee: March 2026",
            "as of now",
            "Deficiencies opened 3",
            "Deficiencies closed 1",
            "1 ÷",
            "Bela Novak, MD 1 1",
            "Op Unsigned 1",
            "Suspended 20 days",
            "The author died.",
            "Meeting of March 12",
            "The rules as they are shipped.",
        ):
            assert part in said, part
        assert "Marsh" not in said, "the committee reads no patient's name"

    def test_a_month_that_is_over_is_that_of_its_last_count(self, month: House, desk: Client) -> None:
        with frozen(NOW + 5 * DAY):
            completion.take_snapshot()
        month.lacks("2")
        month.analyse("2")
        with frozen(NOW + 20 * DAY):
            found = completion.committee_report(SATO, period_of("2026-03"))
        assert found.board is not None and found.board.day == date(2026, 3, 24)
        assert (found.board.incomplete, len(found.days)) == (2, 31)
        assert sum(each.at is None for each in found.days) == 30

    def test_a_time_without_a_count_says_so(self, month: House, desk: Client) -> None:
        said = text_of(desk.get(at("incomplete-report") + "?period=2025-Q1"))
        assert "how many charts were incomplete then is not known" in said and "By practitioner" not in said
        assert "90 of 90 days were not counted" in said

    def test_what_is_no_period_is_told(self, month: House, desk: Client) -> None:
        answer = desk.get(at("incomplete-report") + "?period=2026-99")
        assert answer.status_code == 422 and "Write a month as 2026-10" in text_of(answer)

    def test_practitioners_by_a_code_where_the_site_says_so(
        self, month: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.MonkeyPatch.context() as patched:
            site = configuration()
            patched.setattr(
                "charthouse.completion.bylaws_policy.configuration", lambda: _with(site, report_names="coded")
            )
            found = completion.committee_report(SATO, period_of("2026-03"))
            (entry,) = people.practitioners_by_public_id(CTX, ["novak"]).values()
            named = {each.name for each in found.board.practitioners} if found.board else set()
            assert f"P-{entry.id}" in named and found.suspensions[0].who == f"P-{entry.id}"
            assert not any("Novak" in str(each) or "Chen" in str(each) for each in (named, found.closures))
            assert found.closures[0].reason == ""
            patched.setattr(
                "charthouse.completion.bylaws_policy.configuration", lambda: _with(site, report_names="hidden")
            )
            with pytest.raises(ConfigurationError, match="named or coded"):
                completion.committee_report(SATO, period_of("2026-03"))

    def test_rules_that_were_adopted(self, month: House, tmp_path: Path) -> None:
        pack = tmp_path / "pack.yaml"
        pack.write_text(PACK)
        with frozen(NOW + DAY):
            adopt_rules(OBI, told_with_file(pack), "Committee of March")
            found = completion.committee_report(SATO, period_of("2026-03"))
        assert found.rules[-1].note == "Committee of March" and found.rules[-1].by == "K. Obi"
        assert found.rules[-1].gone == ("completion.discharge-summary",)

    def test_on_paper_as_csv_and_in_the_ledger(self, month: House, desk: Client) -> None:
        completion.take_snapshot()
        paper = desk.post(at("incomplete-report-print"), {"period": "2026-03"})
        said = words_of(paper.content)
        assert paper.content.startswith(b"%PDF") and "Meeting of March 12" in said and "Marsh" not in said
        rows = table(desk.post(at("incomplete-report-csv"), {"period": "2026-03"}).content)
        assert ["By service", "Medicine", "2", "1"] in [row[:4] for row in rows]
        (printed,) = entries(CTX, Filters(action="completion.print-report")).lines
        assert printed.detail["period"] == "2026-03" and printed.detail["practitioners"] == "named"
        (read,) = entries(CTX, Filters(action="completion.report-read")).lines
        assert read.detail["how"] == "csv"

    def test_only_who_reports(self, month: House) -> None:
        coder = browser("coder", Role.CODER)
        assert coder.get(at("incomplete-report")).status_code == 403
        assert at("incomplete-report") not in coder.get(at("incomplete-board")).content.decode()
        with pytest.raises(PermissionRefused):
            completion.committee_report(CLERK, period_of("2026-03"))


def _with(site: Any, **bylaws: Any) -> Any:
    from dataclasses import replace

    return replace(site, extra={**site.extra, "bylaws": bylaws})


PACK = """
pack: completion.tried
title: Tried
rules:
  - code: completion.discharge-summary
    title: Discharge summary
    text: Nobody needs one.
    authority: This hospital
    citation: Bylaws
    force: convention
    effective: 2020-01-01
"""


class TestCommands:
    @pytest.fixture
    def run(self, month: House) -> Iterator[Any]:
        yield lambda *arguments: CliRunner().invoke(app, list(arguments))

    def test_a_report_is_written_once(self, run: Any, tmp_path: Path) -> None:
        paper, sheet = tmp_path / "report.pdf", tmp_path / "report.csv"
        assert run("report", "--month", "2026-03", "--out", str(paper)).exit_code == 0
        assert paper.read_bytes().startswith(b"%PDF") and paper.stat().st_mode & 0o077 == 0
        again = run("report", "--month", "2026-03", "--out", str(paper))
        assert again.exit_code == 2 and "is there already" in again.output
        assert run("report", "--quarter", "2026-Q1", "--out", str(sheet)).exit_code == 0
        assert "Meeting of March 12" in sheet.read_text("utf-8-sig")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--out", "x.pdf"), "Name a month"),
            (("--month", "2026-03", "--quarter", "2026-Q1", "--out", "x.pdf"), "Name a month"),
            (("--month", "March", "--out", "x.pdf"), "Write a month as 2026-10"),
            (("--month", "2026-03", "--out", "x.doc"), ".pdf or .csv"),
        ],
    )
    def test_what_cannot_be_written_is_told(
        self, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        done = run("report", *arguments)
        assert done.exit_code == 2 and said in done.output and not list(tmp_path.iterdir())

    def test_a_day_is_counted_by_command(self, run: Any) -> None:
        assert "2026-03-19 was counted" in run("snapshot").output
        with transaction.atomic():
            assert "counted already" in run("snapshot").output
        assert completion.last_days(SATO, 1)[0].day == (NOW - timedelta(days=1)).date()
