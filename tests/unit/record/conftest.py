"""A record to file into, and resources made for tests; none of the people lives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from charthouse.foundation.access.api import AccessContext, Label, system_context

SYSTEM = system_context("tests")
Resource = dict[str, Any]


class Book:
    """The record as tests use it: file resources as one message, read them back."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        self.messages = 0

    def prepare(self, *resources: Resource | bytes, deleted: bool = False) -> list[Any]:
        """Filings of one message, as intake would make them."""
        from charthouse.record.preparing import prepare, without_large

        self.messages += 1
        filings = []
        for number, each in enumerate(resources, start=1):
            written = each if isinstance(each, bytes) else orjson.dumps(each)
            content, parts = without_large(written)
            filing = prepare(orjson.loads(content), content, deleted=deleted)
            filing.source, filing.message, filing.original = 1, self.messages, self.messages * 100 + number
            filing.attachments = tuple(parts)
            filings.append(filing)
        return filings

    def file(self, *resources: Resource | bytes, deleted: bool = False) -> list[Any]:
        """File resources in one batch; what became of each."""
        from charthouse.foundation.files.api import put
        from charthouse.record.api import file_resources, keep_attachments

        filings = self.prepare(*resources, deleted=deleted)
        self.now += timedelta(minutes=1)
        done = file_resources(self.cursor, filings, self.now)
        keep_attachments(
            self.cursor,
            [
                (filed, part, put(part.data, part.media_type).id)
                for filing, filed in zip(filings, done, strict=True)
                for part in filing.attachments
            ],
        )
        return done

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        self.cursor.execute(query, values or None)
        return list(self.cursor.fetchall())

    def one(self, query: str, *values: Any) -> Any:
        return self.rows(query, *values)[0][0]

    def patient(self, public_id: str = "p1", **more: Any) -> int:
        """File a patient; its row."""
        row: int = self.file(patient(public_id, **more))[0].row
        return row

    def versions(self, kind: str, public_id: str, ctx: AccessContext = SYSTEM) -> list[Any]:
        from charthouse.record.api import versions

        return versions(self.cursor, ctx, kind, public_id)

    def current(self, kind: str, public_id: str, ctx: AccessContext = SYSTEM) -> Any:
        from charthouse.record.api import current

        return current(self.cursor, ctx, [(kind, public_id)]).get((kind, public_id))


def patient(public_id: str = "p1", **more: Any) -> Resource:
    return {"resourceType": "Patient", "id": public_id, "name": [{"family": "Marsh", "given": ["Ida"]}], **more}


def observation(public_id: str = "o1", of: str = "p1", **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": public_id,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}], "text": "Hemoglobin"},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": "2026-02-03T08:15:00-05:00",
        "valueQuantity": {"value": 13.5, "unit": "g/dL"},
        **more,
    }


def document(public_id: str = "d1", of: str = "p1", data: str = "", **more: Any) -> Resource:
    attachment: Resource = {"contentType": "application/pdf"}
    if data:
        attachment["data"] = data
    return {
        "resourceType": "DocumentReference",
        "id": public_id,
        "status": "current",
        "type": {"text": "Operative note"},
        "subject": {"reference": f"Patient/{of}"},
        "date": "2026-02-03T08:15:00Z",
        "content": [{"attachment": attachment}],
        **more,
    }


def asker(clearance: Label = Label.NONE) -> AccessContext:
    """A person whose clearance is these labels."""
    from charthouse.foundation.access.api import Role

    return AccessContext("user:1", "A reader", frozenset({Role.HIT}), clearance=clearance)


@pytest.fixture
def book(db: None) -> Iterator[Book]:
    from django.db import connection

    with connection.cursor() as cursor:
        yield Book(cursor)


@pytest.fixture
def make() -> Any:
    """The makers of resources and readers: ``make.patient``, ``make.observation``, ``make.document``, …"""

    class Make:
        system = SYSTEM
        book = Book

    for function in (patient, observation, document, asker):
        setattr(Make, function.__name__, staticmethod(function))
    return Make
