"""Bulk exports, as HL7's Bulk Data Access 2.0 says it: what is in them, for whom, and what becomes of them."""

from __future__ import annotations

import gzip
import random
import threading
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote
from uuid import UUID

import orjson
import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client

from charthouse.fhir.actions import run_export as running
from charthouse.fhir.actions.end_exports import expire_exports
from charthouse.fhir.actions.manage_clients import NewClient, add_token, revoke_client
from charthouse.fhir.actions.run_export import run_export
from charthouse.fhir.models import Export, ExportFile
from charthouse.foundation.access.api import AccessContext, Purpose, Role, system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.disclosure.api import How, disclosures_of
from charthouse.foundation.files.api import FileMissing, stat
from charthouse.foundation.jobs import api as jobs
from charthouse.foundation.ledger.api import Filters, Subject, entries
from charthouse.foundation.work import api as work
from charthouse.record import api as record
from charthouse.record import export_queries
from charthouse.record.api import rows_of_patients, settled_at

CTX = system_context("test")
HIV = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}


class Bulk:
    """A client with a token; ``scopes`` and ``role`` say what it may."""

    def __init__(self, name: str = "Bulk", scopes: str = "system/*.cruds", role: Role = Role.HIT) -> None:
        secret = add_token(CTX, NewClient(name, scopes, role, Purpose.OPERATIONS, "1 Main St"))
        self.http = Client(HTTP_AUTHORIZATION=f"Bearer {secret}", raise_request_exception=True)

    def put(self, resource: dict[str, Any]) -> None:
        path = f"/fhir/{resource['resourceType']}/{resource['id']}"
        body = resource.pop("_bytes", None) or orjson.dumps(resource)
        response = self.http.put(path, body, content_type="application/fhir+json")
        assert response.status_code in (200, 201), response.content

    def delete(self, path: str) -> None:
        assert self.http.delete(f"/fhir/{path}").status_code in (200, 204)

    def ask(self, path: str = "/$export", prefer: str = "respond-async", **extra: Any) -> HttpResponse:
        return self.http.get(f"/fhir{path}", HTTP_PREFER=prefer, **extra)

    def begun(self, path: str = "/$export") -> str:
        response = self.ask(path)
        assert response.status_code == 202, response.content
        return str(response["Content-Location"]).removeprefix("http://testserver")

    def done(self, path: str = "/$export") -> dict[str, Any]:
        """The manifest of an export that is done here at once."""
        where = self.begun(path)
        run_export(UUID(where.rpartition("/")[2]), lambda *_: None)
        return self.manifest(where)

    def manifest(self, where: str) -> dict[str, Any]:
        response = self.http.get(where)
        assert response.status_code == 200, response.content
        told: dict[str, Any] = orjson.loads(response.content)
        return told

    def lines(self, url: str) -> list[bytes]:
        response = self.http.get(url.removeprefix("http://testserver"))
        assert response.status_code == 200 and response["Content-Type"] == "application/fhir+ndjson"
        body = b"".join(response.streaming_content)
        assert body.endswith(b"\n")
        return body.splitlines()

    def ids(self, manifest: dict[str, Any], part: str = "output") -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for file in manifest[part]:
            lines = [orjson.loads(line) for line in self.lines(file["url"])]
            assert len(lines) == file["count"]
            found.setdefault(file["type"], []).extend(line.get("id", "") for line in lines)
        return found


def patient(id: str, **more: Any) -> dict[str, Any]:
    name = [{"family": f"Family{id}", "given": [f"Given{id}"]}]
    return {"resourceType": "Patient", "id": id, "name": name, "birthDate": f"19{len(id) + 40}-01-02", **more}


def observation(id: str, of: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
        "subject": {"reference": f"Patient/{of}"},
        **more,
    }


@pytest.fixture
def bulk(db: None) -> Bulk:
    """A client, and two patients with observations, one labelled, and an organization."""
    return filled()


def filled() -> Bulk:
    client = Bulk()
    client.put({"resourceType": "Organization", "id": "org", "name": "Clinic"})
    for id in ("anna", "bertram"):
        client.put(patient(id))
        client.put(observation(f"o-{id}", id))
    client.put(observation("o-hidden", "anna", meta={"security": [HIV]}))
    return client


class TestWhatIsInIt:
    def test_everything_by_type(self, bulk: Bulk) -> None:
        manifest = bulk.done()
        assert manifest["requiresAccessToken"] is True and manifest["error"] == [] and manifest["deleted"] == []
        assert manifest["request"] == "http://testserver/fhir/$export"
        found = bulk.ids(manifest)
        assert {kind: sorted(ids) for kind, ids in found.items()} == {
            "Observation": ["o-anna", "o-bertram", "o-hidden"],
            "Organization": ["org"],
            "Patient": ["anna", "bertram"],
        }

    def test_filters_leave_out_what_meets_none_of_them(self, bulk: Bulk) -> None:
        bulk.put(observation("o-old", "anna", effectiveDateTime="2001-02-03"))
        bulk.put(observation("o-new", "bertram", effectiveDateTime="2024-02-03", status="amended"))
        first = quote("Observation?date=lt2010&status=final,amended")
        second = quote("Observation?status=amended")
        both = {"Observation": ["o-new", "o-old"], "Organization": ["org"], "Patient": ["anna", "bertram"]}
        for query in (f"_typeFilter={first}&_typeFilter={second}", f"_typeFilter={first},{second}"):
            found = bulk.ids(bulk.done(f"/$export?{query}"))
            assert {kind: sorted(ids) for kind, ids in found.items()} == both
        of_anna = quote("Observation?patient=anna&date=gt1999")
        manifest = bulk.done(f"/$export?_type=Observation&_typeFilter={of_anna}")
        assert bulk.ids(manifest) == {"Observation": ["o-old"]} and manifest["error"] == []
        now, day = wall(), timedelta(days=1)
        assert all(disclosures_of(CTX, each, now - day, now + day) for each in ("anna", "bertram"))

    def test_who_is_filtered_out_is_not_told_of(self, bulk: Bulk) -> None:
        bulk.done(f"/$export?_type=Observation&_typeFilter={quote('Observation?patient=anna')}")
        now, day = wall(), timedelta(days=1)
        told = [bool(disclosures_of(CTX, each, now - day, now + day)) for each in ("anna", "bertram")]
        assert told == [True, False]

    @pytest.mark.parametrize(
        "text",
        ["Observation", "Observation?", "Dragon?x=y", "Observation?colour=red", "Observation?patient.name=x",
         "Observation?_has:Provenance:target:agent=x", "Observation?_sort=date", "Patient?gender=male"],
    )  # fmt: skip
    def test_a_filter_that_is_not_understood(self, bulk: Bulk, text: str) -> None:
        path = f"/$export?_type=Observation&_typeFilter={quote(text)}"
        assert bulk.ask(path).status_code == 400
        begun = bulk.ask(path, "respond-async, handling=lenient")
        where = str(begun["Content-Location"]).removeprefix("http://testserver")
        run_export(UUID(where.rpartition("/")[2]), lambda *_: None)
        manifest = bulk.manifest(where)
        assert [each["type"] for each in manifest["error"]] == ["OperationOutcome"]
        assert sorted(bulk.ids(manifest)["Observation"]) == ["o-anna", "o-bertram", "o-hidden"]

    def test_numbers_come_out_as_they_came_in(self, bulk: Bulk) -> None:
        resource = observation("o-exact", "anna")
        text = orjson.dumps(resource)[:-1] + b',\n "valueQuantity": {"value": 72.50, "unit": "kg"}}'
        bulk.put({**resource, "_bytes": text})
        (line,) = (
            line
            for file in bulk.done("/$export?_type=Observation")["output"]
            for line in bulk.lines(file["url"])
            if b"o-exact" in line
        )
        assert b'"value": 72.50' in line
        assert orjson.loads(line)["meta"]["versionId"] == "1"

    def test_of_patients(self, bulk: Bulk) -> None:
        assert set(bulk.ids(bulk.done("/Patient/$export"))) == {"Patient", "Observation"}
        assert bulk.ids(bulk.done("/Patient/$export?_type=Patient,Organization"))["Organization"] == ["org"]

    def test_of_a_group(self, bulk: Bulk) -> None:
        members = [
            {"entity": {"reference": "Patient/anna"}},
            {"entity": {"reference": "Patient/bertram"}, "inactive": True},
        ]
        bulk.put({"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": members})
        assert bulk.ids(bulk.done("/Group/g/$export")) == {
            "Group": ["g"],
            "Patient": ["anna"],
            "Observation": ["o-anna", "o-hidden"],
        }
        assert bulk.ask("/Group/none/$export").status_code == 404

    def test_of_named_patients(self, bulk: Bulk) -> None:
        body = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "patient", "valueReference": {"reference": "Patient/bertram"}},
                {"name": "_type", "valueString": "Observation"},
            ],
        }
        response = bulk.http.post(
            "/fhir/Patient/$export",
            orjson.dumps(body),
            content_type="application/fhir+json",
            HTTP_PREFER="respond-async",
        )
        assert response.status_code == 202, response.content
        where = response["Content-Location"].removeprefix("http://testserver")
        run_export(UUID(where.rpartition("/")[2]), lambda *_: None)
        assert bulk.ids(bulk.manifest(where)) == {"Observation": ["o-bertram"]}
        assert bulk.ask("/Patient/$export?patient=Patient/nobody").status_code == 400

    def test_since_gives_what_changed_and_what_was_deleted(self, bulk: Bulk) -> None:
        time = bulk.done()["transactionTime"]
        bulk.put(observation("o-anna", "anna", note=[{"text": "changed"}]))
        bulk.put(observation("o-new", "anna"))
        bulk.delete("Observation/o-bertram")
        manifest = bulk.done(f"/$export?_since={time}")
        assert bulk.ids(manifest) == {"Observation": ["o-anna", "o-new"]}
        (file,) = manifest["deleted"]
        assert file["type"] == "Bundle"
        (line,) = bulk.lines(file["url"])
        assert orjson.loads(line)["entry"] == [{"request": {"method": "DELETE", "url": "Observation/o-bertram"}}]
        assert bulk.ids(bulk.done("/$export?_type=Observation"))["Observation"] == ["o-anna", "o-hidden", "o-new"]

    def test_elements(self, bulk: Bulk) -> None:
        (file,) = bulk.done("/$export?_type=Patient&_elements=Patient.birthDate,code")["output"]
        first = orjson.loads(bulk.lines(file["url"])[0])
        assert set(first) == {"resourceType", "id", "meta", "birthDate"}
        assert first["meta"]["tag"][0]["code"] == "SUBSETTED"

    def test_what_is_filed_meanwhile_is_not_in_it(self, bulk: Bulk) -> None:
        where = bulk.begun("/$export?_type=Observation,Patient")
        changed = False

        def tell(done: int, kind: str) -> None:
            nonlocal changed
            if not changed:
                changed = True
                bulk.put(patient("late"))
                bulk.put(patient("anna", gender="female"))
                bulk.delete("Patient/bertram")

        run_export(UUID(where.rpartition("/")[2]), tell)
        assert changed
        lines = [
            orjson.loads(line)
            for file in bulk.manifest(where)["output"]
            if file["type"] == "Patient"
            for line in bulk.lines(file["url"])
        ]
        assert [(line["id"], line["meta"]["versionId"]) for line in lines] == [("anna", "1"), ("bertram", "1")]
        assert "gender" not in lines[0]

    def test_files_are_bounded_and_nothing_is_twice(self, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(23):
            bulk.put(observation(f"n{number:02}", "anna"))
        monkeypatch.setattr(running, "LINES", 10)
        monkeypatch.setattr(export_queries, "_FETCH", 5)
        manifest = bulk.done("/$export?_type=Observation")
        assert [file["count"] for file in manifest["output"]] == [10, 10, 6]
        ids = bulk.ids(manifest)["Observation"]
        assert len(set(ids)) == len(ids) == 26

    def test_large_contents_stand_in_their_place(self, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export_queries, "_LARGE_TOGETHER", 100_000)
        texts = {
            f"n{number:02}": random.Random(number).randbytes(40_000 if number % 3 else 40).hex()
            for number in range(14)
        }
        for id, text in texts.items():
            bulk.put(observation(id, "anna", note=[{"text": text}]))
        where = bulk.begun("/$export?_type=Observation,Patient")
        changed: list[str] = []
        told = [0]

        def tell(done: int, kind: str) -> None:
            told.append(done)
            if not changed:
                changed.extend(["n01", "n02", "n03", "n13"])
                for id in changed:
                    bulk.put(observation(id, "anna", note=[{"text": "Later."}]))
                bulk.delete("Observation/n04")

        run_export(UUID(where.rpartition("/")[2]), tell)
        lines = [
            orjson.loads(line)
            for file in bulk.manifest(where)["output"]
            if file["type"] == "Observation"
            for line in bulk.lines(file["url"])
        ]
        found = {line["id"]: line["note"][0]["text"] for line in lines if "note" in line}
        assert found == texts and len(lines) == len(texts) + 3
        assert {line["meta"]["versionId"] for line in lines} == {"1"}
        # Three of 40 kB have the 100 kB that are read together, with the small ones between them.
        assert max(after - before for before, after in pairwise(told)) <= 8


class TestForWhom:
    def test_labels_hide(self, bulk: Bulk) -> None:
        assert "o-hidden" in bulk.ids(bulk.done())["Observation"]
        registrar = Bulk("Registry", "system/*.rs", Role.REGISTRAR)
        assert registrar.ids(registrar.done())["Observation"] == ["o-anna", "o-bertram"]

    def test_scopes_bound_it(self, bulk: Bulk) -> None:
        some = Bulk("Some", "system/Patient.rs system/Observation.r")
        assert set(some.ids(some.done())) == {"Patient"}
        refused = some.ask("/$export?_type=Patient,Observation")
        assert refused.status_code == 403 and b"Observation" in refused.content
        writer = Bulk("Writer", "system/*.cud")
        assert writer.ask().status_code == 403
        assert some.ask("/Group/g/$export").status_code in (403, 404)

    def test_nobody_elses(self, bulk: Bulk) -> None:
        where = bulk.begun()
        run_export(UUID(where.rpartition("/")[2]), lambda *_: None)
        url = bulk.manifest(where)["output"][0]["url"].removeprefix("http://testserver")
        other = Bulk("Other")
        assert other.http.get(where).status_code == 404
        assert other.http.delete(where).status_code == 404
        assert other.http.get(url).status_code == 404
        assert Client().get(url).status_code == 401 and Client().get("/fhir/$export").status_code == 401

    def test_one_disclosure_a_patient_and_the_ledger(self, bulk: Bulk) -> None:
        Bulk("Other").put(patient("untouched"))
        bulk.done("/$export?_type=Observation")
        since, until = wall() - timedelta(minutes=5), wall() + timedelta(minutes=5)
        of = {
            id: [line for line in disclosures_of(CTX, id, since, until) if line.how is How.EXPORT]
            for id in ("anna", "bertram", "untouched")
        }
        assert {id: len(lines) for id, lines in of.items()} == {"anna": 1, "bertram": 1, "untouched": 0}
        line = of["anna"][0]
        assert (line.recipient.name, line.recipient.address) == ("Bulk", "1 Main St")
        assert line.purpose is Purpose.OPERATIONS and "Observation" in line.description
        actions = Counter(entry.action for entry in entries(CTX, Filters()).lines)
        assert actions["fhir.export-asked"] == actions["fhir.exported"] == 1
        assert actions["fhir.export-status"] >= 1

    def test_who_got_an_export_is_told_of_the_correction_of_what_was_in_it(self, bulk: Bulk) -> None:
        note = {
            "resourceType": "DocumentReference", "id": "d1", "status": "current", "docStatus": "final",
            "subject": {"reference": "Patient/anna"},
            "content": [{"attachment": {"contentType": "text/plain", "data": "U2Vlbi4="}}],
        }  # fmt: skip
        before, since = Bulk("Before it came"), wall().isoformat()
        before.done()
        bulk.put(note)
        had = ("All", "/$export"), ("Documents", "/Patient/$export?_type=DocumentReference&patient=Patient/anna")
        for name, path in had:
            Bulk(name).done(path)
        Bulk("Narrowed to it", "system/DocumentReference.rs?status=current").done()
        Bulk("Other types").done("/$export?_type=Observation,Patient")
        Bulk("Another's").done("/Patient/$export?_type=DocumentReference&patient=Patient/bertram")
        Bulk("Narrowed to others", "system/Patient.rs system/DocumentReference.rs?status=superseded").done()
        Bulk("Since then").done(f"/$export?_since={quote(wall().isoformat())}")
        Bulk("Since before").done(f"/$export?_since={quote(since)}")
        (row,) = rows_of_patients(CTX, ["anna"])
        shown = record.document(CTX, [row], "DocumentReference", "d1")
        assert shown is not None
        manager, other = (AccessContext(f"user:{n}", "M", frozenset({Role.MANAGER})) for n in (1, 2))
        reason = record.Reason("duplicate")
        number = record.ask_to_retract(manager, [row], "DocumentReference", "d1", reason, seen=shown.seen)
        record.confirm_correction(other, number)
        Bulk("After it").done()
        told = record.recipients_of(manager, number)
        assert sorted(each.recipient.name for each in told) == [
            "All", "Documents", "Narrowed to it", "Since before",
        ]  # fmt: skip
        assert {each.items for each in told} == {(Subject("resource", "DocumentReference/d1"),)}
        assert [each.subject.id for each in work.items(manager, record.RECIPIENTS).items] == [str(number)]

    def test_a_revoked_client_gets_nothing(self, bulk: Bulk) -> None:
        where = bulk.begun()
        revoke_client(CTX, "Bulk")
        with pytest.raises(running.ExportRefused):
            run_export(UUID(where.rpartition("/")[2]), lambda *_: None)
        assert not ExportFile.objects.exists()


class TestAsking:
    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ("_outputFormat=text/csv", "_outputFormat"),
            ("_since=yesterday", "_since"),
            ("_type=Dragon", "Dragon"),
            ("includeAssociatedData=LatestProvenanceResources", "includeAssociatedData"),
            ("patient=Patient/anna", "Patient/$export"),
            ("nonsense=1", "nonsense"),
        ],
    )
    def test_wrong_parameters(self, bulk: Bulk, query: str, says: str) -> None:
        response = bulk.ask(f"/$export?{query}")
        assert response.status_code == 400 and says in orjson.loads(response.content)["issue"][0]["diagnostics"]
        assert not Export.objects.exists()

    def test_lenient(self, bulk: Bulk) -> None:
        assert bulk.ask("/$export?_typeFilter=x", "respond-async, handling=lenient").status_code == 202

    def test_only_in_the_background(self, bulk: Bulk) -> None:
        assert bulk.ask(prefer="").status_code == 400
        assert bulk.http.delete("/fhir/$export").status_code == 405

    @pytest.mark.parametrize("form", ["application/fhir%2Bndjson", "application/fhir+ndjson", "ndjson"])
    def test_formats(self, bulk: Bulk, form: str) -> None:
        assert bulk.ask(f"/$export?_outputFormat={form}").status_code == 202

    @pytest.mark.parametrize(
        "body",
        [b"", b"[", b"[]", b'{"resourceType":"Patient"}', b'{"resourceType":"Parameters","parameter":[1]}',
         b'{"resourceType":"Parameters","parameter":[{"name":"_type","valueInteger":1}]}',
         b'{"resourceType":"Parameters","parameter":{}}'],
    )  # fmt: skip
    def test_bodies_that_are_no_parameters(self, bulk: Bulk, body: bytes) -> None:
        response = bulk.http.post(
            "/fhir/$export", body, content_type="application/fhir+json", HTTP_PREFER="respond-async"
        )
        assert response.status_code == 400 and orjson.loads(response.content)["issue"]

    def test_too_many(self, bulk: Bulk) -> None:
        first = bulk.begun()
        bulk.begun()
        refused = bulk.ask()
        assert refused.status_code == 429 and int(refused["Retry-After"]) > 0
        assert bulk.http.delete(first).status_code == 202
        bulk.begun()


class TestFetching:
    def test_progress_then_manifest_then_gzip(self, bulk: Bulk) -> None:
        where = bulk.begun()
        waiting = bulk.http.get(where)
        assert waiting.status_code == 202 and waiting["X-Progress"] and int(waiting["Retry-After"]) > 0
        run_export(UUID(where.rpartition("/")[2]), lambda *_: None)
        response = bulk.http.get(where)
        assert "GMT" in response["Expires"] and response["Content-Type"] == "application/json"
        url = orjson.loads(response.content)["output"][0]["url"].removeprefix("http://testserver")
        plain = b"".join(bulk.http.get(url, HTTP_ACCEPT="application/fhir+ndjson").streaming_content)
        packed = bulk.http.get(url, HTTP_ACCEPT_ENCODING="gzip")
        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(b"".join(packed.streaming_content)) == plain
        assert bulk.http.get(url, HTTP_ACCEPT="text/csv").status_code == 406

    def test_expired(self, bulk: Bulk) -> None:
        where = bulk.begun()
        run_export(UUID(where.rpartition("/")[2]), lambda *_: None)
        files = list(ExportFile.objects.values_list("file", flat=True))
        assert files and expire_exports() == 0
        Export.objects.update(expires_at=wall() - timedelta(seconds=1))
        assert expire_exports() == len(files)
        assert bulk.http.get(where).status_code == 404
        for file in files:
            with pytest.raises(FileMissing):
                stat(file)

    def test_the_same_content_of_two_exports_is_destroyed_apart(self, bulk: Bulk) -> None:
        first = bulk.begun("/$export?_type=Patient")
        run_export(UUID(first.rpartition("/")[2]), lambda *_: None)
        second = bulk.done("/$export?_type=Patient")
        assert bulk.http.delete(first).status_code == 202
        assert bulk.http.get(first).status_code == 404
        assert sorted(bulk.ids(second)["Patient"]) == ["anna", "bertram"]


class TestBrokenOff:
    def test_goes_on_behind_the_last_whole_file(self, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(23):
            bulk.put(observation(f"n{number:02}", "anna"))
        monkeypatch.setattr(running, "LINES", 10)
        monkeypatch.setattr(export_queries, "_FETCH", 5)
        where = bulk.begun("/Patient/$export?_type=Observation,Patient")
        id = UUID(where.rpartition("/")[2])
        real, calls = running.put, 0

        def dies(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            kept = real(*args)
            if calls == 2:
                raise KeyboardInterrupt
            return kept

        monkeypatch.setattr(running, "put", dies)
        with pytest.raises(KeyboardInterrupt):
            run_export(id, lambda *_: None)
        assert ExportFile.objects.count() == 1
        taken = Export.objects.get().taken_at
        bulk.put(observation("n99", "anna"))
        run_export(id, lambda *_: None)
        manifest = bulk.manifest(where)
        assert Export.objects.get().taken_at == taken
        assert [file["count"] for file in manifest["output"]] == [10, 10, 6, 2]
        ids = bulk.ids(manifest)["Observation"]
        assert len(set(ids)) == len(ids) == 26 and "n99" not in ids

    def test_cancelled_while_it_runs(self, bulk: Bulk) -> None:
        where = bulk.begun()
        assert bulk.http.delete(where).status_code == 202
        assert run_export(UUID(where.rpartition("/")[2]), lambda *_: None) == {"resources": 0, "files": 0}
        assert bulk.http.get(where).status_code == 404 and not ExportFile.objects.exists()


def test_by_the_worker(committed_db: str) -> None:
    bulk = filled()
    where = bulk.begun()
    jobs.declare_all()
    jobs.run_worker(wait=False)
    assert len(bulk.ids(bulk.manifest(where))["Observation"]) == 3
    second = bulk.begun()
    assert bulk.http.delete(second).status_code == 202
    jobs.run_worker(wait=False)
    assert bulk.http.get(second).status_code == 404


def test_transactions_under_way_are_waited_for(committed_db: str) -> None:
    """What a transaction that began before the export files later is left to the next export, and not lost."""
    began, end = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
            began.set()
            end.wait(10)
        connection.close()

    before = wall()
    thread = threading.Thread(target=slow)
    thread.start()
    began.wait(10)
    settled = [settled_at(), settled_at()]
    after = wall()
    end.set()
    thread.join()
    # Asking takes a moment itself, for which the instant is earlier, never later.
    slack = timedelta(seconds=1)
    assert all(before - slack <= instant <= after for instant in settled)
    assert all(abs(two - one) < slack for one, two in pairwise(settled))
    assert settled_at() > after
