"""Visits of invented patients, as another system sends them: a chart to be put in order."""

from __future__ import annotations

import base64
import io
from typing import Any

import orjson

from charthouse.foundation.access.api import ALL_LABELS, AccessContext, Role, system_context
from charthouse.foundation.access.clearance import clearance_for

SYSTEM = system_context("tests")
LOINC = "http://loinc.org"


def asker(*roles: Role, name: str = "R. Vale") -> AccessContext:
    return AccessContext("user:7", name, frozenset(roles), clearance=clearance_for(roles) or ALL_LABELS)


TECHNICIAN = asker(Role.HIT)
MANAGER = asker(Role.MANAGER)


def send(*resources: dict[str, Any], sender: str = "EHR|MERCY") -> None:
    """Resources of one bundle, filed; none may be refused."""
    from charthouse.intake.api import Connector, take_in

    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": each} for each in resources],
    }
    for taken in take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender=sender):
        assert taken.result is not None and not taken.result.problems, taken.result and taken.result.problems


def patient(id: str = "p1", family: str = "Marsh") -> dict[str, Any]:
    return {
        "resourceType": "Patient", "id": id, "birthDate": "1961-04-17", "gender": "female",
        "name": [{"family": family, "given": ["Ida"]}],
        "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:mrn", "value": f"00{id}"}],
    }  # fmt: skip


def encounter(id: str = "e1", code: str = "IMP", of: str = "p1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": code},
        "subject": {"reference": f"Patient/{of}"}, "identifier": [{"value": f"V-{id}"}],
        "period": {"start": "2026-03-02T08:00:00Z", "end": "2026-03-05T15:00:00Z"}, **more,
    }  # fmt: skip


def coded(code: str, system: str = LOINC, text: str = "") -> dict[str, Any]:
    return {
        "coding": [{"system": system, "code": code} if system else {"code": code}],
        **({"text": text} if text else {}),
    }


def attachment(content: bytes, media_type: str = "text/plain", **more: str) -> dict[str, Any]:
    return {"attachment": {"contentType": media_type, "data": base64.b64encode(content).decode(), **more}}


def document(
    id: str, type: dict[str, Any] | None, *contents: dict[str, Any], of: str = "p1", visit: str = "e1",
    at: str = "2026-03-03T09:00:00Z", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    return {
        "resourceType": "DocumentReference", "id": id, "status": "current", "docStatus": "final",
        "subject": {"reference": f"Patient/{of}"}, "date": at,
        **({"type": type} if type else {}),
        "context": {"encounter": [{"reference": f"Encounter/{visit}"}], "period": {"start": at}},
        "content": list(contents) or [attachment(f"What {id} says.".encode())], **more,
    }  # fmt: skip


def of_visit(kind: str, id: str, visit: str = "e1", of: str = "p1", **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": kind, "id": id, "subject": {"reference": f"Patient/{of}"},
        "encounter": {"reference": f"Encounter/{visit}"}, **elements,
    }  # fmt: skip


def found(name: str = "Marsh") -> tuple[Any, tuple[int, ...], str]:
    """The person of this name, their patients, and the public id of their newest encounter."""
    from charthouse.identity import api as identity
    from charthouse.record import api as record

    (hit,) = identity.find(SYSTEM, name)
    patients = identity.patients_of(SYSTEM, hit.person)
    return hit.person, patients, record.encounters(SYSTEM, patients).rows[0].id


def news() -> list[Any]:
    """The events of filing so far, as a consumer gets them."""
    from django.db import connection

    from charthouse.foundation.events.api import Event

    with connection.cursor() as cursor:
        cursor.execute("SELECT id, kind, key, at, payload FROM events_event ORDER BY id")
        return [Event(*rest, orjson.loads(payload)) for *rest, payload in cursor.fetchall()]
