"""A site and a browser for the scenarios of one module."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .living import FLAGS, PATIENCE, Charthouse


@pytest.fixture(scope="module")
def charthouse(browser_path: str) -> Iterator[Charthouse]:
    """Started by the one command; everything below happens in it, in order."""
    folder = Path(tempfile.mkdtemp(prefix="ch-"))
    folder.chmod(0o711)
    here = Charthouse(folder)
    process = here.start()
    try:
        here.wait_until_ready(process)
        yield here
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        yield opened
        opened.close()
