"""People who never lived, with households, twins, namesakes, and the slips of many front desks.

Made from a seed alone: the same seed gives the same people. Names follow the frequencies that come with Charthouse;
rarer family names are put together from syllables.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from random import Random

from charthouse.identity.domain.comparators import given_level
from charthouse.identity.domain.names import Name
from charthouse.identity.domain.reference import nicknames_of, term_frequencies

_HEADS = (
    "Ab", "Al", "An", "Ar", "Bal", "Bar", "Ben", "Ber", "Bol", "Bran", "Cal", "Car", "Chan", "Col", "Cor", "Dal",
    "Dar", "Del", "Don", "Dor", "El", "Er", "Fal", "Far", "Fen", "Gal", "Gar", "Gor", "Hal", "Han", "Har", "Hol",
    "Jan", "Kal", "Kar", "Kel", "Kor", "Kra", "Lan", "Lar", "Lin", "Lor", "Mac", "Mal", "Mar", "Mel", "Mor", "Nal",
    "Nor", "Ol", "Or", "Pal", "Par", "Pel", "Por", "Ral", "Ros", "Sal", "San", "Sel", "Shan", "Sor", "Stan", "Tal",
    "Tan", "Tor", "Val", "Var", "Vol", "Wal", "War", "Wen", "Wil", "Yan", "Zal", "Zan",
)  # fmt: skip
_MIDDLES = ("a", "e", "i", "o", "u", "en", "an", "er", "in", "ov", "es", "is", "ar", "el", "on", "il")
_TAILS = (
    "bach", "berg", "by", "croft", "dale", "den", "dorf", "field", "ford", "gren", "ham", "hart", "ian", "ic",
    "ing",
    "kamp", "kin", "land", "ley", "lund", "man", "mann", "more", "nik", "off", "quist", "rath", "sen", "ski", "son",
    "stad", "stein", "strom", "ton", "vich", "ville", "wall", "well", "wick", "wood", "worth", "yan", "za", "zak",
)  # fmt: skip
_STREETS = (
    "Alder", "Ash", "Aspen", "Bay", "Beech", "Birch", "Bridge", "Brook", "Cedar", "Chapel", "Cherry", "Chestnut",
    "Church", "Clover", "Cypress", "Dogwood", "Elm", "Fern", "Forest", "Franklin", "Garden", "Grove", "Harbor",
    "Hawthorn", "Hickory", "Highland", "Hill", "Holly", "Hudson", "Jefferson", "Juniper", "Lake", "Laurel",
    "Liberty",
    "Lincoln", "Linden", "Locust", "Madison", "Magnolia", "Main", "Maple", "Market", "Meadow", "Mill", "Monroe",
    "Oak", "Orchard", "Park", "Pearl", "Pine", "Pleasant", "Poplar", "Prospect", "River", "Rose", "School",
    "Spring",
    "Spruce", "State", "Summit", "Sunset", "Sycamore", "Union", "Valley", "Vine", "Walnut", "Washington", "Water",
    "Willow", "Winter",
)  # fmt: skip
_WAYS = (("Street", "St"), ("Avenue", "Ave"), ("Road", "Rd"), ("Drive", "Dr"), ("Lane", "Ln"), ("Court", "Ct"))
_TOWNS = tuple(
    f"{head}{tail}"
    for head in ("Nor", "Sud", "Es", "Wes", "Mid", "Ald", "Brook", "Clear", "Fair", "Glen", "High", "Stone", "Wood")
    for tail in ("field", "ton", "bury", "ham", "dale", "ford", "mont", "view", "port", "haven")
)
_STATES = ("MA", "CT", "NY", "NH", "VT", "ME", "RI", "NJ", "PA", "OH")
_NEAR = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wertyuiopqsdfghjklaxcvbnmz", strict=True))
_LIKE_SOUND = (
    ("ph", "f"), ("ck", "k"), ("c", "k"), ("y", "i"), ("ie", "y"), ("ee", "ea"), ("s", "z"), ("ll", "l"),
    ("nn", "n"), ("tt", "t"), ("th", "t"), ("x", "ks"), ("ei", "ie"), ("oo", "u"),
)  # fmt: skip
_LIKE_SHAPE = (
    ("m", "rn"), ("l", "1"), ("o", "0"), ("s", "5"), ("b", "6"), ("g", "q"), ("u", "v"), ("cl", "d"), ("h", "n"),
    ("e", "c"), ("i", "l"), ("w", "vv"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One record. ``person`` is whose it is; ``kind`` how it came about ("copy" for a duplicate, else the member of
    the household); ``household`` numbers the family. Dates are YYYY-MM-DD; empty is unknown."""

    person: int
    household: int
    kind: str
    given: str
    middle: str
    family: str
    suffix: str
    birth: str
    sex: str
    ssn: str
    number: str
    street: str
    unit: str
    city: str
    state: str
    postal: str
    phone: str
    email: str
    mother: str
    order: str = ""


COLUMNS = (
    "given", "middle", "family", "suffix", "birth", "sex", "ssn", "number", "street", "unit", "city", "state",
    "postal", "phone", "email", "mother", "order",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Noise:
    """How often a copy differs from its original, by what happened; shares from 0 to 1."""

    typo: float = 0.06
    nickname: float = 0.3
    exchanged: float = 0.01
    middle_lost: float = 0.3
    middle_initial: float = 0.3
    birth_slip: float = 0.03
    birth_exchanged: float = 0.01
    birth_lost: float = 0.01
    sex_lost: float = 0.02
    ssn_lost: float = 0.4
    ssn_slip: float = 0.02
    moved: float = 0.25
    abbreviated: float = 0.3
    address_slip: float = 0.06
    address_lost: float = 0.04
    phone_changed: float = 0.3
    phone_lost: float = 0.15
    married: float = 0.05
    suffix_lost: float = 0.3

    def times(self, factor: float) -> Noise:
        """So many times the noise, no share above 0.9."""
        return Noise(**{name: min(0.9, getattr(self, name) * factor) for name in self.__dataclass_fields__})


@dataclass(slots=True)
class _Names:
    names: list[str]
    weights: list[float] = field(default_factory=list)

    def draw(self, random: Random) -> str:
        return random.choices(self.names, cum_weights=self.weights)[0]


@lru_cache(maxsize=1)
def _families() -> _Names:
    listed, _ = term_frequencies()["family"]
    names = list(listed)
    weights = [listed[name] for name in names]
    rest = max(0.05, 1.0 - sum(weights))
    made = [f"{head}{middle}{tail}".lower() for head in _HEADS for middle in _MIDDLES for tail in _TAILS]
    Random(7).shuffle(made)  # noqa: S311 - people made up, the same each time
    tail = [1.0 / (rank + 60) for rank in range(len(made))]
    total = sum(tail)
    names += made
    weights += [rest * each / total for each in tail]
    return _Names(names, list(accumulate(weights)))


_WOMEN_END = ("a", "e", "y", "lyn", "beth", "een", "ine", "elle", "ette", "ith", "ice", "ah")


@lru_cache(maxsize=2)
def _givens(sex: str) -> _Names:
    listed, _ = term_frequencies()["given"]
    names = [name for name in listed if name.endswith(_WOMEN_END) == (sex == "F")]
    return _Names(names, list(accumulate(listed[name] for name in names)))


def people(size: int, seed: int) -> Iterator[Row]:
    """``size`` people in their households."""
    random = Random(seed)  # noqa: S311 - people made up, the same each time
    household = made = 0
    while made < size:
        for row in _household(random, household, made):
            if made == size:
                return
            yield row
            made += 1
        household += 1


def _household(random: Random, household: int, first: int) -> list[Row]:
    family = _families().draw(random)
    town = random.choices(range(len(_TOWNS)), weights=range(len(_TOWNS), 0, -1))[0]
    place = {
        "number": str(random.randint(1, 2400)),
        "street": f"{random.choice(_STREETS)} {random.choice(_WAYS)[0]}",
        "unit": str(random.randint(1, 60)) if random.random() < 0.2 else "",
        "city": _TOWNS[town],
        "state": _STATES[town % len(_STATES)],
        "postal": f"{1000 + town * 60 + random.randint(0, 7):05}",
    }
    line = _phone(random)
    kin: list[Row] = []

    def member(kind: str, given: str, sex: str, birth: date, name: str, mother: str, **more: str) -> Row:
        row = Row(
            person=first + len(kin),
            household=household,
            kind=kind,
            given=given,
            middle=_givens(sex).draw(random) if random.random() < 0.8 else "",
            family=name,
            suffix=more.get("suffix", ""),
            birth=birth.isoformat(),
            sex=sex if random.random() > 0.01 else "",
            ssn=_ssn(random) if random.random() < 0.75 else "",
            phone=line if random.random() < 0.45 else _phone(random) if random.random() < 0.85 else "",
            email=f"{given}.{name}{random.randint(1, 99)}@mail.example".lower() if random.random() < 0.5 else "",
            mother=mother if random.random() < 0.4 else "",
            order=more.get("order", ""),
            **place,
        )
        kin.append(row)
        return row

    born = date(1930, 1, 1) + timedelta(days=random.randint(0, 27_000))
    sex = random.choice("MF")
    head = member("head", _givens(sex).draw(random), sex, born, family, _families().draw(random))
    if random.random() < 0.45:
        return kin
    other = "F" if sex == "M" else "M"
    age = timedelta(days=random.randint(-3000, 3000))
    maiden = _families().draw(random)
    spouse = member(
        "spouse", _givens(other).draw(random), other, born + age, family if random.random() < 0.8 else maiden, ""
    )
    father, mother = (head, spouse) if sex == "M" else (spouse, head)
    own_name = maiden if mother is spouse else _families().draw(random)
    child_born = date.fromisoformat(mother.birth) + timedelta(days=random.randint(19 * 365, 30 * 365))
    for _ in range(random.choice((0, 1, 1, 2, 2, 3))):
        if child_born > date(2026, 1, 1):
            break
        its_sex = random.choice("MF")
        given = _givens(its_sex).draw(random)
        if its_sex == "M" and random.random() < 0.05:
            suffix = "Jr" if random.random() < 0.6 else ""
            member("namesake", father.given, "M", child_born, father.family, own_name, suffix=suffix)
            if random.random() < 0.3:
                kin[father.person - first] = replace(kin[father.person - first], suffix="Sr")
        elif random.random() < 0.03:
            numbered = random.random() < 0.3
            member("twin", given, its_sex, child_born, family, own_name, order="1" if numbered else "")
            second = its_sex if random.random() < 0.6 else ("F" if its_sex == "M" else "M")
            partner = _givens(second).draw(random)
            # Nobody calls twins Jon and John.
            while given_level(Name(given=given), Name(given=partner)) != "different":
                partner = _givens(second).draw(random)
            member("twin", partner, second, child_born, family, own_name, order="2" if numbered else "")
        else:
            member("child", given, its_sex, child_born, family, own_name)
        child_born += timedelta(days=random.randint(400, 2200))
    return kin


def _phone(random: Random) -> str:
    return f"{random.randint(201, 989)}{random.randint(200, 989)}{random.randint(0, 9999):04}"


def _ssn(random: Random) -> str:
    return f"{random.randint(1, 665):03}{random.randint(1, 99):02}{random.randint(1, 9999):04}"


def copy(random: Random, row: Row, noise: Noise) -> Row:
    """A second record of the same person, as another desk would have written it at another time."""

    def happens(share: float) -> bool:
        return random.random() < share

    changed = {name: getattr(row, name) for name in COLUMNS}
    if happens(noise.nickname) and (others := sorted(nicknames_of(row.given) - {row.given})):
        changed["given"] = random.choice(others)
    if row.sex == "F" and happens(noise.married):
        changed["family"] = _families().draw(random)
    for name in ("given", "family"):
        if happens(noise.typo):
            changed[name] = slip(random, changed[name])
    if happens(noise.exchanged):
        changed["given"], changed["family"] = changed["family"], changed["given"]
    if happens(noise.middle_lost):
        changed["middle"] = ""
    elif happens(noise.middle_initial):
        changed["middle"] = changed["middle"][:1]
    if happens(noise.suffix_lost):
        changed["suffix"] = ""
    changed["birth"] = _birth(random, row.birth, noise)
    if happens(noise.sex_lost):
        changed["sex"] = ""
    if happens(noise.ssn_lost):
        changed["ssn"] = ""
    elif changed["ssn"] and happens(noise.ssn_slip):
        changed["ssn"] = digit_slip(random, changed["ssn"])
    if happens(noise.moved):
        town = random.randrange(len(_TOWNS))
        changed.update(
            number=str(random.randint(1, 2400)),
            street=f"{random.choice(_STREETS)} {random.choice(_WAYS)[0]}",
            unit="",
            city=_TOWNS[town],
            state=_STATES[town % len(_STATES)],
            postal=f"{1000 + town * 60 + random.randint(0, 7):05}",
        )
    elif happens(noise.address_lost):
        changed.update(number="", street="", unit="", city="", state="", postal="")
    else:
        if happens(noise.abbreviated):
            for long, short in _WAYS:
                changed["street"] = changed["street"].replace(f" {long}", f" {short}")
        for name in ("street", "city"):
            if happens(noise.address_slip):
                changed[name] = slip(random, changed[name])
        for name in ("number", "postal"):
            if happens(noise.address_slip / 2):
                changed[name] = digit_slip(random, changed[name])
    if happens(noise.phone_lost):
        changed["phone"] = ""
    elif happens(noise.phone_changed):
        changed["phone"] = _phone(random)
    if happens(0.5):
        changed["email"] = ""
    return Row(person=row.person, household=row.household, kind="copy", **changed)


def _birth(random: Random, birth: str, noise: Noise) -> str:
    if random.random() < noise.birth_lost:
        return ""
    if random.random() < noise.birth_exchanged and int(birth[8:]) <= 12:
        return f"{birth[:4]}-{birth[8:]}-{birth[5:7]}"
    if random.random() < noise.birth_slip:
        for _ in range(20):
            slipped = digit_slip(random, birth)
            try:
                date.fromisoformat(slipped)
            except ValueError:
                continue
            return slipped
    return birth


def slip(random: Random, word: str) -> str:
    """A slip of the finger, the ear or the scanner."""
    if len(word) < 2:
        return word
    kind = random.random()
    if kind < 0.2 and (found := [pair for pair in _LIKE_SOUND if pair[0] in word.lower()]):
        one, other = random.choice(found)
        return word.lower().replace(one, other, 1)
    if kind < 0.35 and (found := [pair for pair in _LIKE_SHAPE if pair[0] in word.lower()]):
        one, other = random.choice(found)
        return word.lower().replace(one, other, 1)
    place = random.randrange(len(word))
    if kind < 0.5:
        return word[:place] + word[place + 1 :]
    if kind < 0.65:
        return word[:place] + random.choice(string.ascii_lowercase) + word[place:]
    if kind < 0.8 and place + 1 < len(word):
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word[:place] + _NEAR.get(word[place].lower(), "e") + word[place + 1 :]


def digit_slip(random: Random, number: str) -> str:
    """One digit wrong, or two neighbours exchanged."""
    places = [place for place, character in enumerate(number) if character.isdigit()]
    if not places:
        return number
    place = random.choice(places)
    if random.random() < 0.3 and place + 1 < len(number) and number[place + 1].isdigit():
        return number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    return number[:place] + random.choice("0123456789") + number[place + 1 :]
