"""Batches, MLLP, envelopes and acknowledgements."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from charthouse.exchange.hl7v2.api import (
    Deframer,
    FramingError,
    Hl7Error,
    Unsupported,
    ack,
    frame,
    parse,
    peek,
    split_batch,
)

ONE = b"MSH|^~\\&|A|F|B|G|20240101||ADT^A01|1|P|2.5\rPID|1||7^^^F^MR"
TWO = b"MSH|^~\\&|A|F|B|G|20240101||ADT^A08|2|P|2.5\rPID|1||8^^^F^MR"
NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


def controls(data: bytes) -> list[str]:
    return [parse(message).msh.get(10) for message in split_batch(data)]


@pytest.mark.parametrize(
    "data",
    [
        ONE + b"\r" + TWO + b"\r",
        ONE.replace(b"\r", b"\n") + b"\n\n\n" + TWO.replace(b"\r", b"\r\n"),
        b"\xef\xbb\xbf\r\n" + ONE + b"\r\r" + TWO,
        b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + ONE + b"\r" + TWO + b"\rBTS|2\rFTS|1\r",
        b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + ONE + b"\rBTS|1\rBHS|^~\\&|B\r" + TWO + b"\rBTS|1\rFTS|2\r",
        frame(ONE + b"\r") + frame(TWO + b"\r"),
        b"\x0b" + ONE + b"\x1c\r\n\x0b" + TWO + b"\x1c\r\n",
        (ONE + b"\r" + TWO).decode().encode("utf-16"),
        b"some words before\r" + ONE + b"\r" + TWO,
    ],
)
def test_batches_come_apart(data: bytes) -> None:
    assert controls(data) == ["1", "2"]
    for message in split_batch(data):
        assert [segment.name for segment in parse(message)] == ["MSH", "PID"]


@pytest.mark.parametrize("data", [b"", b"\r\n", b"hello", b"FHS|^~\\&\rFTS|0", b"NTE|1|MSH|x"])
def test_no_message_is_no_message(data: bytes) -> None:
    assert list(split_batch(data)) == []


def test_msh_within_a_field_splits_nothing() -> None:
    assert controls(ONE + b"|MSH|MSH^~\r") == ["1"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_frames_in_chunks_of_any_size(size: int) -> None:
    stream = frame(ONE) + frame(TWO) + b"\r\n" + frame(ONE)
    deframer = Deframer()
    got = [m for at in range(0, len(stream), size) for m in deframer.feed(stream[at : at + size])]
    assert got == [ONE, TWO, ONE]
    assert not deframer.pending


def test_a_message_is_given_as_soon_as_it_ends() -> None:
    deframer = Deframer()
    assert deframer.feed(b"\x0b" + ONE) == []
    assert deframer.pending
    assert deframer.feed(b"\x1c") == [ONE]
    assert deframer.feed(b"\r\x0b" + TWO + b"\x1c\r") == [TWO]


def test_bytes_outside_a_frame_are_told_and_whole_messages_saved() -> None:
    with pytest.raises(FramingError, match="0x0B") as fault:
        Deframer().feed(frame(ONE) + b"GET / HTTP/1.1\r\n")
    assert fault.value.messages == [ONE]
    with pytest.raises(FramingError, match="without MLLP framing"):
        Deframer().feed(ONE)


def test_a_message_in_a_message_is_told() -> None:
    deframer = Deframer()
    assert deframer.feed(b"\x0b" + ONE) == []
    with pytest.raises(FramingError, match="before the one before it ended"):
        deframer.feed(frame(TWO))


def test_an_endless_message_is_stopped() -> None:
    deframer = Deframer(max_bytes=100)
    with pytest.raises(FramingError, match="longer than 100 bytes"):
        for _ in range(50):
            deframer.feed(b"\x0bMSH|" if not deframer.pending else b"xxxxxxxxxx")


def test_the_envelope_tells_what_a_listener_needs() -> None:
    envelope = peek(
        b"MSH|^~\\&|REG^1.2^ISO|GEN|CH|SITE|20240301080000-0500||ADT^A40^ADT_A39|C1|T|2.5.1|||AL|NE||8859/1\r"
        b"PID|||11^^^GEN&1.2&ISO^MR~22^^^^PI\rMRG|33^^^GEN^MR\rPID|||44^^^GEN^MR\rMRG|55^^^GEN^MR\r"
    )
    assert (envelope.event, envelope.structure, envelope.control_id) == ("ADT^A40", "ADT_A39", "C1")
    assert (envelope.sending_application, envelope.sending_facility) == ("REG", "GEN")
    assert (envelope.receiving_application, envelope.receiving_facility) == ("CH", "SITE")
    assert (envelope.processing_id, envelope.version, envelope.charset) == ("T", "2.5.1", "8859/1")
    assert envelope.message_time == "20240301080000-0500"
    assert (envelope.accept_ack, envelope.application_ack, envelope.enhanced) == ("AL", "NE", True)
    assert envelope.patients == ("GEN|11", "|22", "GEN|44")
    assert envelope.priors == ("GEN|33", "GEN|55")
    assert envelope.order_keys == ("GEN|11", "|22", "GEN|44", "GEN|33", "GEN|55")


def test_the_trigger_comes_from_evn_or_the_structure_where_msh_lacks_it() -> None:
    assert peek(b"MSH|^~\\&|||||||ADT|1|P|2.1\rEVN|A04\rPID|||1\r").event == "ADT^A04"
    assert peek(b"MSH|^~\\&|||||||ORU^^ORU_R01|1|P|2.5\rPID|||1\r").event == "ORU^R01"


@pytest.mark.parametrize("data", [b"", b"garbage", b"MSH|^~\\&|A|B|||x|||1|P|2.5"])
def test_peek_refuses_what_has_no_type(data: bytes) -> None:
    with pytest.raises(Hl7Error):
        peek(data)


def test_an_acknowledgement_answers_the_sender_in_its_own_hand() -> None:
    data = b"MSH#*!/+#REG#GEN#CH#SITE#20240301##ADT*A01#M/F/7#P#2.3###AL#####8859/1\rPID###1\r"
    answer = parse(ack(peek(data), "AA", now=NOW))
    msh, msa = answer.msh, answer.all("MSA")[0]
    assert (msh.raw(1), msh.raw(2)) == ("#", "*!/+")
    assert [msh.get(n) for n in (3, 4, 5, 6, 7)] == ["CH", "SITE", "REG", "GEN", "20240501120000+0000"]
    assert (msh.get(9, 1), msh.get(9, 2), msh.get(11), msh.get(12)) == ("ACK", "A01", "P", "2.3")
    assert msh.get(10)
    assert (msa.get(1), msa.get(2)) == ("AA", "M#7")


def test_a_refusal_says_where_and_why() -> None:
    error = Hl7Error("The patient has no identifier.", "PID", 3, 3)
    answer = parse(ack(ONE, "AE", "not filed", error, now=NOW))
    msa, err = answer.all("MSA")[0], answer.all("ERR")[0]
    assert (msa.get(1), msa.get(2), msa.get(3)) == ("AE", "1", "not filed")
    assert [err.get(2, n) for n in (1, 2, 3)] == ["PID", "3", "3"]
    assert (err.get(3), err.get(4), err.get(8)) == ("101", "E", "The patient has no identifier.")


def test_before_version_2_5_err_has_its_old_form() -> None:
    error = Unsupported("ADT^A99 is not filed.", "MSH", 1, 9)
    err = parse(ack(ONE.replace(b"|2.5", b"|2.3"), "AR", error=error)).all("ERR")[0]
    assert (err.get(1, 1), err.get(1, 2), err.get(1, 3), err.get(1, 4)) == ("MSH", "1", "9", "201")
    assert not err.has(2)


def test_garbage_is_acknowledged_too() -> None:
    answer = parse(ack(b"\xff\xfe\x00garbage", "AR", "unreadable", Hl7Error("No MSH.")))
    assert answer.msh.get(9) == "ACK"
    assert (answer.all("MSA")[0].get(1), answer.all("MSA")[0].get(2)) == ("AR", "")
    assert answer.all("ERR")[0].get(3) == "207"


def test_a_message_whose_rest_is_broken_is_answered_by_its_header() -> None:
    answer = parse(ack(ONE + b"\r" + TWO, "AR"))  # two MSH in one message
    assert answer.all("MSA")[0].get(2) == "1"


@pytest.mark.parametrize("code", ["CA", "CE", "CR"])
def test_enhanced_mode_codes(code: str) -> None:
    assert parse(ack(peek(ONE), code)).all("MSA")[0].get(1) == code  # type: ignore[arg-type]


def test_an_answer_comes_in_the_senders_character_set() -> None:
    data = "MSH|^~\\&|ŁÓDŹ|F|B|G|20240101||ADT^A01|1|P|2.5||||||8859/2\rPID|||1\r".encode("iso8859-2")
    assert "ŁÓDŹ".encode("iso8859-2") in ack(peek(data), "AA")
