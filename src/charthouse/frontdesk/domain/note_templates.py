"""Templates of notes, by kind: sections with what belongs in them. Data, not code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import yaml

from .forms import Fields

_FILE = Path(__file__).parent.parent / "data" / "note_templates.yaml"


@dataclass(frozen=True, slots=True)
class NoteSection:
    """A section of a note: its heading, and what belongs there. ``field`` is its name in the form."""

    title: str
    prompt: str
    field: str


@lru_cache(maxsize=1)
def note_templates() -> Mapping[str, Sequence[NoteSection]]:
    """The sections of each kind of note (LOINC code) that has a template."""
    listed = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            str(each["code"]): tuple(
                NoteSection(str(section["title"]), str(section["prompt"]), f"section_{number}")
                for number, section in enumerate(each["sections"], 1)
            )
            for each in listed
        }
    )


def text_of(code: str, fields: Fields) -> str:
    """A note written by sections as one text: each heading that has something under it, in the template's order."""
    written = [(section.title, fields.get(section.field, "").strip()) for section in note_templates().get(code, ())]
    return "\n\n".join(f"{title.upper()}\n{text}" for title, text in written if text)
