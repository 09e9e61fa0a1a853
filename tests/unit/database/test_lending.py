"""A worker's connections are lent to its requests, the last one used first, and never to two at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import DEFAULT_DB_ALIAS, connections

from charthouse.foundation.database import lending
from charthouse.foundation.database.lending import lent_connection


@pytest.fixture(autouse=True)
def none_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "_free", [])


def in_thread(act: Callable[[], None]) -> None:
    """In a thread that has no connection of its own yet."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def used() -> int:
    """Which connection this thread has."""
    return id(connections[DEFAULT_DB_ALIAS])


def has_one() -> bool:
    return bool(connections.all(initialized_only=True))


def test_the_last_one_used_is_lent_first_whichever_thread_asks() -> None:
    seen: list[int] = []

    def ask() -> None:
        with lent_connection():
            seen.append(used())
        assert not has_one()

    for _ in range(3):
        in_thread(ask)
    assert len(set(seen)) == 1


def test_two_requests_at_once_have_one_each() -> None:
    seen: list[int] = []
    together = threading.Barrier(2)

    def ask() -> None:
        with lent_connection():
            together.wait(30)
            seen.append(used())
            together.wait(30)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(seen)) == 2 and len(lending._free) == 2


def test_an_error_gives_it_back() -> None:
    def fail() -> None:
        with lent_connection():
            raise RuntimeError

    with pytest.raises(RuntimeError):
        in_thread(fail)
    assert len(lending._free) == 1


def test_an_answer_that_goes_on_keeps_it_for_its_thread() -> None:
    def stream() -> None:
        with lent_connection() as keep:
            kept = used()
            keep()
        assert used() == kept and lending._free == []
        with lent_connection():
            assert used() == kept
        assert has_one() and lending._free == []

    in_thread(stream)
