"""The people: households at addresses, each made from seed and household alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from random import Random

from .catalog import Origin, names
from .chance import chance, weighted

#: So many patient numbers are shared out into households together.
BLOCK = 16
#: Of so many people, the first, one in each block lies in the hospital at the anchor or just went home, so that a
#: small hospital has somebody in its beds. Of the others, those whom chance has there.
LIVELY = 320
#: Days before the anchor in which things happen.
WINDOW = 730
_BANDS = (((19, 34), 21.0), ((35, 49), 23.0), ((50, 64), 32.0), ((65, 79), 19.0), ((80, 95), 5.0))
_ENGLISH = "eng^English^ISO639"
#: The chance that a birth among the first was yesterday.
_BORN_NOW = 0.15


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody close; ``relation`` of HL7 table 0063."""

    family: str
    given: str
    relation: str
    phone: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Insurance: company as code^name, plan as code^name, the member's number, who holds it."""

    company: str
    plan: str
    policy: str
    group: str = ""
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Allergy:
    """``kind`` of HL7 table 0127, ``severity`` of 0128; the code as code^text^system."""

    kind: str
    code: str
    severity: str
    reaction: str


_ALLERGIES = (
    Allergy("DA", "7980^Penicillin G^RXNORM", "MO", "Hives"),
    Allergy("DA", "10831^Sulfamethoxazole-trimethoprim^RXNORM", "MI", "Rash"),
    Allergy("DA", "2670^Codeine^RXNORM", "MI", "Nausea and vomiting"),
    Allergy("FA", "HR9001^Peanut^L", "SV", "Swelling of the lips"),
    Allergy("EA", "HR9002^Latex^L", "MO", "Contact dermatitis"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """An invented person, as at the anchor day.

    ``former`` is the family name until ``renamed``. ``mother`` is a patient number, ``birth`` when a newborn was
    born here, by ``cesarean`` or not. ``twin`` is the twin's patient number, ``namesake`` the father's of a Jr.
    ``here`` when they lie in the hospital at the anchor, or went home the day before.
    """

    number: int
    household: str
    family: str
    given: str
    middle: str
    suffix: str
    sex: str
    born: date
    race: str
    ethnicity: str
    language: str
    interpreter: bool
    address: tuple[str, str, str, str]
    phone: str
    email: str
    ssn: str
    marital: str
    employer: str
    coverage: tuple[Coverage, ...]
    contacts: tuple[Contact, ...]
    former: str = ""
    renamed: date | None = None
    mother: int = 0
    birth: datetime | None = None
    cesarean: bool = False
    order: int = 0
    twin: int = 0
    namesake: int = 0
    delivers: datetime | None = None
    delivers_by_cesarean: bool = False
    children: int = 0
    here: bool = False
    allergies: tuple[Allergy, ...] = ()

    @property
    def mrn(self) -> str:
        """The hospital's record number, with a check digit."""
        return record_number(self.number, 4)

    @property
    def clinic_id(self) -> str:
        """The clinic's id."""
        return f"mb-{self.number:06d}"

    def age(self, day: date) -> int:
        """Full years on that day."""
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))


@lru_cache(maxsize=2_048)
def record_number(number: int, series: int) -> str:
    """A record number of eight digits: series, patient, and Luhn's check digit."""
    body = f"{series}{number:06d}"
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def person(seed: int, number: int, anchor: date) -> Person:
    """Patient ``number`` (from 1) of the hospital of ``seed``."""
    block, place = divmod(number - 1, BLOCK)
    return people_of_block(seed, block, anchor)[place]


@lru_cache(maxsize=4)
def people_of_block(seed: int, block: int, anchor: date) -> tuple[Person, ...]:
    """The sixteen people of a block, household by household."""
    rng = chance(seed, "block", block)
    people: list[Person] = []
    while len(people) < BLOCK:
        people.extend(_household(rng, block * BLOCK + len(people) + 1, BLOCK - len(people), anchor))
    if block * BLOCK < LIVELY:
        place = chance(seed, "here", block).choice(
            [place for place, each in enumerate(people) if each.age(anchor) >= 18 and each.delivers is None]
        )
        people[place] = replace(people[place], here=True)
    return tuple(people)


def _household(rng: Random, first: int, room: int, anchor: date) -> list[Person]:
    catalog = names()
    origin = weighted(rng, [(each, each.weight) for each in catalog.origins.values()])
    family = rng.choice(origin.families)
    town, code = rng.choice(catalog.towns)
    street = f"{rng.randrange(100, 9900)} {rng.choice(catalog.streets.split())} {rng.choice(catalog.endings)}"
    if rng.random() < 0.18:
        street += f" Apt {rng.randrange(1, 40)}"
    home = _Home(rng, origin, family, (street, town, "MN", code), _phone(rng), f"H{first}", anchor)
    kind = weighted(
        rng,
        [("single", 40.0), ("couple", 24.0), ("family", 21.0), ("birth", 9.0), ("junior", 3.0), ("twins", 1.5)],
    )
    if kind == "couple" and room >= 2:
        return home.couple(first)
    if kind == "family" and room >= 3:
        return home.family_with_children(first, min(room - 2, rng.choice((1, 1, 2, 2, 3))), twins=False)
    if kind == "twins" and room >= 4:
        return home.family_with_children(first, 2, twins=True)
    if kind == "birth" and room >= 3:
        return home.birth(first, room)
    if kind == "junior" and room >= 2:
        return home.junior(first)
    age = rng.randint(*weighted(rng, _BANDS))
    return [home.adult(first, rng.choice("FM"), age, marital=_alone(rng, age))]


def _alone(rng: Random, age: int) -> str:
    if age > 72 and rng.random() < 0.6:
        return "W"
    return rng.choice("SSD")


def _phone(rng: Random) -> str:
    """A number in area codes that are kept for an expansion of the numbering plan: nobody has it."""
    return f"39{rng.randrange(10)}-{rng.randrange(201, 989)}-{rng.randrange(10_000):04d}"


class _Home:
    """A household as it is made."""

    def __init__(
        self,
        rng: Random,
        origin: Origin,
        family: str,
        address: tuple[str, str, str, str],
        phone: str,
        key: str,
        anchor: date,
    ) -> None:
        self.rng, self.origin, self.family, self.address = rng, origin, family, address
        self.phone, self.key, self.anchor = phone, key, anchor
        hispanic = rng.random() < origin.hispanic
        self.ethnicity = "2186-5^Not Hispanic or Latino^HL70189"
        if hispanic:
            self.ethnicity = "2135-2^Hispanic or Latino^HL70189"
        self.foreign = bool(origin.language) and rng.random() < 0.45
        self.payer = rng.choice(names().payers)
        self.group = f"G{rng.randrange(10_000, 99_999)}"
        self.used: set[str] = set()

    def given(self, sex: str) -> str:
        """A given name that nobody in the house has yet, where there is one."""
        pool = self.origin.female if sex == "F" else self.origin.male
        for _ in range(6):
            name = self.rng.choice(pool)
            if name not in self.used:
                break
        self.used.add(name)
        return name

    def adult(self, number: int, sex: str, age: int, *, marital: str, given: str = "", suffix: str = "") -> Person:
        rng = self.rng
        given = given or self.given(sex)
        pool = self.origin.female if sex == "F" else self.origin.male
        middle = rng.choice(pool)[0] if rng.random() < 0.7 else ""
        former, renamed = "", None
        if sex == "F" and marital == "M" and 20 <= age <= 50 and rng.random() < 0.12:
            former = rng.choice(self.origin.families)
            renamed = self.anchor - timedelta(days=rng.randrange(30, WINDOW - 60))
        if former == self.family:
            former, renamed = "", None
        works = 19 <= age < 66 and rng.random() < 0.7
        language = self.origin.language if self.foreign and (age > 35 or rng.random() < 0.5) else _ENGLISH
        mail = rng.random()
        return Person(
            number=number,
            household=self.key,
            family=self.family,
            given=given,
            middle=middle,
            suffix=suffix,
            sex=sex,
            born=self.birthday(age),
            race=self.origin.race,
            ethnicity=self.ethnicity,
            language=language,
            interpreter=language != _ENGLISH and rng.random() < 0.6,
            address=self.address,
            phone=self.phone if age > 60 or rng.random() < 0.4 else _phone(rng),
            email=f"{given}.{self.family}{rng.randrange(10, 99)}@example.org".lower() if mail < 0.6 else "",
            ssn=_ssn(rng) if rng.random() < 0.85 else "",
            marital=marital,
            employer=rng.choice(names().employers) if works else "",
            coverage=self.coverage(age, works, f"{self.family}^{given}"),
            contacts=(Contact(self.family, self.given(rng.choice("FM")), "SIB", _phone(rng)),),
            former=former,
            renamed=renamed,
            allergies=tuple(rng.sample(_ALLERGIES, 1 if rng.random() < 0.8 else 2)) if rng.random() < 0.28 else (),
        )

    def birthday(self, age: int) -> date:
        return self.anchor - timedelta(days=int(age * 365.2425) + self.rng.randrange(1, 364))

    def coverage(self, age: int, works: bool, holder: str) -> tuple[Coverage, ...]:
        rng = self.rng
        if age >= 65:
            # Medicare's numbers never begin with 0 (CMS, MBI format).
            letters = [rng.choice(pool) for pool in ("ACDEFG", "HJKM", "NPQR", "TUVW", "XY")]
            digits = [rng.randrange(10) for _ in range(5)]
            policy = "0{0}{5}{6}{1}{2}{7}{3}{4}{8}{9}".format(*letters, *digits)
            medicare = Coverage("CMS^Medicare", "MA^Medicare Part A and B", policy)
            if rng.random() < 0.5:
                company, plan = self.payer
                return medicare, Coverage(company, f"SUP^Supplement {plan[:3]}", f"S{rng.randrange(10**8):08d}")
            return (medicare,)
        if works and rng.random() < 0.8:
            company, plan = self.payer
            return (Coverage(company, plan, f"W{rng.randrange(10**9):09d}", self.group, holder),)
        if rng.random() < 0.7:
            return (Coverage("MNMA^Medical Assistance", "MC^Medicaid", f"{rng.randrange(10**8):08d}"),)
        return ()

    def couple(self, first: int) -> list[Person]:
        age = self.rng.randint(
            *weighted(self.rng, (((28, 49), 28.0), ((50, 64), 42.0), ((65, 79), 24.0), ((80, 92), 6.0)))
        )
        one = self.adult(first, "F", age, marital="M")
        two = self.adult(first + 1, "M", max(20, age + self.rng.randint(-3, 6)), marital="M")
        return _close(one, two)

    def family_with_children(self, first: int, count: int, *, twins: bool) -> list[Person]:
        age = self.rng.randint(27, 46)
        parents = _close(
            self.adult(first, "F", age, marital="M"),
            self.adult(first + 1, "M", age + self.rng.randint(-2, 5), marital="M"),
        )
        children = [self.child(first + 2 + place, parents) for place in range(count)]
        if twins:
            one, two = children
            children = [
                replace(one, twin=two.number, order=1),
                replace(two, born=one.born, twin=one.number, order=2),
            ]
        return [*parents, *children]

    def child(self, number: int, parents: list[Person]) -> Person:
        rng = self.rng
        sex = rng.choice("FM")
        mother = parents[0]
        oldest = max(1, min(17, mother.age(self.anchor) - 20))
        made = self.adult(number, sex, rng.randint(1, oldest), marital="S")
        return replace(
            made,
            phone=mother.phone,
            email="",
            employer="",
            language=_ENGLISH,
            interpreter=False,
            mother=mother.number,
            contacts=tuple(
                Contact(each.family, each.given, "MTH" if each.sex == "F" else "FTH", each.phone)
                for each in parents
            ),
            coverage=parents[0].coverage or parents[1].coverage,
        )

    def birth(self, first: int, room: int) -> list[Person]:
        """Parents and who was born here in the window: one, or twins where there is room."""
        rng = self.rng
        age = rng.randint(19, 41)
        mother = self.adult(first, "F", age, marital="M" if rng.random() < 0.62 else "S")
        father = self.adult(first + 1, "M", age + rng.randint(-2, 7), marital=mother.marital)
        parents = _close(mother, father)
        day = self.anchor - timedelta(days=rng.randrange(5, WINDOW - 40))
        if first <= LIVELY and rng.random() < _BORN_NOW:
            day = self.anchor - timedelta(days=1)
        born = datetime.combine(day, time(rng.randrange(24), rng.randrange(60)))
        cesarean = rng.random() < 0.32
        count = 2 if room >= 4 and rng.random() < 0.06 else 1
        babies = []
        for place in range(count):
            made = self.child(first + 2 + place, parents)
            moment = born + timedelta(minutes=place if cesarean else place * 9)
            if moment.date() != day:
                moment = born
            babies.append(
                replace(
                    made,
                    born=day,
                    birth=moment,
                    cesarean=cesarean,
                    order=place + 1 if count > 1 else 0,
                    ssn="",
                    allergies=(),
                    twin=first + 3 - place if count > 1 else 0,
                )
            )
        mother = replace(parents[0], delivers=born, delivers_by_cesarean=cesarean, children=count)
        if mother.renamed is not None and abs((mother.renamed - day).days) < 15:
            mother = replace(mother, renamed=None, former="")
        return [mother, parents[1], *babies]

    def junior(self, first: int) -> list[Person]:
        """Father and son of one name, at one address or not."""
        age = self.rng.randint(46, 84)
        father = self.adult(first, "M", age, marital="M", suffix="Sr")
        son = self.adult(
            first + 1, "M", age - self.rng.randint(21, 27), marital="S", given=father.given, suffix="Jr"
        )
        return [father, replace(son, namesake=first, middle=father.middle)]


def _close(one: Person, two: Person) -> list[Person]:
    relation = "SPO" if one.marital == "M" else "DOM"
    return [
        replace(one, contacts=(Contact(two.family, two.given, relation, two.phone),)),
        replace(two, contacts=(Contact(one.family, one.given, relation, one.phone),)),
    ]


def _ssn(rng: Random) -> str:
    """In ranges the Social Security Administration never issues (9xx), and that are no ITIN either."""
    return f"{rng.randrange(900, 1000)}-{rng.randrange(1, 50):02d}-{rng.randrange(1, 10_000):04d}"
