"""From bytes to the tree of one ClinicalDocument: liberal in what is sloppy, closed to what is hostile.

Tags come without namespace (``section``), those of HL7's extension as ``sdtc:raceCode``. Nothing is ever loaded or
expanded: a document type that declares something is refused before anything is parsed, any other is left out.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from html.entities import html5
from itertools import chain, compress
from operator import attrgetter
from xml.etree import ElementTree

from charthouse.foundation.base64 import from_base64

from .errors import CdaError
from .salvage import salvaged

Element = ElementTree.Element
ROOT = "ClinicalDocument"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted of a sender: bytes of a document, tags in it, levels of nesting, letters of an attribute."""

    size: int = 64 << 20
    tags: int = 1_000_000
    depth: int = 100
    attribute: int = 65_536


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Tree:
    """A document read, with its bytes (without what they came wrapped in) and its text. ``fault`` says that it was
    not well-formed XML, so that it was read as far as could be."""

    root: Element
    text: str
    source: bytes
    fault: str = ""


def is_cda(head: bytes) -> bool:
    """Whether bytes, or their beginning, look like XML or a MIME message, and so may hold a ClinicalDocument."""
    plain = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x0b\x0c")
    return plain[:1] == b"<" or _MIME.match(plain) is not None


def read(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Tree:
    """The ClinicalDocument in ``data``, also one wrapped in other XML or in a MIME message.

    Raises CdaError for what is not XML, holds no ClinicalDocument, or is hostile.
    """
    if len(data) > limits.size:
        raise CdaError(f"The document is larger than {limits.size:,} bytes.")
    return _read(_unwrapped_mime(data), limits, wrapped=2)


def _read(data: bytes, limits: Limits, wrapped: int) -> Tree:
    text = decoded(data)
    start = text.find("<")
    if start < 0:
        raise CdaError("The input is not XML: it holds no tag.")
    text = _without_doctype(text[start:].strip())
    _refuse_hostile(text, limits)
    root, text, fault = _parsed(text)
    _tidy(root, limits)
    if root.tag == ROOT:
        return Tree(root, text, data, fault)
    inner = list(root.iter(ROOT))
    if len(inner) > 1:
        fault = f"The file holds {len(inner)} documents; only the first was read. Send each as a file of its own."
    if inner:
        return Tree(inner[0], text, data, fault)
    if wrapped:
        for each in root.iter():
            if each.text and (found := _enclosed(each.text)):
                return _read(found, limits, wrapped - 1)
    raise CdaError("The XML holds no ClinicalDocument, so it is no CDA document.")


_MIME = re.compile(
    rb"(?:MIME-Version|Content-Type|Received|Return-Path|Message-ID|From|Date|To|Subject):|--\S+\r?\n", re.I
)


def _unwrapped_mime(data: bytes) -> bytes:
    """The XML part of a MIME message; other bytes as they are."""
    head = data[:200].lstrip()
    if head[:1] == b"<" or not _MIME.match(head):
        return data
    if head[:2] == b"--":  # the parts of a multipart body whose head did not come along
        boundary = head[2:].split(b"\n", 1)[0].strip()
        data = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n' + data
    message = BytesParser(policy=policy.compat32).parsebytes(data)
    for part in message.walk():
        if not part.is_multipart():
            body = part.get_payload(decode=True)
            if isinstance(body, bytes) and b"ClinicalDocument" in body.replace(b"\0", b"")[:65_536]:
                return body
    raise CdaError("The MIME message holds no CDA document.")


def _enclosed(text: str) -> bytes | None:
    """A ClinicalDocument that another XML document carries as text: escaped, or in base64."""
    if "ClinicalDocument" in text and "<" in text:
        return text.encode("utf-8", "replace")
    if len(text) < 200 or (
        "PENsaW5pY2FsRG9jdW1lbn" not in text and not text.lstrip().startswith(("PD94", "PENs", "77u/PD94"))
    ):
        return None
    try:
        body = from_base64(text)
    except ValueError:
        return None
    return body if b"ClinicalDocument" in body.replace(b"\0", b"") else None


# Characters

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z][\w.\-]{0,40})["']""")
_CODECS = re.compile(
    r"utf-8|iso8859-\d+|cp125\d|cp437|cp850|koi8-[ru]|mac-roman|shift_jis|cp932|euc_jp|euc_kr|gb2312|gbk|gb18030|big5"
)


def decoded(data: bytes) -> str:
    """The text of XML bytes: by their mark, by what they declare, else UTF-8, else Windows-1252."""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace")
    if data[:1] == b"<" and data[1:2] == b"\0":
        return data.decode("utf-16-le", "replace")
    if data[:1] == b"\0" and data[1:2] == b"<":
        return data.decode("utf-16-be", "replace")
    for told in (_declared(data), "utf-8"):
        if told:
            try:
                return data.decode(told)
            except UnicodeDecodeError:
                continue
    return data.decode("cp1252", "replace")


def _declared(data: bytes) -> str | None:
    found = _DECLARED.search(data[:400])
    if found is None:
        return None
    try:
        name = codecs.lookup(found[1].decode("ascii")).name
    except LookupError:
        return None
    if name == "iso8859-1":
        return "cp1252" if any(0x80 <= byte < 0xA0 for byte in set(data)) else name
    return name if _CODECS.fullmatch(name) else None


# What is hostile

_PROLOG = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
#: A document type that declares nothing itself. What it names is not loaded, so that it is as good as none.
_NAMED_DOCTYPE = re.compile(
    r"""<!DOCTYPE\s+[\w:.\-]+(?:\s+(?:SYSTEM|PUBLIC)(?:\s*(?:"[^"<>]*"|'[^'<>]*')){1,2})?\s*>""", re.IGNORECASE
)


def _refuse_hostile(text: str, limits: Limits) -> None:
    # No tag is shorter than three letters.
    if len(text) > 3 * limits.tags and text.count("<") > limits.tags:
        raise CdaError(f"The document has more than {limits.tags:,} tags.")
    if _has_giant_attribute(text, limits.attribute):
        raise CdaError(f"An attribute of the document is longer than {limits.attribute:,} characters.")


def _without_doctype(text: str) -> str:
    """The text without a document type that declares nothing, its lines as they were. Raises CdaError for one that
    declares something: entities, or that what it names belongs to it."""
    prolog = _PROLOG.match(text)
    at = prolog.end() if prolog else 0
    if text[at : at + 9].upper() != "<!DOCTYPE":
        return text
    plain = _NAMED_DOCTYPE.match(text, at)
    if plain is None:
        raise CdaError(
            "The document declares entities in its document type. A CDA document needs none, and such "
            "declarations can harm the reader: ask the sender for it without its DOCTYPE."
        )
    return text[:at] + "\n" * plain[0].count("\n") + text[plain.end() :]


def _has_giant_attribute(text: str, longest: int) -> bool:
    """Whether an attribute has more characters; only what stands far from the next tag is looked at."""
    at = 0
    while at + longest < len(text):
        following = text.rfind("<", at + 1, at + longest)
        if following < 0:
            following = text.find("<", at + longest)
            following = following if following >= 0 else len(text)
            if any(len(each) >= longest for each in _ATTRIBUTE.findall(text, at, following)):
                return True
        at = following
    return False


_ATTRIBUTE = re.compile(r"""=\s*("[^">]*"|'[^'>]*')""")
_TAG = attrgetter("tag")
_names: dict[str, str] = {}


def _tidy(root: Element, limits: Limits) -> None:
    """Take the namespaces off the tags, and refuse what is nested too deeply."""
    level = [root]
    for _ in range(limits.depth):
        # Of many elements few have a namespace left, and few have children: the others are passed over without a
        # line of Python for each.
        tags = list(map(_TAG, level))
        if spaced := {tag for tag in set(tags) if tag[0] == "{"}:
            for each in compress(level, map(spaced.__contains__, tags)):
                each.tag = _names.get(each.tag) or _local(each.tag)
        level = list(chain.from_iterable(compress(level, map(len, level))))
        if not level:
            return
    raise CdaError(f"The document is nested more than {limits.depth} levels deep.")


def _local(tag: str) -> str:
    space, _, name = tag[1:].rpartition("}")
    local = f"sdtc:{name}" if space.endswith("sdtc") else name
    if len(_names) < 4_096:
        _names[tag] = local
    return local


# Parsing, and mending what is sloppy

#: Without the usual namespace tags are plain from the beginning.
_SPACE = ' xmlns="urn:hl7-org:v3"'
_NO_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NO_REFERENCE = re.compile(r"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|[xX]0*(?:[0-8]|[bBcCeEfF]|1[0-9a-fA-F]));")
_AMPERSAND = re.compile(r"&(?!(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);)(?:(\w{2,31};))?")
_PREFIX = re.compile(r"(?:</?|\s)([A-Za-z_][\w.\-]*):[A-Za-z_]")
_DECLARED_PREFIX = re.compile(r"xmlns:([A-Za-z_][\w.\-]*)\s*=")
_FIRST_TAG = re.compile(r"<[A-Za-z_][\w.:\-]*")


def _parsed(text: str) -> tuple[Element, str, str]:
    """The root, the text it was read from, and what was wrong with it."""
    try:
        return _parse(text.replace(_SPACE, "")), text, ""
    except ElementTree.ParseError:
        mended = _mended(text)
    try:
        return _parse(mended), mended, ""
    except ElementTree.ParseError as error:
        line = error.position[0]
    root = salvaged(mended)
    if root is None:
        raise CdaError(f"The document is not well-formed XML (line {line}), and nothing of it could be made out.")
    return root, mended, f"The document is not well-formed XML (line {line}); what could be made out was read."


DECLARATION = re.compile(r"\A<\?xml\s[^<>]*\?>")


def _parse(text: str) -> Element:
    parser = ElementTree.XMLParser()  # noqa: S314 (a document type was refused, so that nothing can be declared)
    # Text needs no declaration, and one of another version or encoding must not be in the way.
    declared = DECLARATION.match(text)
    parser.feed(text[declared.end() :] if declared else text)
    return parser.close()


def _mended(text: str) -> str:
    """Text with what often is wrong put right: characters XML does not know, HTML's entities, a bare ampersand,
    prefixes that nobody declared, something behind the end."""
    text = _NO_REFERENCE.sub("", _NO_CHARACTER.sub("", text))
    text = _AMPERSAND.sub(_replaced, text)
    end = max(text.rfind(f"</{ROOT}>"), text.rfind(f":{ROOT}>"))
    if end >= 0:
        end = text.find(">", end) + 1
        if not _rest_is_markup(text[end:]):
            text = text[:end]
    unknown = set(_PREFIX.findall(text)) - set(_DECLARED_PREFIX.findall(text)) - {"xml", "xmlns"}
    first = _FIRST_TAG.search(text)
    if unknown and first:
        added = "".join(
            f' xmlns:{name}="{_SPACES.get(name, "urn:undeclared:" + name)}"' for name in sorted(unknown)[:100]
        )
        text = text[: first.end()] + added + text[first.end() :]
    return text


_SPACES = {"sdtc": "urn:hl7-org:sdtc", "xsi": "http://www.w3.org/2001/XMLSchema-instance", "cda": "urn:hl7-org:v3"}


def _rest_is_markup(rest: str) -> bool:
    """Whether what follows the document may be the end of what it is wrapped in."""
    return rest.lstrip().startswith("</")


def _replaced(found: re.Match[str]) -> str:
    name = found[1]
    if name:
        known = html5.get(name)
        if known:
            return "".join(f"&#{ord(character)};" for character in known)
        return f"&amp;{name}"
    return "&amp;"
