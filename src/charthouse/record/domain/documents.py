"""What a document says of its own life: its stages, who attests it, what it is added to; and how each act changes
what it says. Pure.

A document is a DocumentReference or Composition; DiagnosticReport and Media are read beside them and may be
corrected, but are not signed here. Every function that changes takes the resource as :func:`.exact.editable` gives
it, and returns a new one.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

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

_LINKED = "DocumentReference"


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


def _objects(value: Any) -> list[Json]:
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
    return "entered-in-error" in (resource.get("status"), resource.get("docStatus"))


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
    found = [party_of(each) for each in items(resource.get("author"))]
    return [each for each in found if each is not None]


def wrote(resource: Mapping[str, Any], key: str, name: str) -> bool:
    """Whether somebody is an author of a document: by account, or by a name of two words at least that is the same
    in any order, for another system knows no accounts. One that names no author is anybody's to answer for."""
    listed = authors(resource)
    words = _name_words(name)
    return not listed or any(
        each.key == key or (not each.key.startswith("user:") and len(words & _name_words(each.name)) > 1)
        for each in listed
    )


def written_elsewhere(resource: Mapping[str, Any]) -> bool:
    """Whether none of a document's authors has an account here, so that none can sign it here."""
    listed = authors(resource)
    return bool(listed) and not any(each.key.startswith("user:") for each in listed)


def author_keys(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """Under what a document waits for its authors: account or reference, and for one without account the name."""
    found = []
    for each in authors(resource):
        found.append(each.key)
        if not each.key.startswith("user:") and len(words := _name_words(each.name)) > 1:
            found.append(_name_key(words))
    return tuple(dict.fromkeys(each for each in found if each))


def keys_of(key: str, name: str) -> list[str]:
    """Under what documents wait for an account: itself, and every name of two words or more within its own."""
    words = sorted(_name_words(name))[:_MOST_WORDS]
    named = (_name_key(each) for size in range(2, len(words) + 1) for each in combinations(words, size))
    return [key, *named]


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
    if not is_final(resource):
        return []
    found = [
        Attestation(_meaning(_first(part.get("meaning"), "valueCode")), party, _time(part))
        for part in _extensions(resource, ATTESTER)
        if (party := party_of(_first(part.get("party"), "valueReference"))) is not None
    ]
    found += [
        Attestation(Meaning.AUTHENTICATOR, party, str(each.get("time") or ""))
        for each in _objects(resource.get("attester"))
        if (party := party_of(each.get("party"))) is not None
    ]
    lone = party_of(resource.get("authenticator"))
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
    found = [
        str((each.get("target") or {}).get("reference") or "")
        for each in _objects(resource.get("relatesTo"))
        if each.get("code") == "appends" and isinstance(each.get("target"), dict)
    ]
    correction = correction_of(resource)
    if correction and correction[0] in ADDED and isinstance(resource.get("context"), dict):
        found += [
            str(each.get("reference") or "")
            for each in _objects(resource["context"].get("related"))
            if str(each.get("reference") or "").partition("/")[0] in DOCUMENT_TYPES
        ]
    return [each for each in found if each]


def encounter_of(resource: Mapping[str, Any]) -> str:
    """The public id of the encounter a document belongs to; empty where it says none."""
    context = resource.get("context")
    named = context.get("encounter") if isinstance(context, dict) else resource.get("encounter")
    for each in _objects(named):
        kind, _, number = str(each.get("reference") or "").partition("/")
        if kind == "Encounter":
            return number
    return ""


def own_text(resource: Mapping[str, Any]) -> str | None:
    """The text of a document that is one plain text and no more; None for every other one."""
    contents = _objects(resource.get("content"))
    if resource.get("resourceType") != _LINKED or len(contents) != 1:
        return None
    attachment = contents[0].get("attachment")
    if not isinstance(attachment, dict) or not str(attachment.get("contentType", "")).startswith("text/plain"):
        return None
    try:
        return base64.b64decode(str(attachment.get("data") or ""), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def _extensions(resource: Mapping[str, Any], url: str) -> Iterable[dict[str, list[Json]]]:
    """The parts of each extension with this url, by the parts' own."""
    for each in _objects(resource.get("extension")):
        if each.get("url") == url:
            parts: dict[str, list[Json]] = {}
            for part in _objects(each.get("extension")):
                parts.setdefault(str(part.get("url")), []).append(part)
            yield parts


def _first(parts: list[Json] | None, value: str) -> Any:
    return next((part[value] for part in parts or () if value in part), None)


def text_attachment(text: str, title: str) -> Json:
    """A text as the Attachment of a document's content."""
    return {
        "contentType": "text/plain; charset=utf-8",
        "data": base64.b64encode(text.encode()).decode(),
        "title": title,
    }


def _with(resource: Mapping[str, Any], url: str, **parts: Json) -> Json:
    extension = {"url": url, "extension": [{"url": name, **value} for name, value in parts.items()]}
    return {**resource, "extension": [*items(resource.get("extension")), extension]}


def staged(resource: Mapping[str, Any], entry: StageEntry) -> Json:
    """The document with one more stage."""
    parts: dict[str, Json] = {"stage": {"valueCode": entry.stage.value}}
    if entry.at:
        parts["at"] = {"valueDateTime": entry.at}
    if entry.party.name or entry.party.key:
        parts["by"] = {"valueReference": entry.party.reference()}
    return _with(resource, STAGE, **parts)


def attested(resource: Mapping[str, Any], by: Attestation) -> Json:
    """The document with one more attestation. The first that authenticates it makes it final."""
    if by.meaning is Meaning.VERIFIER:
        return staged(resource, StageEntry(Stage.VERIFIED, by.party, by.at))
    made = dict(resource)
    if resource.get("resourceType") == "Composition":
        mode = "legal" if by.meaning is Meaning.AUTHOR else "professional"
        made["attester"] = [
            *items(resource.get("attester")),
            {"mode": mode, "time": by.at, "party": by.party.reference()},
        ]
        if made.get("status") == "preliminary":
            made["status"] = "final"
        return made
    if made.get("docStatus") != "amended":
        made["docStatus"] = "final"
    made.setdefault("authenticator", by.party.reference())
    return _with(
        made,
        ATTESTER,
        meaning={"valueCode": by.meaning.value},
        time={"valueDateTime": by.at},
        party={"valueReference": by.party.reference()},
    )


def without_attestations(resource: Mapping[str, Any]) -> Json:
    """What a document says apart from who attested it and how far it therefore is: equal before and after a
    signature that is sound."""
    made = {
        name: value
        for name, value in resource.items()
        if name not in {"docStatus", "authenticator", "attester", "extension"}
    }
    if resource.get("resourceType") == "Composition":
        made.pop("status", None)
    kept = [
        each for each in items(resource.get("extension"))
        if not (isinstance(each, dict) and (each.get("url") == ATTESTER or _is_verified(each)))
    ]  # fmt: skip
    if kept:
        made["extension"] = kept
    return made


def _is_verified(extension: Mapping[str, Any]) -> bool:
    return extension.get("url") == STAGE and any(
        part.get("valueCode") == Stage.VERIFIED.value for part in _objects(extension.get("extension"))
    )


def rewritten(resource: Mapping[str, Any], text: str) -> Json:
    """An unsigned document with another text."""
    (content,) = resource["content"]
    attachment = {**content["attachment"], **text_attachment(text, content["attachment"].get("title") or "")}
    if not attachment["title"]:
        del attachment["title"]
    return {**resource, "content": [{**content, "attachment": attachment}]}


def amended(resource: Mapping[str, Any], text: str, reason: str) -> Json:
    """A signed document with another text, which says of itself that it was amended; nobody attests it yet."""
    made = rewritten(_unattested(resource), text)
    made["docStatus"] = "amended"
    return _corrected(made, Kind.AMENDMENT, reason)


def _unattested(resource: Mapping[str, Any]) -> Json:
    made = {name: value for name, value in resource.items() if name != "authenticator"}
    kept = [
        each for each in items(resource.get("extension"))
        if not (isinstance(each, dict) and each.get("url") == ATTESTER)
    ]  # fmt: skip
    made.pop("extension", None)
    return {**made, "extension": kept} if kept else made


def _corrected(resource: Mapping[str, Any], kind: Kind, reason: str) -> Json:
    kept = [
        each for each in items(resource.get("extension"))
        if not (isinstance(each, dict) and each.get("url") == CORRECTION)
    ]  # fmt: skip
    parts: dict[str, Json] = {"kind": {"valueCode": kind.value}}
    if reason:
        parts["reason"] = {"valueString": reason}
    return _with({**resource, "extension": kept}, CORRECTION, **parts)


def retracted(resource: Mapping[str, Any], reason: str) -> Json:
    """The document, which says of itself that it was entered in error; its content stays."""
    made = {**resource, "status": "entered-in-error"}
    if resource.get("resourceType") == _LINKED:
        made["docStatus"] = "entered-in-error"
    return _corrected(made, Kind.RETRACTION, reason)


def of_patient(resource: Mapping[str, Any], patient: str, reason: str) -> Json:
    """The document as another patient's (by public id); it belongs to none of that patient's encounters yet."""
    made = without_encounter({**resource, "subject": {"reference": f"Patient/{patient}"}})
    return _corrected(made, Kind.WRONG_PATIENT, reason)


def without_encounter(resource: Mapping[str, Any]) -> Json:
    """The document without what ties it to a stay: encounter, orders, and what else of a patient it names."""
    made = dict(resource)
    made.pop("encounter", None)
    if isinstance(made.get("context"), dict):
        context = {
            name: value
            for name, value in made["context"].items()
            if name not in {"encounter", "sourcePatientInfo", "related"}
        }
        made.pop("context")
        if context:
            made["context"] = context
    return made


def in_encounter(resource: Mapping[str, Any], encounter: str, reason: str) -> Json:
    """The document as part of another encounter (by public id) of the same patient."""
    reference = {"reference": f"Encounter/{encounter}"}
    if resource.get("resourceType") == _LINKED:
        context = resource.get("context")
        made = {**resource, "context": {**(context if isinstance(context, dict) else {}), "encounter": [reference]}}
    else:
        made = {**resource, "encounter": reference}
    return _corrected(made, Kind.WRONG_ENCOUNTER, reason)


def addition(
    of: Mapping[str, Any],
    kind: Kind,
    *,
    id: str,
    text: str,
    title: str,
    reason: str,
    author: Party,
    written: str,
    speaks_of: str,
) -> Json:
    """An addendum or late entry to a document: one of its own, of the same patient, encounter and labels, unsigned.

    ``written`` is the instant it is filed, ``speaks_of`` the FHIR dateTime it tells about.
    """
    target = {"reference": f"{of['resourceType']}/{of['id']}"}
    context: Json = {"period": {"start": speaks_of}}
    if encounter := encounter_of(of):
        context["encounter"] = [{"reference": f"Encounter/{encounter}"}]
    made: Json = {
        "resourceType": _LINKED,
        "id": id,
        **_labels(of),
        "status": "current",
        "docStatus": "preliminary",
        "type": of.get("type") or of.get("code") or {"text": title},
        "subject": of["subject"],
        "date": written,
        "author": [author.reference()],
        "description": f"{kind.words} to {title}",
    }
    if of["resourceType"] == _LINKED:
        made["relatesTo"] = [{"code": "appends", "target": target}]
    else:
        context["related"] = [target]
    made["content"] = [{"attachment": text_attachment(text, kind.words)}]
    made["context"] = context
    return _corrected(made, kind, reason)


def _labels(of: Mapping[str, Any]) -> Json:
    """The security labels of a document, which what is added to it carries too."""
    made: Json = {}
    meta = of.get("meta")
    if isinstance(meta, dict) and meta.get("security"):
        made["meta"] = {"security": meta["security"]}
    if of.get("securityLabel"):
        made["securityLabel"] = of["securityLabel"]
    return made


def left_behind(of: Mapping[str, Any], *, id: str, moved: str) -> Json:
    """What stays in the chart a document was taken out of: that one was here, and nothing of what it said."""
    return _corrected(
        {
            "resourceType": _LINKED,
            "id": id,
            **_labels(of),
            "status": "entered-in-error",
            "docStatus": "entered-in-error",
            "type": {"text": "Document of another patient"},
            "subject": of["subject"],
            "date": moved,
            "description": "A document that is not this patient's was filed here by mistake and was taken out.",
            "content": [{"attachment": {"title": "The content is not this patient's and is not shown here."}}],
        },
        Kind.WRONG_PATIENT,
        "",
    )


#: HL7 v3 DataOperation and DocumentCompletion, by what was done.
_ACTIVITIES = {
    **dict.fromkeys(ADDED, ("v3-DataOperation", "APPEND")),
    Kind.AMENDMENT: ("v3-DataOperation", "UPDATE"),
    Kind.WRONG_ENCOUNTER: ("v3-DataOperation", "UPDATE"),
    Kind.WRONG_PATIENT: ("v3-DataOperation", "UPDATE"),
    Kind.RETRACTION: ("v3-DataOperation", "NULLIFY"),
}
#: ASTM E1762 signature types, as FHIR's value set lists them.
_SIGNATURE_TYPES = {
    Meaning.AUTHOR: ("1.2.840.10065.1.12.1.1", "Author's Signature"),
    Meaning.COSIGNER: ("1.2.840.10065.1.12.1.2", "Coauthor's Signature"),
    Meaning.VERIFIER: ("1.2.840.10065.1.12.1.5", "Verification Signature"),
    Meaning.ATTESTATION: ("1.2.840.10065.1.12.1.6", "Validation Signature"),
    Meaning.AUTHENTICATOR: ("1.2.840.10065.1.12.1.5", "Verification Signature"),
}


def provenance(
    *,
    id: str,
    targets: Iterable[str],
    of: Mapping[str, Any],
    before: str,
    recorded: str,
    agents: Iterable[tuple[str, Party]],
    activity: Kind | Meaning | None,
    reason: str = "",
    sha256: bytes = b"",
) -> Json:
    """The Provenance of one act on a document.

    ``targets`` are ``Type/id``, ``before`` the version it was done to (``Type/id/_history/n``, empty for none),
    ``agents`` pairs of a FHIR provenance-agent-type and who. A signature (``activity`` a Meaning) carries the hash
    of what was seen.
    """
    listed = list(agents)
    made: Json = {
        "resourceType": "Provenance",
        "id": id,
        **({"meta": labels["meta"]} if (labels := _labels(of)).get("meta") else {}),
        "target": [{"reference": each} for each in targets],
        "recorded": recorded,
    }
    if reason:
        made["reason"] = [{"text": reason}]
    if isinstance(activity, Kind):
        system, code = _ACTIVITIES[activity]
        made["activity"] = {
            "coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}],
            "text": activity.words,
        }
    elif isinstance(activity, Meaning):
        made["activity"] = {"text": activity.words}
    made["agent"] = [
        {
            "type": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "code": role}
                ]
            },
            "who": who.reference(),
        }
        for role, who in listed
    ]
    if before:
        made["entity"] = [{"role": "revision", "what": {"reference": before}}]
    if isinstance(activity, Meaning):
        code, display = _SIGNATURE_TYPES[activity]
        made["signature"] = [
            {
                "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": code, "display": display}],
                "when": recorded,
                "who": listed[0][1].reference(),
                "targetFormat": "application/fhir+json",
                "sigFormat": "application/octet-stream",
                "data": base64.b64encode(sha256).decode(),
            }
        ]
    return made
