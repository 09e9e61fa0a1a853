"""What may be entered by hand in each section of a chart, and the keys that begin it."""

from __future__ import annotations

from dataclasses import dataclass

from charthouse.foundation.access.api import AccessContext, Permission, may
from charthouse.frontdesk import api as frontdesk


@dataclass(frozen=True, slots=True)
class Offer:
    """One form on a chart: its name in addresses, the section it stands in, the key that opens it."""

    name: str
    section: str
    key: str
    title: str
    permission: Permission

    @property
    def url_name(self) -> str:
        return f"enter-{self.name}"


DOCUMENT = Offer("document", "documents", "a", "File a paper", frontdesk.FILE_DOCUMENT)
NOTE = Offer("note", "documents", "N", "Write a note", frontdesk.WRITE_NOTE)
DICTATION = Offer("dictation", "documents", "i", "Enter a dictation", frontdesk.TRANSCRIBE)
ENCOUNTER = Offer("encounter", "encounters", "a", "Enter an encounter", frontdesk.ENTER_ENCOUNTER)
VITAL_SIGNS = Offer("vital-signs", "vitals", "a", "Enter vital signs", frontdesk.ENTER_VITAL_SIGNS)
ALLERGY = Offer("allergy", "allergies", "a", "Enter an allergy", frontdesk.ENTER_ALLERGY)
COVERAGE = Offer("coverage", "coverage", "a", "Enter coverage", frontdesk.ENTER_COVERAGE)
OFFERS = (DOCUMENT, NOTE, DICTATION, ENCOUNTER, VITAL_SIGNS, ALLERGY, COVERAGE)


def offered(ctx: AccessContext, section: str) -> list[Offer]:
    """What the asker may enter in a section."""
    return [offer for offer in OFFERS if offer.section == section and may(ctx, offer.permission)]
