"""Documents as senders in the field spoil them, way by way: none is refused, none loses an entry in silence.

Each way is tried on some of the documents; with ``CHARTHOUSE_EVERY_SENDER=1`` on all of them.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from charthouse.exchange.cda.api import CdaError, Converted, read_tree, sections_as_html, to_fhir
from charthouse.exchange.fhir.api import is_valid
from tests.support.cda import ZONE, mint, samples
from tests.support.cda_senders import WAYS, Way, text_of

Element = ElementTree.Element
#: Codes that say nothing of what an item is about.
COMMON = {"encounter-diagnosis", "problem-list-item", "health-concern", "active", "confirmed", "survey", "resolved"}
EVERY = os.environ.get("CHARTHOUSE_EVERY_SENDER") == "1"
#: Of so many documents one is tried in each way.
OF = 1 if EVERY else 9


@cache
def sources() -> tuple[Path, ...]:
    own = [
        each for each in sorted((Path(__file__).parent / "documents").glob("*.xml")) if "broken" not in each.name
    ]
    return (*own, *samples())


@cache
def good(path: Path) -> Element:
    return read_tree(path.read_bytes()).root


@cache
def as_it_was(path: Path) -> Converted:
    return to_fhir(text_of(good(path)).encode(), zone=ZONE, mint=mint)


def said(found: Converted) -> Counter[str]:
    """What a document came to, without ids, and without its own bytes."""
    resources = []
    for draft in found.drafts:
        plain: dict[str, Any] = orjson.loads(orjson.dumps(draft.resource))
        if draft.type == "DocumentReference":
            for content in plain.get("content", ()):
                content["attachment"].pop("data", None)
        text = json.dumps({**plain, "id": ""}, sort_keys=True)
        resources.append(re.sub(r"(\w+)/[0-9a-f-]{36}", r"\1", text))
    return Counter(resources)


def items(found: Converted) -> Counter[str]:
    return Counter(draft.type for draft in found.drafts if not draft.directory and draft.type != "Patient")


def alike(found: Converted) -> int:
    """How many items of a document have the codes of another one."""
    named = [
        re.findall(r'"code":"([^"]*)"', orjson.dumps(draft.resource).decode())
        for draft in found.drafts
        if not draft.directory and draft.type not in ("Patient", "DocumentReference")
    ]
    codes = [frozenset(each) - COMMON for each in named]
    return len(codes) - len(set(codes))


def letters(text: str) -> Counter[str]:
    return Counter("".join(text.split()))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_way_of_a_sender_costs_no_document_and_no_entry(way: Way) -> None:
    first = 0 if EVERY else WAYS.index(way) % OF
    for path in sources()[first::OF]:
        data = way.send(good(path))
        try:
            found = to_fhir(data, zone=ZONE, mint=mint)
        except CdaError as error:
            # It names its patient by a name alone, and that is what was taken away.
            assert path.stem == "without-templates" and "whom it is about" in str(error), path.name
            continue
        before = as_it_was(path)
        for draft in found.drafts:
            assert is_valid(orjson.loads(orjson.dumps(draft.resource))), (path.name, draft)
        for section in found.sections:
            assert section.read == section.entries or section.reasons, (path.name, section)
        for shown, section_element in zip(
            sections_as_html(data), read_tree(data).root.iter("section"), strict=True
        ):
            text = section_element.find("text")
            lost = letters("".join(text.itertext()) if text is not None else "") - letters(
                unescape(re.sub("<[^>]*>", "", shown.html))
            )
            assert not lost, (path.name, shown.title, lost)
        if way.expected == "same":
            assert said(found) == said(before), path.name
        elif way.expected == "kept" and (fewer := sum(items(before).values()) - sum(items(found).values())) > 0:
            had = Counter(reason for each in before.sections for reason in each.reasons)
            named = Counter(reason for each in found.sections for reason in each.reasons) - had
            said_so = any(now.read < was.read for was, now in zip(before.sections, found.sections, strict=False))
            # What was told apart only by what is spoiled now is one item.
            assert named or said_so or found.faults or fewer <= alike(before), (
                path.name,
                items(before) - items(found),
            )
