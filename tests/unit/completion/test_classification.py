"""Documents classified: by code, by the site's maps, by a person; and the queue of those nobody knows."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, connections

from charthouse.completion.actions import destroy_pieces
from charthouse.completion.actions.classify_filed import classify_filed
from charthouse.completion.actions.follow_news import follow_news
from charthouse.completion.api import (
    UNCLASSIFIED,
    ChangedMeanwhile,
    CompletionError,
    assemble,
    classify_all,
    classify_document,
    end_mapping,
    facts_of,
    map_code,
    mappings,
)
from charthouse.foundation.access.api import PermissionRefused, Role
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.work import api as work
from charthouse.record import api as record

from .visits import (
    SYSTEM,
    TECHNICIAN,
    asker,
    coded,
    document,
    encounter,
    found,
    news,
    patient,
    send,
)

ODD = "urn:oid:9.9"


def follow() -> None:
    """What the worker does with the news so far."""
    classify_filed([each for each in news() if each.kind in ("record.filed", "record.document-corrected")])


def waiting() -> list[work.WorkItem]:
    return list(work.items(TECHNICIAN, UNCLASSIFIED).items)


def place_of(title: str) -> str:
    """The piece under which the chart has the document that says this."""
    _, patients, id = found()
    chart = assemble(TECHNICIAN, patients, id)
    assert chart is not None
    (piece,) = [each.piece for each in chart.sections for leaf in each.leaves if leaf.title == title]
    return piece


def key_of(title: str) -> tuple[str, str]:
    _, patients, id = found()
    chart = assemble(TECHNICIAN, patients, id)
    assert chart is not None
    (leaf,) = [each for each in chart.leaves if each.title == title]
    return leaf.type, leaf.id


@pytest.fixture
def odd(db: None) -> None:
    """Two documents of one sender's own code, one of another's, one in words alone, one that is known."""
    send(
        patient(), encounter(),
        document("a", coded("ZX-17", ODD, "Sheet A")), document("b", coded("ZX-17", ODD, "Sheet B")),
        document("w", {"text": "Wound care"}), document("k", coded("11506-3", text="Known")),
    )  # fmt: skip
    send(patient("p2", "Thorne"), encounter("e9", of="p2"),
         document("c", coded("ZX-17", ODD, "Sheet C"), of="p2", visit="e9"), sender="CLINIC")  # fmt: skip
    follow()


def test_what_no_map_names_waits_and_a_repeat_opens_nothing_twice(odd: None) -> None:
    assert len(waiting()) == 4
    follow()
    items = waiting()
    assert len(items) == 4 and {each.rule for each in items} == {"completion.unclassified"}
    assert all(each.due is not None and each.person for each in items)
    # A type told in words may hold anything, so it stands in no work item.
    assert "Wound" not in str([(each.reason, each.detail) for each in items])
    told = work.describe_all(TECHNICIAN, UNCLASSIFIED, items)
    assert sorted(told.values()) == ["Sheet A", "Sheet B", "Sheet C", "Wound care"]


def test_a_persons_word_is_about_one_document(odd: None) -> None:
    done = classify_document(TECHNICIAN, *key_of("Sheet A"), "nursing-note")
    assert (done.documents, done.changed) == (1, 1)
    assert place_of("Sheet A") == "nursing-note" and place_of("Sheet B") == ""
    assert len(waiting()) == 3
    (line,) = entries(SYSTEM, Filters(action="completion.document-classified")).lines
    assert line.detail == {"piece": "nursing-note", "before": ""}
    assert "completion.classified" in [each.kind for each in news()]


def test_always_so_is_about_the_code_of_this_sender(odd: None) -> None:
    done = classify_document(TECHNICIAN, *key_of("Sheet A"), "nursing-note", always=True)
    assert (done.documents, done.changed) == (2, 2)
    assert place_of("Sheet B") == "nursing-note"
    # The clinic's document of the same code waits on.
    assert sorted(work.describe_all(TECHNICIAN, UNCLASSIFIED, waiting()).values()) == ["Sheet C", "Wound care"]
    (line,) = mappings(TECHNICIAN)
    assert (line.sender, line.system, line.code, line.changed) == ("EHR|MERCY", ODD, "ZX-17", 2)
    send(document("d", coded("ZX-17", ODD, "Sheet D")))
    follow()
    assert place_of("Sheet D") == "nursing-note" and len(waiting()) == 2


def test_a_type_in_words_alone_is_mapped_by_its_words(odd: None) -> None:
    done = classify_document(TECHNICIAN, *key_of("Wound care"), "nursing-note", always=True)
    assert (done.documents, done.changed) == (1, 1) and place_of("Wound care") == "nursing-note"


def test_a_mapping_for_all_senders_a_change_of_it_and_its_end(odd: None) -> None:
    assert map_code(TECHNICIAN, ODD, "ZX-17", "consultation").changed == 3
    assert map_code(TECHNICIAN, ODD, "ZX-17", "consultation").changed == 0
    assert map_code(TECHNICIAN, ODD, "ZX-17", "progress-note").changed == 3
    (line,) = mappings(TECHNICIAN)
    assert line.piece == "progress-note" and [each.piece for each in mappings(TECHNICIAN, ended=True)] == [
        "consultation"
    ]
    assert len(waiting()) == 1
    assert end_mapping(TECHNICIAN, line.id).changed == 3
    assert len(waiting()) == 4 and place_of("Sheet A") == ""
    with pytest.raises(CompletionError, match="ended already"):
        end_mapping(TECHNICIAN, line.id)


def test_the_site_may_say_of_a_standard_code_what_it_means_here(odd: None) -> None:
    assert place_of("Known") == "progress-note"
    assert (
        map_code(TECHNICIAN, "http://loinc.org", "11506-3", "final-progress-note", sender="EHR|MERCY").changed == 1
    )
    assert place_of("Known") == "final-progress-note"


def test_a_persons_word_outlives_a_mapping(odd: None) -> None:
    classify_document(TECHNICIAN, *key_of("Sheet A"), "nursing-note")
    assert map_code(TECHNICIAN, ODD, "ZX-17", "consultation").changed == 2
    assert place_of("Sheet A") == "nursing-note"


def test_what_is_taken_out_of_the_chart_waits_no_more(odd: None) -> None:
    _, patients, _ = found()
    type, id = key_of("Sheet A")
    shown = record.document(TECHNICIAN, patients, type, id)
    assert shown is not None
    number = record.ask_to_retract(TECHNICIAN, patients, type, id, record.Reason("duplicate"), seen=shown.seen)
    other = replace(asker(Role.MANAGER, name="S. Other"), actor="user:8")
    record.confirm_correction(other, number)
    follow()
    assert "Sheet A" not in work.describe_all(TECHNICIAN, UNCLASSIFIED, waiting()).values()


def test_wrong_ways_are_refused_in_words(odd: None) -> None:
    type, id = key_of("Sheet A")
    with pytest.raises(PermissionRefused):
        classify_document(asker(Role.CODER), type, id, "consultation")
    with pytest.raises(PermissionRefused):
        map_code(asker(Role.PHYSICIAN), ODD, "ZX-17", "consultation")
    with pytest.raises(CompletionError, match="Choose one"):
        classify_document(TECHNICIAN, type, id, "nonsense")
    with pytest.raises(CompletionError, match="no such document"):
        classify_document(TECHNICIAN, "DocumentReference", "nowhere", "consultation")
    with pytest.raises(CompletionError, match="no such document"):
        classify_document(TECHNICIAN, "Patient", id, "consultation")
    with pytest.raises(ChangedMeanwhile):
        classify_document(TECHNICIAN, type, id, "consultation", seen="9:00")
    with pytest.raises(CompletionError, match="ever sent"):
        map_code(TECHNICIAN, ODD, "ZX-17", "consultation", sender="Nobody")
    with pytest.raises(CompletionError, match="Give the code"):
        map_code(TECHNICIAN, "", "  ", "consultation")
    assert mappings(TECHNICIAN) == []


def test_everything_is_looked_at_again(odd: None) -> None:
    work.finish_many_by_dedupe(UNCLASSIFIED, [each.subject.id for each in waiting()], "Lost")
    assert waiting() == []
    assert classify_all(TECHNICIAN) == (5, 4)
    assert len(waiting()) == 4


def test_two_who_map_one_code_at_once_leave_one_mapping(committed_db: Any) -> None:
    send(patient(), encounter(), document("a", coded("ZX-17", ODD, "Sheet A")))
    gate = threading.Barrier(4)
    faults: list[BaseException] = []

    def map_it(piece: str) -> None:
        try:
            gate.wait()
            map_code(TECHNICIAN, ODD, "ZX-17", piece)
        except BaseException as error:
            faults.append(error)
        finally:
            connections.close_all()

    pieces = ("consultation", "nursing-note", "progress-note", "correspondence")
    threads = [threading.Thread(target=map_it, args=(each,)) for each in pieces]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert faults == []
    (line,) = mappings(TECHNICIAN)
    assert place_of("Sheet A") == line.piece
    assert len(mappings(TECHNICIAN, ended=True)) == 3


def test_what_a_site_says_reaches_the_analysis(odd: None) -> None:
    """The facts by which a chart is analysed go by the site's codes and by a person's word."""
    _, _, id = found()

    def pieces() -> list[str | None]:
        (facts,) = facts_of(TECHNICIAN, [id]).values()
        return [each.piece for each in sorted(facts.documents, key=lambda each: each.title)]

    before = pieces()
    assert before.count(None) == 3
    map_code(TECHNICIAN, ODD, "ZX-17", "nursing-note", sender="EHR|MERCY")
    assert pieces().count("nursing-note") == 2
    classify_document(TECHNICIAN, *key_of("Sheet A"), "consultation")
    classify_document(TECHNICIAN, *key_of("Wound care"), "order-sheet", always=True)
    assert sorted(str(each) for each in pieces()) == [
        "consultation",
        "nursing-note",
        "order-sheet",
        "progress-note",
    ]
    news_of = [each for each in news() if each.kind == "completion.classified"]
    assert follow_news(news_of).charts == 1


def test_what_was_said_goes_with_a_chart_that_is_destroyed(odd: None) -> None:
    _, patients, _ = found()
    classify_document(TECHNICIAN, *key_of("Sheet A"), "nursing-note")
    going = record.Going(1, patients, frozenset(), frozenset())
    with connection.cursor() as cursor:
        assert destroy_pieces._destroy(cursor, going, lambda kind, items: None) == 1
    assert list(work.describe_all(TECHNICIAN, UNCLASSIFIED, waiting()).values()) == ["Sheet C"]
