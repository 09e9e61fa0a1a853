"""Templates of letters: what they may say, and that a fault is told with its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from charthouse.completion.domain.bylaws import LetterKind
from charthouse.completion.domain.letter_texts import (
    LetterText,
    TemplateError,
    checked_text,
    filled,
    paragraphs,
)

GOOD = LetterText(
    "Records", "Dear {practitioner},\n\n{charts} wait.\n\n{list}\n\nHIM", "{charts}", "You have {charts}."
)


def fault(field: str, value: str, kind: LetterKind = LetterKind.REMINDER) -> str:
    with pytest.raises(TemplateError) as caught:
        checked_text(kind, replace(GOOD, **{field: value}))
    assert list(caught.value.faults) == [field]
    return caught.value.faults[field]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        (
            "body",
            "Dear you,\n{chart} wait",
            "Line 2 of the letter has {chart}, which there is not. Perhaps {charts}",
        ),
        ("body", "{charts} {oops", "Line 1 of the letter has a brace without its other half"),
        ("body", "{charts} }", "Line 1 of the letter has a brace without its other half"),
        ("body", "{charts} {charts.denominator}", "which is no placeholder"),
        ("body", "{charts} {charts!r}", "which is no placeholder"),
        ("body", "{charts:>10}", "which is no placeholder"),
        ("body", "{charts} {}", "which is no placeholder"),
        ("body", "{charts} in {list} here", "a paragraph of its own"),
        ("body", "{charts}\n\n{list}\n\n{list}", "more than once"),
        ("body", "They wait.", "has to say {charts}"),
        ("body", "", "empty"),
        ("body", "{charts}" + "x" * 4000, "may have 4000"),
        ("title", "{list}", "The title has {list}"),
        ("title", "Two\nlines", "one line"),
        ("mail_subject", "Dear {practitioner}", "which a mail may not say"),
        ("mail_text", "You have:\n{list}", "Line 2 of the text of the mail has {list}, which a mail may not say"),
    ],
)
def test_a_fault_is_told_with_its_place(field: str, value: str, says: str) -> None:
    assert says in fault(field, value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(TemplateError) as caught:
        checked_text(LetterKind.REMINDER, LetterText("", "{x}", "", "{list}"))
    assert list(caught.value.faults) == ["title", "body", "mail_subject", "mail_text"]


def test_the_warning_has_to_say_the_threshold() -> None:
    assert "{threshold}" in fault("body", "{delinquent} wait", LetterKind.SUSPENSION_WARNING)


def test_what_is_filled_in_is_only_ever_text() -> None:
    values = {"practitioner": "{charts} {list}", "charts": "2 charts"}
    text = filled(checked_text(LetterKind.REMINDER, GOOD), values)
    assert paragraphs(text.body) == ("Dear {charts} {list},", "2 charts wait.", None, "HIM")


def test_a_brace_is_written_twice() -> None:
    kept = checked_text(LetterKind.REMINDER, replace(GOOD, body="{{x}} {charts}"))
    assert filled(kept, {"practitioner": "", "charts": "1 chart"}).body == "{x} 1 chart"


def test_without_a_place_of_its_own_the_list_stands_at_the_end() -> None:
    assert paragraphs("One.\n\nTwo.") == ("One.", "Two.", None)
