"""A house whose charts are analysed by a double of the engine, for tests of the desk; none of the people lives."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.db import connection

from charthouse.completion import analysing
from charthouse.completion.actions import keep_facts
from charthouse.completion.analysing import Found
from charthouse.completion.domain.facts import EncounterFacts, EncounterKind, Party
from charthouse.completion.domain.findings import Finding, What
from charthouse.completion.models import Chart, Deficiency
from charthouse.foundation.access.api import ALL_LABELS, AccessContext, Role
from charthouse.intake.api import Connector, take_in
from charthouse.people.api import PractitionerFact, note_practitioners
from charthouse.record.api import TYPE_ID

#: Tests live at this moment.
NOW = datetime(2026, 3, 20, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
NOVAK, CHEN, MENDEZ = "Practitioner/novak", "Practitioner/chen", "Practitioner/mendez"


def asker(number: int, name: str, *roles: Role, practitioner: str = "") -> AccessContext:
    own = frozenset({practitioner} if practitioner else ())
    return AccessContext(f"user:{number}", name, frozenset(roles), clearance=ALL_LABELS, practitioners=own)


SATO = asker(3, "M. Sato", Role.HIT)
VALE = asker(7, "R. Vale", Role.HIT)
OBI = asker(4, "K. Obi", Role.MANAGER)
DR_NOVAK = asker(1, "B. Novak", Role.PHYSICIAN, practitioner=NOVAK)
DR_CHEN = asker(2, "L. Chen", Role.PHYSICIAN, practitioner=CHEN)
CLERK = asker(5, "A. Clerk", Role.COORDINATOR)


def finding(key: str = "hp", owed_by: str = NOVAK, **more: Any) -> Finding:
    """A missing history and physical, or whatever is said."""
    made = Finding(
        rule="completion.history-and-physical",
        kind=key,
        piece="history-and-physical",
        what=What.MISSING,
        about="",
        owed_by=Party(owed_by.removeprefix("Practitioner/"), "B. Novak") if owed_by else None,
        owed_because="the attending at admission",
        due=NOW - 8 * DAY,
        says="There is no history and physical.",
        key=key,
    )
    return replace(made, **more)


@dataclass
class House:
    """Encounters that were filed, and what the double finds in each, by the number of the visit."""

    found: dict[str, list[Found]] = field(default_factory=dict)
    facts: dict[str, EncounterFacts] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    analysed: list[str] = field(default_factory=list)

    def visit(
        self,
        number: str = "1",
        *lacks: Finding,
        of: str = "p1",
        ended: datetime | None = NOW - 9 * DAY,
        **more: Any,
    ) -> Chart | None:
        """File an encounter of a patient and analyse it; its chart."""
        start = (ended or NOW) - 2 * DAY
        period = {"start": start.isoformat()} | ({"end": ended.isoformat()} if ended else {})
        self.send(patient(of), encounter(number, of, period))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, public_id, patient FROM record_resource WHERE type = %s ORDER BY id DESC LIMIT 1",
                [TYPE_ID["Encounter"]],
            )
            row, id, owner = cursor.fetchone()
        self.ids[number] = id
        made = EncounterFacts(
            id=id,
            kind=EncounterKind.INPATIENT,
            status="finished" if ended else "in-progress",
            start=start,
            end=ended,
            row=row,
            patient=owner,
            service="Medicine",
        )
        self.facts[id] = replace(made, **more)
        self.lacks(number, *lacks)
        return self.analyse(number)

    def lacks(self, number: str, *findings: Finding, judgement: bool = False) -> None:
        self.found[self.ids[number]] = [Found(each, judgement) for each in findings]

    def analyse(self, number: str = "1") -> Chart | None:
        from charthouse.completion.actions.analyse_charts import analyse_charts

        row = self.facts[self.ids[number]].row
        analyse_charts([row])
        return Chart.objects.filter(encounter=row).first()

    def chart(self, number: str = "1") -> Chart:
        return Chart.objects.get(encounter=self.facts[self.ids[number]].row)

    def deficiency(self, key: str = "hp", number: str = "1") -> Deficiency:
        return Deficiency.objects.get(chart=self.chart(number), key=key)

    def send(self, *resources: dict[str, Any]) -> None:
        bundle = {
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [
                {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
                for each in resources
            ],
        }
        list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender="house", file=True))

    def follow(self) -> int:
        """Let the consumer of the record's news read what there is."""
        from charthouse.completion.consumers import DEFICIENCIES
        from charthouse.foundation.events.api import drain

        return drain(DEFICIENCIES)


def patient(id: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id,
        "name": [{"family": f"Marsh{id}", "given": ["Ida"]}],
        "birthDate": f"19{50 + len(id)}-02-03",
        "gender": "female",
        "identifier": [{"system": "urn:house:mrn", "value": f"M-{id}"}],
    }


def encounter(number: str, of: str, period: dict[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": f"visit-{number}",
        "status": "finished" if "end" in period else "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/{of}"},
        "period": period,
    }


def document(id: str, of: str, number: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": id,
        "status": "current",
        "docStatus": "final",
        "type": {"text": "History and physical"},
        "subject": {"reference": f"Patient/{of}"},
        "date": (NOW - 10 * DAY).isoformat(),
        "content": [{"attachment": {"contentType": "text/plain", "data": "U2Vlbi4="}}],
        "context": {"encounter": [{"reference": f"Encounter/visit-{number}"}]},
        **more,
    }


def make_house(monkeypatch: pytest.MonkeyPatch) -> House:
    """The house, with its practitioners, and the double in place of the engine."""
    house = House()

    def facts_of(rows: Sequence[int], *, anew: bool = False) -> list[EncounterFacts]:
        found = [each for each in house.facts.values() if each.row in rows]
        house.analysed += [each.id for each in found]
        return found

    monkeypatch.setattr(keep_facts, "facts_of", facts_of)
    monkeypatch.setattr(analysing, "found_in", lambda facts, version, now: house.found.get(facts.id, []))
    note_practitioners(
        [
            PractitionerFact("novak", "Novak", "Bela", credentials="MD"),
            PractitionerFact("chen", "Chen", "Lin", credentials="MD"),
            PractitionerFact("mendez", "Mendez", "Rosa", credentials="MD"),
        ]
    )
    return house
