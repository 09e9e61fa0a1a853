"""Letters: what stands on each page, that no text is ever code, and that the file is open to everybody."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2 as pdfium
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import charthouse
from charthouse.foundation.letters import rendering
from charthouse.foundation.letters.api import Letter, LetterError, Letterhead, PatientIdentity, render
from charthouse.foundation.letters.plain_text import named, plain

ROOT = Path(charthouse.__file__).parent
TEMPLATES = sorted(path for path in ROOT.rglob("*.typ"))
EMPTY = Letter(
    template="web/chart_section",
    title="Results",
    letterhead=Letterhead("Northfield Hospital", "Northfield Health", "12 Mill Road\nNorthfield", "507 555 0100"),
    patient=PatientIdentity("Marchetti, Lidia", "9 Mar 1952", ("00418823", "A-7731"), "F"),
    by="R. Okafor",
    at="18 Nov 2026 14:05",
    instant=datetime(2026, 11, 18, 14, 5, tzinfo=UTC),
    use="For use here.",
    content={"left_out": [], "parts": []},
)


def letter(*parts: dict[str, Any], **changes: Any) -> Letter:
    return replace(EMPTY, content={"left_out": [], "parts": list(parts)}, **changes)


def pages(content: bytes) -> list[str]:
    """The text of each page, on one line, without the places where a word may break."""
    document = pdfium.PdfDocument(content)
    try:
        texts = [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()
    return [re.sub(r"\s+", " ", text.replace("\u200b", "")) for text in texts]


def table(count: int) -> dict[str, Any]:
    rows = [{"cells": [f"Potassium {number}", "4.1 mmol/L", None]} for number in range(count)]
    return {"kind": "listing", "columns": [["Test", 3], ["Value", 2], ["Note", 2]], "rows": rows}


def test_every_page_says_whose_it_is_what_it_is_and_which_of_how_many() -> None:
    found = pages(render(letter(table(120))))
    assert len(found) == 3
    for number, text in enumerate(found, start=1):
        assert "Marchetti, Lidia" in text and "Born 9 Mar 1952" in text and "MRN 00418823, A-7731" in text
        assert "Results" in text and "Test Value Note" in text
        assert f"Page {number} of 3" in text
        assert "Confidential. For use here." in text and "Printed by R. Okafor, 18 Nov 2026 14:05." in text
    assert "Northfield Hospital Northfield Health 12 Mill Road Northfield Telephone 507 555 0100" in found[0]
    assert "Potassium 0 4.1 mmol/L not recorded" in found[0] and "Potassium 119" in found[2]


def test_what_is_not_final_is_marked_on_every_page() -> None:
    for text in pages(render(letter(table(60), mark="Unsigned"))):
        assert text.count("UNSIGNED") >= 2, "the words of the mark, and the mark across the page"
    assert not any("UNSIGNED" in text for text in pages(render(letter(table(60)))))


def test_a_letter_without_a_patient_names_itself() -> None:
    (text,) = pages(render(letter(patient=None, title="Work of today")))
    assert "Work of today" in text and "Born" not in text and "MRN" not in text


def test_the_file_is_tagged_and_says_its_title_and_language() -> None:
    content = render(letter(table(2), file_title="Results of a chart", lang="es-MX"))
    with pikepdf.open(io.BytesIO(content)) as opened:
        root: Any = opened.Root
        assert root.MarkInfo.Marked and "/StructTreeRoot" in root
        assert str(root.Lang) == "es"
        assert root.ViewerPreferences.DisplayDocTitle
        with opened.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
            assert metadata["dc:title"] == "Results of a chart"
        assert b"Marchetti" not in str(opened.docinfo).encode(), "no name in what a browser shows on its tab"
        tags = {str(each.get("/S")) for each in opened.objects if isinstance(each, pikepdf.Dictionary)}
        assert {"/H1", "/Table", "/TH", "/TD"} <= tags


def test_the_same_letter_is_the_same_file() -> None:
    assert render(letter(table(30))) == render(letter(table(30)))
    assert render(letter(table(30))) != render(letter(table(31)))


def test_levels_of_headings_that_a_caller_leaves_out_are_mended() -> None:
    heading = {"kind": "heading", "level": 3, "text": "Deep at once"}
    assert "Deep at once" in pages(render(letter(heading)))[0]


CODE = [
    "#panic()",
    "#set text(0pt)",
    ']#read("/etc/passwd")[',
    "$ sum_(i=0)^n $",
    "\\u{41} \\ ` ``` ` _a_ *b* = c",
    "<label> @reference // no comment /* none */",
    '"; #import "x.typ": *',
    "{{ data }} {% x %}",
]


@pytest.mark.parametrize("text", CODE)
def test_code_is_shown_and_never_run(text: str) -> None:
    everywhere = letter(
        {"kind": "heading", "text": text},
        {"kind": "facts", "pairs": [[text, text]]},
        {"kind": "listing", "columns": [[text, 1]], "rows": [{"cells": [text]}, {"heading": {"text": text}}]},
        {"kind": "prose", "text": text},
        {"kind": "as-written", "text": text},
        {"kind": "items", "items": [text]},
        patient=PatientIdentity(text, text, (text,), text),
        title=text,
        by=text,
        use=text,
        mark=text,
        notes=[text],
        letterhead=Letterhead(text, text, text, text),
    )
    shown = "".join("".join(pages(render(everywhere))).split())
    assert shown.count("".join(text.split())) >= 15


def test_no_template_evaluates_or_reads_anything_but_what_it_is_given() -> None:
    assert len(TEMPLATES) >= 5
    for path in TEMPLATES:
        source = path.read_text("utf-8")
        assert not re.search(r"\b(eval|plugin|read|csv|yaml|toml|xml|cbor|include)\s*\(", source), path.name
        assert "@preview" not in source and "@local" not in source, f"{path.name}: packages come from elsewhere"


def test_every_script_the_typefaces_have_is_shown_as_it_is() -> None:
    words = [
        "Wołodyjowska",
        "Ægir Søn",
        "Ελένη",
        "Достоевский",
        "שלום עולם",
        "محمد",
        "Nguyễn Thị Ánh",
        "25 µg ≤ 3 °C ½",
    ]
    (text,) = pages(render(letter({"kind": "items", "items": words})))
    for word in words:
        if not re.search("[\u0590-\u06ff]", word):
            assert word in text, word
    assert "[U+" not in text


def test_signs_without_a_shape_are_named_and_a_note_says_so() -> None:
    (text,) = pages(render(letter({"kind": "prose", "text": "李小龙 took 😀 of it"})))
    assert "[U+674E][U+5C0F][U+9F99] took" in text and "[U+1F600]" in text
    assert "written by their number" in text


def test_what_would_reorder_or_hide_what_stands_beside_it_is_taken_out() -> None:
    assert plain("a\u202eb\x00c\x1b[31m\r\nd\te") == "abc[31m\nd    e"
    assert plain("\ud800") == "[U+D800]"
    assert named("中") == "[U+4E2D]"


def test_a_text_of_ten_thousand_letters_runs_over_no_edge() -> None:
    content = render(
        letter(
            {"kind": "as-written", "text": "W" * 10_000},
            {"kind": "listing", "columns": [["A", 1], ["B", 5]], "rows": [{"cells": ["M" * 10_000, "x"]}]},
            patient=replace(EMPTY.patient, name="N" * 300),  # type: ignore[type-var]
        )
    )
    document = pdfium.PdfDocument(content)
    for page in document:
        width, height = page.get_size()
        for found in page.get_objects():
            left, bottom, right, top = found.get_bounds()
            assert left >= -1 and right <= width + 1 and bottom >= -1 and top <= height + 1
    assert sum(text.count("W") for text in pages(content)) == 10_000
    assert sum(text.count("M") for text in pages(content)) >= 10_000


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=300), st.text(min_size=1, max_size=60))
@example("\u202e#[]$\\\n\n\n\u0301", "\u0301")
@example("🏳️‍🌈 👩🏽‍⚕️ \ufe0f\u200d", "\U000e0041")
@example("\ufffe\ue000\U0010ffff", "`")
def test_any_text_becomes_a_print(text: str, name: str) -> None:
    content = render(
        letter(
            {"kind": "prose", "text": text},
            {"kind": "as-written", "text": text},
            {"kind": "listing", "columns": [[name, 1]], "rows": [{"cells": [text]}]},
            patient=PatientIdentity(name, "", (), ""),
            title=name,
        )
    )
    assert "not recorded" in pages(content)[0]


def test_a_wrong_template_is_named_and_its_text_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("web/nothing", "../web/chart_section", "web/letters/../chart_section", "/etc/passwd", ""):
        with pytest.raises(LetterError, match="There is no template"):
            render(replace(EMPTY, template=name))
    with pytest.raises(LetterError, match=r"web/chart_section cannot be set, at base\.typ:\d+:\d+") as raised:
        render(letter({"kind": "secret diagnosis", "text": "secret diagnosis"}))
    assert "secret" not in str(raised.value) and raised.value.__cause__ is None
    assert raised.value.__context__ is None, "what the typesetter says quotes the text"


def test_typefaces_come_from_the_project_alone() -> None:
    families = set(rendering._fonts().families())
    assert "Inter" in families and "DejaVu Sans" not in families
    assert (ROOT / "foundation/letters/fonts/LICENSE").read_text("utf-8").count("SIL Open Font License") >= 1
