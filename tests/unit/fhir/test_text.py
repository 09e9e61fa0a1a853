"""Folding makes equal what a person would call the same."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charthouse.exchange.fhir.api import LONGEST, clip, fold


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("O'Brien", "obrien"),
        ("O’Brien", "OBRIEN"),
        ("Müller", "MULLER"),
        ("Müller", "Mu\u0308ller"),
        ("Straße", "STRASSE"),
        ("Łukasz Øst", "lukasz ost"),
        ("  Smith-Jones ,  Anne", "smith jones anne"),
        ("ﬁne", "fine"),
        ("Ａｂｃ", "abc"),
        ("ΣΊΣΥΦΟΣ", "σισυφος"),
        ("İstanbul", "istanbul"),
        ("a\u00a0b\tc", "a b c"),
    ],
)
def test_the_same_name_in_other_dress(left: str, right: str) -> None:
    assert fold(left) == fold(right)


@pytest.mark.parametrize(
    ("text", "folded"), [("", ""), (" - ", ""), ("한국어", "한국어"), ("हिन्दी", "हिनदी"), ("12 b", "12 b")]
)
def test_what_stays(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text(max_size=80))
@example("ͅ")
@example("ŉ")
@example("ﬃ̈")
@example("\u1fb7")
@example("x" * 511 + " yz")
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold(text)
    assert fold(once) == once
    assert "  " not in once
    assert once == once.strip()


@given(st.text(alphabet="aé '-", max_size=40), st.integers(0, 40))
def test_the_start_of_a_text_is_found_by_its_folded_start(text: str, length: int) -> None:
    words = fold(text)
    assert words.startswith(fold(words[:length]))


def test_endless_texts_are_cut() -> None:
    assert len(fold("é" * 10_000_000)) == LONGEST
    assert len(clip("x" * 9999)) == LONGEST
