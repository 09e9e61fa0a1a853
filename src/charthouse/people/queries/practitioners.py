"""The practitioner directory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Q

from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.domain.names import search_words, shown_name
from charthouse.people.models import Practitioner, PractitionerIdentifier, PractitionerMerge, User
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

    @property
    def listed(self) -> str:
        """The name as a list sorted by family name shows it: ``"Lovelace, Ada Jr., MD"``."""
        if not (self.family and self.given):
            return self.shown
        after = " ".join(part for part in (self.given, self.suffix) if part)
        return f"{self.family}, {after}" + (f", {self.credentials}" if self.credentials else "")


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


def joined_practitioners() -> dict[str, str]:
    """Every entry of the directory that was joined to another, by FHIR ids: the one that stands for it, following
    merges. They are few where the entries themselves may be thousands. Not sensitive."""
    joined = Practitioner.objects.filter(merged_into__isnull=False)
    return dict(joined.values_list("public_id", "canonical__public_id"))


def practitioner_ids(numbers: Iterable[int]) -> dict[int, str]:
    """The FHIR ids of entries by their numbers, following merges. Not sensitive."""
    return dict(Practitioner.objects.filter(pk__in=list(numbers)).values_list("pk", "canonical__public_id"))


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


@dataclass(frozen=True, slots=True)
class PractitionerPage:
    """Practitioners by name; ``next`` is the id to go on after, None at the end."""

    entries: tuple[PractitionerEntry, ...]
    next: int | None


def browse_practitioners(ctx: AccessContext, after: int | None = None, limit: int = 50) -> PractitionerPage:
    """A page of all practitioners, each once."""
    require(ctx, SEE_DIRECTORY)
    rows = Practitioner.objects.filter(merged_into=None).order_by("search_key", "id")
    if after is not None:
        last = Practitioner.objects.filter(pk=after).values_list("search_key", flat=True).first()
        rows = rows.filter(Q(search_key__gt=last or "") | Q(search_key=last or "", id__gt=after))
    found = list(rows.values_list("id", flat=True)[: limit + 1])
    shown = found[:limit]
    entries = {entry.id: entry for entry in _entries(shown)}
    return PractitionerPage(tuple(entries[root] for root in shown), shown[-1] if len(found) > limit else None)


@dataclass(frozen=True, slots=True)
class DirectoryRow:
    """One entry as its sender wrote it. ``source`` is the sender's id in the record, "" where none is known."""

    id: int
    public_id: str
    shown: str
    npi: str | None
    npi_corrected: bool
    source: str
    first_seen: datetime
    changed_at: datetime
    identifiers: tuple[tuple[str, str], ...]
    survives: bool


def practitioner_rows(ctx: AccessContext, practitioner_id: int) -> list[DirectoryRow]:
    """Every entry that is this practitioner, the surviving one first."""
    require(ctx, SEE_DIRECTORY)
    root = Practitioner.objects.filter(pk=practitioner_id).values_list("canonical_id", flat=True).first()
    if root is None:
        return []
    numbers: dict[int, list[tuple[str, str]]] = {}
    held = PractitionerIdentifier.objects.filter(practitioner__canonical_id=root).order_by("system", "value")
    for owner, system, value in held.values_list("practitioner_id", "system", "value"):
        numbers.setdefault(owner, []).append((system, value))
    rows = [
        DirectoryRow(
            row.pk,
            row.public_id,
            _shown(row),
            row.npi,
            row.npi_corrected,
            row.source,
            row.created_at,
            row.updated_at,
            tuple(numbers.get(row.pk, ())),
            row.pk == root,
        )
        for row in Practitioner.objects.filter(canonical_id=root).order_by("id")
    ]
    return sorted(rows, key=lambda row: not row.survives)


def _shown(row: Practitioner) -> str:
    return shown_name(
        family=row.family, given=row.given, prefix=row.prefix, suffix=row.suffix, credentials=row.credentials
    )


@dataclass(frozen=True, slots=True)
class MergeLine:
    """One merge in a practitioner's history, or its inverse. ``may_undo`` says that it still holds."""

    id: int
    at: datetime
    is_merge: bool
    survivor: int
    survivor_name: str
    other: int
    other_name: str
    reason: str
    by: str
    may_undo: bool


def merge_history(ctx: AccessContext, practitioner_id: int) -> list[MergeLine]:
    """The merges and unmerges of every entry that is this practitioner, newest first."""
    require(ctx, SEE_DIRECTORY)
    ids = [row.id for row in practitioner_rows(ctx, practitioner_id)]
    merges = list(
        PractitionerMerge.objects.filter(Q(survivor__in=ids) | Q(other__in=ids))
        .select_related("survivor", "other", "undone_by")
        .order_by("-at", "-id")
    )
    actors = {merge.actor.removeprefix("user:") for merge in merges}
    users = User.objects.filter(pk__in=[int(each) for each in actors if each.isdigit()])
    names = {user.actor: str(user) for user in users}
    return [
        MergeLine(
            merge.pk,
            merge.at,
            merge.kind == PractitionerMerge.Kind.MERGE,
            merge.survivor_id,
            _shown(merge.survivor),
            merge.other_id,
            _shown(merge.other),
            merge.reason,
            names.get(merge.actor, "Charthouse" if merge.actor.startswith("system:") else merge.actor),
            merge.kind == PractitionerMerge.Kind.MERGE
            and getattr(merge, "undone_by", None) is None
            and merge.other.merged_into_id == merge.survivor_id,
        )
        for merge in merges
    ]


@dataclass(frozen=True, slots=True)
class LikelyDuplicate:
    """Practitioners who may be one: ``reason`` is ``name`` or ``number``, ``shared`` what they have in common."""

    reason: str
    shared: str
    entries: tuple[PractitionerEntry, ...]


def likely_duplicates(
    ctx: AccessContext, practitioner_id: int | None = None, limit: int = 50
) -> list[LikelyDuplicate]:
    """Practitioners of one name, at least one of them without an NPI, or with one number in one system.

    Two with different NPIs are two (45 CFR 162.410 gives each provider one). At most ``limit`` groups of a kind;
    with ``practitioner_id`` only those it is in.
    """
    require(ctx, SEE_DIRECTORY)
    root: int | None = None
    if practitioner_id is not None:
        root = Practitioner.objects.filter(pk=practitioner_id).values_list("canonical_id", flat=True).first()
        if root is None:
            return []
    found: list[tuple[str, str, tuple[int, ...]]] = []
    with connection.cursor() as cursor:
        for reason, statement in (("number", _ONE_NUMBER), ("name", _ONE_NAME)):
            cursor.execute(statement, {"root": root, "limit": limit})
            found += [(reason, str(shared), tuple(ids)) for shared, ids in cursor.fetchall()]
    entries = {entry.id: entry for entry in _entries(sorted({each for _, _, ids in found for each in ids}))}
    return [LikelyDuplicate(reason, shared, tuple(entries[each] for each in ids)) for reason, shared, ids in found]


_ONE_NUMBER = """
    SELECT i.value, array_agg(DISTINCT p.canonical_id)
      FROM people_practitioner_identifier i JOIN people_practitioner p ON p.id = i.practitioner_id
     WHERE i.system <> ''
       AND (%(root)s::bigint IS NULL OR (i.system, i.value) IN (
             SELECT own.system, own.value FROM people_practitioner_identifier own
               JOIN people_practitioner e ON e.id = own.practitioner_id WHERE e.canonical_id = %(root)s))
     GROUP BY i.system, i.value
    HAVING count(DISTINCT p.canonical_id) > 1
     ORDER BY i.value LIMIT %(limit)s
"""
_ONE_NAME = """
    SELECT btrim(root.search_key), array_agg(root.id ORDER BY root.id)
      FROM people_practitioner root
      CROSS JOIN LATERAL (
        SELECT min(e.npi) AS npi FROM people_practitioner e WHERE e.canonical_id = root.id) AS tree
     WHERE root.merged_into_id IS NULL AND root.search_key <> ''
       AND (%(root)s::bigint IS NULL
            OR root.search_key = (SELECT search_key FROM people_practitioner WHERE id = %(root)s))
     GROUP BY root.search_key
    HAVING count(*) > 1 AND count(*) > count(tree.npi)
     ORDER BY root.search_key LIMIT %(limit)s
"""


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
