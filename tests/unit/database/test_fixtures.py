"""The fixtures every other test stands on."""

from __future__ import annotations

import threading

import psycopg
import pytest
from django.db import connection


@pytest.mark.django_db
def test_tests_run_as_the_application() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("charthouse_app",)


@pytest.mark.django_db
@pytest.mark.parametrize("time", [1, 2])
def test_a_test_leaves_nothing_behind(time: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_content_type WHERE app_label = 'k'")
        assert cursor.fetchone() == (0,)
        cursor.execute("INSERT INTO django_content_type (app_label, model) VALUES ('k', 'd')")


@pytest.mark.parametrize("time", [1, 2])
def test_a_committed_database_is_fresh_and_seen_by_all(committed_db: str, owner_conninfo: str, time: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_content_type WHERE app_label = 'k'")
        assert cursor.fetchone() == (0,)
        cursor.execute("INSERT INTO django_content_type (app_label, model) VALUES ('k', 'd')")
    seen: list[object] = []

    def look() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user, count(*) FROM django_content_type WHERE app_label = 'k'")
            seen.append(cursor.fetchone())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    for conninfo in (committed_db, owner_conninfo):
        with psycopg.connect(conninfo) as other:
            seen.append(
                other.execute(
                    "SELECT current_user, count(*) FROM django_content_type WHERE app_label = 'k'"
                ).fetchone()
            )
    assert seen == [("charthouse_app", 1), ("charthouse_app", 1), ("charthouse_owner", 1)]
