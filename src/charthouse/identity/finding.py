"""Find a patient from anywhere, while one types.

Every term is a range of an index; a source patient must be in the ranges of all of them, and visible to the asker.
What is found is ranked (whole words and numbers before beginnings, then what changed last) and gathered by person.
The text is never logged; the caller writes the ledger, with a fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import today

from .domain.dates import age_on
from .domain.traits import SSN_SYSTEM
from .domain.wanted import Term, Wanted, wanted
from .permissions import FIND_PATIENT
from .store import GIVEN_UP

#: The last code point: every string that begins with x lies from x up to x and this.
_LAST = "\U0010ffff"
#: How many source patients are ranked, and how many are looked at where no term is rare.
_RANKED = 1_000
_REACH = 5_000


@dataclass(frozen=True, slots=True)
class Hit:
    """A person found. ``birth_date`` and ``sex`` (M, F, O) are as the sender gave them, empty where unknown;
    ``age`` is in whole years today or at death; ``mrns`` are the record numbers of the sources the asker may see,
    ``sources`` how many those are; ``matched_on`` says in words what agreed."""

    person: UUID
    number: int
    name: str
    birth_date: str
    sex: str
    age: int | None
    deceased: bool
    mrns: tuple[str, ...]
    matched_on: str
    sources: int


def find(ctx: AccessContext, text: str, limit: int = 20) -> list[Hit]:
    """The persons that answer to every word of ``text``, best first, at most ``limit``.

    Understood: the beginning of any part of a name, several parts in any order, a birth date in any usual form or a
    year alone, a record number or other identifier or the beginning of one, a whole social security number, a
    telephone number with or without area code, and mixtures. A date that can be read in two ways is looked for in
    both, and ``matched_on`` says how it was read. Raises PermissionRefused.
    """
    require(ctx, FIND_PATIENT)
    day = today(configuration().time_zone)
    search = wanted(text, day)
    if not search or limit < 1:
        return []
    ranked = _ranked(ctx, search, limit)
    return _described(ctx, search, ranked, day)


def _ranked(ctx: AccessContext, search: Wanted, limit: int) -> list[tuple[UUID, int]]:
    """Persons and the source patient that answers best, best first.

    The rarest term is walked along its index; each patient it brings is probed for the others, and looked up only
    when it answers to them (OFFSET 0 keeps the planner from reading whole tables instead, misled by the labels).
    """
    first, *others = _rarest_first(search.terms)
    walk, walked = _walk(first, _REACH if others else _RANKED)
    probes, probed = _probes([term for term in others if not term.dates], "brought")
    checks, checked = _probes([term for term in others if term.dates], "s")
    words, numbers, dates = _whole(search)
    query = f"""
        WITH brought AS MATERIALIZED ({walk}), hit AS MATERIALIZED (
          SELECT s.patient, s.person, s.birth, s.updated_at
            FROM (SELECT patient FROM brought WHERE true{probes} OFFSET 0) AS answering CROSS JOIN LATERAL (
                 SELECT * FROM identity_source_patient WHERE patient = answering.patient OFFSET 0) AS s
           WHERE s.labels & %s = 0{checks} LIMIT %s
        ), ranked AS (
          SELECT patient, person, updated_at,
                 (SELECT count(*) FROM identity_name n WHERE n.patient = hit.patient AND n.folded = ANY(%s))
                 + (SELECT count(DISTINCT i.folded) FROM identity_identifier i
                     WHERE i.patient = hit.patient AND i.folded = ANY(%s))
                 + (birth = ANY(%s))::int AS whole
            FROM hit
        ), best AS (
          SELECT DISTINCT ON (person) person, patient, whole, updated_at FROM ranked
           ORDER BY person, whole DESC, updated_at DESC, patient
        )
        SELECT person, patient FROM best ORDER BY whole DESC, updated_at DESC, patient LIMIT %s
    """  # noqa: S608 - the text is this module's own, every value is a parameter
    with connection.cursor() as cursor:
        cursor.execute(query, [*walked, *probed, _hidden(ctx), *checked, _RANKED, words, numbers, dates, limit])
        return [(person, patient) for person, patient in cursor.fetchall()]


def _rarest_first(terms: Sequence[Term]) -> list[Term]:
    """The terms by how many patients they bring, as far as it matters to know."""
    if len(terms) == 1:
        return list(terms)
    counts, parameters = [], []
    for term in terms:
        walk, values = _walk(term, _REACH)
        counts.append(f"(SELECT count(*) FROM ({walk}) AS brought)")  # noqa: S608
        parameters.extend(values)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", parameters)
        sizes = cursor.fetchone()
    return [term for _, term in sorted(zip(sizes, terms, strict=True), key=lambda pair: pair[0])]


def _ranges(term: Term) -> list[tuple[str, str, list[Any]]]:
    """The index ranges a term may be found in: table, condition, its values. Any of them will do."""
    found: list[tuple[str, str, list[Any]]] = []
    if term.word:
        found.append(("identity_name", "folded >= %s AND folded < %s", [term.word, term.word + _LAST]))
    for number in term.numbers:
        # A social security number is found only as a whole.
        condition = "folded >= %s AND folded < %s AND (system <> %s OR folded = %s)"
        found.append(("identity_identifier", condition, [number, number + _LAST, SSN_SYSTEM, number]))
    for typed in term.dates:
        values = [typed.value, typed.value + _LAST]
        found.append(("identity_source_patient", "birth >= %s AND birth < %s", values))
    return found


def _walk(term: Term, reach: int) -> tuple[str, list[Any]]:
    """The source patients a term brings, at most ``reach`` from each range. Whole words and numbers are the first
    of their range, so that a cut never loses them."""
    parts, parameters = [], []
    for table, condition, values in _ranges(term):
        order = "birth" if table == "identity_source_patient" else "folded"
        parts.append(f"(SELECT patient FROM {table} WHERE {condition} ORDER BY {order} LIMIT %s)")  # noqa: S608
        parameters.extend([*values, reach])
    return " UNION ALL ".join(parts), parameters


def _probes(terms: Sequence[Term], alias: str) -> tuple[str, list[Any]]:
    """Further conditions: that the patient of ``alias`` answers to every term."""
    conditions, parameters = [], []
    for term in terms:
        sql, values = _probe(term, alias)
        conditions.append(f" AND ({sql})")
        parameters.extend(values)
    return "".join(conditions), parameters


def _probe(term: Term, alias: str) -> tuple[str, list[Any]]:
    """Whether the source patient ``alias`` answers to a term; for a date it must have a birth. A scalar subquery is
    always probed by its index, where EXISTS may be turned into a join over the whole range."""
    parts, parameters = [], []
    for table, condition, values in _ranges(term):
        if table == "identity_source_patient":
            parts.append(condition.replace("birth", f"{alias}.birth"))
        else:
            parts.append(f"(SELECT true FROM {table} WHERE patient = {alias}.patient AND {condition} LIMIT 1)")  # noqa: S608
        parameters.extend(values)
    return " OR ".join(parts), parameters


def _whole(search: Wanted) -> tuple[list[str], list[str], list[str]]:
    """What counts as whole: words, numbers and dates just as they were typed."""
    words = [term.word for term in search.terms if term.word]
    numbers = [number for term in search.terms for number in term.numbers]
    dates = [typed.value for term in search.terms for typed in term.dates if len(typed.value) == 10]
    return words, numbers, dates


def _hidden(ctx: AccessContext) -> int:
    """The labels this asker may not see, as a mask."""
    return ~int(ctx.clearance)


_DETAILS = f"""
SELECT s.person, p.number, s.patient, s.family, s.given, s.birth, s.sex, s.deceased, s.mrn,
       s.patient = ANY(%s) AS best,
       CASE WHEN s.patient = ANY(%s)
            THEN ARRAY(SELECT folded FROM identity_name n WHERE n.patient = s.patient) END AS words,
       CASE WHEN s.patient = ANY(%s)
            THEN ARRAY(SELECT folded FROM identity_identifier i WHERE i.patient = s.patient) END AS numbers,
       CASE WHEN s.patient = ANY(%s)
            THEN ARRAY(SELECT system FROM identity_identifier i WHERE i.patient = s.patient) END AS systems
  FROM identity_source_patient s JOIN identity_person p ON p.id = s.person
 WHERE s.person = ANY(%s) AND s.labels & %s = 0
 ORDER BY {GIVEN_UP}, s.updated_at DESC, s.patient
"""  # noqa: S608


def _described(ctx: AccessContext, search: Wanted, ranked: Sequence[tuple[UUID, int]], day: date) -> list[Hit]:
    patients = [patient for _, patient in ranked]
    rows: dict[UUID, list[dict[str, Any]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            _DETAILS, [patients, patients, patients, patients, [person for person, _ in ranked], _hidden(ctx)]
        )
        names = [column.name for column in cursor.description]
        for values in cursor.fetchall():
            row = dict(zip(names, values, strict=True))
            rows.setdefault(row["person"], []).append(row)
    return [_hit(rows[person], search, day) for person, _ in ranked if person in rows]


def _hit(rows: Sequence[Mapping[str, Any]], search: Wanted, day: date) -> Hit:
    best = next((row for row in rows if row["best"]), rows[0])
    died = next((row["deceased"] for row in rows if row["deceased"]), "")
    return Hit(
        person=best["person"],
        number=best["number"],
        name=", ".join(part for part in (best["family"], best["given"]) if part),
        birth_date=best["birth"],
        sex=best["sex"],
        age=age_on(best["birth"], died if len(died) == 10 else day.isoformat()),
        deceased=bool(died),
        mrns=tuple(dict.fromkeys(row["mrn"] for row in rows if row["mrn"])),
        matched_on=", ".join(dict.fromkeys(_matched(term, best) for term in search.terms)),
        sources=len(rows),
    )


def _matched(term: Term, row: Mapping[str, Any]) -> str:
    """How a patient answers to a term, in words."""
    for typed in term.dates:
        if row["birth"].startswith(typed.value):
            way = f" ({typed.words})" if typed.words else ""
            return f"birth date{way}" if len(typed.value) == 10 else "year of birth"
    systems = {
        system
        for number in term.numbers
        for folded, system in zip(row["numbers"] or (), row["systems"] or (), strict=True)
        if folded == number or (folded.startswith(number) and system != SSN_SYSTEM)
    }
    if systems:
        return _system_words(systems)
    return "name"


def _system_words(systems: set[str]) -> str:
    if systems == {"tel"}:
        return "telephone"
    if systems == {"mailto"}:
        return "mail address"
    return "social security number" if systems == {SSN_SYSTEM} else "number"
