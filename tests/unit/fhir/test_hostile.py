"""Mutated and hostile FHIR: an answer or a FhirError, nothing else."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from charthouse.exchange.fhir.api import (
    Extractor,
    FhirError,
    Limits,
    all_parameters,
    encounter_of,
    is_valid,
    main_date,
    patients_of,
    references_of,
    rewrite,
    security_codes,
    split,
    status_of,
    validate,
)

LIMITS = Limits(document_bytes=1 << 20, resource_bytes=1 << 18, entries=1000)
BITS = (
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\\u0000", b"\\ud800", b"\\", b'"', b"{", b"}", b"[", b"]", b",", b":"),
    *(b"NaN", b"1e999", b"-", b"null", b"true", b"\n", b"{" * 80, b"[" * 2000, b"1" * 400, b"\r\n{", b'"id":"x",'),
    *(
        b'"reference":',
        b'"entry":[',
        b'"resourceType":"Bundle",',
        b"\xc3",
        b"\xed\xa0\x80",
        b"\x1f\x8b",
        b'"__proto__":1,',
    ),
)
WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "2012-02-30",
    [],
    [None],
    {},
    {"a": 1},
    [[]],
    "\u0001",
)


def go_through(source: bytes, extractor: Extractor) -> int:
    """Everything that filing does with ``source``; how many resources went through wholly."""
    through = 0
    try:
        entries = list(split(source, LIMITS))
    except FhirError as error:
        assert str(error)
        return 0
    for entry in entries:
        try:
            resource = entry.parse(LIMITS)
        except FhirError as error:
            assert str(error)
            continue
        changed, _ = rewrite(entry.resource, lambda text: None if len(text) % 2 else "Patient/9", "new")
        assert orjson.loads(changed)["id"] == "new"
        if not is_valid(resource):
            assert validate(resource)
            continue
        through += 1
        extractor.extract(resource)
        for look in (patients_of, encounter_of, main_date, security_codes, status_of, references_of):
            look(resource)
    return through


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    """One with every parameter."""
    return Extractor(all_parameters())


def documents(random_resource: Callable[[str, int], dict[str, Any]]) -> list[bytes]:
    """A bundle, a resource and NDJSON to be mutated."""
    kinds = ("Patient", "Observation", "Encounter", "DocumentReference", "Claim", "AuditEvent")
    resources = [random_resource(kind, 1) for kind in kinds]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": "urn:uuid:7", "resource": each, "request": {"method": "POST", "url": each["resourceType"]}}
            for each in resources
        ],
    }
    return [
        json.dumps(bundle, indent=1).encode(),
        json.dumps(resources[1], ensure_ascii=False).encode(),
        b"\n".join(json.dumps(each).encode() for each in resources),
    ]


def test_mutated_bytes(random_resource: Callable[[str, int], dict[str, Any]], extractor: Extractor) -> None:
    chance = random.Random(7)
    sources = documents(random_resource)
    through = sum(go_through(source, extractor) for source in sources)
    assert through == 13
    for _ in range(3000):
        data = bytearray(chance.choice(sources))
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[at : at + chance.choice((1, 1, 5, 200))] = chance.choice(BITS)
                case 1:
                    data[at:at] = chance.choice(BITS)
                case 2:
                    del data[at : at + chance.choice((1, 3, 50))]
                case _:
                    del data[at:]
            if not data:
                break
        source = bytes(data)
        if chance.random() < 0.1:
            source = gzip.compress(source)[: chance.choice((None, 10, 50))]
        through += go_through(source, extractor)
    assert through > 1000  # most lines and entries are whole


def replaced(value: Any, chance: random.Random) -> Any:
    """``value`` with one thing within exchanged for something of another type."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(list(value))
        return {**value, key: replaced(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        return [*value[:at], replaced(value[at], chance), *value[at + 1 :]]
    return chance.choice(WRONG)


def test_wrong_types(random_resource: Callable[[str, int], dict[str, Any]], extractor: Extractor) -> None:
    chance = random.Random(11)
    kinds = ("Patient", "Observation", "Encounter", "DocumentReference", "Claim", "Composition", "RiskAssessment")
    resources = [random_resource(kind, seed) for kind in kinds for seed in range(3)]
    through = 0
    for _ in range(3000):
        source = json.dumps(replaced(chance.choice(resources), chance)).encode()
        through += go_through(source, extractor)
    assert through > 100  # some replacements are right by chance
