"""Values are printed no more precise than they are, and codes as words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.foundation.access.api import ALL_LABELS, Label
from charthouse.record.chart import Interpretation
from charthouse.web import printing

NOW = datetime(2026, 11, 18, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "printed"),
    [
        ("2026", "2026"),
        ("2026-11", "Nov 2026"),
        ("2026-11-08", "8 Nov 2026"),
        ("2026-11-08T14:22:09.123-06:00", "8 Nov 2026 14:22"),
        ("2026-11-08T14:22:09Z", "8 Nov 2026 14:22"),
        ("", ""),
        ("2026-13-08", "2026-13-08"),
        ("about 1950", "about 1950"),
    ],
)
def test_a_date_is_printed_by_its_own_precision(sent: str, printed: str) -> None:
    assert printing.fhir_date(sent) == printed


def test_a_date_without_its_time_keeps_the_day_of_the_sender() -> None:
    assert printing.fhir_date("2026-11-08T23:50:00-06:00", time=False) == "8 Nov 2026"


@given(st.text())
def test_any_text_is_printed_somehow(sent: str) -> None:
    assert isinstance(printing.fhir_date(sent), str)


def test_an_instant_is_printed_in_the_zone_of_the_site() -> None:
    assert printing.local_time(NOW, ZoneInfo("America/Chicago")) == "18 Nov 2026 08:05"


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=-5), "just now"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(days=1), "1 d ago"),
    ],
)
def test_how_long_ago(passed: timedelta, words: str) -> None:
    assert printing.ago(NOW - passed, NOW) == words


@pytest.mark.parametrize(
    ("code", "shown"), [("male", "M"), ("F", "F"), ("other", "X"), ("unknown", "sex unknown"), ("", "sex unknown")]
)
def test_an_unknown_sex_is_said_to_be_unknown(code: str, shown: str) -> None:
    assert printing.sex(code) == shown


def test_every_label_has_its_words() -> None:
    assert len(printing.labels(ALL_LABELS)) == len(list(Label))
    assert printing.labels(Label.VIP | Label.HIV) == ["HIV", "VIP, access logged"]
    assert printing.labels(Label.NONE) == []


@pytest.mark.parametrize("meaning", list(Interpretation))
def test_what_is_abnormal_has_a_sign_and_a_word(meaning: Interpretation) -> None:
    assert bool(printing.interpretation_sign(meaning)) == meaning.abnormal
    assert bool(meaning.words) == (meaning is not Interpretation.NONE)


@pytest.mark.parametrize(
    ("count", "said"), [(1, "1 byte"), (812, "812 bytes"), (14_200, "14.2 KB"), (3_100_000, "3.1 MB")]
)
def test_sizes(count: int, said: str) -> None:
    assert printing.size(count) == said


@pytest.mark.parametrize("typed", ["", "yesterday", "2026-02-30", "2026-11-08'--"])
def test_a_day_that_is_none_filters_nothing(typed: str) -> None:
    assert printing.day_of(typed) is None
