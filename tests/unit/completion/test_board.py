"""The board: its counts are those of the charts whatever is done to them, each opens a list of as many, days are
counted once, and what was missed is not invented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from charthouse.completion import api as completion
from charthouse.completion.api import AGES, ChartFilters, DayCount, DeficiencyFilters, State
from charthouse.completion.board_models import Snapshot, SnapshotCount, Tally
from charthouse.completion.domain.findings import What
from charthouse.completion.models import Deficiency
from charthouse.configuration import configuration
from charthouse.foundation.access.api import PermissionRefused, system_context
from charthouse.foundation.clock import frozen
from charthouse.people import api as people
from charthouse.web.day_trends import draw_days
from tests.support.threads import together

from .desk_house import CHEN, CLERK, DAY, NOVAK, NOW, OBI, SATO, House, finding

CTX = system_context("test")
HOUR = timedelta(hours=1)


def sums(table: str) -> dict[tuple[Any, ...], int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT what, facility, kind, detail, state, late, day, sum(number) FROM "
            f"{table} GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(number) <> 0"
        )
        return {tuple(key): int(number) for *key, number in cursor.fetchall()}


def assert_counts_are_right() -> None:
    """The sums are those of the charts, counted one by one."""
    assert sums("completion_tally") == sums("completion_counted")


def changed(house: House, number: str, **more: Any) -> None:
    """Something else is known of an encounter, and it is analysed again."""
    id = house.ids[number]
    house.facts[id] = replace(house.facts[id], **more)
    house.analyse(number)


@pytest.fixture
def places(house: House) -> tuple[int, int]:
    north, south = (
        people.add_facility(CTX, people.FacilityDraft(code, f"{code.title()} House", "hospital", "UTC"))
        for code in ("NORTH", "SOUTH")
    )
    return north, south


@pytest.fixture
def full(house: House, places: tuple[int, int]) -> House:
    """Charts of each age in two facilities and in none, of two services and one not stated, some overdue."""
    north, south = places
    for number, days in enumerate((1, 7, 8, 9, 15, 20, 31, 45, 61, 70, 400)):
        house.visit(
            str(number),
            finding("hp", due=NOW - (days - 10) * DAY),
            finding("op", owed_by=CHEN if number % 2 else "", what=What.UNSIGNED, due=None if number == 3 else NOW),
            of=f"p{number}",
            ended=NOW - days * DAY,
            facility=(north, south, None)[number % 3],
            service=("Surgery", "Medicine", "")[number % 3],
        )
    house.visit("here", finding("hp", due=NOW + DAY), of="here", ended=None, facility=north)
    house.visit("done", of="done", ended=NOW - 40 * DAY, facility=south)
    return house


class TestCounts:
    def test_they_follow_whatever_is_done_to_a_chart(self, full: House, places: tuple[int, int]) -> None:
        assert_counts_are_right()
        lacking = full.deficiency("hp", "1")
        acts: tuple[Callable[[], object], ...] = (
            lambda: full.lacks("0"),
            lambda: full.analyse("0"),
            lambda: completion.assign_deficiency(SATO, lacking.pk, CHEN, version=lacking.version),
            lambda: completion.waive_deficiency(
                SATO, full.deficiency("op", "2").pk, version=full.deficiency("op", "2").version, reason="policy"
            ),
            lambda: changed(full, "4", facility=places[1], service="Cardiology"),
            lambda: changed(full, "5", facility=None, end=NOW - 3 * DAY),
            lambda: changed(full, "7", status="entered-in-error"),
            lambda: completion.age_charts(),
            lambda: completion.mark_late(),
            lambda: completion.join_tallies(),
            lambda: Deficiency.objects.filter(chart=full.chart("8")).update(due=NOW + DAY),
            lambda: completion.mark_late(),
        )
        for act in acts:
            act()
            assert_counts_are_right()
        moved = full.deficiency("hp", "4")
        assert (moved.facility, moved.service) == (places[1], "Cardiology")
        assert completion.recount() == 0, "and nothing had to be put right"

    def test_rows_of_a_sort_become_one(self, full: House) -> None:
        before = sums("completion_tally")
        assert completion.join_tallies() > len(before)
        assert sums("completion_tally") == before and Tally.objects.count() == len(before)
        assert completion.join_tallies() == 0, "nothing was added since"

    def test_a_count_that_went_wrong_is_put_right(self, full: House) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE completion_tally SET number = number + 5 WHERE what = 'chart'")
        assert completion.board(SATO).incomplete > 12
        assert completion.recount() > 0
        assert_counts_are_right()
        assert completion.board(SATO).incomplete == 12

    def test_what_becomes_overdue_is_counted_at_once_and_marked_later(self, full: House) -> None:
        def overdue() -> int:
            board = completion.board(SATO)
            assert board.overdue == Deficiency.objects.filter(state="open", due__lte=moment).count()
            assert sum(each.overdue for each in board.sorts) == board.overdue
            return board.overdue

        moment = NOW
        found = [overdue()]
        completion.mark_late()
        found.append(overdue())
        assert found[0] == found[1] > 0
        moment = NOW + 3 * DAY
        with frozen(moment):
            assert overdue() > found[0], "before anything is marked"
        moment = NOW - 30 * DAY
        with frozen(moment):
            assert overdue() < found[0], "and what is no longer overdue is not"
            assert completion.mark_late() > 0
            assert not Deficiency.objects.filter(late=True, due__gt=moment).exists()


def lists_of(board: completion.Board) -> list[tuple[str, int, ChartFilters | DeficiencyFilters]]:
    """Each number of the board with what its list is narrowed to."""
    late = ("delinquent",)
    found: list[tuple[str, int, ChartFilters | DeficiencyFilters]] = [
        ("not complete", board.incomplete, ChartFilters()),
        ("delinquent", board.delinquent, ChartFilters(states=late)),
        ("open", board.open, DeficiencyFilters()),
        ("overdue", board.overdue, DeficiencyFilters(overdue=True)),
        ("nameless", board.nameless, DeficiencyFilters(nameless=True)),
    ]
    since, until, kinds = completion.rate_span()
    states = ("incomplete", "delinquent", "complete", "withdrawn")
    rate = ChartFilters(states=states, since=since, discharged_before=until, kinds=kinds, discharges=True)
    found.append(("discharges", board.rate.discharges, rate))
    for name, counts in (("kind", board.kinds), ("service", board.services)):
        for each in counts:
            for number, base in ((each.incomplete, ChartFilters()), (each.delinquent, ChartFilters(states=late))):
                found.append((f"{name} {each.key}", number, replace(base, **{name: each.key})))  # type: ignore[arg-type]
    for each in board.ages:
        base = ChartFilters(here=True)
        if each.key != "0":
            begin, end = completion.age_span(int(each.key))
            base = ChartFilters(since=begin, discharged_before=end)
        found += [
            (f"age {each.key}", each.incomplete, base),
            (f"age {each.key}, late", each.delinquent, replace(base, states=late)),
        ]
    for one in board.sorts:
        narrowed = DeficiencyFilters(kind=one.kind, what=one.what)
        found += [
            (f"{one.kind} {one.what}", one.open, narrowed),
            (f"{one.kind} {one.what}, late", one.overdue, replace(narrowed, overdue=True)),
        ]
    for who in board.practitioners:
        owing = DeficiencyFilters(practitioner=(who.key,))
        found += [(who.key, who.open, owing), (f"{who.key}, late", who.overdue, replace(owing, overdue=True))]
    return found


def count(ctx: Any, filters: ChartFilters | DeficiencyFilters) -> int:
    if isinstance(filters, ChartFilters):
        return completion.count_charts(ctx, filters)
    return completion.count_deficiencies(ctx, filters)


@pytest.mark.parametrize("whose", ["all", "north", "south"])
def test_each_number_opens_a_list_of_as_many(full: House, places: tuple[int, int], whose: str) -> None:
    reached = {"all": frozenset[int](), "north": frozenset({places[0]}), "south": frozenset({places[1]})}[whose]
    ctx = replace(SATO, facilities=reached)
    completion.age_charts()
    for moment in (NOW, NOW + 5 * HOUR):
        with frozen(moment):
            board = completion.board(ctx)
            assert board.incomplete > 0 and board.delinquent > 0 and board.overdue > 0
            assert whose != "all" or len(board.ages) == len(AGES) + 1
            for name, number, filters in lists_of(board):
                assert count(ctx, filters) == number, name


def test_counts_are_right_after_many_wrote_at_once(standing_house: House) -> None:
    """Charts are analysed, aged and marked by several at once, while rows are joined and counted again."""
    house = standing_house
    for number in range(6):
        house.visit(str(number), finding(due=NOW - number * DAY), finding("op", owed_by=CHEN), of=f"p{number}")
    for number in range(6):
        house.lacks(str(number), *([finding("op", owed_by=NOVAK)] if number % 2 else []))
    acts: list[Callable[[], object]] = [lambda n=number: house.analyse(str(n)) for number in range(6)]  # type: ignore[misc]
    acts += [completion.join_tallies, completion.mark_late, completion.recount, completion.join_tallies]
    assert together(acts) == {"done": len(acts)}
    assert_counts_are_right()
    assert completion.board(SATO).open == 3 == completion.count_deficiencies(SATO)


class TestSnapshots:
    def test_a_day_is_counted_once_it_is_over(self, house: House) -> None:
        with frozen(NOW - DAY):
            house.visit("1", finding(), finding("op", owed_by=CHEN), ended=NOW - DAY - HOUR)
            house.visit("2", finding(), of="p2", ended=NOW - 50 * DAY)
            house.visit("late", finding(what=What.LATE), of="p3", ended=NOW - 50 * DAY)
            house.lacks("1", finding())
            house.analyse("1")
        house.lacks("1")
        house.analyse("1")
        assert completion.take_snapshot() == date(2026, 3, 19)
        (day,) = completion.last_days(SATO, 1)
        assert (day.day, day.at, day.incomplete, day.delinquent) == (date(2026, 3, 19), NOW, 1, 1)
        assert (day.discharges, day.opened, day.closed) == (1, 3, 1), "of the day, not of this morning"
        rate = completion.rate(SATO)
        assert day.percent == pytest.approx(rate.percent)

    def test_a_second_count_of_a_day_changes_nothing(self, house: House) -> None:
        house.visit("1", finding())
        assert completion.take_snapshot() is not None
        house.visit("2", finding(), of="p2")
        with frozen(NOW + 5 * HOUR):
            assert completion.take_snapshot() is None
            assert completion.last_days(SATO, 1)[0].incomplete == 1
        assert Snapshot.objects.count() == 1

    def test_two_who_count_at_once_count_once(self, standing_house: House) -> None:
        standing_house.visit("1", finding())
        assert together([completion.take_snapshot] * 4) == {"done": 4}
        assert (Snapshot.objects.count(), SnapshotCount.objects.count()) == (1, 1)

    def test_a_day_that_was_missed_has_none(self, house: House) -> None:
        house.visit("1", finding())
        for days in (4, 3, 1):
            with frozen(NOW - days * DAY):
                completion.take_snapshot()
        days = completion.last_days(SATO, 5)
        assert [each.at is not None for each in days] == [True, True, False, True, False]
        assert [each.percent is None for each in days if each.at is None] == [True, True]

    def test_a_count_is_kept_as_it_was(self, house: House) -> None:
        house.visit("1", finding())
        completion.take_snapshot()
        for table in ("completion_snapshot", "completion_snapshot_count", "completion_snapshot_part"):
            with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {table}")

    def test_the_day_is_the_sites_own(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CHARTHOUSE_TIME_ZONE", "America/Chicago")
        configuration.cache_clear()
        try:
            with frozen(datetime(2026, 3, 20, 3, 0, tzinfo=UTC)):
                assert completion.take_snapshot() == date(2026, 3, 18), "in Chicago the 19th is not over"
        finally:
            monkeypatch.undo()
            configuration.cache_clear()

    def test_a_days_board_is_that_of_its_moment(self, full: House, places: tuple[int, int]) -> None:
        completion.age_charts()
        completion.take_snapshot()
        north = replace(SATO, facilities=frozenset({places[0]}))
        for ctx in (SATO, north):
            now, then = completion.board(ctx), completion.day_counted(ctx, date(2026, 3, 19))
            assert then is not None
            assert replace(now, day=then.board.day) == then.board
        full.lacks("1")
        full.analyse("1")
        again = completion.day_counted(SATO, date(2026, 3, 19))
        assert again is not None and again.board.incomplete == 12
        assert sum(each.incomplete for _, each in again.services) == 12
        assert {name for name, _ in again.facilities} == {"North House", "South House", None}

    def test_only_who_may_see_charts_sees_days(self, house: House) -> None:
        for read in (completion.board, lambda ctx: completion.last_days(ctx, 3), completion.deficiencies):
            with pytest.raises(PermissionRefused):
                read(CLERK)


class TestDrawing:
    def days(self, *numbers: int | None) -> list[DayCount]:
        first = date(2026, 3, 1)
        return [
            DayCount(first + timedelta(days=place), NOW, each, each, 0, 0, 0, 120, 12)
            if each is not None
            else DayCount(first + timedelta(days=place))
            for place, each in enumerate(numbers)
        ]

    def test_a_gap_is_not_drawn_across(self) -> None:
        charts, _, rate = draw_days(self.days(4, 6, None, 2, None, 8, 8), 50)
        assert [line.count(",") for line in charts.lines] == [2, 2]
        assert len(charts.dots) == 2, "the day that stands alone, and the last"
        assert "5 of 7 days counted: lowest 2, highest 8, last 8" in charts.words
        assert rate.last == "80.0 %" and rate.mark is not None
        assert [each.day.day for each in charts.columns] == [1, 2, 4, 6, 7]

    def test_nothing_counted_draws_nothing(self) -> None:
        (charts, _, _) = draw_days(self.days(None, None), 50)
        assert charts.lines == charts.columns == () and "none of 2 days" in charts.words

    def test_a_year_can_still_be_pointed_at(self) -> None:
        (charts, _, _) = draw_days(self.days(*range(365)), 50)
        assert 20 < len(charts.columns) <= 31 and charts.columns[-1].day == date(2027, 2, 28)


class TestSingleDeficiencies:
    def test_the_list_goes_on_where_it_ended_those_without_a_date_last(self, full: House) -> None:
        found, after = [], ""
        for _ in range(20):
            page = completion.deficiencies(SATO, after=after, limit=4)
            found += [line for line, _ in page.rows]
            after = page.next
            if not after:
                break
        assert len(found) == len({each.id for each in found}) == completion.count_deficiencies(SATO) == 23
        dues = [each.due or datetime.max.replace(tzinfo=UTC) for each in found]
        assert dues == sorted(dues) and found[-1].due is None

    @pytest.mark.parametrize("many", [False, True])
    def test_of_several_facilities_it_is_one_list(self, full: House, places: tuple[int, int], many: bool) -> None:
        ctx = replace(SATO, facilities=frozenset(places if many else places[:1]))
        first = completion.deficiencies(ctx, limit=5)
        rest = completion.deficiencies(ctx, after=first.next, limit=40)
        rows = [*first.rows, *rest.rows]
        reached = {None, *(places if many else places[:1])}
        assert {chart.facility for _, chart in rows} == reached and rest.next == ""
        assert len(rows) == completion.count_deficiencies(ctx) == len({line.id for line, _ in rows})
        other = DeficiencyFilters(facility=places[1])
        assert bool(completion.deficiencies(ctx, other).rows) is many
        assert bool(completion.count_deficiencies(ctx, other)) is many

    def test_it_is_narrowed(self, full: House) -> None:
        def of(**filters: Any) -> int:
            return len(completion.deficiencies(SATO, DeficiencyFilters(**filters), limit=90).rows)

        assert of(kind="op") == 11 and of(what="unsigned") == 11 and of(kind="op", what="missing") == 0
        assert of(practitioner=(CHEN,)) == 5 and of(nameless=True) == 6
        assert of(overdue=True) + of(in_time=True) == 23
        assert of(service="-") == 6 and of(service="Surgery") > 0

    def test_what_is_settled_is_listed_by_when_the_latest_first(self, full: House) -> None:
        for number, day in (("1", 1), ("2", 2)):
            with frozen(NOW + day * DAY):
                full.lacks(number)
                full.analyse(number)
        closed = DeficiencyFilters(states=(State.CLOSED,), since=NOW, until=NOW + 9 * DAY)
        first = completion.deficiencies(SATO, closed, limit=3)
        rest = completion.deficiencies(SATO, closed, after=first.next)
        ended = [line.ended for line, _ in (*first.rows, *rest.rows)]
        assert ended == sorted(ended, reverse=True) and len(ended) == 4  # type: ignore[type-var]
        assert completion.count_deficiencies(SATO, replace(closed, until=NOW + 1.5 * DAY)) == 2

    def test_a_broken_place_begins_anew(self, full: House) -> None:
        for after in ("x", "1.", ".", "99999999999999999999.1", "-1.1"):
            assert len(completion.deficiencies(SATO, after=after).rows) == 23

    def test_charts_of_a_hidden_encounter_are_in_no_list(self, full: House) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE record_resource SET labels = 1 WHERE id = %s", [full.chart("1").encounter])
        blind = replace(SATO, clearance=type(SATO.clearance)(0))
        assert completion.count_deficiencies(blind) == 21
        assert full.chart("1").pk not in {chart.id for _, chart in completion.deficiencies(blind).rows}


def test_a_deficiency_owed_under_two_names_counts_once_for_its_practitioner(house: House) -> None:
    house.visit("1", finding(), finding("op", owed_by=CHEN))
    (one, other) = (people.practitioners_by_public_id(CTX, [id])[id].id for id in ("novak", "chen"))
    people.merge_practitioners(OBI, one, other, "One person.")
    (who,) = completion.board(SATO).practitioners
    assert who.open == 2


def test_of_those_who_owe_as_much_the_names_decide(house: House) -> None:
    people.note_practitioners([people.PractitionerFact("a-first", "Zenker", "Paula")])
    house.visit("1", finding("op", owed_by="Practitioner/a-first"), finding())
    house.visit("2", finding("op", owed_by="Practitioner/a-first"), finding(), finding("dx", owed_by=CHEN))

    def named(most: int) -> list[str]:
        return [who.name.split(",")[0] for who in completion.board(SATO, most).practitioners]

    assert named(1) == ["Bela Novak"]
    assert named(9)[:2] == ["Bela Novak", "Paula Zenker"] and len(named(9)) == 3
