"""What is read from a Patient: names, numbers, dates, addresses, and what stands for no value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.identity.domain.addresses import read_address
from charthouse.identity.domain.dates import age_on, read_birth, typed_dates
from charthouse.identity.domain.names import read_name
from charthouse.identity.domain.numbers import (
    enterprise_number,
    has_valid_check_digit,
    read_phone,
    read_postal,
    read_ssn,
)
from charthouse.identity.domain.prepared import prepare
from charthouse.identity.domain.text import fold, sound
from charthouse.identity.domain.traits import display_of, traits_from_json, traits_of

TODAY = date(2026, 6, 1)
Make = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("O'Brien-Núñez", "obrien nunez"),
        ("Chi716", "chi716"),
        ("Łukasz  GROß", "lukasz gross"),
        ("Søren Ærø", "soren aero"),
        ("李小龍", "李小龍"),
        ("  J.R.  ", "j r"),
    ],
)
def test_folding_keeps_letters_of_every_script_and_digits(written: str, folded: str) -> None:
    assert fold(written) == folded


def test_digits_of_a_name_are_part_of_its_sound() -> None:
    assert sound("kiehn525") != sound("kiehn526")
    assert sound("smith") == sound("smyth")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ({"family": "Smith", "given": ["John"], "suffix": ["Jr."]}, ("smith", "john", 2)),
        ({"family": "Smith Sr", "given": ["John"]}, ("smith", "john", 1)),
        ({"family": "Smith", "given": ["John III"]}, ("smith", "john", 3)),
        ({"family": "Everyman", "given": ["Adam", "A"], "suffix": ["III", "MD"]}, ("everyman", "adam", 3)),
        ({"family": "Smith", "given": ["John", "V"]}, ("smith", "john", 0)),
        ({"text": "Smith, John"}, ("smith", "john", 0)),
        ({"text": "John Q Smith Jr"}, ("smith", "john", 2)),
    ],
)
def test_generation_is_found_where_senders_put_it(name: dict[str, Any], expected: tuple[str, str, int]) -> None:
    read = read_name(name).name
    assert (read.family, read.given, read.generation) == expected


def test_compound_family_names_are_one_word_and_their_parts() -> None:
    read = read_name({"family": "de la Cruz-Ortega", "given": ["Ana"]}).name
    assert read.family == "delacruzortega"
    assert read.families == ("cruz", "ortega")


@pytest.mark.parametrize(
    ("given_name", "order"),
    [
        ("Baby Boy", 0),
        ("BABYGIRL", 0),
        ("Baby Girl B", 2),
        ("Boy A", 1),
        ("Newborn", 0),
        ("BB2", 2),
        ("Baby of Ann", 0),
    ],
)
def test_a_newborn_without_a_name_has_none(given_name: str, order: int) -> None:
    reading = read_name({"family": "Old", "given": [given_name]})
    assert reading.name.given == ""
    assert reading.order == order
    assert "given" in reading.ignored


@pytest.mark.parametrize(
    "name", [{"family": "UNKNOWN", "given": ["UNKNOWN"]}, {"family": "Doe", "given": ["Jane"]}]
)
def test_placeholder_names_are_no_names(name: dict[str, Any]) -> None:
    read = read_name(name).name
    assert (read.family, read.given) == ("", "")


def test_names_that_look_like_placeholders_are_kept() -> None:
    assert read_name({"family": "Null", "given": ["Na"]}).name.given == "na"
    assert read_name({"family": "Doe", "given": ["Margaret"]}).name.family == "doe"


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("123-45-6788", "123456788"),
        ("999-82-5655", "999825655"),
        ("999-99-9999", None),
        ("000-00-0000", None),
        ("123-45-6789", None),
        ("666-12-1234", None),
        ("123-00-1234", None),
        ("123-12-0000", None),
        ("078-05-1120", None),
        ("XXX-XX-1234", "1234"),
        ("000-00-1234", "1234"),
        ("12345", None),
    ],
)
def test_social_security_numbers(written: str, number: str | None) -> None:
    assert read_ssn(written) == number


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("(413) 555-0142", "4135550142"),
        ("+1 413 555 0142 x12", "4135550142"),
        ("073 0075 3040", "07300753040"),
        ("111-111-1111", None),
        ("(700)000-0000", None),
        ("555", None),
        ("000-1234567", None),
    ],
)
def test_telephone_numbers(written: str, number: str | None) -> None:
    assert read_phone(written) == number


def test_postal_codes() -> None:
    assert read_postal("01060-1234") == "01060"
    assert read_postal("WI3 7KU") == "wi37ku"
    assert read_postal("99999") == ""


@pytest.mark.parametrize(
    ("written", "birth"),
    [
        ("1961-04-17", "1961-04-17"),
        ("1961-04", "1961-04"),
        ("1961", "1961"),
        ("1988-08-18T11:26:00+02:15", "1988-08-18"),
        ("1900-01-01", ""),
        ("1961-02-30", ""),
        ("17 April", ""),
        ("١٩٦١", ""),
    ],
)
def test_birth_dates(written: str, birth: str) -> None:
    assert read_birth(written) == birth


def test_one_address_written_in_many_ways() -> None:
    ways = [
        {"line": ["829 Dietrich Extension Apt 11"], "city": "Pocasset", "state": "MA", "postalCode": "02559"},
        {"line": ["829 dietrich ext.", "#11"], "city": "POCASSET", "state": "ma", "postalCode": "02559-1234"},
    ]
    assert len({read_address(way) for way in ways}) == 1
    assert read_address({"line": ["P.O. Box 77"], "postalCode": "01060"}) == read_address(
        {"line": ["PO Box 77"], "postalCode": "01060"}
    )
    assert read_address({"line": ["HOMELESS"]}) is None


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("1952-03-09", [("1952-03-09", "")]),
        ("19520309", [("1952-03-09", "")]),
        ("9 Mar 1952", [("1952-03-09", "")]),
        ("March 9, 1952", [("1952-03-09", "")]),
        ("9.3.1952", [("1952-03-09", "day first"), ("1952-09-03", "month first")]),
        ("3/9/1952", [("1952-03-09", "month first"), ("1952-09-03", "day first")]),
        ("3/9/52", [("1952-03-09", "month first"), ("1952-09-03", "day first")]),
        ("3/3/1952", [("1952-03-03", "")]),
        ("3/19/1952", [("1952-03-19", "")]),
        ("19/3/1952", [("1952-03-19", "")]),
        ("03191952", [("1952-03-19", "")]),
        ("1952", [("1952", "")]),
        ("3/1952", [("1952-03", "")]),
        ("1952-13-09", []),
        ("2052-03-09", []),
        ("smith", []),
        ("12345", []),
    ],
)
def test_typed_birth_dates(typed: str, found: list[tuple[str, str]]) -> None:
    assert [(each.value, each.words) for each in typed_dates(typed, TODAY)] == found


@given(st.dates(min_value=date(1880, 1, 1), max_value=TODAY))
def test_every_date_is_understood_in_every_form(day: date) -> None:
    forms = [
        day.isoformat(),
        f"{day:%m/%d/%Y}",
        f"{day:%d.%m.%Y}",
        f"{day:%d %b %Y}",
        f"{day:%B %d, %Y}",
        f"{day:%Y%m%d}",
    ]
    for form in forms:
        assert day.isoformat() in [each.value for each in typed_dates(form, TODAY)], form


def test_age_is_in_whole_years() -> None:
    assert age_on("1961-04-17", "2026-04-16") == 64
    assert age_on("1961-04-17", "2026-04-17") == 65
    assert age_on("1961", "2026-04-17") is None


@given(st.integers(min_value=1, max_value=10**9))
def test_a_wrong_digit_or_two_swapped_digits_break_the_enterprise_number(serial: int) -> None:
    number = str(enterprise_number(serial))
    assert has_valid_check_digit(number)
    for place in range(len(number)):
        wrong = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
        assert not has_valid_check_digit(wrong)
    for place in range(len(number) - 1):
        if number[place] != number[place + 1]:
            swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
            assert not has_valid_check_digit(swapped)


def test_traits_survive_storing(patient: Make) -> None:
    traits = traits_of(patient(mrn="A-17", ssn="123-45-6788", maiden="Berg", mother="Ann Holm", order=2), source=1)
    assert traits_from_json(traits.to_json()) == traits
    assert traits.multiple is True


def test_numbers_that_name_no_person_are_left_out() -> None:
    resource = {
        "identifier": [
            {"system": "urn:acct", "value": "PACCT110", "type": {"coding": [{"code": "AN"}]}},
            {"value": "A-17"},
            {"system": "urn:x", "value": "000000"},
        ]
    }
    assert [each.value for each in traits_of(resource, source=7).identifiers] == ["A-17"]
    assert traits_of(resource).identifiers == ()


def test_lists_show_what_the_sender_wrote(patient: Make) -> None:
    shown = display_of(
        patient("O'Brien", "Mary Ann", suffix="III", mrn="A-17", deceasedDateTime="2020-03-25T17:39:15Z")
    )
    assert (shown.name, shown.birth, shown.sex, shown.mrn, shown.deceased) == (
        "O'Brien III, Mary Ann", "1961-04-17", "F", "A-17", "2020-03-25",
    )  # fmt: skip


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text("aZ09 -/.,'@\0é漢ﷺ", max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "family",
                    "given",
                    "suffix",
                    "text",
                    "use",
                    "period",
                    "value",
                    "system",
                    "type",
                    "coding",
                    "code",
                    "line",
                    "city",
                    "postalCode",
                    "url",
                    "start",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "name",
                "birthDate",
                "gender",
                "identifier",
                "telecom",
                "address",
                "extension",
                "multipleBirthInteger",
                "multipleBirthBoolean",
                "deceasedBoolean",
                "deceasedDateTime",
            ]
        ),
        _JSON | st.lists(_JSON, max_size=3),
        max_size=8,
    )
)
def test_no_resource_of_whatever_shape_is_an_error(resource: dict[str, Any]) -> None:
    made = prepare(resource, source=1, labels=0)
    made.keys()
    for word in made.words:
        assert "\0" not in word and len(word) <= 200
    for number in made.numbers():
        assert "\0" not in number.value + number.system


def test_a_hostile_resource_stays_small() -> None:
    huge = {
        "name": [{"family": "x" * 1_000_000, "given": ["\u0000" * 5000, "ﷺ" * 1000]}] * 1000,
        "identifier": [{"system": "s" * 100_000, "value": str(n) * 5000} for n in range(1000)],
        "birthDate": "1961-04-17" + "9" * 100_000,
    }
    made = prepare(huge, source=1, labels=0)
    assert len(made.traits_json) < 100_000
    assert len(made.keys().stored) < 1_000
    assert all(len(word.encode()) < 1_000 for word in made.words)
