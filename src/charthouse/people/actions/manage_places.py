"""Facilities and MRN assigners: add, change and close them, and number charts."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection, transaction
from django.db.models import Q

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.domain.check_digits import CheckDigit, check_digits, has_right_check_digits, is_npi
from charthouse.people.models import Facility, FacilityKind, MrnAssigner, RoleGrant
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
    "change_mrn_assigner",
    "close_facility",
    "is_own_mrn",
    "reopen_facility",
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
_LONGEST_REASON = 500
_LONGEST_SYSTEM, _LONGEST_PREFIX = 255, 12
_WIDEST = 18


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


def close_facility(ctx: AccessContext, facility: int, reason: str, *, inpatients: int = 0) -> None:
    """Close a facility: no role is given at it, its own assigner numbers no chart, and no letter carries its
    head. What it did stays as it is. ``inpatients`` are those the record knew to be in it, for the ledger.

    Raises PlaceError without a reason, for one that is closed, for the last that is open, and while anybody holds a
    role at it.
    """
    require(ctx, MANAGE_PLACES)
    reason = _reason(reason)
    with transaction.atomic():
        # All of them, so that two who close the last two wait for each other.
        rows = {row.pk: row for row in Facility.objects.select_for_update().order_by("pk")}
        row = _there(rows.get(facility), facility)
        if row.closed_at is not None:
            raise PlaceError(f"{row.name} is closed already.")
        if sum(each.closed_at is None for each in rows.values()) == 1:
            raise PlaceError(f"{row.name} is the only facility that is open. Add the one that follows it first.")
        now = clock.wall()
        holders = (
            RoleGrant.objects.filter(Q(valid_until=None) | Q(valid_until__gt=now), facility=row)
            .values("user")
            .distinct()
            .count()
        )
        if holders:
            who = "1 person holds" if holders == 1 else f"{holders} people hold"
            raise PlaceError(f"{who} a role at {row.name}. Change their roles first, on the page People.")
        row.closed_at = now
        row.save(update_fields=["closed_at"])
        _told(ctx, "people.close-facility", row, reason, **({"inpatients": inpatients} if inpatients else {}))


def reopen_facility(ctx: AccessContext, facility: int, reason: str) -> None:
    """Open a closed facility again. Raises PlaceError without a reason, and for one that is open."""
    require(ctx, MANAGE_PLACES)
    reason = _reason(reason)
    with transaction.atomic():
        row = _there(Facility.objects.select_for_update().filter(pk=facility).first(), facility)
        if row.closed_at is None:
            raise PlaceError(f"{row.name} is open.")
        row.closed_at = None
        row.save(update_fields=["closed_at"])
        _told(ctx, "people.reopen-facility", row, reason)


def _there(row: Facility | None, facility: int) -> Facility:
    if row is None:
        raise PlaceError(f"There is no facility {facility}.")
    return row


def _reason(reason: str) -> str:
    said = " ".join(reason.split())
    if not said:
        raise PlaceError("Say why: the reason stays in the ledger.")
    if len(said) > _LONGEST_REASON:
        raise PlaceError(f"The reason is too long: at most {_LONGEST_REASON} characters.")
    return said


def _told(ctx: AccessContext, action: str, row: Facility, reason: str, **more: int) -> None:
    detail: dict[str, _ledger.JSON] = {"code": row.code, "reason": reason, **more}
    _ledger.append(ctx, action, subjects=[Subject("facility", str(row.pk))], detail=detail)


def add_mrn_assigner(ctx: AccessContext, draft: MrnAssignerDraft, *, facility: int | None = None) -> int:
    """Add an MRN assigner, for one facility or the whole organization; returns its id. Raises PlaceError."""
    require(ctx, MANAGE_PLACES)
    if not urlsplit(draft.system).scheme:
        raise PlaceError(
            f"The identifier system {draft.system!r} is not a URI: give one such as urn:oid:… or https://…/mrn."
        )
    if not 1 <= draft.width <= _WIDEST or draft.first < 0:
        raise PlaceError(f"An MRN has 1 to {_WIDEST} digits and begins at zero or above.")
    if len(draft.system) > _LONGEST_SYSTEM or len(draft.prefix) > _LONGEST_PREFIX:
        raise PlaceError(f"A system has at most {_LONGEST_SYSTEM} characters, a prefix {_LONGEST_PREFIX}.")
    with transaction.atomic():
        _open_or_none(facility)
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


def change_mrn_assigner(ctx: AccessContext, assigner: int, *, facility: int | None, width: int) -> bool:
    """Let an assigner number the charts of another facility (None: of the whole organization), or with more digits.
    Whether anything changed.

    System, prefix and check digit stay, for numbers have been given under them; so digits may become more, not
    fewer. Raises PlaceError.
    """
    require(ctx, MANAGE_PLACES)
    with transaction.atomic():
        row = MrnAssigner.objects.select_for_update().filter(pk=assigner).first()
        if row is None:
            raise PlaceError(f"There is no MRN assigner {assigner}.")
        if not row.width <= width <= _WIDEST:
            raise PlaceError(
                f"The numbers have {row.width} digits. They may become more, up to {_WIDEST}, but not fewer."
            )
        if facility != row.facility_id:
            _open_or_none(facility)
        before = {"facility": row.facility_id, "width": row.width}
        after = {"facility": facility, "width": width}
        if before == after:
            return False
        row.facility_id, row.width = facility, width
        row.save(update_fields=["facility", "width"])
        _ledger.append(
            ctx,
            "people.change-mrn-assigner",
            subjects=[
                Subject("facility", str(each)) for each in (before["facility"], facility) if each is not None
            ],
            detail={"system": row.system, "before": before, "after": after},
        )
    return True


def _open_or_none(facility: int | None) -> None:
    if facility is None:
        return
    row = _there(Facility.objects.select_for_update().filter(pk=facility).first(), facility)
    if row.closed_at is not None:
        raise PlaceError(f"{row.name} is closed: it numbers no charts. Choose another, or open it again.")


def assign_mrns(ctx: AccessContext, assigner_id: int, count: int = 1) -> list[Mrn]:
    """The next ``count`` numbers, in the caller's transaction: no other gets them, and a rollback gives them back.

    Others who want numbers of this assigner wait until the transaction ends, so ask late and for all at once.
    Raises PlaceError when the width is used up, and for the assigner of a closed facility.
    """
    require(ctx, NUMBER_CHARTS)
    if count < 1:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE people_mrn_assigner SET next = next + %s WHERE id = %s "
            "RETURNING next - %s, system, prefix, width, check_digit, "
            "EXISTS (SELECT FROM people_facility p WHERE p.id = facility_id AND p.closed_at IS NOT NULL)",
            [count, assigner_id, count],
        )
        row = cursor.fetchone()
        if row is None:
            raise PlaceError(f"There is no MRN assigner {assigner_id}.")
        first, system, prefix, width, method, closed = row
        if closed:
            raise PlaceError(f"The facility of the MRN assigner for {system} is closed. Choose another assigner.")
        if first + count - 1 >= 10**width:
            raise PlaceError(f"The MRN assigner for {system} has no numbers of {width} digits left; widen it.")
    return [
        Mrn(system, _written(number, prefix, width, CheckDigit(method))) for number in range(first, first + count)
    ]


def _written(number: int, prefix: str, width: int, method: CheckDigit) -> str:
    digits = f"{number:0{width}d}"
    return f"{prefix}{digits}{check_digits(method, digits)}"


def is_own_mrn(assigner_id: int, value: str) -> bool:
    """Whether ``value`` could be a number of this assigner: prefix, digits and check digits are right. Fewer digits
    than now are right too, for they may have become more (:func:`change_mrn_assigner`)."""
    row = MrnAssigner.objects.get(pk=assigner_id)
    if not value.startswith(row.prefix):
        return False
    digits, method = value.removeprefix(row.prefix), CheckDigit(row.check_digit)
    extra = {CheckDigit.NONE: 0, CheckDigit.MOD97: 2}.get(method, 1)
    return extra < len(digits) <= row.width + extra and has_right_check_digits(method, digits)
