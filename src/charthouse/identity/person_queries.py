"""Reads of one person: every decision about its records, who they were told apart from, what two persons have side
by side, a source patient's past as it is judged, and what is held for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.work.api import item as work_item
from charthouse.record.api import Owned, owned, versions

from . import compared
from .compared import Compared
from .domain.overlay import Placeable, Side, Told, proposed, told
from .domain.prepared import prepare
from .domain.scorer import Score, Step, doubt
from .domain.traits import Display, Traits, traits_from_json
from .models import HeldUpdate
from .permissions import DECIDE_OVERLAY, MERGE_PERSONS, SEE_PERSON, SPLIT_PATIENT
from .policy import policy
from .queries import SourcePatient, patients_by_row, sources_of
from .store import partings


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """A decision about a person's records, and its undoing. ``moved`` are the source patients that it moved."""

    id: int
    kind: str
    at: datetime
    actor: str
    reason: str
    person: UUID
    other: UUID
    moved: tuple[int, ...]
    undoes: int | None
    undone_by: int | None

    @property
    def may_be_undone(self) -> bool:
        return self.kind != "undo" and self.undone_by is None


@dataclass(frozen=True, slots=True)
class Apart:
    """Two source patients found to be two persons, or of whom that was taken back; ``mine`` is the one of the
    person asked about."""

    mine: SourcePatient
    other: SourcePatient
    verdict: str
    actor: str
    reason: str
    at: datetime
    in_force: bool


_DECISIONS = """
SELECT d.id, d.kind, d.at, d.actor, d.reason, d.person, d.other,
       ARRAY(SELECT l.patient FROM identity_link l WHERE l.decision = d.id ORDER BY l.id) AS moved, d.undoes, u.id
  FROM identity_decision d LEFT JOIN identity_decision u ON u.undoes = d.id
 WHERE d.id IN (SELECT id FROM identity_decision WHERE person = %s UNION
                SELECT id FROM identity_decision WHERE other = %s) ORDER BY d.id DESC
"""


def decisions_of(ctx: AccessContext, person: UUID) -> list[DecisionLine]:
    """Every decision that moved records to or from a person, newest first. Raises PermissionRefused."""
    require(ctx, SEE_PERSON)
    with connection.cursor() as cursor:
        cursor.execute(_DECISIONS, [person, person])
        return [_decision(row) for row in cursor.fetchall()]


def _decision(row: Sequence[Any]) -> DecisionLine:
    values = list(row)
    values[7] = tuple(values[7])
    return DecisionLine(*values)


def apart_of(ctx: AccessContext, person: UUID) -> list[Apart]:
    """Whom a person's source patients were told apart from, and where that was taken back, newest first; pairs of
    which the asker may see both. Raises PermissionRefused."""
    require(ctx, SEE_PERSON)
    mine = {each.patient: each for each in sources_of(ctx, person)}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.low, e.high, e.verdict, e.actor, e.reason, e.at, e.verdict = 'apart' AND EXISTS"
            " (SELECT FROM identity_not_same n WHERE n.low = e.low AND n.high = e.high) AND NOT EXISTS"
            " (SELECT FROM identity_not_same_event f WHERE f.low = e.low AND f.high = e.high AND f.id > e.id)"
            " FROM (SELECT * FROM identity_not_same_event WHERE low = ANY(%s) UNION"
            "  SELECT * FROM identity_not_same_event WHERE high = ANY(%s)) AS e ORDER BY e.id DESC",
            [list(mine), list(mine)],
        )
        rows = cursor.fetchall()
    others = patients_by_row(ctx, {each for row in rows for each in row[:2]} - set(mine)) | mine
    found = []
    for low, high, verdict, actor, reason, at, in_force in rows:
        ours, theirs = (low, high) if low in mine else (high, low)
        if theirs in others:
            found.append(Apart(mine[ours], others[theirs], verdict, actor, reason, at, in_force))
    return found


def compared_persons(
    ctx: AccessContext, one: UUID, other: UUID
) -> list[tuple[str, list[tuple[SourcePatient, str]]]]:
    """What the banner would show of two persons, field by field: each source patient's value, where it has one, the
    survivor's first. Raises PermissionRefused."""
    require(ctx, MERGE_PERSONS)
    sources = [*sources_of(ctx, one), *sources_of(ctx, other)]
    traits = _traits(sources)
    readers: dict[str, Callable[[SourcePatient], str]] = {
        "name": lambda source: source.name,
        "birth_date": lambda source: source.birth_date,
        "sex": lambda source: source.sex,
        "deceased": lambda source: source.deceased,
        "address": lambda source: compared.address(traits[source.patient]) if source.patient in traits else "",
    }
    return [
        (field, [(source, read(source)) for source in sources if read(source)]) for field, read in readers.items()
    ]


def _traits(sources: Sequence[SourcePatient]) -> dict[int, Traits]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, traits::text FROM identity_traits WHERE patient = ANY(%s)",
            [[each.patient for each in sources]],
        )
        return {patient: traits_from_json(text) for patient, text in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class BenchVersion:
    """A version of a source patient as the workbench shows it: what it said, when and by which message it came, and
    how it is judged. ``changed`` are the fields that differ from the version before, as (field, before, now)."""

    version: int
    filed_at: datetime
    message: int
    display: Display
    changed: tuple[Compared, ...]
    judged: Told

    @property
    def score(self) -> Score | None:
        return self.judged.score


@dataclass(frozen=True, slots=True)
class BenchItem:
    """An item of the source patient: the version of the patient in force when it came, and the side proposed."""

    item: Owned
    version: int
    side: Side


@dataclass(frozen=True, slots=True)
class Workbench:
    """A source patient suspected to hold two persons. ``hidden`` counts items that the asker may not see."""

    source: SourcePatient
    versions: tuple[BenchVersion, ...]
    items: tuple[BenchItem, ...]
    stays: int
    goes: int | None

    @property
    def suspected(self) -> bool:
        return self.goes is not None


def workbench(ctx: AccessContext, patient: int) -> Workbench | None:
    """A source patient's past with how each version agrees with those before it, and its items divided by it; None
    where there is none the asker may see. Raises PermissionRefused."""
    require(ctx, SPLIT_PATIENT)
    found = patients_by_row(ctx, [patient])
    if patient not in found:
        return None
    source = found[patient]
    with connection.cursor() as cursor:
        stored = versions(cursor, ctx, "Patient", source.public_id)[::-1]
        items = owned(cursor, ctx, patient)
    if not stored:
        return None
    prepared = {each.version: prepare(each.resource, source=source.source, labels=each.labels) for each in stored}
    rules = policy()
    judged = told([(version, made.traits) for version, made in prepared.items()], rules.model, rules.suspect_below)
    sides = {each.version: each.side for each in judged}
    lines = []
    for at, each in enumerate(stored):
        before = prepared[stored[at - 1].version] if at else None
        made = prepared[each.version]
        changed = (
            tuple(
                one
                for one in compared.sides(before.display, before.traits, made.display, made.traits)
                if one.differs
            )
            if before
            else ()
        )
        lines.append(BenchVersion(each.version, each.filed_at, each.message, made.display, changed, judged[at]))
    in_force = {
        each.row: max((one.version for one in stored if one.filed_at <= each.since), default=stored[0].version)
        for each in items
    }
    proposal = proposed([Placeable(each.row, each.encounter, in_force[each.row]) for each in items], sides)
    goes = [version for version, side in sides.items() if side is Side.GOES]
    stays = [version for version, side in sides.items() if side is Side.STAYS]
    return Workbench(
        source,
        tuple(lines),
        tuple(BenchItem(each, in_force[each.row], proposal[each.row]) for each in items),
        max(stays),
        max(goes) if goes else None,
    )


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A held update beside the patient it names: what differs, and why it is suspected. ``parted`` are patients
    that were parted from this one before, with how well the update agrees with each."""

    patient: SourcePatient
    message: int
    found_at: datetime
    weight: float
    waterfall: tuple[Step, ...]
    fields: tuple[Compared, ...]
    waiting: tuple[int, ...]
    parted: tuple[tuple[SourcePatient, float], ...]


def held_of_item(ctx: AccessContext, item: int) -> HeldLine | None:
    """The first held update that an item of ``identity.suspected-overlays`` asks about; None where there is none
    left or the asker may not see it. Raises PermissionRefused."""
    require(ctx, DECIDE_OVERLAY)
    patient = int(work_item(ctx, item).detail["patient"])
    known = patients_by_row(ctx, [patient])
    held = list(HeldUpdate.objects.filter(patient=patient, state=HeldUpdate.State.OPEN).order_by("message"))
    if patient not in known or not held or not ctx.sees(held[0].labels):
        return None
    source, update = known[patient], held[0]
    now = _loaded(update.traits)
    shown = Display(**update.display)
    traits = _traits([source])[patient]
    others = _parted_from(ctx, source)
    other_traits = _traits(others)
    model = policy().model
    return HeldLine(
        patient=source,
        message=update.message,
        found_at=update.found_at,
        weight=update.weight,
        waterfall=tuple(
            Step(each["field"], each["level"], each["weight"], each["words"]) for each in update.waterfall
        ),
        fields=compared.sides(source.display, traits, shown, now),
        waiting=tuple(each.message for each in held),
        parted=tuple(
            (each, doubt(now, other_traits[each.patient], model).weight)
            for each in others
            if each.patient in other_traits
        ),
    )


def _loaded(value: Any) -> Traits:
    return traits_from_json(value if isinstance(value, str) else orjson.dumps(value))


def _parted_from(ctx: AccessContext, source: SourcePatient) -> list[SourcePatient]:
    """The patients that were parted from this one, by a split or by a held update, and still are."""
    rows = [each.patient for each in partings([source.patient]).get(source.patient, ())]
    return list(patients_by_row(ctx, rows).values())


@dataclass(frozen=True, slots=True)
class DecidedUpdate:
    """An update that was held, and what somebody found: the same person's, or another's, ``parted`` from the
    patient whose number it had."""

    at: datetime
    patient: SourcePatient
    message: int
    same: bool
    actor: str
    reason: str


def decided_updates(ctx: AccessContext, person: UUID) -> list[DecidedUpdate]:
    """The held updates that were decided of a person's source patients, or that came to be theirs, newest first.
    Raises PermissionRefused."""
    require(ctx, SEE_PERSON)
    mine = {each.patient: each for each in sources_of(ctx, person)}
    by_id = {each.public_id: each for each in mine.values()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT decided_at, patient, message, state, decided_by, reason, parted, labels FROM "
            "identity_held_update"
            " WHERE state IN ('same', 'another') AND (patient = ANY(%s) OR (parted <> '' AND parted = ANY(%s)))"
            " ORDER BY decided_at DESC, id DESC",
            [list(mine), list(by_id)],
        )
        rows = cursor.fetchall()
    return [
        DecidedUpdate(at, by_id.get(parted) or mine[patient], message, state == "same", actor, reason)
        for at, patient, message, state, actor, reason, parted, labels in rows
        if ctx.sees(labels)
    ]
