"""Which public id a sender's resource has with us.

The id is derived from who sent it and what they call it, so every process and every later message arrives at
the same one without asking. What many senders share (practitioners, organizations, places) is named by its
identifier instead; an *alias* remembers the names by which it was mentioned before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from charthouse.foundation.ids import named_text
from charthouse.record.preparing import DIRECTORY_TYPES

from .errors import IntakeError

NPI = "http://hl7.org/fhir/sid/us-npi"

#: The sender of what is entered by hand at our own desk, and how it names an item that is in the record already.
OWN_DESK = "Charthouse front desk"
IN_RECORD = "urn:charthouse:record:"
#: How the id begins of what is a new version of something the desk entered; its id in the record follows.
RECORD_ID = "record."

#: The most characters of a sender's name.
LONGEST_SENDER = 200

Identifier = tuple[str, str]


def resource_id(source: str, resource_type: str, sender_id: str) -> str:
    """The public id of a resource that belongs to its sender."""
    return named_text("resource", source, resource_type, sender_id)


def shared_id(resource_type: str, system: str, value: str) -> str:
    """The public id of a shared resource first met under this identifier."""
    return named_text("shared", resource_type, system, value)


def id_key(source: str, resource_type: str, sender_id: str) -> str:
    """The alias key of a sender's own id for a shared resource."""
    return _key("id", source, resource_type, sender_id)


def identifier_key(resource_type: str, system: str, value: str) -> str:
    """The alias key of a shared resource's identifier."""
    return _key("identifier", resource_type, system, value)


#: Characters of the longest key kept as it is: an index row has its limits, an identifier has none.
_LONGEST_KEY = 500


def _key(*parts: str) -> str:
    key = "|".join(parts)
    return key if storable(key, _LONGEST_KEY) == key else f"{parts[0]}|{named_text(*parts)}"


def identifiers_of(resource: Mapping[str, Any]) -> list[Identifier]:
    """The identifiers of a resource that have both system and value; an NPI comes first."""
    found = []
    listed = resource.get("identifier")
    for each in listed if isinstance(listed, list) else [listed]:
        if isinstance(each, dict):
            system, value = each.get("system"), each.get("value")
            if isinstance(system, str) and isinstance(value, str) and system and value:
                found.append((system, value))
    found.sort(key=lambda pair: pair[0] != NPI)
    return found


def keys_of(source: str, resource_type: str, sender_id: str | None, identifiers: Sequence[Identifier]) -> list[str]:
    """Every alias key a shared resource is known by."""
    keys = [identifier_key(resource_type, system, value) for system, value in identifiers]
    if sender_id:
        keys.append(id_key(source, resource_type, sender_id))
    return keys


def name_shared(
    source: str,
    resource_type: str,
    sender_id: str | None,
    identifiers: Sequence[Identifier],
    aliases: Mapping[str, str],
) -> str | None:
    """The public id of a shared resource: as known before, else by its first identifier, else by its sender's
    id; None where it has neither."""
    for key in keys_of(source, resource_type, sender_id, identifiers):
        if known := aliases.get(key):
            return known
    if identifiers:
        return shared_id(resource_type, *identifiers[0])
    return resource_id(source, resource_type, sender_id) if sender_id else None


def is_shared(resource_type: str) -> bool:
    """Whether resources of this type are shared by senders."""
    return resource_type in DIRECTORY_TYPES


def refuse_own_desk(sender: str) -> None:
    """Raise IntakeError for a sender's name that, as it is stored, is that of our own desk.

    What comes from there may name what is in the record, so nobody else passes for it.
    """
    if storable(sender, LONGEST_SENDER) == OWN_DESK:
        raise IntakeError(f"{OWN_DESK!r} is the sender of what is entered here by hand. Give another name.")


def storable(text: str, longest: int) -> str:
    """A sender's words as a text column takes them: without NUL and halves of characters, and cut to length."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:longest]
