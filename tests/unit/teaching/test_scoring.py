"""What was found beside a key: counted by kind, tolerant of what a line does not tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from charthouse.teaching.chart_scores import KeyUnreadable, read_key
from charthouse.teaching.domain.scoring import Found, expected_of, score

FOUND = [
    Found("1", "discharge-summary", "missing", "", "111"),
    Found("1", "authentication", "unsigned", "D1", "222"),
    Found("2", "consent", "late", "D2", "333"),
]


def lines(*told: dict[str, object]) -> list[dict[str, object]]:
    return [{"visit": "1", **each} for each in told]


def test_what_agrees_in_all_that_is_told_is_right() -> None:
    key = lines(
        {"deficiency": "discharge-summary", "what": "missing", "owed_by": "111"},
        {"deficiency": "authentication", "what": "unsigned", "document": "D1"},
        {"deficiency": "consent", "what": "late", "visit": "2"},
    )
    result = score(expected_of(key), FOUND)
    assert (result.whole.precision, result.whole.recall) == (1.0, 1.0)
    assert not result.missed and not result.beside


@pytest.mark.parametrize(
    "line",
    [
        {"deficiency": "discharge-summary", "what": "missing", "owed_by": "999"},
        {"deficiency": "discharge-summary", "what": "late"},
        {"deficiency": "authentication", "what": "unsigned", "document": "D9"},
        {"deficiency": "consent", "what": "late"},
    ],
)
def test_what_does_not_agree_is_missed_and_stands_beside(line: dict[str, object]) -> None:
    result = score(expected_of(lines(line)), FOUND)
    assert (result.whole.expected, result.whole.found, result.whole.right) == (1, 3, 0)
    assert len(result.missed) == 1 and len(result.beside) == 3
    assert (result.whole.precision, result.whole.recall) == (0.0, 0.0)


def test_two_that_are_alike_need_two() -> None:
    one = lines({"deficiency": "discharge-summary", "what": "missing"})
    result = score(expected_of([*one, *one]), FOUND)
    assert result.kinds["discharge-summary missing"].recall == 0.5


def test_those_that_tell_most_are_matched_first() -> None:
    found = [Found("1", "authentication", "unsigned", "D1"), Found("1", "authentication", "unsigned", "D2")]
    key = lines(
        {"deficiency": "authentication", "what": "unsigned"},
        {"deficiency": "authentication", "what": "unsigned", "document": "D1"},
    )
    assert score(expected_of(key), found).whole.recall == 1.0


def test_older_keys_and_lines_of_other_kinds_are_taken() -> None:
    key = lines(
        {"kind": "missing_document"},
        {"kind": "unsigned_document", "document": "D1"},
        {"kind": "duplicate", "mrn": "40000010"},
        {"kind": "late_document", "visit": "2"},
    )
    expected = expected_of(key)
    assert len(expected) == 3
    assert score(expected, FOUND).whole.recall == 1.0


def test_a_near_miss_is_left_alone_or_not() -> None:
    near = expected_of(
        lines(
            {"deficiency": "laterality", "near_miss": True}, {"deficiency": "discharge-summary", "near_miss": True}
        )
    )
    result = score(near, FOUND)
    assert result.near_misses == (1, 2)
    assert result.whole.expected == 0 and result.line()["all"]["recall"] is None


def test_a_near_miss_of_one_document_says_nothing_of_another() -> None:
    near = expected_of(lines({"deficiency": "authentication", "near_miss": True, "document": "D7"}))
    assert score(near, FOUND).near_misses == (1, 1)


def test_a_key_that_cannot_be_read_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "key.jsonl"
    path.write_text('{"kind": "duplicate"}\n\nnothing\n', "utf-8")
    with pytest.raises(KeyUnreadable, match=r"key\.jsonl, line 3: a JSON object is needed"):
        read_key(path)
    with pytest.raises(KeyUnreadable, match="cannot be read"):
        read_key(tmp_path / "none.jsonl")
