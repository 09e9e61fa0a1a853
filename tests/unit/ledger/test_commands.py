"""``charthouse ledger`` says in words what it found, and with its exit code whether all is well."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.ledger.api import entries
from charthouse.foundation.ledger.commands import app


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def sealed(committed_db: str, write: Callable[[int], None]) -> None:
    write(10)
    assert "10 entries sealed" in run("seal").output
    assert "Everything is sealed" in run("seal").output
    write(2)


def test_a_whole_ledger_is_said_to_be_whole_with_what_awaits_sealing(sealed: None) -> None:
    result = run("verify")
    assert result.exit_code == 0
    assert "10 sealed entries in 1 rounds" in result.output
    assert "Not sealed yet, and so not protected yet: 2 entries" in result.output
    assert "The ledger is whole" in result.output


def test_damage_is_named_and_the_exit_code_says_so(sealed: None, intruder: Any) -> None:
    intruder.does("UPDATE ledger_entry SET actor = 'user:2' WHERE seq = 4")
    result = run("verify")
    assert result.exit_code == 1
    assert "THE LEDGER IS DAMAGED: 1 findings" in result.output
    assert "Number 4 of lane" in result.output
    result = run("verify", "--json")
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert not found["whole"]
    assert (found["checked"], found["unsealed"], found["damage_count"]) == (9, 2, 1)
    assert (found["damage"][0]["kind"], found["damage"][0]["seq"]) == ("edited", 4)


def test_a_parted_ledger_is_not_sealed_until_somebody_resumes_with_a_reason(sealed: None, intruder: Any) -> None:
    intruder.does("TRUNCATE ledger_seal")
    result = run("seal")
    assert result.exit_code == 1
    assert "charthouse ledger resume" in result.output
    assert run("resume", "--reason", " ").exit_code == 2
    assert run("resume", "--reason", "restored the dump of Sunday").exit_code == 0
    assert run("seal").exit_code == 0
    result = run("verify")
    assert result.exit_code == 0
    assert "restored the dump of Sunday" in result.output


def test_showing_entries_is_itself_logged(sealed: None, ctx: AccessContext) -> None:
    result = run("show", "--patient", "p2", "--limit", "5")
    assert result.exit_code == 0
    assert result.output.count("chart.opened") == 2
    newest = entries(ctx, limit=1).lines[0]
    assert (newest.action, newest.actor, newest.detail["entries"]) == ("ledger.read", "system:command-line", 2)
