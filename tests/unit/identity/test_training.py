"""Weights learnt from data: by Splink for a site, and by our own rounds for a file that is evaluated."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from math import log2
from pathlib import Path
from random import Random

import numpy as np
import pytest
from typer.testing import CliRunner

from charthouse.identity.batch import splink_training
from charthouse.identity.batch.blocking import Blocks
from charthouse.identity.batch.columns import recognize
from charthouse.identity.batch.evaluation import evaluate, load
from charthouse.identity.batch.rows import RowReader
from charthouse.identity.batch.splink_training import TooFew, Trained, frequencies_of, train
from charthouse.identity.batch.table import Table
from charthouse.identity.batch.training import learn
from charthouse.identity.bench.population import Noise, Row, copy, people
from charthouse.identity.commands import app
from charthouse.identity.commands.evaluating import learnt_thresholds
from charthouse.identity.domain.model import LEVELS, default_shares
from charthouse.identity.domain.scorer import weigh

NAMED = ("given", "family", "birth", "sex", "number", "street", "city", "postal", "phone")


def _rows(many: int, seed: int = 4, share: float = 0.3) -> list[Row]:
    random = Random(seed)
    originals = list(people(many, seed))
    return [*originals, *(copy(random, row, Noise()) for row in originals if random.random() < share)]


def _table(rows: list[Row], columns: tuple[str, ...] = NAMED) -> tuple[Table, Blocks]:
    reader = RowReader(
        recognize(list(columns)), [[getattr(row, name) for name in columns] for row in rows], date(2026, 11, 1)
    )
    table, blocks = Table(), Blocks()
    for row in rows:
        traits = reader.traits([getattr(row, name) for name in columns])
        blocks.add(table.add(traits), traits)
    table.close()
    return table, blocks


@pytest.fixture(scope="module")
def trained() -> tuple[Table, Trained]:
    table, _ = _table(_rows(700))
    return table, train(table, max_pairs=60_000, today=date(2026, 11, 1))


@pytest.mark.slow
def test_splink_learns_what_sets_persons_apart(trained: tuple[Table, Trained]) -> None:
    _, found = trained
    model = found.model()
    assert model.version.startswith("site-2026-11-01-")
    for field, level in (("given", "same"), ("family", "same"), ("birth", "same"), ("address", "same")):
        assert model.weights[field][level] > 4
    for field in ("given", "family", "birth", "sex"):
        # Of some two hundred pairs of one person nothing is learnt to be never met.
        assert -12 < model.weights[field]["different"] < -1
    assert "mother: same" in found.unlearnt
    assert "given: same" not in found.unlearnt
    m, u = default_shares()
    assert model.weights["mother"]["same"] == pytest.approx(log2(m["mother"]["same"] / u["mother"]["same"]))


@pytest.mark.slow
def test_our_scorer_gives_splinks_own_weights(trained: tuple[Table, Trained]) -> None:
    """Parity: the same saved model, the same pairs, the same bits, term frequencies included."""
    import duckdb
    from splink import DuckDBAPI, Linker

    table, found = trained
    connection = duckdb.connect()
    known = splink_training._fill(connection, table)
    splink_training._add_functions(connection, table)
    saved = json.loads(found.saved)
    saved["comparisons"] = [each for each in saved["comparisons"] if each["output_column_name"] in known]
    saved["blocking_rules_to_generate_predictions"] = [
        {"blocking_rule": rule, "sql_dialect": "duckdb"}
        for rule in ("l.birth = r.birth", "l.given = r.given", "l.family = r.family")
    ]
    linker = Linker(DuckDBAPI(connection=connection).register("patients"), saved, validate_settings=False)
    predicted = linker.inference.predict()
    pairs = connection.execute(
        f"SELECT unique_id_l, unique_id_r, match_weight FROM {predicted.physical_name}"
    ).fetchall()
    model = found.model()
    assert len(pairs) > 500
    for one, other, weight in pairs:
        assert weigh(table.traits(one), table.traits(other), model).weight == pytest.approx(weight, abs=1e-9)


def test_too_few_patients_teach_nothing() -> None:
    table, _ = _table(_rows(20))
    with pytest.raises(TooFew, match="too few to learn from; 500 are needed"):
        train(table)


def test_frequencies_are_shares_of_the_patients() -> None:
    rows = _rows(300)
    table, _ = _table(rows)
    listed, unlisted = frequencies_of(table)["family"]
    known = [row.family for row in rows if row.family]
    for name, share in list(listed.items())[:20]:
        assert share == pytest.approx(sum(word.lower() == name for word in known) / len(known), abs=2 / len(known))
    assert unlisted == pytest.approx(1 / len(known), rel=0.05)


def test_learning_without_labels_finds_the_weights_of_the_noise() -> None:
    rows = _rows(2500, share=0.4)
    table, blocks = _table(rows)
    left, right = blocks.pairs(table.size)
    learnt = learn(table, left, right)
    same_person = {}
    for place, row in enumerate(rows):
        same_person.setdefault(row.person, []).append(place)
    there = sum(len(places) > 1 for places in same_person.values())
    assert learnt.matches == pytest.approx(there, rel=0.12)
    assert learnt.m["birth"]["same"] == pytest.approx(0.95, abs=0.05)
    assert learnt.model.kin is not None
    assert learnt.families > 500
    assert set(learnt.model.weights) == set(LEVELS)
    truth = np.array([row.person for row in rows])
    twins = [(a, b) for a in range(len(rows) - 1) for b in (a + 1,) if rows[a].kind == rows[b].kind == "twin"]
    assert all(truth[a] != truth[b] for a, b in twins)


def _file(folder: Path, rows: list[Row], columns: tuple[str, ...] = NAMED) -> Path:
    path = folder / "people.csv"
    lines = [",".join([*columns, "who", "desk"])]
    for row in rows:
        values = [str(getattr(row, name)) for name in columns]
        lines.append(",".join([*values, str(row.person), "b" if row.kind == "copy" else "a"]))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_evaluate_prints_its_figures_and_needs_no_database(tmp_path: Path) -> None:
    path = _file(tmp_path, _rows(600))
    done = CliRunner().invoke(app, ["evaluate", str(path), "--truth", "who", "--format", "json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout.splitlines()[-1])
    assert {"f1", "precision", "recall", "cluster_f1", "review_recall", "seconds", "peak_mb"} <= set(figures)
    assert figures["f1"] > 0.97
    assert figures["review_recall"] >= figures["recall"]
    across = CliRunner().invoke(
        app, ["evaluate", str(path), "--truth", "who", "--source", "desk", "--one-to-one", "--format", "json"]
    )
    assert json.loads(across.stdout.splitlines()[-1])["f1"] > 0.97


def test_evaluate_comes_to_the_same_figures_again(tmp_path: Path) -> None:
    path = _file(tmp_path, _rows(300))
    once, again = (
        json.loads(
            CliRunner()
            .invoke(app, ["evaluate", str(path), "--truth", "who", "--format", "json"])
            .stdout.splitlines()[-1]
        )
        for _ in range(2)
    )
    for figures in (once, again):
        for name in ("seconds", "seconds_matching", "peak_mb"):
            figures.pop(name)
    assert once == again


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("given,family,who\nAnn,Lind,1\n", [], "at least two are needed"),
        ("given,family,who\n", [], "at least two are needed"),
        ("given,family,who\nAnn,Lind,1\nBo,Berg,\n", [], "row 2 says nothing in 'who'"),
        ("given,family,who\nAnn,Lind,1\nBo,Berg,2\n", ["--source", "desk"], "There is no column 'desk'"),
        ("given,family,who,desk\nAnn,L,1,x\nBo,B,2,x\n", ["--source", "desk"], "is the same in all rows"),
        ("given,family,who\nAnn,Lind,1\nBo,Berg,2\n", ["--map", "shoe=given"], "'shoe' is no field"),
        ("given,family,who\nAnn,Lind,1\nBo,Berg,2\n", ["--map", "given"], "FIELD=COLUMN is needed"),
        ("given,family,who\nAnn,Lind,1\nBo,Berg,2\n", ["--one-to-one"], "--one-to-one needs --source"),
        ("x,y,who\n1,2,3\n4,5,6\n", [], "No column could be recognized"),
    ],
)
def test_what_cannot_be_evaluated_is_said(tmp_path: Path, text: str, options: list[str], words: str) -> None:
    path = tmp_path / "file.csv"
    path.write_text(text, encoding="utf-8")
    done = CliRunner(env={"COLUMNS": "300", "TERM": "dumb"}).invoke(
        app, ["evaluate", str(path), "--truth", "who", *options]
    )
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())


def test_twins_are_two_in_a_file_with_many(tmp_path: Path) -> None:
    """Of the made-up persons, every sixth has a twin who differs in the given name alone."""
    random = Random(8)
    originals = list(people(900, 21))
    men = [row.given for row in originals if row.sex == "M"]
    women = [row.given for row in originals if row.sex == "F"]
    file = tmp_path / "twins.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write(",".join(("truth", *NAMED)) + "\n")
        for number, row in enumerate(originals):
            persons = [row]
            if number % 6 == 0:
                other = random.choice([name for name in (men if row.sex == "M" else women) if name != row.given])
                persons.append(replace(row, given=other))
            for twin, person in enumerate(persons):
                for _ in range(random.choice((1, 2))):
                    written = copy(random, person, Noise())
                    values = [str(getattr(written, name)).replace(",", " ") for name in NAMED]
                    out.write(",".join((f"{number}-{twin}", *values)) + "\n")
    found = evaluate(load(file, "truth"), learnt_thresholds())
    assert found["precision"] > 0.92
    assert found["recall"] > 0.93
