"""Values that far more persons of the index share than chance would have it: what may stand for no value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from charthouse.foundation.rulepacks.api import parameter

RULE = "identity.placeholders"


@dataclass(frozen=True, slots=True)
class Frequent:
    """A value, how many persons have it, and why that is too many."""

    field: str
    value: str
    persons: int
    reason: str


_OF_A_PERSON = {
    "ssn": "SELECT s.person, t.traits->>'ssn' AS value FROM identity_traits t"
    " JOIN identity_source_patient s USING (patient) WHERE length(t.traits->>'ssn') = 9",
    "phone": "SELECT s.person, jsonb_array_elements_text(t.traits->'phones') AS value FROM identity_traits t"
    " JOIN identity_source_patient s USING (patient) WHERE t.traits ? 'phones'",
    "email": "SELECT s.person, jsonb_array_elements_text(t.traits->'emails') AS value FROM identity_traits t"
    " JOIN identity_source_patient s USING (patient) WHERE t.traits ? 'emails'",
}
_ADDRESSES = """
SELECT value, count(DISTINCT person), count(DISTINCT family)
  FROM (SELECT s.person, t.traits->'names'->0->>'family' AS family,
               concat_ws(' ', a->>'number', a->>'street', a->>'unit', a->>'city', a->>'postal') AS value
          FROM identity_traits t JOIN identity_source_patient s USING (patient),
               jsonb_array_elements(t.traits->'addresses') AS a
         WHERE a ? 'street') AS each
 GROUP BY value HAVING count(DISTINCT person) >= %s AND count(DISTINCT family) >= %s
"""
_BIRTHS = """
SELECT t.traits->>'birth', count(DISTINCT s.person) FROM identity_traits t
  JOIN identity_source_patient s USING (patient) WHERE length(t.traits->>'birth') = 10 GROUP BY 1
"""
_NAMES = """
WITH each AS (SELECT s.person, n->>'given' AS given, n->>'family' AS family, t.traits->>'birth' AS birth
                FROM identity_traits t JOIN identity_source_patient s USING (patient),
                     jsonb_array_elements(t.traits->'names') AS n
               WHERE n ? 'given' AND n ? 'family'),
     often AS (SELECT given, family, count(DISTINCT person) AS persons FROM each GROUP BY given, family
               HAVING count(DISTINCT person) >= %s AND count(DISTINCT birth) >= %s),
     givens AS (SELECT given, count(DISTINCT person) AS persons FROM each
                 WHERE given IN (SELECT given FROM often) GROUP BY given),
     families AS (SELECT family, count(DISTINCT person) AS persons FROM each
                   WHERE family IN (SELECT family FROM often) GROUP BY family)
SELECT given, family, o.persons, g.persons, f.persons, (SELECT count(DISTINCT person) FROM each)
  FROM often o JOIN givens g USING (given) JOIN families f USING (family)
"""
_WORDS = {
    "ssn": "{persons} persons have this number; it is issued to one.",
    "phone": "{persons} persons are reached under it; a household has fewer than {limit}.",
    "email": "{persons} persons have this mail address; a household has fewer than {limit}.",
}


def find_frequent(cursor: Any) -> list[Frequent]:
    """What may be placeholders by the rule identity.placeholders, the most frequent of each field first."""
    found: list[Frequent] = []
    for field, rows in _OF_A_PERSON.items():
        limit = int(parameter(RULE, field))
        cursor.execute(
            f"SELECT value, count(DISTINCT person) FROM ({rows}) AS each GROUP BY value"  # noqa: S608
            " HAVING count(DISTINCT person) >= %s",
            [limit],
        )
        for value, persons in cursor.fetchall():
            found.append(Frequent(field, value, persons, _WORDS[field].format(persons=persons, limit=limit)))
    found += _addresses(cursor) + _births(cursor) + _names(cursor)
    return sorted(found, key=lambda each: (each.field, -each.persons, each.value))


def _addresses(cursor: Any) -> list[Frequent]:
    limit, families = int(parameter(RULE, "address")), int(parameter(RULE, "families"))
    cursor.execute(_ADDRESSES, [limit, families])
    return [
        Frequent(
            "address",
            value,
            persons,
            f"{persons} persons of {names} family names live there: an institution, or the building of one.",
        )
        for value, persons, names in cursor.fetchall()
    ]


def _births(cursor: Any) -> list[Frequent]:
    """Days on which far more were born than on the others of their year."""
    least, times = int(parameter(RULE, "least")), float(parameter(RULE, "birth"))
    cursor.execute(_BIRTHS)
    days = dict(cursor.fetchall())
    years: Counter[str] = Counter()
    for day, persons in days.items():
        years[day[:4]] += persons
    found = []
    for day, persons in days.items():
        chance = (years[day[:4]] - persons) / 364
        if persons >= least and persons >= times * max(chance, 1.0):
            words = f"{persons} persons were born on this day, and {chance:.1f} on any other of the year."
            found.append(Frequent("birth", day, persons, words))
    return found


def _names(cursor: Any) -> list[Frequent]:
    """Whole names that are met far oftener than their two parts would meet by chance."""
    least, times = int(parameter(RULE, "least")), float(parameter(RULE, "name"))
    cursor.execute(_NAMES, [least, least // 2])
    found = []
    for given, family, persons, of_given, of_family, everybody in cursor.fetchall():
        chance = of_given * of_family / max(1, everybody)
        # Nearly all who bear one part bear the other as well, or the two meet far too often.
        alone = persons >= 0.8 * max(of_given, of_family)
        if persons >= times * max(chance, 1.0) or (alone and persons >= 2 * least):
            words = f"{persons} persons born on different days bear it; by chance it would be {chance:.1f}."
            found.append(Frequent("name", f"{given} {family}", persons, words))
    return found
