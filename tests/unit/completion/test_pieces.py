"""What part of a chart a document is, by its codes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import charthouse.frontdesk
from charthouse.completion.domain.chart_orders import default_orders, known, moved, whole
from charthouse.completion.domain.facts import EncounterKind
from charthouse.completion.domain.pieces import (
    LOINC,
    classified,
    codings_of,
    piece_of,
    pieces,
    said_kind,
    suggested,
)
from charthouse.exchange.cda.header import KINDS
from charthouse.exchange.hl7v2.segments.document import _TYPES

TXA = "http://terminology.hl7.org/CodeSystem/v2-0270"
SERVICE = "http://terminology.hl7.org/CodeSystem/v2-0074"


@pytest.mark.parametrize(
    ("system", "code", "piece"),
    [
        (LOINC, "34117-2", "history-and-physical"),
        (LOINC, "34763-3", "history-and-physical"),
        (LOINC, "11504-8", "operative-report"),
        (LOINC, "34874-8", "operative-report"),
        (LOINC, "18842-5", "discharge-summary"),
        (LOINC, "11488-4", "consultation"),
        (LOINC, "34099-2", "consultation"),
        (LOINC, "11506-3", "progress-note"),
        (LOINC, "34130-5", "progress-note"),
        (LOINC, "11526-1", "pathology-report"),
        (LOINC, "18748-4", "radiology-report"),
        (LOINC, "34751-8", "pre-anesthesia-evaluation"),
        (LOINC, "59284-0", "consent"),
        (LOINC, "64293-4", "consent"),
        (LOINC, "61359-6", "anesthesia-consent"),
        (LOINC, "34746-8", "nursing-note"),
        (LOINC, "34878-9", "emergency-record"),
        (LOINC, "34111-5", "emergency-record"),
        (TXA, "HP", "history-and-physical"),
        (TXA, "PC", "consultation"),
        (SERVICE, "LAB", "laboratory-report"),
        (SERVICE, "RAD", "radiology-report"),
        (SERVICE, "SP", "pathology-report"),
        ("", "hp", "history-and-physical"),
        ("urn:oid:1.2.3", "EDREC", "emergency-record"),
    ],
)
def test_codes_that_hospitals_use_say_the_piece(system: str, code: str, piece: str) -> None:
    assert piece_of([(system, code)]) == piece


def test_every_type_of_table_0270_is_a_piece() -> None:
    assert [code for code in _TYPES if piece_of([(TXA, code)]) is None] == []


def test_every_kind_of_clinical_document_but_the_bare_note_is_a_piece() -> None:
    unknown = {code for code in KINDS if piece_of([(LOINC, code)]) is None}
    assert unknown == {"34109-9", "52521-2", "51855-5"}


def test_every_paper_of_the_front_desk_but_the_bare_note_is_a_piece() -> None:
    listed = yaml.safe_load(
        (Path(charthouse.frontdesk.__file__).parent / "data" / "document_types.yaml").read_text("utf-8")
    )
    said = {each["code"]: piece_of([("" if each.get("local") else LOINC, each["code"])]) for each in listed}
    assert [code for code, piece in said.items() if piece is None] == ["34109-9"]


def test_a_code_of_a_system_known_otherwise_is_no_local_one() -> None:
    assert piece_of([(TXA, "EDREC")]) is None
    assert piece_of([(LOINC, "HP")]) is None


def test_the_site_goes_before_what_is_known_and_an_earlier_coding_before_a_later() -> None:
    site = {(LOINC, "11506-3"): "final-progress-note", ("", "ZZ9"): "nursing-note"}
    assert piece_of([(LOINC, "11506-3")], site) == "final-progress-note"
    assert piece_of([("urn:oid:9", "ZZ9"), (LOINC, "11506-3")], site) == "nursing-note"
    assert piece_of([(LOINC, "18842-5"), (LOINC, "11506-3")]) == "discharge-summary"


def test_a_type_in_words_alone_is_a_coding_of_no_system() -> None:
    document = {"resourceType": "DocumentReference", "type": {"text": " Wound   care note "}}
    assert codings_of(document) == (("", "Wound care note"),)
    assert classified(document) is None
    assert classified(document, {("", "Wound care note"): "nursing-note"}) == "nursing-note"
    assert said_kind(document) == "Wound care note"


def test_a_report_of_results_is_the_laboratorys_unless_its_codes_say_more() -> None:
    report = {"resourceType": "DiagnosticReport", "code": {"coding": [{"system": LOINC, "code": "57698-3"}]}}
    assert classified(report) is None
    with_results = {**report, "result": [{"reference": "Observation/1"}]}
    assert classified(with_results) == "laboratory-report"
    category = {"category": [{"coding": [{"system": SERVICE, "code": "CUS"}]}]}
    assert classified({**with_results, **category}) == "cardiology-report"


@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_whatever_a_sender_writes_is_read(written: object) -> None:
    for kind in ("DocumentReference", "DiagnosticReport", "Media"):
        resource = {"resourceType": kind, "type": written, "code": written, "category": written, "view": written}
        assert all(isinstance(code, str) for _, code in codings_of(resource))
        assert isinstance(said_kind(resource), str)


def test_a_key_says_one_piece() -> None:
    keys = Counter(each.key for each in pieces().values() if each.key)
    assert [key for key, count in keys.items() if count > 1] == []
    # What a chart's screens use otherwise.
    assert not keys.keys() & set("jknpqwcfg0[],.+-?/L")


@pytest.mark.parametrize(
    ("title", "piece"),
    [
        ("OPERATIVE NOTE - ORTHO", "operative-report"),
        ("Adm. History & Physical", "history-and-physical"),
        ("Anesthesia Consent (signed)", "anesthesia-consent"),
        ("CT of the head", "radiology-report"),
        ("After visit summary", "discharge-instructions"),
    ],
)
def test_words_of_a_title_suggest_a_piece(title: str, piece: str) -> None:
    assert suggested(title)[0] == piece


def test_nothing_is_suggested_for_words_that_say_nothing() -> None:
    assert suggested("ZX-17") == ()


@pytest.mark.parametrize("kind", list(EncounterKind))
def test_every_order_holds_every_piece_once(kind: EncounterKind) -> None:
    order = default_orders()[kind]
    assert sorted(order) == sorted(pieces()) and order[0] == "identification"
    assert order.index("history-and-physical") < order.index("discharge-summary")


def test_an_order_with_an_unknown_piece_or_one_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="no piece 'nonsense'"):
        whole(["consent", "nonsense"])
    with pytest.raises(ValueError, match="twice"):
        whole(["consent", "consent"])
    assert known(["nonsense", "consent", "consent"])[0] == "consent"


@given(st.sampled_from(list(pieces())), st.integers(-60, 60))
def test_moving_a_piece_changes_only_its_place(piece: str, by: int) -> None:
    before = default_orders()[EncounterKind.INPATIENT]
    after = moved(before, piece, by)
    assert sorted(after) == sorted(before)
    assert [each for each in after if each != piece] == [each for each in before if each != piece]
    assert after.index(piece) == min(max(before.index(piece) + by, 0), len(before) - 1)
