"""FHIR: bundles of every type, single resources and NDJSON; references, stubs, repeats, and what goes wrong."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections import Counter
from typing import Any

import orjson
import pytest
import zstandard

from charthouse.intake.api import IntakeError
from charthouse.intake.models import MessageState

ALL = ("transaction", "batch", "collection", "searchset", "history", "document", "message")
ATOMIC = ("transaction", "document", "message")
NPI = "http://hl7.org/fhir/sid/us-npi"


COMPOSITION = {
    "resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "Note"}, "date": "2026-01-01",
    "author": [{"display": "Dr. A"}], "title": "Note", "subject": {"reference": "Patient/p1"},
}  # fmt: skip
HEADER = {"resourceType": "MessageHeader", "id": "m", "eventUri": "urn:x", "source": {"endpoint": "urn:a"}}


def head_of(kind: str) -> list[dict[str, Any]]:
    """What FHIR asks a bundle of this type to begin with."""
    return {"document": [COMPOSITION], "message": [HEADER]}.get(kind, [])


@pytest.mark.parametrize("kind", ALL)
def test_a_bundle_of_any_type_is_filed(inbox: Any, make: Any, kind: str) -> None:
    taken = inbox.take_one(make.bundle(kind, *head_of(kind), make.patient(), make.observation()))
    assert taken.kind == f"Bundle {kind}"
    assert taken.result.state is MessageState.FILED
    assert inbox.counts() >= Counter(Patient=1, Observation=1)
    assert inbox.state(taken.receipt.message) == "filed"
    assert inbox.items() == []


@pytest.mark.parametrize("kind", ALL)
def test_one_bad_entry_takes_the_others_with_it_only_where_the_bundle_is_one(
    inbox: Any, make: Any, kind: str
) -> None:
    bad = make.observation("bad", status=7)
    first = len(head_of(kind)) + 1
    taken = inbox.take_one(make.bundle(kind, *head_of(kind), make.patient(), bad, make.observation("good")))
    message = taken.receipt.message
    place = f"entry {first + 1} Observation.status"
    assert inbox.problems(message) == [("not-valid", place)]
    if kind in ATOMIC:
        assert taken.result.state is MessageState.UNFILED
        assert inbox.counts() == Counter()
        assert inbox.one("SELECT count(*) FROM record_version") == 0
        assert inbox.one("SELECT count(*) FROM identity_source_patient") == 0
        assert inbox.one("SELECT count(*) FROM record_directory_alias") == 0
    else:
        assert taken.result.state is MessageState.PARTLY
        assert inbox.counts()["Observation"] == 1
    (item,) = inbox.items()
    assert item[0] == str(message)
    assert "registered" in item[1]


def test_every_bad_entry_has_its_own_reason_and_place(inbox: Any, make: Any) -> None:
    data = make.bundle("collection", make.patient())
    data["entry"] += [
        {"resource": {"resourceType": "Unicorn", "id": "u"}},
        {"resource": {"id": "u"}},
        {"request": {"method": "DELETE", "url": "Observation/1"}},
        {},
        {"resource": make.observation("x", of="Patient/unknown")},
        {"resource": make.observation("y", of="urn:uuid:5c3ad37a-2f2c-4d6f-a8b4-1c5f3d8f8f5f")},
        {"resource": make.observation("z", valueQuantity={"value": "many"})},
        {"resource": {"resourceType": "Bundle", "type": "collection"}},
        {"resource": [1]},
        {"resource": make.observation("ok")},
    ]
    taken = inbox.take_one(data)
    assert taken.result.state is MessageState.PARTLY
    found = inbox.problems(taken.receipt.message)
    assert {place.split()[1].split(".")[0]: code for code, place in found} == {
        "2": "unknown-type", "3": "unknown-type", "4": "no-resource", "5": "no-resource", "6": "unknown-patient",
        "7": "unresolved-reference", "8": "not-valid", "9": "unknown-type", "10": "not-fhir",
    }  # fmt: skip
    assert inbox.counts() == Counter(Patient=1, Observation=1)
    assert len(inbox.items()) == 1


def test_a_single_resource_is_a_message(inbox: Any, make: Any) -> None:
    taken = inbox.take_one(make.patient())
    assert (taken.kind, taken.result.state) == ("resource", MessageState.FILED)
    assert inbox.only("Patient")["name"] == [{"family": "Marsh", "given": ["Ida"]}]


def lines(make: Any, count: int) -> bytes:
    resources = [make.patient(), *(make.observation(f"o{n}") for n in range(count - 1))]
    return b"\n".join(orjson.dumps(each) for each in resources) + b"\n"


@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress],
    ids=["plain", "gzip", "bzip2", "xz", "zstd"],
)
def test_ndjson_comes_in_chunks_plain_or_packed(inbox: Any, make: Any, pack: Any) -> None:
    taken = inbox.take(pack(lines(make, 1_100)))
    assert [each.kind for each in taken] == ["NDJSON"] * 3
    assert [sum(each.result.types.values()) for each in taken] == [500, 500, 100]
    assert all(each.result.state is MessageState.FILED for each in taken)
    assert inbox.counts() == Counter(Patient=1, Observation=1_099)


def test_a_bad_line_of_ndjson_leaves_the_others(inbox: Any, make: Any) -> None:
    data = lines(make, 3) + b'{"resourceType":"Observation", \n' + orjson.dumps(make.observation("last")) + b"\n"
    taken = inbox.take_one(data)
    assert taken.result.state is MessageState.PARTLY
    assert inbox.problems(taken.receipt.message) == [("not-json", "entry 4")]
    assert inbox.counts() == Counter(Patient=1, Observation=3)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"   \n", b"hello", b"<xml/>", b"[]", b"42", b'{"a":', b"\x00\x01\x02", b"\xff\xfe",
        b"PK\x03\x04zip", b"%PDF-1.7", b"{}{}", gzip.compress(b"hello", mtime=0),
        gzip.compress(b'{"resourceType"', mtime=0)[:-9],
        bz2.compress(b"x" * 5_000)[:20], b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00",
    ],
)  # fmt: skip
def test_what_is_neither_is_said_to_be_so_and_nothing_is_kept(inbox: Any, data: bytes) -> None:
    with pytest.raises(IntakeError) as refused:
        inbox.take(data)
    assert len(str(refused.value)) > 10
    assert inbox.one("SELECT count(*) FROM intake_message") == 0


# The same again


def test_the_same_message_twice_files_once_and_says_so(inbox: Any, make: Any) -> None:
    data = make.bundle("transaction", make.patient(), make.observation())
    first = inbox.take_one(data)
    again = inbox.take_one(data)
    assert again.receipt.duplicate_of == first.receipt.message
    assert again.receipt.message != first.receipt.message
    assert again.result is None
    assert inbox.state(again.receipt.message) == "duplicate"
    assert inbox.one("SELECT count(*) FROM record_version") == 2
    assert inbox.one("SELECT count(*) FROM intake_original WHERE message = %s", again.receipt.message) == 0


def test_the_same_content_in_another_bundle_changes_nothing(inbox: Any, make: Any) -> None:
    inbox.take(make.bundle("transaction", make.patient(), make.observation()))
    taken = inbox.take_one(make.bundle("transaction", make.patient(), make.observation(), id="another"))
    assert taken.receipt.duplicate_of is None
    assert {outcome.value: count for outcome, count in taken.result.counts.items()} == {"unchanged": 2}
    assert inbox.one("SELECT count(*) FROM record_version") == 2


def test_the_same_bundle_twice_in_one_file_files_once(inbox: Any, make: Any) -> None:
    line = orjson.dumps(make.bundle("collection", make.patient(), make.observation()))
    inbox.take(line + b"\n" + line + b"\n")
    assert inbox.counts() == Counter(Patient=1, Observation=1)
    assert inbox.one("SELECT count(*) FROM record_version") == 2


def test_an_unfiled_message_sent_again_is_tried_again(inbox: Any, make: Any) -> None:
    early = make.bundle("collection", make.observation())
    first = inbox.take_one(early)
    assert first.result.state is MessageState.UNFILED
    assert inbox.problems(first.receipt.message) == [("unknown-patient", "entry 1")]
    inbox.take(make.patient())
    again = inbox.take_one(early)
    assert again.receipt.duplicate_of == first.receipt.message
    inbox.file_waiting()
    assert inbox.state(first.receipt.message) == "filed"
    assert inbox.counts()["Observation"] == 1
    assert inbox.items() == []
    assert inbox.problems(first.receipt.message) == []


def test_a_filed_message_sent_again_is_not_tried_again(inbox: Any, make: Any) -> None:
    inbox.take(make.patient())
    inbox.take(make.patient())
    assert inbox.one("SELECT count(*) FROM intake_queue") == 0


def test_the_same_content_of_another_sender_is_another_source_patient(inbox: Any, make: Any) -> None:
    data = make.bundle("transaction", make.patient(), make.observation())
    inbox.take(data, sender="north")
    inbox.take(data, sender="south")
    assert inbox.counts() == Counter(Patient=2, Observation=2)
    assert len({each["id"] for each in inbox.all_of("Patient")}) == 2
    # … and here one and the same person, whose chart has both.
    assert len(inbox.charts()) in (1, 2)
    assert sum(map(len, inbox.charts())) == 2


# References


def test_references_of_every_form_lead_to_what_they_name(inbox: Any, make: Any) -> None:
    base = "https://a.example/fhir"
    doctor = {"resourceType": "Practitioner", "id": "d", "identifier": [{"system": NPI, "value": "1234567893"}]}
    visit = {
        "resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": "urn:uuid:p1"},
    }  # fmt: skip
    data = make.bundle("transaction", make.patient(), visit, doctor, urls=True)
    data["entry"][1]["fullUrl"] = f"{base}/Encounter/e"
    data["entry"].append(
        {
            "fullUrl": "urn:uuid:o",
            "resource": make.observation(
                "o",
                of="urn:uuid:p1",
                encounter={"reference": f"{base}/Encounter/e"},
                performer=[
                    {"reference": "Practitioner/d"},
                    {"reference": f"Practitioner?identifier={NPI}|1234567893"},
                    {"reference": "#inside"},
                ],
                focus=[{"reference": "Patient/p1/_history/3"}],
                contained=[{"resourceType": "Practitioner", "id": "inside"}],
            ),
        }
    )
    assert inbox.take_one(data).result.state is MessageState.FILED
    ours = {kind: inbox.only(kind)["id"] for kind in ("Patient", "Encounter", "Practitioner")}
    found = inbox.only("Observation")
    assert found["subject"]["reference"] == f"Patient/{ours['Patient']}"
    assert found["encounter"]["reference"] == f"Encounter/{ours['Encounter']}"
    assert [each["reference"] for each in found["performer"]] == [
        f"Practitioner/{ours['Practitioner']}", f"Practitioner/{ours['Practitioner']}", "#inside"
    ]  # fmt: skip
    assert found["focus"][0]["reference"] == f"Patient/{ours['Patient']}"
    row = inbox.rows(
        "SELECT o.patient = p.id, o.encounter = e.id FROM record_resource o, record_resource p, record_resource e "
        "WHERE o.public_id = %s AND p.public_id = %s AND e.public_id = %s",
        found["id"], ours["Patient"], ours["Encounter"],
    )  # fmt: skip
    assert row == [(True, True)]


def test_a_reference_into_an_earlier_message_finds_it(inbox: Any, make: Any) -> None:
    inbox.take(make.patient(), sender="north")
    taken = inbox.take_one(make.observation(), sender="north")
    assert taken.result.state is MessageState.FILED
    other = inbox.take_one(make.observation(), sender="south")
    assert other.result.state is MessageState.UNFILED


def test_a_conditional_reference_to_a_patient_who_is_not_in_the_message_leads_nowhere(
    inbox: Any, make: Any
) -> None:
    inbox.take(make.patient())
    taken = inbox.take_one(make.bundle("collection", make.observation(of="Patient?identifier=urn:mrn|p1")))
    assert inbox.problems(taken.receipt.message) == [("unresolved-reference", "entry 1 Observation")]


def test_numbers_are_kept_exactly(inbox: Any) -> None:
    inbox.take(
        b'{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p1"}},'
        b'{"resource":{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},'
        b'"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":72.50,"unit":"kg"},'
        b'"component":[{"code":{"text":"y"},"valueQuantity":{"value":1.0e-3}}]}}]}'
    )
    from charthouse.record.api import decompress

    content = inbox.one(
        "SELECT v.content FROM record_version v JOIN record_resource r ON r.type = v.type AND r.id = v.resource "
        "WHERE r.patient <> r.id"
    )
    assert b'"value":72.50,' in decompress(content)
    assert b'"value":1.0e-3}' in decompress(content)


# Shared resources


def mention(make: Any, **more: Any) -> dict[str, Any]:
    return make.bundle(
        "collection", make.patient(),
        make.observation(performer=[{"reference": f"Practitioner?identifier={NPI}|1234567893"}], **more),
    )  # fmt: skip


REAL = {
    "resourceType": "Practitioner", "id": "d7", "name": [{"family": "Lindqvist"}],
    "identifier": [{"system": "urn:staff", "value": "7"}, {"system": NPI, "value": "1234567893"}],
}  # fmt: skip


def test_a_mention_becomes_a_stub_and_later_the_real_one_under_the_same_id(inbox: Any, make: Any) -> None:
    inbox.take(mention(make), sender="north")
    stub = inbox.only("Practitioner")
    assert stub["identifier"] == [{"system": NPI, "value": "1234567893"}]
    inbox.take(REAL, sender="south")
    real = inbox.only("Practitioner")
    assert real["id"] == stub["id"]
    assert real["name"] == [{"family": "Lindqvist"}]
    inbox.take(mention(make, status="amended"), sender="west")
    assert inbox.only("Practitioner") == real
    assert all(
        each["performer"][0]["reference"] == f"Practitioner/{real['id']}" for each in inbox.all_of("Observation")
    )


def test_a_stub_is_not_made_of_what_is_known_by_another_identifier(inbox: Any, make: Any) -> None:
    inbox.take(REAL, sender="south")
    real = inbox.only("Practitioner")
    inbox.take(mention(make), sender="north")
    assert inbox.only("Practitioner") == real
    assert inbox.only("Observation")["performer"][0]["reference"] == f"Practitioner/{real['id']}"


def test_a_stub_of_a_refused_transaction_is_made_by_the_next(inbox: Any, make: Any) -> None:
    refused = mention(make)
    refused["type"] = "transaction"
    refused["entry"].append({"resource": make.observation("bad", status=7)})
    inbox.take(refused)
    assert inbox.counts() == Counter()
    inbox.take(mention(make))
    assert inbox.counts() == Counter(Patient=1, Observation=1, Practitioner=1)


def test_one_practitioner_of_two_senders_is_one_entry_of_the_directory(inbox: Any) -> None:
    inbox.take(REAL, sender="north")
    inbox.take({**REAL, "id": "other", "identifier": REAL["identifier"][1:]}, sender="south")
    assert len(inbox.all_of("Practitioner")) == 1
    assert inbox.one("SELECT count(*) FROM people_practitioner WHERE npi = '1234567893'") == 1


# Whose it is


def test_an_item_of_one_patient_goes_to_no_other(inbox: Any, make: Any) -> None:
    two = make.patient("p2", "Okafor", "Ben", birthDate="1990-01-01", gender="male")
    inbox.take(make.bundle("collection", make.patient(), two, make.observation()))
    taken = inbox.take_one(make.bundle("collection", make.observation(of="Patient/p2")))
    assert inbox.problems(taken.receipt.message) == [("other-patient", "entry 1")]
    both = make.bundle("collection", make.observation("new"), make.observation("new", of="Patient/p2"))
    taken = inbox.take_one(both)
    assert inbox.problems(taken.receipt.message) == [("other-patient", "entry 2")]
    assert inbox.one("SELECT count(DISTINCT patient) FROM record_resource WHERE type = 96") in (0, 1)


def test_an_item_moves_between_records_of_one_person(inbox: Any, make: Any) -> None:
    # The sender keeps two records of one person, and corrects which of them an item belongs to.
    inbox.take(
        make.bundle(
            "collection", make.patient("p1"), make.patient("p2", identifier=[{"system": "urn:mrn", "value": "p1"}])
        )
    )
    assert len(inbox.charts()) == 1
    inbox.take(make.observation())
    taken = inbox.take_one(make.observation(of="Patient/p2"))
    assert taken.result.state is MessageState.FILED


def test_a_large_document_goes_to_the_file_store_and_a_retry_finds_it(inbox: Any, make: Any) -> None:
    import base64

    from charthouse.record import api as record

    data = bytes(range(256)) * 400
    document = {
        "resourceType": "DocumentReference", "id": "d", "status": "current", "subject": {"reference": "Patient/p1"},
        "content": [{"attachment": {"contentType": "application/pdf", "data": base64.b64encode(data).decode()}}],
    }  # fmt: skip
    inbox.take(make.bundle("collection", make.patient(), document))
    row = inbox.one("SELECT id FROM record_resource WHERE patient = id")
    found = record.document_file(make.system, [row], "DocumentReference", inbox.only("DocumentReference")["id"], 0)
    assert found is not None
    assert found.content == data


def test_originals_are_kept_byte_for_byte(inbox: Any, make: Any) -> None:
    from charthouse.intake.actions.file_messages import originals_of

    one, two = orjson.dumps(make.patient()), orjson.dumps(make.observation())
    head = b'{ "resourceType" : "Bundle","type":"collection", "entry":['
    written = head + b' {"resource":' + one + b' } ,\n {"resource":' + two + b"} ] }"
    taken = inbox.take_one(written)
    kept = originals_of(inbox.cursor, [taken.receipt.message])[taken.receipt.message]
    assert {seq: data for seq, (_, data) in kept.items()} == {
        0: head + b"] }",
        1: b'{"resource":' + one + b" }",
        2: b'{"resource":' + two + b"}",
    }


def test_a_stream_that_gives_little_at_a_time_is_read_whole(inbox: Any, make: Any) -> None:
    class Slow(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.data = data

        def read(self, size: int = -1, /) -> bytes:
            taken, self.data = self.data[:3], self.data[3:]
            return taken

    from charthouse.intake.api import Connector, take_in

    data = orjson.dumps(make.bundle("collection", make.patient(), make.observation()))
    (taken,) = take_in(Slow(data), connector=Connector.FILES)
    assert taken.result is not None
    assert taken.result.state is MessageState.FILED


@pytest.mark.parametrize(
    "statement",
    ["UPDATE intake_original SET body = ''", "DELETE FROM intake_original", "TRUNCATE intake_original"],
)
def test_originals_cannot_be_changed_or_deleted(inbox: Any, make: Any, statement: str) -> None:
    from django.db import DatabaseError, transaction

    inbox.take(make.patient())
    with pytest.raises(DatabaseError), transaction.atomic():
        inbox.cursor.execute(statement)
    assert inbox.one("SELECT count(*) FROM intake_original") == 1
