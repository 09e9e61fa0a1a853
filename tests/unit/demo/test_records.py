"""The demonstration's people: whole, invented, in the past, and sent as real systems send."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson
import pypdfium2 as pdfium
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.configuration import Configuration, ConfigurationError
from charthouse.exchange.fhir.api import validate
from charthouse.exchange.hl7v2.api import Hl7Error, parse, split_batch, to_fhir
from charthouse.exchange.hl7v2.keys import valid_npi
from charthouse.teaching.api import Analyte, Outgoing, Way, flag, require_demonstration, sending
from charthouse.web.demo import paper
from charthouse.web.demo.cast import Person, people, staff
from charthouse.web.demo.clinic import NAME
from charthouse.web.demo.days import Calendar
from charthouse.web.demo.hl7 import npi
from charthouse.web.demo.hospital import typed
from charthouse.web.demo.story import day_of, story

DAY = date(2026, 3, 2)
ZONE = ZoneInfo("America/Chicago")


@pytest.fixture(scope="module")
def told() -> list[Outgoing]:
    return story(DAY, ZONE)


@pytest.fixture(scope="module")
def hospital(told: list[Outgoing]) -> list[Outgoing]:
    return [each for each in told if each.sender != NAME]


@pytest.fixture(scope="module")
def bundles(told: list[Outgoing]) -> list[dict[str, Any]]:
    return [orjson.loads(each.data) for each in told if each.sender == NAME]


def test_the_same_day_tells_the_same_story_and_another_day_another(told: list[Outgoing]) -> None:
    assert story(DAY, ZONE) == told
    later = story(date(2026, 3, 3), ZONE)
    assert len(later) == len(told)
    assert not {each.data for each in later} & {each.data for each in told}


def test_every_number_is_given_once_and_names_its_day(hospital: list[Outgoing], told: list[Outgoing]) -> None:
    assert len({each.number for each in told}) == len(told)
    assert {day_of(each.number) for each in hospital} == {DAY}


def test_all_but_one_of_the_hospitals_messages_can_be_read_without_a_warning(hospital: list[Outgoing]) -> None:
    refused = []
    for each in hospital:
        try:
            plan = to_fhir(parse(each.data), zone=ZONE, mint=lambda kind, key: f"{kind}-{abs(hash(key))}")
        except Hl7Error as error:
            refused.append(str(error))
            continue
        assert [str(warning) for warning in plan.warnings] == [], each.data[:300]
    assert len(refused) == 1
    assert "PID-3" in refused[0]


def test_the_messages_are_of_every_kind_a_hospital_sends(hospital: list[Outgoing]) -> None:
    kinds = Counter(each.data.split(b"|")[8].decode()[:7] for each in hospital)
    assert kinds.keys() >= {
        "ADT^A01", "ADT^A02", "ADT^A03", "ADT^A04", "ADT^A06", "ADT^A08", "ADT^A12", "ADT^A13", "ADT^A40",
        "ORU^R01", "MDM^T02", "SIU^S12", "VXU^V04", "RDE^O11", "DFT^P03",
    }  # fmt: skip
    assert {each.way for each in story(DAY, ZONE)} == set(Way)


def test_every_resource_of_the_clinic_is_valid_fhir(bundles: list[dict[str, Any]]) -> None:
    wrong = [
        (entry["resource"]["resourceType"], problem.path, problem.message)
        for bundle in bundles
        for entry in bundle["entry"]
        for problem in validate(entry["resource"])
    ]
    assert wrong == []


def test_nothing_has_happened_that_is_still_to_come(told: list[Outgoing]) -> None:
    """Only appointments, expected dates and the like may lie ahead."""
    today = f"{DAY:%Y%m%d}"
    for each in told:
        if b"SIU^" in each.data or b'"Appointment"' in each.data:
            continue
        moments = re.findall(rb"[|^](20\d{6})\d{4,6}", each.data)
        assert max(moments, default=b"") <= today.encode(), each.data[:200]
        assert b"T" not in each.data or not re.search(rb'"2026-03-(0[3-9]|[1-3]\d)T', each.data)


def test_nobody_and_nothing_in_it_is_real() -> None:
    for person in people():
        for number in re.findall(r"\d{3}-\d{3}-\d{4}", msgspec.json.encode(person).decode()):
            assert number.startswith("507-555-01"), number
        assert not person.ssn or person.ssn.startswith("987-65-43")
    for colleague in staff().values():
        assert valid_npi(npi(colleague))
        assert npi(colleague)[0] not in "12", "45 CFR 162.406 lets real ones begin with 1 or 2"
    assert len({npi(each) for each in staff().values()}) == len(staff())


def test_every_person_of_the_hospital_has_one_number_and_the_clinic_theirs() -> None:
    numbers = Counter(person.mrn for person in people() if person.mrn)
    assert len(numbers) >= 24
    assert max(numbers.values()) == 1
    assert Counter(person.riverside.id for person in people() if person.riverside).most_common(1)[0][1] == 1


def test_no_code_is_of_a_licensed_set() -> None:
    systems = set()
    for person in people():
        systems |= set(re.findall(r"\^([A-Z][A-Z0-9]+)\"", msgspec.json.encode(person).decode()))
    assert systems & {"C4", "CPT", "CPT4", "C5", "HCPCS"} == set()
    assert systems >= {"I10C", "RXNORM", "CVX", "LN"}


def test_documents_hold_paper_as_well_as_text(hospital: list[Outgoing]) -> None:
    kinds = {
        part for each in hospital for part in re.findall(rb"\^(application\^pdf|image\^png)\^Base64", each.data)
    }
    assert kinds == {b"application^pdf", b"image^png"}


def test_a_misspelt_field_of_a_record_file_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="alergies"):
        msgspec.convert({"name": ["A"], "born": "", "sex": "F", "address": [], "alergies": []}, Person)


# Times


def test_times_are_counted_from_the_day_in_the_hospitals_zone() -> None:
    calendar = Calendar(DAY, ZONE)
    assert calendar.at("-3d 07:15") == datetime(2026, 2, 27, 7, 15, tzinfo=ZONE)
    assert calendar.date_of("+5d") == date(2026, 3, 7)
    assert calendar.date_of("1947-03-18") == date(1947, 3, 18)
    with pytest.raises(ValueError, match="-3d 07:15"):
        calendar.at("yesterday")


# Results


@given(value=st.decimals(0, 20, places=1))
def test_a_flag_says_on_which_side_of_its_range_a_value_lies(value: Decimal) -> None:
    test = Analyte(code="x", range="3.5-5.1", critical="2.8-6.2")
    said = flag(float(value), test)
    if value < Decimal("2.8"):
        assert said == "LL"
    elif value < Decimal("3.5"):
        assert said == "L"
    elif value <= Decimal("5.1"):
        assert said == "N"
    else:
        assert said == ("H" if value <= Decimal("6.2") else "HH")


def test_a_flag_of_an_open_range() -> None:
    assert flag(61, Analyte(code="x", range=">60")) == "N"
    assert flag(59, Analyte(code="x", range=">60")) == "L"
    assert flag(500, Analyte(code="x", range="<450")) == "H"
    assert flag(500, Analyte(code="x")) == ""


# Words


@given(st.lists(st.lists(st.text("abcdefg ", min_size=1, max_size=30), max_size=6), max_size=8))
def test_typing_a_text_loses_no_word(lines: list[list[str]]) -> None:
    words = "\n".join(" ".join(line) for line in lines)
    typed_lines = typed(words)
    assert " ".join(typed_lines).split() == words.split()
    assert max((len(line) for line in typed_lines), default=0) <= 84


def test_a_pdf_holds_its_words_on_as_many_pages_as_they_need() -> None:
    document = pdfium.PdfDocument(paper.pdf("One (1) line\\\n" * 120, heading="Abernathy"))
    assert len(document) == 3
    text = document[2].get_textpage().get_text_range()
    assert "Abernathy" in text
    assert "One (1) line\\" in text


def test_a_scan_is_a_small_picture_and_the_same_each_time() -> None:
    scanned = paper.scan("POLST", heading="Solheim", seed="7")
    assert scanned.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(scanned) < 48 * 1024
    assert paper.scan("POLST", heading="Solheim", seed="7") == scanned


# Where it may go, and how


@pytest.mark.parametrize(("kind", "says"), [("real", "holds a real site"), ("new", "holds no site yet")])
def test_only_a_demonstration_is_sent_invented_people(tmp_path: Any, kind: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        require_demonstration(Configuration(tmp_path, tmp_path, kind=kind))
    require_demonstration(Configuration(tmp_path, tmp_path, kind="demo"))


def test_the_drop_folder_gets_one_batch_with_every_message(told: list[Outgoing], tmp_path: Any) -> None:
    vaccinations = [each for each in told if each.way is Way.FOLDER]
    counted: list[int] = []
    lies = sending.by_folder(vaccinations, tmp_path, "batch.hl7", counted.append)
    assert lies == tmp_path / "done" / "batch.hl7"
    assert [each.name for each in tmp_path.iterdir()] == ["batch.hl7"]
    parts = list(split_batch((tmp_path / "batch.hl7").read_bytes()))
    assert [part.rstrip(b"\r") for part in parts] == [each.data.rstrip(b"\r") for each in vaccinations]
    assert sum(counted) == len(vaccinations)


def test_a_listener_that_is_not_there_is_named(told: list[Outgoing]) -> None:
    with pytest.raises(sending.NotSent, match=r"127\.0\.0\.1:1 cannot be used"):
        sending.by_mllp(told[:1], "127.0.0.1", 1, lambda _: None)
