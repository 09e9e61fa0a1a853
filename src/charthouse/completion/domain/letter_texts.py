"""The text of letters: templates with placeholders in braces, checked before they are kept.

A letter has a title, a body whose paragraphs are parted by empty lines, and for the mail that announces it a
subject and a text. The list of charts stands where a paragraph is ``{list}``, else at the end. A brace itself is
written twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from string import Formatter

from .bylaws import LetterKind

#: What a letter may say, and what of it a mail may say: counts and the house, nothing of a patient and no chart.
PLACEHOLDERS: Mapping[str, str] = {
    "practitioner": "the practitioner's name",
    "organization": "the organization's name",
    "date": "the day of the letter",
    "charts": "how many charts are open, as “1 chart” or “12 charts”",
    "delinquent": "how many of them are delinquent, as “1 delinquent chart”",
    "deficiencies": "how many things are owed in them, as “3 items”",
    "days": "how long the oldest is delinquent, as “12 days”",
    "threshold": "what the bylaws list for suspension, in words",
    "list": "the list of charts; a paragraph of its own",
}
MAIL_PLACEHOLDERS = frozenset({"organization", "charts", "delinquent", "deficiencies"})
#: What a letter of each kind has to say.
_NEEDED: Mapping[LetterKind, frozenset[str]] = {
    LetterKind.REMINDER: frozenset({"charts"}),
    LetterKind.DELINQUENCY: frozenset({"delinquent"}),
    LetterKind.SUSPENSION_WARNING: frozenset({"delinquent", "threshold"}),
}
LONGEST = {"title": 120, "body": 4000, "mail_subject": 120, "mail_text": 2000}
_WORDS = {
    "title": "title",
    "body": "letter",
    "mail_subject": "subject of the mail",
    "mail_text": "text of the mail",
}


class TemplateError(ValueError):
    """A template that cannot be kept. ``faults`` are sentences by field."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(" ".join(faults.values()))
        self.faults = dict(faults)


@dataclass(frozen=True, slots=True)
class LetterText:
    """A letter's text, as a template or filled in."""

    title: str
    body: str
    mail_subject: str
    mail_text: str

    def fields(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in LONGEST}


def checked_text(kind: LetterKind, given: LetterText) -> LetterText:
    """The template as it is kept, line ends and outer blanks settled. Raises TemplateError with a fault a field."""
    tidy = LetterText(**{name: _tidy(value) for name, value in given.fields().items()})
    faults = {name: fault for name, value in tidy.fields().items() if (fault := _fault(name, value))}
    if "body" not in faults and (missing := _NEEDED[kind] - _used(tidy.body)):
        name = sorted(missing)[0]
        faults["body"] = (
            f"A letter of the kind “{kind.title}” has to say {{{name}}}: {PLACEHOLDERS[name]}. "
            "Put it into the text."
        )
    if faults:
        raise TemplateError(faults)
    return tidy


def filled(template: LetterText, values: Mapping[str, str]) -> LetterText:
    """The template with its values; ``{list}`` in the body stays as it is, for the list is set there."""
    given = {**values, "list": "{list}"}
    return LetterText(**{name: value.format_map(given) for name, value in template.fields().items()})


def paragraphs(body: str) -> tuple[str | None, ...]:
    """The paragraphs of a filled body; None stands where the list is set, once."""
    found: list[str | None] = [
        None if part.strip() == "{list}" else part for part in body.split("\n\n") if part.strip()
    ]
    if None not in found:
        found.append(None)
    return tuple(found)


def several(count: int, one: str, many: str = "") -> str:
    """ "1 chart", "2 charts"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def _tidy(value: str) -> str:
    lines = value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip().split("\n")
    return "\n".join(line.rstrip() for line in lines)


def _used(value: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(value) if name is not None}


def _fault(field: str, value: str) -> str:
    what = _WORDS[field]
    if not value:
        return f"The {what} is empty. Write it."
    if len(value) > LONGEST[field]:
        return f"The {what} has {len(value)} signs; it may have {LONGEST[field]}. Shorten it."
    if "\n" in value and field in {"title", "mail_subject"}:
        return f"The {what} is one line. Take the line break out."
    return _fault_of_braces(what, value) or _fault_of_names(field, what, value) or _fault_of_list(field, value)


def _fault_of_braces(what: str, value: str) -> str:
    for number, line in enumerate(value.split("\n"), 1):
        try:
            parts = list(Formatter().parse(line))
        except ValueError:
            return (
                f"Line {number} of the {what} has a brace without its other half. "
                "A placeholder is written {charts}; a brace itself is written twice."
            )
        for _, name, form, conversion in parts:
            if name is not None and (form or conversion or not name.isidentifier()):
                return (
                    f"Line {number} of the {what} has {{{name}}}, which is no placeholder. "
                    "One is written {charts}, without anything else between the braces."
                )
    return ""


def _fault_of_names(field: str, what: str, value: str) -> str:
    mail = field.startswith("mail_")
    allowed = MAIL_PLACEHOLDERS if mail else PLACEHOLDERS.keys()
    for number, line in enumerate(value.split("\n"), 1):
        for name in sorted(_used(line)):
            if name in allowed:
                continue
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS if each in allowed)
            if mail and name in PLACEHOLDERS:
                return (
                    f"Line {number} of the {what} has {{{name}}}, which a mail may not say: it names no one and no "
                    f"chart. It may say {known}."
                )
            near = get_close_matches(name, sorted(allowed), 1)
            meant = f" Perhaps {{{near[0]}}} is meant." if near else ""
            return f"Line {number} of the {what} has {{{name}}}, which there is not.{meant} There are {known}."
    return ""


def _fault_of_list(field: str, value: str) -> str:
    if field == "title" and "list" in _used(value):
        return "The title has {list}; the list of charts stands in the letter, as a paragraph of its own."
    if field == "body":
        found = [part for part in value.split("\n\n") if "list" in _used(part)]
        if len(found) > 1:
            return "The letter has {list} more than once; the list of charts stands in it once."
        if found and found[0].strip() != "{list}":
            return "{list} stands among other words; it is a paragraph of its own, between empty lines."
    return ""
