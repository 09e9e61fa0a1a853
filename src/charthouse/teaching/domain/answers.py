"""The answer key: what is wrong in the hospital, and what only looks so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of the key.

    ``kind`` is the kind of error; ``finding`` what a careful reader is expected to find, in words; ``rule`` what it
    goes by. ``right`` is a near miss: it looks wrong and is not. ``document`` is the sender's document number,
    ``other`` a second record number (of the duplicate, the namesake, the person whose paper it is). ``expected`` is
    what becomes of two records by the rules of identity (``identity.decision``): *linked* by the machine, *queue*
    where a person decides, *apart*, or *merged* by the hospital's own message. ``deficiency`` is the kind that the
    analysis of the chart is to find, ``what`` is wrong (missing, late, unsigned, unfit, unanswered) and
    ``owed_by`` the NPI of who owes it by the rule; of a near miss the kind that must not be found.
    """

    kind: str
    mrn: str
    finding: str
    rule: str = ""
    right: bool = False
    visit: str = ""
    document: str = ""
    other: str = ""
    message: str = ""
    expected: str = ""
    deficiency: str = ""
    what: str = ""
    owed_by: str = ""

    def line(self) -> dict[str, Any]:
        """As written to the key file; what does not apply is left out."""
        values = {
            "kind": self.kind, "near_miss": self.right, "mrn": self.mrn, "other_mrn": self.other,
            "visit": self.visit, "document": self.document, "message": self.message, "expected": self.expected,
            "deficiency": self.deficiency, "what": self.what, "owed_by": self.owed_by,
            "finding": self.finding,
            "rule": self.rule,
        }  # fmt: skip
        return {name: value for name, value in values.items() if value != ""}
