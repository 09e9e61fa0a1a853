"""Narratives on paper: nothing of their text is lost, and every value stays under its own head."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from charthouse.web.narrative import parts_of


def words(value: Any) -> str:
    return "".join(json.dumps(value, ensure_ascii=False).split())


def test_headings_paragraphs_lists_and_what_was_laid_out_stay_what_they_are() -> None:
    html = (
        "<h3>Plan</h3><p>One <b>two</b><br/>three</p><ul><li>a<ul><li>b</li></ul></li></ul><pre>x  y\n z</pre>end"
    )
    assert parts_of(f"<div>{html}</div>") == [
        {"kind": "heading", "text": "Plan", "level": 3},
        {"kind": "prose", "text": "One two\nthree"},
        {"kind": "items", "items": ["a", "b"]},
        {"kind": "as-written", "text": "x  y\n z"},
        {"kind": "prose", "text": "end"},
    ]


def test_a_cell_over_several_rows_or_columns_moves_no_value_under_another_head() -> None:
    (table,) = parts_of(
        "<table><tr><th>Test</th><th>Value</th><th>Unit</th></tr>"
        "<tr><td rowspan='2'>K</td><td>4.1</td><td>mmol/L</td></tr>"
        "<tr><td>6.8</td><td>mmol/L</td></tr><tr><td colspan='2'>none</td><td>x</td></tr></table>"
    )
    assert [title for title, _ in table["columns"]] == ["Test", "Value", "Unit"]
    assert [[cell["text"] for cell in row["cells"]] for row in table["rows"]] == [
        ["K", "4.1", "mmol/L"],
        ["K", "6.8", "mmol/L"],
        ["none", "none", "x"],
    ]


def test_a_table_without_a_head_keeps_its_first_row_and_a_wide_one_becomes_lines() -> None:
    (table,) = parts_of("<table><tr><td>a</td></tr><tr><td>b</td></tr></table>")
    assert [row["cells"][0]["text"] for row in table["rows"]] == ["a", "b"]
    caption, _table = parts_of("<table><caption>Doses</caption><tr><td>a</td></tr></table>")
    assert caption == {"kind": "prose", "text": "Doses"}
    (lines,) = parts_of("<table><tr>" + "<td>v</td>" * 13 + "</tr></table>")
    assert lines == {"kind": "items", "items": ["; ".join("v" * 13)]}


TAGS = st.sampled_from(
    [
        "p",
        "div",
        "b",
        "ul",
        "ol",
        "li",
        "table",
        "tr",
        "td",
        "th",
        "pre",
        "h2",
        "br",
        "span",
        "tbody",
        "caption",
        "dd",
    ]
)
PIECES = st.one_of(
    TAGS.map(lambda tag: f"<{tag}>"),
    TAGS.map(lambda tag: f"</{tag}>"),
    st.just("<td rowspan='3' colspan='99'>"),
    st.integers(0, 999).map(lambda number: f" w{number}w "),
)


@given(st.lists(PIECES, max_size=40))
def test_no_word_is_lost_however_the_tags_stand(pieces: list[str]) -> None:
    shown = words(parts_of("".join(pieces)))
    for piece in pieces:
        if not piece.startswith("<"):
            assert piece.strip() in shown
