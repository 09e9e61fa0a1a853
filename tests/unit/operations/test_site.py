"""Demonstration or real: what a start makes of a site, and what it refuses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from charthouse.configuration import Configuration, ConfigurationError
from charthouse.web.commands.site import Asked, complete, decide_kind, write_kind
from charthouse.web.commands.start import _require_free

WHOLE = Asked(
    organization="General",
    facilities=("MAIN:General Hospital", "N:North Clinic:clinic"),
    time_zone="America/Chicago",
    mrn_system="https://general.example/mrn",
    admin_username="ada",
    admin_name="Ada Admin",
)


def site(tmp_path: Path, kind: str) -> Configuration:
    return Configuration(data=tmp_path / "data", keys=tmp_path / "keys", kind=kind)


@pytest.mark.parametrize(
    ("kind", "empty", "demo", "becomes"),
    [
        ("new", False, False, "demo"),
        ("new", True, False, "real"),
        ("new", False, True, "demo"),
        ("demo", False, False, "demo"),
        ("demo", False, True, "demo"),
        ("real", False, False, "real"),
        ("real", True, False, "real"),
    ],
)
def test_what_a_start_makes(tmp_path: Path, kind: str, empty: bool, demo: bool, becomes: str) -> None:
    assert decide_kind(site(tmp_path, kind), empty=empty, demo=demo, asked=Asked()) == becomes


@pytest.mark.parametrize(
    ("kind", "empty", "demo", "asked", "words"),
    [
        ("demo", True, False, Asked(), "never becomes a real site"),
        ("demo", False, False, WHOLE, "never becomes a real site"),
        ("real", False, True, Asked(), "never becomes a demonstration"),
        ("new", True, True, Asked(), "give one of them"),
        ("neither", False, False, Asked(), "demo or real"),
    ],
)
def test_what_is_refused(tmp_path: Path, kind: str, empty: bool, demo: bool, asked: Asked, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        decide_kind(site(tmp_path, kind), empty=empty, demo=demo, asked=asked)


def test_missing_options_are_named_where_nobody_can_be_asked() -> None:
    with pytest.raises(ConfigurationError, match=r"--facility, --mrn-system, --admin-name as well"):
        complete(
            Asked(organization="General", time_zone="UTC", admin_username="ada"),
            interactive=False,
        )


def test_the_password_comes_from_a_file_or_is_made(tmp_path: Path) -> None:
    assert complete(WHOLE, interactive=False)[1] is None
    (tmp_path / "password").write_text("correct horse battery\n")
    asked = Asked(
        **{name: getattr(WHOLE, name) for name in WHOLE.__slots__} | {"admin_password_file": tmp_path / "password"}
    )
    whole, password = complete(asked, interactive=False)
    assert password == "correct horse battery"
    assert whole.facilities == WHOLE.facilities


def test_the_kind_is_written_beside_what_the_site_said_before(tmp_path: Path) -> None:
    here = site(tmp_path, "new")
    here.data.mkdir()
    write_kind(here, "real", "America/Chicago")
    assert 'kind = "real"' in here.site_file.read_text()
    assert 'time_zone = "America/Chicago"' in here.site_file.read_text()
    here.site_file.write_text("idle_minutes = 5\n[people]\nx = 1\n")
    write_kind(here, "demo")
    assert here.site_file.read_text() == 'kind = "demo"\nidle_minutes = 5\n[people]\nx = 1\n'


def test_a_taken_port_is_said_with_who_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"Port {port} on 127.0.0.1.*is taken.*--port"):
            _require_free("web", "127.0.0.1", port)
    _require_free("web", "127.0.0.1", port)
