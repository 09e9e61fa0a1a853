"""One bad element never costs a document: whatever is taken away, doubled or spoiled, the rest is read, and what is
not is named."""

# ruff: noqa: E501 (tables)

from __future__ import annotations

from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.exchange.cda.api import CdaError, read_tree, sections_as_html, to_fhir
from charthouse.exchange.fhir.api import is_valid
from tests.support.cda import ZONE, converted, mint, samples

Element = ElementTree.Element
#: What a document cannot do without: whom it is about.
NEEDED = {"ClinicalDocument", "recordTarget", "patientRole", "patient", "name", "id"}
SPOILED = ["", " ", "?", "UNK", "-1", "9" * 40, "20261399", "a\u00a0b\t", "\u202e", "urn:oid:1", "x" * 2_000]


def sources() -> list[Path]:
    return [*sorted((Path(__file__).parent / "documents").glob("*.xml")), *samples()]


@cache
def _root(path: Path) -> bytes:
    # As it is read, so that also the documents that need mending can be taken apart.
    return ElementTree.tostring(read_tree(path.read_bytes()).root)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[bytes, bool]:
    """A document with some elements or attributes spoiled, and whether what it needs may be among them."""
    root = ElementTree.fromstring(_root(draw(st.sampled_from(sources()))).replace(b"sdtc:", b""))
    needed = False
    for _ in range(draw(st.integers(1, 3))):
        parents = [each for each in root.iter() if len(each)]
        parent = parents[draw(st.integers(0, 10_000_000)) % len(parents)]
        place = draw(st.integers(0, 1_000)) % len(parent)
        child = parent[place]
        needed = needed or child.tag in NEEDED or parent.tag in NEEDED
        match draw(
            st.sampled_from(["remove", "double", "null", "bare", "empty", "text", "attribute", "move", "name"])
        ):
            case "remove":
                parent.remove(child)
            case "double":
                parent.insert(place, child)
            case "null":
                child.set("nullFlavor", draw(st.sampled_from(["UNK", "NI", "MSK", "nonsense", ""])))
            case "bare":
                child.attrib.clear()
            case "empty":
                del child[:]
            case "text":
                child.text = draw(st.sampled_from(SPOILED))
            case "attribute" if child.attrib:
                child.set(draw(st.sampled_from(sorted(child.attrib))), draw(st.sampled_from(SPOILED)))
            case "move":
                parent.remove(child)
                root.append(child)
            case _:
                child.tag = draw(st.sampled_from(["unheard", "act", "value", "section", "entry", "text"]))
    return ElementTree.tostring(root, encoding=draw(st.sampled_from(["utf-8", "utf-16", "us-ascii"]))), needed


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(spoiled())
def test_the_rest_is_read_and_what_is_not_is_named(made: tuple[bytes, bool]) -> None:
    data, needed = made
    try:
        found = to_fhir(data, zone=ZONE, mint=mint)
    except CdaError as error:
        assert needed and "whom it is about" in str(error)
        return
    for section in found.sections:
        assert section.read == section.entries or section.reasons, section
    assert any(draft.type == "DocumentReference" for draft in found.drafts)
    assert all(is_valid(draft.resource) for draft in converted(data).drafts)
    assert len(sections_as_html(data)) == len(found.sections)


SECTION = """<component><section><code code="11450-4" codeSystem="2.16.840.1.113883.6.1"/><title>Problems</title>
<text>{text}</text>{more}</section></component>"""
DOCUMENT = """<?xml version="1.0"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" {spaces}><id root="1.2.3"/>
<code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/>
<recordTarget><patientRole><id root="1.2.3.4" extension="77"/><patient><name><family>Marsh</family></name></patient>
</patientRole></recordTarget>{head}<component>{body}</component></ClinicalDocument>"""


def document(body: str, head: str = "", spaces: str = "") -> bytes:
    return DOCUMENT.format(body=body, head=head, spaces=spaces).encode()


def test_a_thousand_sections_and_twenty_megabytes_are_read() -> None:
    body = "<structuredBody>" + SECTION.format(text="A word. " * 2_500, more="") * 1_000 + "</structuredBody>"
    data = document(body)
    assert len(data) > 20_000_000
    found = to_fhir(data, zone=ZONE, mint=mint)
    assert len(found.sections) == 1_000 and all(each.outcome == "text" for each in found.sections)


def test_sections_within_sections_are_read_each() -> None:
    nested = ""
    for _ in range(20):
        nested = SECTION.format(text="More", more=nested)
    found = to_fhir(document(f"<structuredBody>{nested}</structuredBody>"), zone=ZONE, mint=mint)
    assert len(found.sections) == 20


@pytest.mark.parametrize(
    "head", ["", "<custodian/>", "<effectiveTime/>", '<effectiveTime nullFlavor="UNK"/>', "<author/>"]
)
@pytest.mark.parametrize(
    "body", ["", "<structuredBody/>", "<nonXMLBody/>", "<structuredBody><component/></structuredBody>"]
)
def test_missing_parts_of_the_header_and_no_body_cost_nothing(head: str, body: str) -> None:
    found = to_fhir(document(body, head), zone=ZONE, mint=mint)
    assert {draft.type for draft in found.drafts} >= {"Patient", "DocumentReference"}


@pytest.mark.parametrize(
    ("media", "words", "named"),
    [
        ('mediaType="application/pdf" representation="B64"', "JVBERi0xLjQK", ""),
        ('mediaType="text/rtf" representation="B64"', "e1xydGYxIGhlbGxvfQ==", ""),
        ('mediaType="text/plain"', "Plain words.", ""),
        ('mediaType="application/pdf" representation="B64"', "*no base64*", "base64"),
        ('mediaType="application/pdf" representation="B64"', " ", "empty"),
    ],
)
def test_an_unstructured_body_is_kept_or_named(media: str, words: str, named: str) -> None:
    found = converted(document(f"<nonXMLBody><text {media}>{words}</text></nonXMLBody>"))
    (reference,) = [draft.resource for draft in found.drafts if draft.type == "DocumentReference"]
    assert len(reference["content"]) == (1 if named else 2)
    assert [named in reason for _, reason in found.faults] == ([True] if named else [])


@pytest.mark.parametrize(
    ("spaces", "attribute"),
    [
        ('xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"', 'xsi:type="CD"'),
        ('xmlns:i="http://www.w3.org/2001/XMLSchema-instance"', 'i:type="CD"'),
        ('xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:v3="urn:hl7-org:v3"', 'xsi:type="v3:CD"'),
        ("", 'xsi:type="CD"'),
        ("", 'type="CD"'),
        ('xmlns:xsi="urn:something-else"', 'xsi:type="CD"'),
    ],
)
def test_a_type_is_known_however_its_prefix_is_bound(spaces: str, attribute: str) -> None:
    entry = f"""<entry><observation classCode="OBS" moodCode="EVN"><code code="ASSERTION"/>
    <statusCode code="completed"/><value {attribute} code="38341003" codeSystem="2.16.840.1.113883.6.96"
    displayName="Hypertension"/></observation></entry>"""
    body = f"<structuredBody>{SECTION.format(text='Hypertension', more=entry)}</structuredBody>"
    found = converted(document(body, spaces=spaces))
    (condition,) = [draft.resource for draft in found.drafts if draft.type == "Condition"]
    assert condition["code"]["coding"][0]["code"] == "38341003" and not found.faults


def section(code: str, entries: str) -> bytes:
    return document(
        f"""<structuredBody><component><section><code code="{code}"/><title>T</title><text>Words</text>{entries}
        </section></component></structuredBody>""",
        spaces='xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
    )


def kinds(data: bytes) -> list[str]:
    return [draft.type for draft in converted(data).drafts if draft.type not in ("Patient", "DocumentReference")]


PROBLEM = """<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN">{value}</observation>
</entryRelationship>"""
VALUE = '<value xsi:type="CD" code="38341003" codeSystem="2.16.840.1.113883.6.96" displayName="Hypertension"/>'


def test_one_problem_that_names_nothing_does_not_cost_the_other_of_its_concern() -> None:
    both = PROBLEM.format(value="") + PROBLEM.format(value=VALUE)
    data = section("11450-4", f'<entry><act classCode="ACT" moodCode="EVN">{both}</act></entry>')
    assert kinds(data) == ["Condition"]
    (report,) = converted(data).sections
    assert report.outcome == "partly" and report.reasons == ["A problem names neither a code nor words."]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ('<procedure classCode="PROC"><code code="73761001" displayName="Colonoscopy"/></procedure>', "ServiceRequest"),
        ('<observation classCode="OBS"><code code="2339-0" displayName="Glucose"/></observation>', "ServiceRequest"),
        (
            '<substanceAdministration classCode="SBADM"><consumable><manufacturedProduct><manufacturedMaterial>'
            '<code code="314076" displayName="Lisinopril"/></manufacturedMaterial></manufacturedProduct></consumable>'
            "</substanceAdministration>",
            "MedicationRequest",
        ),
    ],
)  # fmt: skip
def test_what_stands_in_a_plan_without_a_mood_is_not_taken_for_done(entry: str, kind: str) -> None:
    assert kinds(section("18776-5", f"<entry>{entry}</entry>")) == [kind]


def medicine(
    dose: str, time: str = '<effectiveTime xsi:type="IVL_TS"><low value="2024"/></effectiveTime>'
) -> bytes:
    return section(
        "10160-0",
        f"""<entry><substanceAdministration classCode="SBADM" moodCode="EVN"><statusCode code="active"/>{time}{dose}
        <consumable><manufacturedProduct><manufacturedMaterial><code code="314076" displayName="Lisinopril"/>
        </manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration></entry>""",
    )


@pytest.mark.parametrize(
    ("dose", "words"),
    [
        ('<doseQuantity value="1-2" unit="tablets"/>', "Dose: 1-2 tablets"),
        ('<doseQuantity value="half"/>', "Dose: half"),
        ('<rateQuantity value="wide open" unit="mL/h"/>', "Rate: wide open mL/h"),
        ('<doseQuantity value="2" unit="{tbl}"/>', None),
        ('<doseQuantity nullFlavor="UNK"/>', None),
    ],
)
def test_a_dose_that_is_no_number_is_kept_in_words(dose: str, words: str | None) -> None:
    (found,) = [draft.resource for draft in converted(medicine(dose)).drafts if draft.type == "MedicationStatement"]
    assert (found.get("dosage") or [{}])[0].get("text") == words


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("20140305T101500", "2014-03-05T10:15:00-06:00"), ("20140305T1015Z", "2014-03-05T10:15:00+00:00"),
        ("20140305101500 UTC", "2014-03-05T10:15:00+00:00"), ("20140305 101500-0500", "2014-03-05T10:15:00-05:00"),
        ("00000000", ""), ("0000", ""), ("03/05/2014", None), ("last spring", None), ("2014-03-05x", None),
    ],
)  # fmt: skip
def test_a_time_is_read_or_its_section_says_that_it_is_none(value: str, at: str | None) -> None:
    found = converted(medicine("", f'<effectiveTime value="{value}"/>'))
    (statement,) = [draft.resource for draft in found.drafts if draft.type == "MedicationStatement"]
    assert statement.get("effectiveDateTime") == (at or None)
    assert [report.reasons for report in found.sections] == [
        ["A time in it is none that can be read; it stands in the document alone."] if at is None else []
    ]


def test_a_birth_date_that_is_none_is_told_to_a_person() -> None:
    data = document("").replace(b"</patient>", b'<birthTime value="04 July"/></patient>')
    assert converted(data).faults == [
        ("recordTarget", "The birth date is none that can be read; the patient is filed without it.")
    ]
    assert not converted(data.replace(b"04 July", b"00000000")).faults
