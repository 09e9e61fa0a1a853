"""Base64 reads as the standard library does, however a sender wrote it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.foundation.base64 import as_base64, from_base64


def read(text: str) -> bytes | None:
    try:
        return from_base64(text)
    except ValueError:
        return None


def read_by_the_standard_library(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return None


@given(st.binary())
def test_what_is_written_is_read_again(data: bytes) -> None:
    assert as_base64(data) == base64.b64encode(data).decode()
    assert from_base64(as_base64(data)) == data


@given(
    st.one_of(
        st.text(alphabet="AQIg+/=-_ \n\té", max_size=24),
        st.text(max_size=8),
        st.binary(max_size=30).map(lambda data: base64.encodebytes(data).decode() + "="),
    )
)
def test_any_text_is_read_or_refused_alike(text: str) -> None:
    assert read(text) == read_by_the_standard_library(text)


@pytest.mark.parametrize("text", ["QUJD\r\nQUJD\r\n", " QUJDQUJD", "QUJDQUJD====", "QUJD\tQUJD"])
def test_what_senders_write_is_taken(text: str) -> None:
    assert from_base64(text) == b"ABCABC"


@pytest.mark.parametrize("text", ["QUJ", "QUJD?", "Q===", "QQ==QQ==", "é"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_base64(text)
