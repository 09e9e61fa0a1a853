"""The words in a resource and in its attachments, as plain text fit to be searched.

Pure: bytes or a parsed resource in, text out. What cannot be read gives no text; the caller decides what that
means. Nothing is followed, loaded or run: markup is read for its text only, and XML without a parser that knows
entities.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pypdfium2 as pdfium

from charthouse.foundation.pdfium import turn

#: Characters of one resource's text that are kept to be searched, and pages of a PDF that are read.
LONGEST_TEXT = 2_000_000
MOST_PAGES = 1_000

_BLANKS = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_LINE_END, _LINES = re.compile(r" ?\n ?"), re.compile(r"\n{3,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def tidy(text: str) -> str:
    """Text in composed form with single blanks, without control characters, cut at :data:`LONGEST_TEXT`."""
    text = _CONTROL.sub(" ", text[:LONGEST_TEXT].replace("\r\n", "\n").replace("\r", "\n"))
    text = _BLANKS.sub(" ", unicodedata.normalize("NFC", text))
    return _LINES.sub("\n\n", _LINE_END.sub("\n", text)).strip()


def text_of(content: bytes, media_type: str) -> str:
    """The text in an attachment: plain, HTML, XML (of C-CDA its narrative), RTF, PDF. Empty for anything else and
    for what cannot be read."""
    plain = media_type.partition(";")[0].strip().lower()
    if plain == "application/pdf":
        return pdf_text(content)
    if plain in {"text/rtf", "application/rtf"} or content[:6] == b"{\\rtf1":
        return rtf_text(content.decode("latin-1"))
    if plain in {"text/html", "application/xhtml+xml"}:
        return markup_text(readable(content, media_type))
    if plain.endswith(("/xml", "+xml")):
        return xml_text(readable(content, media_type))
    if plain.startswith("text/"):
        return tidy(readable(content, media_type))
    return ""


def readable(content: bytes, media_type: str) -> str:
    """Bytes of a text attachment as text: the declared charset, else UTF-8, else Latin-1."""
    _, _, declared = media_type.lower().partition("charset=")
    for charset in (declared.strip('" '), "utf-8-sig"):
        if charset:
            try:
                return content.decode(charset)
            except (LookupError, UnicodeDecodeError):
                continue
    return content.decode("latin-1")


def pdf_text(content: bytes) -> str:
    """The text in a PDF's pages; empty for a scan without one and for what is no PDF."""
    texts: list[str] = []
    size = 0
    with turn:
        try:
            document = pdfium.PdfDocument(content)
        except pdfium.PdfiumError:
            return ""
        try:
            for number in range(min(len(document), MOST_PAGES)):
                try:
                    page = document[number]
                    texts.append(str(page.get_textpage().get_text_bounded()))
                    page.close()
                except pdfium.PdfiumError:
                    continue
                size += len(texts[-1])
                if size > LONGEST_TEXT:
                    break
        finally:
            document.close()
    return tidy("\n\n".join(filter(None, texts)))


_SILENT = frozenset({"script", "style", "head", "template", "noscript", "object", "svg"})
_INLINE = frozenset(
    {"a", "abbr", "b", "big", "cite", "code", "content", "del", "em", "i", "ins", "q", "s", "small", "span",
    "strong", "sub", "sup", "tt", "u"}
)  # fmt: skip


class _Text(HTMLParser):
    """Gathers what is read; where a block begins or ends stands a line end. ``within`` limits it to some
    elements."""

    def __init__(self, within: frozenset[str] | None = None) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._within = within
        self._deep = 0
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = tag.rpartition(":")[2]
        if name in _SILENT:
            self._silent += 1
        if self._within and name in self._within:
            self._deep += 1
        if name in {"td", "th"}:
            self.found.append("\t")
        elif name not in _INLINE:
            self.found.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag.rpartition(":")[2] not in _INLINE:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        if name in _SILENT and self._silent:
            self._silent -= 1
        if self._within and name in self._within and self._deep:
            self._deep -= 1
        if name not in _INLINE and name not in {"td", "th"}:
            self.found.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent and (self._deep or not self._within):
            self.found.append(data)


def _gathered(reader: _Text, markup: str) -> str:
    reader.feed(markup[: LONGEST_TEXT * 4])
    reader.close()
    return tidy("".join(reader.found))


def markup_text(markup: str) -> str:
    """The text of HTML or a FHIR narrative."""
    return _gathered(_Text(), markup)


def xml_text(markup: str) -> str:
    """The text of XML; of a clinical document its titles and the narrative of its sections."""
    narrative = "ClinicalDocument" in markup[:20_000]
    return _gathered(_Text(frozenset({"text", "title"}) if narrative else None), markup)


_RTF = re.compile(
    r"\\(?:(?P<hex>'[0-9a-fA-F]{2})|(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?|(?P<sign>[^a-zA-Z]))"
    r"|(?P<brace>[{}])|(?P<line>[\r\n]+)|(?P<text>[^\\{}\r\n]+)",
    re.DOTALL,
)
_RTF_SILENT = frozenset(
    {"fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "themedata", "datastore", "generator",
    "listtable", "listoverridetable", "rsidtbl", "xmlnstbl", "latentstyles", "fldinst", "header", "footer",
    "headerl", "headerr", "footerl", "footerr"}
)  # fmt: skip
_RTF_WRITTEN = {
    "par": "\n", "line": "\n", "sect": "\n", "page": "\n", "row": "\n", "cell": "\t", "tab": "\t", "emdash": "—",
    "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•",
}  # fmt: skip


def rtf_text(source: str) -> str:
    """The text of RTF; its characters are read as Windows-1252, or as Unicode where the file gives it."""
    found: list[str] = []
    silent, deep, skip, after = 0, 0, 1, 0
    skips: list[int] = []
    for each in _RTF.finditer(source[: LONGEST_TEXT * 4]):
        if brace := each["brace"]:
            if brace == "{":
                deep += 1
                skips.append(skip)
            else:
                if silent and deep <= silent:
                    silent = 0
                deep -= 1
                skip = skips.pop() if skips else 1
            after = 0
        elif word := each["word"]:
            number = int(each["number"]) if each["number"] else None
            if word in _RTF_SILENT and not silent:
                silent = deep or 1
            elif silent:
                continue
            elif word == "uc":
                skip = min(max(number or 0, 0), 4)
            elif word == "u" and number is not None:
                found.append(chr(number % 0x10000))
                after = skip
            else:
                found.append(_RTF_WRITTEN.get(word, ""))
        elif silent:
            continue
        elif each["sign"]:
            if each["sign"] == "*":
                silent = deep or 1
            elif each["sign"] in "\\{}":
                found.append(each["sign"])
            elif each["sign"] == "~":
                found.append(" ")
            elif each["sign"] in "\r\n":
                found.append("\n")
        elif each["hex"]:
            if after:
                after -= 1
            else:
                found.append(bytes.fromhex(each["hex"][1:]).decode("cp1252", "replace"))
        elif each["text"]:
            found.append(each["text"][after:])
            after = 0
    # A character beyond the first plane comes as two halves.
    joined = "".join(found).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return tidy(joined)


#: What is about others than the item itself, or is no text.
_PASSED_OVER = frozenset(
    {"subject", "patient", "beneficiary", "meta", "identifier", "contained", "extension", "modifierExtension",
     "implicitRules", "content", "presentedForm", "sourceAttachment", "photo", "valueAttachment", "relatesTo"}
)  # fmt: skip
_SAID = frozenset(
    {"text", "display", "description", "conclusion", "title", "comment", "patientInstruction", "instruction",
     "name", "clinicalHistory", "valueString", "contentString", "productName", "note", "summary", "statement",
     "reaction"}
)  # fmt: skip
_MOST_DEEP = 30


def said_by(resource: Mapping[str, Any]) -> str:
    """What a resource says in words, its codes and values among them, without its attachments: a line for each."""
    lines = dict.fromkeys(_said({key: each for key, each in resource.items() if key != "text"}, "", 0))
    narrative = resource.get("text")
    # A narrative made of the elements says them once more.
    if isinstance(narrative, dict) and (narrative.get("status") not in {"generated", "empty"} or not lines):
        lines.update(dict.fromkeys(_said(narrative, "text", 0)))
    return tidy("\n".join(filter(None, lines)))


def _said(value: Any, name: str, deep: int) -> Iterator[str]:
    if deep > _MOST_DEEP:
        return
    if isinstance(value, list):
        for each in value:
            yield from _said(each, name, deep + 1)
    elif isinstance(value, dict):
        if name == "text" and "div" in value:
            if isinstance(value["div"], str):
                yield markup_text(value["div"])
            return
        if name in {"coding", "valueCoding"}:
            yield " ".join(str(value[key]) for key in ("display", "code") if isinstance(value.get(key), str))
            return
        if (
            "value" in value
            and isinstance(value["value"], int | float | Decimal)
            and not isinstance(value["value"], bool)
        ):
            yield f"{value['value']} {value.get('unit') or value.get('code') or ''}"
            return
        for key, each in value.items():
            if key not in _PASSED_OVER:
                yield from _said(each, key, deep + 1)
    elif isinstance(value, str) and name in _SAID:
        yield value
