"""The text of a section as HTML: everything it says, nothing that could run or load."""
# ruff: noqa: E501 (tables)

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.exchange.cda.narrative import html, plain

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def text(inner: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<text>{inner}</text>")


def test_tables_lists_and_styles_are_kept() -> None:
    found = html(
        text(
            "<table><caption>Drugs</caption><thead><tr><th>Name</th><th/></tr></thead><tbody><tr>"
            '<td colspan="2" style="x" onclick="y()"><content styleCode="Bold Underline">Aspirin</content><br/>daily</td></tr>'
            '</tbody></table><list listType="ordered"><caption>Then</caption><item>one</item><item>two</item></list>'
        )
    )
    assert found == (
        '<table><caption>Drugs</caption><tr><th scope="col">Name</th><td></td></tr>'
        '<tr><td colspan="2"><strong><u>Aspirin</u></strong><br>daily</td></tr></table>'
        "<p><strong>Then</strong></p><ol><li>one</li><li>two</li></ol>"
    )


@pytest.mark.parametrize(
    "inner",
    [
        "<script>alert(1)</script>",
        '<linkHtml href="javascript:alert(1)">see</linkHtml>',
        '<img src="x" onerror="alert(1)"/>',
        '<content styleCode="Bold&quot; onload=&quot;x">a</content>',
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        '<td rowspan="9&quot; onclick=&quot;x">a</td>',
        '<iframe src="http://127.0.0.1/"/><object data="x"/><style>*{}</style>',
    ],
)
def test_nothing_of_a_document_can_run_or_load(inner: str) -> None:
    found = html(text(inner))
    tags = re.findall(r"<[^>]*>", found)
    assert all(re.fullmatch(r"</?(p|strong|em|u|br|small|td)>", tag) for tag in tags), found


def test_an_image_the_document_holds_is_shown_and_any_other_is_named() -> None:
    media = ElementTree.fromstring(
        f'<observationMedia ID="i1"><value mediaType="image/png" representation="B64">{PIXEL}</value></observationMedia>'
    )
    svg = ElementTree.fromstring(
        '<observationMedia><value mediaType="image/svg+xml">PHN2Zy8+</value></observationMedia>'
    )
    found = html(text('<renderMultiMedia referencedObject="i1 i2 i3"/>'), {"i1": media, "i2": svg})
    assert f'src="data:image/png;base64,{PIXEL}"' in found
    assert "[Image i2: it cannot be shown here]" in found and "[Image i3: it is not in the document]" in found


def test_text_outside_of_its_table_or_list_stays() -> None:
    assert html(text("<tr><td>a</td></tr><item>b</item><unknown>c</unknown>")) == "<p>a</p><p>b</p>c"


def test_text_that_is_html_itself_is_shown_as_such_and_stays_harmless() -> None:
    found = html(
        text(
            "<![CDATA[<div onclick='x()'>Seen <b>twice</b><script>alert(1)</script><table><tr><td>a</td></tr></table></div>]]>"
        )
    )
    assert found == "<div>Seen <strong>twice</strong><table><tr><td>a</td></tr></table></div>"
    assert html(text("5 &lt; 6 and &lt;unknown&gt;")) == "5 &lt; 6 and &lt;unknown&gt;"


def test_plain_text_has_a_line_for_each_block() -> None:
    found = plain(
        text(
            "<paragraph>One\n   two</paragraph><table><tbody><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></tbody></table>"
        )
    )
    assert found == "One two\na | b\nc"


_TAGS = st.sampled_from(
    ["paragraph", "content", "list", "item", "table", "tbody", "thead", "tr", "td", "th", "br", "sub", "caption", "div",
     "linkHtml", "renderMultiMedia", "footnote", "x"]
)  # fmt: skip
_WORD = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="<&>"), min_size=1, max_size=6
)


def _tree(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda tag, inside: f"<{tag}>{''.join(inside)}</{tag}>", _TAGS, st.lists(children, max_size=4))


@given(st.recursive(_WORD, _tree, max_leaves=25))
def test_whatever_the_tags_no_word_is_lost_and_every_tag_is_closed(inner: str) -> None:
    element = text(inner)
    found = html(element)
    shown = unescape(re.sub(r"<[^>]*>", " ", found))
    lost = Counter("".join("".join(element.itertext()).split())) - Counter("".join(shown.split()))
    assert not lost
    opened: list[str] = []
    for end, name in re.findall(r"<(/?)(\w+)[^>]*>", found):
        if end:
            assert opened.pop() == name
        elif name != "br":
            opened.append(name)
    assert not opened
