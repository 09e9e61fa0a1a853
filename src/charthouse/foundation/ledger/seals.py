"""A seal: one round's digests, chained to the round before and signed.

``root`` is SHA-256 over, in this order: the 24 bytes ``charthouse-ledger-seal-1``; the root of the round before
(32 bytes, zeros before round 1); round, sealed_at, since, until (int64 each; instants in microseconds since
2000-01-01 UTC); the number of positions (int64) and the positions (int64 each); the number of missing and the
missing (the same way); SHA-256 of the digests. All numbers are big-endian. ``signature`` is Ed25519 over the root.

``positions[lane]`` is the lane's last sealed number: a round seals, for each lane, the numbers after the position
of the round before up to its own. ``digests`` holds 32 bytes for each, by lane and number. Numbers that were
already missing when the round was sealed stand in ``missing`` as (lane, first, last), and have no digest.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from charthouse.foundation.database.secrets import key_file

from .rows import DIGEST_SIZE, LANES, micros

_DOMAIN = b"charthouse-ledger-seal-1"
_KEY_NAME = "ledger-signing-key"
START = bytes(32)
START_POSITIONS = (0,) * LANES


class SigningKey:
    """The ledger's Ed25519 key, made in the key directory on first use."""

    def __init__(self, secret: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.public_bytes = self._private.public_key().public_bytes_raw()
        self.id = key_id(self.public_bytes)

    @classmethod
    def of_this_site(cls) -> SigningKey:
        return cls(key_file(_KEY_NAME))

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made ``signature`` over ``message``."""
        return is_signed(self.public_bytes, message, signature)


def key_id(public_bytes: bytes) -> bytes:
    """The eight bytes by which seals and heads name a public key."""
    return hashlib.sha256(public_bytes).digest()[:8]


def is_signed(public_bytes: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of the public key's secret made ``signature`` over ``message``."""
    try:
        Ed25519PublicKey.from_public_bytes(public_bytes).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Seal:
    """One row of ``ledger_seal``."""

    round: int
    sealed_at: datetime
    since: datetime
    until: datetime
    positions: tuple[int, ...]
    missing: tuple[int, ...]
    digests: bytes
    root: bytes
    key: bytes
    signature: bytes

    @property
    def gaps(self) -> Iterator[tuple[int, int, int]]:
        """(lane, first, last) of the numbers missing when the round was sealed."""
        yield from zip(self.missing[::3], self.missing[1::3], self.missing[2::3], strict=True)


def root_of(
    previous_root: bytes,
    round_number: int,
    sealed_at: datetime,
    since: datetime,
    until: datetime,
    positions: Sequence[int],
    missing: Sequence[int],
    digests: bytes,
) -> bytes:
    """The root as the module's docstring defines it."""
    numbers = [
        round_number,
        micros(sealed_at),
        micros(since),
        micros(until),
        len(positions),
        *positions,
        len(missing),
        *missing,
    ]
    return hashlib.sha256(
        _DOMAIN + previous_root + struct.pack(f">{len(numbers)}q", *numbers) + hashlib.sha256(digests).digest()
    ).digest()


def recomputed_root(seal: Seal, previous_root: bytes) -> bytes:
    """The root ``seal`` should have after a round whose root was ``previous_root``."""
    return root_of(
        previous_root,
        seal.round,
        seal.sealed_at,
        seal.since,
        seal.until,
        seal.positions,
        seal.missing,
        seal.digests,
    )


def slices(seal: Seal, before: Sequence[int]) -> Iterator[tuple[int, int, int, bytes]]:
    """(lane, first, last, digests) for each unbroken run of numbers this round sealed, by lane and number.

    ``before`` are the positions of the round before. Raises ValueError when the digests do not fit.
    """
    gaps: dict[int, list[tuple[int, int]]] = {}
    for lane, first, last in seal.gaps:
        gaps.setdefault(lane, []).append((first, last))
    offset = 0
    for lane, (start, end) in enumerate(zip(before, seal.positions, strict=True)):
        number = start + 1
        for first, last in [*sorted(gaps.get(lane, ())), (end + 1, end)]:
            count = first - number
            if count > 0:
                size = count * DIGEST_SIZE
                yield lane, number, first - 1, seal.digests[offset : offset + size]
                offset += size
            number = last + 1
    if offset != len(seal.digests):
        raise ValueError(f"Round {seal.round} has {len(seal.digests)} bytes of digests where {offset} are due.")
