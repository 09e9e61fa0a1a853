"""The sections of a document: which there are, and what kind each is.

A section is told by its LOINC code, else by its template, else by the words of its title, since documents leave out
one or the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .tree import Element
from .values import said


class Kind(StrEnum):
    """What a section's entries are about."""

    ALLERGIES = "allergies"
    MEDICATIONS = "medications"
    ADMINISTERED = "administered"
    PROBLEMS = "problems"
    CONCERNS = "concerns"
    DIAGNOSES = "diagnoses"
    PROCEDURES = "procedures"
    RESULTS = "results"
    VITALS = "vitals"
    IMMUNIZATIONS = "immunizations"
    SOCIAL = "social"
    FAMILY = "family"
    FUNCTIONAL = "functional"
    MENTAL = "mental"
    ENCOUNTERS = "encounters"
    PLAN = "plan"
    GOALS = "goals"
    EQUIPMENT = "equipment"
    DIRECTIVES = "directives"
    PAYERS = "payers"
    INSTRUCTIONS = "instructions"
    NUTRITION = "nutrition"
    CARE_TEAM = "care-team"
    NOTES = "notes"
    TEXT = "text"


_CODES: dict[str, tuple[Kind, str]] = {
    "48765-2": (Kind.ALLERGIES, "Allergies"),
    "10160-0": (Kind.MEDICATIONS, "Medications"),
    "10183-2": (Kind.MEDICATIONS, "Discharge medications"),
    "75311-1": (Kind.MEDICATIONS, "Discharge medications"),
    "42346-7": (Kind.MEDICATIONS, "Admission medications"),
    "29549-3": (Kind.ADMINISTERED, "Medications administered"),
    "11450-4": (Kind.PROBLEMS, "Problems"),
    "11348-0": (Kind.PROBLEMS, "Past medical history"),
    "75310-3": (Kind.CONCERNS, "Health concerns"),
    "11535-2": (Kind.DIAGNOSES, "Discharge diagnosis"),
    "78375-3": (Kind.DIAGNOSES, "Discharge diagnosis"),
    "46241-6": (Kind.DIAGNOSES, "Admission diagnosis"),
    "42347-5": (Kind.DIAGNOSES, "Admission diagnosis"),
    "10219-4": (Kind.DIAGNOSES, "Preoperative diagnosis"),
    "10218-6": (Kind.DIAGNOSES, "Postoperative diagnosis"),
    "59769-0": (Kind.DIAGNOSES, "Postprocedure diagnosis"),
    "51848-0": (Kind.DIAGNOSES, "Assessment"),
    "55109-3": (Kind.DIAGNOSES, "Complications"),
    "29308-4": (Kind.DIAGNOSES, "Diagnosis"),
    "47519-4": (Kind.PROCEDURES, "Procedures"),
    "29554-3": (Kind.PROCEDURES, "Procedure description"),
    "59776-5": (Kind.PROCEDURES, "Procedure findings"),
    "59768-2": (Kind.PROCEDURES, "Procedure indications"),
    "59775-7": (Kind.PROCEDURES, "Procedure disposition"),
    "10213-7": (Kind.PROCEDURES, "Surgical operation"),
    "62387-6": (Kind.PLAN, "Interventions"),
    "11493-4": (Kind.RESULTS, "Hospital discharge studies"),
    "30954-2": (Kind.RESULTS, "Results"),
    "8716-3": (Kind.VITALS, "Vital signs"),
    "11369-6": (Kind.IMMUNIZATIONS, "Immunizations"),
    "29762-2": (Kind.SOCIAL, "Social history"),
    "10157-6": (Kind.FAMILY, "Family history"),
    "47420-5": (Kind.FUNCTIONAL, "Functional status"),
    "10190-7": (Kind.MENTAL, "Mental status"),
    "46240-8": (Kind.ENCOUNTERS, "Encounters"),
    "18776-5": (Kind.PLAN, "Plan of treatment"),
    "51847-2": (Kind.PLAN, "Assessment and plan"),
    "59772-4": (Kind.PLAN, "Planned procedure"),
    "61146-7": (Kind.GOALS, "Goals"),
    "46264-8": (Kind.EQUIPMENT, "Medical equipment"),
    "42348-3": (Kind.DIRECTIVES, "Advance directives"),
    "48768-6": (Kind.PAYERS, "Payers"),
    "69730-0": (Kind.INSTRUCTIONS, "Instructions"),
    "8653-8": (Kind.INSTRUCTIONS, "Hospital discharge instructions"),
    "61144-2": (Kind.NUTRITION, "Nutrition"),
    "42344-2": (Kind.NUTRITION, "Discharge diet"),
    "85847-2": (Kind.CARE_TEAM, "Care teams"),
    "11383-7": (Kind.CONCERNS, "Health status evaluations and outcomes"),
    "8648-8": (Kind.TEXT, "Hospital course"),
    "10164-2": (Kind.TEXT, "History of present illness"),
    "10154-3": (Kind.TEXT, "Chief complaint"),
    "46239-0": (Kind.TEXT, "Chief complaint and reason for visit"),
    "29299-5": (Kind.TEXT, "Reason for visit"),
    "42349-1": (Kind.TEXT, "Reason for referral"),
    "10187-3": (Kind.TEXT, "Review of systems"),
    "10210-3": (Kind.TEXT, "General status"),
    "29545-1": (Kind.TEXT, "Physical examination"),
    "10184-0": (Kind.TEXT, "Hospital discharge physical"),
    "18841-7": (Kind.TEXT, "Hospital consultations"),
    "61149-1": (Kind.TEXT, "Objective"),
    "61150-9": (Kind.TEXT, "Subjective"),
    "10216-0": (Kind.TEXT, "Operative note surgical procedure"),
    "55122-6": (Kind.TEXT, "Operative note fluids"),
    "59770-8": (Kind.TEXT, "Estimated blood loss"),
    "59771-6": (Kind.TEXT, "Implants"),
    "59773-2": (Kind.TEXT, "Specimens taken"),
    "11537-8": (Kind.TEXT, "Surgical drains"),
    "10223-6": (Kind.TEXT, "Surgical operation note disposition"),
    "10207-9": (Kind.TEXT, "Anesthesia"),
    "59774-0": (Kind.ADMINISTERED, "Anesthesia"),
    "11329-0": (Kind.TEXT, "General history"),
    "11376-1": (Kind.TEXT, "Procedure location"),
    "121070": (Kind.TEXT, "Findings"),
    "18782-3": (Kind.TEXT, "Findings"),
    "11515-4": (Kind.TEXT, "Physical findings"),
    # Kinds of note (Notes section of the companion guide)
    "11488-4": (Kind.NOTES, "Consultation note"),
    "18842-5": (Kind.NOTES, "Discharge summary"),
    "34117-2": (Kind.NOTES, "History and physical note"),
    "11506-3": (Kind.NOTES, "Progress note"),
    "28570-0": (Kind.NOTES, "Procedure note"),
    "34746-8": (Kind.NOTES, "Nursing note"),
    "18748-4": (Kind.NOTES, "Diagnostic imaging study"),
    "11502-2": (Kind.NOTES, "Laboratory report"),
    "11526-1": (Kind.NOTES, "Pathology study"),
    "34109-9": (Kind.NOTES, "Note"),
}
_BY_TEMPLATE: dict[str, Kind] = {
    "2.16.840.1.113883.10.20.22.2.6": Kind.ALLERGIES,
    "2.16.840.1.113883.10.20.22.2.6.1": Kind.ALLERGIES,
    "2.16.840.1.113883.10.20.1.2": Kind.ALLERGIES,
    "1.3.6.1.4.1.19376.1.5.3.1.3.13": Kind.ALLERGIES,
    "2.16.840.1.113883.3.88.11.83.102": Kind.ALLERGIES,
    "2.16.840.1.113883.10.20.22.2.1": Kind.MEDICATIONS,
    "2.16.840.1.113883.10.20.22.2.1.1": Kind.MEDICATIONS,
    "2.16.840.1.113883.10.20.1.8": Kind.MEDICATIONS,
    "1.3.6.1.4.1.19376.1.5.3.1.3.19": Kind.MEDICATIONS,
    "2.16.840.1.113883.3.88.11.83.112": Kind.MEDICATIONS,
    "2.16.840.1.113883.10.20.22.2.11": Kind.MEDICATIONS,
    "2.16.840.1.113883.10.20.22.2.11.1": Kind.MEDICATIONS,
    "2.16.840.1.113883.10.20.22.2.44": Kind.MEDICATIONS,
    "2.16.840.1.113883.10.20.22.2.38": Kind.ADMINISTERED,
    "2.16.840.1.113883.10.20.22.2.5": Kind.PROBLEMS,
    "2.16.840.1.113883.10.20.22.2.5.1": Kind.PROBLEMS,
    "2.16.840.1.113883.10.20.22.2.20": Kind.PROBLEMS,
    "2.16.840.1.113883.10.20.1.11": Kind.PROBLEMS,
    "2.16.840.1.113883.3.88.11.83.103": Kind.PROBLEMS,
    "2.16.840.1.113883.10.20.22.2.58": Kind.CONCERNS,
    "2.16.840.1.113883.10.20.22.2.7": Kind.PROCEDURES,
    "2.16.840.1.113883.10.20.22.2.7.1": Kind.PROCEDURES,
    "2.16.840.1.113883.10.20.1.12": Kind.PROCEDURES,
    "2.16.840.1.113883.3.88.11.83.108": Kind.PROCEDURES,
    "2.16.840.1.113883.10.20.22.2.3": Kind.RESULTS,
    "2.16.840.1.113883.10.20.22.2.3.1": Kind.RESULTS,
    "2.16.840.1.113883.10.20.1.14": Kind.RESULTS,
    "2.16.840.1.113883.3.88.11.83.122": Kind.RESULTS,
    "2.16.840.1.113883.10.20.22.2.4": Kind.VITALS,
    "2.16.840.1.113883.10.20.22.2.4.1": Kind.VITALS,
    "2.16.840.1.113883.10.20.1.16": Kind.VITALS,
    "2.16.840.1.113883.3.88.11.83.119": Kind.VITALS,
    "2.16.840.1.113883.10.20.22.2.2": Kind.IMMUNIZATIONS,
    "2.16.840.1.113883.10.20.22.2.2.1": Kind.IMMUNIZATIONS,
    "2.16.840.1.113883.10.20.1.6": Kind.IMMUNIZATIONS,
    "2.16.840.1.113883.3.88.11.83.117": Kind.IMMUNIZATIONS,
    "2.16.840.1.113883.10.20.22.2.17": Kind.SOCIAL,
    "2.16.840.1.113883.10.20.1.15": Kind.SOCIAL,
    "2.16.840.1.113883.3.88.11.83.126": Kind.SOCIAL,
    "2.16.840.1.113883.10.20.22.2.15": Kind.FAMILY,
    "2.16.840.1.113883.10.20.1.4": Kind.FAMILY,
    "2.16.840.1.113883.3.88.11.83.125": Kind.FAMILY,
    "2.16.840.1.113883.10.20.22.2.14": Kind.FUNCTIONAL,
    "2.16.840.1.113883.10.20.1.5": Kind.FUNCTIONAL,
    "2.16.840.1.113883.10.20.22.2.56": Kind.MENTAL,
    "2.16.840.1.113883.10.20.22.2.22": Kind.ENCOUNTERS,
    "2.16.840.1.113883.10.20.22.2.22.1": Kind.ENCOUNTERS,
    "2.16.840.1.113883.10.20.1.3": Kind.ENCOUNTERS,
    "2.16.840.1.113883.3.88.11.83.127": Kind.ENCOUNTERS,
    "2.16.840.1.113883.10.20.22.2.10": Kind.PLAN,
    "2.16.840.1.113883.10.20.1.10": Kind.PLAN,
    "2.16.840.1.113883.10.20.22.2.60": Kind.GOALS,
    "2.16.840.1.113883.10.20.22.2.23": Kind.EQUIPMENT,
    "2.16.840.1.113883.10.20.1.7": Kind.EQUIPMENT,
    "2.16.840.1.113883.10.20.22.2.21": Kind.DIRECTIVES,
    "2.16.840.1.113883.10.20.22.2.21.1": Kind.DIRECTIVES,
    "2.16.840.1.113883.10.20.1.1": Kind.DIRECTIVES,
    "2.16.840.1.113883.10.20.22.2.18": Kind.PAYERS,
    "2.16.840.1.113883.10.20.1.9": Kind.PAYERS,
    "2.16.840.1.113883.10.20.22.2.45": Kind.INSTRUCTIONS,
    "2.16.840.1.113883.10.20.22.2.57": Kind.NUTRITION,
    "2.16.840.1.113883.10.20.22.2.500": Kind.CARE_TEAM,
    "2.16.840.1.113883.10.20.22.2.65": Kind.NOTES,
}
#: Words of a title, the more particular first.
_WORDS: tuple[tuple[str, Kind], ...] = (
    ("allerg", Kind.ALLERGIES), ("adverse reaction", Kind.ALLERGIES),
    ("medications administered", Kind.ADMINISTERED),
    ("administered medication", Kind.ADMINISTERED), ("medication", Kind.MEDICATIONS),
    ("immuniz", Kind.IMMUNIZATIONS),
    ("vaccin", Kind.IMMUNIZATIONS), ("vital", Kind.VITALS), ("family history", Kind.FAMILY),
    ("social history", Kind.SOCIAL), ("health concern", Kind.CONCERNS), ("problem", Kind.PROBLEMS),
    ("medical history", Kind.PROBLEMS), ("diagnos", Kind.DIAGNOSES), ("procedure", Kind.PROCEDURES),
    ("result", Kind.RESULTS), ("laborator", Kind.RESULTS), ("functional", Kind.FUNCTIONAL),
    ("mental status", Kind.MENTAL), ("cognitive", Kind.MENTAL), ("encounter", Kind.ENCOUNTERS),
    ("plan of", Kind.PLAN), ("treatment plan", Kind.PLAN), ("goal", Kind.GOALS), ("equipment", Kind.EQUIPMENT),
    ("device", Kind.EQUIPMENT), ("implant", Kind.EQUIPMENT), ("directive", Kind.DIRECTIVES), ("payer", Kind.PAYERS),
    ("insurance", Kind.PAYERS), ("instruction", Kind.INSTRUCTIONS), ("nutrition", Kind.NUTRITION),
    ("care team", Kind.CARE_TEAM),
)  # fmt: skip
STATEMENTS = frozenset(
    {"act", "observation", "organizer", "substanceAdministration", "supply", "procedure", "encounter",
     "observationMedia", "regionOfInterest"}
)  # fmt: skip


@dataclass(slots=True)
class Section:
    """A section, numbered from 1 in the order of the document, those within others too."""

    number: int
    element: Element
    code: str
    title: str
    kind: Kind
    text: Element | None
    entries: list[Element] = field(default_factory=list)
    """The clinical statements, and where an entry holds none, the entry itself; in their order."""

    @property
    def place(self) -> str:
        """How the section is named to people."""
        return f"{self.title} (section {self.number})"


def sections_of(root: Element) -> list[Section]:
    """Every section of the document."""
    return [_section(number, element) for number, element in enumerate(root.iter("section"), 1)]


def _section(number: int, element: Element) -> Section:
    coded = element.find("code")
    code = ((coded.get("code") if coded is not None else "") or "").strip()
    known = _CODES.get(code)
    title = said("".join(element.find("title").itertext())) if element.find("title") is not None else ""  # type: ignore[union-attr]
    kind = known[0] if known else _by_template(element)
    if kind is None and coded is not None:
        for each in coded.findall("translation"):
            if other := _CODES.get((each.get("code") or "").strip()):
                kind, known = other[0], other
                break
    if kind is None:
        words = (title or said(coded.get("displayName") if coded is not None else "")).lower()
        kind = next((found for word, found in _WORDS if word in words), Kind.TEXT)
    if not title:
        title = (
            known[1] if known else said(coded.get("displayName") if coded is not None else "") or "Untitled section"
        )
    entries: list[Element] = []
    for each in element:
        if each.tag == "entry":
            inside = [inner for inner in each if inner.tag in STATEMENTS]
            entries += inside or [each]
        elif each.tag in STATEMENTS:
            entries.append(each)
    return Section(number, element, code, title[:200], kind, element.find("text"), entries)


def _by_template(element: Element) -> Kind | None:
    for each in element.findall("templateId"):
        if kind := _BY_TEMPLATE.get((each.get("root") or "").strip()):
            return kind
    return None
