"""The organization, its facilities and MRN assigners."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from charthouse.foundation.rulepacks.api import FacilityType
from charthouse.people.models import Facility, MrnAssigner, Organization


def organization_name() -> str:
    """The organization's name; "Charthouse" before the first set-up."""
    found = Organization.objects.values_list("name", flat=True).first()
    return found or "Charthouse"


@dataclass(frozen=True, slots=True)
class FacilityLine:
    """A facility as other apps see it."""

    id: int
    code: str
    name: str
    kind: str
    time_zone: str
    address: str
    phone: str
    npi: str
    ccn: str
    closed_at: datetime | None

    def is_called(self, name: str) -> bool:
        """Whether a sender who writes ``name`` means it: its code or its name."""
        said = " ".join(name.split()).casefold()
        return said in {self.code.casefold(), " ".join(self.name.split()).casefold()}

    @property
    def rules_as(self) -> FacilityType | None:
        """The type of facility by which rules choose; None for a kind of which they know nothing."""
        return _RULES_AS.get(self.kind)


_RULES_AS = {
    "hospital": FacilityType.HOSPITAL,
    "cah": FacilityType.CRITICAL_ACCESS,
    "clinic": FacilityType.CLINIC,
    "asc": FacilityType.AMBULATORY_SURGERY,
    "laboratory": FacilityType.LABORATORY,
    "nursing": FacilityType.LONG_TERM_CARE,
}


def _facility_line(row: Facility) -> FacilityLine:
    return FacilityLine(
        row.pk, row.code, row.name, row.kind, row.time_zone, row.address, row.phone, row.npi, row.ccn, row.closed_at
    )


def facilities() -> list[FacilityLine]:
    """Every facility, by code. Not sensitive: intake and every clock need their time zones."""
    return [_facility_line(row) for row in Facility.objects.order_by("code")]


def facility_by_code(code: str) -> FacilityLine | None:
    row = Facility.objects.filter(code=code).first()
    return _facility_line(row) if row else None


@dataclass(frozen=True, slots=True)
class MrnAssignerLine:
    """An MRN assigner as other apps see it. ``closed``: its facility is, so it numbers no chart."""

    id: int
    system: str
    facility: int | None
    prefix: str
    width: int
    check_digit: str
    closed: bool = False


def mrn_assigners() -> list[MrnAssignerLine]:
    """Every MRN assigner, by identifier system."""
    return [
        MrnAssignerLine(
            row.pk,
            row.system,
            row.facility_id,
            row.prefix,
            row.width,
            row.check_digit,
            row.facility is not None and row.facility.closed_at is not None,
        )
        for row in MrnAssigner.objects.select_related("facility").order_by("system")
    ]
