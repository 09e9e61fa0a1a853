"""Broken and hostile documents: no crash, no hang; read as far as they go, or refused in words.

``CHARTHOUSE_MALFORMED`` sets how many cases are tried (1,500 unless said otherwise), ``CHARTHOUSE_MALFORMED_SEED``
where the dice begin. A case that fails is named by its number.
"""

# ruff: noqa: E501 (tables)

from __future__ import annotations

import copy
import os
import random
import time
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from charthouse.exchange.cda.api import CdaError, line_range, sections_as_html, to_fhir
from charthouse.exchange.fhir.api import is_valid
from tests.support.cda import ZONE, converted, mint, samples

CASES = int(os.environ.get("CHARTHOUSE_MALFORMED", "1500"))
SEED = int(os.environ.get("CHARTHOUSE_MALFORMED_SEED", "1"))
#: Seconds one case may take on a busy machine.
LONGEST = 20
SMALL = 100_000
WORDS = [
    "", " ", "UNK", "NI", "0", "-1", "9" * 300, "1e999", "NaN", "20260230", "20261399999999", "\u202e", "\U0001f468",
    "<b>", "&amp;", "#", "#x", "2.16.840.1.113883.6.1", "urn:oid:", "../x", "A" * 3_000, "true", "\u00a0", "a b\tc",
]  # fmt: skip
RUBBISH = [
    b"", b"<", b">", b"&", b"&x;", b"]]>", b"<!--", b"<?x", b"<![CDATA[", b"\x00", b"\xff\xfe", b"</section>", b"<entry>",
    b'"', b"'", b"=", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<a:b>", b"\xc3", b"<observation/>", b"</x>" * 50,
]  # fmt: skip


@cache
def sources() -> tuple[bytes, ...]:
    own = sorted((Path(__file__).parent / "documents").glob("*.xml"))
    return tuple(data for path in [*own, *samples()] if len(data := path.read_bytes()) < SMALL)


def broken_bytes(data: bytes, dice: random.Random) -> bytes:
    """Bytes with something wrong in them."""
    at = dice.randrange(len(data) + 1)
    match dice.randrange(7):
        case 0:
            return data[:at]
        case 1:
            return data[at:]
        case 2:
            end = min(len(data), at + dice.choice([1, 20, 2_000]))
            return data[:at] + data[end:]
        case 3:
            return data[:at] + data[at : at + 400] * dice.choice([2, 12]) + data[at:]
        case 4:
            flipped = bytearray(data)
            for _ in range(dice.choice([1, 3, 30])):
                flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
            return bytes(flipped)
        case 5:
            return data.decode("utf-8", "replace").encode(
                dice.choice(["utf-16", "utf-32", "latin-1", "cp1252"]), "replace"
            )
        case _:
            return data[:at] + dice.choice(RUBBISH) + data[at:]


def changed_tree(data: bytes, dice: random.Random) -> bytes:
    """A well-formed document in which elements are missing, doubled, moved, renamed or say nonsense."""
    root = copy.deepcopy(_tree(data))
    parents = [each for each in root.iter() if len(each)]
    for _ in range(dice.choice([1, 2, 5, 20])):
        parent = dice.choice(parents)
        if not len(parent):
            continue
        child = parent[dice.randrange(len(parent))]
        match dice.randrange(8):
            case 0:
                parent.remove(child)
            case 1:
                parent.insert(0, copy.deepcopy(child))
            case 2:
                dice.choice(parents).append(copy.deepcopy(child))
            case 3:
                child.tag = dice.choice(parents).tag
            case 4 if child.attrib:
                child.set(dice.choice(list(child.attrib)), dice.choice(WORDS))
            case 5:
                child.attrib.clear()
            case 6:
                child.text = dice.choice(WORDS)
            case _:
                child.set("nullFlavor", dice.choice(["UNK", "NI", "NA", "", "what"]))
    return ElementTree.tostring(root, encoding="utf-8")


@cache
def _tree(data: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError:
        return ElementTree.fromstring((Path(__file__).parent / "documents" / "no-known.xml").read_bytes())


@pytest.mark.slow
def test_no_document_breaks_the_reader() -> None:
    read = refused = 0
    for number in range(CASES):
        dice = random.Random(SEED * 1_000_003 + number)
        data = dice.choice(sources())
        well_formed = dice.random() < 0.6
        case = changed_tree(data, dice) if well_formed else broken_bytes(data, dice)
        began = time.perf_counter()
        try:
            found = to_fhir(case, zone=ZONE, mint=mint)
        except CdaError as error:
            refused += 1
            assert str(error).strip(), number
            assert not well_formed or "whom it is about" in str(error) or "no ClinicalDocument" in str(error), (
                number,
                str(error),
            )
            continue
        except Exception as error:
            pytest.fail(f"case {number}: {type(error).__name__}: {error}")
        read += 1
        assert time.perf_counter() - began < LONGEST, number
        assert len({draft.reference for draft in found.drafts}) == len(found.drafts), number
        if number % 10 == 0:
            for draft in converted(case).drafts:
                assert is_valid(draft.resource), (number, draft)
            sections_as_html(case)
            line_range(case, found.drafts[-1].segment)
    assert read > CASES * 0.5
    assert refused < CASES * 0.4
