"""The text in attachments and resources, also in hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.record.domain.texts import MOST_PAGES, rtf_text, said_by, text_of


@pytest.mark.parametrize(
    ("content", "media_type", "text"),
    [
        (b"BP 120/80\r\n\r\n\r\nstable", "text/plain", "BP 120/80\n\nstable"),
        ("Müller".encode("latin-1"), "text/plain; charset=iso-8859-1", "Müller"),
        ("Müller".encode("latin-1"), "text/plain", "Müller"),
        (b"<p>one</p><table><tr><td>two</td><td>three</td></tr></table>", "text/html", "one\n\ntwo three"),
        (b"<p>seen</p><script>var hidden</script><style>p{}</style>", "text/html", "seen"),
        (b"<b>bro</b>ken <i>word</i>", "text/html", "broken word"),
        (b"{\\rtf1\\ansi{\\fonttbl{\\f0 Arial;}}\\f0 Pain \\b severe\\b0\\par caf\\'e9 \\u8805?4}", "text/rtf",
         "Pain severe\ncafé ≥4"),
        (b"{\\rtf1 {\\*\\generator Word;}plain {\\pict 89504e47} end}", "application/rtf", "plain end"),
        (b"<a><c>any</c> <c>xml</c></a>", "application/xml", "any\n\nxml"),
        (b"\x00\x01\x02", "application/dicom", ""),
        (b"no PDF at all", "application/pdf", ""),
    ],
)  # fmt: skip
def test_text_of_an_attachment(content: bytes, media_type: str, text: str) -> None:
    assert text_of(content, media_type) == text


def test_of_a_clinical_document_the_narrative_is_read() -> None:
    document = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id extension="secret"/><title>Discharge</title><component>'
        b"<section><title>Allergies</title><text><table><tr><td>Penicillin</td><td>hives</td></tr></table>&b;</text>"
        b"<entry><observation><value>coded only</value></observation></entry></section></component>"
        b"</ClinicalDocument>"
    )
    text = text_of(document, "text/xml")
    assert text.startswith("Discharge") and "Penicillin hives" in text
    assert "coded only" not in text and "secret" not in text and "aaaa" not in text


def test_the_sample_documents_have_words(samples: object) -> None:
    from pathlib import Path

    for path in sorted((Path(str(samples)) / "cda").glob("*.ccda")):
        text = text_of(path.read_bytes(), "application/xml")
        assert text or "Unstructured" in path.name, path.name
        assert "urn:oid" not in text[:2000]


@given(
    st.binary(max_size=400), st.sampled_from(["text/html", "text/rtf", "text/xml", "text/plain", "application/pdf"])
)
def test_no_bytes_break_the_reader(content: bytes, media_type: str) -> None:
    for prefix in (b"", b"{\\rtf1 "):
        text = text_of(prefix + content, media_type)
        assert "\x00" not in text
        text.encode()


@given(st.text(alphabet=st.sampled_from("{}\\'*u12-5par \n?a"), max_size=300))
def test_no_rtf_breaks_the_reader(source: str) -> None:
    rtf_text("{\\rtf1" + source).encode()


def test_a_pdf_of_many_pages_is_read_to_a_limit() -> None:
    assert MOST_PAGES >= 200


def test_what_a_resource_says() -> None:
    said = said_by(
        {
            "resourceType": "Observation",
            "status": "final",
            "subject": {"reference": "Patient/1", "display": "Ada Example"},
            "identifier": [{"value": "ID-77"}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}]},
            "valueQuantity": {"value": 13.5, "unit": "g/dL"},
            "interpretation": [{"text": "Low"}],
            "note": [{"text": "Drawn from the line."}],
            "component": [{"code": {"text": "Method"}, "valueString": "Cyanide free"}],
        }
    )
    for words in ("Hemoglobin 718-7", "13.5 g/dL", "Low", "Drawn from the line.", "Method", "Cyanide free"):
        assert words in said
    assert "Ada" not in said and "ID-77" not in said and "final" not in said


def test_a_narrative_made_of_the_elements_is_not_said_twice() -> None:
    narrative = {"status": "generated", "div": "<div>Asthma</div>"}
    assert said_by({"text": narrative, "code": {"text": "Asthma"}}) == "Asthma"
    assert said_by({"text": narrative}) == "Asthma"
    assert "by hand" in said_by(
        {"text": {"status": "additional", "div": "<div>by hand</div>"}, "code": {"text": "A"}}
    )


def test_deep_nesting_ends() -> None:
    nested: dict[str, object] = {"text": "deep"}
    for _ in range(500):
        nested = {"item": [nested]}
    assert said_by(nested) == ""
