"""Character sets: MSH-18 (HL7 table 0211) to Python codecs, and bytes to text that never fails.

Where MSH-18 is absent HL7 means ASCII; senders mean UTF-8. Bytes that do not fit what was declared are read as
UTF-8 and, failing that, as Latin-1, and a warning says so. A wrong declaration costs a warning, not the message.
"""

from __future__ import annotations

import codecs
import re

UTF8_BOM = codecs.BOM_UTF8

_CODECS = {
    "": "utf-8",
    "ASCII": "ascii",
    "ISO IR6": "ascii",
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_2",
    "JAS2020": "iso2022_jp_2",
    "ISO IR100": "iso8859-1",
    "ISO IR101": "iso8859-2",
    "ISO IR109": "iso8859-3",
    "ISO IR110": "iso8859-4",
    "ISO IR126": "iso8859-7",
    "ISO IR127": "iso8859-6",
    "ISO IR138": "iso8859-8",
    "ISO IR144": "iso8859-5",
    "ISO IR148": "iso8859-9",
    "ISO IR149": "euc_kr",
    "ISO IR166": "tis_620",
    "ISO IR192": "utf-8",
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "KS X 1001": "euc_kr",
    "CNS 11643-1992": "big5",
    "BIG-5": "big5",
    "BIG5": "big5",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE UTF-16": "utf-16",
    "UNICODE UTF-32": "utf-32",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "UTF-16": "utf-16",
    "SHIFT_JIS": "shift_jis",
    "SHIFT JIS": "shift_jis",
}
_LATIN = re.compile(r"(?:ISO[- ]?)?8859[/-](1[0-6]|[1-9])")
_WINDOWS = re.compile(r"(?:WINDOWS|CP|WIN|ANSI)[- ]?(125[0-8]|874|932|936|949|950)")
_BLANKS = re.compile(r"\s+")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Blanks that FHIR's string does not allow: no-break space, ideographic space, line separator and their like.
_BLANKS_BEYOND_ASCII = re.compile("[\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")


def codec_for(declared: str) -> str | None:
    """The Python codec for one value of MSH-18, or None for a name nobody knows."""
    name = _BLANKS.sub(" ", declared.strip().upper())
    known = _CODECS.get(name)
    if known is not None:
        return known
    latin = _LATIN.fullmatch(name)
    if latin:
        return None if latin[1] == "12" else f"iso8859-{latin[1]}"
    windows = _WINDOWS.fullmatch(name)
    return f"cp{windows[1]}" if windows else None


def wide_codec(data: bytes) -> str | None:
    """UTF-16 or UTF-32, told from a byte-order mark or from the NUL bytes around ``MSH`` or ``FHS``."""
    head = data[:8]
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) >= 4 and head[1] == 0 and head[3] == 0 and head[0] and head[2]:
        return "utf-16-le"
    if len(head) >= 4 and head[0] == 0 and head[2] == 0 and head[1] and head[3]:
        return "utf-16-be"
    return None


def decode(data: bytes, declared: str) -> tuple[str, str, list[str]]:
    """``data`` as text, the codec that fitted, and warnings. Never raises.

    ``declared`` is the first repetition of MSH-18. Control characters other than line ends and tabs are taken
    out, for neither FHIR strings nor PostgreSQL can hold them; a warning says how many.
    """
    warnings: list[str] = []
    text, codec = _read(data, declared, warnings)
    clean = storable(text)
    if len(clean) != len(text):
        # ISO 2022 escapes are consumed by the codec; what is left of 0x1B here stands for nothing.
        warnings.append(f"{len(text) - len(clean)} control characters in the message were left out of the text.")
    return clean, codec, warnings


def storable(text: str) -> str:
    """``text`` without control characters, and with unusual blanks made plain: what a FHIR string can hold."""
    if _CONTROLS.search(text):
        text = _CONTROLS.sub("", text)
    if not text.isascii() and _BLANKS_BEYOND_ASCII.search(text):
        text = _BLANKS_BEYOND_ASCII.sub(" ", text)
    return text


def _read(data: bytes, declared: str, warnings: list[str]) -> tuple[str, str]:
    wide = wide_codec(data)
    if wide:
        try:
            return data.decode(wide).lstrip("\ufeff"), wide
        except UnicodeDecodeError:
            warnings.append("The message looks like UTF-16 but does not decode as such.")
    if data.startswith(UTF8_BOM):
        data = data[3:]
    codec = codec_for(declared)
    if codec is None:
        warnings.append("MSH-18 names a character set that is not known; the message was read as UTF-8.")
        codec = "utf-8"
    elif codec in ("utf-16", "utf-32"):
        # A wide codec declared over bytes that are not wide.
        codec = "utf-8"
    if codec == "ascii":
        codec = "utf-8"  # a superset; bytes beyond ASCII get their warning below
        if declared and not data.isascii():
            warnings.append("MSH-18 declares ASCII, but the message holds other bytes; it was read as UTF-8.")
    try:
        return data.decode(codec), codec
    except (UnicodeDecodeError, LookupError):
        pass
    if codec != "utf-8":
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            warnings.append("The message does not fit the character set of MSH-18; it was read as UTF-8.")
            return text, "utf-8"
    warnings.append("The message does not fit its character set; it was read as Latin-1.")
    return data.decode("latin-1"), "latin-1"
