"""What part of a chart a document is, by its codes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

#: A code with its system, as FHIR writes both; the system is empty for a sender's own codes.
Coding = tuple[str, str]

_DATA = Path(__file__).parent.parent / "data" / "pieces.yaml"
LOINC = "http://loinc.org"
_SYSTEMS = {
    "loinc": LOINC,
    "v2-0270": "http://terminology.hl7.org/CodeSystem/v2-0270",
    "v2-0074": "http://terminology.hl7.org/CodeSystem/v2-0074",
    "observation-category": "http://terminology.hl7.org/CodeSystem/observation-category",
}
#: Codes of senders' own: whatever the system, they mean this.
_LOCAL = "local"
#: The piece that results are which no code says more of.
RESULTS = "laboratory-report"
#: Where a document of each type says its kind: the nearest first.
_KINDS = {
    "DocumentReference": ("type", "category"),
    "Composition": ("type", "category"),
    "DiagnosticReport": ("code", "category"),
    "Media": ("type", "modality", "view"),
}
#: The types of resources that are documents of a chart.
DOCUMENT_TYPES = tuple(_KINDS)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a chart: ``slug`` as rules name it, and ``title`` as people do. ``key`` is the one that says it
    where documents are classified by hand, empty for none; ``words`` are what titles of such documents often
    hold."""

    slug: str
    title: str
    key: str = ""
    words: tuple[str, ...] = ()


@cache
def pieces() -> Mapping[str, Piece]:
    """Every piece there is, by slug, in the order of the data."""
    return {
        slug: Piece(slug, told["title"], str(told.get("key", "")), tuple(told.get("words", ())))
        for slug, told in _told().items()
    }


def title_of(slug: str) -> str:
    """A piece's title; of none, that it is unclassified, and of what is no piece, that it is something else."""
    found = pieces().get(slug)
    return found.title if found else "Other items" if slug else "Unclassified"


def piece_of(codings: Iterable[Coding], site: Mapping[Coding, str] | None = None) -> str | None:
    """The slug of the piece that one of the codings says; None for none.

    ``site`` maps a site's own codes and goes before what is known of codes here. An earlier coding goes before a
    later one.
    """
    listed = tuple(codings)
    if site:
        for each in listed:
            if found := site.get(each) or site.get(("", each[1])):
                return found
    return _known_piece(listed)


@lru_cache(maxsize=1024)
def _known_piece(listed: tuple[Coding, ...]) -> str | None:
    known, local = _codes()
    for each in listed:
        if found := known.get(each):
            return found
    for system, code in listed:
        # A sender's own code is known by itself; a code of a system that is known otherwise is not.
        if system not in _SYSTEMS.values() and (found := local.get(code.upper())):
            return found
    return None


def codings_of(resource: Mapping[str, Any]) -> tuple[Coding, ...]:
    """What a document says of its kind: its type's codings first, then its category's. A type in words alone is a
    coding of its own, of no system."""
    found: dict[Coding, None] = {}
    for name in _KINDS.get(str(resource.get("resourceType")), ()):
        if (said := resource.get(name)) is None:
            continue
        for concept in _listed(said):
            coded = False
            for each in _listed(concept.get("coding")):
                if code := each.get("code"):
                    found[str(each.get("system") or ""), str(code)] = None
                    coded = True
            if not coded and (text := " ".join(str(concept.get("text") or "").split())):
                found["", text] = None
    return tuple(found)


def said_kind(resource: Mapping[str, Any]) -> str:
    """What a document calls itself: its type in words, else its title; empty where it says neither."""
    for name in _KINDS.get(str(resource.get("resourceType")), ())[:1]:
        for concept in _listed(resource.get(name)):
            for text in (concept.get("text"), *(each.get("display") for each in _listed(concept.get("coding")))):
                if text:
                    return " ".join(str(text).split())
    return " ".join(str(resource.get("title") or resource.get("description") or "").split())


def classified(resource: Mapping[str, Any], site: Mapping[Coding, str] | None = None) -> str | None:
    """The piece a document is by its codes, as FHIR has it; None where nobody knows them. A report of results whose
    codes say no more is one of the laboratory's."""
    found = piece_of(codings_of(resource), site)
    if found is None and resource.get("resourceType") == "DiagnosticReport" and resource.get("result"):
        return RESULTS
    return found


def suggested(title: str) -> tuple[str, ...]:
    """The pieces a title may mean by its words, the longest match first: a help to who decides, never a
    decision."""
    said = " ".join(re.split(r"[\s_]+", title.casefold()))
    found = {
        slug: max(len(each) for each in matching)
        for slug, piece in pieces().items()
        if (matching := [each for each in (*piece.words, piece.title.casefold()) if each in said])
    }
    return tuple(sorted(found, key=lambda slug: -found[slug])[:3])


def _listed(value: Any) -> Sequence[Mapping[str, Any]]:
    if isinstance(value, dict):
        return (value,)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else ()


#: A sender's own code of a report is only taken for a note's where it is this long: short ones name tests, too.
_LONG = 5


def codes_of(wanted: Collection[str], site: Iterable[tuple[Coding, str]] = ()) -> frozenset[str]:
    """The codes that may say of a report that it is one of these pieces, of whatever system: those that are known,
    and those that a ``site`` maps so."""
    known, local = _codes()
    found = {code for (_, code), piece in known.items() if piece in wanted}
    found |= {code for code, piece in local.items() if piece in wanted and len(code) >= _LONG}
    return frozenset(found | {code for (_, code), piece in site if piece in wanted})


def is_note(codings: Iterable[Coding], wanted: Collection[str], site: Mapping[Coding, str]) -> bool:
    """Whether one of the codings of a report says that it is one of these pieces, and cannot mean a test."""
    known, local = _codes()
    return any(
        site.get((system, code), site.get(("", code))) in wanted
        or known.get((system, code)) in wanted
        or (system not in _SYSTEMS.values() and len(code) >= _LONG and local.get(code.upper()) in wanted)
        for system, code in codings
    )


@cache
def examinations() -> frozenset[str]:
    """The pieces that tell of an examination: when it was done counts, not when it was written down."""
    return frozenset(slug for slug, told in _told().items() if told.get("examination"))


@cache
def _told() -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = yaml.safe_load(_DATA.read_text("utf-8"))
    return told


@cache
def _codes() -> tuple[dict[Coding, str], dict[str, str]]:
    known: dict[Coding, str] = {}
    local: dict[str, str] = {}
    for slug, told in _told().items():
        for name, system in _SYSTEMS.items():
            for code in told.get(name, ()):
                if known.setdefault((system, str(code)), slug) != slug:
                    raise ValueError(f"{_DATA.name}: {code} of {name} stands under {slug} and another piece.")
        for code in told.get(_LOCAL, ()):
            if local.setdefault(str(code).upper(), slug) != slug:
                raise ValueError(f"{_DATA.name}: the local code {code} stands under {slug} and another piece.")
    return known, local
