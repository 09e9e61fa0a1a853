"""The browser of this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Nothing that the browser does by itself, on the network or beside the page.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: The one without a window first: it takes a third of the time for each page that is opened.
_NAMES = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
_ON_A_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def find_browser() -> str | None:
    """A Chromium: the one that CHARTHOUSE_BROWSER names, else one on the path."""
    if wanted := os.environ.get("CHARTHOUSE_BROWSER"):
        return shutil.which(wanted)
    names = [*_NAMES, _ON_A_MAC] if sys.platform == "darwin" else _NAMES
    return next(filter(None, map(shutil.which, names)), None)


#: Milliseconds that a page is waited for, on a machine with much else to do.
PATIENCE = 60_000


@contextmanager
def launched(path: str) -> Iterator[Any]:
    """The browser at this path. Playwright keeps an event loop in the thread as long as it runs, under which Django
    refuses the database; so close it before other tests."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()
