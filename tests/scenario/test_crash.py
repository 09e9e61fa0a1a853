"""Kill -9 of the database, the listener, the filing and the application while messages flow; a small run of
``charthouse bench crash``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from charthouse.foundation.processes import charthouse_command, child_environment


@pytest.mark.slow
@pytest.mark.parametrize("seed", [14])
def test_what_was_acknowledged_is_there_once_after_every_crash(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    done = subprocess.run(
        charthouse_command(
            "bench", "crash", "--times", "5", "--connections", "4", "--pause", "1.5", "--seed", str(seed)
        ),
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["bench"] == "crash"
    assert found["acknowledged"] > 20
    assert "database" in found["killed"]
    assert [found[name] for name in ("lost", "twice", "not_filed", "versions_twice", "wrong_patients")] == [0] * 5
    assert found["ledger_damage"] == 0
