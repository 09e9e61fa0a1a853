"""What a level means, in words for a person who reviews a match. Never with the values compared."""

from __future__ import annotations

_WORDS: dict[tuple[str, str], str] = {
    ("prior", ""): "Two patients taken at random are seldom one person.",
    ("given", "same"): "The given names are the same.",
    ("given", "exchanged"): "Given and family name stand in each other's place.",
    ("given", "crossed"): "The given name of one is the family name of the other.",
    ("given", "nickname"): "The given names are forms of one name.",
    ("given", "initial"): "One given name is the initial of the other.",
    ("given", "middle"): "The given name of one is a middle name of the other.",
    ("given", "similar"): "The given names are written alike.",
    ("given", "sound"): "The given names sound alike.",
    ("given", "faint"): "The given names are remotely alike.",
    ("given", "different"): "The given names differ.",
    ("family", "same"): "The family names are the same.",
    ("family", "part"): "The family names share a part.",
    ("family", "similar"): "The family names are written alike.",
    ("family", "sound"): "The family names sound alike.",
    ("family", "faint"): "The family names are remotely alike.",
    ("family", "different"): "The family names differ.",
    ("middle", "same"): "The middle names are the same.",
    ("middle", "initial"): "The middle initials are the same.",
    ("middle", "different"): "The middle names differ.",
    ("generation", "same"): "Both are of the same generation (senior, junior, III).",
    ("generation", "different"): "The generations differ (senior, junior, III).",
    ("birth", "same"): "The birth dates are the same.",
    ("birth", "first of january"): "The birth dates are the same 1 January, a day often given for an unknown one.",
    ("birth", "exchanged"): "Day and month of the birth dates are exchanged.",
    ("birth", "one digit"): "The birth dates differ in one digit, or two neighbouring ones are exchanged.",
    ("birth", "one part"): "The birth dates differ in the day, the month or the year only.",
    ("birth", "month"): "Year and month of birth are the same; a day is unknown.",
    ("birth", "year"): "The year of birth is the same; month and day are unknown.",
    ("birth", "different"): "The birth dates differ.",
    ("sex", "same"): "The sex is the same.",
    ("sex", "different"): "The sex differs.",
    ("ssn", "same"): "The social security numbers are the same.",
    ("ssn", "unissued"): "The social security numbers are the same, but such numbers are never issued.",
    ("ssn", "one digit"): "The social security numbers differ in one digit or two exchanged ones.",
    ("ssn", "last four"): "The last four digits of the social security numbers are the same.",
    ("ssn", "unissued different"): "The social security numbers differ, but at least one was never issued.",
    ("ssn", "different"): "The social security numbers differ.",
    ("identifier", "same"): "Both carry the same number from the same assigner.",
    ("identifier", "shared"): "Both carry the same insurance or household number, which families share.",
    ("identifier", "other"): "The same assigner gave them different numbers.",
    ("address", "same"): "The addresses are the same.",
    ("address", "similar"): "The addresses are written alike.",
    ("address", "line"): "The same house number and street stand in different places.",
    ("address", "building"): "The addresses are different units of one building.",
    ("address", "street"): "The addresses are on one street; the house numbers differ.",
    ("address", "postal"): "The addresses differ; the postal code is the same.",
    ("address", "city"): "The addresses differ; the city is the same.",
    ("address", "different"): "The addresses differ.",
    ("phone", "same"): "They share a telephone number.",
    ("phone", "local"): "They share a telephone number, once without its area code.",
    ("phone", "one digit"): "The telephone numbers differ in one digit.",
    ("phone", "different"): "The telephone numbers differ.",
    ("email", "same"): "They share a mail address.",
    ("email", "similar"): "The mail addresses are written alike.",
    ("email", "different"): "The mail addresses differ.",
    ("mother", "same"): "The mothers' maiden names are the same.",
    ("mother", "part"): "The mothers' maiden names share a part.",
    ("mother", "similar"): "The mothers' maiden names are written alike.",
    ("mother", "different"): "The mothers' maiden names differ.",
}
_NOUNS = {"given": "given", "family": "family"}


def words_for(field: str, level: str, bits: float = 0.0) -> str:
    """The sentence for a field at a level; for "rare", whether the agreeing name is rare or common."""
    if level == "rare":
        return f"It is a {'rare' if bits > 0 else 'common'} {_NOUNS[field]} name."
    return _WORDS[field, level]


def described() -> set[tuple[str, str]]:
    """Every field and level that has words."""
    return set(_WORDS)
