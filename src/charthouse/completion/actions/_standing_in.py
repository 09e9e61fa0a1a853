"""Who is asked instead of a practitioner who is away or gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from django.db.models import Q

from charthouse.completion.domain.living import Matter
from charthouse.completion.models import PractitionerAway
from charthouse.completion.naming import named


@dataclass(frozen=True, slots=True)
class StandIn:
    """Who stands in (``key`` empty for nobody), and why in words."""

    key: str
    name: str
    because: str


@dataclass(frozen=True, slots=True)
class StandingIn:
    """The practitioners who are away or gone at one moment, by every name of theirs."""

    by_key: Mapping[str, StandIn]

    @classmethod
    def now(cls, at: datetime) -> Self:
        rows = list(
            PractitionerAway.objects.filter(Q(until=None) | Q(until__gt=at), since__lte=at, ended_at=None).order_by(
                "id"
            )
        )
        known = named({each for row in rows for each in (row.practitioner, row.stand_in)})
        found: dict[str, StandIn] = {}
        for row in rows:
            away, instead = known.get(row.practitioner), known.get(row.stand_in)
            if away is None or (instead is None and not row.gone):
                # Somebody who comes back and whom nobody stands in for goes on owing it.
                continue
            because = f"{away.shown} is {'gone' if row.gone else 'away'}"
            said = StandIn(
                instead.key if instead else "",
                instead.shown if instead else "",
                f"{because}; {instead.shown} stands in." if instead else f"{because}.",
            )
            found |= dict.fromkeys(away.keys, said)
        return cls(found)

    def redirect(self, matter: Matter) -> Matter:
        """The matter as it is asked of who stands in. Nobody stands in for a stand-in who is away, too."""
        instead = self.by_key.get(matter.owed_by)
        if instead is None:
            return matter
        return replace(matter, owed_by=instead.key, owed_name=instead.name, owed_because=instead.because)
