"""Requests of a process take turns, in the order they came, and nobody waits long for one that takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from charthouse.web.turns import Turns

LONG = 30.0


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def until(holds: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("It did not come about in half a minute.")


def test_one_comes_after_the_other_as_they_came(pool: ThreadPoolExecutor) -> None:
    turns, at_once, order = Turns(LONG), [0], []
    go = threading.Event()

    def first() -> None:
        with turns.turn():
            go.wait(LONG)

    def one(number: int) -> None:
        with turns.turn():
            at_once[0] += 1
            assert at_once[0] == 1
            order.append(number)
            time.sleep(0.002)
            at_once[0] -= 1

    every = [pool.submit(first)]
    for number in range(12):
        until(lambda: turns._under_way is not None and len(turns._waiting) == number)  # noqa: B023
        every.append(pool.submit(one, number))
    until(lambda: len(turns._waiting) == 12)
    go.set()
    for each in every:
        each.result(LONG)
    assert order == list(range(12))


def test_one_that_takes_long_is_overtaken_and_takes_nobodys_turn_away(pool: ThreadPoolExecutor) -> None:
    turns, go, second = Turns(0.01), threading.Event(), threading.Event()

    def long() -> None:
        with turns.turn():
            go.wait(LONG)

    def after() -> None:
        with turns.turn():
            second.wait(LONG)

    slow = pool.submit(long)
    until(lambda: turns._under_way is not None)
    mine = turns._under_way
    overtaking = pool.submit(after)
    until(lambda: turns._under_way is not mine)
    assert not slow.done()
    its = turns._under_way
    go.set()
    slow.result(LONG)
    assert turns._under_way is its, "the long one had no turn left to hand on"
    second.set()
    overtaking.result(LONG)
    assert turns._under_way is None


def test_an_error_hands_the_turn_on() -> None:
    turns = Turns(LONG)
    with pytest.raises(ZeroDivisionError), turns.turn():
        raise ZeroDivisionError
    with turns.turn():
        assert turns._under_way is not None


@pytest.mark.parametrize("patience", [0.0005, 0.002, LONG])
def test_whoever_races_everybody_has_their_turn_and_none_is_left_over(
    pool: ThreadPoolExecutor, patience: float
) -> None:
    turns, random = Turns(patience), Random(7)
    naps = [random.choice((0.0, 0.0, 0.0003, 0.001, 0.003)) for _ in range(1_500)]

    def one(nap: float) -> None:
        with turns.turn():
            if nap:
                time.sleep(nap)

    for each in [pool.submit(one, nap) for nap in naps]:
        each.result(LONG)
    assert turns._under_way is None and not turns._waiting
    with turns.turn():
        pass
