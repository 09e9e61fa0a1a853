"""Lists reach PostgreSQL as they are, whatever stands in them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.arrays import array, text_array

pytestmark = pytest.mark.django_db
often = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


def read(text: str, type: str) -> list[object]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{type}[]", [text])
        found: list[object] = cursor.fetchone()[0]
        return found


@often
@given(st.lists(TEXTS | st.sampled_from(["NULL", "None", '"', "\\", "{a,b}", ""])))
def test_texts(texts: list[str]) -> None:
    assert read(text_array(texts), "text") == texts


@often
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_numbers(numbers: list[int | None]) -> None:
    assert read(array(numbers), "bigint") == numbers


@often
@given(st.lists(st.none() | st.uuids()))
def test_ids(ids: list[UUID | None]) -> None:
    assert read(array(ids), "uuid") == ids


@often
@given(st.lists(st.none() | st.datetimes(timezones=st.just(UTC)).filter(lambda each: each.year > 1)))
def test_instants(instants: list[datetime | None]) -> None:
    assert read(array(instants), "timestamptz") == instants
