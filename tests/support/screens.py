"""What holds for every screen: axe finds nothing, nothing is cut off, everything is reached by Tab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import axe_playwright_python

#: The design's window, a small laptop, a telephone.
SIZES = [(1440, 900), (1024, 768), (390, 844)]

_AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")

#: The design's window at the browser's zoom of 200 %.
_ZOOMED = {"width": 720, "height": 450, "deviceScaleFactor": 2, "mobile": False}

#: What hides what is beyond its edge, and has something there: sideways, and below.
_CUT_OFF = """() => [...document.querySelectorAll("main *, header *, nav *, footer *")].filter((element) => {
  const style = getComputedStyle(element);
  if (element.closest(".unseen") || element.title || element.clientWidth === 0) return false;
  const hides = (overflow) => ["hidden", "clip"].includes(overflow);
  return (hides(style.overflowX) && element.scrollWidth > element.clientWidth + 1)
    || (hides(style.overflowY) && element.scrollHeight > element.clientHeight + 1);
}).map((element) => element.outerHTML.slice(0, 120))"""

#: The browser's setting for the size of text, in pixels. Media queries in rem follow it, as they do for a person.
_ROOT_SIZE = "getComputedStyle(document.documentElement).fontSize"
_USUAL_TEXT = {"standard": 16, "fixed": 13}
_LARGE_TEXT = {"standard": 32, "fixed": 26}

_MARK_REACHABLE = """() => {
  const wanted = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")].filter(
    (element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled
      && element.type !== "hidden" && !element.closest("dialog:not([open])"));
  wanted.forEach((element, at) => { element.dataset.testPlace = at; });
  return wanted.map((element) => element.outerHTML.slice(0, 100));
}"""

#: A form puts the focus into its first field; this puts it before everything.
_FROM_THE_TOP = """() => { const before = document.createElement("span"); before.tabIndex = -1;
  document.body.prepend(before); before.focus(); }"""

_STILL_THERE = """() =>
  [...document.querySelectorAll("[data-test-place]")].map((element) => Number(element.dataset.testPlace))"""

_AT_HAND = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const box = element.getBoundingClientRect();
  const inside = (x, y) => { const top = document.elementFromPoint(x, y);
    return top && (element.contains(top) || top.contains(element)); };
  const y = Math.min(Math.max(box.top + box.height / 2, 0), innerHeight - 1);
  const seen = [0.1, 0.5, 0.9].some((part) => inside(box.left + box.width * part, y));
  return { place: element.dataset.testPlace ?? null, seen, ring: getComputedStyle(element).outlineStyle !== "none",
    words: element.outerHTML.slice(0, 100),
    where: `${Math.round(box.left)}, ${Math.round(y)} of ${innerWidth} × ${innerHeight}: ${
      document.elementFromPoint(box.left + box.width / 2, y)?.outerHTML.slice(0, 100)}` };
}"""


def assert_no_axe_violations(page: Any, *rules: str) -> None:
    """WCAG 2.2 AA and axe's best practices, or only some rules."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    if not page.evaluate("() => typeof window.axe === 'object'"):
        page.evaluate(_AXE)
    found = page.evaluate(f"() => axe.run({json.dumps(options)}).then((each) => each.violations)")
    said = [
        f"{each['id']}: {node['html'][:160]} ({node['failureSummary']})" for each in found for node in each["nodes"]
    ]
    assert said == []


def press(page: Any, key: str) -> None:
    """A key as a person presses it: when the page is whole. Before, its script does not hear it yet."""
    page.wait_for_load_state()
    page.keyboard.press(key)


def assert_nothing_is_cut_off(page: Any) -> None:
    """At each size, zoomed, and with text twice as large, the page is no wider than its window, and no text ends
    before its end."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        _whole(page, f"{width} × {height}")
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    session = page.context.new_cdp_session(page)
    session.send("Page.setFontSizes", {"fontSizes": _LARGE_TEXT})
    assert (
        page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == _LARGE_TEXT["standard"]
    )
    _whole(page, "text at 200 %")
    session.send("Page.setFontSizes", {"fontSizes": _USUAL_TEXT})
    session.send("Emulation.setDeviceMetricsOverride", _ZOOMED)
    _whole(page, "zoom of 200 %")
    session.detach()
    # Playwright sends a size only where it knows of another.
    page.set_viewport_size({"width": SIZES[0][0] - 1, "height": SIZES[0][1]})
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})


def _whole(page: Any, at: str) -> None:
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 0, f"{over} px too wide at {at}"
    cut_off = page.evaluate(_CUT_OFF)
    assert cut_off == [], f"cut off at {at}: {cut_off}"


def assert_everything_is_reached_by_tab(page: Any) -> None:
    """In the design's window and on a telephone; and is seen, with its ring, when it has the focus."""
    for width, height in (SIZES[0], SIZES[2]):
        page.set_viewport_size({"width": width, "height": height})
        _reached(page, f"{width} × {height}")
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})


def _reached(page: Any, at: str) -> None:
    wanted = page.evaluate(_MARK_REACHABLE)
    page.evaluate(_FROM_THE_TOP)
    reached = set()
    for _ in range(len(wanted) + 40):
        page.keyboard.press("Tab")
        at_hand = page.evaluate(_AT_HAND)
        if at_hand is None:
            break
        if at_hand["place"] is not None:
            reached.add(int(at_hand["place"]))
            assert at_hand["seen"], (
                f"has the focus and is covered at {at}: {at_hand['words']}, at {at_hand['where']}"
            )
            assert at_hand["ring"], f"has the focus and does not show it at {at}: {at_hand['words']}"
    # What a preview has put in the place of something else is not missed.
    there = set(page.evaluate(_STILL_THERE))
    missed = [words for place, words in enumerate(wanted) if place in there - reached]
    assert missed == [], f"not reached by Tab at {at}: {missed}"


def assert_open_to_everybody(page: Any) -> None:
    """One heading of the first level, no style or script in the page, and all of the above, light and dark."""
    assert page.locator("h1").count() == 1
    assert page.locator("[style], script:not([src])").count() == 0
    assert_no_axe_violations(page)
    page.emulate_media(color_scheme="dark")
    assert_no_axe_violations(page, "color-contrast")
    page.emulate_media(color_scheme="light")
    assert_nothing_is_cut_off(page)
    assert_everything_is_reached_by_tab(page)


def assert_the_keys_are_named(page: Any) -> None:
    """The question mark names every key of the screen's key bar, and those that are everywhere."""
    bar = set(page.locator(".keybar li > kbd").all_inner_texts())
    page.keyboard.press("?")
    page.locator("#keys").wait_for()
    shown = {stroke for text in page.locator("#keys dt").all_inner_texts() for stroke in text.split()}
    assert bar - {"g", "j", "k", "Enter"} <= shown and {"L", "Esc"} <= shown
    page.keyboard.press("Escape")
