"""What a message asks to be filed, resource by resource: the hand-over from the codecs to intake, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["snapshot", "partial", "delete", "entered-in-error"]
"""How a draft meets what is stored under its id. *snapshot*: it replaces it. *partial*: what it says replaces, what
it does not say stays (``merge_partial``, for Patient ``merge_patient``). *delete*: the sender takes it
back; the resource holds type and id only. *entered-in-error*: it replaces, and says of itself that it is wrong."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One resource to file.

    ``key`` is the natural key its id was minted from. ``resource`` is complete FHIR R4 JSON as a dict, except that
    a decimal may be an ``orjson.Fragment`` (see :mod:`charthouse.exchange.numbers`): serialise with orjson before
    anything else. ``segment`` names where it came from ("OBX[3]", "Allergies (section 2), entry 1"). ``directory``
    marks people, places and organizations shared by patients. ``cleared`` names the elements the sender deleted
    with the explicit null; it matters in *partial*.
    """

    type: str
    key: str
    resource: dict[str, Any]
    mode: Mode
    segment: str
    directory: bool = False
    cleared: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """The public FHIR id."""
        return str(self.resource["id"])

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return f"{self.type}/{self.resource['id']}"
