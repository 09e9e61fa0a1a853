"""What a signature binds: the exact bytes of a version and of its files, and who said what of them, when. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


def sha256(content: bytes) -> bytes:
    """The hash of a version's bytes as they are kept and were shown."""
    return hashlib.sha256(content).digest()


@dataclass(frozen=True, slots=True)
class Bound:
    """What a signature's seal covers: everything its row says."""

    kind: str
    public_id: str
    version: int
    as_version: int
    meaning: str
    signer: str
    name: str
    role: str
    signed_at: datetime | None
    recorded_at: datetime
    message: int
    statement: str
    sha256: bytes
    files: Sequence[bytes]

    def seal(self, key: bytes) -> bytes:
        """HMAC-SHA256 under the site's signature key, which is in no database: a row that was made or changed
        without it does not fit."""
        parts = [
            *(self.kind, self.public_id, str(self.version), str(self.as_version)),
            *(self.meaning, self.signer, self.name, self.role),
            *(_instant(self.signed_at), _instant(self.recorded_at), str(self.message), self.statement),
            self.sha256.hex(),
            *(each.hex() for each in self.files),
        ]
        written = b"".join(len(data := part.encode("utf-8", "surrogatepass")).to_bytes(4, "big") + data
                           for part in parts)  # fmt: skip
        return hmac.digest(key, b"charthouse signature 1" + written, hashlib.sha256)


def _instant(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment else ""


def tombstone_seal(
    key: bytes, destruction: int, kind: str, type: int, item: int, version: int, sha256: bytes, size: int
) -> bytes:
    """HMAC-SHA256 of what a tombstone says, under the same key: one that was made without it does not fit."""
    said = f"{destruction}|{kind}|{type}|{item}|{version}|{sha256.hex()}|{size}"
    return hmac.digest(key, b"charthouse tombstone 1" + said.encode(), hashlib.sha256)
