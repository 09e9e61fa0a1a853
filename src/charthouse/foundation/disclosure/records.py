"""Writing and reading disclosures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Purpose, require
from charthouse.foundation.ledger.api import Subject

from .models import Disclosure, DisclosureItem
from .permissions import DISCLOSURES_READ

_BATCH = 2000


class How(StrEnum):
    """The way by which records left."""

    PRINT = "print"
    EXPORT = "export"
    OUTBOUND = "outbound"
    API = "api"
    ORAL = "oral"
    MAIL = "mail"
    FAX = "fax"


class Basis(StrEnum):
    """The ground a disclosure stands on; the accounting leaves some of them out (45 CFR 164.528(a)(1))."""

    TREATMENT = "treatment"
    PAYMENT = "payment"
    OPERATIONS = "operations"
    INDIVIDUAL = "to-the-individual"
    AUTHORIZATION = "authorization"
    PERSONS_INVOLVED = "directory-or-persons-involved"
    REQUIRED_BY_LAW = "required-by-law"
    PUBLIC_HEALTH = "public-health"
    JUDICIAL = "judicial-or-administrative"
    LAW_ENFORCEMENT = "law-enforcement"
    RESEARCH = "research"
    OVERSIGHT = "health-oversight"
    DECEDENTS = "coroner-or-funeral"
    NATIONAL_SECURITY = "national-security"
    CUSTODY = "correctional-custody"
    LIMITED_DATA_SET = "limited-data-set"
    INCIDENTAL = "incidental"
    UNKNOWN = "unknown"


BASIS_OF_PURPOSE = {
    Purpose.TREATMENT: Basis.TREATMENT,
    Purpose.EMERGENCY: Basis.TREATMENT,
    Purpose.PAYMENT: Basis.PAYMENT,
    Purpose.OPERATIONS: Basis.OPERATIONS,
    Purpose.RECORD_MANAGEMENT: Basis.OPERATIONS,
    Purpose.TRAINING: Basis.OPERATIONS,
    Purpose.PATIENT_REQUEST: Basis.INDIVIDUAL,
    Purpose.PUBLIC_HEALTH: Basis.PUBLIC_HEALTH,
    Purpose.RESEARCH: Basis.RESEARCH,
    Purpose.LEGAL: Basis.JUDICIAL,
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who received the records, with the address where it is known (45 CFR 164.528(b)(2)(ii))."""

    name: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class DisclosureLine:
    """One disclosure of one patient's records."""

    id: int
    patient: str
    recipient: Recipient
    purpose: Purpose
    basis: Basis
    how: How
    description: str
    items: tuple[Subject, ...]
    at: datetime
    recorded_at: datetime
    actor: str
    actor_name: str


def record_disclosure(
    ctx: AccessContext,
    *,
    recipient: Recipient | str,
    purpose: Purpose | str,
    items: Iterable[Subject],
    patient: str,
    how: How | str,
    basis: Basis | str | None = None,
    description: str = "",
    at: datetime | None = None,
) -> int:
    """Write one disclosure in the current transaction and answer its id.

    ``at`` is the business instant, now unless given. Without ``basis`` the purpose's own is taken. Raises
    ValueError where recipient, patient or items are wanting, or a code is not known.
    """
    return record_disclosures(
        ctx,
        recipient=recipient,
        purpose=purpose,
        items_by_patient={patient: items},
        how=how,
        basis=basis,
        description=description,
        at=at,
    )[0]


def record_disclosures(
    ctx: AccessContext,
    *,
    recipient: Recipient | str,
    purpose: Purpose | str,
    items_by_patient: Mapping[str, Iterable[Subject]],
    how: How | str,
    basis: Basis | str | None = None,
    description: str = "",
    at: datetime | None = None,
) -> list[int]:
    """Write one disclosure a patient, as for an export of many, and answer their ids in the mapping's order."""
    to = recipient if isinstance(recipient, Recipient) else Recipient(recipient)
    if not to.name.strip():
        raise ValueError("A disclosure needs its recipient: say who received the records.")
    why, way = Purpose(purpose), How(how)
    ground = Basis(basis) if basis else BASIS_OF_PURPOSE.get(why, Basis.UNKNOWN)
    wanted = {patient: sorted(set(items), key=str) for patient, items in items_by_patient.items()}
    if not all(wanted) or not all(wanted.values()):
        raise ValueError("A disclosure needs a patient and the items that were disclosed.")
    when, recorded = at or clock.now(), clock.wall()
    with transaction.atomic():
        rows = Disclosure.objects.bulk_create(
            [
                Disclosure(
                    patient=patient,
                    recipient=to.name.strip(),
                    recipient_address=to.address.strip(),
                    purpose=why.value,
                    basis=ground.value,
                    how=way.value,
                    description=description.strip(),
                    at=when,
                    recorded_at=recorded,
                    actor=ctx.actor,
                    actor_name=ctx.name,
                )
                for patient in wanted
            ],
            batch_size=_BATCH,
        )
        DisclosureItem.objects.bulk_create(
            [
                DisclosureItem(disclosure=row, kind=item.kind, item=item.id)
                for row in rows
                for item in wanted[row.patient]
            ],
            batch_size=_BATCH,
        )
    return [row.pk for row in rows]


def disclosures_of(
    ctx: AccessContext, patient: str | Sequence[str], since: datetime, until: datetime
) -> list[DisclosureLine]:
    """What was disclosed of a patient from ``since`` until before ``until`` (business clock), newest first.

    ``patient`` is one source patient's id or all those of a person. Raises PermissionRefused without the right.
    """
    require(ctx, DISCLOSURES_READ)
    patients = [patient] if isinstance(patient, str) else list(patient)
    return _lines(Disclosure.objects.filter(patient__in=patients, at__gte=since, at__lt=until))


def _lines(found: QuerySet[Disclosure]) -> list[DisclosureLine]:
    rows = found.prefetch_related("items").order_by("-at", "-id")
    return [
        DisclosureLine(
            row.pk,
            row.patient,
            Recipient(row.recipient, row.recipient_address),
            Purpose(row.purpose),
            Basis(row.basis),
            How(row.how),
            row.description,
            tuple(sorted((Subject(item.kind, item.item) for item in row.items.all()), key=str)),
            row.at,
            row.recorded_at,
            row.actor,
            row.actor_name,
        )
        for row in rows
    ]


def disclosures_with(ctx: AccessContext, items: Iterable[Subject], before: datetime) -> list[DisclosureLine]:
    """The disclosures recorded before an instant of the wall clock that held any of these items, newest first.

    Raises PermissionRefused without the right.
    """
    require(ctx, DISCLOSURES_READ)
    wanted = Q(pk__in=[])
    for item in items:
        wanted |= Q(kind=item.kind, item=item.id)
    ids = DisclosureItem.objects.filter(wanted).values("disclosure")
    return _lines(Disclosure.objects.filter(pk__in=ids, recorded_at__lt=before))


def disclosures_naming(
    ctx: AccessContext, patients: Sequence[str], kind: str, before: datetime
) -> list[DisclosureLine]:
    """The disclosures of these source patients recorded before an instant of the wall clock whose items name
    something of a kind, newest first.

    Raises PermissionRefused without the right.
    """
    require(ctx, DISCLOSURES_READ)
    naming = DisclosureItem.objects.filter(disclosure=OuterRef("pk"), kind=kind)
    rows = Disclosure.objects.filter(patient__in=list(patients), recorded_at__lt=before)
    return _lines(rows.filter(Exists(naming)))
