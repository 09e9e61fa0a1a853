"""Times, numbers, identifiers, names, addresses, phones, codes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charthouse.exchange.hl7v2 import datatypes, tables
from charthouse.exchange.hl7v2.encoding import Encoding
from charthouse.exchange.hl7v2.keys import valid_npi
from charthouse.exchange.hl7v2.message import Value
from charthouse.exchange.hl7v2.segments.observation import reference_range, structured_numeric
from charthouse.exchange.hl7v2.segments.timing import pattern
from charthouse.exchange.hl7v2.systems import authority, code_system, language_tag, ucum_of
from charthouse.exchange.numbers import decimal
from charthouse.exchange.times import clock_time, date_time, later, moment

CHICAGO = ZoneInfo("America/Chicago")


def value(raw: str) -> Value:
    return Value(raw, Encoding())


def plain(found: object) -> Any:
    return orjson.loads(orjson.dumps(found))


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2024", "2024"),
        ("202403", "2024-03"),
        ("20240310", "2024-03-10"),
        ("2024031005", "2024-03-10T05:00:00-05:00"),
        ("20240115083005", "2024-01-15T08:30:05-06:00"),
        ("20240715083005", "2024-07-15T08:30:05-05:00"),
        ("20240115083005.1234+0115", "2024-01-15T08:30:05.1234+01:15"),
        ("20240115-0330", "2024-01-15"),
        ("202401150830+9900", "2024-01-15T08:30:00-06:00"),
        ("", None),
        ("0000", None),
        ("20240230", None),
        ("202413", None),
        ("2024011525", None),
        ("yesterday", None),
        ("２０２４", None),
    ],
)
def test_times_keep_their_precision_and_take_the_senders_zone(sent: str, read: str | None) -> None:
    assert date_time(sent, CHICAGO) == read


@given(st.datetimes(), st.sampled_from(["", "+0000", "-0330", "+1345"]), st.sampled_from([4, 6, 8, 12, 14]))
@settings(deadline=None)
def test_every_time_can_be_ordered(when: Any, offset: str, digits: int) -> None:
    text = f"{when.year:04d}{when:%m%d%H%M%S}"[:digits] + (offset if digits > 8 else "")
    read = date_time(text, CHICAGO)
    if read is not None:
        assert moment(read) is not None or when.year in (1, 9999)


def test_clock_times_and_sums() -> None:
    assert [clock_time(text) for text in ("0815", "081530.5", "08", "2560", "x")] == [
        "08:15:00",
        "08:15:30.5",
        "08:00:00",
        None,
        None,
    ]
    assert later("2024-01-15T23:50:00-06:00", 30) == "2024-01-16T00:20:00-06:00"
    assert later("2024-01-15", 30) is None


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("72.50", "72.50"), ("007", "7"), ("+5", "5"), ("-0.10", "-0.10"), (".5", "0.5"), ("5.", "5"), ("0", "0"),
        ("0.00", "0.00"), ("1e5", None), ("", None), (".", None), ("-", None), ("1,200", None), (">5", None),
        ("٣", None), ("9" * 41, None),
    ],
)  # fmt: skip
def test_numbers_keep_their_digits(sent: str, written: str | None) -> None:
    found = decimal(sent)
    assert (orjson.dumps(found).decode() if found is not None else None) == written


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
@settings(deadline=None)
def test_any_number_is_written_as_it_is(number: Decimal) -> None:
    assert Decimal(orjson.dumps(decimal(str(number))).decode()) == number


def test_npi_check_digit() -> None:
    assert valid_npi("1234567893")  # the example of CMS's own description
    assert not valid_npi("1234567890") and not valid_npi("12345") and not valid_npi("123456789X")


def test_identifiers() -> None:
    found = datatypes.identifier(value("4711^^^GEN&1.2.3&ISO^MR^General^20200101^20301231"), CHICAGO)
    assert found is not None
    assert (found["system"], found["value"]) == ("urn:oid:1.2.3", "4711")
    assert found["type"]["coding"][0]["code"] == "MR"
    assert found["assigner"] == {"display": "General"}
    assert found["period"] == {"start": "2020-01-01", "end": "2030-12-31"}
    social = datatypes.identifier(value("123-45-6789^^^USA^SS"), CHICAGO)
    assert social is not None and social["system"] == "http://hl7.org/fhir/sid/us-ssn"
    assert datatypes.identifier(value("^^^GEN"), CHICAGO) is None
    assert authority("Main Lab", "", "") == "urn:id:Main%20Lab"
    assert authority("", "426d2726-51fc-89fe-a946-8596e80a80eb", "GUID") == (
        "urn:uuid:426d2726-51fc-89fe-a946-8596e80a80eb"
    )


def test_names() -> None:
    found = datatypes.human_name(value("van Beethoven&van^Ludwig^Maria Anton^Jr^Dr^PhD^L^^^^^20200101"), CHICAGO)
    assert found == {
        "use": "official",
        "family": "van Beethoven",
        "given": ["Ludwig", "Maria", "Anton"],
        "prefix": ["Dr"],
        "suffix": ["Jr", "PhD"],
        "period": {"start": "2020-01-01"},
    }
    assert datatypes.human_name(value("^^^^Dr"), CHICAGO) is None


def test_addresses() -> None:
    found = datatypes.address(value("1&Main St^Apt 2^Town^IL^60601^USA^H^^Cook"), CHICAGO)
    assert found == {
        "use": "home",
        "line": ["1", "Main St", "Apt 2"],
        "city": "Town",
        "district": "Cook",
        "state": "IL",
        "postalCode": "60601",
        "country": "USA",
    }
    hidden = datatypes.address(value("9 Shelter Rd^^Town^^^^CONF"), CHICAGO)
    assert hidden is not None and hidden["extension"][0]["valueCode"] == "CONF"
    assert datatypes.address(value("^^^^^^H"), CHICAGO) is None


@pytest.mark.parametrize(
    ("sent", "use", "read"),
    [
        ("(312)555-0100", "home", {"system": "phone", "value": "(312)555-0100", "use": "home"}),
        ("^PRN^PH^^1^312^5550100", None, {"system": "phone", "value": "+1 312 5550100", "use": "home"}),
        ("^WPN^PH^^^312^5550100^77", None, {"system": "phone", "value": "312 5550100 X77", "use": "work"}),
        ("^NET^Internet^a@b.org", "home", {"system": "email", "value": "a@b.org", "use": "home"}),
        ("5550100^PRN^CP", None, {"system": "phone", "value": "5550100", "use": "mobile"}),
        ("5550100^WPN^FX", None, {"system": "fax", "value": "5550100", "use": "work"}),
        ("^PRN^PH", None, None),
    ],
)
def test_telecoms(sent: str, use: str | None, read: dict[str, str] | None) -> None:
    assert datatypes.contact_point(value(sent), CHICAGO, use) == read


def test_codes_name_their_systems() -> None:
    found = datatypes.concept(value("718-7^Hemoglobin^LN^HGB^Hgb^L^2.77^^Haemoglobin in blood"))
    assert found == {
        "coding": [
            {"system": "http://loinc.org", "version": "2.77", "code": "718-7", "display": "Hemoglobin"},
            {"code": "HGB", "display": "Hgb"},
        ],
        "text": "Haemoglobin in blood",
    }
    assert code_system("HL70001") == "http://terminology.hl7.org/CodeSystem/v2-0001"
    assert code_system("99HOSP") == "urn:id:99HOSP"
    assert code_system("L") is None
    assert code_system("X", "2.16.840.1.113883.6.1") == "urn:oid:2.16.840.1.113883.6.1"


def test_a_table_puts_fhirs_code_first_and_keeps_the_senders() -> None:
    married = datatypes.concept(value("P^Partner^HL70002"), "marital-status")
    assert married is not None
    assert [coding["code"] for coding in married["coding"]] == ["T", "P"]
    bare = datatypes.concept(value("H"), "interpretation")
    assert bare is not None
    assert bare["coding"][0]["system"].endswith("v3-ObservationInterpretation")
    foreign = datatypes.concept(value("P^Something^SCT"), "marital-status")
    assert foreign is not None and len(foreign["coding"]) == 1


def test_the_tables_come_from_hl7() -> None:
    assert tables.fhir_code("sex", "a") == "other"
    assert tables.fhir_code("encounter-class", "I") == "IMP"
    assert tables.fhir_code("observation-status", "C") == "corrected"
    assert tables.fhir_code("sex", "?") is None


def test_units() -> None:
    ucum = datatypes.units(value("mg/dL^milligram per deciliter^UCUM"))
    assert ucum == {
        "unit": "milligram per deciliter",
        "system": "http://unitsofmeasure.org",
        "code": "mg/dL",
    }
    assert datatypes.units(value("K/uL"))["code"] == "10*3/uL"
    assert datatypes.units(value("blobs")) == {"unit": "blobs"}
    assert ucum_of("MG/DL") == "mg/dL" and ucum_of("dozen") is None


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("70-80", 70, 80), ("3.5 - 5.10", 3.5, 5.1), ("-5-10", -5, 10), ("-10--5", -10, -5), ("<5", None, 5),
        (">= 3.5", 3.5, None), ("negative", None, None), ("4-", None, None), ("1-2-3", None, None),
    ],
)  # fmt: skip
def test_reference_ranges(text: str, low: float | None, high: float | None) -> None:
    found = plain(reference_range(text, value("mg/dL^^UCUM")))
    assert found["text"] == text
    assert found.get("low", {}).get("value") == low
    assert found.get("high", {}).get("value") == high


def test_structured_numbers() -> None:
    unit = value("mg/dL")
    assert plain(structured_numeric(value(">^5.0"), unit)) == [
        "valueQuantity",
        {"value": 5.0, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL", "comparator": ">"},
    ]
    assert plain(structured_numeric(value("^1^:^128"), value(""))) == [
        "valueRatio",
        {"numerator": {"value": 1}, "denominator": {"value": 128}},
    ]
    assert plain(structured_numeric(value("^5^-^10"), value("")))[0] == "valueRange"
    assert plain(structured_numeric(value("<>^5"), unit)) == ["valueString", "<> 5 mg/dL"]
    assert plain(structured_numeric(value("^2^+"), value(""))) == ["valueString", "2 +"]


def test_repeat_patterns() -> None:
    assert pattern("BID") == {"frequency": 2, "period": 1, "periodUnit": "d"}
    assert pattern("Q6H") == {"frequency": 1, "period": 6, "periodUnit": "h"}
    assert pattern("Q0H") is None and pattern("whenever") is None


def test_languages() -> None:
    assert [language_tag(code) for code in ("eng", "spa", "EN", "en-US", "chi", "zzz", "English")] == [
        "en",
        "es",
        "en",
        "en-US",
        "zh",
        None,
        None,
    ]


def test_embedded_documents() -> None:
    found, fault = datatypes.encapsulated(value("^application^pdf^Base64^JVBERi0x\\.br\\LjQK"))
    assert fault is None and found is not None
    assert (found["contentType"], found["data"], found["size"]) == ("application/pdf", "JVBERi0xLjQK", 9)
    sniffed, _ = datatypes.encapsulated(value("^AP^Octet-stream^Base64^JVBERi0xLjQK"))
    assert sniffed is not None and sniffed["contentType"] == "application/pdf"
    hexed, _ = datatypes.encapsulated(value("^TEXT^PLAIN^Hex^48692021"))
    assert hexed is not None and hexed["data"] == "SGkgIQ=="
    nothing, fault = datatypes.encapsulated(value("^application^pdf^Base64^not base64!"))
    assert nothing is None and fault is not None and "base64" in fault
    pointer = datatypes.reference_pointer(value("https://pacs/1?a=1\\T\\b=2^^image^JPEG"))
    assert pointer == {"contentType": "image/jpeg", "url": "https://pacs/1?a=1&b=2"}
    assert datatypes.reference_pointer(value("60")) is None
