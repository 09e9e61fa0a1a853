"""Join two directory entries that are one practitioner, undo that, and correct an NPI."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.domain.check_digits import is_npi
from charthouse.people.models import Practitioner, PractitionerMerge, User
from charthouse.people.permissions import CORRECT_DIRECTORY

from . import _ledger
from ._ledger import Subject

__all__ = [
    "DirectoryError",
    "correct_npi",
    "join_entries",
    "lock_directory",
    "merge_practitioners",
    "unmerge_practitioners",
]


class DirectoryError(Exception):
    """The directory cannot be changed as asked; the message says why and what to do."""


def merge_practitioners(ctx: AccessContext, survivor: int, other: int, reason: str) -> int:
    """Join ``other`` (with all joined to it) to ``survivor``; returns the merge's id, which undoes it.

    Records keep the id they named; reads follow the join. Raises DirectoryError for the same entry, for different
    NPIs, for entries that are two accounts, and without a reason.
    """
    require(ctx, CORRECT_DIRECTORY)
    if not reason.strip():
        raise DirectoryError("A merge needs a reason, so that others can judge it later.")
    with transaction.atomic(), connection.cursor() as cursor:
        roots = _locked_roots(cursor, survivor, other)
        if roots[survivor] == roots[other]:
            raise DirectoryError("These two entries are one already.")
        numbers = set(
            Practitioner.objects.filter(canonical_id__in=roots.values(), npi__isnull=False).values_list(
                "npi", flat=True
            )
        )
        if len(numbers) > 1:
            raise DirectoryError(
                f"The entries carry different NPIs ({', '.join(sorted(str(n) for n in numbers))}). "
                "Correct the wrong one first; two practitioners never share a number."
            )
        linked = User.objects.filter(practitioner__canonical_id__in=roots.values())
        accounts = sorted(linked.values_list("username", flat=True))
        if len(accounts) > 1:
            raise DirectoryError(
                f"The entries are two accounts ({', '.join(accounts)}), each of which answers for documents. "
                "An administrator takes the practitioner from one of them first."
            )
        merge = join_entries(cursor, roots[survivor], roots[other], reason.strip(), ctx.actor)
        _ledger.append(
            ctx,
            "people.merge-practitioners",
            subjects=_subjects(roots[survivor], roots[other]),
            detail={"merge": merge},
        )
    return merge


def unmerge_practitioners(ctx: AccessContext, merge_id: int, reason: str) -> None:
    """Undo a merge: the entry, with what was joined to it before, stands alone again. Raises DirectoryError."""
    require(ctx, CORRECT_DIRECTORY)
    if not reason.strip():
        raise DirectoryError("Undoing a merge needs a reason, so that others can judge it later.")
    with transaction.atomic(), connection.cursor() as cursor:
        merge = PractitionerMerge.objects.filter(pk=merge_id, kind=PractitionerMerge.Kind.MERGE).first()
        if merge is None:
            raise DirectoryError(f"There is no merge {merge_id}.")
        _locked_roots(cursor, merge.survivor_id, merge.other_id)
        merged_into = Practitioner.objects.values_list("merged_into_id", flat=True).get(pk=merge.other_id)
        if PractitionerMerge.objects.filter(undoes=merge).exists() or merged_into != merge.survivor_id:
            raise DirectoryError("This merge was undone before.")
        cursor.execute(_SUBTREE, [merge.other_id])
        leaving = [row[0] for row in cursor.fetchall()]
        staying = Practitioner.objects.filter(canonical=_root(merge.other_id)).exclude(pk__in=leaving)
        numbers = set(Practitioner.objects.filter(pk__in=leaving, npi__isnull=False).values_list("npi", flat=True))
        shared = staying.filter(npi__in=numbers).values_list("npi", flat=True).first()
        if shared is not None:
            raise DirectoryError(
                f"Both entries carry the NPI {shared}. Correct it where it is wrong, then undo the merge."
            )
        Practitioner.objects.filter(pk=merge.other_id).update(merged_into=None)
        Practitioner.objects.filter(pk__in=leaving).update(canonical=merge.other_id)
        PractitionerMerge.objects.create(
            kind=PractitionerMerge.Kind.UNMERGE,
            survivor_id=merge.survivor_id,
            other_id=merge.other_id,
            reason=reason.strip(),
            actor=ctx.actor,
            undoes=merge,
        )
        _ledger.append(
            ctx,
            "people.unmerge-practitioners",
            subjects=_subjects(merge.survivor_id, merge.other_id),
            detail={"merge": merge_id},
        )


def correct_npi(ctx: AccessContext, entry: int, npi: str | None, reason: str) -> None:
    """Set or clear an entry's NPI by a person; records arriving later leave it alone. Raises DirectoryError."""
    require(ctx, CORRECT_DIRECTORY)
    if not reason.strip():
        raise DirectoryError("Correcting an NPI needs a reason.")
    if npi is not None and not is_npi(npi):
        raise DirectoryError(f"{npi} is not an NPI: ten digits, the first 1 or 2, the last the check digit.")
    with transaction.atomic(), connection.cursor() as cursor:
        root = _locked_roots(cursor, entry)[entry]
        others = (
            Practitioner.objects.filter(npi=npi).exclude(canonical=root) if npi else Practitioner.objects.none()
        )
        if others.exists():
            raise DirectoryError(
                f"Another entry carries the NPI {npi}; merge the two if they are one practitioner."
            )
        before = Practitioner.objects.values_list("npi", flat=True).get(pk=entry)
        Practitioner.objects.filter(pk=entry).update(npi=npi, npi_corrected=True)
        _ledger.append(
            ctx,
            "people.correct-npi",
            subjects=[Subject("practitioner", str(entry))],
            detail={"before": before, "after": npi, "reason": reason.strip()},
        )


def join_entries(cursor: Any, survivor: int, other: int, reason: str, actor: str) -> int:
    """Put the tree of root ``other`` under root ``survivor`` and note it; returns the merge's id."""
    cursor.execute(
        "UPDATE people_practitioner SET canonical_id = %(survivor)s, "
        "merged_into_id = CASE WHEN id = %(other)s THEN %(survivor)s ELSE merged_into_id END "
        "WHERE canonical_id = %(other)s",
        {"survivor": survivor, "other": other},
    )
    merge = PractitionerMerge.objects.create(
        kind=PractitionerMerge.Kind.MERGE, survivor_id=survivor, other_id=other, reason=reason, actor=actor
    )
    return int(merge.pk)


_SUBTREE = """
    WITH RECURSIVE tree AS (
        SELECT id FROM people_practitioner WHERE id = %s
        UNION
        SELECT p.id FROM people_practitioner p JOIN tree ON p.merged_into_id = tree.id
    )
    SELECT id FROM tree
"""


def lock_directory(cursor: Any) -> None:
    """One merge at a time, so that trees stay trees; merges are few."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('people.practitioners', 0))")


def _locked_roots(cursor: Any, *entries: int) -> dict[int, int]:
    """The roots of entries, which stay what they are until the transaction ends."""
    lock_directory(cursor)
    roots = dict(Practitioner.objects.filter(pk__in=entries).values_list("pk", "canonical_id"))
    if missing := [entry for entry in entries if entry not in roots]:
        raise DirectoryError(f"There is no practitioner entry {missing[0]}.")
    return roots


def _root(entry: int) -> int:
    return Practitioner.objects.values_list("canonical_id", flat=True).get(pk=entry)


def _subjects(*entries: int) -> list[Subject]:
    return [Subject("practitioner", str(entry)) for entry in entries]
