"""Papers that people bring, as a scanner makes them: black and white, a little askew, with specks."""

from __future__ import annotations

import io
import time
from functools import cache
from random import Random

from PIL import Image, ImageDraw, ImageFont

from .population import Person
from .staff import HOSPITAL_NAME

#: Letter size at 100 dots an inch.
_SIZE = 850, 1100
#: Written into the PDF instead of the moment it was made, so that the same seed makes the same bytes.
_MADE = time.gmtime(1_700_000_000)
_ELSEWHERE = ("Quarry Hill County Hospital", "Ridge Valley Urgent Care", "Stony Ford Surgical Center")
_WHAT = ("discharge summary", "laboratory results", "all records of the last year")
#: Why, what was found, what is to be done.
_VISITS = (
    ("cough for a week", "throat red, lungs clear", "rest and fluids"),
    ("ankle injury", "swelling, films negative", "brace, ibuprofen as needed"),
    ("follow-up of blood pressure", "no acute distress, no edema", "continue medicines"),
    ("rash of the arms", "dry patches, no infection", "cream twice a day"),
)

#: TXA-2 and title, by kind of paper.
KINDS = {
    "directive": ("ADV^Advance directive^L", "Health care directive"),
    "outside": ("OUT^Outside record^L", "Outside record"),
    "release": ("AUTH^Authorization^L", "Authorization to release"),
}


@cache
def _fonts() -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """For the text, and for the first line."""
    return ImageFont.load_default(17), ImageFont.load_default(24)


def paper(rng: Random, person: Person, kind: str, day: str) -> list[str]:
    """The lines of a paper; ``day`` is when it was signed."""
    who = f"{person.given} {person.family}"
    born = f"{person.born:%m/%d/%Y}"
    close = person.contacts[0] if person.contacts else None
    agent = f"{close.given} {close.family}" if close else "________________"
    phone = close.phone if close else ""
    if kind == "directive":
        return [
            "HEALTH CARE DIRECTIVE", "", f"I, {who}, born {born}, name as my agent:", "",
            f"    {agent}     {phone}", "",
            "My agent may decide about my care when I cannot speak for myself.", "",
            "If I cannot recover:",
            f"  [{rng.choice('X ')}]  No machine to breathe for me",
            f"  [{rng.choice('X ')}]  No feeding tube",
            "  [X]  Keep me comfortable", "",
            f"Signed: {who}", f"Date: {day}", "",
            "Witnesses:", "  1. ____________________", "  2. ____________________",
        ]  # fmt: skip
    if kind == "release":
        return [
            HOSPITAL_NAME.upper(), "AUTHORIZATION TO RELEASE HEALTH INFORMATION", "",
            f"Patient: {who}", f"Birth date: {born}", "",
            f"Release to: {rng.choice(_ELSEWHERE)}", f"What: {rng.choice(_WHAT)}",
            f"Why: {rng.choice(('further care', 'insurance', 'personal use'))}", "",
            "This ends one year from the date below. I may take it back in writing.", "",
            f"Signed: {who}", f"Date: {day}",
        ]  # fmt: skip
    reason, found, plan = rng.choice(_VISITS)
    pressure = f"{rng.randrange(112, 148)}/{rng.randrange(66, 90)}"
    return [
        rng.choice(_ELSEWHERE).upper(), "VISIT SUMMARY", "", f"Patient: {who}    DOB {born}", f"Seen: {day}", "",
        f"Reason: {reason}", f"BP {pressure}   HR {rng.randrange(62, 96)}   T {rng.uniform(36.4, 37.6):.1f}", "",
        f"Examination: {found}.", f"Plan: {plan}; see your own doctor in a week.", "",
        "Copy sent at the patient's request.",
    ]  # fmt: skip


def scanned(rng: Random, lines: list[str]) -> tuple[bytes, str]:
    """The lines as a picture of a page: bytes and media type (PDF, or TIFF as fax machines write it)."""
    page = Image.new("1", _SIZE, 1)
    draw = ImageDraw.Draw(page)
    font, large = _fonts()
    top = 90 + rng.randrange(30)
    for place, line in enumerate(lines):
        draw.text((88, top), line, fill=0, font=large if place == 0 else font)
        top += 44 if place == 0 else 30
    for _ in range(rng.randrange(12, 40)):
        x, y = rng.randrange(_SIZE[0]), rng.randrange(_SIZE[1])
        draw.ellipse((x, y, x + rng.randrange(1, 3), y + rng.randrange(1, 3)), fill=0)
    page = page.rotate(rng.uniform(-0.9, 0.9), fillcolor=1)
    out = io.BytesIO()
    if rng.random() < 0.6:
        page.save(out, "PDF", resolution=100.0, creationDate=_MADE, modDate=_MADE)
        return out.getvalue(), "application/pdf"
    page.save(out, "TIFF", compression="group4", dpi=(100, 100))
    return out.getvalue(), "image/tiff"
