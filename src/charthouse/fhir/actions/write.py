"""Write what a client asks for: one request, or all of a transaction, whole or not at all.

Conditions are met and references resolved in the same database transaction; writes on one condition wait for each
other, so that of many conditional creates at once one makes the resource.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db import DatabaseError, connection, transaction

from charthouse.configuration import configuration
from charthouse.exchange.fhir.api import Opened
from charthouse.fhir.access.api import Client
from charthouse.fhir.conditions import Conditions
from charthouse.fhir.domain.asks import Ask, check_id, criteria_of, head_of, lock_name
from charthouse.fhir.domain.content import without_version
from charthouse.fhir.domain.linking import Linker, conditions_in
from charthouse.fhir.domain.outcomes import FhirProblem, Issue, problem
from charthouse.foundation.ids import hash64, new_id
from charthouse.foundation.memory import without_collection
from charthouse.intake.api import Write, WriteRefused, passes, renew_connection, write_resources
from charthouse.record.api import Kept, all_as_they_stand, as_it_stands, lock_resources, whole

_TRIES = 5
_MOST_DELETED = 500
T = TypeVar("T")


@dataclass(slots=True)
class Done:
    """What became of an ask: the HTTP status, and the version that stands now. ``met`` says that nothing was
    written because a condition met what was there already."""

    status: int
    type: str = ""
    id: str = ""
    version: int = 0
    at: datetime | None = None
    met: bool = False


def done_in_words(done: Done) -> str:
    """What became of an ask, for an OperationOutcome."""
    if done.status == 204:
        return "It was deleted." if done.version else "There was nothing to delete."
    return "It meets the condition already." if done.met else "It was written."


@dataclass(slots=True)
class _Target:
    """What an ask comes to."""

    ask: Ask
    id: str
    writes: bool = True
    absent: bool = False
    patched: bytes = b""
    deleted: list[str] = field(default_factory=list)

    @property
    def resource(self) -> bytes:
        """The resource as it is to be written."""
        return self.patched or self.ask.resource


def write(
    client: Client,
    asks: Sequence[Ask],
    *,
    base: str,
    action: str,
    kind: str = "resource",
    envelope: bytes = b"",
    then: Callable[[list[Done]], T],
) -> T:
    """Do what ``asks`` say in one transaction, and answer what ``then`` makes of it within the same transaction.

    Raises FhirProblem, and nothing is written; the database's error when it is away.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            with without_collection(), transaction.atomic(), connection.cursor() as cursor:
                return then(_Writing(client, base, cursor).do(asks, action, kind, envelope))
        except DatabaseError as error:
            if connection.in_atomic_block or not passes(error) or attempt == _TRIES:
                raise
            renew_connection()
    raise AssertionError("the last try raises")


def _id_of(ask: Ask) -> str:
    """Where the id of what is sent stands."""
    return f"{ask.place}.resource.id" if ask.place else f"{ask.type}.id"


class _Writing:
    def __init__(self, client: Client, base: str, cursor: Any) -> None:
        self._client = client
        self._ctx = client.ctx
        self._base = base
        self._cursor = cursor
        self._conditions = Conditions(client.ctx)

    def do(self, asks: Sequence[Ask], action: str, kind: str, envelope: bytes) -> list[Done]:
        self._wait_for_conditions(asks)
        targets = self._targets(asks)
        self._refuse_overlaps(targets)
        writes = self._writes(targets, kind)
        try:
            written = (
                write_resources(
                    self._cursor,
                    self._ctx,
                    f"FHIR client {self._client.name}",
                    writes,
                    action=action,
                    kind=kind,
                    envelope=envelope,
                )
                if writes
                else []
            )
        except WriteRefused as error:
            raise _told(error, {each.seq: each for each in asks}) from None
        by_key = {(each.type, each.id): each for each in written}
        known = self._known([each for each in targets if not each.writes and each.id])
        done = []
        for target in targets:
            kind_ = target.ask.type
            if target.deleted or target.ask.method == "DELETE":
                gone = [by_key[(kind_, id)] for id in target.deleted]
                last = gone[-1] if gone else None
                done.append(
                    Done(
                        204, kind_, last.id if last else "", last.version if last else 0, last.at if last else None
                    )
                )
            elif target.writes:
                made = by_key[(kind_, target.id)]
                done.append(Done(201 if made.is_new else 200, kind_, made.id, made.version, made.at))
            else:
                kept = known[(kind_, target.id)]
                done.append(Done(200, kind_, kept.public_id, kept.version, kept.at, met=True))
        return done

    def _wait_for_conditions(self, asks: Sequence[Ask]) -> None:
        names = {
            lock_name(each.type, criteria)
            for each in asks
            for criteria in (each.criteria, each.unless)
            if criteria is not None
        }
        if names:
            self._cursor.execute(
                "SELECT pg_advisory_xact_lock(lock) FROM unnest(%s::bigint[]) AS lock",
                [sorted(hash64(f"fhir-condition|{name}") for name in names)],
            )
        self._conditions.look_up(
            (each.type, criteria)
            for each in asks
            for criteria in (each.criteria, each.unless)
            if criteria is not None
        )

    def _targets(self, asks: Sequence[Ask]) -> list[_Target]:
        met: dict[str, _Target] = {}
        targets = []
        for ask in asks:
            if ask.method == "POST" and ask.unless is not None:
                # Two of one condition in a bundle mean one resource.
                name = lock_name(ask.type, ask.unless)
                if name in met:
                    targets.append(_Target(ask, met[name].id, writes=False))
                    continue
                found = self._conditions.one(ask.type, ask.unless, ask.place)
                met[name] = _Target(ask, found or str(new_id()), writes=found is None)
                targets.append(met[name])
            elif ask.method == "POST":
                targets.append(_Target(ask, str(new_id())))
            else:
                targets.append(getattr(self, f"_{ask.method.lower()}")(ask))
        return targets

    def _put(self, ask: Ask) -> _Target:
        head = head_of(ask.resource, ask.place)
        if ask.criteria is None:
            if head.id is None:
                raise problem(
                    400,
                    f"The resource has no id; it must be that of the address, {ask.id}.",
                    expression=_id_of(ask),
                )
            if head.id != ask.id:
                raise problem(400, "The resource's id is another than that of the address.", expression=_id_of(ask))
            return _Target(ask, str(ask.id), absent=ask.absent)
        found = self._conditions.one(ask.type, ask.criteria, ask.place)
        if found is not None:
            if head.id is not None and head.id != found:
                raise problem(
                    400,
                    "The resource's id is another than that of the resource which meets the condition.",
                    expression=_id_of(ask),
                )
            return _Target(ask, found)
        if head.id is None:
            return _Target(ask, str(new_id()))
        check_id(head.id, _id_of(ask))
        return _Target(ask, head.id, absent=True)

    def _patch(self, ask: Ask) -> _Target:
        id = ask.id
        if id is None:
            id = self._conditions.one(ask.type, ask.criteria or [], ask.place)
            if id is None:
                raise problem(404, f"No {ask.type} meets the condition.", expression=ask.place)
        kept = self._locked(ask.type, id)
        if kept is None:
            raise problem(404, f"There is no {ask.type}/{id}.", expression=ask.place)
        if kept.is_deleted:
            raise problem(410, f"{ask.type}/{id} was deleted.", expression=ask.place)
        return _Target(ask, id, patched=self._patched(ask, kept))

    def _locked(self, kind: str, id: str) -> Kept | None:
        lock_resources(self._cursor, [(kind, id)])
        return as_it_stands(self._ctx, kind, id)

    def _patched(self, ask: Ask, kept: Kept) -> bytes:
        made = ask.patched(whole(kept), ask.resource)
        head = head_of(made)
        if head.resourceType != kept.type or head.id != kept.public_id:
            raise problem(422, "A patch may change neither the type nor the id of a resource.")
        return made

    def _delete(self, ask: Ask) -> _Target:
        if ask.id is not None:
            kept = self._locked(ask.type, ask.id)
            if kept is None:
                if ask.expected is not None:
                    raise problem(412, f"There is no {ask.type}/{ask.id}.", expression=ask.place)
                return _Target(ask, "", writes=False)
            return _Target(ask, ask.id, deleted=[ask.id])
        many = bool(configuration().extra.get("fhir_delete_many", False))
        found = self._conditions.matches(
            ask.type, ask.criteria or [], ask.place, most=_MOST_DELETED + 1 if many else 2
        )
        if len(found) > (_MOST_DELETED if many else 1):
            raise problem(
                412,
                f"Several resources of type {ask.type} meet the condition; nothing was deleted. Make it name one.",
                code="multiple-matches",
                expression=ask.place,
            )
        return _Target(ask, "", writes=bool(found), deleted=found)

    def _refuse_overlaps(self, targets: Sequence[_Target]) -> None:
        seen: set[tuple[str, str]] = set()
        for target in targets:
            if not target.writes:
                continue
            for id in target.deleted or [target.id]:
                key = (target.ask.type, id)
                if key in seen:
                    raise problem(
                        400,
                        f"Two entries write {key[0]}/{key[1]}; a transaction writes each resource once.",
                        code="duplicate",
                        expression=target.ask.place,
                    )
                seen.add(key)

    def _writes(self, targets: Sequence[_Target], kind: str) -> list[Write]:
        opened = {
            id(target): Opened(without_version(target.resource))
            for target in targets
            if target.writes and target.ask.method != "DELETE"
        }
        local = self._local(targets)
        linker = Linker(self._base, local, self._met(targets, opened))
        writes: list[Write] = []
        for target in targets:
            ask = target.ask
            if not target.writes:
                continue
            if ask.method == "DELETE":
                writes.extend(
                    Write(ask.type, each, None, ask.original, ask.seq, ask.expected) for each in target.deleted
                )
                continue
            try:
                content, nowhere = linker.link(opened[id(target)], target.id)
            except ValueError:
                head_of(target.resource, ask.place)
                raise problem(400, "The resource cannot be read.", code="structure", expression=ask.place) from None
            if nowhere and kind == "Bundle transaction":
                raise problem(
                    400,
                    f"{len(nowhere)} reference{'s' if len(nowhere) > 1 else ''} of this {ask.type} name a urn "
                    "that is the fullUrl of no entry.",
                    code="not-found",
                    expression=ask.place or ask.type,
                )
            writes.append(Write(ask.type, target.id, content, ask.original, ask.seq, ask.expected, target.absent))
        return writes

    def _local(self, targets: Sequence[_Target]) -> dict[str, str]:
        """What the entries of a bundle are called in it."""
        local: dict[str, str] = {}
        for target in targets:
            ask = target.ask
            if ask.method == "DELETE" or not target.id:
                continue
            here = f"{ask.type}/{target.id}"
            if ask.full_url:
                if local.get(ask.full_url, here) != here:
                    raise problem(
                        400,
                        "Two entries have this fullUrl; references to it could mean either. Give each its own.",
                        code="duplicate",
                        expression=f"{ask.place}.fullUrl",
                    )
                local[ask.full_url] = here
                parts = ask.full_url.split("/")
                if len(parts) > 2 and parts[-2] == ask.type:
                    local.setdefault(f"{ask.type}/{parts[-1]}", here)
            elif ask.method == "POST" and ask.place and (own := head_of(ask.resource, ask.place).id):
                local.setdefault(f"{ask.type}/{own}", here)
        return local

    def _met(self, targets: Sequence[_Target], opened: dict[int, Opened]) -> dict[str, str]:
        """What the conditional references mean, each the one resource that meets it."""
        asked: dict[str, str] = {}
        for target in targets:
            if id(target) in opened:
                for condition in conditions_in(opened[id(target)]):
                    asked.setdefault(condition, target.ask.place or target.ask.type)
        if not asked:
            return {}
        inside = self._identified(targets)
        met = {condition: inside[condition] for condition in asked if condition in inside}
        left = {condition: criteria_of(condition.partition("?")[2]) for condition in asked if condition not in met}
        self._conditions.look_up((condition.partition("?")[0], criteria) for condition, criteria in left.items())
        for condition, criteria in left.items():
            kind, place = condition.partition("?")[0], asked[condition]
            found = self._conditions.one(kind, criteria, place)
            if found is None:
                raise problem(
                    412,
                    f"A conditional reference to {kind} meets no resource. Send what it names first, or with it.",
                    code="not-found",
                    expression=place,
                )
            met[condition] = f"{kind}/{found}"
        return met

    @staticmethod
    def _identified(targets: Sequence[_Target]) -> dict[str, str]:
        """The entries of a bundle by the condition that names their identifiers."""
        found: dict[str, str] = {}
        for target in targets:
            ask = target.ask
            if ask.method not in ("POST", "PUT") or not ask.place:
                continue
            identifiers = head_of(ask.resource, ask.place).identifier
            for each in identifiers if isinstance(identifiers, list) else [identifiers]:
                if isinstance(each, dict) and each.get("system") and each.get("value"):
                    condition = f"{ask.type}?identifier={each['system']}|{each['value']}"
                    found.setdefault(condition, f"{ask.type}/{target.id}")
        return found

    def _known(self, targets: Sequence[_Target]) -> dict[tuple[str, str], Kept]:
        """What stands under the ids that conditions met, whoever made it."""
        return all_as_they_stand(self._ctx, [(each.ask.type, each.id) for each in targets])


_STATUS = {"version": 412, "destroyed": 410, "taken": 409, "locked": 409, "not-json": 400}
_CODE = {
    "version": "conflict",
    "destroyed": "deleted",
    "taken": "conflict",
    "locked": "business-rule",
    "not-json": "structure",
}

#: A place as intake names it, in a message of several entries.
_ENTRY = re.compile(r"entry \d+[ ,]*(.*)")


def _told(error: WriteRefused, asks: dict[int, Ask]) -> FhirProblem:
    """What intake refused, as the client is told: the entry and the element, and the gravest status."""
    issues = []
    statuses = set()
    for each in error.problems:
        ask = asks.get(each.seq)
        inside = _ENTRY.fullmatch(each.place)
        place = ask.place if ask and ask.place else inside[1] if inside else each.place
        issues.append(Issue(_CODE.get(each.code, "business-rule"), each.reason, place or (ask.type if ask else "")))
        statuses.add(_STATUS.get(each.code, 422))
    for seq, wrong in error.invalid:
        ask = asks.get(seq)
        place = wrong.path
        if ask and ask.place:
            place = f"{ask.place}.resource{wrong.path.removeprefix(ask.type)}"
        issues.append(Issue("structure", wrong.message, place))
        statuses.add(400)
    return FhirProblem(next(each for each in (412, 410, 409, 400, 422) if each in statuses), issues)
