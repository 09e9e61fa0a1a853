"""What could not be filed: listed with its place, tried again, corrected in a copy, refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role
from charthouse.intake.api import (
    IntakeError,
    UnfiledFilter,
    UnfiledState,
    correct_message,
    correct_sender,
    message_state,
    refuse_message,
    retry_message,
    retry_messages,
    unfiled,
    unfiled_count,
    unfiled_message,
)

CODER = AccessContext("user:2", "A coder", frozenset({Role.CODER}))


def early(inbox: Any, make: Any, *more: dict[str, Any]) -> int:
    """A message about nobody known."""
    return int(inbox.take_one(make.bundle("collection", make.observation(), *more)).receipt.message)


# Listed


def test_the_list_says_what_and_where_and_why(inbox: Any, make: Any) -> None:
    message = early(inbox, make)
    broken = inbox.take_one(b"MSH|^~\\&|LAB|GENERAL|||20260105||ZZZ^Z01|C9|P|2.5.1\r").receipt.message
    page = unfiled(make.technician(), UnfiledFilter())
    assert (page.total, unfiled_count(make.technician())) == (2, 2)
    one, two = page.rows
    assert (one.id, one.reason_code, one.place, one.attempts) == (message, "unknown-patient", "entry 1", 1)
    assert (two.id, two.control_id, two.sender, two.connector) == (broken, "C9", "LAB|GENERAL", "Files")
    assert two.reason_code in ("unsupported", "not-hl7")
    assert one.state is UnfiledState.WAITING
    shown = unfiled_message(make.technician(), message)
    assert shown is not None
    assert "Send or register the patient" in shown.hints[0]
    assert {code for code, _ in page.reasons} == {"unknown-patient", two.reason_code}


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (UnfiledFilter(), 1),
        (UnfiledFilter(connector="files"), 1),
        (UnfiledFilter(connector="mllp"), 0),
        (UnfiledFilter(reason="unknown-patient"), 1),
        (UnfiledFilter(reason="'; DROP TABLE intake_message; --"), 0),
        (UnfiledFilter(state=UnfiledState.FILED), 0),
        (UnfiledFilter(state=None), 1),
    ],
)
def test_the_list_is_filtered(inbox: Any, make: Any, wanted: UnfiledFilter, count: int) -> None:
    early(inbox, make)
    page = unfiled(make.technician(), wanted)
    assert (page.total, len(page.rows)) == (count, count)


def test_days_of_arrival_are_both_included(inbox: Any, make: Any) -> None:
    from datetime import timedelta

    from charthouse.configuration import configuration
    from charthouse.foundation.clock import today

    early(inbox, make)
    day = today(configuration().time_zone)
    for since, until, count in ((day, day, 1), (day + timedelta(1), None, 0), (None, day - timedelta(1), 0)):
        assert unfiled(make.technician(), UnfiledFilter(since=since, until=until)).total == count


def test_pages_of_the_list_join(inbox: Any, make: Any) -> None:
    numbers = [inbox.take_one(make.observation(f"o{n}")).receipt.message for n in range(120)]
    seen: list[int] = []
    cursor = None
    while True:
        page = unfiled(make.technician(), UnfiledFilter(), cursor)
        assert page.total == 120
        seen += [each.id for each in page.rows]
        cursor = page.next
        if cursor is None:
            break
    assert seen == numbers


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 30, "'; --", "²"])
def test_a_cursor_nobody_gave_out_breaks_nothing(inbox: Any, make: Any, cursor: str) -> None:
    early(inbox, make)
    assert len(unfiled(make.technician(), UnfiledFilter(), cursor).rows) <= 1


# Tried again


def test_a_retry_files_what_was_mended(inbox: Any, make: Any) -> None:
    message = early(inbox, make)
    inbox.take(make.patient())
    assert retry_message(make.technician(), message) is UnfiledState.FILED
    assert inbox.counts()["Observation"] == 1
    assert inbox.items() == []
    shown = unfiled_message(make.technician(), message)
    assert shown is not None
    assert shown.row.state is UnfiledState.FILED
    assert [(each.outcome, each.actor) for each in shown.attempts] == [("filed", "user:7")]
    assert inbox.one("SELECT count(*) FROM intake_queue") == 0


def test_a_retry_in_vain_is_counted_and_stays_waiting(inbox: Any, make: Any) -> None:
    message = early(inbox, make)
    for number in (2, 3):
        assert retry_message(make.technician(), message) is UnfiledState.WAITING
        (row,) = unfiled(make.technician(), UnfiledFilter()).rows
        assert (row.attempts, row.state) == (number, UnfiledState.WAITING)
        shown = unfiled_message(make.technician(), message)
        assert shown is not None
        assert (shown.row.state, shown.row.attempts) == (UnfiledState.WAITING, number)
    assert len(inbox.items()) == 1


def test_a_part_mended_message_waits_for_the_rest(inbox: Any, make: Any) -> None:
    message = early(inbox, make, make.observation("bad", status=7))
    assert len(inbox.problems(message)) == 2
    inbox.take(make.patient())
    assert retry_message(make.technician(), message) is UnfiledState.WAITING
    assert inbox.problems(message) == [("not-valid", "entry 2 Observation.status")]
    assert inbox.state(message) == "partly"
    shown = unfiled_message(make.technician(), message)
    assert shown is not None
    assert shown.row.state is UnfiledState.WAITING
    assert (shown.row.reason_code, shown.row.place) == ("not-valid", "entry 2 Observation.status")
    assert shown.editable is not None
    assert '"bad"' in shown.editable


def test_what_waits_for_nothing_is_not_tried_again(inbox: Any, make: Any) -> None:
    message = inbox.take_one(make.patient()).receipt.message
    with pytest.raises(IntakeError):
        retry_message(make.technician(), message)
    with pytest.raises(IntakeError):
        retry_message(make.technician(), 999_999_999)
    assert retry_messages(make.technician(), [message, 999_999_999]) == 0
    assert retry_messages(make.technician(), []) == 0


def test_many_are_tried_again_by_the_workers(inbox: Any, make: Any) -> None:
    messages = [inbox.take_one(make.observation(f"o{n}")).receipt.message for n in range(5)]
    inbox.take(make.patient())
    assert retry_messages(make.technician(), messages) == 5
    assert len(inbox.file_waiting()) == 5
    assert inbox.counts()["Observation"] == 5
    assert inbox.items() == []


# Corrected


def test_a_corrected_entry_is_filed_in_a_copy_of_its_bundle(inbox: Any, make: Any) -> None:
    bad = make.observation("bad", status="nonsense")
    taken = inbox.take_one(make.bundle("transaction", make.patient(), bad, make.observation("good")))
    message = taken.receipt.message
    shown = unfiled_message(make.technician(), message)
    assert shown is not None
    assert shown.editable is not None
    text = shown.editable.replace("nonsense", "final")
    copy, state = correct_message(make.technician(), message, text, "The status was misspelt")
    assert state is UnfiledState.FILED
    assert inbox.counts()["Observation"] == 2
    assert inbox.items() == []
    before = unfiled_message(make.technician(), message)
    assert before is not None
    assert before.corrections == (copy,)
    assert before.row.state is UnfiledState.FILED
    # The original stays as it came.
    assert before.editable == shown.editable
    assert inbox.one("SELECT corrects FROM intake_message WHERE id = %s", copy) == message
    assert inbox.one("SELECT connector FROM intake_message WHERE id = %s", copy) == "form"


def test_of_two_bad_entries_the_one_shown_is_the_one_corrected(inbox: Any, make: Any) -> None:
    bad = [make.observation(name, status="nonsense", note=[{"text": name}]) for name in ("one", "two")]
    taken = inbox.take_one(make.bundle("collection", make.patient(), *bad))
    shown = unfiled_message(make.technician(), taken.receipt.message)
    assert shown is not None
    assert shown.editable is not None
    assert '"one"' in shown.editable
    assert shown.row.place == "entry 2 Observation.status"
    text = shown.editable.replace("nonsense", "final")
    copy, state = correct_message(make.technician(), taken.receipt.message, text, "misspelt")
    assert state is UnfiledState.WAITING
    assert [each["note"][0]["text"] for each in inbox.all_of("Observation")] == ["one"]
    shown = unfiled_message(make.technician(), copy)
    assert shown is not None
    assert shown.editable is not None
    assert '"two"' in shown.editable
    copy, state = correct_message(make.technician(), copy, shown.editable.replace("nonsense", "final"), "misspelt")
    assert state is UnfiledState.FILED
    assert len(inbox.all_of("Observation")) == 2
    assert unfiled_count(make.technician()) == 0


def test_a_corrected_line_of_ndjson_may_be_written_over_several_lines(inbox: Any, make: Any) -> None:
    data = b"\n".join(orjson.dumps(each) for each in (make.patient(), make.observation(status="nonsense")))
    message = inbox.take_one(data).receipt.message
    text = orjson.dumps(make.observation(), option=orjson.OPT_INDENT_2).decode().replace("72.5", "72.50")
    _, state = correct_message(make.technician(), message, text, "misspelt")
    assert state is UnfiledState.FILED
    from charthouse.record.api import decompress

    contents = [decompress(content) for (content,) in inbox.rows("SELECT content FROM record_version")]
    assert any(b"72.50" in each for each in contents)


HL7 = (
    "MSH|^~\\&|LAB|GENERAL|||20260105080000+0000||ADT^A01^ADT_A01|C1|P|2.5.1{msh18}\r"
    "EVN|A01|20260105080000+0000\r"
    "PID|1||{mrn}||M\u00fcller^Ida||19610417|F\r"
)


@pytest.mark.parametrize(
    ("declared", "codec"),
    [("||||||8859/1", "iso8859-1"), ("||||||UNICODE UTF-8", "utf-8"), ("", "utf-8"), ("||||||8859/2", "iso8859-2")],
)
def test_a_corrected_hl7_copy_keeps_its_character_set(inbox: Any, make: Any, declared: str, codec: str) -> None:
    data = HL7.format(msh18=declared, mrn="").encode(codec)
    taken = inbox.take_one(data)
    shown = unfiled_message(make.technician(), taken.receipt.message)
    assert shown is not None
    assert shown.editable is not None
    assert "M\u00fcller" in shown.editable
    _, state = correct_message(
        make.technician(), taken.receipt.message, shown.editable.replace("PID|1||", "PID|1||77"), "no number"
    )
    assert state is UnfiledState.FILED
    assert inbox.only("Patient")["name"][0]["family"] == "M\u00fcller"


def test_a_character_the_declared_set_lacks_is_said_to_be_so(inbox: Any, make: Any) -> None:
    taken = inbox.take_one(HL7.format(msh18="||||||8859/1", mrn="").encode("latin-1"))
    text = HL7.format(msh18="||||||8859/1", mrn="77").replace("M\u00fcller", "\u041c\u044e\u043b\u043b\u0435\u0440")
    with pytest.raises(IntakeError, match="MSH-18"):
        correct_message(make.technician(), taken.receipt.message, text, "other alphabet")
    text = text.replace("8859/1", "UNICODE UTF-8")
    assert correct_message(make.technician(), taken.receipt.message, text, "x")[1] is UnfiledState.FILED


def test_a_correction_that_helps_nothing_waits_in_the_originals_place(inbox: Any, make: Any) -> None:
    message = early(inbox, make)
    copy, state = correct_message(
        make.technician(), message, orjson.dumps({"resource": make.observation(status="amended")}).decode(), "a try"
    )
    assert state is UnfiledState.WAITING
    assert [each.id for each in unfiled(make.technician(), UnfiledFilter()).rows] == [copy]
    assert [subject for subject, _ in inbox.items()] == [str(copy)]
    shown = unfiled_message(make.technician(), message)
    assert shown is not None
    assert "a try" in shown.closed_reason


@pytest.mark.parametrize("text", ["", "   ", "not json", "[]", "{", '{"resource":', "null", "\x00"])
def test_a_correction_that_is_no_text_changes_nothing(inbox: Any, make: Any, text: str) -> None:
    message = early(inbox, make)
    with pytest.raises(IntakeError):
        correct_message(make.technician(), message, text, "a reason")
    assert inbox.problems(message) == [("unknown-patient", "entry 1")]
    assert inbox.one("SELECT count(*) FROM intake_message") == 1


def test_the_same_text_is_no_correction(inbox: Any, make: Any) -> None:
    message = early(inbox, make)
    shown = unfiled_message(make.technician(), message)
    assert shown is not None
    assert shown.editable is not None
    with pytest.raises(IntakeError, match="same"):
        correct_message(make.technician(), message, shown.editable, "a reason")
    assert inbox.one("SELECT count(*) FROM intake_message") == 1


def test_a_corrected_original_sent_again_does_not_come_back(inbox: Any, make: Any) -> None:
    data = make.bundle("collection", make.patient(), make.observation("bad", status="nonsense"))
    message = inbox.take_one(data).receipt.message
    text = orjson.dumps({"resource": make.observation("bad")}).decode()
    assert correct_message(make.technician(), message, text, "misspelt")[1] is UnfiledState.FILED
    again = inbox.take_one(data)
    assert again.receipt.duplicate_of == message
    assert inbox.file_waiting() == []
    assert unfiled_count(make.technician()) == 0


# Refused


def test_a_refused_message_is_closed_with_its_reason(inbox: Any, make: Any) -> None:
    message = early(inbox, make)
    refuse_message(make.technician(), message, "A test message of the vendor's")
    assert unfiled_count(make.technician()) == 0
    assert inbox.items() == []
    assert inbox.state(message) == "refused"
    shown = unfiled_message(make.technician(), message)
    assert shown is not None
    assert (shown.row.state, shown.closed_reason) == (UnfiledState.REFUSED, "A test message of the vendor's")
    with pytest.raises(IntakeError):
        refuse_message(make.technician(), message, "again")
    # Sent again, it stays refused.
    inbox.take(make.bundle("collection", make.observation()))
    assert inbox.file_waiting() == []


@pytest.mark.parametrize("reason", ["", "  ", "\x00"])
def test_nothing_is_refused_without_a_reason(inbox: Any, make: Any, reason: str) -> None:
    message = early(inbox, make)
    with pytest.raises(IntakeError, match="why"):
        refuse_message(make.technician(), message, reason)
    assert inbox.state(message) == "unfiled"


# The sender


def test_a_senders_zone_is_what_times_without_offset_mean(inbox: Any, make: Any) -> None:
    data = make.hl7("ADT^A01").replace(b"+0000", b"")
    message = inbox.take_one(data.replace(b"100^^^GENERAL^MR", b"")).receipt.message
    correct_sender(make.technician(), message, time_zone="America/Denver", charset="")
    inbox.take(data)
    assert inbox.only("Encounter")["period"]["start"] == "2026-01-05T08:00:00-07:00"


def test_a_senders_charset_is_what_messages_without_one_are_in(inbox: Any, make: Any) -> None:
    data = HL7.format(msh18="", mrn="").replace("M\u00fcller", "Ko\u0142akowski").encode("iso8859-2")
    message = inbox.take_one(data).receipt.message
    correct_sender(make.technician(), message, time_zone="", charset="iso8859-2")
    shown = unfiled_message(make.technician(), message)
    assert shown is not None
    assert shown.editable is not None
    assert "Ko\u0142akowski" in shown.editable
    assert (shown.sender.charset, shown.original.charset, shown.original.size) == (
        "iso8859-2",
        "iso8859-2",
        len(data),
    )
    _, state = correct_message(
        make.technician(), message, shown.editable.replace("PID|1||", "PID|1||77"), "no number"
    )
    assert state is UnfiledState.FILED
    assert inbox.only("Patient")["name"][0]["family"] == "Ko\u0142akowski"


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "../../etc/passwd", "America", "x" * 300, "/", "\x00", "Europe/Z\u00fcrich"]
)
def test_a_zone_that_does_not_exist_is_refused(inbox: Any, make: Any, zone: str) -> None:
    message = early(inbox, make)
    with pytest.raises(IntakeError, match="time zone"):
        correct_sender(make.technician(), message, time_zone=zone, charset="")


@pytest.mark.parametrize("charset", ["klingon", "base64", "rot13", "hex", "x" * 300, "\x00", "zip"])
def test_a_charset_that_does_not_exist_is_refused(inbox: Any, make: Any, charset: str) -> None:
    message = early(inbox, make)
    with pytest.raises(IntakeError, match="character set"):
        correct_sender(make.technician(), message, time_zone="", charset=charset)


# Rights


@pytest.mark.parametrize(
    "act",
    [
        lambda n: retry_message(CODER, n),
        lambda n: retry_messages(CODER, [n]),
        lambda n: correct_message(CODER, n, "{}", "x"),
        lambda n: refuse_message(CODER, n, "x"),
        lambda n: correct_sender(CODER, n, time_zone="", charset=""),
        lambda n: unfiled(CODER, UnfiledFilter()),
        lambda n: unfiled_message(CODER, n),
        lambda n: unfiled_count(CODER),
    ],
    ids=["retry", "retry-many", "correct", "refuse", "sender", "list", "one", "count"],
)
def test_without_the_right_nothing_is_shown_or_done(inbox: Any, make: Any, act: Any) -> None:
    message = early(inbox, make)
    before = inbox.one("SELECT xmin::text FROM intake_unfiled WHERE message = %s", message)
    with pytest.raises(PermissionRefused):
        act(message)
    assert inbox.one("SELECT xmin::text FROM intake_unfiled WHERE message = %s", message) == before


def test_an_administrator_reads_and_does_not_mend(inbox: Any, make: Any) -> None:
    message = early(inbox, make)
    administrator = AccessContext("user:3", "An administrator", frozenset({Role.ADMINISTRATOR}))
    assert unfiled(administrator, UnfiledFilter()).total == 1
    with pytest.raises(PermissionRefused):
        refuse_message(administrator, message, "x")


def test_every_mending_stands_in_the_ledger(inbox: Any, make: Any) -> None:
    message = early(inbox, make)
    retry_message(make.technician(), message)
    correct_sender(make.technician(), message, time_zone="UTC", charset="")
    refuse_message(make.technician(), message, "x")
    found = {action for (action,) in inbox.rows("SELECT action FROM ledger_entry WHERE actor = 'user:7'")}
    assert found == {"intake.retry", "intake.set-sender", "intake.refuse"}


def test_a_sender_sees_how_far_its_own_message_has_come(inbox: Any, make: Any) -> None:
    message = inbox.take_one(make.observation(), sender="north").receipt.message
    state = message_state("north", message)
    assert state is not None
    assert (state["state"], len(state["problems"])) == ("unfiled", 1)  # type: ignore[arg-type]
    assert message_state("south", message) is None
    assert message_state("north", 999_999) is None
