"""How many patients of the synthetic hospital are made in a second, and how many messages.

    python tests/bench/teaching_build.py [PATIENTS]

Ends with one JSON line: ``patients_per_s`` and ``messages_per_s`` (processor time, one process), ``messages_each``,
``bytes_each`` (of a message), and ``peak_mb``, which does not grow with the number of patients.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from charthouse.teaching.domain.hospital import Hospital, patients
from charthouse.teaching.domain.plants import DEFAULT_RATES


def main() -> None:
    """Make the patients and throw them away."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    hospital = Hospital(1, datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("America/Chicago")), DEFAULT_RATES)
    for _ in patients(hospital, 1, 16):
        pass  # the data files are read once
    messages = size = 0
    begun = time.process_time()
    for told in patients(hospital, 1, count):
        messages += len(told.messages)
        size += sum(len(each.data) for each in told.messages)
    seconds = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {
        "patients": count,
        "patients_per_s": round(count / seconds),
        "messages_per_s": round(messages / seconds),
        "messages_each": round(messages / count, 1),
        "bytes_each": round(size / messages),
        "peak_mb": round(peak),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
