"""The doctor names what is wrong, and finds nothing where nothing is."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from charthouse.configuration import Configuration, configuration
from charthouse.web.commands import doctor
from charthouse.web.commands.doctor import Finding, Level


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Configuration]]:
    """Makes the configuration of an installation in a folder of its own."""
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        monkeypatch.delenv(name, raising=False)

    def make(**settings: str) -> Configuration:
        values = {"DATA": str(tmp_path / "data"), "KEYS": str(tmp_path / "keys")} | settings
        for name, value in values.items():
            monkeypatch.setenv(f"CHARTHOUSE_{name}", value)
        configuration.cache_clear()
        return configuration()

    yield make
    monkeypatch.undo()
    configuration.cache_clear()


def bad(findings: Iterator[Finding]) -> str:
    return " | ".join(each.words for each in findings if each.level is not Level.OK)


def test_keys_beside_the_data(site: Callable[..., Configuration], tmp_path: Path) -> None:
    assert "whoever copies the one has the other" in bad(doctor.keys(site(KEYS=str(tmp_path / "data" / "keys"))))
    assert not bad(doctor.keys(site()))


def test_a_lost_master_key(site: Callable[..., Configuration]) -> None:
    here = site()
    (here.files / "ab").mkdir(parents=True)
    assert "Put the key directory back" in bad(doctor.keys(here))
    here.keys.mkdir(mode=0o700)
    (here.keys / "master-key").write_bytes(bytes(32))
    (here.keys / "master-key").chmod(0o644)
    assert "chmod 600" in bad(doctor.keys(here))
    (here.keys / "master-key").chmod(0o600)
    assert not bad(doctor.keys(here))


def test_folders_open_to_others(site: Callable[..., Configuration]) -> None:
    here = site()
    here.data.mkdir(mode=0o711)
    here.keys.mkdir()
    here.keys.chmod(0o755)
    assert "chmod 700" in bad(doctor.folders(here))
    here.keys.chmod(0o700)
    here.data.chmod(0o777)
    assert "the data directory is open to others (777)" in bad(doctor.folders(here))


def test_a_taken_port(site: Callable[..., Configuration]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port} for the web application" in bad(doctor.ports(site(PORT=str(port), MLLP_PORT="0")))


def test_pages_that_would_travel_unencrypted(site: Callable[..., Configuration]) -> None:
    assert not bad(doctor.exposure(site()))
    assert "without TLS" in bad(doctor.exposure(site(HOST="0.0.0.0", KIND="real")))
    assert not bad(doctor.exposure(site(HOST="0.0.0.0", KIND="real", HTTPS="true")))


def test_a_cluster_of_another_version(site: Callable[..., Configuration]) -> None:
    here = site()
    assert "will make it" in next(iter(doctor.cluster(here))).words
    here.database.mkdir(parents=True)
    (here.database / "PG_VERSION").write_text("16\n")
    assert "it is of PostgreSQL 16" in bad(doctor.cluster(here))


def test_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "django==1.0\n"
        "no-such-package-of-charthouse==1 ; sys_platform != 'none'\n"
        "absent==1 ; sys_platform == 'none'\n"
    )
    monkeypatch.setattr(doctor, "_LOCK_FILE", lock)
    words = bad(doctor.packages())
    assert "django is " in words
    assert "instead of 1.0; no-such-package-of-charthouse is missing." in words
    assert "absent" not in words


def test_a_check_that_fails_is_a_finding() -> None:
    def fails() -> Iterator[Finding]:
        raise RuntimeError("boom")

    assert "could not be looked at: RuntimeError: boom" in bad(doctor._safely("It", fails))
