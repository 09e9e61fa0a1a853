"""A hospital on the command line and in the record: filed whole, written whole, refused in words."""

from __future__ import annotations

import io
from collections import Counter
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import fhirkit
import orjson
import pytest
from django.db import connection
from typer.testing import CliRunner

from charthouse.configuration import Configuration, ConfigurationError
from charthouse.foundation.access.api import system_context
from charthouse.identity import api as identity
from charthouse.intake import api as intake
from charthouse.intake.api import Connector, take_in
from charthouse.people import api as people
from charthouse.record import api as record
from charthouse.teaching.actions.build_hospital import Built, build_hospital
from charthouse.teaching.commands import app
from charthouse.teaching.domain.hospital import Hospital, patients
from charthouse.teaching.domain.plants import DEFAULT_RATES

ZONE = ZoneInfo("America/Chicago")
ANCHOR = datetime(2026, 3, 2, 12, tzinfo=ZONE)
HOSPITAL = Hospital(5, ANCHOR, {**DEFAULT_RATES, "unfiled_message": 0.1})
ALL = system_context("test")
DAY = ["--day", "2026-03-02"]


def test_sixty_patients_are_filed_and_only_what_the_key_names_is_not(committed_db: str, tmp_path: Path) -> None:
    told_of: list[int] = []
    key = tmp_path / "key.jsonl"
    site = Configuration(tmp_path, tmp_path, kind="demo")
    built: Built = build_hospital(site, HOSPITAL, 60, key, told_of.append)

    answers = [orjson.loads(line) for line in key.read_bytes().splitlines()]
    planted = [each for each in answers if each["kind"] == "unfiled_message"]
    assert planted
    assert built.states == {"filed": built.messages - len(planted), "unfiled": len(planted)}
    assert intake.unfiled_count(ALL) == len(planted)
    assert sum(told_of) == built.patients == 60
    assert len(answers) == built.answers
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(created) + sum(updated) FROM intake_message")
        assert built.resources == cursor.fetchone()[0] > built.messages
    assert 20 < built.peak_mb < 2_000
    place = people.facility_by_code("HRMC")
    assert place is not None and place.name == "Harbor Ridge Medical Center"

    # Somebody who was in hospital is found by name, with the documents of the stay.
    one = next(each for each in patients(HOSPITAL, 1, 60) if each.stays and each.person.birth is None)
    hits = identity.find(ALL, one.person.mrn, 5)
    assert len(hits) == 1
    assert one.person.mrn in hits[0].mrns
    assert record.documents(ALL, identity.patients_of(ALL, hits[0].person)).rows

    # The visits that were made of the messages are valid to a validator that is not ours (fhirkit).
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient FROM identity_source_patient")
        everybody = [row[0] for row in cursor.fetchall()]
        stored = record.of_patients(cursor, ALL, everybody, ["Encounter"])
    assert len(stored) > 60
    wrong = {
        f"{issue.path}: {issue.message}"
        for each in stored
        for issue in fhirkit.validate(orjson.dumps(each.resource))
        if issue.severity == "error"
    }
    assert wrong == set()

    # Twins and namesakes stay two.
    for answer in answers:
        if answer["kind"] == "duplicate" and answer["near_miss"] and "Twins" in answer["finding"]:
            one_, other = (identity.find(ALL, answer[name], 5)[0].person for name in ("mrn", "other_mrn"))
            assert one_ != other

    # Once more: nothing is new.
    again = build_hospital(site, HOSPITAL, 8, tmp_path / "again.jsonl", told_of.append)
    assert again.states == {"duplicate": again.messages}


def test_files_say_the_same_as_what_is_filed(tmp_path: Path) -> None:
    folder = tmp_path / "hospital"
    result = CliRunner().invoke(app, ["build", "--patients", "6", "--seed", "5", *DAY, "--out", str(folder)])
    assert result.exit_code == 0, result.output
    told = list(patients(Hospital(5, at_noon(), DEFAULT_RATES), 1, 6))
    hl7 = b"".join(each.data for one in told for each in one.messages if not each.bundle)
    assert (folder / "feeds" / "hospital-000001.hl7").read_bytes() == hl7
    bundles = {each.control: each.data for one in told for each in one.messages if each.bundle}
    assert {path.stem: path.read_bytes() for path in (folder / "feeds" / "clinic").iterdir()} == bundles
    assert orjson.loads((folder / "about.json").read_bytes())["seed"] == 5

    # A folder that holds something is left alone.
    refused = CliRunner().invoke(app, ["build", "--patients", "2", "--out", str(folder)])
    assert refused.exit_code == 1
    assert "not empty" in refused.output


def at_noon() -> datetime:
    from charthouse.configuration import configuration

    return datetime(2026, 3, 2, 12, tzinfo=ZoneInfo(configuration().time_zone))


def test_written_files_are_taken_in_like_any_others(committed_db: str, tmp_path: Path) -> None:
    folder = tmp_path / "hospital"
    none = ["--plant", "all=0"]
    result = CliRunner().invoke(app, ["build", "--patients", "4", "--seed", "9", *DAY, *none, "--out", str(folder)])
    assert result.exit_code == 0, result.output
    states: Counter[str] = Counter()
    for path in sorted(folder.rglob("hospital-*.hl7")):
        for taken in take_in(io.BytesIO(path.read_bytes()), connector=Connector.FILES):
            assert taken.result is not None
            states[taken.result.state.value] += 1
    assert set(states) == {"filed"}


def test_a_real_site_is_refused(tmp_path: Path) -> None:
    site = Configuration(tmp_path, tmp_path, kind="real")
    with pytest.raises(ConfigurationError, match="real site"):
        build_hospital(site, HOSPITAL, 1, tmp_path / "key.jsonl", lambda _: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("units", "KIND=RATE"),
        ("units=2", "from 0 to 1"),
        ("units=often", "KIND=RATE"),
        ("unitz=0.1", "no kind 'unitz'"),
    ],
)
def test_a_wrong_rate_is_answered_in_words(told: str, said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["build", "--plant", told, "--out", str(tmp_path / "new")])
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "new").exists()


def test_the_report_adds_up() -> None:
    result = CliRunner().invoke(app, ["report", "--patients", "48", "--seed", "5", *DAY])
    assert result.exit_code == 0, result.output
    readmitted = [line for line in result.output.splitlines() if line.startswith("Readmitted within 30 days")]
    assert "13.9%" in readmitted[0]
    assert "HCUP Statistical Brief 248, for 2016; unverified" in readmitted[-1]
    ages = result.output.split("\nAge")[1].split("\nSex")[0]
    counts = [int(line.split(" of 48 ")[0].split()[-1]) for line in ages.splitlines() if " of 48 " in line]
    assert sum(counts) == 48


def test_every_kind_is_listed_with_its_meaning() -> None:
    result = CliRunner().invoke(app, ["kinds"])
    assert all(kind in result.output for kind in DEFAULT_RATES)
