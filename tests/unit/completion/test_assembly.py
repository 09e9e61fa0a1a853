"""A chart in its order: what stands where, and each item once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from django.db import connection, connections
from hypothesis import given
from hypothesis import strategies as st

from charthouse.completion.api import (
    ChangedMeanwhile,
    CompletionError,
    EncounterKind,
    assemble,
    chart_order,
    chart_order_versions,
    content,
    move_piece,
    restore_chart_order,
    set_chart_order,
)
from charthouse.completion.domain.assembly import UNCLASSIFIED, assembled
from charthouse.completion.domain.chart_orders import default_orders
from charthouse.completion.domain.pieces import pieces
from charthouse.foundation.access.api import PermissionRefused
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.record.api import TYPE_ID, TYPE_NAME

from .visits import (
    MANAGER,
    SYSTEM,
    TECHNICIAN,
    attachment,
    coded,
    document,
    encounter,
    found,
    of_visit,
    patient,
    send,
)


@dataclass(frozen=True)
class Leaf:
    key: str
    at: datetime | None


MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))
KNOWN = st.sampled_from([None, "no-piece-of-ours", *pieces()])


@given(st.dictionaries(st.text(min_size=1), st.tuples(MOMENTS, KNOWN), max_size=30), st.randoms())
def test_every_leaf_stands_exactly_once_in_order(
    given: dict[str, tuple[datetime | None, str | None]], random: Random
) -> None:
    order = random.sample(list(pieces()), len(pieces()))
    leaves = [Leaf(key, at) for key, (at, _) in given.items()]
    sections = assembled(leaves, {key: piece for key, (_, piece) in given.items()}, order)
    assert sorted(leaf.key for each in sections for leaf in each.leaves) == sorted(given)
    assert len({each.piece for each in sections}) == len(sections) and all(each.leaves for each in sections)
    named = [each.piece for each in sections if each.piece in pieces()]
    assert named == [each for each in order if each in named]
    assert UNCLASSIFIED not in [each.piece for each in sections[:-1]]
    for each in sections:
        times = [leaf.at for leaf in each.leaves]
        dated = [at for at in times if at is not None]
        assert times == sorted(dated) + [None] * (len(times) - len(dated))


def test_two_leaves_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="stands twice"):
        assembled([Leaf("a", None), Leaf("a", None)], {}, [])


def stay() -> None:
    """An inpatient stay with something of everything."""
    note = b"The same words."
    send(
        patient(),
        encounter(),
        encounter("e2", "AMB", period={"start": "2020-01-01", "end": "2020-01-01"}),
        document("other", coded("11506-3"), visit="e2"),
        document("ds", coded("18842-5"), at="2026-03-05T15:00:00Z"),
        document("hp", coded("34117-2"), at="2026-03-02T10:00:00Z"),
        document("pn2", coded("11506-3"), at="2026-03-04T10:00:00Z"),
        document("pn1", coded("11506-3"), attachment(note), at="2026-03-03T10:00:00Z"),
        document("odd", coded("ZX-17", "urn:oid:9.9"), at="2026-03-03T11:00:00Z"),
        document("gone", coded("11506-3"), status="entered-in-error"),
        document("add", coded("11506-3"), relatesTo=[
            {"code": "appends", "target": {"reference": "DocumentReference/pn1"}}]),
        of_visit("DiagnosticReport", "twin", status="final", code={"text": "Note"},
                 presentedForm=[attachment(note)["attachment"]]),
        of_visit("DiagnosticReport", "lab", status="final", code=coded("24323-8"), issued="2026-03-03T06:00:00Z",
                 result=[{"reference": "Observation/na"}, {"reference": "Observation/k"}]),
        of_visit("Observation", "na", status="final", code={"text": "Sodium"}, valueQuantity={"value": 138}),
        of_visit("Observation", "k", status="final", code={"text": "Potassium"}, valueQuantity={"value": 4.1}),
        of_visit("Observation", "bp", status="final", code={"text": "Heart rate"}, valueQuantity={"value": 71},
                 category=[{"coding": [{"code": "vital-signs"}]}]),
        of_visit("ServiceRequest", "o1", status="active", intent="order", code={"text": "Chest film"}),
        of_visit("Condition", "c1", code={"text": "Pneumonia"}),
        of_visit("Procedure", "x1", status="completed", code={"text": "Thoracentesis"}),
        {"resourceType": "Claim", "id": "cl", "status": "active", "use": "claim", "created": "2026-03-06",
         "type": {"text": "x"}, "patient": {"reference": "Patient/p1"}, "provider": {"display": "Mercy"},
         "priority": {"text": "x"}, "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "x"}}],
         "item": [{"sequence": 1, "productOrService": {"text": "x"},
                   "encounter": [{"reference": "Encounter/e1"}]}]},
        of_visit("CarePlan", "cp", status="active", intent="plan", title="Walks thrice a day"),
    )  # fmt: skip


@pytest.mark.django_db
def test_a_stay_stands_in_the_order_as_taught() -> None:
    stay()
    _, patients, id = found()
    chart = assemble(TECHNICIAN, patients, id)
    assert chart is not None and chart.kind is EncounterKind.INPATIENT
    told = [(each.title, [leaf.title for leaf in each.leaves]) for each in chart.sections]
    assert [title for title, _ in told] == [
        "Identification", "History and physical", "Progress note", "Orders", "Laboratory report", "Vital signs",
        "Discharge summary", "Other items", "Unclassified",
    ]  # fmt: skip
    progress = next(each for each in chart.sections if each.piece == "progress-note")
    assert [leaf.at.day for leaf in progress.leaves if leaf.at] == [3, 4]
    # The addendum and the report that says the same stand with the note.
    assert len(progress.leaves[0].items) == 3


@pytest.mark.django_db
def test_every_item_of_the_encounter_stands_exactly_once() -> None:
    stay()
    _, patients, id = found()
    chart = assemble(TECHNICIAN, patients, id)
    assert chart is not None
    shown = [item for leaf in chart.leaves for item in leaf.items]
    assert len(shown) == len(set(shown)) and set(shown) == set(chart.digests)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.type, r.public_id FROM record_resource r JOIN record_resource e ON e.id = r.encounter "
            "WHERE e.public_id = %s AND e.type = %s AND r.state = 0 AND r.type <> %s",
            [id, TYPE_ID["Encounter"], TYPE_ID["Claim"]],
        )
        held = {f"{TYPE_NAME[kind]}/{public}" for kind, public in cursor.fetchall()}
    # The retracted note and the claim are among neither.
    assert set(shown) == held | {f"Encounter/{id}"}


@pytest.mark.django_db
def test_another_chart_has_no_such_encounter() -> None:
    stay()
    send(patient("p2", "Thorne"))
    from charthouse.identity import api as identity

    _, _, id = found()
    (hit,) = identity.find(SYSTEM, "Thorne")
    assert assemble(TECHNICIAN, identity.patients_of(SYSTEM, hit.person), id) is None


@pytest.mark.django_db
def test_a_manager_changes_an_order_and_its_versions_are_kept() -> None:
    stay()
    _, patients, id = found()
    kind = EncounterKind.INPATIENT
    first = chart_order(kind)
    assert first.version == 0 and first.is_default
    at = first.pieces.index("discharge-summary")
    second = move_piece(MANAGER, kind, "discharge-summary", -at, version=0)
    assert (second.version, second.pieces[0], second.name) == (1, "discharge-summary", "R. Vale")
    chart = assemble(TECHNICIAN, patients, id)
    assert chart is not None and chart.sections[0].piece == "discharge-summary"
    assert content(TECHNICIAN, id).documents[0].piece == "discharge-summary"
    third = restore_chart_order(MANAGER, kind, version=1)
    assert third.pieces == default_orders()[kind] and third.restored
    assert [each.version for each in chart_order_versions(kind)] == [2, 1]
    assert chart_order(EncounterKind.CLINIC).version == 0
    assert [line.detail["version"] for line in entries(SYSTEM, Filters(action="completion.chart-order")).lines] == [
        2,
        1,
    ]


@pytest.mark.django_db
def test_an_order_is_changed_only_as_it_was_seen_and_by_who_may() -> None:
    kind = EncounterKind.CLINIC
    with pytest.raises(PermissionRefused):
        move_piece(TECHNICIAN, kind, "consent", 1, version=0)
    move_piece(MANAGER, kind, "consent", 1, version=0)
    with pytest.raises(ChangedMeanwhile):
        move_piece(MANAGER, kind, "consent", 1, version=0)
    with pytest.raises(CompletionError, match="no piece"):
        set_chart_order(MANAGER, kind, ["nonsense"], version=1)
    assert chart_order(kind).version == 1


def test_two_who_change_an_order_at_once_change_it_once(committed_db: Any) -> None:
    gate = threading.Barrier(4)
    outcomes: list[str] = []

    def move(by: int) -> None:
        try:
            gate.wait()
            move_piece(MANAGER, EncounterKind.CLINIC, "consent", by, version=0)
            outcomes.append("moved")
        except ChangedMeanwhile:
            outcomes.append("told")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=move, args=(by,)) for by in (1, 2, 3, -1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == ["moved", "told", "told", "told"]
    assert chart_order(EncounterKind.CLINIC).version == 1
