"""What is known of two patients, field by field and side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .domain.traits import Display, Traits


@dataclass(frozen=True, slots=True)
class Compared:
    """One field of two patients side by side; several values are joined by "; "."""

    field: str
    left: str
    right: str

    @property
    def differs(self) -> bool:
        return self.left != self.right


def sides(left: Display, a: Traits, right: Display, b: Traits) -> tuple[Compared, ...]:
    """Every field of two patients."""
    return (
        Compared("Name", left.name, right.name),
        Compared("Birth date", left.birth, right.birth),
        Compared("Sex", left.sex, right.sex),
        Compared("Deceased", left.deceased, right.deceased),
        Compared("Record number", left.mrn, right.mrn),
        *(Compared(label, read(a), read(b)) for label, read in _READERS),
    )


def address(traits: Traits) -> str:
    """The addresses in one line."""
    return _joined(
        " ".join(part for part in (each.number, each.street, each.unit, each.city, each.state, each.postal) if part)
        for each in traits.addresses
    )


def _other_names(traits: Traits) -> str:
    return _joined(" ".join((name.given, *name.middle, name.family)).strip() for name in traits.names[1:])


def _ssn(traits: Traits) -> str:
    return f"•••-••-{traits.ssn[-4:]}" if traits.ssn else ""


def _joined(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values)))


_READERS = (
    ("Other names", _other_names),
    ("Social security number", _ssn),
    ("Other numbers", lambda traits: _joined(each.value for each in traits.identifiers)),
    ("Address", address),
    ("Telephone", lambda traits: _joined(traits.phones)),
    ("Mail address", lambda traits: _joined(traits.emails)),
    ("Mother's maiden name", lambda traits: " ".join(traits.mother)),
    ("Birth order", lambda traits: str(traits.order or "")),
)
