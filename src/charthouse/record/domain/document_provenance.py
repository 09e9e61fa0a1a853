"""The Provenance of an act on a document: who did what to which version, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from charthouse.foundation.base64 import as_base64

from .document_changes import labels_of
from .documents import ADDED, Json, Kind, Meaning, Party

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
        **({"meta": labels["meta"]} if (labels := labels_of(of)).get("meta") else {}),
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
                "data": as_base64(sha256),
            }
        ]
    return made
