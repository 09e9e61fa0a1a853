"""What conditions mean: the resources that a search finds, as the client may see them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from charthouse.foundation.access.api import AccessContext
from charthouse.record.api import SearchError, identified, search

from .domain.outcomes import problem

Criteria = Sequence[tuple[str, str]]
#: ``system|value`` with nothing to be taken apart in it.
_IDENTIFIER = re.compile(r"([^|,$\\]+)\|([^|,$\\]+)")


class Conditions:
    """The conditions of one request. Those that name an identifier, as most do, are looked up at once."""

    def __init__(self, ctx: AccessContext) -> None:
        self._ctx = ctx
        self._met: dict[tuple[str, str], list[str]] = {}

    def look_up(self, conditions: Iterable[tuple[str, Criteria]]) -> None:
        """Look up what can be at once; what was found before is looked up anew."""
        by_type: dict[str, dict[tuple[str, str], str]] = {}
        for kind, criteria in conditions:
            if found := _identifier(criteria):
                by_type.setdefault(kind, {})[found] = criteria[0][1]
        for kind, wanted in by_type.items():
            try:
                met = identified(self._ctx, kind, wanted)
            except LookupError:  # not indexed here: the search says so
                continue
            for identifier, ids in met.items():
                self._met[(kind, wanted[identifier])] = ids

    def matches(self, kind: str, criteria: Criteria, place: str = "", *, most: int = 2) -> list[str]:
        """The ids of the resources that meet a condition, at most ``most``.

        Raises FhirProblem 400 for a condition that is empty or cannot be understood: it must not mean more than it
        says.
        """
        if not criteria:
            raise problem(400, "The condition is empty; it would mean every resource.", expression=place)
        if _identifier(criteria) and (known := self._met.get((kind, criteria[0][1]))) is not None:
            return known[:most]
        try:
            return [each.public_id for each in search(self._ctx, kind, criteria, count=most, strict=True).rows]
        except SearchError as error:
            raise problem(400, str(error), code="invalid", expression=place) from None

    def one(self, kind: str, criteria: Criteria, place: str = "") -> str | None:
        """The id of the one resource that meets a condition; None for none. Raises FhirProblem 412 for several."""
        found = self.matches(kind, criteria, place)
        if len(found) > 1:
            raise problem(
                412,
                f"Several resources of type {kind} meet the condition. Make it name one.",
                code="multiple-matches",
                expression=place,
            )
        return found[0] if found else None


def _identifier(criteria: Criteria) -> tuple[str, str] | None:
    if len(criteria) != 1 or criteria[0][0] != "identifier":
        return None
    found = _IDENTIFIER.fullmatch(criteria[0][1])
    return (found[1], found[2]) if found else None
