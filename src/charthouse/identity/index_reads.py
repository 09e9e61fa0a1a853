"""The whole index read at once, for work in batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.db import connection, transaction
from msgspec.structs import astuple

from charthouse.foundation.access.api import AccessContext, require

from .batch.blocking import Blocks
from .batch.table import Table
from .domain.placeholders import Learnt, believed
from .domain.traits import Traits, traits_from_json
from .permissions import REVIEW_DUPLICATES
from .policy import policy

_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Index:
    """Every source patient of the index: its traits, its keys, its id and its person, by row. ``held`` is a
    fingerprint of all that pairs are compared by."""

    table: Table
    blocks: Blocks
    patients: list[int]
    persons: list[str]
    held: str


def read_index(
    ctx: AccessContext,
    tell: Callable[[int], None] = lambda done: None,
    others: Sequence[Traits] = (),
    learnt: Learnt | None = None,
) -> Index:
    """All source patients as they are at one moment, in the order of their ids. ``others`` are added as rows after
    them, that have neither id nor person. ``learnt``: what is not believed; what was accepted, where nothing is
    said."""
    require(ctx, REVIEW_DUPLICATES)
    learnt = policy().learnt if learnt is None else learnt
    table, blocks = Table(), Blocks(wide=False)
    patients: list[int] = []
    persons: list[str] = []
    held = sha256(repr([sorted(values) for values in astuple(learnt)]).encode())
    for patient, person, text in _rows():
        traits = believed(traits_from_json(text), learnt)
        blocks.add(table.add(traits), traits)
        patients.append(patient)
        held.update(f"{patient} {text}".encode())
        persons.append(person)
        if not len(patients) % 20_000:
            tell(len(patients))
    for other in others:
        traits = believed(other, learnt)
        blocks.add(table.add(traits), traits)
    table.close()
    return Index(table, blocks, patients, persons, held.hexdigest())


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
