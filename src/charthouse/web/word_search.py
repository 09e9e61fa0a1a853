"""Words that somebody looks for, kept in the session: what is typed stands in no address and no browser storage."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from charthouse.web.security.api import SignedInRequest

_IN_CHART, _EVERYWHERE = "chart-words", "words"


def keep_for_chart(request: SignedInRequest, person: UUID, text: str) -> None:
    """Keep the words looked for in one chart; those of all charts are forgotten."""
    request.session[_IN_CHART] = {"person": str(person), "text": text}
    request.session.pop(_EVERYWHERE, None)


def keep_for_all(request: SignedInRequest, asked: Mapping[str, str]) -> None:
    """Keep the words (``text``) and filters of a search in all charts; those of a single chart are forgotten."""
    request.session[_EVERYWHERE] = dict(asked)
    request.session.pop(_IN_CHART, None)


def asked_everywhere(request: SignedInRequest) -> Mapping[str, str]:
    """The words and filters last looked for in all charts."""
    kept: Mapping[str, str] = request.session.get(_EVERYWHERE) or {}
    return kept


def words_of(request: SignedInRequest, person: UUID) -> str:
    """The words last looked for in this chart or in all, to be marked in what is opened of it."""
    kept: Mapping[str, str] = request.session.get(_IN_CHART) or {}
    if kept.get("person") == str(person):
        return kept.get("text", "")
    return asked_everywhere(request).get("text", "")
