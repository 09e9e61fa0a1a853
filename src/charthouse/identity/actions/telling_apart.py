"""Remembering that source patients are two persons, and taking that back: what is in force, and its history."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import wall

Pair = tuple[int, int]


def in_order(pairs: Iterable[Pair]) -> list[Pair]:
    """Each pair once, the lower row first."""
    return sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})


def remember(ctx: AccessContext, pairs: Iterable[Pair], reason: str, decision: int | None = None) -> list[Pair]:
    """Remember pairs as two persons; returns those that were not remembered before."""
    wanted = in_order(pairs)
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH fresh AS (INSERT INTO identity_not_same (low, high, actor, reason, at)"
            " SELECT low, high, %s, %s, %s FROM unnest(%s::bigint[], %s::bigint[]) AS p (low, high)"
            " ON CONFLICT DO NOTHING RETURNING low, high, actor, reason, at)"
            " INSERT INTO identity_not_same_event (low, high, verdict, actor, reason, decision, at)"
            " SELECT low, high, 'apart', actor, reason, %s, at FROM fresh RETURNING low, high",
            [ctx.actor, reason, wall(), [low for low, _ in wanted], [high for _, high in wanted], decision],
        )
        return [(low, high) for low, high in cursor.fetchall()]


def take_back(ctx: AccessContext, pairs: Iterable[Pair], reason: str, decision: int | None = None) -> list[Pair]:
    """Take back that pairs are two persons; returns those of which it was remembered."""
    wanted = in_order(pairs)
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH gone AS (DELETE FROM identity_not_same n USING unnest(%s::bigint[], %s::bigint[]) AS p (low, "
            "high) WHERE n.low = p.low AND n.high = p.high RETURNING n.low, n.high) INSERT INTO "
            "identity_not_same_event (low, high, verdict, actor, reason, decision, at) SELECT low, high, "
            "'revoked', %s, %s, %s, %s FROM gone RETURNING low, high",
            [[low for low, _ in wanted], [high for _, high in wanted], ctx.actor, reason, decision, wall()],
        )
        return [(low, high) for low, high in cursor.fetchall()]


def told_apart(one: Collection[int], other: Collection[int]) -> list[Pair]:
    """The pairs of a patient of each side that somebody found to be two persons."""
    pairs = in_order((a, b) for a in one for b in other)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT low, high FROM identity_not_same JOIN unnest(%s::bigint[], %s::bigint[]) AS p (low, high)"
            " USING (low, high)",
            [[low for low, _ in pairs], [high for _, high in pairs]],
        )
        return [(low, high) for low, high in cursor.fetchall()]
