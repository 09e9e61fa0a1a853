"""Splink on the same records: with the comparisons, rules of blocking and training its documentation shows.

Its tutorials' settings for persons: names by Jaro and Winkler's similarity, dates by edits and distance, exact and
edited matches of the rest, term frequencies of names and places, u from random pairs, m by EM blocked in two ways.
"""

from __future__ import annotations

import logging
import time
import warnings
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from charthouse.identity.batch.clustering import group
from charthouse.identity.batch.metrics import pairs_of_clusters
from charthouse.identity.batch.table import Ints, Table
from charthouse.identity.domain.dates import MALFORMED

_MEMORY, _DISK = "4GB", "12GB"
_RULES: tuple[tuple[str, ...], ...] = (
    ("given", "family"), ("dob",), ("ssn",), ("postal", "family"), ("postal", "given"), ("number", "street"),
    ("phone",),
)  # fmt: skip
_COLUMNS = (
    "given",
    "family",
    "middle",
    "dob",
    "sex",
    "ssn",
    "number",
    "street",
    "city",
    "postal",
    "phone",
    "email",
)


class DidNotFit(Exception):
    """Splink needed more memory or disk than it is allowed here; the message says how much that is."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What Splink found: pairs with their match weights, the seconds of training and of predicting, and the ways of
    choosing pairs from which it could not learn."""

    left: Ints
    right: Ints
    weight: Any
    training: float
    predicting: float
    failed: tuple[str, ...]

    def f1(self, size: int, truth: list[int], source: Ints | None) -> tuple[float, float]:
        """The best F1 of the usual thresholds of probability, and the threshold. Two sources: each record's best
        partner only; one: connected groups."""
        best = (0.0, 0.0)
        for probability in (0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1 - 1e-4, 1 - 1e-6, 1 - 1e-8):
            linked = self.weight >= np.log2(probability / (1 - probability))
            if source is not None:
                groups = group(
                    size, self.left, self.right, self.weight, linked.tolist(), [False] * len(linked), source
                ).of.tolist()
            else:
                groups = _connected(size, self.left[linked], self.right[linked])
            rate = pairs_of_clusters(groups, truth, source.tolist() if source is not None else None)
            best = max(best, (rate.f1, probability))
        return best


def _connected(size: int, left: Ints, right: Ints) -> list[int]:
    root = list(range(size))

    def find(row: int) -> int:
        while root[row] != row:
            root[row] = root[root[row]]
            row = root[row]
        return row

    for one, other in zip(left.tolist(), right.tolist(), strict=True):
        root[find(one)] = find(other)
    return [find(row) for row in range(size)]


def run_splink(table: Table, source: Ints | None, learnt_from: Table | None = None) -> Beside:
    """Train and predict with Splink on DuckDB, within the memory and the disk that are allowed here. It learns from
    a smaller table of the same kind where one is given: what it compares to learn grows with the square. Raises
    DidNotFit."""
    import duckdb
    from splink.internals.exceptions import SplinkException

    with TemporaryDirectory() as folder:
        try:
            return _run(table, source, folder, learnt_from)
        except (duckdb.OutOfMemoryException, SplinkException) as error:
            # Splink hands on DuckDB's refusal as one of its own.
            if "out of memory" not in str(error).lower() and "max_temp_directory_size" not in str(error):
                raise
            raise DidNotFit(f"more than {_MEMORY} of memory and {_DISK} of disk") from error


def _run(table: Table, source: Ints | None, folder: str, learnt_from: Table | None) -> Beside:
    import duckdb
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    logging.getLogger("splink").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="splink")
    connection = duckdb.connect()
    # DuckDB would else take most of the machine's memory, and be killed where others need it.
    connection.execute(f"SET memory_limit = '{_MEMORY}'")
    connection.execute("SET temp_directory = ?", [folder])
    connection.execute(f"SET max_temp_directory_size = '{_DISK}'")
    columns = _fill(connection, learnt_from or table, source)
    comparisons: list[Any] = [
        cl.NameComparison(name).configure(term_frequency_adjustments=True)
        for name in ("given", "family")
        if name in columns
    ]
    if "dob" in columns:
        comparisons.append(
            cl.DateOfBirthComparison(
                "dob", input_is_string=True, datetime_format="%Y-%m-%d", invalid_dates_as_null=True
            )
        )
    if "ssn" in columns:
        comparisons.append(cl.DamerauLevenshteinAtThresholds("ssn", [2]))
    comparisons += [
        cl.ExactMatch(name).configure(term_frequency_adjustments=True)
        for name in ("number", "city")
        if name in columns
    ]
    if "postal" in columns:
        comparisons.append(
            cl.DamerauLevenshteinAtThresholds("postal", [1, 2]).configure(term_frequency_adjustments=True)
        )
    if "street" in columns:
        comparisons.append(cl.JaroWinklerAtThresholds("street", [0.9, 0.7]))
    comparisons += [cl.ExactMatch(name) for name in ("middle", "sex") if name in columns]
    if "phone" in columns:
        comparisons.append(cl.DamerauLevenshteinAtThresholds("phone", [1]))
    if "email" in columns:
        comparisons.append(cl.EmailComparison("email"))
    rules: list[Any] = [block_on(*names) for names in _RULES if columns.issuperset(names)]
    settings = SettingsCreator(
        link_type="dedupe_only" if source is None else "link_only",
        unique_id_column_name="unique_id",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=rules,
        retain_intermediate_calculation_columns=False,
        retain_matching_columns=False,
    )
    api = DuckDBAPI(connection=connection)
    names = ["records"] if source is None else [f"source{number}" for number in range(int(source.max()) + 1)]
    registered = [api.register(name, dataset_display_name=f"t_{name}") for name in names]
    linker = Linker(registered if len(registered) > 1 else registered[0], settings, log_level=logging.ERROR)
    begun = time.perf_counter()
    certain: list[Any] = [
        block_on(*names)
        for names in (("given", "family", "dob"), ("ssn",), ("given", "family", "postal"))
        if all(name in columns for name in names)
    ]
    linker.training.estimate_probability_two_random_records_match(certain, recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    failed: list[str] = []
    for way in (("dob",), ("given", "family"), ("postal",)):
        if not columns.issuperset(way):
            continue
        try:
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(*way))
        except ValueError:
            # Splink ends a round in which a level is met by no pair of one person at all.
            failed.append(" and ".join(way))
    trained = time.perf_counter()
    if learnt_from is not None:
        learnt = linker.misc.save_model_to_json()
        connection.execute("DROP TABLE records")
        _fill(connection, table, source)
        other_api = DuckDBAPI(connection=connection)
        linker = Linker(
            other_api.register("records", dataset_display_name="t_all"), learnt, log_level=logging.ERROR
        )
    begins = time.perf_counter()
    predictions = linker.inference.predict(threshold_match_weight=-10)
    fetched = connection.execute(
        f"SELECT unique_id_l, unique_id_r, match_weight FROM {predictions.physical_name}"  # noqa: S608
    ).fetchnumpy()
    done = time.perf_counter()
    one, other = fetched["unique_id_l"].astype(np.int32), fetched["unique_id_r"].astype(np.int32)
    return Beside(
        np.minimum(one, other),
        np.maximum(one, other),
        np.asarray(fetched["match_weight"], dtype=np.float64),
        trained - begun,
        done - begins,
        tuple(failed),
    )


def _fill(connection: Any, table: Table, source: Ints | None) -> set[str]:
    """The table ``records`` (and one for each source) with a column for each respect that is known of somebody."""
    import pyarrow

    held: dict[str, list[str | None]] = {name: [] for name in _COLUMNS}
    for row in range(table.size):
        traits = table.traits(row)
        name = traits.names[0] if traits.names else None
        address = traits.addresses[0] if traits.addresses else None
        values = {
            "given": name.given if name else "",
            "family": name.family if name else "",
            "middle": name.middle[0] if name and name.middle else "",
            "dob": traits.birth if len(traits.birth) == 10 and traits.birth[0] != MALFORMED else "",
            "sex": traits.sex,
            "ssn": traits.ssn,
            "number": address.number if address else "",
            "street": address.street if address else "",
            "city": address.city if address else "",
            "postal": address.postal if address else "",
            "phone": traits.phones[0] if traits.phones else "",
            "email": traits.emails[0] if traits.emails else "",
        }
        for column, value in values.items():
            held[column].append(value or None)
    known = {column: values for column, values in held.items() if any(values)}
    arrow = pyarrow.table(
        {
            "unique_id": pyarrow.array(range(table.size)),
            "origin": pyarrow.array((source if source is not None else np.zeros(table.size, np.int32)).tolist()),
            **{column: pyarrow.array(values, pyarrow.string()) for column, values in known.items()},
        }
    )
    connection.register("arrived", arrow)
    connection.execute("CREATE TABLE records AS SELECT * FROM arrived")
    if source is not None:
        for number in range(int(source.max()) + 1):
            connection.execute(f"CREATE TABLE source{number} AS SELECT * FROM records WHERE origin = {number}")  # noqa: S608
    connection.unregister("arrived")
    return set(known)
