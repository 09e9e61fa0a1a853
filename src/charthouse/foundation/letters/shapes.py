"""What a letter is made of, before it is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes: a facility's or the organization's name, and where it is, as far as known.

    ``organization`` is empty where the organization itself writes. ``address`` may have several lines.
    """

    name: str
    organization: str = ""
    address: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """Whose record it is, as it stands on each page. ``born`` is in words, empty where unknown."""

    name: str
    born: str
    mrns: tuple[str, ...]
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter or print. ``template`` is ``app/name``: the file ``app/letters/name.typ``.

    ``by`` names who printed it and ``at`` says when, in words; ``instant`` is the same moment, aware, for the file
    itself. ``use`` is the sentence that says what the paper is for. ``mark`` is the word for a paper that is not
    final ("unsigned"), printed across each page. ``content`` is what the template shows: text, numbers, lists and
    mappings. ``notes`` stand at the end. ``file_title`` is what the file calls itself, which a browser shows on its
    tab; empty where the title itself may stand there. ``lang`` is the BCP 47 language the paper is written in.
    """

    template: str
    title: str
    letterhead: Letterhead
    by: str
    at: str
    instant: datetime
    use: str
    content: Mapping[str, Any]
    patient: PatientIdentity | None = None
    mark: str = ""
    notes: Sequence[str] = field(default_factory=tuple)
    file_title: str = ""
    lang: str = "en"
    paper: str = "us-letter"
