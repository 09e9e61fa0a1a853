"""A site and a browser for the scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.browsers import launched
from tests.support.sites import Site, running_site


@pytest.fixture(scope="package")
def charthouse(browser_path: str) -> Iterator[Site]:
    """Started by the one command; the first day and the mornings after it happen in it, in order."""
    with running_site() as site:
        yield site


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Any]:
    with launched(browser_path) as opened:
        yield opened
