"""Hostile and broken input: no crash, no hang, everything filed or unfiled with a reason, or refused as a whole.

``CHARTHOUSE_MALFORMED`` sets how many cases are tried (1,500 unless said otherwise), ``CHARTHOUSE_MALFORMED_SEED``
where the dice begin. A case that fails is named by its number and can be tried alone.
"""
# ruff: noqa: E501 (tables)

from __future__ import annotations

import bz2
import copy
import gzip
import json
import os
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from charthouse.intake.api import IntakeError

CASES = int(os.environ.get("CHARTHOUSE_MALFORMED", "1500"))
SEED = int(os.environ.get("CHARTHOUSE_MALFORMED_SEED", "1"))
#: Seconds one case may take on a busy machine, and megabytes all of them may add to the process.
LONGEST = 30
MEMORY = 400

HOSTILE = [
    "", " ", "\x00", "a\x00b", "\u202eevil\u202c", "\u200f", "<script>alert(1)</script>", "'; DROP TABLE record_version; --",
    '"', "\\", "\\u0000", "{{7*7}}", "../../etc/passwd", "%s%n%x", "A" * 5_000, "é" * 3_000, "\U0001f468\u200d\U0001f469" * 50,
    "\ud800", "\udfff\ud800", "NaN", "null", "true", "-0", "1e999", "9" * 400, "0001-01-01", "9999-12-31T23:59:60Z",
    "20260230", "20261399999999", "|^~\\&", "\\X00\\", "\\H\\" * 40, "&" * 300, "~" * 500, "^" * 300, "\r\n", "\x0b\x1c\r",
    "\x1b$B", "\ufeff", "\ufffe", "$(reboot)", "=cmd|' /C calc'!A0", "Patient/../../x", "urn:uuid:", "#", "http://[::1", "?",
]  # fmt: skip


@cache
def hl7_samples() -> tuple[bytes, ...]:
    named = os.environ.get("CHARTHOUSE_SAMPLES")
    files = sorted((Path(named) / "hl7v2").glob("*.hl7")) if named else []
    return tuple(path.read_bytes() for path in files)


@cache
def fhir_samples() -> tuple[dict[str, Any], ...]:
    """Entries of two patients, which refer to their patient and else to nothing that may be left out."""
    named = os.environ.get("CHARTHOUSE_SAMPLES")
    found: list[dict[str, Any]] = []
    for path in sorted((Path(named) / "fhir" / "synthea").glob("[0-9a-f]*.json.bz2"))[5:7] if named else ():
        kinds: Counter[str] = Counter()
        entries = json.loads(bz2.decompress(path.read_bytes()))["entry"]
        patient = entries[0]["fullUrl"]
        for entry in entries:
            kind = entry["resource"]["resourceType"]
            kinds[kind] += 1
            if kinds[kind] <= 3 and len(json.dumps(entry)) < 40_000:
                for container, key in list(places(entry["resource"])):
                    if key == "reference" and container[key] == patient:
                        container[key] = f"Patient/{entries[0]['resource']['id']}"
                    elif key == "reference" and container[key].startswith("urn:"):
                        container["display"] = container.pop("reference")
                found.append(entry)
    return tuple(found)


# Breaking bytes


def broken(data: bytes, dice: random.Random) -> bytes:
    """Bytes with something wrong in them."""
    at = dice.randrange(len(data) + 1)
    match dice.randrange(9):
        case 0:
            return data[:at]
        case 1:
            return data[at:]
        case 2:
            flipped = bytearray(data)
            for _ in range(dice.choice([1, 1, 3, 30])):
                if flipped:
                    flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
            return bytes(flipped)
        case 3:
            return data[:at] + dice.randbytes(dice.choice([1, 4, 200])) + data[at:]
        case 4:
            end = min(len(data), at + dice.choice([1, 10, 500]))
            return data[:at] + data[end:]
        case 5:
            return data[:at] + data[at : at + 300] * dice.choice([2, 20]) + data[at:]
        case 6:
            return data.decode("utf-8", "replace").encode(
                dice.choice(
                    ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-8-sig", "utf-7", "shift_jis"]
                ),
                "replace",
            )
        case 7:
            return data.replace(
                dice.choice([b"|", b"^", b"\r", b'"', b"{", b","]),
                dice.choice([b"", b"\x00", b"\xff", b"||", b"\n"]),
            )
        case _:
            return data[:at] + dice.choice(HOSTILE).encode("utf-8", "surrogatepass") + data[at:]


def hl7_case(dice: random.Random, plain: bytes) -> bytes:
    """One HL7 message with hostile fields, or broken bytes."""
    data = dice.choice(hl7_samples() or (plain,))
    if dice.random() < 0.45:
        return broken(data, dice)
    lines = data.replace(b"\n", b"\r").split(b"\r")
    for _ in range(dice.randint(1, 8)):
        number = dice.randrange(len(lines))
        fields = lines[number].split(b"|")
        place = dice.randrange(len(fields) + 2)
        while len(fields) <= place:
            fields.append(b"")
        text = dice.choice(HOSTILE).encode("utf-8", "surrogatepass")
        match dice.randrange(7):
            case 0 | 1 | 2:
                fields[place] = text
            case 3:
                parts = fields[place].split(b"^")
                parts[dice.randrange(len(parts))] = text
                fields[place] = b"^".join(parts)
            case 4:
                fields[place] = fields[place] * dice.choice([2, 50]) or text
            case 5:
                lines.insert(dice.randrange(len(lines) + 1), lines[number])
            case _:
                fields[0] = dice.choice([b"ZZZ", b"MSH", b"PID", b"MRG", b"PV1", b"OBX", b"", b"pid", b"TXA"])
        lines[number] = b"|".join(fields)
    if dice.random() < 0.05:
        lines += [b"OBX|1|TX|x||" + b"y" * dice.choice([100, 300_000])] * dice.choice([1, 30])
    return b"\r".join(lines)


# Breaking resources

VALUES: list[Callable[[random.Random], Any]] = [
    lambda dice: dice.choice(HOSTILE),
    lambda dice: dice.choice([0, -1, 1e308, 10**30, 2**63, 0.1, -0.0, 5e-324]),
    lambda dice: dice.choice([None, True, False, [], {}, [[]], [None], {"": None}, [{}], [1, "a", None]]),
    lambda dice: nested(dice.choice([5, 70, 2_000])),
    lambda dice: {
        "reference": dice.choice(["Patient/x", "urn:uuid:y", "#z", "Practitioner?identifier=a|b", "x" * 3_000, ""])
    },
    lambda dice: [{"system": dice.choice(HOSTILE), "value": dice.choice(HOSTILE)}],
    lambda dice: {"coding": [{"system": "http://loinc.org", "code": dice.choice(HOSTILE)}]},
    lambda dice: dice.choice(["Patient", "Observation", "Encounter", "Practitioner", "Unicorn"]),
]


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value] if depth % 2 else {"extension": value}
    return value


def places(value: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below a value, as far down as one looks."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if depth < 50 and isinstance(value[key], dict | list):
            yield from places(value[key], depth + 1)


def fhir_case(dice: random.Random, plain: list[dict[str, Any]]) -> bytes:
    """A bundle, single resource or NDJSON with odd values, or broken bytes."""
    pool = fhir_samples() or tuple({"resource": each} for each in plain)
    entries = copy.deepcopy(dice.sample(pool, min(len(pool), dice.randint(1, 8))))
    if dice.random() < 0.5:
        entries.insert(
            0, copy.deepcopy(next(each for each in pool if each["resource"]["resourceType"] == "Patient"))
        )
    for _ in range(dice.randint(0, 6)):
        choices = list(places(entries))
        if not choices:
            break
        container, key = dice.choice(choices)
        if dice.random() < 0.3:
            del container[key]
        elif isinstance(container, dict) and dice.random() < 0.1:
            container[dice.choice([*HOSTILE, "resourceType", "id", "meta", "contained"])] = dice.choice(VALUES)(
                dice
            )
        else:
            container[key] = dice.choice(VALUES)(dice)
    kind = dice.choice(
        [
            "transaction",
            "batch",
            "collection",
            "searchset",
            "document",
            "message",
            "history",
            "\x00",
            None,
            7,
            "x" * 500,
        ]
    )
    match dice.randrange(5):
        case 0:
            lines = [dumped(each.get("resource") if isinstance(each, dict) else each) for each in entries]
            data = b"\n".join(lines)
        case 1:
            first = entries[0] if entries else {}
            data = dumped(first.get("resource") if isinstance(first, dict) else first)
        case _:
            data = dumped({"resourceType": "Bundle", "type": kind, "id": dice.choice(HOSTILE), "entry": entries})
    if dice.random() < 0.35:
        data = broken(data, dice)
    if dice.random() < 0.1:
        data = dice.choice([gzip.compress, bz2.compress])(data)
        if dice.random() < 0.5:
            data = broken(data, dice)
    return data


def dumped(value: Any) -> bytes:
    """JSON as somebody careless writes it: halves of characters, huge numbers and all."""
    try:
        return orjson.dumps(value)
    except (TypeError, RecursionError):
        pass
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b'{"resourceType":"Patient","extension":' + b"[" * 3_000 + b"]" * 3_000 + b"}"


# Trying them


@contextmanager
def no_hang() -> Iterator[None]:
    def late(*_: Any) -> None:
        raise AssertionError(f"a case took longer than {LONGEST} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)


def try_cases(
    inbox: Any, make: Any, first: int, count: int, case: Callable[..., bytes], plain: Any
) -> Counter[str]:
    """Send cases, some at once and some by way of the queue; what became of them."""
    outcomes: Counter[str] = Counter()
    for number in range(first, first + count):
        dice = random.Random(f"{SEED} {case.__name__} {number}")
        queued = dice.random() < 0.4
        data = case(dice, plain)
        try:
            with no_hang():
                taken = inbox.take(data, sender="fuzz" if case is fhir_case else None, file=not queued)
                if queued:
                    inbox.file_waiting()
        except IntakeError as error:
            assert str(error).strip(), f"case {number}: refused without a word"
            outcomes["refused"] += 1
            continue
        except BaseException as error:
            error.add_note(f"{case.__name__} {number} with seed {SEED}: {data[:300]!r}")
            raise
        assert taken, f"case {number}: nothing came of it"
        for each in taken:
            state = inbox.state(each.receipt.message)
            outcomes[state] += 1
            assert state in {"filed", "partly", "unfiled", "duplicate"}, (number, state)
    return outcomes


def check(inbox: Any) -> None:
    """Whether what intake left behind fits together."""
    assert inbox.one("SELECT count(*) FROM intake_queue") == 0
    nothing = {
        "a message that is not finished": "SELECT id FROM intake_message WHERE state = 'received'",
        "an unfiled message without a reason": "SELECT id FROM intake_message m WHERE state IN ('unfiled', 'partly') AND "
        "NOT EXISTS (SELECT FROM intake_unfiled u WHERE u.message = m.id AND state = 'open' AND reason <> '')",
        "an unfiled message that nobody is told of": "SELECT id FROM intake_message m WHERE state IN ('unfiled', 'partly') "
        "AND NOT EXISTS (SELECT FROM work_item w WHERE w.queue = 'intake.unfiled' AND w.subject_id = m.id::text)",
        "a filed message that waits": "SELECT m.id FROM intake_message m JOIN intake_unfiled u ON u.message = m.id "
        "WHERE m.state = 'filed' AND u.state = 'open'",
        "a message without its original": "SELECT id FROM intake_message m WHERE state <> 'duplicate' AND size > 0 "
        "AND NOT EXISTS (SELECT FROM intake_original o WHERE o.message = m.id)",
        "a version of nothing": "SELECT resource FROM record_version v WHERE NOT EXISTS (SELECT FROM record_resource r "
        "WHERE r.type = v.type AND r.id = v.resource)",
        "a resource without its version": "SELECT id FROM record_resource r WHERE NOT EXISTS (SELECT FROM record_version v "
        "WHERE v.type = r.type AND v.resource = r.id AND v.version = r.version)",
        "a gap in versions": "SELECT resource FROM record_version GROUP BY type, resource HAVING count(*) <> max(version)",
        "a version of an unfiled message": "SELECT v.resource FROM record_version v JOIN intake_message m ON m.id = v.message "
        "WHERE m.state IN ('unfiled', 'duplicate', 'received')",
        "an item of a patient who is not there": "SELECT r.id FROM record_resource r WHERE r.patient IS NOT NULL AND NOT EXISTS "
        "(SELECT FROM record_resource p WHERE p.id = r.patient AND p.type = 103)",
        "a patient who is nobody": "SELECT r.id FROM record_resource r WHERE r.type = 103 AND NOT EXISTS "
        "(SELECT FROM identity_source_patient s WHERE s.patient = r.id)",
    }  # fmt: skip
    for what, query in nothing.items():
        assert inbox.rows(query) == [], what
    internal = inbox.rows("SELECT message, reason FROM intake_unfiled WHERE code = 'internal'")
    assert internal == [], "what a sender may send has a reason of its own"


def peak() -> float:
    """The most megabytes this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("case", [hl7_case, fhir_case], ids=["hl7", "fhir"])
def test_nothing_a_sender_may_send_breaks_anything(inbox: Any, make: Any, case: Any) -> None:
    plain: Any = make.hl7("ADT^A01") if case is hl7_case else [make.patient(), make.observation()]
    before = peak()
    began = time.monotonic()
    outcomes = try_cases(inbox, make, 0, CASES // 2, case, plain)
    assert peak() - before < MEMORY
    check(inbox)
    assert outcomes["filed"] + outcomes["partly"] > CASES / 50
    assert outcomes["unfiled"] + outcomes["refused"] > CASES / 50
    print(
        f"{sum(outcomes.values())} messages of {CASES // 2} cases in {time.monotonic() - began:.1f} s: {dict(outcomes)}"
    )


def test_what_was_filed_of_hostile_input_can_be_read(inbox: Any, make: Any) -> None:
    """Charts, originals and lists of what came through raise nothing either."""
    from charthouse.intake.api import UnfiledFilter, provenance, unfiled, unfiled_message
    from charthouse.record import api as record

    try_cases(inbox, make, 50_000, 60, hl7_case, make.hl7("ADT^A01"))
    try_cases(inbox, make, 50_000, 60, fhir_case, [make.patient(), make.observation()])
    for rows in inbox.charts():
        for section in (
            record.encounters, record.documents, record.results, record.problems, record.medications, record.allergies,
            record.immunizations, record.procedures, record.appointments, record.coverage,
        ):  # fmt: skip
            section(make.system, rows)
        record.vitals(make.system, rows)
        record.chart_summary(make.system, rows)
    for row in unfiled(make.technician(), UnfiledFilter()).rows:
        shown = unfiled_message(make.technician(), row.id)
        assert shown is not None
        assert shown.row.reason
    for kind in ("Patient", "Encounter", "Observation"):
        for each in inbox.all_of(kind)[:40]:
            assert provenance(make.system, kind, each["id"]) is not None


# Cases that once went wrong, or would most easily


def noise(length: int) -> str:
    """Text that does not pack well, so that its length counts."""
    return random.Random(length).randbytes(length // 2).hex()


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Practitioner", "id": "d", "identifier": [{"system": "urn:x", "value": noise(9_000)}]},
        {"resourceType": "Practitioner", "id": "d", "identifier": [{"system": "urn:" + noise(9_000), "value": "9"}]},
        {"resourceType": "Organization", "id": "d", "name": noise(100_000)},
        {"resourceType": "Practitioner", "id": "d", "name": [{"family": noise(5_000), "given": [noise(4_000)] * 20}]},
        {"resourceType": "Patient", "id": "p", "name": [{"family": noise(100_000)}], "telecom": [{"value": "1" * 9_000}]},
        {"resourceType": "Patient", "id": "p", "identifier": [{"system": noise(9_000), "value": noise(8_000)}]},
        {"resourceType": "Patient", "id": "p", "address": [{"line": [noise(20_000)] * 5, "postalCode": noise(5_000)}]},
        {"resourceType": "Patient", "id": "p", "name": [{"text": "x"}] * 3_000},
        {"resourceType": "Patient", "id": "p", "birthDate": "9999-12-31", "deceasedDateTime": "0001-01-01"},
    ],
    ids=lambda each: f"{each['resourceType']}-{'-'.join(key for key in each if key not in ('resourceType', 'id'))}",
)  # fmt: skip
def test_what_is_very_long_is_filed_all_the_same(inbox: Any, resource: dict[str, Any]) -> None:
    taken = inbox.take_one(resource)
    assert taken.result.state.value == "filed", taken.result.problems


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_what_no_database_can_hold_is_unfiled_with_its_reason(inbox: Any, make: Any, text: str) -> None:
    for place in ("id", "family", "identifier", "system"):
        patient = make.patient()
        if place == "id":
            patient["id"] = text
        elif place == "family":
            patient["name"][0]["family"] = text
        else:
            patient["identifier"][0]["value" if place == "identifier" else "system"] = text
        data = json.dumps(
            {"resourceType": "Bundle", "type": "collection", "id": text, "entry": [{"resource": patient}]}
        )
        try:
            taken = inbox.take_one(data.encode())
        except IntakeError:
            continue
        assert taken.result.state.value == "unfiled"
        assert taken.result.problems[0].code in ("not-json", "not-fhir", "not-valid")
    check(inbox)


def test_very_many_segments_are_refused_or_filed_in_time(inbox: Any, make: Any) -> None:
    data = make.hl7("ORU^R01", "OBR|1|||X", *(f"OBX|{n}|NM|{n}^T||{n}" for n in range(3_000)))
    with no_hang():
        taken = inbox.take_one(data)
    assert taken.result.state.value in ("filed", "unfiled")
