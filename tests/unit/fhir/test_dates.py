"""Dates keep the precision they were written with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.exchange.fhir.api import (
    BEGINNING,
    END_OF_TIME,
    Precision,
    implicit_range,
    instant_range,
    moment,
    to_datetime,
)

DAY = 86_400_000_000


def micros(text: str) -> int:
    """Microseconds since 1970 of an ISO time, by the standard library."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "low", "high", "precision"),
    [
        ("2012", "2012-01-01T00:00:00+00:00", "2013-01-01T00:00:00+00:00", Precision.YEAR),
        ("2012-02", "2012-02-01T00:00:00+00:00", "2012-03-01T00:00:00+00:00", Precision.MONTH),
        ("2012-12", "2012-12-01T00:00:00+00:00", "2013-01-01T00:00:00+00:00", Precision.MONTH),
        ("2012-02-29", "2012-02-29T00:00:00+00:00", "2012-03-01T00:00:00+00:00", Precision.DAY),
        ("2012-02-29T10:11Z", "2012-02-29T10:11:00+00:00", "2012-02-29T10:12:00+00:00", Precision.MINUTE),
        ("2012-02-29T10:11:12+02:30", "2012-02-29T07:41:12+00:00", "2012-02-29T07:41:13+00:00", Precision.SECOND),
        (
            "2012-02-29T10:11:12.3-05:00",
            "2012-02-29T15:11:12.3+00:00",
            "2012-02-29T15:11:12.4+00:00",
            Precision.FRACTION,
        ),
        (
            "2012-02-29T10:11:12.123456789Z",
            "2012-02-29T10:11:12.123456+00:00",
            "2012-02-29T10:11:12.123457+00:00",
            Precision.FRACTION,
        ),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00", "2017-01-01T00:00:01+00:00", Precision.SECOND),
        ("2012-02-29T10:11:12", "2012-02-29T10:11:12+00:00", "2012-02-29T10:11:13+00:00", Precision.SECOND),
    ],
)
def test_a_date_is_the_range_it_says(text: str, low: str, high: str, precision: Precision) -> None:
    assert instant_range(text) == (micros(low), micros(high))
    found = moment(text)
    assert found is not None
    assert found.precision is precision
    assert found.datetime == datetime.fromisoformat(low)


@pytest.mark.parametrize(
    "text",
    [
        *("", "12", "2012-13", "2012-00", "2023-02-30", "2023-02-29", "0000", "2012-W01-1", "20120101", "2012-1-1"),
        *("2012-01-01T24:00:00Z", "2012-01-01T10:60:00Z", "2012-01-01T10:00:61Z", "2012-01-01T10:00:00+15:00"),
        *("2012-01-01 10:00:00Z", "٢٠١٢", "x" * 99),
    ],
)
def test_what_is_no_day_of_the_calendar_is_none(text: str) -> None:
    assert instant_range(text) is None
    assert moment(text) is None


def test_the_edges_of_the_calendar() -> None:
    assert instant_range("0001") == (BEGINNING, BEGINNING + 365 * DAY)
    last = instant_range("9999-12-31")
    assert last == (END_OF_TIME - DAY, END_OF_TIME)
    assert to_datetime(END_OF_TIME).year == 9999
    assert to_datetime(BEGINNING).year == 1
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        edge = moment(text)
        assert edge is not None
        assert edge.datetime.tzinfo is not None


def test_the_offset_is_kept() -> None:
    found = moment("2012-02-29T10:11:12-05:00")
    assert found is not None
    assert found.datetime.utcoffset() == timedelta(hours=-5)
    assert found.text == "2012-02-29T10:11:12-05:00"


@given(
    st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001
        max_value=datetime(9998, 1, 1),  # noqa: DTZ001
        timezones=st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-840, 840)),
    ),
    st.sampled_from([4, 7, 10]),
)
def test_less_precision_covers_more(instant: datetime, shorter: int) -> None:
    text = instant.isoformat()
    exact = instant_range(text)
    assert exact is not None
    assert exact[0] == (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    local = instant.replace(tzinfo=UTC).isoformat()
    within, around = instant_range(local), instant_range(local[:shorter])
    assert within is not None
    assert around is not None
    assert around[0] <= within[0] < within[1] <= around[1]


@given(st.text(max_size=30) | st.from_regex(r"[0-9T:Z.+\-]{0,30}"))
def test_no_text_makes_it_fail(text: str) -> None:
    found = instant_range(text)
    assert found is None or found[0] < found[1]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("5.4", 5.35, 5.45),
        ("5.40", 5.395, 5.405),
        ("100", 99.5, 100.5),
        ("-1", -1.5, -0.5),
        ("1e-3", 0.0005, 0.0015),
    ],
)
def test_a_searched_number_is_as_wide_as_its_last_digit(text: str, low: float, high: float) -> None:
    assert implicit_range(text) == (low, high)


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "1e999999", "1e-99999"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert implicit_range(text) is None
