"""Large attachments leave the resource for the file store; small ones stay where they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from charthouse.foundation.base64 import as_base64, from_base64
from charthouse.foundation.ids import named_text

from .exact import editable

#: Decoded bytes above which an attachment is kept in the file store.
LARGE = 48 * 1024

_HOLDERS: dict[str, tuple[str, ...]] = {
    "DocumentReference": ("content",),
    "DiagnosticReport": ("presentedForm",),
    "Media": ("content",),
    "Communication": ("payload",),
    "Consent": ("sourceAttachment",),
    "Patient": ("photo",),
    "Observation": ("valueAttachment",),
}


@dataclass(frozen=True, slots=True)
class DetachedPart:
    """One attachment's bytes, and the id its resource names it by (``Binary/<id>``)."""

    place: int
    public_id: str
    media_type: str
    data: bytes


def attachments_of(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every Attachment element of a resource that carries documents, in order; the elements themselves."""
    kind = resource.get("resourceType", "")
    if kind == "Binary":
        yield resource
    for name in _HOLDERS.get(kind, ()):
        held = resource.get(name)
        for each in held if isinstance(held, list) else [held]:
            if isinstance(each, dict):
                inner = each.get("attachment") or each.get("contentAttachment")
                yield inner if isinstance(inner, dict) else each


def binary_id(attachment: dict[str, Any]) -> str:
    """The id under which a detached attachment's bytes are kept; empty where it points elsewhere or nowhere."""
    url = attachment.get("url")
    return url.removeprefix("Binary/") if isinstance(url, str) and url.startswith("Binary/") else ""


def attachment_id(sha256: str) -> str:
    """The id of a detached attachment with this SHA-256 (hexadecimal)."""
    return named_text("attachment", sha256)


def decoded(data: object) -> bytes | None:
    """The bytes of an attachment's ``data`` (base64, blanks and line ends allowed); None where it is none."""
    if not isinstance(data, str):
        return None
    try:
        return from_base64(data)
    except ValueError:
        return None


def without_large(content: bytes) -> tuple[bytes, list[DetachedPart]]:
    """A resource's bytes without its attachments above :data:`LARGE`, and those; all else stays as written."""
    if len(content) <= LARGE:
        return content, []
    resource = editable(content)
    parts = detach(resource)
    return (orjson.dumps(resource) if parts else content), parts


def detach(resource: dict[str, Any]) -> list[DetachedPart]:
    """Take attachments above :data:`LARGE` out of ``resource`` (changed in place) and return them.

    What stays behind is the attachment with ``url`` ``Binary/<id>``, ``size`` and the SHA-1 ``hash`` FHIR asks
    for. Base64 that cannot be decoded stays as it is.
    """
    parts = []
    for place, attachment in enumerate(attachments_of(resource)):
        encoded = attachment.get("data")
        if not isinstance(encoded, str) or len(encoded) * 3 // 4 <= LARGE:
            continue
        data = decoded(encoded)
        if data is None or len(data) <= LARGE:
            continue
        public_id = attachment_id(hashlib.sha256(data).hexdigest())
        del attachment["data"]
        media_type = attachment.get("contentType") or "application/octet-stream"
        if resource.get("resourceType") != "Binary":
            attachment["url"] = f"Binary/{public_id}"
            attachment["size"] = len(data)
            attachment["hash"] = as_base64(hashlib.sha1(data, usedforsecurity=False).digest())
        parts.append(DetachedPart(place, public_id, media_type, data))
    return parts
