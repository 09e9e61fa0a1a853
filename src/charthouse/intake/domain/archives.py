"""The files of a zip archive, such as IHE's XDM: what of them may be a record, by content and never by name.

Nothing is written to a disk and no path is followed. What is read is bounded: by file, in number and in all.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from charthouse.exchange.cda.api import is_cda

from .errors import IntakeError

#: How a zip archive begins.
ZIP = b"PK\x03\x04"
#: Bytes of an archive, files in it, bytes of one of them and of all, unpacked.
MOST_PACKED, MOST_FILES, MOST_OF_ONE, MOST_OF_ALL = 256 << 20, 10_000, 64 << 20, 1 << 30
_TOLD = 20
_RECORD = (b"MSH", b"FHS", b"BHS")
#: What stands in an archive beside its documents: pages and notes for people, style sheets, metadata in XML.
_FURNITURE = re.compile(r"\.(?:html?|txt|md|css|xsl|xslt|xsd|js|xml)\Z", re.IGNORECASE)
#: The tag of a document, also escaped or in base64 (of which there are three spellings); style sheets only name it.
_DOCUMENT = re.compile(
    rb"(?:<|&lt;)(?:[A-Za-z_][\w.\-]*:)?ClinicalDocument\b"
    rb"|Q2xpbmljYWxEb2N1bWVud|NsaW5pY2FsRG9jdW1lbn|DbGluaWNhbERvY3VtZW50"
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: its name without its folders, and its bytes, or why they are not read."""

    name: str
    data: bytes = b""
    refused: str = ""


def members(stream: BinaryIO) -> Iterator[Member]:
    """The files that may be records, and those that are not read, in the order of the archive; what stands beside
    the documents of every XDM archive is passed over. Raises IntakeError for what is no archive, or too large."""
    packed = stream.read(MOST_PACKED + 1)
    if len(packed) > MOST_PACKED:
        raise IntakeError(f"The archive is larger than {MOST_PACKED:,} bytes. Send it in several.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(packed))
        infos = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, IndexError):
        raise IntakeError("The zip archive is damaged; nothing of it was taken in. Send it again.") from None
    if len(infos) > MOST_FILES:
        raise IntakeError(f"The archive holds more than {MOST_FILES:,} files. Send it in several.")
    left = MOST_OF_ALL
    for info in infos:
        found, unpacked = _member(archive, info)
        left -= unpacked
        if left < 0:
            raise IntakeError(
                f"The archive unpacks to more than {MOST_OF_ALL:,} bytes. What came before is taken in; send the "
                "rest in another."
            )
        found = _record(found)
        if found.data or found.refused:
            yield found


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[Member, int]:
    """A file as it is, and how many bytes were unpacked for it."""
    name = re.split(r"[\\/]", info.filename)[-1][:120]
    if info.flag_bits & 1:
        return Member(name, refused="It is encrypted."), 0
    if info.file_size > MOST_OF_ONE:
        return Member(name, refused=f"It is larger than {MOST_OF_ONE:,} bytes."), 0
    try:
        with archive.open(info) as opened:
            # What the archive says of its size is not to be believed.
            data = opened.read(MOST_OF_ONE + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError):
        return Member(name, refused="It is damaged."), min(info.file_size, MOST_OF_ONE)
    if len(data) > MOST_OF_ONE:
        return Member(name, refused=f"It is larger than {MOST_OF_ONE:,} bytes."), len(data)
    return Member(name, data), len(data)


def _record(found: Member) -> Member:
    """A file as it is where it may be a record; without bytes and reason where it is passed over."""
    head = found.data[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n\x0b")
    if found.refused or head[:3] in _RECORD or head[:1] == b"{":
        return found
    if is_cda(found.data[:200]) and _DOCUMENT.search(found.data.replace(b"\0", b"")):
        return found
    if _FURNITURE.search(found.name):
        return Member(found.name)
    return Member(found.name, refused="It is neither HL7 v2, FHIR nor C-CDA.")


def refused_words(refused: Sequence[Member], taken: int) -> str:
    """What to say of the files of an archive that were not taken in."""
    if not refused:
        return "The archive holds no HL7 v2, FHIR or C-CDA."
    told = " ".join(f"{each.name}: {each.refused}" for each in refused[:_TOLD])
    more = f" And {len(refused) - _TOLD:,} more." if len(refused) > _TOLD else ""
    return f"{taken:,} records of the archive are taken in; {len(refused):,} of its files are not. {told}{more}"
