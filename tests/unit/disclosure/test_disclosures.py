"""Disclosures: what is written, that it stays, and who may read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, PermissionRefused, Purpose, Role
from charthouse.foundation.disclosure.api import (
    Basis,
    How,
    Recipient,
    disclosures_of,
    disclosures_with,
    record_disclosure,
    record_disclosures,
)
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.rulepacks.api import choices

CTX = AccessContext("user:5", "Rae Example", frozenset({Role.RELEASE}))
NOTE = Subject("document", "d1")
LETTER = Subject("document", "d2")
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
FAR_OFF = datetime(2190, 1, 1, tzinfo=UTC)


@pytest.mark.django_db
def test_a_disclosure_keeps_all_that_an_accounting_needs() -> None:
    frozen = datetime(2019, 3, 4, 15, 0, tzinfo=UTC)
    with clock.frozen(frozen):
        number = record_disclosure(
            CTX,
            recipient=Recipient("Example Law Office", "1 Example Street"),
            purpose=Purpose.LEGAL,
            items=[LETTER, NOTE, LETTER],
            patient="p1",
            how=How.MAIL,
            description="Two letters of March 2019",
        )
    (line,) = disclosures_of(CTX, "p1", LONG_AGO, FAR_OFF)
    assert line.id == number
    assert (line.recipient.name, line.recipient.address) == ("Example Law Office", "1 Example Street")
    assert (line.purpose, line.basis, line.how) == (Purpose.LEGAL, Basis.JUDICIAL, How.MAIL)
    assert line.items == (NOTE, LETTER)
    assert line.at == frozen
    assert abs(line.recorded_at - clock.wall()) < timedelta(minutes=1), "the wall clock is never frozen"
    assert (line.actor, line.actor_name, line.patient) == ("user:5", "Rae Example", "p1")


@pytest.mark.django_db
def test_disclosures_of_a_person_span_the_source_patients_newest_first() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    for day, patient in enumerate(["p1", "p2", "p3", "p1"]):
        record_disclosure(
            CTX,
            recipient="County registry",
            purpose="PUBHLTH",
            items=[NOTE],
            patient=patient,
            how="export",
            at=start + timedelta(days=day),
        )
    found = disclosures_of(CTX, ["p1", "p2"], start, start + timedelta(days=3))
    assert [(line.patient, line.at.day) for line in found] == [("p2", 2), ("p1", 1)]
    assert {line.basis for line in found} == {Basis.PUBLIC_HEALTH}


@pytest.mark.django_db
def test_an_export_of_many_writes_one_row_a_patient() -> None:
    numbers = record_disclosures(
        CTX,
        recipient="Research registry",
        purpose=Purpose.RESEARCH,
        items_by_patient={f"p{n}": [Subject("patient", f"p{n}"), NOTE] for n in range(300)},
        how=How.EXPORT,
        basis=Basis.LIMITED_DATA_SET,
    )
    assert len(set(numbers)) == 300
    (line,) = disclosures_of(CTX, "p299", LONG_AGO, FAR_OFF)
    assert line.id == numbers[299]
    assert line.items == (NOTE, Subject("patient", "p299"))
    assert line.basis is Basis.LIMITED_DATA_SET


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"recipient": " "}, "recipient"),
        ({"items": []}, "items"),
        ({"patient": ""}, "patient"),
        ({"how": "pigeon"}, "pigeon"),
        ({"purpose": "FUN"}, "FUN"),
        ({"basis": "because"}, "because"),
    ],
)
def test_what_an_accounting_would_miss_is_refused(wrong: dict[str, object], match: str) -> None:
    given: dict[str, object] = {
        "recipient": "A clinic",
        "purpose": "TREAT",
        "items": [NOTE],
        "patient": "p1",
        "how": "fax",
    }
    with pytest.raises(ValueError, match=match):
        record_disclosure(CTX, **(given | wrong))  # type: ignore[arg-type]


def test_disclosures_stay_as_written(committed_db: str) -> None:
    record_disclosure(CTX, recipient="A clinic", purpose="TREAT", items=[NOTE], patient="p1", how="fax")
    with psycopg.connect(committed_db, autocommit=True) as app:
        for statement in (
            "UPDATE disclosure SET recipient = 'B'",
            "DELETE FROM disclosure_item",
            "DELETE FROM disclosure",
            "TRUNCATE disclosure CASCADE",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement.encode())


@pytest.mark.django_db
def test_who_may_see_disclosures() -> None:
    for role in Role:
        asker = replace(CTX, roles=frozenset({role}))
        if role in {Role.HIT, Role.RELEASE, Role.PRIVACY, Role.MANAGER, Role.AUDITOR}:
            assert disclosures_of(asker, "p1", LONG_AGO, FAR_OFF) == []
        else:
            with pytest.raises(PermissionRefused):
                disclosures_of(asker, "p1", LONG_AGO, FAR_OFF)


def test_the_grounds_an_accounting_leaves_out_are_grounds_a_disclosure_can_have() -> None:
    left_out = {Basis(ground) for ground in choices("disclosure.accounting-period", "left_out")}
    assert Basis.AUTHORIZATION in left_out
    assert Basis.PUBLIC_HEALTH not in left_out
    assert Basis.UNKNOWN not in left_out, "what is not known is accounted for"


@pytest.mark.django_db
def test_who_received_an_item_before_an_instant_is_found_whosever_it_is() -> None:
    for name, item in (("First", NOTE), ("Second", LETTER), ("Third", NOTE)):
        record_disclosure(
            CTX, recipient=name, purpose=Purpose.TREATMENT, items=[item], patient=f"of {name}", how=How.PRINT
        )
    between = clock.wall()
    record_disclosure(CTX, recipient="Later", purpose=Purpose.TREATMENT, items=[NOTE], patient="p", how=How.PRINT)
    found = [line.recipient.name for line in disclosures_with(CTX, [NOTE], between)]
    assert found == ["Third", "First"]
    assert len(disclosures_with(CTX, [NOTE, LETTER], FAR_OFF)) == 4
    assert disclosures_with(CTX, [], FAR_OFF) == []
    with pytest.raises(PermissionRefused):
        disclosures_with(replace(CTX, roles=frozenset({Role.PHYSICIAN})), [NOTE], between)
