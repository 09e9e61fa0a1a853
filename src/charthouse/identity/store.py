"""Reading and writing the index: raw SQL, whole batches at a time, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
from django.db import connection

from charthouse.foundation.arrays import array, text_array
from charthouse.foundation.clock import wall
from charthouse.foundation.prepared import prepared, prepared_together

from .domain.decision import Candidate
from .domain.keys import Keys
from .domain.numbers import enterprise_number
from .domain.prepared import Prepared
from .domain.scorer import Step
from .domain.traits import TRAITS_VERSION, Traits, traits_from_json

#: The first key of our advisory locks, and how many slots the second has.
_LOCK_SPACE = 0x1DE7
_SLOTS = 1 << 14
#: From so many slots on, a batch takes the whole index instead: locks live in a table of limited size.
_MOST_SLOTS = 512

#: So many serial numbers of persons a connection draws ahead.
_MOST_DRAWN = 64

#: Whether the sender of a source patient ``s`` merged it away, or a split that made it was undone, under the person
#: it has now. Such ones come last.
GIVEN_UP = (
    "EXISTS (SELECT FROM identity_link l WHERE l.patient = s.patient AND l.kind IN ('merge-notice', 'rejoined')"
    " AND l.person_to = s.person)"
)


@dataclass(frozen=True, slots=True)
class Known:
    """A source patient in the index, with the traits it had before."""

    patient: int
    person: UUID
    digest: int
    traits: Traits


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """A row of the link history to be written."""

    patient: int
    person_from: UUID | None
    person_to: UUID
    kind: str
    actor: str
    reason: str
    other: int | None = None
    model: str = ""
    weight: float | None = None
    waterfall: Sequence[Step] = ()
    message: int | None = None
    occurred: datetime | None = None
    decision: int | None = None


@dataclass(slots=True)
class Row:
    """A source patient to be written."""

    patient: int
    public_id: str
    source: int
    person: UUID
    prepared: Prepared
    keys: Keys


@dataclass(slots=True)
class Writing:
    """All that a batch changes: new persons, new or changed source patients, what is replaced, events. ``matched``
    are source patients that its decisions stand on, with the person each had when it was looked at."""

    persons: list[UUID] = field(default_factory=list)
    rows: dict[int, Row] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    events: list[LinkEvent] = field(default_factory=list)
    matched: dict[int, UUID] = field(default_factory=dict)


def known_patients(patients: Collection[int]) -> dict[int, Known]:
    """Those of the patients that the index has. Their rows stay locked to the end of the transaction."""
    if not patients:
        return {}
    rows = prepared(
        "SELECT s.patient, s.person, s.digest, t.traits::text FROM identity_source_patient s"
        " JOIN identity_traits t USING (patient) WHERE s.patient = ANY((SELECT %s::bigint[])::bigint[])"
        " ORDER BY s.patient"
        " FOR NO KEY UPDATE OF s",
        [array(patients)],
    )
    return {row[0]: Known(row[0], row[1], row[2], traits_from_json(row[3])) for row in rows}


def persons_of_patients(patients: Sequence[int]) -> dict[int, UUID]:
    """The persons of source patients, as they are at this moment; nobody is held off."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, person FROM identity_source_patient WHERE patient = ANY(%s)", [list(patients)]
        )
        return dict(cursor.fetchall())


def persons_of_public(names: Iterable[str]) -> dict[str, UUID]:
    """The persons of patients by their public ids; they cannot move to another until the transaction ends."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT public_id, person FROM identity_source_patient WHERE public_id = ANY(%s) FOR KEY SHARE",
            [wanted],
        )
        return dict(cursor.fetchall())


def rows_of_public(names: Iterable[str]) -> dict[str, int]:
    """The rows of source patients by their public ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT public_id, patient FROM identity_source_patient WHERE public_id = ANY(%s)", [sorted(set(names))]
        )
        return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Parted:
    """A source patient that was parted from another."""

    patient: int
    public_id: str


def partings(patients: Iterable[int]) -> dict[int, list[Parted]]:
    """The source patients that were parted from each of these, by a split or by a held update, and are under
    another person still; those from whom nobody was are left out."""
    wanted = sorted(set(patients))
    found: dict[int, list[Parted]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT f.named, p.patient, p.public_id FROM ("
            " SELECT patient AS named, parted FROM identity_held_update WHERE patient = ANY(%(rows)s)"
            "  AND parted <> ''"
            " UNION SELECT l.patient, d.detail->>'parted' FROM identity_link l JOIN identity_decision d"
            "  ON d.person = l.person_to AND d.kind = 'split' AND (d.detail->>'patient')::bigint = l.patient"
            "  WHERE l.patient = ANY(%(rows)s)"
            "  AND NOT EXISTS (SELECT FROM identity_decision u WHERE u.undoes = d.id)"
            ") AS f JOIN identity_source_patient s ON s.patient = f.named"
            " JOIN identity_source_patient p ON p.public_id = f.parted AND p.person <> s.person"
            " ORDER BY f.named, p.patient",
            {"rows": wanted},
        )
        for named, patient, public_id in cursor.fetchall():
            found.setdefault(named, []).append(Parted(patient, public_id))
    return found


_Asked = tuple[str, Sequence[Any]]


def _lock(keys: Iterable[int]) -> _Asked:
    """What holds off every other arrival that shares a key, until the transaction ends.

    Keys share 16,384 slots, taken in order, so that two batches never wait for each other. A large batch takes the
    whole index.
    """
    slots = sorted({key % _SLOTS for key in keys})
    if len(slots) > _MOST_SLOTS:
        return "SELECT pg_advisory_xact_lock(%s::int, %s::int)", [_LOCK_SPACE, _SLOTS]
    return (
        "SELECT pg_advisory_xact_lock_shared(%s::int, %s::int)"
        " UNION ALL SELECT pg_advisory_xact_lock(%s::int, slot) FROM unnest(%s::int[]) AS slot",
        [_LOCK_SPACE, _SLOTS, _LOCK_SPACE, array(slots)],
    )


_CANDIDATES = """
SELECT found.arrival, found.patient, s.person, t.traits::text
  FROM (SELECT DISTINCT asked.arrival, k.patient
          FROM (SELECT key, array_agg(arrival) AS arrivals
                  FROM unnest((SELECT %s::bigint[]), (SELECT %s::bigint[])) AS a (arrival, key)
                 GROUP BY key) AS each
         CROSS JOIN LATERAL (
               SELECT array_agg(patient) AS patients
                 FROM (SELECT patient FROM identity_key WHERE key = each.key LIMIT {more}) AS few) AS hit
         CROSS JOIN LATERAL unnest(hit.patients) AS k (patient)
         CROSS JOIN LATERAL unnest(each.arrivals) AS asked (arrival)
         WHERE cardinality(hit.patients) < {more}) AS found
  JOIN identity_source_patient s ON s.patient = found.patient
  JOIN identity_traits t ON t.patient = found.patient
"""


#: The row of an arrival, and keys under which it is looked for.
Wanted = Sequence[tuple[int, Collection[int]]]


def first_candidates(asked: Wanted, most_per_key: int) -> dict[int, list[Candidate]]:
    """As :func:`candidates`, once every other arrival that shares a key was held off, until the transaction ends.
    One transaction must take its locks at once: place a transaction's arrivals in one call."""
    keys = {key for _, its_keys in asked for key in its_keys}
    if not keys:
        return {}
    # Two statements: what another committed while this one waited for it must be seen.
    _, rows = prepared_together([_lock(keys), _candidates(asked, most_per_key)])
    return _read_candidates(rows)


def candidates(asked: Wanted, most_per_key: int) -> dict[int, list[Candidate]]:
    """For each (arrival, keys) the source patients that share a key; keys shared by more than ``most_per_key``
    patients are passed over. Those that an arrival is matched with are held when it is written: :func:`write`."""
    if not any(keys for _, keys in asked):
        return {}
    return _read_candidates(prepared(*_candidates(asked, most_per_key)))


def _candidates(asked: Wanted, most_per_key: int) -> _Asked:
    pairs = [(arrival, key) for arrival, keys in asked for key in keys]
    return (
        _CANDIDATES.format(more=int(most_per_key) + 1),
        [array(arrival for arrival, _ in pairs), array(key for _, key in pairs)],
    )


def _read_candidates(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[Candidate]]:
    found: dict[int, list[Candidate]] = {}
    for arrival, patient, person, traits in rows:
        found.setdefault(arrival, []).append(Candidate(patient, person, traits_from_json(traits)))
    return found


_FORGET = """
WITH old AS (SELECT patient, keys FROM identity_traits WHERE patient = ANY(%(patients)s)),
     names AS (DELETE FROM identity_name n USING old WHERE n.patient = old.patient),
     numbers AS (DELETE FROM identity_identifier i USING old WHERE i.patient = old.patient)
DELETE FROM identity_key k USING (SELECT patient, unnest(keys) AS key FROM old) AS old
 WHERE k.key = old.key AND k.patient = old.patient
"""

_EVENTS = """
INSERT INTO identity_link (patient, person_from, person_to, other, kind, actor, model, weight, waterfall, reason,
                           message, occurred, decision, at)
SELECT patient, person_from, person_to, other, kind, actor, model, weight, waterfall::jsonb, reason, message,
       occurred, decision, %(now)s::timestamptz
  FROM unnest(%(e_patient)s::bigint[], %(e_from)s::uuid[], %(e_to)s::uuid[], %(e_other)s::bigint[],
              %(e_kind)s::text[], %(e_actor)s::text[], %(e_model)s::text[], %(e_weight)s::float8[],
              %(e_waterfall)s::text[], %(e_reason)s::text[], %(e_message)s::bigint[], %(e_occurred)s::timestamptz[],
              %(e_decision)s::bigint[]) WITH ORDINALITY
    AS e (patient, person_from, person_to, other, kind, actor, model, weight, waterfall, reason, message, occurred,
          decision, place)
 {where} ORDER BY place
"""

_WRITE = """
WITH held AS MATERIALIZED (
  SELECT patient, person FROM identity_source_patient
   WHERE patient = ANY((SELECT %(m_patient)s::bigint[])::bigint[]) ORDER BY patient FOR KEY SHARE
), stands AS MATERIALIZED (
  SELECT NOT EXISTS (
    SELECT FROM unnest(%(m_patient)s::bigint[], %(m_person)s::uuid[]) AS m (patient, person)
      LEFT JOIN held AS h USING (patient) WHERE h.person IS DISTINCT FROM m.person) AS so
), events AS (
  {events}
), persons AS (
  INSERT INTO identity_person (id, number, created_at)
  SELECT *, %(now)s::timestamptz FROM unnest(%(person_ids)s::uuid[], %(numbers)s::bigint[]) AS n
   WHERE (SELECT so FROM stands)
), patients AS (
  INSERT INTO identity_source_patient (patient, public_id, source, person, digest, labels, sex, birth, deceased,
                                       family, given, mrn, updated_at)
  SELECT *, %(now)s::timestamptz
    FROM unnest(%(patient)s::bigint[], %(public_id)s::text[], %(source)s::int[], %(person)s::uuid[],
                %(digest)s::bigint[], %(labels)s::int[], %(sex)s::text[], %(birth)s::text[], %(deceased)s::text[],
                %(family)s::text[], %(given)s::text[], %(mrn)s::text[])
   WHERE (SELECT so FROM stands)
  ON CONFLICT (patient) DO UPDATE SET
    public_id = excluded.public_id, source = excluded.source, digest = excluded.digest, labels = excluded.labels,
    sex = excluded.sex, birth = excluded.birth, deceased = excluded.deceased, family = excluded.family,
    given = excluded.given, mrn = excluded.mrn, updated_at = excluded.updated_at
), traits AS (
  INSERT INTO identity_traits (patient, version, traits, keys)
  SELECT patient, %(version)s::smallint, traits::jsonb, string_to_array(keys, ',')::bigint[]
    FROM unnest(%(patient)s::bigint[], %(traits)s::text[], %(key_lists)s::text[]) AS t (patient, traits, keys)
   WHERE (SELECT so FROM stands)
  ON CONFLICT (patient) DO UPDATE SET
    version = excluded.version, traits = excluded.traits, keys = excluded.keys
), keys AS (
  INSERT INTO identity_key (key, patient)
  SELECT * FROM unnest(%(key)s::bigint[], %(key_patient)s::bigint[]) WHERE (SELECT so FROM stands)
), names AS (
  INSERT INTO identity_name (patient, folded, use)
  SELECT * FROM unnest(%(name_patient)s::bigint[], %(word)s::text[], %(use)s::text[]) WHERE (SELECT so FROM stands)
), numbers AS (
  INSERT INTO identity_identifier (patient, system, folded, value, kind, valid_from, valid_to)
  SELECT * FROM unnest(%(number_patient)s::bigint[], %(system)s::text[], %(folded)s::text[], %(value)s::text[],
                       %(kind)s::text[], %(valid_from)s::text[], %(valid_to)s::text[])
   WHERE (SELECT so FROM stands)
)
SELECT so FROM stands
"""

_WRITE_EVENTS = _EVENTS.format(where="")
_WRITE_ALL = _WRITE.format(events=_EVENTS.format(where="WHERE (SELECT so FROM stands)"))


def write(writing: Writing) -> bool:
    """Write a batch: everything in one statement, plus one that clears what is replaced.

    What the batch was matched with is held to the end of the transaction. Where one of them has another person by
    now, nothing is written, and the answer is False: decide anew, with what is held.
    """
    if writing.changed:
        with connection.cursor() as cursor:
            cursor.execute(_FORGET, {"patients": sorted(writing.changed)})
    if not (writing.rows or writing.persons):
        write_events(writing.events)
        return True
    matched = {"m_patient": array(writing.matched), "m_person": array(writing.matched.values())}
    rows = {**_persons(writing.persons), **_columns(list(writing.rows.values()))}
    return bool(prepared(_WRITE_ALL, {**matched, **rows, **_events(writing.events)})[0][0])


def _persons(persons: Sequence[UUID]) -> dict[str, Any]:
    numbers = array(map(enterprise_number, _serials(len(persons))))
    return {"person_ids": array(persons), "numbers": numbers, "now": wall()}


@dataclass(slots=True)
class _Drawn:
    """Serial numbers a connection drew and has not given yet, and how many it drew at once the last time."""

    left: list[int] = field(default_factory=list)
    at_once: int = 0


#: By the connection, with which what it did not give is lost: a number is never given twice, and may be left out.
_DRAWN: WeakKeyDictionary[Any, _Drawn] = WeakKeyDictionary()


def _serials(count: int) -> list[int]:
    """Serial numbers for so many new persons; a connection that needs them again and again draws more at once."""
    if not count:
        return []
    connection.ensure_connection()
    drawn = _DRAWN.setdefault(connection.connection, _Drawn())
    if len(drawn.left) < count:
        drawn.at_once = min(2 * drawn.at_once, _MOST_DRAWN) or 1
        rows = prepared(
            "SELECT nextval('identity_person_serial') FROM generate_series(1, (SELECT %s::int))",
            [max(count - len(drawn.left), drawn.at_once)],
        )
        drawn.left += [serial for (serial,) in rows]
    given, drawn.left = drawn.left[:count], drawn.left[count:]
    return given


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    names = [(row.patient, word, use) for row in rows for word, use in row.prepared.words.items()]
    numbers = [(row.patient, number) for row in rows for number in row.prepared.numbers()]
    stored = [(row.patient, sorted(row.keys.stored)) for row in rows]
    shown = [row.prepared.display for row in rows]
    return {
        "version": TRAITS_VERSION,
        "patient": array(row.patient for row in rows),
        "public_id": text_array(row.public_id for row in rows),
        "source": array(row.source for row in rows),
        "person": array(row.person for row in rows),
        "digest": array(row.prepared.digest for row in rows),
        "labels": array(row.prepared.labels for row in rows),
        "sex": text_array(display.sex for display in shown),
        "birth": text_array(display.birth for display in shown),
        "deceased": text_array(display.deceased for display in shown),
        "family": text_array(display.family for display in shown),
        "given": text_array(display.given for display in shown),
        "mrn": text_array(display.mrn for display in shown),
        "traits": text_array(row.prepared.traits_json for row in rows),
        "key_lists": text_array(",".join(map(str, keys)) for _, keys in stored),
        "key": array(key for _, keys in stored for key in keys),
        "key_patient": array(patient for patient, keys in stored for _ in keys),
        "name_patient": array(patient for patient, _, _ in names),
        "word": text_array(word for _, word, _ in names),
        "use": text_array(use for _, _, use in names),
        "number_patient": array(patient for patient, _ in numbers),
        "system": text_array(number.system for _, number in numbers),
        "folded": text_array(number.folded for _, number in numbers),
        "value": text_array(number.value for _, number in numbers),
        "kind": text_array(number.kind for _, number in numbers),
        "valid_from": text_array(number.valid_from for _, number in numbers),
        "valid_to": text_array(number.valid_to for _, number in numbers),
    }


def write_events(events: Sequence[LinkEvent]) -> None:
    """Append to the link history."""
    if events:
        prepared(_WRITE_EVENTS, {**_events(events), "now": wall()})


def _events(events: Sequence[LinkEvent]) -> dict[str, Any]:
    return {
        "e_patient": array(event.patient for event in events),
        "e_from": array(event.person_from for event in events),
        "e_to": array(event.person_to for event in events),
        "e_other": array(event.other for event in events),
        "e_kind": text_array(event.kind for event in events),
        "e_actor": text_array(event.actor for event in events),
        "e_model": text_array(event.model for event in events),
        "e_weight": array(event.weight for event in events),
        "e_waterfall": text_array(
            orjson.dumps([step.as_json() for step in event.waterfall]).decode() for event in events
        ),
        "e_reason": text_array(event.reason for event in events),
        "e_message": array(event.message for event in events),
        "e_occurred": array(event.occurred for event in events),
        "e_decision": array(event.decision for event in events),
    }
