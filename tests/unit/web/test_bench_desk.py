"""The desk's bench at a small size: every screen answers, and asks no more of the database as work grows."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from charthouse.foundation.work.api import MACHINERY_QUEUE
from charthouse.intake.api import UNFILED
from charthouse.people.api import User
from charthouse.people.testing import sign_in
from charthouse.web.commands import bench_desk, desk_load
from charthouse.web.commands.desk_screens import Screen, screens

pytestmark = pytest.mark.django_db
#: A part of a page of two queues, and many pages of each.
FEW, PEOPLE, MANY = 100, 150, 7_000
#: The first of a kind may ask for more: what an owner or a sender is called, that patients were seen. On the board
#: the ten longest overdue are of one queue or of several. Nothing may ask for each of the rows of a page.
FIRST, MOST = 6, 45
#: What differs from queue to queue in nothing but its code is asked of one of them.
ALIKE = ("due", "from", "small", "large", "owner", "rule", "print", "take, 40")


def silent(words: str, total: int) -> desk_load.Told:
    return lambda done: None


def queries(site: desk_load.Site, clients: dict[str, Client], turn: int) -> dict[str, list[str]]:
    """What each screen asks the database for, by its name; a screen that fails fails the test."""
    asked: dict[str, list[str]] = {}
    for screen in screens(site, 4):
        queue, _, rest = screen.name.partition(": ")
        if queue in (UNFILED, MACHINERY_QUEUE) and rest.startswith(ALIKE):
            continue
        client = clients.get(screen.user) or clients.setdefault(screen.user, signed_in(screen))
        with CaptureQueriesContext(connection) as captured:
            assert screen.ask(client, turn).status_code == screen.status, screen.name
        # That somebody is there is written once a minute, whatever they look at.
        asked[screen.name] = [
            each["sql"] for each in captured.captured_queries if 'UPDATE "people_session"' not in each["sql"]
        ]
    return asked


def shape(sql: str) -> str:
    """A query without its values."""
    return re.sub(r"'[^']*'|[0-9]+", "?", sql)[:300]


def signed_in(screen: Screen) -> Client:
    return sign_in(User.objects.get(username=screen.user))


def test_no_screen_of_the_desk_asks_more_of_the_database_as_work_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"time_cost": 1, "memory_cost": 64, "parallelism": 1}.items():
        monkeypatch.setattr(Argon2PasswordHasher, name, value)
    site = bench_desk.fill(FEW, PEOPLE, 1, silent)
    clients: dict[str, Client] = {}
    few = queries(site, clients, 0)
    unfiled = desk_load.copy_unfiled(MANY * 3 // 10, MANY // 10, silent("", 0))
    desk_load.copy_items(site, desk_load.matters(MANY, unfiled, 2), 2, 0.25, silent("", 0))
    many = queries(site, clients, 4)
    assert len(few.keys() & many.keys()) > 120
    assert {
        name: len(asked) for name, asked in many.items() if len(asked) > MOST and "40 at once" not in name
    } == {}
    grown = {
        name: sorted((Counter(map(shape, many[name])) - Counter(map(shape, few[name]))).elements())
        for name in few.keys() & many.keys()
        if len(many[name]) > len(few[name]) + FIRST
    }
    assert not grown, "\n".join(f"{name}: {more}" for name, more in grown.items())
