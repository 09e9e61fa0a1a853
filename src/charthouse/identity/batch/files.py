"""Rows of somebody's file: CSV in any usual dialect, or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_PARQUET = b"PAR1"
_DELIMITERS = ",;\t|"
#: What senders write where they know nothing.
_NOTHING = {
    "", "nan", "null", "none", "n/a", "#n/a", "na", "<na>", "nat", "nil", "missing", "unknown", "unk", "?", "-",
    "--",
    ".", "\\n", "(null)", "not available", "not known", "n.a.", "undefined", "blank",
}  # fmt: skip


class FileError(ValueError):
    """A file cannot be read; the message says where and why."""


class Rows:
    """The header and rows of a file, all values as text; empty where nothing is known."""

    def __init__(self, header: Sequence[str], rows: Iterator[list[str]]) -> None:
        self.header = tuple(header)
        self._rows = rows

    def __iter__(self) -> Iterator[list[str]]:
        return self._rows


def read_rows(path: Path) -> Rows:
    """The rows of a CSV or Parquet file. Raises FileError where it is neither, is empty, or a row does not fit."""
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not start.strip():
        raise FileError(f"{path} is empty.")
    if start.startswith(_PARQUET):
        return _parquet(path)
    return _csv(path, start)


def known(value: str) -> str:
    """A value without blanks around it; empty where it stands for nothing."""
    value = value.strip()
    return "" if value.lower() in _NOTHING else value


def _csv(path: Path, start: bytes) -> Rows:
    encoding = _encoding(path, start)
    text = path.open(encoding=encoding, newline="")
    first = text.readline()
    while first and not first.strip():
        first = text.readline()
    delimiter = max(_DELIMITERS, key=first.count)
    text.seek(0)
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    header = [name.strip() for name in _next(path, reader)]
    _check_header(path, header)
    return Rows(header, _checked(path, reader, text, len(header)))


def _next(path: Path, reader: Any) -> list[str]:
    try:
        for row in reader:
            if any(value.strip() for value in row):
                return list(row)
    except (csv.Error, UnicodeError) as error:
        raise FileError(f"{path}, line {reader.line_num}: {error}.") from None
    raise FileError(f"{path} has no header.")


def _checked(path: Path, reader: Any, text: io.TextIOWrapper, wide: int) -> Iterator[list[str]]:
    with text:
        try:
            for row in reader:
                if len(row) != wide:
                    if not any(value.strip() for value in row):
                        continue
                    raise FileError(
                        f"{path}, line {reader.line_num}: {len(row)} values, but the header names {wide} columns."
                    )
                yield [known(value) for value in row]
        except (csv.Error, UnicodeError) as error:
            raise FileError(f"{path}, line {reader.line_num}: {error}.") from None


def _encoding(path: Path, start: bytes) -> str:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in start:
        raise FileError(f"{path} is neither text nor Parquet.")
    try:
        with path.open(encoding="utf-8-sig") as text:
            while text.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "cp1252" if not any(byte in start for byte in b"\x81\x8d\x8f\x90\x9d") else "latin-1"
    return "utf-8-sig"


def _check_header(path: Path, header: Sequence[str]) -> None:
    twice = {name for name in header if name and header.count(name) > 1}
    if twice:
        raise FileError(f"{path} names {', '.join(sorted(twice))} more than once in its header.")


def _parquet(path: Path) -> Rows:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    try:
        relation = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
    except duckdb.Error as error:
        raise FileError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    header = [str(column[0]) for column in relation.description or ()]
    _check_header(path, header)

    def rows() -> Iterator[list[str]]:
        try:
            while batch := relation.fetchmany(10_000):
                for row in batch:
                    yield [_text(value) for value in row]
        except duckdb.Error as error:
            raise FileError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
        finally:
            connection.close()

    return Rows(header, rows())


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        # A column of whole numbers with gaps is kept as floats by many tools.
        return "" if value != value else str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, bytes | bytearray):
        return known(value.decode("utf-8", "replace"))
    return known(str(value))
