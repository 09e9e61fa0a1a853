"""Moments come out of the database as they went in, whoever reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import DataError, connection
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.database.moments import MomentLoader

pytestmark = pytest.mark.django_db


def read(written: str | datetime) -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [written])
        return cursor.fetchone()[0]


_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.integers(-62_135_400_000_000_000, 253_402_100_000_000_000), _ZONES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_moment_comes_back_in_utc(db: None, microseconds: int, zone: timezone) -> None:
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).astimezone(zone)
    found = read(moment)
    assert found == moment and isinstance(found, datetime) and found.tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["2025-01-01 08:00:00.1+00", "2025-03-01 00:00:00+05:30", "1883-01-01 12:00:00+00"]
)
def test_it_reads_what_djangos_own_loader_reads(db: None, text: str) -> None:
    class Djangos(BaseTzLoader):  # type: ignore[misc]  # Django is not typed there
        timezone = UTC

    written = text.encode()
    assert MomentLoader(1184).load(written) == datetime.fromisoformat(text)
    if text.endswith("+00"):
        assert MomentLoader(1184).load(written) == Djangos(1184).load(written)
    assert MomentLoader(1184).load(memoryview(written)) == MomentLoader(1184).load(written)


@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 00:00:00+00 BC", "12000-01-01"])
def test_what_no_datetime_can_be_is_refused(db: None, text: str) -> None:
    with pytest.raises(DataError):
        read(text)


def test_every_connection_has_it(db: None) -> None:
    with connection.cursor() as cursor:
        assert cursor.cursor.adapters.get_loader(1184, 0) is MomentLoader
