"""An outside server, named by DATABASE_URL: used where it suits, refused in words where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from charthouse.configuration import ConfigurationError
from charthouse.foundation.database.api import (
    DatabaseProblem,
    check_outside,
    connection_info,
    connection_url,
    django_database,
    ensure_running,
    weaknesses,
)

Name = Callable[..., None]


@pytest.fixture
def name(committed_db: str, monkeypatch: pytest.MonkeyPatch) -> Name:
    """Names the test's own database as an outside server; or another, or other roles."""
    database = str(psycopg.conninfo.conninfo_to_dict(committed_db)["dbname"])

    def set_urls(dbname: str = database, *, as_owner: bool = False, owner_too: bool = True) -> None:
        application = connection_url(owner=as_owner, dbname=dbname)
        owner = connection_url(owner=True, dbname=dbname)
        monkeypatch.setenv("DATABASE_URL", application)
        if owner_too:
            monkeypatch.setenv("DATABASE_OWNER_URL", owner)
        else:
            monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)

    return set_urls


def test_a_server_that_suits(name: Name) -> None:
    name()
    server = ensure_running()
    assert server.pid is None
    server.stop()
    with psycopg.connect(connection_info()) as application:
        assert application.execute("SELECT current_user").fetchone() == ("charthouse_app",)


def test_one_role_for_both_is_spoken_of(name: Name) -> None:
    name(as_owner=True)
    check_outside()
    assert any("the schema's owner, who can change the ledger" in words for words in weaknesses())


def test_an_owner_without_rights(name: Name) -> None:
    name(owner_too=False)
    with pytest.raises(
        DatabaseProblem, match=r"charthouse_app lacks the right CREATE on the database.*DATABASE_OWNER_URL"
    ):
        check_outside()


def test_a_database_in_another_encoding(name: Name, databases: Any) -> None:
    other = f"{databases.template}_ascii"
    databases.execute(
        f"CREATE DATABASE \"{other}\" OWNER charthouse_owner TEMPLATE template0 ENCODING 'SQL_ASCII' "
        "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    try:
        name(other)
        with pytest.raises(DatabaseProblem, match="has the encoding SQL_ASCII; UTF8 is needed"):
            check_outside()
    finally:
        databases.drop(other)


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://who:secret@127.0.0.1:1/charthouse")
    with pytest.raises(DatabaseProblem, match="named by DATABASE_URL could not be reached") as raised:
        check_outside()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [("mysql://here/x", "begins with 'mysql'"), ("postgresql://here:port/x", "cannot be read")],
)
def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, url: str, words: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ConfigurationError, match=words):
        django_database(owner=False)


def test_an_address_survives_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a%40b:p%2Fw@db.example:6000/n%20ame?sslmode=require")
    entry = django_database(owner=False)
    assert (entry["USER"], entry["PASSWORD"], entry["HOST"], entry["PORT"], entry["NAME"]) == (
        "a@b",
        "p/w",
        "db.example",
        "6000",
        "n ame",
    )
    assert entry["OPTIONS"] == {"sslmode": "require"}
    monkeypatch.setenv("DATABASE_URL", connection_url())
    assert django_database(owner=False) == entry
