"""What several clients do at once: each race is run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.db import connection

from tests.support.threads import together
from tests.unit.fhir.rest import Api, Caller, json, let_in
from tests.unit.fhir.test_bundles import bundle, entry
from tests.unit.fhir.test_rest import PATIENT, made

pytestmark = [pytest.mark.database]


@pytest.fixture
def api(committed_db: Any, monkeypatch: pytest.MonkeyPatch) -> Api:
    who = Caller()
    let_in(monkeypatch, who)
    return Api()


def resources() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record_resource")
        return int(cursor.fetchone()[0])


def test_sixteen_conditional_creates_make_one_resource(api: Api) -> None:
    statuses: Counter[int] = Counter()

    def create() -> None:
        statuses[Api().post("/Patient", PATIENT, if_none_exist="identifier=urn:test|1").status_code] += 1

    assert together([create] * 16) == {"done": 16}
    assert statuses == {201: 1, 200: 15} and resources() == 1


def test_conditional_creates_in_transactions_make_one_resource(api: Api) -> None:
    def create() -> None:
        entries = [entry("POST", "Patient", PATIENT, ifNoneExist="identifier=urn:test|1")]
        assert Api().post("", bundle(*entries)).status_code == 200

    assert together([create] * 8) == {"done": 8}
    assert resources() == 1


def test_of_two_updates_of_one_version_one_is_told_of_the_other(api: Api) -> None:
    id = made(api)
    statuses: Counter[int] = Counter()

    def update(day: int) -> None:
        body = {**PATIENT, "id": id, "birthDate": f"1980-01-{day:02}"}
        statuses[Api().put(f"/Patient/{id}", body, if_match='W/"1"').status_code] += 1

    assert together([lambda day=day: update(day) for day in range(1, 9)]) == {"done": 8}
    assert statuses == {200: 1, 412: 7} and api.get(f"/Patient/{id}")["ETag"] == 'W/"2"'


def test_updates_at_once_without_a_version_each_make_one(api: Api) -> None:
    def update(day: int) -> None:
        body = {**PATIENT, "id": "mine", "birthDate": f"1980-01-{day:02}"}
        assert Api().put("/Patient/mine", body).status_code in (200, 201)

    assert together([lambda day=day: update(day) for day in range(1, 9)]) == {"done": 8}
    assert json(api.get("/Patient/mine/_history"))["total"] == 8


def test_patches_at_once_lose_nothing(api: Api) -> None:
    id = made(api)

    def patch(number: int) -> None:
        body = [{"op": "add", "path": "/name/0/given/-", "value": f"Name{number}"}]
        answer = Api().ask("PATCH", f"/Patient/{id}", body, content_type="application/json-patch+json")
        assert answer.status_code == 200

    assert together([lambda number=number: patch(number) for number in range(6)]) == {"done": 6}
    assert len(json(api.get(f"/Patient/{id}"))["name"][0]["given"]) == 7
