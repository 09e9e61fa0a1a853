"""C-CDA documents to read, and the parts of conversion that tests need."""

from __future__ import annotations

import hashlib
import json
import os
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson

from charthouse.exchange.cda.api import Converted, to_fhir
from charthouse.foundation.ids import named_text

ZONE = ZoneInfo("America/Chicago")


def mint(kind: str, key: str) -> str:
    """A public id, as intake makes it."""
    return named_text("test", kind, hashlib.sha256(key.encode("utf-8", "replace")).hexdigest())


def converted(data: bytes) -> Converted:
    """A document converted, its resources as plain JSON, decimals with the digits they came with."""
    found = to_fhir(data, zone=ZONE, mint=mint)
    for draft in found.drafts:
        plain = json.loads(orjson.dumps(draft.resource), parse_float=Decimal)
        draft.resource.clear()
        draft.resource.update(plain)
    return found


def samples() -> list[Path]:
    """The sample documents; none where there are no samples."""
    named = os.environ.get("CHARTHOUSE_SAMPLES")
    return sorted((Path(named) / "cda").glob("*.ccda")) if named else []
