"""A hospital's charts analysed from the command line: what the key says is found, and no more; rules are tried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest
from typer.testing import CliRunner

from charthouse.completion.commands import app
from charthouse.completion.queries import all_encounters, facts_of
from charthouse.configuration import Configuration, configuration
from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.teaching.actions.build_hospital import build_hospital
from charthouse.teaching.commands import app as teaching
from charthouse.teaching.domain.hospital import Hospital
from charthouse.teaching.domain.plants import DEFAULT_RATES

ANCHOR = datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("America/Chicago"))
RATES = {kind: 0.35 if kind.startswith("chart") else rate for kind, rate in DEFAULT_RATES.items()}
PATIENTS = 48
ALL = system_context("test")
PACK = """
pack: completion.tried
title: Tried
rules:
  - code: completion.discharge-summary
    title: Discharge summary
    text: Nobody needs one.
    authority: This hospital
    citation: Bylaws
    force: convention
    effective: 2020-01-01
"""


def run(*arguments: str, exit_code: int = 0) -> dict[str, object]:
    done = CliRunner().invoke(app, [*arguments, "--format", "json"])
    assert done.exit_code == exit_code, done.output
    found: dict[str, object] = orjson.loads(done.stdout)
    return found


@pytest.fixture
def chicago() -> Iterator[None]:
    """The site's days are the hospital's: what counts in days ends with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARTHOUSE_TIME_ZONE", "America/Chicago")
        configuration.cache_clear()
        yield
    configuration.cache_clear()


@pytest.mark.slow
def test_what_the_key_says_is_found_and_no_more_and_rules_are_tried(
    committed_db: str, tmp_path: Path, chicago: None
) -> None:
    key = tmp_path / "key.jsonl"
    site = Configuration(tmp_path, tmp_path, kind="demo", time_zone="America/Chicago")
    build_hospital(site, Hospital(7, ANCHOR, RATES), PATIENTS, key, lambda _: None)

    scored = CliRunner().invoke(teaching, ["score", "completion", "--key", str(key), "--format", "json"])
    line = orjson.loads(scored.stdout)
    assert (line["missed"], line["beside"]) == ([], [])
    assert line["all"]["precision"] == line["all"]["recall"] == 1.0
    assert line["all"]["expected"] > 40 and len(line["kinds"]) > 12
    assert line["near_misses"]["expected"] == line["near_misses"]["left_alone"] > 10
    assert scored.exit_code == 0

    # A line more in the key is one that is missed.
    more = tmp_path / "more.jsonl"
    more.write_bytes(key.read_bytes() + b'{"visit": "1", "deficiency": "consent", "what": "missing"}\n')
    scored = CliRunner().invoke(teaching, ["score", "completion", "--key", str(more)])
    assert scored.exit_code == 1
    assert "Not found: consent missing, visit 1" in scored.stdout

    whole = run("analyse", "--all")
    assert whole["encounters"] == line["encounters"]
    # From what is kept flat, which the analysis of all does on its way, the same is found as from the record.
    kept = run("rebuild")
    assert kept["read"] == 0
    assert run("rebuild", "--all") == {**kept, "read": kept["encounters"]}
    assert run("analyse", "--all") == whole
    tried = tmp_path / "tried.yaml"
    tried.write_text(PACK, "utf-8")
    compared = run("analyse", "--all", "--rules", str(tried))
    counts = compared["deficiencies"]
    assert isinstance(counts, list)
    summaries = [each for each in counts if each["kind"] == "discharge-summary"]
    assert compared["closes"] == summaries != []
    assert compared["opens"] == []

    # What was adopted here is what commands go by.
    adopted = CliRunner().invoke(app, ["adopt", str(tried), "--note", "No summaries", "--format", "json"])
    assert adopted.exit_code == 0, adopted.output
    ours = run("analyse", "--all")["deficiencies"]
    assert ours == [each for each in counts if each["kind"] != "discharge-summary"]
    rules = CliRunner().invoke(app, ["rules"]).output
    assert "completion.discharge-summary" not in rules and "completion.consent" in rules
    score = ["score", "completion", "--key", str(key), "--format", "json"]
    assert CliRunner().invoke(teaching, score).exit_code == 1
    shipped = CliRunner().invoke(teaching, [*score, "--shipped"])
    assert shipped.exit_code == 0 and orjson.loads(shipped.stdout) == line
    back = CliRunner().invoke(app, ["adopt", "--note", "Summaries again"])
    assert back.exit_code == 0 and run("analyse", "--all") == whole

    # In chunks of any size the same facts, and one by one, too.
    listed = [facts for some in all_encounters(ALL, together=7) for facts in some]
    assert len(listed) == line["encounters"]
    by_id = {facts.id: facts for facts in listed}
    some = list(by_id)[::9]
    assert {id: len(each.documents) for id, each in facts_of(ALL, some).items()} == {
        id: len(by_id[id].documents) for id in some
    }
    lacking = next(each for each in listed if each.documents)
    told = run("analyse", "--encounter", lacking.id)
    assert isinstance(told["encounters"], list)
    assert told["encounters"][0]["encounter"] == lacking.id
    by_number = run("analyse", "--encounter", lacking.number)
    assert by_number == told
    with pytest.raises(PermissionRefused):
        next(all_encounters(AccessContext("user:1", "Coder", frozenset({Role.CODER}))))


def test_commands_say_what_is_wrong(db: None, tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["analyse"]).exit_code == 2
    unknown = runner.invoke(app, ["analyse", "--encounter", "nothing"])
    assert unknown.exit_code == 1 and "There is no encounter nothing" in unknown.output
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(PACK + "    demand: {kind: a-kind}\n", "utf-8")
    refused = runner.invoke(app, ["analyse", "--all", "--rules", str(wrong)])
    assert refused.exit_code == 1 and "demand.owed_by: names nobody" in refused.output
    rules = runner.invoke(app, ["rules", "--facility-type", "critical-access-hospital"])
    assert rules.exit_code == 0 and "485.638" in rules.output
