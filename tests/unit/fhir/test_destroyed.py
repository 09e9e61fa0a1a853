"""What was lawfully destroyed is gone for clients of the API, too: 410 with its day, and no copy in an export."""

from __future__ import annotations

import orjson
import pytest
from django.db import connection

from charthouse.fhir.models import Export
from charthouse.foundation.access.api import ALL_LABELS, AccessContext, Role
from charthouse.foundation.files.api import FileMissing, stat
from charthouse.record import api as record

from .test_export import Bulk

pytestmark = [pytest.mark.database, pytest.mark.django_db]
ASKS = AccessContext("user:3", "M. Sato", frozenset({Role.HIT}), clearance=ALL_LABELS)
CONFIRMS = AccessContext("user:4", "K. Obi", frozenset({Role.MANAGER}), clearance=ALL_LABELS)
OLD = "2001-03-01T10:00:00Z"


@pytest.fixture
def bulk() -> Bulk:
    """A chart of 2001, sent by a client."""
    bulk = Bulk()
    bulk.put({"resourceType": "Patient", "id": "p1", "birthDate": "1950-02-03", "name": [{"family": "Lind"}]})
    bulk.put(
        {
            "resourceType": "Observation",
            "id": "o1",
            "status": "final",
            "code": {"text": "Sodium"},
            "subject": {"reference": "Patient/p1"},
            "effectiveDateTime": OLD,
        }
    )
    return bulk


def patients() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient FROM identity_source_patient")
        return [row for (row,) in cursor.fetchall()]


def test_what_was_destroyed_is_gone_and_is_not_put_again(bulk: Bulk) -> None:
    export = bulk.begun()
    with pytest.raises(record.DocumentError, match="bulk exports"):
        record.ask_to_destroy(ASKS, patients(), "Its time is over.")
    bulk.http.delete(export)
    number = record.ask_to_destroy(ASKS, patients(), "Its time is over.")
    manifest = bulk.done()
    files = [each.file for each in Export.objects.get(state="done").files.all()]
    assert files and all(stat(each) for each in files)
    record.confirm_destruction(CONFIRMS, number, patients())
    for path in ("Observation/o1", "Observation/o1/_history/1", "Observation/o1/_history"):
        answer = bulk.http.get(f"/fhir/{path}")
        assert (
            answer.status_code == 410
            and "lawfully destroyed on" in orjson.loads(answer.content)["issue"][0]["diagnostics"]
        )
    assert bulk.http.get("/fhir/Observation/o2").status_code == 404
    found = orjson.loads(bulk.http.get("/fhir/Observation?_total=accurate").content)
    assert found["total"] == 0 and "entry" not in found
    again = {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "Sodium"},
             "subject": {"reference": "Patient/p1"}}  # fmt: skip
    answer = bulk.http.put("/fhir/Observation/o1", orjson.dumps(again), content_type="application/fhir+json")
    assert answer.status_code == 410
    for each in files:
        with pytest.raises(FileMissing):
            stat(each)
    for part in manifest["output"]:
        assert bulk.http.get(part["url"].removeprefix("http://testserver")).status_code == 404


def test_a_single_document_that_was_destroyed_is_gone_and_its_chart_is_there(bulk: Bulk) -> None:
    bulk.put(
        {
            "resourceType": "DiagnosticReport",
            "id": "r1",
            "status": "final",
            "category": [{"coding": [{"code": "LAB"}]}],
            "code": {"text": "Panel"},
            "subject": {"reference": "Patient/p1"},
            "effectiveDateTime": OLD,
            "conclusion": "A wholly destroyed conclusion.",
        }
    )
    number = record.ask_to_destroy(ASKS, patients(), "Its time is over.", ["DiagnosticReport/r1"])
    record.confirm_destruction(CONFIRMS, number, patients())
    for path in ("DiagnosticReport/r1", "DiagnosticReport/r1/_history/1", "DiagnosticReport/r1/_history"):
        assert bulk.http.get(f"/fhir/{path}").status_code == 410
    assert bulk.http.get("/fhir/Observation/o1").status_code == 200
    assert "DiagnosticReport" not in bulk.ids(bulk.done())
    found = orjson.loads(bulk.http.get("/fhir/Provenance?target=DiagnosticReport/r1").content)
    assert found["entry"][0]["resource"]["activity"]["coding"][0]["code"] == "destroy"
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM intake_original")
        assert not any(b"wholly destroyed" in record.decompress(body) for (body,) in cursor.fetchall())
