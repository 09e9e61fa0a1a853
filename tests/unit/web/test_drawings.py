"""Results by date, trends of vital signs, pages of a PDF."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.record.chart import Result, ResultPanel, VitalSeries, When
from charthouse.web import pdf, results, trends

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def _when(day: int) -> When:
    instant = BEGIN + timedelta(days=day)
    return When(instant.isoformat(), instant)


def _result(title: str, value: str, day: int, unit: str = "mmol/L") -> Result:
    return Result(
        type="Observation", id=f"{title}-{day}", version=1, title=title, when=_when(day), value=value, unit=unit,
        number=Decimal(value),
    )  # fmt: skip


def _panel(day: int, *members: Result) -> ResultPanel:
    return ResultPanel(
        type="DiagnosticReport", id=str(day), version=1, title="Panel", collected=_when(day), results=members
    )


def test_what_was_drawn_together_stands_together_newest_first() -> None:
    matrix = results.by_date(
        [
            _panel(1, _result("Sodium", "138", 3)),
            _panel(2, _result("Sodium", "140", 2), _result("Potassium", "4", 2)),
        ]
    )
    assert [moment.text for moment in matrix.columns] == [_when(2).text, _when(1).text]
    sodium = next(row for row in matrix.rows if row.title == "Sodium")
    assert [[each.value for each in cell] for cell in sodium.cells] == [["140"], ["138"]]


def test_a_test_in_another_unit_has_a_row_of_its_own() -> None:
    matrix = results.by_date(
        [_panel(1, _result("Glucose", "90", 1, "mg/dL"), _result("Glucose", "5", 1, "mmol/L"))]
    )
    assert len(matrix.rows) == 2


def test_two_results_of_one_moment_both_stay() -> None:
    matrix = results.by_date([_panel(1, _result("Sodium", "138", 1), _result("Sodium", "139", 1))])
    assert [each.value for each in matrix.rows[0].cells[0]] == ["138", "139"]


def test_older_moments_without_a_column_are_counted() -> None:
    matrix = results.by_date([_panel(day, _result("Sodium", "138", day)) for day in range(20)], columns=12)
    assert (len(matrix.columns), matrix.left_out) == (12, 8)
    assert matrix.columns[0].text == _when(19).text


NUMBERS = st.decimals(min_value=-1000, max_value=1000, allow_nan=False, allow_infinity=False, places=1)


@given(st.lists(NUMBERS, min_size=1, max_size=30), st.one_of(st.none(), NUMBERS), st.one_of(st.none(), NUMBERS))
def test_a_trend_never_leaves_its_frame(values: list[Decimal], low: Decimal | None, high: Decimal | None) -> None:
    if low is not None and high is not None and low > high:
        low, high = high, low
    series = VitalSeries(
        "Weight", "kg", tuple(_result("Weight", str(each), at) for at, each in enumerate(values)), low, high
    )
    drawn = trends.draw(series)
    assert len(drawn.dots) == len(values)
    assert all(0 <= dot.x <= trends.WIDTH and 0 <= dot.y <= trends.HEIGHT for dot in drawn.dots)
    if drawn.band:
        assert drawn.band.y >= 0
        assert drawn.band.height >= 0
        assert drawn.band.y + drawn.band.height <= trends.HEIGHT


def test_higher_values_stand_higher_and_later_ones_further_right() -> None:
    drawn = trends.draw(VitalSeries("Weight", "kg", (_result("Weight", "70", 0), _result("Weight", "80", 1))))
    first, second = drawn.dots
    assert second.y < first.y
    assert second.x > first.x
    assert drawn.words == "Weight, 2 measured, lowest 70, highest 80, latest 80 kg"


def test_what_has_no_number_is_not_drawn() -> None:
    text = Result(type="Observation", id="1", version=1, title="Color", when=_when(0), value="pale")
    assert trends.draw(VitalSeries("Color", "", (text,))).line == ""


@pytest.fixture
def fakes() -> Any:
    import importlib.util

    place = Path(__file__).parents[2] / "e2e" / "fakes.py"
    specification = importlib.util.spec_from_file_location("charthouse_fakes_for_units", place)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_page_of_a_pdf_becomes_an_image_with_ink_on_it(fakes: Any) -> None:
    image = pdf.page_image(fakes.pdf_bytes(), 1)
    width, height = struct.unpack(">II", image[16:24])
    assert (width, height) == (1071, 1386)
    start = image.index(b"IDAT") + 4
    length = struct.unpack(">I", image[start - 8 : start - 4])[0]
    pixels = zlib.decompress(image[start : start + length])
    assert b"\x00\x00\x00" in pixels
    assert b"\xff\xff\xff" in pixels


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4 and no more", b"MSH|^~\\&|"])
def test_what_is_no_pdf_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(pdf.UnreadablePage, match="cannot be read as a PDF"):
        pdf.page_image(content, 1)


def test_the_pages_and_the_text_of_a_pdf_are_read(fakes: Any) -> None:
    assert pdf.reading(fakes.pdf_bytes()) == pdf.Reading(1, "OPERATIVE REPORT")


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_page_that_is_not_there(fakes: Any, number: int) -> None:
    with pytest.raises(pdf.UnreadablePage, match="has 1 pages, and no page"):
        pdf.page_image(fakes.pdf_bytes(), number)


def test_the_addresses_of_rows_are_those_of_the_chart() -> None:
    from uuid import UUID

    from django.template import Context
    from django.urls import resolve, reverse

    from charthouse.web.templatetags import charthouse as tags

    person, row = UUID(int=7), _result("Sodium", "138", 1)
    row = Result(type="Observation", id="a-1.b", version=1, title='<b>"Sodium"', value="138", when=row.when)
    context = Context({"person": person, "may_read_original": True})
    for address, name in [
        (tags.item_url(context, row), "chart-item"),
        (tags.document_url(context, row), "chart-document"),
    ]:
        assert address == reverse(name, args=(person, row.type, row.id))
        assert resolve(address).url_name == name
    link = tags.where(context, row)
    assert reverse("chart-from", args=(person, row.type, row.id)) in link
    assert "&lt;b&gt;&quot;Sodium&quot;" in link
    assert tags.where(Context({"person": person}), row) == ""
