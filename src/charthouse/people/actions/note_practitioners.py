"""Note the practitioners that arriving records name, in the transaction that files the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from charthouse.foundation.access.api import system_context
from charthouse.foundation.ids import hash64
from charthouse.people.domain.check_digits import is_npi
from charthouse.people.domain.names import search_key

from . import _ledger
from ._ledger import Subject
from .merge_practitioners import join_entries, lock_directory

__all__ = ["PractitionerFact", "note_practitioners"]


@dataclass(frozen=True, slots=True)
class PractitionerFact:
    """What one record says of one practitioner.

    ``public_id`` is the FHIR Practitioner's id, ``identifiers`` are (system, value) pairs, ``source`` the sender.
    An NPI with a wrong check digit is kept as an identifier and joins nothing. Empty name parts erase nothing.
    """

    public_id: str
    family: str = ""
    given: str = ""
    prefix: str = ""
    suffix: str = ""
    credentials: str = ""
    npi: str | None = None
    identifiers: tuple[tuple[str, str], ...] = ()
    source: str = ""


NPI_SYSTEM = "http://hl7.org/fhir/sid/us-npi"
_LIMITS = {"family": 200, "given": 200, "prefix": 60, "suffix": 60, "credentials": 120, "source": 255}
_NAME_PARTS = ("family", "given", "prefix", "suffix", "credentials")


@dataclass(slots=True)
class _Known:
    id: int
    root: int
    parts: tuple[str, ...]
    npi: str | None
    npi_corrected: bool
    identifiers: frozenset[tuple[str, str]]


def note_practitioners(facts: Sequence[PractitionerFact]) -> dict[str, int]:
    """The directory's (canonical) id for every fact's ``public_id``; new entries are made, known ones filled in.

    One query where all is known already, a fixed number otherwise and a few for each join, however many the facts.
    Entries with one valid NPI are joined into the first of them, which :func:`unmerge_practitioners` can undo. Call
    it once in a transaction, with all its facts: it takes locks in a fixed order, and two calls in one transaction
    could meet another's in reverse (PostgreSQL then fails one of them, to be retried).
    """
    wanted = _combined(facts)
    if not wanted:
        return {}
    known = _known(wanted)
    news = [fact for fact in wanted.values() if _says_more(fact, known.get(fact.public_id))]
    if not news:
        return {public_id: known[public_id].root for public_id in wanted}
    _lock_numbers(news)
    _write_entries(news)
    known = _known(wanted)
    _write_identifiers(news, known)
    if _join_by_npi(news, known):
        known = _known(wanted)
    return {public_id: known[public_id].root for public_id in wanted}


def _combined(facts: Iterable[PractitionerFact]) -> dict[str, PractitionerFact]:
    """One fact an entry, in the order of public ids, which is the order rows are locked in."""
    combined: dict[str, PractitionerFact] = {}
    for fact in facts:
        clean = _clean(fact)
        before = combined.get(clean.public_id)
        combined[clean.public_id] = clean if before is None else _both(before, clean)
    return dict(sorted(combined.items()))


def _clean(fact: PractitionerFact) -> PractitionerFact:
    def text(value: str, limit: int) -> str:
        return value.replace("\0", "").strip()[:limit]

    identifiers = {(text(system, 255), text(value, 255)) for system, value in fact.identifiers}
    npi = text(fact.npi or "", 255)
    if npi:
        identifiers.add((NPI_SYSTEM, npi))
    return replace(
        fact,
        **{name: text(getattr(fact, name), limit) for name, limit in _LIMITS.items()},
        npi=npi if is_npi(npi) else None,
        identifiers=tuple(sorted(pair for pair in identifiers if pair[1])),
    )


def _both(first: PractitionerFact, second: PractitionerFact) -> PractitionerFact:
    parts: Mapping[str, str] = {name: getattr(second, name) or getattr(first, name) for name in _NAME_PARTS}
    return replace(
        first,
        **parts,
        npi=second.npi or first.npi,
        identifiers=tuple(sorted({*first.identifiers, *second.identifiers})),
    )


def _known(wanted: Iterable[str]) -> dict[str, _Known]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.public_id, p.id, p.canonical_id,
                   p.family, p.given, p.prefix, p.suffix, p.credentials, p.npi, p.npi_corrected,
                   (SELECT array_agg(ARRAY[i.system, i.value]::text[])
                      FROM people_practitioner_identifier i WHERE i.practitioner_id = p.id)
              FROM people_practitioner p
             WHERE p.public_id = ANY(%s)
            """,
            [list(wanted)],
        )
        return {
            row[0]: _Known(
                id=row[1],
                root=row[2],
                parts=tuple(row[3:8]),
                npi=row[8],
                npi_corrected=row[9],
                identifiers=frozenset((system, value) for system, value in row[10] or ()),
            )
            for row in cursor.fetchall()
        }


def _says_more(fact: PractitionerFact, known: _Known | None) -> bool:
    if known is None:
        return True
    named = any(said and said != held for said, held in zip(_parts(fact), known.parts, strict=True))
    return named or _brings_npi(fact, known) or not known.identifiers.issuperset(fact.identifiers)


def _brings_npi(fact: PractitionerFact, known: _Known) -> bool:
    """Whether the fact gives the entry its NPI. It keeps its first; another is an identifier and joins nothing."""
    return fact.npi is not None and known.npi is None and not known.npi_corrected


def _parts(fact: PractitionerFact) -> tuple[str, ...]:
    return tuple(getattr(fact, name) for name in _NAME_PARTS)


def _lock_numbers(news: Sequence[PractitionerFact]) -> None:
    """Before any row is touched: whoever brings the same NPIs waits here, and then sees what was committed."""
    keys = sorted({hash64(f"npi:{fact.npi}") for fact in news if fact.npi is not None})
    if keys:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])


def _write_entries(news: Sequence[PractitionerFact]) -> None:
    columns = list(zip(*((fact.public_id, *_parts(fact), fact.source) for fact in news), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO people_practitioner AS held
                   (id, canonical_id, public_id, family, given, prefix, suffix, credentials, source,
                    search_key, npi_corrected)
            SELECT said.id, said.id, said.public_id, said.family, said.given, said.prefix, said.suffix,
                   said.credentials, said.source, '', false
              FROM (SELECT nextval(pg_get_serial_sequence('people_practitioner', 'id')) AS id, fact.*
                      FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[],
                                  %s::text[], %s::text[], %s::text[])
                        AS fact(public_id, family, given, prefix, suffix, credentials, source)) AS said
            ON CONFLICT (public_id) DO UPDATE SET
                   family = coalesce(nullif(excluded.family, ''), held.family),
                   given = coalesce(nullif(excluded.given, ''), held.given),
                   prefix = coalesce(nullif(excluded.prefix, ''), held.prefix),
                   suffix = coalesce(nullif(excluded.suffix, ''), held.suffix),
                   credentials = coalesce(nullif(excluded.credentials, ''), held.credentials),
                   updated_at = now()
            RETURNING id, given, family, suffix, credentials
            """,
            [list(column) for column in columns],
        )
        keys = [(row[0], search_key(row[2], row[1], row[3])) for row in cursor.fetchall()]
        cursor.execute(
            "UPDATE people_practitioner p SET search_key = k.key "
            "FROM unnest(%s::bigint[], %s::text[]) AS k(id, key) WHERE p.id = k.id AND p.search_key <> k.key",
            [[key[0] for key in keys], [key[1] for key in keys]],
        )


def _write_identifiers(news: Sequence[PractitionerFact], known: Mapping[str, _Known]) -> None:
    rows = [
        (known[fact.public_id].id, system, value)
        for fact in news
        for system, value in fact.identifiers
        if (system, value) not in known[fact.public_id].identifiers
    ]
    if not rows:
        return
    columns = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO people_practitioner_identifier (practitioner_id, system, value) "
            "SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING",
            [list(column) for column in columns],
        )


def _join_by_npi(news: Sequence[PractitionerFact], known: Mapping[str, _Known]) -> bool:
    """Give entries their NPI, and join those whose NPI another entry carries. Returns whether any was joined."""
    fresh = {
        known[fact.public_id].id: fact.npi
        for fact in news
        if fact.npi is not None and _brings_npi(fact, known[fact.public_id])
    }
    if not fresh:
        return False
    with connection.cursor() as cursor:
        joins = _joins(cursor, fresh)
        if joins:
            lock_directory(cursor)
            joins = _joins(cursor, fresh)
        for survivor, other in joins:
            join_entries(cursor, survivor, other, "Both carry the same NPI", "system:people")
        cursor.execute(
            "UPDATE people_practitioner p SET npi = said.npi, updated_at = now() "
            "FROM unnest(%s::bigint[], %s::text[]) AS said(id, npi) WHERE p.id = said.id",
            [list(fresh), list(fresh.values())],
        )
    for survivor, other in joins:
        _ledger.append(
            system_context("people"),
            "people.merge-practitioners",
            subjects=[Subject("practitioner", str(survivor)), Subject("practitioner", str(other))],
            detail={"because": "same NPI"},
        )
    return bool(joins)


def _joins(cursor: Any, fresh: Mapping[int, str]) -> list[tuple[int, int]]:
    """Which roots (survivor, other) become one because entries bring these NPIs.

    An entry whose tree carries another NPI already is left alone: two numbers are two practitioners until a person
    says otherwise.
    """
    cursor.execute(
        "SELECT npi, min(canonical_id) FROM people_practitioner WHERE npi = ANY(%s) GROUP BY npi",
        [list(set(fresh.values()))],
    )
    holders: dict[str, int] = dict(cursor.fetchall())
    cursor.execute(
        """
        SELECT e.id, e.canonical_id,
               EXISTS (SELECT FROM people_practitioner o
                        WHERE o.canonical_id = e.canonical_id AND o.npi IS NOT NULL)
          FROM people_practitioner e WHERE e.id = ANY(%s)
        """,
        [list(fresh)],
    )
    places = {entry: (root, numbered) for entry, root, numbered in cursor.fetchall()}
    moved: dict[int, int] = {}
    joins: list[tuple[int, int]] = []
    for entry, npi in sorted(fresh.items()):
        root, numbered = places[entry]
        root = moved.get(root, root)
        holder = holders.setdefault(npi, root)
        holder = moved.get(holder, holder)
        if holder != root and not numbered:
            joins.append((holder, root))
            moved = {key: holder if value == root else value for key, value in moved.items()} | {root: holder}
    return joins
