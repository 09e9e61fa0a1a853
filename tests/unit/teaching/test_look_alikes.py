"""Who is registered twice, who only looks so, and whether the queue and the key agree about it."""

from __future__ import annotations

import io
from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from charthouse.foundation.access.api import system_context
from charthouse.foundation.work.api import items
from charthouse.identity import api as identity
from charthouse.intake.api import Connector, take_in
from charthouse.teaching.domain.hospital import Hospital, Told, patients
from charthouse.teaching.domain.plants import DEFAULT_RATES
from charthouse.teaching.domain.staff import CLINIC

ALL = system_context("test")
HOSPITAL = Hospital(1, datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("America/Chicago")), DEFAULT_RATES)
_QUEUE = "identity.possible-duplicates"
_ARRIVES = ("ADT^A01", "ADT^A04")
_TELLS = ("ADT^A28", "ADT^A31", "ADT^A40")


def file(hospital: list[Told]) -> None:
    """Who the 300 people of a first start are: what says so, without their charts."""
    hl7, clinic = [], []
    for one in hospital:
        seen: set[str] = set()
        for each in one.messages:
            kind = each.kind[:7]
            named = kind == "ADT^A08" and one.person.birth is not None
            if each.bundle and CLINIC not in seen:
                seen.add(CLINIC)
                bundle = orjson.loads(each.data)
                bundle["entry"] = [entry for entry in bundle["entry"] if "/Patient/" in entry["fullUrl"]]
                clinic.append(orjson.dumps(bundle))
            elif named or kind in _TELLS or (kind in _ARRIVES and "arrived" not in seen):
                seen.add("arrived" if kind in _ARRIVES else kind)
                hl7.append(each.data)
    for body, sender in [(b"".join(hl7), None), *((each, CLINIC) for each in clinic)]:
        for taken in take_in(io.BytesIO(body), connector=Connector.FILES, sender=sender):
            assert taken.result is not None
            # An update of somebody else waits for a decision, which is no matter of these.
            if {each.code for each in taken.result.problems} != {"suspected-overlay"}:
                assert taken.result.state.value == "filed"


def person_of(mrn: str) -> Any:
    return identity.find(ALL, mrn, 5)[0].person


def test_the_queue_and_the_key_agree_about_a_hospital_of_300(committed_db: str) -> None:
    hospital = list(patients(HOSPITAL, 1, 300))
    file(hospital)
    ours = {each.person.mrn for each in hospital}
    answers = [each for one in hospital for each in one.answers if each.kind == "duplicate"]
    second = {each.other: each for each in answers if each.other not in ours}

    waiting: set[str] = set()
    pairs = [identity.pair_of_item(ALL, each.id) for each in items(ALL, _QUEUE, limit=500).items]
    for pair in pairs:
        assert pair is not None
        named = {pair.left.mrn, pair.right.mrn} & second.keys()
        assert named, f"{pair.left.mrn} and {pair.right.mrn} wait, and the key says nothing of them"
        waiting |= named
    assert waiting == {each.other for each in answers if each.expected == "queue"}
    assert 12 <= len(pairs) <= 40

    for each in answers:
        one = person_of(each.mrn) == person_of(each.other)
        assert one is (each.expected in {"linked", "merged"}), each
    expected = Counter(each.expected for each in answers)
    assert all(expected[each] for each in ("queue", "linked", "apart", "merged"))
    # Some of those that wait are two people.
    assert {each.right for each in answers if each.expected == "queue"} == {True, False}
