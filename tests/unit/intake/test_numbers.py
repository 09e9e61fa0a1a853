"""A number is corrected, ended, or given back: with the reason, and held against what its sender repeats."""

from __future__ import annotations

from typing import Any

import pytest

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.identity import api as identity
from charthouse.record import api as record


def _source(inbox: Any, make: Any) -> identity.SourcePatient:
    (rows,) = inbox.charts()
    return identity.records_of(make.system, rows)[0]


def _mrns(inbox: Any, make: Any) -> tuple[str, ...]:
    (rows,) = inbox.charts()
    return record.chart_summary(make.system, rows).mrns


def _found(make: Any, text: str) -> int:
    return len(identity.find(make.technician(), text))


def _number(inbox: Any) -> tuple[str, str]:
    (each,) = [each for each in inbox.only("Patient")["identifier"] if each.get("use") != "old"]
    return each["system"], each["value"]


def test_a_wrong_number_is_replaced_and_stays_so(inbox: Any, make: Any) -> None:
    inbox.take_one(make.hl7("ADT^A01", control="1"))
    source, (system, value) = _source(inbox, make), _number(inbox)
    before = inbox.only("Patient")
    identity.replace_number(make.technician(), source.patient, system, value, "7301", "A digit was left out.")
    assert _mrns(inbox, make) == ("7301",) and _number(inbox) == (system, "7301")
    assert _source(inbox, make).mrn == "7301" and _found(make, "7301") == 1 and _found(make, value) == 1
    old = next(each for each in inbox.only("Patient")["identifier"] if each["value"] == value)
    assert old["use"] == "old" and old["period"]["end"]
    # The sender knows nothing of it, and changes something else.
    inbox.take_one(make.hl7("ADT^A08", control="2", name="Marsh^Ida^Rose", at="20260106080000"))
    assert inbox.only("Patient")["name"][0]["given"] == ["Ida", "Rose"]
    assert _mrns(inbox, make) == ("7301",)
    (line,) = identity.numbers_of(make.technician(), _source(inbox, make))[1]
    assert (line.kind, line.value, line.replaced_by, line.reason) == (
        "replaced",
        value,
        "7301",
        "A digit was left out.",
    )
    assert len(entries(make.system, Filters(action="identity.correct-number")).lines) == 1
    identity.restore_number(make.technician(), source.patient, system, value, "It was right.")
    assert inbox.only("Patient")["identifier"] == before["identifier"]
    assert _mrns(inbox, make) == (value,) and _found(make, "7301") == 0
    inbox.take_one(make.hl7("ADT^A08", control="3", name="Marsh^Ida", at="20260107080000"))
    assert _mrns(inbox, make) == (value,)


def test_a_number_ends(inbox: Any, make: Any) -> None:
    inbox.take_one(make.hl7("ADT^A01"))
    source, (system, value) = _source(inbox, make), _number(inbox)
    identity.end_number(make.technician(), source.patient, system, value, "The account was closed.")
    assert _mrns(inbox, make) == () and _found(make, value) == 1
    (number,), _ = identity.numbers_of(make.technician(), _source(inbox, make))
    assert number.old and number.end and number.corrected
    with pytest.raises(identity.CannotDecide, match="no such number now"):
        identity.end_number(make.technician(), source.patient, system, value, "x")


def test_what_is_refused(inbox: Any, make: Any) -> None:
    inbox.take_one(make.hl7("ADT^A01", control="1"))
    source, (system, value) = _source(inbox, make), _number(inbox)
    other = make.hl7("ADT^A01", control="2", mrn="8301", visit="V8", name="Zeller^Otto").replace(
        b"19610417|F", b"19330101|M"
    )
    inbox.take_one(other)
    ctx = make.technician()
    for right, words in (("8301", "Another record"), (value, "as it is"), (" ", "right number")):
        with pytest.raises(identity.CannotDecide, match=words):
            identity.replace_number(ctx, source.patient, system, value, right, "x")
    with pytest.raises(identity.CannotDecide, match="Say why"):
        identity.end_number(ctx, source.patient, system, value, " ")
    with pytest.raises(identity.CannotDecide, match="no such record"):
        identity.end_number(ctx, 4711, system, value, "x")
    with pytest.raises(identity.CannotDecide, match="not corrected"):
        identity.restore_number(ctx, source.patient, system, value, "x")
    with pytest.raises(PermissionRefused):
        identity.end_number(
            AccessContext("user:9", "x", frozenset({Role.COORDINATOR})), source.patient, system, value, "x"
        )
