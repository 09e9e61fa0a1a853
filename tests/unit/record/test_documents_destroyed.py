"""Single documents of a kind with a rule of its own are destroyed by two persons when their own time is over, and
their chart goes on; what is left of them says so to every reader."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from charthouse.foundation.access.api import PermissionRefused
from charthouse.foundation.clock import frozen
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.work import api as work
from charthouse.record import api as record
from charthouse.record.actions.index_texts import index_texts
from charthouse.record.domain.retention import OwnPeriod, Periods, document_due, own_period
from charthouse.record.verifying import verify

from .test_corrections import CLERK, NOVAK, OBI, SATO, SYSTEM, Department, note, whole
from .test_destruction import PRIVACY

SECTION = "http://terminology.hl7.org/CodeSystem/v2-0074"
PERIODS = Periods(conditions=[5, 6], adults=10, majority=18, minors=10)
LAB = OwnPeriod("laboratory", 2, frozenset({"LAB"}))
PATHOLOGY = OwnPeriod("pathology", 10, frozenset({"SP", "11526-1"}))


@pytest.mark.parametrize(
    ("at", "births", "own", "day", "rule"),
    [
        (date(2010, 3, 1), ["1950"], LAB, date(2016, 3, 1), "record.retention-conditions"),
        (date(2010, 3, 1), ["1950"], PATHOLOGY, date(2020, 3, 1), "pathology"),
        (date(2010, 3, 1), ["2000-02-03"], LAB, date(2028, 2, 3), "record.retention-minors"),
        (date(2010, 3, 1), [""], PATHOLOGY, date(2038, 3, 1), "record.retention-minors"),
    ],
)
def test_the_longest_period_from_the_documents_own_date_decides(
    at: date, births: list[str], own: OwnPeriod, day: date, rule: str
) -> None:
    assert document_due(at, births, own, PERIODS) == record.Due(day, rule)


@pytest.mark.parametrize(
    ("resource", "found"),
    [
        ({"category": [{"coding": [{"code": "LAB"}]}]}, LAB),
        ({"category": [{"coding": [{"code": "LAB"}, {"code": "SP"}]}]}, PATHOLOGY),
        ({"type": {"coding": [{"code": "11526-1"}]}}, PATHOLOGY),
        ({"code": {"text": "Pathology"}}, None),
        ({"category": "LAB", "code": {"coding": "SP"}}, None),
    ],
)
def test_a_kind_is_told_by_codes_of_category_and_type(resource: dict[str, Any], found: OwnPeriod | None) -> None:
    assert own_period(resource, [LAB, PATHOLOGY]) is found


def report(id: str, section: str, at: str, *results: str) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport",
        "id": id,
        "status": "final",
        "category": [{"coding": [{"system": SECTION, "code": section}]}],
        "code": {"text": "Complete blood count"},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": at,
        "result": [{"reference": f"Observation/{each}"} for each in results],
        "conclusion": f"Hypochromia of {id}.",
    }


def result(id: str, at: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": f"Haemoglobin {id}"},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": at,
    }


@pytest.fixture
def chart(book: Any) -> Department:
    """A chart that is still written in: an old and a young laboratory report, an old one of pathology, a note."""
    ida = book.patient("p1", birthDate="1950-02-03")
    otto = book.patient("p2", name=[{"family": "Weiss", "given": ["Otto"]}], birthDate="1960-01-01")
    old, young = "2012-03-01T10:00:00Z", "2026-01-01T10:00:00Z"
    book.file(
        result("own", old),
        result("shared", old),
        report("r-old", "LAB", old, "own", "shared"),
        report("r-young", "LAB", young, "shared"),
        report("r-path", "SP", "2020-03-01T10:00:00Z"),
        note(context={}),
    )
    index_texts()
    return Department(book, ida, otto)


def ask(chart: Department, *documents: str, ctx: Any = SATO) -> int:
    return record.ask_to_destroy(ctx, chart.chart, "Its own time is over.", list(documents))


def test_which_documents_may_go_alone_and_when(chart: Department) -> None:
    told = {each.id: (each.due.day, each.due.rule, each.over) for each in record.document_times(SATO, chart.chart)}
    assert told == {
        "r-old": (date(2017, 3, 1), "record.retention-conditions", True),
        "r-path": (date(2030, 3, 1), "record.retention-pathology", False),
        "r-young": (date(2031, 1, 1), "record.retention-conditions", False),
    }
    assert not record.retention(SATO, chart.chart).over
    with pytest.raises(PermissionRefused):
        record.document_times(CLERK, chart.chart)
    for documents, words in (
        (("DiagnosticReport/r-path",), "is kept until 2030-03-01"),
        (("DiagnosticReport/r-old", "DiagnosticReport/r-young"), "is kept until 2031-01-01"),
        (("DocumentReference/d1",), "no such document, or none of a kind"),
        (("DiagnosticReport/none",), "no such document"),
        ((), "Choose at least one"),
    ):
        with pytest.raises(record.DocumentError, match=words):
            ask(chart, *documents)
    with pytest.raises(PermissionRefused):
        ask(chart, "DiagnosticReport/r-old", ctx=NOVAK)
    assert work.items(PRIVACY, record.DESTRUCTIONS).items == ()


def test_a_document_is_gone_everywhere_and_its_chart_goes_on(chart: Department) -> None:
    assert record.search_all(SYSTEM, "hypochromia").hits
    number = ask(chart, "DiagnosticReport/r-old", ctx=OBI)
    (item,) = work.items(PRIVACY, record.DESTRUCTIONS).items
    assert item.subject.id == str(number)
    with pytest.raises(record.DocumentError, match="asked for already"):
        ask(chart, "DiagnosticReport/r-old")
    with pytest.raises(record.DocumentError, match="asked for this yourself"):
        record.confirm_destruction(OBI, number, chart.chart)
    record.confirm_destruction(PRIVACY, number, chart.chart)
    gone = {f"{each.type}/{each.id}" for each in record.destroyed(SYSTEM, chart.chart)}
    assert gone == {"DiagnosticReport/r-old", "Observation/own"}
    # What another report names stays, and so does all else.
    left = {each.public_id for each in record.export(SYSTEM, chart.chart) if each.type != "Provenance"}
    assert left >= {"r-young", "r-path", "shared", "d1"} and not left & {"r-old", "own"}
    assert chart.read().own_text
    assert {hit.id for hit in record.search_all(SYSTEM, "hypochromia").hits} == {"r-young", "r-path"}
    (certificate,) = (each for each in record.export(SYSTEM, chart.chart) if each.type == "Provenance")
    assert {each["reference"] for each in certificate.resource["target"]} == gone
    stones, count = record.stones(SATO, number, 100)
    assert count == 2 and {each.what for each in stones} == {
        "DiagnosticReport/r-old, version 1",
        "Observation/own, version 1",
    }
    for table in (
        "record_version",
        "record_index_token",
        "record_index_reference",
        "record_text",
        "record_text_due",
    ):
        assert (
            chart.book.one(
                f"SELECT count(*) FROM {table} t JOIN record_resource r ON r.type = t.type AND r.id = t.resource "
                "WHERE r.public_id IN ('r-old', 'own')"
            )
            == 0
        ), table
    assert verify(processes=1).destroyed == 2
    whole()
    (entry,) = entries(SYSTEM, Filters(action="record.destroy-documents")).lines
    assert entry.detail["items"] == 2 and entry.actor == PRIVACY.actor
    assert [each.id for each in record.document_times(SATO, chart.chart)] == ["r-path", "r-young"]


def test_a_hold_keeps_a_document_and_what_was_changed_since_is_not_destroyed(chart: Department) -> None:
    number = ask(chart, "DiagnosticReport/r-old")
    hold = record.set_hold(PRIVACY, chart.chart, "Case 7", ("DiagnosticReport", "r-young"))
    with pytest.raises(record.DocumentError, match="Case 7"):
        record.confirm_destruction(OBI, number, chart.chart)
    record.lift_hold(PRIVACY, hold, "Closed.")
    chart.book.file({**report("r-old", "LAB", "2012-03-01T10:00:00Z", "own", "shared"), "status": "amended"})
    with pytest.raises(record.DocumentError, match="filed in the chart since"):
        record.confirm_destruction(OBI, number, chart.chart)
    record.refuse_destruction(OBI, number, "It was amended.")
    number = ask(chart, "DiagnosticReport/r-old")
    record.confirm_destruction(OBI, number, chart.chart)
    assert {each.id for each in record.destroyed(SYSTEM, chart.chart)} == {"r-old", "own"}
    assert verify(processes=1).is_whole


def test_a_chart_is_kept_as_long_as_a_document_in_it_asks(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ida = book.patient("p1", birthDate="1950-02-03")
    book.file(report("r1", "SP", "2001-03-01T10:00:00Z"))
    assert record.retention(SATO, [ida]).over
    longer = [OwnPeriod("record.retention-pathology", 40, frozenset({"SP"}))]
    monkeypatch.setattr("charthouse.record.retention_queries.own_periods", lambda: longer)
    found = record.retention(SATO, [ida])
    assert not found.over and found.due == record.Due(date(2041, 3, 1), "record.retention-pathology")


# Across charts


def overdue(ctx: Any = SATO, **asked: Any) -> record.OverduePage:
    return record.overdue_documents(ctx, lambda patients: {each: [each] for each in patients}, **asked)


def shown(page: record.OverduePage) -> list[str]:
    return [each.time.id for each in page.rows]


def test_documents_of_all_charts_whose_own_time_is_over(chart: Department) -> None:
    chart.book.file(
        {**report("r-otto", "LAB", "2009-05-01T10:00:00Z"), "subject": {"reference": "Patient/p2"}},
        {**report("r-blood", "BLB", "2010-05-01T10:00:00Z"), "subject": {"reference": "Patient/p2"}},
        {**report("r-tissue", "SP", "2008-05-01T10:00:00Z"), "subject": {"reference": "Patient/p2"}},
        {**report("r-wrong", "LAB", "2007-05-01T10:00:00Z"), "status": "entered-in-error"},
        {**report("r-other", "RAD", "2007-05-01T10:00:00Z")},
    )
    page = overdue()
    assert shown(page) == ["r-tissue", "r-otto", "r-blood", "r-old"] and not page.next
    assert [each.rule.rpartition("-")[2] for each in page.rows] == [
        "pathology", "laboratory", "immunohematology", "laboratory",
    ]  # fmt: skip
    # What is shown is what may be asked for, chart by chart.
    for patient in {each.patient for each in page.rows}:
        times = {each.id for each in record.document_times(SATO, [patient]) if each.over}
        assert times == {each.time.id for each in page.rows if each.patient == patient}
    assert shown(overdue(rule="record.retention-laboratory")) == ["r-otto", "r-old"]
    assert shown(overdue(year=2010)) == ["r-blood"]
    assert shown(overdue(rule="record.retention-pathology", year=2010)) == []
    assert shown(overdue(rule="record.no-such-rule")) == []
    assert shown(overdue(after="nonsense")) == shown(page)
    with pytest.raises(PermissionRefused):
        overdue(CLERK)


def test_pages_across_charts_hold_each_document_once(chart: Department, monkeypatch: pytest.MonkeyPatch) -> None:
    from charthouse.record import overdue_queries

    # Several of one moment, and one without a date, which counts from when it was filed.
    dated = [report(f"r{number}", "LAB", f"20{number // 3 + 1:02}-05-01T10:00:00Z") for number in range(20)]
    bare = {name: value for name, value in report("r-bare", "LAB", "").items() if name != "effectiveDateTime"}
    chart.book.file(*dated, bare)
    whole = shown(overdue())
    assert len(whole) == 21 and "r-bare" not in whole
    for page_size, window in ((4, 500), (50, 5), (3, 4)):
        monkeypatch.setattr(overdue_queries, "PAGE", page_size)
        monkeypatch.setattr(overdue_queries, "WINDOW", window)
        found: list[str] = []
        after = ""
        for _ in range(60):
            page = overdue(after=after)
            found += shown(page)
            after = page.next
            if not after:
                break
        assert found == whole


def test_pages_hold_what_has_no_date_once(chart: Department, monkeypatch: pytest.MonkeyPatch) -> None:
    from charthouse.record import overdue_queries

    bare = [
        {name: value for name, value in report(f"r{n}", "LAB", "").items() if name != "effectiveDateTime"}
        for n in range(7)
    ]
    chart.book.file(*bare)
    monkeypatch.setattr(overdue_queries, "WINDOW", 3)
    with frozen(datetime(2060, 1, 1, tzinfo=UTC)):
        found: list[str] = []
        after = ""
        for _ in range(20):
            page = overdue(after=after)
            found += shown(page)
            if not (after := page.next):
                break
    assert sorted(found) == sorted([*(f"r{n}" for n in range(7)), "r-old", "r-young", "r-path"])


@pytest.mark.parametrize("mark", ["9.9", "1." + "9" * 30, "9" * 40 + ".1", "1", "x.y", "1." + "9" * 5_000])
def test_what_is_no_place_of_a_page_begins_anew_or_behind_it(chart: Department, mark: str) -> None:
    assert set(shown(overdue(after=mark))) <= {"r-old"}


def test_a_minors_document_is_not_listed(chart: Department) -> None:
    chart.book.patient("p3", name=[{"family": "Young"}], birthDate="2009-01-01")
    chart.book.file({**report("r-minor", "LAB", "2012-04-01T10:00:00Z"), "subject": {"reference": "Patient/p3"}})
    assert shown(overdue()) == ["r-old"]


def test_several_are_asked_for_and_what_cannot_be_stops_no_other(chart: Department) -> None:
    chart.book.file({**report("r-otto", "LAB", "2009-05-01T10:00:00Z"), "subject": {"reference": "Patient/p2"}})
    (otto,) = (each.patient for each in overdue().rows if each.time.id == "r-otto")
    record.set_hold(PRIVACY, (otto,), "Case 9")
    wanted = [
        record.Wanted(tuple(chart.chart), ("DiagnosticReport/r-old",)),
        record.Wanted((otto,), ("DiagnosticReport/r-otto",)),
    ]
    for chosen, reason, words in (([], "x", "at least one"), (wanted, " ", "Say why")):
        with pytest.raises(record.DocumentError, match=words):
            record.ask_for_several(SATO, chosen, reason)
    with pytest.raises(PermissionRefused):
        record.ask_for_several(NOVAK, wanted, "Over.")
    asked, refused = record.ask_for_several(SATO, wanted, "Their own time is over.")
    assert len(asked) == 1 and len(refused) == 1 and "Case 9" in refused[0]
    kept = record.hindrances(SATO, [chart.chart, (otto,)])
    assert kept[chart.chart[0]] == record.Hindrance((), asked[0])
    assert kept[otto] == record.Hindrance(("Case 9",), None)
    record.confirm_destruction(PRIVACY, asked[0], chart.chart)
    assert shown(overdue()) == ["r-otto"] and verify(processes=1).is_whole
