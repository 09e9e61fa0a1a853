"""The script ``./charthouse`` and the lock files it installs from."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "charthouse"
REQUIREMENT = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.]+)")


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("CHARTHOUSE_VENV", str(tmp_path / "venv"))
    loader = SourceFileLoader("bootstrap", str(SCRIPT))
    spec = importlib.util.spec_from_loader("bootstrap", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_an_old_python_understands_it() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))
    assert os.access(SCRIPT, os.X_OK)


def test_an_old_python_is_told_what_to_do(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST", (99, 0))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(bootstrap.Stop, match=r"needs Python 99\.0 or newer; this is 3\.\d+.*\n.*apt install"):
        bootstrap.find_new_enough_python()


def test_an_environment_is_ready_only_when_it_is_whole_and_of_these_versions(
    bootstrap: ModuleType, tmp_path: Path
) -> None:
    lock = str(tmp_path / "lock")
    Path(lock).write_text("a==1\n")
    assert not bootstrap.is_ready(lock, True)
    folder = Path(bootstrap.PYTHON).parent
    folder.mkdir(parents=True)
    Path(bootstrap.PYTHON).symlink_to(sys.executable)
    assert not bootstrap.is_ready(lock, True)
    Path(bootstrap.stamp_path()).write_text(bootstrap.stamp_of(lock))
    assert bootstrap.is_ready(lock, True)
    Path(lock).write_text("a==2\n")
    assert not bootstrap.is_ready(lock, True)
    Path(bootstrap.stamp_path()).write_text(bootstrap.stamp_of(lock))
    Path(bootstrap.PYTHON).unlink()
    Path(bootstrap.PYTHON).symlink_to("/nowhere/python")
    assert not bootstrap.is_ready(lock, True)


def test_a_folder_that_is_no_environment_is_left_alone(bootstrap: ModuleType, tmp_path: Path) -> None:
    Path(bootstrap.VENV).mkdir()
    (Path(bootstrap.VENV) / "letter").write_text("mine")
    with pytest.raises(bootstrap.Stop, match="is no virtual environment"):
        bootstrap.prepare(str(ROOT / "requirements.lock"))
    assert (Path(bootstrap.VENV) / "letter").exists()


def test_packages_that_cannot_be_fetched_are_said_in_words(bootstrap: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("no-such-package-of-charthouse==1\n")
    installer = [sys.executable, "-m", "pip", "install", "--no-index", "--target", str(tmp_path / "t")]
    if not bootstrap.runs([sys.executable, "-m", "pip", "--version"]):
        pytest.skip("this environment has no pip")
    with pytest.raises(bootstrap.Stop, match="no network"):
        bootstrap.install(installer, str(lock))


@pytest.mark.parametrize(("lock", "extra"), [("requirements.lock", None), ("requirements-test.lock", "test")])
def test_lock_files_hold_what_the_project_asks_for(lock: str, extra: str | None) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    text = (ROOT / lock).read_text()
    locked = {
        match[1].lower().replace("_", "-"): match[2] for match in map(REQUIREMENT.match, text.splitlines()) if match
    }
    for line in asked:
        name = re.split(r"[\[=<>~ ]", line)[0].lower().replace("_", "-")
        assert name in locked, f"{name} is not in {lock}: run .ci/lock"
        if (match := REQUIREMENT.match(line)) is not None:
            assert locked[name] == match[2], f"{name} differs in {lock}: run .ci/lock"
    assert "://" not in text
    assert "--index" not in text


def test_every_locked_version_is_exact() -> None:
    for lock in ("requirements.lock", "requirements-test.lock"):
        for line in (ROOT / lock).read_text().splitlines():
            assert REQUIREMENT.match(line), line


def test_scripts_of_ci_are_sound() -> None:
    for script in ("run", "lock", "with-system-postgresql"):
        path = ROOT / ".ci" / script
        assert os.access(path, os.X_OK)
        subprocess.run(["bash", "-n", str(path)], check=True)
