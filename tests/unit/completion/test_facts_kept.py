"""What is kept flat of a chart is what the record says, and deficiencies are those of its final state, whatever
happened to the chart on the way and whenever the news was read."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.completion.actions import keep_facts
from charthouse.completion.actions.analyse_charts import analyse_charts, owner
from charthouse.completion.adopted import adopted_for, adopted_version
from charthouse.completion.consumers import DEFICIENCIES
from charthouse.completion.domain.analysis import NEVER, analyse
from charthouse.completion.domain.facts import EncounterFacts
from charthouse.completion.facts_models import ChartFacts
from charthouse.completion.models import Chart, Deficiency
from charthouse.completion.queries import Directory, all_encounters, facts_of, kept, read_from_record, shape, stamps
from charthouse.foundation.access.api import AccessContext, Label, Role
from charthouse.foundation.clock import frozen, now, wall
from charthouse.foundation.events.api import drain
from charthouse.identity import api as identity
from charthouse.intake.api import Connector, take_in
from charthouse.record import api as record

from .desk_house import OBI, SATO, encounter
from .visits import LOINC, SYSTEM, attachment, coded, document, of_visit, patient

NOW = datetime(2026, 3, 20, 9, tzinfo=UTC)
ADMITTED = datetime(2026, 3, 2, 8, tzinfo=UTC)
KINDS = {"h": "34117-2", "o": "11504-8", "d": "18842-5", "c": "59284-0", "x": "99999-9"}
VISITS = ("a", "b")
#: Who wrote all of them, with an account here.
WRITER = AccessContext(
    "user:9", "Bela Novak", frozenset({Role.PHYSICIAN}), clearance=SYSTEM.clearance,
    practitioners=frozenset({"Practitioner/nobody"}),
)  # fmt: skip
_numbers = count()


def send(*resources: dict[str, Any], sender: str = "EHR|MERCY") -> None:
    """Resources of one bundle, filed; none may be refused. The same again is another message."""
    bundle = {
        "resourceType": "Bundle", "type": "collection", "id": f"b{next(_numbers)}",
        "entry": [{"resource": each} for each in resources],
    }  # fmt: skip
    for taken in take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender=sender):
        assert taken.result is not None and not taken.result.problems, taken.result and taken.result.problems


class Charts:
    """Two visits of one patient, of a number of their own."""

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.of = f"p{self.number}"
        self.other = f"q{self.number}"
        send(
            patient(self.of, f"Aldane{self.number}"), patient(self.other, f"Borrowe{self.number}"),
            *(self._visit(each) for each in VISITS),
        )  # fmt: skip

    def _visit(self, visit: str, **more: Any) -> dict[str, Any]:
        told = {"class": {"code": "IMP"}, "id": self.id(visit), "identifier": [{"value": f"V-{self.id(visit)}"}]}
        period = {"start": ADMITTED.isoformat(), "end": (ADMITTED + timedelta(days=3)).isoformat()}
        return {**encounter(visit, self.of, period), **told, **more}

    def id(self, name: str) -> str:
        return f"{name}{self.number}"

    # What may happen

    def file(self, kind: str, visit: str, hours: int, status: str) -> None:
        at = (ADMITTED + timedelta(hours=hours)).isoformat()
        made = document(
            self.id(kind), coded(KINDS[kind]), attachment(f"PROCEDURE: left knee\nSeen {hours}.".encode()),
            of=self.of, visit=self.id(visit), at=at,
            author=[{"display": "Bela Novak"}], docStatus=status, masterIdentifier={"value": self.id(kind)},
        )  # fmt: skip
        send({**made, "status": "entered-in-error" if status == "entered-in-error" else "current"})

    def operate(self, visit: str, status: str) -> None:
        period = {"start": "2026-03-02T18:00:00Z", "end": "2026-03-02T20:00:00Z"}
        code = {"coding": [{"system": "http://www.cms.gov/Medicare/Coding/ICD10", "code": "0SRC0J9"}]}
        send(
            of_visit(
                "Procedure", self.id("s"), self.id(visit), self.of, status=status, code=code,
                performedPeriod=period,
            )
        )  # fmt: skip

    def end(self, visit: str, status: str) -> None:
        send(self._visit(visit, status=status))

    def retract(self, kind: str) -> None:
        def ask(patients: tuple[int, ...], type: str, id: str, seen: str) -> None:
            number = record.ask_to_retract(SATO, patients, type, id, record.Reason("duplicate"), seen="")
            record.confirm_correction(OBI, number)

        self._act(kind, ask)

    def sign(self, kind: str) -> None:
        self._act(
            kind,
            lambda patients, type, id, seen: record.sign_document(
                WRITER, patients, type, id, seen=seen, meaning=record.Meaning.AUTHOR, confirmed=wall()
            ),
        )

    def move(self, kind: str, visit: str) -> None:
        to = self.visit(visit)
        self._act(
            kind,
            lambda patients, type, id, seen: record.move_to_encounter(
                SATO, patients, type, id, to, record.Reason("wrong-visit"), seen=""
            ),
        )

    def amend(self, kind: str) -> None:
        self._act(
            kind,
            lambda patients, type, id, seen: record.amend_document(
                WRITER, patients, type, id, f"Amended at {now():%H:%M}.", record.Reason("incomplete"), seen=seen,
                confirmed=wall(),
            ),
        )  # fmt: skip

    def _act(self, kind: str, act: Callable[[tuple[int, ...], str, str, str], object]) -> None:
        standing = {one.number: one.id for facts in self.read() for one in facts.documents}
        id, patients = standing.get(self.id(kind)), (self.read()[0].patient,)
        shown = record.document(SYSTEM, patients, "DocumentReference", id) if id else None
        if id is None or shown is None:
            return
        try:
            act(patients, "DocumentReference", id, shown.seen)
        except record.DocumentError:
            # Not everything may be done to every document; what was refused has changed nothing.
            return

    def visit(self, visit: str) -> str:
        (id,) = record.encounters_numbered(SYSTEM, f"V-{self.id(visit)}")
        return id

    @property
    def rows(self) -> list[int]:
        wanted = [self.visit(each) for each in VISITS]
        return [row for row, _ in record.encounters_standing(SYSTEM, wanted)]

    def read(self) -> list[EncounterFacts]:
        """The facts as the record says them now."""
        return Directory(SYSTEM).facts_of(read_from_record(SYSTEM, self.rows))


def owed(row: int) -> list[tuple[Any, ...]]:
    """What a chart lacks, as it stands in the table."""
    rows = Deficiency.objects.filter(chart__encounter=row, state__in=["open", "proposed", "noted"])
    return sorted((each.key, each.what, each.due, each.owed_by, each.owed_name, each.says) for each in rows)


def found(facts: EncounterFacts) -> list[tuple[Any, ...]]:
    """What the rules find in facts."""
    listed = analyse(facts, adopted_for(adopted_version(), facts.facility_type), now())
    return sorted((each.key, each.what.value, each.due, *owner(each.owed_by), each.says) for each in listed)


def alike(facts: EncounterFacts) -> list[tuple[Any, ...]]:
    """What the rules find, without the ids of what it is about."""
    return sorted((one[0].partition(":")[0], one[1], one[2], one[5]) for one in found(facts))


def copied(charts: Charts) -> list[EncounterFacts]:
    """The same charts as another sender tells them who knows nothing but how they are now."""
    resources = [
        each.resource
        for visit in charts.rows
        for stored in (
            record.encounters_at(SYSTEM, [visit]),
            record.of_encounters(SYSTEM, [visit], ("DocumentReference", "Procedure")),
        )
        for each in stored
    ]
    number, of = next(_numbers), {str(each["subject"]["reference"]) for each in resources}
    told = orjson.dumps(resources).decode()
    for each in of:
        told = told.replace(each, f"Patient/copy{number}")
    told = told.replace(f"V-a{charts.number}", f"V-a{number}").replace(f"V-b{charts.number}", f"V-b{number}")
    send(patient(f"copy{number}", f"Copied{number}"), *orjson.loads(told), sender=f"COPY|{number}")
    made = Charts.__new__(Charts)
    made.number = number
    return made.read()


KIND, VISIT = st.sampled_from(sorted(KINDS)), st.sampled_from(VISITS)
STATUS = st.sampled_from(["preliminary", "final", "amended", "entered-in-error"])
STEPS = st.one_of(
    st.tuples(st.just("file"), KIND, VISIT, st.integers(-800, 60), STATUS),
    st.tuples(st.just("file"), KIND, VISIT, st.integers(1, 30), st.sampled_from(["preliminary", "final"])),
    st.tuples(st.just("operate"), VISIT, st.sampled_from(["completed", "not-done", "entered-in-error"])),
    st.tuples(st.just("end"), VISIT, st.sampled_from(["finished", "in-progress", "cancelled"])),
    st.tuples(st.just("sign"), KIND),
    st.tuples(st.just("retract"), KIND),
    st.tuples(st.just("move"), KIND, VISIT),
    st.tuples(st.just("amend"), KIND),
    st.tuples(st.just("news")),
)  # fmt: skip


@pytest.mark.slow
def test_deficiencies_are_those_of_the_final_state_however_it_came_about(committed_db: str) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(STEPS, min_size=2, max_size=9))
    def whatever_happens(steps: list[tuple[Any, ...]]) -> None:
        charts = Charts()
        for name, *told in steps:
            if name == "news":
                drain(DEFICIENCIES)
            else:
                getattr(charts, name)(*told)
        drain(DEFICIENCIES)
        now_is = charts.read()
        # What is kept is what the record says, and not behind.
        stand = stamps(charts.rows)
        held = list(kept(charts.rows))
        assert {each.row: each.stamp for each in held} == stand
        assert sorted(Directory(SYSTEM).facts_of(held), key=lambda each: each.row) == now_is
        # What is open is what the rules find in that, and in the same told by somebody else at once.
        for facts in now_is:
            assert owed(facts.row) == ([] if facts.status in NEVER else found(facts))
        assert [alike(each) for each in copied(charts)] == [alike(each) for each in now_is]

    with frozen(NOW):
        whatever_happens()


def test_a_split_is_analysed_at_once_and_a_merge_changes_nothing(committed_db: str) -> None:
    with frozen(NOW):
        charts = Charts()
        charts.file("h", "a", 3, "final")
        drain(DEFICIENCIES)
        first, second = charts.read()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, public_id FROM record_resource WHERE type = 0 OR type = %s ORDER BY id",
                [record.TYPE_ID["Patient"]],
            )
            patients = dict(cursor.fetchall())
        taker = next(row for row in sorted(patients, reverse=True) if row != first.patient)
        # A merge of the two and its undoing make nothing old.
        identity.link(OBI, first.patient, taker, "One person: the same card.")
        assert drain(DEFICIENCIES) == 0
        before = dict(ChartFacts.objects.values_list("encounter", "stamp"))
        assert {each.person for each in facts_of(SYSTEM, [first.id, second.id]).values()} == {
            identity.persons_of([taker])[taker]
        }
        items = [("Encounter", first.id), *((one.type, one.id) for one in first.documents)]
        with transaction.atomic(), connection.cursor() as cursor:
            record.reassign_resources(
                cursor, items, (first.patient, patients[first.patient]), (taker, patients[taker]), wall()
            )
        assert ChartFacts.objects.get(encounter=first.row).patient == taker
        assert drain(DEFICIENCIES) == 1
        after = dict(ChartFacts.objects.values_list("encounter", "stamp"))
        assert after[first.row] != before[first.row] and after[second.row] == before[second.row]
        assert Chart.objects.get(encounter=first.row).patient == taker
        assert [each.patient for each in charts.read()] == [taker, second.patient]
        assert owed(first.row) == found(charts.read()[0])


def test_what_is_behind_is_read_from_the_record_and_the_rest_is_not(
    committed_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from charthouse.completion import queries

    read: list[int] = []
    real = queries.read_from_record

    def watched(ctx: AccessContext, rows: Any, site: Any = None, stand: Any = None) -> Any:
        read.extend(rows)
        return real(ctx, rows, site, stand)

    monkeypatch.setattr(queries, "read_from_record", watched)
    monkeypatch.setattr(keep_facts, "read_from_record", watched)
    with frozen(NOW):
        charts = Charts()
        one, other = charts.rows
        assert keep_facts.rebuild_facts() == keep_facts.Rebuilt(2, 2)
        read.clear()
        assert keep_facts.rebuild_facts() == keep_facts.Rebuilt(2, 0)
        assert len([each for some in all_encounters(SYSTEM) for each in some]) == 2 and read == []
        charts.file("h", "b", 3, "final")
        listed = [each for some in all_encounters(SYSTEM) for each in some]
        assert read == [other] and len(listed[1].documents) == 1
        # Reading writes nothing; analysing does.
        read.clear()
        analyse_charts([one, other])
        assert read == [other]
        read.clear()
        analyse_charts([one, other])
        assert read == []
        # All of a house at once: what is behind is read and kept on the way, the rest is taken as it is kept.
        charts.file("d", "a", 1, "final")
        read.clear()
        ((number, listed),) = keep_facts.kept_facts()
        assert read == [one] and number == 1
        assert listed == [each for some in all_encounters(SYSTEM) for each in some]
        assert [number for number, _ in keep_facts.kept_facts()] == [0] and read == [one]
        # An encounter that does not stand any more is not kept.
        send({**charts._visit("a"), "status": "entered-in-error"})
        assert [[each.row for each in some] for _, some in keep_facts.kept_facts()] == [[other]]
        assert not ChartFacts.objects.filter(encounter=one).exists()
        assert keep_facts.rebuild_facts() == keep_facts.Rebuilt(1, 0)
        assert list(ChartFacts.objects.values_list("encounter", flat=True)) == [other]


def test_another_manner_of_reading_makes_all_old(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from charthouse.completion import queries

    charts = Charts()
    keep_facts.rebuild_facts()
    assert keep_facts.rebuild_facts().read == 0
    monkeypatch.setattr(queries, "shape", lambda: shape() ^ 1)
    assert keep_facts.rebuild_facts().read == len(charts.rows)


def test_a_word_of_a_person_and_a_map_make_their_charts_old(db: None) -> None:
    from charthouse.completion import api as completion

    charts = Charts()
    charts.file("x", "a", 3, "final")
    keep_facts.rebuild_facts()
    (unknown,) = charts.read()[0].documents
    assert unknown.piece is None

    def piece() -> str | None:
        return facts_of(SYSTEM, [charts.visit("a")])[charts.visit("a")].documents[0].piece

    completion.map_code(OBI, LOINC, KINDS["x"], "nursing-note")
    assert piece() == "nursing-note"
    keep_facts.rebuild_facts()
    completion.classify_document(SATO, "DocumentReference", unknown.id, "consultation")
    assert piece() == "consultation"


def test_who_may_not_see_a_label_reads_no_row_with_it(db: None) -> None:
    charts = Charts()
    charts.file("h", "a", 3, "final")
    send(
        {
            **document(charts.id("l"), coded(KINDS["d"]), of=charts.of, visit=charts.id("a")),
            "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]},
        }
    )
    keep_facts.rebuild_facts()
    few = AccessContext("system:few", "few", frozenset(), purpose=SYSTEM.purpose, clearance=Label(0))
    for ctx, seen in ((SYSTEM, 2), (few, 1)):
        (facts,) = facts_of(ctx, [charts.visit("a")]).values()
        assert len(facts.documents) == seen
