"""How large a message may be. Beyond these a message is refused before it costs memory or time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds for one message. ``message`` is in bytes, the others are counts."""

    message: int = 32 * 1024 * 1024
    segments: int = 20_000
    fields: int = 1_000
    repetitions: int = 2_000


DEFAULT_LIMITS = Limits()
