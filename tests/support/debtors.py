"""A staff that owes records: practitioners with accounts, patients with encounters, charts and what they lack."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from charthouse.completion.models import Chart, Deficiency
from charthouse.foundation.access.api import AccessContext, Role, system_context
from charthouse.intake.api import Connector, take_in
from charthouse.people import api as people
from charthouse.record.api import TYPE_ID

NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
SYSTEM = system_context("test")
DAY = timedelta(days=1)
MANAGER = AccessContext("user:901", "M. Bright", frozenset({Role.MANAGER}))
HIT = AccessContext("user:902", "H. Tan", frozenset({Role.HIT}))
CODER = AccessContext("user:903", "C. Oder", frozenset({Role.CODER}))
#: What no letter's mail may hold: names, record numbers, days of discharge.
PATIENT = {"family": "Vandermolen", "mrn": "MRN-77"}


def make_staff(*families: str) -> None:
    """The house, and practitioners of these names; the account of each has an e-mail address, but for Nomail."""
    people.set_up_places(
        organization="Lindqvist Valley",
        time_zone="America/Chicago",
        facilities=[people.FacilityDraft("LVMC", "Lindqvist Valley Medical", "hospital", "America/Chicago")],
        mrn_assigner=people.MrnAssignerDraft("urn:oid:2.16.840.1.113883.3.1"),
    )
    resources = [
        {
            "resourceType": "Practitioner",
            "id": family.lower(),
            "name": [{"family": family, "given": ["Ada"], "prefix": ["Dr."]}],
        }
        for family in families
    ]
    _file(*resources)
    for family in families:
        (entry,) = people.find_practitioners(SYSTEM, family)
        made = people.add_account(
            SYSTEM,
            username=family.lower(),
            display_name=f"Ada {family}",
            email="" if family == "Nomail" else f"{family.lower()}@example.org",
            roles=[Role.PHYSICIAN],
            require_totp=False,
        )
        people.link_practitioner(SYSTEM, made.id, entry.id)


def practitioner(family: str) -> str:
    (entry,) = people.find_practitioners(SYSTEM, family)
    return f"Practitioner/{entry.public_ids[0]}"


def owe(family: str, number: int, *, late: int | None = None, opened: int = 8, at: datetime = NOW) -> Deficiency:
    """A chart in which ``family`` owes the discharge summary, delinquent for ``late`` days."""
    visit, patient = f"visit-{number}", f"patient-{number}"
    _file(
        {
            "resourceType": "Patient",
            "id": patient,
            "name": [{"family": PATIENT["family"], "given": [f"Jane{number}"]}],
            "gender": "female",
            "birthDate": f"19{number % 90 + 10}-03-04",
            "identifier": [
                {
                    "system": "urn:oid:2.16.840.1.113883.3.1",
                    "value": f"{PATIENT['mrn']}{number}",
                    "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
                }
            ],
        },
        {
            "resourceType": "Encounter",
            "id": visit,
            "status": "finished",
            "class": {"code": "IMP"},
            "subject": {"reference": f"Patient/{patient}"},
        },
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, patient, public_id FROM record_resource WHERE type = %s ORDER BY id DESC LIMIT 1",
            [TYPE_ID["Encounter"]],
        )
        row, source, public = cursor.fetchone()
    due = at - late * DAY if late is not None else at + 10 * DAY
    chart = Chart.objects.create(
        encounter=row,
        encounter_id=public,
        patient=source,
        facility=people.facilities()[0].id,
        kind="inpatient",
        discharged=due - 30 * DAY,
        state="delinquent" if late is not None else "incomplete",
        since=at,
        due=due,
        open=1,
        analysed_at=at,
        rules=1,
    )
    return Deficiency.objects.create(
        chart=chart,
        key=f"discharge-summary-{number}",
        kind="discharge-summary",
        what="missing",
        says="The discharge summary is missing.",
        owed_by=practitioner(family),
        owed_name=family,
        opened=at - opened * DAY,
        due=due,
        state="open",
    )


def complete(deficiency: Deficiency, at: datetime = NOW) -> None:
    """What was owed is there now."""
    deficiency.state, deficiency.ended = "closed", at
    deficiency.save()
    chart = deficiency.chart
    chart.state, chart.due, chart.open = "complete", None, 0
    chart.save()


def _file(*resources: dict[str, object]) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    with transaction.atomic():
        list(take_in(io.BytesIO(json.dumps(bundle).encode()), connector=Connector.FILES, sender="house"))
