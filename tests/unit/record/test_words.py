"""What a word is, what is asked for, and that marking what was found never changes a text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.record.domain import time_buckets
from charthouse.record.domain.text_rows import indexed
from charthouse.record.domain.words import LONGEST_WORD, Term, asked, marked, places, root, snippets, words

TEXTS = st.text(alphabet=st.sampled_from('aAbsSéß́ Ω1.-_\n"*heart failure—İ'), max_size=200) | st.text(max_size=200)


@given(TEXTS, TEXTS)
def test_marking_never_changes_the_text(text: str, search: str) -> None:
    wanted = asked(search).wanted
    assert "".join(piece.text for piece in marked(text, wanted)) == text
    for snippet in snippets(text, wanted, around=20):
        shown = "".join(piece.text for piece in snippet.pieces)
        assert text[snippet.start : snippet.start + len(shown)] == shown
        assert snippet.cut_before == (snippet.start > 0)
        assert snippet.cut_after == (snippet.start + len(shown) < len(text))


@given(TEXTS)
def test_every_word_of_a_text_is_found_in_it(text: str) -> None:
    for word in words(text):
        if wanted := asked(text[word.start : word.end]).wanted:
            assert (word.start, word.end) in places(text, wanted[:1]) or len(wanted[0].roots) > 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("Fractures", "fracture"), ("ALLERGIES", "allergy"), ("Müller", "muller"), ("masses", "mass"), ("boxes",
    "box"), ("carcinomas", "carcinoma"), ("Straße", "strasse"), ("naïve", "naive")],
)  # fmt: skip
def test_case_accents_and_plurals_do_not_matter(one: str, other: str) -> None:
    assert root(one) == root(other)


@pytest.mark.parametrize("word", ["diagnosis", "virus", "mass", "gas", "pus", "b12s"])
def test_what_only_looks_like_a_plural_stays(word: str) -> None:
    assert root(word) == word


def test_what_is_asked() -> None:
    assert asked('heart "no evidence" fractur* -ruled follow-up 13.5').terms == (
        Term(("heart",)),
        Term(("no", "evidence")),
        Term(("fractur",), begins=True),
        Term(("ruled",), without=True),
        Term(("follow", "up")),
        Term(("13", "5")),
    )


@pytest.mark.parametrize("text", ["", "   ", "-ruled", '""', "* - .", "x" * (LONGEST_WORD + 1)])
def test_what_asks_for_nothing(text: str) -> None:
    assert not asked(text)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("failure", ["failure", "failures"]),
        ('"heart failure"', ["Heart failure"]),
        ("fail*", ["failure", "failed", "failures"]),
        ("heart fail", ["Heart"]),
        ("-heart failed", ["failed"]),
    ],
)
def test_what_is_marked(search: str, found: list[str]) -> None:
    text = "Heart failure; the pump failed. Two failures."
    pieces = marked(text, asked(search).wanted)
    assert [piece.text for piece in pieces if piece.found] == found


def test_a_snippet_shows_each_word_once_before_one_twice() -> None:
    text = "stent " * 3 + "filler " * 100 + "occlusion here"
    shown = snippets(text, asked("stent occlusion").wanted)
    assert [next(piece.text for piece in each.pieces if piece.found) for each in shown] == ["stent", "occlusion"]


@given(st.integers(0, time_buckets.LAST), st.integers(0, time_buckets.LAST))
def test_a_span_of_time_is_covered_exactly(one: int, other: int) -> None:
    low, high = sorted((one, other))
    found = time_buckets.prefixes(low, high)
    assert len(found) <= 7 * 2 * time_buckets.DIGITS
    for bucket in {low, high, (low + high) // 2}:
        assert sum(time_buckets.ending(bucket).startswith(prefix) for prefix in found) == 1
    for bucket in {low - 1, high + 1} & set(range(time_buckets.LAST + 1)):
        assert not any(time_buckets.ending(bucket).startswith(prefix) for prefix in found)


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9998, 1, 1)), st.integers(0, 10_000))  # noqa: DTZ001
def test_a_later_time_lies_in_no_earlier_bucket(moment: datetime, days: int) -> None:
    early = moment.replace(tzinfo=UTC)
    late = early + timedelta(days=min(days, (datetime(9999, 1, 1, tzinfo=UTC) - early).days))
    assert 0 <= time_buckets.bucket_of(early) <= time_buckets.bucket_of(late) <= time_buckets.LAST


@given(
    st.dictionaries(st.integers(0, time_buckets.LAST), st.integers(0, 9_000), min_size=1, max_size=30),
    st.lists(st.floats(1, 100_000), min_size=1),
)
def test_spans_take_every_bucket_once(texts: dict[int, int], wanted: list[float]) -> None:
    newest_first = sorted(texts.items(), reverse=True)
    at, begins, total = 0, [], 0
    while at < len(newest_first):
        before = at
        begin, at, count = time_buckets.span(newest_first, at, wanted[len(begins) % len(wanted)])
        assert at > before and begin == newest_first[at - 1][0]
        begins.append(begin)
        total += count
    assert begins == sorted(begins, reverse=True) and begins[-1] == min(texts) and total == sum(texts.values())


def test_a_vector_is_never_too_large() -> None:
    text = " ".join(f"w{number:x}" for number in range(300_000))
    made = indexed(text, None)
    assert len(made.roots) > 30_000
    # PostgreSQL keeps four bytes of its own for each word, an even number of bytes, and no zero.
    assert len(made.vector) + 4 * len(made.roots) < 1_000_000
