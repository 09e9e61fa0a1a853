"""Documents of every form and compression come apart into entries that are exactly what came."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from charthouse.exchange.fhir.api import Entry, FhirError, Form, Limits, open_stream, split

PATIENT = b'{"resourceType":"Patient","id":"p"}'
BUNDLE = b"""\xef\xbb\xbf
{
  "resourceType": "Bundle", "id": "b", "type": "transaction",
  "identifier": {"system": "urn:s", "value": "v"}, "timestamp": "2024-01-01T00:00:00Z",
  "link": [],
  "entry": [
    {"fullUrl": "urn:uuid:1", "resource": {"resourceType":"Observation",  "valueQuantity":{"value":72.50} },
     "request": {"method": "POST", "url": "Observation", "ifNoneExist": "identifier=a|b"}} ,
    {"request": {"method": "DELETE", "url": "Patient/3", "ifMatch": "W/\\"2\\""}},
    {"resource": {"resourceType":"Patient"}, "fullUrl": "Patient/4"}
  ],
  "total": 3.0
}
"""
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def refusal(source: bytes, limits: Limits | None = None) -> FhirError:
    """The error of a document that cannot be read at all, or of its only entry."""
    with pytest.raises(FhirError) as caught:
        for entry in split(source, limits or Limits()):
            entry.parse(limits or Limits())
    return caught.value


def test_a_bundle_comes_apart_into_exact_slices() -> None:
    found = split(BUNDLE)
    first, second, third = found
    assert found.form is Form.BUNDLE
    assert first.resource == b'{"resourceType":"Observation",  "valueQuantity":{"value":72.50} }'
    assert (first.full_url, first.method, first.url, first.if_none_exist) == (
        "urn:uuid:1",
        "POST",
        "Observation",
        "identifier=a|b",
    )
    assert (second.method, second.resource, second.if_match) == ("DELETE", b"", 'W/"2"')
    assert [entry.index for entry in (first, second, third)] == [0, 1, 2]
    for entry in (first, second, third):
        assert BUNDLE[entry.offset :].startswith(entry.original)
        assert entry.original.startswith(b"{")
        assert entry.original.endswith(b"}")


def test_the_envelope_is_the_bundle_without_its_entries() -> None:
    envelope = split(BUNDLE).envelope
    assert envelope is not None
    assert (envelope.type, envelope.id, envelope.count) == ("transaction", "b", 3)
    assert (envelope.identifier, envelope.timestamp) == (("urn:s", "v"), "2024-01-01T00:00:00Z")
    assert envelope.all_or_nothing
    assert b'"total": 3.0' in envelope.data
    assert b'"entry": []' in envelope.data
    assert json.loads(envelope.data)["entry"] == []


@pytest.mark.parametrize("kind", ["batch", "collection", "message", "document", "history", "searchset"])
def test_every_type_of_bundle_is_split(kind: str) -> None:
    found = split(b'{"resourceType":"Bundle","type":"%b","entry":[{"resource":%b}]}' % (kind.encode(), PATIENT))
    assert [entry.resource for entry in found] == [PATIENT]
    assert found.envelope is not None
    assert found.envelope.type == kind
    assert not found.envelope.all_or_nothing


@pytest.mark.parametrize("raw", [b'{"resourceType":"Bundle"}', b'{"resourceType":"Bundle","entry":[]}'])
def test_a_bundle_without_entries_has_an_envelope(raw: bytes) -> None:
    found = split(raw)
    assert list(found) == []
    assert found.envelope is not None
    assert found.envelope.count == 0


def test_a_single_resource_is_one_entry() -> None:
    raw = b"\xef\xbb\xbf\n" + PATIENT + b"\n\n"
    (entry,) = found = split(raw)
    assert found.form is Form.RESOURCE
    assert found.envelope is None
    assert (entry.resource, entry.original, entry.offset) == (PATIENT, raw, 0)


def test_a_resource_over_several_lines_is_not_taken_for_ndjson() -> None:
    raw = b'{"resourceType":"Patient","name":[\n{"family":"A"},\n{"family":"B"}]}'
    (entry,) = split(raw)
    assert entry.resource == raw


def test_ndjson_is_read_by_line_with_bundles_among_them() -> None:
    raw = b"\xef\xbb\xbf\n" + PATIENT + b"\r\n\n  " + PATIENT + b"\n"
    raw += b'{"resourceType":"Bundle","type":"batch","entry":[{"resource":%b},{"resource":%b}]}' % (
        PATIENT,
        PATIENT,
    )
    found = split(raw)
    entries = list(found)
    assert found.form is Form.NDJSON
    assert [entry.line for entry in entries] == [2, 4, 5, 5]
    assert [entry.index for entry in entries] == [0, 1, 2, 3]
    assert {entry.resource for entry in entries} == {PATIENT}
    assert [entry.envelope is not None for entry in entries] == [False, False, True, True]
    for entry in entries:
        assert raw[entry.offset :].startswith(entry.original)


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"resourceType":"Patient",}', PATIENT, PATIENT],
        [b'{"resourceType":"Pat', PATIENT, PATIENT],
        [PATIENT, b'{"resourceType":"Patient",}', PATIENT],
        [PATIENT, b"[1]", PATIENT],
        [PATIENT, PATIENT, b'{"resourceType":"Bundle","entry":{}}'],
        [PATIENT, b'{"resourceType":"Bundle","entry":[]', PATIENT],
    ],
)
def test_a_broken_line_does_not_lose_the_others(lines: list[bytes]) -> None:
    entries = list(split(b"\n".join(lines)))
    assert len(entries) == 3
    for entry, line in zip(entries, lines, strict=True):
        if line == PATIENT:
            assert entry.parse()["id"] == "p"
        else:
            with pytest.raises(FhirError) as caught:
                entry.parse()
            assert caught.value.line == entry.line


@pytest.mark.parametrize("name", COMPRESSIONS)
@pytest.mark.parametrize("raw", [BUNDLE, PATIENT, PATIENT + b"\n" + PATIENT])
def test_compression_is_told_by_content(name: str, raw: bytes, tmp_path: Path) -> None:
    packed = COMPRESSIONS[name](raw)
    expected = [entry.original for entry in split(raw)]
    path = tmp_path / "misleading.txt"
    path.write_bytes(packed)
    assert [entry.original for entry in split(packed)] == expected
    assert [entry.original for entry in split(io.BytesIO(packed))] == expected
    with open_stream(path) as stream:
        assert stream.read() == raw
    with open_stream(path) as stream:
        assert [entry.original for entry in split(stream)] == expected


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_damaged_compression_is_told(name: str) -> None:
    packed = COMPRESSIONS[name](b"\n".join([PATIENT] * 5000))
    for damaged in (packed[: len(packed) // 2], packed[:30] + b"\xff" * 40 + packed[70:]):
        if name == "zstd" and damaged == packed[: len(packed) // 2]:
            continue  # a cut Zstandard stream reads as a shorter one; its last line is broken then
        assert "damaged" in refusal(damaged).reason


def test_several_compressed_members_are_one_input() -> None:
    packed = gzip.compress(PATIENT + b"\n") + gzip.compress(PATIENT + b"\n")
    assert len(list(split(packed))) == 2


class Endless(io.RawIOBase):
    """A stream of lines that are made as they are read."""

    def __init__(self, line: bytes, times: int) -> None:
        self._pieces: Iterator[bytes] = (line * 1000 for _ in range(times // 1000))
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = next(self._pieces, b"")
        data, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def test_ndjson_takes_bounded_memory() -> None:
    line = b'{"resourceType":"Patient","id":"p","x":"' + b"y" * 2000 + b'"}\n'
    tracemalloc.start()
    try:
        count = sum(1 for _ in split(Endless(line, 30_000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 30_000  # 60 MB
    assert peak < 8 << 20


def test_a_bomb_is_stopped_at_the_limit() -> None:
    packed = gzip.compress(b'{"resourceType":"Patient","x":"' + b"y" * (40 << 20) + b'"}')
    limits = Limits(document_bytes=1 << 20)
    tracemalloc.start()
    try:
        error = refusal(packed, limits)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "larger than the limit" in error.reason
    assert peak < 8 << 20


@pytest.mark.parametrize("blank", [b"\n", b" ", b" \n"])
def test_floods_of_white_space_do_not_hang(blank: bytes) -> None:
    assert "empty" in refusal(blank * 3_000_000).reason
    assert "empty" in refusal(gzip.compress(blank * 3_000_000)).reason
    between = blank * 1_000_000 + b"\n"
    assert len(list(split(io.BytesIO(between + PATIENT + between + PATIENT)))) == 2


def test_a_line_beyond_the_limit_is_passed_over() -> None:
    limits = Limits(resource_bytes=1000)
    long = b'{"resourceType":"Patient","x":"' + b"y" * 5000 + b'"}'
    entries = list(split(b"\n".join([PATIENT, long, PATIENT]), limits))
    assert [entry.error is None for entry in entries] == [True, False, True]
    assert entries[1].error is not None
    assert "larger than the limit of 1,000" in entries[1].error.reason
    assert entries[2].parse(limits)["id"] == "p"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"[]", "must be a JSON object"),
        (b"7", "must be a JSON object"),
        (b'"x"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"MSH|^~\\&|A|B", "not valid JSON"),
        (b"<Patient/>", "not valid JSON"),
        ('{"resourceType":"Patient"}'.encode("utf-16"), "UTF-16"),
        ('{"resourceType":"Patient"}'.encode("utf-16-le"), "UTF-16"),
        ('{"resourceType":"Patient"}'.encode("utf-32-be"), "UTF-16"),
        (b"{}", "does not name its type"),
        (b'{"resourceType":7}', "does not name its type"),
        (b'{"resourceType":"Patient","x":NaN}', "not valid JSON"),
        (b'{"resourceType":"Patient","x":1e400}', "too large"),
        (b'{"resourceType":"Patient","x":"\xff"}', "UTF-8"),
        (b'{"resourceType":"Patient","x":"\\ud800"}', "not valid JSON"),
        (b'{"resourceType":"Patient","x":"a\\u0000b"}', "NUL"),
        (b'{"resourceType":"Patient","\\u0000":"a"}', "NUL"),
        (b'{"resourceType":"Patient"', "ends too early"),
        (b'{"resourceType":"Patient"} x', "not valid JSON"),
        (b'{"resourceType":"Bundle","entry":{}}', "array"),
        (b'{"resourceType":"Bundle","type":7}', "string"),
        (b'{"resourceType":"Bundle","type":"\xff"}', "string"),
        (b'{"resourceType":"Bundle","id":"\\u0000"}', "NUL"),
        (b'{"resourceType":"Bundle","identifier":[]}', "Identifier"),
        (b'{"resourceType":"Bundle","entry":[7]}', "Expected an object, found a number"),
        (b'{"resourceType":"Bundle","entry":[{"fullUrl":7}]}', "Expected a string, found a number"),
        (b'{"resourceType":"Bundle","entry":[{"fullUrl":"\\u0000","resource":{}}]}', "NUL"),
        (b'{"resourceType":"Bundle","entry":[{"resource":null}]}', "must be a JSON object"),
        (b'{"resourceType":"Bundle","entry":[{"resource":"x"}]}', "must be a JSON object"),
        (b'{"resourceType":"Bundle","entry":[{}]}', "neither a resource nor a request"),
        (b'{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Patient/1"}}]}', "request only"),
    ],
)
def test_what_cannot_be_read_is_told_in_words(raw: bytes, reason: str) -> None:
    assert reason in str(refusal(raw))


def test_the_place_of_an_error_is_told() -> None:
    error = refusal(b'{\n  "resourceType": "Patient",\n  "x": tru\n}')
    assert error.line == 3
    assert error.column in range(8, 12)
    bundle = (
        b'{"resourceType":"Bundle","entry":[{"resource":%b},{"resource":{"resourceType":"X","x":"\xff"}}]}'
        % PATIENT
    )
    error = refusal(bundle)
    assert error.entry == 1
    assert error.offset == bundle.index(b"\xff")
    assert "entry 1" in str(error)


def test_one_bad_entry_leaves_the_others() -> None:
    raw = b'{"resourceType":"Bundle","entry":[{"resource":%b},{"resource":[]},7,{"resource":%b}]}' % (
        PATIENT,
        PATIENT,
    )
    entries = list(split(raw))
    assert [entry.error is None for entry in entries] == [True, False, False, True]
    assert [entry.original for entry in entries if entry.error is None] == [b'{"resource":%b}' % PATIENT] * 2


@pytest.mark.parametrize("depth", [65, 300, 1_100, 100_000, 1_000_000])
@pytest.mark.parametrize("around", [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_depth_is_refused_and_never_crashes(depth: int, around: tuple[bytes, bytes]) -> None:
    opening, closing = around
    deep = opening * depth + b"1" + closing * depth
    for raw in (
        b'{"resourceType":"Patient","x":%b}' % deep,
        b'{"resourceType":"Patient","x":%b' % (opening * depth),
        b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","x":%b}}]}' % deep,
        PATIENT + b"\n" + b'{"resourceType":"Patient","x":%b}' % deep,
    ):
        reason = refusal(raw).reason
        assert "deep" in reason or "not valid JSON" in reason


def test_depth_within_the_limit_is_taken() -> None:
    raw = b'{"resourceType":"Patient","x":%b}' % (b"[" * 63 + b"]" * 63)
    (entry,) = split(raw)
    assert entry.parse()
    brackets = b'{"resourceType":"Patient","x":"%b"}' % (b"[{" * 500)
    (entry,) = split(brackets)
    assert entry.parse()


def test_a_key_given_twice_counts_the_last_time() -> None:
    (entry,) = split(b'{"resourceType":"Patient","id":"a","id":"b"}')
    assert entry.parse()["id"] == "b"


def test_too_many_entries_are_refused() -> None:
    raw = b'{"resourceType":"Bundle","entry":[%b]}' % b",".join([b"{}"] * 11)
    assert "limit of 10" in refusal(raw, Limits(entries=10)).reason


def test_hostile_names_are_only_names() -> None:
    raw = b'{"resourceType":"Patient","__proto__":{"x":1},"%b":1,"a\\u0001":"\\u0007"}' % (b"n" * 100_000)
    (entry,) = split(raw)
    assert isinstance(entry, Entry)
    assert "__proto__" in entry.parse()


def test_an_escaped_backslash_before_u0000_is_text() -> None:
    (entry,) = split(b'{"resourceType":"Patient","x":"\\\\u0000"}')
    assert entry.parse()["x"] == "\\u0000"


def test_errors_cross_processes_with_their_place() -> None:
    error = FhirError("reason", path="Patient.id", entry=3, offset=4, line=5, column=6)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "reason (entry 3; Patient.id; line 5, column 6)"
