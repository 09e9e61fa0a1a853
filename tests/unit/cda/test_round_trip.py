"""A CCD out and in again is equal over its listed sections, over the synthetic hospital."""

from __future__ import annotations

import io
from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from django.db import connection

from charthouse.exchange.cda.api import DocumentKind, Keeper, write
from charthouse.foundation.access.api import system_context
from tests.support.cda import converted
from tests.support.cda_essentials import essentials, gathered

HOW_MANY = 16
ZONE = ZoneInfo("America/Chicago")
ANCHOR = datetime(2026, 3, 2, 12, tzinfo=ZONE)
KEEPER = Keeper("Harbor Regional Medical Center", "2.16.840.1.113883.19.5", "1 Harbor Way\nPortland", "555-0100")
#: Types that a CCD carries whole.
WHOLE = {
    "AllergyIntolerance",
    "Condition",
    "MedicationRequest",
    "MedicationStatement",
    "Immunization",
    "Procedure",
    "Coverage",
}
CATEGORIES = {"laboratory", "vital-signs", "social-history"}


@pytest.fixture
def hospital(db: None) -> list[Any]:
    """The persons of a small synthetic hospital, filed."""
    from charthouse.intake.api import Connector, take_in
    from charthouse.teaching.domain.hospital import Hospital, patients
    from charthouse.teaching.domain.plants import DEFAULT_RATES

    for one in patients(Hospital(11, ANCHOR, dict(DEFAULT_RATES)), 1, HOW_MANY):
        for message in one.messages:
            list(take_in(io.BytesIO(message.data), connector=Connector.FILES))
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT person FROM identity_source_patient")
        return [person for (person,) in cursor.fetchall()]


@pytest.mark.slow
def test_a_ccd_out_and_in_again_is_equal(hospital: list[Any]) -> None:
    from charthouse.web.actions.export_document import _contents

    ctx = system_context("test")
    kinds: Counter[str] = Counter()
    for person in hospital:
        contents = _contents(ctx, person, DocumentKind.CCD, "")
        written = write(
            DocumentKind.CCD, contents, KEEPER, id="5f0c6d1e-6b0f-4b52-9a3c-51b7f6c3a001", at=ANCHOR, by="A. Clerk"
        )
        inside = set(written.items)
        sent = [each for each in contents.resources if (each["resourceType"], each["id"]) in inside]
        for each in contents.resources:
            held = {
                code["code"]
                for one in each.get("category", ())
                if isinstance(one, dict)
                for code in one.get("coding", ())
            }
            if each["resourceType"] in WHOLE or (each["resourceType"] == "Observation" and held & CATEGORIES):
                assert (each["resourceType"], each["id"]) in inside, each
        found = converted(written.content)
        assert not found.faults
        assert all(section.outcome in ("read", "empty") for section in found.sections), found.sections
        back = [draft.resource for draft in found.drafts]
        kinds.update(each["resourceType"] for each in sent)
        reports = {
            repr(each) for one in sent if one["resourceType"] == "DiagnosticReport" for each in essentials(one)
        }
        assert reports <= set(gathered(each for each in back if each["resourceType"] == "DiagnosticReport"))
        here = gathered(each for each in sent if each["resourceType"] != "DiagnosticReport")
        there = gathered(each for each in back if each["resourceType"] not in ("DiagnosticReport",))
        lost, more = here - there, there - here
        assert not lost and not more, "\n".join(
            [*(f"- {each}" for each in sorted(lost)[:6]), *(f"+ {each}" for each in sorted(more)[:6])]
        )
    assert kinds["Observation"] > 100 and {
        "AllergyIntolerance",
        "Condition",
        "MedicationRequest",
        "Encounter",
        "Coverage",
    } <= set(kinds)
    print(kinds, orjson.dumps(dict(kinds)))
