"""Keep the facts of charts flat, beside the record they are read from.

An encounter's row is held while its facts are read and written, so that of two who read at once the later knows all
that the earlier did. Whoever needs charts as well takes the rows first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from charthouse.completion.domain import packed
from charthouse.completion.domain.analysis import NEVER
from charthouse.completion.domain.facts import EncounterFacts
from charthouse.completion.facts_models import ChartFacts
from charthouse.completion.queries import Directory, Read, Span, kept, read_from_record, stamps
from charthouse.foundation.memory import without_collection
from charthouse.foundation.prepared import planned_anew
from charthouse.record import api as record

from ._acting import SYSTEM

_AT_ONCE = 500
_TAKE = """
INSERT INTO completion_chart_facts (encounter, patient, labels, content)
SELECT r.id, r.patient, 0, '' FROM record_resource r
 WHERE r.type = %s AND r.id = ANY(%s) AND r.patient IS NOT NULL ORDER BY r.id
    ON CONFLICT (encounter) DO NOTHING
"""
_LOCK = """
SELECT encounter FROM completion_chart_facts WHERE encounter = ANY(%s) ORDER BY encounter FOR NO KEY UPDATE
"""
_KEEP = """
UPDATE completion_chart_facts f SET patient = n.patient, stamp = n.stamp, labels = n.labels, content = n.content
  FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::integer[], %b::bytea[])
       AS n (encounter, patient, stamp, labels, content)
 WHERE f.encounter = n.encounter
"""
_BEHIND = """
UPDATE completion_chart_facts SET stamp = NULL WHERE encounter = ANY(%s)
"""
_OF_DOCUMENTS = """
SELECT DISTINCT r.encounter FROM record_resource r
 WHERE r.encounter IS NOT NULL AND (r.type, r.public_id) IN (SELECT * FROM unnest(%s::smallint[], %s::text[]))
"""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Encounters looked at, and those of them that were read from the record."""

    encounters: int = 0
    read: int = 0


def take(rows: Sequence[int]) -> None:
    """Have the rows of these encounters to oneself until the transaction ends; those that were not there are made.
    Rows are taken in their order, so that two who take some never wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [record.TYPE_ID["Encounter"], sorted(rows)])
        _lock(rows)


def _lock(rows: Sequence[int]) -> None:
    planned_anew(_LOCK, [list(rows)])


def facts_of(rows: Sequence[int], *, anew: bool = False) -> list[EncounterFacts]:
    """The facts of these encounters, whose rows the caller has taken: as they are kept, or where that is behind (or
    all ``anew``) from the record, and then kept."""
    found: list[Read] = []
    if not anew:
        stand = stamps(rows)
        found = [each for each in kept(rows) if each.stamp == stand.get(each.row)]
    there = {each.row for each in found}
    found += _read_and_keep([row for row in rows if row not in there])
    return Directory(SYSTEM).facts_of(sorted(found, key=lambda each: each.row))


def _read_and_keep(rows: Sequence[int], stand: Mapping[int, int] | None = None) -> list[Read]:
    """The facts of encounters whose rows are taken, with the stamps they had before where those are known. What
    does not stand any more has none; what was kept of it goes."""
    if not rows:
        return []
    read = read_from_record(SYSTEM, rows, stand=stand)
    _keep(read)
    if gone := sorted(set(rows) - {each.row for each in read}):
        ChartFacts.objects.filter(encounter__in=gone).delete()
    return read


def _keep(read: Sequence[Read]) -> None:
    if not read:
        return
    planned_anew(
        _KEEP,
        [
            [each.row for each in read],
            [each.patient for each in read],
            [each.stamp for each in read],
            [each.labels for each in read],
            [packed.written(each.packed) for each in read],
        ],
    )


def set_behind(documents: Iterable[str]) -> None:
    """Have the facts of the encounters of these documents (``Type/id``) read again: they are another part of their
    charts now, though the record is the same."""
    wanted = sorted(key.partition("/")[::2] for key in documents)
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(_OF_DOCUMENTS, [[record.TYPE_ID[kind] for kind, _ in wanted], [id for _, id in wanted]])
        rows = [row for (row,) in cursor.fetchall()]
        _lock(rows)
        cursor.execute(_BEHIND, [rows])


def forget_facts(patients: Collection[int]) -> None:
    """Let the facts of these patients' charts go, with the charts."""
    ChartFacts.objects.filter(patient__in=list(patients)).delete()


def rebuild_facts(span: Span = (0, None), *, everything: bool = False) -> Rebuilt:
    """Bring the facts of a span, or of the whole house, up to date: those that are behind or missing, or with
    ``everything`` all; facts of encounters that do not stand any more go. Some hundred at a time, each its own
    transaction; broken off, the same call goes on."""
    looked = read = 0
    for rows, found in _brought_up_to_date(span, everything):
        looked += len(rows)
        read += len(found)
    return Rebuilt(looked, read)


def kept_facts(span: Span = (0, None)) -> Iterator[tuple[int, list[EncounterFacts]]]:
    """The facts of every encounter that took place, or of those of a span, some hundred at a time, brought up to
    date on the way as ``rebuild_facts`` does; with how many were read from the record."""
    directory = Directory(SYSTEM)
    for rows, found in _brought_up_to_date(span, False):
        with without_collection():
            known = {each.row: each for each in found}
            if others := [row for row in rows if row not in known]:
                known |= {each.row: each for each in kept(others)}
                # What was kept a moment ago somebody else may have set behind since.
                missing = [row for row in others if row not in known]
                known |= {each.row: each for each in read_from_record(SYSTEM, missing)} if missing else {}
            facts = directory.facts_of([known[row] for row in rows if row in known])
        yield len(found), [each for each in facts if each.status not in NEVER]


def _brought_up_to_date(span: Span, everything: bool) -> Iterator[tuple[list[int], list[Read]]]:
    """The encounters that stand, some hundred at a time, and what had to be read of them."""
    after, upto = span
    while True:
        with transaction.atomic():
            rows = [row for row, _ in record.encounter_rows_after(SYSTEM, after, _AT_ONCE, upto)]
            stand = stamps(rows) if rows else {}
            last = rows[-1] if len(rows) == _AT_ONCE else upto
            between = ChartFacts.objects.filter(encounter__gt=after)
            if last is not None:
                between = between.filter(encounter__lte=last)
            held = dict(between.values_list("encounter", "stamp"))
            behind = {row for row in rows if everything or held.get(row) is None or held[row] != stand.get(row)}
            behind.update(held.keys() - set(rows))
            if behind:
                take(sorted(behind))
            found = _read_and_keep(sorted(behind), stand)
        yield rows, found
        if len(rows) < _AT_ONCE or rows[-1] == upto:
            return
        after = rows[-1]
