"""What follows when it changes what documents are: the queue of those nobody knows, and the news."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection

from charthouse.completion.domain.pieces import codings_of
from charthouse.completion.unclassified import RULE, UNCLASSIFIED
from charthouse.foundation.access.api import system_context
from charthouse.foundation.clock import now
from charthouse.foundation.events.api import NewEvent, append_many
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.rulepacks.api import parameter
from charthouse.foundation.work.api import NewItem, finish_many_by_dedupe, open_items
from charthouse.identity import api as identity
from charthouse.record import api as record

SYSTEM = system_context("completion")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A document no map names: ``Type/id``, the sender's number, and the resource."""

    key: str
    source: int
    resource: Mapping[str, Any]


def ask(unknown: Sequence[Unknown], asked_by: str = "system") -> None:
    """Open work for documents whose kind nobody knows."""
    if not unknown:
        return
    due = now() + timedelta(days=int(parameter(RULE, "days")))
    owners = patients_of(each.key for each in unknown)
    persons = identity.persons_of(set(owners.values()))
    names = record.public_ids("Patient", set(owners.values()))
    items = []
    for each in unknown:
        codings = codings_of(each.resource)
        # A type told in words may hold anything; it is read from the document where it is shown.
        coded = next(((system, code) for system, code in codings if system or " " not in code), None)
        owner = owners.get(each.key, 0)
        items.append(
            NewItem(
                UNCLASSIFIED,
                Subject("resource", each.key),
                "No map names its code." if codings else "It has no code that says what it is.",
                each.key,
                RULE,
                due,
                patient=names.get(owner),
                person=str(persons[owner]) if owner in persons else None,
                detail={"source": each.source, "system": coded[0], "code": coded[1]}
                if coded
                else {"source": each.source},
            )
        )
    open_items(items, opened_by=asked_by)


def known(keys: Iterable[str], outcome: str, by: str = "system") -> int:
    """Finish the work of documents whose kind is known now; how many there were."""
    listed = sorted(set(keys))
    return len(finish_many_by_dedupe(UNCLASSIFIED, listed, outcome, finished_by=by)) if listed else 0


def patients_of(keys: Iterable[str]) -> dict[str, int]:
    """The rows of the patients that documents (``Type/id``) are of."""
    wanted = [(kind, id) for kind, _, id in (key.partition("/") for key in keys)]
    with connection.cursor() as cursor:
        found = record.current(cursor, SYSTEM, wanted)
    return {f"{kind}/{id}": each.patient for (kind, id), each in found.items() if each.patient is not None}


def tell(keys: Sequence[str]) -> None:
    """The news that documents are another part of their chart now, for who analyses charts."""
    owners = patients_of(keys)
    by_patient: dict[int, list[str]] = {}
    for key in keys:
        if key in owners:
            by_patient.setdefault(owners[key], []).append(key)
    append_many(
        [
            NewEvent("completion.classified", key=str(patient), payload={"patient": patient, "documents": listed})
            for patient, listed in by_patient.items()
        ]
    )
