"""What is wrong with a search, in words that may be logged: no value of it is ever told."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9_:.\-]{1,120}")


def shown_name(name: str) -> str:
    """A parameter's name as it may be told; a name that no parameter could have is not repeated."""
    return name if _NAME.fullmatch(name) else "(not a name)"


class SearchError(ValueError):
    """A search that cannot be answered. ``parameter`` is its name as it was given, ``place`` the part of it that is
    wrong (name, modifier, value …), the message a sentence that says what to do instead."""

    def __init__(self, parameter: str, place: str, what: str, remedy: str) -> None:
        self.parameter = shown_name(parameter)
        self.place = place
        self.what = what
        self.remedy = remedy
        super().__init__(f"Search parameter {self.parameter}, {place}: {what}. {remedy}.")
