"""The whole index read at once, for work in batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require

from .batch.blocking import Blocks
from .batch.table import Table
from .domain.traits import Traits, traits_from_json
from .permissions import REVIEW_DUPLICATES

_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Index:
    """Every source patient of the index: its traits, its keys, its id and its person, by row."""

    table: Table
    blocks: Blocks
    patients: list[int]
    persons: list[str]


def read_index(
    ctx: AccessContext, tell: Callable[[int], None] = lambda done: None, others: Sequence[Traits] = ()
) -> Index:
    """All source patients as they are at one moment, in the order of their ids. ``others`` are added as rows after
    them, that have neither id nor person."""
    require(ctx, REVIEW_DUPLICATES)
    table, blocks = Table(), Blocks(wide=False)
    patients: list[int] = []
    persons: list[str] = []
    for patient, person, text in _rows():
        traits = traits_from_json(text)
        blocks.add(table.add(traits), traits)
        patients.append(patient)
        persons.append(person)
        if not len(patients) % 20_000:
            tell(len(patients))
    for traits in others:
        blocks.add(table.add(traits), traits)
    table.close()
    return Index(table, blocks, patients, persons)


def numbers_of(persons: Iterable[str]) -> dict[str, int]:
    """The enterprise numbers of persons by their ids."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id::text, number FROM identity_person WHERE id = ANY(%s::uuid[])", [list(persons)])
        return dict(cursor.fetchall())


def _rows() -> Iterator[tuple[int, str, str]]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "DECLARE whole_index NO SCROLL CURSOR FOR SELECT s.patient, s.person::text, t.traits::text"
            " FROM identity_source_patient s JOIN identity_traits t USING (patient) ORDER BY s.patient"
        )
        while True:
            cursor.execute(f"FETCH {_AT_ONCE} FROM whole_index")
            rows = cursor.fetchall()
            if not rows:
                break
            yield from rows
        cursor.execute("CLOSE whole_index")
