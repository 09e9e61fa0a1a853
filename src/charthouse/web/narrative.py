"""A sanitized narrative as parts of a print: headings, paragraphs, lists and tables, in their order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from charthouse.web.numbers import whole

Part = dict[str, Any]
_BLOCKS = frozenset({"address", "blockquote", "caption", "dd", "div", "dl", "dt", "hr", "p"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_SPACE = re.compile(r"[ \t\r\n\f]+")
_MOST_COLUMNS = 12
_MOST_SPANNED = 60


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell of a table as it came: its text, and how many columns and rows it covers."""

    text: str
    across: int
    down: int


class _Reader(HTMLParser):
    """Gathers text until something ends it. Of a table within a cell only the text is kept, in that cell."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[Part] = []
        self._text: list[str] = []
        self._items: list[str] | None = None
        self._rows: list[tuple[bool, list[_Cell]]] | None = None
        self._span = (1, 1)
        self._cell = ""
        self._depth = 0
        self._verbatim = 0
        self._lists = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._text.append("\0")
        elif tag == "table":
            self._depth += 1
            if self._depth == 1:
                self._end()
                self._rows = []
            else:
                self._text.append("\0")
        elif self._rows is not None:
            if self._depth == 1 and tag == "tr":
                self._end_cell()
                self._rows.append((True, []))
            elif self._depth == 1 and tag in {"td", "th"}:
                self._end_cell()
                self._cell = tag
                given = dict(attrs)
                self._span = _span(given.get("colspan")), _span(given.get("rowspan"))
            elif tag in _BLOCKS or tag in _HEADINGS or tag in {"li", "tr", "pre"}:
                self._text.append("\0")
            elif tag in {"td", "th"}:
                self._text.append(" ")
        elif tag == "pre":
            self._end()
            self._verbatim += 1
        elif tag in {"ul", "ol"}:
            self._lists += 1
            if self._lists == 1:
                self._end()
                self._items = []
        elif tag == "li" and self._items is not None:
            self._item()
        elif tag in _BLOCKS or tag in _HEADINGS:
            if self._items is None:
                self._end()
            else:
                self._text.append("\0")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table" and self._depth:
            self._depth -= 1
            if not self._depth:
                self._table()
        elif self._rows is not None:
            if self._depth == 1 and tag in {"td", "th", "tr", "caption"}:
                self._end_cell()
        elif tag == "pre" and self._verbatim:
            self._verbatim -= 1
            self._add("as-written", "".join(self._text).replace("\0", "\n").strip("\n"))
        elif tag in {"ul", "ol"} and self._lists:
            self._lists -= 1
            self._item()
            if not self._lists:
                if self._items:
                    self.parts.append({"kind": "items", "items": self._items})
                self._items = None
        elif tag in _HEADINGS and self._items is None:
            self._add("heading", self._gathered())
        elif tag in _BLOCKS and self._items is None:
            self._end()

    def handle_data(self, data: str) -> None:
        self._text.append(data if self._verbatim else _SPACE.sub(" ", data))

    def close(self) -> None:
        super().close()
        if self._rows is not None:
            self._table()
        self._item()
        if self._items:
            self.parts.append({"kind": "items", "items": self._items})
        self._end()

    def _gathered(self) -> str:
        text = _SPACE.sub(" ", "".join(self._text))
        self._text = []
        return "\n".join(line for each in text.split("\0") if (line := each.strip()))

    def _end(self) -> None:
        self._add("prose", self._gathered())

    def _add(self, kind: str, text: str) -> None:
        self._text = []
        if text:
            self.parts.append({"kind": kind, "text": text} | ({"level": 3} if kind == "heading" else {}))

    def _item(self) -> None:
        if self._items is not None and (text := self._gathered()):
            self._items.append(text)

    def _end_cell(self) -> None:
        """What was gathered is a cell of the last row; outside of a cell it stands before the table."""
        text, kind = self._gathered(), self._cell
        self._cell = ""
        if self._rows is not None and kind:
            if not self._rows:
                self._rows.append((True, []))
            head, cells = self._rows[-1]
            cells.append(_Cell(text, *self._span))
            self._rows[-1] = (head and kind == "th", cells)
        elif text:
            self.parts.append({"kind": "prose", "text": text})

    def _table(self) -> None:
        self._end_cell()
        found = [(head, cells) for head, cells in self._rows or [] if cells]
        self._rows = None
        self._depth = 0
        self._text = []
        if not found:
            return
        rows = _spread([cells for _, cells in found])
        wide = max(map(len, rows))
        if wide > _MOST_COLUMNS:
            self.parts.append({"kind": "items", "items": ["; ".join(filter(None, row)) for row in rows]})
            return
        head = rows.pop(0) if found[0][0] else []
        self.parts.append(
            {
                "kind": "listing",
                "columns": [[title or " ", 1] for title in _filled(head, wide)],
                "rows": [{"cells": [{"text": cell or "–"} for cell in _filled(row, wide)]} for row in rows],
            }
        )


def _span(given: str | None) -> int:
    return min(whole(given or "") or 1, _MOST_SPANNED)


def _filled(row: list[str], wide: int) -> list[str]:
    return [*row, *[""] * (wide - len(row))]


def _spread(rows: list[list[_Cell]]) -> list[list[str]]:
    """Rows of single cells: what covers several is said in each, so that no value slips into another column."""
    spread: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}
    for cells in rows:
        row: list[str] = []
        waiting = list(reversed(cells))
        while waiting or len(row) in hanging:
            if len(row) in hanging:
                left, text = hanging.pop(len(row))
                if left > 1:
                    hanging[len(row)] = (left - 1, text)
                row.append(text)
                continue
            cell = waiting.pop()
            for _ in range(cell.across):
                if cell.down > 1:
                    hanging[len(row)] = (cell.down - 1, cell.text)
                row.append(cell.text)
        spread.append(row)
    return spread


def parts_of(html: str) -> list[Part]:
    """What a sanitized narrative says, as parts of a print. Nothing of its text is left out; its looks are."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.parts


def text_of(html: str) -> str:
    """What a sanitized narrative says as plain text, a line for each paragraph, item and row of a table."""
    lines: list[str] = []
    for part in parts_of(html):
        if part["kind"] == "listing":
            head = [title.strip() for title, _ in part["columns"]]
            rows = [[cell["text"] for cell in row["cells"]] for row in part["rows"]]
            lines += ["; ".join(row) for row in ([head] if any(head) else []) + rows]
        elif part["kind"] == "items":
            lines += part["items"]
        else:
            lines.append(part["text"])
    return "\n".join(lines)
