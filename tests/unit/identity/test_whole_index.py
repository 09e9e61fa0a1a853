"""The whole index at once: duplicates become review work, files are held against it, models are changed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction
from typer.testing import CliRunner

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.foundation.ids import new_id
from charthouse.identity import api
from charthouse.identity.actions.change_model import NoSuchModel, keep_model, put_in_force
from charthouse.identity.actions.keep_compared import Compared
from charthouse.identity.actions.place_patients import Arrival, place
from charthouse.identity.batch import judging
from charthouse.identity.bench.online import patient_of
from charthouse.identity.bench.population import Noise, copy, people
from charthouse.identity.commands import app
from charthouse.identity.domain.model import default_model
from charthouse.identity.domain.prepared import prepare
from charthouse.identity.domain.reference import read_text, term_frequencies
from charthouse.identity.index_reads import read_index
from charthouse.identity.policy import ask_again, policy
from charthouse.identity.store import Row as IndexRow
from charthouse.identity.store import Writing, write

Make = Callable[..., dict[str, Any]]
pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def _fresh_policy() -> Any:
    ask_again()
    yield
    ask_again()


def _place(*patients: dict[str, Any]) -> list[Any]:
    """Each arrives alone, so that two who are alike at the start can be made two persons."""
    placed = []
    for number, patient in enumerate(patients, start=1):
        with transaction.atomic():
            placed += place([Arrival(number, f"p{number}", number % 2 + 1, patient)])
    return placed


def _run(*arguments: str) -> str:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def _items() -> list[tuple[str, dict[str, Any]]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT dedupe, detail FROM work_item WHERE queue = %s AND finished_at IS NULL ORDER BY dedupe",
            [api.POSSIBLE_DUPLICATES],
        )
        return [(row[0], json.loads(row[1]) if isinstance(row[1], str) else row[1]) for row in cursor.fetchall()]


def _parted(patient: Make) -> list[Any]:
    """Two records of one person, filed as two because the second was nobody known at first; and a stranger."""
    first = patient(ssn="219-41-6788", middle="Karin")
    bare = patient("Hayes", "Unknown", born=None, phone=None, address=None, sex=None)
    placed = _place(first, bare, patient("Okafor", "Per", "1980-01-05", "male", phone=None, address=None))
    assert placed[0].person != placed[1].person
    with transaction.atomic():
        place([Arrival(2, "p2", 1, patient(ssn="219-41-6788", middle="K"))])
    return placed


def test_duplicates_of_the_index_become_review_work_and_no_link(patient: Make) -> None:
    placed = _parted(patient)
    told = json.loads(_run("dedupe", "--format", "json"))
    assert (told["patients"], told["pairs"], told["same"], told["opened"], told["linked"]) == (3, 1, 1, 1, 0)
    [(dedupe, detail)] = _items()
    assert dedupe == "1-2"
    assert set(detail["persons"]) == {str(placed[0].person), str(placed[1].person)}
    assert detail["waterfall"][0]["field"] == "prior"
    again = json.loads(_run("dedupe", "--format", "json"))
    assert again["opened"] == 1
    assert len(_items()) == 1


def test_a_run_that_was_broken_off_goes_on_where_it_stopped(patient: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    _parted(patient)
    judge, judged = judging._judge, []

    def _watched(weigher: Any, left: Any, right: Any, thresholds: Any) -> Any:
        judged.extend(zip(left.tolist(), right.tolist(), strict=True))
        if len(judged) == 3:
            raise KeyboardInterrupt
        return judge(weigher, left, right, thresholds)

    def _parts() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM identity_dedupe_part")
            return int(cursor.fetchone()[0])

    monkeypatch.setattr(judging, "_CHUNK", 1)
    monkeypatch.setattr(judging, "_judge", _watched)
    broken = CliRunner().invoke(app, ["dedupe"])
    assert broken.exit_code != 0
    assert (judged, _parts(), _items()) == ([(0, 1), (0, 2), (1, 2)], 2, [])
    # The first pair came to something and is judged for its words; the second is not looked at again.
    judged.clear()
    monkeypatch.setattr(judging, "_judge", lambda *rest: judged.extend(rest[1].tolist()) or judge(*rest))
    assert json.loads(_run("dedupe", "--format", "json"))["opened"] == 1
    assert judged == [0, 1]
    assert ([dedupe for dedupe, _ in _items()], _parts()) == (["1-2"], 0)


@pytest.mark.parametrize("change", ["patient", "anew"])
def test_what_was_compared_counts_only_for_the_same_index(
    patient: Make, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    _parted(patient)
    ctx = system_context("test")
    index = read_index(ctx)
    nothing = np.empty(0, np.int32)
    Compared(ctx, index.held).keep("pairs", 0, nothing, nothing)
    assert list(Compared(ctx, read_index(ctx).held).parts("pairs")) == [0]
    assert Compared(ctx, index.held).parts("other weights") == {}
    if change == "patient":
        _place(patient(ssn="219-41-6788", middle="Kay"))
    assert Compared(ctx, read_index(ctx).held, anew=change == "anew").parts("pairs") == {}


def test_a_dry_run_leaves_everything_as_it_was(patient: Make) -> None:
    _parted(patient)
    assert json.loads(_run("dedupe", "--dry-run", "--format", "json"))["pairs"] == 1
    assert _items() == []


def test_what_is_beyond_doubt_is_linked_where_asked(patient: Make) -> None:
    _parted(patient)
    told = json.loads(_run("dedupe", "--link", "--format", "json"))
    assert (told["linked"], told["opened"]) == (1, 0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT person) FROM identity_source_patient WHERE patient IN (1, 2)")
        assert cursor.fetchone()[0] == 1
        cursor.execute("SELECT actor, reason FROM identity_link WHERE kind = 'linked'")
        actor, reason = cursor.fetchone()
    assert actor == "system:command-line"
    assert reason.startswith("Found by going over the whole index.")


def test_who_was_told_apart_is_not_asked_about_again(patient: Make) -> None:
    _parted(patient)
    api.tell_apart(system_context("test"), 1, 2, "Cousins of one name.")
    assert json.loads(_run("dedupe", "--link", "--format", "json"))["pairs"] == 0


def test_a_file_is_held_against_the_index(patient: Make, tmp_path: Path) -> None:
    [known, _] = _place(patient(), patient("Okafor", "Per", "1980-01-05", "male", phone=None, address=None))
    file, out = tmp_path / "file.csv", tmp_path / "answers.csv"
    file.write_text(
        "first,last,dob,phone,street,city,zip\n"
        "Johanna,Lindqvist,1961-04-17,413-555-0142,12 Alder Street,Northampton,01060\n"
        "Johana,Lindqvist,1961-04-17,413-555-0142,12 Alder Street,Northampton,01060\n"
        "Nobody,Known,1999-09-09,,,,\n",
        encoding="utf-8",
    )
    assert "2 are persons known here" in _run("link", str(file), "--out", str(out))
    answers = list(csv.DictReader(out.open(encoding="utf-8")))
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM identity_person WHERE id = %s", [known.person])
        number = str(cursor.fetchone()[0])
    assert [(row["outcome"], row["person"]) for row in answers] == [("same", number), ("same", number), ("new", "")]
    refused = CliRunner().invoke(app, ["link", str(file), "--out", str(out)])
    assert refused.exit_code == 2
    assert "is there already" in refused.output
    out.unlink()
    _run("link", str(file), "--out", str(out), "--one-to-one")
    assert [row["outcome"] for row in csv.DictReader(out.open(encoding="utf-8"))] == ["same", "perhaps", "new"]


def _kept(version: str, bits: float) -> str:
    saved = json.loads(read_text("default_model.json"))
    saved["linker_uid"] = version
    saved["probability_two_random_records_match"] = 2**bits
    keep_model(
        system_context("test"), version, json.dumps(saved), term_frequencies(), {"patients": 700, "pairs": []}
    )
    return version


def test_a_model_is_put_in_force_and_taken_out_again() -> None:
    assert policy().model.version == default_model().version
    put_in_force(system_context("test"), _kept("site-a", -18))
    assert policy().model.version == "site-a"
    assert policy().model.prior == pytest.approx(-18, abs=0.01)
    put_in_force(system_context("test"), _kept("site-b", -22))
    assert policy().model.version == "site-b"
    assert "site-a" in _run("models")
    _run("use", default_model().version)
    assert policy().model.version == default_model().version
    with pytest.raises(NoSuchModel, match="There are charthouse-default-1, site-a, site-b"):
        put_in_force(system_context("test"), "site-c")


def test_only_who_may_changes_how_persons_are_matched() -> None:
    clerk = AccessContext(
        actor="user:1",
        name="Ann",
        roles=frozenset({Role.COORDINATOR}),
        purpose=system_context("x").purpose,
        clearance=system_context("x").clearance,
    )
    with pytest.raises(PermissionRefused):
        put_in_force(clerk, default_model().version)


def test_a_rescore_shows_what_would_be_decided_otherwise(patient: Make) -> None:
    _place(patient(), patient(phone=None, address=None, given="Johana"))
    _kept("site-strict", -40)
    told = _run("rescore", "site-strict")
    assert "perhaps" in told or "new" in told
    assert policy().model.version == default_model().version


@pytest.mark.slow
def test_train_learns_from_the_patients_here_and_changes_nothing_before_it_is_used() -> None:
    random = Random(5)
    writing, number = Writing(), 0
    for row in people(700, 5):
        for each in (row, copy(random, row, Noise())) if random.random() < 0.3 else (row,):
            number += 1
            made, person = prepare(patient_of(each), source=number % 2 + 1, labels=0), new_id()
            writing.persons.append(person)
            writing.rows[number] = IndexRow(number, f"p{number}", number % 2 + 1, person, made, made.keys())
    with transaction.atomic():
        write(writing)
    told = json.loads(_run("train", "--format", "json"))
    assert (told["patients"], told["before"], told["in_force"]) == (number, default_model().version, False)
    assert {row["filed_as_one"] for row in told["pairs"]} == {False} and told["weights"]["birth"]["same"][1] > 5
    assert policy().model.version == default_model().version
    assert told["model"] in _run("models")
    assert "is in force" in _run("use", told["model"])
    assert policy().model.version == told["model"]


def test_train_says_that_there_are_too_few(patient: Make) -> None:
    _place(patient())
    done = CliRunner().invoke(app, ["train"])
    assert done.exit_code == 1 and "1 patients are too few to learn from; 500 are needed." in done.output
