"""``charthouse record verify`` and its bench, as they are typed."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from django.db import connection
from typer.testing import CliRunner

from charthouse.foundation.access.api import system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.record import api as record
from charthouse.record.commands import app
from charthouse.record.domain.filing import Filing
from charthouse.record.preparing import compress
from charthouse.record.schema import VERSION
from charthouse.web.commands.bench import app as bench

from .test_corrections import NOVAK, SYSTEM, Department, make_department

RUN = CliRunner()


def _signed(make: Any) -> Department:
    with connection.cursor() as cursor:
        department = make_department(make.book(cursor), make)
    shown = record.document(SYSTEM, department.chart, "DocumentReference", "d1")
    assert shown is not None
    record.sign_document(
        NOVAK, department.chart, "DocumentReference", "d1", seen=shown.seen, meaning=record.Meaning.AUTHOR,
        confirmed=wall(),
    )  # fmt: skip
    return department


def test_a_whole_record_is_said_to_be_whole_and_a_damaged_one_names_the_first(
    committed_db: str, owner_conninfo: str, make: Any
) -> None:
    _signed(make)
    told = RUN.invoke(app, ["verify", "--processes", "1"])
    assert told.exit_code == 0 and "The record is whole" in told.output and "1 signatures" in told.output
    line = RUN.invoke(app, ["verify", "--format", "json", "--processes", "1"])
    figures = json.loads(line.output)
    assert figures["whole"] and figures["signatures"] == 1 and figures["provable"] == figures["versions"]
    with psycopg.connect(owner_conninfo) as owner:
        owner.execute(f"ALTER TABLE {VERSION} DISABLE TRIGGER append_only_rows".encode())
        owner.execute(
            f"UPDATE {VERSION} SET digest = '\\x00' WHERE version = 1 AND resource = "
            "(SELECT id FROM record_resource WHERE public_id = 'd1')".encode()
        )
        owner.execute(f"ALTER TABLE {VERSION} ENABLE TRIGGER append_only_rows".encode())
    told = RUN.invoke(app, ["verify", "--processes", "1"])
    assert told.exit_code == 1 and "THE RECORD IS DAMAGED" in told.output
    assert "1. altered: DocumentReference/d1, version 1" in told.output
    line = RUN.invoke(app, ["verify", "--format", "json", "--processes", "1"])
    assert line.exit_code == 1 and json.loads(line.output)["findings"][0]["trouble"] == "altered"
    (last, *_) = entries(system_context("test"), Filters(action="record.verify")).lines
    assert last.outcome.value == "failed" and last.detail["found"] == 1


@pytest.mark.parametrize("content", [b"", b"no resource", b"[]", b'{"resourceType":"DocumentReference"}', b"{}"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("proved", [True, False])
def test_whatever_stands_in_the_place_of_what_was_signed_is_found(
    committed_db: str, owner_conninfo: str, make: Any, content: bytes, version: int, proved: bool
) -> None:
    _signed(make)
    digest = "digest" if proved else "NULL"
    with psycopg.connect(owner_conninfo) as owner:
        owner.execute(f"ALTER TABLE {VERSION} DISABLE TRIGGER append_only_rows".encode())
        changed = owner.execute(
            f"UPDATE {VERSION} SET content = %s, digest = {digest} WHERE version = %s AND resource = "
            "(SELECT id FROM record_resource WHERE public_id = 'd1')".encode(),
            [compress(content), version],
        )
        assert changed.rowcount == 1
        owner.execute(f"ALTER TABLE {VERSION} ENABLE TRIGGER append_only_rows".encode())
    told = RUN.invoke(app, ["verify", "--format", "json", "--processes", "1"])
    assert told.exit_code == 1 and not isinstance(told.exception, Exception), told.exception
    found = json.loads(told.output)["findings"]
    assert (version, "DocumentReference", "d1") in {(each["version"], each["type"], each["id"]) for each in found}


def test_the_bench_files_signs_and_proves(committed_db: str) -> None:
    told = RUN.invoke(bench, ["verify", "--versions", "600", "--each", "2", "--processes", "1"])
    assert told.exit_code == 0, told.output
    figures = json.loads(told.output.splitlines()[-1])
    assert figures["versions"] == 601 and figures["signatures"] == 300 and figures["versions_per_s"] > 0


def test_the_bench_of_searches_fills_with_processes_of_its_own(committed_db: str) -> None:
    told = RUN.invoke(bench, ["search", "--documents", "1000", "--searches", "10", "--processes", "2"])
    assert told.exit_code == 0, told.output
    figures = json.loads(told.output.splitlines()[-1])
    assert figures["documents"] == 1000 and figures["worst_p95_ms"] > 0


def test_what_was_in_the_record_before_is_looked_through_once(
    committed_db: str, owner_conninfo: str, make: Any
) -> None:
    """The migration's step, over a record whose signatures and unsigned documents are not written down yet."""
    from importlib import import_module
    from types import SimpleNamespace

    signed = {"docStatus": "final", "authenticator": {"display": "Ward, Ann"}}
    from .test_corrections import note

    with connection.cursor() as cursor:
        department = make_department(make.book(cursor), make)
        department.book.file(note(id="d2", **signed))
    with psycopg.connect(owner_conninfo) as owner:
        owner.execute("ALTER TABLE record_signature DISABLE TRIGGER append_only_rows")
        owner.execute("DELETE FROM record_signature")
        owner.execute("DELETE FROM record_unsigned")
        owner.execute("ALTER TABLE record_signature ENABLE TRIGGER append_only_rows")
    migration = import_module("charthouse.record.migrations.0005_documents")
    migration.look_through(None, SimpleNamespace(connection=connection))
    shown = record.document(SYSTEM, department.chart, "DocumentReference", "d2")
    assert shown is not None and [each.name for each in shown.signed] == ["Ward, Ann"]
    assert [each.entry.id for each in record.unsigned_documents(NOVAK).rows] == ["d1"]


def test_a_document_that_says_nothing_of_signing_costs_filing_nothing(make: Any) -> None:
    import orjson

    from charthouse.record.preparing import prepare

    plain = {"resourceType": "DocumentReference", "id": "x", "status": "current", "content": [{"attachment": {}}]}
    filing: Filing = prepare(plain, orjson.dumps(plain))
    assert filing.signing is None
