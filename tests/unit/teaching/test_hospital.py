"""The synthetic hospital: the same from the same seed, possible in every life, readable by everybody's rules."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.exchange.fhir.api import validate
from charthouse.exchange.hl7v2.api import Hl7Error, parse, to_fhir
from charthouse.exchange.hl7v2.keys import valid_npi
from charthouse.teaching.domain.beds import beds_of
from charthouse.teaching.domain.hospital import Hospital, Told, patient, patients
from charthouse.teaching.domain.items import Adt, Document, Order
from charthouse.teaching.domain.plants import DEFAULT_RATES
from charthouse.teaching.domain.population import BLOCK, Person, people_of_block, person
from charthouse.teaching.domain.staff import staff

ZONE = ZoneInfo("America/Chicago")
ANCHOR = datetime(2026, 3, 2, 12, tzinfo=ZONE)
CLEAN = Hospital(11, ANCHOR)
#: So many errors that every kind is there.
SPOILT = Hospital(11, ANCHOR, {**dict.fromkeys(DEFAULT_RATES, 0.35), "history_too_old": 1.0, "after_death": 1.0})

seeds = st.integers(0, 10_000)
numbers = st.integers(1, 240)
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def clean() -> list[Told]:
    return list(patients(CLEAN, 1, 40))


@pytest.fixture(scope="module")
def spoilt() -> list[Told]:
    return list(patients(SPOILT, 1, 96))


def body(told: list[Told]) -> list[bytes]:
    return [each.data for one in told for each in one.messages]


# The same again


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(clean: list[Told]) -> None:
    again = list(patients(Hospital(11, ANCHOR), 1, 40))
    assert body(again) == body(clean)
    assert [one.answers for one in again] == [one.answers for one in clean]
    assert not set(body(clean)) & set(body(list(patients(Hospital(12, ANCHOR), 1, 16))))


def test_a_patient_alone_is_the_patient_in_the_whole(clean: list[Told], spoilt: list[Told]) -> None:
    for number in (31, 7, 16, 17):
        people_of_block.cache_clear()
        assert body([patient(CLEAN, number)]) == body([clean[number - 1]])
        assert body([patient(SPOILT, number)]) == body([spoilt[number - 1]])


@pytest.mark.parametrize("off", ["units", "missing_document", "late_document"])
def test_one_kind_of_error_switched_off_leaves_the_others_where_they_are(off: str, spoilt: list[Told]) -> None:
    with_all = [answer for one in spoilt for answer in one.answers]
    rates = {**SPOILT.rates, off: 0.0}
    without = [answer for one in patients(Hospital(11, ANCHOR, rates), 1, 96) for answer in one.answers]
    gone = [answer for answer in with_all if answer.kind == off]
    assert gone
    others = [answer for answer in with_all if answer.kind != off]
    assert [answer for answer in others if answer not in without] == []
    # More are there only where that kind had its errors: an item carries one at most.
    for answer in without:
        assert answer in others or answer.visit in {each.visit for each in gone}


def test_an_item_carries_one_error_at_most(spoilt: list[Told]) -> None:
    for one in spoilt:
        documents = [answer.document for answer in one.answers if answer.document]
        assert len(documents) == len(set(documents))
        values = [
            found[0]
            for answer in one.answers
            if answer.kind in {"units", "impossible_value"}
            if (found := re.search(r"at \d{4}-\d\d-\d\d \d\d:\d\d", answer.finding))
        ]
        assert len(values) == len(set(values))


# Lives


def lives(seed: int, number: int) -> Told:
    return patient(Hospital(seed, ANCHOR), number)


@few
@given(seeds, numbers)
def test_things_happen_in_an_order_that_can_be(seed: int, number: int) -> None:
    one = lives(seed, number)
    for stay in one.stays:
        assert stay.start < stay.end
        assert stay.start.date() >= one.person.born
        if stay.operated:
            assert stay.start < stay.operated[0] < stay.operated[1] < stay.end
        if stay.admitted:
            assert stay.start < stay.admitted < stay.end
    for before, after in zip(one.stays, one.stays[1:], strict=False):
        assert before.end < after.start
        assert not before.died
    operated = [stay.key for stay in one.stays if stay.condition.operation and stay.key != "cesarean"]
    assert len(set(operated)) == len(operated), "an organ is taken out once"
    times = [each.at for each in one.messages]
    assert times == sorted(times)
    assert one.messages, "everybody is known by some message"
    assert times[-1] <= ANCHOR
    assert len({each.control for each in one.messages}) == len(one.messages)


@few
@given(seeds, numbers)
def test_nothing_is_sent_of_a_stay_before_it_begins(seed: int, number: int) -> None:
    one = lives(seed, number)
    seen: dict[str, list[str]] = {}
    for item in one.items:
        if item.stay is not None:
            seen.setdefault(item.stay.number, []).append(item.event if isinstance(item, Adt) else "other")
            assert item.at >= item.stay.start - timedelta(minutes=1)
    for events in seen.values():
        assert events[0] in {"A01", "A04"}
        assert events.count("A03") - events.count("A13") <= 1


@few
@given(seeds, st.integers(0, 300))
def test_families_belong_together(seed: int, block: int) -> None:
    people = {each.number: each for each in people_of_block(seed, block, ANCHOR.date())}
    assert list(people) == list(range(block * BLOCK + 1, block * BLOCK + BLOCK + 1))
    for each in people.values():
        assert not each.ssn or each.ssn.startswith("9")
        assert each.phone.startswith("39"), "no such area code is in use"
        if each.twin:
            twin = people[each.twin]
            assert (twin.born, twin.mother, twin.twin) == (each.born, each.mother, each.number)
        if each.mother:
            mother = people[each.mother]
            assert mother.sex == "F"
            assert mother.age(each.born) >= 15
        if each.birth:
            assert people[each.mother].delivers is not None
            assert people[each.mother].children >= 1
        if each.namesake:
            father = people[each.namesake]
            assert (father.given, father.family, father.sex) == (each.given, each.family, "M")
            assert (father.suffix, each.suffix) == ("Sr", "Jr")


@few
@given(seeds, numbers)
def test_documents_carry_their_diagnosis_and_no_paragraph_comes_twice_in_a_row(seed: int, number: int) -> None:
    one = lives(seed, number)
    last: dict[str, list[str]] = {}
    for item in one.items:
        if not isinstance(item, Document):
            continue
        assert item.stay is not None
        kind = item.kind.partition("^")[0]
        if kind in {"HP", "DS", "ED", "PR"}:
            assert item.stay.words.lower() in item.text.lower()
        assert "{" not in item.text and "[" not in item.text.replace("[E. coli]", "")
        if kind == "CONS":
            continue  # a printed form
        # Lists of diagnoses and who signed stand in each; sentences do not.
        long = [
            line
            for line in item.text.splitlines()
            if len(line) > 60 and not re.match(r"\d\. |P\w+ DIAGNOSIS", line)
        ]
        assert not set(long) & set(last.get(kind, ())), "a paragraph stands in two documents in a row"
        last[kind] = long


def test_a_newborn_is_born_to_a_mother_who_delivers_then() -> None:
    babies = [each for block in range(12) for each in people_of_block(11, block, ANCHOR.date()) if each.birth]
    assert babies
    for baby in babies:
        mother = patient(CLEAN, baby.mother)
        stay = next(each for each in mother.stays if each.key in {"delivery", "cesarean"})
        birth = stays_birth(baby)
        assert stay.start < birth < stay.end
        if stay.operated:
            assert stay.operated[0] < birth < stay.operated[1]
        told = patient(CLEAN, baby.number)
        assert told.stays[0].start == birth
        first = told.messages[0].data
        assert b"|Baby" in first.replace(b"^Baby", b"|Baby")
        if birth < ANCHOR - timedelta(hours=60):  # else the name may not have been given yet
            assert any(b"^" + baby.given.encode() + b"^" in each.data for each in told.messages)


def stays_birth(baby: Person) -> datetime:
    assert baby.birth is not None
    return baby.birth.replace(tzinfo=ZONE)


def test_a_thousand_people_are_like_those_of_a_hospital() -> None:
    """Beside the published figures of ``teaching report``; wide enough for chance among four hundred stays."""
    beds = beds_of(1, ANCHOR)
    stays = [[stay for stay in beds.stays(number) if stay.inpatient] for number in range(1, 1_001)]
    over = [stay for each in stays for stay in each if stay.end <= ANCHOR]
    born = sum(stay.key == "newborn" for stay in over)
    days = [max(1, (stay.end.date() - stay.start.date()).days) for stay in over]
    assert 4.0 <= sum(days) / len(days) <= 5.1
    assert 0.008 <= sum(stay.died for stay in over) / (len(over) - born) <= 0.035
    assert 0.075 <= born / len(over) <= 0.14
    shares = Counter(stay.diagnoses[0][:3] for stay in over)
    assert len(shares) >= 40, "many kinds of stay"
    assert all(shares[code] / len(over) <= 0.06 for code in shares if code not in {"O80", "Z38"})
    index = again = 0
    for each in stays:
        for stay, after in zip(each, [*each[1:], None], strict=False):
            if stay.key != "newborn" and not stay.died and stay.end <= ANCHOR:
                index += 1
                again += after is not None and after.start - stay.end <= timedelta(days=30)
    assert 0.10 <= again / index <= 0.18


def test_at_midnight_the_first_hundreds_have_somebody_in_bed() -> None:
    midnight = ANCHOR.replace(hour=0)
    for seed in (1, 2, 7):
        stays = [stay for number in range(1, 301) for stay in beds_of(seed, ANCHOR).stays(number)]
        inside = [s for s in stays if s.inpatient and (s.admitted or s.start) <= midnight < s.end]
        assert 12 <= len(inside) <= 40
        assert len({stay.key for stay in inside}) >= 8


def test_nobody_lies_in_a_bed_that_is_taken() -> None:
    taken: dict[str, list[tuple[datetime, datetime]]] = {}
    for number in range(1, 1_201):
        for stay in beds_of(3, ANCHOR).stays(number):
            ends = [at for at, _ in stay.moves[1:]] + [stay.end]
            for (begin, bed), end in zip(stay.moves, ends, strict=True):
                taken.setdefault(bed, []).append((begin, end))
    for bed, times in taken.items():
        times.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(times)), bed
    assert max(len(times) for times in taken.values()) > 3


def test_papers_are_scanned_and_registrations_taken_back(spoilt: list[Told]) -> None:
    papers = [item for one in spoilt for item in one.items if isinstance(item, Document) and item.scan]
    assert {each.media for each in papers} == {"application/pdf", "image/tiff"}
    for each in papers:
        assert each.scan[:4] in (b"%PDF", b"II*\0", b"MM\0*")
    back = next(each for one in patients(CLEAN, 1, 400) for each in one.messages if each.kind.startswith("ADT^A11"))
    # Of a visit that never was.
    assert re.search(rb"\|9\d{6}90\^\^\^HRMC\^VN", back.data)


def test_children_get_the_doses_of_children_and_nobody_what_makes_them_ill() -> None:
    children = 0
    for number in range(1, 240):
        one = patient(CLEAN, number)
        penicillin = any("Penicillin" in each.code for each in one.person.allergies)
        for order in [item for item in one.items if isinstance(item, Order)]:
            assert order.stay is not None
            for _, drug in order.drugs:
                assert not (penicillin and drug.text.startswith(("Amoxicillin", "Piperacillin")))
                if 2 <= order.stay.age < 12 and drug.text == "Acetaminophen":
                    children += 1
                    assert drug.dose == "240 mg"
    assert children


def test_troponin_rises_in_an_infarction_and_sodium_recovers_in_sepsis() -> None:
    found: Counter[str] = Counter()
    for number in range(1, 2000):
        if found == {"nstemi": 2, "sepsis": 2}:
            break
        hospital = Hospital(3, ANCHOR)
        if person(3, number, ANCHOR.date()).age(ANCHOR.date()) < 48:
            continue
        one = patient(hospital, number)
        for stay in one.stays:
            if stay.key not in {"nstemi", "sepsis"} or found[stay.key] >= 2 or stay.died or stay.end > ANCHOR:
                continue
            code = {"nstemi": "89579-7", "sepsis": "2951-2"}[stay.key]
            text = b"\r".join(each.data for each in one.messages if stay.number.encode() in each.data).decode()
            values = [float(each) for each in re.findall(rf"\|NM\|{code}\^[^|]*\|\|([\d.]+)\|", text)]
            if len(values) > 1:
                found[stay.key] += 1
                assert values[-1] > values[0] if stay.disposition != "07" else values[-1] >= values[0] - 2
    assert found["nstemi"] and found["sepsis"]


# What others make of it


def unreadable(told: list[Told]) -> tuple[list[str], set[str]]:
    """What our codec warns of or FHIR's schema refuses; and the control numbers that cannot be read."""
    wrong, refused = [], set()
    for one in told:
        for each in one.messages:
            if each.bundle:
                for entry in orjson.loads(each.data)["entry"]:
                    wrong += [f"{each.control} {problem}" for problem in validate(entry["resource"])]
                continue
            try:
                plan = to_fhir(parse(each.data), zone=ZONE, mint=lambda kind, key: f"{kind}-{abs(hash(key))}")
            except Hl7Error:
                refused.add(each.control)
                continue
            wrong += [f"{each.kind} {warning}" for warning in plan.warnings]
            for draft in plan.drafts:
                resource: Any = orjson.loads(orjson.dumps(draft.resource))
                wrong += [f"{each.kind} {draft.type} {problem}" for problem in validate(resource)]
    return wrong, refused


def test_every_message_is_read_without_a_warning_and_every_resource_valid(clean: list[Told]) -> None:
    assert unreadable(clean) == ([], set())


def test_of_a_spoilt_hospital_only_what_the_key_names_cannot_be_read(spoilt: list[Told]) -> None:
    wrong, refused = unreadable(spoilt)
    named = {answer.message for one in spoilt for answer in one.answers if answer.kind == "unfiled_message"}
    assert wrong == []
    assert refused == named
    assert named


def test_the_feeds_are_of_every_kind(spoilt: list[Told]) -> None:
    kinds = {each.kind[:7] for one in spoilt for each in one.messages}
    assert kinds >= {
        "ADT^A01", "ADT^A02", "ADT^A03", "ADT^A04", "ADT^A06", "ADT^A08", "ADT^A28", "ADT^A31", "ADT^A40",
        "ORU^R01", "MDM^T02", "SIU^S12", "VXU^V04", "RDE^O11", "RAS^O17", "ORM^O01", "DFT^P03", "Bundle",
    }  # fmt: skip


def test_no_code_is_of_a_licensed_set(clean: list[Told]) -> None:
    systems = {
        system for data in body(clean) for system in re.findall(rb"\^(C4|CPT4?|C5|HCPCS|CDT|JCD)[|~\r]", data)
    }
    assert systems == set()


def test_nobody_of_the_staff_could_be_real() -> None:
    everybody = [each for team in staff(11).values() for each in team]
    assert all(valid_npi(each.npi) and each.npi[0] not in "12" for each in everybody)
    assert len({each.npi for each in everybody}) == len(everybody)


# The key


def test_every_kind_of_error_is_planted_and_points_at_what_exists(spoilt: list[Told]) -> None:
    for one in spoilt:
        sent = b"\r".join(each.data for each in one.messages)
        documents = {each.number: each for each in one.items if isinstance(each, Document)}
        visits = {stay.number for stay in one.stays}
        controls = {each.control for each in one.messages}
        for answer in one.answers:
            assert answer.mrn == one.person.mrn
            assert answer.finding
            assert answer.mrn.encode() in sent
            assert not answer.visit or answer.visit in visits
            assert not answer.document or answer.document in documents
            assert not answer.document or answer.document.encode() in sent
            assert not answer.message or answer.message in controls
            assert not answer.other or answer.other.encode() in sent or answer.right
    kinds = {answer.kind for one in spoilt for answer in one.answers}
    for kind in DEFAULT_RATES.keys() - kinds - {"extreme_value", "look_alike"}:  # near misses of other kinds
        alone = Hospital(11, ANCHOR, {kind: 1.0})
        found = (answer for one in patients(alone, 1, 2_000) for answer in one.answers if answer.kind == kind)
        assert next(found, None) is not None, kind
    assert any(answer.right for one in spoilt for answer in one.answers)


def test_what_the_key_says_is_what_was_done(spoilt: list[Told]) -> None:
    for one in spoilt:
        documents = {each.number: each for each in one.items if isinstance(each, Document)}
        for answer in one.answers:
            document = documents.get(answer.document)
            match answer.kind:
                case "unsigned_document":
                    assert document and document.signed is None
                case "late_document" if document and document.kind.startswith("DS"):
                    assert document.stay and document.filed - document.stay.end > timedelta(days=30)
                case "late_document":
                    assert document and document.stay
                    assert document.at - (document.stay.admitted or document.stay.start) > timedelta(hours=24)
                case "history_too_old":
                    assert document and document.stay
                    assert (document.stay.start - document.at > timedelta(days=30)) is not answer.right
                case "laterality":
                    assert document and document.stay
                    assert document.stay.side not in document.text
                case "newborn_weight":
                    assert not any(b"29463-7" in each.data for each in one.messages)
                case "duplicate" if not answer.right:
                    assert any(f"|{answer.other}^^^HRMC^MR|".encode() in each.data for each in one.messages)
                case "missing_document":
                    title = re.search(r"There is no ([a-z ]+);", answer.finding)
                    assert title
                    mine = [each for each in documents.values() if each.stay and each.stay.number == answer.visit]
                    assert title[1] not in {each.title.lower() for each in mine}


def test_a_hospital_without_errors_names_only_near_misses_and_what_is_not_written_yet() -> None:
    answers = [answer for one in patients(CLEAN, 1, 160) for answer in one.answers]
    waiting = [answer for answer in answers if answer.kind == "not_yet"]
    assert {answer.kind for answer in answers} == {"duplicate", "overlay", "not_yet"}
    assert all(answer.right for answer in answers if answer not in waiting)
    assert all(answer.what == "missing" and answer.deficiency and answer.owed_by for answer in waiting)
