"""How long a print takes to set on this machine.

    python tests/bench/letters.py [ROWS]

A table of ROWS results (300 unless told) as tagged PDF/UA-1. Prints a line for people and one JSON line: ``rows``,
``pages``, ``bytes``, ``first_ms`` (the first print of a process, typefaces loaded), ``ms`` and ``cpu_ms`` (the
medians of those after it, each of other text, by the clock and by the processor) and ``rss_mb`` after all of them.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from datetime import UTC, datetime
from typing import Any

from charthouse.foundation.letters.api import Letter, Letterhead, PatientIdentity, render
from charthouse.web.pdf import page_count

_ROUNDS = 25


def results(rows: int, seed: int) -> dict[str, Any]:
    """A table of invented results; another seed gives other values."""
    cells = [
        (f"Analyte {row % 40}", f"{(row * 37 + seed) % 900 / 10} mmol/L", "Normal", "3.5–5.1", "18 Nov 2026 06:11")
        for row in range(rows)
    ]
    columns = (("Test", 4), ("Value", 3), ("Flag", 2), ("Range", 2), ("Time", 3))
    return {"kind": "listing", "columns": columns, "rows": [{"cells": each} for each in cells]}


def letter(rows: int, seed: int) -> Letter:
    """A print of a section of a chart."""
    return Letter(
        template="web/chart_section",
        title="Results",
        letterhead=Letterhead("Bench Hospital"),
        patient=PatientIdentity("Bench, Ben", "1 Jan 1950", (str(seed),)),
        by="The bench",
        at="18 Nov 2026 14:05",
        instant=datetime(2026, 11, 18, tzinfo=UTC),
        use="For use here.",
        content={"left_out": [], "parts": [results(rows, seed)]},
    )


def main(rows: int) -> None:
    taken, worked = [], []
    for seed in range(_ROUNDS + 1):
        begun, cpu = time.perf_counter(), time.process_time()
        content = render(letter(rows, seed))
        taken.append((time.perf_counter() - begun) * 1000)
        worked.append((time.process_time() - cpu) * 1000)
    median = statistics.median(taken[1:])
    figures = {
        "rows": rows,
        "pages": page_count(content),
        "bytes": len(content),
        "first_ms": round(taken[0], 1),
        "ms": round(median, 1),
        "cpu_ms": round(statistics.median(worked[1:]), 1),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(f"{rows} rows, {figures['pages']} pages: {median:.0f} ms, the first {taken[0]:.0f} ms")
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
