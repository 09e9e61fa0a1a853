"""The ways in which senders' documents differ from what C-CDA asks, each as a change of a good document.

Each way says what may become of the document: ``same``, the conversion is the same but for ids; ``kept``, every
entry that was filed before is filed, or its section says why it is not; ``read``, it is not refused.
"""

# ruff: noqa: E501 (tables)

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree
from xml.sax.saxutils import unescape

Element = ElementTree.Element
Expected = Literal["same", "kept", "read"]
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
SPACE = 'xmlns="urn:hl7-org:v3"'
SDTC = 'xmlns:sdtc="urn:hl7-org:sdtc"'
STATEMENTS = ("act", "observation", "organizer", "substanceAdministration", "supply", "procedure", "encounter")


@dataclass(frozen=True, slots=True)
class Way:
    """One way: how a document's tree (of plain tags) becomes the bytes that are sent."""

    name: str
    expected: Expected
    send: Callable[[Element], bytes]


WAYS: list[Way] = []


def text_of(root: Element) -> str:
    """A tree of plain tags as the text of a document."""
    text = ElementTree.tostring(root, encoding="unicode")
    return text.replace("<ClinicalDocument", f"<ClinicalDocument {SPACE} {SDTC}", 1)


def _text(name: str, expected: Expected, change: Callable[[str], str | bytes]) -> None:
    def send(root: Element) -> bytes:
        found = change(text_of(root))
        return found if isinstance(found, bytes) else found.encode()

    WAYS.append(Way(name, expected, send))


def _tree(name: str, expected: Expected, change: Callable[[Element], None]) -> None:
    def send(root: Element) -> bytes:
        changed = copy.deepcopy(root)
        change(changed)
        return text_of(changed).encode()

    WAYS.append(Way(name, expected, send))


def _each(name: str, expected: Expected, tags: str, change: Callable[[Element], None]) -> None:
    """``change`` of every element of these names."""
    wanted = set(tags.split())

    def all_of(root: Element) -> None:
        for element in list(root.iter()):
            if element.tag in wanted:
                change(element)

    _tree(name, expected, all_of)


def _without(name: str, expected: Expected, paths: str) -> None:
    """Without these children: ``parent/child``, or ``child`` wherever it stands."""

    def remove(root: Element) -> None:
        for path in paths.split():
            outer, _, tag = path.rpartition("/")
            for parent in list(root.iter()):
                if not outer or parent.tag == outer:
                    for child in parent.findall(tag):
                        parent.remove(child)

    _tree(name, expected, remove)


def _set(name: str, expected: Expected, tags: str, attribute: str, value: str | None) -> None:
    """One attribute of these elements, where they have it, is another, or is gone."""

    def put(element: Element) -> None:
        if attribute in element.attrib:
            if value is None:
                del element.attrib[attribute]
            else:
                element.set(attribute, value)

    _each(name, expected, tags, put)


# Characters and markup

DECLARED = '<?xml version="1.0" encoding="{}"?>\n'
_text("a byte-order mark", "same", lambda text: b"\xef\xbb\xbf" + text.encode())
_text("UTF-16 with its mark", "same", lambda text: (DECLARED.format("UTF-16") + text).encode("utf-16"))
_text("UTF-16 without a mark", "same", lambda text: (DECLARED.format("UTF-16") + text).encode("utf-16-le"))
_text("UTF-16 the other way round", "same", lambda text: b"\xfe\xff" + text.encode("utf-16-be"))
_text("UTF-8 that says UTF-16", "same", lambda text: DECLARED.format("utf-16") + text)
_text("UTF-8 that says ASCII", "same", lambda text: DECLARED.format("us-ascii") + text)
_text("an encoding nobody knows", "same", lambda text: DECLARED.format("x-own") + text)
_text(
    "Latin 1", "same", lambda text: (DECLARED.format("ISO-8859-1") + text).encode("iso-8859-1", "xmlcharrefreplace")
)
_text(
    "Windows-1252 undeclared",
    "same",
    lambda text: (DECLARED.format("utf-8") + text).encode("cp1252", "xmlcharrefreplace"),
)
_text("references for letters", "same", lambda text: text.encode("ascii", "xmlcharrefreplace"))
_text("blanks before the declaration", "same", lambda text: "\r\n  " + DECLARED.format("utf-8") + text)
_text("two declarations", "same", lambda text: DECLARED.format("utf-8") * 2 + text)
_text("XML 1.1", "same", lambda text: '<?xml version="1.1"?>' + text)
_text(
    "a declaration in single quotes",
    "same",
    lambda text: "<?xml version='1.0' encoding='utf-8' standalone='no'?>" + text,
)
_text("rubbish behind the end", "same", lambda text: text + "\x1a\0 --end of file--")
_text("no line ends", "same", lambda text: text.replace("\n", " "))
_text("line ends of Windows", "same", lambda text: text.replace("\n", "\r\n"))
_text("a style sheet", "same", lambda text: '<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><!-- a -->' + text)
_text("a plain document type", "same", lambda text: "<!DOCTYPE ClinicalDocument>" + text)
_text(
    "a document type with a file of its own",
    "same",
    lambda text: '<?xml version="1.0"?>\n<!DOCTYPE ClinicalDocument SYSTEM "CDA.dtd">\n' + text,
)
_text(
    "a document type of HTML",
    "same",
    lambda text: '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "xhtml1-strict.dtd">' + text,
)
_text("a comment behind every element", "same", lambda text: re.sub(r"(</\w+>)", r"\1<!-- <x a='1'> & -->", text))
_text("an instruction behind every element", "same", lambda text: re.sub(r"(</\w+>)", r"\1<?own a > b?>", text))
_text(
    "all text as CDATA",
    "same",
    lambda text: re.sub(r">([^<>]*\S[^<>]*)<", lambda found: f"><![CDATA[{unescape(found[1])}]]><", text),
)
_text("attributes in single quotes", "same", lambda text: re.sub(r'="([^"\']*)"', r"='\1'", text))
_text("blanks within tags", "same", lambda text: re.sub(r"(<\w+)( [^>]*?)(/?>)", r"\1\n   \2 \n\3", text))
_text(
    "a prefix for everything",
    "same",
    lambda text: re.sub(r"<(/?)(?!sdtc:)(\w+)", r"<\1n1:\2", text).replace(
        SPACE, SPACE.replace("xmlns", "xmlns:n1")
    ),
)
_text("another namespace", "same", lambda text: text.replace(SPACE, 'xmlns="urn:hl7-org:v3/cda"'))
_text("no namespace", "same", lambda text: text.replace(SPACE, ""))
_text("the namespace once more", "same", lambda text: re.sub(r"<(section|entry|patient)\b", rf"<\1 {SPACE}", text))
_text(
    "many namespaces",
    "same",
    lambda text: text.replace(SPACE, SPACE + ' xmlns:voc="urn:hl7-org:v3/voc" xmlns:mif="urn:x"'),
)
_text("no one says what sdtc is", "same", lambda text: text.replace(SDTC, ""))
_text("sdtc by another prefix", "same", lambda text: re.sub(r"\bsdtc\b(?=:|=)", "ext", text))
_text(
    "sdtc twice",
    "same",
    lambda text: (
        text.replace(SDTC, SDTC + ' xmlns:s="urn:hl7-org:sdtc"')
        .replace("<sdtc:raceCode", "<s:raceCode")
        .replace("</sdtc:raceCode", "</s:raceCode")
    ),
)
_text("bare ampersands", "read", lambda text: text.replace("</title>", " & more</title>"))
_text("entities of HTML", "read", lambda text: text.replace("</title>", "&nbsp;&eacute;</title>"))
_text("control characters", "read", lambda text: text.replace("</title>", "\x0b\x01&#x1;</title>"))
_text("HTML's line breaks", "read", lambda text: text.replace("<td>", "<td>one<br>two", 3))
_text("the end is missing", "kept", lambda text: text.replace("</ClinicalDocument>", ""))
_text("wrapped in another element", "same", lambda text: f"<Envelope><Body>{text}</Body></Envelope>")

# Templates, ids, codes

_without("no templates", "kept", "templateId")
_without("no templates and no codes of sections", "kept", "templateId section/code")
_each("templates of another version", "same", "templateId", lambda each: each.set("extension", "2030-01-01"))
_each(
    "unknown templates before the known",
    "same",
    " ".join((*STATEMENTS, "section", "ClinicalDocument")),
    lambda each: each.insert(0, ElementTree.Element("templateId", root="1.2.3.4.5.6", extension="x")),
)
_each("blanks around templates", "same", "templateId", lambda each: each.set("root", f" {each.get('root', '')} "))
_each(
    "nulls among templates",
    "same",
    "section",
    lambda each: each.insert(0, ElementTree.Element("templateId", nullFlavor="NI")),
)
_without("no ids", "kept", " ".join(f"{each}/id" for each in STATEMENTS))


def _null_ids(root: Element) -> None:
    for statement in root.iter():
        if statement.tag in STATEMENTS:
            for each in statement.findall("id"):
                each.attrib.clear()
                each.set("nullFlavor", "NI")


def _one_id(root: Element) -> None:
    for statement in root.iter():
        if statement.tag in STATEMENTS:
            for each in statement.findall("id"):
                each.attrib.clear()
                each.set("root", "1.2.3.4")


_tree("ids that are null", "kept", _null_ids)
_tree("one id for everything", "kept", _one_id)
_set("ids that are no OIDs", "kept", "id", "root", "MyClinic EHR")
_set("no root of ids", "kept", "id", "root", None)
_set("no code systems", "kept", "code value translation", "codeSystem", None)
_set("code systems nobody knows", "kept", "code value translation", "codeSystem", "9.9.9.9")
_set("code systems that are no OIDs", "kept", "code value translation", "codeSystem", "SNOMED")
_set("names of code systems alone", "kept", "code value translation", "codeSystemName", "LN")
_set("no words for codes", "kept", "code value translation", "displayName", None)
_set("no words, empty", "kept", "code value translation", "displayName", "")
_each(
    "blanks around codes",
    "kept",
    "code value",
    lambda each: each.set("code", f" {each.get('code')} ") if each.get("code") else None,
)
_set("statuses nobody knows", "kept", "statusCode", "code", "done")
_set("statuses in capitals", "kept", "statusCode", "code", "COMPLETED")
_without("no statuses", "kept", "statusCode")
_each(
    "statuses that are null",
    "kept",
    "statusCode",
    lambda each: (each.attrib.clear(), each.set("nullFlavor", "NI"))[1],
)
_set("no moods", "kept", " ".join(STATEMENTS), "moodCode", None)
_set("no classes", "same", " ".join(STATEMENTS), "classCode", None)
_set("relationships without a type", "read", "entryRelationship", "typeCode", None)
_set("entries without a type", "same", "entry", "typeCode", None)
_each(
    "negation that says nothing",
    "same",
    " ".join(STATEMENTS),
    lambda each: None if each.get("negationInd") else each.set("negationInd", ""),
)


def _types(change: Callable[[str], str | None]) -> Callable[[Element], None]:
    def all_of(root: Element) -> None:
        for each in root.iter():
            if (given := each.get(XSI_TYPE)) is not None:
                made = change(given)
                if made is None:
                    del each.attrib[XSI_TYPE]
                else:
                    each.set(XSI_TYPE, made)

    return all_of


_tree("types with a prefix", "same", _types(lambda given: f"hl7:{given}"))
_tree("types with blanks", "same", _types(lambda given: f" {given} "))
_tree("no types", "kept", _types(lambda given: None))
_tree("types of text for codes", "kept", _types(lambda given: "ST" if given in ("CD", "CE") else given))
_tree("types of codes for text", "kept", _types(lambda given: "CD" if given == "ST" else given))
_tree("types nobody knows", "kept", _types(lambda given: "XX"))

# Times and quantities

TIMES = "effectiveTime low high time center"
for said_as in ("2014", "20141", "0000", "2014-03-05", "03/05/2014", "20140305T101500", "201403051015+5", "20140305101500.000-05:00",
                "20140305101560", "20140231", "20140305250000-0600", "99991231", "00010101", "unknown", "", " 20140305 ",
                "20140305101500-0500Z", "2014-03-05T10:15:00.123Z", "20140305101500UTC"):  # fmt: skip
    _set(f"all times {said_as!r}", "kept", TIMES, "value", said_as)
_each(
    "times that are null",
    "kept",
    "effectiveTime time",
    lambda each: (each.clear(), each.set("nullFlavor", "UNK"))[1],
)
_without("no times", "kept", "effectiveTime time")


def _as_interval(each: Element) -> None:
    if value := each.attrib.pop("value", None):
        each.set(XSI_TYPE, "IVL_TS")
        ElementTree.SubElement(each, "low", value=value)
        ElementTree.SubElement(each, "high", nullFlavor="UNK")


def _as_periodic(each: Element) -> None:
    each.set(XSI_TYPE, "PIVL_TS")
    ElementTree.SubElement(each, "period", value="12", unit="h")


_each("times as intervals", "kept", "effectiveTime", _as_interval)
_each("times that repeat", "kept", "effectiveTime", _as_periodic)
_each(
    "ends before beginnings",
    "kept",
    "high",
    lambda each: each.set("value", "19000101") if each.get("value") else None,
)
for amount in ("5,5", "<5", "positive", "", "1e3", "5-10", "NaN", " 7 "):
    _set(f"all quantities {amount!r}", "kept", "value doseQuantity rateQuantity quantity", "value", amount)
_set("units that are 1", "kept", "value doseQuantity rateQuantity quantity", "unit", "1")
_set("units in words", "kept", "value doseQuantity rateQuantity quantity", "unit", "tablet(s) by mouth \u00b5g")
_set("no units", "kept", "value doseQuantity rateQuantity quantity", "unit", None)

# Sections and their text

_without("no titles", "kept", "section/title")
_without("no codes of sections", "kept", "section/code")
_without("neither titles nor codes", "kept", "section/title section/code")
_without("no text", "kept", "section/text")


def _text_last(root: Element) -> None:
    for section in root.iter("section"):
        for each in section.findall("text"):
            section.remove(each)
            section.append(each)


def _within_one(root: Element) -> None:
    body = root.find("component/structuredBody")
    if body is None:
        return
    parts = list(body)
    outer = ElementTree.SubElement(ElementTree.SubElement(body, "component"), "section")
    for each in parts:
        body.remove(each)
        outer.append(each)


def _bare_sections(root: Element) -> None:
    """Sections without the component around them."""
    for body in root.iter("structuredBody"):
        for component in list(body):
            at = list(body).index(component)
            body.remove(component)
            for inner in reversed(list(component)):
                body.insert(at, inner)


def _bare_entries(root: Element) -> None:
    for section in root.iter("section"):
        for entry in section.findall("entry"):
            at = list(section).index(entry)
            section.remove(entry)
            for inner in reversed(list(entry)):
                section.insert(at, inner)


def _gathered(root: Element) -> None:
    """All statements of a section in one entry."""
    for section in root.iter("section"):
        entries = section.findall("entry")
        for entry in entries[1:]:
            entries[0].extend(list(entry))
            section.remove(entry)


def _without_concerns(root: Element) -> None:
    """Observations without the concern act around them."""
    for entry in root.iter("entry"):
        act = entry.find("act")
        inner = act.findall("entryRelationship/observation") if act is not None else []
        if act is not None and inner:
            entry.remove(act)
            entry.extend(inner)


_tree("entries before the text", "same", _text_last)
_tree("all sections within one", "kept", _within_one)
_tree("sections without components", "same", _bare_sections)
_tree("statements without entries", "same", _bare_entries)
_tree("one entry for all statements", "kept", _gathered)
_tree("no concerns around observations", "read", _without_concerns)
_set("references to what is not there", "kept", "reference", "value", "#nowhere")
_each(
    "references without their sign",
    "same",
    "reference",
    lambda each: (
        each.set("value", each.get("value", "").lstrip("#")) if (each.get("value") or "").startswith("#") else None
    ),
)
_each("tables without heads", "kept", "thead", lambda each: setattr(each, "tag", "tbody"))
_each("tables of HTML's lists", "kept", "list", lambda each: setattr(each, "tag", "ul"))
_each("cells that begin rows anew", "kept", "td", lambda each: each.append(copy.deepcopy(each)))
_each("text that is revised", "kept", "content", lambda each: each.set("revised", "delete"))
_each(
    "lists in lists in tables", "kept", "td",
    lambda each: each.append(ElementTree.fromstring("<list><item>a<list><item>b<table><tr><td>c</td></tr></table></item></list></item></list>")),
)  # fmt: skip
_each("text with a tail", "kept", "text", lambda each: setattr(each, "text", "A word of its own " * 3_000))

# The header

_each(
    "two patients",
    "kept",
    "ClinicalDocument",
    lambda each: each.insert(0, copy.deepcopy(each.find("recordTarget"))),
)
_without("a patient without a name", "kept", "patient/name")
_without("a patient without a birth date", "kept", "patient/birthTime")
_without("a patient without a gender", "kept", "patient/administrativeGenderCode")
_without(
    "a patient with a number alone",
    "kept",
    "recordTarget/patientRole/addr patientRole/addr patientRole/telecom patientRole/patient",
)
_without("a patient with a name alone", "kept", "patientRole/id patientRole/addr patientRole/telecom")
for gender in ("Male", "1", "", "f", "X"):
    _set(f"gender {gender!r}", "kept", "administrativeGenderCode", "code", gender)
for born in (
    "1950",
    "19501",
    "0000",
    "1950-07-04",
    "07/04/1950",
    "19500704000000+0000",
    "",
    "19501399",
    "18000101",
):
    _set(f"born {born!r}", "kept", "birthTime", "value", born)
_without("no id of the document", "kept", "ClinicalDocument/id")
_without("no code of the document", "kept", "ClinicalDocument/code")
_without("no time of the document", "kept", "ClinicalDocument/effectiveTime")
_without("no author", "kept", "author")
_without("no custodian", "kept", "custodian")
_without("no authenticators", "kept", "legalAuthenticator authenticator")
_without("no visit", "read", "componentOf")
_without("no names of people", "kept", "assignedPerson/name")
_without(
    "no names of organizations",
    "kept",
    "representedOrganization/name providerOrganization/name representedCustodianOrganization/name",
)
_without("no addresses", "kept", "addr telecom")
_each(
    "names as one text",
    "kept",
    "name",
    lambda each: (
        setattr(each, "text", " ".join("".join(each.itertext()).split())),
        [each.remove(inner) for inner in list(each)],
    )[0],
)
_each("names within delimiters", "kept", "given", lambda each: setattr(each, "tag", "delimiter"))
_set("telecoms without a scheme", "kept", "telecom", "value", "(555) 555-0100")
_set("confidentiality nobody knows", "kept", "confidentialityCode", "code", "Q")
_set("languages that are none", "kept", "languageCode", "code", "English (US)")
_set("relations to other documents nobody knows", "read", "relatedDocument", "typeCode", "XXX")
_each(
    "nulls everywhere in the header",
    "read",
    "custodian author legalAuthenticator componentOf documentationOf",
    lambda each: (each.clear(), each.set("nullFlavor", "NI"))[1],
)
_each(
    "everything twice",
    "read",
    "author custodian documentationOf componentOf",
    lambda each: each.extend(copy.deepcopy(list(each))),
)


def _null_codes(root: Element) -> None:
    """Codes of statements that say why there is none, with their words as text."""
    for statement in root.iter():
        if statement.tag in STATEMENTS:
            for each in statement.findall("code"):
                words = each.get("displayName")
                each.attrib.clear()
                each.set("nullFlavor", "OTH")
                if words and each.find("originalText") is None:
                    ElementTree.SubElement(each, "originalText").text = words


def _without_codes(root: Element) -> None:
    for statement in root.iter():
        if statement.tag in STATEMENTS:
            for each in statement.findall("code"):
                statement.remove(each)


def _null_values(root: Element) -> None:
    for statement in root.iter("observation"):
        for each in statement.findall("value"):
            kind = each.get(XSI_TYPE)
            each.clear()
            each.set("nullFlavor", "UNK")
            if kind:
                each.set(XSI_TYPE, kind)


_tree("codes that are null, with words", "kept", _null_codes)
_tree("no codes of statements", "kept", _without_codes)
_tree("values that are null", "kept", _null_values)
_without("no values", "kept", "observation/value")
_without("no medicines", "kept", "consumable product")
_without("no participants", "read", "participant")
_without("no performers", "read", "performer")
