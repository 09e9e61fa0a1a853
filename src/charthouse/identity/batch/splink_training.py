"""Weights of a site, learnt from its own patients by Splink on DuckDB.

Splink sees the levels of our own comparators, which DuckDB asks for as functions of two rows, so that what it
learns is what the scorer weighs. How often strangers agree comes from random pairs; how often two records of one
person do, from expectation and maximization over several ways of choosing pairs; how often a pair is one person,
from pairs that agree beyond doubt.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from charthouse.identity.domain.dates import MALFORMED
from charthouse.identity.domain.model import LEVELS, Model, default_shares, read_model
from charthouse.identity.domain.scorer import FIELDS
from charthouse.identity.domain.text import sound

from .sieves import CODE, Codes
from .table import Ints, Table
from .weighing import level_codes, name_codes

#: What a model learnt here is called before the day and its digest.
_SITE = "site"
#: Names met at least so often are listed with their share; the rest share one.
_LISTED, _MOST_LISTED = 2, 20_000
_NAMES = ("given", "family", "middle")
#: Columns of the table Splink reads, by the field whose level they decide.
_COLUMNS = (*FIELDS, "given_sound", "family_sound", "year", "postal")
#: Ways of choosing the pairs from which is learnt; what a way fixes is learnt in the others.
_WAYS: tuple[tuple[str, ...], ...] = (
    ("birth", "family_sound"), ("given_sound", "family_sound", "year"), ("ssn",), ("given_sound", "phone"),
    ("postal", "birth"),
)  # fmt: skip
_CERTAIN: tuple[tuple[str, ...], ...] = (
    ("given", "family", "birth"), ("ssn", "birth"), ("given", "birth", "phone"), ("given", "birth", "postal"),
)  # fmt: skip


class TooFew(ValueError):
    """There is too little to learn from; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model as it is saved: Splink's JSON, and the shares of names beside it. ``unlearnt`` names the levels the
    data said nothing about, whose weights are those that come with Charthouse."""

    saved: str
    frequencies: dict[str, tuple[dict[str, float], float]]
    patients: int
    unlearnt: tuple[str, ...]

    def model(self) -> Model:
        """The weights as the scorer reads them."""
        return read_model(self.saved, self.frequencies)


def train(table: Table, *, recall: float = 0.8, max_pairs: float = 5e5, today: date | None = None) -> Trained:
    """Learn weights from a table of patients. ``recall``: the share of duplicates that agree beyond doubt.

    Raises TooFew where there are fewer than 500 patients, or no two that agree.
    """
    if table.size < 500:
        raise TooFew(f"{table.size} patients are too few to learn from; 500 are needed.")
    import duckdb
    from splink import DuckDBAPI, Linker, block_on

    logging.getLogger("splink").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="splink")
    connection = duckdb.connect()
    known = _fill(connection, table)
    _add_functions(connection, table)
    api = DuckDBAPI(connection=connection)
    linker = Linker(api.register("patients"), _settings(known), log_level=logging.ERROR, validate_settings=False)
    certain: list[Any] = [block_on(*names) for names in _CERTAIN if known.issuperset(names)]
    if not certain:
        raise TooFew("Neither names nor birth dates are known; nothing can be learnt.")
    try:
        linker.training.estimate_probability_two_random_records_match(certain, recall=recall)
    except Exception as error:
        raise TooFew(f"No two patients agree beyond doubt; there is nothing to learn from ({error}).") from None
    linker.training.estimate_u_using_random_sampling(max_pairs=max_pairs, seed=20260101)
    for names in _WAYS:
        if known.issuperset(names):
            # A way no pair of the site is chosen by teaches nothing; the others do.
            if not _chooses(connection, names):
                continue
            linker.training.estimate_parameters_using_expectation_maximisation(
                block_on(*names), estimate_without_term_frequencies=True
            )
    saved = linker.misc.save_model_to_json()
    connection.close()
    text, unlearnt = _completed(saved, today or date.today(), table.size)  # noqa: DTZ011 - a name for people
    return Trained(text, frequencies_of(table), table.size, unlearnt)


def frequencies_of(table: Table) -> dict[str, tuple[dict[str, float], float]]:
    """The share of patients with each given and family name, and that of a name not listed."""
    found = {}
    for field, values in (("given", table.given), ("family", table.family)):
        counts: Counter[str] = Counter()
        for value, many in zip(values.values, values.counts().tolist(), strict=True):
            counts[value[0]] += many
        total = max(1, sum(counts.values()))
        listed = {word: many / total for word, many in counts.most_common(_MOST_LISTED) if many >= _LISTED}
        found[field] = (listed, 1 / total)
    return found


def _fill(connection: Any, table: Table) -> set[str]:
    """Make the table ``patients``; the columns in which anything is known."""
    import pyarrow

    held: dict[str, list[str | None]] = {name: [] for name in _COLUMNS}
    for row in range(table.size):
        traits = table.traits(row)
        name = traits.names[0] if traits.names else None
        given, family = (name.given, name.family) if name else ("", "")
        exact = len(traits.birth) == 10 and traits.birth[0] != MALFORMED
        values = {
            "given": given,
            "family": family,
            "middle": name.middle[0] if name and name.middle else "",
            "generation": str(name.generation) if name and name.generation else "",
            "birth": traits.birth if exact else "",
            "sex": traits.sex,
            "ssn": traits.ssn if len(traits.ssn) > 4 else "",
            "identifier": "|".join(identifier.folded for identifier in traits.identifiers),
            "address": str(table.address.of[row]) if traits.addresses else "",
            "phone": traits.phones[0] if traits.phones else "",
            "email": traits.emails[0] if traits.emails else "",
            "mother": " ".join(traits.mother),
            "given_sound": sound(given) if given else "",
            "family_sound": sound(family) if family else "",
            "year": traits.birth[:4] if exact else "",
            "postal": next((address.postal for address in traits.addresses if address.postal), ""),
        }
        for column, value in values.items():
            held[column].append(value or None)
    arrow = pyarrow.table(
        {
            "unique_id": pyarrow.array(range(table.size), pyarrow.int32()),
            "place": pyarrow.array(range(table.size), pyarrow.int32()),
            **{column: pyarrow.array(values, pyarrow.string()) for column, values in held.items()},
        }
    )
    connection.register("arrived", arrow)
    connection.execute("CREATE TABLE patients AS SELECT * FROM arrived")
    connection.unregister("arrived")
    return {column for column, values in held.items() if any(values)}


def _chooses(connection: Any, names: Sequence[str]) -> bool:
    columns = ", ".join(names)
    held = " AND ".join(f"{name} IS NOT NULL" for name in names)
    pairs = connection.execute(
        f"SELECT sum(many * (many - 1) / 2) FROM (SELECT count(*) AS many FROM patients WHERE {held}"  # noqa: S608
        f" GROUP BY {columns} HAVING count(*) BETWEEN 2 AND 2000)"
    ).fetchall()[0][0]
    return bool(pairs and pairs >= 20)


class _Asked:
    """Levels of a group of fields for the rows of one vector of DuckDB. It asks for a vector once for each level of
    a field, each time for the rows no level before was of; so the answers of the last whole vector are kept."""

    def __init__(self, table: Table, fields: Sequence[str]) -> None:
        self._table = table
        self._fields = tuple(fields)
        self._pairs = np.empty(0, np.int64)
        self._codes: dict[str, Codes] = {}

    def of(self, field: str, left: Ints, right: Ints) -> Codes:
        pairs = left.astype(np.int64) * self._table.size + right
        if not len(pairs):
            return np.empty(0, np.int8)
        place = np.searchsorted(self._pairs, pairs)
        place[place == len(self._pairs)] = 0
        if not len(self._pairs) or (self._pairs[place] != pairs).any():
            self._pairs, first = np.unique(pairs, return_index=True)
            one, other = left[first], right[first]
            if self._fields == _NAMES:
                self._codes = dict(zip(_NAMES, name_codes(self._table, one, other), strict=True))
            else:
                self._codes = {field: level_codes(self._table, field, one, other)}
            place = np.searchsorted(self._pairs, pairs)
        return self._codes[field][place]


def _add_functions(connection: Any, table: Table) -> None:
    """Our comparators as functions of DuckDB: the code of a field's level for two rows, -1 for none."""
    import pyarrow

    # One thread: the comparators are Python's, and a vector is asked for again at once.
    connection.execute("SET threads = 1")
    of_names = _Asked(table, _NAMES)

    def function(field: str, asked: _Asked) -> Callable[[Any, Any], Any]:
        def codes(left: Any, right: Any) -> Any:
            one, other = (np.asarray(side.to_numpy(), dtype=np.int32) for side in (left, right))
            return pyarrow.array(asked.of(field, one, other).astype(np.int32))

        return codes

    for field in FIELDS:
        asked = of_names if field in _NAMES else _Asked(table, (field,))
        connection.create_function(
            f"level_of_{field}", function(field, asked), ["INTEGER", "INTEGER"], "INTEGER", type="arrow"
        )


def _settings(known: set[str]) -> dict[str, Any]:
    """Splink's settings: a comparison for each field in which anything is known."""
    comparisons = []
    for field in FIELDS:
        if field not in known:
            continue
        asked = f'level_of_{field}("place_l", "place_r")'
        levels: list[dict[str, Any]] = [
            {
                # The columns are named so that Splink knows which way of choosing pairs fixes this respect.
                "sql_condition": f'{asked} < 0 OR "{field}_l" <> "{field}_l" OR "{field}_r" <> "{field}_r"',
                "label_for_charts": "missing",
                "is_null_level": True,
            }
        ]
        levels += [
            {"sql_condition": f"{asked} = {CODE[field][level]}", "label_for_charts": level}
            for level in LEVELS[field][:-1]
        ]
        levels.append({"sql_condition": "ELSE", "label_for_charts": LEVELS[field][-1]})
        comparisons.append(
            {"output_column_name": field, "comparison_levels": levels, "comparison_description": field}
        )
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "unique_id",
        "sql_dialect": "duckdb",
        "comparisons": comparisons,
        "blocking_rules_to_generate_predictions": [],
        "retain_intermediate_calculation_columns": False,
        "retain_matching_columns": False,
    }


def _completed(saved: dict[str, Any], today: date, size: int) -> tuple[str, tuple[str, ...]]:
    """Splink's model with a weight for every level; those it did not learn are the ones that come along. No level
    is rarer of one person than once in all pairs of one person that are expected among ``size`` patients."""
    expected = float(saved["probability_two_random_records_match"]) * size * (size - 1) / 2
    rarest = max(_RAREST, min(_SELDOM, 1 / (expected + 1)))
    fallback_m, fallback_u = default_shares()
    unlearnt: list[str] = []
    by_field = {comparison["output_column_name"]: comparison for comparison in saved["comparisons"]}
    for field, levels in LEVELS.items():
        comparison = by_field.get(field)
        if comparison is None:
            comparison = {"output_column_name": field, "comparison_description": field, "comparison_levels": []}
            saved["comparisons"].append(comparison)
        held = {level["label_for_charts"]: level for level in comparison["comparison_levels"]}
        for level in levels:
            entry = held.get(level)
            if entry is None:
                entry = {"sql_condition": "FALSE", "label_for_charts": level}
                comparison["comparison_levels"].append(entry)
            if not _is_share(entry.get("m_probability")) or not _is_share(entry.get("u_probability")):
                unlearnt.append(f"{field}: {level}")
                entry["m_probability"] = fallback_m[field][level]
                entry["u_probability"] = fallback_u[field][level]
            entry["m_probability"] = max(entry["m_probability"], rarest)
            if field in {"given", "family"} and level == "same":
                entry["tf_adjustment_column"] = field
                entry["tf_adjustment_weight"] = 1.0
                entry["tf_minimum_u_value"] = 5e-06
                # The level says "same" by a function, in which Splink does not see an exact match.
                entry["disable_tf_exact_match_detection"] = True
    digest = hashlib.sha256(json.dumps(saved["comparisons"], sort_keys=True).encode()).hexdigest()[:8]
    saved["linker_uid"] = f"{_SITE}-{today.isoformat()}-{digest}"
    return json.dumps(saved, indent=1), tuple(unlearnt)


#: The rarest a level of one person is taken to be: where many pairs are expected, and where few are.
_RAREST, _SELDOM = 1e-4, 0.02


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < 1
