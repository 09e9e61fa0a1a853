"""How fast the FHIR codec is, on one core: ``python tests/bench/fhir_codec.py [DIRECTORY] [--bundles N]``.

Reads bundles (compressed or not) from DIRECTORY, by default ``fhir/synthea`` under CHARTHOUSE_SAMPLES, decompresses
them first, and prints one JSON line of rates in resources a processor second, each the best of three passes.
``extract`` includes parsing; the others are the step alone, ``split_parse`` both.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from charthouse.exchange.fhir.api import (
    encounter_of,
    extract,
    is_valid,
    main_date,
    open_stream,
    patient_of,
    rewrite,
    split,
)

PASSES = 3


def rate(count: int, work: Callable[[], object]) -> float:
    """Resources a processor second, the best of some passes."""
    best = min(_seconds(work) for _ in range(PASSES))
    return round(count / best)


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def figures(paths: list[Path]) -> dict[str, float]:
    """The rates over ``paths``."""
    texts = []
    for path in paths:
        with open_stream(path) as stream:
            texts.append(stream.read())
    entries = [entry for text in texts for entry in split(text)]
    count = len(entries)

    def split_parse() -> None:
        for text in texts:
            for entry in split(text):
                entry.parse()

    parsed = [entry.parse() for entry in entries]
    names = {
        entry.full_url: f"{resource['resourceType']}/{resource['id']}"
        for entry, resource in zip(entries, parsed, strict=True)
    }
    filed = [rewrite(entry.resource, names.get)[0] for entry in entries]
    gc.freeze()
    return {
        "resources": count,
        "bytes_per_resource": round(sum(len(entry.resource) for entry in entries) / count),
        "references_per_resource": round(sum(entry.resource.count(b'"reference"') for entry in entries) / count, 2),
        "split_parse_per_s": rate(count, split_parse),
        "split_per_s": rate(count, lambda: [0 for text in texts for _ in split(text)]),
        "validate_per_s": rate(count, lambda: all(map(is_valid, parsed))),
        "extract_per_s": rate(count, lambda: [0 for raw in filed if extract(orjson.loads(raw)) is None]),
        "rewrite_per_s": rate(
            count, lambda: [0 for entry in entries if not rewrite(entry.resource, names.get, "i")]
        ),
        "compartment_per_s": rate(
            count, lambda: [0 for each in parsed if (patient_of(each), encounter_of(each), main_date(each)) is None]
        ),
        "rows_per_resource": round(sum(len(extract(orjson.loads(raw))) for raw in filed) / count, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the FHIR codec.")
    samples = os.environ.get("CHARTHOUSE_SAMPLES")
    parser.add_argument("directory", nargs="?", type=Path, default=samples and Path(samples) / "fhir/synthea")
    parser.add_argument("--bundles", type=int, default=40, help="how many bundles to read (default 40)")
    given = parser.parse_args()
    if given.directory is None:
        parser.error("give a directory of FHIR bundles, or set CHARTHOUSE_SAMPLES")
    paths = sorted(path for path in given.directory.iterdir() if ".json" in path.name)[: given.bundles]
    print(json.dumps(figures(paths)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
