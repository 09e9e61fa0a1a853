"""The desk's screens over a real record: what is typed is kept, what is filed is shown."""

from __future__ import annotations

import io
import os
import re
import time
import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from PIL import Image

from charthouse.configuration import configuration
from charthouse.foundation.access.api import Role
from charthouse.frontdesk.actions.keep_chosen_file import forget_old_chosen_files
from charthouse.identity.api import patients_of
from charthouse.people.api import User, add_account
from charthouse.people.testing import sign_in
from charthouse.record.api import documents

from .conftest import SYSTEM, summary_of, typed

FORMS = ("document", "note", "encounter", "vital-signs", "allergy", "coverage")


@pytest.fixture
def signed(desk: Callable[..., UUID], monkeypatch: pytest.MonkeyPatch) -> Client:
    """Somebody who holds every right of the desk and the bedside."""
    from django.contrib.auth.hashers import Argon2PasswordHasher

    for name, value in {"time_cost": 1, "memory_cost": 64, "parallelism": 1}.items():
        monkeypatch.setattr(Argon2PasswordHasher, name, value)
    roles = [Role.COORDINATOR, Role.PHYSICIAN, Role.HIT]
    made = add_account(SYSTEM, username="okafor", display_name="R. Okafor", roles=roles, require_totp=False)
    return sign_in(User.objects.get(pk=made.id))


def chart_of(client: Client) -> str:
    answer = client.post("/register/", typed())
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


def test_a_walk_in_is_registered_and_the_chart_opens(signed: Client) -> None:
    assert b"Register a person" in signed.get("/find/").content
    page = signed.get("/register/").content.decode()
    assert re.search(r'name="once" value="[0-9a-f-]{36}"', page)
    chart = chart_of(signed)
    assert "Okonkwo-Reyes, Marisol" in signed.get(chart).content.decode()


def test_what_is_at_fault_stands_beside_its_field_and_what_was_typed_stays(signed: Client) -> None:
    page = signed.post("/register/", typed(birth="31.2.1950", line="9 <Elm>")).content.decode()
    assert "This is not a date." in page and "9 &lt;Elm&gt;" in page and "31.2.1950" in page
    assert page.count('aria-invalid="true"') == 1


def test_while_one_types_the_known_person_is_shown_with_the_reason(signed: Client) -> None:
    chart = chart_of(signed)
    page = signed.post("/register/alike", {"family": "okonk", "given": "mar"}).content.decode()
    assert chart in page and "family names" in page
    page = signed.post("/register/", typed(once=str(uuid.uuid4()))).content.decode()
    assert chart in page and "The same person" in page and "Nothing" not in page
    assert "Nobody yet" in signed.post("/register/alike", {}).content.decode()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_opens_from_its_section_and_says_what_is_missing(signed: Client, form: str) -> None:
    chart = chart_of(signed)
    page = signed.get(f"{chart}new/{form}")
    assert page.status_code == 200
    answer = signed.post(f"{chart}new/{form}", {"class": "nonsense"})
    assert answer.status_code == 200 and "Not filed." in answer.content.decode()
    sections = {"vital-signs": "vitals", "allergy": "allergies", "document": "documents", "note": "documents",
                "encounter": "encounters", "coverage": "coverage"}  # fmt: skip
    assert f"{chart}new/{form}" in signed.get(f"{chart}{sections[form]}").content.decode()


def test_the_demographics_show_the_former_values(signed: Client) -> None:
    chart = chart_of(signed)
    page = signed.get(f"{chart}demographics/correct").content.decode()
    version = re.search(r'name="version" value="([^"]+)"', page)
    assert version is not None and 'value="14 Quarry Lane"' in page
    sent = typed(line="77 Oak Avenue", birth="1952-03-09", reason="Moved", version=version[1])
    assert signed.post(f"{chart}demographics/correct", sent).status_code == 302
    page = signed.get(f"{chart}demographics/").content.decode()
    assert "77 Oak Avenue" in page and "14 Quarry Lane" in page and "R. Okafor" in page
    # The form opened before the correction is told of it, and keeps what was typed.
    page = signed.post(f"{chart}demographics/correct", sent | {"city": "Dixon"}).content.decode()
    assert "What was changed meanwhile" in page and 'value="Dixon"' in page and version[1] not in page


def picture(kind: str, pages: int = 1, shade: int = 200) -> bytes:
    made = io.BytesIO()
    frames = [Image.new("L", (220, 300), shade - number) for number in range(pages)]
    more: dict[str, Any] = {"save_all": True, "append_images": frames[1:]} if pages > 1 else {}
    frames[0].save(made, kind, **more)
    return made.getvalue()


@pytest.mark.parametrize(("kind", "pages"), [("TIFF", 3), ("PDF", 2), ("JPEG", 1), ("PNG", 1)])
def test_a_paper_is_filed_and_read_page_by_page(signed: Client, kind: str, pages: int) -> None:
    chart = chart_of(signed)
    content = picture(kind, pages)
    upload = io.BytesIO(content)
    upload.name = f"Okonkwo.{kind.lower()}"
    sent = {"type": "64290-0", "date": "1 Nov 2026", "once": str(uuid.uuid4()), "file": upload}
    answer = signed.post(f"{chart}new/document", sent)
    assert answer.status_code == 302, answer.content.decode()
    page = signed.get(answer["Location"]).content.decode()
    assert "Insurance card" in page
    if kind in {"TIFF", "PDF"}:
        assert f"Page {pages} of {pages}" in page
        assert signed.get(f"{answer['Location']}/file/0/page/{pages}")["Content-Type"] == "image/png"
    whole = signed.get(f"{answer['Location']}/file/{1 if kind == 'TIFF' else 0}")
    assert whole["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert whole.content == content
    # The same again: named, and filed only when that is said.
    upload.seek(0)
    page = signed.post(f"{chart}new/document", sent | {"once": str(uuid.uuid4())}).content.decode()
    assert "is in this chart since" in page and answer["Location"] in page
    upload.seek(0)
    assert (
        signed.post(f"{chart}new/document", sent | {"once": str(uuid.uuid4()), "anyway": "yes"}).status_code == 302
    )


def test_the_same_paper_in_another_chart_is_noticed_and_nobody_named(signed: Client) -> None:
    first = chart_of(signed)
    answer = signed.post("/register/", typed(family="Brandt", given="Ole", birth="1990-01-02", sex="male",
                         phone="", line="", once=str(uuid.uuid4())))  # fmt: skip
    second = str(answer["Location"])
    for chart in (first, second):
        upload = io.BytesIO(picture("PNG", shade=90))
        upload.name = "scan.png"
        answer = signed.post(f"{chart}new/document", {"type": "59284-0", "date": "2026-11-01", "file": upload})
    page = answer.content.decode()
    assert "in another patient&#x27;s chart since" in page
    assert "Okonkwo" not in page and first not in page
    person = UUID(second.split("/")[2])
    assert documents(SYSTEM, patients_of(SYSTEM, person)).rows == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"MZ\x90\0 a program called scan.pdf", "no PDF, TIFF, JPEG or PNG"),
        (b"<html>%PDF", "no PDF, TIFF, JPEG or PNG"),
        (b"%PDF-1.7\nnothing", "cannot be opened"),
        (picture("PNG")[:-40], "not whole"),
        (picture("JPEG")[:200], "not whole"),
        (picture("TIFF", 2)[:300], "not whole"),
    ],
)
def test_what_is_no_paper_is_refused_in_words(signed: Client, content: bytes, words: str) -> None:
    chart = chart_of(signed)
    upload = io.BytesIO(content)
    upload.name = "scan.pdf"
    page = signed.post(f"{chart}new/document", {"type": "59284-0", "date": "2026", "file": upload}).content.decode()
    assert words in page, page[page.find("<main") :][:3000]
    assert "Not filed." in page
    assert summary_of(UUID(chart.split("/")[2])).counts["documents"] == 0


@pytest.mark.parametrize("hostile", ["\0", "<b>\0", "x" * 50_000, "'; --", "Patient/1"])
def test_hostile_ids_are_answered_in_words(signed: Client, hostile: str) -> None:
    chart = chart_of(signed)
    sent = {"type": "11506-3", "text": "Well.", "date": "2026", "heart": "72", "encounter": hostile}
    for form in ("note", "vital-signs", "document"):
        answer = signed.post(
            f"{chart}new/{form}", sent | {"file": scan(picture("PNG"))} if form == "document" else sent
        )
        page = answer.content.decode()
        assert answer.status_code == 200 and "Not filed." in page and "\0" not in page
    for version in (hostile, f"{hostile}:1"):
        answer = signed.post(f"{chart}demographics/correct", typed(reason="Moved", version=version))
        assert answer.status_code == 200 and "What was changed meanwhile" in answer.content.decode()


def scan(content: bytes, name: str = "Okonkwo <card>.tif") -> io.BytesIO:
    upload = io.BytesIO(content)
    upload.name = name
    return upload


def form_number(page: str) -> str:
    found = re.search(r'name="once" value="([0-9a-f-]{36})"', page)
    assert found is not None
    return found[1]


def test_a_form_that_comes_back_keeps_the_chosen_file(signed: Client) -> None:
    chart = chart_of(signed)
    content = picture("TIFF", 2, shade=70)
    once = form_number(signed.get(f"{chart}new/document").content.decode())
    sent = {"once": once, "type": "64290-0", "date": "31.2.2026"}
    page = signed.post(f"{chart}new/document", sent | {"file": scan(content)}).content.decode()
    assert "This is not a date." in page and "Choose another" in page and form_number(page) == once
    assert "Okonkwo &lt;card&gt;.tif</strong>" in page and "need not be chosen again" in page
    # Still at fault, and nothing chosen: it waits on.
    page = signed.post(f"{chart}new/document", sent).content.decode()
    assert "Okonkwo &lt;card&gt;.tif</strong>" in page
    answer = signed.post(f"{chart}new/document", sent | {"date": "2026-02-03"})
    assert answer.status_code == 302, answer.content.decode()
    assert signed.get(f"{answer['Location']}/file/1").content == content
    # It was filed, so nothing waits any more.
    again = signed.post(f"{chart}new/document", {**sent, "date": "2026-02-03"}).content.decode()
    assert "Choose a file of at most" in again and "Choose another" not in again


def test_another_file_may_be_chosen_and_what_is_no_paper_does_not_wait(signed: Client) -> None:
    chart = chart_of(signed)
    sent = {"once": str(uuid.uuid4()), "type": "64290-0"}
    signed.post(f"{chart}new/document", sent | {"file": scan(picture("PNG", shade=10), "first.png")})
    page = signed.post(f"{chart}new/document", sent | {"file": scan(b"MZ", "program.pdf")}).content.decode()
    # Both faults at once, and neither file is offered.
    assert "no PDF, TIFF, JPEG or PNG" in page and "Give the date" in page and "Choose another" not in page
    wanted = picture("PNG", shade=20)
    signed.post(f"{chart}new/document", sent | {"file": scan(picture("PNG", shade=10), "first.png")})
    answer = signed.post(f"{chart}new/document", sent | {"date": "2026", "file": scan(wanted, "second.png")})
    assert signed.get(f"{answer['Location']}/file/0").content == wanted


def test_the_same_file_is_filed_once_more_without_choosing_it_again(signed: Client) -> None:
    chart = chart_of(signed)
    sent = {"type": "64290-0", "date": "2026"}
    for number in range(2):
        once = {"once": str(uuid.UUID(int=number + 1))}
        answer = signed.post(f"{chart}new/document", sent | once | {"file": scan(picture("PNG", shade=30))})
    page = answer.content.decode()
    assert "is in this chart since" in page and "Choose another" in page
    assert signed.post(f"{chart}new/document", sent | once | {"anyway": "yes"}).status_code == 302
    assert len(documents(SYSTEM, patients_of(SYSTEM, UUID(chart.split("/")[2]))).rows) == 2


def test_a_chosen_file_waits_for_nobody_else_and_no_other_chart(signed: Client, desk: Callable[..., UUID]) -> None:
    chart = chart_of(signed)
    other = f"/chart/{desk(family='Brandt', given='Ole', birth='1990-01-02', sex='male', phone='', line='')}/"
    sent = {"once": str(uuid.uuid4()), "type": "64290-0"}
    page = signed.post(f"{chart}new/document", sent | {"file": scan(picture("PNG"))}).content.decode()
    assert "Choose another" in page
    made = add_account(
        SYSTEM, username="sato", display_name="M. Sato", roles=[Role.COORDINATOR], require_totp=False
    )
    colleague = sign_in(User.objects.get(pk=made.id))
    for client, place in ((colleague, chart), (signed, other)):
        page = client.post(f"{place}new/document", sent | {"date": "2026"}).content.decode()
        assert "Choose a file of at most" in page and "Okonkwo &lt;card" not in page
    assert signed.post(f"{chart}new/document", sent | {"date": "2026"}).status_code == 302


def test_a_chosen_file_waits_its_time_and_is_deleted(signed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests that run beside this one have files waiting too.
    shelf = f".waiting-{uuid.uuid4().hex}"
    monkeypatch.setattr("charthouse.foundation.files.waiting._FOLDER", shelf)
    chart = chart_of(signed)
    old, new = ({"once": str(uuid.uuid4()), "type": "64290-0"} for _ in range(2))
    signed.post(f"{chart}new/document", old | {"file": scan(picture("PNG"))})
    (waiting,) = (path for path in (configuration().files / shelf).rglob("*") if path.is_file())
    os.utime(waiting, (time.time() - 3601, time.time() - 3601))
    assert (
        "Choose another"
        in signed.post(f"{chart}new/document", new | {"file": scan(picture("PNG", shade=3))}).content.decode()
    )
    assert forget_old_chosen_files() >= 1 and not waiting.exists()
    assert "Choose another" not in signed.post(f"{chart}new/document", old).content.decode()
    assert "Choose another" in signed.post(f"{chart}new/document", new).content.decode()
