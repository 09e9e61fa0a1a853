"""From the bytes of a document to what of it is filed: section by section, entry by entry.

One bad element never loses its section, one bad section never the document: what cannot be coded is named, and its
text is kept with the document.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from charthouse.exchange.drafts import Draft
from charthouse.exchange.times import moment

from .encounters import map_encounter_entry
from .header import (
    kind_of,
    labels_of,
    map_care_team,
    map_confidentiality,
    map_document,
    map_encounter,
    map_patient,
    patient_keys,
)
from .mapping import Mapping, Mint, NotCoded, SectionReport, code_of, negated, templates
from .medications import map_immunization, map_medication, map_supply
from .narrative import says
from .observations import map_birth_sex, map_observation, map_result_entry, map_status_entry, map_vitals_entry
from .persons import map_care_team_entry, map_coverage_entry, map_family_entry, map_note_entry
from .plans import map_goal, map_instruction, map_plan_entry
from .problems import map_allergy_entry, map_problem_entry
from .procedures import map_equipment_entry, map_procedure
from .sections import STATEMENTS, Kind, Section, sections_of
from .tree import Element, Tree, read
from .values import identity, moment_of, names, said, time_of

_PROBLEM_TEMPLATES = frozenset(
    {"2.16.840.1.113883.10.20.22.4.3", "2.16.840.1.113883.10.20.22.4.4", "2.16.840.1.113883.10.20.22.4.132",
     "2.16.840.1.113883.10.20.22.4.33", "2.16.840.1.113883.10.20.22.4.34", "2.16.840.1.113883.10.20.22.4.65",
     "2.16.840.1.113883.10.20.22.4.51"}
)  # fmt: skip
_MEDICATION_TEMPLATES = "2.16.840.1.113883.10.20.22.4.16"
_IMMUNIZATION_TEMPLATES = frozenset({"2.16.840.1.113883.10.20.22.4.52", "2.16.840.1.113883.10.20.1.24"})
_NOTE = "2.16.840.1.113883.10.20.22.4.202"


@dataclass(frozen=True, slots=True)
class Converted:
    """What one document comes to. ``faults`` are (place, reason) of what is broken in it."""

    kind: str
    code: str
    patient_key: str
    drafts: list[Draft]
    sections: list[SectionReport]
    faults: list[tuple[str, str]] = field(default_factory=list)
    occurred: datetime | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Who sends a document and whom it is about, read without converting it."""

    kind: str
    number: str
    custodian: str
    patient_keys: tuple[str, ...]


def to_fhir(data: bytes, *, zone: ZoneInfo, mint: Mint, tree: Tree | None = None) -> Converted:
    """What the document in ``data`` asks to be filed.

    ``zone`` is the sender's time zone, for times without offset. ``mint(resource_type, natural_key)`` gives the
    public FHIR id, the same for the same arguments. ``tree`` is the document where it was parsed already. Raises
    CdaError for what is no CDA document, is hostile, or names no patient; all else is read as far as it goes.
    """
    tree = tree or read(data)
    root = tree.root
    mapping = Mapping(root, zone, mint)
    map_confidentiality(mapping)
    map_patient(mapping)
    if tree.fault:
        mapping.place = "ClinicalDocument"
        mapping.fault(tree.fault)
    _map_parts(mapping)
    map_document(mapping, tree.source)
    return _converted(mapping)


def entries_to_fhir(
    data: bytes, *, zone: ZoneInfo, mint: Mint, patient: str, patient_key: str, within: str
) -> Converted:
    """What a document that came within a message asks to be filed beside that message: its visit and its entries.

    The patient (``Type/id`` and natural key) and the document are the message's; ``within`` names the place in it.
    Raises CdaError as :func:`to_fhir` does.
    """
    tree = read(data)
    mapping = Mapping(tree.root, zone, mint)
    mapping.within = f"{within}: "
    map_confidentiality(mapping)
    mapping.patient, mapping.patient_key = {"reference": patient}, patient_key
    if tree.fault:
        mapping.place = "ClinicalDocument"
        mapping.fault(tree.fault)
    _map_parts(mapping)
    return _converted(mapping)


def subject_of(data: bytes, zone: ZoneInfo) -> tuple[frozenset[str], str]:
    """Whom a document is about: the family names in capitals, and the birth date (FHIR date); empty where it does
    not say. Raises CdaError."""
    person = read(data).root.find("recordTarget/patientRole/patient")
    if person is None:
        return frozenset(), ""
    families = frozenset(
        str(each.get("family") or each.get("text") or "").upper().strip() for each in names(person, zone)
    ) - {""}
    return families, (time_of(person.find("birthTime"), zone) or "")[:10]


def _map_parts(mapping: Mapping) -> None:
    _guarded(mapping, "componentOf", map_encounter)
    _guarded(mapping, "documentationOf", map_care_team)
    for section in sections_of(mapping.root):
        _map_section(mapping, section)


def _converted(mapping: Mapping) -> Converted:
    root = mapping.root
    written = time_of(root.find("effectiveTime"), mapping.zone)
    return Converted(
        kind=kind_of(root),
        code=code_of(root),
        patient_key=mapping.patient_key,
        drafts=list(mapping.drafts.values()),
        sections=mapping.reports,
        faults=mapping.faults,
        occurred=moment(written) if written else None,
    )


def _guarded(mapping: Mapping, place: str, act: Callable[[Mapping], None]) -> None:
    """Do a part of the header; what goes wrong in it is named and costs nothing else."""
    try:
        act(mapping)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        mapping.place = place
        mapping.fault(f"It could not be read ({type(error).__name__}).")


def _map_section(mapping: Mapping, section: Section) -> None:
    report = SectionReport(
        section.number,
        section.title,
        section.code,
        section.kind.value,
        entries=sum(not _nothing(each) for each in section.entries),
        narrative=says(section.text),
        nothing=section.element.get("nullFlavor") is not None,
    )
    mapping.reports.append(report)
    mapping.section, mapping.report = section, report
    mapping.entry_security = labels_of(section.element)
    mapping.within_security += [each for each in mapping.entry_security if each not in mapping.within_security]
    for number, entry in enumerate(section.entries, 1):
        if _nothing(entry):
            continue
        mapping.place = f"{section.place}, entry {number}"
        _note_times(mapping, entry)
        before = len(report.reasons)
        try:
            done = _map_entry(mapping, section.kind, entry)
        except NotCoded as error:
            mapping.note(str(error))
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            IndexError,
            OverflowError,
            RecursionError,
        ) as error:
            mapping.fault(f"The entry could not be read ({type(error).__name__}).")
        else:
            if done:
                report.read += 1
            elif len(report.reasons) == before:
                mapping.note(f"Of {_words(entry)} of this kind nothing is filed as data.")
    mapping.section = mapping.report = None
    mapping.entry_security = []


def _note_times(mapping: Mapping, entry: Element) -> None:
    """Say where a time is written that is none, such as a day of 2014 in another order: it is never guessed."""
    zone = mapping.zone
    for each in entry.iter("effectiveTime"):
        for one in (each, *each):
            if (
                (value := one.get("value"))
                and (one is each or one.tag in _ENDS)
                and moment_of(value, zone) is None
                and value.strip(" 0")
            ):
                mapping.note("A time in it is none that can be read; it stands in the document alone.")
                return


_ENDS = ("low", "high")


def _nothing(entry: Element) -> bool:
    """An entry that says by its nullFlavor that there is none."""
    return entry.get("nullFlavor") is not None and not len(entry)


def _words(entry: Element) -> str:
    what = {
        "observationMedia": "an image", "regionOfInterest": "a region of an image", "substanceAdministration":
        "a medication", "act": "an act", "observation": "an observation", "organizer": "an organizer",
        "supply": "a supply", "procedure": "a procedure", "encounter": "an encounter", "entry": "an entry",
    }  # fmt: skip
    return what.get(entry.tag, "an element")


def _map_entry(mapping: Mapping, kind: Kind, entry: Element) -> bool:
    """File one entry; whether anything was. What it is says first its template, then its section."""
    tag = entry.tag
    if tag not in STATEMENTS:
        # An empty entry, or one whose statement has a name that CDA does not know.
        inner = [each for each in entry.iter() if each.tag in STATEMENTS]
        if not inner:
            return False
        return _map_entry(mapping, kind, inner[0])
    if tag in ("observationMedia", "regionOfInterest"):
        raise NotCoded("An image is shown with the text; nothing of it is filed as data.")
    mood = (entry.get("moodCode") or "").strip()
    if not mood and kind is Kind.PLAN and tag != "organizer":
        # What stands in a plan without saying that it was done is not to be taken for done.
        mood = "INT"
        entry.set("moodCode", mood)
    found = templates(entry)
    if _NOTE in found or (kind is Kind.NOTES and tag == "act"):
        return map_note_entry(mapping, entry)
    if tag == "substanceAdministration":
        if found & _IMMUNIZATION_TEMPLATES or kind is Kind.IMMUNIZATIONS:
            return map_immunization(mapping, entry)
        return map_medication(mapping, entry, administered=kind is Kind.ADMINISTERED)
    if tag == "encounter":
        return (
            map_plan_entry(mapping, entry)
            if mood and mood != "EVN"
            else map_encounter_entry(mapping, entry) is not None
        )
    if found & _PROBLEM_TEMPLATES and tag in ("act", "observation"):
        return map_problem_entry(mapping, entry, _CATEGORY.get(kind, "problem-list-item"))
    handler = _HANDLERS.get(kind)
    if handler is not None and (done := handler(mapping, entry)):
        return done
    return _map_other(mapping, kind, entry)


_CATEGORY = {Kind.DIAGNOSES: "encounter-diagnosis", Kind.CONCERNS: "health-concern"}


def _medications_in(mapping: Mapping, entry: Element) -> bool:
    """Admission and discharge medications stand in an act around each."""
    if entry.tag == "supply":
        return map_supply(mapping, entry)
    if entry.tag not in ("act", "organizer"):
        return False
    inner = [*mapping.related(entry), *(each for component in entry.findall("component") for each in component)]
    return mapping.each_of(
        (each for each in inner if each.tag in ("substanceAdministration", "supply")),
        lambda each: map_supply(mapping, each) if each.tag == "supply" else map_medication(mapping, each),
    )


def _immunizations_in(mapping: Mapping, entry: Element) -> bool:
    inner = [*mapping.related(entry), *(each for component in entry.findall("component") for each in component)]
    return mapping.each_of(
        (each for each in inner if each.tag == "substanceAdministration"),
        lambda each: map_immunization(mapping, each),
    )


def _problems(mapping: Mapping, entry: Element) -> bool:
    return (
        map_problem_entry(mapping, entry, "problem-list-item")
        if entry.tag in ("act", "observation", "organizer")
        else False
    )


def _diagnoses(mapping: Mapping, entry: Element) -> bool:
    return (
        map_problem_entry(mapping, entry, "encounter-diagnosis")
        if entry.tag in ("act", "observation", "organizer")
        else False
    )


def _concerns(mapping: Mapping, entry: Element) -> bool:
    """Health concerns gather problems and observations of other kinds."""
    if entry.tag == "observation":
        return map_observation(mapping, entry, "survey") is not None
    inner = [*mapping.related(entry), *(each for component in entry.findall("component") for each in component)]

    def act(each: Element) -> bool:
        if templates(each) & _PROBLEM_TEMPLATES or each.tag == "act":
            return map_problem_entry(mapping, each, "health-concern")
        return each.tag == "observation" and map_observation(mapping, each, "survey") is not None

    return mapping.each_of(inner, act)


def _social(mapping: Mapping, entry: Element) -> bool:
    done = map_status_entry(mapping, entry, "social-history")
    map_birth_sex(mapping, entry)
    return done


def _allergies(mapping: Mapping, entry: Element) -> bool:
    return map_allergy_entry(mapping, entry) if entry.tag in ("act", "observation", "organizer") else False


def _procedures(mapping: Mapping, entry: Element) -> bool:
    if (entry.get("moodCode") or "EVN") != "EVN":
        return map_plan_entry(mapping, entry)
    if entry.tag in ("procedure", "act", "observation"):
        return map_procedure(mapping, entry)
    if entry.tag == "organizer":
        return mapping.each_of(
            (each for part in entry.findall("component") for each in part if each.tag in STATEMENTS),
            lambda each: _procedures(mapping, each),
        )
    return False


def _instructions(mapping: Mapping, entry: Element) -> bool:
    return map_instruction(mapping, entry) if entry.tag == "act" else map_plan_entry(mapping, entry)


def _goals(mapping: Mapping, entry: Element) -> bool:
    return map_goal(mapping, entry) if entry.tag == "observation" else map_plan_entry(mapping, entry)


def _status(kind: str) -> Callable[[Mapping, Element], bool]:
    def act(mapping: Mapping, entry: Element) -> bool:
        if entry.tag in ("supply", "procedure"):
            return map_equipment_entry(mapping, entry)
        return map_status_entry(mapping, entry, kind)

    return act


def _nutrition(mapping: Mapping, entry: Element) -> bool:
    if entry.tag == "act" or (entry.get("moodCode") or "EVN") != "EVN":
        return map_plan_entry(mapping, entry)
    return map_status_entry(mapping, entry, "nutrition")


_HANDLERS: dict[Kind, Callable[[Mapping, Element], bool]] = {
    Kind.ALLERGIES: _allergies,
    Kind.MEDICATIONS: _medications_in,
    Kind.ADMINISTERED: _medications_in,
    Kind.IMMUNIZATIONS: _immunizations_in,
    Kind.PROBLEMS: _problems,
    Kind.DIAGNOSES: _diagnoses,
    Kind.CONCERNS: _concerns,
    Kind.PROCEDURES: _procedures,
    Kind.RESULTS: map_result_entry,
    Kind.VITALS: map_vitals_entry,
    Kind.SOCIAL: _social,
    Kind.FAMILY: map_family_entry,
    Kind.FUNCTIONAL: _status("functional-status"),
    Kind.MENTAL: _status("mental-status"),
    Kind.PLAN: map_plan_entry,
    Kind.GOALS: _goals,
    Kind.EQUIPMENT: map_equipment_entry,
    Kind.DIRECTIVES: _status("advance-directive"),
    Kind.PAYERS: map_coverage_entry,
    Kind.INSTRUCTIONS: _instructions,
    Kind.NUTRITION: _nutrition,
    Kind.CARE_TEAM: map_care_team_entry,
}


def _map_other(mapping: Mapping, kind: Kind, entry: Element) -> bool:
    """An entry its section does not expect: by what it is itself."""
    tag, mood = entry.tag, (entry.get("moodCode") or "EVN").strip()
    found = templates(entry)
    if mood not in ("EVN", "") and tag != "organizer":
        return map_plan_entry(mapping, entry)
    if tag == "procedure":
        return map_procedure(mapping, entry)
    if tag == "supply":
        return (
            map_equipment_entry(mapping, entry)
            if entry.find("participant") is not None
            else map_supply(mapping, entry)
        )
    if tag == "observation":
        return map_observation(mapping, entry, "imaging" if kind is Kind.TEXT else "survey") is not None
    if tag == "organizer":
        if "2.16.840.1.113883.10.20.22.4.26" in found:
            return map_vitals_entry(mapping, entry)
        if "2.16.840.1.113883.10.20.22.4.45" in found:
            return map_family_entry(mapping, entry)
        if "2.16.840.1.113883.10.20.22.4.1" in found:
            return map_result_entry(mapping, entry)
        return map_status_entry(mapping, entry, "survey")
    if tag == "act":
        inner = [
            each
            for each in [*mapping.related(entry), *(each for part in entry.findall("component") for each in part)]
            if each.tag in STATEMENTS
        ]
        itself = mapping.concept(entry.find("code")) and kind in (Kind.PROCEDURES, Kind.PLAN) and not negated(entry)
        try:
            done = mapping.each_of(inner, lambda each: _map_entry(mapping, kind, each))
        except NotCoded:
            if not itself:
                raise
            done = False
        return done or (map_procedure(mapping, entry) if itself else False)
    return False


def head_of(tree: Tree) -> Head:
    """What a document says of itself and its sender. ``custodian`` is ``name|number``."""
    root = tree.root
    keeper = root.find("custodian/assignedCustodian/representedCustodianOrganization")
    name = "|"
    if keeper is not None:
        name = said(keeper.findtext("name")) + "|" + identity(keeper.findall("id")[:1])
    return Head(kind_of(root), identity(root.findall("id")), name, patient_keys(root))
