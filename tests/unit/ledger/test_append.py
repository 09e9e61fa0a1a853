"""Appending: what is written, with whom, and that a transaction's fate is its entry's fate."""

from __future__ import annotations

from charthouse.foundation.access.api import AccessContext, Purpose, Role
from charthouse.foundation.ledger.api import Subject, append, entries, seal_all, verify

CTX = AccessContext(
    "user:1", "Ada Example", frozenset({Role.AUDITOR}), Purpose.OPERATIONS, session="s1", remote="::1"
)


def test_smoke(committed_db: str) -> None:
    for n in range(10):
        append(CTX, "chart.opened", subjects=[Subject("patient", f"p{n}")], detail={"n": n})
    report = verify()
    assert report.is_whole and report.unsealed == 10
    assert seal_all() == 10
    report = verify()
    assert report.is_whole and report.checked == 10 and report.unsealed == 0, report
    page = entries(CTX)
    assert len(page.lines) == 10
