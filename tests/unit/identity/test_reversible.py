"""Whatever is merged, linked, split and taken away, in any order and with records arriving between: the inverses
bring back what was, and nothing ever belongs to nobody or to two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.access.api import AccessContext, Role, system_context
from charthouse.foundation.clock import wall
from charthouse.identity import api as identity
from charthouse.identity.domain.history import Moved, replay
from charthouse.record import api as record

Make = Callable[..., dict[str, Any]]
SYSTEM = system_context("tests")
CTX = AccessContext("user:1", "Technician", frozenset({Role.HIT}))
#: Some alike, so that arrivals find somebody; some not.
PEOPLE = (
    {"family": "Lindqvist", "given": "Johanna", "born": "1961-04-17", "ssn": "219-41-6788"},
    {"family": "Quill", "given": "Ada", "born": "1950-01-02", "ssn": "518-77-1204", "phone": "413-555-0177"},
    {"family": "Wren", "given": "Tomas", "born": "1983-12-05", "sex": "male", "ssn": "646-12-0917", "phone": None},
    {"family": "Lindqvist", "given": "Johanna", "born": "1961-04-17", "ssn": "646-12-0919"},
)


class World:
    """An index with its record, and the decisions not undone yet."""

    def __init__(self, patient: Make) -> None:
        self._patient = patient
        self._count = 0
        self.decisions: list[int] = []

    def arrive(self, who: int) -> None:
        """A record of somebody, of a sender of its own, with one observation."""
        self._count += 1
        self._file(f"p{self._count}", who)
        observation = {
            "resourceType": "Observation", "id": f"o{self._count}", "status": "final", "code": {"text": "Weight"},
            "subject": {"reference": f"Patient/p{self._count}"},
        }  # fmt: skip
        self._put(observation)

    def update(self, one: int, who: int) -> None:
        """A record says something else now, perhaps of somebody else."""
        rows = self.rows()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT public_id FROM identity_source_patient WHERE patient = %s", [rows[one % len(rows)]]
            )
            (name,) = cursor.fetchone()
        if name.startswith("p"):
            self._file(name, who)

    def _file(self, name: str, who: int) -> None:
        resource = {**self._patient(**PEOPLE[who % len(PEOPLE)]), "id": name}
        row = self._put(resource)
        source = int(name[1:])
        identity.place([identity.Arrival(row, name, source, resource, message=1)])

    @staticmethod
    def _put(resource: dict[str, Any]) -> int:
        content = orjson.dumps(resource)
        filing = record.prepare(orjson.loads(content), content)
        filing.source, filing.message, filing.original = 1, 1, 1
        with connection.cursor() as cursor:
            (done,) = record.file_resources(cursor, [filing], wall())
        return int(done.row)

    def rows(self) -> list[int]:
        return sorted(self.partition())

    def partition(self) -> dict[int, UUID]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT patient, person FROM identity_source_patient")
            return dict(cursor.fetchall())

    def decide(self, act: str, one: int, other: int) -> None:
        """Do it, if it can be done; a refusal changes nothing."""
        rows = self.rows()
        a, b = rows[one % len(rows)], rows[other % len(rows)]
        persons = self.partition()
        before = self.state()
        try:
            with transaction.atomic():
                if act == "merge":
                    self.decisions.append(identity.merge(CTX, persons[a], persons[b], "x", shown={"name": b}))
                elif act == "link":
                    identity.link(CTX, a, b, "x")
                    self.decisions.append(max(each.id for each in identity.decisions_of(CTX, self.partition()[a])))
                elif act == "unlink":
                    self.decisions.append(identity.unlink(CTX, a, "x", apart=bool(other % 2)))
                else:
                    bench = identity.workbench(CTX, a)
                    if bench is None or len(bench.versions) < 2:
                        return
                    items = [(each.item.type, each.item.id) for each in bench.items][other % 2 :]
                    goes = bench.versions[-1].version
                    self.decisions.append(identity.split(CTX, a, stays=1, goes=goes, items=items, reason="x"))
        except identity.CannotDecide:
            assert self.state() == before
        self.check()

    def undo_last(self, choice: int) -> None:
        decision = self.decisions.pop()
        plan = identity.undoing(CTX, decision)
        back = {row: bool((choice >> at) & 1) for at, row in enumerate(plan.arrived)}
        entries = {(each.type, each.id): bool(choice & 1) for each in plan.entered}
        identity.undo(CTX, decision, "x", going_back=back, entries_back=entries)
        self.check()

    def state(self) -> dict[str, Any]:
        """Whose everything is, what it says, who was told apart, what is shown."""
        found: dict[str, Any] = {"persons": self.partition()}
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT r.type, r.public_id, r.patient, v.content FROM record_resource r JOIN record_version v"
                " ON v.type = r.type AND v.resource = r.id AND v.version = r.version WHERE r.state = 0"
            )
            found["resources"] = {
                (row[0], row[1]): (row[2], record.decompress(row[3])) for row in cursor.fetchall()
            }
            cursor.execute("SELECT low, high FROM identity_not_same")
            found["apart"] = set(cursor.fetchall())
            cursor.execute("SELECT patient, traits::text, keys FROM identity_traits")
            found["traits"] = {row[0]: row[1:] for row in cursor.fetchall()}
            cursor.execute("SELECT patient, folded FROM identity_name")
            found["names"] = set(cursor.fetchall())
        found["shown"] = {person: identity.shown_of(person) for person in set(found["persons"].values())}
        return found

    def check(self) -> None:
        """Nothing belongs to nobody, or to two; every history says where everybody is."""
        now = self.partition()
        with connection.cursor() as cursor:
            cursor.execute("SELECT patient, person_from, person_to FROM identity_link ORDER BY id")
            assert replay(Moved(*row) for row in cursor.fetchall()) == now
            cursor.execute("SELECT id FROM identity_person WHERE state = 1")
            assert {row[0] for row in cursor.fetchall()} == set(now.values())
            cursor.execute("SELECT count(*) FROM record_resource WHERE type <> %s AND (patient IS NULL OR NOT"
                           " patient = ANY(%s))", [record.TYPE_ID["Patient"], list(now)])  # fmt: skip
            assert cursor.fetchone() == (0,)


acts = st.sampled_from(["merge", "merge", "link", "unlink", "split"])
small = st.integers(0, 7)


@pytest.mark.slow
@pytest.mark.django_db
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    people=st.lists(small, min_size=2, max_size=5),
    updates=st.lists(st.tuples(small, small), max_size=3),
    sequence=st.lists(st.tuples(acts, small, small), min_size=1, max_size=7),
)
def test_decisions_and_their_inverses(patient: Make, people: Any, updates: Any, sequence: Any) -> None:
    with transaction.atomic():
        world = World(patient)
        for who in people:
            world.arrive(who)
        for one, who in updates:
            world.update(one, who)
        world.check()
        before = world.state()
        for act, one, other in sequence:
            world.decide(act, one, other)
        while world.decisions:
            world.undo_last(0)
        after = world.state()
        parted = set(after["persons"]) - set(before["persons"])
        for rows in ("persons", "traits"):
            assert {row: value for row, value in after[rows].items() if row not in parted} == before[rows]
        assert after["resources"] == before["resources"]
        assert after["apart"] == before["apart"]
        assert after["names"] == before["names"], "what was parted and joined again is found by nothing"
        assert {person: shown for person, shown in after["shown"].items() if shown} == {
            person: shown for person, shown in before["shown"].items() if shown
        }
        transaction.set_rollback(True)


@pytest.mark.slow
@pytest.mark.django_db
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    people=st.lists(small, min_size=2, max_size=4),
    sequence=st.lists(
        st.tuples(st.one_of(acts, st.sampled_from(["arrive", "update", "undo"])), small, small),
        min_size=2,
        max_size=9,
    ),
)
def test_with_records_arriving_and_changing_between(patient: Make, people: Any, sequence: Any) -> None:
    with transaction.atomic():
        world = World(patient)
        for who in people:
            world.arrive(who)
        before = world.partition()
        for act, one, other in sequence:
            if act == "arrive":
                world.arrive(one)
            elif act == "update":
                world.update(one, other)
            elif act == "undo":
                if world.decisions:
                    world.undo_last(other)
            else:
                world.decide(act, one, other)
            world.check()
        while world.decisions:
            world.undo_last(5)
        now = world.partition()
        assert {row: now[row] for row in before} == before
        transaction.set_rollback(True)
