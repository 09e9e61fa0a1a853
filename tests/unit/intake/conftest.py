"""An intake to send to, and messages made for tests; none of the people lives."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from charthouse.foundation.access.api import AccessContext, Role, system_context

SYSTEM = system_context("tests")
Resource = dict[str, Any]


def technician() -> AccessContext:
    """A health information technician, who may mend."""
    return AccessContext("user:7", "R. Vale", frozenset({Role.HIT}))


class Inbox:
    """Intake and the record behind it, as tests use them."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor

    def take(self, data: Any, *, sender: str | None = None, file: bool = True, batch: str = "") -> list[Any]:
        """Take in bytes, a path or a FHIR resource; what became of each message."""
        from charthouse.intake.api import Connector, take_in

        if isinstance(data, dict):
            data = orjson.dumps(data)
        stream: Any = data if isinstance(data, Path) else io.BytesIO(data)
        return list(take_in(stream, connector=Connector.FILES, sender=sender, batch=batch, file=file))

    def take_one(self, data: Any, *, sender: str | None = None, file: bool = True) -> Any:
        (taken,) = self.take(data, sender=sender, file=file)
        return taken

    def file_waiting(self) -> list[Any]:
        """Let a worker work until nothing waits."""
        from charthouse.intake.actions.file_waiting import file_waiting

        results = []
        while found := file_waiting():
            results += found
        return results

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        self.cursor.execute(query, values or None)
        return list(self.cursor.fetchall())

    def one(self, query: str, *values: Any) -> Any:
        return self.rows(query, *values)[0][0]

    def state(self, message: int) -> str:
        return str(self.one("SELECT state FROM intake_message WHERE id = %s", message))

    def problems(self, message: int) -> list[tuple[str, str]]:
        """(code, place) of what is open of a message."""
        return self.rows(
            "SELECT code, place FROM intake_unfiled WHERE message = %s AND state = 'open' ORDER BY id", message
        )

    def items(self, queue: str = "intake.unfiled") -> list[tuple[str, str]]:
        """(subject, reason) of the open work items of a queue."""
        return self.rows(
            "SELECT subject_id, reason FROM work_item WHERE queue = %s AND state <> 'finished' ORDER BY id", queue
        )

    def counts(self) -> Counter[str]:
        """How many resources of each type stand in the record."""
        from charthouse.record.api import TYPE_NAME

        found = self.rows("SELECT type, count(*) FROM record_resource WHERE state = 0 GROUP BY type")
        return Counter({TYPE_NAME[number]: count for number, count in found})

    def all_of(self, kind: str) -> list[Resource]:
        """Every current resource of a type, in the order they were first filed."""
        from charthouse.record.api import TYPE_ID, decompress

        found = self.rows(
            "SELECT v.content FROM record_resource r JOIN record_version v "
            "ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
            "WHERE r.type = %s AND r.state = 0 ORDER BY r.id",
            TYPE_ID[kind],
        )
        return [orjson.loads(decompress(content)) for (content,) in found]

    def only(self, kind: str) -> Resource:
        (found,) = self.all_of(kind)
        return found

    def versions(self, kind: str, public_id: str) -> list[Any]:
        from charthouse.record.api import versions

        return versions(self.cursor, SYSTEM, kind, public_id)

    def charts(self) -> list[list[int]]:
        """The source patients of each person who has any, as a chart reads them."""
        from charthouse.identity.api import patients_of

        persons = self.rows("SELECT person FROM identity_source_patient GROUP BY person ORDER BY min(patient)")
        return [list(patients_of(SYSTEM, person)) for (person,) in persons]


def bundle(kind: str, *resources: Resource, urls: bool = False, **more: Any) -> Resource:
    """A Bundle; with ``urls`` each entry is known by the ``urn:uuid:`` of its id."""
    entries = []
    for each in resources:
        entry: Resource = {"resource": each}
        if urls:
            entry["fullUrl"] = f"urn:uuid:{each['id']}"
        if kind in ("transaction", "batch"):
            entry["request"] = {"method": "POST", "url": each.get("resourceType", "")}
        entries.append(entry)
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **more}


def patient(public_id: str = "p1", family: str = "Marsh", given: str = "Ida", **more: Any) -> Resource:
    return {
        "resourceType": "Patient", "id": public_id, "birthDate": "1961-04-17", "gender": "female",
        "name": [{"family": family, "given": [given]}], "identifier": [{"system": "urn:mrn", "value": public_id}],
        **more,
    }  # fmt: skip


def observation(public_id: str = "o1", of: str = "Patient/p1", **more: Any) -> Resource:
    return {
        "resourceType": "Observation", "id": public_id, "status": "final", "code": {"text": "Weight"},
        "subject": {"reference": of}, "effectiveDateTime": "2026-02-03",
        "valueQuantity": {"value": 72.5, "unit": "kg"}, **more,
    }  # fmt: skip


def hl7(
    event: str,
    *segments: str,
    at: str = "20260105080000",
    control: str = "C1",
    mrn: str = "100",
    name: str = "Marsh^Ida",
    visit: str = "V100",
    pv1: str = "",
    charset: str = "",
    sender: str = "ADT|GENERAL",
    encoding: str = "utf-8",
) -> bytes:
    """An HL7 v2 message: MSH, EVN, PID, PV1 (with ``pv1`` from PV1-2 on, before the visit number), then more."""
    kind = f"{event}^{event.replace('^', '_')}"
    lines = [
        f"MSH|^~\\&|{sender}|CHARTHOUSE|HIM|{at}+0000||{kind}|{control}|P|2.5.1"
        + (f"||||||{charset}" if charset else ""),
        f"EVN|{event.partition('^')[2]}|{at}+0000",
        f"PID|1||{mrn}^^^GENERAL^MR||{name}||19610417|F|||12 Alder St^^Northampton^MA^01060",
    ]
    if visit:
        fields = (pv1 or "I|4W^401^A^GENERAL").split("|")
        fields += [""] * (18 - len(fields))
        lines.append("|".join(["PV1", "1", *fields[:17], f"{visit}^^^GENERAL^VN", *fields[18:]]))
    return "\r".join([*lines, *segments, ""]).encode(encoding)


@pytest.fixture
def inbox(db: None) -> Iterator[Inbox]:
    from django.db import connection

    with connection.cursor() as cursor:
        yield Inbox(cursor)


@pytest.fixture
def make() -> Any:
    """The makers: ``make.bundle``, ``make.patient``, ``make.observation``, ``make.hl7``, ``make.technician``."""

    class Make:
        system = SYSTEM
        inbox = Inbox

    for function in (bundle, patient, observation, hl7, technician):
        setattr(Make, function.__name__, staticmethod(function))
    return Make
