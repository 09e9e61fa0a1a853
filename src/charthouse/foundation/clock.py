"""Two clocks. The business clock may be frozen for teaching; the wall clock never is.

Due dates, ages, census days and the dates printed on letters read :func:`now`. The ledger, sessions, one-time
codes and leases read :func:`wall`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

_frozen: datetime | None = None


def wall() -> datetime:
    """The present instant, UTC, from the machine."""
    return datetime.now(UTC)


def now() -> datetime:
    """The present instant of the department's business, UTC; the wall clock unless frozen."""
    return _frozen or wall()


def today(zone: str | ZoneInfo) -> date:
    """The business date in ``zone`` (IANA name)."""
    return now().astimezone(zone if isinstance(zone, ZoneInfo) else ZoneInfo(zone)).date()


def freeze(instant: datetime | None) -> None:
    """Stop the business clock at ``instant`` (aware), or let it run with ``None``."""
    global _frozen
    if instant is not None and instant.tzinfo is None:
        raise ValueError("The business clock needs an instant with a time zone.")
    _frozen = instant.astimezone(UTC) if instant else None


@contextmanager
def frozen(instant: datetime) -> Iterator[None]:
    """Freeze the business clock within the block."""
    before = _frozen
    freeze(instant)
    try:
        yield
    finally:
        freeze(before)
