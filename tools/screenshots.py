"""Make the pictures of the documentation from the synthetic hospital.

    python tools/screenshots.py              make docs/images/ anew
    python tools/screenshots.py queue chart  make only these

Starts a demonstration of its own in a temporary folder, on free ports, with the hospital it begins with, signs in,
and photographs the screens in a window of 1440 × 900, which takes about two minutes. Needs Playwright,
which ``./charthouse test`` installs, and a Chromium, found on the path or named by ``CHARTHOUSE_BROWSER``.

The people are the same every time. Dates, hours and opaque numbers are not, so a picture differs a little from the
last one; look at it before you commit it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
#: A picture larger than this has too much in it for the repository.
LARGEST = 150_000
WINDOW = {"width": 1440, "height": 900}
_COLOURS = 64
_PATIENCE = 240
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
_INSTALL = (
    "Screenshots need Playwright and a Chromium. Install the first with ./charthouse test (or: pip install "
    "playwright), the second with your system's package, or name one in CHARTHOUSE_BROWSER."
)


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: its name, who looks, and how they come there."""

    name: str
    who: str
    go: Callable[[Any, str], None]


def _at(path: str) -> Callable[[Any, str], None]:
    def go(page: Any, address: str) -> None:
        page.goto(address + path)

    return go


def _chart(section: str = "", *, first: str = "") -> Callable[[Any, str], None]:
    """The chart of the demonstration's first patient, found as a person finds it."""

    def go(page: Any, address: str) -> None:
        page.goto(f"{address}/")
        page.keyboard.press("/")
        page.keyboard.type("abern", delay=20)
        page.get_by_role("option").first.wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.locator(".banner").first.wait_for()
        if section:
            page.goto(page.url.partition("?")[0].rstrip("/").replace("/overview", "") + f"/{section}")
        if first:
            page.locator(first).first.click()
            page.wait_for_load_state("networkidle")

    return go


def _searching(page: Any, address: str) -> None:
    page.goto(f"{address}/")
    page.keyboard.press("/")
    page.keyboard.type("mar", delay=20)
    page.get_by_role("option").first.wait_for()


def _duplicate(page: Any, address: str) -> None:
    page.goto(f"{address}/queues/identity.possible-duplicates/")
    page.keyboard.press("n")
    page.wait_for_url("**/duplicates/*")


def _registering(page: Any, address: str) -> None:
    page.goto(f"{address}/register/")
    for name, value in (("family", "Abernathy"), ("given", "Ruth"), ("birth", "3/18/1947")):
        page.locator(f"#form-{name}").press_sequentially(value, delay=20)
    page.get_by_role("complementary", name="Perhaps here already").get_by_role("link").first.wait_for()


def _printing(page: Any, address: str) -> None:
    _chart("medications")(page, address)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("p")
    page.get_by_role("dialog").first.wait_for()


SHOTS = (
    Shot("board", "helen", _at("/")),
    Shot("queue", "helen", _at("/queues/identity.possible-duplicates/")),
    Shot("duplicate", "helen", _duplicate),
    Shot("find", "helen", _searching),
    Shot("chart", "helen", _chart()),
    Shot("results", "helen", _chart("results")),
    Shot("source", "helen", _chart("results", first="a[data-key='w']")),
    Shot("print", "helen", _printing),
    Shot("unfiled", "helen", _at("/unfiled/")),
    Shot("register", "colin", _registering),
    Shot("people", "adam", _at("/people/")),
    Shot("ledger", "audra", _at("/ledger/")),
)


def browser() -> str:
    """A Chromium of this machine."""
    wanted = os.environ.get("CHARTHOUSE_BROWSER")
    for name in [wanted] if wanted else ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]:
        if found := shutil.which(name):
            return found
    raise SystemExit(_INSTALL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def demonstration(folder: Path) -> Any:
    """A demonstration as it is first started; yields its address and the passwords by user name."""
    port = _free_port()
    environment = os.environ | {
        "CHARTHOUSE_DATA": str(folder / "data"),
        "CHARTHOUSE_KEYS": str(folder / "keys"),
        "CHARTHOUSE_PORT": str(port),
        "CHARTHOUSE_MLLP_PORT": str(_free_port()),
        "CHARTHOUSE_TIME_ZONE": "America/Chicago",
        "PYTHONPATH": str(ROOT / "src"),
    }
    environment.pop("DATABASE_URL", None)
    # As root the database runs as another account, which has to come through.
    folder.chmod(0o711)
    accounts = folder / "data" / "demo-accounts.json"
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "charthouse", "start"], env=environment, stdout=log, stderr=log
        )
        try:
            until = time.monotonic() + _PATIENCE
            while b"is ready" not in (folder / "log").read_bytes():
                if started.poll() is not None or time.monotonic() > until:
                    raise SystemExit("The demonstration does not start:\n" + (folder / "log").read_text("utf-8"))
                time.sleep(0.5)
            passwords = {name: password for _, name, password in json.loads(accounts.read_text("utf-8"))}
            yield f"http://127.0.0.1:{port}", passwords
        finally:
            started.send_signal(signal.SIGINT)
            started.wait(60)


def _signed_in(opened: Any, address: str, name: str, password: str) -> Any:
    """A page of somebody signed in, in a window of the design's size."""
    context = opened.new_context(viewport=WINDOW, color_scheme="light", reduced_motion="reduce", locale="en-US")
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{address}/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.locator(".keybar").wait_for()
    return page


def palette(png: bytes) -> bytes:
    """The same picture in few colours, as small as it gets."""
    from PIL import Image

    small = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        few = image.convert("RGB").quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    names = [shot.name for shot in SHOTS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"which pictures: {', '.join(names)}; default all")
    only = parser.parse_args().only
    if unknown := set(only) - set(names):
        parser.error(f"there is no picture {', '.join(sorted(unknown))}")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit(_INSTALL) from None
    chromium = browser()
    IMAGES.mkdir(exist_ok=True)
    pages: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(prefix="charthouse-pictures-") as folder,
        demonstration(Path(folder)) as (address, passwords),
        sync_playwright() as playwright,
    ):
        opened = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        for shot in SHOTS:
            if only and shot.name not in only:
                continue
            if shot.who not in pages:
                pages[shot.who] = _signed_in(opened, address, shot.who, passwords[shot.who])
            page = pages[shot.who]
            shot.go(page, address)
            page.wait_for_load_state("networkidle")
            small = palette(page.screenshot(animations="disabled", caret="hide"))
            if len(small) > LARGEST:
                raise SystemExit(f"{shot.name}.png has {len(small):,} bytes, more than {LARGEST:,}.")
            (IMAGES / f"{shot.name}.png").write_bytes(small)
            print(f"{shot.name}.png  {len(small):,} bytes")
        opened.close()


if __name__ == "__main__":
    main()
