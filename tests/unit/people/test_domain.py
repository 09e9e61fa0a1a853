"""Check digits, names, user names and devices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.people.domain.check_digits import CheckDigit, check_digits, has_right_check_digits, is_npi, luhn
from charthouse.people.domain.devices import device_name
from charthouse.people.domain.names import search_key, search_words, shown_name
from charthouse.people.domain.usernames import username_fault

digits = st.text("0123456789", min_size=1, max_size=18)
methods = st.sampled_from([CheckDigit.M10, CheckDigit.M11, CheckDigit.MOD97])


@pytest.mark.parametrize(("number", "expected"), [("12345", "5"), ("401", "0"), ("9999", "4"), ("99999999", "8")])
def test_m10_as_hl7_works_it_out(number: str, expected: str) -> None:
    assert check_digits(CheckDigit.M10, number) == expected


def test_m11_as_hl7_works_it_out() -> None:
    assert check_digits(CheckDigit.M11, "1234567") == "4"


def test_mod97_as_iso_7064_works_it_out() -> None:
    assert check_digits(CheckDigit.MOD97, "794") == "44"


@given(method=methods, number=digits)
def test_a_number_with_its_check_digits_is_right(method: CheckDigit, number: str) -> None:
    assert has_right_check_digits(method, number + check_digits(method, number))


@given(method=st.sampled_from([CheckDigit.M10, CheckDigit.MOD97]), number=digits, data=st.data())
def test_one_wrong_digit_is_always_found(method: CheckDigit, number: str, data: st.DataObject) -> None:
    whole = number + check_digits(method, number)
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != whole[place]]))
    assert not has_right_check_digits(method, whole[:place] + other + whole[place + 1 :])


@given(st.text(max_size=20))
def test_no_text_breaks_the_check(text: str) -> None:
    for method in CheckDigit:
        has_right_check_digits(method, text)
    is_npi(text)


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("1234567893", True),
        ("1245319599", True),
        ("1234567890", False),
        ("9999975191", False),
        ("123456789", False),
        ("１２３４５６７８９３", False),
        ("12345678931", False),
    ],
)
def test_npi(number: str, right: bool) -> None:
    assert is_npi(number) is right


@given(st.text("0123456789", min_size=8, max_size=8))
def test_an_npi_is_made_by_luhn_over_80840(body: str) -> None:
    assert is_npi(f"1{body}{luhn('808401' + body)}")


def test_names_are_folded_for_search() -> None:
    assert search_key("O'Brién-Núñez", "Mary Ann") == " o brien nunez mary ann"
    assert search_words("ß ÅSE") == ["ss", "ase"]


@given(st.text(max_size=50))
def test_every_word_of_a_name_is_found_in_its_key(name: str) -> None:
    key = search_key(name)
    assert all(f" {word}" in key for word in search_words(name))


def test_names_are_shown_whole_or_as_unknown() -> None:
    assert shown_name(family="Lovelace", given="Ada", prefix="Dr.", credentials="MD") == "Dr. Ada Lovelace, MD"
    assert shown_name(family="") == "Name unknown"


@pytest.mark.parametrize("name", ["ab", "r.okafor", "a_1-b", "9lives"])
def test_user_names(name: str) -> None:
    assert username_fault(name) is None


@pytest.mark.parametrize("name", ["a", "Ada", "-ab", "a@b.org", "ab\n", "a b", "x" * 65, ""])
def test_user_names_refused_in_words(name: str) -> None:
    assert "cannot be a user name" in str(username_fault(name))


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox 143 on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
            "Safari/537.36 Edg/140.0.0.0",
            "Edge 140 on Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
            "Safari/605.1.15",
            "Safari 18 on macOS",
        ),
        ("curl/8", "Unknown device"),
        ("", "Unknown device"),
    ],
)
def test_devices_are_named_as_people_know_them(agent: str, shown: str) -> None:
    assert device_name(agent) == shown
