"""What holds for every screen: axe finds nothing, nothing is cut off, everything is reached by Tab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import axe_playwright_python

#: The design's window, a small laptop, a telephone, and the design's window at 200 % zoom.
SIZES = [(1440, 900), (1024, 768), (390, 844), (720, 450)]

_AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")

_CUT_OFF = """() => [...document.querySelectorAll("main *, header *, nav *, footer *")].filter((element) => {
  const style = getComputedStyle(element);
  if (!["hidden", "clip"].includes(style.overflowX) || element.closest(".unseen") || element.title) return false;
  return element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
}).map((element) => element.outerHTML.slice(0, 120))"""

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
    words: element.outerHTML.slice(0, 100) };
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


def assert_nothing_is_cut_off(page: Any) -> None:
    """At each size the page is no wider than its window, and no text ends before its end."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{over} px too wide at {width} × {height}"
        assert page.evaluate(_CUT_OFF) == [], f"cut off at {width} × {height}"
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})


def assert_everything_is_reached_by_tab(page: Any) -> None:
    """And is seen, with its ring, when it has the focus."""
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
            assert at_hand["seen"], f"has the focus and is covered: {at_hand['words']}"
            assert at_hand["ring"], f"has the focus and does not show it: {at_hand['words']}"
    # What a preview has put in the place of something else is not missed.
    there = set(page.evaluate(_STILL_THERE))
    assert [words for at, words in enumerate(wanted) if at in there - reached] == []


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
