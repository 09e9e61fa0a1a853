"""Facilities and MRN assigners: add them, and number charts."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.domain.check_digits import CheckDigit, check_digits, has_right_check_digits, is_npi
from charthouse.people.models import Facility, FacilityKind, MrnAssigner
from charthouse.people.permissions import MANAGE_PLACES, NUMBER_CHARTS

from . import _ledger
from ._ledger import Subject

__all__ = [
    "FacilityDraft",
    "Mrn",
    "MrnAssignerDraft",
    "PlaceError",
    "add_facility",
    "add_mrn_assigner",
    "assign_mrns",
    "change_facility",
    "is_own_mrn",
    "valid_zone",
]


_LONGEST = {
    "code": 40,
    "name": 200,
    "kind": 20,
    "time_zone": 64,
    "address": 1000,
    "phone": 40,
    "npi": 10,
    "ccn": 10,
}


class PlaceError(Exception):
    """A facility or assigner cannot be set up as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class FacilityDraft:
    """A facility to be. ``kind`` is a FacilityKind value, ``time_zone`` an IANA name."""

    code: str
    name: str
    kind: str
    time_zone: str
    address: str = ""
    phone: str = ""
    npi: str = ""
    ccn: str = ""


@dataclass(frozen=True, slots=True)
class MrnAssignerDraft:
    """An assigner to be. ``width`` is the number's digits without prefix and check digits."""

    system: str
    prefix: str = ""
    width: int = 6
    check_digit: CheckDigit = CheckDigit.NONE
    first: int = 1


@dataclass(frozen=True, slots=True)
class Mrn:
    system: str
    value: str


def valid_zone(name: str) -> str:
    """``name`` where it is an IANA time zone; raises PlaceError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PlaceError(f"{name!r} is not a time zone: give an IANA name such as America/Chicago.") from None
    return name


def _check(draft: FacilityDraft) -> None:
    """Raise PlaceError for a draft that no facility can be."""
    if draft.kind not in FacilityKind.values:
        raise PlaceError(f"{draft.kind!r} is not a kind of facility: choose from {', '.join(FacilityKind.values)}.")
    if not draft.code.strip() or not draft.name.strip():
        raise PlaceError("A facility needs a code and a name.")
    if draft.npi and not is_npi(draft.npi):
        raise PlaceError(f"The facility {draft.code} has the NPI {draft.npi}, whose check digit is not right.")
    for field in fields(draft):
        if len(getattr(draft, field.name)) > _LONGEST[field.name]:
            raise PlaceError(f"The {field.name} is too long: at most {_LONGEST[field.name]} characters.")
    valid_zone(draft.time_zone)


def add_facility(ctx: AccessContext, draft: FacilityDraft) -> int:
    """Add a facility; returns its id. Raises PlaceError."""
    require(ctx, MANAGE_PLACES)
    _check(draft)
    with transaction.atomic():
        if Facility.objects.filter(code=draft.code).exists():
            raise PlaceError(f"There is a facility with the code {draft.code} already.")
        row = Facility.objects.create(
            code=draft.code.strip(),
            name=draft.name.strip(),
            kind=draft.kind,
            time_zone=valid_zone(draft.time_zone),
            address=draft.address,
            phone=draft.phone,
            npi=draft.npi,
            ccn=draft.ccn,
        )
        _ledger.append(
            ctx, "people.add-facility", subjects=[Subject("facility", str(row.pk))], detail={"code": row.code}
        )
    return row.pk


def change_facility(ctx: AccessContext, facility: int, draft: FacilityDraft) -> tuple[str, ...]:
    """Let a facility be as the draft says; returns the names of what changed. The code stays: senders and grants
    know the facility by it. Raises PlaceError."""
    require(ctx, MANAGE_PLACES)
    with transaction.atomic():
        row = Facility.objects.select_for_update().filter(pk=facility).first()
        if row is None:
            raise PlaceError(f"There is no facility {facility}.")
        _check(replace(draft, code=row.code))
        wanted = {
            "name": draft.name.strip(),
            "kind": draft.kind,
            "time_zone": draft.time_zone,
            "address": draft.address.strip(),
            "phone": draft.phone.strip(),
            "npi": draft.npi,
            "ccn": draft.ccn.strip(),
        }
        changed = [name for name, value in wanted.items() if getattr(row, name) != value]
        if changed:
            before = {name: getattr(row, name) for name in changed}
            for name in changed:
                setattr(row, name, wanted[name])
            row.save(update_fields=changed)
            _ledger.append(
                ctx,
                "people.change-facility",
                subjects=[Subject("facility", str(row.pk))],
                detail={"changed": [*changed], "before": before},
            )
    return tuple(changed)


def add_mrn_assigner(ctx: AccessContext, draft: MrnAssignerDraft, *, facility: int | None = None) -> int:
    """Add an MRN assigner, for one facility or the whole organization; returns its id. Raises PlaceError."""
    require(ctx, MANAGE_PLACES)
    if not urlsplit(draft.system).scheme:
        raise PlaceError(
            f"The identifier system {draft.system!r} is not a URI: give one such as urn:oid:… or https://…/mrn."
        )
    if not 1 <= draft.width <= 18 or draft.first < 0:
        raise PlaceError("An MRN has 1 to 18 digits and begins at zero or above.")
    with transaction.atomic():
        if MrnAssigner.objects.filter(system=draft.system).exists():
            raise PlaceError(f"There is an MRN assigner for {draft.system} already.")
        row = MrnAssigner.objects.create(
            system=draft.system,
            facility_id=facility,
            prefix=draft.prefix,
            width=draft.width,
            check_digit=draft.check_digit,
            next=draft.first,
        )
        _ledger.append(
            ctx,
            "people.add-mrn-assigner",
            subjects=[Subject("facility", str(facility))] if facility is not None else [],
            detail={"system": row.system},
        )
    return row.pk


def assign_mrns(ctx: AccessContext, assigner_id: int, count: int = 1) -> list[Mrn]:
    """The next ``count`` numbers, in the caller's transaction: no other gets them, and a rollback gives them back.

    Others who want numbers of this assigner wait until the transaction ends, so ask late and for all at once.
    Raises PlaceError when the width is used up.
    """
    require(ctx, NUMBER_CHARTS)
    if count < 1:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE people_mrn_assigner SET next = next + %s WHERE id = %s "
            "RETURNING next - %s, system, prefix, width, check_digit",
            [count, assigner_id, count],
        )
        row = cursor.fetchone()
        if row is None:
            raise PlaceError(f"There is no MRN assigner {assigner_id}.")
        first, system, prefix, width, method = row
        if first + count - 1 >= 10**width:
            raise PlaceError(f"The MRN assigner for {system} has no numbers of {width} digits left; widen it.")
    return [
        Mrn(system, _written(number, prefix, width, CheckDigit(method))) for number in range(first, first + count)
    ]


def _written(number: int, prefix: str, width: int, method: CheckDigit) -> str:
    digits = f"{number:0{width}d}"
    return f"{prefix}{digits}{check_digits(method, digits)}"


def is_own_mrn(assigner_id: int, value: str) -> bool:
    """Whether ``value`` could be a number of this assigner: prefix, width and check digits are right."""
    row = MrnAssigner.objects.get(pk=assigner_id)
    if not value.startswith(row.prefix):
        return False
    digits, method = value.removeprefix(row.prefix), CheckDigit(row.check_digit)
    extra = {CheckDigit.NONE: 0, CheckDigit.MOD97: 2}.get(method, 1)
    return len(digits) == row.width + extra and has_right_check_digits(method, digits)
