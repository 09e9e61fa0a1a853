"""What tests of completion stand on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from charthouse.foundation.clock import frozen

from .desk_house import NOW, House, make_house


@pytest.fixture
def house(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house at one moment, rolled back."""
    with frozen(NOW):
        yield make_house(monkeypatch)


@pytest.fixture
def standing_house(committed_db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A house whose transactions commit."""
    with frozen(NOW):
        yield make_house(monkeypatch)
