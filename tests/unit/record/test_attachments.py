"""Documents: small attachments stay in their resource, large ones go to the file store and come back the same."""

from __future__ import annotations

import base64
import random
from typing import Any

import orjson
import pytest

from charthouse.record import api as record
from charthouse.record.chart import PartKind
from charthouse.record.domain.attachments import LARGE
from charthouse.record.preparing import without_large


def pdf(size: int, seed: int = 1) -> bytes:
    return b"%PDF-1.7\n" + random.Random(seed).randbytes(size - 9)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(("size", "leaves"), [(1_000, False), (LARGE, False), (LARGE + 3, True), (300_000, True)])
def test_only_large_ones_leave_and_all_come_back_the_same(book: Any, make: Any, size: int, leaves: bool) -> None:
    row = book.patient()
    data = pdf(size)
    book.file(make.document(data=encoded(data)))
    attachment = book.current("DocumentReference", "d1").resource["content"][0]["attachment"]
    assert ("data" not in attachment) is leaves
    if leaves:
        assert attachment["size"] == size
        assert attachment["url"].startswith("Binary/")
    found = record.document_file(make.system, [row], "DocumentReference", "d1", 0)
    assert found is not None
    assert (found.content, found.media_type) == (data, "application/pdf")
    shown = record.document(make.system, [row], "DocumentReference", "d1")
    assert shown is not None
    assert [(part.kind, part.size, part.file) for part in shown.parts] == [(PartKind.PDF, size, 0)]


def test_each_version_has_its_own_file(book: Any, make: Any) -> None:
    row = book.patient()
    for seed in (1, 2):
        book.file(make.document(data=encoded(pdf(100_000, seed))))
    found = record.document_file(make.system, [row], "DocumentReference", "d1", 0)
    assert found is not None
    assert found.content == pdf(100_000, 2)
    before = record.document_file(make.system, [row], "DocumentReference", "d1", 0, 1)
    assert before is not None
    assert before.content == pdf(100_000, 1)
    assert record.document_file(make.system, [row], "DocumentReference", "d1", 0, 3) is None
    assert book.one("SELECT count(DISTINCT file) FROM record_attachment") == 2


def test_a_version_that_only_points_to_the_bytes_still_has_them(book: Any, make: Any) -> None:
    row = book.patient()
    book.file(make.document(data=encoded(pdf(100_000))))
    kept = book.current("DocumentReference", "d1").resource
    book.file({**kept, "docStatus": "final"})
    found = record.document_file(make.system, [row], "DocumentReference", "d1", 0)
    assert found is not None
    assert found.content == pdf(100_000)


def test_a_version_whose_bytes_were_taken_away_shows_none_of_the_old_ones(book: Any, make: Any) -> None:
    row = book.patient()
    book.file(make.document(data=encoded(pdf(100_000))))
    book.file(
        make.document(content=[{"attachment": {"contentType": "application/pdf", "url": "https://a.example/1"}}])
    )
    assert record.document_file(make.system, [row], "DocumentReference", "d1", 0) is None


def test_several_attachments_are_told_apart(book: Any, make: Any) -> None:
    row = book.patient()
    datas = [pdf(60_000, 1), b"short", pdf(70_000, 3)]
    book.file(
        make.document(
            content=[{"attachment": {"contentType": "application/pdf", "data": encoded(data)}} for data in datas]
        )
    )
    for number, data in enumerate(datas):
        found = record.document_file(make.system, [row], "DocumentReference", "d1", number)
        assert found is not None
        assert found.content == data
    for number in (-1, 3):
        assert record.document_file(make.system, [row], "DocumentReference", "d1", number) is None


@pytest.mark.parametrize("data", ["not base64 !", "AAA", "=" * 70_000, "é" * 70_000])
def test_data_that_cannot_be_decoded_stays_and_breaks_nothing(book: Any, make: Any, data: str) -> None:
    row = book.patient()
    book.file(make.document(data=data))
    assert book.current("DocumentReference", "d1").resource["content"][0]["attachment"]["data"] == data
    shown = record.document(make.system, [row], "DocumentReference", "d1")
    assert shown is not None
    assert "cannot be decoded" in shown.parts[0].text
    assert record.document_file(make.system, [row], "DocumentReference", "d1", 0) is None


def test_data_in_lines_is_read_all_the_same(book: Any, make: Any) -> None:
    row = book.patient()
    for size in (500, 90_000):
        book.file(make.document(data=base64.encodebytes(pdf(size)).decode()))
        found = record.document_file(make.system, [row], "DocumentReference", "d1", 0)
        assert found is not None
        assert found.content == pdf(size)


def test_the_same_large_document_again_is_unchanged(book: Any, make: Any) -> None:
    book.patient()
    first = book.file(make.document(data=encoded(pdf(100_000))))[0]
    again = book.file(make.document(data=encoded(pdf(100_000))))[0]
    assert (first.version, again.version, again.outcome) == (1, 1, record.Outcome.UNCHANGED)


def test_numbers_beside_a_large_attachment_stay_as_written() -> None:
    content = b"".join(
        [
            b'{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},',
            b'"valueQuantity":{"value":72.50},"component":[{"code":{"text":"y"},"valueQuantity":{"value":1.0E+2}}],',
            b'"valueAttachment":{"data":"' + encoded(pdf(60_000)).encode() + b'"}}',
        ]
    )
    kept, parts = without_large(content)
    assert len(parts) == 1
    assert b'"value":72.50' in kept
    assert b'"value":1.0E+2' in kept
    assert len(kept) < 1_000
    assert orjson.loads(kept)["valueAttachment"]["size"] == 60_000


def test_a_document_is_open_only_through_its_own_patient(book: Any, make: Any) -> None:
    book.patient("p1")
    other = book.patient("p2")
    book.file(make.document(data=encoded(pdf(60_000))))
    assert record.document(make.system, [other], "DocumentReference", "d1") is None
    assert record.document_file(make.system, [other], "DocumentReference", "d1", 0) is None
