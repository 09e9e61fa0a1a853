"""What the hospital is made of, read strictly from the files in ``data``."""

from __future__ import annotations

from functools import cache

import msgspec

from .panels import Strict, names_in, read


class Origin(Strict, frozen=True, kw_only=True):
    """Names that go together. ``hispanic`` is a share; ``race`` CWE of table 0005, ``language`` of ISO 639."""

    weight: float
    race: str
    hispanic: float
    language: str
    families: str | list[str]
    female: str | list[str]
    male: str | list[str]

    def __post_init__(self) -> None:
        for name in ("families", "female", "male"):
            value = getattr(self, name)
            if isinstance(value, str):
                msgspec.structs.force_setattr(self, name, value.split())


class Service(Strict, frozen=True, kw_only=True):
    """A service: how it is called, how many work there, and what stands behind their names."""

    words: str
    count: int
    degree: str


class Names(Strict, frozen=True, kw_only=True):
    """The file ``names.yaml``. A payer is company and plan; a unit its code, rooms, and beds a room."""

    origins: dict[str, Origin]
    nicknames: dict[str, str]
    towns: list[tuple[str, str]]
    streets: str
    endings: list[str]
    employers: list[str]
    payers: list[tuple[str, str]]
    services: dict[str, Service]
    units: dict[str, tuple[str, int, int]]


class Drug(Strict, frozen=True, kw_only=True):
    """A medicine as it is ordered. ``hours`` lie between two doses; 0 is once. ``child`` is the dose under twelve,
    ``instead`` the medicine for those allergic to penicillin."""

    code: str
    text: str
    dose: str
    route: str
    how: str
    hours: int
    child: str = ""
    instead: str = ""

    @property
    def coded(self) -> str:
        """CWE."""
        return f"{self.code}^{self.text}^{'RXNORM' if self.code[0].isdigit() else 'L'}"


class Operation(Strict, frozen=True, kw_only=True):
    """What is done in the operating room, on which day of the stay, and what is found. ``minor`` is an endoscopy, a
    catheterization or a tap: no incision, no operating room. ``urgent`` waits for nothing."""

    words: str
    code: str
    day: int
    minutes: tuple[int, int]
    blood: tuple[int, int]
    found: str
    steps: str
    specimen: str
    pathology: str
    anesthesia: str
    left: str = ""
    minor: bool = False
    urgent: bool = False


class Condition(Strict, frozen=True, kw_only=True):
    """Why people come, and how it goes. ``words`` is the diagnosis as it is said; ``also`` are companions of which
    some are taken; ``leaves`` is the usual UB-04 discharge status; chances are of a stay. ``exam`` is what is found
    at arrival and ``later`` when it is better; ``course`` is told from the first day to the last. ``unit`` is where
    the patient lies when it is not the service's own; ``procedure`` what is done at the bedside (ICD-10-PCS)."""

    code: str
    words: str
    weight: float
    ages: tuple[int, int]
    way: str
    service: str
    days: tuple[int, int, int]
    complaint: str
    denies: list[str]
    hpi: str
    exam: str
    later: str = ""
    course: str
    plan: str
    aftercare: str
    labs: dict[str, dict[str, tuple[float, float]]]
    vitals: dict[str, tuple[float, float]]
    drugs: list[str]
    left: str = ""
    sexes: str = "FM"
    sided: bool = False
    admits: bool = False
    icu: float = 0.0
    readmit: float = 0.0
    death: float = 0.0
    ama: float = 0.0
    leaves: str = "01"
    always: list[str] = []
    also: list[str] = []
    imaging: str = ""
    findings: str = ""
    unit: str = ""
    procedure: str = ""
    operation: Operation | None = None


@cache
def names() -> Names:
    """People, places and payers."""
    return msgspec.convert(read("names.yaml"), Names)


@cache
def drugs() -> dict[str, Drug]:
    """The formulary, by key."""
    return msgspec.convert(read("drugs.yaml"), dict[str, Drug])


@cache
def conditions() -> dict[str, Condition]:
    """The conditions, by key, from every file in ``data/conditions``."""
    found: dict[str, Condition] = {}
    for name in names_in("conditions"):
        found |= msgspec.convert(read(name), dict[str, Condition])
    return found
