"""The forms of the front desk as screens draw them: fields in groups, with what was typed and what is at fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from charthouse.foundation.access.api import AccessContext, Role, may
from charthouse.frontdesk import api as frontdesk
from charthouse.people import api as people
from charthouse.record.api import SIGN

Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``kind`` is text, area, choice, check, file, or measure (a number with a choice of units in
    ``options``); ``blank`` is what an empty choice says; ``wide`` takes the whole row; ``needed`` marks it."""

    name: str
    label: str
    kind: str = "text"
    help: str = ""
    options: Options = ()
    blank: str = "Not recorded"
    wide: bool = False
    needed: bool = False
    value: str = ""
    unit: str = ""
    wrong: str = ""
    longest: int = 250
    inputmode: str = ""
    rows: int = 16
    first: bool = False

    @property
    def id(self) -> str:
        return f"form-{self.name}"

    @property
    def described_by(self) -> str:
        said = [f"{self.id}-help"] if self.help else []
        return " ".join([*said, f"{self.id}-wrong"] if self.wrong else said)


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under a heading."""

    title: str
    fields: tuple[Field, ...]


def filled(
    groups: Iterable[Group], values: Mapping[str, str], faults: Mapping[str, str], focus: str = ""
) -> list[Group]:
    """The groups with what was typed and what is at fault; the first field at fault, else the one named ``focus``,
    else the first, gets the focus."""
    made = [
        Group(
            group.title,
            tuple(
                replace(
                    field,
                    value=values.get(field.name, field.value),
                    unit=values.get(f"{field.name}_unit", field.unit),
                    wrong=faults.get(field.name, ""),
                )
                for field in group.fields
            ),
        )
        for group in groups
    ]
    listed = [field for group in made for field in group.fields]
    wanted = [field for field in listed if field.wrong] or [field for field in listed if field.name == focus]
    at = next((field.name for field in (*wanted, *listed)), "")
    return [
        Group(group.title, tuple(replace(field, first=field.name == at) for field in group.fields))
        for group in made
    ]


def options(choices: Mapping[str, str]) -> Options:
    """Codes with their titles as a choice offers them."""
    return tuple(choices.items())


def moment(name: str, label: str, help: str = "Empty means now", *, needed: bool = False) -> tuple[Field, Field]:
    """The two fields of a moment: day and time."""
    return (
        Field(name, label, help=help, longest=40, needed=needed),
        Field(f"{name}_time", f"{label}: time", help="Like 14:30", longest=10),
    )


def person_groups(*, registering: bool) -> list[Group]:
    """The fields of demographics; ``registering`` adds the choice of who gives the number."""
    languages = ", ".join(list(frontdesk.LANGUAGES.values())[:4])
    groups = [
        Group(
            "Name",
            (
                Field("family", "Family name", needed=True, longest=120),
                Field("given", "Given name", needed=True, longest=120),
                Field("middle", "Middle names", longest=120),
                Field("suffix", "Suffix", help="Jr, Sr, III", longest=20),
                Field("previous", "Previous family name", help="At birth, or before a marriage", longest=120),
            ),
        ),
        Group(
            "Birth and sex",
            (
                Field(
                    "birth", "Birth date", help="9 Mar 1952, 3/9/1952, 1952-03-09 or 1952", needed=True, longest=40
                ),
                Field("birth_unknown", "Nobody knows the birth date", kind="check"),
                Field("sex", "Sex", kind="choice", options=options(frontdesk.SEXES), blank="Choose", needed=True),
            ),
        ),
        Group(
            "How to reach the person",
            (
                Field("line", "Street and number", longest=120),
                Field("unit", "Apartment, unit", longest=40),
                Field("city", "City", longest=120),
                Field("state", "State", longest=40),
                Field("postal", "Postal code", longest=20),
                Field("phone", "Telephone", longest=40, inputmode="tel"),
                Field("mobile", "Mobile telephone", longest=40, inputmode="tel"),
                Field("email", "Mail address", longest=120, inputmode="email"),
            ),
        ),
        Group(
            "Identity and language",
            (
                Field(
                    "ssn", "Social security number", help="Nine digits, the last four, or nothing", longest=20,
                    inputmode="numeric",
                ),
                Field("language", "Language", help=f"{languages} or any other", longest=60),
                Field("interpreter", "Interpreter", kind="choice", options=options(frontdesk.INTERPRETER)),
            ),
        ),
    ]  # fmt: skip
    if registering:
        choices = [(each.value, each.title) for each in frontdesk.assigners()]
        if len(choices) > 1:
            given = Field(
                "assigner", "Who gives the record number", kind="choice", options=tuple(choices), blank=""
            )
            groups.append(Group("Record number", (given,)))
    return groups


def correction_groups() -> list[Group]:
    """Demographics, and why they are corrected."""
    why = Field(
        "reason", "Why it is corrected", wide=True, needed=True, longest=500, help="Kept with the correction"
    )
    return [*person_groups(registering=False), Group("Reason", (why,))]


def _encounters(ctx: AccessContext, person: UUID) -> Field:
    listed = tuple((each.value, each.title) for each in frontdesk.encounters(ctx, person))
    return Field("encounter", "Encounter", kind="choice", options=listed, blank="None of them")


def document_groups(ctx: AccessContext, person: UUID) -> list[Group]:
    largest = frontdesk.limits().largest // 1_000_000
    return [
        Group(
            "The paper",
            (
                Field(
                    "file", "File", kind="file", needed=True, wide=True,
                    help=f"PDF, TIFF, JPEG or PNG, at most {largest} MB",
                ),
                Field("type", "Kind of document", kind="choice", blank="Choose", needed=True,
                      options=options(frontdesk.document_types("paper"))),
                Field("date", "Date on the document", needed=True, help="In any usual form", longest=40),
                _encounters(ctx, person),
                Field("description", "Description", longest=200, help="What to know before opening it"),
            ),
        )
    ]  # fmt: skip


def encounter_groups(ctx: AccessContext, person: UUID) -> list[Group]:
    return [
        Group(
            "The encounter",
            (
                Field("class", "Kind", kind="choice", options=options(frontdesk.ENCOUNTER_CLASSES), blank="Choose",
                      needed=True),
                Field("state", "State", kind="choice", options=options(frontdesk.ENCOUNTER_STATES), blank="Choose",
                      needed=True),
                *moment("start", "Begins"),
                *moment("end", "Ends", "Empty while it is not over"),
                Field("why", "Reason", wide=True, longest=250, help="Why the person comes, in their words"),
            ),
        )
    ]  # fmt: skip


def vital_sign_groups(ctx: AccessContext, person: UUID) -> list[Group]:
    signs = tuple(
        Field(
            sign.name,
            sign.title,
            kind="measure",
            longest=12,
            inputmode="decimal",
            options=tuple((unit.code, unit.printed) for unit in sign.units),
            unit=sign.units[0].code,
        )
        for sign in frontdesk.SIGNS.values()
    )
    taken = (*moment("when", "Taken"), _encounters(ctx, person), Field("note", "Note", wide=True, longest=500))
    return [Group("Measured", signs), Group("When and where", taken)]


def allergy_groups(ctx: AccessContext, person: UUID) -> list[Group]:
    return [
        Group(
            "The allergy",
            (
                Field("statement", "What is entered", kind="choice", blank="",
                      options=options(frontdesk.ALLERGY_STATEMENTS), value="allergy"),
                Field("substance", "Substance", help="Medicine, food or other", longest=120),
                Field("kind", "Kind", kind="choice", options=options(frontdesk.ALLERGY_KINDS)),
                Field("criticality", "Danger", kind="choice", options=options(frontdesk.CRITICALITIES),
                      blank="Choose"),
                Field("reaction", "Reaction", help="Hives, swelling, …", longest=250),
                Field("severity", "Severity of the reaction", kind="choice",
                      options=options(frontdesk.SEVERITIES)),
                Field("certainty", "Certainty", kind="choice", options=options(frontdesk.CERTAINTIES), blank="",
                      value="unconfirmed"),
                Field("onset", "Since", help="A date, a month or a year", longest=40),
                Field("note", "Note", wide=True, longest=500),
            ),
        )
    ]  # fmt: skip


def coverage_groups(ctx: AccessContext, person: UUID) -> list[Group]:
    return [
        Group(
            "As the card has it",
            (
                Field("payer", "Payer", needed=True, longest=120),
                Field("member", "Member number", longest=60),
                Field("group", "Group", longest=80),
                Field("plan", "Plan", longest=80),
                Field("order", "Order", kind="choice", options=options(frontdesk.ORDERS), blank="Unknown"),
                Field("relationship", "The patient is the holder's", kind="choice", blank="Unknown",
                      options=options(frontdesk.RELATIONSHIPS)),
                Field("holder", "Holder of the policy", help="Where it is not the patient", longest=120),
                Field("from", "Valid from", longest=40),
                Field("until", "Valid until", longest=40),
            ),
        )
    ]  # fmt: skip


def note_groups(ctx: AccessContext, person: UUID, typed: Mapping[str, str]) -> list[Group]:
    """The fields of a note, by sections where a template was chosen."""
    signing = [Field("sign", "Sign it at once", kind="check")] if may(ctx, SIGN) else []
    return [Group("The note", (*_about_note(ctx, person, typed), *_texts(typed), *signing))]


def dictation_groups(ctx: AccessContext, person: UUID, typed: Mapping[str, str]) -> list[Group]:
    """The fields of a dictation: whose words they are, and the same as of a note."""
    doctors = tuple((each.actor, each.name) for each in people.colleagues([Role.PHYSICIAN]))
    whose = Field("dictated_by", "Dictated by", kind="choice", blank="Choose", needed=True, options=doctors)
    return [Group("The dictation", (whose, *_about_note(ctx, person, typed), *_texts(typed)))]


def _about_note(ctx: AccessContext, person: UUID, typed: Mapping[str, str]) -> tuple[Field, ...]:
    kind = Field(
        "type", "Kind of note", kind="choice", blank="Choose", needed=True,
        options=options(frontdesk.document_types("note")),
    )  # fmt: skip
    chosen = () if typed.get("template") in frontdesk.note_templates() else (kind,)
    return (*chosen, _encounters(ctx, person), *moment("when", "Speaks of"))


def _texts(typed: Mapping[str, str]) -> tuple[Field, ...]:
    sections = frontdesk.note_templates().get(typed.get("template", ""))
    if not sections:
        return (Field("text", "Text", kind="area", wide=True, needed=True, longest=100_000),)
    return tuple(
        Field(each.field, each.title, kind="area", help=each.prompt, longest=30_000, rows=5) for each in sections
    )
