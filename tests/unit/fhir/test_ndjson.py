"""Lines of an export: cut and put together by bytes, and the same as each resource by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from charthouse.fhir.domain.content import with_meta
from charthouse.fhir.domain.ndjson import lines

AT = datetime(2026, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC)
LATER = datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC)
PROFILE = '"meta":{"profile":["http://example.org/p"]}'
HEAD = '{"resourceType":"Observation","id":"a"'

CONTENTS = [
    pytest.param(f'{HEAD},"status":"final"}}', id="plain"),
    pytest.param(f"{HEAD}}}", id="nothing more"),
    pytest.param(f'{HEAD},{PROFILE},"status":"final"}}', id="meta behind the id"),
    pytest.param(f"{HEAD},{PROFILE}}}", id="meta last"),
    pytest.param(f'{HEAD},"status":"final",{PROFILE}}}', id="meta later"),
    pytest.param(f'{HEAD},"meta":{{}},"status":"final"}}', id="empty meta"),
    pytest.param(f'{HEAD},"meta":{{ }},"status":"final"}}', id="blank meta"),
    pytest.param(f'{HEAD},"meta":{{"versionId":"9","source":"x"}}}}', id="a version of its own"),
    pytest.param(f'{HEAD},"meta":{{"security":[{{"code":"HIV"}}],"source":"x"}},"status":"final"}}', id="nested"),
    pytest.param(f'{HEAD},"meta":{{"source":"urn:}}x"}},"status":"final"}}', id="a bracket in a text"),
    pytest.param(f'{HEAD},"contained":[{{"resourceType":"Patient","id":"p",{PROFILE}}}]}}', id="contained"),
    pytest.param(f'{HEAD},{PROFILE},"contained":[{{"resourceType":"Patient",{PROFILE}}}]}}', id="both"),
    pytest.param('{"id":"a","resourceType":"Observation","status":"final"}', id="another order"),
    pytest.param(f'{{ "resourceType" : "Observation", "id" : "a", {PROFILE} }}', id="with blanks"),
    pytest.param('{"resourceType":"Observation","id":"a","valueQuantity":{"value":72.50}}', id="a number"),
]


def _read(line: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.parametrize("text", CONTENTS)
def test_as_each_by_itself(text: str) -> None:
    content = text.encode()
    # Between others, and twice: what is known of the first is used for the second.
    around = f'{HEAD},{PROFILE},"n":1}}'.encode()
    contents = [around, content, around, content, content]
    filed = [(1, AT), (1, AT), (2, LATER), (2, LATER), (3, AT)]
    made = lines("Observation", contents, filed)
    assert made.endswith(b"\n") and made.count(b"\n") == len(contents)
    for line, given, (version, at) in zip(made.splitlines(), contents, filed, strict=True):
        assert _read(line) == _read(with_meta(given, version, at))
        assert _read(line)["meta"]["versionId"] == str(version)
        assert line.count(b"lastUpdated") == 1


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_several_lines_become_one(end: str) -> None:
    content = f'{{{end}  "resourceType": "Observation",{end} "id": "a",{end} "valueString": "x\\ny"{end}}}'.encode()
    made = lines("Observation", [content, f"{HEAD}}}".encode()], [(1, AT), (1, AT)])
    assert made.count(b"\n") == 2 and b"\r" not in made
    first, _ = made.splitlines()
    assert _read(first)["valueString"] == "x\ny" and _read(first)["meta"]["versionId"] == "1"


def test_numbers_stay_as_they_were_written() -> None:
    made = lines("Observation", [f'{HEAD},{PROFILE},"valueQuantity":{{"value":72.50}}}}'.encode()], [(1, AT)])
    assert b'"value":72.50}' in made


def test_elements() -> None:
    made = lines(
        "Observation", [f'{HEAD},"status":"final","note":[{{"text":"x"}}]}}'.encode()], [(1, AT)], ["code"]
    )
    assert set(_read(made)) == {"resourceType", "id", "meta", "status"}


@pytest.mark.parametrize("kind", ["Patient", "Observation", "DocumentReference", "Bundle"])
def test_random_resources(kind: str, random_resource: Callable[[str, int], dict[str, Any]]) -> None:
    given = [
        json.dumps(
            {"resourceType": kind, "id": f"i{seed}", **random_resource(kind, seed)}, separators=(",", ":")
        ).encode()
        for seed in range(60)
    ]
    filed = [(seed % 3 + 1, AT if seed % 2 else LATER) for seed in range(60)]
    for line, content, (version, at) in zip(lines(kind, given, filed).splitlines(), given, filed, strict=True):
        assert _read(line) == _read(with_meta(content, version, at))
