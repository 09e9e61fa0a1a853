"""PostgreSQL's snapshots as values: which transactions had ended at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All transactions below ``xmin`` had ended, none from ``xmax`` on, and those of ``running`` had not.

    The text is that of PostgreSQL's type pg_snapshot: ``xmin:xmax:running,…``.
    """

    xmin: int
    xmax: int
    running: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a snapshot from its text. Raises ValueError."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), tuple(int(part) for part in running.split(",") if part))

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.running))}"

    def without(self, xid: int) -> Self:
        """The same moment with the transaction ``xid`` not ended, as PostgreSQL leaves one's own out of account."""
        if xid >= self.xmax or xid in self.running:
            return self
        return replace(self, xmin=min(self.xmin, xid), running=tuple(sorted((*self.running, xid))))


#: before every transaction
NOTHING = Snapshot(3, 3)
