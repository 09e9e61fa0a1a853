"""The definition files the project carries, and the tool that builds them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from charthouse.exchange.fhir import definitions

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(definitions.__file__).parent / "data"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """``tools/build_fhir_definitions.py`` as a module."""
    spec = importlib.util.spec_from_file_location(
        "build_fhir_definitions", ROOT / "tools/build_fhir_definitions.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_importing_the_codec_loads_no_data() -> None:
    code = (
        "import sys, charthouse.exchange.fhir.api\n"
        "from charthouse.exchange.fhir import definitions\n"
        "assert not {'jsonschema_rs', 'zstandard', 'django'} & set(sys.modules)\n"
        "assert definitions._load.cache_info().currsize == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(ROOT / "src")})


def test_ids_are_only_ever_appended(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "ids.tsv"
    monkeypatch.setattr(tool, "IDS", table)
    assert tool.append_ids(["b", "a", "b"]) == 2
    assert tool.append_ids(["c", "b"]) == 1
    assert tool.append_ids(["0", "c"]) == 1
    assert table.read_text("utf-8").splitlines() == ["id\tcode", "1\ta", "2\tb", "3\tc", "4\t0"]


def test_every_parameter_has_an_id() -> None:
    assert {row["code"] for row in definitions.search_parameters()} <= set(definitions.parameter_ids())


def test_the_readme_names_what_the_tool_takes(tool: ModuleType) -> None:
    readme = (DATA / "README.md").read_text("utf-8")
    assert f"`{tool.PACKAGE}` {tool.VERSION}" in readme
    assert "CC0" in readme
    for path in DATA.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in readme


def test_definitions_have_no_loose_ends() -> None:
    found = definitions.schema_definitions()
    for name, definition in found.items():
        for target in re.findall(r"#/definitions/(\w+)", str(definition)):
            assert target in found, name
    for name in ("HumanName", "Patient_Contact", "Reference"):
        assert found[name]["type"] == "object"
