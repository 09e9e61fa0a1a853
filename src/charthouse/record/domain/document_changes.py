"""How each act on a document changes what it says. Pure.

Every function takes the resource as :func:`.exact.editable` gives it, and returns a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charthouse.foundation.base64 import as_base64

from .documents import (
    ATTESTER,
    CORRECTION,
    LINKED,
    STAGE,
    Attestation,
    Json,
    Kind,
    Meaning,
    Party,
    Stage,
    StageEntry,
    encounter_of,
    items,
    objects,
)


def text_attachment(text: str, title: str) -> Json:
    """A text as the Attachment of a document's content."""
    return {
        "contentType": "text/plain; charset=utf-8",
        "data": as_base64(text.encode()),
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
        part.get("valueCode") == Stage.VERIFIED.value for part in objects(extension.get("extension"))
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
    if resource.get("resourceType") == LINKED:
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
    if resource.get("resourceType") == LINKED:
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
        "resourceType": LINKED,
        "id": id,
        **labels_of(of),
        "status": "current",
        "docStatus": "preliminary",
        "type": of.get("type") or of.get("code") or {"text": title},
        "subject": of["subject"],
        "date": written,
        "author": [author.reference()],
        "description": f"{kind.words} to {title}",
    }
    if of["resourceType"] == LINKED:
        made["relatesTo"] = [{"code": "appends", "target": target}]
    else:
        context["related"] = [target]
    made["content"] = [{"attachment": text_attachment(text, kind.words)}]
    made["context"] = context
    return _corrected(made, kind, reason)


def labels_of(of: Mapping[str, Any]) -> Json:
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
            "resourceType": LINKED,
            "id": id,
            **labels_of(of),
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
