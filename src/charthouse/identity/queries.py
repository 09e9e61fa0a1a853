"""Reads of the index: persons, their source patients, their history, and two patients side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import today
from charthouse.foundation.work.api import item as work_item

from .compared import Compared, sides
from .domain.dates import age_on
from .domain.guards import guards_of
from .domain.scorer import Score, score
from .domain.traits import Display, traits_from_json
from .models import Person
from .permissions import EXPLAIN_MATCH, REVIEW_DUPLICATES
from .policy import policy
from .store import GIVEN_UP


@dataclass(frozen=True, slots=True)
class SourcePatient:
    """A patient as one sender knows them. ``patient`` is the row of the Patient resource in the record, ``source``
    the sending system."""

    patient: int
    public_id: str
    source: int
    person: UUID
    family: str
    given: str
    birth_date: str
    sex: str
    mrn: str
    deceased: str
    labels: int
    updated_at: datetime

    @property
    def display(self) -> Display:
        """What a list shows of it."""
        return Display(self.family, self.given, self.birth_date, self.sex, self.mrn, self.deceased)

    @property
    def name(self) -> str:
        """Family, Given."""
        return self.display.name


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """A person as the asker may see them; name, birth date and sex are of the source patient changed last, or of
    the one that was chosen when persons were merged."""

    person: UUID
    number: int
    name: str
    birth_date: str
    sex: str
    age: int | None
    deceased: str
    mrns: tuple[str, ...]
    sources: tuple[SourcePatient, ...]


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """An event of a person's link history. ``actor`` is who did it, ``waterfall`` why, as it was then."""

    id: int
    at: datetime
    patient: int
    person_from: UUID | None
    person_to: UUID
    other: int | None
    kind: str
    actor: str
    model: str
    weight: float | None
    waterfall: Sequence[dict[str, Any]]
    reason: str
    message: int | None
    occurred: datetime | None
    decision: int | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two source patients side by side: their fields, how probable it is that they are one person, and why; the
    conflicts that forbid a machine to say so."""

    left: SourcePatient
    right: SourcePatient
    fields: tuple[Compared, ...]
    score: Score
    conflicts: tuple[str, ...]

    @property
    def differing(self) -> tuple[Compared, ...]:
        return tuple(each for each in self.fields if each.differs)


_COLUMNS = "patient, public_id, source, person, family, given, birth, sex, mrn, deceased, labels, updated_at"


def persons_of(patients: Iterable[int]) -> dict[int, UUID]:
    """The person of each source patient that is in the index."""
    return _mapping("SELECT patient, person FROM identity_source_patient WHERE patient = ANY(%s)", list(patients))


def charts_of(ctx: AccessContext, patients: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """All source patients of the persons of these; only of persons of whom the asker may see a source patient."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.patient, array_agg(o.patient ORDER BY o.patient) FROM identity_source_patient s "
            "JOIN identity_source_patient o ON o.person = s.person WHERE s.patient = ANY(%s) "
            "GROUP BY s.patient HAVING bool_or(o.labels & %s = 0)",
            [list(patients), ~int(ctx.clearance)],
        )
        return {patient: tuple(chart) for patient, chart in cursor.fetchall()}


def sources_of(ctx: AccessContext, person: UUID) -> list[SourcePatient]:
    """The source patients of a person that the asker may see: the one changed last first, those that their sender
    merged away at the end."""
    return _sources(ctx, "person = %s", [person])


def sources_named(ctx: AccessContext, patients: Iterable[int]) -> dict[int, SourcePatient]:
    """Source patients by their rows, as far as the asker may see them."""
    found = _sources(ctx, "patient = ANY(%s)", [list(patients)])
    return {source.patient: source for source in found}


def patients_of(ctx: AccessContext, person: UUID) -> tuple[int, ...]:
    """The rows of the Patient resources of a person that the asker may see; a chart reads ``patient = ANY(…)``."""
    return tuple(source.patient for source in sources_of(ctx, person))


def person_of_public(ctx: AccessContext, public_id: str) -> UUID | None:
    """The person of the Patient resource with this id; None where there is none the asker may see."""
    return persons_of_public(ctx, [public_id]).get(public_id)


def persons_of_public(ctx: AccessContext, public_ids: Iterable[str]) -> dict[str, UUID]:
    """The persons of Patient resources by their ids, as far as the asker may see them."""
    found = _sources(ctx, "public_id = ANY(%s)", [list(public_ids)])
    return {source.public_id: source.person for source in found}


def surviving(ctx: AccessContext, person: UUID) -> UUID | None:
    """The person itself while it has source patients; else the one person they all are with now; None where there
    is no such person, or they are with several, or with one the asker may not see."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state FROM identity_person WHERE id = %s", [person])
        row = cursor.fetchone()
        if row is None:
            return None
        if row[0] == Person.State.ACTIVE:
            return person
        cursor.execute(
            "SELECT DISTINCT s.person FROM identity_link l JOIN identity_source_patient s USING (patient)"
            " WHERE l.person_from = %s AND s.labels & %s = 0",
            [person, ~int(ctx.clearance)],
        )
        found = cursor.fetchall()
    return found[0][0] if len(found) == 1 else None


def summary(ctx: AccessContext, person: UUID) -> PersonSummary | None:
    """A person in short; None where the asker may see none of its source patients."""
    return summaries(ctx, [person]).get(person)


def summaries(ctx: AccessContext, persons: Iterable[UUID]) -> dict[UUID, PersonSummary]:
    """Persons in short, in as many queries as for one; those of whom the asker may see no source patient are
    absent."""
    sources: dict[UUID, list[SourcePatient]] = {}
    for source in _sources(ctx, "person = ANY(%s)", [list(persons)]):
        sources.setdefault(source.person, []).append(source)
    if not sources:
        return {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, number FROM identity_person WHERE id = ANY(%s)", [list(sources)])
        numbers: dict[UUID, int] = dict(cursor.fetchall())
    chosen = _shown_of(list(sources))
    return {
        person: _summary(person, numbers[person], found, chosen.get(person, {}))
        for person, found in sources.items()
    }


def _summary(
    person: UUID, number: int, sources: Sequence[SourcePatient], chosen: Mapping[str, int]
) -> PersonSummary:
    by_row = {source.patient: source for source in sources}

    def shown(field: str) -> SourcePatient:
        return by_row.get(chosen.get(field, 0), sources[0])

    born = shown("birth_date").birth_date
    died = shown("deceased").deceased or next((source.deceased for source in sources if source.deceased), "")
    return PersonSummary(
        person=person,
        number=number,
        name=shown("name").name,
        birth_date=born,
        sex=shown("sex").sex,
        age=age_on(born, died if len(died) == 10 else _day().isoformat()),
        deceased=died,
        mrns=tuple(dict.fromkeys(source.mrn for source in sources if source.mrn)),
        sources=tuple(sources),
    )


def shown_of(person: UUID) -> dict[str, int]:
    """Which source patient's value the banner shows of a field (``SHOWN_FIELDS``), where somebody chose when
    merging: the last choice that was not undone."""
    return _shown_of([person]).get(person, {})


def _shown_of(persons: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (person) person, (detail->'shown')::text FROM identity_decision d"
            " WHERE person = ANY(%s) AND detail ? 'shown'"
            " AND NOT EXISTS (SELECT FROM identity_decision u WHERE u.undoes = d.id) ORDER BY person, id DESC",
            [list(persons)],
        )
        return {
            person: {field: int(patient) for field, patient in orjson.loads(shown).items()}
            for person, shown in cursor.fetchall()
        }


def history(ctx: AccessContext, person: UUID) -> list[HistoryLine]:
    """How a person's source patients came and went, oldest first. Raises PermissionRefused."""
    require(ctx, EXPLAIN_MATCH)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.id, l.at, l.patient, l.person_from, l.person_to, l.other, l.kind, l.actor, l.model, l.weight,"
            " l.waterfall::text, l.reason, l.message, l.occurred, l.decision FROM identity_link l"
            " JOIN identity_source_patient s USING (patient)"
            " WHERE %s IN (l.person_to, l.person_from) AND s.labels & %s = 0 ORDER BY l.id",
            [person, ~int(ctx.clearance)],
        )
        return [_line(row) for row in cursor.fetchall()]


def pair(ctx: AccessContext, one: int, other: int) -> Pair | None:
    """Two source patients side by side; None where the asker may not see both. Raises PermissionRefused."""
    require(ctx, EXPLAIN_MATCH)
    found = patients_by_row(ctx, [one, other])
    if len(found) != 2:
        return None
    texts: dict[int, str] = _mapping(
        "SELECT patient, traits::text FROM identity_traits WHERE patient = ANY(%s)", [one, other]
    )
    left, right = found[one], found[other]
    a, b = traits_from_json(texts[one]), traits_from_json(texts[other])
    result = score(a, b, policy().model)
    return Pair(
        left=left,
        right=right,
        fields=sides(left.display, a, right.display, b),
        score=result,
        conflicts=tuple(guard.words for guard in guards_of(a, b, result.levels)),
    )


def pair_of_item(ctx: AccessContext, item: int) -> Pair | None:
    """The two source patients a work item of ``identity.possible-duplicates`` is about."""
    require(ctx, REVIEW_DUPLICATES)
    one, other = work_item(ctx, item).detail["patients"]
    return pair(ctx, int(one), int(other))


def records_of(ctx: AccessContext, patients: Iterable[int]) -> list[SourcePatient]:
    """The source patients of these rows that the asker may see, in their order."""
    found = patients_by_row(ctx, patients)
    return [found[each] for each in dict.fromkeys(patients) if each in found]


def patients_by_row(ctx: AccessContext, patients: Iterable[int]) -> dict[int, SourcePatient]:
    """The source patients of these rows that the asker may see."""
    return {each.patient: each for each in _sources(ctx, "patient = ANY(%s)", [list(patients)])}


def _sources(ctx: AccessContext, condition: str, parameters: list[Any]) -> list[SourcePatient]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM identity_source_patient s WHERE {condition} AND labels & %s = 0"  # noqa: S608
            f" ORDER BY {GIVEN_UP}, updated_at DESC, patient",
            [*parameters, ~int(ctx.clearance)],
        )
        return [SourcePatient(*row) for row in cursor.fetchall()]


def _mapping(query: str, patients: list[int]) -> dict[int, Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, [patients])
        return dict(cursor.fetchall())


def _line(row: Sequence[Any]) -> HistoryLine:
    values = list(row)
    values[10] = orjson.loads(values[10])
    return HistoryLine(*values)


def _day() -> date:
    return today(configuration().time_zone)
