"""Where in the text of a document an item came from."""

from __future__ import annotations

import re
from xml.parsers import expat

from .sections import STATEMENTS
from .tree import DECLARATION, read

_SECTION = re.compile(r"\(section (\d+)\)(?:, entry (\d+))?$")
_HEADER = frozenset({"recordTarget", "componentOf", "documentationOf", "ClinicalDocument"})
#: A text with lines longer than this is broken at its tags, so that a place in it can be seen.
_LONG_LINE = 1_000


def lines_of(data: bytes) -> list[str]:
    """The text of a document as lines; one written in a single line is broken between its tags."""
    text = read(data).text
    lines = text.splitlines()
    if any(len(line) > _LONG_LINE and line.count("><") > 4 for line in lines):
        lines = [part for line in lines for part in line.replace("><", ">\n<").split("\n")]
    return lines


def line_range(data: bytes, place: str) -> tuple[list[str], int, int]:
    """The lines of a document, and the first and last line (from 1) of ``place`` as a draft names it; 0 and 0 where
    the place cannot be found. Raises CdaError for what cannot be read."""
    lines = lines_of(data)
    found = _Finder(place)
    try:
        found.run("\n".join(lines))
    except (expat.ExpatError, ValueError):
        return lines, 0, 0
    return lines, found.first, found.last


class _Finder:
    """Goes through the text once, counting sections and entries as reading does."""

    def __init__(self, place: str) -> None:
        asked = _SECTION.search(place)
        self.section = int(asked[1]) if asked else 0
        self.entry = int(asked[2]) if asked and asked[2] else 0
        self.header = place if place in _HEADER else ""
        self.first = self.last = 0
        self._parser = expat.ParserCreate("utf-8")
        self._path: list[str] = []
        self._sections: list[list[int]] = []  # [number, entries so far, depth]
        self._count = 0
        self._wanted = 0
        self._pending: tuple[int, int] | None = None

    def run(self, text: str) -> None:
        if not self.section and not self.header:
            return
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.Parse(DECLARATION.sub("", text, count=1).encode("utf-8", "replace"), True)

    def _begin(self) -> None:
        self.first = self._parser.CurrentLineNumber
        self._wanted = len(self._path)

    def _start(self, tag: str, _: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        self._path.append(name)
        if self.first:
            return
        if self.header:
            if name == self.header and (len(self._path) == 2 or self.header == "ClinicalDocument"):
                self._begin()
            return
        if name == "section":
            self._count += 1
            self._sections.append([self._count, 0, len(self._path)])
            if self._count == self.section and not self.entry:
                self._begin()
            return
        if not self._sections or self._sections[-1][0] != self.section:
            return
        depth = len(self._path) - self._sections[-1][2]
        if depth == 1 and name == "entry":
            self._pending = (self._parser.CurrentLineNumber, len(self._path))
        elif name in STATEMENTS and (depth == 1 or (depth == 2 and self._path[-2] == "entry")):
            self._pending = None
            self._sections[-1][1] += 1
            if self._sections[-1][1] == self.entry:
                self._begin()

    def _end(self, tag: str) -> None:
        if self.first and not self.last and len(self._path) == self._wanted:
            self.last = self._parser.CurrentLineNumber
        if not self.first:
            if self._pending and len(self._path) == self._pending[1]:
                # An entry without a statement counts as one.
                self._sections[-1][1] += 1
                if self._sections[-1][1] == self.entry:
                    self.first, self.last = self._pending[0], self._parser.CurrentLineNumber
                self._pending = None
            if tag.rpartition(":")[2] == "section" and self._sections:
                self._sections.pop()
        self._path.pop()
