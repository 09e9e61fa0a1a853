"""What is to be filed, and what became of it. Pure: made before any database is asked."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any

import msgspec

from charthouse.exchange.fhir.api import (
    encounter_of,
    extract,
    instant_range,
    main_date,
    patient_of,
    security_codes,
    status_of,
)
from charthouse.foundation.copying import INFINITY, MINUS_INFINITY, UNIX_EPOCH

from .attachments import DetachedPart
from .documents import SIGNED_TYPES, Attestation, attestations, author_keys, is_unsigned
from .index_rows import Endings, render
from .labels import bits_of
from .packing import compress
from .sealing import sha256
from .types import TYPE_ID


class State(StrEnum):
    """Whether a resource stands, was deleted by its sender, was entered in error, or was lawfully destroyed."""

    ACTIVE = "active"
    DELETED = "deleted"
    ENTERED_IN_ERROR = "entered-in-error"
    DESTROYED = "destroyed"


#: The stored numbers of states.
STATE_NUMBER = {state: number for number, state in enumerate(State)}


class Outcome(StrEnum):
    """What filing did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class FilingError(Exception):
    """A resource cannot be filed; the message says why and what would mend it."""

    def __init__(self, reason: str, filing: Filing) -> None:
        super().__init__(reason)
        self.filing = filing


class Signing(msgspec.Struct, frozen=True, gc=False):
    """What a document says of being signed, and the SHA-256 of the bytes that say so."""

    unsigned: bool
    authors: tuple[str, ...]
    attestations: tuple[Attestation, ...]
    sha256: bytes


class Filing(msgspec.Struct, gc=False):
    """One resource, ready to file.

    ``content`` is the resource's JSON as it will be kept, with our id and references; ``compressed`` the same
    in zstd. ``patient`` and ``encounter`` are the public ids the resource names. Times are microseconds since
    2000-01-01 UTC. ``source``, ``message``, ``original`` and ``place`` (within the original) say where it came
    from. ``only_if_absent`` files what is known of a shared resource from a mention of it, and leaves one that
    is there alone.
    """

    type: str
    type_id: int
    public_id: str
    compressed: bytes
    digest: bytes
    patient: str | None
    encounter: str | None
    main_low: int
    main_high: int
    authored: int | None
    labels: int
    state: int
    index: Endings
    resource: dict[str, Any] | None
    source: int = 0
    message: int = 0
    original: int = 0
    place: str = ""
    only_if_absent: bool = False
    attachments: tuple[DetachedPart, ...] = ()
    signing: Signing | None = None


class Filed(msgspec.Struct, frozen=True, gc=False):
    """What became of a filing: the resource's row, its version, and its patient's row."""

    type: str
    public_id: str
    row: int
    version: int
    patient: int | None
    outcome: Outcome


#: Types whose parsed form the next steps of intake need; the others are let go once prepared.
_KEPT = frozenset({"Patient", "Practitioner", "Encounter"})


def prepare(resource: dict[str, Any], content: bytes, *, deleted: bool = False) -> Filing:
    """All that can be worked out of a resource before the database is asked.

    ``resource`` is ``content`` parsed; both carry our id. Raises KeyError for a type that is not FHIR R4.
    """
    kind = resource["resourceType"]
    low, high = MINUS_INFINITY, INFINITY
    if found := main_date(resource):
        low, high = found.low - UNIX_EPOCH, found.high - UNIX_EPOCH
    if deleted:
        state = State.DELETED
    elif _entered_in_error(resource):
        state = State.ENTERED_IN_ERROR
    else:
        state = State.ACTIVE
    patient, encounter = patient_of(resource), encounter_of(resource)
    labels, type_id = bits_of(security_codes(resource)), TYPE_ID[kind]
    return Filing(
        type=kind,
        type_id=type_id,
        public_id=resource["id"],
        compressed=compress(content),
        digest=hashlib.blake2b(content, digest_size=16).digest(),
        patient=_local_id(patient, "Patient/"),
        encounter=_local_id(encounter, "Encounter/"),
        main_low=low,
        main_high=high,
        authored=_authored(resource),
        labels=labels,
        state=STATE_NUMBER[state],
        index=render(extract(resource, patient, encounter), labels=labels, type_id=type_id),
        resource=resource if kind in _KEPT else None,
        signing=signing_of(resource, content) if kind in SIGNED_TYPES else None,
    )


def signing_of(resource: dict[str, Any], content: bytes) -> Signing | None:
    """None where a document says neither that it is signed by somebody nor that it is not yet."""
    unsigned, attested = is_unsigned(resource), attestations(resource)
    if not unsigned and not attested:
        return None
    wrote = author_keys(resource) if unsigned else ()
    return Signing(unsigned, wrote, tuple(attested), sha256(content))


def _entered_in_error(resource: dict[str, Any]) -> bool:
    """Whether a resource says of itself that it is wrong, as a whole, as a document or as a finding."""
    verified = resource.get("verificationStatus") or {}
    said = (
        {coding.get("code") for coding in verified.get("coding", ())} if isinstance(verified, dict) else {verified}
    )
    return "entered-in-error" in {status_of(resource), resource.get("docStatus"), *said}


#: Where a resource says when it was written down, the first found counts.
_AUTHORED = ("authoredOn", "recordedDate", "date", "issued", "recorded", "dateAsserted", "created", "enteredDate")


def _authored(resource: dict[str, Any]) -> int | None:
    for name in _AUTHORED:
        text = resource.get(name)
        if isinstance(text, str) and (span := instant_range(text)):
            return span[0] - UNIX_EPOCH
    return None


def _local_id(reference: str | None, prefix: str) -> str | None:
    if reference is None or not reference.startswith(prefix):
        return None
    return reference[len(prefix) :].partition("/")[0]
