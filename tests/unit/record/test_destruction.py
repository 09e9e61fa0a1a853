"""Charts are kept as long as the rules ask, held where a matter needs them, and destroyed by two persons: then the
bytes are gone everywhere, and what is left proves that it was done lawfully."""

from __future__ import annotations

import base64
import hashlib
from datetime import date
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from charthouse.foundation.access.api import PermissionRefused, Role
from charthouse.foundation.files import api as files
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.tables import TableClass, declared
from charthouse.foundation.work import api as work
from charthouse.record import api as record
from charthouse.record.actions.index_texts import index_texts
from charthouse.record.domain.retention import Periods, due, years_after
from charthouse.record.verifying import Trouble, verify

from .test_corrections import CHEN, CLERK, NOVAK, OBI, SATO, SYSTEM, Department, asker, make_department, note, whole

PRIVACY = asker(7, "P. Privy", Role.PRIVACY)
OLD = "2001-03-01T10:00:00Z"
SCAN = b"%PDF-1.4 " + bytes(range(256)) * 300
WORD = "sphygmomanometer"


def encounter(id: str, of: str = "p1", ended: str = OLD) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": id,
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{of}"},
        "period": {"start": ended, "end": ended},
    }


def fill(book: Any) -> Department:
    """A chart of 2001: an encounter, a signed note of two texts, a scan in the file store."""
    attachment = {"contentType": "application/pdf", "data": base64.b64encode(SCAN).decode()}
    context = {"encounter": [{"reference": "Encounter/e1"}]}
    ida = book.patient("p1", birthDate="1950-02-03")
    otto = book.patient("p2", name=[{"family": "Weiss", "given": ["Otto"]}], birthDate="1960-01-01")
    book.file(
        encounter("e1"),
        encounter("e9", of="p2"),
        note(text=f"Measured with the {WORD}.", date=OLD, context=context),
        note(id="d3", date=OLD, content=[{"attachment": attachment}], context=context),
    )
    index_texts()
    return Department(book, ida, otto)


@pytest.fixture
def old(book: Any) -> Department:
    return fill(book)


def ask(chart: Department, ctx: Any = SATO) -> int:
    return record.ask_to_destroy(ctx, chart.chart, "Its time is over.")


def destroy(chart: Department) -> int:
    number = ask(chart)
    record.confirm_destruction(OBI, number, chart.chart)
    return number


PERIODS = Periods(conditions=[5, 6], adults=10, majority=18, minors=10)


@pytest.mark.parametrize(
    ("last", "births", "day", "rule"),
    [
        (date(2001, 3, 1), ["1950-02-03"], date(2011, 3, 1), "record.retention-adults"),
        (date(2001, 3, 1), ["2000-02-03"], date(2028, 2, 3), "record.retention-minors"),
        (date(2001, 3, 1), ["1983-02"], date(2011, 3, 1), "record.retention-adults"),
        (date(2001, 3, 1), ["1983-03"], date(2011, 4, 1), "record.retention-minors"),
        (date(2001, 3, 1), [""], date(2029, 3, 1), "record.retention-minors"),
        (date(2001, 3, 1), ["1950", "2001"], date(2029, 3, 1), "record.retention-minors"),
        (date(2004, 2, 29), ["1950-02-03"], date(2014, 3, 1), "record.retention-adults"),
    ],
)
def test_the_longest_period_decides(last: date, births: list[str], day: date, rule: str) -> None:
    found = due(last, births, PERIODS)
    assert (found.day, found.rule) == (day, rule)


@given(last=st.dates(date(1950, 1, 1), date(2100, 1, 1)), born=st.dates(date(1900, 1, 1), date(2100, 1, 1)))
def test_no_chart_is_due_before_any_of_its_periods_has_ended(last: date, born: date) -> None:
    found = due(last, [born.isoformat()], PERIODS)
    assert found.day >= years_after(last, 6)
    assert found.day >= min(years_after(born, 28), years_after(last, 28))


def test_what_is_not_due_is_not_destroyed(book: Any, make: Any) -> None:
    young = make_department(book, make)
    with pytest.raises(record.DocumentError, match="is kept until"):
        ask(young)


def test_one_young_entry_keeps_the_chart_and_one_without_a_date_decides_nothing(old: Department) -> None:
    assert record.retention(SATO, old.chart).over
    old.book.file({**encounter("e5"), "period": {}})
    assert record.retention(SATO, old.chart).over
    old.book.file(note(id="d8", context={}))
    shown = record.retention(SATO, old.chart)
    assert shown.due is not None and not shown.over and shown.due.day == date(2036, 3, 1)
    with pytest.raises(record.DocumentError, match="is kept until 2036-03-01"):
        ask(old)


def test_a_hold_on_one_document_keeps_the_chart_until_it_is_lifted(old: Department) -> None:
    number = ask(old)
    hold = record.set_hold(PRIVACY, old.chart, "Case 12-345", ("DocumentReference", "d1"))
    with pytest.raises(record.DocumentError, match="Case 12-345"):
        record.confirm_destruction(OBI, number, old.chart)
    record.refuse_destruction(OBI, number, "It is held.")
    with pytest.raises(record.DocumentError, match="Case 12-345"):
        ask(old)
    assert old.read().own_text
    record.lift_hold(PRIVACY, hold, "The case is closed.")
    with pytest.raises(record.DocumentError, match="lifted already"):
        record.lift_hold(PRIVACY, hold, "Again.")
    (row,) = record.retention(SATO, old.chart).holds
    assert (row.item, row.holds, row.lift_reason) == ("DocumentReference/d1", False, "The case is closed.")
    destroy(old)
    acts = {line.action for line in entries(SYSTEM, Filters()).lines}
    assert {"record.set-hold", "record.lift-hold", "record.destroy-chart"} <= acts


def test_without_the_right_nothing_is_held_asked_or_done(old: Department) -> None:
    number = ask(old)
    for act in (
        lambda: record.set_hold(SATO, old.chart, "x"),
        lambda: record.lift_hold(CLERK, 1, "x"),
        lambda: ask(old, NOVAK),
        lambda: record.confirm_destruction(SATO, number, old.chart),
        lambda: record.refuse_destruction(CHEN, number, "x"),
        lambda: record.retention(CLERK, old.chart),
        lambda: record.destruction(CLERK, number),
        lambda: record.due_charts(NOVAK, lambda patients: {}),
    ):
        with pytest.raises(PermissionRefused):
            act()
    assert old.read() is not None


def test_who_asked_does_not_confirm_and_the_same_is_asked_once(old: Department) -> None:
    number = ask(old, OBI)
    with pytest.raises(record.DocumentError, match="asked for this yourself"):
        record.confirm_destruction(OBI, number, old.chart)
    with pytest.raises(record.DocumentError, match="asked for already"):
        ask(old)
    (item,) = work.items(PRIVACY, record.DESTRUCTIONS).items
    assert item.subject.id == str(number)
    record.refuse_destruction(OBI, number, "Not yet.")
    assert work.items(PRIVACY, record.DESTRUCTIONS).items == ()
    with pytest.raises(record.DocumentError, match="decided meanwhile"):
        record.confirm_destruction(PRIVACY, number, old.chart)


def test_what_was_filed_or_joined_since_is_not_destroyed(old: Department) -> None:
    number = ask(old)
    with pytest.raises(record.DocumentError, match="other records now"):
        record.confirm_destruction(OBI, number, (old.ida, old.otto))
    old.book.file(note(id="d5", date=OLD, context={}))
    with pytest.raises(record.DocumentError, match="filed in the chart since"):
        record.confirm_destruction(OBI, number, old.chart)
    assert old.read() is not None


#: What goes with a chart, and what stays of it, as the page of retention says. A table that is in neither is one
#: that nobody thought of: destroy its rows, or say why they stay.
GOES = {
    "record_version", "record_index_token", "record_index_string", "record_index_date", "record_index_quantity",
    "record_index_reference", "record_text", "record_machine_text", "record_attachment", "record_unsigned",
    "record_account_segment", "intake_original", "fhir_finding",
    "completion_chart_facts", "completion_document_piece", "record_last_entry",
}  # fmt: skip
STAYS = {
    # That there was an item, and what is left of it.
    "record_resource", "record_hold", "record_hold_lift", "record_destruction", "record_destruction_decision",
    "record_tombstone",
    # Hashes, and who did what and why.
    "record_signature", "record_correction", "record_correction_decision",
    # The patient index.
    "identity_source_patient", "identity_traits", "identity_key", "identity_name", "identity_identifier",
    "identity_held_update", "identity_number_correction",
    # That a chart was completed, by whom and when, in codes; what it lacked loses its words.
    "completion_chart", "completion_closure", "completion_deficiency", "completion_deficiency_event",
    # The accounting.
    "disclosure", "disclosure_item",
}  # fmt: skip


def test_of_every_table_of_patients_it_is_known_whether_it_goes_with_a_chart() -> None:
    owned = {model._meta.db_table for model, kind in declared() if kind is TableClass.PATIENT}
    assert owned - GOES - STAYS == set() and (GOES | STAYS) - owned == set()


def test_no_table_with_rows_of_items_is_forgotten(old: Department) -> None:
    """Asked of the database itself: whatever names an item by type and row is empty of it, or is to stay."""
    cursor = old.book.cursor
    cursor.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition "
        "AND c.relnamespace = current_schema()::regnamespace AND (SELECT count(*) FROM pg_attribute a "
        "WHERE a.attrelid = c.oid AND a.attname IN ('type', 'resource') AND NOT a.attisdropped) = 2"
    )
    tables = {name for (name,) in cursor.fetchall()} - STAYS
    assert tables >= {"record_version", "record_text", "record_text_due", "record_superseded"}
    destroy(old)
    for table in sorted(tables):
        cursor.execute(
            f"SELECT count(*) FROM {table} t JOIN record_resource r ON r.type = t.type AND r.id = t.resource "
            "WHERE r.public_id IN ('e1', 'd1', 'd3')"
        )
        assert cursor.fetchone()[0] == 0, table


def _everywhere(cursor: Any) -> dict[str, int]:
    """How many rows of the record belong to Ida's chart but her index entry and what says that it is destroyed."""
    tables = (
        "record_version", "record_index_token", "record_index_string", "record_index_date",
        "record_index_reference", "record_text", "record_text_due", "record_machine_text", "record_attachment",
        "record_unsigned",
    )  # fmt: skip
    found = {}
    for table in tables:
        cursor.execute(
            f"SELECT count(*) FROM {table} t JOIN record_resource r ON r.type = t.type AND r.id = t.resource "
            "WHERE r.public_id IN ('e1', 'd1', 'd3')"
        )
        found[table] = cursor.fetchone()[0]
    return found


def test_a_destroyed_chart_is_gone_everywhere_and_leaves_its_hashes(old: Department) -> None:
    scan = old.book.one("SELECT id FROM files_file")
    assert record.search_all(SYSTEM, WORD).hits and sum(_everywhere(old.book.cursor).values()) > 10
    signed = {"docStatus": "final", "authenticator": {"display": "B. Novak"}}
    old.book.file(note(text="As it was signed.", date=OLD, context={}, **signed))
    before = {each.version: each.content for each in old.book.versions("DocumentReference", "d1")}
    number = destroy(old)
    assert set(_everywhere(old.book.cursor).values()) == {0}
    assert not record.search_all(SYSTEM, WORD).hits
    with pytest.raises(files.FileMissing, match="destroyed"):
        files.read(scan)
    stones, count = record.stones(SATO, number, 100)
    said = {each.what: each.sha256 for each in stones}
    assert count == len(stones)
    for version, content in before.items():
        assert said[f"DocumentReference/d1, version {version}"] == hashlib.sha256(content).hexdigest()
    whole()
    report = verify()
    assert report.destroyed == count and report.signatures == 1


def test_every_reader_finds_that_it_was_destroyed(old: Department) -> None:
    number = destroy(old)
    assert old.read() is None and old.listed() == []
    gone = {(each.type, each.id): each for each in record.destroyed(SYSTEM, old.chart)}
    assert {("DocumentReference", "d1"), ("DocumentReference", "d3"), ("Encounter", "e1")} <= set(gone)
    asked = gone[("DocumentReference", "d1")].destruction
    assert (asked.id, asked.name, asked.decider, asked.rule) == (
        number, SATO.name, OBI.name, "record.retention-adults",
    )  # fmt: skip
    exported = old.exported()
    (certificate,) = [each for key, each in exported.items() if key.startswith("Provenance/")]
    assert certificate["activity"]["coding"][0]["code"] == "destroy"
    assert {"reference": "DocumentReference/d1"} in certificate["target"]
    assert [each["who"]["display"] for each in certificate["agent"]] == [SATO.name, OBI.name]
    assert f"Patient/{old.book.one('SELECT public_id FROM record_resource WHERE id = %s', old.ida)}" in exported
    assert record.chart_summary(SYSTEM, old.chart).name
    assert record.retention(SATO, old.chart).items == 0
    with pytest.raises(record.DocumentError, match="nothing in this chart"):
        ask(old)


def test_another_chart_keeps_the_file_that_both_had(old: Department) -> None:
    attachment = {"contentType": "application/pdf", "data": base64.b64encode(SCAN).decode()}
    old.book.file(note(id="d9", of="p2", content=[{"attachment": attachment}], context={}))
    destroy(old)
    assert record.document_file(SYSTEM, (old.otto,), "DocumentReference", "d9", 0).content == SCAN
    assert record.retention(SATO, (old.otto,)).items == 2


def test_what_was_destroyed_is_not_filed_again(old: Department) -> None:
    destroy(old)
    again = old.book.prepare(note(text=f"Measured with the {WORD}.", date=OLD))
    batch = record.FilingBatch(old.book.cursor, again)
    assert batch.destroyed() == again


def test_the_database_lets_go_of_a_version_by_no_other_way(old: Department) -> None:
    number = ask(old)
    statements = [
        "DELETE FROM record_version",
        "DELETE FROM record_tombstone",
        f"SELECT record_destroy_marked({number})",
        f"SELECT record_leave_tombstones({number}, 'original', '{{0}}', '{{1}}', '{{0}}', NULL, NULL, NULL)",
        "INSERT INTO record_tombstone (destruction_id, kind, type, item, version, sha256, size, seal, made_in) "
        f"VALUES ({number}, 'version', 1, 1, 1, 'x', 1, 'x', pg_current_xact_id()::text::bigint)",
    ]
    for statement in statements:
        with pytest.raises(DatabaseError), transaction.atomic():
            old.book.cursor.execute(statement)
    record.confirm_destruction(OBI, number, old.chart)


def test_a_destruction_is_used_once_and_for_its_own_chart(
    committed_db: str, owner_conninfo: str, make: Any
) -> None:
    with connection.cursor() as cursor:
        chart = fill(make.book(cursor))
    number = destroy(chart)
    row = "SELECT id FROM record_resource WHERE public_id = 'e9'"
    with connection.cursor() as cursor:
        cursor.execute(row)
        (otto,) = cursor.fetchone()
        with pytest.raises(DatabaseError, match="cannot be used again"):
            cursor.execute(
                "SELECT record_leave_tombstones(%s, 'version', '{1}', %s, '{1}', '{x}', '{1}', '{x}')",
                [number, [otto]],
            )
    with psycopg.connect(owner_conninfo) as owner, pytest.raises(psycopg.Error, match="kept for good"):
        owner.execute("DELETE FROM record_version")


@pytest.mark.parametrize(
    ("statement", "trouble"),
    [
        ("DELETE FROM record_tombstone WHERE version = 1", Trouble.MISSING),
        ("UPDATE record_tombstone SET sha256 = 'x'", Trouble.TOMBSTONE),
        ("DELETE FROM record_destruction_decision", Trouble.TOMBSTONE),
        ("DELETE FROM record_version", Trouble.MISSING),
    ],
)
def test_an_unlawful_removal_is_found_beside_a_lawful_one(
    committed_db: str, owner_conninfo: str, make: Any, statement: str, trouble: Trouble
) -> None:
    with connection.cursor() as cursor:
        chart = fill(make.book(cursor))
    destroy(chart)
    whole()
    tables = ("record_tombstone", "record_destruction_decision", "record_version")
    with psycopg.connect(owner_conninfo) as owner:
        for table in tables:
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only_rows".encode())
        owner.execute(statement.encode())
        for table in tables:
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only_rows".encode())
    report = verify(processes=1)
    assert not report.is_whole and trouble in {each.trouble for each in report.findings}
