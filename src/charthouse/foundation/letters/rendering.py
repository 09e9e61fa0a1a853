"""Setting a letter with typst: PDF/UA-1, tagged, the same bytes for the same letter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import orjson
import typst

from .plain_text import everywhere, named, plain
from .shapes import Letter

_ROOT = Path(__file__).resolve().parents[2]
_FONTS = Path(__file__).resolve().parent / "fonts"
_TEMPLATE = re.compile(r"[a-z_]+(/[a-z_]+)*/[a-z_]+")
_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(?=-|$)")
_NO_SIGN = re.compile(r'the text `"((?:[^"\\]|\\.)*)"` could not be displayed')
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}|\\(.)")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_BEYOND = re.compile(r"[^\n -~\u00a0-\u017f]")
#: Something that can be seen; a title has to be more than blanks and joiners.
_SHOWN = re.compile(r"[^\W_]|[!-~]")
_ATTEMPTS = 4
_REMEMBERED = 11
_NAMED = "Signs that this typeface does not have are written by their number, as in [U+4E2D]."


class LetterError(Exception):
    """A letter that cannot be set: its template is missing or wrong. The message holds nothing of the text."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a named place of a letter came to stand: its page, from 1, and a rectangle on it in points from the
    upper left, without size for a place that is only a point."""

    name: str
    page: int
    left: float = 0
    top: float = 0
    width: float = 0
    height: float = 0


def render(letter: Letter) -> bytes:
    """The letter as a PDF. Raises LetterError.

    The file is tagged PDF/UA-1 with title and language; its dates are the letter's own, so that the same letter is
    the same file. Signs that none of the carried typefaces has are named by number, and a note says so.
    """
    return _set(letter, places=False)[0]


def render_with_places(letter: Letter) -> tuple[bytes, list[Place]]:
    """The letter as by :func:`render`, and where its parts of the kinds place and sheet came to stand."""
    return _set(letter, places=True)


def _set(letter: Letter, *, places: bool) -> tuple[bytes, list[Place]]:
    source = template_file(letter.template)
    data = everywhere(_data(letter), plain)
    for name in ("title", "file_title"):
        data[name] = data[name] if _SHOWN.search(data[name]) else "Untitled"
    for attempt in range(_ATTEMPTS + 1):
        try:
            given = {"data": orjson.dumps(data).decode()}
            content = typst.compile(
                source,
                root=_ROOT,
                font_paths=_fonts(),
                ignore_system_fonts=True,
                sys_inputs=given,
                pdf_standards=["ua-1"],
                timestamp=int(letter.instant.timestamp()),
            )
            return content, _places(source, given) if places else []
        except typst.TypstError as error:
            # What the typesetter says quotes the text, so it must not travel on.
            wanting = {_unescaped(text) for text in _NO_SIGN.findall(error.diagnostic)}
            where = _place(error.diagnostic)
        finally:
            _forget()
        if not wanting or attempt == _ATTEMPTS:
            raise LetterError(f"The template {letter.template} cannot be set{where}. Look at it with other text.")
        data = everywhere(data, _name_all if attempt == _ATTEMPTS - 1 else partial(_name, wanting))
        if _NAMED not in data["notes"]:
            data["notes"].append(_NAMED)
    raise AssertionError("unreachable")


def _places(source: Path, given: dict[str, str]) -> list[Place]:
    """What the setting that was done just now says of its named places."""
    told = typst.query(
        source,
        "<place>",
        field="value",
        root=_ROOT,
        font_paths=[_FONTS],
        ignore_system_fonts=True,
        sys_inputs=given,
    )
    return [Place(**each) for each in orjson.loads(told)]


def template_file(template: str) -> Path:
    """The file of a template ``app/name``. Raises LetterError where there is none."""
    if _TEMPLATE.fullmatch(template):
        app, _, name = template.rpartition("/")
        path = _ROOT / app / "letters" / f"{name}.typ"
        if path.is_file():
            return path
    raise LetterError(
        f"There is no template {template!r}: it is given as app/name, and its file as app/letters/name.typ."
    )


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[_FONTS])


def _forget() -> None:
    """Let the typesetter drop what it remembers of a letter.

    It keeps the steps of the last ten settings in case they are asked for again, which no letter is: 23 MB for each
    print of 300 rows. Ten empty settings make it forget, within some 20 ms.
    """
    for _ in range(_REMEMBERED):
        typst.compile(b"", format="svg", font_paths=_fonts(), ignore_system_fonts=True)


def _data(letter: Letter) -> dict[str, Any]:
    head, patient = letter.letterhead, letter.patient
    language = _LANGUAGE.match(letter.lang)
    return {
        "title": letter.title,
        "file_title": letter.file_title or letter.title,
        "lang": language[0].lower() if language else "en",
        "paper": letter.paper,
        "letterhead": {
            "name": head.name,
            "organization": head.organization,
            "address": [line.strip() for line in head.address.splitlines() if line.strip()],
            "phone": head.phone,
        },
        "patient": patient
        and {"name": patient.name, "born": patient.born, "mrns": list(patient.mrns), "sex": patient.sex},
        "by": letter.by,
        "at": letter.at,
        "use": letter.use,
        "mark": letter.mark,
        "notes": list(letter.notes),
        "content": letter.content,
    }


def _unescaped(text: str) -> str:
    def sign(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else _CONTROLS.get(found[2], found[2])

    return _ESCAPED.sub(sign, text)


def _name(wanting: set[str], text: str) -> str:
    for signs in sorted(wanting, key=len, reverse=True):
        if signs in text:
            text = text.replace(signs, named(signs))
    return text


def _name_all(text: str) -> str:
    return _BEYOND.sub(lambda found: named(found[0]), text)


def _place(diagnostic: str) -> str:
    found = re.search(r"([\w/.-]+\.typ:\d+:\d+)", diagnostic)
    return f", at {found[1].rpartition('/')[2]}" if found else ""
