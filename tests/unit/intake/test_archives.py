"""Archives (IHE XDM and others): each record in them is taken in, bounded, and what is none is named."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from typer.testing import CliRunner

from charthouse.foundation.access.api import AccessContext, Role
from charthouse.intake.api import IntakeError, add_sender_token
from charthouse.intake.connectors.folder import sweep
from charthouse.intake.domain import archives

DOCUMENTS = Path(__file__).parents[1] / "cda" / "documents"
METADATA = b"<SubmitObjectsRequest xmlns='urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0'><a/></SubmitObjectsRequest>"


def document(name: str = "no-known") -> bytes:
    return (DOCUMENTS / f"{name}.xml").read_bytes()


def zipped(**files: bytes) -> bytes:
    """An archive; a name's ``__`` is a stroke, its ``_`` a dot."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return written.getvalue()


def xdm(**more: bytes) -> bytes:
    """An archive as IHE's Cross-enterprise Document Media interchange lays one out."""
    return zipped(
        INDEX_HTM=b"<html><body>Contents</body></html>",
        README_TXT=b"Made for tests.",
        IHEXDM__SUBSET01__METADATA_XML=METADATA,
        IHEXDM__SUBSET01__CDA_XSL=b"<xsl:stylesheet xmlns:xsl='x' match='n1:ClinicalDocument'/>",
        IHEXDM__SUBSET01__DOC00001_XML=document("no-known"),
        IHEXDM__SUBSET02__DOC00001_XML=document("nested-and-null"),
        **more,
    )


def test_every_document_of_an_xdm_archive_is_filed(inbox: Any, tmp_path: Path) -> None:
    from charthouse.cli import app

    (tmp_path / "export.zip").write_bytes(xdm())
    run = CliRunner().invoke(app, ["intake", str(tmp_path), "--report", "--processes", "1"], env={"COLUMNS": "200"})
    assert run.exit_code == 0, run.output
    assert "Documents: 2 taken in, 0 refused" in run.output
    assert "export.zip, 1" in run.output and "export.zip, 2" in run.output
    (allergies,) = [line.split() for line in run.output.splitlines() if line.startswith("Allergies ")]
    assert len(allergies) >= 2, run.output
    assert inbox.counts()["DocumentReference"] == 2


def test_messages_and_bundles_in_an_archive_are_taken_in_too(inbox: Any, make: Any) -> None:
    taken = inbox.take(
        zipped(a_hl7=make.hl7("ADT^A01"), b_json=b'{"resourceType":"Patient","id":"p9"}', c_xml=document())
    )
    assert [each.kind.split()[0] for each in taken] == ["ADT^A01", "resource", "C-CDA"]


def test_what_cannot_be_read_costs_no_other_and_is_named(inbox: Any) -> None:
    hostile = b"<!DOCTYPE a [<!ENTITY b 'c'>]><ClinicalDocument/>"
    archive = xdm(scan_pdf=b"%PDF-1.4 x", inner_zip=zipped(a_xml=document()), bomb_xml=hostile)
    with pytest.raises(IntakeError) as refused:
        inbox.take(archive)
    assert inbox.counts()["DocumentReference"] == 2
    words = str(refused.value)
    assert words.startswith("2 records of the archive are taken in; 3 of its files are not.")
    assert all(name in words for name in ("scan.pdf", "inner.zip", "bomb.xml")) and "INDEX" not in words


def test_a_dropped_archive_with_a_fault_lies_under_refused_with_the_reason(inbox: Any, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(xdm(scan_pdf=b"%PDF-1.4 x"))
    assert sweep(tmp_path, quiet=0) == 1
    assert "scan.pdf" in (tmp_path / "refused" / "a.zip.reason.txt").read_text("utf-8")
    assert inbox.counts()["DocumentReference"] == 2


def test_several_documents_in_one_file_are_several_messages(inbox: Any) -> None:
    both = document("no-known") + b"\n" + document("nested-and-null")
    taken = inbox.take(both)
    assert [each.kind for each in taken] == ["C-CDA Continuity of care document"] * 2
    assert inbox.counts()["DocumentReference"] == 2
    again = inbox.take(both)
    assert [each.receipt.duplicate_of for each in again] == [each.receipt.message for each in taken]


def _lying(size: int) -> bytes:
    """An archive whose one file unpacks to more than it says."""
    data = bytearray(zipped(a_xml=b"<ClinicalDocument>" + b" " * size))
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 100)
    return bytes(data)


def _encrypted() -> bytes:
    data = bytearray(zipped(a_xml=document()))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (zipped(a_xml=document())[:-30], "damaged"),
        (b"PK\x03\x04" + b"\0" * 200, "damaged"),
        (zipped(a_txt=b"hello"), "holds no HL7 v2"),
        (_encrypted(), "encrypted"),
        (_lying(5_000), "a.xml: It is"),
        (zipped(a_xml=b"<ClinicalDocument>" + b" " * 70_000), "larger than"),
        (zipped(**{f"f{number}_txt": b"x" for number in range(30)}), "more than 20 files"),
        (zipped(**{f"f{number}_json": b"{" + b" " * 40_000 for number in range(9)}), "unpacks to more"),
        (zipped(a_xml=b"\xff" * 200_000)[:100] + b"x" * 90_000, "archive is larger"),
    ],
    ids=["cut", "rubbish", "nothing", "encrypted", "lying", "large", "many", "bomb", "huge"],
)
def test_hostile_archives_are_refused_in_words(monkeypatch: pytest.MonkeyPatch, archive: bytes, words: str) -> None:
    monkeypatch.setattr(archives, "MOST_PACKED", 80_000)
    monkeypatch.setattr(archives, "MOST_FILES", 20)
    monkeypatch.setattr(archives, "MOST_OF_ONE", 60_000)
    monkeypatch.setattr(archives, "MOST_OF_ALL", 100_000)
    told = ""
    found = []
    try:
        for each in archives.members(io.BytesIO(archive)):
            (found if not each.refused else []).append(each)
            told += f"{each.name}: {each.refused} "
        told += archives.refused_words([], 0) if not found else ""
    except IntakeError as error:
        told += str(error)
    assert words in told
    assert sum(len(each.data) for each in found) <= 160_000


def test_no_name_in_an_archive_is_followed(inbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("../../etc/escaped.xml", document())
        archive.writestr("C:\\windows\\escaped.bin", b"\0\1")
    with pytest.raises(IntakeError, match=r"escaped\.bin"):
        inbox.take(written.getvalue())
    assert list(tmp_path.iterdir()) == [] and inbox.counts()["DocumentReference"] == 1


def test_an_archive_by_http_answers_with_every_message_it_held(inbox: Any) -> None:
    token = add_sender_token(AccessContext("user:4", "A manager", frozenset({Role.MANAGER})), "hie", "HIE")

    def sent(archive: bytes) -> Any:
        return Client().post(
            "/intake", archive, content_type="application/zip", headers={"Authorization": f"Bearer {token}"}
        )

    answer = sent(xdm(scan_pdf=b"%PDF-1.4 x"))
    assert answer.status_code == 400 and "scan.pdf" in answer.json()["error"]
    assert len(answer.json()["messages"]) == 2
    answer = sent(xdm())
    assert answer.status_code == 202
    assert all("duplicate_of" in each for each in answer.json()["messages"])
    inbox.file_waiting()
    assert inbox.counts()["DocumentReference"] == 2
