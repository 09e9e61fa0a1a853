"""What the sections of a document are made of: a table for people, and what entries share. After C-CDA R2.1."""

from __future__ import annotations

from dataclasses import dataclass, field

from .values import Element, Json, code, codings, element, listed, null, template, time, timestamp

LOINC = "2.16.840.1.113883.6.1"
SCT = "2.16.840.1.113883.6.96"
ACT = "2.16.840.1.113883.5.4"


@dataclass(slots=True)
class Written:
    """A section as it comes together: the rows of its table, and its entries."""

    columns: tuple[str, ...]
    rows: list[tuple[str, str, list[str | Element]]] = field(default_factory=list)
    """The ID of the first cell, its words, and the other cells."""
    entries: list[Element] = field(default_factory=list)

    def row(self, prefix: str, first: str, *cells: str | Element) -> str:
        """Add a row; answers the ID of its first cell."""
        mark = f"{prefix}{len(self.rows) + 1}"
        self.rows.append((mark, first, list(cells)))
        return mark


@dataclass(frozen=True, slots=True)
class Template:
    """A section's templates, code and title, and what its table is headed by."""

    roots: tuple[tuple[str, str | None], ...]
    loinc: str
    display: str
    title: str
    columns: tuple[str, ...]
    nothing: str


def section(what: Template, written: Written, *, statement: str = "") -> Element:
    """The section with its text and entries; one without either says that there is no information."""
    empty = not written.rows and not statement
    made = element("section", {"nullFlavor": "NI" if empty else None})
    for root, extension in what.roots:
        made.append(template(root, extension))
    made.append(code("code", what.loinc, LOINC, what.display))
    made.append(element("title", None, what.title))
    text = element("text")
    if statement:
        for paragraph in statement.split("\n"):
            if paragraph.strip():
                text.append(element("paragraph", None, paragraph))
    if written.rows:
        head = element("tr", None, *(element("th", None, column) for column in written.columns))
        body = element("tbody")
        for mark, first, others in written.rows:
            body.append(
                element(
                    "tr",
                    None,
                    element(
                        "td",
                        None,
                        element("content", {"ID": mark}, first or "Not stated"),
                    ),
                    *(element("td", None, cell) for cell in others),
                )
            )
        text.append(element("table", None, element("thead", None, head), body))
    elif empty:
        text.append(element("paragraph", None, what.nothing))
    made.append(text)
    for each in written.entries:
        made.append(element("entry", {"typeCode": "DRIV"}, each))
    return element("component", None, made)


# What entries share


def text_of(mark: str) -> Element:
    return element("text", None, element("reference", {"value": f"#{mark}"}))


def related(kind: str, inner: Element, *, inverted: bool = False) -> Element:
    return element("entryRelationship", {"typeCode": kind, "inversionInd": "true" if inverted else None}, inner)


def author(at: object) -> Element | None:
    """When it was written down."""
    if not timestamp(at):
        return None
    return element(
        "author",
        None,
        template("2.16.840.1.113883.10.20.22.4.119"),
        time("time", at),
        element("assignedAuthor", None, null("id", "NI")),
    )


def comments(resource: Json) -> list[Element]:
    return [
        related(
            "SUBJ",
            element(
                "act",
                {"classCode": "ACT", "moodCode": "EVN"},
                template("2.16.840.1.113883.10.20.22.4.64"),
                code("code", "48767-8", LOINC, "Annotation comment"),
                element("text", None, str(each["text"])),
            ),
            inverted=True,
        )
        for each in listed(resource.get("note"))
        if each.get("text")
    ]


def notes(resource: Json) -> str:
    return "; ".join(str(each["text"]) for each in listed(resource.get("note")) if each.get("text"))


def day(fhir: object) -> str:
    """A time for people: the day, and the minute where it is known."""
    text = str(fhir) if isinstance(fhir, str) else ""
    return text[:10] + (f" {text[11:16]}" if len(text) > 15 else "")


def when(resource: Json, what: str) -> str:
    period = resource.get(f"{what}Period")
    if isinstance(period, dict):
        return " to ".join(filter(None, (day(period.get("start")), day(period.get("end")))))
    return day(resource.get(f"{what}DateTime") or resource.get(f"{what}Instant"))


def status_code(concept: object) -> str:
    held = codings(concept)
    return str(held[0]["code"]) if held else ""


_SAID = {
    "active": ("55561003", "Active"), "inactive": ("73425007", "Inactive"), "resolved": ("413322009", "Resolved"),
    "recurrence": ("246455001", "Recurrence"), "relapse": ("246455001", "Recurrence"),
    "remission": ("277022003", "Remission phase"),
}  # fmt: skip


def status_observation(root: str, extension: str | None, state: str) -> list[Element]:
    if state not in _SAID:
        return []
    value, display = _SAID[state]
    return [
        related(
            "REFR",
            element(
                "observation",
                {"classCode": "OBS", "moodCode": "EVN"},
                template(root, extension),
                code("code", "33999-4", LOINC, "Status"),
                element("statusCode", {"code": "completed"}),
                code("value", value, SCT, display, kind="CD"),
            ),
        )
    ]


GRADES = {"mild": ("255604002", "Mild"), "moderate": ("6736007", "Moderate"), "severe": ("24484000", "Severe")}


def severity(value: Element) -> Element:
    return related(
        "SUBJ",
        element(
            "observation",
            {"classCode": "OBS", "moodCode": "EVN"},
            template("2.16.840.1.113883.10.20.22.4.8", "2014-06-09"),
            code("code", "SEV", ACT, "Severity"),
            element("statusCode", {"code": "completed"}),
            value,
        ),
        inverted=True,
    )
