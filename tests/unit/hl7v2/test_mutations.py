"""Damaged messages: whatever the bytes, a plan or a refusal, quickly, and what is filed is valid FHIR."""

from __future__ import annotations

import random
import time
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charthouse.exchange.fhir.api import validate
from charthouse.exchange.hl7v2.api import (
    Deframer,
    FramingError,
    Hl7Error,
    Limits,
    ack,
    parse,
    peek,
    split_batch,
    to_fhir,
)
from charthouse.foundation.ids import named_id
from charthouse.intake.domain.visits import apply_visit

ZONE = ZoneInfo("Europe/Vienna")

ADT = (
    rb"MSH|^~\&|REG|GENERAL^1.2.3^ISO|CH|CH|20240301080000||ADT^A01^ADT_A01|M1|P|2.5.1||||||UNICODE UTF-8"
    b"\r"
    b"EVN|A01|20240301080000|||7^Clerk^Carla\r"
    b"PID|1||4711^^^GENERAL&1.2.3&ISO^MR~123-45-6789^^^USA^SS||Muster^Maria^M^^Dr.~Muster^Mia^^^^^N||19800229|F"
    b"||"
    b"2106-3^White^CDCREC|1 Main St&Main St&1^Apt 2^Town^IL^60601^USA^H^^Cook||^PRN^PH^^1^312^5550100~^NET^Internet"
    b"^m@example.org|(312)555-0101|eng^English|M|CAT|A100^^^GENERAL^AN|987-65-4321|D1^IL^20300101||H^Hispanic^HL70189|"
    b"Chicago|N|||||20240305|Y\r"
    b"PD1||||1234567893^House^Gregory^^^Dr^MD^^NPI^L^^^NPI|||||||F^Family only|Y\r"
    b"NK1|1|Muster^Max|SPO^Spouse^HL70063|1 Main St^^Town^IL|^PRN^PH^^1^312^5550102||C^Emergency^HL70131\r"
    b"PV1|1|I|W1^101^A^GENERAL|E|||1234567893^House^Gregory^^^Dr^MD^^NPI^L^^^NPI|||MED||||7|||1234567893^House^Greg"
    b"^^^^^^NPI|I|V100^^^GENERAL^VN|||||||||||||||||01|||||||||20240301080000|20240305100000\r"
    b"PV2|||R07.9^Chest pain^I10C|||||20240301|20240304\r"
    b"AL1|1|DA|70618^Penicillin^RXNORM|SV|Hives~Swelling|20200101\r"
    b"DG1|1||I21.4^NSTEMI^I10C|Heart attack|20240301|A||||||||||1234567893^House\r"
    b"PR1|1||4A023N7^Measurement^I10P||20240302090000|D|45||||7^Cutter^Kim\r"
    b"GT1|1||Muster^Maria||1 Main St^^Town^IL||||||SEL\r"
    b"IN1|1|BCBS1^Blue|77^^^NAIC|Blue Cross|PO Box 1^^Town^IL|||G1|Group||||20240101|20241231|||Muster^Max|SPO"
    b"|||||||||||||||||||P-99\r"
)
ORU = (
    rb"MSH|^~\&|LAB|GENERAL|CH|CH|202403020700-0600||ORU^R01^ORU_R01|M2|P|2.5.1"
    b"\r"
    b"PID|1||4711^^^GENERAL^MR||Muster^Maria||19800229|F\r"
    b"PV1|1|I|W1^101^A^GENERAL||||||||||||||||V100^^^GENERAL^VN\r"
    b"ORC|RE|P1^OE|F1^LAB||CM||||20240302|||1234567893^House^Gregory^^^^^^NPI\r"
    b"OBR|1|P1^OE|F1^LAB|24323-8^CMP^LN|||202403020600|||Draw||||202403020615|BLD&Blood&HL70487|||||||202403020700"
    b"||CH|F\r"
    b"NTE|1|L|Fasting\r"
    b"OBX|1|NM|2345-7^Glucose^LN||72.50|mg/dL^^UCUM|70-99|N|||F|||202403020600\r"
    b"OBX|2|SN|2823-3^Potassium^LN||>^5.0|mmol/L|3.5-5.1|H~A|||C\r"
    b"OBX|3|CWE|883-9^ABO^LN||A^Group A^L||||||P\r"
    b"OBX|4|TX|11502-2^Report^LN|1|Line one\\.br\\still one||||||F\r"
    b"OBX|5|TX|11502-2^Report^LN|2|Line two \\T\\ more||||||F\r"
    b"OBX|6|ED|PDF^Report^L||^application^pdf^Base64^JVBERi0xLjQK||||||F\r"
    b"OBX|7|TM|1^Time^L||0815||||||D\r"
    b"SPM|1|S1&OE^S2&LAB||BLD^Blood^HL70487|||VENIP|||||5^mL|||||202403020600|202403020615\r"
)
MDM = (
    rb"MSH|^~\&|DICT|GENERAL|CH|CH|20240305||MDM^T06|M3|P|2.4"
    b"\r"
    b"EVN|T06|20240305\rPID|||4711^^^GENERAL^MR||Muster^Maria\rPV1||I|||||||||||||||||V100^^^GENERAL^VN\r"
    b"TXA|1|DS|TX|20240305||202403051200|||7^Author^Ann||9^Typist^Tim|D2^DICT|D1^DICT|||f.txt|AU|R|AV\r"
    b"OBX|1|TX|1^Course^L||Was ill.\rOBX|2|FT|2^Plan^L||Rest.\\.br\\Drink.\r"
)
SIU = (
    rb"MSH|^~\&|SCH|GENERAL|CH|CH|20240305||SIU^S12|M4|P|2.5"
    b"\r"
    b"SCH|A1^SCH|A2^SCH|||||ROUTINE|Normal|30|min|^^^20240401090000^20240401093000|7^Clerk|||||||||BOOKED\r"
    b"PID|||4711^^^GENERAL^MR||Muster^Maria\rRGS|1\rAIS|1||CHK^Check|20240401090000|||30|min\r"
    b"AIL|1||C1^R1^^GENERAL\rAIP|1||1234567893^House^^^^^^^NPI|D^Doctor\r"
)
RDS = (
    rb"MSH|^~\&|RX|GENERAL|CH|CH|20240305||RDS^O13|M5|P|2.5"
    b"\r"
    b"PID|||4711^^^GENERAL^MR||Muster^Maria\rORC|RE|R1^OE|R2^RX\rTQ1|1|1|Q6H|||10^d\r"
    b"RXO|197361^Amlodipine^RXN|5||mg\rRXE||197361^Amlodipine^RXN|5|10|mg|TAB|^Take one||||30|TAB|2\r"
    b"RXR|PO^Oral^HL70162\rRXC|A|1^Salt^L|2|mg\rRXD|1|197361^Amlodipine^RXN|20240305|30|TAB||RX77\r"
)
MESSAGES = (ADT, ORU, MDM, SIU, RDS)
_MARKS = rb"|^~\&" + b'\r\n"\x00\x0b\x1c\xff0Z '
_FIELDS = (
    b"", b'""', b"^^^^", b"~~~", b"&&&", b"9" * 50, b"-1", b"99999999", b"20240230", b"\\X41FF00\\", b"\\.br\\",
    b"\\", b"\xe4\xf6\xfc", b"\xc2\xa0", b" ", b"1e9", b"\\Z\\x\\", b"\\.sp999\\", b"<\x01>", b"=HYPERLINK(1)",
    b"../../etc/passwd", b"'; DROP TABLE x; --", b"\xf0\x9f\x98\x80", b"+", b".", b"-.", b"1.", b".5", b"00012.500",
)  # fmt: skip


def damaged(message: bytes, chance: random.Random) -> bytes:
    """``message`` with some of what goes wrong: bytes, cuts, copies, fields, lines."""
    data = bytearray(message)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        if not data:
            break
        at = chance.randrange(len(data))
        lines = bytes(data).split(b"\r")
        line = chance.randrange(len(lines))
        match chance.randrange(10):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(1, 40)]
            case 2:
                data[at:at] = bytes([chance.choice(_MARKS)])
            case 3:
                data[at:at] = data[chance.randrange(len(data)) :][: chance.randrange(1, 200)]
            case 4:
                data = data[:at]
            case 5:
                data[at] = chance.choice(_MARKS)
            case 6:
                lines.insert(line, chance.choice(lines))
                data = bytearray(b"\r".join(lines))
            case 7 | 8:
                fields = lines[line].split(b"|")
                fields[chance.randrange(len(fields))] = chance.choice(_FIELDS)
                lines[line] = b"|".join(fields)
                data = bytearray(b"\r".join(lines))
            case _:
                del lines[line]
                data = bytearray(b"\r".join(lines))
    return bytes(data)


def mint(kind: str, key: str) -> str:
    return str(named_id("mutation", kind, key))


def digest(data: bytes, *, check: bool) -> str:
    """What becomes of ``data``: ``filed``, or the refusal. Anything else is an exception and fails the test."""
    try:
        envelope = peek(data)
        assert ack(envelope, "AA").startswith(b"MSH")
        plan = to_fhir(parse(data), zone=ZONE, mint=mint)
    except Hl7Error as error:
        answer = ack(data, "AE", error=error)
        assert b"\rMSA" in answer or b"M\x00S\x00A" in answer
        return error.reason
    for each in plan.all():
        resources = [draft.resource for draft in each.drafts]
        if each.visit:
            resources.append(apply_visit(None, each.visit).resource)
        written = [orjson.dumps(resource) for resource in resources]
        if check:
            for text in written:
                assert validate(orjson.loads(text)) == []
    return "filed"


@pytest.mark.parametrize("message", MESSAGES, ids=("ADT", "ORU", "MDM", "SIU", "RDS"))
def test_the_undamaged_messages_are_filed(message: bytes) -> None:
    assert digest(message, check=True) == "filed"


@pytest.mark.parametrize("seed", range(5))
def test_damage_never_crashes_and_never_files_nonsense(seed: int) -> None:
    chance = random.Random(seed)
    outcomes = set()
    for number in range(500):
        data = damaged(MESSAGES[number % len(MESSAGES)], chance)
        begun = time.process_time()
        outcomes.add(digest(data, check=number % 4 == 0))
        assert time.process_time() - begun < 2
    assert "filed" in outcomes and len(outcomes) > 3


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes(data: bytes) -> None:
    digest(data, check=False)
    digest(b"MSH|^~\\&|" + data, check=False)
    list(split_batch(data))


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_in_a_name_a_result_and_a_document(text: str) -> None:
    raw = text.encode("utf-8", "replace")
    for template in (
        b"PID|||4711^^^G^MR||%s^%s||19800101\rOBR|1||F1|1^A\rOBX|1|ST|1^%s||%s||||||F\r",
        b"PID|||%s^^^%s^MR||A\rOBR|1|%s||%s\rOBX|1|TX|1^A|%s|B\r",
    ):
        filled = template.replace(b"%s", raw)
        digest(b"MSH|^~\\&|A|B|||20240101||ORU^R01|1|P|2.5||||||UNICODE UTF-8\r" + filled, check=True)


@given(st.lists(st.binary(max_size=30), max_size=12), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_any_bytes_on_a_connection(chunks: list[bytes], size: int) -> None:
    deframer = Deframer(max_bytes=size)
    for chunk in chunks:
        try:
            for message in deframer.feed(chunk):
                assert len(message) <= size
        except FramingError as error:
            assert all(len(message) <= size for message in error.messages)
            return


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"MSH|^~\\&|" + b"A" * 2000, ""),
        (b"MSH|^~\\&|A\r" + b"NTE|1\r" * 60, ""),
        (b"MSH|^~\\&|A||||||ADT^A01\rPID|" + b"|" * 60, "PID (line 2)"),
        (b"MSH|^~\\&|A||||||ADT^A01\rPID|||1" + b"~1" * 60, "PID-3 (line 2)"),
    ],
)
def test_too_much_is_refused_by_name(data: bytes, place: str) -> None:
    limits = Limits(message=1500, segments=50, fields=50, repetitions=50)
    with pytest.raises(Hl7Error) as refused:
        to_fhir(parse(data, limits), zone=ZONE, mint=mint)
    assert "more than" in refused.value.reason or "longer than" in refused.value.reason
    assert refused.value.place == place


def test_a_hundred_thousand_escapes_cost_no_time() -> None:
    begun = time.process_time()
    for noise in (b"\\" * 100_000, b"\\X41\\" * 30_000, b"\\.br" * 30_000, b"\\F" * 60_000):
        digest(ORU.replace(b"Line one", noise), check=False)
    assert time.process_time() - begun < 5
