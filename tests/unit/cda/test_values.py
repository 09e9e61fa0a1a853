"""Times, quantities, codes, names and telecoms of CDA as those of FHIR."""
# ruff: noqa: E501 (tables)

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.exchange.cda import values
from charthouse.exchange.cda.systems import code_system, identifier_system, oid_of
from charthouse.exchange.cda.writing import values as written

ZONE = ZoneInfo("America/Chicago")
FHIR = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?[+-]\d{2}:\d{2})?)?)?")
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def xml(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def plain(value: Any) -> Any:
    return json.loads(orjson.dumps(value), parse_float=Decimal)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2012", "2012"),
        ("201208", "2012-08"),
        ("20120806", "2012-08-06"),
        ("201208061530", "2012-08-06T15:30:00-05:00"),
        ("2012080615", "2012-08-06T15:00:00-05:00"),
        ("20120806153000.000-0500", "2012-08-06T15:30:00.000-05:00"),
        ("20120806153000+0000", "2012-08-06T15:30:00+00:00"),
        ("20120806153000Z", "2012-08-06T15:30:00+00:00"),
        ("20120806153000-05", "2012-08-06T15:30:00-05:00"),
        ("20120806153000-05:00", "2012-08-06T15:30:00-05:00"),
        ("2012-08-06", "2012-08-06"),
        ("2012-08-06T15:30:00Z", "2012-08-06T15:30:00+00:00"),
        ("2012/8/6", "2012-08-06"),
        ("20120800", "2012-08"),
        ("20120000", "2012"),
        ("1949-07-00", "1949-07"),
        ("20121306", "2012"),
        ("00000000", None),
        ("soon", None),
        ("", None),
        ("99999999999999999999", None),
    ],
)
def test_times_keep_their_precision(given: str, expected: str | None) -> None:
    assert values.moment_of(given, ZONE) == expected


@given(st.text(max_size=30))
def test_no_text_breaks_a_time(text: str) -> None:
    found = values.moment_of(text, ZONE)
    assert found is None or FHIR.fullmatch(found)


@given(st.datetimes(timezones=st.sampled_from([ZONE, ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")])))
def test_a_time_goes_out_and_in_again(at: Any) -> None:
    fhir = at.replace(microsecond=0, year=max(1, at.year)).isoformat()
    if re.fullmatch(r"\d{4}-.{15}[+-]\d\d:\d\d", fhir):
        sent = written.timestamp(fhir)
        assert sent is not None and values.moment_of(sent, ZONE) == fhir


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('<value value="72.50" unit="mg/dL"/>', {"value": Decimal("72.50"), "unit": "mg/dL", "system": values.UCUM, "code": "mg/dL"}),
        ('<value value=" 7 "/>', {"value": 7}),
        ('<value value="1,5" unit="g"/>', {"value": Decimal("1.5"), "unit": "g", "system": values.UCUM, "code": "g"}),
        ('<value value="1.5e3" unit="1"/>', {"value": 1500, "unit": "1", "system": values.UCUM, "code": "1"}),
        ('<value nullFlavor="UNK"/>', None),
        ('<value value="high" unit="mg"/>', None),
        ('<value value="5"><translation><originalText>puffs</originalText></translation></value>', {"value": 5, "unit": "puffs"}),
        ('<value value=""><translation value="3" unit="mL"/></value>', {"value": 3, "unit": "mL", "system": values.UCUM, "code": "mL"}),
    ],
)  # fmt: skip
def test_quantities(given: str, expected: Any) -> None:
    assert plain(values.quantity(xml(given))) == expected


@given(st.text(max_size=20), st.text(max_size=10))
def test_no_text_breaks_a_quantity(value: str, unit: str) -> None:
    element = ElementTree.Element("value", {"value": value, "unit": unit})
    found = values.quantity(element)
    if found is not None:
        assert orjson.loads(orjson.dumps(found))["value"] is not None


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4))
def test_a_number_goes_out_and_in_again_with_its_digits(number: Decimal) -> None:
    element = written.quantity("value", {"value": number, "code": "mg", "system": values.UCUM})
    assert element is not None
    back = plain(values.quantity(element))["value"]
    assert Decimal(back) == number and (
        not str(number).count(".") or str(Decimal(back)) == format(number, "f").lstrip("+")
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f'<t {XSI}><low value="20240101"/><high value="20240201"/></t>', (None, "2024-01-01", "2024-02-01")),
        (f'<t {XSI} value="20240101"/>', ("2024-01-01", None, None)),
        (f'<t {XSI}><center value="20240101"/></t>', ("2024-01-01", None, None)),
        (f'<t {XSI}><low value="202401010800+0000"/><width value="90" unit="min"/></t>',
         (None, "2024-01-01T08:00:00+00:00", "2024-01-01T09:30:00+00:00")),
        (f'<t {XSI} nullFlavor="UNK"/>', (None, None, None)),
        (f'<t {XSI}><low nullFlavor="UNK"/><high nullFlavor="NA"/></t>', (None, None, None)),
    ],
)  # fmt: skip
def test_intervals_in_all_their_forms(given: str, expected: Any) -> None:
    assert values.interval_of(xml(given), ZONE) == expected


def test_systems_are_known_both_ways() -> None:
    for oid in ("2.16.840.1.113883.6.1", "2.16.840.1.113883.6.96", "2.16.840.1.113883.6.88", "2.16.840.1.113883.12.292",
                "2.16.840.1.113883.6.90", "2.16.840.1.113883.5.83", "2.16.840.1.113883.12.7"):  # fmt: skip
        uri = code_system(oid)
        assert uri is not None and oid_of(uri) == oid
    assert code_system("1.2.3.999") == "urn:oid:1.2.3.999" and oid_of("urn:oid:1.2.3.999") == "1.2.3.999"
    assert code_system("", "SNOMED CT") == "http://snomed.info/sct"
    assert code_system("nonsense") is None and identifier_system("nonsense") is None


def test_codes_with_blanks_or_controls_are_valid_codes() -> None:
    coding = values.coding_of(
        xml('<code code=" a\tb " codeSystem="2.16.840.1.113883.6.1" displayName="&#10;x  y "/>')
    )
    assert coding == {"system": "http://loinc.org", "code": "a b", "display": "x y"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('<telecom value="tel:+1(555)555-1003" use="HP"/>', {"system": "phone", "value": "+1(555)555-1003", "use": "home"}),
        ('<telecom value="mailto:a@example.org"/>', {"system": "email", "value": "a@example.org"}),
        ('<telecom value="a@example.org"/>', {"system": "email", "value": "a@example.org"}),
        ('<telecom value="555 1234" use="MC"/>', {"system": "phone", "value": "555 1234", "use": "mobile"}),
        ('<telecom nullFlavor="UNK"/>', None),
        ('<telecom value="tel:"/>', None),
    ],
)  # fmt: skip
def test_telecoms(given: str, expected: Any) -> None:
    assert values.telecom(xml(given), ZONE) == expected
