"""What an entry says: who did what to whom, with which outcome."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from charthouse.foundation.access.api import AccessContext

#: What JSON can hold.
JSON = None | bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"]


class Outcome(StrEnum):
    """How a request or action ended."""

    SUCCESS = "success"
    REFUSED = "refused"
    FAILED = "failed"


@lru_cache(maxsize=256)
def _is_word(text: str) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9]*(?:[-.][a-z0-9]+)*", text) is not None and len(text) <= 60


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody or something an entry, a work item or a disclosure is about.

    ``kind`` is one lower-case word, usually person, patient, encounter, resource, document, message, user,
    work-item or file. ``id`` is Charthouse's own identifier, never a name, a record number or other PHI.
    """

    kind: str
    id: str

    def __post_init__(self) -> None:
        if not _is_word(self.kind):
            raise ValueError(f"The subject kind {self.kind!r} is not one lower-case word such as 'patient'.")
        if not self.id:
            raise ValueError(f"A subject of kind {self.kind} needs an id.")

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"

    @classmethod
    def parse(cls, text: str) -> Subject:
        """The subject written ``kind/id``. Raises ValueError for anything else."""
        kind, _, identifier = text.partition("/")
        return cls(kind, identifier)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry about to be appended.

    ``action`` is ``part.what-was-done`` in lower case, e.g. ``chart.opened``. ``detail`` holds facts about the
    action (counts, codes, ids), never PHI; a search text goes through ``search_fingerprint``.
    """

    ctx: AccessContext
    action: str
    outcome: Outcome = Outcome.SUCCESS
    subjects: Iterable[Subject] = ()
    detail: Mapping[str, JSON] | None = field(default=None)

    def __post_init__(self) -> None:
        if not _is_word(self.action):
            raise ValueError(f"The action {self.action!r} is not lower-case words such as 'chart.opened'.")
