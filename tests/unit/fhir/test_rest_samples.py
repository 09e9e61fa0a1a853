"""Whole patients in as transactions and each resource out again, equal to what went in."""

from __future__ import annotations

import bz2
import os
from json import loads
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fhir.rest import Api, Caller, json, let_in
from tests.unit.fhir.test_bundles import bundle, entry

pytestmark = [pytest.mark.database, pytest.mark.samples, pytest.mark.slow]
#: Patients tried; the folder has 118. ``CHARTHOUSE_REST_PATIENTS`` tries as many as one likes.
PATIENTS = int(os.environ.get("CHARTHOUSE_REST_PATIENTS", "1"))


@pytest.fixture
def api(db: None, monkeypatch: pytest.MonkeyPatch) -> Api:
    who = Caller()
    let_in(monkeypatch, who)
    return Api()


def exact(data: bytes) -> Any:
    """JSON with each decimal as it is written."""
    return loads(data, parse_float=str)


def send(api: Api, path: Path) -> list[tuple[dict[str, Any], str]]:
    """Each resource that was sent, its references as they are to come out, and where it is now."""
    data = bz2.decompress(path.read_bytes())
    entries = exact(data)["entry"]
    response = api.post("", data)
    assert response.status_code == 200, response.content[:2000]
    told = json(response)["entry"]
    places = [each["response"]["location"].partition("/_history")[0] for each in told]
    names = {entry["fullUrl"]: place for entry, place in zip(entries, places, strict=True)}
    return [(meant(entry["resource"], names), place) for entry, place in zip(entries, places, strict=True)]


def meant(value: Any, names: dict[str, str]) -> Any:
    """A value whose references lead to where the entries are now; those by a condition are left open."""
    if isinstance(value, list):
        return [meant(inner, names) for inner in value]
    if not isinstance(value, dict):
        return value
    told = {name: meant(inner, names) for name, inner in value.items()}
    if isinstance(reference := value.get("reference"), str):
        told["reference"] = "(found)" if was_found(reference) else names.get(reference, reference)
    return told


def was_found(reference: str) -> bool:
    """Whether a reference is conditional, or leads to what is shared and so came before."""
    return "?" in reference or reference.startswith(("Practitioner/", "Organization/", "Location/"))


def plain(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource without its id, and without the version and time of the record."""
    meta = {name: each for name, each in resource.get("meta", {}).items() if name not in RECORDS}
    told = {name: value for name, value in resource.items() if name not in ("id", "meta")}
    return {**told, "meta": meta} if meta else told


def read(api: Api, places: list[str]) -> list[Any]:
    """Resources as a batch of reads gives them."""
    response = api.post("", bundle(*(entry("GET", place) for place in places), kind="batch"))
    told = exact(response.content)["entry"]
    assert {each["response"]["status"] for each in told} == {"200 OK"}
    return [each["resource"] for each in told]


_AT_ONCE = 500
RECORDS = {"versionId", "lastUpdated"}


def test_patients_come_out_as_they_went_in(api: Api, samples: Path) -> None:
    files = sorted((samples / "fhir" / "synthea").glob("*.bz2"), key=lambda path: path.stat().st_size)
    for path in files:
        if path.name.startswith("0-"):
            send(api, path)
    compared = 0
    for path in [path for path in files if not path.name.startswith("0-")][:PATIENTS]:
        sent = send(api, path)
        for begin in range(0, len(sent), _AT_ONCE):
            some = sent[begin : begin + _AT_ONCE]
            for (was, place), now in zip(some, read(api, [place for _, place in some]), strict=True):
                assert now["id"] == place.partition("/")[2] and now["meta"]["versionId"] == "1"
                assert plain(meant(now, {})) == plain(was), place
                compared += 1
    assert compared > 50
