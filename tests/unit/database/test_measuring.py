"""Databases of measurements: kept by a name, used again, dropped, each by a command that starts the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from charthouse.foundation.database.layout import Layout


def measure(layout: Layout, *options: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    asked = ["bench", "identity", "online", "--size", "1000", "--arrivals", "100", "--clients", "1", *options]
    return subprocess.run(
        [sys.executable, "-m", "charthouse", *asked],
        env={**clean, "CHARTHOUSE_DATA": str(layout.data)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_kept_database_is_used_again_and_dropped(layout: Layout) -> None:
    kept = measure(layout, "--keep", "small")
    assert kept.returncode == 0, kept.stderr
    dropped = measure(layout, "--use", "small", "--drop")
    assert dropped.returncode == 0, dropped.stderr
    assert json.loads(dropped.stdout)["size"] > 1000
    gone = measure(layout, "--use", "small")
    assert gone.returncode == 2 and "There is no database kept as “small”" in gone.stderr
