"""An address that is remembered is the one that Django would find."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.template import engines
from django.urls import NoReverseMatch, clear_script_prefix, reverse, set_script_prefix
from django.utils.safestring import SafeString

SOME = UUID("01a2266c-e38c-7b79-aa6a-17e800480501")


def written(source: str, **values: Any) -> str:
    return engines["django"].from_string(source).render(values)


@pytest.mark.parametrize("_", range(2))
@pytest.mark.parametrize("value", [7, "7", SafeString("7"), 70_000, SOME])
def test_an_address_is_that_of_django(value: Any, _: int) -> None:
    assert written("{% url 'queue' value %}", value=value) == reverse("queue", args=[value])


def test_values_that_are_equal_and_written_in_other_ways_are_other_addresses() -> None:
    source = "{% url 'queue' value %}"
    assert written(source, value=1) == reverse("queue", args=[1])
    assert written(source, value=True) == reverse("queue", args=[True]) != reverse("queue", args=[1])
    assert written(source, value=1.0) == reverse("queue", args=[1.0]) != reverse("queue", args=[1])


def test_what_stands_in_an_address_is_escaped_each_time() -> None:
    for _ in range(2):
        assert written("{% url 'queue' value %}", value="a&b'") == "/queues/a&amp;b&#x27;/"
        assert written("{% autoescape off %}{% url 'queue' value %}{% endautoescape %}", value="a&b'") == (
            "/queues/a&b'/"
        )


def test_an_address_can_be_named_and_a_name_nobody_knows_is_an_error() -> None:
    assert written("{% url 'queue' value as found %}<{{ found }}>", value="q") == "</queues/q/>"
    assert written("{% url 'nobody-knows' as found %}<{{ found }}>") == "<>"
    with pytest.raises(NoReverseMatch):
        written("{% url 'nobody-knows' %}")


def test_addresses_are_below_where_the_application_is() -> None:
    assert written("{% url 'queue' 'q' %}") == "/queues/q/"
    set_script_prefix("/charts/")
    try:
        assert written("{% url 'queue' 'q' %}") == "/charts/queues/q/"
    finally:
        clear_script_prefix()
