"""What a chart lacks, by the rules: each rule's yes and no, its limits to the minute, and laws that hold for any
chart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charthouse.completion.domain.analysis import analyse
from charthouse.completion.domain.facts import (
    ConsultFact,
    DiagnosisFact,
    Disposition,
    DocumentFact,
    EncounterFacts,
    EncounterKind,
    Move,
    OrderFact,
    Party,
    Phase,
    ProcedureFact,
    Role,
    Side,
    Signature,
    Taking,
)
from charthouse.completion.domain.findings import Finding, What
from charthouse.completion.rule_sets import rules_for

ZONE = ZoneInfo("America/Chicago")
START = datetime(2026, 1, 12, 9, 0, tzinfo=ZONE)
END = datetime(2026, 1, 16, 14, 0, tzinfo=ZONE)
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULES = rules_for()

ATTENDING = Party("a", "Attending", credentials="MD")
LATER = Party("l", "Later", credentials="MD")
SURGEON = Party("s", "Surgeon", credentials="MD")
OTHER = Party("o", "Other surgeon", credentials="DO")
SLEEP = Party("n", "Anesthetist", credentials="MD")
NURSE = Party("r", "Nurse", credentials="RN")
CUT = (START + timedelta(hours=20), START + timedelta(hours=22))


def written(piece: str | None, at: datetime, by: Party = ATTENDING, id: str = "", **more: Any) -> DocumentFact:
    told: dict[str, Any] = {"signatures": (Signature(by, at),), "authors": (by,), "doc_status": "final", **more}
    return DocumentFact(id or f"{piece}-{at:%d%H%M}", "DocumentReference", 1, piece, authored=at, **told)


def cut(id: str = "p1", by: Party = SURGEON, at: tuple[datetime, datetime] = CUT, **more: Any) -> ProcedureFact:
    told: dict[str, Any] = {
        "anesthesia": True,
        "performers": ((Role.SURGEON, by), (Role.ANESTHETIST, SLEEP)),
        **more,
    }
    return ProcedureFact(id, "Knee replacement", told.pop("status", "completed"), True, at[0], at[1], **told)


#: A stay of an inpatient with all that it needs, and one with an operation.
WHOLE = EncounterFacts(
    "e", EncounterKind.INPATIENT, "finished", START, END, START, Disposition.HOME, time_zone="America/Chicago",
    phases=(Phase(EncounterKind.INPATIENT, START, END),),
    takings=(
        Taking(ATTENDING, Role.ATTENDING, START, START + timedelta(days=2)),
        Taking(LATER, Role.ATTENDING, START + timedelta(days=2), END),
    ),
    documents=(
        written("history-and-physical", START + timedelta(hours=3)),
        written("discharge-summary", END + timedelta(days=2), LATER),
    ),
    diagnoses=(DiagnosisFact("d", final=True),),
)  # fmt: skip
OF_OPERATION = (
    written("consent", CUT[0] - timedelta(hours=2), SURGEON, sides=frozenset({Side.RIGHT})),
    written("pre-anesthesia-evaluation", CUT[0] - timedelta(hours=1), SLEEP),
    written("operative-report", CUT[1] + timedelta(hours=1), SURGEON, sides=frozenset({Side.RIGHT}),
            operated_on=date(2026, 1, 13)),
    written("post-anesthesia-evaluation", CUT[1] + timedelta(hours=2), SLEEP),
)  # fmt: skip
OPERATED = replace(WHOLE, procedures=(cut(),), documents=(*WHOLE.documents, *OF_OPERATION))
DAY_SURGERY = replace(
    OPERATED, kind=EncounterKind.SAME_DAY_SURGERY, admitted=None, start=CUT[0] - timedelta(hours=2),
    end=CUT[1] + timedelta(hours=3), phases=(),
    documents=(written("history-and-physical", CUT[0] - timedelta(hours=1), SURGEON), *OF_OPERATION),
)  # fmt: skip
EMERGENCY = EncounterFacts(
    "x", EncounterKind.EMERGENCY, "finished", START, START + timedelta(hours=4), None, Disposition.HOME,
    time_zone="America/Chicago", phases=(Phase(EncounterKind.EMERGENCY, START, START + timedelta(hours=4)),),
    takings=(Taking(ATTENDING, Role.ATTENDING, START, None),),
    documents=(written("emergency-record", START + timedelta(hours=1)),),
)  # fmt: skip


def lacks(facts: EncounterFacts, now: datetime = NOW) -> list[tuple[str, What]]:
    return [(each.kind, each.what) for each in analyse(facts, RULES, now)]


def only(facts: EncounterFacts, now: datetime = NOW) -> Finding:
    found = analyse(facts, RULES, now)
    assert len(found) == 1, found
    return found[0]


def without(facts: EncounterFacts, *pieces: str) -> EncounterFacts:
    return replace(facts, documents=tuple(each for each in facts.documents if each.piece not in pieces))


def instead(facts: EncounterFacts, *documents: DocumentFact) -> EncounterFacts:
    """The same with these in place of theirs of the same pieces."""
    left = without(facts, *(each.piece or "" for each in documents))
    return replace(left, documents=(*left.documents, *documents))


@pytest.mark.parametrize("facts", [WHOLE, OPERATED, DAY_SURGERY, EMERGENCY])
def test_a_whole_chart_lacks_nothing(facts: EncounterFacts) -> None:
    assert lacks(facts) == []


@pytest.mark.parametrize(
    ("facts", "piece", "kind", "who", "because"),
    [
        (WHOLE, "history-and-physical", "history-and-physical", ATTENDING, "the attending at admission"),
        (WHOLE, "discharge-summary", "discharge-summary", LATER, "the attending at discharge"),
        (OPERATED, "operative-report", "operative-report", SURGEON, "the surgeon"),
        (OPERATED, "consent", "consent", SURGEON, "the surgeon"),
        (OPERATED, "pre-anesthesia-evaluation", "pre-anesthesia-evaluation", SLEEP, "who gave the anesthesia"),
        (OPERATED, "post-anesthesia-evaluation", "post-anesthesia-evaluation", SLEEP, "who gave the anesthesia"),
        (EMERGENCY, "emergency-record", "emergency-record", ATTENDING, "the attending at arrival"),
    ],
)
def test_a_missing_piece_is_asked_of_who_owes_it(
    facts: EncounterFacts, piece: str, kind: str, who: Party, because: str
) -> None:
    found = only(without(facts, piece))
    assert (found.kind, found.what, found.owed_by, found.owed_because) == (kind, What.MISSING, who, because)
    assert found.overdue(NOW)


def local(day: date, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        # Thirty days before, by the calendar of the facility.
        (local(date(2025, 12, 13), 0, 0), []),
        (local(date(2025, 12, 12), 23, 59), [("history-and-physical", What.UNFIT)]),
        (START + timedelta(hours=24), []),
        (START + timedelta(hours=24, minutes=1), [("history-and-physical", What.LATE)]),
    ],
)
def test_the_history_is_of_thirty_days_before_to_a_day_after(
    at: datetime, expected: list[tuple[str, What]]
) -> None:
    update = written("interval-update", START + timedelta(hours=1))
    changed = instead(WHOLE, written("history-and-physical", at))
    assert lacks(replace(changed, documents=(*changed.documents, update))) == expected


def test_an_older_history_is_updated_within_a_day_and_before_the_operation() -> None:
    old = written("history-and-physical", START - timedelta(days=10))
    assert only(instead(WHOLE, old)).kind == "interval-update"
    for hours, expected in ((24.0, []), (24 + 1 / 60, [("interval-update", What.LATE)])):
        update = written("interval-update", START + timedelta(hours=hours))
        assert lacks(instead(WHOLE, old, update)) == expected
    late = written("interval-update", CUT[0] + MINUTE)
    assert lacks(instead(OPERATED, old, late)) == [("interval-update", What.LATE)]


def test_a_history_after_the_operation_began_is_late() -> None:
    assert lacks(instead(OPERATED, written("history-and-physical", CUT[0]))) == []
    found = only(instead(OPERATED, written("history-and-physical", CUT[0] + MINUTE)))
    assert (found.what, found.due) == (What.LATE, CUT[0])


def test_an_outpatient_assessment_stands_where_policy_and_anesthesia_allow_it() -> None:
    assessed = without(DAY_SURGERY, "history-and-physical")
    assessment = written("outpatient-assessment", CUT[0] - timedelta(hours=1))
    assessed = replace(assessed, documents=(*assessed.documents, assessment))
    assert lacks(assessed) == []  # nobody knows what anesthesia it was
    assert lacks(replace(assessed, procedures=(cut(general=False),))) == []
    found = only(replace(assessed, procedures=(cut(general=True),)))
    assert (found.kind, found.what) == ("history-and-physical", What.MISSING)
    # An inpatient needs a history.
    inside = instead(without(WHOLE, "history-and-physical"), assessment)
    assert lacks(inside) == [("history-and-physical", What.MISSING)]


@pytest.mark.parametrize(
    ("piece", "limit", "beyond", "what"),
    [
        ("operative-report", CUT[1] + timedelta(hours=24), MINUTE, What.LATE),
        ("pre-anesthesia-evaluation", CUT[0] - timedelta(hours=48), -MINUTE, What.UNFIT),
        ("post-anesthesia-evaluation", CUT[1] + timedelta(hours=48), MINUTE, What.LATE),
        ("consent", CUT[0], MINUTE, What.LATE),
        ("discharge-summary", local(date(2026, 2, 15), 23, 59), MINUTE, What.LATE),
    ],
)
def test_limits_hold_to_the_minute(piece: str, limit: datetime, beyond: timedelta, what: What) -> None:
    by = {"operative-report": SURGEON, "discharge-summary": LATER}.get(piece, SLEEP)
    assert lacks(instead(OPERATED, written(piece, limit, by))) == []
    assert lacks(instead(OPERATED, written(piece, limit + beyond, by))) == [(piece, what)]


def test_a_day_of_twenty_three_hours_ends_at_its_midnight() -> None:
    left = datetime(2026, 2, 6, 14, 0, tzinfo=ZONE)  # thirty days later clocks go forward
    facts = replace(without(WHOLE, "discharge-summary"), end=left)
    assert only(facts).due == datetime(2026, 3, 9, 5, 0, tzinfo=UTC) - timedelta(microseconds=1)


def test_a_cancelled_case_asks_for_nothing() -> None:
    for status in ("not-done", "entered-in-error", "preparation", "unknown"):
        assert lacks(replace(WHOLE, procedures=(cut(status=status),))) == []


def test_two_surgeons_owe_a_report_each() -> None:
    both = replace(OPERATED, procedures=(cut(), cut("p2", OTHER)))
    found = only(both)
    assert (found.kind, found.owed_by, found.about) == ("operative-report", OTHER, "Procedure/p2")
    second = written("operative-report", CUT[1] + timedelta(hours=2), OTHER)
    assert lacks(replace(both, documents=(*both.documents, second))) == []
    # A second report of the first surgeon is none of the other's.
    again = written("operative-report", CUT[1] + timedelta(hours=2), SURGEON)
    assert lacks(replace(both, documents=(*both.documents, again))) == [("operative-report", What.MISSING)]


def test_codes_of_one_operation_are_one_operation() -> None:
    assert lacks(replace(OPERATED, procedures=(cut(), cut("p2"), cut("p3", at=(CUT[0] + MINUTE, CUT[1]))))) == []


def test_two_operations_of_one_surgeon_on_two_days_need_two_reports() -> None:
    next_day = (CUT[0] + timedelta(days=1), CUT[1] + timedelta(days=1))
    facts = replace(OPERATED, procedures=(cut(anesthesia=None), cut("p2", at=next_day, anesthesia=None)))
    assert ("operative-report", What.MISSING) in lacks(facts)
    found = next(each for each in analyse(facts, RULES, NOW) if each.kind == "operative-report")
    assert found.about == "Procedure/p2"


def test_an_assistant_may_write_the_report() -> None:
    assert lacks(instead(OPERATED, written("operative-report", CUT[1] + MINUTE, OTHER))) == []


def test_a_note_is_there_before_the_patient_is_moved_on() -> None:
    moved = replace(OPERATED, moves=(Move("OR", START), Move("Ward", CUT[1] + timedelta(minutes=30))))
    found = only(moved)
    assert (found.kind, found.due) == ("brief-operative-note", CUT[1] + timedelta(minutes=30))
    for piece in ("brief-operative-note", "progress-note", "operative-report"):
        note = written(piece, CUT[1] + timedelta(minutes=30), SURGEON, "note")
        assert lacks(replace(moved, documents=(*moved.documents, note))) == []
    by_another = written("progress-note", CUT[1] + timedelta(minutes=10), ATTENDING, "note")
    assert len(lacks(replace(moved, documents=(*moved.documents, by_another)))) == 1
    late = written("brief-operative-note", CUT[1] + timedelta(minutes=31), SURGEON)
    assert lacks(replace(moved, documents=(*moved.documents, late))) == [("brief-operative-note", What.LATE)]


def test_pathology_is_asked_for_where_tissue_is_known_to_be_removed() -> None:
    assert only(replace(OPERATED, procedures=(cut(tissue=True),))).kind == "pathology-report"
    report = written("pathology-report", CUT[1] + timedelta(days=3), OTHER)
    whole = replace(OPERATED, procedures=(cut(tissue=True),), documents=(*OPERATED.documents, report))
    assert lacks(whole) == []


def test_a_verbal_order_is_signed_within_the_hospitals_hours() -> None:
    order = OrderFact("o", "ServiceRequest", "Sitter", "active", True, START, ATTENDING)
    assert only(replace(WHOLE, orders=(order,))).what is What.UNSIGNED
    for minutes, expected in ((48 * 60, []), (48 * 60 + 1, [("verbal-order", What.LATE)])):
        signed = replace(order, authenticated=START + timedelta(minutes=minutes))
        assert lacks(replace(WHOLE, orders=(signed,))) == expected
    assert lacks(replace(WHOLE, orders=(replace(order, verbal=None),))) == []
    assert lacks(replace(WHOLE, orders=(replace(order, status="entered-in-error"),))) == []


def test_a_consultation_that_was_asked_for_is_answered_by_who_was_asked_or_a_colleague() -> None:
    asked = ConsultFact("c", "Consultation", "active", START, ATTENDING, OTHER)
    found = only(replace(WHOLE, consults=(asked,)))
    assert (found.what, found.owed_by, found.owed_because) == (What.UNANSWERED, OTHER, "who was asked")
    for who in (OTHER, SURGEON):
        answer = written("consultation", START + timedelta(hours=24), who)
        assert lacks(replace(WHOLE, consults=(asked,), documents=(*WHOLE.documents, answer))) == []
    two = (asked, ConsultFact("c2", "Consultation", "active", START, ATTENDING, SURGEON))
    answer = written("consultation", START + timedelta(hours=2), OTHER)
    found = only(replace(WHOLE, consults=two, documents=(*WHOLE.documents, answer)))
    assert found.owed_by == SURGEON
    before = written("consultation", START - MINUTE, OTHER)
    assert lacks(replace(WHOLE, consults=(asked,), documents=(*WHOLE.documents, before))) == [
        ("consultation", What.UNANSWERED)
    ]


@pytest.mark.parametrize(
    ("piece", "disposition", "hours", "stands"),
    [
        ("final-progress-note", Disposition.HOME, 47.9, True),
        ("final-progress-note", Disposition.HOME, 48, False),
        ("final-progress-note", Disposition.DIED, 20, False),
        ("final-progress-note", Disposition.TRANSFERRED, 20, False),
        ("death-summary", Disposition.DIED, 80, True),
        ("death-summary", Disposition.HOME, 80, False),
        ("transfer-summary", Disposition.TRANSFERRED, 80, True),
        ("transfer-summary", Disposition.HOME, 80, False),
        # What nobody said is not held against the chart.
        ("death-summary", None, 80, True),
    ],
)
def test_what_stands_in_place_of_the_discharge_summary(
    piece: str, disposition: Disposition | None, hours: float, stands: bool
) -> None:
    end = START + timedelta(hours=hours)
    facts = replace(without(WHOLE, "discharge-summary"), end=end, disposition=disposition)
    facts = replace(facts, documents=(*facts.documents, written(piece, end + timedelta(hours=1), LATER)))
    assert lacks(facts) == ([] if stands else [("discharge-summary", What.MISSING)])


def test_leaving_against_advice_needs_its_statement() -> None:
    left = replace(WHOLE, disposition=Disposition.AGAINST_ADVICE)
    assert only(left).kind == "against-advice"
    form = written("against-advice-form", END - MINUTE)
    assert lacks(replace(left, documents=(*left.documents, form))) == []


def test_a_final_diagnosis_is_asked_for_where_diagnoses_are_told() -> None:
    assert only(replace(WHOLE, diagnoses=(DiagnosisFact("d"),))).says == "There is no final diagnosis."
    assert lacks(replace(WHOLE, diagnoses=())) == []


def test_an_emergency_visit_says_where_the_patient_went() -> None:
    assert only(replace(EMERGENCY, disposition=None)).kind == "emergency-disposition"


def test_what_is_not_signed_is_asked_of_its_author_and_amended_is_signed() -> None:
    note = written("progress-note", START + timedelta(hours=30), LATER, unsigned=True, doc_status="preliminary")
    found = only(replace(WHOLE, documents=(*WHOLE.documents, note)))
    assert (found.kind, found.piece, found.owed_by, found.about) == (
        "authentication", "progress-note", LATER, f"DocumentReference/{note.id}",
    )  # fmt: skip
    amended = note._replace(unsigned=False, doc_status="amended", corrected="amended")
    assert lacks(replace(WHOLE, documents=(*WHOLE.documents, amended))) == []
    # Nobody knows which part of the chart it is: it is not signed all the same.
    unknown = note._replace(piece=None)
    assert only(replace(WHOLE, documents=(*WHOLE.documents, unknown))).what is What.UNSIGNED


def test_an_addendum_is_no_history() -> None:
    added = written("history-and-physical", START + timedelta(hours=2), added_to=("DocumentReference/x",))
    assert lacks(instead(WHOLE, added)) == [("history-and-physical", What.MISSING)]


def test_who_may_not_sign_needs_somebody_who_may() -> None:
    history = written("history-and-physical", START + timedelta(hours=3), NURSE)
    found = only(instead(WHOLE, history))
    assert (found.kind, found.owed_by) == ("authorship", LATER)
    both = history._replace(signatures=(*history.signatures, Signature(ATTENDING, START)))
    assert lacks(instead(WHOLE, both)) == []
    for credentials in ("", "FACS", "RN, NP", "M.D."):
        who = replace(NURSE, credentials=credentials)
        assert lacks(instead(WHOLE, written("history-and-physical", START + timedelta(hours=3), who))) == []


def test_a_report_is_of_the_stay_and_of_the_side_of_its_consent() -> None:
    report = next(each for each in OPERATED.documents if each.piece == "operative-report")
    other_day = report._replace(operated_on=date(2026, 1, 11))
    assert [each.kind for each in analyse(instead(OPERATED, other_day), RULES, NOW)] == ["operation-date"]
    left = report._replace(sides=frozenset({Side.LEFT}))
    found = only(instead(OPERATED, left))
    assert (found.kind, found.what, found.owed_by) == ("laterality", What.UNFIT, SURGEON)
    for sides in (frozenset({Side.LEFT, Side.RIGHT}), frozenset({Side.BILATERAL}), frozenset()):
        assert lacks(instead(OPERATED, report._replace(sides=sides))) == []


def test_what_has_not_begun_or_never_was_lacks_nothing() -> None:
    bare = replace(WHOLE, documents=())
    for status in ("planned", "cancelled", "entered-in-error"):
        assert lacks(replace(bare, status=status)) == []
    assert lacks(bare, START - MINUTE) == []


def test_who_is_in_bed_owes_with_a_clock_and_is_asked_of_who_answers_now() -> None:
    here = replace(WHOLE, status="in-progress", end=None, documents=())
    found = only(here, START + timedelta(hours=1))
    assert (found.kind, found.due) == ("history-and-physical", START + timedelta(hours=24))
    assert not found.overdue(START + timedelta(hours=24))
    assert found.overdue(START + timedelta(hours=24, minutes=1))


# Laws

PIECES = [
    "history-and-physical", "interval-update", "outpatient-assessment", "operative-report", "brief-operative-note",
    "pre-anesthesia-evaluation", "post-anesthesia-evaluation", "consent", "consultation", "discharge-summary",
    "final-progress-note", "emergency-record", "progress-note", "pathology-report", "against-advice-form", None,
]  # fmt: skip
PEOPLE = [ATTENDING, LATER, SURGEON, OTHER, SLEEP, NURSE, Party("")]
moments = st.integers(-45 * 24 * 60, 60 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))


@st.composite
def documents(draw: Any) -> tuple[DocumentFact, ...]:
    drawn = draw(
        st.lists(st.tuples(st.sampled_from(PIECES), moments, st.sampled_from(PEOPLE), st.booleans()), max_size=9)
    )
    return tuple(
        written(piece, at, by, f"d{place}", unsigned=unsigned)
        for place, (piece, at, by, unsigned) in enumerate(drawn)
    )


@st.composite
def charts(draw: Any) -> EncounterFacts:
    """A chart of any kind in which nothing need be in order."""
    kind = draw(st.sampled_from(list(EncounterKind)))
    end = draw(st.none() | st.integers(60, 20_000).map(lambda minutes: START + timedelta(minutes=minutes)))
    cuts = draw(st.lists(st.tuples(st.integers(0, 5_000), st.sampled_from([SURGEON, OTHER])), max_size=3))
    return EncounterFacts(
        "e", kind, "finished" if end else "in-progress", START, end, START,
        draw(st.none() | st.sampled_from(Disposition)),
        time_zone="America/Chicago",
        takings=WHOLE.takings,
        documents=draw(documents()),
        procedures=tuple(
            cut(f"p{place}", who, (START + timedelta(minutes=at), START + timedelta(minutes=at + 90)),
                tissue=draw(st.sampled_from([None, True, False])))
            for place, (at, who) in enumerate(cuts)
        ),
        moves=tuple(Move("Ward", START + timedelta(minutes=at + 120)) for at, _ in cuts if draw(st.booleans())),
        consults=tuple(
            ConsultFact(f"c{place}", "Consultation", "active", START + timedelta(minutes=at), ATTENDING, who)
            for place, (at, who) in enumerate(
                draw(st.lists(st.tuples(st.integers(0, 5_000), st.sampled_from([None, *PEOPLE[:4]])), max_size=3))
            )
        ),
        diagnoses=draw(st.sampled_from([(), (DiagnosisFact("d"),), (DiagnosisFact("d", final=True),)])),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(charts(), st.randoms(use_true_random=False))
def test_the_order_of_what_was_filed_does_not_matter(facts: EncounterFacts, rng: Any) -> None:
    shuffled = {
        name: tuple(rng.sample(list(getattr(facts, name)), len(getattr(facts, name))))
        for name in ("documents", "procedures", "consults", "orders", "moves")
    }
    assert analyse(replace(facts, **shuffled), RULES, NOW) == analyse(facts, RULES, NOW)


@settings(max_examples=200, deadline=None)
@given(charts(), st.sampled_from([each for each in PIECES if each]), moments, st.sampled_from(PEOPLE))
def test_a_document_more_never_makes_a_piece_lacking_that_was_there(
    facts: EncounterFacts, piece: str, at: datetime, by: Party
) -> None:
    """What is more in a chart can make another piece due (an older history its update), and may itself be unsigned
    or late; it never makes one missing that was not."""
    before = {each.key for each in analyse(facts, RULES, NOW) if each.what in (What.MISSING, What.UNANSWERED)}
    more = replace(facts, documents=(*facts.documents, written(piece, at, by, "more")))
    after = {each.key for each in analyse(more, RULES, NOW) if each.what in (What.MISSING, What.UNANSWERED)}
    assert {key for key in after - before if not key.startswith("completion.interval-update")} == set()


@settings(max_examples=100, deadline=None)
@given(charts())
def test_keys_tell_deficiencies_apart_and_every_one_says_who_and_why(facts: EncounterFacts) -> None:
    found = analyse(facts, RULES, NOW)
    assert len({each.key for each in found}) == len(found)
    for each in found:
        assert each.says.endswith(".")
        assert each.owed_because
        assert each.rule.startswith("completion.")


def test_before_an_emergency_operation_history_and_consent_may_come_after() -> None:
    after = instead(without(OPERATED, "consent"), written("history-and-physical", CUT[1] + timedelta(minutes=30)))
    assert lacks(after) == [("consent", What.MISSING), ("history-and-physical", What.LATE)]
    urgent = replace(after, procedures=(cut(emergency=True),))
    assert lacks(urgent) == []
    # A day after admission it is late all the same.
    day_after = written("history-and-physical", START + timedelta(hours=24))
    assert lacks(instead(urgent, day_after)) == []
    late = written("history-and-physical", START + timedelta(hours=24) + MINUTE)
    assert lacks(instead(urgent, late)) == [("history-and-physical", What.LATE)]


def test_who_operates_in_one_session_with_an_emergency_does_so_in_an_emergency_but_not_later() -> None:
    beside = cut("p2", OTHER, (CUT[0] + MINUTE, CUT[1]))
    history = written("history-and-physical", CUT[1] + timedelta(minutes=30))
    report = written("operative-report", CUT[1] + timedelta(hours=2), OTHER, "r2")
    both = instead(without(OPERATED, "consent"), history)
    both = replace(both, documents=(*both.documents, report), procedures=(cut(emergency=True), beside))
    assert lacks(both) == []
    # The patient comes back for another operation, which can wait: before that one it is asked for.
    again = (CUT[1] + timedelta(minutes=40), CUT[1] + timedelta(minutes=60))
    back = replace(both, procedures=(cut(emergency=True), cut("p2", OTHER, again)))
    kinds = [kind for kind, _ in lacks(back)]
    assert "consent" in kinds and "history-and-physical" not in kinds
    # The history was written after thirty minutes, and so after the second began where that was sooner.
    sooner = (CUT[1] + timedelta(minutes=10), CUT[1] + timedelta(minutes=50))
    back = replace(both, procedures=(cut(emergency=True), cut("p2", OTHER, sooner)))
    assert ("history-and-physical", What.LATE) in lacks(back)
