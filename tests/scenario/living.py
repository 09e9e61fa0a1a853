"""Somebody at the browser of a site that a new user has started."""

from __future__ import annotations

from typing import Any, Protocol

from playwright.sync_api import expect

from tests.support.browsers import PATIENCE
from tests.support.screens import assert_no_axe_violations, press


class Place(Protocol):
    """Where somebody signs in: its address, and the passwords by user name."""

    @property
    def address(self) -> str: ...
    @property
    def passwords(self) -> dict[str, str]: ...


class Person:
    """Somebody at the browser, in a window of this size."""

    def __init__(self, site: Place, browser: Any, name: str, size: tuple[int, int] = (1440, 900)) -> None:
        self.site = site
        self.page = browser.new_context(viewport={"width": size[0], "height": size[1]}).new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.goto(site.address)
        self.looks("Sign in")
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(site.passwords[name])
        self.page.get_by_role("button", name="Sign in").click()
        self.looks("Today")

    def looks(self, title: str) -> Any:
        """The screen with this title is there, and axe finds nothing on it."""
        self.page.get_by_role("heading", level=1, name=title).wait_for()
        assert_no_axe_violations(self.page)
        return self.page

    def finds(self, letters: str, name: str) -> None:
        press(self.page, "/")
        # At once, so that no answer to the first letters comes between the arrow and Enter.
        self.page.keyboard.insert_text(letters)
        self.page.get_by_role("option", name=name).first.wait_for()
        answers = self.page.get_by_role("option").all_inner_texts()
        for _ in range(1 + next(at for at, text in enumerate(answers) if name in text)):
            self.page.keyboard.press("ArrowDown")
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/chart/**")
        self.looks("Overview")
        expect(self.page.get_by_role("region", name="Patient")).to_contain_text(name, use_inner_text=True)

    def goes(self, letter: str, title: str) -> None:
        press(self.page, "g")
        self.page.keyboard.press(letter)
        self.looks(title)

    def writes(self, **fields: str) -> None:
        """Words into the fields with these labels, by keyboard; blanks of a label are underscores here."""
        for label, words in fields.items():
            self.page.get_by_label(label.replace("_", " ")).first.focus()
            self.page.keyboard.type(words)

    def leaves(self) -> None:
        self.page.context.close()
