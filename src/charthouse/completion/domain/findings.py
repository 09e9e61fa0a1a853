"""What an analysis finds: one piece that a chart lacks, or that is not as its rule wants it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .facts import Party


class What(StrEnum):
    """What is wrong with a piece. LATE cannot be mended, only noted; all others end when the piece is right."""

    MISSING = "missing"
    LATE = "late"
    UNSIGNED = "unsigned"
    UNFIT = "unfit"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class Finding:
    """One deficiency of a chart.

    ``rule`` is the rule's code and ``kind`` the slug that boards, letters and scores count by. ``about`` is
    ``Type/id`` of the document, procedure, order or consultation it is about, empty where it is about the encounter
    itself. ``owed_by`` is who owes it (None where the chart names nobody) and ``owed_because`` the rule for that in
    words. ``due`` is None where no clock runs yet (before discharge). ``says`` is a sentence for a person, without
    a patient's name. ``key`` names the same deficiency of this encounter again, whatever else was filed meanwhile.
    """

    rule: str
    kind: str
    piece: str
    what: What
    about: str
    owed_by: Party | None
    owed_because: str
    due: datetime | None
    says: str
    key: str

    def overdue(self, now: datetime) -> bool:
        return self.what is What.LATE or (self.due is not None and self.due < now)
