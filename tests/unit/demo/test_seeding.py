"""The demonstration's records in the record: each once, under the right person, seen by whom they may be seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from charthouse.configuration import Configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Role, system_context
from charthouse.foundation.access.clearance import clearance_for
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.teaching.api import sending
from charthouse.web.demo.seeding import Seeded, seed
from charthouse.web.demo.story import story

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALL = system_context("test")


def context(role: Role) -> AccessContext:
    return AccessContext("user:1", "T. Ester", frozenset({role}), clearance=clearance_for({role}))


def persons(text: str) -> list[identity.Hit]:
    return list(identity.find(ALL, text, 20))


def chart(text: str) -> Any:
    (hit,) = persons(text)
    return identity.patients_of(ALL, hit.person)


def seeded(tmp_path: Any, at: datetime = NOON) -> Seeded:
    site = Configuration(tmp_path, tmp_path, kind="demo")
    with clock.frozen(at):
        return seed(site, lambda total: None, lambda more: None)


@pytest.fixture
def sent(committed_db: str, tmp_path: Any) -> Seeded:
    return seeded(tmp_path)


def test_the_demonstration_is_sent_once_and_filed_under_the_right_people(sent: Seeded, tmp_path: Any) -> None:
    assert sent.sent == {"files": sent.messages}
    assert sent.unfiled == 2

    # A second time, and on another day, there is nothing new.
    for at in (NOON, datetime(2026, 3, 9, 12, tzinfo=UTC)):
        again = seeded(tmp_path, at)
        assert (again.new, again.messages) == (0, sent.messages)

    # One person of two senders; father and son; a number given up; twins, and somebody nearly the same.
    (abernathy,) = persons("Abernathy")
    assert abernathy.sources == 2
    assert len(persons("Pennington")) == 2
    (lindqvist,) = persons("Lindqvist")
    assert set(lindqvist.mrns) == {"0031162", "0042070"}
    assert len(persons("Brandt")) == 3
    assert {each.queue.code: each.open for each in work.counts(ALL)}["identity.possible-duplicates"] >= 2

    # What the banner has to say.
    summary = record.chart_summary(ALL, chart("Quintanilla"))
    assert (summary.language, summary.interpreter) == ("Spanish", True)
    summary = record.chart_summary(ALL, chart("Ferreira"))
    assert "PO Box 1190" in summary.confidential_address
    assert {each.name: each.may_be_told for each in summary.contacts} == {
        "Ferreira, Bruno": False,
        "Ferreira, Lucia": True,
    }
    assert record.chart_summary(ALL, chart("Jankowski")).deceased
    assert chart("Ngata") == chart("Ngata-Holm")
    assert record.chart_summary(ALL, chart("Elsie Thornquist")).birth_date == "2026-02-26"

    # Notes of psychotherapy, and of a substance use program, are seen by whom they may be seen.
    therapy = chart("Delacroix")
    seen = {role: len(record.documents(context(role), therapy).rows) for role in (Role.PRIVACY, Role.PHYSICIAN)}
    assert seen[Role.PRIVACY] == seen[Role.PHYSICIAN] + 2
    program = chart("Burke")
    kinds = {
        role: {each.title for each in record.documents(context(role), program).rows}
        for role in (Role.PHYSICIAN, Role.COORDINATOR)
    }
    assert kinds[Role.PHYSICIAN] - kinds[Role.COORDINATOR] == {"Addiction medicine intake", "Progress note"}


def test_what_is_missing_is_sent_of_the_day_it_began_with(committed_db: str, tmp_path: Any) -> None:
    zone = Configuration(tmp_path, tmp_path).time_zone
    from zoneinfo import ZoneInfo

    begun = story(NOON.date(), ZoneInfo(zone))[:330]
    sending.by_hand(begun, lambda _: None)
    rest = seeded(tmp_path, datetime(2026, 3, 4, 12, tzinfo=UTC))
    assert rest.new == rest.messages - len(begun)
    assert rest.unfiled == 2
