"""Documents as systems in the field write them: everything in them is read, or named with the reason."""
# ruff: noqa: E501 (tables)

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from charthouse.exchange.cda.api import CdaError, Converted, is_cda, sections_as_html
from charthouse.exchange.fhir.api import is_valid
from tests.support.cda import converted

DOCUMENTS = Path(__file__).parent / "documents"


def document(name: str) -> bytes:
    return (DOCUMENTS / f"{name}.xml").read_bytes()


def resources(found: Converted, kind: str) -> list[dict[str, Any]]:
    return [draft.resource for draft in found.drafts if draft.type == kind]


def one(found: Converted, kind: str) -> dict[str, Any]:
    (resource,) = resources(found, kind)
    return resource


def codes(concept: dict[str, Any]) -> set[tuple[str | None, str]]:
    return {(each.get("system"), each["code"]) for each in concept.get("coding", ())}


@pytest.mark.parametrize("path", sorted(DOCUMENTS.glob("*.xml")), ids=lambda path: path.stem)
def test_every_resource_is_valid_and_about_the_patient(path: Path) -> None:
    found = converted(path.read_bytes())
    patient = f"Patient/{one(found, 'Patient')['id']}"
    for draft in found.drafts:
        assert is_valid(draft.resource), draft
        owner = draft.resource.get("subject") or draft.resource.get("patient") or draft.resource.get("beneficiary")
        assert draft.directory or draft.type == "Patient" or owner == {"reference": patient}, draft


def test_null_codes_fall_back_on_translations_and_on_words() -> None:
    found = converted(document("nested-and-null"))
    allergy = one(found, "AllergyIntolerance")
    assert codes(allergy["code"]) == {("http://snomed.info/sct", "735029006")}
    assert allergy["code"]["text"] == "Shellfish (prawns & crab)"
    assert allergy["category"] == ["food"] and allergy["type"] == "allergy"
    assert allergy["reaction"] == [{"manifestation": [{"text": "Hives"}], "severity": "severe"}]


def test_results_two_organizers_deep_with_one_id_for_several_are_all_read() -> None:
    found = converted(document("nested-and-null"))
    values = {each["code"].get("text"): each for each in resources(found, "Observation")}
    assert str(values["LDL"]["valueQuantity"]["value"]) == "131.0"
    assert values["Blood culture"]["valueString"] == "Mixed flora"
    assert values["Albumin/Creatinine"]["valueQuantity"]["comparator"] == "<"
    report = one(found, "DiagnosticReport")
    assert len({each["reference"] for each in report["result"]}) == 3
    assert len({each["id"] for each in resources(found, "Observation")}) == len(resources(found, "Observation"))


def test_the_patient_has_what_the_header_says() -> None:
    patient = one(converted(document("nested-and-null")), "Patient")
    assert [each["value"] for each in patient["identifier"]] == ["E404417", "900-11-2233"]
    assert patient["identifier"][1]["system"] == "http://hl7.org/fhir/sid/us-ssn"
    assert patient["name"][0]["family"] == "Oduya-Brandt" and patient["name"][1]["use"] == "maiden"
    extensions = {each["url"].rpartition("/")[2]: each for each in patient["extension"]}
    race = [
        each["valueCoding"]["code"] for each in extensions["us-core-race"]["extension"] if "valueCoding" in each
    ]
    assert race == ["2054-5", "2060-2"]
    assert extensions["us-core-birthsex"]["valueCode"] == "F"
    assert patient["communication"][0]["language"]["coding"][0]["code"] == "fr"


def test_sections_without_templates_are_known_by_their_titles() -> None:
    found = converted(document("without-templates"))
    assert [(each.kind, each.outcome) for each in found.sections] == [
        ("problems", "partly"),
        ("medications", "partly"),
        ("text", "text"),
    ]
    condition = one(found, "Condition")
    assert "onsetDateTime" not in condition
    statement = one(found, "MedicationStatement")
    assert statement["dosage"][0]["timing"]["repeat"] == {"frequency": 1, "period": 12, "periodUnit": "h"}
    assert statement["effectivePeriod"] == {"start": "2020-01-01"}
    assert found.sections[1].reasons == ["A medication names neither a code nor words."]
    assert one(found, "Patient")["birthDate"] == "1949-07"


def test_prefixes_latin_1_and_the_templates_of_old_documents() -> None:
    found = converted(document("prefixed-c32"))
    assert one(found, "Patient")["name"][0] == {"family": "Nuñez", "given": ["José"]}
    allergy = one(found, "AllergyIntolerance")
    assert allergy["clinicalStatus"]["coding"][0]["code"] == "inactive"
    systolic, diastolic = resources(found, "Observation")
    assert systolic["effectiveDateTime"] == "2011-04-01"
    assert diastolic["dataAbsentReason"]["coding"][0]["code"] == "unknown" and "valueQuantity" not in diastolic


def test_one_broken_element_does_not_cost_the_document() -> None:
    found = converted(document("one-broken-element"))
    (fault,) = found.faults
    assert fault[0] == "ClinicalDocument" and "not well-formed" in fault[1] and "line 8" in fault[1]
    assert one(found, "Condition")["abatementDateTime"] == "2024-02-02"
    assert [each.outcome for each in found.sections] == ["text", "partly"]
    texts = sections_as_html(document("one-broken-element"))
    assert "two days" in texts[0].html


def test_what_there_is_none_of_is_said_and_never_left_to_be_guessed() -> None:
    found = converted(document("no-known"))
    assert codes(one(found, "AllergyIntolerance")["code"]) == {("http://snomed.info/sct", "409137002")}
    assert codes(one(found, "Condition")["code"]) == {("http://snomed.info/sct", "160245001")}
    assert codes(one(found, "MedicationStatement")["medicationCodeableConcept"]) == {
        ("http://snomed.info/sct", "787481004")
    }
    immunization = one(found, "Immunization")
    assert immunization["status"] == "not-done"
    assert codes(immunization["statusReason"]) == {("http://terminology.hl7.org/CodeSystem/v3-ActReason", "PATOBJ")}


def test_a_restricted_document_labels_its_items_and_not_the_patient() -> None:
    found = converted(document("no-known"))
    for draft in found.drafts:
        labels = [each["code"] for each in draft.resource.get("meta", {}).get("security", ())]
        assert labels == ([] if draft.type == "Patient" or draft.directory else ["R"]), draft.type


def test_a_document_about_two_is_filed_under_the_first_and_a_person_is_told() -> None:
    found = converted(document("no-known"))
    assert found.faults == [("recordTarget", "The document is about 2 patients; it is filed under the first.")]
    assert one(found, "Patient")["name"][0]["given"] == ["Ilse"]


def test_the_same_entry_has_the_same_id_in_the_next_document() -> None:
    first = converted(document("nested-and-null"))
    later = converted(
        document("nested-and-null").replace(b"688883.1", b"688883.2").replace(b"20240312093015", b"20240401101010")
    )
    keys = [
        {draft.id for draft in found.drafts if draft.type in ("AllergyIntolerance", "DiagnosticReport")}
        for found in (first, later)
    ]
    assert keys[0] == keys[1]
    assert one(first, "DocumentReference")["id"] != one(later, "DocumentReference")["id"]


# Encodings and wrappings

PLAIN = document("without-templates")


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.decode().replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16"),
        PLAIN.decode().encode("utf-16-le"),
        PLAIN.decode().encode("utf-16-be"),
        b"\r\n \t" + PLAIN,
        PLAIN.replace(b'<?xml version="1.0"?>', b'<?xml version="1.1" encoding="x-unheard-of"?>'),
        PLAIN + b"\x00\x00 trailing rubbish",
        PLAIN.replace(b'xmlns="urn:hl7-org:v3"', b""),
        PLAIN.replace(b'xmlns="urn:hl7-org:v3"', b'xmlns="urn:hl7-org:v3/cda"'),
        b"<wrap><soap:Body xmlns:soap='urn:x'>" + PLAIN[PLAIN.index(b"<Clin") :] + b"</soap:Body></wrap>",
        b"<Submit><Document id='d1'>" + base64.encodebytes(PLAIN) + b"</Document></Submit>",
        b"<row><doc><![CDATA[" + PLAIN + b"]]></doc></row>",
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=zz\r\n\r\n--zz\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        b"--zz\r\nContent-Type: text/xml\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(PLAIN) + b"\r\n--zz--\r\n",
        PLAIN.replace(b"<ClinicalDocument", b"<!DOCTYPE ClinicalDocument><ClinicalDocument"),
        PLAIN.replace(b"<ClinicalDocument", b'<!DOCTYPE ClinicalDocument SYSTEM "http://127.0.0.1/x.dtd">\n<ClinicalDocument'),
    ],
    ids=["bom", "utf-16", "utf-16-le", "utf-16-be", "blanks", "version-1.1", "trailing", "no-namespace", "wrong-namespace", "soap",
         "base64", "cdata", "mime", "plain-doctype", "external-doctype"],
)  # fmt: skip
def test_however_it_is_encoded_or_wrapped_it_is_read(data: bytes) -> None:
    assert is_cda(data[:64])
    found = converted(data)
    assert [draft.type for draft in found.drafts].count("Condition") == 1
    assert one(found, "Patient")["name"] == [{"text": "Anselm Quill"}]


def test_tags_left_open_as_in_html_are_closed() -> None:
    data = PLAIN.replace(b"Seen at home.", b"<paragraph>Seen<br>at<br>home" * 150)
    (text,) = [each.html for each in sections_as_html(data) if "Seen" in each.html]
    assert text.count("<p>") == 150 and text.count("Seen<br>at<br>home") == 150
    assert "not well-formed" in converted(data).faults[0][1]


def test_of_several_documents_in_one_file_the_first_is_read_and_a_person_is_told() -> None:
    body = PLAIN[PLAIN.index(b"<Clin") :]
    found = converted(b"<all>" + body + body.replace(b"Quill", b"Other") + b"</all>")
    assert one(found, "Patient")["name"] == [{"text": "Anselm Quill"}]
    assert found.faults[0][1].startswith("The file holds 2 documents")


HOSTILE = {
    "billion laughs": b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><ClinicalDocument>&b;</ClinicalDocument>',
    "a file": b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]><ClinicalDocument><title>&x;</title></ClinicalDocument>',
    "parameter entity": b'<?xml version="1.0"?><!-- c --><!DOCTYPE d [<!ENTITY % p SYSTEM "http://127.0.0.1/e.dtd"> %p;]><ClinicalDocument/>',
    "an internal part after an external": b'<!DOCTYPE d SYSTEM "http://127.0.0.1/x.dtd" [<!ENTITY x "y">]><ClinicalDocument/>',
    "deep": b"<ClinicalDocument>" + b"<a>" * 60_000 + b"</a>" * 60_000 + b"</ClinicalDocument>",
    "deep and never closed": b"<ClinicalDocument>" + b"<a>" * 60_000,
    "a giant attribute": b'<ClinicalDocument title="' + b"x" * 200_000 + b'"/>',
    "nothing": b"",
    "no tag": b"plain text",
    "another language": b"<html><body>ClinicalDocument</body></html>",
    "hidden by its encoding": '<!DOCTYPE l [<!ENTITY a "x">]><ClinicalDocument>&a;</ClinicalDocument>'.encode(
        "utf-16"
    ),
    "nobody": b"<ClinicalDocument xmlns='urn:hl7-org:v3'><title>x</title></ClinicalDocument>",
    "tags without end": b"<ClinicalDocument>" + b"<a/>" * 1_100_000 + b"</ClinicalDocument>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_refused_in_words(name: str) -> None:
    with pytest.raises(CdaError) as refused:
        converted(HOSTILE[name])
    said = str(refused.value)
    assert said.endswith((".", "needs none.")) or "DOCTYPE" in said
    assert "hostname" not in said and "127.0.0.1" not in said


def test_an_entity_that_nobody_declared_stays_text() -> None:
    data = PLAIN.replace(b"Seen at home.", b"Seen &unknown; at home &lt;b&gt; &eacute;.")
    (text,) = [each.html for each in sections_as_html(data) if "Seen" in each.html]
    assert text == "Seen &amp;unknown; at home &lt;b&gt; é."
