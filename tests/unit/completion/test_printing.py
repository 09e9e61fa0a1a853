"""The chart of an encounter on paper: in its order, every page told of, nothing missing and nothing twice."""

from __future__ import annotations

import hashlib
import io
import json
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pikepdf
import pytest
from PIL import Image

from charthouse.completion.api import assemble
from charthouse.foundation.access.api import PermissionRefused, Purpose, Role
from charthouse.foundation.disclosure.api import disclosures_of
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.identity import api as identity
from charthouse.web.actions import print_assembled
from charthouse.web.actions.print_assembled import CannotPrint, print_assembled_chart
from charthouse.web.actions.printed import NothingToPrint, Outside, Printed, PrintError
from charthouse.web.demo.paper import pdf
from tests.support.readers import pages

from .visits import (
    SYSTEM,
    TECHNICIAN,
    asker,
    attachment,
    coded,
    document,
    encounter,
    found,
    of_visit,
    patient,
    send,
)

SCAN = pdf("\n".join(f"Line {number}" for number in range(90)), heading="SCANNED CONSENT")
LONG_AGO, FAR_OFF = datetime(1990, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC)
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def fax(count: int) -> bytes:
    made = [Image.new("1", (200, 260), 1) for _ in range(count)]
    written = io.BytesIO()
    made[0].save(written, "TIFF", save_all=True, append_images=made[1:])
    return written.getvalue()


def stay(*more: dict[str, Any]) -> tuple[Any, tuple[int, ...], str]:
    """A stay with papers of every kind."""
    send(
        patient(), encounter(),
        document("hp", coded("34117-2", text="History and physical"), attachment(b"CHIEF COMPLAINT:\n  Fever")),
        document("pn", coded("11506-3", text="Progress note"),
                 attachment(b"<h1>Plan</h1><p>Rest &amp; fluids</p>", "text/html")),
        document("co", coded("64293-4", text="Procedure consent"), attachment(SCAN, "application/pdf")),
        document("fx", {"text": "Faxed sheet"}, attachment(fax(2), "image/tiff")),
        document("ds", coded("18842-5", text="Discharge summary"), attachment(b"Went home."),
                 docStatus="preliminary"),
        of_visit("ServiceRequest", "o1", status="active", intent="order", code={"text": "Chest film"}),
        of_visit("Observation", "na", status="final", code={"text": "Sodium"}, valueQuantity={"value": 138}),
        of_visit("Condition", "c1", code={"text": "Pneumonia"}),
        *more,
    )  # fmt: skip
    return found()


def manifest_of(printed: Printed) -> dict[str, Any]:
    with pikepdf.open(io.BytesIO(printed.content)) as opened:
        read: dict[str, Any] = json.loads(opened.attachments["manifest.json"].get_file().read_bytes())
        assert read["pages"] == len(opened.pages) == printed.pages
        return read


@pytest.mark.django_db
def test_it_stands_in_order_with_contents_header_and_page_numbers() -> None:
    person, _, id = stay()
    printed = print_assembled_chart(TECHNICIAN, person, id)
    read = pages(printed.content)
    assert len(read) == printed.pages
    for number, text in enumerate(read, start=1):
        assert f"Page {number} of {printed.pages}" in text
        assert "Marsh, Ida" in text and "MRN 00p1" in text and "visit V-e1" in text
    whole = " ".join(read)
    places = [
        whole.index(words, whole.index("None recorded") if "None recorded" in whole else 0)
        for words in ("SCANNED CONSENT", "CHIEF COMPLAINT", "Rest & fluids", "Chest film", "Sodium", "Went home")
    ]
    assert places == sorted(places)
    assert "Pneumonia" in whole and "Discharge summary UNSIGNED" in read[0]


@pytest.mark.django_db
def test_contents_manifest_and_pages_agree_as_read_back() -> None:
    person, patients, id = stay()
    printed = print_assembled_chart(TECHNICIAN, person, id)
    read, told = pages(printed.content), manifest_of(printed)
    chart = assemble(TECHNICIAN, patients, id)
    assert chart is not None
    items = [each for leaf in told["leaves"] for each in leaf["items"]]
    assert len({each["item"] for each in items}) == len(items)
    assert {each["item"]: (each["version"], each["sha256"]) for each in items} == dict(chart.digests)
    # Every page after the contents belongs to one leaf or to the manifest, in their order.
    runs = [leaf["pages"] for leaf in told["leaves"]]
    for (_, end), (begin, _) in pairwise(runs):
        assert begin == end + 1
    for leaf in told["leaves"]:
        first, last = leaf["pages"]
        assert leaf["title"] in read[first - 1]
        shown = f"{first}" if first == last else f"{first}–{last}"
        contents = " ".join(read[: runs[0][0] - 1])
        assert re.search(rf"{re.escape(leaf['title'])}(?: UNSIGNED)?.{{0,60}}? {shown}", contents)
    assert "Manifest" in read[runs[-1][1]]
    rest = re.sub(r"[^0-9a-f]", "", " ".join(read[runs[-1][1] :]))
    assert all(each["sha256"] in rest for leaf in told["leaves"] for each in leaf["items"])
    (scan,) = [file for leaf in told["leaves"] for file in leaf["files"] if file["mediaType"] == "application/pdf"]
    assert scan["sha256"] == hashlib.sha256(SCAN).hexdigest() and scan["pages"] == len(pages(SCAN))


@pytest.mark.django_db
def test_pages_of_files_go_in_as_they_are() -> None:
    person, _, id = stay()
    read = pages(print_assembled_chart(TECHNICIAN, person, id).content)
    assert sum("SCANNED CONSENT" in each for each in read) == len(pages(SCAN))
    assert "Line 89" in " ".join(read)
    assert sum("as it came" in each for each in read) == len(pages(SCAN)) + 2


@pytest.mark.django_db
def test_what_cannot_be_printed_stops_it_and_is_named() -> None:
    person, _, id = stay(
        document("zip", coded("11506-3", text="Odd file"), attachment(b"PK\x03\x04..", "application/zip")),
        document("bad", coded("11506-3", text="Damaged scan"), attachment(b"%PDF-1.4 nothing", "application/pdf")),
    )
    with pytest.raises(CannotPrint) as stopped:
        print_assembled_chart(TECHNICIAN, person, id)
    assert len(stopped.value.what) == 2
    assert "“Odd file”" in stopped.value.what[1] + stopped.value.what[0]
    assert not entries(SYSTEM, Filters(action="chart.print")).lines
    printed = print_assembled_chart(TECHNICIAN, person, id, without=True)
    told = manifest_of(printed)
    assert len(told["notPrinted"]) == 2
    assert "Not all of it is printed" in pages(printed.content)[0]
    files = [file for leaf in told["leaves"] for file in leaf["files"]]
    assert [file["says"] for file in files if not file["pages"]] == ["not printed"] * 2
    (line,) = entries(SYSTEM, Filters(action="chart.print")).lines
    assert line.detail["left_out"] == 2


@pytest.mark.django_db
def test_a_scan_behind_its_pdf_is_printed_once() -> None:
    two = pdf("\n".join(f"Line {number}" for number in range(90)), heading="BOTH")
    count = len(pages(two))
    person, _, id = stay(
        document("both", coded("11506-3", text="Scanned twice"), attachment(two, "application/pdf"),
                 attachment(fax(count), "image/tiff")),
    )  # fmt: skip
    told = manifest_of(print_assembled_chart(TECHNICIAN, person, id))
    (leaf,) = [each for each in told["leaves"] if each["title"] == "Scanned twice"]
    told_of = [(file["pages"], file["says"]) for file in leaf["files"]]
    assert told_of == [(count, ""), (0, "the pages of the file before it")]


@pytest.mark.django_db
def test_the_print_is_in_the_ledger_and_outside_it_is_a_disclosure() -> None:
    person, _, id = stay(
        document("psy", coded("11506-3", text="Therapy"), attachment(b"withheld word"),
                 meta={"security": [{"system": ACT, "code": "PSYTHPN"}]}),
    )  # fmt: skip
    printed = print_assembled_chart(TECHNICIAN, person, id, Outside("Riverside Clinic", Purpose.TREATMENT))
    assert "withheld word" not in " ".join(pages(printed.content))
    (line,) = entries(SYSTEM, Filters(action="chart.print")).lines
    with pikepdf.open(io.BytesIO(printed.content)) as opened:
        manifest = opened.attachments["manifest.json"].get_file().read_bytes()
    assert line.detail["part"] == "assembled" and line.detail["pages"] == printed.pages
    assert line.detail["manifest"] == hashlib.sha256(manifest).hexdigest()
    patient_id = identity.sources_of(SYSTEM, person)[0].public_id
    (disclosed,) = disclosures_of(SYSTEM, patient_id, LONG_AGO, FAR_OFF)
    assert disclosed.recipient.name == "Riverside Clinic"


@pytest.mark.django_db
def test_who_may_not_and_what_there_is_not() -> None:
    person, _, id = stay()
    with pytest.raises(PermissionRefused):
        print_assembled_chart(asker(Role.AUDITOR), person, id)
    with pytest.raises(NothingToPrint):
        print_assembled_chart(TECHNICIAN, person, "nowhere")


@pytest.mark.django_db
def test_a_print_that_is_not_whole_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    person, _, id = stay()
    whole = print_assembled.set_with_places

    def without_one(*given: Any) -> Any:
        printed, places = whole(*given)
        return printed, [each for each in places if each.name != "leaf-1"]

    monkeypatch.setattr(print_assembled, "set_with_places", without_one)
    with pytest.raises(PrintError, match="did not come out whole"):
        print_assembled_chart(TECHNICIAN, person, id)
    assert not entries(SYSTEM, Filters(action="chart.print")).lines
