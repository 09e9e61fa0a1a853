"""A store and a key directory of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from charthouse import configuration as configuration_module
from charthouse.configuration import Configuration, configuration


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Configuration]:
    """The installation, with its files and keys in the test's own folder."""
    own = replace(configuration(), data=tmp_path / "data", keys=tmp_path / "keys")
    for module in ("foundation.files.keys", "foundation.files.store", "foundation.database.secrets"):
        monkeypatch.setattr(f"charthouse.{module}.configuration", lambda: own)
    assert configuration_module.configuration is configuration
    yield own
