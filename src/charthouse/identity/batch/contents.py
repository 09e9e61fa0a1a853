"""What a column holds, by its values, where its name does not tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date

from charthouse.identity.domain.dates import typed_dates
from charthouse.identity.domain.reference import term_frequencies
from charthouse.identity.domain.text import fold

#: Fewer values tell nothing.
_LEAST = 20
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
_SSN = re.compile(r"^\d{3}-\d{2}-\d{4}$")
_PHONE = re.compile(r"^(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}$")
_TIME = re.compile(r"[T ]\d{1,2}:\d\d.*$")
_ZIP = re.compile(
    r"^\d{5}(?:-\d{4})?$|^[A-Za-z]{1,2}\d[A-Za-z\d]? ?\d[A-Za-z]{2}$|^[A-Za-z]\d[A-Za-z] ?\d[A-Za-z]\d$"
)
_LINE = re.compile(r"^\d+[a-zA-Z]? +[^\d\s]{2,}|^[^\d]{4,} \d+[a-zA-Z]?$")
#: Years between the earlier and the later births of a file, at the least; other dates lie closer together.
_SPREAD = 15


def share_of(field: str, values: Sequence[str]) -> float:
    """The share of a column's values that look like this field's; 0 where too few do for it to be that field."""
    if len(values) < _LEAST:
        return 0.0
    looks, least = _LOOKS[field]
    share = sum(map(looks, values)) / len(values)
    if share < least or (field == "birth" and not _spread(values)) or (field == "postal" and not _repeated(values)):
        return 0.0
    return share


def _birth(value: str) -> bool:
    return not value.isdecimal() and bool(_dates(value))


def _dates(value: str) -> list[str]:
    return [found.value for found in typed_dates(_TIME.sub("", value), date.today())]  # noqa: DTZ011 - a rough look


def _spread(values: Sequence[str]) -> bool:
    years = sorted(int(found[0][:4]) for value in values if (found := _dates(value)))
    return bool(years) and years[len(years) * 9 // 10] - years[len(years) // 10] >= _SPREAD


def _repeated(values: Sequence[str]) -> bool:
    """Whether places repeat; numbers of records do not."""
    return len(set(values)) <= 0.9 * len(values)


def _is_listed(field: str) -> Callable[[str], bool]:
    def looks(value: str) -> bool:
        words = fold(value).split()
        return 0 < len(words) <= 3 and words[0] in term_frequencies()[field][0]

    return looks


def _whole_name(value: str) -> bool:
    """Whether it is a few words, no number among them, one of them a given name that people bear; of family names
    too many are not listed."""
    words = fold(value).split()
    given = term_frequencies()["given"][0]
    return 2 <= len(words) <= 5 and all(map(str.isalpha, words)) and any(word in given for word in words)


_LOOKS: dict[str, tuple[Callable[[str], bool], float]] = {
    "email": (lambda value: bool(_EMAIL.match(value)), 0.9),
    "ssn": (lambda value: bool(_SSN.match(value)), 0.9),
    "phone": (lambda value: bool(_PHONE.match(value)), 0.9),
    "birth": (_birth, 0.9),
    "sex": (lambda value: value.strip().lower() in {"m", "f", "male", "female"}, 0.95),
    "name": (_whole_name, 0.5),
    "given": (_is_listed("given"), 0.6),
    "family": (_is_listed("family"), 0.5),
    "postal": (lambda value: bool(_ZIP.match(value)), 0.95),
    "street": (lambda value: bool(_LINE.match(value)), 0.8),
}
#: The fields that values may tell, in the order in which they are asked.
TOLD_BY_VALUES = tuple(_LOOKS)
