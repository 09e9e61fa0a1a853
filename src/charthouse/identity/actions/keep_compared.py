"""Keep how far going over the whole index came, so that a run that was broken off goes on there."""

from __future__ import annotations

import numpy as np
from django.db import connection

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.identity.batch.table import Ints
from charthouse.identity.permissions import REVIEW_DUPLICATES


class Compared:
    """The parts that were compared of an index that held ``index``; those of any other state are let go.

    Each part is a statement of its own. What was concluded enters the ledger with the review, not here. Raises
    PermissionRefused.
    """

    def __init__(self, ctx: AccessContext, index: str, *, anew: bool = False) -> None:
        require(ctx, REVIEW_DUPLICATES)
        self._index = index
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM identity_dedupe_part WHERE %s OR index <> %s", [anew, index])

    def parts(self, of: str) -> dict[int, tuple[Ints, Ints]]:
        """The pairs of rows kept of each part, where the same pairs are divided and judged alike."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT part, low, high FROM identity_dedupe_part WHERE index = %s AND pairs = %s",
                [self._index, of],
            )
            return {part: (_rows(low), _rows(high)) for part, low, high in cursor.fetchall()}

    def keep(self, of: str, part: int, left: Ints, right: Ints) -> None:
        """Keep one part; kept once more by a second run it stays as it is."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO identity_dedupe_part (index, pairs, part, low, high, compared_at)"
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [self._index, of, part, left.astype("<i4").tobytes(), right.astype("<i4").tobytes(), wall()],
            )

    def finish(self) -> None:
        """Let go of the parts: what they led to is review work by now."""
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM identity_dedupe_part WHERE index = %s", [self._index])


def _rows(kept: bytes | memoryview) -> Ints:
    return np.frombuffer(bytes(kept), dtype="<i4").astype(np.int32)
