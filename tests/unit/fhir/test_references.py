"""References and ids change in the bytes; nothing else does."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charthouse.exchange.fhir.api import (
    FhirError,
    Opened,
    Rewriter,
    parse,
    read_reference,
    references_of,
    rewrite,
    set_id,
)
from charthouse.exchange.fhir.definitions import schema_definitions

KNOWN = {
    "urn:uuid:1": "Patient/p1",
    "Patient/old": "Patient/new",
    "Practitioner?identifier=npi|7": "Practitioner/d7",
    "http://other.example/fhir/Patient/9": 'Patient/"quoted"',
    "é/ü": "Patient/ü",
}


def test_numbers_and_white_space_stay_as_they_came() -> None:
    raw = (
        b'{ "resourceType" : "Observation",\r\n\t"id":"a", "valueQuantity":{"value":72.50},"x":[1.0e-3,'
        b'12345678901234567890123,-0.00,1E+2],  "subject" : { "reference"\n:\t"urn:uuid:1" } }\n'
    )
    result, left = rewrite(raw, KNOWN.get, "b")
    assert result == raw.replace(b'"a"', b'"b"').replace(b"urn:uuid:1", b"Patient/p1")
    assert left == []


def test_contained_references_are_not_asked_for_and_right_ones_stay() -> None:
    asked: list[str] = []

    def resolve(text: str) -> str:
        asked.append(text)
        return text

    raw = b'{"resourceType":"X","a":{"reference":"#c"},"b":{"reference":"Patient/1"}}'
    assert rewrite(raw, resolve) == (raw, [])
    assert asked == ["Patient/1"]


def test_unresolved_are_told_once_and_left_but_not_other_systems() -> None:
    raw = (
        b'{"resourceType":"X","a":[{"reference":"urn:uuid:9"},{"reference":"urn:uuid:9"},{"reference":"Patient/z"},'
        b'{"reference":"https://else.example/Patient/1"},{"reference":"Practitioner?identifier=npi|8"}]}'
    )
    result, left = rewrite(raw, KNOWN.get)
    assert result == raw
    assert left == ["urn:uuid:9", "Patient/z", "Practitioner?identifier=npi|8"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"a":"\\"reference\\": \\"urn:uuid:1\\""}', None),
        (b'{"a \\"reference":"urn:uuid:1"}', None),
        (b'{"a":["reference","urn:uuid:1"]}', None),
        (b'{"a":"reference","b":"urn:uuid:1"}', None),
        (b'{"reference":{"reference":"urn:uuid:1"}}', b'{"reference":{"reference":"Patient/p1"}}'),
        (b'{"\\u0072eference":"urn:uuid:1"}', b'{"\\u0072eference":"Patient/p1"}'),
        (b'{"reference":"Patient\\/old"}', b'{"reference":"Patient/new"}'),
        (b'{"reference":"urn\\u003auuid:1"}', b'{"reference":"Patient/p1"}'),
        (b'{"reference":"http:\\/\\/other.example\\/fhir\\/Patient\\/9"}', b'{"reference":"Patient/\\"quoted\\""}'),
        ('{"reference":"é/ü"}'.encode(), '{"reference":"Patient/ü"}'.encode()),
        (b'{"reference":7}', None),
        (b'{"reference":null}', None),
        (b'{"reference":""}', None),
    ],
)
def test_only_values_of_the_key_reference_are_replaced(raw: bytes, expected: bytes | None) -> None:
    assert rewrite(raw, KNOWN.get)[0] == (expected or raw)


def test_attachments_that_point_into_the_bundle_follow() -> None:
    raw = (
        b'{"content":[{"attachment":{"url":"urn:uuid:1"}},{"attachment":{"url":"urn:uuid:2"}},{"url":"http://x"}]}'
    )
    result, left = rewrite(raw, KNOWN.get)
    assert result == raw.replace(b"urn:uuid:1", b"Patient/p1")
    assert left == []


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"resourceType":"X"}', b'{"resourceType":"X","id":"n"}'),
        (b'{"resourceType":"X","id":"o"}', b'{"resourceType":"X","id":"n"}'),
        (b'{"id":"o","resourceType":"X"}', b'{"id":"n","resourceType":"X"}'),
        (b'{"x":{"id":"o"},"resourceType":"X"}', b'{"id":"n","x":{"id":"o"},"resourceType":"X"}'),
        (
            b'{"resourceType":"X","contained":[{"id":"c"}],"id":"o"}',
            b'{"resourceType":"X","contained":[{"id":"c"}],"id":"n"}',
        ),
        (
            b'{"resourceType":"X","id":"o","contained":[{"id":"c"}]}',
            b'{"resourceType":"X","id":"n","contained":[{"id":"c"}]}',
        ),
        (b'{"resourceType":"X","id":"o","id":"p"}', b'{"resourceType":"X","id":"n","id":"n"}'),
        (b'{"resourceType":"X","id":{"id":[1]},"a":2}', b'{"resourceType":"X","id":"n","a":2}'),
        (b'{"resourceType":"X","\\u0069d":"o"}', b'{"resourceType":"X","\\u0069d":"n"}'),
        (b"{}", b'{"id":"n"}'),
        (b'{ "a" : 1}', b'{"id":"n", "a" : 1}'),
    ],
)
def test_the_id_of_the_root_is_set_and_no_other(raw: bytes, expected: bytes) -> None:
    assert set_id(raw, "n") == expected


KEYS = st.sampled_from(["reference", "url", "id", "resourceType", "a", 'x "reference', "é", "b\\"]) | st.text(
    max_size=4
)
TEXTS = st.sampled_from([*KNOWN, "#c", "", 'say "reference": "urn:uuid:1"', "\\", '\\"', "urn:oid:1.2"]) | st.text(
    max_size=8
)
VALUES = st.recursive(
    TEXTS | st.integers(-(2**53), 2**53) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """JSON objects as senders write them: compact or spread out, plain or escaped, with keys spelt with escapes."""
    value = draw(st.dictionaries(KEYS, VALUES, max_size=5))
    text = json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1, "\t"])),
        separators=draw(st.sampled_from([None, (",", ":"), (" ,", " : ")])),
    )
    if draw(st.booleans()):
        text = text.replace("/", "\\/")
    if draw(st.integers(0, 3)) == 0:
        text = text.replace("e", draw(st.sampled_from(["\\u0065", "e"]))).replace("fals\\u0065", "false")
        text = text.replace("tru\\u0065", "true")
    return text.encode("utf-8", "surrogatepass")


def walked(value: Any, left: dict[str, None]) -> Any:
    """What rewriting must come to, told on the parsed value."""
    if isinstance(value, list):
        return [walked(item, left) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, item in value.items():
        new = walked(item, left)
        if key == "reference" and isinstance(item, str) and item and item[0] != "#":
            new = KNOWN.get(item)
            if new is None:
                new = item
                if not item.startswith(("http://", "https://")):
                    left[item] = None
        elif key == "url" and isinstance(item, str) and item.startswith(("urn:uuid:", "urn:oid:")):
            new = KNOWN.get(item, item)
        result[key] = new
    return result


@settings(max_examples=250)
@given(documents(), st.none() | st.sampled_from(["n", 'a"b']))
def test_rewriting_bytes_is_rewriting_the_value(raw: bytes, id: str | None) -> None:
    try:
        before = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return
    missing: dict[str, None] = {}
    expected = walked(before, missing)
    if id is not None:
        expected["id"] = id
    result, left = rewrite(raw, KNOWN.get, id)
    assert orjson.loads(result) == expected
    assert set(left) == set(missing)


@settings(max_examples=250)
@given(documents())
def test_rewriting_and_parsing_at_once_is_the_same_and_leaves_one_id(raw: bytes) -> None:
    try:
        whole = b'{"resourceType":"Basic",' + raw[1:] if orjson.loads(raw) else b'{"resourceType":"Basic"}'
    except orjson.JSONDecodeError:
        return
    for resource in (whole, whole[:-1] + b',"id":"last"}', b'{"id":"first",' + whole[1:]):
        try:
            expected, missing = rewrite(resource, KNOWN.get, "n")
            parsed = parse(expected)
        except FhirError:
            continue
        content, found, left = Rewriter(KNOWN.get).rewrite_and_parse(Opened(resource), "n")
        assert (found, left) == (parsed, missing)
        pairs = json.loads(content, object_pairs_hook=list)
        ids = [value for key, value in pairs if key == "id"]
        assert set(ids) == {"n"}
        assert len(ids) == max(1, sum(key == "id" for key, _ in json.loads(resource, object_pairs_hook=list)))


@settings(max_examples=120)
@given(documents())
def test_what_is_not_replaced_keeps_every_byte(raw: bytes) -> None:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return
    assert rewrite(raw, lambda text: None)[0] == raw


def test_a_string_element_named_reference_is_a_reference_or_a_uri() -> None:
    """The key alone decides, so R4 must not use it for free text."""
    kinds = {
        str(schema["$ref"]).rpartition("/")[2]
        for name, definition in schema_definitions().items()
        if (schema := definition.get("properties", {}).get("reference")) is not None and "$ref" in schema
        if name != "Reference"
    }
    assert kinds <= {"Reference", "Identifier", "uri"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/7", ("Patient", "7", None)),
        ("Patient/7/_history/2", ("Patient", "7", None)),
        ("http://a.example/fhir/Patient/7", ("Patient", "7", "http://a.example/fhir/Patient/7")),
        ("https://a/b/Patient/7/_history/2", ("Patient", "7", "https://a/b/Patient/7")),
        ("urn:uuid:1", (None, None, "urn:uuid:1")),
        ("Patient?identifier=a|b", ("Patient", None, "Patient?identifier=a|b")),
        ("#c", (None, None, "#c")),
        ("Nonsense/7", (None, None, "Nonsense/7")),
        ("Patient/" + "x" * 65, (None, None, "Patient/" + "x" * 65)),
        ("http://a/ValueSet/x|1", (None, None, "http://a/ValueSet/x|1")),
    ],
)
def test_what_a_reference_points_to(text: str, expected: tuple[str | None, ...]) -> None:
    assert read_reference(text) == expected


def test_references_are_listed_wherever_they_are() -> None:
    resource = parse(
        b'{"resourceType":"X","a":[{"reference":"A/1"},{"b":{"reference":"A/2"}}],"contained":[{"c":{"reference":"A/1"}}]}'
    )
    assert sorted(references_of(resource)) == ["A/1", "A/2"]


def test_text_that_is_no_resource_is_refused_before() -> None:
    with pytest.raises(FhirError):
        parse(b'{"reference":')
