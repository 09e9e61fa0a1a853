"""Messages are sent, filed, found and read down to their segments: no stand-ins, everything that is in between."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from playwright.sync_api import expect

ADMISSION = (
    "MSH|^~\\&|ADT|NORTHFIELD|CHARTHOUSE|HIM|20261106081500-0600||ADT^A01^ADT_A01|NF-1|P|2.5.1\r"
    "EVN|A01|20261106081000-0600\r"
    "PID|1||00418823^^^NORTHFIELD^MR||Quellmann^Ottilie^Rosa||19520309|F|||12 Mulberry Row^^Springfield^IL^62701||"
    "2175550134|||M\r"
    "PV1|1|I|4W^412^B^NORTHFIELD|E|||1043210001^Lindqvist^Anna^^^Dr||||"
    "CAR||||7|||1043210001^Lindqvist^Anna|IN|"
    "V-118823|||||||||||||||||||||||||20261106081000-0600\r"
    "AL1|1|DA|7980^Penicillin G^RXNORM|SV|Anaphylaxis\r"
    "DG1|1||I50.33^Acute on chronic diastolic heart failure^I10||20261106|A\r"
)
REPORT = (
    "MSH|^~\\&|LAB|NORTHFIELD|CHARTHOUSE|HIM|20261110071500-0600||ORU^R01^ORU_R01|NF-2|P|2.5.1\r"
    "PID|1||00418823^^^NORTHFIELD^MR||Quellmann^Ottilie^Rosa||19520309|F\r"
    "PV1|1|I|4W^412^B^NORTHFIELD||||||||||||||||V-118823\r"
    "OBR|1||L-99812^LAB|51990-0^Basic metabolic panel^LN|||20261110061100-0600|||||||"
    "20261110063000-0600|||||||||F\r"
    "OBX|1|NM|2951-2^Sodium^LN||138|mmol/L|135-145|N|||F|||20261110061100-0600\r"
    "OBX|2|NM|2823-3^Potassium^LN||6.8|mmol/L|3.5-5.1|HH|||F|||20261110061100-0600\r"
)
NOBODY = (
    "MSH|^~\\&|LAB|NORTHFIELD|CHARTHOUSE|HIM|20261110071600-0600||ORU^R01^ORU_R01|NF-3|P|2.5.1\r"
    "PID|1||||^\r"
    "OBR|1||L-99813^LAB|51990-0^Basic metabolic panel^LN|||20261110061100-0600\r"
    "OBX|1|NM|2951-2^Sodium^LN||138|mmol/L|135-145|N|||F\r"
)


@pytest.fixture(scope="module")
def sent(served: str, beside: Any) -> None:
    from charthouse.intake.api import Connector, take_in

    def send() -> bool:
        for message in (ADMISSION, REPORT, NOBODY):
            list(take_in(io.BytesIO(message.encode()), connector=Connector.FILES, batch="test"))
        return True

    beside(send)


def _open(visit: Any) -> Any:
    page = visit("/")
    page.keyboard.press("/")
    page.locator("[role=combobox]:focus").wait_for()
    page.keyboard.insert_text("que")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/chart/**")
    return page


def _go(page: Any, letter: str, title: str) -> None:
    page.keyboard.press("g")
    page.keyboard.press(letter)
    page.get_by_role("heading", level=1, name=title).wait_for()


def test_three_letters_lead_to_the_chart(sent: None, visit: Any) -> None:
    page = _open(visit)
    banner = page.get_by_role("region", name="Patient")
    expect(banner).to_contain_text("Quellmann", use_inner_text=True)
    expect(banner).to_contain_text("00418823", use_inner_text=True)
    expect(banner).to_contain_text("Allergy: Penicillin G", use_inner_text=True)
    _go(page, "e", "Encounters")
    expect(page.locator(".timeline")).to_contain_text("Lindqvist", use_inner_text=True)
    _go(page, "p", "Problems")
    expect(page.locator("tbody")).to_contain_text("Acute on chronic diastolic heart failure", use_inner_text=True)


@pytest.mark.parametrize("letter", list("oedrvpmaixtc"))
def test_every_section_of_the_chart_opens(sent: None, visit: Any, letter: str) -> None:
    page = _open(visit)
    with page.expect_navigation():
        page.keyboard.press("g")
        page.keyboard.press(letter)
    section = page.locator(".sections [aria-current=page]")
    assert section.get_attribute("data-key") == f"g {letter}"
    expect(page.get_by_role("heading", level=1)).to_have_count(1)


def test_a_result_is_read_down_to_its_segment(sent: None, visit: Any) -> None:
    page = _open(visit)
    _go(page, "r", "Results")
    potassium = page.locator("tr", has_text="Potassium")
    expect(potassium).to_contain_text("6.8", use_inner_text=True)
    expect(potassium).to_contain_text("Critically high", use_inner_text=True)
    potassium.get_by_role("link", name="Source of Potassium").click()
    dialog = page.get_by_role("dialog", name="Where did this come from")
    dialog.wait_for()
    marked = dialog.locator("li.marked")
    assert marked.count() >= 1
    assert any("OBX|2|NM|2823-3" in text for text in marked.all_inner_texts())
    expect(dialog).to_contain_text("NF-2", use_inner_text=True)


def test_what_could_not_be_filed_is_explained_and_refused(sent: None, visit: Any) -> None:
    page = visit("/unfiled/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/unfiled/\d+$"))
    expect(page.locator(".notice").first).to_contain_text("PID", use_inner_text=True)
    page.keyboard.press("r")
    page.get_by_text("it still cannot be filed").wait_for()
    page.wait_for_load_state()
    page.keyboard.press("x")
    dialog = page.get_by_role("dialog", name="Refuse this message")
    dialog.get_by_label("Why it is not to be filed").fill("Nobody is named in it.")
    dialog.get_by_role("button", name="Refuse").click()
    page.get_by_text("Refused: Nobody is named in it.", exact=True).wait_for()


def test_all_of_it_stands_in_the_ledger(sent: None, visit: Any) -> None:
    _open(visit)
    page = visit("/ledger/?actor=okafor&action=chart.read")
    assert page.locator("tbody tr").count() >= 1
    expect(page.locator("tbody")).to_contain_text("R. Okafor", use_inner_text=True)
    page = visit("/ledger/?actor=okafor&action=patient.search")
    assert "quellmann" not in page.locator("main").inner_text().casefold()
    page.goto(page.url.split("/ledger/")[0] + "/ledger/seal")
    page.keyboard.press("v")
    page.get_by_text("Whole.").wait_for()
