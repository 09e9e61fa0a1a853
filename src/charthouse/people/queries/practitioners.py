"""The practitioner directory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q

from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.domain.names import search_words, shown_name
from charthouse.people.models import Practitioner
from charthouse.people.permissions import SEE_DIRECTORY


@dataclass(frozen=True, slots=True)
class PractitionerEntry:
    """A practitioner, joined over all entries that were merged into one.

    ``id`` is the canonical entry's; ``public_ids`` are the FHIR ids of every joined entry, the canonical one first.
    """

    id: int
    public_ids: tuple[str, ...]
    family: str
    given: str
    prefix: str
    suffix: str
    credentials: str
    npi: str | None
    identifiers: tuple[tuple[str, str], ...]

    @property
    def shown(self) -> str:
        return shown_name(
            family=self.family,
            given=self.given,
            prefix=self.prefix,
            suffix=self.suffix,
            credentials=self.credentials,
        )


def practitioner(ctx: AccessContext, practitioner_id: int) -> PractitionerEntry | None:
    """The practitioner an entry's id stands for, following merges; None where there is no such entry."""
    require(ctx, SEE_DIRECTORY)
    root = Practitioner.objects.filter(pk=practitioner_id).values_list("canonical_id", flat=True).first()
    return _entries([root])[0] if root is not None else None


def practitioners_by_public_id(ctx: AccessContext, public_ids: Iterable[str]) -> dict[str, PractitionerEntry]:
    """Entries by the FHIR ids asked for; unknown ids are absent."""
    require(ctx, SEE_DIRECTORY)
    roots = dict(
        Practitioner.objects.filter(public_id__in=list(public_ids)).values_list("public_id", "canonical_id")
    )
    entries = {entry.id: entry for entry in _entries(list(set(roots.values())))}
    return {public_id: entries[root] for public_id, root in roots.items()}


def find_practitioners(ctx: AccessContext, text: str, limit: int = 20) -> list[PractitionerEntry]:
    """Practitioners whose name has a word beginning with each word of ``text``, or whose NPI or identifier it is.

    Merged entries are found by their own name and shown as the one they were joined to. At most ``limit``, by name.
    """
    require(ctx, SEE_DIRECTORY)
    words = search_words(text)
    if not words:
        return []
    named = Q()
    for word in words:
        named &= Q(search_key__contains=f" {word}")
    exact = text.strip()
    roots = (
        Practitioner.objects.filter(named | Q(npi=exact) | Q(identifiers__value=exact))
        .order_by("search_key", "id")
        .values_list("canonical_id", flat=True)
    )
    chosen = list(dict.fromkeys(roots[: limit * 4]))[:limit]
    entries = {entry.id: entry for entry in _entries(chosen)}
    return [entries[root] for root in chosen]


def _entries(roots: Sequence[int]) -> list[PractitionerEntry]:
    if not roots:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT root.id, root.family, root.given, root.prefix, root.suffix, root.credentials,
                   coalesce(root.npi, min(entry.npi)),
                   array_agg(entry.public_id ORDER BY entry.id <> root.id, entry.id),
                   (SELECT array_agg(DISTINCT ARRAY[i.system, i.value]::text[])
                      FROM people_practitioner_identifier i
                      JOIN people_practitioner e ON e.id = i.practitioner_id
                     WHERE e.canonical_id = root.id)
              FROM people_practitioner root
              JOIN people_practitioner entry ON entry.canonical_id = root.id
             WHERE root.id = ANY(%s)
             GROUP BY root.id
            """,
            [list(roots)],
        )
        return [
            PractitionerEntry(
                id=row[0],
                family=row[1],
                given=row[2],
                prefix=row[3],
                suffix=row[4],
                credentials=row[5],
                npi=row[6],
                public_ids=tuple(row[7]),
                identifiers=tuple((system, value) for system, value in row[8] or ()),
            )
            for row in cursor.fetchall()
        ]
