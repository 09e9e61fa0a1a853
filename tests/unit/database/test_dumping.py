"""Dump and restore: everything comes back, with its rights; nothing is lost when it cannot."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from charthouse.configuration import configuration
from charthouse.foundation.database import dumping
from charthouse.foundation.database.api import connection_info, ensure_running, migrate
from charthouse.foundation.database.dumping import _with_roles
from charthouse.foundation.database.layout import Layout
from charthouse.foundation.database.problems import DatabaseProblem
from charthouse.foundation.database.secrets import key_file
from charthouse.foundation.database.server import stop


def quiet(_done: int, _total: int) -> None:
    return


@pytest.fixture
def site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation of its own, which the configuration names."""
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHARTHOUSE_KEYS", str(folder / "keys"))
    go_to(folder / "first", monkeypatch)
    yield folder
    for name in ("first", "second"):
        stop(Layout(folder / name))
    monkeypatch.undo()
    configuration.cache_clear()


def go_to(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTHOUSE_DATA", str(data))
    configuration.cache_clear()


def fill(value: str) -> None:
    """Tables with rights of both kinds, and two files."""
    ensure_running()
    migrate()
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        owner.execute("CREATE TABLE ordinary (text text)")
        owner.execute("CREATE TABLE appended (text text)")
        owner.execute("REVOKE UPDATE, DELETE ON appended FROM charthouse_app")
        owner.execute("INSERT INTO appended VALUES (%s)", [value])
        owner.execute("CREATE SEQUENCE numbers")
    (configuration().files / "ab").mkdir(parents=True)
    (configuration().files / "ab" / "cd").write_bytes(b"\0encrypted" * 1000)
    (configuration().files / "ab" / ".half-written").write_bytes(b"no")
    configuration().site_file.write_text('time_zone = "America/Chicago"\n')


def test_round_trip_into_a_new_data_directory(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file("master-key")
    fill("kept for ever")
    written = dumping.dump(site / "dump", quiet)
    assert written.files == 1
    assert (site / "dump").stat().st_mode & 0o777 == 0o600
    assert key_file("master-key") not in (site / "dump").read_bytes()
    with pytest.raises(DatabaseProblem, match="is there already"):
        dumping.dump(site / "dump", quiet)

    go_to(site / "second", monkeypatch)
    dumping.restore(site / "dump", quiet)
    assert (configuration().files / "ab" / "cd").read_bytes() == b"\0encrypted" * 1000
    assert not (configuration().files / "ab" / ".half-written").exists()
    configuration.cache_clear()
    ensure_running()
    assert configuration().time_zone == "America/Chicago"
    with psycopg.connect(connection_info(), autocommit=True) as application:
        assert application.execute("SELECT text FROM appended").fetchone() == ("kept for ever",)
        application.execute("INSERT INTO appended VALUES ('more')")
        application.execute("INSERT INTO ordinary VALUES ('a')")
        application.execute("UPDATE ordinary SET text = 'b'")
        application.execute("SELECT nextval('numbers')")
        for statement in (
            b"UPDATE appended SET text = 'x'",
            b"DELETE FROM appended",
            b"TRUNCATE ordinary",
            b"DELETE FROM django_migrations",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(statement)
    # Tables made later have the usual rights.
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        owner.execute("CREATE TABLE later (n int)")
    with psycopg.connect(connection_info(), autocommit=True) as application:
        application.execute("INSERT INTO later VALUES (1)")
    assert migrate() == []


def test_refusals_change_nothing(site: Path) -> None:
    key_file("master-key")
    fill("first")
    dumping.dump(site / "dump", quiet)
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        owner.execute("UPDATE appended SET text = 'second'")

    def present() -> object:
        with psycopg.connect(connection_info(owner=True)) as owner:
            return owner.execute("SELECT text FROM appended").fetchall()

    with pytest.raises(DatabaseProblem, match=r"holds \d+ tables.*--replace"):
        dumping.restore(site / "dump", quiet)
    with (
        psycopg.connect(connection_info()),
        pytest.raises(DatabaseProblem, match="Charthouse is running on this database"),
    ):
        dumping.restore(site / "dump", quiet, replace=True)

    (configuration().keys / "master-key").rename(site / "safe")
    with pytest.raises(DatabaseProblem, match=r"master-key.*Put back the key directory"):
        dumping.restore(site / "dump", quiet, replace=True)
    (site / "safe").rename(configuration().keys / "master-key")

    whole = (site / "dump").read_bytes()
    for damaged in (
        whole[:3000],
        whole[: len(whole) // 2],
        whole[: whole.index(b"PGDMP") + 300] + b"!" + whole[1:],
    ):
        (site / "damaged").write_bytes(damaged)
        with pytest.raises(DatabaseProblem, match=r"damaged|cut short"):
            dumping.restore(site / "damaged", quiet, replace=True)
    (site / "other").write_text("not a dump")
    with pytest.raises(DatabaseProblem, match="no dump of Charthouse"):
        dumping.restore(site / "other", quiet, replace=True)
    assert present() == [("second",)]
    assert (configuration().files / "ab" / "cd").exists()

    dumping.restore(site / "dump", quiet, replace=True)
    assert present() == [("first",)]


def test_an_archive_with_a_path_outside_is_refused(site: Path) -> None:
    fill("first")
    dumping.dump(site / "dump", quiet)
    evil = site / "evil"
    with tarfile.open(site / "dump") as good, tarfile.open(evil, "w") as bad:
        for entry in good:
            bad.addfile(entry, good.extractfile(entry))
        bad.addfile(tarfile.TarInfo("files/../../escaped"))
    with pytest.raises(DatabaseProblem, match="which no dump of Charthouse holds"):
        dumping.restore(evil, quiet, replace=True)
    assert not list(site.rglob("escaped"))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("GRANT SELECT,INSERT ON TABLE public.a TO app;", 'GRANT SELECT,INSERT ON TABLE public.a TO "site app";'),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC;", "REVOKE ALL ON SCHEMA public FROM PUBLIC;"),
        (
            'GRANT SELECT ON TABLE public."x TO app" TO app;',
            'GRANT SELECT ON TABLE public."x TO app" TO "site app";',
        ),
        ("GRANT ALL ON TABLE a TO app WITH GRANT OPTION;", 'GRANT ALL ON TABLE a TO "site app" WITH GRANT OPTION;'),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE own GRANT SELECT ON TABLES TO app;",
            'ALTER DEFAULT PRIVILEGES FOR ROLE "owner" GRANT SELECT ON TABLES TO "site app";',
        ),
    ],
)
def test_rights_follow_the_roles_of_the_new_server(statement: str, expected: str) -> None:
    assert _with_roles(statement, {"app": "site app", "own": "owner"}) == expected
