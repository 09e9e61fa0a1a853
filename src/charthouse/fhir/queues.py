"""The work queue of what was found wrong in what senders send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import connection

from charthouse.foundation.access.api import AccessContext, Role
from charthouse.foundation.work.api import Column, WorkItem, declare_queue
from charthouse.record.api import source_rows

from .models import FindingKind

#: Kinds of findings; the subject is the kind.
FINDINGS = "fhir.findings"
#: The rule of how long a sender has.
RULE = "fhir.checking"


def _found(items: Sequence[WorkItem]) -> dict[int, FindingKind]:
    wanted = {int(item.subject.id): item.id for item in items}
    return {wanted[each.pk]: each for each in FindingKind.objects.filter(pk__in=wanted)}


def _places(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {item: each.rule.rpartition(":")[2] for item, each in _found(items).items()}


def _senders(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    found = _found(items)
    with connection.cursor() as cursor:
        names = source_rows(cursor, {each.source for each in found.values()})
    return {item: names[each.source].name for item, each in found.items() if each.source in names}


def _resources(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {item: f"{each.resources:,}" for item, each in _found(items).items()}


declare_queue(
    FINDINGS,
    "Findings in what senders send",
    {Role.HIT, Role.MANAGER},
    describe_page=_places,
    subject="Element",
    columns=[Column("Sender", _senders), Column("Resources", _resources)],
    opens=lambda item: ("findings", (int(item.subject.id),)),
    by_decision=True,
)
