"""Versions of the rules: kept once each, the first as they are shipped."""

from __future__ import annotations

from django.db import connection, transaction

from charthouse.completion.adopted import Told, adopted_version, digest_of, told_by_packs
from charthouse.completion.errors import ChangedMeanwhile
from charthouse.completion.models import AdoptedRules
from charthouse.foundation.access.api import AccessContext, system_context
from charthouse.foundation.clock import now
from charthouse.foundation.ledger.api import Subject, append

_SYSTEM = system_context("completion")
#: The advisory lock under which one version is kept at a time.
_LOCK = 0x636F6D70


def ensure_adopted() -> int:
    """The version in force; the rules as they are shipped become the first where none was adopted."""
    if version := adopted_version():
        return version
    return keep_rules(_SYSTEM, told_by_packs(), "The rules as they are shipped.")[0]


def keep_rules(ctx: AccessContext, told: Told, note: str, *, over: int | None = None) -> tuple[int, bool]:
    """Keep rules as the version in force; its number, and whether they were in force already.

    ``over`` is the version they were made from. Raises ChangedMeanwhile where it is in force no more.
    """
    digest = digest_of(told)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        last = AdoptedRules.objects.order_by("-version").first()
        if over is not None and last is not None and last.version != over:
            raise ChangedMeanwhile(
                f"{last.name} adopted version {last.version} since these rules were tried over version {over}. "
                "Nothing was adopted; try them again, over the rules in force now."
            )
        if last is not None and last.digest == digest:
            return last.version, True
        kept = AdoptedRules.objects.create(
            digest=digest, content=told, note=note, by=ctx.actor, name=ctx.name or ctx.actor, at=now()
        )
        append(
            ctx,
            "completion.adopt-rules",
            subjects=[Subject("rules", str(kept.version))],
            detail={"version": kept.version, "digest": digest},
        )
    return kept.version, False
