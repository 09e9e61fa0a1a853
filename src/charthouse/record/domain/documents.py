"""What a document says of its own life: its stages, who attests it, what it is added to. Pure.

A document is a DocumentReference or Composition; DiagnosticReport and Media are read beside them and may be
corrected, but are not signed here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

from charthouse.foundation.base64 import from_base64

Json = dict[str, Any]

DOCUMENT_TYPES = ("DocumentReference", "Composition", "DiagnosticReport", "Media")
#: Types that are signed: what else is final says so by its own status.
SIGNED_TYPES = frozenset({"DocumentReference", "Composition"})

_OURS = "urn:charthouse:fhir:StructureDefinition:"
#: Extension: a stage of a document's making (``stage``, ``at``, ``by``).
STAGE = f"{_OURS}document-stage"
#: Extension of DocumentReference, which has no attester: one who attested it (``meaning``, ``time``, ``party``).
ATTESTER = f"{_OURS}document-attester"
#: Extension: why a document was written after another (``kind``, ``reason``).
CORRECTION = f"{_OURS}document-correction"
#: The system of an account's identifier within a reference.
ACCOUNT = "urn:charthouse:account"

#: The type that is linked by relatesTo, and that notes are written as.
LINKED = "DocumentReference"


class Meaning(StrEnum):
    """What somebody says by signing. AUTHENTICATOR is what another system says of whoever authenticated there."""

    AUTHOR = "author"
    COSIGNER = "co-signer"
    ATTESTATION = "attestation"
    VERIFIER = "verifier"
    AUTHENTICATOR = "authenticator"

    @property
    def words(self) -> str:
        return _MEANINGS[self]

    @property
    def makes_final(self) -> bool:
        """Whether the document is authenticated by it; a transcription that was verified still waits for its
        author."""
        return self is not Meaning.VERIFIER


_MEANINGS = {
    Meaning.AUTHOR: "Signed",
    Meaning.COSIGNER: "Co-signed",
    Meaning.ATTESTATION: "Attested",
    Meaning.VERIFIER: "Transcription verified",
    Meaning.AUTHENTICATOR: "Authenticated",
}


class Stage(StrEnum):
    """How a document's text came about, before anybody signed it (HL7 table 0271 as far as it says so)."""

    DICTATED = "dictated"
    TRANSCRIBED = "transcribed"
    VERIFIED = "verified"


class Kind(StrEnum):
    """The ways to correct what is signed, each leaving the original as it was."""

    ADDENDUM = "addendum"
    LATE_ENTRY = "late-entry"
    AMENDMENT = "amendment"
    RETRACTION = "retraction"
    WRONG_PATIENT = "wrong-patient"
    WRONG_ENCOUNTER = "wrong-encounter"

    @property
    def words(self) -> str:
        return _KINDS[self]


_KINDS = {
    Kind.ADDENDUM: "Addendum",
    Kind.LATE_ENTRY: "Late entry",
    Kind.AMENDMENT: "Amendment",
    Kind.RETRACTION: "Retraction",
    Kind.WRONG_PATIENT: "Wrong patient",
    Kind.WRONG_ENCOUNTER: "Wrong encounter",
}
#: Types that can be taken into another patient's chart by themselves; a report goes with its results, and only its
#: sender can say of all of them whose they are.
MOVED_TYPES = frozenset({"DocumentReference", "Media"})
#: Kinds that put another document beside the first one.
ADDED = frozenset({Kind.ADDENDUM, Kind.LATE_ENTRY})


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who acts on a document: ``key`` is the account (``user:7``) or reference, ``name`` in words."""

    key: str
    name: str

    def reference(self) -> Json:
        """As FHIR Reference."""
        if self.key.partition("/")[1]:
            return {"reference": self.key, **({"display": self.name} if self.name else {})}
        return {"display": self.name or self.key, "identifier": {"system": ACCOUNT, "value": self.key}}


@dataclass(frozen=True, slots=True)
class Attestation:
    """Who attests a document, by its own words. ``at`` is a FHIR dateTime, empty where it does not say."""

    meaning: Meaning
    party: Party
    at: str = ""


@dataclass(frozen=True, slots=True)
class StageEntry:
    """One stage of a document; ``at`` is a FHIR dateTime or empty."""

    stage: Stage
    party: Party
    at: str = ""


def items(value: Any) -> list[Any]:
    """A repeating element as a list; a lone or missing one as a list, too."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def objects(value: Any) -> list[Json]:
    """The objects of a repeating element."""
    return [each for each in items(value) if isinstance(each, dict)]


def is_unsigned(resource: Mapping[str, Any]) -> bool:
    """Whether a document says that nobody authenticated it yet. One that says nothing is not called unsigned."""
    if resource.get("resourceType") not in SIGNED_TYPES or is_retracted(resource):
        return False
    return _completion(resource) == "preliminary"


def is_final(resource: Mapping[str, Any]) -> bool:
    """Whether a document says that it is authenticated."""
    return (
        resource.get("resourceType") in SIGNED_TYPES
        and not is_retracted(resource)
        and _completion(resource) in {"final", "amended"}
    )


def is_retracted(resource: Mapping[str, Any]) -> bool:
    return resource.get("status") == "entered-in-error" or resource.get("docStatus") == "entered-in-error"


def _completion(resource: Mapping[str, Any]) -> str:
    name = "status" if resource.get("resourceType") == "Composition" else "docStatus"
    return str(resource.get(name) or "")


def party_of(reference: Any) -> Party | None:
    """Who a Reference names; None where it names nobody."""
    if not isinstance(reference, dict):
        return None
    name = str(reference.get("display") or "")
    identifier = reference.get("identifier")
    if isinstance(identifier, dict) and identifier.get("system") == ACCOUNT and identifier.get("value"):
        return Party(str(identifier["value"]), name)
    key = reference.get("reference")
    key = key if isinstance(key, str) else ""
    return Party(key, name) if key or name else None


def authors(resource: Mapping[str, Any]) -> list[Party]:
    """Who wrote or dictated a document."""
    return [found for each in items(resource.get("author")) if (found := party_of(each)) is not None]


def wrote(resource: Mapping[str, Any], keys: Iterable[str], name: str) -> bool:
    """Whether somebody is an author of a document: by account or the practitioner they are (``keys``), or by a name
    of two words at least that is the same in any order, for another system knows no accounts. One that names no
    author is anybody's to answer for."""
    listed = authors(resource)
    words, own = _name_words(name), set(keys)
    return not listed or any(
        each.key in own or (not each.key.startswith("user:") and len(words & _name_words(each.name)) > 1)
        for each in listed
    )


def written_elsewhere(resource: Mapping[str, Any], colleagues: Collection[str]) -> bool:
    """Whether none of a document's authors has an account here, so that none can sign it here. ``colleagues`` are
    those of its authors' references that name somebody with an account."""
    listed = authors(resource)
    return bool(listed) and not any(each.key.startswith("user:") or each.key in colleagues for each in listed)


def author_keys(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """Under what a document waits for its authors: account or reference, and for one without account the name."""
    found = []
    for each in authors(resource):
        found.append(each.key)
        if not each.key.startswith("user:") and len(words := _name_words(each.name)) > 1:
            found.append(_name_key(words))
    return tuple(dict.fromkeys(each for each in found if each))


def keys_of(keys: Iterable[str], name: str) -> list[str]:
    """Under what documents wait for somebody: account and practitioner (``keys``), and every name of two words or
    more within their own."""
    words = sorted(_name_words(name))[:_MOST_WORDS]
    named = (_name_key(each) for size in range(2, len(words) + 1) for each in combinations(words, size))
    return [*keys, *named]


_MOST_WORDS = 7


def _name_key(words: Iterable[str]) -> str:
    return f"name:{' '.join(sorted(words))}"


def _name_words(name: str) -> set[str]:
    return {word for word in re.split(r"[^\w]+", name.casefold()) if len(word) > 1}


def makers(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of who wrote, dictated or transcribed a document: they may change it until it is signed."""
    listed = [*authors(resource), *(each.party for each in stages(resource))]
    return tuple(dict.fromkeys(each.key for each in listed if each.key))


def stages(resource: Mapping[str, Any]) -> list[StageEntry]:
    """The stages a document says it went through, in the order written."""
    found = []
    for part in _extensions(resource, STAGE):
        value = _first(part.get("stage"), "valueCode")
        if value in list(Stage):
            party = party_of(_first(part.get("by"), "valueReference")) or Party("", "")
            found.append(StageEntry(Stage(value), party, str(_first(part.get("at"), "valueDateTime") or "")))
    return found


def attestations(resource: Mapping[str, Any]) -> list[Attestation]:
    """Who attests a document that calls itself authenticated, the first the one who answers for it."""
    lone = party_of(resource.get("authenticator"))
    told = "extension" in resource or "attester" in resource
    if (lone is None and not told) or not is_final(resource):
        return []
    if lone is not None and not told:
        return [Attestation(Meaning.AUTHENTICATOR, lone)]
    found: list[Attestation] = []
    if "extension" in resource:
        found += [
            Attestation(_meaning(_first(part.get("meaning"), "valueCode")), party, _time(part))
            for part in _extensions(resource, ATTESTER)
            if (party := party_of(_first(part.get("party"), "valueReference"))) is not None
        ]
    if "attester" in resource:
        found += [
            Attestation(Meaning.AUTHENTICATOR, party, str(each.get("time") or ""))
            for each in objects(resource["attester"])
            if (party := party_of(each.get("party"))) is not None
        ]
    if lone is not None and all(each.party != lone for each in found):
        found.insert(0, Attestation(Meaning.AUTHENTICATOR, lone))
    return found


def _meaning(code: Any) -> Meaning:
    return Meaning(code) if code in list(Meaning) else Meaning.AUTHENTICATOR


def _time(part: Mapping[str, Any]) -> str:
    return str(_first(part.get("time"), "valueDateTime") or "")


def correction_of(resource: Mapping[str, Any]) -> tuple[Kind, str] | None:
    """As what a document was written after another, and why; None for one that was not."""
    for part in _extensions(resource, CORRECTION):
        kind = _first(part.get("kind"), "valueCode")
        if kind in list(Kind):
            return Kind(kind), str(_first(part.get("reason"), "valueString") or "")
    return None


def added_to(resource: Mapping[str, Any]) -> list[str]:
    """``Type/id`` of the documents that one is added to."""
    found = related_to(resource, "appends")
    correction = correction_of(resource)
    if correction and correction[0] in ADDED and isinstance(resource.get("context"), dict):
        found += [
            str(each.get("reference") or "")
            for each in objects(resource["context"].get("related"))
            if str(each.get("reference") or "").partition("/")[0] in DOCUMENT_TYPES
        ]
    return [each for each in found if each]


def related_to(resource: Mapping[str, Any], code: str) -> list[str]:
    """``Type/id`` of the documents that one relates to in a way (replaces, transforms, signs, appends)."""
    found = [
        str((each.get("target") or {}).get("reference") or "")
        for each in objects(resource.get("relatesTo"))
        if each.get("code") == code and isinstance(each.get("target"), dict)
    ]
    return [each for each in found if each]


def encounter_of(resource: Mapping[str, Any]) -> str:
    """The public id of the encounter a document belongs to; empty where it says none."""
    context = resource.get("context")
    named = context.get("encounter") if isinstance(context, dict) else resource.get("encounter")
    for each in objects(named):
        kind, _, number = str(each.get("reference") or "").partition("/")
        if kind == "Encounter":
            return number
    return ""


def own_text(resource: Mapping[str, Any]) -> str | None:
    """The text of a document that is one plain text and no more; None for every other one."""
    contents = objects(resource.get("content"))
    if resource.get("resourceType") != LINKED or len(contents) != 1:
        return None
    attachment = contents[0].get("attachment")
    if not isinstance(attachment, dict) or not str(attachment.get("contentType", "")).startswith("text/plain"):
        return None
    try:
        return from_base64(str(attachment.get("data") or "")).decode("utf-8")
    except ValueError:
        return None


def _extensions(resource: Mapping[str, Any], url: str) -> Iterable[dict[str, list[Json]]]:
    """The parts of each extension with this url, by the parts' own."""
    for each in objects(resource.get("extension")):
        if each.get("url") == url:
            parts: dict[str, list[Json]] = {}
            for part in objects(each.get("extension")):
                parts.setdefault(str(part.get("url")), []).append(part)
            yield parts


def _first(parts: list[Json] | None, value: str) -> Any:
    return next((part[value] for part in parts or () if value in part), None)
