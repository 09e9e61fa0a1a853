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
import importlib.util
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# As the tests do, it runs this checkout and not one that is installed.
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
IMAGES = ROOT / "docs" / "images"
#: A picture larger than this has too much in it for the repository.
LARGEST = 150_000
WINDOW = {"width": 1440, "height": 900}
_COLOURS = 64
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


def _analysis(page: Any, address: str) -> None:
    page.goto(f"{address}/incomplete/")
    page.get_by_role("link", name="Quintanilla").click()
    page.get_by_role("heading", name="Chart analysis").wait_for()


def _owed(page: Any, address: str) -> None:
    page.goto(f"{address}/owed/")
    section = page.locator("section.owed", has_text="Mulholland")
    section.get_by_role("link", name="discharge summary").first.click()
    section.get_by_label("I read it and sign it").wait_for()


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
    Shot("analysis", "helen", _analysis),
    Shot("owed", "phyllis", _owed),
    Shot("completion", "manuel", _at("/incomplete/board")),
    Shot("letters", "helen", _at("/letters/")),
    Shot("ledger", "audra", _at("/ledger/")),
)


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
    if importlib.util.find_spec("playwright") is None:
        raise SystemExit(_INSTALL)
    from tests.support.browsers import find_browser, launched
    from tests.support.sites import running_site

    chromium = find_browser()
    if chromium is None:
        raise SystemExit(_INSTALL)
    IMAGES.mkdir(exist_ok=True)
    pages: dict[str, Any] = {}
    with (
        running_site(settings={"CHARTHOUSE_TIME_ZONE": "America/Chicago"}) as site,
        launched(chromium) as opened,
    ):
        for shot in SHOTS:
            if only and shot.name not in only:
                continue
            if shot.who not in pages:
                pages[shot.who] = _signed_in(opened, site.address, shot.who, site.passwords[shot.who])
            page = pages[shot.who]
            shot.go(page, site.address)
            page.wait_for_load_state("networkidle")
            small = palette(page.screenshot(animations="disabled", caret="hide"))
            if len(small) > LARGEST:
                raise SystemExit(f"{shot.name}.png has {len(small):,} bytes, more than {LARGEST:,}.")
            (IMAGES / f"{shot.name}.png").write_bytes(small)
            print(f"{shot.name}.png  {len(small):,} bytes")


if __name__ == "__main__":
    main()
