"""The pictures of the documentation: what a page names is there, small and said in words."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PICTURE = re.compile(r"!\[(?P<words>[^\]]*)\]\((?P<file>[^)]+)\)")
NAMED = [
    (page, *found.groups()) for page in sorted(DOCS.rglob("*.md")) for found in PICTURE.finditer(page.read_text())
]


@pytest.mark.parametrize(("page", "words", "file"), NAMED, ids=lambda each: getattr(each, "name", None))
def test_a_picture_that_is_named_is_there_and_says_in_words_what_it_shows(
    page: Path, words: str, file: str
) -> None:
    picture = page.parent / file
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.stat().st_size <= 150_000
    assert len(words.split()) >= 4


def test_the_pictures_that_are_there_are_named_and_are_those_the_command_makes() -> None:
    there = {picture.stem for picture in (DOCS / "images").iterdir()}
    assert there == {Path(file).stem for _, _, file in NAMED} and len(there) >= 10
    calls = [
        each
        for each in ast.walk(ast.parse((ROOT / "tools/screenshots.py").read_text()))
        if isinstance(each, ast.Call)
    ]
    shots = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Shot"]
    assert there == {ast.literal_eval(call.args[0]) for call in shots}
