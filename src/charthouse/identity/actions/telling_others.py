"""Telling other systems of a decision, through the outbox, in the transaction of the decision."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from charthouse.foundation.access.api import AccessContext, Purpose
from charthouse.foundation.clock import wall
from charthouse.foundation.disclosure.api import How, Recipient, record_disclosures
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.outbox.api import enqueue
from charthouse.identity.domain.notices import Known, Receiver, Told, fhir_notice, hl7_notice
from charthouse.identity.domain.traits import traits_from_json
from charthouse.identity.models import Decision, Notice, NoticeDestination

#: All notices to one destination go in the order of the decisions.
_KEY = "identity"


def tell_others(ctx: AccessContext, decision: int) -> None:
    """Enqueue a notice of the decision for every destination that is set up, and write down what it discloses."""
    destinations = list(NoticeDestination.objects.filter(removed_at=None).order_by("id"))
    if not destinations:
        return
    told = _told(Decision.objects.get(pk=decision))
    if told is None:
        return
    for each in destinations:
        receiver = Receiver(each.name, each.application, each.facility)
        hl7 = each.format == NoticeDestination.Format.HL7V2
        control_id = f"CH{decision}.{each.pk}"
        payload = hl7_notice(told, receiver, control_id) if hl7 else fhir_notice(told, receiver, control_id)
        kind = f"hl7v2/ADT^{told.trigger}" if hl7 else "fhir/Bundle"
        message = enqueue(each.address, kind, payload, _KEY)
        Notice.objects.create(decision_id=decision, destination=each, message=message)
        record_disclosures(
            ctx,
            recipient=Recipient(each.name, each.address.partition("?")[0]),
            purpose=Purpose.RECORD_MANAGEMENT,
            items_by_patient={
                known.public_id: [Subject("patient", known.public_id)] for known in (*told.remain, *told.go)
            },
            how=How.OUTBOUND,
            description="Notice that records were joined." if told.joined else "Notice that records were parted.",
        )


def _told(decision: Decision) -> Told | None:
    """Who is joined to whom, or parted from whom, by what the decision moved; None where it moved nobody."""
    undone = Decision.objects.get(pk=decision.undoes_id) if decision.undoes_id else None
    joins = {Decision.Kind.MERGE, Decision.Kind.LINK, Decision.Kind.NOTICE}
    joined = undone.kind not in joins if undone else decision.kind in joins
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, person_from, person_to FROM identity_link WHERE decision = %s"
            " AND person_from IS DISTINCT FROM person_to ORDER BY id",
            [decision.pk],
        )
        events = cursor.fetchall()
    if not events:
        return None
    moved = [patient for patient, _, _ in events]
    to = events[0][2]
    # Of those who are parted, who remains is the person that was left; by a split nobody was.
    left = events[0][1] or decision.person
    stays = [each for each in _known(to if joined else left) if each.patient not in moved]
    goes = [each for each in _known(to) if each.patient in moved]
    if not stays or not goes:
        return None
    # A person that keeps records keeps the number, too.
    other = _number(left if joined else to) if not joined or not _known(left) else None
    return Told(joined, wall(), tuple(stays), tuple(goes), _number(to if joined else left), other)


def _known(person: UUID) -> Sequence[Known]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.patient, s.public_id, s.family, s.given, s.birth, s.sex, t.traits::text"
            " FROM identity_source_patient s JOIN identity_traits t USING (patient)"
            " WHERE s.person = %s ORDER BY s.patient",
            [person],
        )
        return [
            Known(
                patient=patient,
                public_id=public_id,
                family=family,
                given=given,
                birth=birth,
                sex=sex,
                numbers=tuple(
                    (each.system, each.value, each.kind) for each in traits_from_json(traits).identifiers
                ),
            )
            for patient, public_id, family, given, birth, sex, traits in cursor.fetchall()
        ]


def _number(person: UUID) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM identity_person WHERE id = %s", [person])
        return int(cursor.fetchone()[0])
