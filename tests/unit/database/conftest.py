from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from charthouse.foundation.database.embedded import open_server
from charthouse.foundation.database.layout import Layout
from charthouse.foundation.database.server import stop


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="ch-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that the account of the server may enter, gone afterwards."""
    with _folder() as made:
        yield made


@pytest.fixture
def empty(folder: Path) -> Iterator[Layout]:
    """The layout of an installation without a database yet; its server is stopped afterwards."""
    here = Layout(folder / "data")
    yield here
    stop(here)


@pytest.fixture(scope="session")
def made() -> Iterator[Layout]:
    """An installation whose cluster was made once for all tests."""
    with _folder() as folder:
        here = Layout(folder / "data")
        open_server(here).release()
        yield here
        stop(here)


@pytest.fixture
def layout(made: Layout) -> Iterator[Layout]:
    """An installation with a cluster that does not run; its server is stopped afterwards."""
    yield made
    stop(made)


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give up its rights")
