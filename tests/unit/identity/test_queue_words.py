"""How the two patients of a possible duplicate are put in a line of the queue."""

from __future__ import annotations

from charthouse.identity.queues import _pair

LEIF = ("Haugen", "Leif", "M", "1973-03-04", "600001")


def test_what_both_have_stands_once() -> None:
    assert _pair([LEIF, ("Haugen", "Leif", "M", "1973-03-04", "500001")]) == "Haugen, Leif M 1973-03-04"


def test_what_differs_stands_for_both() -> None:
    other = ("Haugen", "Leif K", "", "1973-04-03", "500001")
    assert _pair([LEIF, other]) == "Haugen, Leif / Haugen, Leif K M/? 1973-03-04 / 1973-04-03"


def test_what_may_not_be_seen_is_said_so() -> None:
    assert _pair([LEIF, None]) == "Haugen, Leif M 1973-03-04 600001 / a patient you may not see"
