"""How many HL7 v2 messages a second are read and mapped on this machine, beside python-hl7 where it is installed.

    CHARTHOUSE_SAMPLES=… python tests/bench/hl7_parse.py [SAMPLE …]

Prints a line for each sample and ends with one JSON line: ``parse_per_s``, ``peek_per_s`` and ``map_per_s`` (parse
and map together) for the first. Times are of the processor, the best of several rounds.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from charthouse.exchange.hl7v2.api import Plan, parse, peek, split_batch, to_fhir
from charthouse.foundation.ids import named_id

ZONE = ZoneInfo("America/Chicago")
DEFAULT = ("ADT-A01-02", "ADT01-23", "ADT-A01-01", "LAB-ORU-1", "MDM-T02-03", "SIU-S12-01")


def mint(kind: str, key: str) -> str:
    """An id as intake makes it."""
    return str(named_id("bench", kind, key))


def parse_and_map(data: bytes) -> Plan:
    """What intake does with the bytes of one message."""
    return to_fhir(parse(data), zone=ZONE, mint=mint)


def rate(work: Callable[[], object], *, calls: int = 40, rounds: int = 30) -> float:
    """Calls a second, of processor time, in the best round."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(calls):
            work()
        best = min(best, time.process_time() - begun)
    return calls / best if best else float("inf")


def main(names: list[str]) -> None:
    """Measure the named samples."""
    folder = Path(os.environ.get("CHARTHOUSE_SAMPLES", "")) / "hl7v2"
    if not folder.is_dir():
        sys.exit("CHARTHOUSE_SAMPLES names no folder with hl7v2 samples; nothing is measured.")
    other = importlib.import_module("hl7") if importlib.util.find_spec("hl7") else None
    if other is None:
        print("python-hl7 is not installed; it is left out.")
    figures: dict[str, float | str] = {}
    for name in names:
        data = next(split_batch((folder / f"{name}.hl7").read_bytes()))
        parsed, peeked = rate(partial(parse, data)), rate(partial(peek, data))
        mapped = rate(partial(parse_and_map, data))
        line = f"{name:24} {len(data):6} bytes: parse {parsed:9,.0f}/s  peek {peeked:9,.0f}/s  map {mapped:8,.0f}/s"
        if other is not None:
            text = data.decode("utf-8", "replace")
            line += f"  python-hl7 parse {rate(partial(other.parse, text)):8,.0f}/s"
        print(line)
        if not figures:
            figures = {"sample": name, "parse_per_s": parsed, "peek_per_s": peeked, "map_per_s": mapped}
    print(json.dumps({k: round(v) if isinstance(v, float) else v for k, v in figures.items()}))


if __name__ == "__main__":
    main(sys.argv[1:] or list(DEFAULT))
