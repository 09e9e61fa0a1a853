"""Register a person who is not here yet: search before create, a number of our own, the chart at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.frontdesk.domain.errors import FrontdeskError
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.domain.person import mrn_identifier, patient_of, read_person
from charthouse.frontdesk.permissions import REGISTER
from charthouse.identity import api as identity
from charthouse.people import api as people

from ._entering import enter, once_of, public_id, reading_of, wait_for_desk

_REASON = 500


class KnownAlready(FrontdeskError):
    """Somebody like this is here. ``alike`` are the persons to look at; ``same`` says that one of them is this one
    beyond doubt, so that no reason helps."""

    def __init__(self, alike: Iterable[identity.LookAlike], *, same: bool) -> None:
        words = (
            "This person is here already: open the chart below and correct it there."
            if same
            else "Somebody like this is here. Open that chart, or say why this is another person."
        )
        super().__init__(words)
        self.alike = tuple(alike)
        self.same = same


@dataclass(frozen=True, slots=True)
class Registered:
    """The person whose chart opens, and the record number; both of the earlier registration where the same form was
    sent twice."""

    person: UUID
    mrn: str


def register_person(ctx: AccessContext, fields: Fields) -> Registered:
    """Register the person of a form; see :func:`~charthouse.frontdesk.domain.person.read_person` for its fields.

    Beside them: ``once``, the form's own number; ``assigner``, the id of the MRN assigner where there are several;
    ``seen``, the persons whom the desk was shown, by comma; ``reason`` why none of them is this one. Another desk's
    person who came meanwhile was not seen, and is shown. Raises PermissionRefused, Unfit, KnownAlready,
    FrontdeskError.
    """
    require(ctx, REGISTER)
    reading = reading_of(ctx, fields)
    person = read_person(reading, read_ssn=identity.read_ssn, read_phone=identity.read_phone)
    reason = reading.text("reason", longest=_REASON)
    reading.done()
    assigner = _assigner(fields.get("assigner", ""))
    once = once_of(fields)
    own_id = public_id("Patient", once)
    with transaction.atomic():
        wait_for_desk()
        if (earlier := identity.person_of_public(ctx, own_id)) is not None:
            return Registered(earlier, _mrn_of(ctx, earlier, own_id))
        strong = [each for each in identity.look_alikes(ctx, patient_of(person)) if each.strong]
        same = [each for each in strong if each.likeness is identity.Likeness.SAME]
        if same:
            raise KnownAlready(same, same=True)
        seen = set(fields.get("seen", "").split(","))
        if strong and (not reason or any(str(each.person) not in seen for each in strong)):
            raise KnownAlready(strong, same=False)
        (mrn,) = people.assign_mrns(ctx, assigner.id)
        patient = patient_of(person, id=once, identifiers=[mrn_identifier(mrn.system, mrn.value)])
        enter(
            ctx,
            [patient],
            action="frontdesk.register",
            reason=reason if strong else "",
            subjects=[Subject("patient", own_id), *(Subject("person", str(each.person)) for each in strong)],
            detail={"alike": len(strong)},
        )
        made = identity.person_of_public(ctx, own_id)
        if made is None:
            raise FrontdeskError("The person could not be filed. Try again.")
    return Registered(made, mrn.value)


def _assigner(wanted: str) -> people.MrnAssignerLine:
    """The assigner chosen; the only one where there is one. Raises FrontdeskError."""
    known = [each for each in people.mrn_assigners() if not each.closed]
    if not known:
        raise FrontdeskError(
            "No medical record numbers can be given here: an administrator has to set up an MRN assigner, at a "
            "facility that is open."
        )
    chosen = [each for each in known if str(each.id) == wanted] or known[:1]
    return chosen[0]


def _mrn_of(ctx: AccessContext, person: UUID, own_id: str) -> str:
    sources = identity.sources_of(ctx, person)
    return next((source.mrn for source in sources if source.public_id == own_id), "")
