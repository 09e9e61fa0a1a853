"""Who works at the hospital, and where its beds are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from .catalog import names
from .chance import chance
from .hl7 import npi_of, text

#: MSH-3 and MSH-4, and who assigns record and visit numbers.
ENGINE, HOSPITAL, HOSPITAL_NAME = "WARDLINK", "HRMC", "Harbor Ridge Medical Center"
HOSPITAL_ADDRESS, HOSPITAL_PHONE = "1 Bluff Parkway, Harbor Ridge, MN 55201", "390-555-0100"
CLINIC = "Millbrook Clinic"
#: As intake names the hospital.
HOSPITAL_SENDER = f"{ENGINE}|{HOSPITAL}"
#: Numbers of the staff in the form of NPIs begin here, apart from the demonstration's.
_FIRST_NUMBER = 41_000_000


@dataclass(frozen=True, slots=True)
class Practitioner:
    """Somebody of the staff. ``style`` (0 to 1) is how terse they write; ``slips`` how often a word goes wrong.
    ``days`` are the weekdays they work (0 is Monday). ``npi`` has a valid check digit; ``xcn`` and ``ndl`` are the
    person as HL7 v2 writes them."""

    number: int
    family: str
    given: str
    degree: str
    service: str
    style: float
    slips: float
    days: frozenset[int]

    npi: str = field(init=False, repr=False)
    xcn: str = field(init=False, repr=False)
    ndl: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        npi, family, given = npi_of(self.number), text(self.family), text(self.given)
        object.__setattr__(self, "npi", npi)
        object.__setattr__(self, "xcn", f"{npi}^{family}^{given}^^^^{self.degree}^^NPI^L^^^NPI")
        object.__setattr__(self, "ndl", f"{npi}&{family}&{given}&&&&{self.degree}&&NPI")

    @property
    def signed(self) -> str:
        """As under a note."""
        return f"{self.given[:1]}. {self.family}, {self.degree}"


@lru_cache(maxsize=8)
def staff(seed: int) -> dict[str, tuple[Practitioner, ...]]:
    """The practitioners by service, the same for the same seed."""
    rng = chance(seed, "staff")
    catalog = names()
    people: dict[str, tuple[Practitioner, ...]] = {}
    number, taken = _FIRST_NUMBER, set[tuple[str, str]]()
    for code, service in catalog.services.items():
        found: list[Practitioner] = []
        while len(found) < service.count:
            origin = rng.choice(list(catalog.origins.values()))
            name = rng.choice(origin.families), rng.choice(origin.female if rng.random() < 0.5 else origin.male)
            if name in taken:
                continue
            taken.add(name)
            number += 1
            days = frozenset(rng.sample(range(7), 5))
            found.append(
                Practitioner(number, *name, service.degree, code, rng.random(), rng.random() ** 3 * 0.02, days)
            )
        people[code] = tuple(found)
    return people


def on_duty(seed: int, service: str, day: date, number: int) -> Practitioner:
    """Who sees a patient of ``service`` that day: somebody who works on that weekday, the same all week long."""
    team = staff(seed)[service]
    start = (day.toordinal() // 7 + number) % len(team)
    for step in range(len(team)):
        each = team[(start + step) % len(team)]
        if day.weekday() in each.days:
            return each
    return team[start]
