"""Deficiencies as they live: they open, change and close by what is found, and what people decided stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, connection, transaction

from charthouse.completion import api as completion
from charthouse.completion.actions.age_charts import age_charts
from charthouse.completion.domain.facts import EncounterKind, Party
from charthouse.completion.domain.findings import What
from charthouse.completion.domain.states import Ageing, ChartState, State, delinquent_from
from charthouse.completion.models import Chart, Deficiency, DeficiencyEvent
from charthouse.foundation.access.api import PermissionRefused, system_context
from charthouse.foundation.clock import frozen
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.work import api as work
from charthouse.record import api as record

from .desk_house import CHEN, CLERK, DAY, DR_CHEN, DR_NOVAK, MENDEZ, NOVAK, NOW, OBI, SATO, House, finding

SYSTEM = system_context("tests")


def items(queue: str) -> list[str]:
    return [each.reason for each in work.items(SYSTEM, queue).items]


def turns(house: House, number: str = "1") -> list[str]:
    return list(
        DeficiencyEvent.objects.filter(chart=house.chart(number)).order_by("id").values_list("what", flat=True)
    )


def test_what_is_lacking_opens_is_owed_by_name_and_closes_when_it_arrives(house: House) -> None:
    house.visit("1", finding())
    lacking = house.deficiency()
    assert (lacking.state, lacking.owed_by, lacking.version) == ("open", NOVAK, 1)
    assert (house.chart().state, house.chart().open) == (ChartState.INCOMPLETE, 1)
    house.lacks("1")
    house.analyse()
    lacking = house.deficiency()
    assert (lacking.state, lacking.ended) == ("closed", NOW)
    assert (house.chart().state, house.chart().open, house.chart().due) == (ChartState.COMPLETE, 0, None)
    assert turns(house) == ["opened", "incomplete", "closed", "complete"]
    (last, first) = entries(SYSTEM, Filters(action="completion.analyse")).lines
    assert (first.detail, last.detail) == ({"opened": 1}, {"closed": 1})


def test_the_same_found_again_changes_nothing_and_writes_nothing(house: House) -> None:
    house.visit("1", finding())
    before = turns(house)
    house.analyse()
    assert turns(house) == before and house.deficiency().version == 1
    assert len(entries(SYSTEM, Filters(action="completion.analyse")).lines) == 1


def test_what_changes_is_updated_and_kept_in_the_history(house: House) -> None:
    house.visit("1", finding())
    house.lacks("1", finding(owed_by=CHEN, owed_because="the attending since the transfer"))
    house.analyse()
    assert house.deficiency().owed_by == CHEN
    event = DeficiencyEvent.objects.get(what="updated")
    assert (event.before["owed_by"], event.after["owed_by"]) == (NOVAK, CHEN)


def test_what_was_closed_and_is_lacking_again_opens_again(house: House) -> None:
    house.visit("1", finding())
    house.lacks("1")
    house.analyse()
    house.lacks("1", finding())
    house.analyse()
    assert house.deficiency().state == "open" and house.deficiency().ended is None
    assert house.chart().state == ChartState.INCOMPLETE


def test_what_came_late_is_noted_and_owed_by_nobody(house: House) -> None:
    chart = house.visit("1", finding("late", what=What.LATE))
    assert chart is not None and (chart.state, chart.open) == (ChartState.COMPLETE, 0)
    assert house.deficiency("late").state == State.NOTED
    assert completion.owed(DR_NOVAK) == ()


def test_what_is_a_matter_of_judgement_waits_for_a_technician(house: House) -> None:
    house.visit("1")
    house.lacks("1", finding("fit", what=What.UNFIT), judgement=True)
    house.analyse()
    proposed = house.deficiency("fit")
    assert proposed.state == State.PROPOSED and house.chart().open == 1
    assert completion.owed(DR_NOVAK) == ()
    confirmed = completion.confirm_deficiency(SATO, proposed.pk, version=proposed.version, reason="laterality")
    assert (confirmed.state, confirmed.reason) == ("open", "laterality")
    (owed,) = completion.owed(DR_NOVAK)
    assert [each.id for each in owed.deficiencies] == [proposed.pk]
    house.analyse()
    assert house.deficiency("fit").state == "open"


def test_an_encounter_that_was_cancelled_is_withdrawn_and_owed_no_more(house: House) -> None:
    house.visit("1", finding())
    id = house.ids["1"]
    house.facts[id] = replace(house.facts[id], status="entered-in-error")
    house.lacks("1")
    house.analyse()
    assert house.chart().state == ChartState.WITHDRAWN and house.deficiency().state == "closed"
    assert items("completion.analysis") == []
    house.facts[id] = replace(house.facts[id], status="finished")
    house.analyse()
    assert house.chart().state == ChartState.COMPLETE


def test_a_visit_to_a_clinic_has_a_chart_only_where_something_is_lacking(house: House) -> None:
    assert house.visit("1", kind=EncounterKind.CLINIC) is None
    assert house.visit("2", finding(), kind=EncounterKind.CLINIC) is not None
    assert house.visit("3", ended=None) is None


def test_a_discharge_is_work_until_somebody_looked_it_through(house: House) -> None:
    chart = house.visit("1", finding())
    assert chart is not None and len(items("completion.analysis")) == 1
    with pytest.raises(PermissionRefused):
        completion.review_chart(CLERK, chart.pk, version=chart.version)
    completion.review_chart(SATO, chart.pk, version=chart.version)
    assert items("completion.analysis") == []
    house.analyse()
    assert items("completion.analysis") == []


def test_what_is_proposed_is_decided_before_the_chart_is_done(house: House) -> None:
    house.visit("1")
    house.lacks("1", finding("fit", what=What.UNFIT), judgement=True)
    chart = house.analyse()
    assert chart is not None
    with pytest.raises(completion.CompletionError, match="neither confirmed nor waived"):
        completion.review_chart(SATO, chart.pk, version=chart.version)


def test_old_records_that_arrive_make_no_work(house: House) -> None:
    house.visit("1", finding(), ended=NOW - 200 * DAY)
    assert items("completion.analysis") == [] and house.chart().state == ChartState.DELINQUENT


# ---- clocks


def test_a_chart_is_delinquent_after_the_thirtieth_day_by_its_own_calendar(house: House) -> None:
    zone = "America/New_York"
    ended = datetime(2026, 2, 1, 23, 30, tzinfo=ZoneInfo(zone))
    house.visit("1", finding(), ended=ended.astimezone(UTC), time_zone=zone)
    over = datetime(2026, 3, 4, 0, 0, tzinfo=ZoneInfo(zone))
    assert house.chart().due == over


def test_time_alone_makes_a_chart_delinquent_once(house: House) -> None:
    house.visit("1", finding())
    assert age_charts() == 0
    with frozen(NOW + 40 * DAY):
        assert age_charts() == 1
        assert age_charts() == 0
        assert house.chart().state == ChartState.DELINQUENT
    assert turns(house)[-1] == "delinquent"
    assert len(entries(SYSTEM, Filters(action="completion.chart-delinquent")).lines) == 1


@pytest.mark.parametrize(
    ("ageing", "days", "expected"),
    [
        (Ageing.CHART, 30, datetime(2026, 4, 1, tzinfo=UTC)),
        (Ageing.DEFICIENCY, 0, datetime(2026, 3, 5, tzinfo=UTC)),
        (Ageing.DEFICIENCY, 7, datetime(2026, 3, 12, tzinfo=UTC)),
    ],
)
def test_a_site_says_what_ages(ageing: Ageing, days: int, expected: datetime) -> None:
    dues = [datetime(2026, 3, 9, tzinfo=UTC), None, datetime(2026, 3, 5, tzinfo=UTC)]
    discharged = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert delinquent_from(ageing, days, discharged, dues, ZoneInfo("UTC")) == expected
    assert delinquent_from(Ageing.CHART, days, None, dues, ZoneInfo("UTC")) is None
    assert delinquent_from(Ageing.DEFICIENCY, days, discharged, [None], ZoneInfo("UTC")) is None


# ---- what people decide


def test_a_waiver_outlives_the_analysis_and_can_be_taken_back(house: House) -> None:
    house.visit("1", finding())
    open_one = house.deficiency()
    with pytest.raises(completion.CompletionError, match="why it is waived"):
        completion.waive_deficiency(SATO, open_one.pk, version=1, reason="other")
    with pytest.raises(PermissionRefused):
        completion.waive_deficiency(DR_NOVAK, open_one.pk, version=1, reason="on-paper")
    completion.waive_deficiency(SATO, open_one.pk, version=1, reason="on-paper", words="Volume 2")
    house.analyse()
    waived = house.deficiency()
    assert (waived.state, waived.ended_how) == ("waived", "It stands in the paper record: Volume 2")
    assert house.chart().state == ChartState.COMPLETE
    completion.reopen_deficiency(OBI, waived.pk, version=waived.version, why="The paper is lost.")
    assert house.deficiency().state == "open" and house.chart().state == ChartState.INCOMPLETE


def test_whom_a_technician_names_stays_named(house: House) -> None:
    house.visit("1", finding(owed_by=""))
    assert items("completion.without-name") == ["The record does not say who owes it."]
    nameless = house.deficiency()
    completion.assign_deficiency(SATO, nameless.pk, CHEN, version=1, why="She discharged her.")
    assert items("completion.without-name") == []
    house.lacks("1", finding(owed_by=MENDEZ))
    house.analyse()
    assert (house.deficiency().owed_by, house.deficiency().owed_because) == (CHEN, "She discharged her.")


def test_what_a_technician_writes_and_when_it_is_due_stays(house: House) -> None:
    house.visit("1", finding())
    completion.change_deficiency(
        SATO, house.deficiency().pk, version=1, says="The history lacks the allergies.", due=NOW + DAY
    )
    house.lacks("1", finding(due=NOW + 9 * DAY))
    house.analyse()
    assert (house.deficiency().says, house.deficiency().due) == ("The history lacks the allergies.", NOW + DAY)


def test_what_is_added_by_hand_is_owed_and_closed_by_hand(house: House) -> None:
    chart = house.visit("1")
    assert chart is not None and chart.state == ChartState.COMPLETE
    lack = completion.Lack("discharge-summary", "copied-text", "", owed_by=CHEN, due=NOW + DAY)
    added = completion.add_deficiency(SATO, chart.pk, lack, once="a")
    assert completion.add_deficiency(SATO, chart.pk, lack, once="a").pk == added.pk
    house.analyse()
    assert house.chart().state == ChartState.INCOMPLETE
    (owed,) = completion.owed(DR_CHEN)
    assert "copied from an earlier note" in owed.deficiencies[0].says
    completion.finish_deficiency(SATO, added.pk, version=1)
    assert house.chart().state == ChartState.COMPLETE


@pytest.mark.parametrize(
    ("lack", "words"),
    [
        (completion.Lack("nonsense", "", "x"), "from the list"),
        (completion.Lack("consent", "nonsense", "x"), "from the list"),
        (completion.Lack("consent", "", " "), "Say what is lacking"),
        (completion.Lack("consent", "", "x" * 1001), "are the most"),
        (completion.Lack("consent", "", "x", owed_by="Practitioner/nobody"), "of the directory"),
    ],
)
def test_what_cannot_be_understood_adds_nothing(house: House, lack: Any, words: str) -> None:
    chart = house.visit("1")
    assert chart is not None
    with pytest.raises(completion.CompletionError, match=words):
        completion.add_deficiency(SATO, chart.pk, lack)
    assert not Deficiency.objects.exists()


def test_a_rules_deficiency_is_not_closed_by_hand(house: House) -> None:
    house.visit("1", finding())
    with pytest.raises(completion.CompletionError, match="by itself"):
        completion.finish_deficiency(SATO, house.deficiency().pk, version=1)


def test_not_mine_goes_back_to_the_department(house: House) -> None:
    house.visit("1", finding())
    lacking = house.deficiency()
    with pytest.raises(completion.CompletionError, match="not asked of you"):
        completion.dispute_deficiency(DR_CHEN, lacking.pk, version=1, reason="colleague")
    completion.dispute_deficiency(DR_NOVAK, lacking.pk, version=1, reason="colleague", words="Dr. Chen")
    assert completion.owed(DR_NOVAK) == () and house.chart().open == 1
    assert items("completion.without-name") == ["Who is asked for it says it is not theirs."]
    lacking = house.deficiency()
    completion.assign_deficiency(SATO, lacking.pk, CHEN, version=lacking.version)
    assert items("completion.without-name") == [] and len(completion.owed(DR_CHEN)) == 1


# ---- away, gone, administrative closure


def test_who_is_away_is_stood_in_for_until_they_are_back(house: House) -> None:
    house.visit("1", finding())
    completion.mark_away(SATO, NOVAK, gone=False, until=NOW + 5 * DAY, stand_in=CHEN, reason="Leave")
    assert house.deficiency().owed_by == CHEN
    assert house.deficiency().owed_because == "Bela Novak, MD is away; Lin Chen, MD stands in."
    house.analyse()
    assert house.deficiency().owed_by == CHEN
    house.visit("2", finding(), of="p2")
    assert house.deficiency(number="2").owed_by == CHEN
    with pytest.raises(completion.CompletionError, match="already"):
        completion.mark_away(SATO, NOVAK, gone=True, reason="Left")
    with frozen(NOW + 6 * DAY):
        assert completion.end_absences() == 1
        assert house.deficiency().owed_by == NOVAK


def test_what_nobody_stands_in_for_waits_for_a_name(house: House) -> None:
    house.visit("1", finding())
    completion.mark_away(SATO, NOVAK, gone=True, reason="Left the staff")
    assert house.deficiency().owed_by == ""
    assert len(items("completion.without-name")) == 1
    lacking = house.deficiency()
    with pytest.raises(completion.CompletionError, match="is gone"):
        completion.assign_deficiency(SATO, lacking.pk, NOVAK, version=lacking.version)


def test_a_second_person_closes_administratively(house: House) -> None:
    chart = house.visit("1", finding(), finding("op"))
    assert chart is not None
    ids = [house.deficiency("hp").pk]
    kept = completion.ask_to_close(OBI, chart.pk, ids, "The author died.", version=chart.version)
    assert len(items("completion.closures")) == 1
    with pytest.raises(completion.CompletionError, match="somebody else"):
        completion.approve_closure(OBI, kept.pk, "Meeting of March")
    with pytest.raises(PermissionRefused):
        completion.approve_closure(SATO, kept.pk, "Meeting of March")
    other = replace(OBI, actor="user:44", name="P. Ruiz")
    completion.approve_closure(other, kept.pk, "Meeting of 2026-03-18")
    assert house.deficiency("hp").state == State.ADMINISTRATIVE and house.deficiency("op").state == "open"
    assert house.chart().open == 1 and items("completion.closures") == []
    house.analyse()
    assert house.deficiency("hp").state == State.ADMINISTRATIVE
    with pytest.raises(completion.CompletionError, match="decided meanwhile"):
        completion.refuse_closure(other, kept.pk, "No")


def test_a_closure_that_is_refused_or_withdrawn_leaves_it_open(house: House) -> None:
    chart = house.visit("1", finding())
    assert chart is not None
    ids = [house.deficiency().pk]
    kept = completion.ask_to_close(SATO, chart.pk, ids, "The author left.", version=chart.version)
    with pytest.raises(completion.CompletionError, match="waits for its decision"):
        completion.ask_to_close(SATO, chart.pk, ids, "Again.", version=house.chart().version)
    completion.refuse_closure(SATO, kept.pk, "")
    again = completion.ask_to_close(SATO, chart.pk, ids, "The author left.", version=house.chart().version)
    completion.refuse_closure(OBI, again.pk, "He is to be asked first.")
    assert house.deficiency().state == "open"


# ---- who sees what, and what is kept


def test_the_history_is_only_ever_added_to(house: House) -> None:
    house.visit("1", finding())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE completion_deficiency_event SET why = 'x'")
    assert "history and physical" not in str(list(DeficiencyEvent.objects.values()))


def test_a_chart_that_may_not_be_seen_is_in_no_list_and_cannot_be_touched(house: House) -> None:
    chart = house.visit("1", finding())
    assert chart is not None
    with connection.cursor() as cursor:
        cursor.execute("UPDATE record_resource SET labels = 1 WHERE id = %s", [chart.encounter])
    blind = replace(SATO, clearance=type(SATO.clearance)(0))
    assert completion.charts(blind).rows == () and completion.chart(blind, chart.pk) is None
    assert completion.deficiencies(blind).rows == ()
    with pytest.raises(completion.CompletionError, match="not open to you"):
        completion.waive_deficiency(blind, house.deficiency().pk, version=1, reason="on-paper")
    assert [each.id for each in completion.charts(SATO).rows] == [chart.pk]


def test_lists_are_narrowed_and_go_on_where_they_ended(house: House) -> None:
    for number in range(1, 6):
        house.visit(str(number), finding(owed_by=CHEN if number == 3 else NOVAK), ended=NOW - number * DAY)
    first = completion.charts(SATO, limit=2)
    rest = completion.charts(SATO, after=first.next, limit=10)
    found = [each.id for each in (*first.rows, *rest.rows)]
    assert len(found) == len(set(found)) == 5 and rest.next == ""
    dues = [each.due for each in (*first.rows, *rest.rows)]
    assert dues == sorted(dues)  # type: ignore[type-var]
    only = completion.charts(SATO, completion.ChartFilters(practitioner=(CHEN,)))
    assert [each.id for each in only.rows] == [house.chart("3").pk]
    assert completion.count_charts(SATO) == 5


def test_a_name_without_an_entry_is_shown_as_it_came(house: House) -> None:
    house.visit("1", finding(owed_by=""))
    house.lacks("1", replace(finding(), owed_by=Party("", "Dr. Nobody")))
    house.analyse()
    (page, _) = completion.deficiencies(SATO).rows[0]
    assert (page.owed_by, page.owed_key) == ("Dr. Nobody", "")


def test_the_rate_is_delinquent_charts_by_average_monthly_discharges(house: House) -> None:
    for number in range(24):
        house.visit(f"d{number}", ended=NOW - 40 * DAY)
    for number in range(3):
        house.visit(f"x{number}", finding(), ended=NOW - 60 * DAY)
    rate = completion.rate(SATO)
    assert (rate.delinquent, rate.discharges, rate.months) == (3, 27, 12)
    assert rate.percent == pytest.approx(3 / (27 / 12) * 100)
    board = completion.board(SATO)
    assert (board.incomplete, board.delinquent, board.rate) == (3, 3, rate)
    assert [(each.key, each.open) for each in board.practitioners] == [(NOVAK, 3)]


def test_every_discharge_has_a_chart_or_is_named(house: House) -> None:
    house.visit("1", ended=NOW - 2 * timedelta(hours=1))
    house.visit("2", of="p2", ended=NOW - 3 * timedelta(hours=1))
    Chart.objects.filter(pk=house.chart("2").pk).delete()
    (today,) = completion.reconciliation(SATO, NOW.date(), days=1)
    assert (today.discharges, today.charts) == (2, 1)
    assert [each.id for each in today.without] == [house.ids["2"]]


def test_of_a_chart_that_is_destroyed_no_word_is_left(house: House) -> None:
    chart = house.visit("1", finding(owed_by=""), ended=datetime(2001, 3, 1, tzinfo=UTC))
    assert chart is not None
    patients = [chart.patient]
    number = record.ask_to_destroy(SATO, patients, "Its time is over.")
    record.confirm_destruction(OBI, number, patients)
    gone = house.deficiency()
    assert (gone.state, gone.says, gone.owed_because) == ("closed", "The chart was destroyed.", "")
    assert house.chart().state == ChartState.WITHDRAWN and items("completion.without-name") == []
    assert completion.charts(SATO).rows == ()
