"""A desk to enter at; none of the people lives."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connections

from charthouse.foundation.access.api import ALL_LABELS, AccessContext, Role, system_context
from charthouse.people.api import CheckDigit, FacilityDraft, MrnAssignerDraft, set_up_places

SYSTEM = system_context("tests")
MRN = "urn:oid:2.16.840.1.113883.19.4.77"


def asker(*roles: Role, name: str = "M. Sato") -> AccessContext:
    return AccessContext("user:11", name, frozenset(roles), clearance=ALL_LABELS)


COORDINATOR = asker(Role.COORDINATOR)
PHYSICIAN = asker(Role.PHYSICIAN, name="B. Novak")
MED_TECH = asker(Role.MED_TECH, name="J. Petit")


def set_up_desk() -> None:
    set_up_places(
        organization="Mercy",
        time_zone="America/Chicago",
        facilities=[FacilityDraft("MERCY", "Mercy Hospital", "hospital", "America/Chicago")],
        mrn_assigner=MrnAssignerDraft(MRN, width=6, check_digit=CheckDigit.MOD97, first=4100),
    )


def typed(**fields: str) -> dict[str, str]:
    """A form as it is sent: a walk-in, unless said otherwise."""
    return {
        "family": "Okonkwo-Reyes",
        "given": "Marisol",
        "birth": "3/9/1952",
        "sex": "female",
        "line": "14 Quarry Lane",
        "city": "Galena",
        "state": "IL",
        "postal": "61036",
        "phone": "815 555 0142",
        "once": str(uuid.uuid4()),
        **fields,
    }


@pytest.fixture
def desk(db: None) -> Callable[..., UUID]:
    """Registers somebody and gives the person."""
    from charthouse.frontdesk.api import register_person

    set_up_desk()
    return lambda **fields: register_person(COORDINATOR, typed(**fields)).person


def send(resource: dict[str, Any], sender: str = "ADT|MERCY") -> None:
    """A resource as another system sends it."""
    from charthouse.intake.api import Connector, take_in

    (taken,) = take_in(io.BytesIO(orjson.dumps(resource)), connector=Connector.FILES, sender=sender)
    assert taken.result is not None and not taken.result.problems


def summary_of(person: UUID) -> Any:
    from charthouse.identity.api import patients_of
    from charthouse.record.api import chart_summary

    return chart_summary(SYSTEM, patients_of(SYSTEM, person))


def person_called(words: str) -> UUID:
    from charthouse.identity.api import find

    (hit,) = find(SYSTEM, words)
    return hit.person


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the acts return, each in a thread and on a connection of its own, begun together."""
    gate = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            gate.wait()
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))
