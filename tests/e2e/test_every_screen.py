"""What holds for every screen: axe finds nothing, nothing is cut off, everything is reached by keyboard."""

from __future__ import annotations

from typing import Any

import pytest

LIDIA = "018f0000-0000-7000-8000-000000000001"
EMPTY = "018f0000-0000-7000-8000-000000000002"
HOSTILE = "018f0000-0000-7000-8000-000000000003"
CHART = f"/chart/{LIDIA}"
NOWHERE = f"{CHART}/nothing-of-the-kind"
SECTIONS = [
    "overview",
    "encounters",
    "documents",
    "results",
    "vitals",
    "problems",
    "medications",
    "allergies",
    "immunizations",
    "procedures",
    "appointments",
    "coverage",
]
SCREENS = [
    "/",
    "/find/",
    f"/chart/{HOSTILE}/",
    *[f"{CHART}/{section}" for section in SECTIONS],
    f"{CHART}/results?view=dates",
    *[f"{CHART}/documents/DocumentReference/documentreference-{number}" for number in (1, 3, 4)],
    f"{CHART}/item/Observation/observation-2",
    f"{CHART}/from/Observation/observation-2",
    f"{CHART}/print/results",
    "/queues/machinery/",
    "/queues/identity.possible-duplicates/?tab=finished",
    "/queues/intake.unfiled/",
    "/unfiled/",
    "/unfiled/?state=refused",
    "/unfiled/4711",
    "/ledger/",
    "/ledger/seal",
    "/rules/",
    "/rules/people.lockout",
    "/account/",
    NOWHERE,
]
#: The design's window, a small laptop, a telephone, and the design's window at 200 % zoom.
SIZES = [(1440, 900), (1024, 768), (390, 844), (720, 450)]

CUT_OFF = """() => [...document.querySelectorAll("main *, header *, nav *, footer *")].filter((element) => {
  const style = getComputedStyle(element);
  if (!["hidden", "clip"].includes(style.overflowX) || element.closest(".unseen") || element.title) return false;
  return element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
}).map((element) => element.outerHTML.slice(0, 120))"""

MARK_REACHABLE = """() => {
  const wanted = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")].filter(
    (element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled
      && element.type !== "hidden" && !element.closest("dialog:not([open])"));
  wanted.forEach((element, at) => { element.dataset.testPlace = at; });
  return wanted.map((element) => element.outerHTML.slice(0, 100));
}"""

STILL_THERE = """() =>
  [...document.querySelectorAll("[data-test-place]")].map((element) => Number(element.dataset.testPlace))"""

AT_HAND = """() => {
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
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    found = Axe().run(page, options=options).response["violations"]
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
        assert page.evaluate(CUT_OFF) == [], f"cut off at {width} × {height}"
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})


def assert_everything_is_reached_by_tab(page: Any) -> None:
    """And is seen, with its ring, when it has the focus."""
    wanted = page.evaluate(MARK_REACHABLE)
    reached = set()
    for _ in range(len(wanted) + 40):
        page.keyboard.press("Tab")
        at_hand = page.evaluate(AT_HAND)
        if at_hand is None:
            break
        if at_hand["place"] is not None:
            reached.add(int(at_hand["place"]))
            assert at_hand["seen"], f"has the focus and is covered: {at_hand['words']}"
            assert at_hand["ring"], f"has the focus and does not show it: {at_hand['words']}"
    # What a preview has put in the place of something else is not missed.
    there = set(page.evaluate(STILL_THERE))
    assert [words for at, words in enumerate(wanted) if at in there - reached] == []


@pytest.mark.parametrize("path", SCREENS)
def test_a_screen_is_open_to_everybody(open_page: Any, path: str) -> None:
    page = open_page(path, status=404 if path == NOWHERE else 200)
    assert page.locator("h1").count() == 1
    assert "Marchetti" not in page.title()
    assert page.locator("[style], script:not([src])").count() == 0
    assert_no_axe_violations(page)
    page.emulate_media(color_scheme="dark")
    assert_no_axe_violations(page, "color-contrast")
    page.emulate_media(color_scheme="light")
    assert_nothing_is_cut_off(page)
    assert_everything_is_reached_by_tab(page)


@pytest.mark.parametrize("path", [path for path in SCREENS if path != NOWHERE])
def test_the_question_mark_names_the_keys_of_the_screen(open_page: Any, path: str) -> None:
    page = open_page(path)
    bar = set(page.locator(".keybar li > kbd").all_inner_texts())
    page.keyboard.press("?")
    shown = {stroke for text in page.locator("#keys dt").all_inner_texts() for stroke in text.split()}
    assert bar - {"g", "j", "k", "Enter"} <= shown and {"L", "Esc"} <= shown


@pytest.mark.parametrize("section", SECTIONS)
def test_an_empty_section_says_what_would_fill_it(open_page: Any, section: str) -> None:
    page = open_page(f"/chart/{EMPTY}/{section}")
    assert page.locator(".empty").first.inner_text().strip()
    assert_no_axe_violations(page)


def test_twenty_rows_are_seen_in_the_window_of_the_design(open_page: Any) -> None:
    page = open_page("/unfiled/")
    seen = page.evaluate(
        """() => { const end = document.querySelector(".keybar").getBoundingClientRect().top;
        return [...document.querySelectorAll("tbody tr")].map((row) => row.getBoundingClientRect())
          .filter((box) => box.bottom <= end + 1).map((box) => box.height); }"""
    )
    assert len(seen) >= 20
    assert set(seen) == {32}


def test_without_its_script_the_page_still_links_everywhere(site: Any, browser: Any) -> None:
    context = browser.new_context(storage_state=site.cookies, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}{CHART}/results")
    page.get_by_role("link", name="Source of Potassium").first.click()
    assert page.get_by_role("heading", level=1).inner_text() == "Where this came from"
    context.close()
