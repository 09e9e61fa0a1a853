"""Which records need the patient's own authorization or consent before they leave: the rule, read as data."""

from __future__ import annotations

from charthouse.foundation import clock
from charthouse.foundation.access.api import Label
from charthouse.foundation.rulepacks.api import RulePackError, load

_RULE = "disclosure.own-permission"


def needs_own_permission() -> Label:
    """The labels of what is not disclosed without an authorization or consent of its own, by the rules of today.

    Today is the wall clock's: access is not part of a teaching scenario. Raises RulePackError for an unknown label.
    """
    given = load().rule(_RULE, clock.wall().date()).parameters["labels"].value
    found = Label.NONE
    for name in given if isinstance(given, tuple) else (given,):
        try:
            found |= Label[str(name)]
        except KeyError:
            raise RulePackError([f"rule {_RULE}: there is no label {name!r}."]) from None
    return found
