"""Several documents in one file are told apart, however they are put together."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from charthouse.exchange.cda.api import documents_of
from tests.support.cda import converted

DOCUMENTS = Path(__file__).parent / "documents"


def body(name: str = "no-known") -> str:
    """A document without its declaration."""
    text = (DOCUMENTS / f"{name}.xml").read_text("utf-8")
    return text[text.index("<ClinicalDocument") :].strip()


def encoded(name: str) -> str:
    return base64.encodebytes((DOCUMENTS / f"{name}.xml").read_bytes()).decode()


FIRST, SECOND = body("no-known"), body("nested-and-null")
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


@pytest.mark.parametrize(
    "text",
    [
        FIRST + "\n" + SECOND,
        DECLARATION + FIRST + "\n" + DECLARATION + SECOND,
        f"<documents><one>{FIRST}</one>\n<!-- <ClinicalDocument> --><one>{SECOND}</one></documents>",
        f"<batch><![CDATA[{FIRST}]]><![CDATA[{SECOND}]]></batch>",
        f"<r:Response xmlns:r='urn:x'><r:Document>{encoded('no-known')}</r:Document>"
        f"<r:Document>\n{encoded('nested-and-null')}</r:Document></r:Response>",
        FIRST.removesuffix("</ClinicalDocument>") + SECOND,
    ],
    ids=["one after another", "each with its declaration", "within other XML", "in CDATA", "in base64", "no end"],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_each_document_is_read_by_itself(text: str, codec: str) -> None:
    found = documents_of(text.encode(codec))
    assert len(found) == 2
    alone = [converted(each.encode()) for each in (FIRST, SECOND)]
    for piece, whole in zip(found, alone, strict=True):
        made = converted(piece)
        assert made.kind == whole.kind
        assert [(each.title, each.outcome) for each in made.sections] == [
            (each.title, each.outcome) for each in whole.sections
        ]


@pytest.mark.parametrize(
    "text",
    [
        DECLARATION + FIRST,
        # What a document holds is its own.
        FIRST.replace("</title>", f"</title><!-- {SECOND.replace('--', '')} -->", 1),
        FIRST.replace("<text>", f"<text><![CDATA[{SECOND}]]>", 1),
        # Refused by whoever reads it, for what it declares.
        f"<!DOCTYPE a [<!ENTITY b 'c'>]><a>{FIRST}{SECOND}</a>",
        "<html><body>no document</body></html>",
        "",
    ],
)
def test_one_document_or_none_stays_as_it_came(text: str) -> None:
    assert documents_of(text.encode()) == [text.encode()]


def test_what_has_no_end_ends_where_the_next_begins() -> None:
    cut = FIRST.removesuffix("</ClinicalDocument>")
    found = documents_of((cut + SECOND + cut).encode())
    assert [each.startswith(b"<ClinicalDocument") for each in found] == [True] * 3
